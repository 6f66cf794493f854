"""The job of a copied project that brings images along: each image with its files, its facts and its cells, or not at
all. What is there is not copied again, so a job that starts again goes on where it stopped."""

import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.core.files import File
from django.db import transaction
from django.db.models import Field, Max
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import has_own_layers
from labeling.annotations.state import AnnotationState, state_of
from labeling.errors import LabelingError
from labeling.exchange.importing.writing import Aim, write_image
from labeling.images import slides
from labeling.images.models import Centre, Image, Patient, SlideField, SlideFile
from labeling.images.patients import PatientWithdrawal
from labeling.images.permitted import Permitted
from labeling.images.quota import decline_over_quota
from labeling.jobs.handlers import Result, Tell, handles
from labeling.jobs.models import Job
from labeling.projects.classes import current_classes
from labeling.projects.models import MAY, Project
from labeling.upkeep.purging import FILES
from labeling.upkeep.withdrawing import withdraw_patient

# Columns that belong to a row of its own project, or are found again for the copy.
OWN = ("id", "project", "position", "centre", "patient", "second_image", "created_at", *FILES)


class SourceClosed(LabelingError):
    """The project that is copied is not there any more, or not for whoever copies it."""

    code = "source_closed"


@dataclass(frozen=True)
class Wanted:
    """What a job of this kind was asked for. classes: key of a class there -> of the same class here, as it is now."""

    source: Project
    target: Project
    by: User
    annotations: bool
    classes: Mapping[int, int]


@handles(Job.Kind.COPY)
def copy_images(job: Job, folder: Path, tell: Tell) -> Result:
    """Image by image, in their order. The project of the job is the copy."""
    wanted = _wanted(job)
    images = list(Image.objects.filter(project=wanted.source).order_by("position").values_list("pk", flat=True))
    _copy_withdrawals(wanted)
    copied: dict[int, int] = {}
    counts = {"images": 0, "cells": 0, "without_cells": 0}
    for number, key in enumerate(images):
        tell(number, len(images))
        image = Image.objects.with_specimens().filter(pk=key).first()
        if image is None or _has_withdrawn(image, wanted.target):  # meanwhile
            continue
        there = _copy(image, wanted, copied)
        copied[image.pk] = there.pk
        counts["images"] += 1
        if wanted.annotations:
            cells = _copy_cells(image, there, wanted)
            counts["cells"] += cells or 0
            counts["without_cells"] += cells is None
    _join_second_images(wanted.source, copied)
    _copy_withdrawals(wanted)  # once more: somebody may have withdrawn meanwhile
    return Result(facts=counts)


def _wanted(job: Job) -> Wanted:
    """Raises SourceClosed."""
    source = Project.objects.visible_to(job.owner).filter(pk=job.request["source"]).first()
    if source is None or source.role_of(job.owner) not in MAY["copy_images"]:
        raise SourceClosed(_("the project that is copied is not open to you any more"))
    now_there, now_here = current_classes(source.pk), current_classes(job.project_id)
    kept = {int(there): here for there, here in job.request["classes"].items()}
    classes = {}
    for there, current in now_there.items():
        here = now_here.get(kept.get(there, kept.get(current, 0)))
        if here is not None:
            classes[there] = here
    return Wanted(source, job.project, job.owner, job.request["annotations"], classes)


def _copy(image: Image, wanted: Wanted, copied: Mapping[int, int]) -> Image:
    """The copy of an image, made where it is not there yet. Files of a copy that comes to nothing are removed."""
    same = Image.everything.filter(project=wanted.target, sha256=image.sha256, purged_at__isnull=True).first()
    if same is not None:
        return same
    made = Image(**{column.attname: getattr(image, column.attname) for column in _columns()})
    folder = None
    try:
        _copy_files(image, made)
        slide = SlideFile.objects.filter(image=image).first()
        folder = _copy_slide(slide) if slide is not None else None
        _store(image, made, slide, wanted.target, copied)
    except BaseException:
        _remove_files(made, folder)
        raise
    return made


def _columns() -> "list[Field[Any, Any]]":
    return [column for column in Image._meta.concrete_fields if column.name not in OWN]


def _copy_files(image: Image, made: Image) -> None:
    stem = uuid.uuid4().hex
    for name in FILES:
        file = getattr(image, name)
        if file:
            with file.open("rb") as content:
                getattr(made, name).save(f"{stem}{Path(file.name).suffix}", File(content), save=False)


def _copy_slide(slide: SlideFile) -> Path | None:
    """The row as it stands for the copy, unsaved. -> the new folder of an uploaded slide; one that is registered where
    it lies is registered again."""
    slide.pk = None
    if slide.root:
        return None
    before, _slash, inside = slide.path.partition("/")
    folder = slides.stored_root() / uuid.uuid4().hex
    slide.path = f"{folder.name}/{inside}" if inside else folder.name
    shutil.copytree(slides.stored_root() / before, folder, copy_function=_linked)
    return folder


