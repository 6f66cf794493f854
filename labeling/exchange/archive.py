"""A zip whose bytes follow from its content alone, and the tables that every export carries."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from labeling.exchange.selection import ExportedImage
from labeling.images.models import Image
from labeling.projects.models import LabelClass
from labeling.spreadsheets import as_text

SAME_TIME = (1980, 1, 1, 0, 0, 0)  # a zip's own clock begins here; two exports of the same work have equal bytes
IMAGE_COLUMNS = (
    "file", "name", "id", "width", "height", "um_per_px", "split", "centre", "patient", "block", "slide",
    "scanner", "stain", "tags", "synthetic",
    "sha256", "masks", "boxes", "regions", "stored_as",
)  # fmt: skip


class Archive:
    """Members are added one after the other; none is kept in memory."""

    def __init__(self, folder: zipfile.ZipFile) -> None:
        self.folder = folder

    def add(self, name: str, content: bytes) -> None:
        self.folder.writestr(_member(name), content)

    def add_json(self, name: str, content: Any) -> None:
        self.add(name, as_json(content))

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """A member that is written piece by piece."""
        with self.folder.open(_member(name), "w", force_zip64=True) as member:
            yield member

    def copy(self, name: str, source: IO[bytes]) -> None:
        """A file that is compressed already, as it is."""
        info = _member(name)
        info.compress_type = zipfile.ZIP_STORED
        with self.folder.open(info, "w", force_zip64=True) as member:
            while block := source.read(1 << 20):
                member.write(block)


@contextmanager
def new_archive(path: Path) -> Iterator[Archive]:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as folder:
        yield Archive(folder)


def as_json(content: Any) -> bytes:
    """Compact, keys in the order given, text as it is."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=str).encode()


def image_row(exported: ExportedImage, stored_as: str) -> list[Any]:
    """One line of images.csv. `stored_as` says how the image's cells are stored, for example "PNG, 16 bit"."""
    image = exported.image
    masks = sum(cell.mask is not None for cell in exported.cells)
    return [
        as_text(exported.file_name),
        as_text(image.name),
        image.pk,
        image.width,
        image.height,
        "" if image.um_per_px is None else image.um_per_px,
        image.split,
        *origin_cells(image),
        int(image.synthetic),
        image.sha256,
        masks,
        len(exported.cells) - masks,
        len(exported.regions),
        stored_as,
    ]


def origin_cells(image: Image) -> list[str]:
    """Where an image comes from, as IMAGE_COLUMNS names it; tags are separated by semicolons."""
    specimen = image.specimen
    texts = (specimen.centre, specimen.patient, specimen.block, specimen.slide, image.scanner, image.stain)
    return [*map(as_text, texts), as_text("; ".join(image.tags))]


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """CSV with a header, UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def class_table(classes: Sequence[LabelClass]) -> bytes:
    """classes.csv: the id that the other files use, the name, the colour, and the name of the wider class, if any.

    A cell is counted as the class that it has: cells of a class are not counted among those of its parent.
    """
    rows = []
    for number, label in enumerate(classes, start=1):
        parent = as_text(label.parent.name) if label.parent else ""
        rows.append([number, as_text(label.name), label.color, parent])
    return table(("id", "name", "color", "parent"), rows)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, SAME_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3  # Unix, on every machine
    info.external_attr = 0o644 << 16
    return info
