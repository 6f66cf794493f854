"""A study until it is frozen: what it declares, its arms, fields and readers. All of it can be changed or deleted."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Avg
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.projects.models import Project
from labeling.rounds.weights.promotion import newest_publication
from labeling.studies import cells, learned, limits
from labeling.studies.cell_classes import classes_of_cells, most_frequent
from labeling.studies.cells import Frame
from labeling.studies.instructions import default_instructions
from labeling.studies.models import Arm, Participant, Strata, Study, StudyField, Unit
from labeling.studies.protocol import design
from labeling.studies.protocol.documents import ArmDocument
from labeling.studies.references import labels_of

MOST_ARMS = 4
HALVES = {
    Strata.DENSITY: ("sparse", "dense"),
    Strata.SIZE: ("small cells", "large cells"),
    Strata.AMBIGUITY: ("clear", "doubtful"),
}


@dataclass(frozen=True)
class FieldChoice:
    """How many fields are measured (None: as many as the arms can share equally), and by what their sets are alike."""

    measured: Any = None  # as it was typed: choose_fields parses it
    strata: str = Strata.DENSITY


@transaction.atomic
def create_study(*, project: Project, by: User, arms: Sequence[ArmDocument], **given: object) -> Study:
    """A draft. given: fields of limits.PROTOCOL. The first of the arms is the reference. Raises Invalid."""
    given.setdefault("public_title", _("Annotation study"))
    study = Study(project=project, created_by=by, **limits.parse_protocol(given))
    _save(study, arms)
    return study


@transaction.atomic
def draft_study(
    *, project: Project, by: User, arms: Sequence[ArmDocument], chosen: FieldChoice, **given: object
) -> Study:
    """A draft with its fields, or nothing. given: fields of limits.PROTOCOL. Raises Invalid."""
    study = create_study(project=project, by=by, arms=arms, **given)
    choose_fields(study=study, measured=chosen.measured, strata=chosen.strata)
    return study


@transaction.atomic
def edit_draft(*, study: Study, arms: Sequence[ArmDocument], chosen: FieldChoice, **given: object) -> Study:
    """Declare a draft anew; its fields are drawn again, its readers stay. Raises Invalid, WrongState."""
    study = locked_draft(study)
    for name, value in limits.parse_protocol(given).items():
        setattr(study, name, value)
    study.arms.all().delete()
    _save(study, arms)
    choose_fields(study=study, measured=chosen.measured, strata=chosen.strata)
    return study


def decline_without_clock(study: Study) -> None:
    """Time boxes have a length, and other units none. Raises Invalid."""
    if study.unit == Unit.TIME and study.time_box_minutes is None:
        raise Invalid(_("Time box, min: type after how many minutes the clock ends a field"), field="time_box_minutes")
    if study.unit != Unit.TIME and study.time_box_minutes is not None:
        raise Invalid(_("Time box, min: only time boxes have one; leave it empty"), field="time_box_minutes")


def _save(study: Study, arms: Sequence[ArmDocument]) -> None:
    decline_without_clock(study)
    limits.decline_past(study.retention_until)
    others = study.project.studies.exclude(pk=study.pk)
    if others.filter(name=study.name).exists():
        raise Invalid(
            _("there is a study named {name} already; type another name").format(name=study.name), field="name"
        )
    parsed = _parse_arms(arms)
    for arm in parsed:
        if re.search(rf"(?<!\w){re.escape(arm['name'])}(?!\w)", study.public_title, re.IGNORECASE):
            raise Invalid(
                _(
                    "readers are blinded to the arms, and the title that they see names the arm “{name}”; type a title "
                    "that names no arm"
                ).format(name=arm["name"]),
                field="public_title",
            )
    study.save()
    for position, arm in enumerate(parsed, start=1):
        Arm.objects.create(study=study, position=position, **arm)


def _parse_arms(arms: Sequence[ArmDocument]) -> list[ArmDocument]:
    if not 2 <= len(arms) <= MOST_ARMS:
        raise Invalid(_("a study compares two to {most} arms").format(most=MOST_ARMS), field="arms")
    parsed: list[ArmDocument] = []
    for arm in arms:
        name = limits.ARM_NAME.parse(arm["name"], "arms")
        if any(other["name"] == name for other in parsed):
            raise Invalid(_("two arms are named “{name}”; give each its own name").format(name=name), field="arms")
        if unknown := {*arm["tools"], *arm.get("second_tools", [])} - set(Arm.TOOLS):
            raise Invalid(_("unknown tools: {tools}").format(tools=", ".join(sorted(unknown))), field="arms")
        text = limits.INSTRUCTIONS.parse(arm.get("instructions", ""), "arms")
        parsed.append({**arm, "name": name, "instructions": text or default_instructions(arm)})
    return parsed


# -- fields


@dataclass(frozen=True)
class Candidate:
    """What can be a field: an image or a sampled cell of one, how many cells its reference has, and its value for the
    strata."""

    image: Image
    cells: int
    value: float
    cell: int | None = None
    frame: Frame | None = None
    group: str = ""  # name of its class, where strata are classes


@transaction.atomic
def choose_fields(*, study: Study, measured: Any = None, strata: str = Strata.DENSITY) -> None:
    """Draw the study's fields by its seed, in strata, from the images that can be frozen. Raises Invalid, WrongState.

    measured  how many fields are measured; None: as many as the arms can share equally

    The reference (a label map) belongs to neither arm. Half of the fields lie above the median, half below, so that
    the sets of the arms are alike; first the training fields are drawn, then the measured ones.
    """
    study = locked_draft(study)
    study.measured, study.strata = limits.MEASURED.parse(measured, "measured"), Strata(strata)
    study.save(update_fields=["measured", "strata"])
    found, reasons = _candidates(study)
    sets = 1 if study.design == Study.Design.PARALLEL else study.arms.count()
    practice = study.training_per_arm * sets
    rng = np.random.Generator(np.random.PCG64(study.seed))
    order = [found[int(i)] for i in rng.permutation(len(found))]
    halves = _groups(order[practice:]) if strata == Strata.CLASS else _halves(order[practice:], Strata(strata))
    shared = {name: len(members) // sets * sets for name, members in halves.items()}
    if len(order) < practice or not any(shared.values()):
        raise _too_few(len(found), practice, sets, reasons)
    if study.measured is not None and study.unit == Unit.CELLS:
        shared = cells.shares(study.measured, {name: len(members) for name, members in halves.items()}, sets)
    elif study.measured is not None:
        shared = _exactly(study.measured, halves, sets)
    rows = [_row(study, one, training=True) for one in order[:practice]]
    for name, n in shared.items():
        rows += [_row(study, one, stratum=name) for one in halves[name][:n]]
    study.fields.all().delete()
    StudyField.objects.bulk_create(rows)


def _candidates(study: Study) -> tuple[list[Candidate], str]:
    """What can be drawn, and in words why the other images cannot."""
    proposals = study.arms.filter(assistance=Arm.Assistance.PROPOSALS).exists()
    usable = learned.candidates(study.project, proposals=proposals)
    found = []
    have_cells = 0
    for image in usable.images:
        number, value = _of_reference(image, Strata(study.strata))
        have_cells += number > 0
        if study.strata == Strata.CLASS:
            with_class = _with_classes(image, study, number)
            if number and not with_class:
                usable.reasons[learned.NO_CLASS] += 1
            found += with_class
            continue
        if study.unit == Unit.CELLS:
            found += _cells_of(image, study, value)
        elif number:
            found.append(Candidate(image, number, value))
    if empty := len(usable.images) - have_cells:
        usable.reasons[learned.EMPTY_REFERENCE] += empty
    return found, learned.in_words(usable.reasons)


def _cells_of(image: Image, study: Study, value: float) -> list[Candidate]:
    """The cells of an image that can be sampled. value: of the image, for strata that are not of single cells."""
    found = []
    for sampled in cells.sampled(labels_of(image), study.seed, image.pk):
        of_cell = float(sampled.area) if study.strata == Strata.SIZE else value
        found.append(Candidate(image, 1, of_cell, sampled.number, sampled.frame))
    return found


def _with_classes(image: Image, study: Study, number: int) -> list[Candidate]:
    """The image, or its cells, each with its class; what has no class cannot stand in such a stratum."""
    labels = labels_of(image)
    class_of = classes_of_cells(image, labels)
    if study.unit == Unit.CELLS:
        return [
            Candidate(image, 1, 0.0, sampled.number, sampled.frame, class_of[sampled.number])
            for sampled in cells.sampled(labels, study.seed, image.pk)
            if sampled.number in class_of
        ]
    usual = most_frequent(class_of.values())
    return [Candidate(image, number, 0.0, group=usual)] if usual else []


def _groups(found: list[Candidate]) -> dict[str, list[Candidate]]:
    """By class, each in the order of the draw."""
    groups: dict[str, list[Candidate]] = {}
    for one in sorted(found, key=lambda one: one.group):
        groups.setdefault(one.group, [])
    for one in found:
        groups[one.group].append(one)
    return groups


def _row(study: Study, one: Candidate, *, training: bool = False, stratum: str = "") -> StudyField:
    return StudyField(
        study=study,
        image=one.image,
        reference_cells=one.cells,
        cell=one.cell,
        frame=one.frame,
        training=training,
        stratum=stratum,
    )


def _halves(found: list[Candidate], strata: Strata) -> dict[str, list[Candidate]]:
    """Below the median (and at it) and above, each in the order of the draw; where all are equal, one half is empty."""
    middle = float(np.median([one.value for one in found])) if found else 0.0
    low, high = HALVES[strata]
    below = [one for one in found if one.value <= middle]
    above = [one for one in found if one.value > middle]
    return {low: below, high: above}


def _exactly(measured: int, halves: dict[str, list[Candidate]], sets: int) -> dict[str, int]:
    """How many of each half, so that there are `measured` in all and each arm gets equally many. Raises Invalid."""
    filled = [name for name, members in halves.items() if members]
    step = sets * len(filled)
    most = step * min(len(halves[name]) // sets for name in filled)
    if measured % step:
        lower = measured // step * step
        instead = _("{lower} or {upper}").format(lower=lower, upper=lower + step) if lower else str(step)
        raise Invalid(
            _(
                "Measured fields: {n} cannot be shared. The fields lie in {halves} strata, and each of {sets} sets "
                "gets equally many of each stratum, so the number is a multiple of {step}. Type {instead}."
            ).format(n=measured, halves=len(filled), sets=sets, step=step, instead=instead),
            field="measured",
        )
    if measured > most:
        instead = (
            _("Type {most} or fewer, or add images that can be used.").format(most=most)
            if most
            else _("Add images that can be used, or leave the field empty.")
        )
        sizes = _(" and ").join(str(len(halves[name])) for name in filled)
        raise Invalid(
            _("Measured fields: {n} is too many. After practice the strata hold {sizes} images. {instead}").format(
                n=measured, sizes=sizes, instead=instead
            ),
            field="measured",
        )
    return dict.fromkeys(filled, measured // len(filled))


def _too_few(usable: int, practice: int, sets: int, reasons: str) -> Invalid:
    words = {"usable": usable, "least": practice + sets, "practice": practice, "sets": sets, "reasons": reasons}
    text = _(
        "{usable} images can be used as fields, and this design needs at least {least}: {practice} for practice and "
        "{sets} to measure, more where the halves are uneven."
    )
    if reasons:
        text += " " + _("Images that cannot be used: {reasons}.")
    text += " " + _("Add images with reference masks, or lower “Training per arm”.")
    return Invalid(text.format(**words), field="fields")


def _of_reference(image: Image, strata: Strata) -> tuple[int, float]:
    """How many cells the reference has, and the field's value for these strata. Raises Invalid without proposals."""
    areas = np.unique(labels_of(image), return_counts=True)
    area_of = {int(label): int(n) for label, n in zip(*areas, strict=True) if label}
    if not area_of or strata in (Strata.DENSITY, Strata.CLASS):
        return len(area_of), len(area_of) / (image.width * image.height)
    if strata == Strata.SIZE:
        return len(area_of), float(np.median(list(area_of.values())))
    newest = newest_publication(image)
    doubt = newest.layer.annotations.aggregate(mean=Avg("score"))["mean"] if newest else None
    if doubt is None:
        raise Invalid(
            _("{name} has no proposals, so how ambiguous it is is unknown").format(name=image.name), field="strata"
        )
    return len(area_of), float(doubt)


