"""Every error of the API is problem+json: a sentence, the field, and never a Python repr."""

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient
from s3transfer.exceptions import RetriesExceededError

from labeling.api import exception_handler
from labeling.errors import STORAGE_AWAY, server_fault
from labeling.numbers import whole_number
from tests.factories import ImageFactory, MembershipFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def image():
    return ImageFactory()


@pytest.fixture
def client(image):
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(MembershipFactory(project=image.project, role="manager").user)
    return client


def no_repr(answer) -> dict:
    """The problem, which must read as a sentence."""
    found = answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert not any(mark in found["detail"] for mark in ("ErrorDetail", "{", "[", "code="))
    return dict(found)


@pytest.mark.parametrize("kind", [ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError])
def test_storage_that_does_not_answer_is_said_in_a_sentence(kind):
    error = kind(endpoint_url="https://secret.example.org", error="timed out")
    answer = exception_handler(error, {})
    assert (answer.status_code, answer.data["code"]) == (503, "storage_away")
    assert answer.data["detail"] == str(STORAGE_AWAY.detail) and "secret" not in answer.data["detail"]


def test_storage_that_falls_silent_in_the_middle_of_a_file_does_not_answer_either():
    assert server_fault(RetriesExceededError(TimeoutError("timed out"))) is STORAGE_AWAY


def test_what_the_storage_answers_is_a_fault_of_ours():
    assert server_fault(ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject")) is None
    assert server_fault(ConnectionError("of Python, of anything")) is None


def test_each_refused_field_is_named_in_a_sentence(client, image):
    sent = {"um_per_px": -3, "split": "trian"}
    found = no_repr(client.patch(reverse("image-detail", args=[image.pk]), sent, format="json"))
    assert found["field"] == "um_per_px"
    assert found["lines"] == ["um_per_px must be at least 0.001", "split must be one of train, val, test"]
    assert found["detail"] == "; ".join(found["lines"])


def test_an_upload_without_a_file_is_refused_in_a_sentence(client, image):
    url = reverse("image-list", args=[image.project_id])
    found = no_repr(client.post(url, {}, format="multipart"))
    assert (found["field"], found["status"]) == ("image", 422)
    assert found["detail"] == "image is missing"


def test_a_fault_deep_inside_is_named_with_its_place(client, image):
    url = reverse("image-list", args=[image.project_id])
    found = no_repr(client.patch(url, {"images": [1, "two"]}, format="json"))
    assert (found["field"], found["detail"]) == ("images.1", "images.1 must be a whole number")


@pytest.mark.parametrize("address", ["/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/nope/", "/api/v1/projects/abc/"])
@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_an_unknown_address_is_a_problem(address, method):
    answer = getattr(Client(enforce_csrf_checks=True), method)(address)
    assert (answer.status_code, no_repr(answer)["code"]) == (404, "no_such_address")


def test_a_missing_slash_never_turns_a_post_into_a_get(client, image):
    url = reverse("image-list", args=[image.project_id])
    answer = client.post(url.rstrip("/") + "?a=1", {}, format="json")
    assert (answer.status_code, answer["Location"]) == (308, url + "?a=1")
    assert no_repr(answer)["code"] == "missing_slash"


def test_a_body_that_is_too_large_is_413_everywhere(client, image, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    body = '{"x": "' + "y" * 2000 + '"}'
    for with_csrf in (False, True):
        browser = Client(enforce_csrf_checks=with_csrf, raise_request_exception=False)
        browser.force_login(MembershipFactory(project=image.project).user)
        browser.get(reverse("account"))  # its cookie holds a token
        answer = browser.post(reverse("activity"), body, content_type="application/json")
        assert answer.status_code == 413
        form = browser.post(reverse("account"), "x=" + "y" * 2000, content_type="application/x-www-form-urlencoded")
        assert form.status_code == 413
        assert "too large" in form.content.decode()
    assert no_repr(client.post(reverse("activity"), body, content_type="application/json"))["code"] == "too_large"


def test_what_nobody_expects_is_left_to_crash_loudly():
    assert exception_handler(ZeroDivisionError(), {}) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), (str(2**63 - 1), 2**63 - 1), (str(2**63), None), ("9" * 5000, None), ("²", None),
     ("٣", None), ("-1", None), ("+1", None), (" 1", None), ("1\n", None), ("1.0", None), ("", None), (None, None)],
)  # fmt: skip
def test_text_becomes_a_number_only_when_it_is_one(text, number):
    assert whole_number(text) == number
