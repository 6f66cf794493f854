"""What a contract declares is what a view gets and says; everything else is declined in a plain sentence."""

import json
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pydantic import Field, TypeAdapter, ValidationError
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from labeling.contract import Answer, Body, File, Form, Id, InDecimals, Query, QueryId, Reply, Text, contract
from tests.declined import assert_declined
from tests.factories import MembershipFactory, ProjectFactory, UserFactory

pytestmark = pytest.mark.django_db


class Point(Body):
    x: float
    y: float


class Given(Body):
    count: Annotated[int, Field(ge=1, le=5)]
    name: Text = ""
    kind: Literal["cell", "region"] = "cell"
    where: list[Point] = []
    at: datetime | None = None
    uid: UUID | None = None


class Asked(Query):
    round: list[QueryId] = []
    limit: QueryId = 10
    long: bool = False


class Sent(Form):
    masks: list[File] = []
    replace: bool = False
    count: Id = 1


class Echo(Answer):
    count: int
    round: list[int] = []


class View(APIView):
    permission_classes = []

    @contract(query=Asked, answer=Echo)
    def get(self, request, *, query):
        return Echo(count=query.limit, round=query.round)

    @contract(body=Given, answer=Echo, status=201)
    def post(self, request, *, body):
        return Reply(Echo(count=body.count), headers={"Location": "/there/"})

    @contract(answer=Echo)
    def delete(self, request):
        return {"count": "no number"}


class FormView(APIView):
    permission_classes = []

    @contract(form=Sent, answer=Echo)
    def post(self, request, *, form):
        return Echo(count=len(form.masks) * form.count)


def ask(method, path="/", *args, view=View, **kwargs):
    request = getattr(APIRequestFactory(), method)(path, *args, **kwargs)
    force_authenticate(request, UserFactory())
    answer = view.as_view()(request)
    return answer if not hasattr(answer, "render") else answer.render()


def post(body):
    return ask(
        "post", "/", body if isinstance(body, str | bytes) else json.dumps(body), content_type="application/json"
    )


def test_a_view_gets_typed_objects_and_answers_by_its_model():
    answer = post({"count": 3, "where": [{"x": 1, "y": 2.5}], "at": "2026-01-31T09:30:00Z", "uid": str(UUID(int=1))})
    assert (answer.status_code, json.loads(answer.content)) == (201, {"count": 3, "round": []})
    assert answer["Location"] == "/there/"
    assert json.loads(ask("get", "/?round=4&round=5&limit=7").content) == {"count": 7, "round": [4, 5]}


@pytest.mark.parametrize(
    ("body", "field", "sentence"),
    [
        ({}, "count", "count is missing"),
        ({"count": "3"}, "count", "count must be a whole number"),
        ({"count": True}, "count", "count must be a whole number"),
        ({"count": 2.0}, "count", "count must be a whole number"),
        ({"count": 9}, "count", "count must be at most 5"),
        ({"count": 3, "nmae": "x"}, "nmae", "there is no field nmae here"),
        ({"count": 3, "name": "x\0y"}, "name", "name must not contain a NUL character"),
        ({"count": 3, "kind": "cel"}, "kind", "kind must be one of cell, region"),
        ({"count": 3, "where": [{"x": 1, "y": 2}, {"x": 1}]}, "where.1.y", "where.1.y is missing"),
        ({"count": 3, "where": [{"x": 10**400, "y": 1}]}, "where.0.x", "where.0.x must be a finite number"),
        ({"count": 3, "at": "yesterday"}, "at", "at must be a time with its zone (ISO 8601), as 2026-01-31T09:30:00Z"),
        ({"count": 3, "uid": "x"}, "uid", "uid must be a UUID"),
        ([], "", "the body must be an object"),
        ("null", "", "the body must be an object"),
    ],
)  # fmt: skip
def test_a_body_is_declined_by_field(body, field, sentence):
    answer = post(body)
    content = json.loads(answer.content)
    assert (answer.status_code, content.get("field", ""), content["detail"]) == (422, field, sentence)
    assert answer["Content-Type"] == "application/problem+json"


def test_several_faults_are_several_lines():
    content = json.loads(post({"count": 9, "kind": 1}).content)
    assert content["lines"] == ["count must be at most 5", "kind must be one of cell, region"]
    assert content["detail"] == "; ".join(content["lines"])


@pytest.mark.parametrize(
    "body", ["{", b"\xff", '{"count": NaN}', '{"name": "\\ud800"}', "[" * 100_000, '{"count": ' + "9" * 5000 + "}"]
)
def test_what_is_no_json_is_400_or_422_and_a_problem(body):
    answer = post(body)
    assert answer.status_code in (400, 422)
    assert answer["Content-Type"] == "application/problem+json"


