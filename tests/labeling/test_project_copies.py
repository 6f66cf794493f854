"""A copied project: its settings at once, its images and cells by a job, and nothing of people, rounds and readings."""

import os
import uuid
from datetime import date
from typing import Any

import numpy as np
import PIL.Image
import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

import labeling.upkeep.copying_images  # noqa: F401 (registers its handler, as the worker for files does)
from inference.datasets import data_root
from labeling.annotations.attributes import declare_attributes
from labeling.annotations.models import Annotation, Operation
from labeling.annotations.services import working_layer, write_operations
from labeling.annotations.state import state_of
from labeling.assignments.declaring import declare_workflow
from labeling.audit.models import Act, SecurityEvent
from labeling.errors import LabelingError
from labeling.guidelines.services import add_picture, write_guideline
from labeling.images import slides
from labeling.images.models import Image, SlideField
from labeling.images.patients import PatientWithdrawal
from labeling.images.quota import OverQuota, image_bytes
from labeling.images.services import add_image
from labeling.jobs import tasks
from labeling.jobs.models import Job
from labeling.projects.classes import add_class, retire_class
from labeling.projects.models import Project, Role
from labeling.rounds.execution.archiving import archive_project, delete_project
from labeling.rounds.snapshots import freeze
from labeling.upkeep import copying_images, purging, removing, withdrawing
from labeling.upkeep.copying import SETTINGS, copy_project
from labeling.upkeep.copying_images import SourceClosed
from labeling.upkeep.withdrawing import carry_out, withdraw_patient
from tests.declined import assert_declined
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory, png
from tests.inference.slide_files import tissue, write_pyramid
from tests.labeling.operations import cell, effect, mask, operation, region
from tests.labeling.pages import draw, page_text, signed_in, toasts
from tests.labeling.team import run_now
from tests.labeling.test_project_deletion import stored

SAME = ("width", "height", "sha256", "phash", "um_per_px", "scale_source", "block", "stain", "tags", "split")
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


@pytest.fixture
def source():
    project = ProjectFactory(
        name="Breast",
        description="nuclei",
        keeps_originals=False,
        name_pattern="{patient}_{*}.png",
        model_channels=["DAPI"],
        approval="EK 1/24",
        data_use="research",
        retention_until=date(2030, 1, 31),
        permitted_centres=["Graz"],
    )
    declare_attributes(project=project, text="mitosis: early, late")
    project.refresh_from_db()
    wide = add_class(project=project, name="inflammatory")
    add_class(project=project, name="lymphocyte", parent=wide)
    retire_class(label_class=add_class(project=project, name="old"))
    return project


@pytest.fixture
def owner(source):
    user = MembershipFactory(project=source, role=Role.OWNER).user
    user.creates_projects = True
    user.save()
    return user


def api(person) -> APIClient:
    client = APIClient()
    client.force_authenticate(person)
    return client


def copied(source, owner, **asked):
    """A copy with its job done."""
    made = copy_project(source=source, name="Copy", by=owner, **asked)
    if made.job is not None:
        made.job.refresh_from_db()
        run_now(made.job)
    return made


def test_settings_classes_guidelines_and_workflow_come_along(source, owner):
    add_picture(project=source, by=owner, name="a.png", content=png())
    write_guideline(project=source, by=owner, text="![](a.png) old", must_acknowledge=False)
    write_guideline(project=source, by=owner, text="![](a.png) Every nucleus.", must_acknowledge=True)
    declare_workflow(project=source, by=owner, readings=2, is_blind=True, more_percent=20, lease_hours=5)
    MembershipFactory(project=source)
    ImageFactory(project=source)
    made = copied(source, owner).project
    made.refresh_from_db()
    assert [getattr(made, name) for name in SETTINGS] == [getattr(source, name) for name in SETTINGS]
    assert list(made.memberships.values_list("user", "role")) == [(owner.pk, Role.OWNER)]
    classes = [
        (one.name, one.color, one.parent and one.parent.name, one.retired_at is None) for one in made.classes.all()
    ]
    assert classes == [
        ("inflammatory", "#0072b2", None, True), ("lymphocyte", "#d55e00", "inflammatory", True),
        ("old", "#009e73", None, False),
    ]  # fmt: skip
    assert not set(made.classes.values_list("pk", flat=True)) & set(source.classes.values_list("pk", flat=True))
    guideline = made.guidelines.get()
    assert (guideline.version, guideline.text, guideline.must_acknowledge) == (1, "![](a.png) Every nucleus.", True)
    assert bytes(made.guideline_pictures.get().content) == png()
    assert (made.workflow.readings, made.workflow.is_blind, made.workflow.more_percent) == (2, True, 20)
    assert made.workflow.seed != source.workflow.seed
    assert not made.images.exists() and not made.jobs.exists()
    row = SecurityEvent.objects.get(act=Act.PROJECT_COPIED)
    assert (row.project, row.subject, row.details) == (source.pk, "Copy", {"copy": made.pk, "images": False})


