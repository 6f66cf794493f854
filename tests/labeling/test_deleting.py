"""Deleted images: gone from work, lists, exports and rounds; back as they were; without files after their time."""

import uuid
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.db import connections
from django.test import override_settings
from django.utils import timezone
from rest_framework.test import APIClient

from inference.datasets import data_root
from labeling.annotations.models import Annotation, LateOperation
from labeling.annotations.services import working_layer
from labeling.assignments.declaring import declare_workflow
from labeling.assignments.my_work import place_in
from labeling.assignments.services import queue_for, take_next
from labeling.errors import Invalid
from labeling.exchange.exporting import exported_images
from labeling.exchange.request import ExportRequest, Layout
from labeling.exchange.selection import Part
from labeling.images import slides
from labeling.images.models import Image
from labeling.images.quota import OverQuota, image_bytes
from labeling.images.services import AlreadyThere, add_image
from labeling.rounds.models import Round
from labeling.rounds.snapshots import freeze
from labeling.upkeep import purging
from labeling.upkeep.deleting import CannotBeDeleted, Purged, delete_images, restore_images
from labeling.upkeep.storage import clean_up, usage
from tests.declined import assert_declined
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory, png
from tests.labeling.operations import cell, effect, operation, region
from tests.labeling.pages import draw, make_study

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


@pytest.fixture
def project():
    return ProjectFactory()


@pytest.fixture
def owner(project):
    return MembershipFactory(project=project, role="owner").user


@pytest.fixture
def client(owner):
    made = APIClient()
    made.force_authenticate(owner)
    return made


def delete(project, owner, *images):
    return delete_images(project=project, images=[image.pk for image in images], by=owner)


def restore(project, owner, *images):
    return restore_images(project=project, images=[image.pk for image in images], by=owner)


def send(client, layer):
    body = {"operations": [operation(effect(uuid.uuid4(), cell()))]}
    return client.post(f"/api/v1/layers/{layer.pk}/operations/", body, format="json").json()["results"][0]["verdict"]


def test_a_deleted_image_is_in_no_list_and_at_no_address_and_comes_back(project, owner, client):
    first, second = ImageFactory(project=project), ImageFactory(project=project)
    draw(first, owner, cell(), region())
    answer = client.post(f"/api/v1/projects/{project.pk}/images/delete/", {"images": [first.pk]}, format="json")
    assert answer.json() == {"deleted": 1, "restorable_days": 30}
    listing = f"/api/v1/projects/{project.pk}/images/"
    assert [row["id"] for row in client.get(listing).json()["items"]] == [second.pk]
    gone = client.get(f"{listing}?state=deleted").json()["items"]
    assert [row["id"] for row in gone] == [first.pk] and gone[0]["deleted_at"]
    for address in ("", "workspace/", "pixels/", "thumbnail/", "tiles/0/0/0/"):
        assert client.get(f"/api/v1/images/{first.pk}/{address}").status_code == 404
    assert list(exported_images(project, ExportRequest(layout=Layout.COCO, parts=frozenset({Part.MASKS})))) == [second]
    assert [entry.image for entry in freeze(project, learns=False).document().images] == [second.pk]
    with pytest.raises(AlreadyThere, match="was deleted here"):
        add_image(project=project, name="again.png", content=first.pixels.read())
    body = {"images": [first.pk, second.pk]}
    assert client.post(f"{listing}restore/", body, format="json").json() == {"restored": 1}
    assert [row["id"] for row in client.get(listing).json()["items"]] == [first.pk, second.pk]
    assert freeze(project).document().images[0].cells


def test_deleting_and_restoring_twice_change_nothing_and_a_strange_image_declines_all(project, owner):
    image = ImageFactory(project=project)
    with pytest.raises(Invalid, match="is not in this project"):
        delete(project, owner, image, ImageFactory())
    assert Image.objects.filter(pk=image.pk).exists()
    assert (delete(project, owner, image), delete(project, owner, image)) == (1, 0)
    assert (restore(project, owner, image), restore(project, owner, image)) == (1, 0)


def test_what_somebody_draws_meanwhile_is_kept_and_written_when_the_image_is_back(project, owner, client):
    """Without a workflow nobody would decide about late work: restoring writes it."""
    image = ImageFactory(project=project)
    layer = working_layer(image=image, user=owner)
    assert send(client, layer) == "accepted"
    delete(project, owner, image)
    body = {"operations": [operation(effect(uuid.uuid4(), cell()))]}
    kept = client.post(f"/api/v1/layers/{layer.pk}/operations/", body, format="json").json()["results"][0]
    assert kept["verdict"] == "kept" and kept["error"]["detail"].startswith("this image was deleted; what you did")
    assert Annotation.objects.filter(layer=layer).count() == 1
    restore(project, owner, image)
    assert Annotation.objects.filter(layer=layer).count() == 2
    assert LateOperation.objects.get().outcome == LateOperation.Outcome.APPLIED
    assert send(client, layer) == "accepted"


