"""What can be done with a study, in its order: plan, freeze, read item by item, lock."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import PIL.Image
from django.db import models, transaction
from django.db.models import Avg, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling.accounts.models import User
from labeling.errors import Invalid, LabelingError, WrongState
from labeling.images.models import Image, Split
from labeling.projects.models import Membership, Project
from labeling.rounds.models import Publication
from labeling.studies import design
from labeling.studies.declared import DECLARED
from labeling.studies.models import Amendment, Arm, Item, Participant, Sitting, Study, StudyField
from labeling.studies.sheets import make_sheet

TOOLS_OF_THE_APP = frozenset(Arm.TOOLS) - {"point"}  # an arm with another tool would run somewhere else, untimed
# What a study has before it is frozen -> its name for people.
NEEDED = {
    "consent_text": gettext_noop("consent text"),
    "ethics_reference": gettext_noop("ethics reference"),
    "retention_until": gettext_noop("retention until"),
    "hypothesis": gettext_noop("hypothesis"),
}
REREAD_AFTER = timedelta(days=28)
MAY_BE_AMENDED = frozenset({"idle_after_s", "outlier_iqr", "quality_margin", "exclusion_rules", "retention_until"})


class OutOfOrder(LabelingError):
    """This is not the participant's next item, or not yet."""

    code = "out_of_order"


@transaction.atomic
def create_study(
    *, project: Project, by: User, name: str, hypothesis: str, arms: Sequence[dict[str, Any]], **rest: Any
) -> Study:
    """A draft. arms: name, tools, assistance of each; the first is the reference. Raises Invalid."""
    if len(arms) < 2:
        raise Invalid(_("a study compares at least two arms"), field="arms")
    if project.studies.filter(name=name).exists():
        raise Invalid(_("there is a study named {name} already").format(name=name), field="name")
    study = Study(project=project, created_by=by, name=name, hypothesis=hypothesis, **rest)
    study.save()
    for position, arm in enumerate(arms, start=1):
        if unknown := set(arm["tools"]) - set(Arm.TOOLS):
            raise Invalid(_("unknown tools: {tools}").format(tools=", ".join(sorted(unknown))), field="arms")
        Arm.objects.create(study=study, position=position, **arm)
    return study


class Strata(models.TextChoices):
    """By what the sets of fields are made alike: the value of a field, and the names of its halves."""

    DENSITY = "density", "density: cells of the reference in a field's area"
    SIZE = "size", "size: the median area of its reference cells"
    AMBIGUITY = "ambiguity", "ambiguity: how doubtful its newest proposals are"


HALVES = {
    Strata.DENSITY: ("sparse", "dense"),
    Strata.SIZE: ("small cells", "large cells"),
    Strata.AMBIGUITY: ("clear", "doubtful"),
}


@transaction.atomic
def draft_study(*, chosen: dict[str, Any], **given: Any) -> Study:
    """A draft with its fields, or nothing. chosen: of choose_fields; given: of create_study. Raises Invalid."""
    study = create_study(**given)
    choose_fields(study=study, **chosen)
    return study


