"""The one definition of active time: against brute force, against the studies, however events are cut and sent."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from django.core.management import call_command
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from labeling.annotations.active_time import (
    Anchor,
    Batch,
    Rules,
    Summary,
    Trace,
    Worked,
    active,
    anchored,
    by_day,
    length,
    merged,
    summary_of,
    union,
)
from labeling.annotations.models import ActivityBatch, ActivitySummary
from labeling.annotations.summaries import active_time, project_time
from labeling.studies.analysis.attribution import OTHER, PHASES, attribute, totals
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory, UserFactory

RULES = Rules(idle_after_s=12)
ACTS = ("pointer_move", "key", "focus", "visible", "target_opened")
MACHINE = ("wait_begin", "wait_end", "hidden", "blur", "mask_shown", "stall_begin", "late")
BASE = 1.76e12  # ms since 1970


@st.composite
def records(draw, most=40):
    """(number, t_ms, kind, data) of one session: steps of all sizes, some above the cut-off; some events are lost."""
    steps = st.one_of(st.integers(0, 50), st.integers(0, 4000), st.integers(9_000, 30_000))
    n, t, found = draw(st.sampled_from([0, 0, 0, 3])), draw(st.integers(0, 2000)), []
    for kind in draw(st.lists(st.sampled_from(ACTS + MACHINE), min_size=1, max_size=most)):
        if kind == "late":
            found.append((n, t, "wait_end", {"since": max(0, t - draw(st.integers(0, 20_000)))}))
        else:
            found.append((n, t, kind, None))
        n += draw(st.sampled_from([1, 1, 1, 1, 1, 1, 4]))
        t += draw(steps)
    return found


def trace_of(record, cuts=()):
    """The trace, the events taken in in batches that end at `cuts` and wherever numbers are missing."""
    trace, batch = Trace(), []
    for i, (n, t, kind, data) in enumerate(record):
        if batch and (i in cuts or n != batch[-1][0] + 1):
            trace.extend(batch[0][0], [event[1:] for event in batch])
            batch = []
        batch.append((n, t, kind, data))
    trace.extend(batch[0][0], [event[1:] for event in batch])
    return trace


def brute_force(record, rules):
    """Active ms: every millisecond is looked at by itself."""
    end = record[-1][1]
    begin = 0 if record[0][0] else record[0][1]
    theirs = np.ones(end + 1, bool)
    theirs[:begin] = False
    waiting = hidden = blurred = False
    if record[0][0]:
        theirs[begin : record[0][1]] = False
    for (n, t, kind, data), following in pairwise([*record, None]):
        late = data is not None
        if late:
            theirs[data["since"] : t] = False
        elif kind in ("wait_begin", "wait_end"):
            waiting = kind == "wait_begin"
        if kind == "hidden":
            hidden = True
        if kind == "visible":
            hidden = False
        if kind == "blur":
            blurred = True
        if kind in ACTS:
            blurred = False
        if following is not None:
            lost = following[0] != n + 1
            if waiting or hidden or blurred or lost:
                theirs[t : following[1]] = False
    return without_long_gaps(theirs[:end], record, begin, rules)


def without_long_gaps(theirs, record, begin, rules):
    end = record[-1][1]
    acts = sorted({begin, end, *(t for _n, t, kind, _data in record if kind in ACTS)})
    counted = theirs.copy()
    for a, b in pairwise(acts):
        if b - a > rules.idle_after_s * 1000 and theirs[a:b].sum() > rules.idle_after_s * 1000:
            counted[a:b] = False
    return int(counted[begin:].sum())


def frame(record, session="s"):
    return pd.DataFrame([(session, *event) for event in record], columns=["session", "n", "t_ms", "kind", "data"])


NO_OPERATIONS = pd.DataFrame(
    columns=["session", "action", "cell", "proposal", "begun_ms", "committed_ms", "activity_first", "activity_last"]
).astype({"begun_ms": float, "committed_ms": float, "activity_first": float, "activity_last": float})


@settings(max_examples=200, deadline=None)
@given(records())
def test_the_trace_the_studies_and_every_single_millisecond_agree(record):
    truth = brute_force(record, RULES)
    assert length(active(trace_of(record), RULES)) == pytest.approx(truth, abs=1e-6)
    found = totals(attribute(frame(record), NO_OPERATIONS, RULES))
    assert (found["active_s"].sum() if len(found) else 0) == pytest.approx(truth / 1000, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(records(), st.sets(st.integers(1, 39)))
def test_how_the_events_are_cut_into_batches_changes_nothing(record, cuts):
    assert trace_of(record, cuts) == trace_of(record)


@given(records())
def test_a_trace_is_small(record):
    """Acts are thinned to two in ten seconds, so an hour of moving the pointer is no more than 720 numbers."""
    acts = [(0, 100 * i, "pointer_move", None) for i in range(36_000)]
    trace = trace_of([(i, *event[1:]) for i, event in enumerate(acts)])
    assert len(trace.marks) <= 722
    assert length(active(trace, Rules())) == 3_599_900
    assert len(trace_of(record).marks) <= 2 * len(record)


def test_a_cut_off_that_a_trace_cannot_tell_is_refused():
    with pytest.raises(ValueError, match="below 10 s"):
        active(Trace(), Rules(idle_after_s=9))


def test_events_that_were_taken_in_are_not_taken_in_again():
    trace = trace_of([(0, 0, "key", None), (1, 5, "key", None)])
    with pytest.raises(ValueError, match="event 1 comes after event 1"):
        trace.extend(1, [[9, "key"]])


@pytest.mark.parametrize("since", [None, True, "x", [], float("nan"), float("inf"), 10**400, {}])
def test_a_time_that_cannot_be_freezes_nothing(since):
    trace = trace_of([(0, 0, "key", None), (1, 5000, "wait_end", {"since": since}), (2, 8000, "key", None)])
    assert length(active(trace, RULES)) == 8000


def test_a_freeze_from_before_the_page_opened_counts_from_its_opening():
    record = [(0, 1000, "key", None), (1, 5000, "wait_end", {"since": -(10**400)}), (2, 8000, "key", None)]
    assert length(active(trace_of(record), RULES)) == 3000


# -- several sessions of one person


def worked(record, *, wall=BASE, received=None, rules=RULES):
    """A session sent as one batch at its end. wall is the calendar at monotonic 0, by the browser."""
    trace = trace_of(record)
    server = wall if received is None else received
    return Worked(active(trace, rules), [Anchor(0.0, wall, server)])


starts = st.integers(-120_000, 120_000)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(records(15), starts), min_size=1, max_size=4))
def test_overlapping_sessions_count_once(sessions):
    """Against brute force: a millisecond of the calendar is worked when any session holds it."""
    made = [worked(record, wall=BASE + start) for record, start in sessions]
    calendar = np.zeros(2_000_000, bool)
    for one, (_record, start) in zip(made, sessions, strict=True):
        for a, b in one.spans:
            calendar[int(a) + start + 200_000 : int(b) + start + 200_000] = True
    assert length(union(made)) == pytest.approx(calendar.sum(), abs=1e-3)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(records(15), starts), min_size=1, max_size=3), st.integers(-5, 5), st.data())
def test_a_session_twice_or_a_hidden_tab_beside_it_adds_nothing(sessions, hours, data):
    made = [worked(record, wall=BASE + start) for record, start in sessions]
    whole = length(union(made))
    again = data.draw(st.sampled_from(made))
    assert length(union([*made, again])) == pytest.approx(whole, abs=1e-3)
    # On a machine whose clock is hours off: the server knows when it arrived.
    off = replace(again.anchors[0], wall=again.anchors[0].wall + hours * 3_600_000)
    assert length(union([*made, replace(again, anchors=[off])])) == pytest.approx(whole, abs=1e-3)
    hidden = [
        (0, 0, "wait_begin", "open"),
        (1, 10, "hidden", None),
        (2, 900, "wait_end", None),
        (3, 60_000, "mask_shown", None),
    ]
    assert length(union([*made, worked(hidden)])) == pytest.approx(whole, abs=1e-3)


def test_sessions_of_one_wrong_clock_keep_their_distance():
    """Both are off by about a year, and one minute apart: they do not overlap, so they add up."""
    record = [(0, 0, "key", None), (1, 10_000, "key", None)]
    year = 365 * 86_400_000
    first = worked(record, wall=BASE - year, received=BASE)
    second = worked(record, wall=BASE - year + 60_000, received=BASE + 60_400)
    spans = union([first, second])
    assert length(spans) == 20_000
    assert abs(spans[0][0] - BASE) < 1000  # and they stand on the day on which they arrived


def test_a_machine_that_slept_goes_on_later_on_the_calendar():
    """The monotonic clock stood for eight hours; then the server's clock has run ahead for good."""
    night = 8 * 3_600_000
    anchors = anchored([], begin=0, mono=5000, wall=BASE + 5000, received=BASE + 5200)
    anchors = anchored(anchors, begin=5000, mono=9000, wall=BASE + night + 9000, received=BASE + night + 9100)
    spans = union([Worked([(0.0, 9000.0)], anchors)])
    assert length(spans) == 9000
    assert [a for a, _b in spans] == [BASE, BASE + night + 5000]


