"""Jobs of several files: each file has its own end; cancel, retry, choice, deaths of workers, expiry."""

import io
from datetime import timedelta

import numpy as np
import pytest
import tifffile
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone, translation

from inference.documents.stage_reports import MissingKind, MissingResource
from inference.reading import isolation
from labeling.images import services as image_services
from labeling.images import uploads
from labeling.images.documents import UploadRequest
from labeling.images.models import Image
from labeling.jobs import items, services, tasks
from labeling.jobs.estimate import time_left
from labeling.jobs.items import discard, each_item, retry
from labeling.jobs.models import Job, JobItem, uploads_storage
from labeling.leases import LEASE, LeaseLost
from labeling.rounds.execution.archiving import archive_project
from tests.factories import ImageFactory, png
from tests.inference.picture_files import picture, tiff
from tests.labeling.pages import address, page_text, signed_in
from tests.labeling.uploads import read_uploads, upload, upload_one, work

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
S = JobItem.State


def take(study, *files: tuple[str, bytes], **facts) -> Job:
    """Files that came and have not been read."""
    sent = [SimpleUploadedFile(name, content) for name, content in files]
    return uploads.take_files(
        project=study.project, owner=study.people["manager"], files=sent, facts=UploadRequest(**facts)
    )


def three(study) -> Job:
    return take(study, *((f"{n}.png", png(seed=800 + n)) for n in range(3)))


def states(job: Job) -> list[str]:
    return list(job.items.values_list("state", flat=True))


def stack(pages: int = 3, channels: int = 1) -> bytes:
    file = io.BytesIO()
    made = np.random.default_rng(pages).integers(0, 255, (pages, channels, 40, 50), np.uint8)
    tifffile.imwrite(file, made, ome=True, metadata={"axes": "ZCYX"}, photometric="minisblack")
    return file.getvalue()


# -- before and while files are read


def test_files_lie_with_the_originals_until_they_are_images(study):
    job = take(study, ("a.png", png(seed=901)), ("b.txt", b"text"))
    assert states(job) == [S.WAITING, S.WAITING]
    names = list(job.items.values_list("file", flat=True))
    assert all(name.startswith("uploads/") and "a.png" not in name for name in names)
    with uploads_storage().open(names[0]) as stored:
        assert stored.read() == png(seed=901)
    work(job)
    job.refresh_from_db()
    assert (job.state, states(job)) == (Job.State.DONE, [S.DONE, S.DECLINED])
    assert [uploads_storage().exists(name) for name in names] == [False, True], "what became an image is removed"
    assert job.expires_at > timezone.now() + timedelta(days=6)


def test_what_is_done_entirely_keeps_nothing_and_does_not_expire(study):
    job = take(study, ("a.png", png(seed=901)))
    work(job)
    job.refresh_from_db()
    assert job.expires_at is None


def test_a_file_that_is_too_large_is_declined_without_being_stored(study, api, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 2 * 2**20)
    job = upload(api, study.project, ("huge.tif", b"II*\0" + bytes(3 * 2**20)), ("a.png", png(seed=901)))
    assert [item["state"] for item in job["items"]] == ["declined", "done"]
    words = "cut it into smaller fields, or let whoever runs the server register a slide where it lies"
    assert job["items"][0]["detail"] == f"huge.tif is larger than 2 MiB; {words}"
    assert not JobItem.objects.exclude(file="").exists()


def test_what_cannot_be_asked_for_leaves_no_file(study):
    before = set(uploads_storage().listdir("uploads")[1]) if uploads_storage().exists("uploads") else set()
    archive_project(project=study.project, by=study.people["owner"])
    with pytest.raises(Exception, match="archived"):
        three(study)
    assert set(uploads_storage().listdir("uploads")[1]) == before
    assert not Job.objects.filter(kind=Job.Kind.READ).exists()


def test_an_archived_project_ends_the_job_with_its_sentence_and_the_files_wait(study):
    job = three(study)
    archive_project(project=study.project, by=study.people["owner"])
    work(job)
    job.refresh_from_db()
    assert job.state == Job.State.FAILED and "archived" in job.error
    assert states(job) == [S.CANCELLED] * 3
    assert not JobItem.objects.filter(job=job, file="").exists()


