"""Many masks, one label map."""

import numpy as np

from inference.masks import labels_of
from inference.types import Labels, Prompted


def paint(found: Prompted, width: int, height: int) -> Labels:
    """(height, width) label map: prompt i has the id i + 1; a pixel that several claim goes to the best score.

    Equal scores: to the earlier prompt. A cell that lost all its pixels is gone, so there may be gaps.
    """
    order = np.argsort(-found.scores, kind="stable")
    return labels_of(((int(i) + 1, found.masks[i]) for i in order), width, height)
