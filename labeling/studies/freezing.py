"""Freezing: what a draft must have, checked one by one, and the protocol that is then fixed under a SHA-256."""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling.accounts.models import User
from labeling.errors import Invalid, sentence
from labeling.projects.models import Project
from labeling.rounds.weights.promotion import newest_publication
from labeling.studies import learned, limits, masks
from labeling.studies.drafts import decline_without_clock, preview
from labeling.studies.models import Arm, Item, Participant, Study, StudyField, Unit
from labeling.studies.protocol import design
from labeling.studies.protocol.declared import DECLARED
from labeling.studies.protocol.documents import Conduct, Design, FieldDocument, FrozenProtocol, check_frozen
from labeling.studies.protocol.upgrades import VERSION

TOOLS_OF_THE_APP = frozenset(Arm.TOOLS)  # an arm with another tool would run somewhere else, untimed
MARKS = frozenset({"box", "point"})  # what the machine makes masks from
OUTCOMES: dict[str, str] = {
    Unit.FIELDS: "active human seconds per field per reference cell, ratio of arithmetic means over readers",
    Unit.CELLS: "active human seconds per sampled cell whose place is given per reference cell, ratio of arithmetic "
    "means over readers",
    Unit.TIME: "active human seconds per reference cell reached in a fixed time, ratio of arithmetic means over "
    "readers",
}
# What a study has before it is frozen -> its name for people.
NEEDED = {
    "consent_text": gettext_noop("consent text"),
    "ethics_reference": gettext_noop("ethics reference"),
    "retention_until": gettext_noop("retention until"),
    "hypothesis": gettext_noop("hypothesis"),
    "controller": gettext_noop("who is responsible for the data"),
    "contact": gettext_noop("contact for readers"),
}


@dataclass(frozen=True)
class Check:
    """One line of the list before the freezing. missing: what is wrong and what to do; "" when the line is done."""

    name: str
    missing: str

    @property
    def is_done(self) -> bool:
        return not self.missing


def checks_of(study: Study) -> list[Check]:
    """Everything that the freezing asks for, each with what is missing: `freeze` runs the same checks in this order."""
    found = []
    for name, check in CHECKS:
        try:
            check(study)
        except Invalid as error:
            found.append(Check(name, sentence(error)))
        else:
            found.append(Check(name, ""))
    return found


def _declared(study: Study) -> None:
    """A draft may be older than the bounds, so each declared value is checked once more. Raises Invalid."""
    for name in NEEDED:
        if not getattr(study, name):
            raise Invalid(_("before freezing, the study needs: {what}").format(what=_(NEEDED[name])), field=name)
    limits.parse_protocol({name: getattr(study, name) for name in limits.PROTOCOL})
    limits.decline_past(study.retention_until)
    decline_without_clock(study)


def _arms_run_here(study: Study) -> None:
    """Raises Invalid for an arm that nobody could read in this app."""
    for arm in study.arms.all():
        tools = {*arm.tools, *arm.second_tools}
        if missing := tools - TOOLS_OF_THE_APP:
            raise Invalid(
                _("arm {name} needs {tools}, which this app does not have").format(
                    name=arm.name, tools=", ".join(sorted(missing))
                ),
                field="arms",
            )
        if not arm.tools and arm.assistance == Arm.Assistance.NONE:
            raise Invalid(_("arm {name} has neither tools nor proposals").format(name=arm.name), field="arms")
        if why := _without_masks(arm):
            raise Invalid(why, field="arms")
    in_two_sittings = study.arms.filter(assistance=Arm.Assistance.OWN_BOXES).exists()
    if in_two_sittings and study.unit == Unit.TIME:
        raise Invalid(
            _("a time box is one sitting, and an arm here has two; choose another unit or another assistance"),
            field="arms",
        )
    if in_two_sittings:
        masks.decline_without_models()


def _without_masks(arm: Arm) -> str:
    """Why this arm could give no mask, so that its quality could not be compared; "" where it can."""
    if arm.assistance == Arm.Assistance.OWN_BOXES and not MARKS & {*arm.tools}:
        return _("arm {name} makes masks from the reader’s own marks, so it needs the tool “box” or “point”").format(
            name=arm.name
        )
    if arm.assistance == Arm.Assistance.NONE and {*arm.tools} <= {"point"}:
        return _(
            "arm {name} has only points, and a point has no extent whose quality could be compared; choose two "
            "sittings as its assistance, or add a tool that outlines"
        ).format(name=arm.name)
    return ""


def _fields_are_sound(study: Study) -> None:
    """Fields are drawn, and no model behind what is shown on them has learned from them. Raises Invalid."""
    fields = list(study.fields.select_related("image"))
    if not fields:
        raise Invalid(_("no fields are drawn; draw them, then freeze"), field="fields")
    check = _learned(study)
    for image in {field.image for field in fields}:
        if why := check(image):
            raise Invalid(
                _("{name} cannot be a field of this study: {why}. Draw the fields again, then freeze.").format(
                    name=image.name, why=_(why)
                ),
                field="fields",
            )


def _balanced(study: Study) -> None:
    preview(study)


CHECKS: tuple[tuple[str, Callable[[Study], None]], ...] = (
    (gettext_noop("What the study declares"), _declared),
    (gettext_noop("Arms that run in this app"), _arms_run_here),
    (gettext_noop("Fields that no model has learned from"), _fields_are_sound),
    (gettext_noop("As many readers as the design needs"), _balanced),
)


