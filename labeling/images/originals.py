"""Files as they came: kept apart, fetched by few, and each time written down."""

from django.db import transaction
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import LabelingError
from labeling.images.models import Image, OriginalAccess


class NoOriginal(LabelingError):
    """The file of this image was not kept."""

    code = "no_original"
    status = 404


@transaction.atomic
def fetch_original(*, image: Image, by: User) -> FieldFile:
    """The file of an image as it came, not yet opened. That `by` fetches it is written down first.

    Whether `by` may is asked before (the act "originals"). Raises NoOriginal.
    """
    if image.is_slide:
        words = _("the file of {name} is not handed out: it may hold a label picture and what names a patient")
        raise NoOriginal(words.format(name=image.name))
    if not image.original:
        raise NoOriginal(_("{name} was added while its project kept no originals").format(name=image.name))
    OriginalAccess.objects.create(project=image.project, image=image, image_name=image.name, person=by)
    record(Act.ORIGINAL_FETCHED, project=image.project, by=by, subject=image.name, image=image.pk)
    return image.original
