"""Annotations of other tools brought into a project: a dry run, a confirmation, and then all or nothing an image."""

import errno
import io
import json
import threading
import uuid

import numpy as np
import pytest
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.urls import reverse
from rest_framework.test import APIClient

import labeling.exchange.tasks  # noqa: F401 (registers the handlers, as a worker does)
from labeling.annotations.models import Annotation, Layer, Operation
from labeling.annotations.services import working_layer
from labeling.assignments.declaring import declare_workflow
from labeling.assignments.services import finish_item, take_next
from labeling.exchange.importing import services, writing
from labeling.exchange.importing.services import confirm, take_import
from labeling.jobs import tasks
from labeling.jobs.models import Job, JobItem
from tests.declined import assert_declined
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory
from tests.labeling.pages import page_text, signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]


@pytest.fixture
def owner():
    member = MembershipFactory(role="owner")
    LabelClassFactory(project=member.project, name="tumour")
    ImageFactory(project=member.project, name="field 1.png")
    return member


def feature(x, y, side=6, *, uid=None, label="Tumour", **more):
    ring = [[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]
    properties = {"objectType": "annotation"} | ({"classification": {"name": label}} if label else {}) | more
    found = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties}
    return found | ({"id": str(uid)} if uid else {})


def geojson(*features, name="field 1.geojson"):
    text = json.dumps({"type": "FeatureCollection", "features": features})
    return SimpleUploadedFile(name, text.encode())


def boxes_of_fields(*numbers):
    """COCO: one box in each of "field 1.png", "field 2.png" ..."""
    images = [{"id": n, "file_name": f"field {n}.png"} for n in numbers]
    rows = [{"image_id": n, "category_id": 1, "bbox": [2, 2, 5, 5]} for n in numbers]
    document = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "tumour"}]}
    return SimpleUploadedFile("a.json", json.dumps(document).encode())


def planned(owner, file, aim="working"):
    """The job after its dry run."""
    job = take_import(project=owner.project, owner=owner.user, file=file, aim=aim)
    tasks.run_job(job.pk)
    job.refresh_from_db()
    return job


def imported(owner, file, aim="working"):
    job = confirm(planned(owner, file, aim))
    tasks.run_job(job.pk)
    job.refresh_from_db()
    return job


def counts(job):
    facts = job.items.get().facts
    return facts["created"], facts["updated"], facts["unchanged"], facts["declined"]


def cells(owner):
    return Annotation.objects.filter(layer__image__project=owner.project, layer__kind="working", deleted=False)


def test_the_dry_run_says_what_the_import_does_and_changes_nothing(owner):
    uid = uuid.uuid4()
    line = {"type": "Feature", "geometry": {"type": "LineString", "coordinates": [[1, 1], [4, 5]]}, "properties": {}}
    extra = {"isLocked": True, "metadata": {"mood": "good"}}
    file = geojson(feature(5, 5, uid=uid, **extra), feature(20, 8, label="stroma"), line, feature(9000, 5))
    job = planned(owner, file)
    item = job.items.get()
    assert (job.state, item.state) == (Job.State.DONE, JobItem.State.CHOICE)
    assert counts(job) == (2, 0, 0, 2)
    assert [(one["place"], one["code"]) for one in item.facts["places"]] == [
        ("feature 3", "no_area"), ("feature 4", "outside"),
    ]  # fmt: skip
    assert item.facts["classes_unknown"] == {"stroma": 1}
    assert item.facts["values_unknown"] == {"mood": 1}
    assert item.facts["losses"] == [{"what": "locks", "count": 1}]
    assert not cells(owner).exists()

    tasks.run_job(confirm(job).pk)
    job.refresh_from_db()
    assert (job.state, job.items.get().state, counts(job)) == (Job.State.DONE, JobItem.State.DONE, (2, 0, 0, 2))
    cell = cells(owner).get(uid=uid)
    assert (cell.label_class.name, cell.x0, cell.y1, cell.author) == ("tumour", 5, 11, owner.user)
    assert Operation.objects.get().tool == "import"
    assert not job.items.get().file


def test_a_file_that_comes_back_updates_by_its_ids_and_twice_is_once(owner):
    uid = uuid.uuid4()
    imported(owner, geojson(feature(5, 5, uid=uid), feature(20, 8)))
    again = imported(owner, geojson(feature(5, 5, uid=uid), feature(20, 8)))
    assert counts(again) == (0, 0, 2, 0)
    moved = imported(owner, geojson(feature(7, 5, uid=uid, label=None), feature(20, 8)))
    assert counts(moved) == (0, 1, 1, 0)
    assert cells(owner).count() == 2
    cell = cells(owner).get(uid=uid)
    assert (cell.x0, cell.label_class.name) == (7, "tumour")  # the file says no class, so it stays


