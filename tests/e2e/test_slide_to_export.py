"""From a slide to a file that other tools read: slide in, a field, Propose now, boxes, a round, review, export."""

import base64
import io
import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest
import tifffile
from shapely import Polygon, box, hausdorff_distance, union_all
from shapely.affinity import translate
from shapely.geometry import shape

from inference.masks import unpack
from tests.e2e.hands import Bench, new_page, sign_in
from tests.inference.slide_files import write_pyramid
from tests.running import Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]
SETUP = """
from django.contrib.auth import get_user_model
from labeling.projects.services import create_project
owner = get_user_model().objects.get(is_superuser=True)
print(create_project(owner=owner, name="From a slide", classes=("nucleus",)).pk)
"""
FIELD = (90, 60, 320, 300)  # x, y, width, height on the slide
DRAWN = [(20, 20, 44, 48), (60, 24, 82, 50), (24, 70, 50, 92)]  # boxes on the field
REGION = (8, 8, 110, 108)  # on the field, around them


@pytest.fixture
def page(browser: "Browser"):
    with new_page(browser, accept_downloads=True) as page:
        yield page


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """A tiled pyramid of real tissue (stained colon, which comes with scikit-image), 1024 x 512 px at 0.5 µm."""
    from skimage.data import immunohistochemistry

    tissue = immunohistochemistry()
    path = tmp_path / "colon.tif"
    write_pyramid(path, np.concatenate([tissue, tissue[:, ::-1]], axis=1), mpp=0.5)
    return path


def test_from_a_slide_to_geojson(page, running: Running, slide: Path, tmp_path: Path):
    project = f"{running.address}/projects/{running.manage(SETUP)}/"
    bench = Bench(page)

    # 1. the slide comes in as a slide
    sign_in(page, running)
    page.goto(f"{project}images/")
    page.get_by_label("Image files").set_input_files(slide)
    page.get_by_label("Open as").select_option("slide")
    page.get_by_role("button", name="Add images").click()
    page.locator(".badge").get_by_text("whole slide").wait_for(timeout=180_000)

    # 2. a field of it
    on_slide = running.manage("from labeling.models import Image; print(Image.objects.get(name='colon.tif').pk)")
    page.goto(f"{running.address}/images/{on_slide}/slide/")
    page.get_by_label("How", exact=True).select_option("drawn")
    for label, value in zip(("Left edge, x", "Upper edge, y", "Width in pixels", "Height in pixels"), FIELD):
        page.get_by_label(label).fill(str(value))
    page.get_by_role("button", name="Create fields").click()
    find_field = "from labeling.models import SlideField; print(*SlideField.objects.values_list('image', flat=True))"
    wait_for(lambda: running.manage(find_field), 180, "the field is cut")
    field = running.manage(find_field)

    # 3. Propose now, from the field's workspace: nobody has drawn anything
    bench.open(f"{running.address}/images/{field}/")
    page.get_by_role("tab", name=re.compile("Review")).click()
    page.get_by_role("link", name="Propose now").click()
    page.get_by_text("The models that come with Boxwise").wait_for()
    assert page.get_by_text("0.25 to 0.5 µm per pixel").count() == 1
    page.get_by_role("button", name="Propose now").click()
    page.wait_for_url(f"**/images/{field}/")
    bench.open_here()
    page.get_by_role("button", name="Show the proposals").click(timeout=300_000)
    bench.open_here()
    wait_for(lambda: len(bench.proposals()) > 20, 60, "the proposals are shown")
    page.get_by_role("tab", name="Masks").click()
    page.get_by_text("Proposed without a round").wait_for()

    # 4. boxes, and where all cells have one
    page.locator("canvas").last.focus()
    bench.press("r")
    for x0, y0, x1, y1 in DRAWN:
        bench.drag((x0, y0), (x1, y1))
    bench.press("g")
    bench.drag(REGION[:2], REGION[2:])
    bench.until_saved()
    mine = [cell for cell in bench.cells() if not cell["derived_from"]]
    drawn = [cell for cell in mine if cell["kind"] == "cell"]
    assert len(drawn) == len(DRAWN) and len(mine) == len(DRAWN) + 1

    # 5. a quick round, whose proposals take the place of those before
    page.goto(f"{project}rounds/")
    page.get_by_label("Preset").select_option("tiny")
    page.get_by_role("button", name="Start round").click()
    page.wait_for_url("**/rounds/*/")
    page.get_by_text("Done: its proposals are on the images").wait_for(timeout=600_000)
    bench.open(f"{running.address}/images/{field}/")
    proposals = bench.proposals()
    assert proposals
    page.get_by_role("tab", name="Masks").click()
    page.get_by_role("heading", name="Round 1").wait_for()

    # 6. review: the first proposal is accepted
    page.get_by_role("tab", name=re.compile("Review")).click()
    page.locator("canvas").last.focus()
    bench.press("Tab")
    wait_for(lambda: bench.state()["painted"], 10, "the cell is painted")
    chosen = bench.state()["selected"]
    bench.press("a")
    bench.until_saved()
    accepted = next(cell for cell in bench.cells() if cell["derived_from"] == chosen)

    # 7. out, and read by json and shapely alone; each outline lies where its source says, on the slide
    shown = [cell for cell in bench.cells() if cell["kind"] == "cell"]
    page.goto(f"{project}exports/")
    page.get_by_role("radio", name="GeoJSON").check()
    page.get_by_role("button", name="Export", exact=True).click()
    with page.expect_download(timeout=120_000) as download:
        page.get_by_role("link", name="Download").first.click(timeout=120_000)
    download.value.save_as(tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("x000090_y000060.geojson")]
        features = {one["id"]: one for one in json.loads(archive.read(name))["features"]}
    corner = tuple(int(figures) for figures in re.findall(r"_[xy](\d{6})", name))
    assert corner == FIELD[:2]
    assert {cell["id"] for cell in drawn} | {accepted["id"]} <= features.keys()
    for cell in shown:
        written = translate(shape(features[cell["id"]]["geometry"]), *corner)
        meant = translate(outline_of(cell), *corner)
        assert written.is_valid
        assert hausdorff_distance(written, meant) <= 0.1, cell["id"]
    for cell, (x0, y0, x1, y1) in zip(drawn, DRAWN, strict=True):  # a hand drags between whole screen pixels
        assert cell["box"] == pytest.approx((x0, y0, x1, y1), abs=1.0)

    # 8. the field shows the tissue that lies there, as tifffile reads it from the slide
    tissue = tifffile.imread(slide, key=0)
    x, y, width, height = FIELD
    pixels = page.request.get(f"{running.address}/api/v1/images/{field}/pixels/").body()
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(io.BytesIO(pixels))), tissue[y : y + height, x : x + width])


def outline_of(cell: dict[str, Any]) -> Polygon:
    """What is drawn on the screen: the pixels of the mask, each a square, or the box of a cell without one."""
    if not cell["mask"]:
        return box(*cell["box"])
    mask = cell["mask"]
    rows, columns = np.nonzero(unpack(base64.b64decode(mask["bits"]), mask["width"], mask["height"]))
    x, y = columns + mask["x"], rows + mask["y"]
    return union_all(box(x, y, x + 1, y + 1))
