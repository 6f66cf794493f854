"""The stages of a round as people see them: how far each is, what it uses, what it waits for, how long it takes."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _

from inference.documents.stage_reports import EvaluationFacts, Usage
from labeling.rounds.execution.services import FINISHED, NEEDS
from labeling.rounds.models import Portion, Round, Stage, StageLine
from labeling.rounds.results.outcome import Outcome, outcome_of
from labeling.rounds.weights.promotion import LEARNED
from labeling.site.curves import Curve, curves_of
from labeling.site.facts import Facts, facts_of
from labeling.site.forecast import left_of
from labeling.site.resources import Wait, usage_of, wait_of
from labeling.site.words import figure, took

ROUND_WORDS = {
    Round.State.PLANNED: "queued: it starts when the round before it has ended",
    Round.State.QUEUED: "waiting for a worker",
    Round.State.RUNNING: "running",
    Round.State.CANCELLED: "cancelled",
    Round.State.FAILED: "failed",
    Round.State.PUBLISHED: "done: its proposals are on the images",
}
SLOW_TO_START = timedelta(seconds=20)  # after this the reader is told to look whether a worker runs


@dataclass(frozen=True)
class Pace:
    """How fast a stage goes, in words, how long the rest takes at that pace, and when that is over."""

    words: str
    left: timedelta
    end: datetime


@dataclass(frozen=True)
class StageRow:
    """A stage as people see it."""

    stage: Stage
    wait: Wait | None
    usage: str
    percent: int
    words: str
    elapsed: timedelta | None
    pace: Pace | None
    in_epochs: bool
    made_by: int | None
    curves: list[Curve]


@dataclass(frozen=True)
class Progress:
    """What people need to know of a round's stages, under the names that the templates use."""

    round: Round
    outcome: Outcome | None
    active: bool
    round_words: str
    waiting_for: StageRow | None
    stages: list[StageRow]
    finished_stages: int
    overall: int
    current: StageRow | None
    elapsed: timedelta
    left: timedelta | None
    end: datetime | None
    evaluation: Facts | None

    def context(self) -> dict[str, object]:
        return {"project": self.round.project} | {one.name: getattr(self, one.name) for one in fields(self)}


def progress_of(found: Round, now: datetime | None = None) -> Progress:
    """Five queries, and one more while a stage is spread."""
    now = now or timezone.now()
    stages = list(found.stages.select_related("artifact"))
    at_work = usage_of_portions(found, stages)
    shown = stage_rows(found, stages, at_work, now)
    evaluation = next((stage for stage in stages if stage.kind == Stage.Kind.EVALUATION), None)
    left = left_of(found, shown, now)
    waiting_row = next((row for row in shown if row.wait), None)
    busy = any(stage.lease_owner for stage in stages) or any(at_work.values())
    outcome = outcome_of(found) if found.state == Round.State.PUBLISHED else None
    return Progress(
        round=found,
        outcome=outcome,
        active=found.state in Round.ACTIVE,
        round_words=words_of_round(found, outcome, waits=waiting_row is not None and not busy),
        waiting_for=waiting_row,
        stages=shown,
        finished_stages=sum(stage.state in FINISHED for stage in stages),
        overall=round(sum(row.percent for row in shown) / max(1, len(shown))),
        current=next((row for row in shown if row.stage.state == Stage.State.RUNNING), None),
        elapsed=(found.finished_at or now) - found.created_at,
        left=left,
        end=now + left if left is not None else None,
        evaluation=facts_of(evaluation.artifact.facts_as(EvaluationFacts))
        if evaluation and evaluation.artifact
        else None,
    )


def usage_of_portions(found: Round, stages: Sequence[Stage]) -> dict[int, list[Usage]]:
    """Stage -> what each worker uses that is at one of its portions; a query only while a stage is spread."""
    at_work: dict[int, list[Usage]] = defaultdict(list)
    if any(stage.state == Stage.State.RUNNING and stage.lease_owner is None for stage in stages):
        portions = Portion.objects.filter(stage__round=found, state=Portion.State.RUNNING)
        for stage_id, usage in portions.values_list("stage", "usage"):
            at_work[stage_id].append(Usage.stored(usage))
    return at_work


