"""Accepted masks as label maps: one 16-bit PNG an image, 0 background, 1..n the cells, with a table of what each id
is."""

import csv
import io
import zipfile
from collections.abc import Sequence
from pathlib import PurePath

import numpy as np
import PIL.Image

from inference.masks import labels_of
from labeling.errors import LabelingError
from labeling.exchange.cells import Cell
from labeling.images.models import Image

MOST_CELLS = 65_535


class TooManyCells(LabelingError):
    """A 16-bit label map cannot hold them; the sentence names the image and the way out."""

    code = "too_many_cells"


def as_label_maps(cells: Sequence[tuple[Image, Sequence[Cell]]]) -> bytes:
    """A zip with labels/NNNN-NAME.png and cells.csv (file, id, class, uid, author). Where cells overlap the earlier
    keeps the pixel.

    Raises TooManyCells for an image with more than 65,535 cells: export that as COCO.
    """
    archive = io.BytesIO()
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["file", "id", "label_class", "uid", "author"])
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as folder:
        for image, of_image in cells:
            if len(of_image) > MOST_CELLS:
                raise TooManyCells(
                    f"{image.name} has {len(of_image)} cells; a 16-bit label map holds {MOST_CELLS}. "
                    "Export COCO instead."
                )
            labels = labels_of(((i, c.mask) for i, c in enumerate(of_image, start=1)), image.width, image.height)
            name = f"labels/{image.position:04d}-{PurePath(image.name).stem}.png"
            png = io.BytesIO()
            PIL.Image.fromarray(labels.astype(np.uint16)).save(png, "PNG")
            folder.writestr(name, png.getvalue())
            for i, cell in enumerate(of_image, start=1):
                rows.writerow([name, i, cell.label_class or "", cell.uid, as_text(cell.author)])
        folder.writestr("cells.csv", table.getvalue())
    return archive.getvalue()


def as_text(name: str) -> str:
    """A name that a spreadsheet would take for a formula gets an apostrophe: it opens as text."""
    return f"'{name}" if name and name[0] in "=+-@\t\r" else name
