"""boxwise predict of slides and of parts of images: tile by tile, into GeoJSON, COCO or a label map."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.commands import blocks
from inference.reading import sets
from inference.reading.slides import Slide, open_slide
from inference.reading.types import Unreadable
from inference.tiles import Tile
from inference.types import RGB, Progress

if TYPE_CHECKING:
    from inference.methods.cell_files import About
    from inference.methods.frame import Trained

Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for; `format` is empty where the name of OUT says it."""

    output: Path
    region: Region | None
    mpp: float | None
    format: str

    @property
    def kind(self) -> str:
        """geojson, coco, tiff or png; "" for label maps in a folder."""
        from inference.methods.cell_files import FORMATS

        return self.format or FORMATS.get(self.output.suffix.lower(), "")

    def asks_for_tiles(self) -> bool:
        """Whether every image is done tile by tile, whatever its size."""
        return bool(self.region or self.mpp is not None or self.kind)

    def file_of(self, name: str) -> Path:
        """Where the cells of an image go: OUT itself where its name says a format, else a file in it."""
        from inference.methods.cell_files import ENDINGS, FORMATS

        if self.output.suffix.lower() in FORMATS and not self.output.is_dir():
            return self.output
        if self.kind:
            return self.output / f"{name}{ENDINGS[self.kind]}"
        return self.output / "labels" / f"{name}.tif"


def region(text: str) -> Region:
    """x,y,w,h of the command line."""
    try:
        x, y, w, h = (int(part) for part in text.split(","))
    except ValueError:
        words = f"{text!r} is not x,y,w,h: four whole numbers, pixels of level 0"
        raise argparse.ArgumentTypeError(words) from None
    return x, y, w, h


def scale(text: str) -> float:
    """µm per pixel of the command line."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of µm per pixel") from None
    if not 0 < value < 1000:
        raise argparse.ArgumentTypeError(f"µm per pixel must be above 0, not {text}")
    return value


def is_slide(path: Path) -> bool:
    """Whether a file is read in parts instead of being decoded as one picture. Raises Unreadable, OSError."""
    if path.is_dir() or sets.is_archive(path):
        return True
    try:
        with open_slide(path) as slide:
            info = slide.info
    except Unreadable as error:
        if error.code == "too_large":
            return False  # a picture that can only be decoded whole, which its owner may ask for
        raise
    if info.reader in ("openslide", "wsidicom") or len(info.levels) > 1:
        return True
    return info.reader == "tifffile" and info.width * info.height > blocks.LARGEST


def is_slide_folder(folder: Path) -> bool:
    """Whether a folder holds the files of one slide (MRXS, VMS, DICOM) instead of images."""
    from inference.reading.dicom import is_dicom

    for file in folder.iterdir():
        if file.suffix.lower() in sets.ENTRIES:
            return True
        if file.is_file() and is_dicom(file):
            return True
    return False


def predict_slide(model: "Trained", path: Path, wanted: Wanted) -> str:
    """Write the cells of a slide. -> what was done, for a person

    What is done stays beside the result until the result is whole, so that the command goes on where it was stopped.
    Raises Unreadable, InferenceError, OSError.
    """
    from inference.methods import cell_files, streamed

    target = wanted.file_of(path.stem)
    work = target.with_name(f".{target.name}.tiles")
    started = time.monotonic()
    with ExitStack() as stack:
        slide = stack.enter_context(open_slide(_unpacked(path, stack)))
        found = streamed.region_of(slide, wanted.region)
        frame = streamed.frame_of(slide, found, wanted.mpp)
        key = streamed.key_of(_name_of(model), path, frame)
        teller = _Teller(path.name)

        def find(rgb: RGB, tile: Tile) -> streamed.Found:
            return streamed.Found(streamed.cells_in(model.predict(rgb), tile))

        made = streamed.predict_tiles(find, slide, frame, work, key=key, report=teller, stop=lambda: False)
        about = _about(model, slide, frame, wanted)
        cells = streamed.gathered(frame, made)
        kind = wanted.kind or "tiff"
        count = cell_files.write(target, kind, cells, frame, name=path.name, about=about)
    shutil.rmtree(work)
    glass = f", {teller.glass} of them glass" if teller.glass else ""
    seconds = time.monotonic() - started
    return f"{path.name}: {count} cells in {target.name} ({len(made)} tiles{glass}, {seconds:.0f} s)"


def _unpacked(path: Path, stack: ExitStack) -> Path:
    if path.is_file() and sets.is_archive(path):
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="boxwise-"))
        return sets.unpack(path, Path(folder))
    return path


def _name_of(model: "Trained") -> str:
    return json.dumps([dict(model.models), str(model.settings)])


def _about(model: "Trained", slide: Slide, frame: Any, wanted: Wanted) -> "About":
    from inference.methods.frame import Described

    area = frame.region
    about: About = {
        "slide": [slide.info.width, slide.info.height],
        "region": [area.x, area.y, area.width, area.height],
        "mpp": slide.info.mpp_x,
        "model_mpp": wanted.mpp,
        "origin": list(slide.info.origin),
        "models": dict(model.models),
    }
    if isinstance(model, Described):
        about["origin_of_model"] = dict(model.origin)
    return about


class _Teller:
    """Tells on stderr how far the work is, once every few seconds."""

    EVERY = 5.0  # seconds

    def __init__(self, name: str) -> None:
        self.name, self.glass = name, 0
        self.began = self.last = time.monotonic()
        self.first: int | None = None

    def __call__(self, progress: Progress) -> None:
        self.glass = int(progress.values["glass"])
        now = time.monotonic()
        if self.first is None:
            self.first = progress.done  # tiles of an earlier run come at once and say nothing of the pace
        if now - self.last < self.EVERY or progress.done == progress.total:
            return
        self.last = now
        here = progress.done - self.first
        left = (now - self.began) / max(1, here) * (progress.total - progress.done)
        cells = int(progress.values["cells"])
        words = f"{self.name}: tile {progress.done} of {progress.total}, {cells} cells, about {left / 60:.0f} min left"
        print(words, file=sys.stderr, flush=True)


def why(path: Path, error: Exception) -> str:
    """The sentence about a file that could not be done."""
    if isinstance(error, Unreadable):
        return error.of(path.name)
    if isinstance(error, OSError):
        return f"{path.name} cannot be opened: {error.strerror}"
    return f"{path.name}: {error}"
