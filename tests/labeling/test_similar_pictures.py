"""The same picture twice: found whatever was done to it, and not found where there is none."""

import io
from importlib import import_module

import numpy as np
import PIL.Image
import pytest
from django.apps import apps
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from inference.synthetic import tissue
from labeling.images.models import Image, Split
from labeling.images.services import add_image
from labeling.images.similar import NEAR, bits_of, distance, picture_hash, similar_images, turned
from tests.factories import ProjectFactory
from tests.labeling.pages import make_study, page_text, signed_in
from tests.labeling.rounds import png_of
from tests.labeling.uploads import read_uploads, upload


def picture(seed=0, side=160):
    return PIL.Image.fromarray(tissue(side, side + 40, 16, seed=seed).rgb)


def jpeg(image, quality=40):
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return PIL.Image.open(file)


def gamma(image, power):
    return PIL.Image.fromarray((255 * (np.asarray(image) / 255.0) ** power).astype(np.uint8))


CHANGES = {
    "scaled down": lambda image: image.resize((image.width // 2, image.height // 2)),
    "scaled up": lambda image: image.resize((2 * image.width, 2 * image.height)),
    "JPEG": jpeg,
    "darker": lambda image: gamma(image, 1.4),
    "tinted": lambda image: PIL.Image.fromarray((np.asarray(image) * [1.0, 0.85, 0.95]).astype(np.uint8)),
    "turned, scaled and JPEG": lambda image: jpeg(image.transpose(PIL.Image.Transpose.ROTATE_90).resize((100, 90))),
    **{turn.name.lower(): (lambda image, turn=turn: image.transpose(turn)) for turn in PIL.Image.Transpose},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_near(change):
    for seed in range(4):
        original = picture(seed)
        assert distance(picture_hash(original), picture_hash(CHANGES[change](original))) <= NEAR


def test_other_fields_are_far():
    hashes = [picture_hash(picture(seed)) for seed in range(25)]
    pairs = [distance(a, b) for n, a in enumerate(hashes) for b in hashes[:n]]
    assert min(pairs) > NEAR + 20


@settings(max_examples=50, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.integers(0, 7))
def test_the_eight_orientations_are_a_group(content, which):
    """Turned once more, a hash gives the same eight; so distance does not depend on who is turned."""
    digest = content.hex()
    mine = {row.tobytes() for row in turned(bits_of(digest))}
    again = {row.tobytes() for row in turned(turned(bits_of(digest))[which])}
    assert mine == again and distance(digest, np.packbits(turned(bits_of(digest))[which]).tobytes().hex()) == 0


def test_a_blank_picture_is_like_no_other():
    assert picture_hash(PIL.Image.new("RGB", (90, 60), "white")) == ""


def image(pk, seed, split="train"):
    return Image(pk=pk, name=str(pk), split=split, phash=picture_hash(picture(seed)))


def test_each_pair_is_told_once():
    images = [image(1, 0), image(2, 1), image(3, 0, "val"), Image(pk=4, name="4", split="val", phash="")]
    assert [(p.image.pk, p.other.pk, p.across_splits) for p in similar_images(images)] == [(1, 3, True)]
    assert [(p.image.pk, p.other.pk) for p in similar_images(images, images[2:])] == [(3, 1)]


def added(project, name, image_, split):
    file = io.BytesIO()
    image_.save(file, "PNG")
    return add_image(project=project, name=name, content=file.getvalue(), split=split)


@pytest.mark.django_db
def test_uploads_and_changes_of_split_say_it():
    study = make_study()
    owner, project = study.people["owner"], study.project
    added(project, "a.png", picture(3), Split.TRAIN)
    client = APIClient()
    client.force_authenticate(owner)
    job = upload(client, project, ("copy.png", png_of(np.asarray(picture(3).resize((100, 80))))))
    assert job["alike"][0]["detail"] == "copy.png and a.png show the same picture, or nearly."
    key = job["items"][0]["image"]
    url = reverse("image-detail", args=[key])
    moved = client.patch(url, {"split": "test", "reason": "it judges"}, format="json").json()
    assert "in two splits: figures would flatter" in moved["alike"][0]["detail"]
    assert client.patch(url, {"stain": "H&E"}, format="json").json()["alike"] == []
    change = {"images": [key], "split": "val", "reason": "it judges no more"}
    many = client.patch(reverse("image-list", args=[project.pk]), change, format="json").json()
    assert many["changed"] == 1 and "copy.png (validation)" in many["alike"][0]["detail"]
    turned = io.BytesIO(png_of(np.asarray(picture(3).transpose(PIL.Image.Transpose.ROTATE_90))))
    turned.name = "turned.png"
    page = signed_in(owner)
    page.post(reverse("project-images", args=[project.pk]), {"images": turned, "split": "train"})
    read_uploads()
    shown = page_text(page.get(reverse("project-images", args=[project.pk])))
    assert "turned.png (train) and copy.png (validation) show the same picture" in shown
    before = page_text(page.get(reverse("before-round", args=[project.pk])))
    assert "show the same picture" not in before  # neither of them teaches or judges


@pytest.mark.django_db
def test_two_different_uploads_say_nothing():
    project = ProjectFactory()
    for seed in range(3):
        added(project, f"{seed}.png", picture(seed), Split.VAL if seed else Split.TRAIN)
    assert similar_images(list(project.images.all())) == []


@pytest.mark.django_db
def test_images_from_before_the_hash_get_theirs_by_the_migration():
    migration = import_module("labeling.migrations.0014_picturehash")
    project = ProjectFactory()
    images = [added(project, f"{seed}.png", picture(seed), Split.TRAIN) for seed in range(2)]
    Image.objects.update(phash="")
    images[1].thumbnail.storage.delete(images[1].thumbnail.name)  # a thumbnail that is gone stops nobody
    migration.hash_the_pictures(apps, None)
    first, second = Image.objects.order_by("position")
    assert distance(first.phash, images[0].phash) <= NEAR // 4 and second.phash == ""
