"""The features that the shipped detector and segmenter compute anyway, pooled over the mask of each cell.

Nothing is learned for this: the nets have learned what nuclei look like, and the mean of their last features over a
cell says what this one looks like.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inference.detectors import centre
from inference.devices import device as choose_device
from inference.nets import pad_to_stride, to_batch
from inference.segmenters import unet
from inference.tiles import Tile, tiles
from inference.types import RGB, BoxMask, InferenceError, Vectors
from inference.weights import shipped

NAME = "boxwise-1"
DETECTOR_STRIDE, SEGMENTER_STRIDE = 4, 2
MOST_PIXELS = 2000  # of a mask that are looked at; of a larger one every so-many-th


class ShippedEncoder:
    """An Encoder of 120 numbers: mean and standard deviation of the detector's 48 features, mean of the segmenter's
    24."""

    name = NAME
    dimensions = 120

    def __init__(self, device: str = "auto") -> None:
        """Raises InferenceError where this copy was built without weights."""
        detector, segmenter = shipped("centre"), shipped("unet")
        if detector is None or segmenter is None:
            raise InferenceError("no weights come with this program, so it cannot tell which cells look alike")
        self.device = choose_device(device)
        self.detector = centre.load(detector, device=str(self.device)).net
        self.segmenter: Any = unet.load(segmenter, device=str(self.device)).net

    def encode(self, rgb: RGB, cells: Sequence[BoxMask]) -> Vectors:
        """As Encoder.encode. A large image is looked at tile by tile; a cell is pooled in the tile of its middle."""
        found = np.zeros((len(cells), self.dimensions), np.float16)
        height, width = rgb.shape[:2]
        middles = np.array([_middle(cell) for cell in cells]).reshape(-1, 2)
        for tile in tiles(width, height):
            x0, y0, x1, y1 = tile.core
            is_here = (middles >= (x0, y0)) & (middles < (x1, y1))
            here = np.flatnonzero(is_here.all(axis=1))
            if len(here):
                members = [cells[int(index)] for index in here]
                found[here] = self._in_tile(rgb, tile, members)
        return found

    @torch.no_grad()
    def _in_tile(self, rgb: RGB, tile: Tile, cells: Sequence[BoxMask]) -> Vectors:
        x0, y0, x1, y1 = tile.outer
        batch = to_batch([rgb[y0:y1, x0:x1]])
        x = pad_to_stride(batch).to(self.device)
        detected = self._features(self.detector.trunk, self.detector.body(x))
        segmented = self._features(nn.Identity(), self.segmenter.body(x))
        vectors = []
        for cell in cells:
            rows, columns = _pixels(cell)
            rows = np.clip(rows - y0, 0, y1 - y0 - 1)
            columns = np.clip(columns - x0, 0, x1 - x0 - 1)
            seen = _at(detected, rows, columns, DETECTOR_STRIDE)
            lined = _at(segmented, rows, columns, SEGMENTER_STRIDE)
            pooled = [seen.mean(1), seen.std(1), lined.mean(1)]
            vectors.append(np.concatenate(pooled))
        return np.array(vectors, np.float16)

    @staticmethod
    def _features(last: nn.Module, x: Tensor) -> np.ndarray:
        """(1, C, h, w) -> (C, h, w) float32 in the memory of the processor."""
        features = last(x)[0].float()
        return np.asarray(features.cpu().numpy())


def _at(features: np.ndarray, rows: np.ndarray, columns: np.ndarray, stride: int) -> np.ndarray:
    """(C, n): the features that lie over these pixels."""
    return np.asarray(features[:, rows // stride, columns // stride])


def _middle(cell: BoxMask) -> tuple[float, float]:
    height, width = cell.bits.shape
    return cell.x + width / 2, cell.y + height / 2


def _pixels(cell: BoxMask) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the cell's pixels in the image; of an empty mask its corner."""
    rows, columns = np.nonzero(cell.bits)
    if not len(rows):
        rows = columns = np.zeros(1, int)
    step = -(-len(rows) // MOST_PIXELS)
    return rows[::step] + cell.y, columns[::step] + cell.x
