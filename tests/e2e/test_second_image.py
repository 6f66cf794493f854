"""Two images beside each other in a real browser: registered by three places, moved together, named in operations."""

import json
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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
BOXES, OTHER = 2, 3  # images of the dev server
TIMEOUT = 30


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with dev_server() as found:
        yield found


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    with new_page(browser) as page:
        yield page


def sent(page: "Page", method: str, part: str) -> list[Any]:
    """The bodies of the requests that the page sends, as they come."""
    bodies: list[Any] = []

    def keep(request: Any) -> None:
        if request.method == method and part in request.url:
            bodies.append(json.loads(request.post_data))

    page.on("request", keep)
    return bodies


def test_three_places_register_two_images_and_a_verdict_says_that_both_were_in_sight(page, address):
    registrations, batches = sent(page, "PATCH", f"/images/{BOXES}/"), sent(page, "POST", "/operations/")
    bench = Tools(page)
    bench.open(f"{address}/images/{BOXES}/")
    page.get_by_role("tab", name="View", exact=True).click()
    page.get_by_role("combobox", name="Image", exact=True).select_option(str(OTHER))
    pane = page.locator(".bw-second")
    pane.wait_for()
    page.get_by_text("Not registered").wait_for()
    page.get_by_role("button", name="Register by three places").click()
    frame, own = pane.bounding_box(), page.locator(".bw-viewport").bounding_box()
    assert frame and own
    beside = frame["x"] - own["x"]
    assert frame["width"] == pytest.approx(own["width"], abs=4)
    places = [(60, 80), (260, 120), (140, 330)]
    for number, (x, y) in enumerate(places, start=1):
        page.get_by_text(f"Place {number} of 3: click it in the left picture").wait_for()
        page.mouse.click(own["x"] + x, own["y"] + y)
        page.get_by_text(f"Place {number} of 3: click the same place").wait_for()
        page.mouse.click(own["x"] + beside + x + 10, own["y"] + y)  # the other picture stands 10 px further right
    page.get_by_text("The two images are registered").wait_for()
    wait_for(lambda: len(registrations) == 1, TIMEOUT, "the registration")
    registration = registrations[0]["registration"]
    assert registration["image"] == OTHER
    assert len(registration["landmarks"]) == len(places)
    # With both in sight, what is drawn says so.
    bench.press("r")
    page.mouse.move(*bench.at(300, 300))
    page.mouse.down()
    page.mouse.move(*bench.at(340, 330), steps=4)
    page.mouse.up()
    bench.until_saved()
    last = batches[-1]["operations"][-1]
    assert last["view"]["second_image"] == OTHER
    # The wheel in the pane moves both.
    before = bench.state()["camera"]["scale"]
    page.mouse.move(frame["x"] + 100, frame["y"] + 200)
    page.mouse.wheel(0, -240)
    wait_for(lambda: bench.state()["camera"]["scale"] > before, TIMEOUT, "the zoom")
    # Over the picture, and hidden again.
    page.keyboard.press("Shift+S")
    page.locator(".bw-viewport .bw-second-tissue").wait_for()
    assert not pane.is_visible()
    page.keyboard.press("Shift+S")
    page.locator(".bw-second-tissue").wait_for(state="detached")