def test_a_slow_network_moves_nothing():
    anchors = anchored([], begin=0, mono=5000, wall=BASE + 5000, received=BASE + 5200)
    late = anchored(anchors, begin=5000, mono=9000, wall=BASE + 9000, received=BASE + 9000 + 400_000)
    assert len(late) == 2
    assert anchored(late, begin=9000, mono=14_000, wall=BASE + 14_000, received=BASE + 14_100) == [
        Anchor(0.0, BASE, BASE + 100)
    ]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 200)), max_size=8))
def test_days_add_up(spans):
    found = merged([(float(a), float(a + n)) for a, n in spans])
    assert sum(by_day(found, [0, 100, 250, 251, 700])) == pytest.approx(length(found))
    for day, (begin, end) in enumerate(pairwise([0, 100, 250, 251, 700])):
        inside = sum(max(0.0, min(b, end) - max(a, begin)) for a, b in found)
        assert by_day(found, [0, 100, 250, 251, 700])[day] == pytest.approx(inside)


# -- stored


@settings(max_examples=100, deadline=None)
@given(records(), st.sets(st.integers(1, 39)))
def test_a_summary_goes_through_its_columns_and_is_the_same_in_any_order(record, cuts):
    batches, batch = [], []
    for i, (n, t, kind, data) in enumerate(record):
        if batch and (i in cuts or n != batch[-1][0] + 1):
            batches.append(batch)
            batch = []
        batch.append((n, t, kind, data))
    batches.append(batch)
    sent = [Batch(b[0][0], [e[1:] for e in b], b[-1][1], BASE + b[-1][1], BASE + b[-1][1] + 50.0) for b in batches]
    stored = Summary()
    for one in sent:
        stored.add(one)
        stored = Summary.of_columns(stored.columns(RULES))
    assert stored == summary_of(reversed(sent)) == summary_of(sent)


