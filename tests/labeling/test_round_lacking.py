"""A worker that lacks memory or a GPU hands the stage back: it waits with a reason, and goes on when there is enough.

Real worker functions on the real database; only what the machine has (free memory, a GPU) is told otherwise.
"""

import errno
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import torch
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from inference import devices
from inference.detectors import centre
from inference.documents.methods import METHODS
from inference.documents.stage_reports import Usage
from inference.pipeline import compute, units
from inference.segmenters import unet
from inference.worker import needs, tasks, usage
from labeling.errors import Invalid
from labeling.rounds.configuration import configure
from labeling.rounds.execution import backoff, portions, resuming, stages
from labeling.rounds.execution.services import cancel_round, retry_round, start_round
from labeling.rounds.models import Portion, Round, Stage, StageLine
from tests.factories import UserFactory
from tests.labeling.rounds import small_project, work_off

pytestmark = pytest.mark.django_db(transaction=True)
GIB = 2**30


@pytest.fixture(autouse=True)
def short_round(sent, monkeypatch, settings, tmp_path):
    """Training of one step; portions of two images; a work folder of this test's own; nothing reaches the broker."""
    settings.DATA_DIR = tmp_path
    for trainer in (centre, unet):
        few = replace(trainer.PRESETS["tiny"].schedule, steps=1, epoch=1)
        monkeypatch.setitem(trainer.PRESETS, "tiny", replace(trainer.PRESETS["tiny"], schedule=few, batch=1, side=64))
    for limit in ("SMALLEST", "LARGEST", "WINDOW"):
        monkeypatch.setattr(portions, limit, 2)
    monkeypatch.setattr(tasks, "PASS_ON_AFTER", 0)
    monkeypatch.setattr(resuming, "served", lambda: frozenset({"cpu", "gpu"}))
    tasks._opened.cache_clear()


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def free(monkeypatch):
    """What the machine has free; a test changes it."""
    left = {"free": 64 * GIB, "total": 64 * GIB}
    monkeypatch.setattr(usage, "memory", lambda: usage.Memory(**left))
    monkeypatch.setattr(needs, "idle", lambda with_torch: usage.resident())  # nothing is left over from other tests
    return left


def started(owner, fields=3, **changes):
    return start_round(
        project=small_project(owner, fields=fields, side=64, cells=5), by=owner, preset="tiny", changes=changes
    )


def first(round_):
    return round_.stages.get(kind="pseudo_masks")


def time_has_come(stage):
    """As if the pause were over."""
    assert Stage.objects.filter(pk=stage.pk).update(again_at=timezone.now() - timedelta(seconds=1))


def waits(stage, what):
    stage.refresh_from_db()
    return (stage.state, stage.attempts, stage.missing_resource.get("what")) == ("waiting", 0, what)


# -- the device


def test_stages_with_nets_go_to_the_queue_of_the_device_that_was_asked_for(owner):
    gpu = started(owner, device="gpu")
    assert gpu.configuration["device"] == "gpu"
    nets = {"pseudo_masks", "detector", "segmenter", "prediction"}
    assert {s.kind: s.queue for s in gpu.stages.all()} == {
        kind: "gpu" if kind in nets else "cpu" for kind in METHODS["boxcell"].stages
    }
    for device in ("cpu", "auto", None):
        made = started(owner, **({"device": device} if device else {}))
        assert made.configuration["device"] == (device or "auto")
        assert set(made.stages.values_list("queue", flat=True)) == {"cpu"}
    for device in ("tpu", ["gpu"], 1):
        with pytest.raises(Invalid, match="device must be one of auto, cpu, gpu, not"):
            configure("tiny", {"device": device})


@pytest.mark.parametrize(
    ("asked", "there", "used"),
    [("auto", True, "cuda"), ("auto", False, "cpu"), ("cpu", True, "cpu"), ("gpu", True, "cuda")],
)
def test_nets_compute_where_they_were_asked_to_and_the_row_says_where(owner, sent, monkeypatch, asked, there, used):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    seen = []
    real = compute.RUN["pseudo_masks"]

    def run(setting):
        seen.append(setting.device)
        return real(replace(setting, device="cpu"))

    monkeypatch.setitem(compute.RUN, "pseudo_masks", run)
    stage = first(started(owner, device=asked))
    tasks.run_stage(stage.pk)
    stage.refresh_from_db()
    assert (seen, stage.state, stage.usage["device"]) == ([used], "done", used)


