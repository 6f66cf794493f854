"""boxwise predict MODEL IMAGES -o OUT: instance masks of images and slides."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from inference.commands import blocks, outputs, predict_slide
from inference.commands.predict_slide import Wanted
from inference.datasets import read_rgb, write_labels
from inference.types import InferenceError, Labels, UnreadableImage

if TYPE_CHECKING:
    from inference.methods.frame import Prediction, Trained

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".svs", ".ndpi", ".mrxs", ".vms", ".scn", ".bif", ".czi", ".dcm",
)  # fmt: skip
ABOUT = """\
Write labels/NAME.png, 16-bit instances, for every image (NAME.tif of 32 bits for more than 65,535 cells). Slides are
done tile by tile, and so is every image where OUT ends in .geojson, .json (COCO), .tif or .png, or --format, --region
or --mpp is given; coordinates are pixels of level 0 of the slide. A run that was stopped goes on where it was. A file
that cannot be read is named and passed over; the exit status is then 1.
"""


def main(argv: list[str]) -> int:
    """Write instance masks of images and slides: MODEL IMAGES -o OUT."""
    options = parsed(argv)
    from inference.methods import frame

    Image.MAX_IMAGE_PIXELS = None  # a person names the files; large ones are what this is for
    wanted = wanted_by(options)
    bad = 0
    try:
        model = frame.load(options.model, device=options.device)
        paths = files_of(options.images)
        if len(paths) > 1 and wanted.file_of("a") == wanted.output:
            raise InferenceError(f"{len(paths)} images do not go into one file; give a folder and --format")
        if options.new_stain:
            print(adapt(model, paths))
        write_origin(model, origin_file(wanted))
        for path in paths:
            try:
                print(predicted(model, path, wanted, parts=options.parts), flush=True)
            except (UnreadableImage, OSError) as error:
                print(f"boxwise predict: {predict_slide.why(path, error)}", file=sys.stderr)
                bad += 1
    except InferenceError as error:
        print(f"boxwise predict: {error}", file=sys.stderr)
        return 1
    return 1 if bad else 0


def parsed(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="boxwise predict", description=ABOUT)
    parser.add_argument("model", type=Path, help="folder that boxwise train wrote, or the zip of a round's models")
    parser.add_argument("images", type=Path, nargs="+", help="image or slide files, or folders of them")
    parser.add_argument("-o", "--output", type=outputs.file_or_folder, required=True, metavar="OUT")
    parser.add_argument("--format", choices=("geojson", "coco", "tiff", "png"), default="", help="of the files in OUT")
    parser.add_argument(
        "--region", type=predict_slide.region, metavar="x,y,w,h", help="a part alone, in pixels of level 0"
    )
    parser.add_argument(
        "--mpp",
        type=predict_slide.scale,
        help="µm per pixel that the model was trained at; a slide of another scale is resampled to it",
    )
    parser.add_argument("--parts", action="store_true", help="also detector/, segmenter/, fused/ and certificates")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--new-stain",
        action="store_true",
        help="first fit the segmenter's normalisation to the first dozen of these images (caranet, segformer)",
    )
    options = parser.parse_args(argv)
    if options.parts and wanted_by(options).asks_for_tiles():
        parser.error("--parts are of whole images; leave out --region, --mpp and --format, and let OUT be a folder")
    return options


def wanted_by(options: argparse.Namespace) -> Wanted:
    return Wanted(options.output, options.region, options.mpp, options.format)


def predicted(model: "Trained", path: Path, wanted: Wanted, *, parts: bool) -> str:
    """Write the masks of one file. -> what was done, for a person. Raises UnreadableImage, InferenceError, OSError."""
    if wanted.asks_for_tiles() or predict_slide.is_slide(path):
        done = predict_slide.predict_slide(model, path, wanted)
        return f"{done}; of a slide no parts are written" if parts else done
    rgb = read_rgb(path)
    if rgb.shape[0] * rgb.shape[1] > blocks.LARGEST:  # a picture in a format that cannot be read in parts
        labels = blocks.in_blocks(lambda block: model.predict(block).labels, rgb)
        write_labels(wanted.output / "labels" / f"{path.stem}.{suffix(labels)}", labels)
        return f"{path.name}: {labels.max()} cells, in blocks; of so large an image no parts are written"
    found = model.predict(rgb)
    if parts:
        write_parts(found, wanted.output, path.stem)
    write_labels(wanted.output / "labels" / f"{path.stem}.{suffix(found.labels)}", found.labels)
    cells = len(np.unique(found.labels[found.labels > 0]))
    remark = f", {found.remark}" if found.remark else ""
    return f"{path.name}: {cells} cells{remark}"


def origin_file(wanted: Wanted) -> Path:
    """OUT/model.json; beside a single file NAME.model.json, since a folder may hold several."""
    if wanted.file_of("a") == wanted.output:
        return wanted.output.with_suffix(".model.json")
    return wanted.output / "model.json"


def write_origin(model: "Trained", file: Path) -> None:
    """Which model made the masks, and where a model from elsewhere comes from."""
    from inference.methods.frame import Described

    about: dict[str, object] = {"models": dict(model.models), "settings": str(model.settings)}
    if isinstance(model, Described):
        about["origin_of_model"] = dict(model.origin)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(about, indent=1), encoding="utf-8")


def write_parts(found: "Prediction", folder: Path, name: str) -> None:
    """Raises InferenceError for a method whose masks have no parts."""
    from inference.methods.frame import WithParts

    if not isinstance(found, WithParts):
        raise InferenceError("this model's masks are made in one piece; leave out --parts, which are BoxCell's")
    found.write_parts(folder, name)


def adapt(model: "Trained", paths: list[Path]) -> str:
    """Fit the model to the stain of a dozen images -> what was done, for a person."""
    from inference.methods.frame import Adaptable

    if not isinstance(model, Adaptable):
        return "this model has no running statistics, so there is nothing to fit"
    images = []
    for path in paths[:12]:
        try:
            images.append(read_rgb(path))
        except UnreadableImage:
            continue  # it is named when its turn comes
    return model.adapt(images)


def suffix(labels: Labels) -> str:
    """A 16-bit PNG cannot name more than 65,535 cells; a TIFF of 32 bits can."""
    return "png" if labels.max(initial=0) <= np.iinfo(np.uint16).max else "tif"


def files_of(paths: list[Path]) -> list[Path]:
    """Images in the order given, folders sorted by name. Raises InferenceError for no image, or two of one name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir() and not predict_slide.is_slide_folder(path):
            found += sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        else:
            found.append(path)
    if not found:
        raise InferenceError("no image was given")
    names = [path.stem for path in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InferenceError(f"several images are called {', '.join(sorted(twice)[:5])}; one would overwrite the other")
    return found
