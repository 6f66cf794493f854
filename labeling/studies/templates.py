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
ONE_BY_ONE: ArmDocument = {
    "name": gettext_noop("one by one"),
    "tools": ["polygon", "brush"],
    "assistance": "proposals",
}
MANY_AT_ONCE: ArmDocument = {
    "name": gettext_noop("many at once"),
    "tools": ["polygon", "brush"],
    "assistance": "proposals",
    "accepts_many": True,
}
BOXES_THEN_MASKS: ArmDocument = {
    "name": gettext_noop("boxes, then fused masks"),
    "tools": ["box"],
    "second_tools": ["brush", "polygon"],
    "assistance": "own_boxes",
}
POINTS_THEN_MASKS: ArmDocument = {
    "name": gettext_noop("points, then fused masks"),
    "tools": ["point"],
    "second_tools": ["brush", "polygon"],
    "assistance": "own_boxes",
}
BOX: ArmDocument = {
    "name": gettext_noop("box and brush"),
    "tools": ["box", "brush"],
    "assistance": "none",
}
SMART: ArmDocument = {"name": gettext_noop("smart click"), "tools": ["smart", "brush"], "assistance": "none"}
SAVES_TIME = gettext_noop(
    "Boxes, masks made from them and their verification take less active time per cell than polygons with class, at a "
    "quality that is not worse by more than the margin."
)
EXCLUSIONS = gettext_noop(
    "A field is left out when its record is incomplete for more than a tenth of its length, when the reader reports a "
    "disturbance before the lock, or when its image was shown wrongly. Who leaves it out does not know its time."
)
CONSENT = gettext_noop(
    "This study measures how long ways to annotate cells take. It judges the ways, not you. Your results stand under "
    "a pseudonym in everything that is published. Taking part is voluntary; you can stop or withdraw at any time, "
    "without a reason and without a disadvantage."
)
# What every template fills: fields of limits.PROTOCOL. Who is responsible, the contact, the ethics reference and the
# day until which data are kept are facts of a laboratory, so they stay empty.
USUAL: Mapping[str, object] = {
    "design": "crossover",
    "training_per_arm": 2,
    "sitting_minutes": 45,
    "break_minutes": 10,
    "practice_quality": 0.6,
    "exclusion_rules": EXCLUSIONS,
    "consent_text": CONSENT,
}
WORDS = ("hypothesis", "exclusion_rules", "consent_text")  # of a template, in English, to be translated


@dataclass(frozen=True)
class Template:
    """name, about: English, to be translated. arms: the first is the reference. given: of limits.PROTOCOL and of the
    draw of fields, before what USUAL says."""

    name: str
    about: str
    arms: tuple[ArmDocument, ...]
    given: Mapping[str, object] = field(default_factory=dict)

    @property
    def filled(self) -> dict[str, object]:
        """Every value that a form begins with."""
        return {**USUAL, **self.given}


# Names in addresses (?template=...) -> the template.
TEMPLATES: dict[str, Template] = {
    "proposals": Template(
        name=gettext_noop("With and without proposals"),
        about=gettext_noop(
            "The same readers outline cells with a polygon, and accept, correct or reject what a round has proposed. "
            "It answers whether proposals save time at this quality."
        ),
        arms=(POLYGON, PROPOSALS),
        given={
            "hypothesis": gettext_noop(
                "With proposals a cell takes less active time than with a polygon, at a quality that is not worse by "
                "more than the margin."
            )
        },
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
    "points": Template(
        name=gettext_noop("Points against boxes"),
        about=gettext_noop(
            "Readers mark each cell by a box or by one click; the machine makes masks from both, and a day later they "
            "are verified. It answers whether the time that a click saves comes back as corrections."
        ),
        arms=(BOXES_THEN_MASKS, POINTS_THEN_MASKS),
        given={
            "gap_days": 1,
            "hypothesis": gettext_noop(
                "Points, masks made from them and their verification take less active time per cell than boxes, at a "
                "quality that is not worse by more than the margin."
            ),
        },
    ),
    "smart": Template(
        name=gettext_noop("Smart click against box"),
        about=gettext_noop(
            "One click inside a cell gives its mask at once; the other arm draws a box and paints what is missing. "
            "The machine's answer is awaited with the pen in hand, and that waiting is no active time."
        ),
        arms=(BOX, SMART),
        given={
            "hypothesis": gettext_noop(
                "With a smart click a cell takes less active time than with box and brush, at a quality that is not "
                "worse by more than the margin."
            )
        },
    ),
    "many": Template(
        name=gettext_noop("One by one against many at once"),
        about=gettext_noop(
            "The same proposals are decided one by one, or all those in view are accepted by one key after the wrong "
            "ones were rejected. It answers what is lost in quality where verification is fast."
        ),
        arms=(ONE_BY_ONE, MANY_AT_ONCE),
        given={
            "hypothesis": gettext_noop(
                "Accepting many proposals at once takes less active time per cell than deciding each, at a quality "
                "that is not worse by more than the margin."
            )
        },
    ),
}
DEFAULT = "proposals"
