"""Foreground and distance maps -> cells, after HoVer-Net (Graham et al. 2019): where one cell ends and the next begins
the distance falls from 1 to -1, which the Sobel operator sees."""

import cv2
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.segmentation import watershed

from inference.types import Labels, Mask, Probability

FALL = 0.08  # per pixel: inside a cell distances rise, so that any fall is an end of it; noise stays below
LEAST_SEED = 12  # pixels


def cells_from_maps(
    probability: Probability, across: npt.NDArray[np.float32], down: npt.NDArray[np.float32], *, least_area: int
) -> Labels:
    """(H, W) each: probability of being cell, horizontal and vertical distance -> (H, W) int32, ids 1..n."""
    inside = probability >= 0.5
    falling = np.maximum(-slope(across, axis=1), -slope(down, axis=0))
    seeds, count = ndimage.label(opened(inside & (falling < FALL)))
    sizes = np.bincount(seeds.ravel(), minlength=count + 1)
    seeds[(sizes < LEAST_SEED)[seeds]] = 0
    labels = watershed(falling, seeds, mask=inside)
    lone, _ = ndimage.label(inside)  # a piece without a seed is a cell too
    seeded = np.unique(lone[labels > 0])
    rest = inside & ~np.isin(lone, seeded)
    labels = np.where(rest, lone + labels.max(), labels)
    return renumbered(labels, least_area)


def slope(map_: npt.NDArray[np.float32], *, axis: int) -> npt.NDArray[np.float32]:
    """Change per pixel along an axis, by the Sobel operator of 5 x 5."""
    dx, dy = (1, 0) if axis == 1 else (0, 1)
    found = cv2.Sobel(
        map_.astype(np.float32),
        cv2.CV_32F,
        dx,
        dy,
        ksize=5,
        borderType=cv2.BORDER_REPLICATE,
    )
    return np.asarray(found / 128, np.float32)  # 16 of smoothing x 8 of the difference


def opened(mask: Mask) -> Mask:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    found: Mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, disc) > 0
    return found


def renumbered(labels: npt.NDArray[np.integer], least_area: int) -> Labels:
    """Ids 1..n without gaps; cells of fewer pixels are dropped."""
    numbers, back, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    kept = (numbers > 0) & (sizes >= least_area)
    new = np.zeros(len(numbers), np.int32)
    new[kept] = np.arange(1, kept.sum() + 1)
    found: Labels = new[back].reshape(labels.shape)
    return found
