"""boxwise benchmark methods: what is trained once, what is measured, what is said of the rest, and its page."""

import json

import numpy as np
import pytest

from inference.commands import benchmark, benchmark_methods, methods_page
from inference.documents.methods import TRAINABLE
from inference.labels import labelled
from inference.methods import comparison, frame
from inference.methods.comparison import OnImage, Run, Shift, Task
from inference.repair import Repair
from inference.types import InferenceError
from tests.inference.conftest import painted_field
from tests.inference.test_benchmark import folder  # noqa: F401  (a fixture)
from tests.inference.test_installed import example  # noqa: F401  (a fixture)


def call(folder, out, *more):  # noqa: F811
    arguments = [str(folder), "--preset", "tiny", "--device", "cpu", "-o", str(out), "--work", str(out / "work")]
    return benchmark.main(["methods", *arguments, *more])


def test_what_was_measured_is_not_trained_again_and_the_rest_is_said(
    example,  # noqa: F811
    folder,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    chosen = ["--methods", "threshold", "des-sam", "--seeds", "2"]
    monkeypatch.setattr("inference.prompters.compact.shipped", lambda name: None)
    assert call(folder, tmp_path, *chosen) == 0
    runs = {run.task.name: run for run in benchmark_methods.read(tmp_path)}
    assert list(runs) == ["des-sam_tiny_0_0", "des-sam_tiny_1_0", "threshold_tiny_0_0", "threshold_tiny_1_0"]
    measured = runs["threshold_tiny_0_0"]
    assert [one.image for one in measured.images] == ["2"] and measured.labels == "boxes"
    assert measured.images[0].needs.cells == len(painted_field(2).boxes)
    assert 0 < measured.mean("dice") <= 1
    missing = runs["des-sam_tiny_0_0"]
    assert "boxwise-sam" in missing.missing and missing.images == ()
    page = (tmp_path / "methods.md").read_text()
    assert "| threshold, tiny | boxes | 2 |" in page
    assert "### Not measured\n\n- des-sam, tiny: " in page
    # Once more: what was measured is not trained again, what lacked something is tried again.
    tried = []
    monkeypatch.setattr(frame, "train", lambda name, *a, **k: tried.append(name) or raising())
    assert call(folder, tmp_path, *chosen) == 0
    assert tried == ["des-sam", "des-sam"]
    assert "- des-sam, tiny: not now" in (tmp_path / "methods.md").read_text()


def raising():
    raise InferenceError("not now")


def test_points_are_shifted_by_as_much_as_was_said_and_only_those_of_point_methods():
    names = ["boxcell", "insta-sam"]
    found = comparison.tasks("x", names, "tiny", range(2), [Shift(), Shift(2, 4)])
    assert [task.name for task in found[:3]] == ["boxcell_tiny_0_0", "insta-sam_tiny_0_0", "insta-sam_tiny_0_2-4"]
    assert len(found) == 6
    field = painted_field(0)
    points = labelled([field], "points")
    (moved,) = comparison.shifted(points, Shift(2, 4), seed=0)
    away = np.hypot(*(moved.boxes - points[0].boxes)[:, :2].T)
    inside = (moved.boxes[:, 0] > 0) & (moved.boxes[:, 0] < field.rgb.shape[1] - 1)
    assert (away[inside] >= 1.99).all() and (away <= 4).all() and np.ptp(away) > 0.1
    assert np.array_equal(moved.boxes[:, :2], moved.boxes[:, 2:])
    (same,) = comparison.shifted(points, Shift(2, 4), seed=0)
    assert np.array_equal(same.boxes, moved.boxes)


@pytest.mark.parametrize("text", ["x", "4-2", "-1", "1-2-3"])
def test_a_shift_that_is_no_distance_is_declined(text, tmp_path, capsys):
    with pytest.raises(SystemExit):
        call("data", tmp_path, f"--points-shift={text}")
    assert "is not a distance like 0, 2 or 2-4" in capsys.readouterr().err


def test_a_method_that_is_not_there_is_declined(tmp_path, capsys):
    with pytest.raises(SystemExit):
        call("data", tmp_path, "--methods", "unheard")
    printed = capsys.readouterr().err
    assert all(name in printed for name in ("unheard", *TRAINABLE))


def test_a_file_of_something_else_is_named(tmp_path, capsys):
    (tmp_path / "methods/x").mkdir(parents=True)
    (tmp_path / "methods/x/other.json").write_text("{}")
    assert benchmark.main(["methods", "-o", str(tmp_path), "--work", str(tmp_path)]) == 1
    assert "other.json is no measurement of this command; remove it" in capsys.readouterr().err


def run_of(method, dices, seed=0, needs=None):
    images = tuple(
        OnImage(str(i), {"dice": dice, "aji": dice, "pq": dice, "dq": dice, "sq": 1.0}, needs or Repair(untouched=10))
        for i, dice in enumerate(dices)
    )
    return Run(Task("tnbc", method, "quick", seed, Shift()), "boxes", "", 60.0, 1.0, images)


def test_the_page_compares_image_by_image_and_shows_the_spread_of_seeds():
    runs = [run_of("boxcell", (0.8, 0.7)), run_of("cellboxify", (0.9, 0.9)), run_of("cellboxify", (0.7, 0.9), seed=1)]
    page = methods_page.document(runs)
    assert "| cellboxify, quick | boxes | 2 | 85.0 ± 7.1 |" in page  # means .9 and .8
    assert "- cellboxify, quick: +10.0 (" in page  # .8 - .8 and .9 - .7
    assert page.count("## tnbc") == 1 and "Not measured" not in page


@pytest.mark.parametrize(
    ("needs", "sentence"),
    [
        (Repair(untouched=10), "Of 10 cells none is wrong. Nothing to mend."),
        (
            Repair(untouched=5, missed=4, edge=1),
            "4 missed, 1 with an edge to repair. The most frequent fault: cells",
        ),
        (
            Repair(untouched=6, false=9, edge=4),
            "9 things that are no cells beside them. The most frequent fault: things",
        ),
        (Repair(untouched=6, merged=3, split=1), "3 merged with a neighbour, 1 split. Most are found, but not told"),
        (Repair(untouched=6, edge=4), "Most are found, and the outline of 40 of 100 is off"),
    ],
)
def test_what_went_wrong_is_said_in_words(needs, sentence):
    page = methods_page.document([run_of("boxcell", (0.5,), needs=needs)])
    assert "- boxcell, quick, 0: PQ 50. " in page and sentence in page


def test_a_measurement_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "one.json"
    path.write_text(json.dumps(comparison.as_json(run_of("boxcell", (0.5, 0.25)))))
    assert benchmark_methods.run_of(path) == run_of("boxcell", (0.5, 0.25))
