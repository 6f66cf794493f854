"""Active time: which stretches of a session a person worked. The project page and the studies share this definition.

A session is one opening of the workspace. Its time is the browser's monotonic clock in milliseconds. From the first
event to the last, everything is work except, in this order of precedence:

- missing: events were lost;
- wait: the machine had the turn, or the page did not run ("frozen");
- away: the page was hidden, or it had lost the focus, until the next act on it;
- idle: a gap between two acts of a person that is longer than the cut-off, from its first second on.

A person may have several sessions open at the same time (tabs, windows, machines). `union` counts such time once.
This module knows no database: plain numbers in, plain numbers out.
"""

import json
import math
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any, TypedDict

VERSION = 1  # of what a Trace holds and what is computed from it; raise it when either changes
THIN_MS = 10_000.0  # acts closer than this are thinned in a Trace, so no smaller cut-off can be computed from one
SLEEP_MS = 300_000.0  # the server's clock runs ahead of the browser's monotonic clock by this much: the machine slept
LATEST_MS = 2.5e14  # the year 9892; no clock is later
CLOCK_SLACK_MS = 300_000.0  # a browser's clock that is off by less is believed (Kerberos allows the same)

# What the machine does by itself says nothing about whether somebody is there.
MACHINE = frozenset(
    {"target_presented", "mask_shown", "wait_begin", "wait_end", "stall_begin", "stall_end", "blur", "hidden", "frozen"}
)
LOST = "lost"  # a mark of a Trace: events are missing between `since` and this moment

Span = tuple[float, float]  # begin, end in ms; half-open
Spans = list[Span]
Event = Sequence[Any]  # t_ms, kind, data (may be absent)
Mark = tuple[float, str, float | None]  # t_ms, kind, since (frozen and lost only)


@dataclass(frozen=True)
class Rules:
    """The declared parameters of the measurement; a protocol freezes them.

    idle_after_s   a gap between two acts of a person that is longer counts as idle, all of it
    blur_is_away   a page without focus is not worked at, until the next act on it
    """

    idle_after_s: float = 30.0
    blur_is_away: bool = True

    def __post_init__(self) -> None:
        if not self.idle_after_s > 0:
            raise ValueError(f"the idle cut-off must be positive, not {self.idle_after_s} s")


# -- the definition


@dataclass(frozen=True)
class NotWork:
    """Stretches of a session that are not work, by reason. They may overlap."""

    missing: Spans
    wait: Spans
    away: Spans
    idle: Spans

    @property
    def all(self) -> Spans:
        return self.missing + self.wait + self.away + self.idle


def not_work(
    t: Sequence[float], kinds: Sequence[str], *, missing: Spans, frozen: Spans, begin: float, end: float, rules: Rules
) -> NotWork:
    """What of begin..end is not work.

    t, kinds  of each event, in order, t never falling. An event whose data names a `since` has the kind "frozen"
              (see kind_of): it closes no wait that somebody else began
    missing   stretches in which events were lost
    frozen    stretches in which the page did not run
    """
    wait = between(t, kinds, "wait_begin", {"wait_end"}, end) + frozen
    away = between(t, kinds, "hidden", {"visible"}, end)
    if rules.blur_is_away:
        away += between(t, kinds, "blur", set(kinds) - MACHINE - {LOST}, end)
    acts = {at for at, kind in zip(t, kinds, strict=True) if kind not in MACHINE and kind != LOST}
    ticks = sorted(acts | {begin, end})
    idle = idle_gaps(ticks, missing + wait + away, rules.idle_after_s * 1000)
    return NotWork(missing, wait, away, idle)


def kind_of(kind: str, data: Any) -> str:
    """The kind, or "frozen" for a beat of the recorder's own clock that came late and says since when."""
    return "frozen" if isinstance(data, dict) and "since" in data else kind


def frozen_since(t: float, kind: str, data: Any) -> float | None:
    """Since when the page had not run at this event; None where it ran, and for a time that cannot be."""
    if kind != "wait_end" or not isinstance(data, dict):
        return None
    since = data.get("since")
    if isinstance(since, bool) or not isinstance(since, int | float):
        return None
    return float(max(since, 0)) if since < t else None  # JSON has whole numbers that no float holds


def between(t: Sequence[float], kinds: Sequence[str], opens: str, closes: set[str], end: float) -> Spans:
    """From each event `opens` to the next event of `closes`, or to the end."""
    spans: Spans = []
    since = None
    for at, kind in zip(t, kinds, strict=True):
        if kind == opens and since is None:
            since = at
        elif kind in closes and since is not None:
            spans.append((since, at))
            since = None
    if since is not None:
        spans.append((since, end))
    return spans


def idle_gaps(ticks: Sequence[float], not_theirs: Spans, longest_ms: float) -> Spans:
    """Gaps between acts that are longer than `longest_ms`, the time that was not the person's taken off first.

    ticks  of the acts, sorted, each once
    """
    gaps: Spans = []
    for a, b in pairwise(ticks):
        if b - a <= longest_ms:
            continue
        if b - a - covered(a, b, not_theirs) > longest_ms:
            gaps.append((a, b))
    return gaps


def covered(a: float, b: float, spans: Spans) -> float:
    """How many ms of a..b the spans cover; spans may overlap."""
    total, reached = 0.0, a
    for begin, end in sorted(spans):
        begin, end = max(begin, reached), min(end, b)
        if end > begin:
            total += end - begin
            reached = end
    return total


# -- the trace of a session: what of its events decides about active time, in a few numbers


def unpacked(events: bytes | memoryview) -> list[list[Any]]:
    """The events of a stored batch: [[t_ms, kind, data?], ...]."""
    return list(json.loads(zlib.decompress(bytes(events))))


@dataclass
class Trace:
    """The events of a session with everything left out that cannot change its active time.

    begin, last  times of the first and the last event, ms; begin is 0 where the first events were lost
    next         the number that the next event should have
    marks        acts (at most two in any THIN_MS), and the events that begin or end a wait or an absence

    However the events are cut into batches, the trace is the same.
    """

    begin: float = 0.0
    last: float = 0.0
    next: int = 0
    marks: list[Mark] = field(default_factory=list)

    def extend(self, first: int, events: Iterable[Event]) -> None:
        """Take in the next events, numbered from `first`. Raises ValueError for numbers that were there already."""
        if first < self.next:
            raise ValueError(f"event {first} comes after event {self.next - 1} was taken in")
        for event in events:
            t, kind = max(float(event[0]), self.last), str(event[1])
            data = event[2] if len(event) > 2 else None
            if self.next == 0:
                self.begin = 0.0 if first else t
            if first > self.next:
                since = self.last if self.next else 0.0
                self.marks.append((t, LOST, since))
            self._take(t, kind_of(kind, data), frozen_since(t, kind, data))
            self.last = t
            first += 1
            self.next = first

    def _take(self, t: float, kind: str, since: float | None) -> None:
        if kind == "frozen":
            if since is not None:
                self.marks.append((t, kind, since))
        elif kind in ("wait_begin", "wait_end", "hidden", "blur", "visible"):
            self.marks.append((t, kind, None))
        elif kind not in MACHINE:
            self._act(t)

    def _act(self, t: float) -> None:
        """One more act. An act between two others in the same THIN_MS decides nothing: no gap there can be idle, and
        the act before it has ended any blur."""
        if len(self.marks) >= 2:
            before, last = self.marks[-2], self.marks[-1]
            if last[1] == "act" and before[1] in ("act", "visible") and t - before[0] <= THIN_MS:
                self.marks.pop()
        self.marks.append((t, "act", None))


def active(trace: Trace, rules: Rules) -> Spans:
    """The stretches of a session that are work: sorted, disjoint, ms of the browser's monotonic clock.

    Raises ValueError for a cut-off below THIN_MS, which a trace cannot tell.
    """
    if rules.idle_after_s * 1000 < THIN_MS:
        raise ValueError(f"an idle cut-off below {THIN_MS / 1000:g} s cannot be computed from a trace")
    if not trace.next:
        return []
    t = [mark[0] for mark in trace.marks]
    kinds = [mark[1] for mark in trace.marks]
    missing = _since(trace.marks, LOST)
    frozen = _since(trace.marks, "frozen")
    found = not_work(t, kinds, missing=missing, frozen=frozen, begin=trace.begin, end=trace.last, rules=rules)
    return without((trace.begin, trace.last), found.all)


