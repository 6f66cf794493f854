"""The time on the project page: what is counted, for whom, and how it is drawn."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from labeling.annotations.activity import record
from labeling.annotations.models import ActivityBatch
from labeling.annotations.summaries import rebuild
from labeling.site.time_plots import DAYS, HEIGHT, WIDTH, days_up_to, last_day, midnight, rows_of
from labeling.site.words import worked
from tests.declined import assert_declined
from tests.labeling.pages import address, make_study, page_text, signed_in
from tests.labeling.studies import activity_body

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> SimpleNamespace:
    return make_study()


def work(study, who, seconds, *, days_ago=0):
    """`seconds` of moving the pointer that ended some days ago."""
    end = datetime.now(UTC) - timedelta(days=days_ago)
    session = uuid.uuid4()
    events = [[1000 * t, "pointer_move"] for t in range(0, seconds + 1, 5)]
    clocks = {"wall_ms": end.timestamp() * 1000, "mono_ms": float(events[-1][0])}
    batch = {"session": str(session), "image": study.image.pk, "first": 0, "events": events}
    record(user=study.people[who], sent=activity_body(batch | clocks))
    batches = ActivityBatch.objects.filter(session=session)
    batches.update(received_at=end)
    rebuild(batches)


def part(study, who):
    return page_text(signed_in(study.people[who]).get(address(study, "project-time")))


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("owner", {"reviewer", "annotator"}),
        ("manager", {"reviewer", "annotator"}),
        ("reviewer", {"reviewer"}),
        ("annotator", {"annotator"}),
        ("viewer", set()),
    ],
)
def test_days_of_others_are_for_those_who_oversee(who, seen, study):
    work(study, "reviewer", 600)
    work(study, "annotator", 300, days_ago=1)
    text = part(study, who)
    names = {role: study.people[role].display_name for role in ("reviewer", "annotator")}
    assert {role for role, name in names.items() if f"<b>{name}" in text} == seen
    assert text.count("<rect") == len(seen)


def test_the_page_says_what_is_counted_and_where_nothing_is(study):
    text = part(study, "annotator")
    assert "Nothing is recorded yet. Recording begins when somebody opens an image" in text
    assert "Pauses longer than 30 s, time in other tabs and windows, and waits for the machine are left out." in text
    work(study, "annotator", 90)
    text = part(study, "annotator")
    assert "Nothing is recorded yet" not in text and "1 min 30 s of active work, no cell finished yet" in text
    assert "Several tabs, windows or images of one person at the same moment count once." in text
    assert "You see your own days." in text and "the tallest is 1 min 30 s" in text
    assert re.search(r'aria-label="[^"]*: 1 min 30 s"', text)  # for who cannot see the bars


def test_sessions_that_are_not_counted_yet_are_said(study, monkeypatch):
    work(study, "annotator", 90)
    study.image.activity_summaries.all().delete()
    monkeypatch.setattr("labeling.annotations.summaries.MOST_UNSUMMARISED", 0)
    text = part(study, "owner")
    assert "1 recorded session is not counted yet" in text and "activity_summaries --outdated" in text


def test_bars_have_one_scale_and_stand_on_their_days():
    days = days_up_to(datetime(2026, 3, 14, tzinfo=UTC).date())
    assert len(days) == DAYS and days[0].day == 1
    hour = 3_600_000.0
    people = {
        1: [(midnight(days[0]), midnight(days[0]) + 4 * hour)],
        2: [(midnight(days[13]) - hour, midnight(days[13]) + 2 * hour)],
        3: [(midnight(days[0]) - 9 * hour, midnight(days[0]) - hour)],  # before what is drawn
    }
    rows = rows_of(people, {1: "A", 2: "B", 3: "C"}, days, own=2)
    assert [(row.name, row.seconds / 3600, row.is_you) for row in rows] == [
        ("C", 8, False), ("A", 4, False), ("B", 3, True),
    ]  # fmt: skip
    heights = {row.name: [float(bar.height) for bar in row.bars] for row in rows}
    assert heights["A"] == [HEIGHT] + [0] * 13
    assert heights["B"][12:] == [HEIGHT / 4, HEIGHT / 2]
    assert heights["C"] == [0] * 14 and rows[0].sentence == "C: no active time on these days"
    for row in rows:
        for bar in row.bars:
            assert float(bar.x) >= 0 and float(bar.x) + float(bar.width) <= WIDTH
            assert float(bar.y) + float(bar.height) == pytest.approx(HEIGHT)


@pytest.mark.parametrize("end", [-1e18, 1e18, 4e15])
def test_whatever_a_clock_claims_the_last_day_is_one_of_the_calendar(end):
    assert last_day([[(0.0, end)]]) <= datetime.now(UTC).date()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.5, "under 1 s"), (62, "1 min 2 s"), (3600, "1 h 0 min"), (97_500, "27 h 5 min")]
)
def test_working_time_is_said_in_hours_and_never_in_days(seconds, words):
    assert worked(seconds) == words


@pytest.mark.parametrize("clocks", [{"wall_ms": 1e300}, {"mono_ms": -1e300}, {"wall_ms": -1e16}, {"mono_ms": 1e16}])
def test_a_clock_that_no_calendar_holds_is_refused(clocks, study):
    client = signed_in(study.people["annotator"])
    batch = {"session": str(uuid.uuid4()), "image": study.image.pk, "first": 0, "events": [[0, "key"]]}
    body = batch | {"wall_ms": 1.7e12, "mono_ms": 100.0} | clocks
    answer = client.post("/api/v1/activity/", body, content_type="application/json")
    assert_declined(answer, 422, field=next(iter(clocks)))
