"""The reference of a field: of a whole image all its cells, of a sampled cell that one, in the frame that is shown."""

import numpy as np
import numpy.typing as npt
import PIL.Image

from labeling.images.models import Image
from labeling.studies.models import Item, StudyField

Labels = npt.NDArray[np.int32]


def labels_of(image: Image) -> Labels:
    """(H, W) int32: number of the cell, 0 for none."""
    with image.reference.open("rb") as file:
        return np.asarray(PIL.Image.open(file)).astype(np.int32)


def reference_of(field: StudyField) -> Labels:
    """(H, W) int32 in the pixels that a reader of this field sees."""
    labels = labels_of(field.image)
    if field.frame is None:
        return labels
    x0, y0, x1, y1 = field.frame["shown"]
    shown = labels[y0:y1, x0:x1]
    return np.where(shown == field.cell, shown, 0)


def size_of(field: StudyField) -> tuple[int, int]:
    """(width, height) of what a reader of this field sees, px."""
    if field.frame is None:
        return field.image.width, field.image.height
    x0, y0, x1, y1 = field.frame["shown"]
    return x1 - x0, y1 - y0


def mark_of(item: Item) -> tuple[int, int, int, int] | None:
    """Where the mark stands around a sampled cell, px of the sheet; a second reading shows it flipped."""
    frame = item.field.frame
    if frame is None:
        return None
    x0, y0, x1, y1 = frame["mark"]
    if item.repeat:
        width = size_of(item.field)[0]
        return width - x1, y0, width - x0, y1
    return x0, y0, x1, y1
