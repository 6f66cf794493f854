"""A stage spread over many workers: portions are made once, by whoever is free, and gathered into the same artifact."""

import uuid
import zipfile
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.utils import timezone

from inference.detectors import centre
from inference.pipeline import compute, units
from inference.segmenters import unet
from inference.types import InferenceError
from inference.worker import tasks
from labeling.errors import WrongState
from labeling.leases import LeaseLost
from labeling.recovery import REQUEUE_AFTER
from labeling.rounds.execution import portions
from labeling.rounds.execution.services import cancel_round, retry_round, start_round
from labeling.rounds.models import Artifact, Portion, Publication, Round
from tests.factories import UserFactory
from tests.labeling.rounds import small_project, work_off

pytestmark = pytest.mark.django_db(transaction=True)
IMAGES = 6


@pytest.fixture(autouse=True)
def short_round(sent, monkeypatch, settings, tmp_path):
    """Portions of two images, two messages at a time; training of one step; nothing reaches the broker."""
    settings.DATA_DIR = tmp_path
    for limit in ("SMALLEST", "LARGEST"):
        monkeypatch.setattr(portions, limit, 2)
    monkeypatch.setattr(portions, "WINDOW", 2)
    for trainer in (centre, unet):
        few = replace(trainer.PRESETS["tiny"].schedule, steps=1, epoch=1)
        monkeypatch.setitem(trainer.PRESETS, "tiny", replace(trainer.PRESETS["tiny"], schedule=few, batch=1, side=64))


@pytest.fixture
def round_(sent):
    owner = UserFactory()
    return start_round(project=small_project(owner, fields=IMAGES, side=64, cells=5), by=owner, preset="tiny")


@pytest.fixture
def made(monkeypatch):
    """How often each unit was made."""
    count: Counter = Counter()
    save = units.save_unit

    def saved(folder, image, unit):
        count[folder.parent.name, image] += 1
        save(folder, image, unit)

    monkeypatch.setattr(units, "save_unit", saved)
    return count


def prediction(round_):
    return round_.stages.get(kind="prediction")


def test_a_spread_prediction_is_the_same_as_one_made_by_a_single_worker(round_, sent, made, monkeypatch):
    under_way = []
    work_off(sent, each=lambda task: under_way.append(sum(m.task == "inference.run_portion" for m in sent)))
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED, round_.error
    assert max(under_way) == 2 and under_way.count(0) > 0  # bounded, and there were portions at all
    assert set(made.values()) == {1} and Publication.objects.count() == IMAGES
    stage = prediction(round_)
    assert (stage.done, stage.total) == (IMAGES, IMAGES)
    assert not Portion.objects.exists() and not default_storage.listdir("portions")[1]
    spread_out = Artifact.objects.get(kind="prediction")
    facts, path = spread_out.facts, spread_out.file.path
    content = round_.snapshot.document()  # the oracle: one worker, all images
    setting = tasks.setting_of(stage, content, tasks.Path(tasks.settings.DATA_DIR) / "alone")
    alone, alone_facts = compute.prediction(setting)
    assert alone_facts.as_json() == facts
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) == IMAGES
    for field in setting.fields:
        one, other = (
            units.read_unit(units.PredictionUnit, alone, field.image),
            units.read_unit(units.PredictionUnit, tasks.Path(path), field.image),
        )
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[k], other[k]) for k in one)