def test_images_come_along_with_their_files_facts_splits_and_items(source, owner):
    facts = {"centre": "Graz", "block": "A1", "stain": "H&E", "tags": ["hard"], "um_per_px": 0.25}
    reference = np.eye(48, 64, dtype=np.uint16)
    source.keeps_originals = True
    source.save()
    first = add_image(
        project=source, name="1.png", content=png(seed=1), patient="07", split="test", reference=reference, **facts
    )
    second = add_image(project=source, name="2.png", content=png(2100, 40, seed=2), patient="07", **facts)
    first.second_image, first.landmarks = second, [[1, 2, 3, 4]]
    first.save()
    Project.objects.filter(pk=source.pk).update(test_sealed_at="2026-01-01T00:00Z")
    source.refresh_from_db()
    gone = add_image(project=source, name="gone.png", content=png(seed=3))
    Image.objects.filter(pk=gone.pk).update(deleted_at="2026-01-01T00:00Z")
    declare_workflow(project=source, by=owner)
    made = copied(source, owner, images=True)
    images = list(made.project.images.order_by("position"))
    assert [image.name for image in images] == ["1.png", "2.png"]
    for image, before in zip(images, (first, second)):
        for name in SAME:
            assert getattr(image, name) == getattr(before, name), name
        for name in ("pixels", "thumbnail", "original"):
            assert getattr(image, name).name != getattr(before, name).name
            assert getattr(image, name).read() == getattr(before, name).read()
        assert image.patient.project == made.project and image.specimen == before.specimen
    assert images[0].reference.read() == first.reference.read()
    assert images[0].second_image == images[1] and images[0].landmarks == [[1, 2, 3, 4]]
    assert made.project.patients.get().split == "test" and made.project.test_sealed_at is not None
    assert made.project.items.count() == 2
    assert image_bytes(made.project)["pixels"] == image_bytes(source)["pixels"] - gone.pixel_bytes
    assert made.job.facts == {"images": 2, "cells": 0, "without_cells": 0}
    run_now(made.job)
    assert made.project.images.count() == 2, "a job that starts again copies nothing twice"


def test_the_copy_stays_whole_when_the_source_goes_and_the_other_way_round(source, owner):
    image = add_image(project=source, name="a.png", content=png(2100, 40, seed=3))
    made = copied(source, owner, images=True)
    (there,) = made.project.images.all()
    before = stored()
    delete_project(project=source, typed="Breast", by=owner)
    while not removing.remove_project(Project.objects.get(pk=source.pk)):
        pass
    assert {f"default {image.pixels.name}", f"default {image.thumbnail.name}"} <= before - stored()
    assert PIL.Image.open(there.pixels).size == (2100, 40)
    assert api(owner).get(reverse("image-tile", args=[there.pk, 0, 0, 0])).status_code == 200


def test_a_patient_who_has_withdrawn_stays_withdrawn_in_the_copy(source, owner):
    image = add_image(project=source, name="a.png", content=png(seed=5), centre="Graz", patient="07")
    ImageFactory(project=source)
    carry_out(withdraw_patient(patient=image.patient, typed="Graz / 07", by=owner))
    made = copied(source, owner, images=True)
    assert made.project.images.count() == 1
    with pytest.raises(LabelingError, match="withdrawn"):
        add_image(project=made.project, name="a.png", content=png(seed=6), centre="Graz", patient="07")


def test_a_patient_who_withdraws_while_images_are_copied_is_withdrawn_in_both(source, owner, monkeypatch):
    before = stored()
    image = add_image(project=source, name="a.png", content=png(seed=5), centre="Graz", patient="07")
    made = copy_project(source=source, name="Copy", by=owner, images=True)
    Job.objects.filter(pk=made.job.pk).update(state=Job.State.RUNNING)
    joined = copying_images._join_second_images

    def meanwhile(*given: Any) -> None:
        withdrawal = withdraw_patient(patient=image.patient, typed="Graz / 07", by=owner)
        assert not carry_out(withdrawal), "its files are being read"
        joined(*given)

    monkeypatch.setattr(copying_images, "_join_second_images", meanwhile)
    run_now(made.job)
    assert not Image.objects.filter(project=made.project).exists()
    assert PatientWithdrawal.objects.filter(finished_at__isnull=True).count() == 2
    Job.objects.filter(pk=made.job.pk).update(state=Job.State.DONE)
    assert len(withdrawing.recover(timezone.now())) == 2
    assert stored() <= before