def test_a_sentence_is_in_the_language_of_who_reads_it(study, api):
    item, _ = upload_one(api, study.project, "x.png", b"")
    assert item["detail"] == "x.png is empty; the file has no bytes"
    with translation.override("de"):
        (outcome,) = uploads.item_outcomes(Job.objects.get(kind=Job.Kind.READ))
        assert outcome.words == "x.png ist leer; die Datei hat keine Bytes"


# -- cancel and retry


def test_a_waiting_upload_is_cancelled_and_tried_again(study, api):
    job = three(study)
    cancelled = api.post(reverse("job-cancel", args=[job.pk])).json()
    assert cancelled["state"] == "cancelled"
    assert {item["state"] for item in cancelled["items"]} == {"cancelled"}
    again = api.post(reverse("job-retry", args=[job.pk]))
    assert (again.status_code, again.json()["state"]) == (202, "waiting")
    read_uploads()
    assert states(job) == [S.DONE] * 3
    assert study.project.images.count() == 4


def test_a_job_is_cancelled_between_two_files(study, monkeypatch):
    job = three(study)
    read = image_services.read

    def cancelled_at_the_first(*args, **choice):
        services.cancel(job.pk)
        monkeypatch.setattr("labeling.leases.Heartbeat.stop", lambda beat: True)
        return read(*args, **choice)

    monkeypatch.setattr(image_services, "read", cancelled_at_the_first)
    work(job)
    job.refresh_from_db()
    assert (job.state, states(job)) == (Job.State.CANCELLED, [S.DONE, S.CANCELLED, S.CANCELLED])
    assert (job.done, job.total) == (1, 3)


def test_only_named_files_are_tried_again_and_what_is_done_is_not(study, api):
    job = take(study, ("a.png", png(seed=901)), ("b.txt", b"b"), ("c.txt", b"c"))
    work(job)
    first, _second, third = job.items.all()
    url = reverse("job-retry", args=[job.pk])
    assert api.post(url, {"items": [first.pk]}, format="json").status_code == 409
    answer = api.post(url, {"items": [first.pk, third.pk]}, format="json").json()
    assert [item["state"] for item in answer["items"]] == ["done", "declined", "waiting"]
    read_uploads()
    third.refresh_from_db()
    assert third.state == S.DECLINED


def test_a_fault_that_has_passed_is_gone_when_the_file_is_tried_again(study, monkeypatch):
    job = three(study)
    with monkeypatch.context() as broken:
        broken.setattr(image_services, "read", lambda *args, **choice: 1 / 0)
        work(job)
    assert states(job) == [S.DECLINED] * 3
    retry(job.pk)
    work(job)
    assert states(job) == [S.DONE] * 3
    assert set(job.items.values_list("error", flat=True)) == {""}


def test_where_files_cannot_be_read_at_all_the_job_fails_and_is_tried_again(study, monkeypatch):
    job = three(study)

    def cannot(*args, **choice):
        raise isolation.CannotStart("files cannot be read at the moment")

    with monkeypatch.context() as broken:
        broken.setattr(isolation, "read_file", cannot)
        work(job)
    job.refresh_from_db()
    assert (job.state, states(job)) == (Job.State.FAILED, [S.CANCELLED] * 3)
    assert job.error == "files cannot be read at the moment"
    retry(job.pk)
    work(job)
    assert states(job) == [S.DONE] * 3


def test_a_job_that_waited_for_memory_does_not_wait_any_more_when_it_is_tried_again(study):
    job = three(study)
    job.keep_away(MissingResource(what=MissingKind.MEMORY, worker="a"), tasks.WORKER, timezone.now())
    job.save()
    work(job)
    assert states(job) == [S.WAITING] * 3
    services.cancel(job.pk)
    retry(job.pk)
    work(job)
    assert states(job) == [S.DONE] * 3


# -- choices


