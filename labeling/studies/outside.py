"""An arm that was read in another program: kept beside the study, described, and never tested against its arms."""

import uuid
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from inference.masks import pack
from inference.types import BoxMask
from labeling.accounts.models import User
from labeling.annotations.models import Layer
from labeling.annotations.services import Loaded, load_layer
from labeling.annotations.state import PackedMask, State
from labeling.errors import Invalid, WrongState
from labeling.studies.labelme import Drawing, read_archive
from labeling.studies.models import Amendment, Study


@transaction.atomic
def import_labelme(*, study: Study, name: str, content: bytes, reason: str, by: User) -> Amendment:
    """LabelMe files of one reader, zipped, as an arm of manual polygons. An amendment says so, with its reason.

    Each file must be of one of the study's measured fields. Its cells become an immutable import layer of that field's
    image. Raises Invalid, WrongState.
    """
    study = Study.objects.select_for_update().get(pk=study.pk)
    if study.state != Study.State.RUNNING:
        raise WrongState(_("an arm read elsewhere is added to a running study"))
    name = name.strip()
    there = {a.change["outside_arm"]["name"] for a in study.amendments.all() if "outside_arm" in a.change}
    if not name or name in there or study.arms.filter(name=name).exists():
        raise Invalid(_("an arm needs a name of its own"), field="name")
    if not reason.strip():
        raise Invalid(_("an amendment needs a reason"), field="reason")
    measured = list(study.fields.filter(training=False).select_related("image"))
    fields = {f.image.name: f for f in measured}
    if len(fields) < len(measured):
        raise Invalid(
            _("two fields of this study have one name, so LabelMe’s files do not say which is which"), field="archive"
        )
    drawings = read_archive(content, {name: (f.image.width, f.image.height) for name, f in fields.items()})
    readings = []
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
    arm = {"name": name, "tool": tool, "readings": readings}
    return Amendment.objects.create(study=study, change={"outside_arm": arm}, reason=reason.strip(), by=by)


def outside_arms(study: Study) -> list[dict[str, Any]]:
    return [a.change["outside_arm"] for a in study.amendments.all() if "outside_arm" in a.change]


def _loaded(cell: BoxMask, drawing: Drawing) -> Loaded:
    height, width = cell.bits.shape
    return Loaded(
        uuid.uuid4(),
        State(
            "cell",
            "confirmed",
            (cell.x, cell.y, cell.x + width, cell.y + height),
            mask=PackedMask(cell.x, cell.y, width, height, pack(cell.bits)),
            provenance={"imported": f"LabelMe {drawing.version}", "file": drawing.file},
        ),
    )
