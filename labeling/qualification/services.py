"""Learning and admission: one function a write.

Training fields come with feedback after each cell, test fields with none. A person reads each field on a sheet of their
own, so nothing of the reference or of anybody else is within reach. A retake has fields that the person has never had.
"""

import random
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.agreement.readings import Cell
from labeling.accounts.models import User
from labeling.annotations.models import Annotation, Layer, Operation
from labeling.assignments.models import ItemEvent
from labeling.assignments.models import Reading as ItemReading
from labeling.assignments.rules import admit
from labeling.assignments.states import Act
from labeling.errors import Invalid, LabelingError, WrongState
from labeling.guidelines.services import current_guideline, decline_unless_acknowledged
from labeling.images.models import Image
from labeling.images.private_copies import copy_privately
from labeling.projects.classes import current_classes
from labeling.projects.models import MAY, Membership, Project, Role
from labeling.projects.services import NotAllowed
from labeling.qualification.models import Attempt, AttemptField, Curriculum
from labeling.qualification.results import CellJudged, class_results, judge
from labeling.reviews.agreement.readings import cell_of, patient_of
from labeling.reviews.certificates.models import LotCell, LotField
from labeling.reviews.models import Consensus, Disagreement
from labeling.rounds.reference import current as current_reference

UNSEEN = (Act.ASSIGN, Act.RELEASE)  # acts on an item for which nobody opens it
OF_MERGES = "class merge"  # the tool of operations for which nobody looks at the image (label_classes/merging.py)


class TooFewFields(WrongState):
    """The reference has too few fields, cells or patients that this person has never seen."""

    code = "too_few_fields"


class NotTrained(LabelingError):
    """A test comes after the training."""

    code = "not_trained"


def current_curriculum(project: Project) -> Curriculum | None:
    return Curriculum.objects.filter(project=project).order_by("-version").first()


def reference_images(project: Project) -> list[Image]:
    """The images of the locked reference set whose cells have classes: those with a consensus that was locked."""
    found = current_reference(project)
    if found is None:
        return []
    keys = [entry["image"] for entry in found.images]
    images = Image.objects.filter(project=project, pk__in=keys, consensus__locked_in__isnull=False)
    return list(images.distinct().select_related("patient").order_by("pk"))


@transaction.atomic
def declare_curriculum(
    *,
    project: Project,
    by: User,
    training: Sequence[int] = (),
    least_cells: int = 200,
    least_patients: int = 5,
    least_share: float = 0.7,
) -> Curriculum:
    """A new version of what the project asks before it admits somebody. Attempts keep the version that they began with.

    training  keys of images of the locked reference set that people learn from; the others are for tests

    Raises Invalid with the field, WrongState where no reference is locked that names classes, Archived.
    """
    Project.objects.for_change(project.pk)
    if not 1 <= least_cells <= 100_000:
        raise Invalid(_("least_cells must be 1 to 100000"), field="least_cells")
    if not 1 <= least_patients <= 1000:
        raise Invalid(_("least_patients must be 1 to 1000"), field="least_patients")
    if not 0 < least_share < 1:
        raise Invalid(_("least_share must be above 0 and below 1"), field="least_share")
    there = {image.pk for image in reference_images(project)}
    reference = current_reference(project)
    if not there or reference is None:
        raise WrongState(_("lock a consensus of readings as the reference first: tests are judged by its cells"))
    unknown = [str(key) for key in training if key not in there]
    if unknown:
        raise Invalid(
            _("{images}: not in the locked reference set").format(images=", ".join(unknown)), field="training"
        )
    last = current_curriculum(project)
    return Curriculum.objects.create(
        project=project,
        version=last.version + 1 if last else 1,
        reference_set=reference,
        training=sorted(set(training)),
        least_cells=least_cells,
        least_patients=least_patients,
        least_share=least_share,
        declared_by=by,
    )


