"""What an analysis gives back: a figure, or the reason why there is none. Never a figure that means "none"."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class NotEstimated:
    """In the place of a figure that these data cannot give. In JSON: {"not_computed": reason}."""

    reason: str

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True)
class Interval:
    """Both ends; an end that the data do not bound is NotEstimated with its reason."""

    low: float | NotEstimated
    high: float | NotEstimated

    def mapped(self, change: Callable[[float], float]) -> "Interval":
        """The interval of change(x); a decreasing change swaps the ends."""
        low = self.low if isinstance(self.low, NotEstimated) else change(self.low)
        high = self.high if isinstance(self.high, NotEstimated) else change(self.high)
        return Interval(high, low) if change(1.0) < change(0.0) else Interval(low, high)


def attempt(what: Callable[[], Any]) -> Any:
    """What the function gives, or why it gives nothing: too few readers is an answer and no crash."""
    try:
        return what()
    except (ValueError, np.linalg.LinAlgError) as error:
        return NotEstimated(str(error))


def as_json(value: Any) -> Any:
    """Plain JSON: data classes become objects, numpy's numbers Python's, and what is not a number null."""
    return json.loads(json.dumps(_plain(value), allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, NotEstimated):
        return {"not_computed": value.reason}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
