"""A project that is archived while a round starts or is at work in it."""

import threading
from dataclasses import replace

import pytest
from django.db import connections

from inference.detectors import centre
from inference.segmenters import unet
from inference.worker import tasks
from labeling import leases
from labeling.errors import Archived, WrongState
from labeling.rounds.execution import archiving, stages
from labeling.rounds.execution.archiving import archive_project, restore_project
from labeling.rounds.execution.services import retry_round, start_next, start_round
from labeling.rounds.models import Round, Stage, StageLine
from tests.factories import UserFactory
from tests.labeling.pages import make_study
from tests.labeling.rounds import run_all, small_project


@pytest.mark.django_db(transaction=True)
def test_who_archives_waits_for_who_starts_a_round_and_then_stops_it():
    """One of the two comes first: never is there a round at work that nobody asked to stop."""
    made = make_study()
    Round.objects.all().delete()
    barrier, started = threading.Barrier(2), []

    def start():
        barrier.wait(10)
        try:
            started.append(start_round(project=made.project, by=made.people["owner"], preset="tiny"))
        except Archived:
            started.append(None)
        finally:
            connections.close_all()

    other = threading.Thread(target=start)
    other.start()
    barrier.wait(10)
    archive_project(project=made.project, by=made.people["owner"])
    other.join(30)
    assert len(started) == 1
    left = Round.objects.filter(state__in=[*Round.ACTIVE, Round.State.PLANNED])
    assert not left.exists(), [str(r) for r in left]


@pytest.fixture
def short_round(sent, monkeypatch, settings, tmp_path):
    """Two epochs of one step each; a work folder of this test's own; nothing reaches the broker."""
    settings.DATA_DIR = tmp_path
    for trainer in (centre, unet):
        few = replace(trainer.PRESETS["tiny"].schedule, steps=2, epoch=1)
        monkeypatch.setitem(trainer.PRESETS, "tiny", replace(trainer.PRESETS["tiny"], schedule=few, batch=1, side=64))
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.02)  # the worker hears of it at its next unit


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["pseudo_masks", "detector"])
def test_a_project_archived_during_a_round_stops_it_and_retry_goes_on_after_the_restoring(
    sent, short_round, monkeypatch, kind
):
    owner = UserFactory()
    project = small_project(owner, side=64, cells=5)
    round_ = start_round(project=project, by=owner, preset="tiny")
    planned = start_round(project=project, by=owner, preset="tiny", changes={"lam": 3}, line_up=True)
    report, seen = tasks.Lease.report, []

    def report_and_archive(lease, progress):
        report(lease, progress)
        if not seen and progress.done and Stage.objects.filter(pk=lease.row_id, kind=kind).exists():
            seen.append(lease.row_id)
            archive_project(project=project, by=owner)
            assert lease.cancelled.wait(10)

    with monkeypatch.context() as patched:
        patched.setattr(tasks.Lease, "report", report_and_archive)
        run_all(tasks.run_stage, sent)  # raises nothing
    assert seen
    round_.refresh_from_db()
    planned.refresh_from_db()
    assert (round_.state, planned.state) == (Round.State.CANCELLED, Round.State.CANCELLED)
    assert round_.stages.get(kind=kind).state == Stage.State.CANCELLED
    assert StageLine.objects.filter(stage__round=round_, text=archiving.STOPPED).count() == 1
    assert not sent and start_next(project.pk) is None
    with pytest.raises(Archived):
        retry_round(round_=round_)

    restore_project(project=project, by=owner)
    retry_round(round_=Round.objects.get(pk=round_.pk))
    with pytest.raises(WrongState):  # one at a time, as ever
        retry_round(round_=planned)
    made = set(round_.stages.filter(state__in=["done", "reused"]).values_list("kind", flat=True))
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED, round_.error
    assert made == set(round_.stages.filter(attempts=1, kind__in=made).values_list("kind", flat=True))


@pytest.mark.django_db
def test_recovery_stops_what_was_left_at_work(monkeypatch):
    """Whoever archived the project died before the rounds were asked to stop."""
    made = make_study()
    planned = start_round(project=made.project, by=None, preset="tiny", changes={"lam": 3}, line_up=True)
    with monkeypatch.context() as patched:
        patched.setattr(archiving, "stop_rounds", lambda project: None)
        archive_project(project=made.project, by=made.people["owner"])
    Round.objects.filter(pk=made.round.pk).update(state=Round.State.FAILED)
    stages.recover()
    planned.refresh_from_db()
    assert planned.state == Round.State.PLANNED  # passed over: nothing starts in an archived project
    assert archiving.recover() == [f"project {made.project.pk} is archived: its rounds were asked to stop"]
    planned.refresh_from_db()
    assert planned.state == Round.State.CANCELLED
    assert archiving.recover() == []
