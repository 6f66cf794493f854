"""Designs that a coordinator starts from: what the form of a new study is filled with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.translation import gettext_noop

from labeling.studies.protocol.documents import ArmDocument

POLYGON: ArmDocument = {
    "name": gettext_noop("polygon with class"),
    "tools": ["polygon"],
    "assistance": "none",
}
PROPOSALS: ArmDocument = {
    "name": gettext_noop("with proposals"),
    "tools": ["polygon", "brush"],
    "assistance": "proposals",
}
BOXES_THEN_MASKS: ArmDocument = {
    "name": gettext_noop("boxes, then fused masks"),
    "tools": ["box"],
    "second_tools": ["brush", "polygon"],
    "assistance": "own_boxes",
}
SMART: ArmDocument = {"name": gettext_noop("smart click"), "tools": ["smart"], "assistance": "none"}
SAVES_TIME = gettext_noop(
    "Boxes, masks made from them and their verification take less active time per cell than polygons with class, at a "
    "quality that is not worse by more than the margin."
)


@dataclass(frozen=True)
class Template:
    """name, about: English, to be translated. arms: the first is the reference. given: of limits.PROTOCOL and of the
    draw of fields."""

    name: str
    about: str
    arms: tuple[ArmDocument, ...]
    given: Mapping[str, object] = field(default_factory=dict)


# Names in addresses (?template=...) -> the template. The first one is what an empty form shows.
TEMPLATES: dict[str, Template] = {
    "proposals": Template(
        name=gettext_noop("With and without proposals"),
        about=gettext_noop("Polygons with class against proposals that are accepted, corrected or rejected."),
        arms=(POLYGON, PROPOSALS),
    ),
    "boxcell-cells": Template(
        name=gettext_noop("Boxes against polygons (BoxCell), single cells"),
        about=gettext_noop(
            "Handling, place given: 25 sampled cells a reader and arm, one by one. Own boxes come back as masks in a "
            "second sitting, a day later."
        ),
        arms=(POLYGON, BOXES_THEN_MASKS),
        given={
            "unit": "cells",
            "measured": 50,
            "strata": "size",
            "gap_days": 1,
            "training_per_arm": 3,
            "hypothesis": SAVES_TIME,
        },
    ),
    "boxcell-fields": Template(
        name=gettext_noop("Boxes against polygons (BoxCell), fields"),
        about=gettext_noop(
            "Throughput with search and missed cells. Own boxes come back as masks in a second sitting, a day later."
        ),
        arms=(POLYGON, BOXES_THEN_MASKS),
        given={"unit": "fields", "gap_days": 1, "hypothesis": SAVES_TIME},
    ),
    "smart": Template(
        name=gettext_noop("Smart click against polygon"),
        about=gettext_noop("One click inside a cell, with the mask made at once, against a polygon drawn by hand."),
        arms=(POLYGON, SMART),
    ),
}
DEFAULT = "proposals"
