"""From raw events to time: every millisecond of a session gets one phase, and a phase of work gets its cell.

The rules are docs/time_study.md's, in short:

- Time is the browser's monotonic clock. Wall clocks jump, so they only date a session and betray a jump.
- An operation of the log ends a piece of work. What lies between two of them is divided by what was opened and which
  tool was taken: search (looking for the next cell), draw, verify (looking at one cell), refine (its boundary),
  classify, rest (undo, delete, regions).
- Not work, in this order of precedence: missing (events were lost), wait (the machine had the turn), away (the page
  was hidden or had lost the focus), idle (a gap between a person's acts that is longer than the declared cut-off; all
  of it, because a pause is not work up to its thirtieth second).

So the phases, missing, wait, away and idle of a session always add up to its length.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from labeling.annotations.active_time import Rules, Spans, frozen_since, kind_of, not_work

PHASES = ("search", "draw", "verify", "refine", "classify", "rest")
OTHER = ("wait", "idle", "away", "missing")
COLUMNS = ["session", "begin_ms", "end_ms", "ms", "phase", "cell"]
TEXT_COLUMNS = ("session", "phase", "cell")
CLOCK_JUMP_MS = 500.0
PROCESSING_MS = 500.0  # between a person's input and the commit it causes; longer, and the input was for something else

REFINING = frozenset({"move", "resize", "reshape", "edit"})
OTHER_WORK = frozenset({"undo", "redo", "region", "bulk"})

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Checks:
    """What is wrong with the record of one session. Nothing of it is repaired silently.

    duplicates        events that came twice; one is kept
    gaps              how often numbers are missing, and missing_events how many
    gap_ms            how long the stretches are in which they are missing: measured as "missing"
    lost_tail         events that an operation rests on, after the last one received
    no_farewell       the page did not say good-bye (crash, power, killed tab): up to 5 s may be missing
    backwards         events whose time is before their predecessor's
    clock_jumps       how often the wall clock moved against the monotonic one by more than half a second
    frozen            how often the page did not run for over a second (sleep, overload); counted as wait
    stalls            how often saving stood still for lack of a network; work went on
    resent            how often a batch was sent again for want of an answer; the server keeps one of each event
    """

    session: str
    events: int
    duplicates: int
    gaps: int
    missing_events: int
    gap_ms: float
    lost_tail: int
    no_farewell: bool
    backwards: int
    clock_jumps: int
    frozen: int
    frozen_ms: float
    stalls: int
    resent: int


def attribute(events: pd.DataFrame, operations: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Every session cut into intervals of one phase each.

    events       session, n (number in the session), t_ms (monotonic), kind, data; any order, duplicates allowed
    operations   session, action, cell, proposal ("" for none), begun_ms, committed_ms, activity_first, activity_last
                 (the numbers of the events it rests on, NaN for none)
    ->           COLUMNS, sorted by session and time; gapless within a session; `cell` is "" where there is none
    """
    parts = []
    acts = dict(list(operations.groupby("session", sort=False)))
    for session, found in events.groupby("session", sort=True):
        own = acts.get(session, operations.iloc[:0])
        part = _session(_ordered(found), own.sort_values("committed_ms", kind="stable"), rules)
        part.insert(0, "session", session)
        parts.append(part)
    if not parts:
        return _no_intervals()
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _no_intervals() -> pd.DataFrame:
    empty = {}
    for name in COLUMNS:
        kind = object if name in TEXT_COLUMNS else float
        empty[name] = pd.Series(dtype=kind)
    return pd.DataFrame(empty)


def totals(intervals: pd.DataFrame, by: Iterable[str] = ("session",)) -> pd.DataFrame:
    """Seconds of every phase (columns PHASES and OTHER), active_s and session_s, one row for each group."""
    sums = intervals.pivot_table(index=list(by), columns="phase", values="ms", aggfunc="sum", fill_value=0.0)
    seconds = sums / 1000
    table = seconds.reindex(columns=[*PHASES, *OTHER], fill_value=0.0)
    table["active_s"] = table[list(PHASES)].sum(axis=1)
    table["session_s"] = table["active_s"] + table[list(OTHER)].sum(axis=1)
    return table


