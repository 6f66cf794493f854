"""The contract of a route: which query, body and answer it has, declared once with pydantic models.

`contract` stands on a method of a view. It reads the request by the declared models, gives the method typed objects,
and writes the answer by the declared model. The schema (labeling/schema.py) and the browser's types
(frontend/api/schema.ts) are made from the same declarations, so nothing is said twice.

    class ImageDetail(APIView):
        @contract(body=ImageChange, answer=ImageAnswer)
        def patch(self, request: Request, image: int, *, body: ImageChange) -> ImageAnswer: ...

Models of a room stand in its contract.py: a Body, Form or Query for what is sent, an Answer for what is said.

A request is read before the method runs, so before it is known whether the person may see the thing. What is declined
there says nothing about the thing: it depends on what was sent alone.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar, get_args, get_origin

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext as _
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    JsonValue,
    PlainSerializer,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.request import Request

from inference.documents.base import Document
from labeling.errors import Invalid
from labeling.faults import unreadable
from labeling.numbers import LARGEST, whole_number

M = TypeVar("M")
D = TypeVar("D", bound=Document)
JSON = "application/json"
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


class Body(BaseModel):
    """A JSON body. Types are strict: a number is not text, and a fraction is no whole number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @classmethod
    def read(cls, content: bytes) -> Self:
        """From JSON. Raises ValidationError."""
        return cls.model_validate_json(content)


class Form(BaseModel):
    """Fields and files of a form. Everything arrives as text, so text is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)


class Query(BaseModel):
    """What follows the question mark. Everything arrives as text, so text is converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Answer(BaseModel):
    """What the server says. Built by the server, from rows too (`model_validate(row)`); NaN is no JSON."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        from_attributes=True,
        json_schema_serialization_defaults_required=True,  # a field with a default is always said
    )


class Nothing(Body):
    """The body of a request that needs none: empty, or {}."""


class NoFields(Form):
    """A form without fields: a page's button."""


class NoQuery(Query):
    """A route without parameters declines every one."""


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError(_("{field} must not contain a NUL character"))
    return text


DECIMAL = re.compile(r"[0-9]{1,15}(\.[0-9]{1,20})?")


def _digits(text: object) -> object:
    """Only what people mean by a number in an address: pydantic alone would take "1_000" and " 7" too."""
    if not isinstance(text, str):
        return text
    number = whole_number(text)
    if number is None:
        raise ValueError(_("{field} must be a whole number from 0, written in digits"))
    return number


def _decimal(text: object) -> object:
    """A number in an address as people write it: 12 or 12.5, but neither 1e3 nor inf."""
    if not isinstance(text, str):
        return text
    if not DECIMAL.fullmatch(text):
        raise ValueError(_("{field} must be a number like 12 or 12.5"))
    return float(text)


