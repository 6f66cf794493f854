"""An archived project is read and exported, and changed by nobody: by no route, no service, no round at work."""

import re
import uuid
from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.annotations.models import ActivityBatch, Layer, Operation
from labeling.annotations.services import working_layer
from labeling.api import routes
from labeling.assignments.models import Admission
from labeling.errors import Archived, WrongState
from labeling.images.services import add_image
from labeling.jobs.models import Job
from labeling.jobs.services import NewItem, create_job
from labeling.label_classes.models import ClassMerge
from labeling.projects.classes import add_class
from labeling.projects.models import Project
from labeling.qualification.models import Attempt, Curriculum
from labeling.rounds.execution.archiving import archive_project, restore_project
from labeling.rounds.execution.services import retry_round, start_round
from labeling.rounds.models import ReferenceSet, Round
from labeling.site import study_urls, urls
from labeling.studies.models import Study
from labeling.studies.services import freeze
from tests.declined import assert_declined
from tests.factories import png
from tests.labeling.made_once import made_once
from tests.labeling.operations import SESSION, cell, effect, operation
from tests.labeling.pages import make_study, signed_in, toasts, with_workflow
from tests.labeling.team import a_disagreement
from tests.labeling.uploads import begun_upload, send_part

SENTENCE = "this project is archived; until an owner or manager restores it, nothing in it is changed"

# What takes a POST and yet changes nothing of the project, or is the way out of the archive.
API_OPEN = {
    "layer-presence": "kept nowhere", "project-archive": "twice is once", "project-restore": "the way out",
    "project-copy": "another project", "project-delete": "an archived project is deleted too",
    "export-list": "an archived project is exported", "job-cancel": "an export that nobody wants any more",
    "image-original": "the file goes out; that it did is written down",
    "my-theme": "one's own", "notification-seen": "one's own", "notification-choices": "one's own",
    "patient-withdrawal": "a patient withdraws from an archived project too",
    "project-list": "another project", "image-comments-seen": "the person's own; nobody else sees it",
    "agreement": "computed from what is there; nothing of the project changes",
}  # fmt: skip
FACTOR_PAGES = [
    route.name for route in urls.urlpatterns if route.name.startswith(("mfa_", "account_", "openid_", "unlink-"))
]
PAGES_OPEN = {
    "sign-in": "no project", "sign-out": "no project", "invitation": "no project",
    "invitation-join": "whoever joins is told so; test_team_pages.py", "new-project": "another project",
    "account": "no project", "account-tokens": "no project", "account-token": "no project",
    **dict.fromkeys(FACTOR_PAGES, "no project"),
    "forgotten": "no project", "confirm-address": "no project", "own-data": "no project", "person": "no project",
    "person-data": "no project",
    "account-password": "no project", "account-sessions": "no project", "reset-password": "no project",
    "administration": "no project", "audit": "no project",
    "notifications": "no project", "notifications-seen": "no project", "close-first-steps": "no project",
    "archive-project": "twice is once", "restore-project": "the way out",
    "copy-project": "another project", "delete-project": "an archived project is deleted too",
    "participation": "a running study keeps its project from being archived; withdrawing is always possible",
    "project-exports": "an archived project is exported", "cancel-job": "an export that nobody wants any more",
    "compute-agreement": "computed from what is there; nothing of the project changes",
    "withdraw-patient": "a patient withdraws from an archived project too",
    "stop-item": "the same: nobody sits at a field of an archived project",
}  # fmt: skip


def make() -> SimpleNamespace:
    """An archived project with one of everything that an address may name, and its owner."""
    made = with_workflow(make_study())
    made.owner = made.people["owner"]
    made.layer = working_layer(image=made.image, user=made.owner)
    Round.objects.filter(pk=made.round.pk).update(state=Round.State.PUBLISHED)
    made.study = Study.objects.create(project=made.project, name="t", seed=1, hypothesis="h", created_by=made.owner)
    uploaded = [NewItem("a.png", 1, "uploads/none")]
    made.upload = create_job(kind=Job.Kind.READ, project=made.project, owner=made.owner, request={}, items=uploaded)
    made.disagreement = a_disagreement(made.image, made.owner)
    made.begun = begun_upload(made.project, made.owner)
    one = made.project.classes.get()
    locked = ReferenceSet.objects.create(project=made.project, number=1, images=[], origin="scratch")
    asked = Curriculum.objects.create(project=made.project, version=1, reference_set=locked, declared_by=made.owner)
    begun = Attempt.objects.create(curriculum=asked, person=made.owner, kind="training", number=1, seed=1)
    made.field = begun.fields.create(image=made.image, position=1)
    made.admission = Admission.objects.create(project=made.project, person=made.owner, label_class=one)
    made.merge = ClassMerge.objects.create(project=made.project, source=one, target=one, merged_by=made.owner)
    archive_project(project=made.project, by=made.owner)
    made.project.refresh_from_db()
    return made


