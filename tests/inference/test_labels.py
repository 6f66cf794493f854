"""Points, boxes and masks as labels of a training; points in the stages of a round."""

import numpy as np
import pytest

from inference.commands import train
from inference.crumbs import smallest_cell
from inference.labels import NoSuchLabels, labelled, only_points, without_points
from inference.masks import AROUND_POINT, boxes_of
from inference.pipeline.evaluation import judges_boxes, why_no_boxes
from inference.pipeline.painting import extents_of, masks_of_cells
from inference.pipeline.people import is_new
from inference.pipeline.snapshots import Cell, Field
from inference.types import BoxMask, Prompted, Sample, which_are_points
from tests.documents import cell_json, snapshot_image

BOXES = np.array([[10, 10, 30, 20], [40.5, 60, 41.5, 61], [90, 5, 100, 15]], np.float64)


def sample(boxes=BOXES, labels=None):
    valid = np.ones((80, 100), bool)
    return Sample(np.zeros((80, 100, 3), np.uint8), boxes, np.arange(len(boxes)), valid, labels, "a")


def test_points_are_the_centres_of_boxes():
    found = only_points(sample())
    assert found.boxes.tolist() == [
        [20, 15, 20, 15],
        [41, 60.5, 41, 60.5],
        [95, 10, 95, 10],
    ]
    assert which_are_points(found.boxes).all() and found.labels is None
    assert found.classes.tolist() == [0, 1, 2]


def test_jitter_moves_points_no_further_than_asked_in_every_direction_and_by_seed():
    many = sample(np.tile([[45.0, 35.0, 55.0, 45.0]], (2000, 1)))
    moved = only_points(many, jitter=8, seed=3).boxes[:, :2] - [50, 40]
    distance = np.hypot(*moved.T)
    assert distance.max() <= 8 and abs(distance.mean() - 16 / 3) < 0.2  # 2/3 of the radius: evenly over the disc
    assert np.abs(moved.mean(axis=0)).max() < 0.4
    again = only_points(many, jitter=8, seed=3).boxes[:, :2] - [50, 40]
    other = only_points(many, jitter=8, seed=4).boxes[:, :2] - [50, 40]
    assert np.array_equal(moved, again)
    assert not np.array_equal(moved, other)


def test_points_stay_in_the_image():
    corner = sample(np.array([[98.0, 78.0, 100.0, 80.0]] * 200))
    x, y = only_points(corner, jitter=30).boxes[:, :2].T
    assert x.max() < 100 and y.max() < 80 and x.min() >= 0


def test_what_learns_extents_knows_nothing_around_a_point():
    mixed = sample(np.array([[10, 10, 30, 20], [60, 40, 60, 40]], np.float64))
    found = without_points(mixed)
    assert found.boxes.tolist() == [[10, 10, 30, 20]] and found.classes.tolist() == [0]
    reach = int(AROUND_POINT)
    assert not found.valid[40 - reach : 40 + reach, 60 - reach : 60 + reach].any()
    assert found.valid.sum() == 80 * 100 - 4 * reach**2
    assert without_points(sample()).valid.all()


def test_labels_that_the_set_does_not_hold_are_declined_with_the_remedy():
    points = only_points(sample())
    with pytest.raises(NoSuchLabels, match="holds no boxes; train on its points instead"):
        labelled([points], "boxes")
    with pytest.raises(NoSuchLabels, match="holds no masks"):
        labelled([sample()], "masks")
    assert len(labelled([sample()], "points", jitter=2)[0].boxes) == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--labels", "masks"], "boxcell learns from boxes, not from masks"),
        (["--jitter", "2"], "--jitter moves points"),
    ],
)
def test_the_command_declines_labels_that_the_method_does_not_learn_from(arguments, sentence, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train.main([str(tmp_path), "-o", str(tmp_path / "model"), *arguments])
    assert sentence in capsys.readouterr().err


# -- the stages of a round


def field_with(cells, side=64):
    everywhere = np.array([[0.0, 0.0, side, side]])
    none = np.zeros((0, 4))
    return Field(
        image=1,
        pixels=None,
        width=side,
        height=side,
        split="train",
        patient="",
        cells=tuple(cells),
        rejected=none,
        cannot_tell=none,
        exhaustive=everywhere,
        ignore=none,
        reference=None,
    )


BOX = Cell("a", (5, 5, 15, 17), 0, None)
POINT = Cell("b", (40.5, 40.5, 40.5, 40.5), 0, None)


def test_a_round_on_extents_learns_boxes_and_nothing_near_points():
    field = field_with([BOX, POINT])
    cells, valid = field.learning()
    assert cells == [BOX] and not valid[40, 40] and valid[10, 10]
    placed, everywhere = field.placed()
    assert placed == [BOX, POINT] and everywhere.all()


class Recorder:
    """A prompter that paints a square of 6 px around what it is asked for, and remembers what that was."""

    name = "recorder"

    def __init__(self):
        self.asked = []

    def encode(self, rgb):
        return rgb

    def decode(self, encoded, prompts):
        self.asked.append(prompts)
        if prompts.boxes is not None:
            places = prompts.boxes[:, :2]
        else:
            places = prompts.points[:, 0]
        square = np.ones((6, 6), bool)
        masks = []
        for x, y in places:
            masks.append(BoxMask(int(x) - 3, int(y) - 3, square))
        return Prompted(masks, np.full(len(masks), 0.9, np.float32))


def test_boxes_prompt_by_boxes_and_points_by_a_click(monkeypatch):
    monkeypatch.setattr(Field, "rgb", lambda self: np.zeros((64, 64, 3), np.uint8))
    prompter = Recorder()
    cells = [POINT, BOX]
    masks, scores = masks_of_cells(prompter, field_with(cells), cells)
    boxed, clicked = prompter.asked
    assert boxed.boxes.tolist() == [list(BOX.box)] and boxed.points is None
    assert clicked.points.tolist() == [[[40.5, 40.5]]] and clicked.signs.tolist() == [[1]]
    assert (masks[0].x, masks[1].x) == (37, 2) and np.allclose(scores, 0.9)
    assert extents_of(cells, masks).tolist() == [list(boxes_of(masks[:1])[0]), list(BOX.box)]
    assert extents_of([POINT], [None]).tolist() == [[40.5 - 16, 40.5 - 16, 40.5 + 16, 40.5 + 16]]


def test_a_detection_around_a_persons_point_is_not_proposed_beside_it():
    field = field_with([POINT])
    unknown = Field(**{**vars(field), "exhaustive": np.zeros((0, 4))})
    boxes = np.array([[35, 35, 46, 46], [5, 5, 15, 15]], np.float64)
    assert is_new(boxes, unknown, 0.3).tolist() == [False, True]


def test_boxes_are_judged_by_boxes_and_the_sentence_says_what_is_missing():
    assert judges_boxes(field_with([BOX, POINT])) and judges_boxes(field_with([]))
    pointed = field_with([POINT])
    assert not judges_boxes(pointed)
    assert "points alone" in why_no_boxes([pointed], "train")
    assert "fully annotated" in why_no_boxes([pointed], "val")


def test_points_have_no_area_so_they_do_not_say_how_small_cells_are():
    boxed = [cell_json([5, 5, 15 + i, 15]) for i in range(20)]
    points = [cell_json([30, 30, 30, 30])] * 20
    without = snapshot_image(cells=boxed)
    both = snapshot_image(cells=boxed + points)
    assert smallest_cell([both], 0.25) == smallest_cell([without], 0.25)
