"""The layout of reference data: images/NAME.png, labels/NAME.png (16-bit instances), dataset.json with splits."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from inference.masks import boxes_of, cells_of
from inference.reading import Unreadable, read_picture
from inference.types import RGB, InferenceError, Labels, Sample, UnreadableImage

# Its patients come first in the file names ("09_3"); dsb2018's unstained kinds are another modality.
STAINED = "purple"


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
        return read_labels(self.path / "labels" / f"{name}.png")

    def split(self, name: str) -> tuple[str, ...]:
        """Names of "train" or "val"; without splits in dataset.json all images train and none validate."""
        return self.splits.get(name, self.names if name == "train" and not self.splits else ())

    def sample(self, name: str, *, with_labels: bool = False) -> Sample:
        """Tight boxes of the reference cells, class 0; the reference masks themselves only when asked for."""
        rgb, labels = self.image(name), self.labels(name)
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
    """Raises InferenceError when the folder does not have the layout. `kind` keeps entries of that kind only."""
    try:
        about = json.loads((path / "dataset.json").read_text())
        names = sorted(file.stem for file in (path / "images").glob("*.png"))
    except (OSError, ValueError) as error:
        raise InferenceError(f"{path.name} is no data set: {error}") from error
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
    """(H, W) int32. Raises UnreadableImage."""
    try:
        with Image.open(path) as file:
            labels = np.asarray(file)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as error:
        raise UnreadableImage(f"{path.name} cannot be read as labels: {error}") from error
    if labels.ndim != 2:
        raise UnreadableImage(f"{path.name} has {labels.ndim} dimensions; labels have two")
    return labels.astype(np.int32)


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
