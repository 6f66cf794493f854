"""Sampled single cells: which cells of a reference can be a study's unit, and what is shown around each.

The reader is given the place: a mark stands around the cell, wider than the cell by a margin, with tissue around it for
context. So the time is that of handling a cell; search and missed cells are in no such time.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from django.utils.translation import gettext as _
from typing_extensions import TypedDict

from labeling.errors import Invalid
from labeling.studies.references import Labels

CONTEXT = 3  # times the longer side of the cell, to each side of its middle
LEAST_SHOWN = 128  # px: the side of what is shown of small cells
MARGIN = 0.5  # of the longer side, between the cell and its mark, on each side
LEAST_MARGIN = 8  # px
LEAST_AREA = 16  # px: smaller things in a label map are rests of cutting, not cells
JITTER = 0.15  # of the margin, so that the mark's middle is not the cell's


class Frame(TypedDict):
    """[x0, y0, x1, y1], half-open. shown: in pixels of the image; mark: in pixels of what is shown."""

    shown: list[int]
    mark: list[int]


@dataclass(frozen=True)
class Sampled:
    """A cell that can be sampled: its number in the reference, its area in px, and its frame."""

    number: int
    area: int
    frame: Frame


def sampled(labels: Labels, seed: int, image: int) -> list[Sampled]:
    """Every cell that lies wholly inside the image, in the order of its number.

    labels       (H, W) int, the reference
    seed, image  of the mark's small shift: the same study shows the same mark
    """
    height, width = labels.shape
    rng = np.random.default_rng([seed, image])
    found = []
    for number in np.unique(labels):
        shift = rng.uniform(-JITTER, JITTER, 2)
        if number == 0:
            continue
        rows, columns = np.nonzero(labels == number)
        x0, y0, x1, y1 = int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1
        is_cut = x0 == 0 or y0 == 0 or x1 == width or y1 == height
        if is_cut or len(rows) < LEAST_AREA:
            continue
        frame = frame_of((x0, y0, x1, y1), (width, height), (float(shift[0]), float(shift[1])))
        found.append(Sampled(int(number), len(rows), frame))
    return found


def frame_of(box: tuple[int, int, int, int], size: tuple[int, int], shift: tuple[float, float] = (0.0, 0.0)) -> Frame:
    """What is shown of a cell with this box in an image of this size. shift: of the mark, in shares of the margin."""
    x0, y0, x1, y1 = box
    longer = max(x1 - x0, y1 - y0)
    side = max(LEAST_SHOWN, math.ceil(2 * CONTEXT * longer))
    left, right = _span((x0 + x1) / 2, side, size[0])
    top, bottom = _span((y0 + y1) / 2, side, size[1])
    margin = max(LEAST_MARGIN, math.ceil(MARGIN * longer))
    dx, dy = round(shift[0] * margin), round(shift[1] * margin)
    mark = [
        max(0, x0 - margin + dx - left),
        max(0, y0 - margin + dy - top),
        min(right - left, x1 + margin + dx - left),
        min(bottom - top, y1 + margin + dy - top),
    ]
    return {"shown": [left, top, right, bottom], "mark": mark}


def _span(middle: float, side: int, length: int) -> tuple[int, int]:
    """`side` pixels around the middle, moved so that they lie inside, or all there are."""
    if side >= length:
        return 0, length
    first = min(max(0, round(middle - side / 2)), length - side)
    return first, first + side


def shares(measured: int, members: Mapping[str, int], sets: int) -> dict[str, int]:
    """How many cells of each stratum, so that there are `measured` in all and each of `sets` gets equally many of each.

    The strata may differ by one cell a set, so 25 a set are 13 and 12. Raises Invalid.
    """
    filled = [name for name, n in members.items() if n]
    if measured % sets:
        lower = measured // sets * sets
        raise Invalid(
            _(
                "Measured: {n} cells cannot be shared equally by {sets} sets. Type a multiple of {sets}, like {other}."
            ).format(n=measured, sets=sets, other=lower or sets),
            field="measured",
        )
    of_set = measured // sets
    wanted = {name: of_set // len(filled) for name in filled}
    for name in filled[: of_set % len(filled)]:
        wanted[name] += 1
    for name, n in wanted.items():
        if n * sets > members[name]:
            raise Invalid(
                _(
                    "Measured: {n} cells are too many. The stratum “{half}” holds {there} cells after practice, and "
                    "{wanted} are needed of it. Type a smaller number, or add images with reference masks."
                ).format(n=measured, half=_(name), there=members[name], wanted=n * sets),
                field="measured",
            )
    return {name: n * sets for name, n in wanted.items()}