def check(events: pd.DataFrame, operations: pd.DataFrame, batches: pd.DataFrame) -> list[Checks]:
    """What is wrong with each session's record.

    operations   session, activity_last (the number of the last event it rests on, NaN for none)
    batches      session, first, wall_ms, mono_ms
    """
    reports = []
    for session, raw in events.groupby("session", sort=True):
        found = _ordered(raw)
        times = found["t_ms"].to_numpy(np.float64)
        numbers = found["n"].to_numpy(np.int64)
        kinds = found["kind"].to_numpy(object)
        steps = np.diff(numbers, prepend=-1)
        last = operations.loc[operations["session"] == session, "activity_last"].max()
        own = batches[batches["session"] == session]
        missing = _missing(found)
        frozen = _frozen(found)
        again = [_again(kind, data) for kind, data in zip(kinds, found["data"], strict=True)]
        reports.append(
            Checks(
                session=str(session),
                events=len(found),
                duplicates=len(raw) - len(found),
                gaps=int((steps > 1).sum()),
                missing_events=int((steps - 1).sum()),
                gap_ms=_length(missing),
                lost_tail=max(0, int(last) - int(numbers[-1])) if not math.isnan(last) else 0,
                no_farewell=kinds[-1] != "hidden",
                backwards=int((np.diff(times) < 0).sum()),
                clock_jumps=_clock_jumps(own),
                frozen=len(frozen),
                frozen_ms=_length(frozen),
                stalls=int((kinds == "stall_begin").sum()),
                resent=sum(again),
            )
        )
    return reports


def _length(spans: Spans) -> float:
    return sum(end - begin for begin, end in spans)


def _clock_jumps(batches: pd.DataFrame) -> int:
    """How often the wall clock moved against the monotonic one between two batches of a session."""
    ordered = batches.sort_values("first")
    offset = (ordered["wall_ms"] - ordered["mono_ms"]).to_numpy(np.float64)
    drift = np.abs(np.diff(offset))
    return int((drift > CLOCK_JUMP_MS).sum())


def _again(kind: str, data: Any) -> int:
    """How often batches were sent again before this event; what a client made up otherwise counts as nothing."""
    again = data.get("again") if kind == "stall_end" and isinstance(data, dict) else None
    return again if type(again) is int and again > 0 else 0


def _ordered(events: pd.DataFrame) -> pd.DataFrame:
    """In the order of their numbers, each once. Raises ValueError when one number has two different events."""
    found = events.sort_values("n", kind="stable").reset_index(drop=True)
    twice = found.duplicated("n", keep=False)
    if twice.any():
        different = found[twice].assign(data=found["data"].map(repr)).drop_duplicates(["n", "t_ms", "kind", "data"])
        if different["n"].duplicated().any():
            raise ValueError(f"session {found['session'].iloc[0]}: two different events have one number")
    return found.drop_duplicates("n")


