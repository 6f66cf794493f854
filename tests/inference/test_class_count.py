"""How many classes a detector has follows from what it learned from alone, like its key."""

from pathlib import Path

import numpy as np

from inference.documents.configuration import RoundConfiguration
from inference.pipeline.snapshots import Cell, Field
from inference.pipeline.units import Inputs, Setting
from tests.documents import snapshot_of

NO_BOX = np.zeros((0, 4))
WHOLE = np.array([[0.0, 0, 9, 9]])


def field(split, exhaustive, class_index):
    cells = (Cell("a", (1, 1, 3, 3), class_index, None),)
    return Field(1, Path("x"), 9, 9, split, "", cells, NO_BOX, NO_BOX, exhaustive, NO_BOX, None)


def classes_of(*fields):
    content = snapshot_of(classes=[{"id": n, "name": str(n)} for n in (1, 2, 3)])
    given = (content, fields, RoundConfiguration(), Inputs({}), Path())
    return Setting(*given, lambda p: None, lambda: False).class_count


def test_an_unclassified_cell_where_nothing_is_learned_does_not_change_the_detector():
    learned = field("train", WHOLE, 2)
    assert classes_of(learned, field("train", NO_BOX, None), field("test", WHOLE, None)) == 3
    assert classes_of(learned, field("val", WHOLE, None)) == 1
