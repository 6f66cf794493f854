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
            x0, y0, x1, y1 = down - y1, x0, down - y0, x1
            down = width + height - down
        if self.is_mirrored:
            x0, x1 = width - x1, width - x0
        return (x0, y0, x1, y1)

    def mask_back(self, mask: BoxMask, width: int, height: int) -> BoxMask:
        """As box_back."""
        rows, columns = mask.bits.shape
        box = (float(mask.x), float(mask.y), float(mask.x + columns), float(mask.y + rows))
        x, y, _right, _lower = self.box_back(box, width, height)
        bits = np.rot90(mask.bits, -self.quarters)
        if self.is_mirrored:
            bits = bits[:, ::-1]
        return BoxMask(int(x), int(y), np.ascontiguousarray(bits))


UPRIGHT, MIRRORED = Turn(), Turn(is_mirrored=True)
# What shows a picture anew. A picture that is not square keeps its shape, which else would tell it from others.
OF_SQUARES = tuple(Turn(mirrored, quarters) for mirrored in (False, True) for quarters in range(4))[1:]
OF_OTHERS = tuple(turn for turn in OF_SQUARES if turn.quarters % 2 == 0)
