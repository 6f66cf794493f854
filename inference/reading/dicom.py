"""DICOM whole-slide images (VL Whole Slide Microscopy Image Storage), by wsidicom.

A slide is a series of files: one or more for each level, and others for its label and overview. Whoever gives one file
means the series, so its other files are looked for in the same folder.
"""

import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import pydicom
import pydicom.config
from pydicom.dataset import Dataset

from inference.reading import scale
from inference.reading.tiff import reason
from inference.reading.types import (
    Identified,
    Note,
    Plane,
    Samples,
    Scale,
    Unreadable,
    checked_rectangle,
    levels_of,
)

SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"  # VL Whole Slide Microscopy Image Storage
MARK = b"DICM"  # at byte 128
MOST_FILES = 2000  # of a folder
# What every file of a slide must say, with the words for people.
NEEDED = {"ImageType": "Image Type (0008,0008)", "SeriesInstanceUID": "Series Instance UID (0020,000E)"}
TAGS = (
    "SOPClassUID", "ImageType", "SeriesInstanceUID", "ConcatenationUID", "InConcatenationTotalNumber",
    "Modality", "Manufacturer", "ManufacturerModelName", "OpticalPathSequence", "BitsStored", "SamplesPerPixel",
)  # fmt: skip
# Values that break a rule of DICOM are read all the same, and no warning quotes them: some name a patient.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
logging.getLogger("wsidicom").setLevel(logging.CRITICAL)  # what it finds odd is no news: it is a stranger's file


def is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == MARK


class DicomReader:
    """An open DICOM slide. Raises Unreadable.

    path  one file of the slide, whose other files lie beside it, or a folder with the files of one slide
    """

    def __init__(self, path: Path) -> None:
        series = series_of(path)
        self.head = next(head for head in series.values() if flavor(head) == "VOLUME")
        try:
            import wsidicom  # takes over a second, so a file that is declined does not wait for it

            with quietly():
                self.slide = wsidicom.WsiDicom.open(list(series))
        except Exception as error:  # it raises what it and pydicom raise
            raise Unreadable("damaged_header", format="DICOM", reason=reason(error)) from error
        try:
            self.levels = list(self.slide.pyramids[0])
            self.metadata = _names_in(next(path for path, head in series.items() if head is self.head))
            self.found = self._identified()
        except Exception as error:
            self.close()
            raise Unreadable("damaged_header", format="DICOM", reason=reason(error)) from error

    def identify(self, page: int = 1) -> Identified:
        return self.found

    def region(self, level: int, x: int, y: int, w: int, h: int, plane: Plane) -> Samples:
        checked_rectangle(self.found.levels[level], x, y, w, h)
        try:
            with quietly():
                picture = self.slide.read_region((x, y), self.levels[level].level, (w, h))
        except MemoryError:
            raise
        except Exception as error:
            raise Unreadable("damaged", format="DICOM", reason=reason(error)) from error
        return np.asarray(picture.convert("RGB"))

    def profile(self) -> bytes:
        return bytes(_optical_path(self.head).get("ICCProfile") or b"")

    def _identified(self) -> Identified:
        full = self.levels[0]
        sizes = [(int(level.size.width), int(level.size.height)) for level in self.levels]
        tiles = [(int(level.tile_size.width), int(level.tile_size.height)) for level in self.levels]
        head = self.head
        measured = self._scale(full)
        maker = str(head.get("Manufacturer", ""))
        model = str(head.get("ManufacturerModelName", ""))
        path = _optical_path(head)
        return Identified(
            format="DICOM",
            width=sizes[0][0],
            height=sizes[0][1],
            samples=int(head.get("SamplesPerPixel", 3)),
            bits=int(head.get("BitsStored", 8)),
            levels=levels_of(sizes, tiles),
            scale=measured if isinstance(measured, Scale) else None,
            objective=scale.number(path.get("ObjectiveLensPower")),
            vendor=scale.joined(maker),
            scanner=scale.joined(maker, model),
            reader="wsidicom",
            associated=self._associated(),
            icc="ICCProfile" in path,
            metadata=self.metadata,
            problems=(measured,) if isinstance(measured, Note) else (),
        )

    @staticmethod
    def _scale(level: Any) -> Scale | Note | None:
        with suppress(Exception):  # a slide without a scale is a slide
            return scale.plausible(float(level.mpp.width), float(level.mpp.height), "DICOM")
        return None

    def _associated(self) -> tuple[str, ...]:
        named = (("label", self.slide.labels), ("overview", self.slide.overviews))
        found = [name for name, group in named if group]
        if self.slide.pyramids[0].thumbnails:
            found.append("thumbnail")
        return tuple(found)

    def close(self) -> None:
        with suppress(Exception):
            self.slide.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


