"""What a cell measures: area, perimeter, circularity, how much stain it holds. No torch, no Django."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.types import RGB, BoxMask

# Optical densities (R, G, B) of haematoxylin, eosin and DAB (Ruifrok and Johnston, Anal Quant Cytol Histol 23, 2001).
STAINS = ("haematoxylin", "eosin", "dab")
DENSITIES = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
UNMIX = np.linalg.inv(DENSITIES / np.linalg.norm(DENSITIES, axis=1, keepdims=True))
DARKEST = 1.0  # grey level that stands for 0, whose density is infinite


@dataclass(frozen=True)
class Shape:
    """area in px, perimeter in px, circularity 4 pi area / perimeter^2: 1 of a disc, less of anything else.

    Both come from pixels: of discs from a radius of 8 px on the circularity is 1 within 10 %.
    """

    area: int
    perimeter: float
    circularity: float


def shape_of(mask: BoxMask) -> Shape:
    """The shape of a mask that holds a pixel.

    The perimeter is Crofton's estimate from crossings in four directions, which does not depend on how the outline
    lies to the grid; the number of edges of pixels does, and is a quarter too long for a disc.
    """
    from skimage.measure import perimeter_crofton

    area = int(np.count_nonzero(mask.bits))
    perimeter = float(perimeter_crofton(np.pad(mask.bits, 1), directions=4))
    return Shape(area, perimeter, 4 * np.pi * area / perimeter**2)


def stain_means(rgb: RGB, mask: BoxMask) -> npt.NDArray[np.float64]:
    """Mean optical density of each of STAINS over the pixels of a mask.

        density = -log10(max(I, 1) / 255), unmixed by the inverse of the stains' normalised densities

    rgb   (H, W, 3) uint8 of the whole image
    mask  inside the image
    ->    (3,), in the order of STAINS; below 0 where a colour is none of theirs
    """
    height, width = mask.bits.shape
    window = rgb[mask.y : mask.y + height, mask.x : mask.x + width]
    pixels = np.maximum(window[mask.bits].astype(np.float64), DARKEST)
    density = -np.log10(pixels / 255)
    means: npt.NDArray[np.float64] = density.mean(axis=0) @ UNMIX
    return means
