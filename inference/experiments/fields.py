"""Draw a page of whole windows: what the parts of a trained BoxCell saw, and what the fusion made of it.

    python -m inference.experiments.fields DATA MODEL -o fields.jpg

MODEL is a folder that `boxwise train` or `boxwise benchmark` wrote. Windows of tnbc's validation patient (CC BY 4.0) at
the ranks 5 %, 50 % and 95 % of the fused mask's Dice, two of each.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from inference.datasets import open_dataset
from inference.methods import boxcell
from inference.metrics import dice
from inference.types import RGB, Labels, Mask

WINDOW = 128  # image pixels
ENLARGED = 2
REFERENCE, OURS = (240, 220, 40), (20, 160, 60)
RANKS = (("best tenth", 0.05), ("typical", 0.5), ("worst tenth", 0.95))


@dataclass(frozen=True)
class Window:
    """A square of an image with its masks; `dice` of the fused one."""

    rgb: RGB
    truth: Labels
    masks: tuple[Mask, Mask, Mask]  # M_D, M_S, fused
    dice: float


def windows(model: boxcell.BoxCell, data: Path) -> list[Window]:
    """Every window with at least three cells, best first."""
    dataset, found = open_dataset(data / "tnbc"), []
    for name in dataset.split("val"):
        sample = dataset.sample(name, with_labels=True)
        assert sample.labels is not None
        parts = model.predict(sample.rgb)
        for y in range(0, sample.rgb.shape[0] - WINDOW + 1, WINDOW):
            for x in range(0, sample.rgb.shape[1] - WINDOW + 1, WINDOW):
                place = np.s_[y : y + WINDOW, x : x + WINDOW]
                truth = sample.labels[place]
                if len(np.unique(truth)) <= 3:
                    continue
                masks = (parts.detected[place] > 0, parts.segmented[place], parts.fused.mask[place])
                found.append(Window(sample.rgb[place], truth, masks, dice(truth > 0, masks[2])))
    return sorted(found, key=lambda window: -window.dice)


def enlarged(rgb: RGB) -> RGB:
    return np.asarray(cv2.resize(rgb, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC), np.uint8)


def outlined(window: Window, mask: Mask) -> RGB:
    """The tissue with the outlines of the reference (yellow) and of a mask (green)."""
    picture = enlarged(window.rgb)
    for drawn, colour in ((window.truth > 0, REFERENCE), (mask, OURS)):
        large = cv2.resize(drawn.astype(np.uint8), None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_NEAREST)
        lines, _ = cv2.findContours(large, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, lines, -1, colour, 1)
    return picture


def page(found: list[Window]) -> RGB:
    rows = []
    for title, rank in RANKS:
        first = min(int(rank * len(found)), len(found) - 2)
        for window in found[first : first + 2]:
            scores = [dice(window.truth > 0, mask) for mask in window.masks]
            texts = [title] + [f"{part}: Dice {v:.2f}" for part, v in zip(("detector", "segmenter", "fused"), scores)]
            cells = [enlarged(window.rgb), *(outlined(window, mask) for mask in window.masks)]
            head = np.full((20, cells[0].shape[1] * len(cells), 3), 255, np.uint8)
            for k, text in enumerate(texts):
                at = (6 + k * cells[0].shape[1], 14)
                cv2.putText(head, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
            rows += [head, np.concatenate(cells, axis=1)]
    return np.concatenate(rows)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args(argv)
    found = windows(boxcell.load(options.model, device="cpu"), options.data)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(options.output), page(found)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
