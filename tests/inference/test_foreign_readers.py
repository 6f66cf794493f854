"""What is written, against the readers of other tools, each in an environment of its own: their pins fight ours."""

import json
import os
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from inference.formats import conversion
from inference.formats.geometry import box_of
from inference.formats.losses import Property
from tests.inference.annotation_sets import HEIGHT, SETS, WIDTH, pixels

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).with_name("foreign_readers")
PACKAGES = {"supervision": "supervision==0.31.2", "datumaro": "datumaro==1.13.12", "napari": "napari==0.9.2"}
WHAT = (Property.MASKS, Property.HOLES, Property.PARTS, Property.OVERLAPS, Property.BOXES, Property.CLASSES)
READ = [("supervision", name) for name in ("coco", "yolo", "voc")]
READ += [("datumaro", name) for name in ("coco", "cvat")]  # its VOC counts from one and does not say so
OUT = {"coco": "out.json", "cvat": "out.xml"}  # of others it is a folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@cache
def python_of(package: str) -> Path:
    """The Python of a package's environment, made in .build at the first call (some minutes, 1 GB)."""
    pinned = PACKAGES[package]
    folder = ROOT / ".build" / "readers" / pinned
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        done = subprocess.run([python, "-m", "pip", "install", "-q", pinned], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{pinned} cannot be installed here: {done.stderr[-300:]}")
        (folder / "complete").touch()
    return python


def read_by(python: Path, package: str, name: str, folder: Path, out: Path) -> list[dict[str, object]]:
    """The objects that another tool finds: label, box (x0, y0, x1, y1) and area in pixels (None: it is a box)."""
    program = PROGRAMS / f"by_{package}.py"
    environment = {key: os.environ[key] for key in ("PATH", "HOME", "TMPDIR") if key in os.environ}
    command = [python, program, name, folder, out]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    rows: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return rows


@pytest.mark.parametrize("what", WHAT, ids=lambda one: one.name.lower())
@pytest.mark.parametrize(("package", "name"), READ)
def test_another_tool_finds_the_same_objects(tmp_path, package, name, what):
    written = SETS[what]
    (tmp_path / "images").mkdir()
    PIL.Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8)).save(tmp_path / "images" / written.images[0].name)
    out = tmp_path / OUT.get(name, "out")
    conversion.write(written, out, format=name)
    rows = read_by(python_of(package), package, name, tmp_path, out)
    found = [(row["label"], tuple(round(side, 3) for side in row["box"])) for row in rows]
    expected = [(one.label or "unclassified", tuple(box_of(one.geometry))) for one in written.each()]
    assert sorted(found) == sorted(expected)
    if has_areas(package, name, what):
        assert sorted(row["area"] for row in rows) == sorted(len(covered) for covered in pixels(written))


def has_areas(package: str, name: str, what: Property) -> bool:
    """Whether the other tool counts the pixels of an object. supervision draws the edges of polygons on top of them."""
    if package == "datumaro":
        return what is not Property.BOXES
    return name == "coco" and what is Property.HOLES  # run lengths, and no polygons


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_napari_shows_a_label_map_with_the_same_ids_at_the_same_place(tmp_path, ending):
    written = SETS[Property.MASKS]
    conversion.write(written, tmp_path / f"out.{ending}", format="png" if ending == "png" else "tiff")
    (file,) = tmp_path.rglob(f"*.{ending}")
    rows = read_by(python_of("napari"), "napari", "labels", tmp_path, file)
    assert [row["label"] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    assert sorted(row["area"] for row in rows) == sorted(len(covered) for covered in pixels(written))
    expected = sorted(tuple(box_of(one.geometry)) for one in written.each())
    assert sorted(tuple(map(float, row["box"])) for row in rows) == expected


@pytest.mark.parametrize("what", [Property.MASKS, Property.BOXES, Property.CLASSES], ids=lambda one: one.name.lower())
def test_napari_shows_outlines_of_geojson_by_the_recipe(tmp_path, what):
    written = SETS[what]
    conversion.write(written, tmp_path / "out.geojson", format="geojson")
    rows = read_by(python_of("napari"), "napari", "geojson", tmp_path, tmp_path / "out.geojson")
    found = sorted((row["label"], tuple(round(side, 1) for side in row["box"])) for row in rows)
    assert found == sorted((one.label or "", tuple(box_of(one.geometry))) for one in written.each())


def test_the_recipe_of_the_page_is_the_one_that_is_tested():
    program = (PROGRAMS / "by_napari.py").read_text(encoding="utf-8")
    recipe = program.split("# -- the recipe of docs/library.md\n")[1].split("    # -- end")[0]
    page = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    assert textwrap.dedent(recipe).strip() in page
