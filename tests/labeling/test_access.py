"""Access is a table, and the table is complete."""

import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.annotations.models import Layer
from labeling.annotations.services import working_layer
from labeling.api import former_routes, routes
from labeling.assignments.declaring import declare_workflow
from labeling.images.models import Image
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.invitations import invite
from labeling.projects.models import Project, Role
from labeling.reviews.services import Pin, begin_thread
from labeling.rounds.models import Round, Snapshot, Stage
from tests.factories import ImageFactory, LayerFactory, MembershipFactory, ProjectFactory, UserFactory, png
from tests.labeling.operations import SESSION, cell, effect, operation

pytestmark = pytest.mark.django_db

WHO = ("owner", "manager", "reviewer", "annotator", "viewer", "stranger", "anonymous")
ALL = (200, 200, 200, 200, 200, 404, 401)
MATRIX: dict[tuple[str, str], tuple[int, ...]] = {
    ("get", "schema"): (200, 200, 200, 200, 200, 200, 401),
    ("get", "project-list"): (200, 200, 200, 200, 200, 200, 401),  # a stranger's list is empty, tested below
    ("get", "project-detail"): ALL,
    ("post", "project-archive"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "project-restore"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "image-list"): ALL,
    ("post", "image-list"): (202, 202, 403, 403, 403, 404, 401),
    ("patch", "image-list"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "image-table"): ALL,
    ("post", "image-table"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "image-detail"): ALL,
    ("patch", "image-detail"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "round-list"): ALL,
    ("post", "round-list"): (409, 409, 403, 403, 403, 404, 401),  # another round is at work here
    ("get", "round-before"): ALL,
    ("get", "export"): (200, 200, 200, 403, 403, 404, 401),
    ("post", "export-list"): (202, 202, 202, 403, 403, 404, 401),
    ("post", "import-list"): (202, 202, 403, 403, 403, 404, 401),
    ("post", "job-confirm"): (409, 409, 404, 404, 404, 404, 401),  # it is an export
    ("get", "job-list"): (200, 200, 200, 403, 403, 404, 401),
    ("get", "job-detail"): (200, 200, 404, 404, 404, 404, 401),  # one's own, or as who oversees the project
    ("post", "job-cancel"): (200, 200, 404, 404, 404, 404, 401),
    ("post", "job-retry"): (409, 409, 404, 404, 404, 404, 401),  # an export has no files to read again
    ("post", "job-choose"): (409, 409, 404, 404, 404, 404, 401),  # an export has no files to choose from
    ("post", "job-discard"): (409, 409, 404, 404, 404, 404, 401),  # it is at work
    ("get", "job-result"): (409, 409, 404, 404, 404, 404, 401),  # it has not been done
    ("get", "image-workspace"): ALL,
    ("post", "image-workspace"): (200, 200, 200, 200, 403, 404, 401),  # makes the layer that the person writes
    ("get", "image-pixels"): ALL,
    ("get", "image-thumbnail"): ALL,
    ("post", "image-original"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "image-tile"): ALL,
    ("get", "slide-list"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "slide-list"): (422, 422, 403, 403, 403, 404, 401),  # there is no such root
    ("get", "image-slide"): (404, 404, 404, 404, 404, 404, 401),  # the image is a picture
    ("get", "image-fields"): ALL,
    ("post", "image-fields"): (422, 422, 403, 403, 403, 404, 401),  # says no way of making them
    ("post", "image-smart"): (422, 422, 422, 422, 403, 404, 401),  # an empty prompt: who may ask hears that it is empty
    ("post", "image-refusion"): (409, 409, 409, 409, 403, 404, 401),  # no round has been fused here
    ("post", "image-refusion-former"): (409, 409, 409, 409, 403, 404, 401),
    ("get", "image-overlay"): (422, 422, 422, 422, 422, 404, 401),  # names rounds that are not finished
    ("get", "image-reference-pack"): (404, 404, 404, 404, 404, 404, 401),  # nothing is locked here
    ("post", "image-reference-masks"): (422, 422, 403, 403, 403, 404, 401),  # without a file
    ("delete", "image-reference-masks"): (422, 422, 403, 403, 403, 404, 401),  # there are none
    ("get", "reference-mask-list"): ALL,
    ("post", "reference-mask-list"): (422, 422, 403, 403, 403, 404, 401),  # without a file
    ("get", "layer-feed"): ALL,
    ("post", "layer-presence"): ALL,
    ("get", "layer-pack"): ALL,
    ("get", "layer-operations"): ALL,
    ("post", "layer-operations"): (200, 200, 200, 200, 403, 404, 401),
    ("get", "layer-heads"): ALL,
    ("post", "activity"): (200, 200, 200, 200, 200, 422, 401),  # names its image in the body
    ("get", "round-detail"): ALL,
    ("get", "round-drift"): ALL,
    ("post", "round-cancel"): (202, 202, 403, 403, 403, 404, 401),
    ("post", "round-retry"): (202, 202, 403, 403, 403, 404, 401),
    ("get", "round-compare"): (422, 422, 422, 422, 422, 404, 401),  # names rounds that are not finished
    ("post", "round-roll-back"): (409, 409, 403, 403, 403, 404, 401),  # nothing has finished here
    ("post", "round-promote"): (409, 409, 403, 403, 403, 404, 401),
    ("get", "round-tuning"): ALL,
    ("get", "round-tuning-former"): ALL,
    ("post", "round-tuning-former"): (409, 409, 403, 403, 403, 404, 401),
    ("post", "round-tuning"): (409, 409, 403, 403, 403, 404, 401),
    ("get", "round-export"): (409, 409, 409, 403, 403, 404, 401),  # nothing has finished here
    ("get", "model-version-list"): ALL,
    ("get", "weights-import-list"): ALL,
    ("post", "weights-import-list"): (422, 422, 403, 403, 403, 404, 401),  # no licence is named
    ("get", "project-workflow"): ALL,
    ("post", "project-workflow"): (200, 200, 403, 403, 403, 404, 401),
    ("delete", "project-workflow"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "item-list"): ALL,
    ("post", "item-next"): (200, 200, 200, 200, 403, 404, 401),
    ("post", "item-review"): (200, 200, 200, 403, 403, 404, 401),
    ("post", "item-assign"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "item-late-list"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "item-detail"): ALL,
    ("post", "item-begin"): (200, 200, 200, 200, 403, 404, 401),
    ("post", "item-renew"): (409, 409, 409, 409, 403, 404, 401),  # nobody has begun it
    ("post", "item-finish"): (409, 409, 409, 409, 403, 404, 401),
    ("post", "item-skip"): (409, 409, 409, 409, 403, 404, 401),
    ("post", "item-release"): (409, 409, 409, 409, 403, 404, 401),
    ("post", "item-accept"): (409, 409, 409, 403, 403, 404, 401),  # it is not in review
    ("post", "item-send-back"): (409, 409, 409, 403, 403, 404, 401),
    ("post", "item-reopen"): (409, 409, 403, 403, 403, 404, 401),
    ("post", "item-late"): (409, 409, 403, 403, 403, 404, 401),  # nothing waits
    ("get", "comment-list"): ALL,
    ("get", "image-comments"): ALL,
    ("post", "image-comments"): (201, 201, 201, 201, 201, 404, 401),
    ("post", "image-comments-seen"): ALL,
    ("post", "comment-reply"): (201, 201, 201, 201, 201, 404, 401),
    ("post", "comment-resolve"): ALL,
    ("post", "comment-reopen"): ALL,
    ("get", "invitation-list"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "invitation-list"): (201, 201, 403, 403, 403, 404, 401),
    ("post", "invitation-revoke"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "reference-set-list"): ALL,
    ("post", "reference-set-list"): (409, 409, 403, 403, 403, 404, 401),  # no image has reference masks
}