def test_a_portion_whose_worker_dies_goes_on_after_its_last_image(round_, sent, made, monkeypatch):
    work_off(sent, until="inference.run_portion")
    report, died = tasks.PortionLease.report, []

    def report_and_die(lease, progress):
        report(lease, progress)
        if not died:
            died.append(lease.row_id)
            raise SystemExit

    monkeypatch.setattr(tasks.PortionLease, "report", report_and_die)
    with pytest.raises(SystemExit):
        work_off(sent)
    assert portions.recover(timezone.now()) == []  # its lease still runs
    assert "goes on" in portions.recover(timezone.now() + timedelta(minutes=1))[0]
    work_off(sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED
    assert set(made.values()) == {1}


def test_a_portion_delivered_twice_is_made_once_and_a_lost_message_is_sent_again(round_, sent, made):
    work_off(sent, until="inference.run_portion")
    lost = sent.pop(0)
    tasks.run_portion(**sent[0].arguments)
    work_off(sent)  # the same one again, among others
    assert prediction(round_).state == "running"
    portions.recover(timezone.now() + REQUEUE_AFTER + timedelta(seconds=1))
    assert lost in sent
    work_off(sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED
    assert set(made.values()) == {1}


def test_a_worker_on_another_machine_gathers_what_others_made(round_, sent, made, tmp_path, settings):
    work_off(sent, until="inference.run_portion")
    while any(message.task == "inference.run_portion" for message in sent):
        tasks.run_portion(**sent.pop(0).arguments)
    before = +made
    settings.DATA_DIR = tmp_path / "elsewhere"
    work_off(sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED
    key = prediction(round_).key[:32]
    assert {k: n for k, n in made.items() if k[0] == key} == {k: n for k, n in before.items() if k[0] == key}


def test_cancel_ends_a_spread_stage_and_retry_makes_only_the_rest(round_, sent, made):
    work_off(sent, until="inference.run_portion")
    tasks.run_portion(**sent.pop(0).arguments)
    cancel_round(round_=round_)
    work_off(sent)  # what is still in the broker is refused
    portions.recover(timezone.now())
    round_.refresh_from_db()
    assert round_.state == Round.State.CANCELLED
    assert prediction(round_).state == "cancelled"
    retry_round(round_=round_)
    work_off(sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED
    assert set(made.values()) == {1}


def test_progress_counts_every_image_once_however_often_it_is_told(round_, sent):
    work_off(sent, until="inference.run_portion")
    portion, owner = portions.claim(sent.pop(0).arguments["portion_id"])
    assert portions.renew(portion.pk, owner, done=1) is False
    assert portions.renew(portion.pk, owner, done=1) is False
    assert (prediction(round_).done, prediction(round_).total) == (1, IMAGES)
    work_off(sent)
    assert prediction(round_).done == 5  # the other two portions whole
    cancel_round(round_=round_)
    assert portions.renew(portion.pk, owner, done=2) is True
    with pytest.raises(LeaseLost):
        portions.renew(portion.pk, uuid.uuid4(), done=2)


def test_portions_are_small_for_few_images_and_large_for_many(monkeypatch):
    monkeypatch.undo()
    assert [portions.size_of(n) for n in (17, 1000, 2400, 10_000, 10**6)] == [16, 16, 37, 64, 64]


def test_a_portion_that_cannot_be_made_ends_the_round_with_its_reason(round_, sent, monkeypatch):
    def breaks(setting):
        raise InferenceError("the weights have moths")

    monkeypatch.setitem(compute.SPREAD, "prediction", breaks)
    work_off(sent)
    round_.refresh_from_db()
    assert (round_.state, round_.error) == (Round.State.FAILED, "the weights have moths")


def test_a_portion_that_kills_its_workers_is_given_up(round_, sent, monkeypatch):
    def dies(setting):
        raise SystemExit

    monkeypatch.setitem(compute.SPREAD, "prediction", dies)
    work_off(sent, until="inference.run_portion")
    portion = sent[0].arguments["portion_id"]
    for attempt in range(3):
        with pytest.raises(SystemExit):
            tasks.run_portion(portion)
        portions.recover(timezone.now() + timedelta(minutes=1))
        assert attempt == 2 or Portion.objects.get(pk=portion).state == "waiting"
    round_.refresh_from_db()
    assert round_.state == Round.State.FAILED and "died 3 times in portion" in prediction(round_).error


def two_at_work(sent):
    """The portions of two workers, with the owners of their leases."""
    work_off(sent, until="inference.run_portion")
    return [portions.claim(sent.pop(0).arguments["portion_id"]) for _ in range(2)]


@pytest.mark.parametrize("dies", [False, True])
def test_a_worker_that_stops_after_another_failed_changes_nothing_more(round_, sent, dies):
    (first, its_owner), (second, owner) = two_at_work(sent)
    portions.failed(first.pk, its_owner, "the weights have moths")
    assert portions.renew(second.pk, owner, done=1) is True
    if dies:
        call_command("recover", once=True)  # its lease still runs
        Portion.objects.filter(pk=second.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
        portions.recover(timezone.now())
    else:
        portions.cancelled(second.pk, owner)
    round_.refresh_from_db()
    assert Portion.objects.get(pk=second.pk).state == "waiting"
    assert (round_.state, round_.error) == (Round.State.FAILED, "the weights have moths")


def test_what_recovery_cannot_look_after_costs_the_others_nothing(round_, sent, monkeypatch, caplog):
    (bad, _), (good, _) = two_at_work(sent)
    Portion.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    settle = portions.settle

    def declines_the_first(round_, stage):
        if not Portion.objects.filter(pk=bad.pk, state="running").exists():
            raise WrongState("cannot become")
        settle(round_, stage)

    monkeypatch.setattr(portions, "settle", declines_the_first)
    call_command("recover", once=True)
    assert Portion.objects.get(pk=bad.pk).state == "running"  # rolled back, and said
    assert f"portion {bad.pk}" in caplog.text and "WrongState" in caplog.text
    assert Portion.objects.get(pk=good.pk).state == "waiting"


def test_a_cancel_during_the_last_image_of_the_last_portion_ends_the_round(round_, sent, monkeypatch):
    work_off(sent, until="inference.run_portion")
    finish = portions.finish

    def cancelled_meanwhile(portion, owner, **made):
        if Portion.objects.exclude(state="done").count() == 1:
            cancel_round(round_=round_)
        finish(portion, owner, **made)

    monkeypatch.setattr(portions, "finish", cancelled_meanwhile)
    work_off(sent)  # the stage, put back to be gathered, is refused
    assert prediction(round_).state == "waiting"
    portions.recover(timezone.now())
    round_.refresh_from_db()
    assert (round_.state, prediction(round_).state) == (Round.State.CANCELLED, "cancelled")
    retry_round(round_=round_)
    work_off(sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED
