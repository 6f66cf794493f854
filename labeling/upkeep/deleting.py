"""Deleting images, and restoring them while their files are there.

A deleted image is in no list, no queue, no export and no later round; its address answers 404. Its row, its layers and
its log stay, since rounds have learned from them. Whoever is drawing on it at that moment loses nothing: its layers are
frozen, so what arrives is kept apart (annotations/late.py) and written when the image is restored.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations.freezing import freeze_layers, thaw_layers
from labeling.annotations.models import LateOperation, Layer
from labeling.assignments.late_work import write_waiting
from labeling.assignments.models import WorkItem
from labeling.assignments.states import ItemState
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image, ImageQuerySet
from labeling.projects.models import Project
from labeling.rounds.reference import current
from labeling.studies.models import Study, StudyField


class CannotBeDeleted(WrongState):
    """Something rests on the image."""

    code = "image_in_use"


class Purged(WrongState):
    """The files of the image are gone."""

    code = "purged"


def grace() -> timedelta:
    """How long a deleted image can be restored."""
    return timedelta(days=settings.IMAGE_GRACE_DAYS)


def restorable(project: Project) -> ImageQuerySet:
    """The deleted images whose files are there."""
    return Image.everything.filter(project=project, deleted_at__isnull=False, purged_at__isnull=True)


@transaction.atomic
def delete_images(*, project: Project, images: Sequence[int], by: User) -> int:
    """Delete images, and the fields of slides with their slide. Deleting twice changes nothing. -> how many.

    Raises Invalid for an image of another project, CannotBeDeleted for the field of a study that is not locked and for
    an image that judges, Archived; then nothing is deleted.
    """
    locked = Project.objects.for_change(project.pk)
    wanted = set(images)
    named = Image.everything.filter(project=locked, pk__in=wanted)
    unknown = wanted - set(named.values_list("pk", flat=True))
    if unknown:
        raise Invalid(_("image {key} is not in this project").format(key=min(unknown)), field="images")
    of_slides = Q(slide_field__slide__in=wanted)
    rows = Image.objects.select_for_update(of=("self",)).filter(Q(pk__in=wanted) | of_slides, project=locked)
    leaving = list(rows.order_by("pk"))
    _decline_in_use(locked, leaving)
    for image in leaving:
        freeze_layers(image=image)
    keys = [image.pk for image in leaving]
    Image.objects.filter(pk__in=keys).update(deleted_at=timezone.now(), deleted_by=by)
    if leaving:
        record(Act.IMAGES_DELETED, project=locked, by=by, subject=_names(leaving), images=keys)
    return len(leaving)


def _decline_in_use(project: Project, images: Sequence[Image]) -> None:
    """Raises CannotBeDeleted that names the image and what rests on it."""
    field = StudyField.objects.filter(image__in=images).exclude(study__state=Study.State.LOCKED).first()
    if field is not None:
        words = _("{image} is a field of the study “{study}”; lock the study first, or take the image out of its draft")
        raise CannotBeDeleted(words.format(image=field.image.name, study=field.study.name), field="images")
    reference = current(project)
    if reference is None:
        return
    judging = {entry["image"] for entry in reference.images}
    for image in images:
        if image.pk in judging:
            words = _(
                "{image} judges the rounds of this project (reference set {number}); remove its reference masks and "
                "lock a new set first"
            )
            raise CannotBeDeleted(words.format(image=image.name, number=reference.number), field="images")


@transaction.atomic
def restore_images(*, project: Project, images: Sequence[int], by: User) -> int:
    """Bring deleted images back, as they were; fields of slides come with their slide. -> how many.

    What people sent for them meanwhile is written under their names. Restoring twice changes nothing. Raises Purged for
    an image whose files have been removed, Invalid for one of another project or a field whose slide is deleted,
    Archived; then nothing is restored.
    """
    locked = Project.objects.for_change(project.pk)
    wanted = set(images)
    rows = Image.everything.select_for_update(of=("self",)).filter(
        Q(pk__in=wanted) | Q(slide_field__slide__in=wanted), project=locked
    )
    found = list(rows.order_by("pk"))
    unknown = wanted - {image.pk for image in found}
    if unknown:
        raise Invalid(_("image {key} is not in this project").format(key=min(unknown)), field="images")
    coming = [image for image in found if image.deleted_at is not None]
    for image in coming:
        _decline_purged(image)
    _decline_orphans(coming)
    Image.everything.filter(pk__in=[image.pk for image in coming]).update(deleted_at=None, deleted_by=None)
    for image in coming:
        _thaw(image, by)
    if coming:
        keys = [image.pk for image in coming]
        record(Act.IMAGES_RESTORED, project=locked, by=by, subject=_names(coming), images=keys)
    return len(coming)


def _names(images: Sequence[Image]) -> str:
    return ", ".join(image.name for image in images[:10])


def _decline_purged(image: Image) -> None:
    if image.purged_at is not None:
        words = _("the files of {image} were removed on {date}; add the image again")
        date = date_format(image.purged_at, "Y-m-d")
        raise Purged(words.format(image=image.name, date=date), field="images")


def _decline_orphans(images: Sequence[Image]) -> None:
    """Raises Invalid for a field whose slide stays deleted."""
    coming = [image.pk for image in images]
    fields = Image.everything.filter(pk__in=coming, slide_field__slide__deleted_at__isnull=False)
    orphan = fields.exclude(slide_field__slide__in=coming).select_related("slide_field__slide").first()
    if orphan is not None:
        words = _("{image} is a field of {slide}, which is deleted; restore the slide")
        raise Invalid(words.format(image=orphan.name, slide=orphan.slide_field.slide.name), field="images")


def _thaw(image: Image, by: User) -> None:
    """Open the layers again, unless the item of the image is done, and write what was kept apart."""
    item = WorkItem.objects.filter(image=image).first()
    if item is not None and item.state == ItemState.DONE:
        return
    thaw_layers(image=image)
    waiting = LateOperation.objects.filter(layer__image=image, outcome=LateOperation.Outcome.WAITING)
    pairs = waiting.order_by().values_list("layer", "author").distinct()
    for layer, author in pairs:
        write_waiting(layer=Layer.objects.get(pk=layer), author=User.objects.get(pk=author), by=by)