@transaction.atomic
def redraw(*, study: Study, seed: Any = None) -> int:
    """Draw the fields again with this seed, or with a new one. -> the seed. Raises Invalid, WrongState."""
    study = locked_draft(study)
    wanted = secrets.randbelow(limits.MOST_SEED) if seed in (None, "") else limits.PROTOCOL["seed"].parse(seed, "seed")
    study.seed = int(wanted)  # type: ignore[arg-type]
    study.save(update_fields=["seed"])
    choose_fields(study=study, measured=study.measured, strata=study.strata)
    return study.seed


# -- readers


@transaction.atomic
def enrol(*, study: Study, username: str) -> Participant:
    """Somebody with an account will read. They need not be a member of the project. Raises Invalid, WrongState."""
    study = locked_draft(study)
    username = limits.USERNAME.parse(username, "username")
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise Invalid(_("nobody signs in as “{username}”").format(username=username), field="username")
    if study.participants.filter(user=user).exists():
        raise Invalid(_("{username} takes part already").format(username=username), field="username")
    return Participant.objects.create(study=study, user=user, number=study.participants.count() + 1)


@transaction.atomic
def remove_reader(*, participant: Participant) -> None:
    """Take somebody off a draft; those after them move up, so that pseudonyms have no gaps. Raises WrongState."""
    study = locked_draft(participant.study)
    participant.delete()
    for number, other in enumerate(study.participants.order_by("number"), start=1):
        other.number = number
        other.save(update_fields=["number"])


