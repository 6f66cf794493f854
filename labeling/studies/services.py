"""What can be done with a study, in its order: plan (drafts.py), freeze, read item by item, amend (amending.py),
withdraw (removal.py), lock."""

import hashlib
import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling.accounts.models import User
from labeling.annotations.services import working_layer
from labeling.errors import Invalid, LabelingError, WrongState
from labeling.projects.models import Membership, Project
from labeling.rounds.models import Publication
from labeling.studies import learned, limits, removal
from labeling.studies.amending import amend, effective, exclude, is_over, retention_of
from labeling.studies.drafts import (
    HALVES,
    choose_fields,
    create_study,
    delete_draft,
    draft_study,
    edit_draft,
    enrol,
    preview,
    redraw,
    remove_reader,
)
from labeling.studies.interim_looks import open_interim_results
from labeling.studies.models import Arm, Item, Participant, Sitting, Strata, Study, StudyField
from labeling.studies.protocol import design
from labeling.studies.protocol.declared import DECLARED
from labeling.studies.protocol.documents import Design, FrozenProtocol, check_frozen
from labeling.studies.removal import withdraw
from labeling.studies.sheets import make_sheet

__all__ = [
    "HALVES",
    "MAY_BE_AMENDED",
    "OutOfOrder",
    "Strata",
    "agree_to_retention",
    "amend",
    "choose_fields",
    "complete",
    "consent",
    "create_study",
    "delete_draft",
    "draft_study",
    "edit_draft",
    "effective",
    "enrol",
    "exclude",
    "freeze",
    "hash_of",
    "lock",
    "next_item",
    "open_interim_results",
    "open_item",
    "pause",
    "preview",
    "redraw",
    "remove_reader",
    "withdraw",
]

TOOLS_OF_THE_APP = frozenset(Arm.TOOLS) - {"point"}  # an arm with another tool would run somewhere else, untimed
# What a study has before it is frozen -> its name for people.
NEEDED = {
    "consent_text": gettext_noop("consent text"),
    "ethics_reference": gettext_noop("ethics reference"),
    "retention_until": gettext_noop("retention until"),
    "hypothesis": gettext_noop("hypothesis"),
}
REREAD_AFTER = timedelta(days=28)
MAY_BE_AMENDED = frozenset(limits.AMENDABLE)


class OutOfOrder(LabelingError):
    """This is not the participant's next item, or not yet."""

    code = "out_of_order"


@transaction.atomic
def freeze(*, study: Study, by: User) -> Study:
    """Fix the protocol and the allocation; from here on the study runs. Raises Invalid, WrongState.

    Nothing may be open that somebody could decide after having seen times: consent text, ethics reference and retention
    are there, every arm runs in this app, and proposals come from models that never learned from a study patient.
    """
    Project.objects.for_change(study.project_id)  # a running study keeps its project from being archived
    study = Study.objects.select_for_update().get(pk=study.pk)
    _complete_and_sound(study)
    arms = list(study.arms.all())
    for arm in arms:
        _runs_here(arm)
    elsewhere: list[str] = []
    if any(arm.assistance == Arm.Assistance.PROPOSALS for arm in arms):
        elsewhere = _pin_proposals(study)
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
        )
        for p in planned
    )
    return study


def _complete_and_sound(study: Study) -> None:
    """A draft may be older than the bounds, so each declared value is checked once more. Raises Invalid."""
    for name in NEEDED:
        if not getattr(study, name):
            raise Invalid(_("before freezing, the study needs: {what}").format(what=_(NEEDED[name])), field=name)
    limits.parse_protocol({name: getattr(study, name) for name in limits.PROTOCOL})
    limits.decline_past(study.retention_until)


def _runs_here(arm: Arm) -> None:
    """Raises Invalid for an arm that nobody could read in this app."""
    if missing := set(arm.tools) - TOOLS_OF_THE_APP:
        raise Invalid(
            _("arm {name} needs {tools}, which this app does not have").format(
                name=arm.name, tools=", ".join(sorted(missing))
            ),
            field="arms",
        )
    if not arm.tools and arm.assistance == Arm.Assistance.NONE:
        raise Invalid(_("arm {name} has neither tools nor proposals").format(name=arm.name), field="arms")


