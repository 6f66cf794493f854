"""An archived project is read and exported, and changed by nobody: by no route, no service, no round at work."""

import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from inference.detectors import centre
from inference.segmenters import unet
from inference.worker import tasks
from labeling import leases
from labeling.annotations.models import ActivityBatch, Layer, Operation
from labeling.annotations.services import working_layer
from labeling.api import routes
from labeling.errors import Archived, WrongState
from labeling.images.services import add_image
from labeling.jobs.models import Job
from labeling.jobs.services import NewItem, create_job
from labeling.projects.models import Project
from labeling.projects.services import add_class
from labeling.rounds.execution import archiving, stages
from labeling.rounds.execution.archiving import archive_project, restore_project
from labeling.rounds.execution.services import retry_round, start_next, start_round
from labeling.rounds.models import Round, Stage, StageLine
from labeling.site import study_urls, urls
from labeling.studies.models import Study
from labeling.studies.services import freeze
from tests.factories import UserFactory, png
from tests.labeling.operations import SESSION, cell, effect, operation
from tests.labeling.pages import make_study, signed_in, toasts, with_workflow
from tests.labeling.rounds import run_all, small_project

SENTENCE = "this project is archived; until an owner or manager restores it, nothing in it is changed"

# What takes a POST and yet changes nothing of the project, or is the way out of the archive.
API_OPEN = {
    "layer-presence": "kept nowhere", "project-archive": "twice is once", "project-restore": "the way out",
    "export-list": "an archived project is exported", "job-cancel": "an export that nobody wants any more",
    "image-original": "the file goes out; that it did is written down",
    "image-comments-seen": "the person's own; nobody else sees it",
}  # fmt: skip
PAGES_OPEN = {
    "sign-in": "no project", "sign-out": "no project", "invitation": "no project",
    "invitation-join": "whoever joins is told so; test_team_pages.py", "new-project": "another project",
    "account": "no project", "administration": "no project",
    "archive-project": "twice is once", "restore-project": "the way out",
    "participation": "a running study keeps its project from being archived; withdrawing is always possible",
    "project-exports": "an archived project is exported", "cancel-job": "an export that nobody wants any more",
    "stop-item": "the same: nobody sits at a field of an archived project",
}  # fmt: skip


@pytest.fixture
def there(db):
    """An archived project with one of everything that an address may name, and its owner."""
    made = with_workflow(make_study())
    made.owner = made.people["owner"]
    made.layer = working_layer(image=made.image, user=made.owner)
    Round.objects.filter(pk=made.round.pk).update(state=Round.State.PUBLISHED)
    made.study = Study.objects.create(project=made.project, name="t", seed=1, hypothesis="h", created_by=made.owner)
    uploaded = [NewItem("a.png", 1, "uploads/none")]
    made.upload = create_job(kind=Job.Kind.READ, project=made.project, owner=made.owner, request={}, items=uploaded)
    archive_project(project=made.project, by=made.owner)
    made.project.refresh_from_db()
    return made


def values(there, pattern: str) -> dict[str, Any]:
    """What an address needs, of this project."""
    job = there.upload if re.search("retry|choose|discard|confirm", pattern) else there.job
    known = {
        "project": there.project.pk, "image": there.image.pk, "round": there.round.pk, "layer": there.layer.pk,
        "number": there.round.number, "job": job.pk, "label_class": there.project.classes.get().pk,
        "study": there.study.pk, "participant": 0, "work_item": there.item.pk,
        "comment": there.thread.pk, "invitation": there.invitation.pk, "token": "none", "layout": "coco",
        "level": 0, "column": 0, "row": 0, "name": "times",
        "membership": there.project.memberships.exclude(role="owner")[0].pk,
    }  # fmt: skip
    return {name: known[name] for name in re.findall(r"<\w+:(\w+)>", pattern)}


def in_use(there, act: Callable[[], Any]) -> Any:
    """What `act` answers while the project is in use."""
    restore_project(project=there.project, by=there.owner)
    answer = act()
    archive_project(project=there.project, by=there.owner)
    return answer


def written(queries) -> list[str]:
    """Statements that change a table of ours; the session in which a toast waits is none."""
    changes = r'^(INSERT INTO|UPDATE|DELETE FROM) "labeling_|FOR UPDATE'
    return [q["sql"][:200] for q in queries if re.search(changes, q["sql"])]


