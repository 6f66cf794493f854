"""boxwise instances MASK --detections LABELS.png -o LABELS.png"""

import argparse
import sys
from pathlib import Path
from typing import get_args

from inference.commands import outputs
from inference.commands.files import LABEL_MAPS, FileProblem, read_labels, read_mask, write_labels


def main(argv: list[str]) -> int:
    """Give every cell of a mask its id: MASK --detections LABELS.png -o LABELS.png."""
    from inference.instances import Fragments, Method, instances

    parser = argparse.ArgumentParser("boxwise instances", description="Give every cell of a mask its id.")
    parser.add_argument("mask", type=Path, help="the fused mask: any image, not 0 is cell")
    parser.add_argument("--detections", type=Path, required=True, help="the detector's ids, a 16-bit label map")
    parser.add_argument("-o", "--output", type=outputs.file(*LABEL_MAPS), required=True, help="label map, .png or .tif")
    parser.add_argument("--method", choices=get_args(Method), default="geodesic", help="(%(default)s)")
    parser.add_argument("--fragments", choices=get_args(Fragments), default="keep", help="(%(default)s)")
    parser.add_argument("--smallest", type=int, default=0, help="drop cells of fewer pixels (%(default)s)")
    parser.add_argument("--largest-hole", type=int, default=0, help="fill holes up to this many pixels (%(default)s)")
    given = parser.parse_args(argv)
    try:
        labels = instances(
            read_mask(given.mask),
            read_labels(given.detections),
            given.method,
            fragments=given.fragments,
            smallest=given.smallest,
            largest_hole=given.largest_hole,
        )
        write_labels(given.output, labels)
    except (FileProblem, ValueError) as error:
        print(f"boxwise instances: {error}", file=sys.stderr)
        return 1
    print(f"{given.output}: {labels.max(initial=0)} cells")
    return 0