def _session(events: pd.DataFrame, acts: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    t = np.maximum.accumulate(events["t_ms"].to_numpy(np.float64))
    kinds = [kind_of(kind, data) for kind, data in zip(events["kind"], events["data"], strict=True)]
    missing = _missing(events)
    begin = min([float(t[0]), *(start for start, _ in missing)])
    end = float(t[-1])
    last_commit = float(acts["committed_ms"].max()) if len(acts) else end
    if last_commit > end:  # the tail is lost, but the log knows how long it was
        missing.append((end, last_commit))
        end = last_commit
    found = not_work(t.tolist(), kinds, missing=missing, frozen=_frozen(events), begin=begin, end=end, rules=rules)
    work = _work(events, t, acts, begin)

    marked = [mark[0] for mark in work]
    edges = [begin, end, *marked]
    for span in found.all:
        edges += span
    cuts = np.unique(np.clip(np.array(edges, np.float64), begin, end))
    if len(cuts) < 2:
        return pd.DataFrame(columns=COLUMNS[1:])
    middle = (cuts[:-1] + cuts[1:]) / 2
    place = np.searchsorted(np.array(marked), middle, side="right") - 1
    phase = np.array([work[i][1] for i in place], object)
    cell = np.array([work[i][2] for i in place], object)
    for name, spans in (("idle", found.idle), ("away", found.away), ("wait", found.wait), ("missing", missing)):
        inside = _inside(middle, spans)
        phase[inside] = name
        cell[inside] = ""
    same_phase = phase[1:] == phase[:-1]
    same_cell = cell[1:] == cell[:-1]
    same = np.concatenate([[False], same_phase & same_cell])
    first = np.flatnonzero(~same)
    begins = cuts[first]
    ends = np.append(begins[1:], cuts[-1])
    return pd.DataFrame(
        {
            "begin_ms": begins,
            "end_ms": ends,
            "ms": ends - begins,
            "phase": phase[first],
            "cell": cell[first],
        }
    )


def _work(events: pd.DataFrame, t: Floats, acts: pd.DataFrame, begin: float) -> list[tuple[float, str, str]]:
    """From when on which phase of which cell is worked at: marks (t_ms, phase, cell), sorted; the first at `begin`.

    An operation names the events it rests on by number, which is exact where times are not: the browser rounds the
    times of events, and stamps input when it happens but operations when they are done.
    """
    numbers = events["n"].to_numpy(np.int64)
    kinds = events["kind"].tolist()
    data = events["data"].tolist()
    alias = {p: c for p, c in zip(acts["proposal"], acts["cell"], strict=True) if p}
    marks: list[tuple[float, str, str]] = [(begin, "search", "")]
    opened = ""
    opened_at = begin
    drawn = ""
    i = 0
    for act in acts.itertuples():
        last_mark = marks[-1][0]
        stop = _stop(numbers, t, act)
        heard = _heard(t, stop, float(act.committed_ms))
        committed = max(_hand_up(kinds, t, i, stop, heard), last_mark)
        begun = min(_hand_down(numbers, kinds, t, act, i), committed)
        begun = max(begun, last_mark)
        opened, opened_at = _mark_views(marks, t, kinds, data, range(i, stop), alias, drawn, opened, opened_at)
        i = max(i, stop)
        if act.action == "draw":
            marks.append((begun, "draw", act.cell))
        elif act.action in REFINING and marks[-1][1] != "refine":
            marks.append((begun, "refine", act.cell))
        elif act.action in ("classify", "delete"):
            phase = "classify" if act.action == "classify" else "rest"
            if opened:
                _relabel(marks, opened_at, phase, act.cell)
            else:
                marks.append((begun, phase, act.cell))
        elif act.action in OTHER_WORK:
            marks.append((begun, "rest", ""))
        drawn = act.cell if act.action == "draw" else ""
        opened = ""
        marks.append((committed, "search", ""))
    _mark_views(marks, t, kinds, data, range(i, len(t)), alias, drawn, opened, opened_at)
    marks.sort(key=lambda mark: mark[0])  # stable: what was said later wins at the same moment
    return _searches_named(marks)


def _stop(numbers: npt.NDArray[np.int64], t: Floats, act: Any) -> int:
    """How many of the events came before the operation was committed: those it rests on, else those up to its time."""
    if math.isnan(act.activity_last):
        return int(np.searchsorted(t, act.committed_ms, side="right"))
    return int(np.searchsorted(numbers, act.activity_last, side="right"))


def _heard(t: Floats, stop: int, committed_ms: float) -> float:
    """When the machine heard of the operation: its last event's time; its own where that is after the record's end."""
    if 0 < stop < len(t) or committed_ms <= t[-1]:
        return float(t[stop - 1])
    return committed_ms


def _relabel(marks: list[tuple[float, str, str]], opened_at: float, phase: str, cell: str) -> None:
    """The look at a cell turned out to be for this: from its opening on, which the operation itself, begun when the
    machine had heard of it, does not know."""
    for k in range(len(marks) - 1, -1, -1):
        if marks[k][0] < opened_at:
            break
        if marks[k][1] == "verify":
            marks[k] = (marks[k][0], phase, cell)


def _hand_down(numbers: npt.NDArray[np.int64], kinds: list[str], t: Floats, act: Any, i: int) -> float:
    """When the act began: the pointer that went down for it, else what the operation says itself."""
    if not math.isnan(act.activity_first):
        for k in range(int(np.searchsorted(numbers, act.activity_first, side="right")) - 1, i - 1, -1):
            if kinds[k] == "pointer_down":
                return float(t[k]) if act.action in ("draw", "move", "resize", "region") else float(act.begun_ms)
    return float(act.begun_ms)


def _hand_up(kinds: list[str], t: Floats, i: int, stop: int, heard: float) -> float:
    """When the hand did it: the key or pointer that made the machine do what it did at `heard`, a moment before."""
    for k in range(min(stop, len(t)) - 1, i - 1, -1):
        if kinds[k] in ("pointer_up", "pointer_down", "key"):
            return float(t[k]) if heard - t[k] <= PROCESSING_MS else heard
    return heard


def _mark_views(
    marks: list[tuple[float, str, str]],
    t: Floats,
    kinds: list[str],
    data: list[Any],
    events: range,
    alias: dict[str, str],
    drawn: str,
    opened: str,
    opened_at: float,
) -> tuple[str, float]:
    """What was looked at between two operations, added to `marks`. -> the cell that is open at the end, and since when.

    A cell just drawn is selected by itself: that is no look at it.
    """
    for i in events:
        kind, what = kinds[i], data[i]
        at = max(_hand_up(kinds, t, max(0, i - 8), i, float(t[i])), marks[-1][0])
        if kind == "target_opened":
            if str(what) != drawn:
                opened, opened_at = alias.get(str(what), str(what)), at
                marks.append((at, "verify", opened))
        elif kind == "tool" and what == "brush":
            marks.append((at, "refine", opened or drawn))
        elif kind == "key" and what == "cancel" and marks[-1][1] == "refine":
            marks.append((at, "verify", opened or drawn))
        elif opened and (kind == "tool" or (kind == "key" and what == "cancel")):
            opened = ""
            marks.append((at, "search", ""))
    return opened, opened_at


def _searches_named(marks: list[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """A search belongs to the cell that ended it; one that ended nothing belongs to no cell."""
    named = []
    following = ""
    for t, phase, cell in reversed(marks):
        if phase == "search":
            cell = following
        elif cell:
            following = cell
        named.append((t, phase, cell))
    return named[::-1]


def _missing(events: pd.DataFrame) -> Spans:
    """Where numbers are missing: from the event before to the event after. A missing beginning counts from 0."""
    numbers = events["n"].to_numpy(np.int64)
    t = events["t_ms"].to_numpy(np.float64)
    holes = np.flatnonzero(np.diff(numbers) > 1)
    missing = [(float(t[i]), float(t[i + 1])) for i in holes]
    if numbers[0] > 0:
        missing.insert(0, (0.0, float(t[0])))
    return missing


def _frozen(events: pd.DataFrame) -> Spans:
    """Stretches in which the page did not run: the recorder's clock struck late and says since when."""
    spans: Spans = []
    for t, kind, data in zip(events["t_ms"], events["kind"], events["data"], strict=True):
        since = frozen_since(float(t), kind, data)
        if since is not None:
            spans.append((since, float(t)))
    return spans


def _inside(points: Floats, spans: Spans) -> npt.NDArray[np.bool_]:
    """Which points lie in any span."""
    inside = np.zeros(len(points), bool)
    for begin, end in spans:
        inside |= (points >= begin) & (points < end)
    return inside