def api_bodies(there, route: str) -> Any:
    if route == "layer-operations":
        return {"operations": [operation(effect(uuid.uuid4(), cell()))]}
    if route == "activity":
        batch = {"session": SESSION, "image": there.image.pk, "wall_ms": 1.0, "mono_ms": 1.0, "first": 0}
        return batch | {"events": [[1, "focus"]]}
    if route in ("image-smart", "image-refusion"):
        return {"session": SESSION, "number": 1}
    if route == "image-list":
        return {"images": [there.image.pk], "scanner": "GT450"}
    bodies = {
        "image-comments": {"text": "here"}, "comment-reply": {"text": "here"}, "invitation-list": {"role": "viewer"},
        "item-assign": {"items": [1], "readers": [1]}, "item-skip": {"reason": "blurred"},
        "item-late": {"author": 1, "act": "apply"}, "job-choose": {"items": [1], "page": 2},
        "slide-list": {"root": "nowhere", "paths": ["a.svs"]},
    }  # fmt: skip
    return bodies.get(route, {})


WRITING = [
    (verb, route.name, str(route.pattern))
    for route in routes()
    for verb in ("post", "put", "patch", "delete")
    if hasattr(route.callback.cls, verb) and route.name not in API_OPEN
]


@pytest.mark.parametrize(("verb", "name", "pattern"), WRITING, ids=[f"{v}-{n}" for v, n, _ in WRITING])
def test_every_writing_route_of_the_api_is_refused(there, verb, name, pattern):
    client = APIClient()
    client.force_authenticate(there.owner)
    body, form = api_bodies(there, name), "json"
    fields = {"image-list": "image", "image-table": "table", "import-list": "file"}
    if name in fields and verb == "post":
        field = fields[name]
        body, form = {field: SimpleUploadedFile("new.png", png(seed=4711))}, "multipart"
    if name == "import-list":
        body, form = {"file": SimpleUploadedFile("new.json", b"{}")}, "multipart"
    with CaptureQueriesContext(connection) as queries:
        answer = getattr(client, verb)(reverse(name, kwargs=values(there, pattern)), body, format=form)
    assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (409, "archived", SENTENCE)
    assert answer["Content-Type"] == "application/problem+json"
    assert written(queries) == []


PAGES = [
    (u.name, str(u.pattern))
    for u in [*urls.urlpatterns, *study_urls.urlpatterns]
    if u.name not in PAGES_OPEN and "participations/" not in str(u.pattern) and "study-items/" not in str(u.pattern)
]


@pytest.mark.parametrize(("name", "pattern"), PAGES, ids=[n for n, _ in PAGES])
def test_every_page_is_refused_what_it_sends_and_still_shows(there, name, pattern):
    """GET and POST of every page: one answers as it did before, the other never writes."""
    client = signed_in(there.owner)
    address = reverse(name, kwargs=values(there, pattern))
    before = in_use(there, lambda: client.get(address))
    with CaptureQueriesContext(connection) as queries:
        seen = client.get(address)
        sent = client.post(address, {"name": "x", "act": "enrol"})
    assert written(queries) == []
    assert seen.status_code == before.status_code and {seen.status_code, sent.status_code} != {405}
    if sent.status_code != 405:
        assert sent.status_code == 302 and sent.url == reverse("project", args=[there.project.pk])
        assert toasts(sent)[-1] == SENTENCE.capitalize() + "."


def test_what_is_open_is_named_by_routes_that_are_there():
    assert set(API_OPEN) <= {route.name for route in routes()}
    assert set(PAGES_OPEN) <= {u.name for u in [*urls.urlpatterns, *study_urls.urlpatterns]}


@pytest.mark.parametrize("route", [r for r in routes() if hasattr(r.callback.cls, "get")], ids=lambda r: r.name)
def test_everything_is_read_and_exported_and_reading_writes_nothing(there, route):
    client = APIClient()
    client.force_authenticate(there.owner)
    Layer.objects.filter(pk=there.layer.pk).update(kind=Layer.Kind.CONSENSUS)
    address = reverse(route.name, kwargs=values(there, str(route.pattern)))
    before = in_use(there, lambda: client.get(address))  # also 422 where it names no rounds, 404 where nothing is there
    Layer.objects.filter(kind=Layer.Kind.WORKING).delete()  # which looking has made, and is not to make again
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address)
    assert answer.status_code == before.status_code
    assert written(queries) == []


