"""The raw tables of a study, pseudonymous, as the analysis takes them (dictionary.DICTIONARY explains the columns)."""

import base64
import uuid
from datetime import datetime

import pandas as pd

from inference.masks import cells_of, pack
from labeling.annotations.models import ActivityBatch, Annotation, Layer
from labeling.images.models import Image
from labeling.studies.clocks import BEGINNING, Clocks
from labeling.studies.models import Item, Removal, Study
from labeling.studies.outside import outside_arms
from labeling.studies.raw import batches_frame, events_frame, operations_frame
from labeling.studies.references import reference_of, size_of
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
    clocks = Clocks(items)
    item_of = {image: named[item.pk] for image, item in of_image.items()}
    reader_of = {image: item.participant.pseudonym for image, item in of_image.items()}
    key_of = {image: item.participant_id for image, item in of_image.items()}
    found["wall_ms"] = [
        clocks.wall_ms(key_of[image], ms) for image, ms in zip(found["image"], found["wall_ms"], strict=True)
    ]
    for frame in (found, operations):
        frame["received_at"] = [
            clocks.moment(key_of[image], at) for image, at in zip(frame["image"], frame["received_at"], strict=True)
        ]
        frame.insert(0, "item", frame["image"].map(item_of).astype(str))
        frame.insert(1, "participant", frame["image"].map(reader_of).astype(str))
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
            "" if i.participant_id in gone else clocks.moment(i.participant_id, i.opened_at),
            "" if i.participant_id in gone else clocks.moment(i.participant_id, i.done_at),
            RETENTION_OVER if i.participant_id in overdue else clocks.reason(i.participant_id, i.excluded),
            i.participant_id in gone,
            i.field.reference_cells,
            *size_of(i.field),
            i.part,
            i.machine_s,
        )
        for i in items
    ]
    sittings = []
    for item in left:
        for sitting in item.sittings.all():
            begun = clocks.moment(item.participant_id, sitting.begun_at)
            ended = clocks.moment(item.participant_id, sitting.ended_at)
            sittings.append((named[item.pk], begun, ended, sitting.end))
    return {
        "items": pd.DataFrame(rows, columns=ITEMS),
        "readers": _readers(study),
        "sittings": pd.DataFrame(sittings, columns=["item", "begun_at", "ended_at", "end"]),
        "batches": found.drop(columns=["image", "user"]),
        "events": events_frame(batches),
        "operations": operations.drop(columns=["image", "user"]),
        "cells": _cells(of_image, item_of),
        "reference_cells": _reference(study),
        **_outside(study),
    }


RETENTION_OVER = "raw data deleted, the retention date has passed"


def _readers(study: Study) -> pd.DataFrame:
    """What readers said of themselves, and the machine they sat at; of who withdrew nothing but that."""
    rows = []
    for reader in study.participants.all():
        is_here = reader.withdrawn_at is None
        device = reader.device if is_here and reader.device else {}
        rows.append(
            (
                reader.pseudonym,
                reader.consented_at is not None,
                reader.has_declined,
                not is_here and not reader.has_declined,
                reader.profession if is_here else "",
                reader.experience_years if is_here else None,
                reader.shares_times,
                device.get("input_ms"),
                device.get("frame_ms"),
            )
        )
    table = pd.DataFrame(rows, columns=READERS)
    return table.astype({"experience_years": float, "input_ms": float, "frame_ms": float})


OUTSIDE = ["arm", "tool", "field", "file", "cells", "left_out", "saved_at", "timing", "seconds"]
READERS = [
    "participant",
    "consented",
    "declined",
    "withdrawn",
    "profession",
    "experience_years",
    "shares_times",
    "input_ms",
    "frame_ms",
]
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
    "part",
    "machine_s",
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
        for number, mask in cells_of(reference_of(field)):
            height, width = mask.bits.shape
            rows.append((field.pk, number, mask.x, mask.y, width, height, base64.b64encode(pack(mask.bits)).decode()))
    return pd.DataFrame(rows, columns=["field", "number", *MASK])


def _base64(bits: bytes | memoryview | None) -> str:
    return base64.b64encode(bytes(bits)).decode() if bits is not None else ""


def _outside(study: Study) -> dict[str, pd.DataFrame]:
    """Arms that were read in another program: one row for each file, and the cells drawn there."""
    files: list[tuple[object, ...]] = []
    of_layer = {}
    for arm in outside_arms(study):
        first = min((datetime.fromisoformat(r["saved_at"]) for r in arm["readings"]), default=BEGINNING)
        for r in arm["readings"]:
            saved = (datetime.fromisoformat(r["saved_at"]) - first + BEGINNING).isoformat()
            files.append(
                (
                    arm["name"],
                    arm["tool"],
                    r["field"],
                    r["file"],
                    r["cells"],
                    r["left_out"],
                    saved,
                    r.get("timing", "saved"),
                    r.get("seconds"),
                )
            )
            of_layer[r["layer"]] = (arm["name"], r["field"])
    cells = [
        (*of_layer[str(a.layer_id)], a.mask_x, a.mask_y, a.mask_width, a.mask_height, _base64(a.mask_bits))
        for a in Annotation.objects.filter(layer__in=[uuid.UUID(layer) for layer in of_layer]).order_by("layer", "uid")
    ]
    outside = pd.DataFrame(files, columns=OUTSIDE)
    return {
        "outside": outside.astype({"seconds": float}),
        "outside_cells": pd.DataFrame(cells, columns=["arm", "field", *MASK]),
    }
