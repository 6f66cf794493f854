"""Two images of the same tissue: who registers them, which places are refused, what the workspace is told."""

import pytest
from django.urls import reverse

from tests.factories import ImageFactory, MembershipFactory
from tests.labeling.pages import signed_in

pytestmark = pytest.mark.django_db
TRIANGLE = [[1.0, 1.0, 2.0, 2.0], [30.0, 2.0, 31.0, 3.0], [5.0, 30.0, 6.0, 31.0]]


@pytest.fixture
def pair():
    image = ImageFactory()
    return image, ImageFactory(project=image.project)


def registered(client, image, other, landmarks=TRIANGLE):
    body = {"registration": {"image": other, "landmarks": landmarks}}
    url = reverse("image-detail", args=[image.pk])
    return client.patch(url, body, content_type="application/json")


def second(client, image):
    return client.get(reverse("image-workspace", args=[image.pk])).json()["second"]


def test_a_registration_is_told_to_whoever_opens_the_image_and_can_be_taken_back(pair):
    image, other = pair
    owner = signed_in(MembershipFactory(project=image.project, role="owner").user)
    viewer = signed_in(MembershipFactory(project=image.project, role="viewer").user)
    assert second(viewer, image) is None
    assert registered(owner, image, other.pk).status_code == 200
    answer = second(viewer, image)
    assert (answer["id"], answer["landmarks"]) == (other.pk, TRIANGLE)
    assert registered(viewer, image, other.pk).status_code == 403
    url = reverse("image-detail", args=[image.pk])
    assert owner.patch(url, {"registration": None}, content_type="application/json").status_code == 200
    assert second(viewer, image) is None


@pytest.mark.parametrize(
    ("landmarks", "words"),
    [
        (TRIANGLE[:2], "landmarks"),
        ([[1.0, 1.0, 2.0, 2.0], [2.0, 2.0, 3.0, 9.0], [3.0, 3.0, 9.0, 4.0]], "one line"),
        ([*TRIANGLE[:2], [5.0, 30.0, 6.0, 999999.0]], "outside"),
    ],
)
def test_places_that_give_no_transform_are_refused(pair, landmarks, words):
    image, other = pair
    owner = signed_in(MembershipFactory(project=image.project, role="owner").user)
    answer = registered(owner, image, other.pk, landmarks)
    assert answer.status_code == 422 and words in answer.content.decode()


def test_an_image_of_another_project_and_the_image_itself_are_refused(pair):
    image, _other = pair
    owner = signed_in(MembershipFactory(project=image.project, role="owner").user)
    for key in (ImageFactory().pk, image.pk):
        assert registered(owner, image, key).status_code == 422