class OneOf:
    """One of these words: the choices of a column, as `Annotated[str, OneOf(Job.Kind)]`."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = [str(word) for word in words]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.literal_schema(self.words)


JsonObject = dict[str, JsonValue]  # what each kind of job, or of import, has of its own
# A document (inference/documents) in an answer, as it is stored: what was not given is not said.
Given = Annotated[D, PlainSerializer(lambda document: document.as_json())]
# PostgreSQL holds no NUL; JSON that holds half a character is declined as a whole.
Text = Annotated[str, AfterValidator(_without_nul)]
ShortText = Annotated[Text, StringConstraints(max_length=200)]
Id = Annotated[int, Field(ge=1, le=LARGEST)]
Whole = Annotated[int, Field(ge=0, le=LARGEST)]
InDigits = BeforeValidator(_digits)  # stands behind the bounds, which belong to the number
InDecimals = BeforeValidator(_decimal)
QueryId = Annotated[int, Field(ge=1, le=LARGEST), InDigits]
QueryWhole = Annotated[int, Field(ge=0, le=LARGEST), InDigits]
if TYPE_CHECKING:
    Uploaded = UploadedFile[Any]
else:
    Uploaded = UploadedFile
File = Annotated[Uploaded, WithJsonSchema({"type": "string", "format": "binary"})]


@dataclass(frozen=True)
class Reply:
    """An answer with a status other than the declared one, or with headers."""

    value: Any
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Contract:
    """What one method of a view takes and says. `files` are the content types of an answer that is no JSON."""

    answer: Any
    status: int
    query: type[Query]
    body: type[Body] | None
    form: type[Form] | None
    files: tuple[str, ...]
    also: Mapping[int, Any]
    scope: str = "manage"  # that a token needs; a GET needs "read" (labeling/accounts/scopes.py)
    stream: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def read_query(self, request: Request) -> Query:
        return _validated(self.query, _fields(self.query, request.query_params))

    def read_body(self, request: Request) -> BaseModel:
        """The body as an object of the declared model. Raises what becomes 400, 415 or 422."""
        kind = (request.content_type or "").partition(";")[0].strip().lower()
        if self.stream:
            if kind != self.stream:
                raise UnsupportedMediaType(kind or "?")
            return Nothing()
        if self.form is not None and kind in FORMS:
            return _validated(self.form, _fields(self.form, _form_of(request)))
        if self.body in (None, Nothing) and kind in FORMS:  # a page's button, or a client that always sends a form
            return _validated(NoFields, _fields(NoFields, _form_of(request)))
        content = self._json_of(request, kind)
        try:
            if self.body is None and self.form is not None:  # no file can come by JSON: the model says which is missing
                return self.form.model_validate_json(content or b"{}")
            return (self.body or Nothing).read(content or b"{}")
        except ValidationError as error:
            raise unreadable(error) from None

    def _json_of(self, request: Request, kind: str) -> bytes:
        """The bytes of a JSON body, empty for none. Raises UnsupportedMediaType for a body that is something else."""
        is_form = kind in FORMS
        content = b"" if is_form else request.body  # the check of the CSRF token has read a form: its bytes are gone
        sent = _form_of(request) if is_form else content
        if sent and kind != JSON:
            raise UnsupportedMediaType(kind or "?")
        return content

    def reply(self, result: Any) -> HttpResponseBase:
        if isinstance(result, HttpResponseBase):
            return result
        given = result if isinstance(result, Reply) else Reply(result)
        status = given.status or self.status
        adapter = _adapter(self.also.get(status, self.answer))
        content = adapter.dump_json(adapter.validate_python(given.value), by_alias=True)
        return HttpResponse(content, status=status, content_type=JSON, headers=dict(given.headers))


def contract(
    *,
    answer: Any = None,
    status: int = 200,
    query: type[Query] = NoQuery,
    body: type[Body] | None = None,
    form: type[Form] | None = None,
    files: tuple[str, ...] = (),
    also: Mapping[int, Any] | None = None,
    scope: Literal["annotate", "manage"] = "manage",
    stream: str = "",
    headers: Mapping[str, str] | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., HttpResponseBase]]:
    """Declare a method of a view.

    answer  model (or list[model]) of the JSON that it returns; None for an answer that is a file or a stream
    status  of that answer
    query   model of the parameters; given to the method as `query` where it is declared
    body    model of the JSON body; given as `body`
    form    model of a form with files; given as `form`
    files   content types of an answer that is no JSON
    also    status -> model of further answers, for what is no problem+json
    scope   that a token needs for a method that is no GET
    stream  content type of a body of bytes, which the method reads itself
    headers name -> meaning of headers that the method needs and reads itself

    Whatever is not declared is declined with 422: unknown fields, unknown parameters, a body where none is taken.
    The method returns what `answer` is, a Reply, or a response of Django for a file.
    """

    def declare(view: Callable[..., Any]) -> Callable[..., HttpResponseBase]:
        declared = Contract(
            answer, status, query, body, form, files, dict(also or {}), scope, stream, dict(headers or {})
        )
        takes_body = view.__name__ not in ("get", "head")

        @wraps(view)
        def answered(self: Any, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
            given = declared.read_query(request)
            if query is not NoQuery:
                kwargs["query"] = given
            if takes_body:
                sent = declared.read_body(request)
                if not isinstance(sent, Nothing | NoFields):
                    kwargs["form" if isinstance(sent, Form) else "body"] = sent
            return declared.reply(view(self, request, *args, **kwargs))

        answered.contract = declared  # type: ignore[attr-defined]
        return answered

    return declare


def contract_of(view: object) -> Contract | None:
    """The declaration of a method; None for a method without one."""
    return getattr(view, "contract", None)


_adapters: dict[Any, TypeAdapter[Any]] = {}


def _adapter(answer: Any) -> TypeAdapter[Any]:
    if answer not in _adapters:
        _adapters[answer] = TypeAdapter(answer)
    return _adapters[answer]


def _validated(model: type[M], given: Mapping[str, Any]) -> M:
    try:
        read: M = _adapter(model).validate_python(given)
        return read
    except ValidationError as error:
        raise unreadable(error) from None


def _form_of(request: Request) -> MultiValueDict[str, Any]:
    """Fields and files together, as Django read them: the declared model says which is which. Raises ParseError."""
    plain = request._request
    parameters = plain.content_params or {}
    if plain.content_type == "multipart/form-data" and not parameters.get("boundary"):
        # The check of the CSRF token has read it already, and left an empty form in place of the error.
        raise ParseError(_("the form has no boundary, so its fields cannot be read"))
    found: MultiValueDict[str, Any] = MultiValueDict(dict(plain.POST.lists()))
    found.pop("csrfmiddlewaretoken", None)  # of a page's form; the check has been made
    for name, values in plain.FILES.lists():
        found.setlist(name, [*found.getlist(name), *values])
    return found


def _fields(model: type[BaseModel], given: MultiValueDict[str, Any]) -> dict[str, Any]:  # untyped: as sent
    """Name -> value, or -> list of values where the model declares a list. Raises Invalid for a field given twice."""
    found: dict[str, Any] = {}
    for name, values in given.lists():
        declared = model.model_fields.get(name)
        if declared is not None and _is_list(declared.annotation):
            found[name] = values
        elif len(values) > 1:
            raise Invalid(_("{field} is given more than once").format(field=name[:60]), field=name[:60])
        else:
            found[name] = values[0] if values else ""
    return found


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    return get_origin(annotation) in (list, tuple)
