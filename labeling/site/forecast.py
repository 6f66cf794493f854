"""How long a round still takes, by how long its stages took last time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from labeling.rounds.execution.services import FINISHED
from labeling.rounds.models import Round, Stage

NEWEST = 40  # finished stages: some rounds, even where most of their stages were reused


class Rest(Protocol):
    """How long the rest of a stage takes."""

    @property
    def left(self) -> timedelta: ...


class Row(Protocol):
    """What is read here of a round_progress.StageRow."""

    @property
    def stage(self) -> Stage: ...
    @property
    def wait(self) -> object | None: ...
    @property
    def pace(self) -> Rest | None: ...


def left_of(found: Round, rows: Iterable[Row], now: datetime) -> timedelta | None:
    """The rest of the stage at work by its own pace, and the others as the project's last round of this preset made
    them, one after another as a single worker does; more workers are faster. One query.

    rows  of round_progress.stage_rows
    ->    None where a stage was never made before, where one waits for memory or a GPU, and for a round at rest
    """
    unfinished = [row for row in rows if row.stage.state not in FINISHED]
    if found.state not in Round.ACTIVE or found.cancel_requested or any(row.wait for row in unfinished):
        return None
    earlier = Stage.objects.filter(round__project=found.project_id, round__preset=found.preset, state=Stage.State.DONE)
    took: dict[str, timedelta] = {}
    newest = earlier.exclude(round=found).order_by("-finished_at")
    for kind, began, ended in newest.values_list("kind", "started_at", "finished_at")[:NEWEST]:
        if began is not None and ended is not None:
            took.setdefault(kind, ended - began)
    left = timedelta(0)
    for row in unfinished:
        stage = row.stage
        if row.pace:
            left += row.pace.left
        elif stage.kind not in took:
            return None
        else:
            passed = now - stage.started_at if stage.state == Stage.State.RUNNING and stage.started_at else timedelta(0)
            left += max(timedelta(0), took[stage.kind] - passed)
    return left