def test_another_type_of_body_is_415():
    assert ask("post", "/", "count=3", content_type="text/plain").status_code == 415
    assert ask("post", "/", "a,b", content_type="text/csv", view=FormView).status_code == 415


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_a_form_on_a_route_of_json_is_415_where_the_csrf_check_has_read_it(kind):
    membership = MembershipFactory(role="owner")
    page = Client(enforce_csrf_checks=True)
    page.force_login(membership.user)
    page.cookies[settings.CSRF_COOKIE_NAME] = "a" * 32
    part = '--x\r\nContent-Disposition: form-data; name="preset"\r\n\r\ntiny\r\n--x--\r\n'
    body = part if "boundary" in kind else "preset=tiny"
    address = f"/api/v1/projects/{membership.project.pk}/rounds/"
    answer = page.post(address, body, content_type=kind, headers={"X-CSRFToken": "a" * 32})
    assert_declined(answer, 415, code="unsupported_media_type")


@pytest.mark.parametrize(
    ("query", "field"),
    [("limt=3", "limt"), ("limit=%C2%B2", "limit"), ("limit=" + "9" * 5000, "limit"), ("limit=1_0", "limit"),
     ("limit=0", "limit"), ("limit=1&limit=2", "limit"), ("round=1&round=x", "round.1"), ("long=perhaps", "long"),
     ("format=api", "format")],
)  # fmt: skip
def test_a_query_is_declined_by_field(query, field):
    answer = ask("get", f"/?{query}")
    assert (answer.status_code, json.loads(answer.content)["field"]) == (422, field)


def test_a_form_brings_files_and_text():
    def send(**fields):
        return ask("post", "/", fields, format="multipart", view=FormView)

    def files():
        return [SimpleUploadedFile(name, b"x") for name in ("a.png", "b.png")]

    answer = send(masks=files(), count="3", csrfmiddlewaretoken="abc")
    assert json.loads(answer.content)["count"] == 6
    for wrong in ({"mask": files()}, {"replace": "perhaps"}, {"replace": files()[0]}, {"masks": "text"}):
        declined = send(**wrong)
        assert (declined.status_code, json.loads(declined.content)["field"]) == (
            422,
            next(iter(wrong)) + ".0" * ("masks" in wrong),
        )


def test_a_route_without_a_body_declines_one():
    answer = ask("delete", "/", json.dumps({"x": 1}), content_type="application/json")
    assert (answer.status_code, json.loads(answer.content)["field"]) == (422, "x")


def test_an_answer_that_breaks_its_own_contract_is_a_fault_of_the_server():
    with pytest.raises(ValueError, match="count"):
        ask("delete")


def test_a_list_comes_in_pages_and_is_complete(client):
    user = UserFactory()
    names = ["b", "a", "c", "a", "b"]
    made = [ProjectFactory(name=name) for name in names]
    for project in made:
        project.memberships.create(user=user, role="viewer")
    client.force_login(user)
    for ordering in ("id", "-id", "name", "-name", "created_at", "-created_at"):
        address, found = f"/api/v1/projects/?limit=2&ordering={ordering}", []
        while address:
            answer = client.get(address).json()
            found += answer["items"]
            address = answer["next"]
        column = ordering.removeprefix("-")
        assert [one[column] for one in found] == sorted((p[column] for p in found), reverse=ordering.startswith("-"))
        assert {one["id"] for one in found} == {project.pk for project in made}


@pytest.mark.parametrize(
    "query", ["ordering=user__password", "user=1", "limit=0", "limit=1001", "cursor=x", "cursor=%C2%B2", "cursor=W10",
              "cursor=WyJceHUwMDAwIiwxXQ", "cursor=WzEsIDFlOTld", "cursor=W251bGwsbnVsbF0", "archived=perhaps"]
)  # fmt: skip
def test_a_list_declines_what_it_does_not_have(client, query):
    client.force_login(UserFactory())
    answer = client.get(f"/api/v1/projects/?{query}")
    assert_declined(answer, 422, field=query.partition("=")[0])


@pytest.mark.parametrize(("text", "number"), [("12", 12.0), ("0.5", 0.5), ("33.480000000000004", 33.48)])
def test_a_number_in_an_address_may_have_decimals(text, number):
    assert TypeAdapter(Annotated[float, InDecimals]).validate_python(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "1e3", "inf", "nan", "-1", "1.", ".5", "1_0", " 1", "1,5", "٣"])
def test_what_is_no_plain_number_in_an_address_is_declined(text):
    with pytest.raises(ValidationError, match="must be a number like 12"):
        TypeAdapter(Annotated[float, InDecimals]).validate_python(text)
