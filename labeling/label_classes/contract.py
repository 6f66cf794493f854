"""Merges of classes as the API says them."""

from datetime import datetime
from typing import Literal

from labeling.contract import Answer, Body, Id
from labeling.label_classes.models import ClassMerge
from labeling.paging import Listing


class ClassUsesAnswer(Answer):
    """What names a class. `cells` are those that you see on working layers, `proposals` those of other layers. With
    `hides_readings` there are blinded readings that are not closed, whose cells are in no count. Rounds, exports and
    certificates keep the name that the class had."""

    cells: int
    proposals: int
    hides_readings: bool
    children: list[str]
    rounds: list[int]
    rounds_at_work: list[int]
    exports: list[int]
    certificates: list[int]


class MergeBody(Body):
    """`into`: the class that the cells get."""

    into: Id


class MergeListing(Listing):
    ordering: Literal["-merged_at", "merged_at"] = "-merged_at"


class ClassMergeAnswer(Answer):
    id: str
    source: int
    target: int
    merged_by: str
    merged_at: datetime
    undone_by: str | None
    undone_at: datetime | None


def merge_answer(merge: ClassMerge) -> ClassMergeAnswer:
    return ClassMergeAnswer(
        id=str(merge.pk),
        source=merge.source_id,
        target=merge.target_id,
        merged_by=merge.merged_by.display_name,
        merged_at=merge.merged_at,
        undone_by=merge.undone_by.display_name if merge.undone_by else None,
        undone_at=merge.undone_at,
    )
