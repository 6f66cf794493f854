"""The numbers of the dashboard, as one person may see them. Each is a query of its own; none grows with the images.

Blinded readings that are not all closed are in no number: who finished them, and what they hold, would tell.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate

from labeling.accounts.models import User
from labeling.annotations.blinding import has_open_readings
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.summaries import FEWEST_PEOPLE, project_time
from labeling.assignments.models import Reading, WorkItem
from labeling.assignments.states import ItemState, ReadingState
from labeling.jobs.models import Job
from labeling.projects.access import sees_everybody
from labeling.projects.models import MAY, Project
from labeling.rounds.models import ModelVersion
from labeling.rounds.weights.promotion import figures_of
from labeling.upkeep.storage import usage

DAYS = 60
PACE = 14  # the days of which the pace is taken


@dataclass(frozen=True)
class Named:
    """A number with the name of what it counts."""

    name: str
    value: float


@dataclass(frozen=True)
class DayRow:
    """Readings finished and images done on one day (UTC)."""

    day: date
    readings: int
    images: int


@dataclass(frozen=True)
class RoundRow:
    """What the evaluation of a round says; None: not measured."""

    number: int
    box_ap50: float | None
    dice: float | None
    aji: float | None


@dataclass(frozen=True)
class AgreementRow:
    """A report on the agreement of readers: what they had in sight, and when it was computed."""

    at: datetime
    sight: str
    f1: float | None
    alpha: float | None


@dataclass(frozen=True)
class Time:
    """Active seconds for each cell: one's own, and everybody's where enough people are among them and no blinded
    reading is open."""

    own: float | None
    everyone: float | None


@dataclass(frozen=True)
class Numbers:
    """free: readings that nobody has taken; days_left: how long they last at the pace of the last days, None: no pace.

    by_person is empty for who sees one's own work alone, agreement likewise; storage is of who oversees the project.
    """

    states: list[Named]
    free: int
    days_left: float | None
    days: list[DayRow]
    by_person: list[Named]
    by_class: list[Named]
    rounds: list[RoundRow]
    agreement: list[AgreementRow]
    time: Time
    storage: list[Named] = field(default_factory=list)


def numbers_of(project: Project, user: User, *, today: date | None = None) -> Numbers:
    today = today or datetime.now(UTC).date()
    days = _days(project, today)
    free = sum(project.items.present().values_list("free", flat=True))
    pace = sum(row.readings for row in days[-PACE:]) / PACE
    sees_all = sees_everybody(project, user)
    oversees = project.role_of(user) in MAY["oversee"]
    return Numbers(
        states=_states(project),
        free=free,
        days_left=free / pace if pace else None,
        days=days,
        by_person=_by_person(project, user, sees_all=sees_all),
        by_class=_by_class(project, user),
        rounds=_rounds(project),
        agreement=_agreement(project) if sees_all else [],
        time=_time(project, user),
        storage=[Named(kind, value) for kind, value in usage(project).items()] if oversees else [],
    )


def _states(project: Project) -> list[Named]:
    rows = project.items.present().order_by().values_list("state").annotate(n=Count("pk"))
    counts = dict(rows)
    return [Named(state, counts.get(state, 0)) for state in ItemState.values]


def _finished(project: Project) -> QuerySet[Reading]:
    """Finished readings, without those that are blinded while others of the image are open."""
    items = project.items.present().filter(~has_open_readings("image"))
    return Reading.objects.filter(item__in=items, state=ReadingState.FINISHED)


def _days(project: Project, today: date) -> list[DayRow]:
    first = today - timedelta(days=DAYS - 1)
    since = datetime(first.year, first.month, first.day, tzinfo=UTC)
    readings = _by_day(_finished(project).filter(finished_at__gte=since), "finished_at")
    done = project.items.present().filter(state=ItemState.DONE, done_at__gte=since)
    images = _by_day(done, "done_at")
    dates = [first + timedelta(days=n) for n in range(DAYS)]
    return [DayRow(day, readings.get(day, 0), images.get(day, 0)) for day in dates]


def _by_day(rows: "QuerySet[Reading] | QuerySet[WorkItem]", column: str) -> dict[date, int]:
    per_day = rows.annotate(day=TruncDate(column, tzinfo=UTC)).order_by().values_list("day").annotate(n=Count("pk"))
    return dict(per_day)


def _by_person(project: Project, user: User, *, sees_all: bool) -> list[Named]:
    readings = _finished(project)
    if not sees_all:
        readings = readings.filter(reader=user)
    counts = dict(readings.order_by().values_list("reader").annotate(n=Count("pk")))
    people = User.objects.filter(pk__in=counts)
    found = [Named(person.display_name, counts[person.pk]) for person in people]
    return sorted(found, key=lambda one: (-one.value, one.name))


def _by_class(project: Project, user: User) -> list[Named]:
    """Confirmed cells of each class on the working layers that the person sees."""
    layers = Layer.objects.visible_to(user).filter(
        image__project=project, image__deleted_at__isnull=True, kind=Layer.Kind.WORKING
    )
    cells = Annotation.objects.filter(
        layer__in=layers, deleted=False, kind=Annotation.Kind.CELL, status=Annotation.Status.CONFIRMED
    )
    counts = dict(cells.order_by().values_list("label_class").annotate(n=Count("pk")))
    found = [Named(one.name, counts.get(one.pk, 0)) for one in project.classes.current()]
    if counts.get(None):
        found.append(Named("", counts[None]))
    return found


def _rounds(project: Project) -> list[RoundRow]:
    """By the models that rounds have made: the boxes of a detector or a method, and the masks that round makes."""
    found = []
    judged = (ModelVersion.Kind.DETECTOR, ModelVersion.Kind.METHOD)
    made = Q(kind__in=judged, round__isnull=False)
    for version in project.model_versions.filter(made).select_related("round").order_by("round__number"):
        figures = version.figures
        masks = figures.masks.get("method") or figures.masks.get("fused") or figures.masks.get("detector")
        if version.round is None or (figures.box_ap50 is None and masks is None):
            continue
        found.append(
            RoundRow(
                number=version.round.number,
                box_ap50=figures_of(version).box_ap50,
                dice=masks.dice if masks else None,
                aji=masks.aji if masks else None,
            )
        )
    return found


def _agreement(project: Project) -> list[AgreementRow]:
    """The reports that were computed, the oldest first: agreement over time. Kinds of readings are never pooled."""
    jobs = Job.objects.filter(project=project, kind=Job.Kind.AGREEMENT, state=Job.State.DONE).order_by("pk")
    found = []
    for job in jobs:
        report = job.facts.get("report") or {}
        f1, alpha = (report.get(name, {}).get("value") for name in ("f1", "alpha"))
        found.append(AgreementRow(at=job.created_at, sight=job.request["sight"], f1=f1, alpha=alpha))
    return found


def _time(project: Project, user: User) -> Time:
    recorded = project_time(project)
    own = recorded.active(user)
    has_enough = len(recorded.people) >= FEWEST_PEOPLE
    everyone = recorded.active() if has_enough and not _reads_blindly(project) else None
    return Time(
        own=own.seconds / own.cells if own.cells else None,
        everyone=everyone.seconds / everyone.cells if everyone and everyone.cells else None,
    )


def _reads_blindly(project: Project) -> bool:
    """Whether blinded readings are open that somebody has begun. Each cell of theirs moves everybody's time a cell."""
    begun = project.items.present().filter(readings__isnull=False)
    return begun.filter(has_open_readings("image")).exists()