@pytest.fixture
def member():
    return MembershipFactory(role="annotator", project=ProjectFactory(records_activity=True))


@pytest.fixture
def image(member):
    return ImageFactory(project=member.project)


@pytest.fixture
def client(member):
    client = APIClient()
    client.force_authenticate(member.user)
    return client


def send(client, image, first, events, *, session, now=BASE):
    clocks = {"wall_ms": now + events[-1][0], "mono_ms": float(events[-1][0])}
    body = {"session": str(session), "image": image.pk, "first": first, "events": events} | clocks
    answer = client.post(reverse("activity"), body, format="json")
    assert answer.status_code == 200, answer.content
    return answer.json()["stored"]


def in_another_tab(times=10):
    """F4: a second of pointer moves, then 25 seconds in another browser tab; again and again."""
    batches = []
    for k in range(times):
        t = k * 26_002
        moves = [[t, "pointer_move"], [t + 1000, "pointer_move"]]
        batches.append(
            [*moves, [t + 1001, "blur"], [t + 1001, "hidden"], [t + 26_001, "visible"], [t + 26_001, "focus"]]
        )
    return batches


@pytest.mark.django_db
@pytest.mark.parametrize("tabs", [1, 3])
def test_time_in_other_tabs_is_no_work_however_many_sessions_say_so(client, image, member, tabs):
    for _ in range(tabs):
        session = uuid.uuid4()
        for k, events in enumerate(in_another_tab()):
            send(client, image, 6 * k, events, session=session)
    found = active_time(project=member.project, user=member.user)
    assert found.seconds == pytest.approx(10, abs=0.05)
    assert found.people == 1