def test_the_device_is_no_part_of_a_key(owner, sent):
    one, other = started(owner, device="cpu"), started(owner, device="gpu")
    content = tasks.content_of(one.stages.first())
    assert compute.keys(content, one.parameters) == compute.keys(content, other.parameters)


def test_a_gpu_that_is_not_there_is_waited_for_and_no_cpu_takes_its_place(owner, sent, monkeypatch, client):
    round_ = started(owner, device="gpu")
    stage = first(round_)
    sent.clear()
    tasks.run_stage(stage.pk)  # this machine's torch: no GPU, or one that is hidden
    assert waits(stage, "no_gpu")
    assert sent == [("inference.run_stage", "gpu", {"stage_id": stage.pk})]  # once, for the others
    client.force_login(owner)
    page = client.get(round_.get_absolute_url()).content.decode()
    assert "has no usable GPU" in page and "cancel and start a round with the device “cpu”" in page
    assert "waits for memory, a GPU or a worker" in page and "Try now" in page
    answer = client.get(reverse("round-detail", args=[round_.pk])).json()["stages"][0]
    assert answer["waits"]["what"] == "no_gpu" and "-Q gpu" in answer["waits"]["remedy"] and answer["waits"]["again_at"]

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    real = compute.RUN["pseudo_masks"]
    monkeypatch.setitem(compute.RUN, "pseudo_masks", lambda setting: real(replace(setting, device="cpu")))
    work_off(sent[:])
    assert waits(stage, "no_gpu")  # this worker keeps away until the time has come
    monkeypatch.setattr(tasks, "WORKER", "another")
    work_off(sent[:])
    stage.refresh_from_db()
    assert (stage.state, stage.attempts, stage.missing_resource, stage.times_declined) == ("done", 1, {}, 0)


# -- memory


def test_a_stage_that_does_not_fit_waits_ever_longer_and_is_never_given_up(owner, sent, free):
    free["free"] = 10 * 2**20
    round_ = started(owner)
    stage = first(round_)
    for pause in [*backoff.PAUSES, backoff.PAUSES[-1], backoff.PAUSES[-1]]:
        sent.clear()
        tasks.run_stage(stage.pk)
        assert waits(stage, "memory_needed") and stage.started_at is None  # to wait is not to work
        assert abs(stage.again_at - timezone.now() - pause) < timedelta(seconds=20)
        tasks.run_stage(stage.pk)  # its own message comes back: nothing
        assert len(sent) == 1 and Stage.objects.get(pk=stage.pk).again_at == stage.again_at
        sent.clear()
        soon = stage.again_at - timedelta(seconds=1)
        assert [*stages.recover(soon), *portions.recover(soon), *resuming.recover(soon)] == []
        assert ("inference.run_stage", "cpu", {"stage_id": stage.pk}) not in sent  # no busy sending
        time_has_come(stage)
        resuming.recover()
        resuming.recover()
        assert sent.count(("inference.run_stage", "cpu", {"stage_id": stage.pk})) == 1
    assert [p.total_seconds() / 60 for p in backoff.PAUSES] == [1, 2, 4, 8, 15]
    round_.refresh_from_db()
    assert round_.state == Round.State.RUNNING
    free["free"] = 64 * GIB
    work_off(sent)
    stage.refresh_from_db()
    assert (stage.state, stage.attempts, stage.missing_resource, stage.times_declined) == ("done", 1, {}, 0)
    lines = StageLine.objects.filter(stage=stage, text__startswith="handed back: it needs about").count()
    assert lines == len(backoff.PAUSES) + 2