def _since(marks: Iterable[Mark], kind: str) -> Spans:
    return [(since, t) for t, name, since in marks if name == kind and since is not None]


def without(whole: Span, spans: Iterable[Span]) -> Spans:
    """What is left of `whole`, sorted and disjoint."""
    left: Spans = []
    reached, end = whole
    for a, b in sorted(spans):
        if a > reached:
            left.append((reached, min(a, end)))
        reached = max(reached, b)
        if reached >= end:
            break
    if reached < end:
        left.append((reached, end))
    return left


# -- on the calendar: sessions of one person beside each other


@dataclass(frozen=True)
class Anchor:
    """Where a stretch of a session's monotonic clock lies on the calendar.

    begin   where the stretch begins on the monotonic clock, ms
    wall    ms since 1970 at monotonic 0, by the browser's wall clock
    server  the same by the server's clock: when a batch arrived, less the clock it was sent at. The smallest of them,
            because the way to the server takes time
    """

    begin: float
    wall: float
    server: float


def anchored(anchors: list[Anchor], *, begin: float, mono: float, wall: float, received: float) -> list[Anchor]:
    """The anchors with one more batch, sent at `mono` of its own clock and `wall` of the calendar.

    begin     the last event before the batch, ms of the monotonic clock
    received  ms since 1970 on the server

    A browser's monotonic clock may stand while the machine sleeps. The server's offset then grows for good, and a new
    stretch begins. A slow network lets it grow for a moment, and the next quick batch takes that back.
    """
    offset = received - mono
    dated = wall - mono
    if not abs(dated) < LATEST_MS:  # a clock that no calendar holds
        dated = offset
    kept = list(anchors)
    while len(kept) > 1 and offset <= kept[-2].server + SLEEP_MS:
        kept.pop()
    if not kept or offset > kept[-1].server + SLEEP_MS:
        return [*kept, Anchor(begin if kept else 0.0, dated, offset)]
    last = kept[-1]
    kept[-1] = Anchor(last.begin, last.wall, min(last.server, offset))
    return kept


@dataclass(frozen=True)
class Worked:
    """One session's active stretches with the anchors that say when that was."""

    spans: Spans
    anchors: list[Anchor]


def union(sessions: Iterable[Worked]) -> Spans:
    """When one person worked: sorted, disjoint, ms since 1970. What several sessions hold at once counts once.

    The browser's wall clock dates a session. Where it disagrees with the server's by more than CLOCK_SLACK_MS it is
    wrong, and is corrected. Sessions that are off by the same amount come from one clock and get one correction, so
    that their distances stay as they are.
    """
    stretches: list[tuple[Spans, Anchor, float]] = []
    for worked in sessions:
        stretches += [(worked.spans, anchor, end) for anchor, end in _with_ends(worked.anchors)]
    corrections = clock_corrections([anchor.server - anchor.wall for _spans, anchor, _end in stretches])
    placed: Spans = []
    for (spans, anchor, end), correction in zip(stretches, corrections, strict=True):
        shift = anchor.wall + correction
        for a, b in _clipped(spans, anchor.begin, end):
            placed.append((a + shift, b + shift))
    return merged(placed)


def _with_ends(anchors: Sequence[Anchor]) -> list[tuple[Anchor, float]]:
    """Each anchor with the end of its stretch on the monotonic clock."""
    ends = [anchor.begin for anchor in anchors[1:]] + [math.inf]
    return list(zip(anchors, ends, strict=True))


def _clipped(spans: Iterable[Span], begin: float, end: float) -> Spans:
    cut = [(max(a, begin), min(b, end)) for a, b in spans]
    return [(a, b) for a, b in cut if a < b]


