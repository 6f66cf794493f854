"""A certificate with everything it rests on, as JSON: plan, seed, sample and verdicts."""

from labeling.reviews.certificates.models import Lot, LotCell, LotField, LotImage
from labeling.reviews.certificates.results import results_of, shares_of_lot, statement_of

METHOD = "docs/certificate.md"


def record_of(lot: Lot) -> dict[str, object]:
    """Planted errors are marked as such, so it is given out only for a lot that is not being judged any more."""
    shares = shares_of_lot(lot)
    return {
        "method": METHOD,
        "state": lot.state,
        "plan": {
            "meaning": lot.meaning,
            "tolerated": lot.tolerated,
            "alpha": lot.alpha,
            "attempt": lot.attempt,
            "alpha_errors_a_group": shares.errors,
            "alpha_catch_rate": shares.catching,
            "seed": lot.seed,
            "sha256": lot.sha256,
            "groups": lot.groups,
            "strata": lot.strata,
            "planted": lot.planted,
            "fields": lot.fields.count(),
            "fields_total": lot.fields_total,
            "made_at": lot.made_at.isoformat(),
            "made_by": lot.made_by.display_name,
        },
        "images": [_image(row) for row in lot.images.select_related("image").order_by("image_id")],
        "sample": [_cell(row) for row in lot.cells.select_related("judged_by").order_by("position")],
        "fields": [_field(row) for row in lot.fields.select_related("annotated_by").order_by("position")],
        "statement": lot.statement or statement_of(lot, results_of(lot)),
    }


def _image(row: LotImage) -> dict[str, object]:
    return {
        "image": row.image_id,
        "name": row.image.name,
        "pixels_sha256": row.pixels,
        "layer": str(row.layer),
        "cells": row.cells,
    }


def _cell(row: LotCell) -> dict[str, object]:
    return {
        "position": row.position,
        "image": row.image_id,
        "proposal": str(row.proposal) if row.proposal else None,
        "stratum": row.stratum,
        "planted": row.planted,
        "shown": row.shown,
        "verdict": row.verdict,
        "judged_by": row.judged_by.display_name if row.judged_by else None,
        "judged_at": row.judged_at.isoformat() if row.judged_at else None,
        "milliseconds": row.milliseconds,
    }


def _field(row: LotField) -> dict[str, object]:
    return {
        "position": row.position,
        "image": row.image_id,
        "box": [row.x0, row.y0, row.x1, row.y1],
        "points": row.points,
        "cells": row.cells,
        "missed": row.missed,
        "annotated_by": row.annotated_by.display_name if row.annotated_by else None,
        "annotated_at": row.annotated_at.isoformat() if row.annotated_at else None,
    }
