"""Two methods in a real browser, by a real worker, on real tissue: form, training, proposals, and the comparison."""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.hands import Bench, made_by_administrator, new_page, sign_in
from tests.running import Running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1500)]
MINUTES = 60_000


@pytest.fixture
def page(browser: "Browser"):
    with new_page(browser, accept_downloads=True) as page:
        yield page


def run_round(page: "Page", rounds: str, method: str, settings: dict[str, str]) -> None:
    """Start a round of a method with the preset tiny and wait until it has ended."""
    page.goto(rounds)
    page.get_by_label("Method", exact=True).select_option(method)
    page.get_by_label("Preset").select_option("tiny")
    page.get_by_text("Settings of the round").click()
    for label, value in settings.items():
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Start round").click()
    page.wait_for_url("**/rounds/*/")
    page.get_by_text("Done: its proposals are on the images").wait_for(timeout=10 * MINUTES)


def test_two_methods_from_the_form_to_their_comparison(page: "Page", running: Running):
    made = made_by_administrator(running, "tests.e2e.two_methods")
    project = f"{running.address}/projects/{made['project']}"
    sign_in(page, running)

    # 1. the form: what the labels can feed, and the settings that the chosen method has
    page.goto(f"{project}/rounds/")
    method = page.get_by_label("Method", exact=True)
    assert method.locator("option[value=cfr-sam]").is_disabled()
    page.get_by_text("CFR-SAM needs 200 verified masks; you have 0.").wait_for()
    page.get_by_text("Settings of the round").click()
    assert page.get_by_label("λ, smoothness").is_visible() and not page.get_by_label("Training steps").is_visible()
    method.select_option("cellboxify")
    assert page.get_by_label("Training steps").is_visible() and not page.get_by_label("λ, smoothness").is_visible()

    # 2. a round of CellBoxify, whose proposals stand on the images
    run_round(page, f"{project}/rounds/", "cellboxify", {"Training steps": "12", "Smallest piece, share": "0"})
    page.get_by_role("region", name="Stages").get_by_text("Training of the method").wait_for()
    page.get_by_text("This method has no fusion").wait_for()
    bench = Bench(page)
    bench.open(f"{running.address}/images/{made['image']}/")
    assert bench.proposals()

    # 3. a round of BoxCell beside it, and both compared
    run_round(page, f"{project}/rounds/", "boxcell", {})
    page.goto(f"{project}/rounds/")
    page.get_by_role("link", name="Compare methods").click()
    costs = page.get_by_role("region", name="What each method took")
    assert costs.get_by_role("link").all_inner_texts() == ["BoxCell", "CellBoxify"]
    dot = page.locator("svg.whisker circle.image").first
    dot.hover(force=True)
    assert ": 0." in dot.locator("title").text_content()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Table (CSV)").click()
    lines = list(csv.DictReader(io.StringIO(Path(downloading.value.path()).read_text())))
    assert {line["method"] for line in lines} == {"boxcell", "cellboxify"}
    assert all(int(line["trained_parameters"]) > 100_000 for line in lines)
