"""boxwise convert, as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.commands import convert as command
from inference.formats import conversion
from inference.formats import page as formats_page
from inference.formats.losses import Property
from inference.formats.model import Outline, Polygon, polygon
from inference.formats.registry import BOTH_WAYS
from tests.inference.annotation_sets import HEIGHT, SETS, WIDTH, cell, of


@pytest.fixture
def coco(tmp_path):
    path = tmp_path / "in.json"
    conversion.write(SETS[Property.CLASSES], path, format="coco")
    return path


def images(folder):
    folder.mkdir()
    Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(folder / "field 1.png")
    return folder


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_every_format_is_written_to_a_folder_and_read_back(coco, name, tmp_path, capsys):
    out = tmp_path / "out"
    assert command.main([str(coco), str(out), "--to", name, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["from"], answer["to"], answer["images"], answer["objects"]) == ("coco", name, 1, 3)
    assert all((out / file).is_file() for file in answer["files"])
    back = tmp_path / "back.json"
    assert command.main([str(out), str(back), "--to", "coco", "--images", str(images(tmp_path / "pictures"))]) == 0
    assert len(json.loads(back.read_text())["annotations"]) == 3


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a.geojson", "geojson"), ("a.mat", "consep"), ("a.zip", "roi"), ("a.png", "png"), ("a.tif", "tiff"),
        ("a.ome.tif", "ome"), ("a_seg.npy", "cellpose"), ("a_cp_outlines.txt", "cellpose"),
    ],
)  # fmt: skip
def test_an_ending_says_the_format(coco, file, name, tmp_path, capsys):
    assert command.main([str(coco), str(tmp_path / file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["to"] == name
    assert (tmp_path / file).is_file()
    assert len(list(conversion.read(tmp_path / file).annotations.each())) == 3


def test_losses_are_said_on_the_screen(tmp_path, capsys):
    conversion.write(SETS[Property.SCORES], tmp_path / "in.json", format="coco")
    assert command.main([str(tmp_path / "in.json"), str(tmp_path / "out"), "--to", "cvat"]) == 0
    assert "lost, since cvat has no place for them: scores: 1" in capsys.readouterr().out


SLIVER = polygon([[10.1, 10.1], [10.3, 10.1], [10.3, 10.3]])  # between the centres of pixels
HOLED_SLIVER = Outline((Polygon(SLIVER.polygons[0].shell, (SLIVER.polygons[0].shell,)),))


@pytest.mark.parametrize("name", ["png", "tiff", "ome", "consep", "cellpose", "hovernet", "pannuke"])
def test_an_object_without_a_pixel_is_not_written_and_named_as_such(name, tmp_path, capsys):
    conversion.write(of(cell(), cell(geometry=SLIVER)), tmp_path / "in.json", format="coco")
    assert command.main([str(tmp_path / "in.json"), str(tmp_path / "out"), "--to", name]) == 0
    printed = capsys.readouterr().out
    assert "1 objects are not written: they cover the centre of no pixel of their image" in printed
    assert "masks and outlines" not in printed  # the format has a place for them
    assert len(list(conversion.read(tmp_path / "out").annotations.each())) == 1


@pytest.mark.parametrize("name", ["cvat", "labelme", "labelstudio"])
def test_an_object_without_a_pixel_that_would_become_a_mask_likewise(name, tmp_path):
    annotations = of(cell(), cell(geometry=HOLED_SLIVER))
    _, _, notes = conversion.write(annotations, tmp_path / "out", format=name)
    assert notes == ["1 objects are not written: they cover the centre of no pixel of their image"]
    assert len(list(conversion.read(tmp_path / "out").annotations.each())) == 1


@pytest.mark.parametrize("name", ["png", "pannuke"])
def test_an_object_under_others_is_not_written_and_named_as_such(name, tmp_path):
    _, losses, notes = conversion.write(of(cell(), cell()), tmp_path / "out", format=name)
    assert notes == ["1 objects are not written: they lie wholly under earlier ones"]
    assert [str(loss) for loss in losses] == ["overlaps: 1"]


def test_several_images_do_not_go_into_one_file(tmp_path, capsys):
    conversion.write(SETS[Property.EMPTY], tmp_path / "in.json", format="coco")
    assert command.main([str(tmp_path / "in.json"), str(tmp_path / "out.png")]) == 1
    assert "give a folder" in capsys.readouterr().err
    assert not (tmp_path / "out.png").exists()


def test_a_folder_that_is_there_keeps_its_other_files(coco, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    assert command.main([str(coco), str(out), "--to", "labelme"]) == 0
    assert sorted(file.name for file in out.iterdir()) == ["field 1.json", "mine.txt"]


def test_it_starts_without_django_and_without_torch(coco, tmp_path):
    code = (
        "import sys; from inference.commands.convert import main; "
        f"main([{str(coco)!r}, {str(tmp_path / 'out')!r}, '--to', 'roi']); "
        "print(sorted({'django', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_page_in_the_docs_is_made_from_what_the_formats_declare():
    page = Path(formats_page.PAGE).read_text()
    assert page == formats_page.written(page), "run python -m inference.formats.page"


@pytest.fixture
def geojson(tmp_path):
    """One cell from (10, 20) to (30.5, 50), in a file that says no size."""
    ring = [[10, 20], [30.5, 20], [30.5, 50], [10, 50], [10, 20]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    path = tmp_path / "cell.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


@pytest.mark.parametrize("name", ["coco", "cvat", "labelme"])
def test_a_format_in_pixels_takes_the_extent_where_no_size_is_known(geojson, name, tmp_path, capsys):
    out = tmp_path / "out"
    assert command.main([str(geojson), str(out), "--to", name]) == 0
    assert "the size of cell is not known" in capsys.readouterr().out
    (image,) = conversion.read(out).annotations.images
    assert image.size == (31, 50) and len(image.annotations) == 1


@pytest.mark.parametrize("name", ["yolo", "png"])
def test_a_format_that_depends_on_the_size_asks_for_it_and_takes_it(geojson, name, tmp_path, capsys):
    out = tmp_path / "out"
    assert command.main([str(geojson), str(out), "--to", name]) == 1
    assert "--size" in capsys.readouterr().err and not out.exists()
    assert command.main([str(geojson), str(out), "--to", name, "--size", "100x80"]) == 0
    back = conversion.read(out, sizes={"*": (100, 80)}).annotations.images[0]
    assert back.size == (100, 80) and len(back.annotations) == 1


@pytest.mark.parametrize("size", ["100", "0x5", "ax5", "1e2x5", "-1x5", "\u00b2x5"])
def test_a_size_is_two_numbers(geojson, size, tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main([str(geojson), str(tmp_path / "o"), "--to", "png", f"--size={size}"])
    assert "1000x800" in capsys.readouterr().err
