"""The layout of reference data: images/NAME.png, labels/NAME.png (16-bit instances), dataset.json with splits."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from PIL import Image, ImageSequence, UnidentifiedImageError

from inference.archives import folder_of
from inference.formats.reference_layout import unfold
from inference.masks import boxes_of, cells_of, rasterise_boxes
from inference.pages import first_of
from inference.reading import Unreadable, read_picture
from inference.types import RGB, Boxes, BoxMask, Classes, InferenceError, Labels, Mask, Sample, UnreadableImage

# Its patients come first in the file names ("09_3"); dsb2018's unstained kinds are another modality.
STAINED = "purple"


# An object of a dataset.json that a stranger wrote: each value is checked where it is read.
Stated = Mapping[str, Any]


class Annotated(TypedDict):
    """What dataset.json of an export says that a label map cannot: cells that are boxes, regions, classes.

    Boxes are [x0, y0, x1, y1], image pixels, half-open; x, y, x, y of a cell that is a point. Classes are indices into
    the set's own, null for none.
    """

    classes: list[int | None]
    boxes: list[list[float]]
    box_classes: list[int | None]
    rejected: list[list[float]]
    cannot_tell: list[list[float]]
    fully_annotated: list[list[float]]
    ignore: list[list[float]]


@dataclass(frozen=True)
class Dataset:
    """A folder in the layout. `names` are sorted; `entries` is dataset.json's "per_image"."""

    path: Path
    names: tuple[str, ...]
    splits: dict[str, tuple[str, ...]]
    entries: dict[str, dict[str, Any]]

    @property
    def name(self) -> str:
        return self.path.name

    def image(self, name: str) -> RGB:
        return read_rgb(self.path / "images" / f"{name}.png")

    def labels(self, name: str) -> Labels:
        """(H, W) int32. Of overlapping cells, which an export holds on pages of their own, the earlier keeps the
        pixel."""
        return first_of(self.label_pages(name))

    def label_pages(self, name: str) -> list[Labels]:
        """The pages of the label map, one unless cells overlap."""
        named = self.entries.get(name, {}).get("labels")
        return read_label_pages(self.path / (str(named) if named else f"labels/{name}.png"))

    def split(self, name: str) -> tuple[str, ...]:
        """Names of "train" or "val"; without splits in dataset.json all images train and none validate."""
        return self.splits.get(name, self.names if name == "train" and not self.splits else ())

    def sample(self, name: str, *, with_labels: bool = False) -> Sample:
        """Tight boxes of the reference cells, class 0; the reference masks themselves only when asked for."""
        rgb, pages = self.image(name), self.label_pages(name)
        labels = first_of(pages)
        annotated = self.entries.get(name, {}).get("annotated")
        if annotated is not None:
            sample = sample_of(rgb, pages, annotated, name)
            return replace(sample, labels=labels) if with_labels else sample
        boxes = boxes_of([mask for _, mask in cells_of(labels)])
        return Sample(
            rgb=rgb,
            boxes=boxes,
            classes=np.zeros(len(boxes), np.int64),
            valid=np.ones(labels.shape, bool),
            labels=labels if with_labels else None,
            name=name,
        )


def open_dataset(path: Path, *, kind: str | None = None) -> Dataset:
    """A folder, or the export of a project: label maps, COCO or GeoJSON. Raises InferenceError when it is neither.

    kind  keeps entries of that kind only
    """
    given, path = path, layout_of(path)
    try:
        about = json.loads((path / "dataset.json").read_text())
        names = sorted(file.stem for file in (path / "images").glob("*.png"))
    except (OSError, ValueError) as error:
        raise InferenceError(f"{given.name} is no data set: {error}") from error
    if not names and about.get("made_by") == "Boxwise":
        raise InferenceError(f"{given.name} holds no images; export it again with the images")
    entries = about.get("per_image", {})
    if kind is not None:
        names = [name for name in names if entries.get(name, {}).get("kind") == kind]
    known = set(names)
    splits = {
        key: tuple(name for name in value if name in known)
        for key, value in about.get("splits", {}).items()
        if key in ("train", "val", "test") and isinstance(value, list)
    }
    return Dataset(path, tuple(names), splits, entries)


def layout_of(path: Path) -> Path:
    """A folder with images/, labels/ and dataset.json: the folder itself, or what an export holds.

    Raises InferenceError for anything else.
    """
    folder = folder_of(path)
    if (folder / "dataset.json").is_file():
        return folder
    if not folder.exists():
        raise InferenceError(f"there is no {path}")
    unfolded = unfold(folder)
    if unfolded is None:
        raise InferenceError(
            f"{path.name} has no dataset.json, so it is no data set; an export of a project is one "
            "(label maps, or COCO or GeoJSON with the images)"
        )
    return unfolded