# What a route cannot do without: who may not see the thing hears nothing else of it.
QUERIES = {
    "image-overlay": "?round=1&round=2",
    "round-compare": "?round=1&round=2",
    "layer-heads": f"?annotation={uuid.UUID(int=5)}",
}


@dataclass
class Study:
    """One project with one of everything, and one person of every kind."""

    project: Project
    image: Image
    layer: Layer
    round: Round
    job: Job
    people: dict[str, Any] = field(default_factory=dict)

    def url(self, route: str) -> str:
        given = {"project": self.project.pk, "image": self.image.pk, "layer": self.layer.pk, "round": self.round.pk}
        given |= {"job": self.job.pk, "work_item": self.project.items.get().pk}
        given |= {"comment": self.image.comments.get().pk, "invitation": self.project.invitations.get().pk}
        if route == "export":
            return reverse(route, kwargs={"project": self.project.pk, "layout": "coco"})
        if route == "image-tile":
            return reverse(route, kwargs={"image": self.image.pk, "level": 0, "column": 0, "row": 0})
        if route in ("project-list", "activity", "schema"):
            return reverse(route)
        owners = {
            "image-list": "project",
            "export-list": "project",
            "import-list": "project",
            "job-list": "project",
            "image-table": "project",
            "slide-list": "project",
            "round-list": "project",
            "round-before": "project",
            "round-compare": "project",
            "round-roll-back": "project",
            "reference-set-list": "project",
            "reference-mask-list": "project",
            "model-version-list": "project",
            "weights-import-list": "project",
            "item-list": "project",
            "item-next": "project",
            "item-review": "project",
            "item-assign": "project",
            "item-late-list": "project",
            "comment-list": "project",
            "invitation-list": "project",
            "item": "work_item",
        }
        kind = route.split("-")[0]
        owner = owners.get(route, owners.get(kind, kind))
        return reverse(route, kwargs={owner: given[owner]}) + QUERIES.get(route, "")

    def body(self, route: str) -> Any:
        if route == "job-choose":
            return {"items": [1], "page": 2}
        if route in ("image-smart", "image-refusion", "image-refusion-former"):
            return {"session": SESSION, "number": 1}
        if route == "image-list":
            return {"images": [self.image.pk], "scanner": "GT450"}
        if route == "slide-list":
            return {"root": "nowhere", "paths": ["a.svs"]}
        if route == "export-list":
            return {"layout": "coco"}
        if route in ("image-comments", "comment-reply"):
            return {"text": "what is this?"}
        bodies = {
            "invitation-list": {"role": "viewer"},
            "item-assign": {"items": [self.project.items.get().pk], "readers": [self.people["annotator"].pk]},
            "item-skip": {"reason": "blurred"},
            "item-send-back": {"comment": "a cell is missing"},
            "item-reopen": {"comment": "a cell is missing"},
            "item-late": {"author": self.people["annotator"].pk, "act": "apply"},
        }
        if route in bodies:
            return bodies[route]
        if route == "layer-operations":
            return {"operations": [operation(effect(uuid.uuid4(), cell()))]}
        if route == "layer-presence":
            return {"session": SESSION, "cursor": [1, 2], "view": None, "editing": None}
        if route == "activity":
            return {
                "session": str(uuid.uuid4()),
                "image": self.image.pk,
                "wall_ms": 1.0,
                "mono_ms": 1.0,
                "first": 0,
                "events": [[1, "focus"]],
            }
        return {}


