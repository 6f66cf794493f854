"""What holds of every route of the API, held route by route from the schema: lists come in pages, nothing unknown is
taken, every error is problem+json, and a POST stays a POST."""

import json
from http.cookies import SimpleCookie
from typing import get_args, get_origin

import pytest
from django.db import transaction
from django.test import Client
from pydantic import BaseModel

from labeling.paging import Listing, Page
from labeling.schema import VERBS, all_contracts
from tests.labeling.generated import HERE, JSON, instance, operations, resolved
from tests.labeling.test_generated import shown_object
from tests.labeling.uploads import PART
from tests.tokens import token_headers

UNKNOWN = "no_such_name"
# Answers that hold a list without being one: each is bounded by something else than pages.
PARTS = {
    "project-detail": "the classes and members of one project",
    "curriculum": "the training fields of one project",
    "control-plan": "the readers of one project, for who sees the results",
    "attempt-field-finish": "the fields of one attempt",
    "attempt-field-feedback": "the cells of one field",
    "class-uses": "the rounds, exports and certificates of one project",
    "project-attributes": "the attributes of one project",
    "project-active-time": "the members of one project",
    "storage": "the kinds of files that can be removed",
    "dashboard": "the last 60 days, the members and the classes of one project",
    "notification-choices": "the kinds of notifications",
    "agreement": "the models whose proposals were in sight",
    "image-consensus": "where the readings of one image differ",
    "gallery-cells": "the first 20,000 cells, whose names a sheet asks for",
    "gallery-likeness": "the first 20,000 cells, whose names a sheet asks for",
    "search-names": "at most 20 of each kind",
    "gallery-sheet": "at most 100 cells that are named",
    "certificate-detail": "the groups of one lot",
    "certificate-cells": "at most 50 cells of one sample",
    "certificate-fields": "one field of one sample",
    "image-annotations": "the cells and regions of one image",
    "round-events": "at most 1,000 lines of a round with `after`, counted on",
    "round-before": "what limits one round",
    "round-compare": "at most 20 rounds",
    "proposal-before": "what limits one proposal",
    "job-detail": "at most 1,000 files of one job",
    "image-comments": "the comments on one image, which the workspace shows at once",
    "item-detail": "the readings and events of one item",
    "image-detail": "what was noted of one image",
    "image-workspace": "the layers of one image",
    "slide-list": "what lies in one folder of the server",
    "image-slide": "the parts that were taken out of one slide",
    "image-overlay": "two rounds",
    "layer-operations": "a tail with `limit` and `after`, counted by seq",
    "layer-heads": "at most 100 annotations that are named",
    "round-detail": "the stages of one round",
    "round-drift": "the factors of one round",
    "round-tuning": "the settings of one table",
}


def contains_a_list(answer) -> bool:
    """Whether a field of the answer, or the answer itself, is a list."""
    if isinstance(answer, type) and issubclass(answer, BaseModel):
        return any(_is_list(field.annotation) for field in answer.model_fields.values())
    return _is_list(answer)


def _is_list(annotation) -> bool:
    kinds = [annotation, *get_args(annotation)]  # of `list[X] | None` too
    return any(get_origin(kind) in (list, tuple) for kind in kinds)


def is_page(answer) -> bool:
    return isinstance(answer, type) and issubclass(answer, Page)


def test_every_list_comes_in_pages_with_filters_of_its_own():
    listed = set()
    for name, verb, declared in all_contracts():
        if verb != "get" or declared.answer is None:
            continue
        if is_page(declared.answer):
            assert issubclass(declared.query, Listing), name
            own = declared.query.model_fields.keys() - Listing.model_fields.keys()
            assert "ordering" in own, name
            assert declared.query.model_config["extra"] == "forbid", name
            listed.add(name)
        elif contains_a_list(declared.answer):
            assert name in PARTS, f"{name} answers with a list: take Listing and answer with page()"
    assert len(listed) >= 28 and not listed & PARTS.keys()


def answer_to(world, method, address, body=b"", content_type=JSON, *, client=None):
    client = client or world.client
    if client is world.client:
        client.cookies = SimpleCookie(world.cookies)
    with transaction.atomic():
        answer = client.generic(method, address, body, content_type=content_type)
        transaction.set_rollback(True)
    return answer


def problem_of(answer, where):
    """The problem that an answer holds, whose shape is right."""
    assert answer["Content-Type"] == "application/problem+json", (where, answer.status_code)
    problem = answer.json()
    assert problem["status"] == answer.status_code, where
    assert problem["code"] and not shown_object(problem["detail"]), where
    return problem