def test_nobody_begins_a_layer_on_an_image_that_is_being_deleted(project, owner):
    image = ImageFactory(project=project)
    delete(project, owner, image)
    assert working_layer(image=image, user=owner) is None


def test_an_item_of_a_deleted_image_leaves_the_queue_and_everybody_s_work(project, owner):
    images = [ImageFactory(project=project) for _ in range(3)]
    declare_workflow(project=project, by=owner, has_review=False)
    assert take_next(project=project, user=owner).item.image == images[0]
    delete(project, owner, images[0], images[1])
    assert [item.image_id for item in queue_for(project=project, user=owner)] == [images[2].pk]
    assert take_next(project=project, user=owner).item.image == images[2]
    assert place_in(project, owner).of == 1
    declare_workflow(project=project, by=owner, has_review=False, readings=2)
    assert project.items.count() == 3
    restore(project, owner, images[0], images[1])
    assert place_in(project, owner).of == 3


def test_a_done_item_stays_frozen_after_it_came_back(project, owner, client):
    from labeling.assignments.services import finish_item

    image = ImageFactory(project=project)
    declare_workflow(project=project, by=owner, has_review=False)
    item = take_next(project=project, user=owner).item
    layer = working_layer(image=image, user=owner)
    finish_item(item_id=item.pk, user=owner)
    delete(project, owner, image)
    restore(project, owner, image)
    assert send(client, layer) == "kept"


def test_what_a_round_at_work_learns_from_stays_until_it_has_ended():
    study = make_study()
    owner, image = study.people["owner"], study.image
    delete(study.project, owner, image)
    long_ago = timezone.now() - timedelta(days=31)
    Image.everything.filter(pk=image.pk).update(deleted_at=long_ago)
    assert purging.recover(timezone.now()) == []  # the round reads the pixels
    assert clean_up(project=study.project, kinds=["deleted"], dry_run=False)[0].count == 0
    Round.objects.update(state=Round.State.PUBLISHED)
    assert purging.recover(timezone.now()) == []  # and so does the export that is at work
    assert clean_up(project=study.project, kinds=["deleted"], dry_run=False)[0].count == 0
    study.project.jobs.update(state="done")
    assert "its files are removed" in purging.recover(timezone.now())[0]
    document = study.round.snapshot.document()
    assert [entry.image for entry in document.images] == [image.pk] and document.images[0].cells
    assert study.project.images.count() == 0 and Image.everything.filter(pk=image.pk).exists()


def test_after_its_time_the_files_are_gone_and_nobody_restores_it(project, owner):
    image = ImageFactory(project=project, width=2100, height=64)
    names = [image.pixels.name, image.thumbnail.name, f"tiles/{image.sha256}/0/0_0.jpg"]
    original = image.original
    assert all(default_storage.exists(name) for name in names) and original.storage.exists(original.name)
    delete(project, owner, image)
    assert purging.recover(timezone.now() + timedelta(days=29)) == []
    with override_settings(IMAGE_GRACE_DAYS=7):
        assert len(purging.recover(timezone.now() + timedelta(days=8))) == 1
    assert not any(default_storage.exists(name) for name in names) and not original.storage.exists(original.name)
    with pytest.raises(Purged, match=r"were removed on \d{4}-\d\d-\d\d; add"):
        restore(project, owner, image)
    again = add_image(project=project, name="again.png", content=png(2100, 64, seed=image_seed(image)))
    assert again.sha256 == image.sha256 and image_bytes(project)["pixels"] == again.pixel_bytes


def image_seed(image):
    return int(image.name.removeprefix("field ").removesuffix(".png"))


def test_a_purge_that_dies_is_ended_by_the_next_look(project, owner, monkeypatch):
    image = ImageFactory(project=project)
    delete(project, owner, image)
    later = timezone.now() + timedelta(days=31)

    def dies(image):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(purging, "remove_files", dies)
        with pytest.raises(SystemExit):
            purging.purge(image.pk, later)
    assert default_storage.exists(image.pixels.name)
    with pytest.raises(Purged):
        restore(project, owner, image)
    assert len(purging.recover(later)) == 1 and not default_storage.exists(image.pixels.name)
    assert purging.recover(later) == []


def test_the_same_picture_of_another_project_keeps_its_tiles(project, owner):
    image = ImageFactory(project=project, width=2100, height=64, seed=77)
    ImageFactory(width=2100, height=64, seed=77)
    delete(project, owner, image)
    purging.purge(image.pk)
    assert default_storage.exists(f"tiles/{image.sha256}/0/0_0.jpg")


def test_an_image_that_judges_and_the_field_of_a_study_are_not_deleted(project, owner):
    from labeling.rounds.reference import lock
    from tests.labeling.studies import frozen, ten_fields

    judge = ImageFactory(project=project, split="val", reference=_labels())
    lock(project=project, by=owner)
    with pytest.raises(CannotBeDeleted, match="judges the rounds of this project"):
        delete(project, owner, judge)
    study = frozen(ten_fields())
    field = study.fields.first().image
    with pytest.raises(CannotBeDeleted, match="is a field of the study"):
        delete_images(project=study.project, images=[field.pk], by=owner)


