"""What a browser may keep of patients' data: nothing of pages and JSON, images for a sitting, and only privately."""

import pytest
from django.test import Client
from django.urls import reverse

from labeling.annotations.services import working_layer
from tests.factories import ImageFactory, MembershipFactory
from tests.labeling.pages import signed_in
from tests.labeling.test_no_server_error import HEAVY, ROUTES, address

pytestmark = pytest.mark.django_db

IMAGES = {"image-pixels", "image-thumbnail", "image-tile"}
PACKS = {"layer-pack", "image-reference-pack", "image-outlines"}
IMAGE_KEPT = "private, max-age=600, must-revalidate"


def test_every_route_says_what_may_be_kept(world):
    wrong = {}
    for name, pattern in ROUTES:
        if name in HEAVY:
            continue
        kept = world.client.get(address(pattern, world.values)).headers.get("Cache-Control", "")
        if name in IMAGES:
            fits = kept == IMAGE_KEPT
        elif name in PACKS and kept == "private, no-cache":
            fits = True  # asked for again each time; nothing but its tag is trusted
        else:
            fits = "no-store" in kept
        if not fits:
            wrong[name] = kept
    assert wrong == {}


@pytest.fixture
def image():
    return ImageFactory()


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_an_image_that_is_kept_is_not_sent_again(name, image):
    client = signed_in(MembershipFactory(project=image.project).user)
    url = reverse(name, args=[image.pk, 0, 0, 0] if name == "image-tile" else [image.pk])
    first = client.get(url)
    assert b"".join(first.streaming_content)
    again = client.get(url, headers={"If-None-Match": f'"other", {first["ETag"]}'})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again["Cache-Control"] == first["Cache-Control"] == IMAGE_KEPT
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_kept_image_is_asked_for_in_vain_after_access_has_ended(image):
    member = MembershipFactory(project=image.project)
    client = signed_in(member.user)
    url = reverse("image-pixels", args=[image.pk])
    tag = client.get(url)["ETag"]
    member.delete()
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 404
    assert Client().get(url, headers={"If-None-Match": tag}).status_code == 401


def test_forms_of_one_image_have_tags_of_their_own(image):
    client = signed_in(MembershipFactory(project=image.project).user)
    tags = {client.get(reverse(name, args=[image.pk]))["ETag"] for name in ("image-pixels", "image-thumbnail")}
    assert len(tags) == 2


def test_signing_out_empties_the_browser_s_cache(image):
    client = signed_in(MembershipFactory(project=image.project).user)
    assert client.post(reverse("sign-out"))["Clear-Site-Data"] == '"cache"'


def test_refusals_are_not_kept_either(image):
    layer = working_layer(image=image, user=MembershipFactory(project=image.project).user)
    for url in ("/nope/", "/api/v1/nope/", reverse("layer-pack", args=[layer.pk]), "/?x=%00"):
        assert "no-store" in Client().get(url)["Cache-Control"]