def data_root() -> Path | None:
    """BOXWISE_DATA, or ../shared/data beside the checkout; None when there is neither."""
    root = Path(os.environ.get("BOXWISE_DATA") or Path(__file__).resolve().parents[1] / "../shared/data")
    return root.resolve() if root.is_dir() else None


def read_rgb(path: Path) -> RGB:
    """A picture file as 8-bit RGB, read as the website reads an upload. Raises UnreadableImage with the file's name."""
    try:
        return read_picture(path, most_pixels=None).rgb
    except Unreadable as error:
        raise UnreadableImage(f"{path.name} cannot be read as an image: {error.of('it')}") from error
    except OSError as error:
        raise UnreadableImage(f"{path.name} cannot be opened: {error.strerror}") from error


def read_labels(path: Path) -> Labels:
    """(H, W) int32, of several pages the first that says something at a pixel. Raises UnreadableImage."""
    return first_of(read_label_pages(path))


def read_label_pages(path: Path) -> list[Labels]:
    """(H, W) int32 each, in the order of the file. Raises UnreadableImage."""
    try:
        with Image.open(path) as file:
            pages = [np.asarray(page.copy()) for page in ImageSequence.Iterator(file)]
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise UnreadableImage(f"{path.name} cannot be read as labels: {error}") from error
    for page in pages:
        if page.ndim != 2:
            raise UnreadableImage(f"{path.name} has {page.ndim} dimensions; labels have two")
        if page.shape != pages[0].shape:
            raise UnreadableImage(f"{path.name} has pages of different sizes; labels have one size")
    return [page.astype(np.int32) for page in pages]


def sample_of(rgb: RGB, pages: Sequence[Labels], annotated: Annotated, name: str) -> Sample:
    """What an export says that people annotated: cells with and without masks, and where annotation is complete.

    annotated  of dataset.json
    """
    numbers: list[int] = []
    masks: list[BoxMask] = []
    for page in pages:
        for number, mask in cells_of(page):
            numbers.append(number)
            masks.append(mask)
    class_of_mask = [annotated["classes"][number - 1] for number in numbers]
    classes = _indices([*class_of_mask, *annotated["box_classes"]])
    boxes = np.concatenate([boxes_of(masks), _boxes(annotated["boxes"])])
    height, width = rgb.shape[:2]
    valid = rasterise_boxes(_boxes(annotated["fully_annotated"]), width, height)
    for left_out in (annotated["ignore"], annotated["cannot_tell"]):
        valid &= ~rasterise_boxes(_boxes(left_out), width, height)
    inside = _centres_in(boxes, valid)
    # The rest of a cell that reaches in from outside is neither cell nor background.
    valid &= ~rasterise_boxes(boxes[~inside], width, height)
    return Sample(rgb=rgb, boxes=boxes[inside], classes=classes[inside], valid=valid, name=name)


def _indices(classes: Sequence[int | None]) -> Classes:
    """Class indices; a cell without a class counts as the first."""
    return np.array([index or 0 for index in classes], np.int64)


def _boxes(rows: Sequence[Sequence[float]]) -> Boxes:
    return np.array(rows, np.float64).reshape(-1, 4)


def _centres_in(boxes: Boxes, valid: Mask) -> Mask:
    """For each box whether its centre lies where `valid` is True."""
    height, width = valid.shape
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    columns = np.minimum(centres[:, 0], width - 1).astype(int)
    rows = np.minimum(centres[:, 1], height - 1).astype(int)
    inside: Mask = valid[rows, columns]
    return inside


def write_labels(path: Path, labels: Labels) -> None:
    """16-bit PNG, or 32-bit TIFF by its name. Raises InferenceError for more cells than 16 bits can name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        Image.fromarray(labels.astype(np.int32)).save(path, compression="tiff_adobe_deflate")
        return
    if labels.max(initial=0) > np.iinfo(np.uint16).max:
        raise InferenceError(f"{labels.max()} cells do not fit into a 16-bit file")
    Image.fromarray(labels.astype(np.uint16)).save(path)


def samples(dataset: Dataset, names: Sequence[str], *, with_labels: bool = False) -> Iterator[Sample]:
    for name in names:
        yield dataset.sample(name, with_labels=with_labels)
