"""The primary comparison under every choice that could have been declared otherwise: a specification curve.

Three choices, crossed (Simonsohn, Simmons and Nelson, Nature Human Behaviour 4, 2020): the idle cut-off, the rule for
outliers, and when the clock of an opening of the page starts. Described, never tested: the protocol has chosen.
"""

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Literal

import pandas as pd

from labeling.annotations.active_time import MACHINE, Rules
from labeling.studies.analysis import missing
from labeling.studies.analysis.attribution import OTHER, PHASES, attribute, totals
from labeling.studies.analysis.estimands import Ratio, rates, ratio_of
from labeling.studies.analysis.fields import Tables, without_outliers
from labeling.studies.analysis.plan import Plan
from labeling.studies.analysis.results import Interval, NotEstimated, attempt

Start = Literal["picture", "act", "cell"]
STARTS: tuple[Start, ...] = ("picture", "act", "cell")
DECLARED_START: Start = "picture"
CUT_OFFS_S = (10.0, 30.0, 60.0, 100.0, 300.0)
OUTLIERS = (None, 1.5, 3.0)


@dataclass(frozen=True)
class Specification:
    """One arm against the reference under one set of choices.

    outlier_iqr  None: nothing is left out
    start        picture: all of the time of a session. act: from the first act of the person in it. cell: from where
                 the person begins with the first cell of it, so that the first search is left out
    declared     these are the choices of the protocol
    """

    arm: str
    idle_after_s: float
    outlier_iqr: float | None
    start: Start
    declared: bool
    readers: int
    fields: int
    ratio: float
    interval: Interval | NotEstimated


class Clock:
    """The sessions of a study cut into phases, once for each cut-off."""

    def __init__(self, tables: Tables, items: pd.Series, *, blur_is_away: bool) -> None:
        """items: those that count. tables: after fields.joined."""
        batches = tables["batches"][tables["batches"]["item"].isin(items)]
        self._blur_is_away = blur_is_away
        self._sessions = batches[["session", "item"]].drop_duplicates("session")
        self._events = tables["events"][tables["events"]["session"].isin(batches["session"])]
        self._operations = tables["operations"][tables["operations"]["item"].isin(items)]
        acts = self._events[~self._events["kind"].isin(MACHINE)]
        self._first_act = acts.groupby("session")["t_ms"].min()
        self._intervals: dict[float, pd.DataFrame] = {}

    def times(self, cut_off_s: float, start: Start = DECLARED_START) -> pd.DataFrame:
        """Seconds of every phase, active_s and session_s; index: item."""
        if cut_off_s not in self._intervals:
            rules = Rules(cut_off_s, self._blur_is_away)
            found = attribute(self._events, self._operations, rules)
            self._intervals[cut_off_s] = found.merge(self._sessions, on="session", how="left")
        intervals = self._since(self._intervals[cut_off_s], start)
        columns = [*PHASES, *OTHER, "active_s", "session_s"]
        if not len(intervals):
            return pd.DataFrame(columns=columns, dtype=float)
        return totals(intervals, by=["item"]).reindex(columns=columns)

    def _since(self, intervals: pd.DataFrame, start: Start) -> pd.DataFrame:
        """What lies after the clock's start of each session. A session in which it never starts has no time."""
        if start == "picture":
            return intervals
        if start == "act":
            first = self._first_act
        else:
            begun = intervals[~intervals["phase"].isin(["search", *OTHER])]
            first = begun.groupby("session")["begin_ms"].min()
        begin = intervals["session"].map(first).fillna(float("inf"))
        ms = (intervals["end_ms"] - intervals["begin_ms"].clip(lower=begin)).clip(lower=0.0)
        return intervals.assign(ms=ms)


def specifications(clock: Clock, counted: pd.DataFrame, plan: Plan) -> list[Specification | NotEstimated]:
    """Every combination, arm by arm. clock: of the fields counted; counted: before the rule for outliers.

    A specification that gives no ratio is named with the reason; what the protocol declares is always among them.
    """
    cut_offs = sorted({*CUT_OFFS_S, plan.idle_after_s})
    rules = sorted({*OUTLIERS, plan.outlier_iqr}, key=lambda iqr: -1.0 if iqr is None else iqr)
    found: list[Specification | NotEstimated] = []
    for cut_off, start in product(cut_offs, STARTS):
        times = clock.times(cut_off, start)["active_s"].reindex(counted["item"]).fillna(0.0)
        timed = counted.assign(active_s=times.to_numpy())
        timed = timed[timed["active_s"] > 0]
        for iqr in rules:
            rows = _analysed(timed, iqr, plan)
            for arm in plan.others:
                found.append(attempt(partial(_specification, rows, arm, cut_off, iqr, start, plan)))
    return found


def _analysed(timed: pd.DataFrame, iqr: float | None, plan: Plan) -> pd.DataFrame:
    """As report.compute does: outliers by the rule, then the readers who have a field left in every arm."""
    kept, _ = without_outliers(timed, iqr)
    complete = missing.complete_readers(kept, [plan.reference, *plan.others], plan.kind)
    return kept[kept["participant"].isin(complete)]


def _specification(
    rows: pd.DataFrame, arm: str, cut_off: float, iqr: float | None, start: Start, plan: Plan
) -> Specification:
    found: Ratio = ratio_of(rates(rows), reference=plan.reference, arm=arm, kind=plan.kind, confidence=plan.confidence)
    own = rows[rows["arm"].isin([plan.reference, arm])]
    declared = (cut_off, iqr, start) == (plan.idle_after_s, plan.outlier_iqr, DECLARED_START)
    return Specification(
        arm=arm,
        idle_after_s=cut_off,
        outlier_iqr=iqr,
        start=start,
        declared=declared,
        readers=int(own["participant"].nunique()),
        fields=len(own),
        ratio=found.ratio,
        interval=found.interval,
    )