@transaction.atomic
def begin_attempt(*, project: Project, person: User, kind: str) -> Attempt:
    """The attempt that is open, or a new one with its fields drawn.

    Raises WrongState without a curriculum, NotAllowed, NotAcknowledged, NotTrained for a test before the training,
    TooFewFields, Archived.
    """
    project.decline_if_archived()
    members = Membership.objects.select_for_update().filter(project=project, user=person)
    if not members.filter(role__in=MAY["annotate"]).exists():  # locked: two clicks at once draw fields once
        raise NotAllowed(_("your role in this project does not allow this"))
    curriculum = current_curriculum(project)
    if curriculum is None:
        raise WrongState(_("nobody has set the requirements for admission yet"))
    decline_unless_acknowledged(project, person)
    mine = Attempt.objects.filter(curriculum__project=project, person=person, kind=kind)
    open_ = mine.filter(finished_at__isnull=True).first()
    if open_ is not None:
        return open_
    if kind == Attempt.Kind.TEST and learns_first(curriculum, person):
        raise NotTrained(_("finish the training first; the test follows"))
    seed = secrets.randbelow(2**62)
    images = _draw(curriculum, person, kind, seed)
    guideline = current_guideline(project)
    number = (mine.aggregate(last=Max("number"))["last"] or 0) + 1
    made = Attempt.objects.create(
        curriculum=curriculum,
        person=person,
        kind=kind,
        number=number,
        seed=seed,
        guideline=guideline.version if guideline else None,
    )
    for position, image in enumerate(images, start=1):
        AttemptField.objects.create(attempt=made, image=image, position=position)
    return made


def learns_first(curriculum: Curriculum, person: User) -> bool:
    """Whether there are fields to learn from, and `person` has not finished them yet."""
    return bool(curriculum.training) and not has_trained(curriculum.project, person)


def has_trained(project: Project, person: User) -> bool:
    finished = Attempt.objects.filter(curriculum__project=project, person=person, finished_at__isnull=False)
    return finished.filter(kind=Attempt.Kind.TRAINING).exists()


def _draw(curriculum: Curriculum, person: User, kind: str, seed: int) -> list[Image]:
    """Raises TooFewFields."""
    seen = images_known_to(person, curriculum.project, kind)
    training = set(curriculum.training)
    images = [image for image in reference_images(curriculum.project) if image.pk not in seen]
    if kind == Attempt.Kind.TRAINING:
        chosen = [image for image in images if image.pk in training]
        if not chosen:
            raise TooFewFields(_("there is no field to learn from that you have not read already"))
        return chosen
    images = [image for image in images if image.pk not in training]
    random.Random(seed).shuffle(images)
    chosen, cells, patients = [], 0, set()
    for image in images:
        chosen.append(image)
        cells += len(reference_cells(image))
        patients.add(patient_of(image))
        if cells >= curriculum.least_cells and len(patients) >= curriculum.least_patients:
            return chosen
    raise TooFewFields(
        _(
            "a test needs {cells} cells of {patients} patients on fields that you have never seen; the reference has "
            "{there} cells of {of} patients left for you"
        ).format(cells=curriculum.least_cells, patients=curriculum.least_patients, there=cells, of=len(patients))
    )


def images_known_to(person: User, project: Project, kind: str) -> set[int]:
    """Images that a person knows: they read, reviewed or judged them, drew on them, decided about their consensus, or
    had a copy of them as a control, as a repeat or in a study; for a test those of every earlier attempt as well."""
    read = ItemReading.objects.filter(item__project=project, reader=person, begun_at__isnull=False)
    handled = ItemEvent.objects.filter(item__project=project, by=person).exclude(act__in=UNSEEN)
    drawn = Operation.objects.filter(layer__image__project=project, author=person).exclude(tool=OF_MERGES)
    decided = Disagreement.objects.filter(consensus__image__project=project, decided_by=person)
    judged = LotCell.objects.filter(lot__project=project, judged_by=person)
    searched = LotField.objects.filter(lot__project=project, annotated_by=person)
    sheets = Project.objects.filter(sheet_of=project)
    sources: list[QuerySet[Any, Any]] = [
        read.values_list("item__image", flat=True),
        handled.values_list("item__image", flat=True),
        drawn.values_list("layer__image", flat=True),
        decided.values_list("consensus__image", flat=True),
        judged.values_list("image", flat=True),
        searched.values_list("image", flat=True),
        sheets.filter(check_field__reader=person).values_list("check_field__image", flat=True),
        sheets.filter(study_item__participant__user=person).values_list("study_item__field__image", flat=True),
    ]
    if kind == Attempt.Kind.TEST:
        fields = AttemptField.objects.filter(attempt__person=person, attempt__curriculum__project=project)
        sources.append(fields.values_list("image", flat=True))
    known: set[int] = set()
    for images in sources:
        known.update(images.order_by().distinct())
    return known


def reference_cells(image: Image) -> list[Cell]:
    """The cells of the locked consensus of an image, with the names of their classes now."""
    made = Consensus.objects.filter(image=image, locked_in__isnull=False).order_by("-pk").first()
    if made is None:
        return []
    rows = Annotation.objects.filter(layer=made.layer_id, deleted=False, kind=Annotation.Kind.CELL)
    names = names_now(image.project)
    return [cell_of(row, names) for row in rows.filter(status=Annotation.Status.CONFIRMED).order_by("pk")]