def _linked(source: str, target: str) -> None:
    """The same bytes under another name, with their time of change; a copy where they lie in another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@transaction.atomic
def _store(image: Image, made: Image, slide: SlideFile | None, project: Project, copied: Mapping[int, int]) -> None:
    """Raises Archived, OverQuota, Invalid for a patient who has withdrawn in this moment."""
    locked = Project.objects.for_change(project.pk)
    sizes = (made.pixel_bytes, made.original_bytes, made.slide_bytes)
    decline_over_quota(locked, sum(size or 0 for size in sizes))
    last = Image.everything.filter(project=locked).aggregate(last=Max("position"))["last"]
    made.project, made.position = locked, (last or 0) + 1
    made.centre = _centre_in(locked, image.centre)
    made.patient = _patient_in(locked, image.patient)
    Permitted(locked).decline_withdrawn(made.patient)
    made.save()
    if slide is not None:
        slide._state.adding = True
        slide.image = made
        slide.save()
    field = SlideField.objects.filter(image=image).first()
    if field is not None and field.slide_id in copied:
        field.pk, field._state.adding = None, True
        field.image, field.slide_id = made, copied[field.slide_id]
        field.save()


def _centre_in(project: Project, centre: Centre | None) -> Centre | None:
    if centre is None:
        return None
    return Centre.objects.get_or_create(project=project, name=centre.name)[0]


def _has_withdrawn(image: Image, project: Project) -> bool:
    """Whether its patient is one who has withdrawn in the copy."""
    patient = image.patient
    if patient is None:
        return False
    centre = patient.centre.name if patient.centre is not None else None
    same = Patient.objects.filter(project=project, known_by=patient.known_by, name=patient.name)
    same = same.filter(centre__name=centre) if centre else same.filter(centre__isnull=True)
    return same.filter(withdrawal__isnull=False).exists()


def _patient_in(project: Project, patient: Patient | None) -> Patient | None:
    """The patient of the same name and centre, in the same split."""
    if patient is None:
        return None
    known = {"centre": _centre_in(project, patient.centre), "known_by": patient.known_by, "name": patient.name}
    return Patient.objects.get_or_create(project=project, **known, defaults={"split": patient.split})[0]


def _remove_files(made: Image, folder: Path | None) -> None:
    for name in FILES:
        file = getattr(made, name)
        if file:
            file.storage.delete(file.name)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def _join_second_images(source: Project, copied: Mapping[int, int]) -> None:
    """An image shown beside another one is so in the copy as well."""
    for image in Image.objects.filter(project=source, second_image__in=copied):
        if image.pk in copied:
            second = copied[image.second_image_id or 0]
            Image.objects.filter(pk=copied[image.pk]).update(second_image=second)


def _copy_withdrawals(wanted: Wanted) -> None:
    """The names of patients who have withdrawn: uploads of theirs are declined in the copy as well. Who withdrew after
    images of theirs had been copied is withdrawn here too."""
    for one in PatientWithdrawal.objects.filter(patient__project=wanted.source).select_related("patient__centre"):
        here = _patient_in(wanted.target, one.patient)
        if here is not None and Image.everything.filter(patient=here).exists():
            withdraw_patient(patient=here, typed=here.label, by=wanted.by, reason=one.reason)
            continue
        values = {"by": wanted.by, "reason": one.reason, "finished_at": timezone.now()}
        PatientWithdrawal.objects.get_or_create(patient=here, defaults=values)


def _copy_cells(image: Image, made: Image, wanted: Wanted) -> int | None:
    """The cells and regions of the shared working layer, as work of whoever copies. -> how many; None where readers of
    either image have layers of their own, which nobody copies."""
    if has_own_layers(image) or has_own_layers(made):
        return None
    layer = Layer.objects.filter(image=image, kind=Layer.Kind.WORKING, annotator__isnull=True).first()
    if layer is None:
        return 0
    states = {}
    for row in Annotation.objects.filter(layer=layer, deleted=False).order_by("pk").iterator(chunk_size=2000):
        state = state_of(row)
        if state is not None:
            states[row.uid] = _state_here(state, wanted.classes)
    write_image(made, states, Aim.WORKING, wanted.by)
    return len(states)


def _state_here(state: AnnotationState, classes: Mapping[int, int]) -> AnnotationState:
    """With the class of this project; the proposal that it came from stays behind."""
    here = classes.get(state.label_class) if state.label_class is not None else None
    return replace(state, label_class=here, derived_from=None, provenance={})
