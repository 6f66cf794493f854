"""Working layers that nobody changes any more, because the item of their image is done or their blinded reading closed.

Whether a layer is frozen stands in the row that every write locks: a save is in before, or it is kept apart
(annotations/late.py). Annotations stand below assignments, so the item is reached through the image's relation.
"""

from typing import Any

from django.utils import timezone

from labeling.accounts.models import User
from labeling.annotations.models import Layer, LayerHead
from labeling.images.models import Image


def freeze_layers(*, image: Image, annotator: User | None = None) -> None:
    """Freeze the working layers of an image, or of one annotator. The caller holds the row of the image's item, so that
    none is added."""
    _heads(image, annotator).update(frozen_at=timezone.now())


def thaw_layers(*, image: Image, annotator: User | None = None) -> None:
    _heads(image, annotator).update(frozen_at=None)


def takes_new_layers(image: Image) -> bool:
    """Whether somebody may begin a layer on this image: not while its item is done, nor when it is deleted. Holds the
    rows of both, so that the answer stays true until the transaction ends."""
    present = Image.objects.select_for_update().filter(pk=image.pk)
    if not present.exists():
        return False  # deleted meanwhile
    items: Any = Image._meta.get_field("work_item").related_model  # asked anew: the image may know an old item
    locked = items.objects.select_for_update().filter(image=image)
    item = locked.first()
    return item is None or item.done_at is None


def _heads(image: Image, annotator: User | None) -> Any:
    layers = Layer.objects.filter(image=image, kind=Layer.Kind.WORKING)
    if annotator is not None:
        layers = layers.filter(annotator=annotator)
    heads = LayerHead.objects.filter(layer__in=layers)
    locked = heads.select_for_update().order_by("pk")
    keys = [head.pk for head in locked]
    return LayerHead.objects.filter(pk__in=keys)