@transaction.atomic
def choose_fields(*, study: Study, measured: int | None = None, strata: str = Strata.DENSITY) -> None:
    """Draw the study's fields by its seed from the project's images that have a reference, in strata.

    The reference (a label map) belongs to neither arm. Half of the fields lie above the median, half below, so that
    the sets of the arms are alike; first the training fields are drawn, then the measured ones. Raises Invalid.
    """
    _draft(study)
    arms = study.arms.count()
    sets = 1 if study.design == Study.Design.PARALLEL else arms
    found = [
        (image, *_of_reference(image, Strata(strata)))
        for image in study.project.images.exclude(reference="").order_by("pk")
    ]
    found = [one for one in found if one[1]]
    rng = np.random.Generator(np.random.PCG64(study.seed))
    order = [found[int(i)] for i in rng.permutation(len(found))]
    practice, rest = order[: study.training_per_arm * sets], order[study.training_per_arm * sets :]
    rest = rest[:measured] if measured else rest
    middle = float(np.median([value for _, _, value in rest])) if rest else 0.0
    low, high = HALVES[Strata(strata)]
    halves = {low: [r for r in rest if r[2] <= middle], high: [r for r in rest if r[2] > middle]}
    rows = [StudyField(study=study, image=i, reference_cells=c, training=True) for i, c, _ in practice]
    for stratum, members in halves.items():
        whole = members[: len(members) // sets * sets]
        rows += [StudyField(study=study, image=i, reference_cells=c, stratum=stratum) for i, c, _ in whole]
    if not any(not row.training for row in rows) or len(practice) < study.training_per_arm * sets:
        raise Invalid(
            _("{n} images have a reference; that is too few for this design").format(n=len(found)), field="fields"
        )
    study.fields.all().delete()
    StudyField.objects.bulk_create(rows)


def _of_reference(image: Image, strata: Strata) -> tuple[int, float]:
    """How many cells the reference has, and the field's value for these strata. Raises Invalid without proposals."""
    with image.reference.open("rb") as file:
        areas = np.unique(np.asarray(PIL.Image.open(file)), return_counts=True)
    cells = {int(label): int(n) for label, n in zip(*areas, strict=True) if label}
    if not cells or strata == Strata.DENSITY:
        return len(cells), len(cells) / (image.width * image.height)
    if strata == Strata.SIZE:
        return len(cells), float(np.median(list(cells.values())))
    newest = Publication.objects.filter(image=image).order_by("-round__number").first()
    doubt = newest.layer.annotations.aggregate(mean=Avg("score"))["mean"] if newest else None
    if doubt is None:
        raise Invalid(
            _("{name} has no proposals, so how ambiguous it is is unknown").format(name=image.name), field="strata"
        )
    return len(cells), float(doubt)


@transaction.atomic
def enrol(*, study: Study, username: str) -> Participant:
    """Somebody with an account will read. They need not be a member of the project. Raises Invalid."""
    _draft(study)
    user = User.objects.filter(username=username.strip(), is_active=True).first()
    if user is None:
        raise Invalid(_("nobody signs in as “{username}”").format(username=username), field="username")
    if study.participants.filter(user=user).exists():
        raise Invalid(_("{username} takes part already").format(username=username), field="username")
    return Participant.objects.create(study=study, user=user, number=study.participants.count() + 1)


def preview(study: Study) -> list[design.Planned]:
    """The allocation as it would be frozen now. Readers are participants in the order of their numbers, from 0."""
    fields = list(study.fields.all())
    try:
        plan = design.Plan(
            kind=study.design,
            arms=tuple(study.arms.values_list("name", flat=True)),
            readers=study.participants.count(),
            fields={f.pk: f.stratum for f in fields if not f.training},
            training=tuple(sorted(f.pk for f in fields if f.training)),
            repeats=study.repeats,
            seed=study.seed,
        )
        return design.allocate(plan)
    except design.BadDesign as error:
        raise Invalid(str(error), field="design") from None


@transaction.atomic
def freeze(*, study: Study, by: User) -> Study:
    """Fix the protocol and the allocation; from here on the study runs. Raises Invalid, WrongState.

    Nothing may be open that somebody could decide after having seen times: consent text, ethics reference and retention
    are there, every arm runs in this app, and proposals come from models that never learned from a study patient.
    """
    Project.objects.for_change(study.project_id)  # a running study keeps its project from being archived
    study = Study.objects.select_for_update().get(pk=study.pk)
    for name in NEEDED:
        if not getattr(study, name):
            raise Invalid(_("before freezing, the study needs: {what}").format(what=_(NEEDED[name])), field=name)
    arms = list(study.arms.all())
    for arm in arms:
        if missing := set(arm.tools) - TOOLS_OF_THE_APP:
            raise Invalid(
                _("arm {name} needs {tools}, which this app does not have").format(
                    name=arm.name, tools=", ".join(sorted(missing))
                ),
                field="arms",
            )
        if not arm.tools and arm.assistance == Arm.Assistance.NONE:
            raise Invalid(_("arm {name} has neither tools nor proposals").format(name=arm.name), field="arms")
    if any(arm.assistance == Arm.Assistance.PROPOSALS for arm in arms):
        _pin_proposals(study)
    planned = preview(study)
    participants, fields = list(study.participants.all()), {f.pk: f for f in study.fields.select_related("image")}
    by_name = {arm.name: arm for arm in arms}
    study.protocol = _protocol(study, arms, list(fields.values()), planned)
    study.protocol_sha256 = hash_of(study.protocol)
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


def _pin_proposals(study: Study) -> None:
    images = [field.image_id for field in study.fields.all()]
    groups = set(Image.objects.filter(pk__in=images).exclude(group="").values_list("group", flat=True))
    learned = study.project.images.exclude(split=Split.TEST).filter(Q(pk__in=images) | Q(group__in=groups)).first()
    if learned is not None:
        raise Invalid(
            _(
                "the models may have learned from {name}; fields of an arm with proposals, and every image of their "
                "patients, must be test images"
            ).format(name=learned.name),
            field="fields",
        )
    for field in study.fields.select_related("image"):
        newest = Publication.objects.filter(image=field.image).order_by("-round__number").first()
        if newest is None:
            raise Invalid(
                _("{name} has no proposals; start a round first").format(name=field.image.name), field="fields"
            )
        field.proposals = newest.layer
        field.save(update_fields=["proposals"])


def _protocol(
    study: Study, arms: list[Arm], fields: list[StudyField], planned: Iterable[design.Planned]
) -> dict[str, Any]:
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
        "design": study.design,
        "seed": study.seed,
        "washout_days": study.washout_days,
        "arms": [{"name": a.name, "tools": a.tools, "assistance": a.assistance} for a in arms],
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
        "allocation": [asdict(p) for p in planned],
        "consent_text": study.consent_text,
        "ethics_reference": study.ethics_reference,
        "retention_until": retention.isoformat() if isinstance(retention, date) else retention,
        "withdrawal_after_lock": study.withdrawal_after_lock,
    }


