"""What people did on an image, from the log: operations with the cells before and after them, the newest first."""

import uuid

from django.db.models import Count, OuterRef, Prefetch, QuerySet, Subquery
from django.db.models.functions import Coalesce

from labeling.accounts.models import User
from labeling.annotations.models import Effect, Layer, Operation, OpinionEffect
from labeling.images.models import Image

MOST_SHOWN = 6  # effects of an operation that are pictured; a bulk act has thousands


def operations_of(
    *, image: Image, user: User, annotation: uuid.UUID | None = None, author: int | None = None
) -> QuerySet[Operation]:
    """The operations on the layers of an image that `user` sees.

    annotation  only those on this cell; each has then the effect on this cell alone
    author      only those of this person
    -> rows with `count` (annotations that the operation was about), `shown_effects` and `shown_opinions`
    """
    layers = Layer.objects.visible_to(user).filter(image=image)
    found = Operation.objects.filter(layer__in=layers).select_related("author")
    if author is not None:
        found = found.filter(author=author)
    effects = Effect.objects.select_related("annotation").order_by("pk")
    opinions = OpinionEffect.objects.select_related("annotation").order_by("pk")
    if annotation is not None:
        effects = effects.filter(annotation__uid=annotation)
        opinions = opinions.filter(annotation__uid=annotation)
        changed = effects.filter(annotation__layer__in=layers)
        judged = opinions.filter(annotation__layer__in=layers)
        # One list of keys: of two that are joined by OR PostgreSQL would look through every operation of the layer.
        keys = changed.order_by().values("operation")
        keys_of_opinions = judged.order_by().values("operation")
        found = found.filter(pk__in=keys.union(keys_of_opinions))
    number = Coalesce(_number(Effect), 0)
    number_of_opinions = Coalesce(_number(OpinionEffect), 0)
    found = found.annotate(count=number + number_of_opinions)
    return found.prefetch_related(
        Prefetch("effects", queryset=effects[:MOST_SHOWN], to_attr="shown_effects"),
        Prefetch("opinion_effects", queryset=opinions[:MOST_SHOWN], to_attr="shown_opinions"),
    )


def _number(model: type[Effect] | type[OpinionEffect]) -> Subquery:
    """How many rows of `model` an operation has."""
    of_operation = model._default_manager.filter(operation=OuterRef("pk")).order_by().values("operation")
    return Subquery(of_operation.annotate(n=Count("pk")).values("n"))
