"""Label maps, 0 background and 1..n the cells, without loss.

A 16-bit PNG holds up to 65,535 cells that do not overlap. Where cells overlap the file is a TIFF with several pages,
and each cell lies whole on one of them; where there are more cells the samples have 32 bits. The table says which.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image

from labeling.exchange.selection import ExportedCell, ExportedImage
from labeling.projects.models import LabelClass
from labeling.spreadsheets import as_text

MOST_IN_16_BITS = 65_535
CELL_COLUMNS = ("file", "id", "page", "class_id", "class", "uid", "author", "reader", "parent", "attributes")
Page = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class LabelMap:
    """The label map of one image.

    pages    (H, W) each; cells of one page do not overlap
    page_of  for each cell in order, the page that it lies on, from 0
    """

    pages: list[Page]
    page_of: list[int]

    @property
    def suffix(self) -> str:
        return "png" if self._fits_a_png() else "tif"

    @property
    def stored_as(self) -> str:
        """What kind of file it is, in words."""
        if self._fits_a_png():
            return "PNG, 16 bit"
        bits = 16 if len(self.page_of) <= MOST_IN_16_BITS else 32
        pages = "1 page" if len(self.pages) == 1 else f"{len(self.pages)} pages, since cells overlap"
        return f"TIFF, {bits} bit, {pages}"

    def encoded(self) -> bytes:
        if self._fits_a_png():
            png = io.BytesIO()
            PIL.Image.fromarray(self.pages[0].astype(np.uint16)).save(png, "PNG")
            return png.getvalue()
        return _tiff(self.pages, np.uint16 if len(self.page_of) <= MOST_IN_16_BITS else np.uint32)

    def _fits_a_png(self) -> bool:
        return len(self.pages) == 1 and len(self.page_of) <= MOST_IN_16_BITS


def label_map(cells: Sequence[ExportedCell], width: int, height: int) -> LabelMap:
    """Paint cells that have masks; the first has id 1. Each goes to the first page on which it overlaps nothing."""
    pages: list[Page] = [np.zeros((height, width), np.uint32)]
    page_of: list[int] = []
    for number, cell in enumerate(cells, start=1):
        assert cell.mask is not None
        bits = cell.mask.bits
        window = np.s_[cell.mask.y : cell.mask.y + bits.shape[0], cell.mask.x : cell.mask.x + bits.shape[1]]
        page = _first_free(pages, window, bits)
        if page == len(pages):
            pages.append(np.zeros((height, width), np.uint32))
        pages[page][window][bits] = number
        page_of.append(page)
    return LabelMap(pages, page_of)


def cell_rows(
    exported: ExportedImage, cells: Sequence[ExportedCell], file: str, made: LabelMap, classes: Sequence[LabelClass]
) -> list[list[Any]]:
    """Lines of cells.csv: what each id of a label map is."""
    numbers = {label.pk: (number, label.name) for number, label in enumerate(classes, start=1)}
    known = {cell.uid for cell in exported.cells}
    rows = []
    for number, (cell, page) in enumerate(zip(cells, made.page_of, strict=True), start=1):
        class_id, class_name = numbers.get(cell.label_class or 0, ("", ""))
        attributes = "; ".join(f"{name}: {value}" for name, value in sorted(cell.attributes.items()))
        parent = cell.parent if cell.parent in known else ""
        who = [as_text(cell.author), as_text(cell.reader)]
        rows.append(
            [file, number, page + 1, class_id, as_text(class_name), cell.uid, *who, parent, as_text(attributes)]
        )
    return rows


def _first_free(pages: Sequence[Page], window: Any, bits: npt.NDArray[np.bool_]) -> int:
    for index, page in enumerate(pages):
        if not page[window][bits].any():
            return index
    return len(pages)


def _tiff(pages: Sequence[Page], dtype: type[np.unsignedinteger[Any]]) -> bytes:
    import tifffile

    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        for page in pages:
            writer.write(
                page.astype(dtype), photometric="minisblack", compression="zlib", metadata=None, software="Boxwise"
            )
    return file.getvalue()
