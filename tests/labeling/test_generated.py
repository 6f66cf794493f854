"""No request that the schema describes, and none beside it, makes the server fail: all routes, all declared fields.

Two halves. Each declared field takes each hostile value while the rest of its request is right; and schemathesis makes
requests of its own from the schema. The short ones run a part of both, chosen by the field's name so that every value
is tried somewhere; the slow ones run all.
"""

import json
import os
from http.cookies import SimpleCookie
from itertools import islice
from zlib import crc32

import hypothesis
import pytest
import requests
import schemathesis
from django.db import transaction
from hypothesis import HealthCheck, Phase

from labeling.schema import openapi
from tests.labeling.generated import IN_JSON, IN_TEXT, Place, Sent, operations, places, request_of

pytestmark = pytest.mark.django_db
PLACES = places()
# The routes that answer with a stream that ends when its reader goes: test_live_feed.py.
STREAMS = {"layer-feed"}
EACH = 2  # values that a field takes in the short run
EXAMPLES = int(os.environ.get("GENERATED_EXAMPLES", "20"))  # requests of each operation by schemathesis
MIB = 2**20


def answer_to(world, sent: Sent, *, method: str | None = None):
    """The answer; what the request has changed is undone."""
    world.client.cookies = SimpleCookie(world.cookies)
    with transaction.atomic():
        answer = world.client.generic(method or sent.method, sent.path, sent.data, content_type=sent.content_type)
        transaction.set_rollback(True)
    return answer


def fault_of(answer) -> str:
    """Why an answer is wrong; empty for a right one. 503: no worker runs here."""
    if answer.status_code >= 500 and answer.status_code != 503:
        return str(answer.status_code)
    if answer.status_code in (409, 422) and answer["Content-Type"] == "application/json":
        errors = [one["error"] for one in answer.json()["results"]]  # of operations each has a verdict
        return next((fault for error in errors if error and (fault := shown_object(error["detail"]))), "")
    if answer.status_code >= 400:
        if answer["Content-Type"] != "application/problem+json":
            return f"{answer.status_code} as {answer['Content-Type']}"
        return shown_object(answer.json()["detail"])
    return ""


def shown_object(sentence: str) -> str:
    """The sentence, where it shows an object of Python; otherwise empty."""
    marks = ("ErrorDetail", "Input should", "<class", "object at 0x")
    return sentence if any(mark in sentence for mark in marks) else ""


def values_for(place: Place, *, every: bool):
    table = IN_JSON if place.where == "json" else IN_TEXT
    names = sorted(table)
    if every:
        return names
    start = crc32(str(place).encode())
    return [names[(start + step * 7) % len(names)] for step in range(EACH)]


def tried(world, *, every: bool) -> tuple[list[str], int]:
    faults, requests = [], 0
    for place in PLACES:
        if place.name in STREAMS:
            continue
        for kind in values_for(place, every=every):
            value = IN_JSON[kind] if place.where == "json" else IN_TEXT[kind]
            sent = request_of(place, value, world.values)
            requests += 1
            if fault := fault_of(answer_to(world, sent)):
                faults.append(f"{place} with {kind}: {fault}")
    return faults, requests


def coverage(requests: int) -> str:
    routes = {place.address for place in PLACES}
    count = len(list(operations()))
    values = len({*IN_JSON, *IN_TEXT})
    return f"{len(routes)} routes, {count} operations, {len(PLACES)} fields, {values} values: {requests} requests"


def test_no_declared_field_makes_the_server_fail(world, capsys):
    faults, requests = tried(world, every=False)
    with capsys.disabled():
        print(f"\n  generated (short): {coverage(requests)}")
    assert not faults, "\n".join(line[:160] for line in faults[:60])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_declared_field_makes_the_server_fail_with_any_value(world, capsys):
    faults, requests = tried(world, every=True)
    with capsys.disabled():
        print(f"\n  generated (long): {coverage(requests)}")
    assert not faults, "\n".join(line[:160] for line in faults[:60])


def made_by_schemathesis(world, *, examples: int) -> list[str]:
    """Requests that schemathesis makes of each operation, the same ones each time."""
    faults: list[str] = []
    schema = schemathesis.openapi.from_dict(openapi())
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.definition.raw["operationId"].startswith("layer_feed"):
            continue

        @hypothesis.settings(
            max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @hypothesis.given(case=operation.as_strategy())
        def send(case):
            kwargs = case.as_transport_kwargs(base_url="http://testserver")
            prepared = requests.Request(
                kwargs["method"], kwargs["url"], params=kwargs.get("params"), json=kwargs.get("json"),
                data=kwargs.get("data"), files=kwargs.get("files"),
            ).prepare()  # fmt: skip
            body = prepared.body or b""
            path = prepared.path_url
            kind = str(prepared.headers.get("Content-Type") or "application/json")
            data = body if isinstance(body, bytes) else str(body).encode()
            answer = answer_to(world, Sent(str(prepared.method), path, data, kind))
            if fault := fault_of(answer):
                faults.append(f"{prepared.method} {path[:200]}: {fault}")

        send()
    return faults


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_schemathesis_finds_no_server_error(world):
    assert made_by_schemathesis(world, examples=EXAMPLES) == []


def writes() -> list[Place]:
    """One place of each operation that takes a body."""
    found: dict[tuple[str, str], Place] = {}
    for place in PLACES:
        if place.where in ("json", "form"):
            found.setdefault((place.address, place.method), place)
    return list(found.values())


@pytest.mark.parametrize("size", [17 * MIB, pytest.param(60 * MIB, marks=pytest.mark.slow)])
def test_a_body_that_is_too_large_is_413_at_every_address(world, size):
    text = "x" * size
    statuses = {}
    for place in writes() if size > 20 * MIB else writes()[:4]:
        sent = request_of(place, text if place.where == "form" else json.dumps(text), world.values)
        answer = answer_to(world, sent)
        assert fault_of(answer) == ""
        statuses[f"{place.method} {place.address}"] = answer.status_code
    files = {where for where, status in statuses.items() if status != 413}
    assert all("masks" in where or "images/" in where or "weights" in where for where in files), statuses


@pytest.mark.parametrize("content_type", ["multipart/form-data", "text/plain", "application/xml", "a" * 300, "\u00b2"])
def test_a_body_of_an_odd_type_is_a_problem(world, content_type):
    for place in islice(writes(), 0, None, 3):
        sent = request_of(place, b"x" if place.where == "form" else '"x"', world.values)
        answer = answer_to(world, Sent(sent.method, sent.path, b"\xff\xfe{", content_type))
        assert fault_of(answer) == "" and answer.status_code in (400, 415, 422), (place.method, place.address)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get"])
def test_a_method_that_an_address_has_not_is_a_problem(world, method):
    for address, verb, _operation in operations():
        if verb == "GET" and "{" not in address and "schema" not in address:
            answer = answer_to(world, Sent(verb, address, b"", "application/json"), method=method)
            assert fault_of(answer) == ""


def test_every_declared_place_is_reached():
    """The oracle of the above: deep fields, parameters and files are among what is tried."""
    found = {str(place) for place in PLACES}
    assert {
        "POST /api/v1/layers/{layer}/operations/ json operations.0.effects.0.after.mask.bits",
        "GET /api/v1/layers/{layer}/operations/ query after",
        "POST /api/v1/projects/{project}/images/ form image",
        "GET /api/v1/images/{image}/ path image",
        "POST /api/v1/projects/{project}/rounds/ json start.detector.from",
    } <= found
