"""Orders of the gallery by what cells look like, and class suggestions: asked of the interactive worker.

The worker keeps nothing of what people decide. Each question brings all verdicts, so what is suggested always follows
from the log, also after a restart.
"""

import uuid
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.gallery.listing import Gallery, Listed, gallery_of, verdicts_by, written_layers
from labeling.gallery.maps import map_to_show
from labeling.gallery.vectors import Covered, covered, drawn_cells
from labeling.jobs.immediate import answer_of
from labeling.projects.models import Project

ORDERS = ("likeness", "duplicates", "errors", "map")
PROJECTIONS = ("pca", "umap")  # of a map
NO_CELL = -1  # the label of what is no cell
MOST_LIKE = 100


@dataclass(frozen=True)
class Wanted:
    """like: cells that others are to look like; of: cells, classes, images: keys; empty for all. projection: of a
    map, one of PROJECTIONS."""

    order: str = "likeness"
    like: Sequence[uuid.UUID] = ()
    of: Sequence[uuid.UUID] = ()
    classes: Sequence[int] = ()
    images: Sequence[int] = ()
    projection: str = "pca"


@dataclass(frozen=True)
class OrderedGallery:
    """An ordered gallery and what the verdicts so far suggest for its cells.

    suggested  key of a class, NO_CELL, or 0 where nothing is suggested, one a cell
    chances    of what is suggested, 0..1
    places     x, y in 0..1 on the map, one a cell; empty in other orders
    learned    verdicts that the suggestions follow from
    """

    gallery: Gallery
    covered: Covered
    suggested: list[int] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    places: list[tuple[float, float]] = field(default_factory=list)
    learned: int = 0


def likeness_of(project: Project, user: User, wanted: Wanted) -> OrderedGallery:
    """The gallery in an order of ORDERS.

    Cells without vectors come last. Raises NobodyAnswers, Invalid with the worker's reason, NoMap.
    """
    gallery = gallery_of(project, user, "doubt", wanted.classes, wanted.images, wanted.of)
    known = covered(project, user)
    if not gallery.cells or not known.files:
        return OrderedGallery(gallery, known)
    labels = _labels(project, user)
    is_by_job = wanted.order == "map" and wanted.projection == "umap"
    answer = answer_of(
        "inference.likeness",
        {
            "files": known.files,
            "cells": _packed([one.cell for one in gallery.cells]),
            "proposed": _numbers([one.label_class or 0 for one in gallery.cells]),
            "known": _packed(list(labels)),
            "labels": _numbers(list(labels.values())),
            "like": _packed(wanted.like),
            "order": wanted.order,
            "map_file": map_to_show(project, user).file if is_by_job else "",
        },
        otherwise=_("Choose another order, or try again in a moment."),
    )
    turn = np.frombuffer(b64decode(answer["order"]), "<i4").tolist()
    suggested = np.frombuffer(b64decode(answer["suggested"]), "<i4")[turn]
    chances = np.frombuffer(b64decode(answer["chances"]), "<f4")[turn]
    places = np.frombuffer(b64decode(answer["places"]), "<f4").reshape(-1, 2)
    cells: list[Listed] = [gallery.cells[index] for index in turn]
    return OrderedGallery(
        gallery=replace(gallery, cells=cells),
        covered=known,
        suggested=suggested.tolist(),
        chances=np.round(chances.astype(float), 4).tolist(),
        places=[(round(x, 4), round(y, 4)) for x, y in places[turn].tolist()] if len(places) else [],
        learned=int(answer["learned"]),
    )


def _labels(project: Project, user: User) -> dict[uuid.UUID, int]:
    """Cell -> its class by the verdict of a person: a key, 0 for a cell without class, NO_CELL.

    Cells of a retired class are left out, since nobody is offered that class any more.
    """
    found = verdicts_by(project, user)
    drawn = drawn_cells(written_layers(project, user)).filter(label_class__retired_at__isnull=True)
    found.update((uid, label_class or 0) for uid, label_class in drawn.values_list("uid", "label_class"))
    return found


def _packed(cells: Sequence[uuid.UUID]) -> str:
    return b64encode(b"".join(cell.bytes for cell in cells)).decode()


def _numbers(values: Sequence[int]) -> str:
    return b64encode(np.array(values, "<i4").tobytes()).decode()