def missing(kind):
    if kind == "numpy":
        np.empty(1 << 60, np.uint8)
    if kind == "torch":
        torch.empty(1 << 60, dtype=torch.uint8)
    raise {
        "python": MemoryError(),
        "system": OSError(errno.ENOMEM, "Cannot allocate memory"),
        "cuda": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        "prompter": devices.OutOfMemory("the GPU's memory does not suffice for one prompt"),
        "driver": RuntimeError("CUDA error: out of memory"),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "what"),
    [("numpy", "memory"), ("torch", "memory"), ("python", "memory"), ("system", "memory"),
     ("cuda", "gpu_memory"), ("prompter", "gpu_memory"), ("driver", "gpu_memory")],
)  # fmt: skip
def test_memory_that_runs_out_in_mid_stage_hands_it_back_with_what_is_finished(owner, sent, monkeypatch, kind, what):
    made: Counter = Counter()
    save = units.save_unit

    def runs_out_at_the_second(folder, image, unit):
        if made and monkeypatch_on:
            missing(kind)
        made[image] += 1
        save(folder, image, unit)

    monkeypatch_on = [True]
    monkeypatch.setattr(units, "save_unit", runs_out_at_the_second)
    stage = first(started(owner))
    tasks.run_stage(stage.pk)
    assert waits(stage, what) and stage.missing_resource["worker"] == needs.HOST
    monkeypatch_on.clear()
    time_has_come(stage)
    tasks.run_stage(stage.pk)
    stage.refresh_from_db()
    assert (stage.state, stage.attempts) == ("done", 1)
    assert len(made) == 2 and set(made.values()) == {1}


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), OSError(errno.ENOENT, "gone"), KeyError("x")])
def test_other_errors_end_the_stage_as_before(owner, sent, monkeypatch, error):
    def breaks(setting):
        raise error

    monkeypatch.setitem(compute.RUN, "pseudo_masks", breaks)
    stage = first(started(owner))
    with pytest.raises(type(error)):
        tasks.run_stage(stage.pk)
    stage.refresh_from_db()
    assert (stage.state, stage.missing_resource) == ("failed", {})