def _labels():
    import numpy as np

    return np.pad(np.ones((20, 20), np.uint16), ((0, 28), (0, 44)))


@pytest.mark.skipif(data_root() is None, reason="BOXWISE_DATA holds no slides")
def test_a_slide_takes_its_fields_along_and_its_file_goes_with_it(project, owner, django_capture_on_commit_callbacks):
    content = (data_root() / "wsi_samples" / "small_HE.svs").read_bytes()
    slide = add_image(project=project, name="a.svs", content=content, open_as="slide")
    folder = slides.stored_root() / slide.slide_file.path.partition("/")[0]
    assert folder.is_dir() and image_bytes(project)["slides"] >= len(content)
    delete(project, owner, slide)
    purging.purge(slide.pk)
    assert not folder.exists()
    other = add_image(project=project, name="b.svs", content=content, open_as="slide")
    folder = slides.stored_root() / other.slide_file.path.partition("/")[0]
    with django_capture_on_commit_callbacks(execute=True):
        Image.everything.filter(project=project).delete()
    assert not folder.exists()


# -- storage


def test_storage_is_counted_by_kind_and_an_upload_over_the_quota_is_declined_before_it_is_stored(
    project, owner, client
):
    image = ImageFactory(project=project)
    sizes = usage(project)
    assert sizes["pixels"] == image.pixels.size + image.thumbnail.size and sizes["originals"] == image.original.size
    address = f"/api/v1/projects/{project.pk}/storage/"
    limit = sum(image_bytes(project).values()) + 100
    answer = client.patch(address, {"quota_bytes": limit}, format="json").json()
    assert (answer["quota"], answer["counted"]) == (limit, limit - 100)
    from django.core.files.uploadedfile import SimpleUploadedFile

    before = set(default_storage.listdir("uploads")[1]) if default_storage.exists("uploads") else set()
    files = {"image": SimpleUploadedFile("new.png", png(seed=4711))}
    declined = client.post(f"/api/v1/projects/{project.pk}/images/", files, format="multipart")
    assert_declined(declined, 409, code="over_quota")
    assert "do not fit" in declined.json()["detail"] and declined.json()["quota"] == limit
    after = set(default_storage.listdir("uploads")[1]) if default_storage.exists("uploads") else set()
    assert after == before and not project.jobs.exists()
    with pytest.raises(OverQuota):  # a worker that had taken it before the quota was set
        add_image(project=project, name="new.png", content=png(seed=4711))
    with override_settings(STORAGE_QUOTA_GIB=1):
        assert client.patch(address, {"quota_bytes": None}, format="json").json()["quota"] == 2**30


def test_a_clean_up_is_looked_at_first_and_removes_what_comes_back_by_itself(project, owner, client):
    image = ImageFactory(project=project, width=2100, height=64)
    gone = ImageFactory(project=project)
    delete(project, owner, gone)
    image.refresh_from_db()
    stored = gone.pixels.size + gone.thumbnail.size + gone.original.size
    address = f"/api/v1/projects/{project.pk}/storage/clean-up/"
    seen = client.post(address, {"kinds": ["tiles", "deleted"]}, format="json").json()
    assert [(r["kind"], r["count"]) for r in seen["removed"]] == [("tiles", 1), ("deleted", 1)]
    assert [r["bytes"] for r in seen["removed"]] == [image.tile_bytes, stored]
    assert image.tile_bytes > 0 and default_storage.exists(gone.pixels.name)
    done = client.post(address, {"kinds": ["tiles", "deleted"], "dry_run": False}, format="json").json()
    assert done["removed"] == seen["removed"]
    assert not default_storage.exists(gone.pixels.name) and image_bytes(project)["tiles"] == 0
    assert client.get(f"/api/v1/images/{image.pk}/tiles/0/0/0/").status_code == 200  # cut again
    assert image_bytes(project)["tiles"] == image.tile_bytes


@pytest.mark.django_db(transaction=True)
def test_who_deletes_waits_for_who_saves():
    """A save is in before, or kept apart: never written to an image that is deleted."""
    import threading

    project = ProjectFactory()
    owner = MembershipFactory(project=project, role="owner").user
    image = ImageFactory(project=project)
    layer = working_layer(image=image, user=owner)
    client = APIClient()
    client.force_authenticate(owner)
    barrier, verdicts = threading.Barrier(2), []

    def save():
        try:
            barrier.wait(10)
            verdicts.extend(send(client, layer) for _ in range(6))
        finally:
            connections.close_all()

    thread = threading.Thread(target=save)
    thread.start()
    barrier.wait(10)
    delete(project, owner, image)
    thread.join(60)
    assert len(verdicts) == 6 and verdicts == sorted(verdicts)  # accepted, then kept
    assert Annotation.objects.filter(layer=layer).count() == verdicts.count("accepted")
    assert LateOperation.objects.count() == verdicts.count("kept")