def test_whoever_has_withdrawn_in_the_copy_alone_is_passed_over(source, owner):
    image = add_image(project=source, name="a.png", content=png(seed=5), centre="Graz", patient="07")
    ImageFactory(project=source)
    made = copy_project(source=source, name="Copy", by=owner, images=True)
    patient = copying_images._patient_in(made.project, image.patient)
    withdraw_patient(patient=patient, typed="Graz / 07", by=owner)
    run_now(made.job)
    assert made.project.images.count() == 1


def test_cells_come_along_as_work_of_who_copies(source, owner):
    wide, narrow, old = source.classes.order_by("position")
    image = ImageFactory(project=source)
    annotator = MembershipFactory(project=source).user
    layer = working_layer(image=image, user=annotator)
    states = [
        cell(label_class=narrow.pk, mask=mask(), attributes={"mitosis": "late"}),
        cell((40, 30, 44, 36), status="rejected", label_class=old.pk),
        cell((5, 5, 5, 5), label_class=wide.pk),
        region(),
    ]
    for state in states:
        write_operations(layer=layer, author=annotator, operations=[operation(effect(uuid.uuid4(), state))])
    made = copied(source, owner, images=True, annotations=True)
    (there,) = made.project.images.all()
    before = list(Annotation.objects.filter(layer=layer).order_by("uid"))
    after = list(Annotation.objects.filter(layer__image=there).order_by("uid"))
    assert len(after) == 4
    for one, other in zip(after, before):
        now, was = state_of(one), state_of(other)
        assert (now.kind, now.status, now.box, now.mask, now.attributes) == (
            was.kind, was.status, was.box, was.mask, was.attributes,
        )  # fmt: skip
        assert (one.label_class and one.label_class.name) == (other.label_class and other.label_class.name)
        assert one.label_class is None or one.label_class.project == made.project
    assert set(Operation.objects.filter(layer__image=there).values_list("author", flat=True)) == {owner.pk}
    assert made.job.facts == {"images": 1, "cells": 4, "without_cells": 0}
    assert freeze(made.project, learns=False).document().images[0].cells


def test_readings_of_people_who_read_apart_stay_behind(source, owner):
    declare_workflow(project=source, by=owner, readings=2, is_blind=True)
    ImageFactory(project=source)
    made = copied(source, owner, images=True, annotations=True)
    assert made.job.facts == {"images": 1, "cells": 0, "without_cells": 1}
    assert not Annotation.objects.filter(layer__image__project=made.project).exists()


def test_a_slide_and_its_fields_come_along(source, owner, tmp_path):
    path = tmp_path / "slide.tif"
    write_pyramid(path, tissue(1400, 1100))
    slide = add_image(project=source, name="slide.tif", content=path, open_as="slide", patient="07")
    field = ImageFactory(project=source, name="field.png")
    SlideField.objects.create(
        image=field, slide=slide, x=1, y=2, width=64, height=48, method="random", probability=0.5, seed=7
    )
    made = copied(source, owner, images=True)
    there, cut = made.project.images.order_by("position")
    folder = slides.file_of(there.slide_file).parent
    assert folder != slides.file_of(slide.slide_file).parent
    place = cut.slide_field
    assert (place.slide, place.x, place.y, place.probability, place.seed) == (there, 1, 2, 0.5, 7)
    purging.remove_files(Image.objects.get(pk=slide.pk))
    answer = api(owner).get(reverse("image-tile", args=[there.pk, 0, 0, 0]))
    assert answer.status_code == 200 and b"".join(answer).startswith(b"\xff\xd8")
    assert image_bytes(made.project)["slides"] == os.path.getsize(path)


