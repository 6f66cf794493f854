"""Active time in the database: one summary for each session, kept up to date as batches arrive, and read by pages.

The events stay the truth. A summary is what active_time.py computes from them; `rebuild` computes it again.
"""

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from labeling.accounts.models import User
from labeling.annotations.active_time import (
    VERSION,
    Batch,
    Rules,
    Spans,
    Summary,
    SummaryColumns,
    Worked,
    active,
    anchors_of,
    length,
    summary_of,
    union,
    unpacked,
)
from labeling.annotations.models import ActivityBatch, ActivitySummary, Operation
from labeling.images.models import Image
from labeling.projects.models import Project

RULES = Rules(idle_after_s=30.0)  # what the project page declares; studies declare their own
MOST_UNSUMMARISED = 2000  # batches without a summary that a page computes itself
FEWEST_PEOPLE = 5  # below this a project's sum would tell how fast single colleagues are
CELL_ACTIONS = ("draw", "accept", "reject", "edit", "cannot_tell")
EMPTY = Summary().columns(RULES)


# -- writing


def summarise(batch: ActivityBatch, events: list[Any]) -> None:
    """Bring the summary of a batch's session up to date. The caller has saved the batch, in the same transaction.

    events  of the batch, unpacked

    Sheets of studies have no summary: studies compute from the events, and a withdrawal removes the events alone.
    """
    if Project.objects.filter(images=batch.image_id, study_item__isnull=False).exists():
        return
    session = {"session": batch.session, "image_id": batch.image_id}
    # Two first batches at once: one makes the row, the other waits for it here instead of failing on the constraint.
    ActivitySummary.objects.get_or_create(**session, defaults={"user_id": batch.user_id, **EMPTY})
    row = ActivitySummary.objects.select_for_update().get(**session)
    if row.version != VERSION or row.next == 0 or batch.first < row.next:
        batches = ActivityBatch.objects.filter(**session)
        made = summary_of(_plain(one) for one in batches)
    else:
        made = Summary.of_columns(columns_of(row))
        made.add(_plain(batch, events))
    _store(row, made)


def _store(row: ActivitySummary, made: Summary) -> None:
    for name, value in made.columns(RULES).items():
        setattr(row, name, value)
    row.save()


def columns_of(row: ActivitySummary) -> SummaryColumns:
    return {
        "version": row.version,
        "idle_after_s": row.idle_after_s,
        "begin_ms": row.begin_ms,
        "last_ms": row.last_ms,
        "next": row.next,
        "marks": row.marks,
        "spans": row.spans,
        "anchors": row.anchors,
    }


def _plain(batch: ActivityBatch, events: list[Any] | None = None) -> Batch:
    return Batch(
        first=batch.first,
        events=unpacked(batch.events) if events is None else events,
        mono=batch.mono_ms,
        wall=batch.wall_ms,
        received=batch.received_at.timestamp() * 1000,
    )


def rebuild(batches: QuerySet[ActivityBatch]) -> int:
    """Compute the summaries of these batches' sessions anew; each session commits on its own. -> how many."""
    sheets = Image.objects.filter(project__study_item__isnull=False)
    sessions = batches.exclude(image__in=sheets).order_by("session", "image").values_list("session", "image", "user")
    n = 0
    for session, image, user in list(sessions.distinct()):
        with transaction.atomic():
            key = {"session": session, "image_id": image}
            ActivitySummary.objects.get_or_create(**key, defaults={"user_id": user, **EMPTY})
            row = ActivitySummary.objects.select_for_update().get(**key)  # a batch may arrive in this moment
            _store(row, summary_of(_plain(one) for one in ActivityBatch.objects.filter(**key)))
        n += 1
    return n


def without_summary(batches: QuerySet[ActivityBatch]) -> QuerySet[ActivityBatch]:
    """Those whose session has no summary by today's code and cut-off."""
    current = ActivitySummary.objects.filter(
        session=OuterRef("session"), image=OuterRef("image"), version=VERSION, idle_after_s=RULES.idle_after_s
    )
    return batches.filter(~Exists(current))


# -- reading


@dataclass(frozen=True)
class Active:
    """Active time of one person or of several.

    seconds    active seconds, by the definition in active_time.py
    cells      cells these people committed by an operation of theirs
    people     how many people it is about
    """

    seconds: float
    cells: int
    people: int
    idle_after_s: float

    @property
    def seconds_per_cell(self) -> float | None:
        return self.seconds / self.cells if self.cells else None


@dataclass(frozen=True)
class ProjectTime:
    """When the people of a project worked in it, as far as it was recorded.

    people        user's key -> sorted, disjoint stretches, ms since 1970; overlapping sessions of a person count once
    unsummarised  sessions that were computed from their events, because they have no summary
    left_out      how many sessions are recorded and not counted yet, because too many have no summary
    """

    project: Project
    people: dict[int, Spans]
    unsummarised: list[uuid.UUID]
    left_out: int

    def active(self, user: User | None = None) -> Active:
        """Of one person, or of everybody together. Only cells whose operation names a recorded session count."""
        people = self.people if user is None else {user.pk: self.people.get(user.pk, [])}
        operations = Operation.objects.filter(layer__image__project=self.project)
        if user is not None:
            operations = operations.filter(author=user)
        summarised = _summaries(self.project).values("session")
        recorded = Q(session__in=summarised) | Q(session__in=self.unsummarised)
        committed = operations.filter(recorded, action__in=CELL_ACTIONS, effects__annotation__kind="cell")
        cells = committed.values("effects__annotation").distinct().count()
        seconds = sum(length(spans) for spans in people.values()) / 1000
        return Active(seconds=seconds, cells=cells, people=len(people), idle_after_s=RULES.idle_after_s)


def project_time(project: Project, *, images: Collection[int] | None = None) -> ProjectTime:
    """Read from the summaries; a few sessions that have none yet are computed from their events.

    images  ids of those whose sessions count; None for all
    """
    only = Q() if images is None else Q(image__in=images)
    rows = _summaries(project).filter(only).values_list("user", "spans", "anchors")
    worked: dict[int, list[Worked]] = defaultdict(list)
    for user, spans, anchors in rows.iterator():
        worked[user].append(Worked([(a, b) for a, b in spans], anchors_of(anchors)))
    unsummarised: list[uuid.UUID] = []
    todo = without_summary(ActivityBatch.objects.filter(only, image__project=project))
    left_out = 0
    if todo.count() <= MOST_UNSUMMARISED:
        for user, session, made in _from_events(todo):
            unsummarised.append(session)
            worked[user].append(Worked(active(made.trace, RULES), made.anchors))
    else:
        left_out = todo.values("session", "image").distinct().count()
    people = {user: union(own) for user, own in worked.items()}
    return ProjectTime(project, people, unsummarised, left_out)


def _summaries(project: Project) -> QuerySet[ActivitySummary]:
    """By today's code and cut-off."""
    return ActivitySummary.objects.filter(image__project=project, version=VERSION, idle_after_s=RULES.idle_after_s)


def _from_events(batches: QuerySet[ActivityBatch]) -> Iterator[tuple[int, uuid.UUID, Summary]]:
    """user, session and summary of every session of these batches."""
    ordered: Iterable[ActivityBatch] = batches.order_by("session", "image", "first").iterator()
    for (session, _image), found in groupby(ordered, key=lambda one: (one.session, one.image_id)):
        own = list(found)
        yield own[0].user_id, session, summary_of(_plain(one) for one in own)


def active_time(*, project: Project, user: User | None = None) -> Active:
    """Active seconds and cells of a project: of one person, or of all."""
    return project_time(project).active(user)
