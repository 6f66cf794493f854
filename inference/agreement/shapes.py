"""One outline of several: the pixels that most readers have drawn, or STAPLE's estimate of the true ones."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inference.masks import tight
from inference.types import BoxMask

MARGIN = 5  # pixels around all masks: STAPLE needs background to tell how often a reader leaves pixels out
LIKELY = 0.5


class MissingLibrary(RuntimeError):
    """STAPLE is computed by SimpleITK, which is installed with the models of a worker and not with a bare website."""


def majority_mask(masks: Sequence[BoxMask]) -> BoxMask:
    """The pixels that more than half of the masks hold, tight. Where no pixel has a majority, those that most hold."""
    sheets, left, top = on_sheets(masks, 0)
    votes = sheets.sum(axis=0)
    chosen = votes * 2 > len(masks)
    if not chosen.any():
        chosen = votes == votes.max()
    return _cut(chosen, left, top)


def staple_mask(masks: Sequence[BoxMask]) -> BoxMask:
    """STAPLE (Warfield, Zou and Wells 2004) in the box around all masks and MARGIN pixels.

    Each reader's sensitivity and specificity are estimated in this box alone. Where it names no pixel, the majority.

    Raises MissingLibrary.
    """
    try:
        import SimpleITK as sitk
    except ImportError:
        raise MissingLibrary("STAPLE needs SimpleITK on the worker: pip install 'boxwise[models]'") from None
    sheets, left, top = on_sheets(masks, MARGIN)
    images = [sitk.GetImageFromArray(sheet.astype(np.uint8)) for sheet in sheets]
    probability = sitk.GetArrayFromImage(sitk.STAPLE(images, 1.0))
    chosen = probability > LIKELY
    return _cut(chosen, left, top) if chosen.any() else majority_mask(masks)


def on_sheets(masks: Sequence[BoxMask], margin: int) -> tuple[npt.NDArray[np.bool_], int, int]:
    """(n, H, W) masks on sheets of one size, and where their corner is in the image; it may lie outside.

    margin  pixels around all masks
    """
    left, top = min(m.x for m in masks) - margin, min(m.y for m in masks) - margin
    right = max(m.x + m.bits.shape[1] for m in masks) + margin
    bottom = max(m.y + m.bits.shape[0] for m in masks) + margin
    sheets = np.zeros((len(masks), bottom - top, right - left), bool)
    for sheet, mask in zip(sheets, masks, strict=True):
        height, width = mask.bits.shape
        sheet[mask.y - top : mask.y - top + height, mask.x - left : mask.x - left + width] = mask.bits
    return sheets, left, top


def _cut(chosen: npt.NDArray[np.bool_], left: int, top: int) -> BoxMask:
    found = tight(BoxMask(left, top, chosen))
    assert found is not None  # a pixel is chosen
    return found