def test_a_stack_asks_and_goes_on_when_a_page_is_chosen(study, api):
    job = take(study, ("a.png", png(seed=901)), ("s.tif", stack()), ("t.tif", stack(4)))
    work(job)
    assert states(job) == [S.DONE, S.CHOICE, S.CHOICE]
    shown = api.get(reverse("job-detail", args=[job.pk])).json()
    assert (shown["state"], shown["items"][1]["choices"]) == ("done", {"pages": 3})
    url = reverse("job-choose", args=[job.pk])
    assert api.post(url, {"items": [shown["items"][1]["id"]]}, format="json").status_code == 422
    keys = [item["id"] for item in shown["items"][1:]]
    assert api.post(url, {"items": keys, "page": 4}, format="json").status_code == 202
    read_uploads()
    assert states(job) == [S.DONE, S.CHOICE, S.DONE], "the first has no page 4, and asks again"
    api.post(url, {"items": keys, "page": 3}, format="json")
    read_uploads()
    assert states(job) == [S.DONE] * 3
    assert api.post(url, {"items": keys, "page": 3}, format="json").status_code == 409


def test_page_and_channel_are_asked_for_at_once(study, api):
    item, _ = upload_one(api, study.project, "zc.tif", stack(2, 3))
    assert item["choices"] == {"pages": 2, "channels": 3}


def test_a_choice_while_the_job_is_at_work_is_read_by_the_same_job(study):
    job = take(study, ("s.tif", stack()), ("a.png", png(seed=901)))
    seen = []

    def choosing(item, end):
        seen.append(item.name)
        uploads.read_upload(job, item, end)
        if item.name == "a.png":
            uploads.choose_picture(job=job, items=[job.items.first().pk], page=1, channel=None)

    claimed = services.claim(job.pk)
    each_item(claimed[0], lambda done, total: None, choosing)
    assert seen == ["s.tif", "a.png", "s.tif"]
    assert states(job) == [S.DONE] * 2


def test_a_choice_after_the_worker_has_looked_for_the_last_file_waits_for_a_worker(study):
    job = take(study, ("s.tif", stack()))
    _, owner = services.claim(job.pk)
    items.next_item(job.pk, owner)
    items.end_item(job.pk, owner, job.items.get().pk, S.CHOICE, facts={"code": "several_pages"})
    uploads.choose_picture(job=job, items=[job.items.get().pk], page=1, channel=None)
    services.finish(job.pk, owner, file=None, name="", content_type="", facts={})
    job.refresh_from_db()
    assert job.state == Job.State.WAITING
    read_uploads()
    assert states(job) == [S.DONE]


def test_the_page_offers_the_choice_and_takes_it_for_all(study):
    job = take(study, ("s.tif", stack()), ("t.tif", stack(4)))
    work(job)
    client = signed_in(study.people["manager"])
    page = page_text(client.get(address(study, "project-images")))
    assert "Page, 1 to 3" in page and "Page, 1 to 4" in page and "for all files that need a choice" in page
    form = {"item": job.items.first().pk, "page": "2", "all": "1"}
    answer = client.post(reverse("choose-job", args=[job.pk]), form, headers=HTMX)
    assert "0 of 2 files" in page_text(answer)
    read_uploads()
    assert states(job) == [S.DONE, S.DONE]
    nothing = client.post(reverse("choose-job", args=[job.pk]), {"item": "²"}, headers=HTMX)
    assert "Say which page or channel is meant." in page_text(nothing)


# -- workers that die


def test_a_killed_worker_s_successor_goes_on_with_the_file_at_work(study, monkeypatch):
    job = three(study)
    end_item = items.end_item
    ended = []

    def dies_after_the_second_image(*args, **kwargs):
        end_item(*args, **kwargs)
        ended.append(args)
        if len(ended) == 2:
            raise SystemExit  # in the transaction that stores the image, which is rolled back with it

    monkeypatch.setattr(items, "end_item", dies_after_the_second_image)
    with pytest.raises(SystemExit):
        work(job)
    assert states(job) == [S.DONE, S.RUNNING, S.WAITING]
    assert study.project.images.count() == 2
    services.recover(timezone.now() + LEASE + timedelta(seconds=1))
    work(job)
    assert states(job) == [S.DONE] * 3
    assert Image.objects.filter(project=study.project).count() == 4


