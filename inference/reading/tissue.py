"""Telling tissue from glass, well enough to leave empty parts of a slide out."""

import numpy as np
import numpy.typing as npt
import PIL.Image

from inference.types import RGB

COLOUR = 18  # grey levels between the strongest and the weakest channel: glass is grey
DARK = 200  # mean grey level below which a pixel is no glass, whatever its colour
SMOOTH = 8  # px of a square whose mean is looked at: noise and dust are smaller
LEAST = 0.001  # share of the squares from which there is tissue


def tissue_in(rgb: RGB, square: int = SMOOTH) -> npt.NDArray[np.bool_]:
    """Which squares of `square` px show tissue. (ceil(H / square), ceil(W / square)) bool

    rgb  (H, W, 3) uint8, bright field
    """
    means = np.asarray(PIL.Image.fromarray(np.ascontiguousarray(rgb)).reduce(square)).astype(np.int16)
    colourful = means.max(axis=2) - means.min(axis=2) >= COLOUR
    dark = means.mean(axis=2) < DARK
    found: npt.NDArray[np.bool_] = colourful | dark
    return found


def tissue_share(rgb: RGB, square: int = SMOOTH) -> float:
    """Share of the picture that shows tissue, 0 to 1."""
    return float(tissue_in(rgb, square).mean())


def is_glass(rgb: RGB) -> bool:
    """Whether there is nothing to look for. Fluorescence is dark where nothing is, so it is never taken for glass."""
    return tissue_share(rgb) < LEAST