def stage_rows(
    found: Round, stages: Sequence[Stage], at_work: Mapping[int, list[Usage]], now: datetime
) -> list[StageRow]:
    """Two queries: what the stages reported, and which rounds made what this one used again."""
    reports: dict[int, list[dict[str, float]]] = defaultdict(list)
    lines = StageLine.objects.filter(stage__round=found).exclude(values={})
    for stage_id, values in lines.values_list("stage", "values"):
        reports[stage_id].append(values)
    reused = [stage.artifact_id for stage in stages if stage.state == Stage.State.REUSED]
    makers = dict(
        Stage.objects.filter(artifact__in=reused, state=Stage.State.DONE, round__project=found.project_id)
        .order_by("-round__number")
        .values_list("artifact", "round__number")
    )
    by_kind = {stage.kind: stage for stage in stages}
    may_wait = found.state in Round.ACTIVE and not found.cancel_requested
    return [
        StageRow(
            stage=stage,
            wait=wait_of(stage, now) if may_wait else None,
            usage=usage_of(stage, at_work.get(stage.pk, ())),
            percent=percent_of(stage),
            words=words_of(found, stage, by_kind, now),
            elapsed=elapsed_of(stage, now),
            pace=pace_of(stage, now),
            in_epochs=stage.kind in LEARNED,
            made_by=makers.get(stage.artifact_id or ""),
            curves=curves_of(reports[stage.pk]),
        )
        for stage in stages
    ]


def words_of_round(found: Round, outcome: Outcome | None, *, waits: bool) -> str:
    """The state of a round in words. waits: a stage lacks something, and no other is at work."""
    if found.cancel_requested and found.state in Round.ACTIVE:
        return _("stopping at the end of its unit of work")
    if waits:
        return _("waits for memory, a GPU or a worker")
    if outcome and outcome.headline:
        return _("finished: {headline}").format(headline=outcome.headline)
    return ROUND_WORDS[Round.State(found.state)]


def elapsed_of(stage: Stage, now: datetime) -> timedelta | None:
    if not has_worked(stage) or not stage.started_at:
        return None
    return (stage.finished_at or now) - stage.started_at


def percent_of(stage: Stage) -> int:
    if stage.state in FINISHED:
        return 100
    return min(99, math.floor(100 * stage.done / stage.total)) if stage.total else 0


def pace_of(stage: Stage, now: datetime) -> Pace | None:
    """Images a second or the time of an epoch so far, how long the rest takes at that pace, and when that is over;
    None while there is nothing to go by.

    Only what the worker that is at it made itself counts: what another had finished would look like the work of a
    moment.
    """
    if stage.state != Stage.State.RUNNING or not stage.started_at or not 0 < stage.done < stage.total:
        return None
    used = stage.used
    made, seconds = used.made or 0, float(used.seconds)  # of this worker's own attempt
    if not made and stage.attempts <= 1 and not stage.times_declined:
        made, seconds = stage.done, (now - stage.started_at).total_seconds()
    if not made or seconds <= 0:
        return None
    left = timedelta(seconds=(stage.total - stage.done) * seconds / made)
    if stage.kind in LEARNED:
        words = _("{time} per epoch").format(time=took(seconds / made))
    else:
        words = _("{rate} images/s").format(rate=figure(made / seconds))
    return Pace(words, left, now + left)


def has_worked(stage: Stage) -> bool:
    return stage.state not in (Stage.State.WAITING, Stage.State.REUSED)


def words_of(found: Round, stage: Stage, by_kind: dict[str, Stage], now: datetime) -> str:
    """The state of a stage in words; what it waits for is said."""
    if stage.state != Stage.State.WAITING:
        return {
            Stage.State.RUNNING: _("running"),
            Stage.State.DONE: _("done"),
            Stage.State.REUSED: _("reused from an earlier round"),
            Stage.State.CANCELLED: _("cancelled"),
            Stage.State.FAILED: _("failed"),
        }[Stage.State(stage.state)]
    needed = [by_kind[need] for need in NEEDS.get(stage.kind, ()) if need in by_kind]
    missing = [other for other in needed if other.state not in FINISHED]
    if stage.missing_resource:
        return _("waits")
    if missing:
        names = f" {_('and')} ".join(_(need.get_kind_display()).lower() for need in missing)
        return _("waiting for {names}").format(names=names)
    if stage.attempts:
        return _("waiting to go on where it stopped: its worker was lost")
    busy = any(other.state == Stage.State.RUNNING for other in by_kind.values())
    if stage.queued_at and now - stage.queued_at > SLOW_TO_START and found.state in Round.ACTIVE and not busy:
        return _("waiting for a free worker; if none is running, nothing will happen")
    return _("waiting for a free worker")
