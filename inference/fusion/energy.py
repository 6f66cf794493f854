"""Eq. (3)-(7) as an energy over the ambiguous pixels, in integers.

Maximising O_idf - lambda * O_scf is minimising

    E(x) = sum_i (t_i > 0 ? t_i (1 - x_i) : -t_i x_i) + sum_ij w_ij |x_i - x_j|,     w_ij >= 0,

with t_i = 2 P_i - 1 plus the weights of the edges to agreed cell pixels, minus those to agreed background. All numbers
are integers in units of 1 / SCALE: P is rounded once, and w comes from a table over the squared RGB distance, which is
an integer itself, so that equal inputs give equal capacities on every machine.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from inference.fusion.certificate import SCALE
from inference.fusion.colour import Kind
from inference.types import RGB, Mask

FARTHEST = 3 * 255 * 255  # largest squared RGB distance


@lru_cache(maxsize=8)
def edge_costs(lam: float, theta: float, similarity: str) -> npt.NDArray[np.int64]:
    """lambda * S in integer units for every squared RGB distance, (FARTHEST + 1,) int64, read-only."""
    squared = np.arange(FARTHEST + 1, dtype=np.float64) / theta**2 if theta > 1e-150 else None
    if squared is None:  # theta**2 underflows; S is 1 at distance 0 and 0 elsewhere
        decay = np.zeros(FARTHEST + 1)
        decay[0] = 1.0
    else:
        decay = np.exp(-(np.sqrt(squared) if similarity == "exponential" else squared))
    costs = np.rint(lam * decay * SCALE).astype(np.int64)
    costs.setflags(write=False)
    return costs


def unary_of(probability: npt.NDArray[np.float32]) -> npt.NDArray[np.int32]:
    """P (n,) float32 -> 2 P - 1 in integer units, int32."""
    return np.rint((2.0 * probability.astype(np.float64) - 1.0) * SCALE).astype(np.int32)


@dataclass(frozen=True)
class Energy:
    """The graph of the ambiguous pixels: what every solver gets.

    shape     (H, W) of the image
    pixels    (n,) int32 flat indices, ascending
    terminal  (n,) int64: t_i, > 0 pulls to cell, < 0 to background
    right     (n,) int64: w to pixel (y, x + 1) where that is ambiguous too (it is then node i + 1), else -1
    down      (n,) int64: w to pixel (y + 1, x) where that is ambiguous too, else -1
    below     (n,) int32: the node of pixel (y + 1, x), or -1
    """

    shape: tuple[int, int]
    pixels: npt.NDArray[np.int32]
    terminal: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    down: npt.NDArray[np.int64]
    below: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.terminal)

    def edges(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The n-links as (i, j, w), i < j."""
        across, along = np.flatnonzero(self.right >= 0), np.flatnonzero(self.down >= 0)
        return (
            np.concatenate([across, along]),
            np.concatenate([across + 1, self.below[along].astype(np.int64)]),
            np.concatenate([self.right[across], self.down[along]]),
        )


def cut_of(energy: Energy, labels: npt.NDArray[np.bool_]) -> int:
    """E of (n,) labels in integer units: the capacity of the cut that they make."""
    return int(_cut_of(energy.terminal, energy.right, energy.down, energy.below, labels))


@njit(cache=True)
def _cut_of(terminal: Any, right: Any, down: Any, below: Any, labels: Any) -> Any:
    total = np.int64(0)
    for i in range(len(labels)):
        if (terminal[i] > 0) != labels[i]:
            total += abs(terminal[i])
        if right[i] >= 0 and labels[i] != labels[i + 1]:
            total += right[i]
        if below[i] >= 0 and labels[i] != labels[below[i]]:
            total += down[i]
    return total