def test_an_image_that_cannot_be_copied_leaves_no_file(source, owner, monkeypatch):
    ImageFactory(project=source)
    made = copy_project(source=source, name="Copy", by=owner, images=True)
    before = stored()
    monkeypatch.setattr(copying_images, "_patient_in", lambda *_given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_now(made.job)
    assert stored() == before and not made.project.images.exists()


def test_a_real_worker_brings_real_tissue(source, owner, sent):
    root = data_root()
    if root is None:
        pytest.skip("no tissue here: BOXWISE_DATA names the folder")
    file = sorted(root.glob("monuseg/images/*.png"))[0]
    image = add_image(project=source, name=file.name, content=file)
    draw(image, owner, cell((100, 100, 130, 124), mask=None), region((0, 0, image.width, image.height)))
    body = {"name": "Tissue", "images": True, "annotations": True}
    address = reverse("project-copy", args=[source.pk])
    answer = api(owner).post(address, body, format="json").json()
    (message,) = [message for message in sent if message.arguments.get("job_id") == answer["job"]["id"]]
    assert (message.task, message.queue) == ("labeling.run_job", "files")
    tasks.run_job(**message.arguments)
    job = Job.objects.get(pk=answer["job"]["id"])
    assert (job.state, job.facts) == ("done", {"images": 1, "cells": 2, "without_cells": 0})
    there = Image.objects.get(project=answer["project"]["id"])
    assert there.pixels.read() == image.pixels.read()


# -- who may, and what is declined


def test_an_archived_project_is_copied_too_and_a_copy_is_in_use(source, owner):
    ImageFactory(project=source)
    archive_project(project=source, by=owner)
    made = copied(source, owner, images=True)
    assert made.project.archived_at is None and made.project.images.count() == 1


def test_a_manager_copies_the_settings_alone(source, owner):
    manager = MembershipFactory(project=source, role=Role.MANAGER).user
    address = reverse("project-copy", args=[source.pk])
    answer = api(manager).post(address, {"name": "Copy"}, format="json")
    assert_declined(answer, 403, says="you may not create projects here")
    manager.creates_projects = True
    manager.save()
    answer = api(manager).post(address, {"name": "Copy", "images": True}, format="json")
    assert_declined(answer, 403, says="only an owner copies the images too")
    assert Project.objects.count() == 1
    answer = api(manager).post(address, {"name": "Copy"}, format="json").json()
    assert answer["project"]["name"] == "Copy" and answer["job"] is None
    page = page_text(signed_in(manager).get(reverse("project-settings", args=[source.pk])))
    assert "An owner can copy the images too." in page and "settings and images" not in page


def test_what_cannot_be_copied_is_declined_and_nothing_is_half_there(source, owner):
    image = ImageFactory(project=source)
    address = reverse("project-copy", args=[source.pk])
    answer = api(owner).post(address, {"name": " ", "images": True}, format="json")
    assert_declined(answer, 422, says="a project needs a name")
    answer = api(owner).post(address, {"name": "Copy", "annotations": True}, format="json")
    assert_declined(answer, 422, says="cells lie on images; copy these too")
    assert Project.objects.count() == 1
    made = copy_project(source=source, name="Copy", by=owner, images=True)
    source.memberships.filter(user=owner).update(role=Role.REVIEWER)
    with pytest.raises(SourceClosed, match="not open to you any more"):
        run_now(made.job)
    source.memberships.filter(user=owner).update(role=Role.OWNER)
    made.project.quota_bytes = image.pixel_bytes - 1
    made.project.save()
    with pytest.raises(OverQuota):
        run_now(made.job)


def test_the_page_asks_what_comes_along_and_shows_how_far_it_is(source, owner):
    ImageFactory(project=source)
    client = signed_in(owner)
    page = page_text(client.get(reverse("project-settings", args=[source.pk])))
    assert "Copy this project" in page and 'value="Copy of Breast"' in page
    address = reverse("copy-project", args=[source.pk])
    answer = client.post(address, {"name": "", "what": "cells"})
    assert answer.status_code == 422 and "A project needs a name; type one." in page_text(answer)
    answer = client.post(address, {"name": "Second", "what": "cells"})
    made = Project.objects.get(name="Second")
    assert answer.url == reverse("project", args=[made.pk])
    assert toasts(answer) == ["This is the copy of Breast."]
    page = page_text(client.get(answer.url))
    assert "Images are being copied into this project." in page and "waiting for the worker" in page
    run_now(made.jobs.get())
    page = page_text(client.get(reverse("project-images", args=[made.pk])))
    assert "1 image was copied into this project, with 0 cells and regions." in page
    made.jobs.update(state="failed", error="the project that is copied is not open to you any more")
    page = page_text(client.get(answer.url))
    assert "The copying of images stopped; what was copied stays." in page
    assert "The project that is copied is not open to you any more" in page
