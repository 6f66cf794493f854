"""The schema of the API (OpenAPI 3.1), made from the contracts of its routes (labeling/contract.py).

It is served at /api/v1/schema/ and kept in docs/openapi.json, from which the browser's types are made (`manage schema`,
then `npm run types`).
"""

import json
import re
from functools import cache
from typing import Any

from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.contract import FORMS, JSON, Contract, NoFields, Nothing, contract, contract_of
from labeling.problems import PROBLEM, Problem

PREFIX = "/api/v1/"
OPENAPI = "application/vnd.oai.openapi+json"
REF = "#/components/schemas/{model}"
VERBS = ("get", "post", "put", "patch", "delete")
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 200},
    "description": "a word of your own for this request: sent again with it, it is done once and answered again",
}
NOTHING = (None, Nothing, NoFields)  # models of requests that send nothing
Schema = dict[str, Any]


class ContractSchema(AutoSchema):
    """What REST framework's views say of themselves to drf-spectacular: their contracts."""

    @property
    def contract(self) -> Contract | None:
        return contract_of(getattr(self.view, self.method.lower(), None))

    def is_excluded(self) -> bool:
        return self.contract is None or self.path not in names_of_routes()

    def get_operation_id(self) -> str:
        return f"{names_of_routes()[self.path].replace('-', '_')}_{self.method.lower()}"

    def get_tags(self) -> list[str]:
        return [self.path.removeprefix(PREFIX).split("/")[0]]

    def _get_parameters(self) -> list[Schema]:
        path: list[Schema] = self._resolve_path_parameters(re.findall(r"{(\w+)}", self.path))
        for one in path:
            one["required"] = True
        assert self.contract is not None
        header = [KEY] if getattr(getattr(self.view, self.method.lower()), "takes_key", False) else []
        return path + header + headers_of(self.contract) + parameters_of(self.contract)

    def _get_request_body(self, direction: str = "request") -> Schema | None:
        found = self.contract
        assert found is not None
        content: Schema = {}
        for kind, sent in ((JSON, found.body), (FORMS[0], found.form)):
            if sent not in NOTHING:
                content[kind] = {"schema": schema_of(sent, "validation")}
        if found.stream:
            content[found.stream] = {"schema": {"type": "string", "format": "binary"}}
        return {"content": content, "required": True} if content else None

    def _get_response_bodies(self, direction: str = "response") -> Schema:
        found = self.contract
        assert found is not None
        described: Schema = {}
        for status, answer in {found.status: found.answer, **found.also}.items():
            if answer is not None:
                content: Schema = {JSON: {"schema": schema_of(answer, "serialization")}}
            else:
                content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in found.files}
            described[str(status)] = {"description": "", "content": content}
        described["default"] = {
            "description": "",
            "content": {PROBLEM: {"schema": schema_of(Problem, "serialization")}},
        }
        return described


def headers_of(contract: Contract) -> list[Schema]:
    """The headers without which a request of a contract is declined."""
    found: list[Schema] = []
    for name, meaning in contract.headers.items():
        found.append(
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": meaning}
        )
    return found


def parameters_of(contract: Contract) -> list[Schema]:
    """The parameters after the question mark, of a contract."""
    made = contract.query.model_json_schema(ref_template=REF)
    found = []
    for name, schema in made.get("properties", {}).items():
        parameter = {"name": name, "in": "query", "required": name in made.get("required", []), "schema": schema}
        if description := schema.pop("description", None):
            parameter["description"] = description
        if schema.get("type") == "array":
            parameter |= {"style": "form", "explode": True}
        schema.pop("title", None)
        found.append(parameter)
    return found


@cache
def described_routes() -> tuple[tuple[str, URLPattern], ...]:
    """(address with {parameters}, route) of every view of the API; former addresses are not described."""
    found = []
    for part in get_resolver().url_patterns:
        if isinstance(part, URLResolver) and f"/{part.pattern}" == PREFIX:
            routes = [route for route in part.url_patterns if isinstance(route, URLPattern)]
            found += [(_address_of(route), route) for route in routes if _is_described(route)]
    return tuple(found)


def _address_of(route: URLPattern) -> str:
    return PREFIX + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(route.pattern))


def _is_described(route: URLPattern) -> bool:
    return hasattr(route.callback, "cls") and not str(route.name).endswith("-former")


@cache
def names_of_routes() -> dict[str, str]:
    """Address with {parameters} -> name."""
    return {address: str(route.name) for address, route in described_routes()}


@cache
def all_contracts() -> tuple[tuple[str, str, Contract], ...]:
    """(name of the route, verb, contract) of everything that the schema describes."""
    found = []
    for _address, route in described_routes():
        view = getattr(route.callback, "cls")  # noqa: B009, REST framework's views have it, Django's do not
        for verb in VERBS:
            declared = contract_of(getattr(view, verb, None))
            if declared is not None:
                found.append((str(route.name), verb, declared))
    return tuple(found)


class _Untitled(GenerateJsonSchema):
    """Without the titles that repeat a name, and in which the order of fields is that of the model."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Not where it is left out for what it holds (exclude_if)."""
        return "serialization_exclude_if" not in field and super().field_is_required(field, total)


@cache
def _made() -> tuple[dict[tuple[str, JsonSchemaMode], Schema], Schema]:
    """Every model of every contract at once, so that names are given once."""
    models: dict[tuple[str, JsonSchemaMode], Any] = {(_key(Problem), "serialization"): Problem}
    for _name, _verb, declared in all_contracts():
        for sent in (declared.body, declared.form):
            if sent not in NOTHING:
                models[_key(sent), "validation"] = sent
        for described in (declared.answer, *declared.also.values()):
            if described is not None:
                models[_key(described), "serialization"] = described
    inputs = [(key, mode, TypeAdapter(model)) for (key, mode), model in models.items()]
    made, definitions = TypeAdapter.json_schemas(inputs, ref_template=REF, schema_generator=_Untitled)
    return {key: dict(value) for key, value in made.items()}, dict(definitions.get("$defs", {}))


def _key(model: Any) -> str:
    return f"{model.__module__}.{model.__qualname__}" if isinstance(model, type) else str(model)


def schema_of(model: Any, mode: JsonSchemaMode) -> Schema:
    """A reference to a model's schema among the components, or the schema of what is no model, as a list of models."""
    return _made()[0][_key(model), mode]


def add_components(result: Schema, generator: object, request: object, public: bool) -> Schema:
    """drf-spectacular's last step: the schemas of the models."""
    components = result.setdefault("components", {})
    components["securitySchemes"]["cookieAuth"]["name"] = "boxwise_session_PORT"  # an installation has its own
    components["schemas"] = dict(sorted({**components.get("schemas", {}), **_made()[1]}.items()))
    return result


@cache
def openapi() -> Schema:
    """The whole schema."""
    made: Schema = SchemaGenerator().get_schema(request=None, public=True)
    return made


class SchemaView(APIView):
    """This schema."""

    @contract(files=(OPENAPI,))
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(openapi_text(), content_type=OPENAPI)


@cache
def operation_named(name: str, method: str) -> Schema | None:
    """The operation of a route; None for a method that it has not."""
    for address, found in names_of_routes().items():
        if found == name:
            verbs: Schema = openapi()["paths"].get(address, {})
            return verbs.get(method.lower())
    return None


def openapi_text() -> str:
    """As it is kept in docs/openapi.json."""
    return json.dumps(openapi(), indent=1, ensure_ascii=False) + "\n"