def build(
    rgb: RGB, kind: Kind, pixels: npt.NDArray[np.int32], unary: npt.NDArray[np.int32], costs: npt.NDArray[np.int64]
) -> Energy:
    """The energy of the pixels of kind 2 given those of kind 0 and 1.

    pixels  all or some of the flat indices of kind 2, ascending; whatever is left out must not touch them
    unary   (n,) int32 of `unary_of`
    costs   of `edge_costs`
    """
    n = len(pixels)
    terminal, right, down = np.empty(n, np.int64), np.full(n, -1, np.int64), np.full(n, -1, np.int64)
    below = np.full(n, -1, np.int32)
    _build(rgb, kind, pixels, unary, costs, terminal, right, down, below)
    return Energy(kind.shape, pixels, terminal, right, down, below)


@njit(cache=True)
def _cost(rgb: Any, y: int, x: int, v: int, u: int, costs: Any) -> Any:
    r = np.int64(rgb[y, x, 0]) - np.int64(rgb[v, u, 0])  # uint8 differences would wrap around
    g = np.int64(rgb[y, x, 1]) - np.int64(rgb[v, u, 1])
    b = np.int64(rgb[y, x, 2]) - np.int64(rgb[v, u, 2])
    return costs[r * r + g * g + b * b]


@njit(cache=True)
def _build(
    rgb: Any, kind: Any, pixels: Any, unary: Any, costs: Any, terminal: Any, right: Any, down: Any, below: Any
) -> None:
    h, w = kind.shape
    above = np.full(w, -1, np.int32)  # the last node met in every column
    for i in range(len(pixels)):
        y, x = pixels[i] // w, pixels[i] % w
        t = np.int64(unary[i])
        if x + 1 < w:
            cost = _cost(rgb, y, x, y, x + 1, costs)
            side = kind[y, x + 1]
            if side == 2:
                right[i] = cost
            else:
                t += cost if side == 1 else -cost
        if y + 1 < h:
            cost = _cost(rgb, y, x, y + 1, x, costs)
            side = kind[y + 1, x]
            if side == 2:
                down[i] = cost
            else:
                t += cost if side == 1 else -cost
        if x > 0 and kind[y, x - 1] != 2:
            cost = _cost(rgb, y, x, y, x - 1, costs)
            t += cost if kind[y, x - 1] == 1 else -cost
        if y > 0:
            if kind[y - 1, x] == 2:
                below[above[x]] = i
            else:
                cost = _cost(rgb, y, x, y - 1, x, costs)
                t += cost if kind[y - 1, x] == 1 else -cost
        above[x] = i
        terminal[i] = t


def doubled_objective(
    rgb: RGB,
    mask: Mask,
    pixels: npt.NDArray[np.int32],
    unary: npt.NDArray[np.int32],
    costs: npt.NDArray[np.int64],
) -> int:
    """Twice eq. (7) over the whole image in integer units, straight from the labels: it shares no graph with `build`.

    2 (x P + (1 - x)(1 - P)) = 1 +- (2 P - 1). Edges between agreed pixels count, as in the paper: a constant.
    """
    labels = mask.reshape(-1)[pixels]
    agreeing = unary.sum(where=labels, dtype=np.int64) - unary.sum(where=~labels, dtype=np.int64)
    across = np.flatnonzero(mask[:, :-1] != mask[:, 1:])  # numpy compares many pixels at a time
    along = np.flatnonzero(mask[:-1] != mask[1:])
    return int(len(pixels) * SCALE + agreeing - 2 * _border_costs(rgb, across, along, costs))


@njit(cache=True)
def _border_costs(rgb: Any, across: Any, along: Any, costs: Any) -> Any:
    """across: flat indices in (H, W - 1) of pixels unlike their right neighbour; along: in (H - 1, W), the lower."""
    w = rgb.shape[1]
    total = np.int64(0)
    for k in range(len(across)):
        y, x = across[k] // (w - 1), across[k] % (w - 1)
        total += _cost(rgb, y, x, y, x + 1, costs)
    for k in range(len(along)):
        y, x = along[k] // w, along[k] % w
        total += _cost(rgb, y, x, y + 1, x, costs)
    return total