def clock_corrections(offsets: Sequence[float]) -> list[float]:
    """How much to add to each wall clock, in ms.

    offsets  the server's clock less the wall clock of each stretch. Neighbours within CLOCK_SLACK_MS are one clock
    """
    order = sorted(range(len(offsets)), key=lambda i: offsets[i])
    clocks: list[list[int]] = []
    for i in order:
        if clocks and offsets[i] - offsets[clocks[-1][-1]] <= CLOCK_SLACK_MS:
            clocks[-1].append(i)
        else:
            clocks.append([i])
    corrections = [0.0] * len(offsets)
    for clock in clocks:
        off = median(offsets[i] for i in clock)
        for i in clock:
            corrections[i] = off if abs(off) > CLOCK_SLACK_MS else 0.0
    return corrections


def merged(spans: Iterable[Span]) -> Spans:
    """The same time as sorted, disjoint spans."""
    disjoint: Spans = []
    for a, b in sorted(spans):
        if disjoint and a <= disjoint[-1][1]:
            disjoint[-1] = (disjoint[-1][0], max(disjoint[-1][1], b))
        elif b > a:
            disjoint.append((a, b))
    return disjoint


def length(spans: Iterable[Span]) -> float:
    return sum(b - a for a, b in spans)


def by_day(spans: Spans, midnights: Sequence[float]) -> list[float]:
    """Milliseconds of each day: len(midnights) - 1 of them.

    spans      sorted and disjoint, ms since 1970
    midnights  where the days begin and the last one ends, ascending, ms since 1970
    """
    found = [0.0] * (len(midnights) - 1)
    for a, b in spans:
        day = max(0, bisect_left(midnights, a) - 1)
        while day < len(found) and midnights[day] < b:
            found[day] += max(0.0, min(b, midnights[day + 1]) - max(a, midnights[day]))
            day += 1
    return found


# -- a summary as it is stored: a trace, its active stretches and its anchors, rebuilt from the batches at any time


@dataclass(frozen=True)
class Batch:
    """One stored batch: events numbered from `first`, sent at mono/wall of the browser, received by the server (ms)."""

    first: int
    events: list[Any]
    mono: float
    wall: float
    received: float


class SummaryColumns(TypedDict):
    """The columns of the table ActivitySummary that hold a summary; its help texts say what is in them."""

    version: int
    idle_after_s: float
    begin_ms: float
    last_ms: float
    next: int
    marks: list[list[Any]]
    spans: list[list[float]]
    anchors: list[list[float]]


@dataclass
class Summary:
    trace: Trace = field(default_factory=Trace)
    anchors: list[Anchor] = field(default_factory=list)

    def add(self, batch: Batch) -> None:
        """Take in the next batch. Raises ValueError where one with later numbers has been taken in."""
        begin = self.trace.last
        self.trace.extend(batch.first, batch.events)
        clocks = {"mono": batch.mono, "wall": batch.wall, "received": batch.received}
        self.anchors = anchored(self.anchors, begin=begin, **clocks)

    def columns(self, rules: Rules) -> SummaryColumns:
        """As the columns of the table ActivitySummary."""
        return {
            "version": VERSION,
            "idle_after_s": rules.idle_after_s,
            "begin_ms": self.trace.begin,
            "last_ms": self.trace.last,
            "next": self.trace.next,
            "marks": [list(mark) for mark in self.trace.marks],
            "spans": [list(span) for span in active(self.trace, rules)],
            "anchors": [[anchor.begin, anchor.wall, anchor.server] for anchor in self.anchors],
        }

    @classmethod
    def of_columns(cls, columns: SummaryColumns) -> "Summary":
        marks = [(t, kind, since) for t, kind, since in columns["marks"]]
        trace = Trace(columns["begin_ms"], columns["last_ms"], columns["next"], marks)
        return cls(trace, anchors_of(columns["anchors"]))


def anchors_of(rows: Iterable[Sequence[float]]) -> list[Anchor]:
    return [Anchor(*row) for row in rows]


def summary_of(batches: Iterable[Batch]) -> Summary:
    """The summary of a session from its batches, in any order."""
    made = Summary()
    for batch in sorted(batches, key=lambda one: one.first):
        made.add(batch)
    return made
