"""Access is a table, and the table is complete."""

import uuid
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.annotations.models import Layer
from labeling.annotations.services import load_layer, working_layer, write_operations
from labeling.api import former_routes, routes
from labeling.assignments.declaring import declare_workflow
from labeling.images.models import Image
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.invitations import invite
from labeling.projects.models import Project, Role
from labeling.reviews.services import Pin, begin_thread
from labeling.rounds.models import Round, Snapshot, Stage
from labeling.studies import models
from tests.factories import (
    ImageFactory,
    LabelClassFactory,
    LayerFactory,
    MembershipFactory,
    ProjectFactory,
    UserFactory,
    png,
)
from tests.labeling.lots import bare_lot
from tests.labeling.made_once import made_once
from tests.labeling.operations import SESSION, cell, effect, operation
from tests.labeling.pages import proposals, with_guidelines
from tests.labeling.uploads import begun_upload, send_part

pytestmark = pytest.mark.django_db

WHO = ("owner", "manager", "reviewer", "annotator", "viewer", "stranger", "anonymous")
ALL = (200, 200, 200, 200, 200, 404, 401)
MATRIX: dict[tuple[str, str], tuple[int, ...]] = {
    ("get", "schema"): (200, 200, 200, 200, 200, 200, 401),
    ("get", "project-list"): (200, 200, 200, 200, 200, 200, 401),  # a stranger's list is empty, tested below
    ("post", "project-list"): (201, 403, 403, 403, 403, 403, 401),  # a right; the owner has it here
    ("get", "notification-list"): (200, 200, 200, 200, 200, 200, 401),
    ("post", "notification-seen"): (200, 200, 200, 200, 200, 200, 401),
    ("get", "notification-choices"): (200, 200, 200, 200, 200, 200, 401),
    ("put", "notification-choices"): (200, 200, 200, 200, 200, 200, 401),
    ("get", "me"): (200, 200, 200, 200, 200, 200, 401),
    ("post", "my-theme"): (422, 422, 422, 422, 422, 422, 401),
    ("get", "search-names"): (422, 422, 422, 422, 422, 422, 401),  # nothing is searched for
    ("get", "project-detail"): ALL,
    ("patch", "project-detail"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "class-list"): ALL,
    ("post", "class-list"): (201, 201, 403, 403, 403, 404, 401),
    ("get", "class-detail"): ALL,
    ("patch", "class-detail"): (200, 200, 403, 403, 403, 404, 401),
    ("delete", "class-detail"): (409, 409, 403, 403, 403, 404, 401),  # the last one stays
    ("get", "curriculum"): ALL,
    ("post", "curriculum"): (409, 409, 403, 403, 403, 404, 401),  # nothing is locked; test_qualification.py
    ("get", "control-plan"): ALL,
    ("post", "control-plan"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "attempt-list"): ALL,
    ("post", "attempt-list"): (409, 409, 409, 409, 403, 404, 401),  # nobody has declared what is asked
    ("post", "attempt-field-open"): (404, 404, 404, 404, 404, 404, 401),  # nobody's
    ("post", "attempt-field-finish"): (404, 404, 404, 404, 404, 404, 401),
    ("get", "attempt-field-feedback"): (404, 404, 404, 404, 404, 404, 401),
    ("get", "admission-list"): ALL,
    ("post", "admission-list"): (201, 201, 403, 403, 403, 404, 401),
    ("post", "admission-withdraw"): (404, 404, 404, 404, 404, 404, 401),  # there is none; test_admission.py
    ("get", "class-uses"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "class-merge"): (422, 422, 403, 403, 403, 404, 401),  # into itself
    ("get", "class-merge-list"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "merge-take-back"): (404, 404, 404, 404, 404, 404, 401),  # there is none; test_label_classes.py
    ("get", "project-attributes"): ALL,
    ("put", "project-attributes"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "member-list"): ALL,
    ("post", "member-list"): (201, 201, 403, 403, 403, 404, 401),
    ("patch", "member-detail"): (200, 200, 403, 403, 403, 404, 401),
    ("delete", "member-detail"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "member-invite"): (201, 201, 403, 403, 403, 404, 401),
    ("get", "project-active-time"): ALL,
    ("get", "project-round-policy"): ALL,
    ("put", "project-round-policy"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "project-notices"): (200, 200, 403, 403, 403, 404, 401),
    ("put", "project-notices"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "notices-secret"): (422, 422, 403, 403, 403, 404, 401),  # there is no webhook
    ("post", "notices-test"): (422, 422, 403, 403, 403, 404, 401),  # nobody is told yet
    ("get", "study-list"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "study-detail"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "study-numbers"): (409, 409, 403, 403, 403, 404, 401),  # a draft has no results
    ("get", "image-annotations"): ALL,
    ("get", "image-history"): ALL,
    ("get", "image-geojson"): ALL,
    ("post", "image-accept"): (200, 200, 200, 200, 403, 404, 401),
    ("post", "image-reject"): (200, 200, 200, 200, 403, 404, 401),
    ("post", "image-relabel"): (200, 200, 200, 200, 403, 404, 401),
    ("get", "round-events"): ALL,
    ("post", "project-archive"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "project-restore"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "project-copy"): (201, 403, 403, 403, 403, 404, 401),  # a manager lacks the right to create projects here
    ("post", "project-delete"): (200, 403, 403, 403, 403, 404, 401),
    ("get", "image-list"): ALL,
    ("post", "image-list"): (202, 202, 403, 403, 403, 404, 401),
    ("patch", "image-list"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "image-table"): ALL,
    ("post", "image-table"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "image-detail"): ALL,
    ("patch", "image-detail"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "image-by-names"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "image-delete"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "image-restore"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "centre-list"): ALL,
    ("patch", "centre-detail"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "patient-list"): ALL,
    ("patch", "patient-detail"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "patient-withdrawal"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "patient-withdrawal"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "patient-assign"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "split-change-list"): ALL,
    ("get", "storage"): (200, 200, 403, 403, 403, 404, 401),
    ("patch", "storage"): (200, 403, 403, 403, 403, 404, 401),  # a quota is the owner's
    ("post", "storage-clean-up"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "round-list"): ALL,
    ("post", "round-list"): (409, 409, 403, 403, 403, 404, 401),  # another round is at work here
    ("get", "round-before"): ALL,
    ("get", "export"): (200, 200, 200, 403, 403, 404, 401),
    ("post", "export-list"): (202, 202, 202, 403, 403, 404, 401),
    ("post", "import-list"): (202, 202, 403, 403, 403, 404, 401),
    ("post", "job-confirm"): (409, 409, 404, 404, 404, 404, 401),  # it is an export
    ("post", "proposal-list"): (202, 202, 403, 403, 403, 404, 401),
    ("get", "proposal-before"): ALL,
    ("post", "job-withdraw"): (409, 409, 404, 404, 404, 404, 401),  # it is an export
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
    ("get", "image-outlines"): ALL,
    ("post", "image-original"): (200, 200, 403, 403, 403, 404, 401),
    ("get", "image-tile"): ALL,
    ("get", "upload-list"): (200, 200, 403, 403, 403, 404, 401),
    ("post", "upload-list"): (201, 201, 403, 403, 403, 404, 401),
    ("get", "upload-detail"): (200, 404, 404, 404, 404, 404, 401),  # one's own alone
    ("patch", "upload-detail"): (204, 404, 404, 404, 404, 404, 401),
    ("delete", "upload-detail"): (204, 404, 404, 404, 404, 404, 401),
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
    ("post", "item-unblind"): (409, 409, 403, 403, 403, 404, 401),  # its readings are not blinded
    ("post", "item-late"): (409, 409, 403, 403, 403, 404, 401),  # nothing waits
    ("get", "agreement"): ALL,
    ("post", "agreement"): (409, 409, 409, 409, 409, 404, 401),  # nothing has been read twice
    ("get", "agreement-table"): ALL,
    ("get", "image-consensus"): (404, 404, 404, 403, 403, 404, 401),  # nobody has made one
    ("post", "image-consensus"): (409, 409, 409, 403, 403, 404, 401),  # nothing has been read twice
    ("post", "disagreement-decide"): (404, 404, 404, 404, 404, 404, 401),  # there is none
    ("post", "consensus-lock"): (409, 409, 403, 403, 403, 404, 401),  # nothing is decided
    ("get", "consensus-votes"): (200, 200, 200, 403, 403, 404, 401),
    ("get", "dashboard"): ALL,
    ("get", "dashboard-table"): ALL,
    ("get", "guideline-current"): ALL,
    ("post", "guideline-current"): (201, 201, 403, 403, 403, 404, 401),
    ("get", "guideline-list"): ALL,
    ("post", "guideline-read"): ALL,
    ("get", "guideline-picture-list"): ALL,
    ("post", "guideline-picture-list"): (422, 422, 422, 422, 422, 422, 401),  # no file; test_guidelines.py
    ("get", "guideline-picture"): ALL,
    ("get", "gallery-cells"): ALL,
    ("get", "gallery-likeness"): ALL,
    ("post", "gallery-likeness"): (202, 202, 202, 202, 403, 404, 401),
    ("get", "gallery-map"): ALL,
    ("post", "gallery-map"): (409, 409, 409, 409, 403, 404, 401),
    ("get", "gallery-sheet"): ALL,
    ("post", "gallery-screens"): (200, 200, 200, 200, 403, 404, 401),
    ("post", "gallery-screen-undo"): (409, 409, 409, 409, 403, 404, 401),  # there is no such screen
    ("get", "certificate-list"): (200, 200, 200, 403, 403, 404, 401),
    ("post", "certificate-list"): (409, 409, 403, 403, 403, 404, 401),  # nothing is proposed here
    ("get", "certificate-detail"): (200, 200, 200, 404, 404, 404, 401),
    ("post", "certificate-detail"): (200, 200, 403, 404, 404, 404, 401),
    ("get", "certificate-cells"): (200, 200, 200, 404, 404, 404, 401),
    ("post", "certificate-cells"): (200, 200, 200, 404, 404, 404, 401),
    ("get", "certificate-fields"): (200, 200, 200, 404, 404, 404, 401),
    ("post", "certificate-fields"): (422, 422, 422, 404, 404, 404, 401),  # its lot has no fields
    ("get", "certificate-record"): (409, 409, 409, 404, 404, 404, 401),  # it is being judged
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

SCREEN = {
    "id": str(uuid.UUID(int=9)),
    "order": "doubt",
    "milliseconds": 900,
    "shown": [{"cell": str(uuid.UUID(int=5)), "pixels": 40, "milliseconds": 800}],
}
# What a route cannot do without: who may not see the thing hears nothing else of it.
QUERIES = {
    "image-overlay": "?round=1&round=2",
    "round-compare": "?round=1&round=2",
    "layer-heads": f"?annotation={uuid.UUID(int=5)}",
    "gallery-sheet": f"?cell={uuid.UUID(int=5)}&side=32",
}


@dataclass
class Study:
    """One project with one of everything, and one person of every kind."""

    project: Project
    image: Image
    layer: Layer
    round: Round
    job: Job
    cell: uuid.UUID
    proposal: uuid.UUID
    people: dict[str, Any] = field(default_factory=dict)

    def url(self, route: str) -> str:
        given = {"project": self.project.pk, "image": self.image.pk, "layer": self.layer.pk, "round": self.round.pk}
        given |= {"job": self.job.pk, "work_item": self.project.items.get().pk}
        given |= {"centre": self.project.centres.get().pk, "patient": self.project.patients.get().pk}
        given |= {"comment": self.image.comments.get().pk, "invitation": self.project.invitations.get().pk}
        if route == "upload-detail":
            return reverse(route, kwargs={"upload": self.project.resumable_uploads.get(name="begun.svs").pk})
        if route == "guideline-picture":
            return reverse(route, kwargs={"project": self.project.pk, "picture": "a.png"})
        if route == "disagreement-decide":
            return reverse(route, kwargs={"disagreement": 1})
        if route == "gallery-screen-undo":
            return reverse(route, kwargs={"project": self.project.pk, "screen": uuid.UUID(int=9)})
        if route == "export":
            return reverse(route, kwargs={"project": self.project.pk, "layout": "coco"})
        if route == "image-tile":
            return reverse(route, kwargs={"image": self.image.pk, "level": 0, "column": 0, "row": 0})
        given |= {
            "membership": self.project.memberships.get(role=Role.VIEWER).pk,
            "study": self.project.studies.get().pk,
        }
        given |= {"label_class": self.project.classes.get().pk, "lot": self.project.lots.get().pk}
        given |= {"merge": uuid.UUID(int=9), "field": 0, "admission": 0}
        if route in ("project-list", "activity", "schema", "me", "my-theme", "search-names") or route.startswith(
            "notification-"
        ):
            return reverse(route)
        owners = {
            "image-list": "project",
            "export-list": "project",
            "import-list": "project",
            "job-list": "project",
            "proposal-list": "project",
            "proposal-before": "project",
            "image-table": "project",
            "image-by-names": "project",
            "image-delete": "project",
            "image-restore": "project",
            "centre-list": "project",
            "patient-list": "project",
            "patient-assign": "project",
            "split-change-list": "project",
            "storage": "project",
            "storage-clean-up": "project",
            "slide-list": "project",
            "upload-list": "project",
            "round-list": "project",
            "round-before": "project",
            "round-compare": "project",
            "round-roll-back": "project",
            "reference-set-list": "project",
            "reference-mask-list": "project",
            "model-version-list": "project",
            "weights-import-list": "project",
            "agreement": "project",
            "consensus": "project",
            "agreement-table": "project",
            "item-list": "project",
            "item-next": "project",
            "item-review": "project",
            "item-assign": "project",
            "item-late-list": "project",
            "comment-list": "project",
            "guideline": "project",
            "certificate-list": "project",
            "gallery": "project",
            "certificate": "lot",
            "dashboard": "project",
            "invitation-list": "project",
            "class-list": "project",
            "class-merge-list": "project",
            "curriculum": "project",
            "control-plan": "project",
            "attempt-list": "project",
            "attempt": "field",
            "admission-list": "project",
            "member-list": "project",
            "study-list": "project",
            "notices-secret": "project",
            "notices-test": "project",
            "class": "label_class",
            "member": "membership",
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
            "project-list": {"name": "Lung"},
            "project-copy": {"name": "Copy"},
            "project-delete": {"typed": self.project.name},
            "class-list": {"name": "mitosis"},
            "attempt-list": {"kind": "training"},
            "control-plan": {
                "owner": self.people["owner"].pk,
                "consequence": "none",
                "control_percent": 0,
            },
            "admission-list": {"person": self.people["annotator"].pk, "label_class": self.project.classes.get().pk},
            "class-merge": {"into": self.project.classes.get().pk},
            "project-attributes": {"attributes": []},
            "member-list": {"username": "okafor"},
            "member-detail": {"role": "viewer"},
            "project-round-policy": {"promotes_itself": True},
            "project-notices": {"notify_by_mail": False},
            "image-accept": {"ids": [str(self.proposal)]},
            "image-reject": {"ids": [str(self.proposal)]},
            "image-relabel": {"ids": [str(self.cell)], "label_class": None},
            "invitation-list": {"role": "viewer"},
            "item-assign": {"items": [self.project.items.get().pk], "readers": [self.people["annotator"].pk]},
            "guideline-current": {"text": "Draw every nucleus, also faint ones."},
            "guideline-read": {"version": 1},
            "notification-choices": {"choices": []},
            "item-skip": {"reason": "blurred"},
            "disagreement-decide": {"take": "left"},
            "gallery-screens": SCREEN,
            "certificate-detail": {"act": "withdraw"},
            "certificate-fields": {"position": 1, "points": []},
            "certificate-cells": {"verdicts": [{"position": 1, "verdict": "right"}]},
            "item-send-back": {"comment": "a cell is missing"},
            "item-reopen": {"comment": "a cell is missing"},
            "image-by-names": {"pattern": "{patient}.png"},
            "image-delete": {"images": [self.image.pk]},
            "image-restore": {"images": [self.image.pk]},
            "centre-detail": {"name": "Bern"},
            "patient-detail": {"name": "08"},
            "patient-withdrawal": {"typed": self.project.patients.get().label},
            "storage": {"quota_bytes": None},
            "storage-clean-up": {"kinds": ["tiles"]},
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


def make() -> Study:
    """A project with one of everything that an address may name."""
    project = ProjectFactory()
    image = ImageFactory(project=project, centre="Graz", patient="07")
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
    begun_upload(project, people["owner"])
    with_guidelines(project, by=people["owner"])
    LabelClassFactory(project=project, name="nucleus", position=1)
    people["owner"].creates_projects = True
    people["owner"].save()
    models.Study.objects.create(project=project, name="t", seed=1, hypothesis="h", created_by=people["owner"])
    drawn = uuid.uuid4()
    write_operations(layer=layer, author=people["owner"], operations=[operation(effect(drawn, cell()))])
    (proposal,) = proposals(1)
    load_layer(image=image, kind=Layer.Kind.PREDICTION, loaded=[proposal])
    bare_lot(image, people["owner"])
    return Study(project, image, layer, round_, job, drawn, proposal.uid, people)


@pytest.fixture(scope="module")
def module_study(request, django_db_setup, django_db_blocker):
    yield from made_once(make, request, django_db_blocker)


@pytest.fixture
def study(module_study, db):
    return deepcopy(module_study)


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
        if route in ("upload-list", "upload-detail"):
            return send_part(client, method, study.url(route))
        if route in ("weights-import-list", "reference-mask-list", "image-reference-masks") and method == "post":
            return client.post(study.url(route), {}, format="multipart")
        body = None if method == "delete" and route in ("class-detail", "member-detail") else study.body(route)
        return getattr(client, method)(study.url(route), body, format="json")

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
    assert study.layer.operations.get(op_id=forged["op_id"]).author == study.people["annotator"]