def addressed(world):
    """(method, real address, operation, words for who reads a failure) of everything that the schema describes."""
    for address, method, operation in operations():
        yield method, address.format(**world.values), operation, f"{method} {address}"


def json_of(operation):
    """The schema of the JSON body; None where none is taken."""
    content = operation.get("requestBody", {}).get("content", {})
    return content[JSON]["schema"] if JSON in content else None


@pytest.mark.django_db
def test_a_parameter_that_is_not_declared_is_declined_everywhere(world):
    for method, address, _operation, where in addressed(world):
        problem = problem_of(answer_to(world, method, f"{address}?{UNKNOWN}=1"), where)
        assert problem["status"] == 422 and f"there is no field {UNKNOWN} here" in problem["detail"], where


@pytest.mark.django_db
def test_a_field_that_is_not_declared_is_declined_everywhere(world):
    for method, address, operation, where in addressed(world):
        schema = json_of(operation)
        if method == "GET":
            continue
        body = {UNKNOWN: 1}
        if schema is not None:
            least = instance(schema, None, world.values)
            body = least | body if isinstance(least, dict) else body
        answer = answer_to(world, method, address, json.dumps(body).encode())
        if PART in operation.get("requestBody", {}).get("content", {}):  # takes bytes, and no JSON
            assert answer.status_code == 415, where
            continue
        if schema is None and "requestBody" in operation:  # a form alone: its files are missing besides
            assert answer.status_code == 422, where
            continue
        problem = problem_of(answer, where)
        assert problem["status"] == 422 and f"there is no field {UNKNOWN} here" in problem["detail"], where


@pytest.mark.django_db
def test_what_is_no_json_is_a_problem_everywhere(world):
    for method, address, operation, where in addressed(world):
        if json_of(operation) is not None:
            cut_off = answer_to(world, method, address, b"{")
            assert problem_of(cut_off, where)["status"] == 400, where
            xml = answer_to(world, method, address, b"<a/>", "application/xml")
            assert problem_of(xml, where)["status"] == 415, where


@pytest.mark.django_db
def test_nobody_is_told_so_in_a_problem_everywhere(world):
    stranger = Client(raise_request_exception=False)
    for method, address, operation, where in addressed(world):
        body = json.dumps(instance(json_of(operation) or {"type": "object"}, None, world.values)).encode()
        answer = answer_to(world, method, address, body, client=stranger)
        assert problem_of(answer, where)["status"] == 401, where


RATE = {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"}


@pytest.mark.django_db
@pytest.mark.parametrize("scope", ["manage", "read"])  # the narrow one is declined by whatever writes
def test_every_answer_says_how_many_requests_a_token_has_left(world, settings, scope):
    settings.API_REQUESTS_PER_MINUTE = 100_000
    program = Client(raise_request_exception=False, headers=token_headers(world.person, scope))
    statuses = set()
    for method, address, _operation, where in addressed(world):
        answer = answer_to(world, method, address, client=program)
        assert set(answer.headers) >= RATE, (where, answer.status_code)
        statuses.add(answer.status_code)
    assert statuses >= ({200, 422} if scope == "manage" else {200, 403})


@pytest.mark.django_db
def test_a_missing_slash_sends_every_method_on_as_itself(world):
    for method, address, _operation, where in addressed(world):
        answer = answer_to(world, method, address.rstrip("/"))
        assert problem_of(answer, where)["status"] == 308 and answer["Location"] == address, where


@pytest.mark.django_db
def test_a_method_that_an_address_has_not_is_405_everywhere(world):
    declared: dict[str, set[str]] = {}
    for method, address, _operation, _where in addressed(world):
        declared.setdefault(address, set()).add(method.lower())
    for address, methods in declared.items():
        for verb in sorted(set(VERBS) - methods):
            where = f"{verb} {address}"
            assert problem_of(answer_to(world, verb.upper(), address), where)["status"] == 405, where


@pytest.mark.django_db
def test_a_page_without_its_slash_keeps_the_method(world):
    for method in ("GET", "POST"):
        answer = answer_to(world, method, "/accounts/mine")
        assert (answer.status_code, answer["Location"]) == (308, "/accounts/mine/")


def test_the_least_body_of_an_operation_is_whole():
    """The oracle of the above: a body that is right but for the one name that is not declared."""
    for address, method, operation in operations():
        schema = json_of(operation)
        if schema is not None:
            made = instance(schema, None, {})
            missing = set(resolved(schema).get("required", [])) - set(made)
            assert not missing and HERE not in json.dumps(made), f"{method} {address}"