def test_a_layer_of_its_own_and_reference_masks(owner):
    job = imported(owner, geojson(feature(5, 5), feature(20, 8)), aim="layer")
    layer = Layer.objects.get(kind=Layer.Kind.IMPORT)
    assert (counts(job), layer.annotations.count()) == ((2, 0, 0, 0), 2)
    assert counts(imported(owner, geojson(feature(5, 5), feature(20, 8)), aim="layer")) == (0, 0, 2, 0)
    assert Layer.objects.filter(kind=Layer.Kind.IMPORT).count() == 1
    imported(owner, geojson(feature(5, 5), feature(20, 8)), aim="reference")
    image = owner.project.images.get()
    assert image.reference and not cells(owner).exists()


def test_a_layer_whose_file_has_changed_is_imported_again_under_the_same_ids(owner):
    uid = uuid.uuid4()
    imported(owner, geojson(feature(5, 5, uid=uid)), aim="layer")
    moved = imported(owner, geojson(feature(7, 5, uid=uid)), aim="layer")
    assert counts(moved) == (1, 0, 0, 0)
    layers = Layer.objects.filter(kind=Layer.Kind.IMPORT)
    assert sorted(layer.annotations.get().x0 for layer in layers) == [5, 7]


def test_the_dry_run_declines_what_cannot_become_reference_masks(owner):
    job = planned(owner, boxes_of_fields(1), aim="reference")
    (declined,) = job.items.get().facts["images_declined"]
    assert "has no masks in the file" in declined["detail"]


def test_the_dry_run_declines_an_image_that_is_done(owner):
    declare_workflow(project=owner.project, by=owner.user, has_review=False)
    item = take_next(project=owner.project, user=owner.user).item
    finish_item(item_id=item.pk, user=owner.user)
    for aim, state in (("working", JobItem.State.DECLINED), ("layer", JobItem.State.CHOICE)):
        item = planned(owner, geojson(feature(5, 5)), aim).items.get()
        assert item.state == state
        details = [one["detail"] for one in item.facts["images_declined"]]
        assert all("is done" in detail for detail in details)
        assert item.error == ("no image of the file can be imported; the reason is listed for each" if details else "")


def test_one_image_that_cannot_be_written_costs_no_other(owner, monkeypatch):
    ImageFactory(project=owner.project, name="field 2.png")
    job = planned(owner, boxes_of_fields(1, 2, 3))
    assert counts(job) == (2, 0, 0, 0)
    (declined,) = job.items.get().facts["images_declined"]
    assert declined["name"] == "field 3.png" and "no image of this project" in declined["detail"]

    original = writing.write_operations

    def fails_at_the_first(layer, **about):
        if layer.image.name == "field 1.png":
            raise writing.Invalid("no")
        return original(layer=layer, **about)

    monkeypatch.setattr(writing, "write_operations", fails_at_the_first)
    tasks.run_job(confirm(job).pk)
    facts = job.items.get().facts
    assert facts["created"] == 1 and [one["name"] for one in facts["images_declined"]] == ["field 1.png", "field 3.png"]
    assert list(cells(owner).values_list("layer__image__name", flat=True)) == ["field 2.png"]


def test_a_worker_that_dies_in_the_middle_is_followed_by_one_that_goes_on(owner, monkeypatch):
    ImageFactory(project=owner.project, name="field 2.png")
    job = confirm(planned(owner, boxes_of_fields(1, 2)))
    calls = []
    original = writing.write_operations

    def dies_at_the_second(layer, **about):
        calls.append(layer.image.name)
        if len(calls) == 2:
            raise SystemExit
        return original(layer=layer, **about)

    monkeypatch.setattr(writing, "write_operations", dies_at_the_second)
    with pytest.raises(SystemExit):
        tasks.run_job(job.pk)
    Job.objects.filter(pk=job.pk).update(state=Job.State.WAITING, lease_owner=None, lease_until=None)
    tasks.run_job(job.pk)
    assert calls == ["field 1.png", "field 2.png", "field 2.png"]
    assert cells(owner).count() == 2


