"""boxwise masks IMAGE BOXES.json -o LABELS.png: a mask for every box."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from inference.datasets import read_rgb, write_labels
from inference.types import Boxes, InferenceError, Prompts


def main(argv: list[str]) -> int:
    """Make a mask for every box: IMAGE BOXES.json -o LABELS.png."""
    parser = argparse.ArgumentParser(
        prog="boxwise masks",
        description="Make a mask for every box. LABELS.png is a 16-bit label map: box i of the list has the id i + 1.",
    )
    parser.add_argument("image", type=Path)
    parser.add_argument("boxes", type=Path, help="JSON: [[x0, y0, x1, y1], ...], pixels, half-open")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="LABELS.png")
    parser.add_argument("--prompter", help="name of a prompter; boxwise models list shows them")
    options = parser.parse_args(argv)
    from inference.prompters.paint import paint
    from inference.registry import DEFAULT_PROMPTER, prompter

    try:
        rgb, boxes = read_rgb(options.image), read_boxes(options.boxes)
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
