"""One claim and one recovery for every kind of leased row: stages, portions and jobs."""

import threading
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from labeling import leases
from labeling.jobs import services as jobs
from labeling.jobs.models import Job
from labeling.leases import LEASE, WORKERS, Fate, Leased, LeaseLost, Work
from labeling.recovery import recover_leased
from labeling.rounds.execution.portions import PORTIONS
from labeling.rounds.execution.services import start_round
from labeling.rounds.execution.stages import STAGES
from labeling.rounds.models import Portion, Round, Stage
from tests.factories import MembershipFactory, UserFactory
from tests.labeling.rounds import small_project

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]
KINDS = ("stage", "portion", "job")


@dataclass
class Given:
    """One waiting row of a kind, and how somebody asks to cancel it."""

    work: Work[Any]
    row: Leased
    cancel: Any

    def now(self) -> Any:
        self.row.refresh_from_db()
        return self.row


@pytest.fixture(params=KINDS)
def given(request: pytest.FixtureRequest) -> Given:
    if request.param == "job":
        member = MembershipFactory(role="owner")
        job = jobs.create_job(kind=Job.Kind.EXPORT, project=member.project, owner=member.user, request={})
        return Given(jobs.JOBS, job, lambda: Job.objects.update(cancel_requested=True))
    by = UserFactory()
    round_ = start_round(project=small_project(by, side=64, cells=3), by=by, preset="tiny")
    stage = round_.stages.get(kind="pseudo_masks")
    cancel = lambda: Round.objects.update(cancel_requested=True)  # noqa: E731 (a field of a record)
    if request.param == "stage":
        return Given(STAGES, stage, cancel)
    Round.objects.update(state=Round.State.RUNNING)
    Stage.objects.filter(pk=stage.pk).update(state=Stage.State.RUNNING)
    return Given(PORTIONS, Portion.objects.create(stage=stage, number=1, images=[1], queued_at=timezone.now()), cancel)


def test_of_many_who_claim_at_once_one_gets_the_row(given):
    barrier, got = threading.Barrier(5), []

    def worker() -> None:
        barrier.wait(10)
        try:
            got.append(given.work.claim(given.row.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    winners = [one for one in got if one]
    assert len(got) == 5 and len(winners) == 1
    row, owner = winners[0]
    assert (row.pk, row.lease_owner, given.now().lease_owner) == (given.row.pk, owner, owner)
    assert given.now().attempts == 1 and given.now().state == "running"


def test_only_the_holder_renews_and_ends_and_nobody_after_the_row_was_started_again(given):
    _, owner = given.work.claim(given.row.pk)
    before = given.now().lease_until
    given.work.renew(given.row.pk, owner)
    assert given.now().lease_until > before
    stranger = uuid.uuid4()
    for verb in (given.work.renew, given.work.expire, given.work.change):
        with pytest.raises(LeaseLost):
            verb(given.row.pk, stranger, **({"attempts": 9} if verb == given.work.change else {}))
    recover_leased(given.work, timezone.now() + LEASE + timedelta(seconds=1))
    with pytest.raises(LeaseLost):
        given.work.renew(given.row.pk, owner)
    assert given.now().attempts == 1


def test_what_loses_its_worker_is_started_again_until_patience_ends(given, sent):
    for attempt in range(1, WORKERS.attempts + 1):
        row, _ = given.work.claim(given.row.pk)
        assert row.attempts == attempt
        assert recover_leased(given.work, timezone.now()) == [], "its lease still runs"
        sentence, *more = recover_leased(given.work, timezone.now() + LEASE + timedelta(seconds=1))
        assert not more
        assert ("given up after 3 attempts" if attempt == WORKERS.attempts else "worker was lost") in sentence
    assert given.now().lease_owner is None
    at_work = given.row.stage if isinstance(given.row, Portion) else given.now()
    at_work.refresh_from_db()
    assert at_work.state == "failed" and "died 3 times" in at_work.error


def test_a_clock_that_jumps_back_revives_nothing_and_lets_the_holder_go_on(given, sent, monkeypatch):
    """As after a start without a network, when the clock was ahead and is set right while somebody works."""
    ahead = timedelta(hours=6)
    right = timezone.now
    monkeypatch.setattr(leases.timezone, "now", lambda: right() + ahead)
    _, owner = given.work.claim(given.row.pk)
    monkeypatch.undo()
    sent.clear()
    assert recover_leased(given.work, right()) == [] and sent == []
    given.work.renew(given.row.pk, owner)
    assert given.now().lease_until < right() + LEASE + timedelta(seconds=1), "the next renewal is by the right clock"
    assert len(recover_leased(given.work, right() + LEASE + timedelta(seconds=1))) == 1
    assert given.now().attempts == 1


def test_what_is_cancelled_is_not_started_again(given):
    given.work.claim(given.row.pk)
    given.cancel()
    (sentence,) = recover_leased(given.work, timezone.now() + LEASE + timedelta(seconds=1))
    assert "was gone when it was cancelled" in sentence
    assert given.work.claim(given.row.pk) is None
    assert given.now().lease_owner is None and given.now().state != "running"


def test_a_lease_that_is_ended_early_is_recovered_at_once(given):
    _, owner = given.work.claim(given.row.pk)
    given.work.expire(given.row.pk, owner)
    assert len(recover_leased(given.work, timezone.now() + timedelta(milliseconds=1))) == 1


def test_a_message_that_was_lost_is_sent_again_and_only_then(given, sent):
    type(given.row).objects.filter(pk=given.row.pk).update(queued_at=timezone.now())
    sent.clear()
    recover_leased(given.work, timezone.now() + WORKERS.resend - timedelta(seconds=5))
    assert sent == []
    recover_leased(given.work, timezone.now() + WORKERS.resend + timedelta(seconds=5))
    assert given.row.pk in [value for message in sent for value in message.arguments.values()]


def test_every_fate_has_a_sentence_and_pauses_grow():
    assert all(fate.value.format(attempts=3, goes_on="starts again") for fate in Fate)
    assert [WORKERS.pause(times).total_seconds() / 60 for times in range(7)] == [1, 2, 4, 8, 15, 15, 15]


def test_the_database_is_waited_for_and_not_for_ever(monkeypatch):
    monkeypatch.setattr(leases, "sleep", lambda seconds: None)
    tries = []

    @leases.patient
    def away_twice(answer: int) -> int:
        tries.append(answer)
        if len(tries) < 3:
            raise leases.AWAY[0]("shutting down")
        return answer

    assert away_twice(5) == 5 and len(tries) == 3
    monkeypatch.setattr(leases, "AWAY_FOR", -1.0)
    tries.clear()
    with pytest.raises(leases.AWAY[0]):
        away_twice(5)
