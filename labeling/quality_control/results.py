"""What controls and repeats say of each reader: their figures in order, and whether they have become worse."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from inference.agreement.cusum import LEAST_SPREAD, Chart
from labeling.accounts.models import User
from labeling.quality_control.models import CheckField, ControlPlan

BASELINE = 8  # controls from which a reader's target and spread are taken

LAST = 5  # figures of a reader that the page shows

FEWEST_READERS = 2  # whose repeats are shown together to everybody


@dataclass(frozen=True)
class Drift:
    """The chart of one reader (inference/agreement/cusum.py).

    values    of the chart, one for each control after the first BASELINE
    alarm     number of the control, from 1, at which it went above its limit; None: it has not
    """

    chart: Chart
    values: list[float]
    alarm: int | None


@dataclass(frozen=True)
class Repeated:
    """Repeats of one reader, or of all of them: cells that both readings have, and those of one alone."""

    fields: int
    f1: float | None
    same_class: float | None


@dataclass(frozen=True)
class ReaderResult:
    """figures: F1 of each control, in the order in which they were finished. drift: None before BASELINE of them."""

    reader: User
    figures: list[float]
    drift: Drift | None
    repeated: Repeated

    @property
    def last_figures(self) -> list[float]:
        """The last LAST of them, the newest first."""
        return self.figures[: -LAST - 1 : -1]


def results_of(plan: ControlPlan) -> list[ReaderResult]:
    """By name of the reader; one query."""
    done = CheckField.objects.filter(plan=plan, finished_at__isnull=False).select_related("reader")
    by_reader: dict[User, list[CheckField]] = {}
    for check in done.order_by("finished_at", "pk"):
        by_reader.setdefault(check.reader, []).append(check)
    readers = sorted(by_reader, key=lambda reader: reader.display_name)
    return [_result(plan, reader, by_reader[reader]) for reader in readers]


def repeated_in(project: int) -> Repeated | None:
    """Of all readers of a project together: how far people agree with themselves. None while fewer than FEWEST_READERS
    have repeated something, as what one reader does is for the owner of the results alone."""
    done = CheckField.objects.filter(plan__project=project, finished_at__isnull=False)
    checks = list(done.filter(kind=CheckField.Kind.REPEAT))
    readers = {check.reader_id for check in checks}
    return repeated(checks) if len(readers) >= FEWEST_READERS else None


def _result(plan: ControlPlan, reader: User, checks: Sequence[CheckField]) -> ReaderResult:
    figures = [check.f1 for check in checks if check.kind == CheckField.Kind.CONTROL]
    again = [check for check in checks if check.kind == CheckField.Kind.REPEAT]
    return ReaderResult(reader, figures, drift_of(plan, figures), repeated(again))


def drift_of(plan: ControlPlan, figures: Sequence[float]) -> Drift | None:
    if len(figures) < BASELINE:
        return None
    first = figures[:BASELINE]
    chart = Chart(fmean(first), max(LEAST_SPREAD, stdev(first)), plan.drop, plan.false_alarm)
    values = list(chart.path(figures[BASELINE:]))
    above = [number for number, value in enumerate(values, start=BASELINE + 1) if value > chart.limit]
    return Drift(chart, values, above[0] if above else None)


def repeated(checks: Sequence[CheckField]) -> Repeated:
    """Cells of all fields together, so that a field with many cells counts more."""
    found = sum(check.found for check in checks)
    alone = sum(check.missed + check.extra for check in checks)
    same = sum(check.same_class for check in checks)
    f1 = 2 * found / (2 * found + alone) if found + alone else None
    return Repeated(len(checks), f1, same / found if found else None)