@transaction.atomic
def open_field(*, field_id: int, person: User) -> AttemptField:
    """The field with its sheet, which is made at the first call. Raises WrongState for one that is done."""
    field = _own_field(field_id, person)
    if field.done_at is not None:
        raise WrongState(_("this field is finished"))
    if field.sheet is None:
        title = field.attempt.curriculum.project.name
        name = f"field {field.position}.png"
        made = copy_privately(field.image, title=f"{title}: field {field.position}", name=name)
        Membership.objects.create(project=made.sheet, user=person, role=Role.ANNOTATOR)
        field.sheet = made.sheet
        field.classes = {str(copied): source for source, copied in made.classes.items()}
        field.save(update_fields=["sheet", "classes"])
    return field


@transaction.atomic
def finish_field(*, field_id: int, person: User) -> Attempt:
    """The field is complete: its sheet is out of reach. With the last field the attempt ends; a test then says which
    classes the person is admitted for. Twice is once. Raises WrongState for a field that was not opened."""
    field = _own_field(field_id, person)
    attempt = Attempt.objects.select_for_update().get(pk=field.attempt_id)
    if field.done_at is not None:
        return attempt
    if field.sheet is None:
        raise WrongState(_("open this field first"))
    field.done_at = timezone.now()
    field.save(update_fields=["done_at"])
    field.sheet.memberships.all().delete()
    if not attempt.fields.filter(done_at__isnull=True).exists():
        _finish(attempt)
    return attempt


def _finish(attempt: Attempt) -> None:
    attempt.finished_at = timezone.now()
    if attempt.kind == Attempt.Kind.TEST:
        curriculum = attempt.curriculum
        judged: list[CellJudged] = []
        for field in attempt.fields.select_related("image__project"):
            judged += judged_cells(field)
        classes = list(curriculum.project.classes.current())
        results = class_results(judged, [one.name for one in classes], curriculum.least_share)
        attempt.results = [asdict(one) for one in results]
        passed = {one.name for one in results if one.passed}
        for label_class in classes:
            if label_class.name in passed:
                admit(project=curriculum.project, person=attempt.person, label_class=label_class, by=None)
    attempt.save(update_fields=["finished_at", "results"])


def feedback(*, field_id: int, person: User) -> list[CellJudged]:
    """What is right and wrong about the cells so far; missed cells are told once the field is finished.

    Raises NotAllowed for a field of a test: it has no feedback, not even afterwards.
    """
    field = _field_of(field_id, person)
    if field.attempt.kind == Attempt.Kind.TEST:
        raise NotAllowed(_("fields of a test have no feedback"))
    judged = judged_cells(field)
    return judged if field.done_at is not None else [one for one in judged if one.uid]


def judged_cells(field: AttemptField) -> list[CellJudged]:
    """The cells of a field's sheet against the reference; nothing was drawn where there is no sheet."""
    names = names_now(field.image.project)
    on_sheet = {int(copied): names[source] for copied, source in field.classes.items() if source in names}
    layer = Layer.objects.filter(image__project=field.sheet, kind=Layer.Kind.WORKING).first() if field.sheet else None
    rows = Annotation.objects.filter(layer=layer, deleted=False, kind=Annotation.Kind.CELL) if layer else []
    drawn = []
    for row in rows:
        if row.status == Annotation.Status.CONFIRMED:
            drawn.append(cell_of(row, on_sheet))
    return judge(reference_cells(field.image), drawn, str(field.image_id))


def names_now(project: Project) -> dict[int, str]:
    """Of every class the name of the class that it is now."""
    names = dict(project.classes.values_list("pk", "name"))
    return {key: names[now] for key, now in current_classes(project.pk).items()}


def _field_of(field_id: int, person: User) -> AttemptField:
    return AttemptField.objects.select_related("attempt__curriculum__project", "image__project", "sheet").get(
        pk=field_id, attempt__person=person
    )


def _own_field(field_id: int, person: User) -> AttemptField:
    """Locked. Raises Archived, NotAllowed for somebody who takes part no more."""
    project = _field_of(field_id, person).attempt.curriculum.project
    project.decline_if_archived()
    if project.role_of(person) not in MAY["annotate"]:
        raise NotAllowed(_("your role in this project does not allow this"))
    AttemptField.objects.select_for_update().get(pk=field_id)
    return _field_of(field_id, person)  # read again: another request may have changed it before the lock