def test_the_workspace_opens_for_looking(there):
    client = APIClient()
    client.force_authenticate(there.owner)
    opened = client.get(reverse("image-workspace", args=[there.image.pk])).json()
    assert opened["project"]["archived_at"] is not None and opened["project"]["records_activity"] is False
    assert [layer["writable"] for layer in opened["layers"]] == [False]
    restore_project(project=there.project, by=there.owner)
    opened = client.get(reverse("image-workspace", args=[there.image.pk])).json()
    assert opened["project"]["archived_at"] is None
    assert [layer["writable"] for layer in opened["layers"]] == [True]


def test_what_was_refused_is_taken_after_the_restoring(there):
    """The browser keeps it and sends it again: the same operation, the same activity."""
    client = APIClient()
    client.force_authenticate(there.owner)
    there.project.records_activity = True
    there.project.save()
    address = reverse("layer-operations", args=[there.layer.pk])
    body, before = api_bodies(there, "layer-operations"), Operation.objects.count()
    assert client.post(address, body, format="json").status_code == 409
    assert client.post(reverse("activity"), api_bodies(there, "activity"), format="json").status_code == 409
    assert client.post(reverse("project-restore", args=[there.project.pk])).json()["archived_at"] is None
    assert client.post(address, body, format="json").json()["results"][0]["verdict"] == "accepted"
    assert client.post(reverse("activity"), api_bodies(there, "activity"), format="json").json() == {"stored": True}
    assert (Operation.objects.count(), ActivityBatch.objects.count()) == (before + 1, 1)


def test_archived_projects_stand_folded_below_and_come_back_with_one_click(there):
    client = signed_in(there.owner)
    home = client.get("/").content.decode()
    assert "1 archived project" in home and 'class="panel-card is-link"' not in home
    assert f"Restore {there.project.name}" in home
    viewer = signed_in(there.people["viewer"]).get("/").content.decode()
    assert "1 archived project" in viewer and f"Restore {there.project.name}" not in viewer
    page = client.get(reverse("project", args=[there.project.pk])).content.decode()
    assert "This project was archived" in page and "COCO JSON" in page
    for button in ("Start round", "Add images", "Add class", "Add member", "Draw boxes"):
        assert button not in page
    answer = client.post(reverse("restore-project", args=[there.project.pk]))
    assert toasts(answer) == ["Breast is in use again."]
    home = client.get("/").content.decode()
    assert "archived project" not in home and 'class="panel-card is-link"' in home
    there.project.refresh_from_db()
    assert (there.project.archived_at, there.project.archived_by) == (None, None)


def test_an_upload_from_an_older_page_moves_that_page(there):
    client = Client(headers={"HX-Request": "true"})
    client.force_login(there.owner)
    file = SimpleUploadedFile("new.png", png(seed=4711))
    answer = client.post(reverse("project-images", args=[there.project.pk]), {"images": file})
    assert answer.headers["HX-Redirect"] == reverse("project", args=[there.project.pk])


def test_services_refuse_whoever_calls_them(there):
    calls = [
        lambda: add_class(project=there.project, name="new"),
        lambda: add_image(project=there.project, name="new.png", content=png(seed=4711)),
        lambda: start_round(project=there.project, by=there.owner),
        lambda: retry_round(round_=there.round),
        lambda: freeze(study=there.study, by=there.owner),
    ]
    for call in calls:
        with pytest.raises(Archived):
            call()


def test_who_archived_first_is_remembered_and_a_running_study_keeps_its_project(there):
    first = there.project.archived_at
    again = archive_project(project=there.project, by=there.people["manager"])
    assert (again.archived_at, again.archived_by) == (first, there.owner)
    restore_project(project=there.project, by=there.owner)
    there.study.protocol, there.study.protocol_sha256, there.study.state = {}, "0" * 64, Study.State.RUNNING
    there.study.save()
    with pytest.raises(WrongState, match="the study “t” is running"):
        archive_project(project=there.project, by=there.owner)
    assert Project.objects.get(pk=there.project.pk).archived_at is None


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


# -- archived during a round


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
