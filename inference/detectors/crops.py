"""Random crops with their boxes, for detectors that learn from boxes alone."""

import numpy as np
import numpy.typing as npt

from inference.training.augment import crop, turn, turn_boxes
from inference.types import RGB, Boxes, Classes, Sample


def draw(
    sample: Sample, rng: np.random.Generator, *, side: int, zoom: tuple[float, float], visible: float
) -> tuple[RGB, Boxes, Classes, npt.NDArray[np.uint8]]:
    """A random square, magnified, turned and mirrored.

    visible  share of a box that must lie in the square for it to be learned; what shows of the others is not valid
    ->       (side, side, 3) uint8; boxes (n, 4) in pixels of the square; classes (n,); valid (side, side), 0 or 1
    """
    plane = sample.valid.astype(np.uint8)
    image, (valid,), (x, y, scale) = crop(sample.rgb, [plane], side, rng, zoom=zoom)
    whole = (sample.boxes - [x, y, x, y]) * scale
    seen = np.clip(whole, 0, side)
    share = np.prod(seen[:, 2:] - seen[:, :2], 1) / np.maximum(np.prod(whole[:, 2:] - whole[:, :2], 1), 1e-9)
    for x0, y0, x1, y1 in seen[(share > 0) & (share < visible)].astype(int):
        valid[y0 : y1 + 1, x0 : x1 + 1] = 0  # a sliver of a cell is neither cell nor background
    keep = (share >= visible) & ((seen[:, 2:] - seen[:, :2]) >= 2).all(1)
    quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
    boxes = turn_boxes(seen[keep], side, quarter, mirror)
    return turn(image, quarter, mirror), boxes, sample.classes[keep], turn(valid, quarter, mirror)
