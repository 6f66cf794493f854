"""Whether a picture may show writing: a warning for people, who look at it themselves.

Programs and microscopes write in one colour that tissue hardly has: black, white, or a colour without any grey. Here
strokes of such a colour are looked for that stand in a row like letters: at least LETTERS of about the same height
beside each other. What is handwritten, turned or in the colours of the stain is not found.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from inference.types import RGB

LETTERS = 4  # beside each other
LOW, HIGH = 6, 80  # px of a letter's height
RATIO = 1.7  # of the heights of letters in a row, small ones and capitals
GAP = 1.6  # between two letters, in heights
FILLED = (0.12, 0.85)  # share of a letter's box that is stroke
MOST_MARKS = 20_000  # of one colour: more are a texture
SIDE = 4096  # px of the longer side that is looked at


def may_show_writing(rgb: RGB) -> bool:
    """rgb  (H, W, 3) uint8"""
    step = -(-max(rgb.shape[:2]) // SIDE)
    small = np.ascontiguousarray(rgb[::step, ::step])
    return any(_has_row(mask) for mask in _inks(small))


def _inks(rgb: RGB) -> list[npt.NDArray[np.uint8]]:
    """Where the picture has a colour of a pen."""
    least, most = rgb.min(axis=2), rgb.max(axis=2)
    pure = (most >= 250) & (least <= 5)
    return [np.asarray(mask, np.uint8) for mask in (most <= 8, least >= 253, pure)]


def _has_row(mask: npt.NDArray[np.uint8]) -> bool:
    count, _labels, marks, _centres = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if not LETTERS < count < MOST_MARKS:
        return False
    found = [Letter(*map(int, mark)) for mark in marks[1:]]  # the first one is the background
    letters = [letter for letter in found if letter.is_likely]
    letters.sort(key=lambda letter: (letter.x, letter.y))
    return any(_row_from(letters, start) for start in range(len(letters)))


@dataclass(frozen=True)
class Letter:
    """What could be one: its box in px, and the pixels of its strokes."""

    x: int
    y: int
    width: int
    height: int
    area: int

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def is_likely(self) -> bool:
        least, most = FILLED
        filled = self.area / (self.width * self.height)
        has_size = LOW <= self.height <= HIGH and self.width <= 2 * self.height
        return has_size and least < filled < most

    def goes_with(self, other: "Letter") -> bool:
        """Whether both are about as high and stand on one line."""
        ratio = other.height / self.height
        offset = (other.y + other.height / 2) - (self.y + self.height / 2)
        return 1 / RATIO <= ratio <= RATIO and abs(offset) < 0.5 * self.height


def _row_from(letters: list[Letter], start: int) -> bool:
    """Whether LETTERS stand in a row from this one on."""
    first = letters[start]
    row = [first]
    for letter in letters[start + 1 :]:
        gap = letter.x - row[-1].right
        if gap > GAP * first.height:
            return False
        if gap >= -1 and first.goes_with(letter):
            row.append(letter)
        if len(row) == LETTERS:
            return True
    return False
