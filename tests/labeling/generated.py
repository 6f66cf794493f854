"""Requests made from the schema of the API: every route, every declared field, each with values that nobody types."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from labeling.schema import openapi

Schema = dict[str, Any]
Path = tuple[str | int, ...]
JSON = "application/json"
FORM = "multipart/form-data"
NINES = "9" * 5000
HERE = "<value>"  # where a value of JSON is put in, since some of them cannot be written by json.dumps

# Values as JSON has them.
IN_JSON = {
    "superscript": '"²"',
    "5,000 nines": NINES,
    "5,000 nines as text": f'"{NINES}"',
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "1e400": "1e400",
    "nul": '"x\\u0000y"',
    "half a character": '"\\ud800"',
    "deep": "[" * 20_000 + "]" * 20_000,
    "deep objects": '{"a":' * 900 + "1" + "}" * 900,
    "beyond 64 bits": str(2**63),
    "beyond 32 bits": str(2**31),
    "negative": "-1",
    "fraction": "1.5",
    "true": "true",
    "null": "null",
    "list": "[]",
    "object": "{}",
    "list of null": "[null]",
    "nothing": '""',
    "long text": '"' + "x" * 3000 + '"',
    "no date": '"9999-12-31T23:59:59-14:00"',
    "cut off": '"',
}
# Values as an address or a form has them.
IN_TEXT: dict[str, str | bytes] = {
    "superscript": "²",
    "arabic digits": "٣",
    "5,000 nines": NINES,
    "beyond 64 bits": str(2**63),
    "beyond 32 bits": str(2**31),
    "negative": "-1",
    "nan": "nan",
    "1e400": "1e400",
    "fraction": "1.5",
    "underscore": "1_0",
    "nul": "x\0y",
    "nothing": "",
    "long text": "x" * 3000,
    "half a character": b"\xed\xa0\x80",
    "bytes that are no text": b"\xff\xfe",
    "list": "[]",
    "forged cursor": "WzEsIDFlOTld",
}


@dataclass(frozen=True)
class Place:
    """A field of an operation: in its "path", "query", "form" or "json", where the path goes into the body."""

    name: str
    method: str
    address: str
    where: str
    path: Path

    def __str__(self) -> str:
        return f"{self.method} {self.address} {self.where} {'.'.join(map(str, self.path))}"


@dataclass(frozen=True)
class Sent:
    method: str
    path: str
    data: bytes
    content_type: str


def operations() -> Iterator[tuple[str, str, Schema]]:
    """(address, method, operation) of the schema."""
    for address, verbs in openapi()["paths"].items():
        for method, operation in verbs.items():
            yield address, method.upper(), operation


def places() -> list[Place]:
    """Every declared field of every operation."""
    found = []
    for address, method, operation in operations():
        name = operation["operationId"].rpartition("_")[0].replace("_", "-")
        for parameter in operation.get("parameters", []):
            found.append(Place(name, method, address, parameter["in"], (parameter["name"],)))
        content = operation.get("requestBody", {}).get("content", {})
        for kind, where in ((JSON, "json"), (FORM, "form")):
            if kind in content:
                found += [Place(name, method, address, where, path) for path in paths_of(content[kind]["schema"])]
    return found


def resolved(schema: Schema) -> Schema:
    """The schema itself: through references, and of several the first that is not null."""
    if "$ref" in schema:
        return resolved(openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for one in schema.get("anyOf", []):
        if one.get("type") != "null":
            return resolved(one)
    return schema


def paths_of(schema: Schema, before: Path = ()) -> Iterator[Path]:
    """The paths of all fields of a body, the body itself first; of a list its first entry."""
    schema = resolved(schema)
    yield before
    for name, inner in schema.get("properties", {}).items():
        yield from paths_of(inner, (*before, name))
    entries = schema.get("prefixItems") or ([schema["items"]] if isinstance(schema.get("items"), dict) else [])
    for number, inner in enumerate(entries):
        yield from paths_of(inner, (*before, number))


def instance(schema: Schema, path: Path | None, values: dict[str, Any], name: str = "") -> Any:
    """The least that the schema takes, with HERE at `path`. `values` are what fields of these names really have."""
    if path == ():
        return HERE
    schema = resolved(schema)
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        wanted = [*schema.get("required", []), *([path[0]] if path else [])]
        return {
            one: instance(properties[one], path[1:] if path and path[0] == one else None, values, one)
            for one in dict.fromkeys(wanted)
            if one in properties
        }
    if schema.get("type") == "array":
        entries = schema.get("prefixItems") or [schema["items"]] * max(schema.get("minItems", 0), 1 if path else 0)
        return [
            instance(one, path[1:] if path and path[0] == number else None, values, name)
            for number, one in enumerate(entries)
        ]
    if path:
        return HERE
    return values.get(name, scalar(schema))


def scalar(schema: Schema) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("format") == "uuid":
        return "00000000-0000-0000-0000-000000000007"
    if schema.get("format") == "date-time":
        return "2026-01-31T09:30:00Z"
    kind = schema.get("type")
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return {"boolean": False, "string": "AA=="}.get(kind)


def request_of(place: Place, value: Any, values: dict[str, Any]) -> Sent:
    """A request that is right but for the value at its place."""
    content = _operation(place).get("requestBody", {}).get("content", {})
    parts = {"path": place.path[0]} if place.where == "path" else {}
    address = re.sub(r"{(\w+)}", lambda m: _quoted(value if parts.get("path") == m[1] else values[m[1]]), place.address)
    query = [(place.path[0], value)] if place.where == "query" else _needed(place, values)
    if query:
        address += "?" + urlencode(query)
    if place.where == "form":
        return Sent(place.method, address, _multipart(content[FORM]["schema"], place, value, values), BOUNDED)
    if JSON not in content:
        return Sent(place.method, address, b"", JSON)
    body = json.dumps(instance(content[JSON]["schema"], place.path if place.where == "json" else None, values))
    if place.where == "json":
        body = body.replace(json.dumps(HERE), value)
    return Sent(place.method, address, body.encode(), JSON)


BOUNDARY = "---------------------------7"
BOUNDED = f"{FORM}; boundary={BOUNDARY}"


def _operation(place: Place) -> Schema:
    found: Schema = openapi()["paths"][place.address][place.method.lower()]
    return found


def _needed(place: Place, values: dict[str, Any]) -> list[tuple[str, Any]]:
    """The parameters that an operation cannot do without."""
    found: list[tuple[str, Any]] = []
    for parameter in _operation(place).get("parameters", []):
        if parameter["in"] == "query" and parameter["required"]:
            made = instance(parameter["schema"], None, values, parameter["name"])
            found += [(parameter["name"], one) for one in (made if isinstance(made, list) else [made])]
    return found


def _multipart(schema: Schema, place: Place, value: Any, values: dict[str, Any]) -> bytes:
    """A form: files where the schema says binary; at the place the value, as a field and as a file's content."""
    lines: list[bytes] = []
    properties = resolved(schema)["properties"]
    needed = [name for name in resolved(schema).get("required", []) if name not in place.path]
    for name in [*needed, *[str(part) for part in place.path[:1]]]:
        inner = resolved(properties[name])
        inner = resolved(inner["items"]) if inner.get("type") == "array" else inner
        given = value if name in place.path else values.get(name, scalar(inner))
        file = b'; filename="x.png"' if inner.get("format") == "binary" else b""
        content = given if isinstance(given, bytes) else str(given).encode()
        head = b'Content-Disposition: form-data; name="' + name.encode() + b'"' + file
        lines += [b"--" + BOUNDARY.encode(), head, b"", content]
    return b"\r\n".join([*lines, b"--" + BOUNDARY.encode() + b"--", b""])


def _quoted(value: Any) -> str:
    return quote(value if isinstance(value, bytes) else str(value), safe="")
