"""Which images a list shows: every filter has a name, and no other can be asked for."""

from django.db.models import Q

from labeling.images.contract import ImageListing
from labeling.images.models import Image, ImageQuerySet
from labeling.images.patients import KnownBy
from labeling.projects.models import Project

PLAIN = ("split", "block", "slide", "scanner", "stain")


def filtered(project: Project, query: ImageListing) -> ImageQuerySet:
    """The images of a project that a list asks for. "" finds those of which nobody has stated it."""
    images = Image.objects.filter(project=project)
    if query.state == "deleted":
        images = Image.everything.filter(project=project, deleted_at__isnull=False, purged_at__isnull=True)
    elif query.state is not None:
        images = images.filter(work_item__state=query.state)
    images = images.filter(**query.model_dump(include=set(PLAIN), exclude_none=True))
    if query.centre is not None:
        images = images.filter(centre__name=query.centre) if query.centre else images.filter(centre__isnull=True)
    if query.patient is not None:
        images = images.filter(_of_patient(query.patient))
    if query.tag is not None:
        images = images.filter(tags__contains=[query.tag])
    if query.text:
        images = images.filter(Q(name__icontains=query.text) | Q(patient__name__icontains=query.text))
    return images


def _of_patient(name: str) -> Q:
    named = Q(patient__known_by=KnownBy.PATIENT)
    return named & Q(patient__name=name) if name else Q(patient__isnull=True) | ~named