def test_a_file_at_which_two_workers_died_is_declined_and_the_others_are_read(study, monkeypatch):
    job = three(study)
    read = image_services.read

    def kills(source, folder, name, **choice):
        if name == "1.png":
            raise SystemExit
        return read(source, folder, name, **choice)

    monkeypatch.setattr(image_services, "read", kills)
    for _ in range(items.MOST_DEATHS):
        with pytest.raises(SystemExit):
            work(job)
        services.recover(timezone.now() + LEASE + timedelta(seconds=1))
    work(job)
    assert states(job) == [S.DONE, S.DECLINED, S.DONE]
    assert "ended twice" in uploads.item_outcomes(job)[1].words


def test_who_has_lost_the_lease_stores_no_image(study, monkeypatch):
    job = three(study)
    claimed, _owner = services.claim(job.pk)

    def loses(item, end):
        Job.objects.filter(pk=job.pk).update(lease_owner=None)
        uploads.read_upload(job, item, end)

    with pytest.raises(LeaseLost):
        each_item(claimed, lambda done, total: None, loses)
    assert study.project.images.count() == 1


def test_a_long_job_lets_others_go_first_and_then_goes_on(study, monkeypatch, sent):
    long, short = three(study), three(study)
    monkeypatch.setattr(items, "SHARE", 0.0)
    work(long)
    long.refresh_from_db()
    assert (long.state, states(long)) == (Job.State.WAITING, [S.DONE, S.WAITING, S.WAITING])
    assert sent[-1].arguments == {"job_id": long.pk}
    Job.objects.filter(kind=Job.Kind.EXPORT).delete()
    services.cancel(short.pk)
    work(long)
    assert states(long) == [S.DONE] * 3


# -- the end of keeping


def test_what_was_not_read_expires_with_its_name(study, api):
    job = take(study, ("a.png", png(seed=901)), ("Meier_Hans.svs", b"no picture"))
    work(job)
    job.refresh_from_db()
    name = job.items.last().file.name
    services.recover(job.expires_at + timedelta(seconds=1))
    assert not uploads_storage().exists(name)
    shown = api.get(reverse("job-detail", args=[job.pk])).json()
    assert (shown["state"], [item["name"] for item in shown["items"]]) == ("expired", ["a.png"])
    answer = api.post(reverse("job-retry", args=[job.pk]))
    assert (answer.status_code, answer.json()["detail"]) == (
        409, "the files of this job were removed; send them again",
    )  # fmt: skip


def test_it_can_be_discarded_at_once_but_not_while_the_job_is_at_work(study):
    job = take(study, ("b.txt", b"b"))
    with pytest.raises(Exception, match="cancel it first"):
        discard(job.pk)
    work(job)
    name = job.items.get().file.name
    client = signed_in(study.people["manager"])
    assert "Discard them" in page_text(client.get(address(study, "project-images")))
    page = page_text(client.post(reverse("discard-job", args=[job.pk]), headers=HTMX))
    assert "b.txt" not in page
    assert not uploads_storage().exists(name)


def test_a_file_that_cannot_be_removed_keeps_no_other_job_from_its_end(study, monkeypatch, caplog):
    stuck, free = (take(study, (f"{letter}.txt", b"no picture")) for letter in "ab")
    for job in (stuck, free):
        work(job)
        job.refresh_from_db()
    name = stuck.items.get().file.name
    remove = JobItem._meta.get_field("file").storage.delete

    def fails(file):
        if file == name:
            raise PermissionError(13, "Permission denied")
        remove(file)

    monkeypatch.setattr(JobItem._meta.get_field("file").storage, "delete", fails)
    services.recover(max(stuck.expires_at, free.expires_at) + timedelta(seconds=1))
    stuck.refresh_from_db()
    free.refresh_from_db()
    assert (stuck.state, free.state) == (Job.State.DONE, Job.State.EXPIRED)
    assert f"cannot recover job {stuck.pk}" in caplog.text


def test_a_file_without_a_job_is_removed_after_a_day(study, monkeypatch):
    job = take(study, ("b.txt", b"b"))
    storage = uploads_storage()
    stray = storage.save("uploads/stray.bin", ContentFile(b"x"))
    monkeypatch.setattr(items._stray_files, "next_listing", timezone.now())
    assert items.recover(timezone.now() + timedelta(hours=1)) == []
    sentences = items.recover(timezone.now() + timedelta(days=2))
    assert f"{stray}: belonged to no job and is removed" in sentences
    assert not storage.exists(stray)
    assert storage.exists(job.items.get().file.name)


