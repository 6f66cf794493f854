"""Reading values that somebody else wrote: numbers, ids, names, lists of points, each with a sentence when it is
not.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from inference.formats.model import (
    Box,
    Rectangle,
    Ring,
    ToolObject,
    ring,
)
from inference.formats.problems import FormatProblem


def number(value: Any, file: Path, place: str, what: str) -> float:
    """A finite number, or text that is one."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found) or isinstance(value, bool):
        raise FormatProblem(file, f"{what} must be a finite number, not {short(value)}", place=place)
    return found


def whole(value: Any, file: Path, place: str, what: str) -> int:
    """A whole number; 40.0 and "40" are 40."""
    found = number(value, file, place, what)
    if found != int(found):
        raise FormatProblem(file, f"{what} must be a whole number, not {short(value)}", place=place)
    return int(found)


def points(value: Any, file: Path, place: str) -> Ring:
    """[[x, y], ...] as a ring; further coordinates, such as a height, are left out."""
    try:
        xy = np.array([[float(one[0]), float(one[1])] for one in value], np.float64).reshape(-1, 2)
    except (TypeError, ValueError, IndexError, KeyError, OverflowError) as error:
        cause = "its points must be pairs of numbers"
        raise FormatProblem(file, cause, place=place, remedy="look at this object in its tool") from error
    finite(xy, file, place)
    return ring(xy)


def flat_points(value: Any, file: Path, place: str) -> Ring:
    """[x, y, x, y, ...] as a ring."""
    try:
        xy = np.array([float(one) for one in value], np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise FormatProblem(file, "its points must be numbers", place=place) from error
    if len(xy) % 2:
        raise FormatProblem(file, f"its list of x, y has {len(xy)} numbers, which is odd", place=place)
    finite(xy, file, place)
    return ring(xy)


def finite(xy: Any, file: Path, place: str) -> None:
    if not np.isfinite(xy).all():
        raise FormatProblem(file, "a coordinate is no finite number", place=place, remedy="correct it or take it out")


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Rectangle:
    """The box between two corners, in whichever order they come."""
    box: Box = (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    return Rectangle(box)


def text(value: Any) -> str:
    return "" if value is None else str(value)


def mapping(value: Any) -> ToolObject:
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def objects_in(value: Any) -> list[ToolObject]:
    """The objects of a list; an entry that is none is an empty object, which its reader declines with its place."""
    return [mapping(one) for one in listed(value)]


def numbers(value: Any) -> dict[str, float]:
    """Name -> number of a map. What is no number is left out: QuPath writes NaN as text for what was not measured."""
    found: dict[str, float] = {}
    for name, measured in mapping(value).items():
        if isinstance(measured, int | float) and not isinstance(measured, bool):
            found[str(name)] = float(measured)
    return found


def short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def hex_color(value: Any) -> str:
    """#rrggbb of [r, g, b], of a packed signed integer (QuPath's colorRGB) or of #rrggbb; empty for anything else."""
    if isinstance(value, list) and len(value) >= 3:
        if all(isinstance(one, int | float) and 0 <= one <= 255 for one in value[:3]):
            return "#" + "".join(f"{int(one):02x}" for one in value[:3])
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"#{value & 0xFFFFFF:06x}"
    if isinstance(value, str) and len(value) >= 7 and value.startswith("#"):
        return value[:7].lower()
    return ""


def rgb(color: str) -> list[int] | None:
    """[r, g, b] of #rrggbb; None for none."""
    if len(color) != 7:
        return None
    try:
        return [int(color[place : place + 2], 16) for place in (1, 3, 5)]
    except ValueError:
        return None
