"""Draw a page of the prompter's masks beside the reference: good, typical and bad cells, chosen by rank of Dice.

    python -m inference.experiments.examples DATA -o masks.jpg

From tnbc's validation patient (CC BY 4.0), so that the page may be shown.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from inference.datasets import open_dataset
from inference.masks import BoxMask, cells_of, labels_of
from inference.metrics import dice
from inference.prompters.boxwise import Boxwise
from inference.types import RGB, Prompts

AROUND = 24  # image pixels on every side of a cell's middle
ENLARGED = 3
COLUMNS = 10
OURS, REFERENCE, BOX = (20, 160, 60), (240, 220, 40), (90, 140, 255)


def drawn(rgb: RGB, ours: BoxMask, truth: BoxMask, box: np.ndarray) -> RGB:
    """One cell enlarged: bare tissue above; below, outlines of ours (green), the reference (yellow), the box (blue)."""
    height, width = rgb.shape[:2]
    x, y = int((box[0] + box[2]) / 2) - AROUND, int((box[1] + box[3]) / 2) - AROUND
    padded = np.pad(rgb, ((AROUND, AROUND), (AROUND, AROUND), (0, 0)), mode="edge")
    bare = padded[y + AROUND : y + 3 * AROUND, x + AROUND : x + 3 * AROUND]
    bare = cv2.resize(bare, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    marked = bare.copy()
    for mask, colour in ((truth, REFERENCE), (ours, OURS)):
        full = np.pad(labels_of([(1, mask)], width, height), AROUND)
        part = full[y + AROUND : y + 3 * AROUND, x + AROUND : x + 3 * AROUND].astype(np.uint8)
        part = cv2.resize(part, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_NEAREST)
        lines, _ = cv2.findContours(part, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(marked, lines, -1, colour, 1)
    x0, y0, x1, y1 = ((box - [x, y, x, y]) * ENLARGED).astype(int).tolist()
    cv2.rectangle(marked, (x0, y0), (x1, y1), BOX, 1)
    return np.concatenate([bare, marked])


def page(data: Path, weights: Path | None) -> RGB:
    made, dataset = Boxwise(weights, device="cpu"), open_dataset(data / "tnbc")
    found: list[tuple[float, RGB]] = []
    for name in dataset.split("val"):
        sample = dataset.sample(name, with_labels=True)
        assert sample.labels is not None
        answer = made.decode(made.encode(sample.rgb), Prompts(boxes=sample.boxes))
        height, width = sample.labels.shape
        for (index, truth), mask, box in zip(cells_of(sample.labels), answer.masks, sample.boxes):
            ours = labels_of([(1, mask)], width, height) > 0
            found.append((dice(sample.labels == index, ours), drawn(sample.rgb, mask, truth, box)))
    found.sort(key=lambda pair: -pair[0])
    rows = []
    for title, at in (("best tenth", 0.05), ("typical", 0.5), ("worst tenth", 0.95)):
        middle = int(at * len(found))
        first = min(max(0, middle - COLUMNS // 2), len(found) - COLUMNS)
        chosen = found[first : first + COLUMNS]
        row = np.concatenate([picture for _, picture in chosen], axis=1)
        head = np.full((22, row.shape[1], 3), 255, np.uint8)
        text = f"{title}: Dice {chosen[-1][0]:.2f} to {chosen[0][0]:.2f}"
        cv2.putText(head, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        rows += [head, row]
    return np.concatenate(rows)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args(argv)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(options.output), page(options.data, options.weights)[..., ::-1])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
