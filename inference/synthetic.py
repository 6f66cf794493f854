"""Synthetic tissue with exact masks: for tests and load, never to be mistaken for tissue.

Nuclei are wobbly ellipses of hematoxylin on an eosin ground, mixed in optical density (Beer-Lambert) with the stain
vectors of
Ruifrok & Johnston (2001). What it lacks - artefacts, out-of-focus cells, real texture - is why results on it prove
nothing.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from inference.masks import boxes_of, cells_of
from inference.types import RGB, Boxes, Labels

HEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.07, 0.99, 0.11])


@dataclass(frozen=True)
class Tissue:
    """rgb (H, W, 3) uint8 and labels (H, W) int32, 1..n."""

    rgb: RGB
    labels: Labels

    @property
    def boxes(self) -> Boxes:
        """(n, 4) half-open tight boxes, in the order of the ids."""
        return boxes_of([mask for _, mask in cells_of(self.labels)])


def tissue(width: int, height: int, cells: int, *, seed: int, radius: float = 9.0) -> Tissue:
    """A field of about `cells` nuclei that touch but do not overlap.

    radius  mean radius in px. Places are drawn at random and dropped when taken: crowded fields hold fewer than
    `cells`.
    """
    if width < 1 or height < 1 or cells < 0:
        raise ValueError(f"a field needs an area and no negative number of cells, not {width} x {height}, {cells}")
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.int32)
    density = gaussian_filter(rng.normal(size=(height, width)), 6)
    stain = np.zeros((height, width))
    for _ in range(cells):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        a, b = radius * rng.uniform(0.7, 1.3, 2)
        turn, phase, wobble = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.12)
        reach = int(max(a, b) * 1.3) + 2
        top, left = max(0, int(y) - reach), max(0, int(x) - reach)
        rows, columns = np.mgrid[top : min(height, int(y) + reach), left : min(width, int(x) + reach)]
        u = (columns + 0.5 - x) * np.cos(turn) + (rows + 0.5 - y) * np.sin(turn)
        v = -(columns + 0.5 - x) * np.sin(turn) + (rows + 0.5 - y) * np.cos(turn)
        edge = 1 + wobble * np.sin(3 * np.arctan2(v, u) + phase)
        inside = (u / a) ** 2 + (v / b) ** 2 <= edge**2
        window = labels[top : top + rows.shape[0], left : left + rows.shape[1]]
        fresh = inside & (window == 0)
        if fresh.sum() < 0.8 * max(1, inside.sum()) or fresh.sum() < 30:
            continue
        window[fresh] = labels.max() + 1
        stain[top : top + rows.shape[0], left : left + rows.shape[1]][fresh] = rng.uniform(0.7, 1.3)
    chromatin = 1 + 0.25 * gaussian_filter(rng.normal(size=(height, width)), 1) * 4
    hematoxylin = gaussian_filter(stain * chromatin, 0.8)
    eosin = 0.35 + 0.8 * density + 0.05 * rng.normal(size=(height, width))
    optical = hematoxylin[..., None] * HEMATOXYLIN + np.clip(eosin, 0, None)[..., None] * EOSIN
    rgb = 245 * np.exp(-optical) + rng.normal(0, 2, (height, width, 3))
    return Tissue(np.clip(rgb, 0, 255).astype(np.uint8), labels)
