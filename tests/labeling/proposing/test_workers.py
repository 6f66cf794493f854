"""Jobs that propose, at their workers: killed, cancelled, without memory or a GPU, and images that go meanwhile."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

import inference.worker.proposing as worker
from inference.methods import proposing, streamed
from inference.worker import needs, usage
from labeling.annotations.models import Layer
from labeling.images import slides
from labeling.images.models import Image
from labeling.images.services import add_image
from labeling.jobs import services as jobs
from labeling.jobs.models import Job, JobItem
from labeling.rounds.execution import resuming
from labeling.rounds.execution.archiving import archive_project
from labeling.rounds.models import Publication, Round, Snapshot
from labeling.rounds.proposing import waiting
from labeling.rounds.proposing.description import described_job
from labeling.rounds.proposing.services import Wanted, propose
from tests.labeling.proposals import S, current, finished_job, new_job, watch_tiles, work
from tests.labeling.rounds import png_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]


# -- workers


def test_a_killed_worker_s_successor_goes_on_after_the_tiles_that_are_done(slide, owner, small_tiles, monkeypatch):
    seen = watch_tiles(monkeypatch)
    real = streamed.write_cells
    written = []

    def dies_after_five(path, found, *, glass=False):
        if len(written) == 5:
            raise SystemExit  # what a killed worker looks like from inside
        written.append(path)
        real(path, found, glass=glass)

    job = new_job(slide, owner)
    with monkeypatch.context() as dying:
        dying.setattr(streamed, "write_cells", dies_after_five)
        with pytest.raises(SystemExit):
            work(job)
    assert Publication.objects.count() == 0  # nothing half there
    Job.objects.filter(pk=job.pk).update(lease_until="2020-01-01T00:00:00Z")
    jobs.recover(timezone.now())
    work(job)
    assert job.state == Job.State.DONE
    counts = Counter(seen)
    assert len(counts) == 16 and sorted(counts.values()) == [1] * 15 + [2]  # the one at which it died twice
    work(job)  # the message came once too often
    assert Publication.objects.count() == 1


def test_a_worker_that_dies_again_and_again_at_one_tile_costs_that_image_only(slide, image, owner, monkeypatch):
    find = proposing.Proposer._found
    pixels = slide.width

    def dies_on_the_slide(self, field, tile, centres):
        if field.width == pixels:
            raise SystemExit
        return find(self, field, tile, centres)

    monkeypatch.setattr(proposing.Proposer, "_found", dies_on_the_slide)
    job = propose(project=slide.project, by=owner, wanted=Wanted(images=[slide.pk, image.pk]))
    for _ in range(2):
        with pytest.raises(SystemExit):
            work(job)
        Job.objects.filter(pk=job.pk).update(lease_until="2020-01-01T00:00:00Z")
        jobs.recover(timezone.now())
    work(job)
    assert job.state == Job.State.DONE
    assert {item.choice["image"]: (item.state, item.facts.get("code", "")) for item in job.items.all()} == {
        slide.pk: (S.DECLINED, "worker_died"),
        image.pk: (S.DONE, ""),
    }


def test_a_cancelled_job_keeps_whole_images_and_nothing_of_the_one_at_work(
    image, slide, owner, small_tiles, monkeypatch
):
    job = propose(project=slide.project, by=owner, wanted=Wanted(images=[slide.pk, image.pk]))
    first = job.items.first().choice["image"]
    report = worker._OnImage._report
    calls = []

    def cancelled_in_the_second(self, progress):
        if self.image.pk != first:
            calls.append(progress.done)
            if len(calls) == 2:
                raise worker.Cancelled("cancelled")
        report(self, progress)

    monkeypatch.setattr(worker._OnImage, "_report", cancelled_in_the_second)
    work(job)
    assert job.state == Job.State.CANCELLED
    assert list(Publication.objects.values_list("image", flat=True)) == [first]
    assert sorted(job.items.values_list("state", flat=True)) == [S.CANCELLED, S.DONE]
    assert not worker.work_folder(job.pk).exists()


def test_a_worker_without_memory_hands_the_job_back_with_the_reason(image, owner, monkeypatch, sent):
    monkeypatch.setattr(usage, "memory", lambda: usage.Memory(100, 2**34))
    monkeypatch.setattr(needs, "idle", lambda with_torch: usage.resident())
    job = work(new_job(image, owner))
    assert job.state == Job.State.WAITING and job.missing.what == "memory_needed"
    assert job.again_at is not None and job.attempts == 0
    assert sent[-1].queue == "cpu"
    work(job)  # the same worker leaves it alone
    assert job.state == Job.State.WAITING and job.times_declined == 1
    monkeypatch.setattr(usage, "memory", lambda: usage.Memory(2**34, 2**34))
    Job.objects.filter(pk=job.pk).update(again_at="2020-01-01T00:00:00Z")
    work(job)
    assert job.state == Job.State.DONE and job.missing is None


def test_a_gpu_that_is_asked_for_is_waited_for(image, owner, sent):
    job = work(new_job(image, owner, device="gpu"))
    assert sent[0].queue == "gpu"
    assert job.state == Job.State.WAITING and job.missing.what == "no_gpu"


def test_a_queue_that_nobody_serves_is_said_until_somebody_does(image, owner, sent, monkeypatch):
    job = new_job(image, owner, device="gpu")
    Job.objects.filter(pk=job.pk).update(queued_at=timezone.now() - timedelta(minutes=1))
    monkeypatch.setattr(resuming, "served", lambda: frozenset({"cpu"}))
    assert waiting.recover(timezone.now()) == [f"{job}: no worker serves the queue 'gpu'"]
    assert waiting.recover(timezone.now()) == []
    job.refresh_from_db()
    assert described_job(job).waits == "no worker serves the queue “gpu”"
    assert "cpu" in described_job(job).remedy
    sent.clear()
    monkeypatch.setattr(resuming, "served", lambda: frozenset({"cpu", "gpu"}))
    waiting.recover(timezone.now())
    job.refresh_from_db()
    assert job.missing is None and [message.queue for message in sent] == ["gpu"]


def test_a_job_that_waits_behind_a_round_says_so(image, owner):
    job = new_job(image, owner)
    assert described_job(job).waits == ""
    snapshot = Snapshot.objects.create(project=image.project, sha256="0" * 64, content="none", summary={})
    round_ = Round.objects.create(
        project=image.project, number=3, preset="tiny", configuration={}, snapshot=snapshot, state=Round.State.RUNNING
    )
    assert described_job(job).waits == "no worker is free, and round 3 of this project is running"
    Round.objects.filter(pk=round_.pk).update(state=Round.State.PUBLISHED)
    assert described_job(job).waits == ""


def test_memory_that_runs_out_in_the_middle_makes_it_wait_and_nobody_has_died(image, owner, monkeypatch):
    monkeypatch.setattr(proposing.Proposer, "_found", lambda *_given: bytearray(2**62))
    job = work(new_job(image, owner))
    assert job.state == Job.State.WAITING and job.missing.what == "memory"
    assert job.items.get().attempts == 0 and job.items.get().state == S.WAITING
    assert worker._loaded.cache_info().currsize == 0  # its models take no room meanwhile


def test_rounds_that_wait_come_first_after_a_while_and_the_job_goes_on_after_them(
    slide, image, owner, small_tiles, monkeypatch
):
    seen = watch_tiles(monkeypatch)
    job, other = new_job(slide, owner), new_job(image, owner)
    with monkeypatch.context() as short:
        short.setattr(worker, "SHARE", 0.0)
        work(job)
    assert job.state == Job.State.WAITING and job.attempts == 0
    assert len(seen) == 1
    work(other)
    work(job)
    assert job.state == Job.State.DONE and Counter(seen).most_common(1)[0][1] == 1


# -- what happens to images meanwhile


def test_an_image_that_leaves_the_project_meanwhile_is_said_and_the_others_are_proposed(image, project, owner, tissue):
    other = add_image(project=project, name="b.png", content=png_of(tissue[::-1].copy()), um_per_px=0.5)
    job = propose(project=project, by=owner, wanted=Wanted())
    image.delete()
    work(job)
    assert job.state == Job.State.DONE
    facts = {item.name: (item.state, item.facts.get("code", "")) for item in job.items.all()}
    assert facts == {"a.png": (S.DECLINED, "gone"), "b.png": (S.DONE, "")}
    assert current(other).job == job


def test_an_image_that_goes_while_its_tiles_are_looked_at_leaves_nothing_behind(image, owner, monkeypatch):
    publish = worker.publish_suggestions

    def gone_first(**given):
        Image.objects.filter(pk=image.pk).delete()
        return publish(**given)

    monkeypatch.setattr(worker, "publish_suggestions", gone_first)
    job = work(new_job(image, owner))
    assert (job.items.get().state, job.items.get().facts["code"]) == (S.DECLINED, "gone")
    assert Layer.objects.count() == 0


def test_a_project_that_is_archived_meanwhile_ends_the_job_with_the_sentence(image, owner, monkeypatch):
    job = new_job(image, owner)
    publish = worker.publish_suggestions

    def archived_first(**given):
        archive_project(project=image.project, by=owner)
        return publish(**given)

    monkeypatch.setattr(worker, "publish_suggestions", archived_first)
    work(job)
    assert job.state == Job.State.FAILED and "archived" in job.error
    assert Publication.objects.count() == 0


def test_a_slide_whose_file_vanishes_is_declined_with_the_reason(slide, image, owner, small_tiles, monkeypatch):
    job = propose(project=slide.project, by=owner, wanted=Wanted(images=[slide.pk, image.pk]))
    made = watch_tiles(monkeypatch)
    find = proposing.Proposer._found

    def vanishes(self, field, tile, centres):
        if len(made) == 2:
            slides.file_of(slide.slide_file).unlink()
        return find(self, field, tile, centres)

    monkeypatch.setattr(proposing.Proposer, "_found", vanishes)
    work(job)
    assert job.state == Job.State.DONE
    item = job.items.get(name="slide.tif")
    assert item.state == S.DECLINED and "slide.tif" in item.error
    assert job.items.get(name="a.png").state == S.DONE
    assert current(slide) is None


def test_publishing_twice_changes_nothing(image, owner):
    job = finished_job(image, owner)
    publication = current(image)
    with transaction.atomic():
        JobItem.objects.update(state=S.WAITING, attempts=0)
        Job.objects.filter(pk=job.pk).update(state=Job.State.WAITING)
    work(job)
    assert current(image) == publication and Layer.objects.count() == 1
