"""A control in a real browser: to its reader it is an image like any other, its owner sees what came of it."""

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.campaign import DATA, NAME
from tests.e2e.controls import CONSEQUENCE, PASSWORD, READER
from tests.e2e.hands import Tools, made_by_administrator, new_page, send_often, sign_in
from tests.running import ROOT, Running

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (ROOT / "frontend/dist/workspace.js").exists(), reason="the workspace is not built"),
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no tissue in {DATA}: set BOXWISE_DATA"),
]


def test_a_reader_meets_a_control_like_any_image_and_its_owner_sees_the_result(
    browser: "Browser", running: Running
) -> None:
    made = made_by_administrator(running, "tests.e2e.controls")
    address = running.address
    page_of_plan = f"{address}/projects/{made['project']}/quality-control/"
    with new_page(browser) as page, new_page(browser) as lead:
        send_often(page.context)
        tools = Tools(page)
        sign_in(page, running, READER, PASSWORD)
        page.goto(page_of_plan)
        told = page.inner_text("#main")
        assert "About 5 of 100 are controls" in told and CONSEQUENCE in told
        page.goto(address)
        page.locator(".next-item button").click()
        tools.open_here()
        first = page.title()
        tools.press("Control+Enter")
        page.get_by_text("Finished.").wait_for()
        tools.press("Control+Shift+Enter")
        page.wait_for_url(lambda url: str(made["image"]) not in url and "/images/" in url)
        tools.open_here()

        given = json.loads(
            running.manage(
                "import json; from tests.e2e.controls import of_control; print(json.dumps(of_control()))"
            ).splitlines()[-1]
        )
        assert page.url == f"{address}/images/{given['image']}/"
        shown = page.inner_text("body")
        assert re.search(r"patient \d\.png", shown) and given["source"] not in shown
        assert not re.search(r"control|repeat|copy of", shown, re.IGNORECASE)
        assert NAME in shown and re.sub(r"\d", "", page.title()) == re.sub(r"\d", "", first)
        assert tools.cells() == []
        missed, *drawings = given["drawings"]
        for drawing in drawings:
            before = tools.ids()
            tools.press("p")
            for x, y in drawing["points"]:
                tools.click(x, y)
            tools.press("Enter")
            tools.one_new(before)
            tools.press(drawing["key"])
            tools.until_saved()
        tools.press("Control+Enter")
        page.get_by_text("Finished.").wait_for()
        page.goto(address)
        assert "control" not in page.inner_text("#main").lower()
        page.goto(page_of_plan)
        assert "Rosa Reader" not in page.inner_text("#main"), "results are of their owner alone"

        sign_in(lead, running)
        lead.goto(page_of_plan)
        row = lead.locator("tr", has_text="Rosa Reader")
        figures = row.locator("td").all_inner_texts()
        found = len(drawings)
        assert missed and figures[0] == "1"
        assert float(figures[1]) == pytest.approx(2 * found / (2 * found + 1), abs=0.01)
        assert "begins after 8 controls, 1 so far" in figures[2]
