"""boxwise predict MODEL IMAGES -o OUT: instance masks of images."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from inference.commands import blocks
from inference.datasets import read_rgb, write_labels
from inference.types import InferenceError, Labels, UnreadableImage

if TYPE_CHECKING:
    from inference.methods.boxcell import BoxCell, Parts

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")


def main(argv: list[str]) -> int:
    """Write instance masks of images: MODEL IMAGES -o OUT."""
    parser = argparse.ArgumentParser(
        prog="boxwise predict",
        description="Write labels/NAME.png, 16-bit instances, for every image (NAME.tif of 32 bits for more than "
        "65,535 cells). A file that cannot be read is named and passed over; the exit status is then 1.",
    )
    parser.add_argument("model", type=Path, help="folder that boxwise train wrote, or the zip of a round's models")
    parser.add_argument("images", type=Path, nargs="+", help="image files or folders of them")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
    parser.add_argument("--parts", action="store_true", help="also detector/, segmenter/, fused/ and certificates")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--new-stain",
        action="store_true",
        help="first fit the segmenter's normalisation to the first dozen of these images (caranet, segformer)",
    )
    options = parser.parse_args(argv)
    from inference.methods import boxcell

    Image.MAX_IMAGE_PIXELS = None  # a person names the files; large ones are what this is for
    bad = 0
    try:
        model = boxcell.load(options.model, device=options.device)
        paths = files_of(options.images)
        if options.new_stain:
            print(adapt(model, paths))
        for path in paths:
            try:
                rgb = read_rgb(path)
            except UnreadableImage as error:
                print(f"boxwise predict: {error}", file=sys.stderr)
                bad += 1
                continue
            if rgb.shape[0] * rgb.shape[1] > blocks.LARGEST:
                labels = blocks.in_blocks(lambda block: model.predict(block).labels, rgb)
                write_labels(options.output / "labels" / f"{path.stem}.{suffix(labels)}", labels)
                print(f"{path.name}: {labels.max()} cells, in blocks; of so large an image no parts are written")
                continue
            parts = model.predict(rgb)
            write_labels(options.output / "labels" / f"{path.stem}.png", parts.labels)
            if options.parts:
                write_parts(options.output, path.stem, parts)
            cells = len(np.unique(parts.labels[parts.labels > 0]))
            disputed = parts.fused.certificate.free_pixels
            print(
                f"{path.name}: {cells} cells, {len(parts.detections)} detected, {disputed} pixels disputed", flush=True
            )
    except InferenceError as error:
        print(f"boxwise predict: {error}", file=sys.stderr)
        return 1
    return 1 if bad else 0


def adapt(model: "BoxCell", paths: list[Path]) -> str:
    """Re-estimate running statistics on a dozen images -> what was done, for a person."""
    from inference.segmenters.learning import NetSegmenter

    before, images = model.segmenter.name, []
    for path in paths[:12]:
        try:
            images.append(read_rgb(path))
        except UnreadableImage:
            continue  # it is named when its turn comes
    if isinstance(model.segmenter, NetSegmenter) and model.segmenter.adapted(images).name != before:
        return f"{before}: normalisation fitted to {len(images)} images"
    return f"{before}: has no running statistics, so there is nothing to fit"


def suffix(labels: Labels) -> str:
    """A 16-bit PNG cannot name more than 65,535 cells; a TIFF of 32 bits can."""
    return "png" if labels.max(initial=0) <= np.iinfo(np.uint16).max else "tif"


def files_of(paths: list[Path]) -> list[Path]:
    """Images in the order given, folders sorted by name. Raises InferenceError for no image, or two of one name."""
    found: list[Path] = []
    for path in paths:
        found += sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    if not found:
        raise InferenceError("no image was given")
    names = [path.stem for path in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InferenceError(f"several images are called {', '.join(sorted(twice)[:5])}; one would overwrite the other")
    return found


def write_parts(folder: Path, name: str, parts: "Parts") -> None:
    write_labels(folder / "detector" / f"{name}.png", parts.detected)
    for kind, array in (("segmenter", parts.probability), ("fused", parts.fused.mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.round(array.astype(np.float32) * 255).astype(np.uint8)).save(folder / kind / f"{name}.png")
    found = {
        "boxes": parts.detections.boxes.round(2).tolist(),
        "scores": parts.detections.scores.round(4).tolist(),
        "classes": parts.detections.classes.tolist(),
        "mask_scores": parts.prompted.scores.round(4).tolist(),
        "certificate": parts.fused.certificate.as_dict(),
    }
    (folder / "fused" / f"{name}.json").write_text(json.dumps(found, indent=1, default=str))