def preview(study: Study) -> list[design.Planned]:
    """The allocation as it would be frozen now. Readers are participants in the order of their numbers, from 0.

    Raises Invalid.
    """
    fields = list(study.fields.all())
    two_sittings = study.arms.filter(assistance=Arm.Assistance.OWN_BOXES)
    try:
        plan = design.Plan(
            kind=study.design,
            arms=tuple(study.arms.values_list("name", flat=True)),
            readers=study.participants.count(),
            fields={f.pk: f.stratum for f in fields if not f.training},
            training=tuple(sorted(f.pk for f in fields if f.training)),
            repeats=study.repeats,
            seed=study.seed,
            two_sittings=frozenset(two_sittings.values_list("name", flat=True)),
        )
        return design.allocate(plan)
    except design.BadDesign as error:
        raise Invalid(str(error), field="design") from None


@transaction.atomic
def copy_study(*, study: Study, by: User) -> Study:
    """A new draft that declares what this study does, its fields drawn by the same seed. Readers are not copied: they
    have agreed to one study. Raises Invalid."""
    given = {name: getattr(study, name) for name in limits.PROTOCOL}
    given["name"] = free_name(study)
    if study.retention_until is not None and study.retention_until <= timezone.localdate():
        given["retention_until"] = None
    chosen = FieldChoice(measured=study.measured, strata=study.strata)
    arms = [arm.as_document() for arm in study.arms.all()]
    return draft_study(project=study.project, by=by, arms=arms, chosen=chosen, **given)


def free_name(study: Study) -> str:
    """A name for a copy that no study of the project has."""
    names = set(study.project.studies.values_list("name", flat=True))
    number = 1
    while True:
        end = _(" (copy)") if number == 1 else _(" (copy {n})").format(n=number)
        name = study.name[: 200 - len(end)] + end
        if name not in names:
            return name
        number += 1


@transaction.atomic
def delete_draft(*, study: Study) -> None:
    """A draft and its enrolments are gone. Nobody has read, so no data are lost. Raises WrongState."""
    locked_draft(study).delete()


def locked_draft(study: Study) -> Study:
    """The study as it is now, its row locked. The caller holds a transaction. Raises WrongState once it is frozen."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    if study.state != Study.State.DRAFT:
        raise WrongState(_("the protocol is frozen; a change is an amendment"))
    return study
