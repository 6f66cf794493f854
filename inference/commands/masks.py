"""boxwise masks IMAGE BOXES.json -o LABELS.png: a mask for every box."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from inference.commands import outputs
from inference.commands.files import LABEL_MAPS
from inference.datasets import read_rgb, write_labels
from inference.types import Boxes, InferenceError, Prompts


def main(argv: list[str]) -> int:
    """Make a mask for every box: IMAGE BOXES.json -o LABELS.png."""
    parser = argparse.ArgumentParser(
        prog="boxwise masks",
        description="Make a mask for every box. LABELS.png is a 16-bit label map: box i of the list has the id i + 1.",
    )
    parser.add_argument("image", type=Path, help="the picture")
    parser.add_argument("boxes", type=Path, help="JSON: [[x0, y0, x1, y1], ...], pixels, half-open")
    parser.add_argument("-o", "--output", type=outputs.file(*LABEL_MAPS), required=True, metavar="LABELS.png")
    parser.add_argument("--prompter", help="name of a prompter; boxwise models list shows them")
    options = parser.parse_args(argv)
    from inference.prompters.paint import paint
    from inference.registry import DEFAULT_PROMPTER, prompter

    try:
        rgb, boxes = read_rgb(options.image), read_boxes(options.boxes)
        decline_outside(boxes, width=rgb.shape[1], height=rgb.shape[0])
        made = prompter(options.prompter or DEFAULT_PROMPTER)
        found = made.decode(made.encode(rgb), Prompts(boxes=boxes))
        write_labels(options.output, paint(found, rgb.shape[1], rgb.shape[0]))
    except InferenceError as error:
        print(f"boxwise masks: {error}", file=sys.stderr)
        return 1
    empty = [i for i, mask in enumerate(found.masks) if not mask.bits.size]
    print(f"{len(boxes) - len(empty)} masks of {len(boxes)} boxes by {made.name} -> {options.output}")
    if empty:
        print(f"no mask for box {', '.join(map(str, empty[:20]))}{' ...' if len(empty) > 20 else ''}", file=sys.stderr)
    return 0


def decline_outside(boxes: Boxes, *, width: int, height: int) -> None:
    """Raises InferenceError for boxes that are empty or leave the image: their masks would be of something else."""
    bad = []
    for number, (x0, y0, x1, y1) in enumerate(boxes):
        if not (x0 < x1 and y0 < y1):
            bad.append(f"box {number} ({x0:g}, {y0:g}, {x1:g}, {y1:g}) is empty")
        elif x0 < 0 or y0 < 0 or x1 > width or y1 > height:
            bad.append(f"box {number} ({x0:g}, {y0:g}, {x1:g}, {y1:g}) leaves the image of {width} x {height} px")
    if bad:
        more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise InferenceError(f"{'; '.join(bad[:5])}{more}")


def read_boxes(path: Path) -> Boxes:
    """(n, 4). Raises InferenceError for a file that is not a list of four numbers each."""
    try:
        rows = json.loads(path.read_text())
        boxes = np.array(rows, np.float64).reshape(-1, 4) if rows == [] else np.array(rows, np.float64)
    except (OSError, ValueError, TypeError) as error:
        raise InferenceError(f"{path.name} holds no boxes: {error}") from error
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise InferenceError(f"{path.name} must hold [[x0, y0, x1, y1], ...], not an array of shape {boxes.shape}")
    return boxes