@contextmanager
def quietly() -> Iterator[None]:
    """Without pydicom's warnings, which quote values: some of them name a patient."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _optical_path(head: Any) -> Any:
    paths = head.get("OpticalPathSequence")
    return paths[0] if paths else Dataset()


# -- the files of a series


def series_of(path: Path) -> dict[Path, Dataset]:
    """All files of the slide that `path` (a file or a folder) belongs to, and what each says of itself.

    Raises Unreadable where some are missing.
    """
    if path.is_dir():
        heads = _heads(sorted(path.iterdir()))
        if not heads:
            raise Unreadable("no_slide_in_folder")
        series = {str(head.get("SeriesInstanceUID", "")) for head in heads.values()}
        if len(series) > 1:
            raise Unreadable("several_slides", count=len(series))
    else:
        asked = read_head(path)
        _check_slide(asked)
        beside = _heads(_beside(path))
        same = str(asked.get("SeriesInstanceUID", ""))
        heads = {file: head for file, head in beside.items() if str(head.get("SeriesInstanceUID", "")) == same}
        heads[path] = asked
    for head in heads.values():
        _check_slide(head)
    _check_complete(list(heads.values()))
    return heads


def _beside(path: Path) -> list[Path]:
    """The files of the same folder; none where it cannot be listed, as on a web server."""
    try:
        return sorted(path.parent.iterdir())
    except OSError:
        return []


def read_head(path: Path) -> Dataset:
    """What a file says of itself, without its pixels. Raises Unreadable."""
    try:
        with quietly(), path.open("rb") as file:
            return pydicom.dcmread(file, stop_before_pixels=True, specific_tags=list(TAGS))
    except Exception as error:
        raise Unreadable("damaged_header", format="DICOM", reason=reason(error)) from error


def _names_in(path: Path) -> tuple[str, ...]:
    """Names of the attributes of a file; private ones, which have none, by their number."""
    with quietly(), path.open("rb") as file:
        head = pydicom.dcmread(file, stop_before_pixels=True)
    return tuple(sorted(element.keyword or str(element.tag) for element in head))


def _heads(paths: Iterable[Path]) -> dict[Path, Dataset]:
    """Of the DICOM slides among some files. Links are not followed."""
    found: dict[Path, Dataset] = {}
    for path in list(paths)[:MOST_FILES]:
        if path.is_symlink() or not path.is_file() or not is_dicom(path):
            continue
        with suppress(Unreadable):
            head = read_head(path)
            if head.get("SOPClassUID") == SLIDE:
                found[path] = head
    return found


def _check_slide(head: Dataset) -> None:
    """Raises Unreadable for a file that is no slide, or does not say what a reader must know."""
    if head.get("SOPClassUID") != SLIDE:
        raise Unreadable("dicom_no_slide", modality=str(head.get("Modality", "") or "?")[:16])
    for name, words in NEEDED.items():
        if not head.get(name):
            raise Unreadable("dicom_attribute", attribute=words)


def _check_complete(heads: Sequence[Dataset]) -> None:
    """Raises Unreadable for a series of which a reader would show less than was scanned."""
    flavors = [flavor(head) for head in heads]
    if "VOLUME" not in flavors:
        raise Unreadable("dicom_no_tissue", what=flavors[0].lower())
    parts: dict[str, list[Dataset]] = {}
    for head in heads:
        if head.get("ConcatenationUID"):
            parts.setdefault(str(head.ConcatenationUID), []).append(head)
    for group in parts.values():
        total = max(int(head.get("InConcatenationTotalNumber") or 0) for head in group)
        if len(group) < total:
            raise Unreadable("set_incomplete", missing=total - len(group), what="parts of a level")


def flavor(head: Dataset) -> str:
    kinds = head.ImageType
    flavor = kinds[2] if not isinstance(kinds, str) and len(kinds) > 2 else ""
    return str(flavor) or "unknown"
