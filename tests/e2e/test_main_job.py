"""The main job in a real browser, against the running stack with a real worker, on real tissue: from boxes to
reviewed masks."""

import json
import re
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.hands import SENT_MS, Bench, new_page, send_often, sign_in
from tests.running import Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]


@pytest.fixture
def page(browser: "Browser"):
    with new_page(browser, accept_downloads=True) as page:
        send_often(page.context)
        yield page


def export(page, layout):
    """Ask for an export on the page *Export* and fetch it when the job is done."""
    before = page.get_by_role("link", name="Download").count()
    page.get_by_role("radio", name=re.compile(f"^{layout}")).check()
    page.get_by_role("button", name="Export", exact=True).click()
    page.get_by_role("link", name="Download").nth(before).wait_for(timeout=60_000)
    page.get_by_role("link", name="Download").first.click()


def test_from_boxes_to_reviewed_masks(page, running: Running, tmp_path: Path):
    running.manage("from django.core.management import call_command; call_command('load_demo', no_round=True)")
    bench = Bench(page)

    # 1. sign in; the project list; the demo project with thumbnails and the state of every image
    sign_in(page, running)
    page.get_by_role("link", name="Demo").first.click()
    page.wait_for_url("**/projects/*/")
    project_url = page.url
    page.goto(f"{project_url}images/")
    assert page.locator("img[src*=thumbnail]").count() == 4

    # 2. open an image that people have boxed; draw, select, move, resize, delete, classify, undo
    boxed = running.manage(
        "from labeling.models import Image; from django.db.models import Count;"
        "found = Image.objects.filter(split='train', project__name__startswith='Demo');"
        "print(found.annotate(n=Count('layers__annotations')).order_by('-n')[0].pk)"
    )
    first_image = f"/images/{boxed}/"
    bench.open(running.address + first_image)
    before = {cell["id"] for cell in bench.cells()}
    assert before, "the demo's boxes are there"
    bench.press("r")
    bench.drag((200, 200), (224, 230))
    bench.until_saved()
    (drawn,) = (cell["id"] for cell in bench.cells() if cell["id"] not in before)
    box = bench.cell(drawn)["box"]
    assert [round(v) for v in box] == pytest.approx([200, 200, 224, 230], abs=1)
    bench.press("v")
    bench.click(200, 215)  # its edge
    assert bench.state()["selected"] == drawn
    bench.press("1")
    bench.until_saved()
    assert bench.cell(drawn)["label_class"] is not None
    bench.drag((224, 230), (234, 236))  # the corner's handle
    bench.until_saved()
    assert bench.cell(drawn)["box"][2:] == pytest.approx([234, 236], abs=1.5)
    resized = bench.cell(drawn)["box"]
    bench.drag((200, 208), (195, 203))  # its edge, away from the handles, moves it
    bench.until_saved()
    moved = bench.cell(drawn)["box"]
    assert (moved[0], moved[1]) == pytest.approx((resized[0] - 5, resized[1] - 5), abs=1.5)
    assert moved[2] - moved[0] == pytest.approx(resized[2] - resized[0], abs=0.01)
    bench.press("Delete")
    bench.until_saved()
    assert {cell["id"] for cell in bench.cells()} == before
    bench.press("Control+z")
    bench.until_saved()
    assert bench.cell(drawn)["box"] == moved
    bench.press("Control+z")
    bench.until_saved()
    assert bench.cell(drawn)["box"] == resized
    bench.press("Control+Shift+z")
    bench.until_saved()
    assert bench.cell(drawn)["box"] == moved
    there = {cell["id"]: cell["box"] for cell in bench.cells()}
    page.get_by_text("Saved").first.wait_for()
    page.reload()
    bench.open(page.url)
    assert {cell["id"]: cell["box"] for cell in bench.cells()} == there  # reload shows the same picture
    bench.press("v")
    bench.click(195, 205)
    bench.press("Delete")  # it was no cell of the demo's: leave the region exhaustive and true
    bench.until_saved()

    # 3. a round, watched
    page.goto(f"{project_url}rounds/")
    page.get_by_label("Preset").select_option("tiny")
    page.get_by_role("button", name="Start round").click()
    page.wait_for_url("**/rounds/*/")
    assert page.get_by_role("progressbar").count() >= 8
    page.get_by_text("Done: its proposals are on the images").wait_for(timeout=400_000)
    page.get_by_text("same patient, optimistic").first.wait_for()

    # 4. proposals, dashed, beside what people drew; the certificate of the image
    bench.open(running.address + first_image)
    assert {cell["id"]: cell["box"] for cell in bench.cells() if cell["id"] in before} == {
        uid: box for uid, box in there.items() if uid in before
    }
    proposals = bench.proposals()
    assert proposals and all(p["mask"] for p in proposals)
    page.get_by_role("tab", name="Masks").click()
    page.get_by_text("Details of the method").click()
    page.get_by_text("flow").first.wait_for()

    # 5. review with the keyboard: accept, reject, edit, next
    page.get_by_role("tab", name="Review").click()
    page.locator("canvas").last.focus()
    undecided = len(proposals)
    decided: list[str] = []

    def judge(key: str) -> None:
        wait_for(lambda: bench.state()["painted"], 10, "the cell is painted")
        selected = bench.state()["selected"]
        bench.press(key)
        wait_for(lambda: bench.state()["selected"] != selected, 10, f"auto-advance after {key}")
        decided.append(selected)

    bench.press("Tab")
    judge("a")
    judge("a")
    judge("x")
    bench.until_saved()
    by_proposal = {cell["derived_from"]: cell for cell in bench.cells() if cell["derived_from"]}
    assert [by_proposal[uid]["status"] for uid in decided] == ["confirmed", "confirmed", "rejected"]
    accepted = by_proposal[decided[0]]
    assert accepted["mask"] == next(p["mask"] for p in proposals if p["id"] == decided[0])
    wait_for(lambda: bench.state()["painted"], 10, "the cell is painted")
    edited = bench.state()["selected"]
    proposal = next(p for p in proposals if p["id"] == edited)
    bench.press("e")
    wait_for(lambda: bench.state()["editing"], 5, "the brush is out")
    x0, y0, x1, y1 = proposal["box"]
    bench.drag(((x0 + x1) / 2, (y0 + y1) / 2), (x1 + 3, (y0 + y1) / 2))
    bench.press("Enter")
    bench.until_saved()
    by_proposal = {cell["derived_from"]: cell for cell in bench.cells() if cell["derived_from"]}
    assert by_proposal[edited]["mask"] != proposal["mask"]
    provenance = running.manage(
        "from labeling.models import Annotation; import json;"
        "print(json.dumps(list(Annotation.objects.filter(layer__kind='working', provenance__proposal__isnull=False)"
        ".values_list('provenance', flat=True))))"
    )
    recorded = {p["proposal"]: p for p in json.loads(provenance)}
    assert recorded[decided[0]]["edited"] is False and recorded[edited]["edited"] is True
    assert recorded[decided[0]]["models"]["prompter"]
    page.reload()
    bench.open(page.url)
    assert len([c for c in bench.cells() if c["derived_from"]]) == 4 <= undecided

    # 6. active seconds per cell
    page.wait_for_timeout(SENT_MS)
    page.goto(project_url)
    page.get_by_text("active seconds", exact=False).or_(page.get_by_text("per cell")).first.wait_for()

    # 7. exports
    page.goto(f"{project_url}exports/")
    with page.expect_download() as download:
        export(page, "COCO JSON")
    download.value.save_as(tmp_path / "coco.json")
    coco = json.loads((tmp_path / "coco.json").read_text())
    accepted = [one for one in coco["annotations"] if one["segmentation"] and not one["iscrowd"]]
    assert len(accepted) == 3 and len(coco["images"]) == 4
    with page.expect_download() as download:
        export(page, "Label maps")
    download.value.save_as(tmp_path / "labels.zip")
    with zipfile.ZipFile(tmp_path / "labels.zip") as folder:
        assert len([n for n in folder.namelist() if n.startswith("labels/")]) == 4
