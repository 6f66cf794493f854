"""The eight ways to look at a picture: mirrored or not, then turned by quarters.

The field is as hard each way, and looks new. Pixels: origin top left, y down. A quarter turn is counterclockwise as
seen, as in numpy.rot90 and in the workspace (frontend/geometry/turn.ts turns the view; here the pixels are turned).
"""

from dataclasses import dataclass

import numpy as np
import PIL.Image

from inference.types import BoxMask

Box = tuple[float, float, float, float]
QUARTERS = (None, PIL.Image.Transpose.ROTATE_90, PIL.Image.Transpose.ROTATE_180, PIL.Image.Transpose.ROTATE_270)


@dataclass(frozen=True)
class Turn:
    """is_mirrored: left and right are exchanged first. quarters: 0 to 3, after that."""

    is_mirrored: bool = False
    quarters: int = 0

    def of_picture(self, picture: PIL.Image.Image) -> PIL.Image.Image:
        if self.is_mirrored:
            picture = picture.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT)
        rotation = QUARTERS[self.quarters]
        return picture if rotation is None else picture.transpose(rotation)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Of a turned picture."""
        return (height, width) if self.quarters % 2 else (width, height)

    def box_back(self, box: Box, width: int, height: int) -> Box:
        """A box in the turned picture -> the same in the picture of `width` x `height` px."""
        x0, y0, x1, y1 = box
        _across, down = self.size(width, height)
        for _quarter in range(self.quarters):
            left, right = down - y1, down - y0
            x0, y0, x1, y1 = left, x0, right, x1
            down = width + height - down
        if self.is_mirrored:
            left, right = width - x1, width - x0
            x0, x1 = left, right
        return (x0, y0, x1, y1)

    def mask_back(self, mask: BoxMask, width: int, height: int) -> BoxMask:
        """As box_back."""
        rows, columns = mask.bits.shape
        right, lower = float(mask.x + columns), float(mask.y + rows)
        box = (float(mask.x), float(mask.y), right, lower)
        x, y, _right, _lower = self.box_back(box, width, height)
        bits = np.rot90(mask.bits, -self.quarters)
        if self.is_mirrored:
            bits = np.fliplr(bits)
        whole = np.ascontiguousarray(bits)
        return BoxMask(int(x), int(y), whole)


UPRIGHT = Turn()
MIRRORED = Turn(is_mirrored=True)
HALF = Turn(quarters=2)
FLIPPED = Turn(is_mirrored=True, quarters=2)
QUARTER = Turn(quarters=1)
THREE_QUARTERS = Turn(quarters=3)
TRANSPOSED = Turn(is_mirrored=True, quarters=1)
TRANSVERSED = Turn(is_mirrored=True, quarters=3)
# What shows a picture anew. A picture that is not square keeps its shape, which else would tell it from others.
OF_OTHERS = (MIRRORED, HALF, FLIPPED)
OF_SQUARES = (*OF_OTHERS, QUARTER, THREE_QUARTERS, TRANSPOSED, TRANSVERSED)
