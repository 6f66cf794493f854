"""Two images of the same tissue, registered: which place of one is which place of the other."""

from collections.abc import Sequence

import numpy as np
from django.db import transaction
from django.utils.translation import gettext as _

from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.projects.models import Project

LEAST_LANDMARKS = 3  # an affine transform has six numbers, and a pair of places states two
MOST_LANDMARKS = 50
LEAST_SPREAD = 0.02  # smallest against largest spread of the places: below it they stand in a line

Landmark = tuple[float, float, float, float]  # x, y in this image and x, y in the other, image pixels


@transaction.atomic
def register_image(*, image: Image, other: int, landmarks: Sequence[Landmark]) -> None:
    """Say that another image of the project shows the same tissue, and which places belong together.

    The last registration of an image counts. Raises Invalid for an image that is not there, for places outside of the
    images, and for places in one line, which leave the transform open. Raises Archived.
    """
    Project.objects.for_change(image.project_id)
    second = image.project.images.filter(pk=other).exclude(pk=image.pk).first()
    if second is None:
        raise Invalid(_("the other image is not another image of this project"), field="registration.image")
    places = np.array(landmarks, dtype=float).reshape(-1, 4)
    _check_places(places[:, :2], image)
    _check_places(places[:, 2:], second)
    image.second_image = second
    image.landmarks = places.tolist()
    image.save(update_fields=["second_image", "landmarks"])


@transaction.atomic
def unregister_image(*, image: Image) -> None:
    """No image stands beside this one any more. Raises Archived."""
    Project.objects.for_change(image.project_id)
    image.second_image, image.landmarks = None, []
    image.save(update_fields=["second_image", "landmarks"])


def _check_places(places: "np.ndarray[tuple[int, int], np.dtype[np.float64]]", image: Image) -> None:
    """places  (N, 2) x, y, image pixels. Raises Invalid."""
    if (places < 0).any() or (places > (image.width, image.height)).any():
        raise Invalid(_("a landmark lies outside of {name}").format(name=image.name), field="registration.landmarks")
    spread = np.linalg.svd(places - places.mean(axis=0), compute_uv=False)
    if spread[1] <= LEAST_SPREAD * spread[0]:
        words = _("the landmarks on {name} lie in one line; place one of them away from it")
        raise Invalid(words.format(name=image.name), field="registration.landmarks")
