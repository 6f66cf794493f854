"""The generated core of the Python client, from docs/openapi.json: `python -m tools.client_core`.

client/boxwise/generated.py has a TypedDict for each model of the schema and a method for each address. It is made here
and not by datamodel-code-generator since the client needs no models that check at run time (the server checks), and
TypedDicts cost nothing at the start of a command. tests/tools/test_client_core.py fails when the file is out of date.
"""

import json
import keyword
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = ROOT / "docs" / "openapi.json"
TARGET = ROOT / "client" / "boxwise" / "generated.py"
VERBS = ("get", "post", "put", "patch", "delete")
PLAIN = {"integer": "int", "number": "float", "boolean": "bool", "null": "None"}
JSON = "application/json"
FORM = "multipart/form-data"
Schema = dict[str, Any]
HEAD = '''"""Made by `python -m tools.client_core` from docs/openapi.json. Change nothing here."""

# ruff: noqa: E501

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, Protocol, TypeAlias, TypedDict
from uuid import uuid4

JsonValue: TypeAlias = Any
Files = Sequence[tuple[str, Any]]
'''
SENDER = '''

class Sender(Protocol):
    """Who sends a request: boxwise.transport.Transport."""

    def json(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None,
        form: Mapping[str, Any] | None = None, files: Files | None = None, headers: Mapping[str, str] | None = None,
    ) -> Any: ...

    def content(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None,
        form: Mapping[str, Any] | None = None, files: Files | None = None, headers: Mapping[str, str] | None = None,
    ) -> bytes: ...


class Operations:
    """Every address of the API, one method each."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
'''


def main() -> int:
    """Write the file."""
    TARGET.write_text(generated())
    print(f"wrote {TARGET.relative_to(ROOT)}")
    return 0


def generated() -> str:
    """The whole file, as ruff formats it."""
    schema = json.loads(SCHEMA.read_text())
    models = schema["components"]["schemas"]
    parts = [HEAD]
    parts += [model(name, one) for name, one in models.items() if name not in ("JsonValue",)]
    parts.append(SENDER)
    for path, verbs in schema["paths"].items():
        parts += [method(path, verb, verbs[verb]) for verb in VERBS if verb in verbs and is_plain(verbs[verb])]
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"]
    done = subprocess.run(command, input="\n".join(parts), capture_output=True, text=True, check=True)
    return done.stdout


def model(name: str, schema: Schema) -> str:
    """A TypedDict; a name for a model that is no object."""
    if "properties" not in schema:
        return f"\n{class_name(name)}: TypeAlias = {quoted(kind(schema))}\n"
    required = set(schema.get("required", []))
    fields = {key: field(one, key in required) for key, one in schema["properties"].items()}
    if any(map(keyword.iskeyword, fields)):  # a field that is called import cannot be written as an attribute
        listed = ", ".join(f"{key!r}: {quoted(one)}" for key, one in fields.items())
        return f"\n{class_name(name)} = TypedDict({class_name(name)!r}, {{{listed}}})\n"
    lines = [f"\nclass {class_name(name)}(TypedDict):"]
    if schema.get("description"):
        lines.append(docstring(schema["description"], 4))
    lines += [f"    {key}: {quoted(one)}" for key, one in fields.items()]
    if not fields and not schema.get("description"):
        lines.append("    pass")
    return "\n".join(lines) + "\n"


def field(schema: Schema, is_required: bool) -> str:
    found = kind(schema)
    return found if is_required else f"NotRequired[{found}]"


def class_name(name: str) -> str:
    return re.sub(r"\W", "_", name).strip("_")


def quoted(words: str) -> str:
    """As a forward reference: models name each other in any order."""
    return json.dumps(words)


