"""GrabCut in the box (Rother et al. 2004): the classical prompter, which needs no weights and no torch."""

import cv2
import numpy as np

from inference.masks import clip
from inference.types import RGB, BoxMask, Mask, Prompted, Prompts

EMPTY = BoxMask(0, 0, np.zeros((0, 0), bool))
CLICK_SIDE = 32.0  # a click says nothing about size: the box of a large nucleus at 40x


class GrabCut:
    """Five rounds of GrabCut around each box; where it finds nothing, the ellipse inscribed in the box.

    It comes back empty for most small cells (notes: 58-88 %), hence the ellipse. Clicks are answered inside a
    box of 32 pixels around the first click that lies inside the cell.
    """

    name = "grabcut-1"

    def __init__(self, *, device: str = "auto") -> None:
        """device: as every prompter takes it; this one computes on the CPU whatever it says."""

    def encode(self, rgb: RGB) -> RGB:
        return rgb

    def decode(self, encoded: RGB, prompts: Prompts) -> Prompted:
        boxes = prompts.boxes
        if boxes is None:
            boxes = boxes_around_clicks(prompts)
        height, width = encoded.shape[:2]
        masks, scores = [], np.zeros(len(boxes), np.float32)
        for i, box in enumerate(np.asarray(boxes, np.float64).reshape(-1, 4)):
            found = clip(self._cell(encoded, box), width, height)
            masks.append(found or EMPTY)
            scores[i] = 0.5 if found else 0
        return Prompted(masks, scores)

    def _cell(self, rgb: RGB, box: np.ndarray) -> BoxMask:
        height, width = rgb.shape[:2]
        if not np.isfinite(box).all():
            return EMPTY
        x0, y0 = (max(0, int(np.floor(v))) for v in box[:2])
        x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
        if x1 <= x0 or y1 <= y0:
            return EMPTY
        margin = max(4, (x1 - x0 + y1 - y0) // 4)
        left, top = max(0, x0 - margin), max(0, y0 - margin)
        patch = np.ascontiguousarray(rgb[top : y1 + margin, left : x1 + margin])
        state = np.full(patch.shape[:2], cv2.GC_BGD, np.uint8)
        state[y0 - top : y1 - top, x0 - left : x1 - left] = cv2.GC_PR_FGD
        cv2.setRNGSeed(0)  # its colour models start from random centres
        try:
            cv2.grabCut(patch, state, None, np.zeros((1, 65)), np.zeros((1, 65)), 5, cv2.GC_INIT_WITH_MASK)
            bits = (state == cv2.GC_PR_FGD)[y0 - top : y1 - top, x0 - left : x1 - left]
        except cv2.error:  # no background sample is left when the box fills the image
            bits = np.zeros((y1 - y0, x1 - x0), bool)
        return BoxMask(x0, y0, bits if bits.mean() > 0.2 else ellipse(x1 - x0, y1 - y0))


def ellipse(width: int, height: int) -> Mask:
    """The ellipse inscribed in a box. -> (height, width) bool"""
    x = (np.arange(width) + 0.5) / width * 2 - 1
    y = (np.arange(height) + 0.5) / height * 2 - 1
    inside: Mask = x[None] ** 2 + y[:, None] ** 2 <= 1
    return inside


def boxes_around_clicks(prompts: Prompts) -> np.ndarray:
    """(n, 4) boxes of CLICK_SIDE around the first click inside each cell. Raises ValueError without such clicks."""
    if prompts.points is None or prompts.signs is None:
        raise ValueError("a prompt is boxes, or points with their signs")
    inside = prompts.signs == 1
    if not inside.any(axis=1).all():
        raise ValueError("every prompt of clicks alone needs one inside the cell")
    first = prompts.points[np.arange(len(inside)), inside.argmax(axis=1)]
    return np.concatenate([first - CLICK_SIDE / 2, first + CLICK_SIDE / 2], axis=1)
