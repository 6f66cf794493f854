"""An arm that was read in another program: kept beside the study, described, and never tested against its arms."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from django.db import transaction
from django.utils.translation import gettext as _

from inference.documents.publication import Provenance
from inference.masks import pack
from inference.types import BoxMask
from labeling.accounts.models import User
from labeling.annotations.models import Layer
from labeling.annotations.services import Loaded, load_layer
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.errors import Invalid, WrongState
from labeling.studies import limits
from labeling.studies.amending import OUTSIDE_ARM, record
from labeling.studies.clocks import BEGINNING
from labeling.studies.labelme import Drawing, read_archive
from labeling.studies.models import Amendment, Study, StudyField, Unit
from labeling.studies.protocol.documents import OutsideArm, OutsideReading

NEVER = BEGINNING.isoformat()  # of files whose time of saving says nothing


@transaction.atomic
def import_labelme(*, study: Study, name: str, content: bytes, reason: str, by: User) -> Amendment:
    """LabelMe files of one reader, zipped, as an arm of manual polygons. An amendment says so, with its reason.

    Each file must be of one of the study's measured fields. Its cells become an immutable import layer of that field's
    image. Raises Invalid, WrongState.
    """
    study, name, reason = running(study, name, reason)
    fields = fields_by_name(study)
    drawings = read_archive(content, {name: (f.image.width, f.image.height) for name, f in fields.items()})
    readings: list[OutsideReading] = []
    for drawing in drawings:
        field = fields[drawing.image]
        layer = load_layer(
            image=field.image, kind=Layer.Kind.IMPORT, loaded=[_loaded(c, drawing) for c in drawing.cells]
        )
        readings.append(
            {
                "field": field.pk,
                "layer": str(layer.pk),
                "file": drawing.file,
                "cells": len(drawing.cells),
                "left_out": drawing.left_out,
                "saved_at": drawing.saved_at.isoformat(),
            }
        )
    tool = "LabelMe " + ", ".join(sorted({d.version for d in drawings}))
    arm: OutsideArm = {"name": name, "tool": tool, "readings": readings}
    return record_arm(study=study, arm=arm, reason=reason, by=by)


def running(study: Study, name: str, reason: str) -> tuple[Study, str, str]:
    """The study with its row locked, and name and reason of an arm that it can take. Raises Invalid, WrongState."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    if study.state != Study.State.RUNNING:
        raise WrongState(_("an arm read elsewhere is added to a running study"))
    if study.unit == Unit.CELLS:  # its references are single cells, in pixels of what is shown around them
        raise Invalid(
            _("files of other programs are of whole fields, and this study presents single cells"), field="archive"
        )
    if study.unit == Unit.TIME:
        raise Invalid(_("no clock ended the fields in another program, and this study has time boxes"), field="archive")
    name, reason = limits.ARM_NAME.parse(name, "name"), limits.REASON.parse(reason, "reason")
    there = {arm["name"] for arm in outside_arms(study)}
    if name in there or study.arms.filter(name=name).exists():
        raise Invalid(_("an arm needs a name of its own"), field="name")
    return study, name, reason


def fields_by_name(study: Study) -> dict[str, StudyField]:
    """The measured fields by the names of their images. Raises Invalid where two have one name."""
    measured = list(study.fields.filter(training=False).select_related("image"))
    fields = {f.image.name: f for f in measured}
    if len(fields) < len(measured):
        raise Invalid(
            _("two fields of this study have one name, so the files do not say which is which"), field="archive"
        )
    return fields


def record_arm(*, study: Study, arm: OutsideArm, reason: str, by: User) -> Amendment:
    """The amendment that an arm was added."""
    return record(study=study, change={OUTSIDE_ARM: arm}, reason=reason, by=by)


def load_cells(field: StudyField, states: Sequence[AnnotationState], provenance: Provenance) -> Layer:
    """The cells as an immutable import layer of the field's image; classes are not compared, so they are left out."""
    loaded = []
    for state in states:
        own = replace(state, label_class=None, derived_from=None, provenance=provenance)
        loaded.append(Loaded(uuid.uuid4(), own))
    return load_layer(image=field.image, kind=Layer.Kind.IMPORT, loaded=loaded)


def outside_arms(study: Study) -> list[OutsideArm]:
    """The arms read elsewhere: name, tool, readings of each. A row that does not hold them is left out."""
    fields = set(study.fields.values_list("pk", flat=True))
    changes = [amendment.change for amendment in study.amendments.all()]
    arms = [change.get(OUTSIDE_ARM) for change in changes if isinstance(change, dict)]
    return [cast(OutsideArm, arm) for arm in arms if isinstance(arm, dict) and _is_whole(arm, fields)]


def _is_whole(arm: Mapping[str, object], fields: set[int]) -> bool:
    readings = arm.get("readings")
    if not isinstance(arm.get("name"), str) or not isinstance(arm.get("tool"), str) or not isinstance(readings, list):
        return False
    return all(_is_reading(reading, fields) for reading in readings)


def _is_reading(reading: Any, fields: set[int]) -> bool:
    if not isinstance(reading, dict) or reading.get("field") not in fields:
        return False
    counts = (reading.get("cells"), reading.get("left_out"))
    if not all(type(count) is int for count in counts) or not isinstance(reading.get("file"), str):
        return False
    try:
        uuid.UUID(reading.get("layer"))
        datetime.fromisoformat(str(reading.get("saved_at")))
    except (ValueError, TypeError, AttributeError):
        return False
    return True


def _loaded(cell: BoxMask, drawing: Drawing) -> Loaded:
    height, width = cell.bits.shape
    return Loaded(
        uuid.uuid4(),
        AnnotationState(
            "cell",
            "confirmed",
            (cell.x, cell.y, cell.x + width, cell.y + height),
            mask=PackedMask(cell.x, cell.y, width, height, pack(cell.bits)),
            provenance={"imported": f"LabelMe {drawing.version}", "file": drawing.file},
        ),
    )