@pytest.fixture
def study():
    project = ProjectFactory()
    image = ImageFactory(project=project)
    people = {role: MembershipFactory(project=project, role=role).user for role in Role.values}
    people |= {"stranger": UserFactory(), "anonymous": None}
    layer = working_layer(image=image, user=people["owner"])
    snapshot = Snapshot.objects.create(project=project, sha256="0" * 64, content="none", summary={})
    round_ = Round.objects.create(project=project, number=1, preset="tiny", configuration={}, snapshot=snapshot)
    Stage.objects.create(round=round_, position=1, kind="pseudo_masks")
    job = create_job(kind=Job.Kind.EXPORT, project=project, owner=people["owner"], request={"layout": "coco"})
    declare_workflow(project=project, by=people["owner"])
    begin_thread(image=image, author=people["owner"], text="here", pin=Pin())
    invite(project=project, role=Role.VIEWER, by=people["owner"])
    return Study(project, image, layer, round_, job, people)


@pytest.fixture
def call(study):
    def go(who: str, method: str, route: str) -> Any:
        client = APIClient()
        client.force_authenticate(study.people[who])
        if (method, route) == ("post", "image-list"):
            file = SimpleUploadedFile("new.png", png(seed=4711))
            return client.post(study.url(route), {"image": file}, format="multipart")
        if (method, route) == ("post", "image-table"):
            table = SimpleUploadedFile("images.csv", b"image,scanner\n")
            return client.post(study.url(route), {"table": table}, format="multipart")
        if (method, route) == ("post", "import-list"):
            file = SimpleUploadedFile("a.geojson", b'{"type": "FeatureCollection", "features": []}')
            return client.post(study.url(route), {"file": file, "aim": "working"}, format="multipart")
        if method == "get":
            return client.get(study.url(route))
        if route in ("weights-import-list", "reference-mask-list", "image-reference-masks") and method == "post":
            return client.post(study.url(route), {}, format="multipart")
        return getattr(client, method)(study.url(route), study.body(route), format="json")

    return go


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("what", MATRIX, ids="-".join)
def test_who_may_do_what(what, who, call):
    answer = call(who, *what)
    assert answer.status_code == MATRIX[what][WHO.index(who)], answer.content
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] and answer.json()["detail"]


