"""Label maps that somebody uploads: read within bounds, checked, and stored as 16-bit PNG with ids 1..n.

A label map has one whole number a pixel: 0 is background, every other number is one cell. Palette files (PNG8) hold
such numbers as indices. The size in the header must be the image's, so nothing larger is ever decoded; ids are read in
bands of rows, so that no second copy of a large map is made.
"""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import PIL.Image
import tifffile
from django.utils.translation import gettext as _

from labeling.errors import Invalid

WHOLE_NUMBERS = ("1", "L", "P", "I", "I;16")  # Pillow's modes of a PNG with one whole number a pixel
MOST_CELLS = 2**16 - 1  # ids of a 16-bit PNG
BAND = 512  # rows that are read at once
PICTURE = 0.5  # share of neighbours that differ: above it the file is a grey picture, not a label map
FEWEST_PIXELS = 1024  # in smaller maps that share says nothing


class BadLabelMap(Invalid):
    """The upload is no label map of its image; says why and what to send."""

    code = "bad_label_map"


@dataclass(frozen=True)
class LabelMap:
    """labels (H, W) uint16 with ids 1..cells, 0 is background; notes: plain sentences about what was odd."""

    labels: npt.NDArray[np.uint16]
    cells: int
    notes: tuple[str, ...] = ()

    def as_png(self) -> bytes:
        file = io.BytesIO()
        PIL.Image.fromarray(self.labels).save(file, "PNG", compress_level=4)
        return file.getvalue()


def read_label_map(content: bytes, name: str, *, width: int, height: int) -> LabelMap:
    """The label map of an image of this size.

    content  a PNG or TIFF of one page: 1, 8, 16 or 32 bits of whole numbers, or a palette's indices
    Raises BadLabelMap.
    """
    try:
        found = _of_tiff(content, name) if content[:2] in (b"II", b"MM") else _of_png(content, name)
        _decline_other_sizes(found, name, width, height)
        pixels = found.load()
    except BadLabelMap:
        raise
    except Exception as error:  # a broken file breaks its decoder in many ways, which mean the same to whoever sent it
        raise BadLabelMap(
            _("{name} cannot be read: {error}. Save the label map as 16-bit PNG or TIFF.").format(
                name=name, error=_words_of(error)
            ),
            field="masks",
        ) from None
    return _numbered(pixels, name)


def _words_of(error: Exception) -> str:
    """What a decoder says, without the objects of Python that it names, as <_io.BytesIO object at 0x7f47>."""
    words = re.sub(r"\s*<[^<>]*>", "", str(error)).rstrip(".")
    return words[:200] or type(error).__name__


@dataclass(frozen=True)
class Header:
    """What a file says before a pixel of it is decoded, and the way to decode it."""

    width: int
    height: int
    load: Callable[[], npt.NDArray[np.generic]]


def _of_png(content: bytes, name: str) -> Header:
    """Raises BadLabelMap for colours, and Pillow's errors."""
    opened = PIL.Image.open(io.BytesIO(content), formats=("PNG",))
    if opened.mode not in WHOLE_NUMBERS:
        raise _picture(name, opened.mode)
    return Header(opened.width, opened.height, lambda: np.asarray(opened))


def _of_tiff(content: bytes, name: str) -> Header:
    """By tifffile: Pillow gives the numbers of some 32-bit files in the wrong byte order. Raises BadLabelMap for
    colours, fractions and several pages, and tifffile's errors."""
    opened = tifffile.TiffFile(io.BytesIO(content))
    page = opened.pages.first
    if len(opened.pages) > 1:
        raise BadLabelMap(
            _(
                "{name} has {pages} pages; a label map has one. Save the page that is meant as a file of its own."
            ).format(name=name, pages=len(opened.pages)),
            field="masks",
        )
    if page.samplesperpixel != 1 or len(page.shape) != 2:
        raise _picture(name, f"{page.samplesperpixel} channels")
    if page.dtype is None or page.dtype.kind not in "uib":
        raise BadLabelMap(
            _("{name} holds fractions. A label map holds whole numbers: save it as 16-bit or 32-bit integers.").format(
                name=name
            ),
            field="masks",
        )
    return Header(page.imagewidth, page.imagelength, page.asarray)


def _picture(name: str, kind: str) -> BadLabelMap:
    return BadLabelMap(
        _(
            "{name} is a colour picture ({mode}). A label map has one whole number a pixel: 0 for background and "
            "another for each cell."
        ).format(name=name, mode=kind),
        field="masks",
    )


def _decline_other_sizes(found: Header, name: str, width: int, height: int) -> None:
    """Raises BadLabelMap unless the file has the image's size, which is within MOST_PIXELS (images/services.py)."""
    if (found.width, found.height) != (width, height):
        raise BadLabelMap(
            _("{name} has {theirs} px and its image {ours}: a label map has the size of its image").format(
                name=name, theirs=f"{found.width} x {found.height}", ours=f"{width} x {height}"
            ),
            field="masks",
        )


def _numbered(found: npt.NDArray[np.generic], name: str) -> LabelMap:
    """The ids made 1..n, in their order. Raises BadLabelMap."""
    ids, differing = _ids_of(found)
    if len(ids) and ids[0] < 0:
        raise BadLabelMap(_("{name} holds negative numbers; ids start at 1").format(name=name), field="masks")
    pairs = max(1, found.shape[0] * (found.shape[1] - 1))
    if found.size >= FEWEST_PIXELS and differing / pairs > PICTURE:
        raise BadLabelMap(
            _(
                "{name} looks like a grey picture, not like a label map: most neighbouring pixels differ. Send the map "
                "in which every pixel of a cell has the cell’s number."
            ).format(name=name),
            field="masks",
        )
    cells = ids[ids > 0]
    if len(cells) > MOST_CELLS:
        raise BadLabelMap(
            _("{name} holds {n} cells; up to {most} can be stored for one image").format(
                name=name, n=f"{len(cells):,}", most=f"{MOST_CELLS:,}"
            ),
            field="masks",
        )
    labels = np.zeros(found.shape, np.uint16)
    for top in range(0, found.shape[0], BAND):
        band = found[top : top + BAND].astype(np.int64)
        labels[top : top + BAND] = np.where(band > 0, np.searchsorted(cells, band) + 1, 0)
    return LabelMap(labels, len(cells), _notes(len(cells), name))


def _ids_of(found: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.int64], int]:
    """All numbers of the map, sorted, and how many pixels differ from the one to their right."""
    ids = np.zeros(0, np.int64)
    differing = 0
    for top in range(0, found.shape[0], BAND):
        band = found[top : top + BAND].astype(np.int64)
        ids = np.union1d(ids, band)
        differing += int(np.count_nonzero(band[:, 1:] != band[:, :-1]))
    return ids, differing


def _notes(cells: int, name: str) -> tuple[str, ...]:
    if cells == 0:
        return (_("{name} holds no cell: it says that there is none on the image").format(name=name),)
    if cells == 1:
        return (
            _("{name} holds one number: the whole map counts as one cell. Is it a mask of the foreground?").format(
                name=name
            ),
        )
    return ()
