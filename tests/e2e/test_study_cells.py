"""The study of the paper in a real browser: sampled single cells, polygons with class against own boxes that come back
as masks. Two readers, real workers, from the template to recomputed numbers."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from labeling.studies import bundle
from tests.e2e.hands import Bench, send_often, sign_in
from tests.e2e.test_study import draw_polygon
from tests.running import Running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

SET_UP = """
import io, numpy as np, PIL.Image
from labeling.models import User
from labeling.images.services import add_image
from labeling.projects.services import create_project
project = create_project(owner=User.objects.get(username={user!r}), name="Single cells")
yy, xx = np.mgrid[0:400, 0:500]
labels = np.zeros((400, 500), np.int32)
pixels = np.random.default_rng(3).integers(205, 235, (400, 500, 3)).astype(np.uint8)
for number, (x, y) in enumerate([(70, 70), (210, 90), (350, 80), (120, 250), (270, 260), (420, 270)], start=1):
    inside = ((xx - x) / (12 + number)) ** 2 + ((yy - y) / (10 + number)) ** 2 < 1
    labels[inside] = number
    pixels[inside] = (90, 50, 130)
file = io.BytesIO()
PIL.Image.fromarray(pixels).save(file, "PNG")
add_image(project=project, name="field.png", content=file.getvalue(), um_per_px=0.5, split="test", reference=labels)
for name in ("cell-reader-one", "cell-reader-two"):
    User.objects.create_user(name, password="a long enough password")
print(project.pk)
"""
PASSWORD = "a long enough password"


def design(page: Page, running: Running, project: str) -> str:
    """The draft by a template, two readers, frozen. -> the address of the study."""
    page.goto(f"{running.address}/projects/{project}/studies/")
    row = page.locator("li", has_text="BoxCell), single cells")
    row.get_by_role("link", name="Choose").click()
    page.get_by_label("Name", exact=True).first.fill("Boxes against polygons")
    page.get_by_label("Seed").fill("5")
    page.get_by_label("Washout days").fill("0")
    page.get_by_label("Training per arm").fill("0")
    page.get_by_label("Days between two sittings").fill("0")
    page.get_by_label("Measured fields").fill("4")
    page.get_by_label("Who is responsible for the data").fill("Institute of Pathology")
    page.get_by_label("Contact for readers").fill("study@example.org")
    page.get_by_label("Consent text").fill("Your times are recorded.")
    page.get_by_label("Ethics reference").fill("EK 12/2026")
    page.get_by_label("Retention until").fill("2036-01-01")
    page.get_by_role("button", name="Create draft").click()
    page.wait_for_url("**/studies/*/")
    page.get_by_text("As many readers as the design needs").wait_for()
    for name in ("cell-reader-one", "cell-reader-two"):
        page.get_by_label("Add a reader").fill(name)
        page.get_by_role("button", name="Add", exact=True).click()
        page.locator("li", has_text=name).wait_for()
    expect(page.get_by_text("missing", exact=True)).to_have_count(0)
    study = page.url
    page.get_by_role("link", name="Freeze the protocol").click()
    page.get_by_role("button", name="Freeze it").click()
    page.get_by_text("SHA-256").first.wait_for()
    return study


def begin(reader: Page) -> None:
    """Begin the next item, as soon as the masks from the reader's boxes are there."""

    def is_open() -> bool:
        reader.reload()
        return reader.get_by_role("button", name="Begin field").count() > 0

    wait_for(is_open, 240, "the next item can be begun")
    reader.get_by_text("What to do").wait_for()
    reader.get_by_role("button", name="Begin field").click()


def read_cell(bench: Bench) -> str:
    """Work on the marked cell with what the arm has. -> what was done."""
    image = bench.page.locator("#workspace").get_attribute("data-image")
    server, _rest = bench.page.url.split("/study-items/")
    study = bench.page.request.get(f"{server}/api/v1/images/{image}/workspace/").json()["study"]
    x0, y0, x1, y1 = study["mark"]
    third_x, third_y = (x1 - x0) / 4, (y1 - y0) / 4
    box = (round(x0 + third_x), round(y0 + third_y), round(x1 - third_x), round(y1 - third_y))
    if bench.proposals():
        bench.page.locator("canvas").last.focus()
        bench.press("Tab")
        wait_for(lambda: bench.state()["painted"], 20, "the mask is seen")
        bench.page.wait_for_timeout(700)
        bench.press("a")
        done = "verified"
    elif "box" in study["tools"]:
        bench.press("r")
        bench.page.wait_for_timeout(400)
        bench.drag(box[:2], box[2:])
        done = "box"
    else:
        draw_polygon(bench, box)
        done = "polygon"
    bench.until_saved()
    return done


def read_everything(reader: Page) -> list[str]:
    """All items of one reader. -> what was done, in order."""
    home = reader.url
    done: list[str] = []
    while not reader.get_by_text("fields are done. Thank you").count():
        begin(reader)
        while "/study-items/" in reader.url:
            bench = Bench(reader)
            bench.open_here()
            done.append(read_cell(bench))
            here = reader.url
            reader.get_by_role("button", name="Next cell").click()
            reader.wait_for_url(lambda url, here=here: url != here)
        assert reader.url == home
    return done


def test_the_papers_study_from_its_template_to_recomputed_numbers(browser, running: Running, tmp_path: Path):
    project = running.manage(SET_UP.format(user=running.username))
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    page = context.new_page()
    sign_in(page, running)
    study = design(page, running, project)
    for name in ("cell-reader-one", "cell-reader-two"):
        own = browser.new_context(viewport={"width": 1280, "height": 800})
        send_often(own)
        reader = own.new_page()
        sign_in(reader, running, name, PASSWORD)
        reader.get_by_role("link", name="Go to your fields").click()
        reader.get_by_role("button", name="I have read this").click()
        done = read_everything(reader)
        assert sorted(done) == ["box", "box", "polygon", "polygon", "verified", "verified"]
        own.close()

    page.goto(study)
    page.get_by_role("link", name="Lock").click()
    page.get_by_role("button", name="Lock it").click()
    page.goto(study + "report/", timeout=120_000)
    page.get_by_text("boxes, then fused masks against polygon with class: reduction").wait_for()
    page.get_by_text("handling: search and missed cells").wait_for()
    with page.expect_download() as download:
        page.get_by_role("link", name="Signed bundle").click()
    path = tmp_path / "bundle.zip"
    download.value.save_as(path)
    found = bundle.recompute(path)
    assert found.differences == []
    assert found.numbers["flow"]["allocated"] == 8 and found.numbers["flow"]["analysed"] == 8
    assert found.numbers["arms"]["boxes, then fused masks"]["machine_s_per_cell"] > 0
    assert "cell-reader" not in str(found.numbers)
    context.close()
