"""Workers that die, databases that restart, messages that come twice, projects that go: in mid-stage."""

import threading
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from inference.detectors import centre
from inference.documents.methods import METHODS
from inference.pipeline import units
from inference.segmenters import unet
from inference.worker import tasks
from labeling import jobs, leases
from labeling.projects.models import Project
from labeling.recovery import REQUEUE_AFTER
from labeling.rounds import artifacts
from labeling.rounds.execution import services, stages
from labeling.rounds.execution.services import cancel_round, start_round
from labeling.rounds.models import Artifact, Publication, Round, Stage, StageLine
from tests.factories import UserFactory
from tests.labeling.rounds import messages_to, run_all, small_project

pytestmark = pytest.mark.django_db(transaction=True)
TRAINED = {"detector", "segmenter"}


@pytest.fixture(autouse=True)
def short_round(sent, monkeypatch, settings, tmp_path):
    """Two epochs of one step each; a work folder of this test's own; nothing reaches the broker."""
    settings.DATA_DIR = tmp_path
    for trainer in (centre, unet):
        few = replace(trainer.PRESETS["tiny"].schedule, steps=2, epoch=1)
        monkeypatch.setitem(trainer.PRESETS, "tiny", replace(trainer.PRESETS["tiny"], schedule=few, batch=1, side=64))


@pytest.fixture
def round_(sent):
    owner = UserFactory()
    return start_round(project=small_project(owner, side=64, cells=5), by=owner, preset="tiny")


def states(round_):
    return {stage.kind: (stage.state, stage.attempts) for stage in round_.stages.all()}


def count_work(monkeypatch):
    """How often each unit was made and each training step was taken; a Counter that fills itself."""
    done: Counter = Counter()
    save = units.save_unit

    def saved(folder, image, unit):
        done[folder, image] += 1
        save(folder, image, unit)

    monkeypatch.setattr(units, "save_unit", saved)
    for module in (centre, unet):

        def stepped(*args, real=module.loss, name=module.__name__):
            done[name] += 1
            return real(*args)

        monkeypatch.setattr(module, "loss", stepped)
    return done


def test_a_worker_killed_in_the_middle_of_every_stage_costs_nothing_that_was_finished(round_, sent, monkeypatch):
    """SystemExit at the first unit of each stage is what a kill looks like from inside; kill -9 itself, of a real
    worker, is in tests/e2e/test_disasters.py."""
    done, died = count_work(monkeypatch), []
    report = tasks.Lease.report

    def report_and_die(lease, progress):
        report(lease, progress)
        kind = Stage.objects.get(pk=lease.row_id).kind
        if progress.done and kind not in died:
            died.append(kind)
            raise SystemExit

    monkeypatch.setattr(tasks.Lease, "report", report_and_die)
    for message in messages_to(sent, "inference.run_stage"):
        try:
            tasks.run_stage(**message.arguments)
        except SystemExit:
            assert len(stages.recover(timezone.now() + timedelta(minutes=1))) == 1
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED, round_.error
    kinds = METHODS["boxcell"].stages
    assert sorted(died) == sorted(kinds)
    assert set(states(round_).values()) == {("done", 2)}
    # Every unit once, every training step once: the second worker went on where the first one died.
    assert {n for key, n in done.items() if isinstance(key, tuple)} == {1}
    assert {key: n for key, n in done.items() if not isinstance(key, tuple)} == {centre.__name__: 2, unet.__name__: 2}
    assert Counter(Artifact.objects.values_list("kind", flat=True)) == Counter(
        set(METHODS["boxcell"].stages) - {"publication"}
    )
    assert Counter(Publication.objects.values_list("image", flat=True)) == Counter(
        round_.project.images.values_list("pk", flat=True)
    )


@pytest.mark.parametrize("act", ["report", "known", "say", "keep", "finish"])
def test_a_database_that_restarts_in_mid_stage_is_waited_for(round_, sent, monkeypatch, act):
    where = artifacts if act in ("known", "keep") else stages
    real, failed = getattr(where, act), []

    def away_for_a_moment(*args, **kwargs):
        if len(failed) < 2:
            failed.append(act)
            raise OperationalError("the database system is shutting down")
        return real(*args, **kwargs)

    monkeypatch.setattr(where, act, away_for_a_moment)
    monkeypatch.setattr(leases, "sleep", lambda seconds: None)
    tasks.run_stage(round_.stages.get(kind="pseudo_masks").pk)
    assert len(failed) == 2
    assert states(round_)["pseudo_masks"] == ("done", 1)


def test_a_database_that_went_away_in_mid_publication_publishes_each_image_once(round_, sent, monkeypatch):
    real, published = tasks.publish, []

    def cut_off(**kwargs):
        published.append(kwargs["image"].pk)
        if len(published) == 2:
            connection.close()  # as a restart leaves it
            raise OperationalError("server closed the connection unexpectedly")
        return real(**kwargs)

    monkeypatch.setattr(tasks, "publish", cut_off)
    run_all(tasks.run_stage, sent)
    assert states(round_)["publication"] == ("running", 1)
    assert (
        "goes on" in stages.recover(timezone.now() + timedelta(seconds=1))[0]
    )  # long before the lease would have run out
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED
    assert set(Counter(Publication.objects.values_list("image", flat=True)).values()) == {1}
    assert Publication.objects.count() == 3


