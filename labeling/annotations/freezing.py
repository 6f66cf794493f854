"""Working layers that nobody changes any more, because the item of their image is done.

Whether a layer is frozen stands in the row that every write locks: a save is in before, or it is kept apart
(annotations/late.py). Annotations stand below assignments, so the item is reached through the image's relation.
"""

from typing import Any

from django.utils import timezone

from labeling.annotations.models import Layer, LayerHead
from labeling.images.models import Image


def freeze_layers(*, image: Image) -> None:
    """Freeze the working layers of an image. The caller holds the row of the image's item, so that none is added."""
    _heads(image).update(frozen_at=timezone.now())


def thaw_layers(*, image: Image) -> None:
    _heads(image).update(frozen_at=None)


def takes_new_layers(image: Image) -> bool:
    """Whether somebody may begin a layer on this image: not while its item is done. Holds the item's row, so that the
    answer stays true until the transaction ends."""
    items: Any = Image._meta.get_field("work_item").related_model  # asked anew: the image may know an old item
    item = items.objects.select_for_update().filter(image=image).first()
    return item is None or item.done_at is None


def _heads(image: Image) -> Any:
    layers = Layer.objects.filter(image=image, kind=Layer.Kind.WORKING)
    locked = LayerHead.objects.select_for_update().filter(layer__in=layers).order_by("pk")
    return LayerHead.objects.filter(pk__in=[head.pk for head in locked])