def hash_of(protocol: dict[str, Any]) -> str:
    """SHA-256 of the canonical JSON: keys sorted, no spaces, UTF-8."""
    return hashlib.sha256(
        json.dumps(protocol, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    ).hexdigest()


@transaction.atomic
def amend(*, study: Study, change: dict[str, Any], reason: str, by: User) -> Amendment:
    """Change a frozen protocol, visibly. The frozen text and its hash stay. Raises Invalid, WrongState."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    if study.state != Study.State.RUNNING:
        raise WrongState(_("only a running study is amended"))
    if not reason.strip():
        raise Invalid(_("an amendment needs a reason"), field="reason")
    if unknown := set(change) - MAY_BE_AMENDED:
        raise Invalid(
            _("{what} cannot be amended; that would be another study").format(what=", ".join(sorted(unknown))),
            field="change",
        )
    if not change:
        raise Invalid(_("an amendment changes something"), field="change")
    cut_off = change.get("idle_after_s", 1)
    if isinstance(cut_off, bool) or not isinstance(cut_off, int | float) or not cut_off > 0:
        raise Invalid(_("the idle cut-off is a positive number of seconds"), field="idle_after_s")
    return Amendment.objects.create(study=study, change=change, reason=reason.strip(), by=by)


def effective(study: Study) -> dict[str, Any]:
    """The protocol as amended: what the analysis follows. The frozen one for a study without amendments."""
    protocol: dict[str, Any] = json.loads(json.dumps(study.protocol))
    places = {"idle_after_s": "measurement", "outlier_iqr": "analysis", "quality_margin": "analysis"}
    for amendment in study.amendments.all():
        for name, value in amendment.change.items():
            if name in ("excluded", "outside_arm"):  # stands with its item; stands in the tables
                continue
            (protocol[places[name]] if name in places else protocol)[name] = value
    return protocol


# -- the participant's path


@transaction.atomic
def consent(*, participant: Participant) -> None:
    """The participant has read the text and agrees; nothing is recorded before. Raises WrongState."""
    if participant.study.state != Study.State.RUNNING or participant.withdrawn_at:
        raise WrongState(_("this study does not take consent now"))
    if participant.consented_at is None:
        participant.consented_at = timezone.now()
        participant.save(update_fields=["consented_at"])


def next_item(participant: Participant) -> tuple[Item | None, datetime | None]:
    """The one item the participant may see, and from when: (None, None) when all is done."""
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
    if item.repeat:
        first = participant.items.get(field=item.field, repeat=False)
        return item, first.done_at and first.done_at + REREAD_AFTER
    before = participant.items.filter(period__lt=item.period, done_at__isnull=False).order_by("-done_at").first()
    return item, before.done_at + timedelta(days=participant.study.washout_days) if before and before.done_at else None


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
    if available and available > now:
        raise OutOfOrder(_("the next item opens on {day}, after the washout").format(day=f"{available:%Y-%m-%d}"))
    if item.state == Item.State.PLANNED:
        item.sheet = make_sheet(item)
        item.state, item.opened_at = Item.State.OPEN, now
        item.save(update_fields=["sheet", "state", "opened_at"])
    assert item.sheet is not None
    Membership.objects.get_or_create(project=item.sheet, user=participant.user, defaults={"role": "annotator"})
    item.sittings.filter(ended_at__isnull=True).update(ended_at=now, end="lost")
    Sitting.objects.create(item=item, begun_at=now)
    return item


@transaction.atomic
def pause(*, participant: Participant, item_id: int) -> None:
    """Stop the sitting. The page has been left already, so no time runs. Raises OutOfOrder."""
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


@transaction.atomic
def withdraw(*, participant: Participant, reason: str = "") -> None:
    """End somebody's part. Before lock their data leave the analysis; after it, what the consent says is done."""
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    if participant.withdrawn_at is None:
        participant.withdrawn_at, participant.withdrawal_reason = timezone.now(), reason.strip()
        participant.save(update_fields=["withdrawn_at", "withdrawal_reason"])
    Sitting.objects.filter(item__participant=participant, ended_at__isnull=True).update(
        ended_at=timezone.now(), end="lost"
    )
    Membership.objects.filter(project__study_item__participant=participant).delete()


@transaction.atomic
def exclude(*, item: Item, reason: str, by: User) -> None:
    """Take a finished item out of the analysis, with its reason; an amendment says so. Raises Invalid, WrongState."""
    study = item.participant.study
    if study.state != Study.State.RUNNING:
        raise WrongState(_("items are excluded before the study is locked"))
    if not reason.strip():
        raise Invalid(_("an exclusion needs a reason"), field="reason")
    item.excluded = reason.strip()
    item.save(update_fields=["excluded"])
    change = {"participant": item.participant.pseudonym, "item": item.position}
    Amendment.objects.create(study=study, change={"excluded": change}, reason=reason.strip(), by=by)


@transaction.atomic
def lock(*, study: Study) -> Study:
    """No reading after this; what is open is closed. Raises WrongState."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    study.move_to(Study.State.LOCKED)
    study.locked_at = timezone.now()
    study.save()
    Sitting.objects.filter(item__participant__study=study, ended_at__isnull=True).update(
        ended_at=study.locked_at, end="lost"
    )
    Membership.objects.filter(project__study_item__participant__study=study).delete()
    return study


def _draft(study: Study) -> None:
    if study.state != Study.State.DRAFT:
        raise WrongState(_("the protocol is frozen; a change is an amendment"))