def test_one_message_delivered_to_many_workers_at_once_is_done_once(round_, sent, monkeypatch):
    done, barrier = count_work(monkeypatch), threading.Barrier(4)
    stage = round_.stages.get(kind="pseudo_masks")

    def worker():
        barrier.wait(10)
        try:
            tasks.run_stage(stage.pk)
        finally:
            connection.close()

    workers = [threading.Thread(target=worker) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(60)
    assert states(round_)["pseudo_masks"] == ("done", 1)
    assert set(done.values()) == {1} and len(done) == 2


def test_every_message_twice_and_in_the_wrong_order_makes_the_same_round(round_, sent, monkeypatch):
    done = count_work(monkeypatch)
    everything = [{"stage_id": pk} for pk in round_.stages.values_list("pk", flat=True)]
    for first in messages_to(sent, "inference.run_stage"):
        for message in [*reversed(everything), first.arguments, *everything]:
            tasks.run_stage(**message)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED
    assert set(states(round_).values()) == {("done", 1)}
    assert {n for key, n in done.items() if isinstance(key, tuple)} == {1}


def test_a_broker_that_is_away_costs_no_round_and_recovery_sends_again(monkeypatch, settings, tmp_path):
    """jobs.send itself, with a broker that refuses: the round stands, and its messages are sent later."""
    monkeypatch.undo()
    settings.DATA_DIR = tmp_path
    tried: list = []

    def declines(task, **options):
        tried.append(options["kwargs"]["stage_id"])
        if len(tried) <= 2:
            raise ConnectionError("the broker is gone")

    monkeypatch.setattr(jobs.app, "send_task", declines)
    owner = UserFactory()
    made = start_round(project=small_project(owner, side=64, cells=5), by=owner, preset="tiny")
    assert made.state == Round.State.QUEUED and len(tried) == 2  # pseudo-masks and detector
    stages.recover()
    assert len(tried) == 2  # not yet: a message may simply be waiting
    stages.recover(timezone.now() + REQUEUE_AFTER + timedelta(seconds=1))
    assert Counter(tried) == Counter(tried[:2] * 2)


@pytest.mark.parametrize("kind", ["pseudo_masks", "detector"])
def test_a_project_deleted_during_a_round_ends_its_work_quietly(round_, sent, monkeypatch, kind):
    report, project = tasks.Lease.report, round_.project

    def report_and_delete(lease, progress):
        if Stage.objects.filter(pk=lease.row_id, kind=kind).exists():
            Round.objects.filter(pk=round_.pk).delete()
            project.snapshots.all().delete()
            Project.objects.filter(pk=project.pk).delete()
        report(lease, progress)

    monkeypatch.setattr(tasks.Lease, "report", report_and_delete)
    run_all(tasks.run_stage, sent)  # raises nothing
    assert not Stage.objects.exists() and not StageLine.objects.exists()


# -- rounds in line


def test_rounds_in_line_start_one_after_the_other_and_a_cancelled_one_is_passed_over(round_, sent):
    project = round_.project
    second, third, fourth = (
        start_round(project=project, by=None, preset="tiny", changes={"lam": lam}, line_up=True) for lam in (3, 4, 5)
    )
    assert [r.state for r in (second, third, fourth)] == ["planned"] * 3
    with pytest.raises(services.RoundAtWork):  # who does not line up is told so
        start_round(project=project, by=None, preset="tiny")
    cancel_round(round_=third)
    ended = []
    for message in messages_to(sent, "inference.run_stage"):
        tasks.run_stage(**message.arguments)
        ended = list(project.rounds.filter(state="published").order_by("finished_at").values_list("number", flat=True))
        assert project.rounds.filter(state__in=Round.ACTIVE).count() == (0 if len(ended) == 3 else 1)
    assert ended == [1, 2, 4]
    third.refresh_from_db()
    assert (third.state, set(states(third).values())) == ("cancelled", {("cancelled", 0)})
    assert states(Round.objects.get(pk=fourth.pk))["detector"] == ("reused", 1)  # only the fusion differs


def test_a_round_in_line_starts_after_a_failed_one_too_and_recovery_starts_what_was_left(round_, sent, monkeypatch):
    project = round_.project
    waiting = start_round(project=project, by=None, preset="tiny", line_up=True)
    with monkeypatch.context() as patched:
        patched.setattr(services, "start_next", lambda project_id: None)  # the worker died in this very moment
        cancel_round(round_=round_)
    assert Round.objects.get(pk=waiting.pk).state == "planned"
    stages.recover()
    assert Round.objects.get(pk=waiting.pk).state == "queued"