def _pin_proposals(study: Study) -> list[str]:
    """Fix which proposals each field shows, after asking what their models learned from. Raises Invalid.

    -> weights behind them whose training data are not in this project, so that nobody here can check them
    """
    check = learned.Check(study.project, proposals=True)
    fields = list(study.fields.select_related("image"))
    for field in fields:
        if why := check(field.image):
            raise Invalid(
                _("{name} cannot be a field of this study: {why}. Draw the fields again, then freeze.").format(
                    name=field.image.name, why=_(why)
                ),
                field="fields",
            )
    for field in fields:
        newest = Publication.objects.filter(image=field.image).order_by("-round__number").first()
        assert newest is not None  # an image without proposals was refused above
        field.proposals = newest.layer
        field.save(update_fields=["proposals"])
    return check.elsewhere(field.image for field in fields)


def _protocol(
    study: Study,
    arms: list[Arm],
    fields: list[StudyField],
    planned: Iterable[design.Planned],
    elsewhere: list[str],
) -> FrozenProtocol:
    retention = study.retention_until
    return {
        "name": study.name,
        "hypothesis": study.hypothesis,
        "outcome": "active human seconds per field per reference cell, ratio of arithmetic means over readers",
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
        "exclusion_rules": study.exclusion_rules,
        "design": cast(Design, study.design),
        "seed": study.seed,
        "washout_days": study.washout_days,
        "strata": study.strata,
        "public_title": study.public_title,
        "models_trained_elsewhere": elsewhere,
        "arms": [arm.as_document() for arm in arms],
        "fields": [
            {
                "field": f.pk,
                "sha256": f.image.sha256,
                "reference_cells": f.reference_cells,
                "stratum": f.stratum,
                "training": f.training,
                "proposals": str(f.proposals_id) if f.proposals_id else None,
            }
            for f in sorted(fields, key=lambda f: f.pk)
        ],
        "allocation": [p.as_document() for p in planned],
        "consent_text": study.consent_text,
        "ethics_reference": study.ethics_reference,
        "retention_until": retention.isoformat() if isinstance(retention, date) else retention,
        "withdrawal_after_lock": study.withdrawal_after_lock,
    }


