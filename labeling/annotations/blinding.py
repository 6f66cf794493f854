"""Blinded readings: until all readings of an image are closed, nobody sees the reading of somebody else.

Annotations stand below assignments, so an item is reached through the relation of its image. One filter of rows holds
for layers, comments and counts; tests/labeling/test_blinding.py opens every route with it.
"""

from typing import Any

from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from labeling.accounts.models import User
from labeling.images.models import Image
from labeling.projects.models import MAY, Project

# The states of an item (assignments/states.py) in which all its readings are closed.
ALL_CLOSED = ("in_review", "done")
UNBLIND = "unblind"  # the act of a lead who looks at readings that are not closed


def has_open_readings(image: str = "pk") -> Exists:
    """Whether the readings of an image are blinded and not all closed. image: path from the row to its image's key."""
    return Exists(_open_items(image))


def keeps_apart(user: User, image: str = "pk") -> Q:
    """As has_open_readings, for one person: not for a lead who has looked, which is recorded; and for whoever may be
    tested, the answers of the tests."""
    items = _open_items(image)
    events = items.model._meta.get_field("events").related_model
    assert events is not None
    unblinded = events._default_manager.filter(item=OuterRef("pk"), act=UNBLIND, by=user)
    still_open = items.filter(~Exists(unblinded))
    answers = _answers(user, image)
    return Q(Exists(still_open)) | Q(Exists(answers))


def has_blinded_readings(image: Image) -> bool:
    """Whether each reader of this image has a layer of their own because its readings are blinded."""
    item = getattr(image, "work_item", None)
    return item is not None and item.is_blind


def reads(image: Image, user: User) -> bool:
    """Whether `user` has a reading of the image that was not handed back."""
    item = getattr(image, "work_item", None)
    if item is None:
        return False
    readings: QuerySet[Any] = item.readings.filter(reader=user)
    return readings.exclude(state__in=("skipped", "released")).exists()


def _open_items(image: str) -> QuerySet[Model]:
    items = Image._meta.get_field("work_item").related_model
    return items._default_manager.filter(image=OuterRef(image), is_blind=True).exclude(state__in=ALL_CLOSED)


def _answers(user: User, image: str) -> QuerySet[Model]:
    """The locked consensus of an image, where the project draws tests (qualification/) or controls (quality_control/)
    from these and `user` does not lead it: somebody who has seen the answers cannot be tested."""
    consensus = Image._meta.get_field("consensus").related_model
    leads = Project.objects.filter(
        memberships__user=user,
        memberships__role__in=MAY["export"],
    )
    locked = consensus._default_manager.filter(image=OuterRef(image), locked_in__isnull=False)
    has_tests = Q(image__project__curricula__isnull=False)
    has_controls = Q(image__project__control_plan__control_percent__gt=0)
    tested = locked.filter(has_tests | has_controls)
    return tested.exclude(image__project__in=leads.values("pk"))
