"""What one person has done, day by day, from the log: for that person alone."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate

from labeling.accounts.models import User
from labeling.annotations.active_time import by_day
from labeling.annotations.models import Operation
from labeling.annotations.summaries import project_time
from labeling.projects.models import Project

DAYS = 28
Action = Operation.Action
# What an operation counts as. Undo and redo turn work back and forth, and are none of it.
KINDS: dict[str, tuple[str, ...]] = {
    "drawn": (Action.DRAW, Action.REGION),
    "judged": (Action.ACCEPT, Action.REJECT, Action.EDIT, Action.CANNOT_TELL, Action.BULK, Action.OVERRULE),
    "changed": (Action.MOVE, Action.RESIZE, Action.RESHAPE, Action.CLASSIFY, Action.RESTORE),
    "deleted": (Action.DELETE,),
    "opinions": (Action.OPINION,),
}
KIND_OF: dict[str, str] = {}
for _kind, _actions in KINDS.items():
    KIND_OF.update(dict.fromkeys(_actions, _kind))


@dataclass
class DayInProject:
    """What a person did in one project on one day (UTC). Numbers of operations, seconds of active time."""

    day: date
    project: Project
    images: int = 0
    numbers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    seconds: float = 0.0


def own_days(user: User, *, days: int = DAYS, today: date | None = None) -> list[DayInProject]:
    """The days on which `user` did something, the last one first. Sheets of studies are no part of it."""
    today = today or datetime.now(UTC).date()
    first = today - timedelta(days=days - 1)
    projects = Project.objects.visible_to(user).filter(is_sheet=False)
    own = Operation.objects.filter(author=user, received_at__date__gte=first, layer__image__project__in=projects)
    found: dict[tuple[date, int], DayInProject] = {}
    by_key = {project.pk: project for project in projects.filter(images__layers__operations__in=own).distinct()}
    for day, key, action, operations in _counted(own, "action", Count("pk")):
        row = found.setdefault((day, key), DayInProject(day, by_key[key]))
        kind = KIND_OF.get(action)
        if kind is not None:
            row.numbers[kind] += operations
    for day, key, images in _counted(own, None, Count("layer__image", distinct=True)):
        found[day, key].images = images
    for project in by_key.values():
        _add_time(found, project, user, first, days)
    return sorted(found.values(), key=_place, reverse=True)


def _place(row: DayInProject) -> tuple[date, str]:
    return row.day, row.project.name


def _counted(own: QuerySet[Operation], column: str | None, number: Count) -> Any:
    """Rows of day, project, the column if any, and the number."""
    names = ["day", "layer__image__project"]
    if column:
        names.append(column)
    by_day_and_project = own.annotate(day=TruncDate("received_at"))
    grouped = by_day_and_project.order_by().values(*names)
    return grouped.annotate(n=number).values_list(*names, "n")


def _add_time(
    found: dict[tuple[date, int], DayInProject], project: Project, user: User, first: date, days: int
) -> None:
    """Active seconds of each day, beside what was done on it."""
    spans = project_time(project).people.get(user.pk)
    if not spans:
        return
    dates = [first + timedelta(days=n) for n in range(days + 1)]
    midnights = [_milliseconds(day) for day in dates]
    for day, milliseconds in zip(dates, by_day(spans, midnights), strict=False):
        row = found.get((day, project.pk))
        if row is not None:
            row.seconds = milliseconds / 1000


def _milliseconds(day: date) -> float:
    """Of the beginning of a day in UTC, since 1970."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return midnight.timestamp() * 1000
