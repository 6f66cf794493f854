"""What all documents share: how JSON becomes a document, how a document becomes JSON, and how a fault is named."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, JsonValue, Strict, ValidationError, WithJsonSchema

from inference.limits import STORED

# A number as it stands in JSON: 2 stays 2 and 2.0 stays 2.0, because stage keys are hashes of the JSON.
Number = Annotated[Annotated[int, Strict()] | Annotated[float, Strict()], WithJsonSchema({"type": "number"})]
JsonObject = dict[str, JsonValue]  # as json.loads gives it and json.dumps takes it: at the edge, not between rooms


class Document(BaseModel):
    """JSON with a type. Unknown keys are refused, and nothing can be changed after it was made.

    What was not given is not written (`as_json`), so reading a document and writing it again gives the same JSON.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def stored(cls, data: Mapping[str, Any]) -> Self:
        """Read what a database or a file holds, in the shape of any version so far.

        Bounds are not judged: a round of before keeps its settings, and its page must open. Whoever computes with them
        judges them again (inference.limits.check). Raises pydantic.ValidationError for what no version has written.
        """
        return cls.model_validate(cls.upgraded(dict(data)), context=STORED)

    @classmethod
    def upgraded(cls, data: JsonObject) -> JsonObject:
        """The newest shape of what an earlier version has stored; documents override it with named steps."""
        return data

    def as_json(self) -> JsonObject:
        """The document for json.dumps or a JSON column: only what was given, under the same names."""
        return self.model_dump(mode="json", exclude_unset=True)

    def with_(self, **changes: Any) -> Self:
        """A copy with other values, checked as a new document is."""
        return type(self).model_validate({**dict(self.given()), **changes})

    def given(self) -> Mapping[str, Any]:
        """Name -> value of the fields that were given."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


def faults(error: ValidationError) -> list[tuple[str, str]]:
    """(path, sentence) of everything that is wrong, such as ("fusion.lam", "must be a number, not 'x'")."""
    found = []
    for one in error.errors(include_url=False):
        path = ".".join(str(step) for step in one["loc"])
        sentence = "is no name that is known here" if one["type"] == "extra_forbidden" else one["msg"]
        found.append((path, sentence))
    return found
