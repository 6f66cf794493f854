"""The workspace on a phone, on a tablet and in a window zoomed to 200 %: nothing overlaps or runs out of the page."""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.bench.workspace import dev_server
from tests.e2e.hands import Tools, new_page
from tests.running import ROOT, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not (ROOT / "frontend/dist/workspace.js").exists(), reason="the workspace is not built"),
    pytest.mark.skipif(shutil.which("node") is None, reason="the dev server needs node on the path"),
]
PROPOSALS = 3  # an image of the dev server: 120 proposals
SIZES = {"phone": (390, 844), "tablet": (1024, 768), "tablet upright": (768, 1024), "1440 x 900 at 200 %": (720, 450)}
PARTS = (".bw-top", ".bw-tools", ".bw-middle", ".bw-side", ".bw-status")
TIMEOUT = 30


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with dev_server() as found:
        yield found


def opened(page: "Page", address: str) -> Tools:
    bench = Tools(page)
    bench.open(f"{address}/images/{PROPOSALS}/")
    return bench


def frames(page: "Page") -> dict[str, dict[str, float]]:
    found = {}
    for part in PARTS:
        box = page.locator(part).bounding_box()
        assert box, part
        found[part] = box
    return found


@pytest.mark.parametrize("size", SIZES)
def test_parts_stand_beside_each_other_inside_the_page(browser: "Browser", address, size):
    width, height = SIZES[size]
    with new_page(browser, viewport={"width": width, "height": height}, has_touch=True) as page:
        opened(page, address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        found = frames(page)
        for part, box in found.items():
            assert box["x"] >= -0.5 and box["x"] + box["width"] <= width + 0.5, part
            assert box["y"] >= -0.5 and box["y"] + box["height"] <= height + 0.5, part
        names = list(found)
        for at, one in enumerate(names):
            for other in names[at + 1 :]:
                assert not _overlap(found[one], found[other]), (one, other)
        middle = found[".bw-middle"]
        assert middle["width"] >= 240 and middle["height"] >= 150


def _overlap(a: dict[str, float], b: dict[str, float]) -> bool:
    across = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    down = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    return across > 0.5 and down > 0.5


def test_a_proposal_is_reviewed_on_a_phone_by_taps_alone(browser: "Browser", address):
    width, height = SIZES["phone"]
    with new_page(browser, viewport={"width": width, "height": height}, has_touch=True) as page:
        bench = opened(page, address)
        before = len(bench.open_proposals())
        page.get_by_role("tab", name="Review").tap()
        page.get_by_role("tabpanel").get_by_text("to judge").nth(1).tap()
        wait_for(lambda: bench.state()["painted"], TIMEOUT, "the selected proposal")
        accept = page.get_by_role("button", name="Accept", exact=True)
        box = accept.bounding_box()
        assert box and box["height"] >= 44  # CSS pixels: a finger meets it
        accept.tap()
        wait_for(lambda: len(bench.open_proposals()) == before - 1, TIMEOUT, "the verdict")


def test_a_picture_shown_as_a_whole_stays_so_when_the_window_changes(browser: "Browser", address):
    with new_page(browser, viewport={"width": 1024, "height": 768}) as page:
        bench = opened(page, address)
        page.set_viewport_size({"width": 390, "height": 844})

        def is_whole() -> bool:
            state = bench.state()
            camera, canvas, image = state["camera"], state["canvas"], state["image"]
            right = camera["left"] + canvas["width"] / camera["scale"]
            bottom = camera["top"] + canvas["height"] / camera["scale"]
            is_left = camera["left"] <= 0 and camera["top"] <= 0
            return is_left and right >= image["width"] and bottom >= image["height"] and canvas["width"] <= 390

        wait_for(is_whole, TIMEOUT, "the whole picture")