# -- what came of it


def item(state: str, size: int, took: float | None = None, began: float = 0.0) -> JobItem:
    start = timezone.now() - timedelta(seconds=100)
    made = JobItem(state=state, size=size)
    if took is not None or began:
        made.started_at = start
        made.finished_at = start + timedelta(seconds=took) if took is not None else None
    return made


def test_the_time_left_lies_between_files_and_bytes():
    done = [item(S.DONE, 10, 1.0), item(S.DECLINED, 30, 3.0)]
    assert time_left([*done[:1], item(S.WAITING, 5)], timezone.now()) is None, "one file says too little"
    assert time_left(done, timezone.now()) is None, "nothing is left"
    left = time_left([*done, item(S.WAITING, 10), item(S.WAITING, 10)], timezone.now())
    assert (left.least.total_seconds(), left.most.total_seconds()) == (2.0, 4.0)
    running = time_left([*done, item(S.RUNNING, 10, began=1)], timezone.now())
    assert running.most == timedelta(0), "it has taken longer than any before it"


def test_the_page_shows_each_file_while_it_is_read(study):
    job = take(study, ("a.png", png(seed=901)), ("b.txt", b"b"), ("c.png", png(seed=902)))
    client = signed_in(study.people["manager"])
    shown = page_text(client.get(address(study, "project-images")))
    assert "0 of 3 files" in shown and "1 job is done first" in shown
    claimed, _ = services.claim(job.pk)
    pages = []

    def stopping(item, end):
        pages.append(page_text(client.get(address(study, "project-uploads") + "?seen=0", headers=HTMX)))
        uploads.read_upload(job, item, end)

    each_item(claimed, lambda done, total: None, stopping)
    assert ["reading</span> </p>" in page for page in pages] == [True] * 3
    assert "2 of 3 files" in pages[2] and "1 of 3 files" in pages[1]
    assert "b.txt is not an image of a known format" in pages[2]


def test_the_grid_is_fetched_anew_once_in_a_while_and_at_the_end(study):
    job = take(study, ("a.png", png(seed=901)), ("c.png", png(seed=902)))
    client = signed_in(study.people["manager"])
    url = address(study, "project-uploads")
    now = int(timezone.now().timestamp())
    assert "HX-Trigger" not in client.get(f"{url}?seen=0&at=0", headers=HTMX)
    _claimed, owner = services.claim(job.pk)
    first = items.next_item(job.pk, owner)
    items.end_item(job.pk, owner, first.pk, S.DONE, facts={"image": study.image.pk})
    assert client.get(f"{url}?seen=0&at=0", headers=HTMX)["HX-Trigger"] == "images-changed"
    repeated = client.get(f"{url}?seen=0&at={now}", headers=HTMX)
    assert "HX-Trigger" not in repeated and f"seen=0&amp;at={now}" in repeated.content.decode()
    services.end(job.pk, owner, Job.State.CANCELLED)
    assert client.get(f"{url}?seen=0&at={now}", headers=HTMX)["HX-Trigger"] == "images-changed"


def test_two_people_upload_to_one_project_and_each_sees_what_they_may(study):
    three(study)
    for who, words in (("owner", True), ("manager", True)):
        page = page_text(signed_in(study.people[who]).get(address(study, "project-images")))
        assert ("0 of 3 files" in page) is words
    assert "0 of 3 files" not in page_text(signed_in(study.people["viewer"]).get(address(study, "project-images")))


def test_a_deep_picture_goes_the_whole_way_with_the_facts_of_the_upload(study):
    content = tiff(picture().astype(np.uint16) * 16, photometric=2, bits=16)
    job = take(study, ("deep.tif", content), split="val", stain="PAS", um_per_px=0.5)
    work(job)
    image = study.project.images.get(name="deep.tif")
    assert (image.split, image.stain, image.um_per_px, image.high) == ("val", "PAS", 0.5, 4095)
    with image.original.open("rb") as original:
        assert original.read() == content


def test_images_of_another_project_do_not_count(study):
    ImageFactory(name="elsewhere.png", seed=901)
    job = take(study, ("a.png", png(seed=901)))
    work(job)
    assert states(job) == [S.DONE] and job.items.get().facts.get("code") is None