def test_cancel_ends_what_waits_at_once_and_retry_begins_afresh(owner, sent, free):
    free["free"] = 10 * 2**20
    round_ = started(owner)
    for kind in ("pseudo_masks", "detector"):
        tasks.run_stage(round_.stages.get(kind=kind).pk)
    sent.clear()
    cancel_round(round_=round_)
    round_.refresh_from_db()
    assert round_.state == Round.State.CANCELLED
    time_has_come(first(round_))
    resuming.recover()
    assert sent == []
    retry_round(round_=round_)
    assert (first(round_).missing_resource, first(round_).times_declined, first(round_).again_at) == ({}, 0, None)
    free["free"] = 64 * GIB
    work_off(sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED


@pytest.mark.parametrize("way", ["page", "api"])
def test_try_now_tries_at_once_and_the_next_pause_is_short_again(owner, sent, free, client, way):
    free["free"] = 10 * 2**20
    round_ = started(owner)
    stage = first(round_)
    for _ in range(3):
        tasks.run_stage(stage.pk)
        time_has_come(stage)
    tasks.run_stage(stage.pk)
    stage.refresh_from_db()
    assert stage.times_declined == 4
    sent.clear()
    client.force_login(owner)
    answer = client.post(reverse({"page": "retry-round", "api": "round-retry"}[way], args=[round_.pk]))
    assert answer.status_code in (202, 302)
    assert sent == [("inference.run_stage", "cpu", {"stage_id": stage.pk})]
    tasks.run_stage(stage.pk)  # still too little
    assert waits(stage, "memory_needed") and stage.times_declined == 1
    free["free"] = 64 * GIB
    client.post(reverse("retry-round", args=[round_.pk]))
    tasks.run_stage(stage.pk)
    stage.refresh_from_db()
    assert stage.state == "done"


def test_after_a_restart_of_everything_it_still_waits(owner, sent, free, monkeypatch):
    free["free"] = 10 * 2**20
    stage = first(started(owner))
    tasks.run_stage(stage.pk)
    sent.clear()  # the broker forgot its messages
    monkeypatch.setattr(tasks, "WORKER", "the same, started again")
    soon = timezone.now() + timedelta(seconds=50)
    assert [*stages.recover(soon), *portions.recover(soon), *resuming.recover(soon)] == []
    assert waits(stage, "memory_needed")
    assert ("inference.run_stage", "cpu", {"stage_id": stage.pk}) not in sent
    time_has_come(stage)
    resuming.recover()
    assert ("inference.run_stage", "cpu", {"stage_id": stage.pk}) in sent


def test_a_worker_that_dies_while_another_is_kept_away_is_a_death_as_ever(owner, sent, free, monkeypatch):
    free["free"] = 10 * 2**20
    stage = first(started(owner))
    tasks.run_stage(stage.pk)

    def dies(setting):
        raise SystemExit

    free["free"] = 64 * GIB
    monkeypatch.setitem(compute.RUN, "pseudo_masks", dies)
    monkeypatch.setattr(tasks, "WORKER", "another")
    for attempt in range(1, Stage.MAX_ATTEMPTS + 1):
        with pytest.raises(SystemExit):
            tasks.run_stage(stage.pk)
        stages.recover(timezone.now() + timedelta(minutes=1))
        stage.refresh_from_db()
        assert (stage.attempts, stage.state) == (attempt, "failed" if attempt == 3 else "waiting")


@pytest.mark.parametrize(("left", "memory_is_blamed"), [(1 * GIB, True), (30 * GIB, False)])
def test_the_third_death_names_memory_where_it_was_nearly_used_up(owner, sent, left, memory_is_blamed):
    stage, lease = stages.claim(first(started(owner)).pk)
    reported = {"cores": 1.0, "memory": 60 * GIB, "memory_free": left, "memory_total": 64 * GIB}
    stages.renew(stage.pk, lease, Usage(**reported))
    Stage.objects.filter(pk=stage.pk).update(attempts=3)
    stages.recover(timezone.now() + timedelta(minutes=1))
    stage.refresh_from_db()
    assert "died 3 times" in stage.error
    sentence = (
        "Too little memory is the likeliest cause: when it was heard of last, it used 60.0 GiB, and 1.0 GiB of 64.0"
    )
    assert (sentence in stage.error) is memory_is_blamed
    assert ("Look into the worker's log" in stage.error) is not memory_is_blamed


# -- portions


def at_its_portions(owner, sent):
    round_ = started(owner, fields=6)
    work_off(sent, until="inference.run_portion")
    return round_, round_.stages.get(kind="prediction")


def test_a_portion_that_does_not_fit_keeps_the_worker_away_from_the_whole_stage(owner, sent, free):
    round_, stage = at_its_portions(owner, sent)
    free["free"] = 10 * 2**20
    work_off(sent)
    stage.refresh_from_db()
    assert (stage.state, stage.missing_resource["what"], stage.times_declined) == ("running", "memory_needed", 1)
    assert set(Portion.objects.values_list("state", "attempts", "queued_at")) == {("waiting", 0, None)}
    assert StageLine.objects.filter(stage=stage, text__startswith="handed back").count() == 1
    soon = timezone.now() + timedelta(seconds=50)
    assert [*stages.recover(soon), *portions.recover(soon), *resuming.recover(soon)] == [] and sent == []
    free["free"] = 64 * GIB
    time_has_come(stage)
    resuming.recover()
    assert len(sent) == 2  # as many as may be under way
    work_off(sent)
    round_.refresh_from_db()
    stage.refresh_from_db()
    assert (round_.state, stage.state, stage.times_declined) == (Round.State.PUBLISHED, "done", 0)
    assert stage.usage["memory_peak"] > 0


def test_another_worker_makes_the_portions_meanwhile_and_gets_the_messages_of_the_first(owner, sent, free, monkeypatch):
    round_, stage = at_its_portions(owner, sent)
    made: Counter = Counter()
    save = units.save_unit
    monkeypatch.setattr(
        units, "save_unit", lambda folder, image, unit: made.update([image]) or save(folder, image, unit)
    )
    (one, two), declining = [kwargs["portion_id"] for _, _, kwargs in sent], tasks.WORKER
    sent.clear()
    free["free"] = 10 * 2**20
    tasks.run_portion(one)
    assert [kwargs for _, _, kwargs in sent] == [{"portion_id": one}]  # for the others
    sent.clear()
    claimed = portions.claim(two, "another")
    assert claimed is not None
    tasks.run_portion(one)  # it comes back to the first worker, who hands it on
    assert [kwargs for _, _, kwargs in sent] == [{"portion_id": one}]
    portions.cancelled(two, claimed[1])
    free["free"] = 64 * GIB
    monkeypatch.setattr(tasks, "WORKER", "another")
    tasks.run_portion(two)
    assert Stage.objects.get(pk=stage.pk).declined_by == [declining]
    work_off(sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED
    assert len(made) == 6 and set(made.values()) == {3}  # once each in prediction, fusion and instances


def test_a_cancelled_round_with_waiting_portions_ends(owner, sent, free):
    round_, _ = at_its_portions(owner, sent)
    free["free"] = 10 * 2**20
    work_off(sent)
    cancel_round(round_=round_)
    portions.recover(timezone.now())
    round_.refresh_from_db()
    assert round_.state == Round.State.CANCELLED
    assert sent == []


def test_try_now_sends_waiting_portions_at_once(owner, sent, free):
    round_, _ = at_its_portions(owner, sent)
    free["free"] = 10 * 2**20
    work_off(sent)
    free["free"] = 64 * GIB
    round_.refresh_from_db()
    resuming.try_again(round_=round_)
    work_off(sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED


# -- queues that nobody serves


def test_a_queue_without_a_worker_is_named_and_goes_on_when_one_is_there(owner, sent, monkeypatch, client):
    asked = []
    monkeypatch.setattr(resuming, "served", lambda: asked.append(1) or resuming.served_queues(timeout=0.2))
    round_ = started(owner, device="gpu")
    stage = first(round_)
    resuming.recover()
    assert not asked  # a message may simply be on its way
    sent.clear()
    now = timezone.now() + timedelta(seconds=70)
    (sentence, _) = resuming.recover(now)  # the real broker, which no worker listens to; pseudo-masks and detector
    assert "no worker serves the queue 'gpu'" in sentence
    assert waits(stage, "no_worker")
    stages.recover(now)
    assert sent == []  # a queue that nobody reads is not filled
    client.force_login(owner)
    page = client.get(reverse("round-progress", args=[round_.pk])).content.decode()
    assert "no worker serves the queue “gpu”" in page and "Start a worker with “-Q gpu”" in page
    answer = client.get(reverse("round-detail", args=[round_.pk])).json()["stages"][0]["waits"]
    assert answer["queue"] == "gpu" and answer["again_at"] is None
    monkeypatch.setattr(resuming, "served", lambda: frozenset({"gpu"}))
    resuming.recover(now)
    assert sent.count(("inference.run_stage", "gpu", {"stage_id": stage.pk})) == 1
    stage.refresh_from_db()
    assert stage.missing_resource == {}


def test_a_broker_that_cannot_be_asked_changes_nothing(owner, sent, monkeypatch, caplog):
    def away():
        raise ConnectionError("the broker is gone")

    monkeypatch.setattr(resuming, "served", away)
    stage = first(started(owner))
    assert resuming.recover(timezone.now() + timedelta(seconds=20)) == []
    stage.refresh_from_db()
    assert stage.missing_resource == {} and "the workers cannot be asked" in caplog.text


def test_a_queue_whose_worker_is_at_work_is_not_asked_about(owner, sent, monkeypatch):
    monkeypatch.setattr(resuming, "served", lambda: pytest.fail("asked"))
    round_ = started(owner)
    stages.claim(first(round_).pk)
    assert resuming.recover(timezone.now() + timedelta(seconds=20)) == []


# -- what a stage uses


def test_a_renewal_tells_what_the_work_uses_in_the_write_it_makes_anyway(owner, sent):
    stage, lease_owner = stages.claim(first(started(owner)).pk)
    lease = tasks.Lease(stage, lease_owner)
    with CaptureQueriesContext(connection) as queries:
        lease.renew()
    assert sum("UPDATE" in q["sql"] for q in queries.captured_queries) == 1 and len(queries) == 2
    stage.refresh_from_db()
    assert 0 < stage.usage["memory"] <= stage.usage["memory_peak"] < stage.usage["memory_total"]
    assert stage.usage["cores"] >= 0


def test_a_finished_stage_keeps_its_mean_and_its_highest(owner, sent, client):
    round_ = started(owner)
    stage = first(round_)
    tasks.run_stage(stage.pk)
    stage.refresh_from_db()
    assert stage.usage["made"] == 2 and stage.usage["memory_peak"] > 0 and stage.usage["cores_mean"] > 0
    client.force_login(owner)
    page = client.get(reverse("round-progress", args=[round_.pk])).content.decode()
    assert "cores on average, at most" in page
    assert client.get(reverse("round-detail", args=[round_.pk])).json()["stages"][0]["usage"] == stage.usage
