"""Quality control of readers as the API says it."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from labeling.assignments.contract import PersonAnswer, person_answer
from labeling.contract import Answer, Body, Id
from labeling.quality_control.models import ControlPlan
from labeling.quality_control.results import ReaderResult, Repeated, results_of


class ControlPlanBody(Body):
    """`owner`: the member who sees the results. `consequence`: what follows from them, as everybody reads it. `drop`:
    the loss of F1 that is to be seen; `false_alarm`: controls until a false alarm, on the average."""

    owner: Id
    consequence: Annotated[str, Field(max_length=5000)]
    control_percent: int = 5
    repeat_percent: int = 5
    repeat_days: int = 14
    drop: float = 0.1
    false_alarm: int = 200


class RepeatedAnswer(Answer):
    """Cells of all repeats together. null: no repeat is finished, or none has a cell."""

    fields: int
    f1: float | None
    same_class: float | None


class ControlDriftAnswer(Answer):
    """A lower one-sided CUSUM. `target` and `spread` come from a reader's first controls, `values` from those that
    follow; `needed`: controls until an alarm once the mean has fallen by `drop`, on the average; `alarm`: number of the
    control, from 1, at which `values` went above `limit`."""

    target: float
    spread: float
    limit: float
    needed: int
    values: list[float]
    alarm: int | None


class ReaderResultAnswer(Answer):
    """`figures`: detection F1 of each control at IoU 0.5, the first one first. `drift` is null before there are enough
    of them."""

    reader: PersonAnswer
    figures: list[float]
    drift: ControlDriftAnswer | None
    repeated: RepeatedAnswer


class ControlPlanAnswer(Answer):
    """`results` is null for everybody but the owner."""

    owner: PersonAnswer
    consequence: str
    control_percent: int
    repeat_percent: int
    repeat_days: int
    drop: float
    false_alarm: int
    declared_at: datetime
    results: list[ReaderResultAnswer] | None


class ControlPlanOfProject(Answer):
    """`plan` is null where nobody is checked."""

    plan: ControlPlanAnswer | None


def plan_answer(plan: ControlPlan, *, has_results: bool) -> ControlPlanAnswer:
    return ControlPlanAnswer(
        owner=person_answer(plan.owner),
        consequence=plan.consequence,
        control_percent=plan.control_percent,
        repeat_percent=plan.repeat_percent,
        repeat_days=plan.repeat_days,
        drop=plan.drop,
        false_alarm=plan.false_alarm,
        declared_at=plan.declared_at,
        results=[_result_answer(one) for one in results_of(plan)] if has_results else None,
    )


def _result_answer(one: ReaderResult) -> ReaderResultAnswer:
    drift = None
    if one.drift is not None:
        chart = one.drift.chart
        drift = ControlDriftAnswer(
            target=chart.target,
            spread=chart.spread,
            limit=chart.limit,
            needed=chart.needed,
            values=one.drift.values,
            alarm=one.drift.alarm,
        )
    return ReaderResultAnswer(
        reader=person_answer(one.reader),
        figures=one.figures,
        drift=drift,
        repeated=repeated_answer(one.repeated),
    )


def repeated_answer(one: Repeated) -> RepeatedAnswer:
    return RepeatedAnswer(fields=one.fields, f1=one.f1, same_class=one.same_class)
