"""A whole study in a real browser: design, freeze, two readers, a crash and going on, report, bundle recomputed."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Error, Page

from labeling.studies import bundle
from tests.e2e.hands import SENT_MS, Bench, send_often, sign_in
from tests.running import Running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

SET_UP = """
import io, uuid, numpy as np, PIL.Image
from labeling.models import Round, Snapshot, User
from labeling.annotations.services import Loaded
from labeling.annotations.state import PackedMask, AnnotationState
from labeling.images.services import add_image
from labeling.projects.services import create_project
from labeling.rounds.results.publishing import publish
from tests.documents import STATEMENTS
project = create_project(owner=User.objects.get(username={user!r}), name="To be studied")
snapshot = Snapshot.objects.create(project=project, sha256="1" * 64, content="none", summary={{}})
round_ = Round.objects.create(project=project, number=1, preset="tiny", configuration={{}}, snapshot=snapshot)
labels = np.zeros((300, 400), np.int32)
labels[100:130, 30:60] = 1
for seed in (5, 6):
    file = io.BytesIO()
    PIL.Image.fromarray(np.random.default_rng(seed).integers(120, 220, (300, 400, 3), np.uint8)).save(file, "PNG")
    image = add_image(project=project, name=f"{{seed}}.png", content=file.getvalue(), split="test", reference=labels)
    mask = PackedMask(30, 100, 30, 30, b"\\xff" * 112 + b"\\xf0")
    proposal = Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", (30, 100, 60, 130), mask=mask), score=0.5)
    publish(round_=round_, image=image, proposals=[proposal], **STATEMENTS)
for name in ("reader-one", "reader-two"):
    User.objects.create_user(name, password="a long enough password")
print(project.pk)
"""


def read_field(bench: Bench) -> None:
    """Accept what is proposed, or draw the cell."""
    if bench.proposals():
        bench.page.locator("canvas").last.focus()
        bench.press("Tab")
        wait_for(lambda: bench.state()["painted"], 10, "the proposal is seen")
        bench.page.wait_for_timeout(700)
        bench.press("a")
    else:
        draw_polygon(bench, (30, 100, 60, 130))
    bench.until_saved()


def draw_polygon(bench: Bench, box: tuple[int, int, int, int]) -> None:
    """The outline of a box, corner by corner and back to the first."""
    x0, y0, x1, y1 = box
    bench.press("p")
    bench.page.wait_for_timeout(900)
    for corner in ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)):
        bench.click(*corner)


def stop_in_a_second_tab(own: BrowserContext, reader: Page, bench: Bench) -> None:
    """Opening the page of the stop stops nothing; its button does, and work in the first tab is kept until the reader
    goes on."""
    second = own.new_page()
    item = reader.url
    second.goto(item + "stop/")
    second.get_by_text("The clock runs").wait_for()
    second.get_by_role("button", name="Stop the clock").click()
    second.get_by_text("The clock is stopped").wait_for()
    there = len(bench.cells())
    draw_polygon(bench, (200, 200, 240, 240))
    reader.get_by_text("kept in this browser").wait_for()
    second.get_by_role("button", name="Go on with it").click()
    second.wait_for_url(item)
    retry = reader.get_by_role("button", name="Try now")
    if retry.count():  # the queue tries by itself, too, and then the button is gone
        retry.dispatch_event("click")
    bench.until_saved()
    assert len(bench.cells()) == there + 1
    second.goto("about:blank")  # a page that is left says good-bye; one that is killed does not
    second.close()


def test_from_design_to_recomputed_numbers(browser, running: Running, tmp_path: Path):
    project = running.manage(SET_UP.format(user=running.username))
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    page = context.new_page()
    sign_in(page, running)

    # Design and freeze.
    page.goto(f"{running.address}/projects/{project}/studies/")
    page.get_by_label("Name", exact=True).first.fill("Boxes or proposals")
    page.get_by_label("Hypothesis").fill("Proposals save time.")
    page.get_by_label("Seed").fill("11")
    page.get_by_label("Washout days").fill("0")
    page.get_by_label("Training per arm").fill("0")
    page.get_by_label("Who is responsible for the data").fill("Institute of Pathology")
    page.get_by_label("Contact for readers").fill("study@example.org")
    page.get_by_label("Consent text").fill("Your times are recorded.")
    page.get_by_label("Ethics reference").fill("EK 12/2026")
    page.get_by_label("Retention until").fill("2036-01-01")
    page.get_by_role("button", name="Create draft").click()
    page.wait_for_url("**/studies/*/")
    study = page.url
    for name in ("reader-one", "reader-two"):
        page.get_by_label("Add a reader").fill(name)
        page.get_by_role("button", name="Add", exact=True).click()
        page.locator("li", has_text=name).wait_for()
    assert page.get_by_role("cell", name="measured").count() == 4
    page.get_by_role("link", name="Freeze the protocol").click()
    page.get_by_role("button", name="Freeze it").click()
    page.get_by_text("SHA-256").first.wait_for()

    # Two readers; the first one's browser crashes in the middle of a field.
    for name in ("reader-one", "reader-two"):
        own = browser.new_context(viewport={"width": 1280, "height": 800})
        send_often(own)
        reader = own.new_page()
        sign_in(reader, running, name, "a long enough password")
        reader.get_by_role("link", name="Go to your fields").click()
        reader.get_by_role("button", name="I have read this").click()
        home = reader.url
        for number in (1, 2):
            reader.get_by_role("button", name=f"Begin field {number}").click()
            bench = Bench(reader)
            bench.open_here()
            assert reader.get_by_role("button", name="Region").count() == 0  # the arm's tools and nothing else
            assert reader.get_by_role("button", name="Every cell of this image is annotated").count() == 0
            read_field(bench)
            if name == "reader-one" and number == 1:
                drawn = bench.cells()
                reader.wait_for_timeout(SENT_MS)
                with pytest.raises(Error, match="crash"):
                    reader.goto("chrome://crash", timeout=20_000)
                reader = own.new_page()
                reader.goto(home)
                reader.get_by_role("button", name="Go on with field 1").click()
                bench = Bench(reader)
                bench.open_here()
                assert [c["id"] for c in bench.cells()] == [c["id"] for c in drawn]
            if name == "reader-two" and number == 1:
                stop_in_a_second_tab(own, reader, bench)
            reader.get_by_role("button", name="Stop: pause or finish").click()
            reader.get_by_role("button", name=f"Field {number} is finished").click()
            reader.wait_for_url(home)
        reader.get_by_text("All 2 fields are done").wait_for()
        own.close()

    # Before the lock nothing by arm; then report and bundle.
    page.goto(study + "report/", timeout=120_000)  # the first report loads the statistics
    page.get_by_text("Results by arm are hidden until the study is locked").wait_for()
    page.goto(study)
    page.get_by_role("link", name="Lock").click()
    page.get_by_role("button", name="Lock it").click()
    page.goto(study + "report/", timeout=120_000)
    page.get_by_text("with proposals against polygon with class: reduction").wait_for()
    assert page.get_by_text("1 sessions ended without a farewell").count() == 1
    with page.expect_download() as download:
        page.get_by_role("link", name="Signed bundle").click()
    path = tmp_path / "bundle.zip"
    download.value.save_as(path)
    found = bundle.recompute(path)
    assert found.differences == []
    assert found.numbers["flow"]["analysed"] == 4 and all(f["active_s"] > 0.5 for f in found.numbers["fields"])
    assert "reader-one" not in str(found.numbers)
    context.close()
