"""Jobs: asked for once, owned by a lease, cancelled, started again after a death, gone after a while."""

import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

import inference.worker.proposing  # noqa: F401 (registers its handler, as the worker for models does)
import labeling.exchange.tasks
import labeling.images.tasks  # noqa: F401 (both register handlers, as they do in a worker)
from labeling.errors import Invalid, WrongState
from labeling.jobs import handlers, services, tasks
from labeling.jobs.handlers import HANDLERS, Result
from labeling.jobs.models import Job
from labeling.leases import LEASE, LeaseLost
from labeling.projects.models import Role
from tests.factories import ImageFactory, MembershipFactory, UserFactory
from tests.labeling.operations import names
from tests.labeling.pages import signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


@pytest.fixture
def owner():
    return MembershipFactory(role="owner")


@pytest.fixture
def job(owner):
    return asked(owner)


def asked(member, **request) -> Job:
    wanted = {"layout": "coco", "include": ["masks"], "segmentation": "rle", "images": False} | request
    return services.create_job(kind=Job.Kind.EXPORT, project=member.project, owner=member.user, request=wanted)


def work(monkeypatch, handler) -> None:
    monkeypatch.setitem(HANDLERS, Job.Kind.EXPORT, handler)


def test_an_export_is_asked_for_done_and_fetched(owner, sent):
    ImageFactory(project=owner.project)
    client = signed_in(owner.user)
    answer = client.post(
        reverse("export-list", args=[owner.project_id]), {"layout": "labels"}, content_type="application/json"
    )
    assert answer.status_code == 202 and answer["Location"] == reverse("job-detail", args=[answer.json()["id"]])
    (message,) = sent
    assert (message.task, message.queue) == ("labeling.run_job", "files")
    tasks.run_job(**message.arguments)
    shown = client.get(answer["Location"]).json()
    assert (shown["state"], shown["done"], shown["total"]) == ("done", 1, 1) and shown["facts"]["images"] == 1
    result = client.get(shown["result"])
    assert result["Content-Disposition"].endswith('-labels.zip"') and result.getvalue()[:2] == b"PK"


def test_two_clicks_are_one_job_and_other_settings_are_another(owner, sent):
    assert asked(owner) == asked(owner) != asked(owner, images=True)
    assert len(sent) == 2


def test_nobody_fills_the_queue(owner):
    for number in range(services.MOST_ACTIVE[Job.Kind.EXPORT]):
        asked(owner, number=number)
    with pytest.raises(services.TooManyJobs, match="5 running jobs"):
        asked(owner)


def test_a_message_that_comes_twice_does_the_work_once(job, monkeypatch):
    made = []
    work(monkeypatch, lambda job, folder, tell: made.append(1) or result_in(folder))
    tasks.run_job(job.pk)
    tasks.run_job(job.pk)
    assert made == [1]


def result_in(folder: Path) -> Result:
    file = folder / "export"
    file.write_bytes(b"{}")
    return Result(file, "a.json", "application/json")


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_between_units(owner, job, monkeypatch):
    assert services.cancel(job.pk).state == Job.State.CANCELLED
    assert services.cancel(job.pk).state == Job.State.CANCELLED, "a second click changes nothing"
    Job.objects.filter(pk=job.pk).update(state=Job.State.DONE)
    with pytest.raises(WrongState, match="has ended"):
        services.cancel(job.pk)

    def cancelled_in_the_middle(job, folder, tell):
        tell(1, 3)
        services.cancel(job.pk)
        wait_for_the_heartbeat(tell)
        return result_in(folder)

    monkeypatch.setattr("labeling.leases.RENEW_EVERY", 0.01)
    work(monkeypatch, cancelled_in_the_middle)
    # The heartbeat's thread has a connection of its own, which does not see this test's transaction.
    monkeypatch.setattr(services, "renew", lambda job_id, owner: True)
    second = asked(owner, images=True)
    tasks.run_job(second.pk)
    second.refresh_from_db()
    assert second.state == Job.State.CANCELLED and not second.result


def wait_for_the_heartbeat(tell) -> None:
    import time

    for _ in range(500):
        tell(2, 3)
        time.sleep(0.01)
    raise AssertionError("the job was not cancelled")


def test_a_job_whose_worker_died_starts_again_three_times_at_most(job, sent):
    for attempt in range(1, Job.MAX_ATTEMPTS + 1):
        claimed = services.claim(job.pk)
        assert claimed is not None and claimed[0].attempts == attempt
        services.recover(timezone.now() + LEASE + timedelta(seconds=1))
    job.refresh_from_db()
    assert job.state == Job.State.FAILED and "died 3 times" in job.error
    assert len(sent) == 1 + (Job.MAX_ATTEMPTS - 1), "sent at first and after each death but the last"


