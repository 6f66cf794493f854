"""Every answer of the API that a test of the suite gets is compared with the schema.

An answer that the schema does not describe, or describes differently, fails the test that got it.
"""

import json
from functools import cache
from typing import Any

import jsonschema_rs
from django.urls import Resolver404, resolve

from labeling.schema import openapi, operation_named

PROBLEM = "application/problem+json"
JSON = "application/json"


def check(method: str, path: str, answer: Any) -> None:
    """Raises AssertionError where the answer breaks the contract of its address."""
    if method in ("HEAD", "OPTIONS") or answer.status_code == 304 or getattr(answer, "streaming", False):
        return
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    operation = _operation(method, path)
    status = str(answer.status_code)
    described = (operation or {}).get("responses", {})
    if status not in described:
        assert kind == PROBLEM and answer.status_code >= 300, f"{method} {path} answers {status} as {kind}"
        _compare(PROBLEM, "", "default", answer)
        return
    content = described[status]["content"]
    if status >= "400" and kind == PROBLEM:  # the whole request was declined, not only parts of it
        _compare(PROBLEM, "", "default", answer)
        return
    if not content and not answer.content:  # an answer of headers alone
        return
    assert kind in content or "application/octet-stream" in content, f"{method} {path} answers as {kind}"
    if kind == JSON and content[JSON]["schema"].get("format") != "binary":
        assert operation is not None
        _compare(JSON, operation["operationId"], status, answer)


def _operation(method: str, path: str) -> dict[str, Any] | None:
    try:
        name = str(resolve(path).url_name)
    except (Resolver404, ValueError):
        return None
    return operation_named(name.removesuffix("-former"), method)


def _compare(kind: str, operation_id: str, status: str, answer: Any) -> None:
    validator = _validator(kind, operation_id, status)
    found = next(validator.iter_errors(json.loads(answer.content)), None)
    if found is not None:
        where = "/".join(map(str, found.instance_path))
        raise AssertionError(f"{operation_id} {status} breaks its schema at {where!r}: {found.message[:400]}")


@cache
def _validator(kind: str, operation_id: str, status: str) -> jsonschema_rs.Validator:
    if kind == PROBLEM:
        schema = {"$ref": "#/components/schemas/Problem"}
    else:
        (operation,) = (
            one for verbs in openapi()["paths"].values() for one in verbs.values() if one["operationId"] == operation_id
        )
        schema = operation["responses"][status]["content"][kind]["schema"]
    return jsonschema_rs.Draft202012Validator(schema | {"components": openapi()["components"]})