@pytest.fixture(scope="module")
def made(request, django_db_setup, django_db_blocker):
    yield from made_once(make, request, django_db_blocker)


@pytest.fixture
def there(made, db):
    return deepcopy(made)


def values(there, pattern: str) -> dict[str, Any]:
    """What an address needs, of this project."""
    job = there.upload if re.search("retry|choose|discard|confirm|withdraw", pattern) else there.job
    known = {
        "project": there.project.pk, "image": there.image.pk, "round": there.round.pk, "layer": there.layer.pk,
        "number": there.round.number, "job": job.pk, "label_class": there.project.classes.get().pk,
        "study": there.study.pk, "participant": 0, "work_item": there.item.pk,
        "comment": there.thread.pk, "invitation": there.invitation.pk, "token": "none", "personal_token": 1,
        "factor": 1, "linked": 1, "person": 1, "provider_id": "oidc",
        "upload": there.begun.pk,
        "picture": "a.png", "layout": "coco", "level": 0, "column": 0, "row": 0, "name": "times",
        "disagreement": there.disagreement.pk, "lot": there.lot.pk, "screen": uuid.UUID(int=9),
        "merge": there.merge.pk, "field": there.field.pk, "admission": there.admission.pk,
        "centre": there.centre.pk, "patient": there.project.patients.get().pk,
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
    """Statements that change a table of ours. The session in which a toast waits is none. The audit log is none either:
    it belongs to the site and not to the project, and it names every download, also one of an archived project."""
    changes = r'^(INSERT INTO|UPDATE|DELETE FROM) "labeling_(?!securityevent")|FOR UPDATE'
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
        "guideline-current": {"text": "new"}, "guideline-read": {"version": 1},
        "item-late": {"author": 1, "act": "apply"}, "job-choose": {"items": [1], "page": 2},
        "image-by-names": {"pattern": "{patient}.png"}, "centre-detail": {"name": "Bern"},
        "image-delete": {"images": [there.image.pk]}, "image-restore": {"images": [there.image.pk]},
        "patient-detail": {"name": "08"}, "patient-assign": {"dry_run": False},
        "storage": {"quota_bytes": 1}, "storage-clean-up": {"kinds": ["tiles"]},
        "disagreement-decide": {"take": "left"}, "certificate-detail": {"act": "withdraw"},
        "gallery-screens": {"id": str(uuid.UUID(int=9)), "order": "doubt", "milliseconds": 900,
                            "shown": [{"cell": str(uuid.UUID(int=5)), "pixels": 40, "milliseconds": 800}]},
        "certificate-fields": {"position": 1, "points": []},
        "certificate-cells": {"verdicts": [{"position": 1, "verdict": "right"}]},
        "slide-list": {"root": "nowhere", "paths": ["a.svs"]},
        "class-list": {"name": "mitosis"}, "class-merge": {"into": 1},
        "attempt-list": {"kind": "training"}, "admission-list": {"person": 1, "label_class": 1},
        "control-plan": {"owner": 1, "consequence": "none"},
        "project-attributes": {"attributes": []}, "member-list": {"username": "okafor"},
        "member-detail": {"role": "viewer"}, "project-round-policy": {"promotes_itself": True},
        "project-notices": {"notify_by_mail": False}, "image-accept": {"ids": [str(uuid.UUID(int=7))]},
        "image-reject": {"ids": [str(uuid.UUID(int=7))]},
        "image-relabel": {"ids": [str(uuid.UUID(int=7))], "label_class": None},
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
    fields = {"image-list": "image", "image-table": "table", "import-list": "file", "guideline-picture-list": "file"}
    if name in fields and verb == "post":
        field = fields[name]
        body, form = {field: SimpleUploadedFile("new.png", png(seed=4711))}, "multipart"
    if name == "import-list":
        body, form = {"file": SimpleUploadedFile("new.json", b"{}")}, "multipart"
    body = None if verb == "delete" else body
    address = reverse(name, kwargs=values(there, pattern))
    with CaptureQueriesContext(connection) as queries:
        if name in ("upload-list", "upload-detail"):
            answer = send_part(client, verb, address)
        else:
            answer = getattr(client, verb)(address, body, format=form)
    assert_declined(answer, 409, code="archived", says=SENTENCE)
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
    assert not any(layer["writable"] for layer in opened["layers"])
    restore_project(project=there.project, by=there.owner)
    opened = client.get(reverse("image-workspace", args=[there.image.pk])).json()
    assert opened["project"]["archived_at"] is None
    writable = [layer["kind"] for layer in opened["layers"] if layer["writable"]]
    assert writable == ["working"]


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
    routes = ("project", "project-images", "project-rounds", "project-team", "project-exports", "project-settings")
    pages = [client.get(reverse(route, args=[there.project.pk])).content.decode() for route in routes]
    assert all("This project was archived" in page for page in pages)
    page = " ".join(pages)
    assert "COCO JSON" in page
    for button in ('id="start-round"', "Add images", "Add class", "Add member", "Draw boxes"):
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
