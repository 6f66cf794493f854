"""The raw tables of a study, pseudonymous, as the analysis takes them (bundle.DICTIONARY explains the columns)."""

import base64
import uuid
from datetime import datetime

import numpy as np
import pandas as pd
import PIL.Image

from inference.masks import cells_of, pack
from labeling.annotations.models import ActivityBatch, Annotation, Layer
from labeling.images.models import Image
from labeling.studies.models import Item, Removal, Study
from labeling.studies.outside import outside_arms
from labeling.studies.raw import batches_frame, events_frame, operations_frame
from labeling.studies.removal import removes

MASK = ["x", "y", "width", "height", "bits"]


def tables_of(study: Study) -> dict[str, pd.DataFrame]:
    """Every table. Who withdrew before lock, or after it where the consent says "remove", has left no row in any of the
    raw tables, and only a row without times in items."""
    items = list(
        Item.objects.filter(participant__study=study)
        .select_related("participant", "arm", "field__image", "sheet")
        .order_by("participant__number", "position")
    )
    gone = {i.participant_id for i in items if removes(study, i.participant)}
    named = {i.pk: f"{i.participant.pseudonym}-{i.position:03d}" for i in items}
    removals = Removal.objects.filter(participant__study=study, cause=Removal.Cause.RETENTION)
    overdue = set(removals.values_list("participant", flat=True))
    left = [i for i in items if i.sheet_id and i.participant_id not in gone | overdue]
    images = dict(Image.objects.filter(project__in=[i.sheet_id for i in left]).values_list("project", "pk"))
    of_image = {images[i.sheet_id]: i for i in left if i.sheet_id in images}
    batches = ActivityBatch.objects.filter(image__in=of_image)
    found = batches_frame(batches)
    operations = operations_frame(of_image)
    item_of = {image: named[item.pk] for image, item in of_image.items()}
    reader_of = {image: item.participant.pseudonym for image, item in of_image.items()}
    for frame in (found, operations):
        frame.insert(0, "item", frame["image"].map(item_of).astype(str))
        frame.insert(1, "participant", frame["image"].map(reader_of).astype(str))
        frame["received_at"] = [at.isoformat() for at in frame["received_at"]]
    rows = [
        (
            named[i.pk],
            i.participant.pseudonym,
            i.position,
            i.sequence,
            i.period,
            i.arm.name,
            i.field_id,
            i.training,
            i.repeat,
            i.state,
            _moment(i.opened_at, i.participant_id in gone),
            _moment(i.done_at, i.participant_id in gone),
            RETENTION_OVER if i.participant_id in overdue else i.excluded,
            i.participant_id in gone,
            i.field.reference_cells,
            i.field.image.width,
            i.field.image.height,
        )
        for i in items
    ]
    sittings = [
        (named[i.pk], s.begun_at.isoformat(), s.ended_at.isoformat() if s.ended_at else "", s.end)
        for i in left
        for s in i.sittings.all()
    ]
    return {
        "items": pd.DataFrame(rows, columns=ITEMS),
        "sittings": pd.DataFrame(sittings, columns=["item", "begun_at", "ended_at", "end"]),
        "batches": found.drop(columns=["image", "user"]),
        "events": events_frame(batches),
        "operations": operations.drop(columns=["image", "user"]),
        "cells": _cells(of_image, item_of),
        "reference_cells": _reference(study),
        **_outside(study),
    }


RETENTION_OVER = "raw data deleted, the retention date has passed"


def _moment(at: datetime | None, is_gone: bool) -> str:
    return at.isoformat() if at and not is_gone else ""


ITEMS = [
    "item",
    "participant",
    "position",
    "sequence",
    "period",
    "arm",
    "field",
    "training",
    "repeat",
    "state",
    "opened_at",
    "done_at",
    "excluded",
    "withdrawn",
    "reference_cells",
    "width",
    "height",
]


def _cells(of_image: dict[int, Item], item_of: dict[int, str]) -> pd.DataFrame:
    """Confirmed cells of the reader's own layer as it stands: "" in bits where there is only a box."""
    rows = []
    for a in (
        Annotation.objects.filter(
            layer__image__in=of_image, layer__kind=Layer.Kind.WORKING, kind="cell", status="confirmed", deleted=False
        )
        .select_related("layer")
        .order_by("layer__image", "uid")
    ):
        mask = (a.mask_x or 0, a.mask_y or 0, a.mask_width or 0, a.mask_height or 0, _base64(a.mask_bits))
        rows.append((item_of[a.layer.image_id], str(a.uid), a.x0, a.y0, a.x1, a.y1, *mask))
    return pd.DataFrame(rows, columns=["item", "cell", "x0", "y0", "x1", "y1", *MASK])


def _reference(study: Study) -> pd.DataFrame:
    rows = []
    for field in study.fields.select_related("image").order_by("pk"):
        with field.image.reference.open("rb") as file:
            labels = np.asarray(PIL.Image.open(file)).astype(np.int32)
        for number, mask in cells_of(labels):
            height, width = mask.bits.shape
            rows.append((field.pk, number, mask.x, mask.y, width, height, base64.b64encode(pack(mask.bits)).decode()))
    return pd.DataFrame(rows, columns=["field", "number", *MASK])


def _base64(bits: bytes | memoryview | None) -> str:
    return base64.b64encode(bytes(bits)).decode() if bits is not None else ""


def _outside(study: Study) -> dict[str, pd.DataFrame]:
    """Arms that were read in another program: one row for each file, and the cells drawn there."""
    arms = outside_arms(study)
    files = [
        (arm["name"], arm["tool"], r["field"], r["file"], r["cells"], r["left_out"], r["saved_at"])
        for arm in arms
        for r in arm["readings"]
    ]
    of_layer = {r["layer"]: (arm["name"], r["field"]) for arm in arms for r in arm["readings"]}
    cells = [
        (*of_layer[str(a.layer_id)], a.mask_x, a.mask_y, a.mask_width, a.mask_height, _base64(a.mask_bits))
        for a in Annotation.objects.filter(layer__in=[uuid.UUID(layer) for layer in of_layer]).order_by("layer", "uid")
    ]
    return {
        "outside": pd.DataFrame(files, columns=["arm", "tool", "field", "file", "cells", "left_out", "saved_at"]),
        "outside_cells": pd.DataFrame(cells, columns=["arm", "field", *MASK]),
    }
