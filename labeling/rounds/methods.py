"""Which methods a project's labels can feed, and what the others lack."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from inference.documents.methods import DEFAULT, METHODS, Kind, Method
from inference.documents.snapshot import SnapshotCell, SnapshotImage
from inference.types import is_point

# The words of inference/documents/methods.py that stand on pages.
gettext_noop("BoxCell")
gettext_noop("BoxCell from points")
gettext_noop("learns from boxes around every cell of a region")
gettext_noop("learns from a point in every cell of a region: a click gives each cell its mask, and the mask its box")
gettext_noop("CellBoxify")
gettext_noop("learns polygons from boxes alone, in one network")
gettext_noop("DES-SAM")
gettext_noop("learns from boxes beside a net of the Segment Anything family, which stays as it is")
gettext_noop("InstaSAM")
gettext_noop("learns from a point in every cell, and finds cells without any prompt")
gettext_noop("CFR-SAM")
gettext_noop("learns masks and classes from verified masks with classes")


@dataclass(frozen=True)
class Offered:
    """A method as a project may choose it. usable: cells that serve as its labels; missing: those that are missing."""

    method: Method
    usable: int
    missing: int

    @property
    def is_open(self) -> bool:
        """Whether somebody can choose it: its labels suffice. The usual one needs none with weights as they are."""
        return not self.missing or self.method.name == DEFAULT

    @property
    def sentence(self) -> str:
        """What it needs and what there is, where that is too little; else empty."""
        return needs(self.method, self.usable) if self.missing else ""


def kind_of(cell: SnapshotCell) -> Kind:
    """The labels that a cell is: each counts once, as the most that people have said of it."""
    if cell.mask is not None:
        return "masks"
    return "points" if is_point(cell.box) else "boxes"


def counts_of(images: Sequence[SnapshotImage]) -> Counter[Kind]:
    """The cells of these images by kind."""
    found: Counter[Kind] = Counter()
    for image in images:
        found.update(map(kind_of, image.cells))
    return found


def offered(cells: Mapping[Kind, int]) -> list[Offered]:
    """All methods, in their order. cells: of the images that teach, by kind."""
    return [Offered(one, one.usable(cells), one.missing(cells)) for one in METHODS.values()]


def preselected(methods: Sequence[Offered]) -> str:
    """The method that a form names first: the usual one, or where its labels are missing the first that has its own."""
    ready = [one.method.name for one in methods if not one.missing]
    return DEFAULT if DEFAULT in ready or not ready else ready[0]


def needs(method: Method, usable: int) -> str:
    """What a method needs and what there is, in one sentence."""
    named = {"method": _(method.title), "least": method.least, "have": usable}
    if method.labels[0] == "points":
        words = ngettext(
            "{method} needs {least} cell that is a point or a box; you have {have}.",
            "{method} needs {least} cells that are points or boxes; you have {have}.",
            method.least,
        )
    elif method.labels[0] == "boxes":
        words = ngettext(
            "{method} needs {least} cell that is a box; you have {have}.",
            "{method} needs {least} cells that are boxes; you have {have}.",
            method.least,
        )
    else:
        words = ngettext(
            "{method} needs {least} verified mask; you have {have}.",
            "{method} needs {least} verified masks; you have {have}.",
            method.least,
        )
    return words.format(**named)