def hash_of(protocol: FrozenProtocol) -> str:
    """SHA-256 of the canonical JSON: keys sorted, no spaces, UTF-8."""
    return hashlib.sha256(
        json.dumps(protocol, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    ).hexdigest()


# -- the participant's path


@transaction.atomic
def consent(*, participant: Participant) -> None:
    """The participant has read the text and agrees; nothing is recorded before. Raises WrongState."""
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    if participant.study.state != Study.State.RUNNING or participant.withdrawn_at:
        raise WrongState(_("this study does not take consent now"))
    if is_over(participant.study):
        raise WrongState(_("the day until which this study may keep data has passed, so nobody can begin"))
    if participant.consented_at is None:
        participant.consented_at = timezone.now()
        participant.retention_agreed = retention_of(participant.study)
        participant.save(update_fields=["consented_at", "retention_agreed"])


@transaction.atomic
def agree_to_retention(*, participant: Participant, until: str) -> None:
    """The participant agrees to the later day that an amendment asks for. until: that day as the page showed it, so
    that nobody agrees to a day they have not seen. Raises Invalid, WrongState."""
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    asked = removal.must_agree_again(participant)
    if asked is None:
        raise WrongState(_("nothing is asked of you now"))
    if until != asked.isoformat():
        raise Invalid(_("the day has changed since the page was opened; read it again"), field="until")
    participant.retention_agreed = asked
    participant.save(update_fields=["retention_agreed"])


def next_item(participant: Participant) -> tuple[Item | None, datetime | None]:
    """The one item the participant may see, and from when where that lies ahead: (None, None) when all is done."""
    item = (
        participant.items.exclude(state=Item.State.DONE)
        .select_related("arm", "field__image")
        .order_by("position")
        .first()
    )
    if item is None:
        return None, None
    if item.state == Item.State.OPEN:
        return item, None
    earlier = participant.items.filter(period__lt=item.period, done_at__isnull=False)
    between = timedelta(days=participant.study.washout_days)
    if item.repeat:
        earlier, between = participant.items.filter(field=item.field, repeat=False), REREAD_AFTER
    before = earlier.order_by("-done_at").first()
    if before is None or before.done_at is None or before.done_at + between <= timezone.now():
        return item, None
    return item, before.done_at + between


@transaction.atomic
def open_item(*, participant: Participant, item_id: int) -> Item:
    """Begin the next item, or go on with the open one exactly where it stood. Raises OutOfOrder, WrongState.

    A sitting that is still open was ended by nobody: a crash, a power cut. It is closed as lost, and said so in the
    report.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    _may_read(participant)
    item, available = next_item(participant)
    if item is None:
        raise WrongState(_("every item is done; thank you"))
    if item.pk != item_id:
        raise OutOfOrder(_("this is not your next item"))
    now = timezone.now()
    if available is not None:
        raise OutOfOrder(_("the next item opens on {day}, after the washout").format(day=f"{available:%Y-%m-%d}"))
    if item.state == Item.State.PLANNED:
        item.sheet = make_sheet(item)
        item.state, item.opened_at = Item.State.OPEN, now
        item.save(update_fields=["sheet", "state", "opened_at"])
    assert item.sheet is not None
    Membership.objects.get_or_create(project=item.sheet, user=participant.user, defaults={"role": "annotator"})
    working_layer(image=item.sheet.images.get(), user=participant.user)  # here, so that opening the page writes nothing
    item.sittings.filter(ended_at__isnull=True).update(ended_at=now, end="lost")
    Sitting.objects.create(item=item, begun_at=now)
    return item


@transaction.atomic
def pause(*, participant: Participant, item_id: int) -> None:
    """Stop the sitting: from here on the item takes no work until the reader goes on. Raises OutOfOrder."""
    item = _open(participant, item_id)
    item.sittings.filter(ended_at__isnull=True).update(ended_at=timezone.now(), end="pause")


@transaction.atomic
def complete(*, participant: Participant, item_id: int) -> Item:
    """The field is finished: from now on it can neither be seen nor changed. Raises OutOfOrder."""
    item = _open(participant, item_id)
    now = timezone.now()
    item.sittings.filter(ended_at__isnull=True).update(ended_at=now, end="done")
    item.state, item.done_at = Item.State.DONE, now
    item.save(update_fields=["state", "done_at"])
    Membership.objects.filter(project=item.sheet).delete()
    return item


def _open(participant: Participant, item_id: int) -> Item:
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    _may_read(participant)
    item = participant.items.filter(pk=item_id, state=Item.State.OPEN).first()
    if item is None:
        raise OutOfOrder(_("this item is not open"))
    return item


def _may_read(participant: Participant) -> None:
    if participant.study.state != Study.State.RUNNING:
        raise WrongState(_("this study is not running"))
    if participant.withdrawn_at is not None:
        raise WrongState(_("you have withdrawn from this study"))
    if participant.consented_at is None:
        raise WrongState(_("read the consent text and agree first"))
    day = removal.kept_until(participant)
    if day is not None and day < timezone.localdate():
        raise WrongState(_("your data may be kept until {day} only, and that has passed").format(day=day))


@transaction.atomic
def lock(*, study: Study) -> Study:
    """No reading after this; what is open is closed. Raises WrongState."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    study.move_to(Study.State.LOCKED)
    list(study.participants.select_for_update())  # whoever saves work at this moment has been first, or is refused
    study.locked_at = timezone.now()
    study.save()
    Sitting.objects.filter(item__participant__study=study, ended_at__isnull=True).update(
        ended_at=study.locked_at, end="lost"
    )
    Membership.objects.filter(project__study_item__participant__study=study).delete()
    return study
