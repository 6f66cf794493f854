"""What follows from rows that are removed for good, with their project or by a command: their files go too."""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from labeling.images import model_views
from labeling.images.models import Image, SlideFile
from labeling.upkeep.purging import FILES, remove_slide, remove_tiles


@receiver(post_delete, sender=SlideFile, dispatch_uid="labeling.upkeep.slide_removed")
def slide_removed(sender: Any, instance: SlideFile, **_more: Any) -> None:
    """After the commit: a transaction that fails keeps the slide."""
    transaction.on_commit(lambda: remove_slide(instance))


@receiver(post_delete, sender=Image, dispatch_uid="labeling.upkeep.image_removed")
def image_removed(sender: Any, instance: Image, **_more: Any) -> None:
    key = instance.pk  # which the deletion takes away

    def remove() -> None:
        for name in FILES:
            file = getattr(instance, name)
            if file:
                file.storage.delete(file.name)
        remove_tiles(instance)
        model_views.remove(key)

    transaction.on_commit(remove)
