"""How many true cells the rule for crumbs (inference/crumbs.py) would leave out, on data with reference masks.

A lab annotates one field, or some cells of it; the rule's threshold comes from those boxes and is used on the true
masks of every other image of the data set. What is lost are true cells, so the right answer is close to none.
"""

import os
from pathlib import Path

import numpy as np

from inference.crumbs import FEWEST, smallest_cell, without_crumbs
from inference.datasets import Dataset, open_dataset
from inference.masks import cells_of
from tests.documents import cell_json, snapshot_image

SETS = ("tnbc", "consep", "monuseg", "gbm40", "dsb2018")
ANNOTATED = (40, 100, None)  # boxes of the annotated field; None: all of them
SHARES = (0.1, 0.25, 0.5)  # 0.1 is what a piece in a detector's box is asked for by default, 0.25 any other
TRIES = 12


def main() -> None:
    root = Path(os.environ.get("BOXWISE_DATA", "../shared/data"))
    print("| set | true cells | boxes | " + " | ".join(f"lost at {share:g}" for share in SHARES) + " |")
    print("|---|---|---|" + "---|" * len(SHARES))
    for name in SETS:
        if (root / name).is_dir():
            of_set(open_dataset(root / name, kind="purple" if name == "dsb2018" else None))
        else:
            print(f"| {name} | not there | | " + " | " * len(SHARES))


def of_set(data: Dataset) -> None:
    """One line for each number of boxes: mean and worst share of true cells that are lost, over random fields."""
    labels = [data.labels(name) for name in data.names]
    boxes = [[box_of(mask) for _, mask in cells_of(one)] for one in labels]
    rich = [index for index, found in enumerate(boxes) if len(found) > 1.5 * FEWEST]
    total = sum(len(found) for found in boxes)
    for count in ANNOTATED:
        rng = np.random.default_rng(7)
        lost: dict[float, list[float]] = {share: [] for share in SHARES}
        for _ in range(TRIES):
            field = int(rng.choice(rich))
            chosen = boxes[field] if count is None else draw(boxes[field], count, rng)
            height, width = labels[field].shape
            entry = snapshot_image(width=width, height=height, cells=[cell_json(box) for box in chosen])
            others = [one for index, one in enumerate(labels) if index != field]
            for share in SHARES:
                lost[share].append(share_lost(others, smallest_cell([entry], share).area))
        figures = [f"{np.mean(lost[s]):.2%} ({np.max(lost[s]):.2%})" for s in SHARES]
        print(f"| {data.name} | {total:,} | {count or 'all'} | {' | '.join(figures)} |", flush=True)


def draw(boxes: list[list[float]], count: int, rng: np.random.Generator) -> list[list[float]]:
    chosen = rng.permutation(len(boxes))[:count]
    return [boxes[index] for index in chosen]


def box_of(mask: object) -> list[float]:
    height, width = mask.bits.shape  # type: ignore[attr-defined]
    return [float(v) for v in (mask.x, mask.y, mask.x + width, mask.y + height)]  # type: ignore[attr-defined]


def share_lost(maps: list[np.ndarray], area: float) -> float:
    lost = total = 0
    for labels in maps:
        total += len(np.unique(labels)) - 1
        lost += without_crumbs(labels, area)[1]
    return lost / total
