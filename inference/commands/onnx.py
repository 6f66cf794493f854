"""boxwise export-onnx MODEL -o FOLDER: detector and segmenter for programs without torch."""

import argparse
import sys
from pathlib import Path

from inference.commands import outputs
from inference.types import InferenceError


def main(argv: list[str]) -> int:
    """Write detector.onnx and segmenter.onnx: MODEL -o FOLDER."""
    parser = argparse.ArgumentParser(
        prog="boxwise export-onnx",
        description="What goes in and comes out stands in docs/library.md.",
    )
    parser.add_argument(
        "model",
        help="folder that boxwise train wrote, the zip of a round's models, or shipped: what comes with Boxwise",
    )
    parser.add_argument("-o", "--output", type=outputs.folder, required=True, metavar="FOLDER")
    options = parser.parse_args(argv)
    from inference import onnx_files

    try:
        detector, segmenter = parts_of(options.model)
        options.output.mkdir(exist_ok=True)
        print(onnx_files.write_detector(detector, options.output / "detector.onnx"))
        print(onnx_files.write_segmenter(segmenter, options.output / "segmenter.onnx"))
    except (InferenceError, OSError) as error:
        print(f"boxwise export-onnx: {error}", file=sys.stderr)
        return 1
    return 0


def parts_of(model: str) -> tuple[object, object]:
    """The detector and the segmenter. Raises InferenceError."""
    from inference.detectors import centre
    from inference.methods import boxcell
    from inference.segmenters import unet
    from inference.weights import shipped

    if model != "shipped":
        found = boxcell.load(Path(model), device="cpu")
        return found.detector, found.segmenter
    detector, segmenter = shipped("centre"), shipped("unet")
    if detector is None or segmenter is None:
        raise InferenceError("this copy of Boxwise was built without the shipped weights")
    return centre.load(detector, device="cpu"), unet.load(segmenter, device="cpu")
