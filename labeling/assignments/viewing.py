"""What one person may know of the readings of an item: who has it, in which state, and what happened to it."""

from dataclasses import dataclass
from typing import Self

from django.db.models import Exists, OuterRef, Q

from labeling.accounts.models import User
from labeling.annotations.blinding import ALL_CLOSED
from labeling.assignments.models import Reading, WorkItem, WorkItemQuerySet
from labeling.assignments.states import TAKES_A_PLACE
from labeling.projects.access import sees_everybody
from labeling.projects.models import MAY, Project


@dataclass(frozen=True)
class Viewer:
    """A person before the items of one project. `leads`: oversees it; `sees_all`: where nothing is blinded."""

    user: User
    leads: bool
    sees_all: bool

    @classmethod
    def of(cls, project: Project, user: User) -> Self:
        role = project.role_of(user)
        return cls(user, role in MAY["oversee"], sees_everybody(project, user))

    def only(self, item: WorkItem) -> User | None:
        """The person whose readings of the item are shown; None for all readings.

        While blinded readings are open they are told to who leads the project and does not read the item: somebody has
        to assign images and take them back. Uses `item.readings`, which lists prefetch.
        """
        if not self.sees_all:
            return self.user
        if not item.is_blind or item.state in ALL_CLOSED:
            return None
        reads = any(self._is_mine(reading.reader_id, reading.state) for reading in item.readings.all())
        return None if self.leads and not reads else self.user

    def with_all_readings(self, items: WorkItemQuerySet) -> WorkItemQuerySet:
        """`only`, for a query: the items of which all readings are shown, given that this person `sees_all`."""
        blinded = Q(is_blind=True) & ~Q(state__in=ALL_CLOSED)
        if not self.leads:
            return items.exclude(blinded)
        own = Reading.objects.filter(item=OuterRef("pk"), reader=self.user, state__in=TAKES_A_PLACE)
        return items.exclude(blinded & Exists(own))

    def _is_mine(self, reader: int, state: str) -> bool:
        return reader == self.user.pk and state in TAKES_A_PLACE
