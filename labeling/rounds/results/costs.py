"""What a round has cost: people's time for its labels, and its trainings. Methods are compared by it beside figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min
from django.utils.translation import gettext_noop

from inference.documents.methods import METHODS, Kind, Method
from inference.documents.stage_reports import TrainingFacts
from labeling.accounts.models import User
from labeling.annotations.active_time import length
from labeling.annotations.summaries import FEWEST_PEOPLE, project_time
from labeling.projects.models import MAY
from labeling.rounds.models import Round, Stage
from labeling.rounds.weights.promotion import LEARNED

LABELS: dict[Kind, str] = {
    "points": gettext_noop("points"),
    "boxes": gettext_noop("boxes"),
    "masks": gettext_noop("verified masks"),
}


@dataclass(frozen=True)
class Cost:
    """What one round has cost.

    cells               that its trainings learned from
    trained_parameters  numbers that its trainings could change; None where a part of it does not say
    training_seconds    of its trainings, from the first start to the end of each; None where none was made here
    annotation_seconds  active time on the images that teach it, until it was started; None where none was measured,
                        or where it is of fewer than FEWEST_PEOPLE and the reader does not oversee the project

    Weights that are used as they are were not trained by the round.
    """

    round: Round
    cells: int | None
    trained_parameters: int | None
    training_seconds: float | None
    annotation_seconds: float | None

    @property
    def method(self) -> Method:
        return METHODS[self.round.parameters.method]

    @property
    def labels(self) -> str:
        """The kind of label that the method learns from, in words to be translated."""
        return LABELS[self.method.labels[0]]

    @property
    def seconds_per_cell(self) -> float | None:
        if self.annotation_seconds is None or not self.cells:
            return None
        return self.annotation_seconds / self.cells


def cost_of(round_: Round, *, reader: User) -> Cost:
    """The cost of a finished round, as far as it is known and `reader` may know it."""
    learned = round_.stages.filter(kind__in=LEARNED, artifact__isnull=False).select_related("artifact")
    trained = [stage for stage in learned if not round_.parameters.is_as_is(stage.kind)]
    artifacts = [stage.artifact for stage in trained if stage.artifact is not None]
    facts = [artifact.facts_as(TrainingFacts) for artifact in artifacts]
    return Cost(
        round=round_,
        cells=max((one.cells for one in facts if one.cells is not None), default=None),
        trained_parameters=_sum(one.trained_parameters for one in facts),
        training_seconds=_training_seconds([artifact.key for artifact in artifacts]),
        annotation_seconds=_annotation_seconds(round_, reader),
    )


def _sum(numbers: Iterable[int | None]) -> int | None:
    """None where one of them is not known, or there is none."""
    found = list(numbers)
    known = [number for number in found if number is not None]
    return sum(known) if known and len(known) == len(found) else None


def _training_seconds(keys: list[str]) -> float | None:
    """Of whatever round made the artifacts; a training that was stopped counts with the time in between."""
    made = Stage.objects.filter(artifact__in=keys, state=Stage.State.DONE, started_at__isnull=False)
    spans = made.order_by().values("artifact").annotate(began=Min("started_at"), ended=Min("finished_at"))
    seconds = [(span["ended"] - span["began"]).total_seconds() for span in spans if span["ended"]]
    return sum(seconds) if seconds and len(seconds) == len(keys) else None


def _annotation_seconds(round_: Round, reader: User) -> float | None:
    images = [entry.image for entry in round_.snapshot.document().images if entry.teaches]
    recorded = project_time(round_.project, images=images)
    before = [_until(spans, round_.created_at) for spans in recorded.people.values()]
    worked = [seconds for seconds in before if seconds > 0]
    may_see = round_.project.role_of(reader) in MAY["oversee"] or len(worked) >= FEWEST_PEOPLE
    if not may_see or not worked or recorded.left_out:
        return None
    return sum(worked)


def _until(spans: list[tuple[float, float]], end: datetime) -> float:
    """Seconds of the stretches (ms since 1970) that lie before a moment."""
    last = end.timestamp() * 1000
    return length([(a, min(b, last)) for a, b in spans if a < last]) / 1000
