"""A control against the locked reference, a repeat against the reader's first reading."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from django.db.models import QuerySet

from inference.agreement.readings import Cell
from labeling.annotations.models import Annotation, Layer
from labeling.images.models import Image
from labeling.images.turning import Turn
from labeling.projects.models import LabelClass, Project
from labeling.qualification.results import MISSED, NO_CELL, OTHER_CLASS, RIGHT, judge
from labeling.qualification.services import names_now, reference_cells
from labeling.quality_control.models import CheckField
from labeling.reviews.agreement.readings import cell_of


class Counted(NamedTuple):
    """Numbers of cells, as CheckField has them."""

    found: int
    missed: int
    extra: int
    same_class: int


def judge_check(check: CheckField) -> Counted:
    names = names_now(check.image.project)
    if check.kind == CheckField.Kind.CONTROL:
        before = reference_cells(check.image)
    else:
        own = _working_layers().filter(image=check.image, annotator=check.reader)
        before = _cells(own.first(), names)
    sheet = _working_layers().filter(image__project=check.sheet)
    names_there = _names_on(check.sheet, names)
    drawn = _cells(sheet.first(), names_there)
    turn = Turn(check.is_mirrored, check.quarter_turns)
    drawn = [turned_back(cell, turn, check.image) for cell in drawn]
    return counted(before, drawn)


def counted(before: Sequence[Cell], drawn: Sequence[Cell]) -> Counted:
    verdicts = Counter(one.verdict for one in judge(before, drawn))
    found = verdicts[RIGHT] + verdicts[OTHER_CLASS]
    return Counted(found, verdicts[MISSED], verdicts[NO_CELL], verdicts[RIGHT])


def turned_back(cell: Cell, turn: Turn, image: Image) -> Cell:
    """The cell as it stands in the image, drawn on a copy that was turned."""
    box = turn.box_back(cell.box, image.width, image.height)
    mask = turn.mask_back(cell.mask, image.width, image.height) if cell.mask is not None else None
    return replace(cell, box=box, mask=mask)


def _cells(layer: Layer | None, names: dict[int, str]) -> list[Cell]:
    if layer is None:
        return []
    rows = Annotation.objects.filter(
        layer=layer,
        deleted=False,
        kind=Annotation.Kind.CELL,
        status=Annotation.Status.CONFIRMED,
    )
    return [cell_of(row, names) for row in rows.order_by("pk")]


def _working_layers() -> QuerySet[Layer]:
    return Layer.objects.filter(kind=Layer.Kind.WORKING)


def _names_on(sheet: Project, names: dict[int, str]) -> dict[int, str]:
    """Key of a class of the copy -> the name that its class has in the project now."""
    copied = LabelClass.objects.filter(project=sheet).values_list("pk", "copied_from", "name")
    return {key: name if source is None else names.get(source, name) for key, source, name in copied}
