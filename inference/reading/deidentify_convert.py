"""The pixels of a slide written anew, where the scanner's file cannot be copied in part.

MRXS, VMS, NDPI, SCN, BIF and others keep label, overview and metadata in files or blocks of their own kinds, and some
let tiles overlap. So what our reader shows is written as a tiled pyramid, in JPEG of high quality.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from inference.reading.slides import Slide, open_slide
from inference.reading.types import Unreadable
from inference.types import RGB

SIDE = 512  # px of a tile
QUALITY = 95
SMALLEST = 1024  # px of the longer side of the last level
MOST = 20_000_000_000  # pixels: hours of work beyond


def converted(source: Path, target: Path) -> Path:
    """Raises Unreadable."""
    with open_slide(source) as slide:
        info = slide.info
        if info.width * info.height > MOST:
            raise Unreadable("not_cleaned", what=f"{info.format} of this size")
        sizes = _sizes(info.width, info.height)
        per_cm = 10_000 / info.mpp_x if info.mpp_x and info.mpp_x == info.mpp_y else None
        words = "|".join(["Boxwise", *([f"AppMag = {info.objective:g}"] if info.objective else [])])
        with tifffile.TiffWriter(target, bigtiff=True) as writer:
            for level, (width, height) in enumerate(sizes):
                writer.write(
                    _tiles(slide, width, height, 2**level),
                    shape=(height, width, 3),
                    dtype=np.uint8,
                    tile=(SIDE, SIDE),
                    photometric="rgb",
                    compression="jpeg",
                    compressionargs={"level": QUALITY},
                    subfiletype=1 if level else 0,
                    metadata=None,
                    software=False,
                    datetime=False,
                    description=words if level == 0 else None,
                    resolution=(per_cm / 2**level, per_cm / 2**level) if per_cm else None,
                    resolutionunit="CENTIMETER" if per_cm else None,
                )
    return target


def _sizes(width: int, height: int) -> list[tuple[int, int]]:
    found = [(width, height)]
    while max(found[-1]) > SMALLEST:
        width, height = -(-width // 2), -(-height // 2)
        found.append((width, height))
    return found


def _tiles(slide: Slide, width: int, height: int, factor: int) -> Iterator[RGB]:
    """The tiles of a level, row by row; those at the rim are padded by tifffile."""
    for top in range(0, height, SIDE):
        for left in range(0, width, SIDE):
            size = (min(SIDE, width - left), min(SIDE, height - top))
            box = (left * factor, top * factor, size[0] * factor, size[1] * factor)
            yield slide.scaled(*box, size)
