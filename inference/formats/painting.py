"""Label maps from annotations and back: 0 background, 1..n the objects."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.formats.format import COVERED, NO_PIXEL, Target
from inference.formats.geometry import mask_of
from inference.formats.losses import Property
from inference.formats.model import AnnotatedImage, Annotation, Outline, Pixels, RunLengths
from inference.masks import cells_of
from inference.types import BoxMask, Labels

Page = npt.NDArray[np.uint32]


@dataclass
class Painted:
    """pages (H, W) uint32; objects[i] has the id i + 1 and lies on page page_of[i]."""

    pages: list[Page]
    objects: list[Annotation]
    page_of: list[int]


def areas_of(image: AnnotatedImage) -> list[Annotation]:
    """The annotations that have a mask or an outline."""
    return [one for one in image.annotations if isinstance(one.geometry, Outline | Pixels | RunLengths)]


def paint(image: AnnotatedImage, target: Target, *, on_pages: bool) -> Painted:
    """Paint the areas of an image; the first has id 1. What has no pixel of its own is left out and noted.

    on_pages  an object that overlaps goes whole to a further page; else the earlier object keeps the pixel
    """
    width, height = target.size_of(image)
    pages: list[Page] = [np.zeros((height, width), np.uint32)]
    painted = Painted(pages, [], [])
    for one in areas_of(image):
        mask = mask_of(one.geometry, (width, height))
        if mask is None:
            target.leave_out(NO_PIXEL)
            continue
        rows = slice(mask.y, mask.y + mask.bits.shape[0])
        columns = slice(mask.x, mask.x + mask.bits.shape[1])
        page = _first_free(pages, (rows, columns), mask)
        if page and not on_pages:
            target.lost[Property.OVERLAPS] += 1
            page = 0
        if page == len(pages):
            pages.append(np.zeros((height, width), np.uint32))
        window = pages[page][rows, columns]
        free = mask.bits & (window == 0)
        if not free.any():
            target.leave_out(COVERED)
            continue
        painted.objects.append(one)
        painted.page_of.append(page)
        window[free] = len(painted.objects)
    return painted


def _first_free(pages: list[Page], window: tuple[slice, slice], mask: BoxMask) -> int:
    for index, page in enumerate(pages):
        if not page[window][mask.bits].any():
            return index
    return len(pages)


def objects_of(labels: npt.NDArray[np.integer], *, what: str = "id") -> list[tuple[int, Annotation]]:
    """(id, annotation) of every id of a label map, in order. Ids may leave out numbers, and be large.

    labels  (H, W) of whole numbers, 0 is background
    """
    ids, compact = np.unique(labels, return_inverse=True)
    numbers = compact.reshape(labels.shape).astype(np.int32)
    if len(ids) and ids[0] != 0:
        numbers += 1
        ids = np.concatenate([[0], ids])
    found: Labels = numbers
    made = []
    for place, mask in cells_of(found):
        number = int(ids[place])
        made.append((number, Annotation(Pixels(mask), place=f"{what} {number}")))
    return made