@pytest.mark.parametrize("aim", ["working", "layer"])
def test_two_imports_of_a_file_at_once_write_it_once(owner, aim):
    """Both have been planned before either writes, and then run at the same time."""
    ImageFactory(project=owner.project, name="field 2.png")
    jobs = [confirm(planned(owner, boxes_of_fields(1, 2), aim)) for _ in range(2)]
    start = threading.Barrier(2)

    def run(job):
        start.wait()
        try:
            tasks.run_job(job.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [Job.objects.get(pk=job.pk).state for job in jobs] == [Job.State.DONE] * 2
    kinds = Layer.objects.values_list("kind", flat=True)
    assert Annotation.objects.count() == 2
    assert sorted(kinds) == ["working" if aim == "working" else "import"] * 2


def full(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_disk_that_fills_while_an_import_is_written_leaves_nothing_half(owner, monkeypatch):
    job = confirm(planned(owner, boxes_of_fields(1)))
    with monkeypatch.context() as patched:
        patched.setattr(services.tempfile, "TemporaryDirectory", full)
        tasks.run_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.error) == (Job.State.FAILED, "The disk is full. Make room, then retry.")
    assert not cells(owner).exists()


@pytest.mark.parametrize("way", ["api", "page"])
def test_a_disk_without_room_takes_no_file_up_and_says_so(owner, monkeypatch, way):
    monkeypatch.setattr(FileSystemStorage, "_save", full)
    if way == "api":
        client = APIClient(raise_request_exception=False)
        client.force_authenticate(owner.user)
        url = reverse("import-list", args=[owner.project.pk])
        answer = client.post(url, {"file": boxes_of_fields(1), "aim": "working"}, format="multipart")
        assert_declined(answer, 507, code="disk_full")
    else:
        page = signed_in(owner.user)
        url = reverse("project-imports", args=[owner.project.pk])
        answer = page.post(url, {"file": boxes_of_fields(1), "aim": "working"}, follow=True)
        assert "The disk of this server is full" in page_text(answer)
    assert not Job.objects.exists()


def test_a_label_map_and_the_wrong_size(owner):
    import tifffile

    image = owner.project.images.get()
    labels = np.zeros((image.height, image.width), np.uint16)
    labels[2:9, 3:10] = 7
    for shape, state in ((labels, JobItem.State.CHOICE), (labels[:-1], JobItem.State.DECLINED)):
        content = io.BytesIO()
        tifffile.imwrite(content, shape)
        job = planned(owner, SimpleUploadedFile("field 1.tif", content.getvalue()))
        assert job.items.get().state == state
    (declined,) = job.items.get().facts["images_declined"]
    assert "px there" in declined["detail"]


def test_the_page_says_what_people_should_check(owner):
    crossing = feature(5, 5)
    crossing["geometry"]["coordinates"] = [[[5, 5], [11, 11], [11, 5], [5, 12], [5, 5]]]
    planned(owner, geojson(crossing))
    page = page_text(signed_in(owner.user).get(reverse("project-exports", args=[owner.project_id])))
    assert "To check: outlines cross or touch themselves (1)." in page


def test_a_file_that_is_none_says_why(owner):
    job = planned(owner, SimpleUploadedFile("a.geojson", b'{"type": "FeatureCollection", "features": ['))
    item = job.items.get()
    assert item.state == JobItem.State.DECLINED and "a.geojson" in item.error and "JSON" in item.error


def test_the_api_and_the_page_do_the_same(owner, sent):
    client = signed_in(owner.user)
    url = reverse("import-list", args=[owner.project_id])
    answer = client.post(url, {"file": geojson(feature(5, 5)), "aim": "working"})
    assert answer.status_code == 202
    tasks.run_job(answer.json()["id"])
    shown = client.get(answer["Location"]).json()["import"]
    assert (shown["is_plan"], shown["created"], shown["format"]) == (True, 1, "geojson")
    page = page_text(client.get(reverse("project-exports", args=[owner.project_id])))
    assert "Would create 1" in page and "waits for you" in page
    assert client.post(reverse("confirm-job", args=[answer.json()["id"]])).status_code == 302
    tasks.run_job(answer.json()["id"])
    assert "Created 1" in page_text(client.get(reverse("project-exports", args=[owner.project_id])))
    assert cells(owner).count() == 1
    assert client.post(reverse("job-confirm", args=[answer.json()["id"]])).status_code == 409
    for data, field in (({"aim": "x", "file": geojson()}, "aim"), ({"aim": "layer"}, "file")):
        declined = client.post(url, data)
        assert_declined(declined, 422, field=field)


def test_what_qupath_deleted_stays_and_what_a_person_changed_is_not_lost_silently(owner):
    uid = uuid.uuid4()
    imported(owner, geojson(feature(5, 5, uid=uid), feature(20, 8)))
    layer = working_layer(image=owner.project.images.get(), user=owner.user)
    before = layer.annotations.count()
    job = planned(owner, geojson(feature(7, 5, uid=uid)))
    assert counts(job) == (0, 1, 0, 0)  # said before it happens
    assert layer.annotations.count() == before