def test_the_first_worker_writes_nothing_when_a_second_owns_the_job(job, tmp_path):
    _, first = services.claim(job.pk)
    services.recover(timezone.now() + LEASE + timedelta(seconds=1))
    _, second = services.claim(job.pk)
    file = tmp_path / "late"
    file.write_bytes(b"late")
    with pytest.raises(LeaseLost):
        services.finish(job.pk, first, file=file, name="late", content_type="text/plain", facts={})
    with pytest.raises(LeaseLost):
        services.report(job.pk, first, done=1, total=1)
    assert services.renew(job.pk, second) is False
    storage = Job._meta.get_field("result").storage
    assert [name for name in storage.listdir("jobs")[1] if name.startswith(f"{job.pk}-")] == [], "nothing is left"


def test_a_lost_message_is_sent_again(job, sent):
    services.recover(timezone.now() + timedelta(seconds=61))
    assert [message.arguments for message in sent] == [{"job_id": job.pk}] * 2


def test_a_result_expires_and_says_so(job, owner, monkeypatch):
    work(monkeypatch, lambda job, folder, tell: result_in(folder))
    tasks.run_job(job.pk)
    job.refresh_from_db()
    storage, name = job.result.storage, job.result.name
    services.recover(job.expires_at + timedelta(seconds=1))
    answer = signed_in(owner.user).get(reverse("job-result", args=[job.pk]))
    assert answer.status_code == 409 and "expired" in answer.json()["detail"] and not storage.exists(name)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Invalid("there is no such layout"), "there is no such layout"),
        (OSError(28, "No space left on device"), "The disk is full"),
    ],
)
def test_what_is_expected_to_fail_leaves_a_sentence(job, monkeypatch, error, sentence):
    def fails(job, folder, tell):
        raise error

    work(monkeypatch, fails)
    tasks.run_job(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.FAILED and sentence in job.error


def test_a_bug_is_noted_and_raised(job, monkeypatch):
    work(monkeypatch, lambda job, folder, tell: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tasks.run_job(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.FAILED and "ZeroDivisionError" in job.error


def test_every_kind_has_a_handler():
    assert set(HANDLERS) == set(Job.Kind.values)
    with pytest.raises(ValueError, match="already"):
        handlers.handles(Job.Kind.EXPORT)(lambda job, folder, tell: None)


def test_jobs_are_seen_by_their_owner_and_by_who_oversees(owner, job):
    project = owner.project
    reviewer = MembershipFactory(project=project, role=Role.REVIEWER)
    manager = MembershipFactory(project=project, role=Role.MANAGER)
    detail = reverse("job-detail", args=[job.pk])
    statuses = {
        "owner": signed_in(owner.user).get(detail).status_code,
        "manager": signed_in(manager.user).get(detail).status_code,
        "reviewer": signed_in(reviewer.user).get(detail).status_code,
        "stranger": signed_in(UserFactory()).get(detail).status_code,
    }
    assert statuses == {"owner": 200, "manager": 200, "reviewer": 404, "stranger": 404}
    mine = asked(reviewer)
    shown = signed_in(reviewer.user).get(reverse("job-list", args=[project.pk])).json()["items"]
    assert [one["id"] for one in shown] == [mine.pk]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"layout": "coco", "inclde": []}, "inclde"),
        ({"layout": 3}, "layout"),
        ({"layout": "coco", "include": "masks"}, "include"),
        ({"layout": "coco", "images": "yes"}, "images"),
        ({}, "layout"),
    ],
)
def test_a_misspelt_request_is_refused_by_name(owner, body, field):
    url = reverse("export-list", args=[owner.project_id])
    answer = signed_in(owner.user).post(url, body, content_type="application/json")
    assert answer.status_code == 422 and names(field, answer.json()["field"])
    assert not Job.objects.exists()


def test_a_job_that_is_gone_is_nobodys(db):
    assert services.claim(12345) is None
    with pytest.raises(LeaseLost):
        services.renew(12345, uuid.uuid4())


@pytest.mark.parametrize("kind", Job.Kind.values)
def test_who_cancels_a_job_on_a_page_comes_back_to_where_it_is_shown(owner, kind):
    image = ImageFactory(project=owner.project)
    asked = {"image": image.pk, "lot": 7}
    job = services.create_job(kind=Job.Kind(kind), project=owner.project, owner=owner.user, request=asked)
    answer = signed_in(owner.user).post(reverse("cancel-job", args=[job.pk]))
    job.refresh_from_db()
    assert (answer.status_code, job.state) == (302, Job.State.CANCELLED)
    shown = {
        Job.Kind.CONSENSUS: reverse("adjudication", args=[image.pk]),
        Job.Kind.CERTIFICATE: reverse("certificate", args=[7]),
    }
    assert answer["Location"].startswith(shown.get(kind, reverse("project", args=[owner.project_id])))