@pytest.mark.django_db
def test_images_one_after_the_other_add_up_and_side_by_side_do_not(client, image, member):
    work = [[0, "key"], [10_000, "key"]]
    send(client, image, 0, work, session=uuid.uuid4())
    other = ImageFactory(project=member.project)
    send(client, other, 0, work, session=uuid.uuid4(), now=BASE + 5000)
    assert active_time(project=member.project).seconds == pytest.approx(15)
    send(client, other, 0, work, session=uuid.uuid4(), now=BASE + 60_000)
    assert active_time(project=member.project).seconds == pytest.approx(25)


@pytest.mark.django_db
def test_what_is_stored_is_what_the_events_come_to_also_when_batches_come_late(client, image, member):
    sent = in_another_tab(5)
    session = uuid.uuid4()
    for k in (0, 2, 1, 4, 3):
        send(client, image, 6 * k, sent[k], session=session)
    assert not send(client, image, 6, sent[1], session=session)  # again, for want of an answer
    columns = ["begin_ms", "last_ms", "next", "marks", "spans", "anchors", "version"]
    stored = ActivitySummary.objects.values(*columns).get()
    call_command("activity_summaries")
    rebuilt = ActivitySummary.objects.values(*columns).get()
    assert rebuilt == stored
    ActivitySummary.objects.all().delete()
    before = active_time(project=member.project).seconds  # computed from the events
    call_command("activity_summaries", "--outdated")
    assert ActivitySummary.objects.values(*columns).get() == stored
    assert active_time(project=member.project).seconds == before == pytest.approx(5, abs=0.05)


@pytest.mark.django_db
def test_a_summary_of_older_code_is_not_believed(client, image, member):
    send(client, image, 0, [[0, "key"], [10_000, "key"]], session=uuid.uuid4())
    ActivitySummary.objects.update(version=0, spans=[[0, 1]])
    assert active_time(project=member.project).seconds == pytest.approx(10)
    call_command("activity_summaries", "--outdated")
    assert ActivitySummary.objects.get().spans == [[0, 10_000]]


@pytest.mark.django_db
def test_many_sessions_without_a_summary_are_said_and_not_unpacked_in_a_request(client, image, member, monkeypatch):
    send(client, image, 0, [[0, "key"], [10_000, "key"]], session=uuid.uuid4())
    monkeypatch.setattr("labeling.annotations.summaries.MOST_UNSUMMARISED", 0)
    assert project_time(member.project).left_out == 0
    ActivitySummary.objects.all().delete()
    found = project_time(member.project)
    assert (found.left_out, found.people) == (1, {})


@pytest.mark.django_db
def test_the_page_reads_a_fixed_number_of_rows_kinds(client, image, member, django_assert_num_queries):
    def work(sessions):
        for k in range(sessions):
            send(client, image, 0, [[0, "key"], [9000, "key"]], session=uuid.uuid4(), now=BASE + 60_000 * k)

    work(2)
    with django_assert_num_queries(4):
        active_time(project=member.project)
    work(9)
    with django_assert_num_queries(4):
        active_time(project=member.project)


