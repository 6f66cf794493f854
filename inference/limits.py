"""The bounds of a round's settings, as the fields of inference/documents/configuration.py name them.

No torch and no Django here, so that both the website and the workers import it, and no pydantic when it is imported:
the settings of the fusion and of the trainers ask the bounds too, and `boxwise fuse` must not wait for pydantic. A
value is judged by `Limit.reason` wherever it comes from.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from inference.types import InferenceError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import CoreSchema, core_schema

STORED = {"stored": True}  # context of reading what is stored already: bounds are not judged (Document.stored)


class OutOfBounds(InferenceError):
    """A setting of a round has a value that no stage can work with; the message names both."""

    code = "out_of_bounds"


@dataclass(frozen=True)
class Limit:
    """What one number may be: `kind` int or float, low <= number <= high, never NaN or infinite."""

    kind: type
    low: float
    high: float

    def reason(self, value: Any) -> str:
        """Why the value cannot be, as the end of "NAME must be ..."; empty when it can be."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "a whole number" if self.kind is int else "a number"
        if self.kind is int and not isinstance(value, int):
            return "a whole number"
        if not self.low <= value <= self.high:  # NaN too
            return f"between {plain(self.low)} and {plain(self.high)}"
        return ""

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError that names the setting, what it may be, and what it is."""
        if reason := self.reason(value):
            raise ValueError(f"{name} must be {reason}, not {value!r}")

    def __get_pydantic_core_schema__(self, source: Any, handler: "GetCoreSchemaHandler") -> "CoreSchema":
        """How a pydantic field with this limit is checked. The value stays as it came: 2 does not become 2.0."""
        from pydantic_core import core_schema

        return core_schema.with_info_plain_validator_function(self._accepted)

    def __get_pydantic_json_schema__(self, schema: "CoreSchema", handler: "GetJsonSchemaHandler") -> "JsonSchemaValue":
        """The bounds as JSON Schema names them, for OpenAPI."""
        kind = "integer" if self.kind is int else "number"
        return {"type": kind, "minimum": self.low, "maximum": self.high}

    def _accepted(self, value: Any, info: "core_schema.ValidationInfo[Any]") -> Any:
        from pydantic_core import PydanticCustomError

        if info.context is not STORED and (reason := self.reason(value)):
            raise PydanticCustomError(
                "out_of_bounds", "must be {reason}, not {value}", {"reason": reason, "value": repr(value)[:40]}
            )
        return value


def plain(number: float) -> str:
    """A bound as people read it: 0.01, 1,000,000."""
    return f"{number:,.0f}" if abs(number) >= 1e5 else f"{number:g}"


# 8 * lambda * 2^24 * 2^31 pixels would overflow int64 far beyond 1e6, which leaves room for any component.
FUSION = {
    "lam": Limit(float, 0.0, 1e6),
    "theta": Limit(float, 0.1, 1000.0),
    "grid": Limit(int, 1, 50),
    "components": Limit(int, 1, 8),
    "trust": Limit(float, -50.0, 50.0),
    "bits": Limit(int, 3, 8),
    "minimum_pixels": Limit(int, 0, 10**9),
}
PREDICTION = {
    "detector_threshold": Limit(float, 0.01, 0.99),
    "person_overlap": Limit(float, 0.0, 1.0),
}
INSTANCES = {
    "smallest": Limit(int, 0, 10_000),
    "largest_hole": Limit(int, 0, 10**9),
    "box_margin": Limit(float, 0.0, 10.0),
    "crumbs": Limit(float, 0.0, 1.0),
}
TRAINING = {  # of a model's own schedule
    "steps": Limit(int, 1, 1_000_000),
    "lr": Limit(float, 1e-7, 1.0),
    "seed": Limit(int, 0, 2**31 - 1),
}
# Which of TRAINING a model has (by its registered name). YOLO counts epochs and finds its own rate.
CHANGEABLE = {
    "centre": ("steps", "lr", "seed"),
    "faster-rcnn": ("steps", "lr", "seed"),
    "yolo": ("seed",),
    "caranet": ("steps", "lr", "seed"),
    "segformer": ("steps", "lr", "seed"),
    "unet": ("steps", "lr", "seed"),
}


def fault_of_change(model: str, name: str, value: Any) -> str:
    """Why a model's own setting cannot be changed so, as a sentence about it; empty when it can be."""
    if name not in TRAINING:
        return ""  # another field of the model's own settings, which judge themselves
    if absent := missing(model, name):
        return absent
    reason = TRAINING[name].reason(value)
    return f"{name} must be {reason}, not {repr(value)[:40]}" if reason else ""


def fault_of_recipe(name: str, value: Any) -> str:
    """Why a method that is trained as a whole cannot be changed so; empty when it can be."""
    if name not in TRAINING:
        return f"'recipe' has no setting {name!r}; there are {', '.join(TRAINING)}"
    reason = TRAINING[name].reason(value)
    return f"{name} must be {reason}, not {repr(value)[:40]}" if reason else ""


def missing(model: str, name: str) -> str:
    """Why a model cannot take a setting of TRAINING; empty when it can."""
    if name in CHANGEABLE.get(model, TRAINING):
        return ""
    return f"{model!r} has no setting {name!r}; leave it as the preset has it"
