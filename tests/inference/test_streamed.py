"""Prediction of slides tile by tile: each cell once, at its place on the slide, and the same when it is stopped."""

import json

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from shapely.geometry import shape

from inference import formats
from inference.commands import predict
from inference.datasets import read_labels
from inference.formats.geometry import box_of
from inference.masks import from_run_lengths
from inference.methods import cell_files, frame, streamed
from inference.methods.streamed import Cell, Frame, Rectangle, Seams
from inference.reading.slides import open_slide
from inference.reading.tissue import is_glass
from inference.tiles import Tile
from inference.types import BoxMask, Cancelled, InferenceError
from tests.inference.conftest import painted_field
from tests.inference.slide_files import write_pyramid


class Dark:
    """Stands for a trained model: dark pieces are cells, and it is surer of the first half of them."""

    models = {"detector": "dark-1"}
    settings = "none"

    def __init__(self):
        self.seen = []

    def predict(self, rgb):
        self.seen.append(rgb.shape[:2])
        dark = ndimage.binary_opening(rgb.astype(int).sum(axis=2) < 480, iterations=2)
        labels, count = ndimage.label(dark)
        scores = np.full(count, 0.7, np.float32)
        scores[: count // 2] = 0.9
        return frame.Instances(labels.astype(np.int32), scores)


@pytest.fixture
def field():
    return painted_field(5, side=700, cells=140)


@pytest.fixture
def slide_file(field, tmp_path):
    path = tmp_path / "a.tif"
    write_pyramid(path, field.rgb, mpp=0.25)
    return path


@pytest.fixture
def model(monkeypatch):
    made = Dark()
    monkeypatch.setattr(frame, "load", lambda *a, **k: made)
    monkeypatch.setattr(streamed, "SIDE", 160)
    monkeypatch.setattr(streamed.tiles_of, "__defaults__", (160, 48))
    return made


def run(*arguments):
    return predict.main(["model", *map(str, arguments)])


def test_each_cell_comes_once_whatever_the_tiles(model, slide_file, field, tmp_path):
    assert run(slide_file, "-o", tmp_path / "out.tif") == 0
    assert len(model.seen) == 25 and max(max(sides) for sides in model.seen) <= 160 + 96 + 1
    labels = tifffile.imread(tmp_path / "out.tif")
    assert labels.shape == (700, 700)
    whole = Dark().predict(field.rgb).labels
    pairs = {(a, b) for a, b in zip(whole[whole > 0].tolist(), labels[whole > 0].tolist(), strict=True)}
    assert len(pairs) == whole.max() == labels.max() == len({b for _, b in pairs})
    assert ((whole > 0) == (labels > 0)).all()


def test_geojson_lies_where_the_cells_are(model, slide_file, field, tmp_path):
    assert run(slide_file, "-o", tmp_path / "out.geojson", "--region", "100,200,400,300") == 0
    document = json.loads((tmp_path / "out.geojson").read_text())
    whole = Dark().predict(field.rgb).labels
    assert document["boxwise"]["region"] == [100, 200, 400, 300]
    expected = set()
    for number, place in enumerate(ndimage.find_objects(whole), start=1):
        y, x = (part.start + (part.stop - part.start) / 2 for part in place)
        if 100 <= x < 500 and 200 <= y < 500:
            expected.add(number)
    found = set()
    for feature in document["features"]:
        polygon = shape(feature["geometry"])
        assert polygon.is_valid
        inside = polygon.representative_point()
        number = int(whole[int(inside.y), int(inside.x)])
        assert polygon.area == (whole == number).sum()
        found.add(number)
    assert found == expected and len(document["features"]) == len(expected)


def test_coco_has_the_frame_and_the_scores_of_the_slide(model, slide_file, field, tmp_path):
    assert run(slide_file, "-o", tmp_path, "--format", "coco") == 0
    document = json.loads((tmp_path / "a.json").read_text())
    whole = Dark().predict(field.rgb).labels
    assert document["images"] == [{"id": 1, "file_name": "a.tif", "width": 700, "height": 700}]
    assert len(document["annotations"]) == whole.max()
    assert {entry["score"] for entry in document["annotations"]} == {0.9, 0.7}
    for entry in document["annotations"][:20]:
        x, y, w, h = (int(value) for value in entry["bbox"])
        inside = whole[y : y + h, x : x + w]
        assert entry["area"] in np.bincount(inside[inside > 0])


def test_a_slide_of_another_scale_is_resampled_to_the_models(model, slide_file, field, tmp_path):
    """Twice as coarse: cells lie at the same place of level 0, to a pixel of the model, which is two of the slide."""
    assert run(slide_file, "-o", tmp_path / "fine.tif") == 0
    model.seen.clear()
    assert run(slide_file, "-o", tmp_path / "coarse.tif", "--mpp", "0.5") == 0
    assert sum(h * w for h, w in model.seen) < 700 * 700
    fine, coarse = (tifffile.imread(tmp_path / f"{name}.tif") > 0 for name in ("fine", "coarse"))
    assert fine.shape == coarse.shape
    assert 2 * (fine & coarse).sum() / (fine.sum() + coarse.sum()) > 0.85
    rows, columns = (np.abs(np.subtract(*(np.nonzero(m)[axis].mean() for m in (fine, coarse)))) for axis in (0, 1))
    assert max(rows, columns) < 2


def test_a_scale_that_is_near_enough_changes_nothing(model, slide_file, tmp_path):
    with open_slide(slide_file) as slide:
        region = streamed.region_of(slide, None)
        assert streamed.frame_of(slide, region, 0.26).factor == 1.0
        assert streamed.frame_of(slide, region, 0.5).factor == pytest.approx(2.0)
        with pytest.raises(InferenceError, match="too far"):
            streamed.frame_of(slide, region, 100)


def test_a_slide_without_a_scale_cannot_be_resampled(model, field, tmp_path, capsys):
    Image.fromarray(field.rgb).save(tmp_path / "a.png")
    assert run(tmp_path / "a.png", "-o", tmp_path / "out.geojson", "--mpp", "0.5") == 1
    assert "does not say how large a pixel is" in capsys.readouterr().err
    assert not (tmp_path / "out.geojson").exists()


def test_parts_are_of_whole_images(model, slide_file, tmp_path, capsys):
    assert run(slide_file, "-o", tmp_path / "out", "--parts") == 0
    assert "of a slide no parts are written" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run(slide_file, "-o", tmp_path / "out.geojson", "--parts")
    assert "let OUT be a folder" in capsys.readouterr().err


def test_a_region_outside_the_slide_is_declined(model, slide_file, tmp_path, capsys):
    assert run(slide_file, "-o", tmp_path / "out.geojson", "--region", "600,0,200,100") == 1
    assert "is not inside the slide, which is 700 x 700 px" in capsys.readouterr().err


def test_a_run_that_was_stopped_goes_on_and_gives_the_same(model, slide_file, tmp_path):
    with open_slide(slide_file) as slide:
        frame = streamed.frame_of(slide, streamed.region_of(slide, None), None)
        ask = iter([False] * 5 + [True])
        work = tmp_path / "work"
        arguments = {"key": "a", "report": lambda progress: None}

        def find(rgb, tile):
            return streamed.Found(streamed.cells_in(model.predict(rgb), tile))

        with pytest.raises(Cancelled):
            streamed.predict_tiles(find, slide, frame, work, stop=lambda: next(ask), **arguments)
        assert len(model.seen) == 5
        made = streamed.predict_tiles(find, slide, frame, work, stop=lambda: False, **arguments)
        assert len(model.seen) == 25
        again = [cell.middle for cell in streamed.gathered(frame, made)]
        arguments["key"] = "b"  # another model: nothing of the old one stays
        fresh = streamed.predict_tiles(find, slide, frame, work, stop=lambda: False, **arguments)
        assert len(model.seen) == 50
        assert again == [cell.middle for cell in streamed.gathered(frame, fresh)]


def test_a_writer_that_fails_leaves_nothing_behind(slide_file, tmp_path):
    def cells():
        yield Cell(BoxMask(3, 3, np.ones((4, 4), bool)), 1.0, 0)
        raise RuntimeError("the disk is full")

    frame = Frame(Rectangle(0, 0, 50, 40), 1.0, 50, 40)
    for kind in cell_files.WRITERS:
        with pytest.raises(RuntimeError):
            about = {"slide": [50, 40]}
            cell_files.write(tmp_path / "out" / "a.x", kind, cells(), frame, name="a", about=about)
        assert list((tmp_path / "out").iterdir()) == []


def test_a_cell_with_a_hole_keeps_it_in_every_format(tmp_path):
    bits = np.ones((9, 9), bool)
    bits[3:6, 3:6] = False
    frame = Frame(Rectangle(10, 20, 40, 40), 1.0, 40, 40)
    about = {"slide": [100, 90]}
    for kind, ending in cell_files.ENDINGS.items():
        cell = Cell(BoxMask(2, 1, bits), 0.5, 0)
        cell_files.write(tmp_path / f"a{ending}", kind, [cell], frame, name="a", about=about)
    feature = json.loads((tmp_path / "a.geojson").read_text())["features"][0]
    assert shape(feature["geometry"]).area == 72
    assert shape(feature["geometry"]).bounds == (12, 21, 21, 30)
    runs = json.loads((tmp_path / "a.json").read_text())["annotations"][0]["segmentation"]
    assert np.array_equal(from_run_lengths(runs["counts"], 100, 90)[21:30, 12:21], bits)
    for name in ("a.png", "a.tif"):
        assert np.array_equal(read_labels(tmp_path / name)[1:10, 2:11] > 0, bits)


@pytest.mark.parametrize("name", ["out.geojson", "out.json"])
def test_a_reader_of_files_of_other_tools_finds_the_cells_where_they_are(name, model, slide_file, field, tmp_path):
    assert run(slide_file, "-o", tmp_path / name) == 0
    found = formats.read(tmp_path / name).annotations
    whole = Dark().predict(field.rgb).labels
    (image,) = found.images
    assert len(image.annotations) == whole.max()
    assert {one.score for one in image.annotations} == {0.9, 0.7}
    expected = set()
    for rows, columns in ndimage.find_objects(whole):
        expected.add((columns.start, rows.start, columns.stop, rows.stop))
    assert {tuple(round(side) for side in box_of(one.geometry)) for one in image.annotations} == expected


# -- seams


def square(x, y, side=12):
    return Cell(BoxMask(x, y, np.ones((side, side), bool)), 1.0, 0)


LEFT, RIGHT = Tile((0, 0, 140, 100), (0, 0, 100, 100)), Tile((60, 0, 200, 100), (100, 0, 200, 100))
TWO = Frame(Rectangle(0, 0, 200, 100), 1.0, 200, 100)


def kept(left, right):
    seams = Seams(TWO)
    seams.add(0, LEFT, left)
    seams.add(1, RIGHT, right)
    return list(seams.finished(1000))


@given(st.integers(70, 120), st.integers(-3, 3), st.integers(-3, 3))
@settings(max_examples=80)
def test_two_tiles_that_see_one_cell_a_little_differently_give_one(x, dx, dy):
    assert len(kept([square(x, 40)], [square(x + dx, 40 + dy)])) == 1


def test_a_cell_that_one_tile_alone_sees_is_kept():
    assert len(kept([square(97, 40)], [])) == len(kept([], [square(85, 40)])) == 1


def test_a_cell_that_one_tile_halves_is_the_one_of_the_tile_that_owns_it():
    whole = square(80, 40, 16)
    halves = [Cell(BoxMask(80 + 8 * i, 40, np.ones((16, 8), bool)), 1.0, 0) for i in (0, 1)]
    assert kept([whole], halves) == [whole]


def test_a_cell_that_goes_itself_takes_no_other_with_it():
    """It covers one that no tile owns, and one that its own tile owns, which stays."""
    upper, lower = Tile((60, 0, 200, 90), (100, 0, 200, 50)), Tile((60, 10, 200, 100), (100, 50, 200, 100))
    left, right = square(97, 40), square(107, 40)
    both = Cell(BoxMask(97, 40, np.ones((24, 22), bool)), 1.0, 0)
    seams = Seams(TWO)
    for number, (tile, cell) in enumerate([(LEFT, left), (upper, right), (lower, both)]):
        seams.add(number, tile, [cell])
    assert list(seams.finished(1000)) == [left, right]


def test_neighbours_that_touch_stay_two():
    assert len(kept([square(88, 40)], [square(100, 40)])) == 2


def test_glass_is_left_out_and_tissue_is_not(field):
    rng = np.random.default_rng(0)
    glass = np.clip(rng.normal(242, 4, (256, 256, 3)), 0, 255).astype(np.uint8)
    assert is_glass(glass)
    assert not is_glass(field.rgb)
    one_cell = glass.copy()
    one_cell[100:124, 60:84] = (120, 70, 150)
    assert not is_glass(one_cell)
    assert not is_glass(np.zeros((256, 256, 3), np.uint8))  # fluorescence without a signal