def kind(schema: Schema) -> str:
    """A schema as Python writes its type."""
    if "$ref" in schema:
        return class_name(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return f"Literal[{', '.join(map(repr, schema['enum']))}]"
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(map(kind, schema["anyOf"])))
    found = schema.get("type")
    if found in PLAIN:
        return PLAIN[found]
    if found == "string":
        return "Any" if schema.get("format") == "binary" else "str"
    if found == "array":
        return array(schema)
    if found == "object":
        return mapping(schema)
    return "Any"


def array(schema: Schema) -> str:
    if "prefixItems" in schema:  # JSON has lists of fixed length where Python has tuples
        parts = dict.fromkeys(map(kind, schema["prefixItems"]))
        return f"Sequence[{' | '.join(parts)}]"
    return f"list[{kind(schema['items'])}]" if "items" in schema else "list[Any]"


def mapping(schema: Schema) -> str:
    more = schema.get("additionalProperties")
    return f"dict[str, {kind(more)}]" if isinstance(more, dict) else "dict[str, Any]"


def docstring(text: str, indent: int) -> str:
    space = " " * indent
    lines = textwrap.fill(text, width=116 - indent, subsequent_indent=space).replace("\\", "\\\\")
    end = f"\n{space}" if "\n" in lines or lines.endswith('"') else ""
    return f'{space}"""{lines}{end}"""'


def is_plain(operation: Schema) -> bool:
    """Whether a request is made of path, query and body alone. What needs headers is sent by boxwise.resumable."""
    return not any(one["in"] == "header" and one["required"] for one in operation.get("parameters", []))


def method(path: str, verb: str, operation: Schema) -> str:
    """One address as a method of Operations."""
    named = {one["name"]: one for one in operation.get("parameters", [])}
    in_path = [one for one in named.values() if one["in"] == "path"]
    in_query = [one for one in named.values() if one["in"] == "query"]
    content = operation.get("requestBody", {}).get("content", {})
    answer, sends = answer_of(operation), list(sent(content))
    positional = [f"{one['name']}: {kind(one['schema'])}" for one in in_path]
    keywords = [f"{argument}: {type_}" for argument, type_ in sends]
    keywords += [f"{one['name']}: {optional(kind(one['schema']))} = None" for one in in_query]
    if "Idempotency-Key" in named:
        keywords.append("key: str | None = None")
    arguments = ", ".join(["self", *positional, *(["*", *keywords] if keywords else [])])
    lines = [f"\n    def {operation['operationId']}({arguments}) -> {answer or 'bytes'}:"]
    lines.append(docstring(f"{verb.upper()} {path}\n\n{operation.get('description', '')}".strip(), 8))
    address = path.removeprefix("/api/v1/")
    given = [f'"{verb.upper()}"', f'{"f" if in_path else ""}"{address}"']
    given += [f"{argument}={argument}" for argument, _type in sends]
    if in_query:
        pairs = ", ".join(f'"{one["name"]}": {one["name"]}' for one in in_query)
        given.append(f"query={{{pairs}}}")
    if "Idempotency-Key" in named:
        given.append('headers={"Idempotency-Key": key or uuid4().hex}')
    call = f"self.sender.{'json' if answer else 'content'}({', '.join(given)})"
    lines += [f"        found: {answer} = {call}", "        return found"] if answer else [f"        return {call}"]
    return "\n".join(lines) + "\n"


def optional(type_: str) -> str:
    return type_ if type_.endswith("None") else f"{type_} | None"


def sent(content: Schema) -> Iterator[tuple[str, str]]:
    """(argument, its type) of what a request carries."""
    if JSON in content:
        yield "body", kind(content[JSON]["schema"])
    if FORM in content:
        yield "form", "Mapping[str, Any]"
        yield "files", "Files"


def answer_of(operation: Schema) -> str:
    """The type of the answer, or nothing for a file."""
    for status, one in operation["responses"].items():
        if status.startswith("2"):
            return kind(one["content"][JSON]["schema"]) if JSON in one.get("content", {}) else ""
    return ""


if __name__ == "__main__":
    sys.exit(main())