def test_the_matrix_names_every_route_and_verb():
    there = {
        (verb, route.name)
        for route in [*routes(), *former_routes()]
        for verb in ("get", "post", "put", "patch", "delete")
        if hasattr(route.callback.cls, verb)
    }
    assert set(MATRIX) == there


def test_a_stranger_s_list_is_empty(study):
    client = APIClient()
    client.force_authenticate(study.people["stranger"])
    assert client.get(reverse("project-list")).json()["items"] == []
    client.force_authenticate(study.people["viewer"])
    assert [p["id"] for p in client.get(reverse("project-list")).json()["items"]] == [study.project.pk]


@pytest.mark.parametrize(("who", "sees"), [("reviewer", 200), ("annotator", 404), ("viewer", 404)])
def test_where_every_annotator_has_a_layer_they_do_not_see_each_other_s(who, sees, study):
    study.project.layering = Project.Layering.PER_ANNOTATOR
    study.project.save()
    colleague = MembershipFactory(project=study.project).user
    foreign = LayerFactory(image=study.image, annotator=colleague)
    client = APIClient()
    client.force_authenticate(study.people[who])
    assert client.get(reverse("layer-pack", args=[foreign.pk])).status_code == sees
    listed = client.get(reverse("image-workspace", args=[study.image.pk])).json()["layers"]
    assert (str(foreign.pk) in [layer["id"] for layer in listed]) == (sees == 200)


def test_nobody_writes_a_colleague_s_layer(study):
    study.project.layering = Project.Layering.PER_ANNOTATOR
    study.project.save()
    foreign = LayerFactory(image=study.image, annotator=study.people["annotator"])
    client = APIClient()
    client.force_authenticate(study.people["owner"])
    body = {"operations": [operation(effect(uuid.uuid4(), cell()))]}
    assert client.post(reverse("layer-operations", args=[foreign.pk]), body, format="json").status_code == 422


def test_the_author_is_the_signed_in_person_whatever_the_body_says(study):
    client = APIClient()
    client.force_authenticate(study.people["annotator"])
    forged = operation(effect(uuid.uuid4(), cell()), author=study.people["owner"].pk, session=SESSION)
    address = reverse("layer-operations", args=[study.layer.pk])
    assert client.post(address, {"operations": [forged]}, format="json").status_code == 422
    del forged["author"]
    assert client.post(address, {"operations": [forged]}, format="json").status_code == 200
    assert study.layer.operations.get().author == study.people["annotator"]