@transaction.atomic
def freeze(*, study: Study, by: User) -> Study:
    """Fix the protocol and the allocation; from here on the study runs. Raises Invalid, WrongState.

    Nothing may be open that somebody could decide after having seen times: everything in CHECKS. Who has which
    pseudonym is drawn now, so that it does not follow the order of enrolment.
    """
    Project.objects.for_change(study.project_id)  # a running study keeps its project from being archived
    study = Study.objects.select_for_update().get(pk=study.pk)
    for _name, check in CHECKS:
        check(study)
    arms = list(study.arms.all())
    elsewhere = _pin_proposals(study)
    draw_pseudonyms(study)
    planned = preview(study)
    participants, fields = list(study.participants.all()), {f.pk: f for f in study.fields.select_related("image")}
    by_name = {arm.name: arm for arm in arms}
    protocol = _protocol(study, arms, list(fields.values()), planned, elsewhere)
    check_frozen(protocol)
    study.protocol = protocol
    study.protocol_sha256 = hash_of(protocol)
    study.frozen_at = timezone.now()
    study.move_to(Study.State.RUNNING)
    study.save()
    Item.objects.bulk_create(
        Item(
            participant=participants[p.reader],
            position=p.position,
            sequence=p.sequence,
            period=p.period,
            arm=by_name[p.arm],
            field=fields[p.field],
            training=p.training,
            repeat=p.repeat,
            part=p.part,
        )
        for p in planned
    )
    return study


def draw_pseudonyms(study: Study) -> None:
    """Give the readers their numbers at random. The draw is kept nowhere but in the numbers themselves."""
    readers = list(study.participants.select_for_update())
    free = max((reader.number for reader in readers), default=0) + 1
    numbers = list(range(1, len(readers) + 1))
    secrets.SystemRandom().shuffle(numbers)
    for place, reader in enumerate(readers):  # out of the way first: no two readers may have one number
        Participant.objects.filter(pk=reader.pk).update(number=free + len(readers) + place)
    for reader, number in zip(readers, numbers, strict=True):
        Participant.objects.filter(pk=reader.pk).update(number=number)


def _learned(study: Study) -> learned.Check:
    return learned.Check(study.project, proposals=_shows_proposals(study))


def _shows_proposals(study: Study) -> bool:
    return study.arms.filter(assistance=Arm.Assistance.PROPOSALS).exists()


def _pin_proposals(study: Study) -> list[str]:
    """Fix which proposals each field shows. Its images were checked before.

    -> weights behind what readers see whose training data are not in this project, so that nobody here can check them
    """
    elsewhere: list[str] = []
    fields = list(study.fields.select_related("image"))
    if _shows_proposals(study):
        for field in fields:
            newest = newest_publication(field.image)
            assert newest is not None  # an image without proposals was refused before
            field.proposals = newest.layer
            field.save(update_fields=["proposals"])
        elsewhere += _learned(study).elsewhere(field.image for field in fields)
    if study.arms.filter(assistance=Arm.Assistance.OWN_BOXES).exists():
        elsewhere += [name for name in masks.model_names() if name not in elsewhere]
    return elsewhere


def _protocol(
    study: Study,
    arms: list[Arm],
    fields: list[StudyField],
    planned: Iterable[design.Planned],
    elsewhere: list[str],
) -> FrozenProtocol:
    retention = study.retention_until
    protocol: FrozenProtocol = {
        "version": VERSION,
        "name": study.name,
        "hypothesis": study.hypothesis,
        "outcome": OUTCOMES[study.unit],
        "measurement": {"idle_after_s": study.idle_after_s, "blur_is_away": True},
        "analysis": {
            "reference": arms[0].name,
            "confidence": 0.95,
            "inference": "t test on readers",
            "seed": study.seed,
            "outlier_iqr": study.outlier_iqr,
            "quality_measure": study.quality_measure,
            "quality_margin": study.quality_margin,
            **DECLARED,
        },
        "conduct": _conduct(study),
        "size_justification": study.size_justification,
        "controller": study.controller,
        "contact": study.contact,
        "exclusion_rules": study.exclusion_rules,
        "design": cast(Design, study.design),
        "seed": study.seed,
        "washout_days": study.washout_days,
        "strata": study.strata,
        "public_title": study.public_title,
        "models_trained_elsewhere": elsewhere,
        "arms": [arm.as_document() for arm in arms],
        "fields": [_field(f) for f in sorted(fields, key=lambda f: f.pk)],
        "allocation": [p.as_document() for p in planned],
        "consent_text": study.consent_text,
        "ethics_reference": study.ethics_reference,
        "retention_until": retention.isoformat() if isinstance(retention, date) else retention,
        "withdrawal_after_lock": study.withdrawal_after_lock,
    }
    if any(arm.assistance == Arm.Assistance.OWN_BOXES for arm in arms):
        protocol["mask_models"] = masks.frozen_models(study.project)
    return protocol


def _conduct(study: Study) -> Conduct:
    return {
        "unit": study.unit,
        "time_box_minutes": study.time_box_minutes,
        "gap_days": study.gap_days,
        "sitting_minutes": study.sitting_minutes,
        "break_minutes": study.break_minutes,
        "practice_quality": study.practice_quality,
    }


def _field(field: StudyField) -> FieldDocument:
    found: FieldDocument = {
        "field": field.pk,
        "sha256": field.image.sha256,
        "reference_cells": field.reference_cells,
        "stratum": field.stratum,
        "training": field.training,
        "proposals": str(field.proposals_id) if field.proposals_id else None,
    }
    if field.cell is not None and field.frame is not None:
        found["cell"] = field.cell
        found["frame"] = field.frame
    return found


def hash_of(protocol: FrozenProtocol) -> str:
    """SHA-256 of the canonical JSON: keys sorted, no spaces, UTF-8."""
    return hashlib.sha256(
        json.dumps(protocol, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    ).hexdigest()