@pytest.mark.django_db
def test_people_are_told_apart(client, image, member):
    send(client, image, 0, [[0, "key"], [10_000, "key"]], session=uuid.uuid4())
    other = APIClient()
    colleague = MembershipFactory(role="annotator", project=member.project, user=UserFactory())
    other.force_authenticate(colleague.user)
    send(other, image, 0, [[0, "key"], [4000, "key"]], session=uuid.uuid4())
    found = project_time(member.project)
    assert {user: length(spans) for user, spans in found.people.items()} == {
        member.user_id: pytest.approx(10_000),
        colleague.user_id: pytest.approx(4000),
    }
    assert active_time(project=member.project).seconds == pytest.approx(14)
    assert ActivityBatch.objects.count() == 2


def test_days_are_those_of_the_calendar():
    midnight = datetime(2026, 3, 1, tzinfo=UTC).timestamp() * 1000
    spans = [(midnight - 60_000, midnight + 30_000)]
    assert by_day(spans, [midnight - 86_400_000, midnight, midnight + 86_400_000]) == [60_000, 30_000]


# -- the studies' numbers are as they were before both used one definition

ALL_KINDS = [
    "pointer_move", "key", "wheel", "pointer_down", "pointer_up", "target_opened", "tool", "focus",
    "visible", "hidden", "blur", "wait_begin", "wait_end", "mask_shown", "stall_begin", "stall_end",
]  # fmt: skip


def session_of(seed):
    """Events and operations of one session, drawn by the seed: 300 events of which 6 are lost, 12 operations."""
    random = np.random.default_rng(seed)
    kinds = random.choice(ALL_KINDS, 300)
    t = np.cumsum(random.choice([5.0, 200.0, 1500.0, 12_000.0, 45_000.0], 300, p=[0.3, 0.4, 0.2, 0.07, 0.03]))
    data = [None] * 300
    for i in random.choice(300, 8, replace=False):
        kinds[i], data[i] = "wait_end", {"since": float(max(0.0, t[i] - random.integers(0, 20_000)))}
    for i in np.flatnonzero(kinds == "target_opened"):
        data[i] = f"c{random.integers(0, 4)}"
    events = pd.DataFrame({"session": "s", "n": np.arange(300), "t_ms": t, "kind": kinds, "data": data})
    events = events.drop(index=random.choice(np.arange(1, 300), 6, replace=False))
    rows = []
    for k, n in enumerate(np.sort(random.choice(300, 12, replace=False)).astype(float)):
        done = t[int(n)]
        action = ["draw", "accept", "edit", "classify", "undo"][k % 5]
        rows.append(("s", action, f"c{k % 4}", f"p{k}" if k % 2 else "", done - 300, done + 20, max(0.0, n - 3), n))
    return events, pd.DataFrame(rows, columns=NO_OPERATIONS.columns)


# search, draw, verify, refine, classify, rest, wait, idle, away, missing; seconds, computed at commit 1c04518
SECONDS_BEFORE = {
    0: [86.1, 0.0, 17.478, 0.0, 0.295, 0.0, 427.726, 183.0, 287.681, 62.705],
    1: [61.282, 5.005, 1.505, 0.295, 14.631, 0.0, 243.818, 222.219, 186.525, 14.515],
    2: [76.82, 1.8, 5.51, 0.0, 0.2, 0.3, 334.909, 45.0, 178.531, 25.045],
    3: [19.725, 0.205, 31.56, 0.0, 0.005, 0.1, 315.957, 46.505, 160.868, 19.01],
}


@pytest.mark.parametrize("seed", SECONDS_BEFORE)
def test_the_numbers_of_studies_are_what_they_were(seed):
    events, operations = session_of(seed)
    found = totals(attribute(events, operations, Rules())).iloc[0]
    assert found[[*PHASES, *OTHER]].round(3).tolist() == SECONDS_BEFORE[seed]
    page = trace_of([tuple(row) for row in events[["n", "t_ms", "kind", "data"]].itertuples(index=False)])
    assert length(active(page, Rules())) / 1000 == pytest.approx(found["active_s"])
