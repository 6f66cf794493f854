"""A turned or mirrored picture in a real browser: every tool works where the hand sees it."""

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
BOXES = 2  # an image of the dev server
# The keys, and where a step to the right of the image is seen: x, y.
TURNS = [
    (["Shift+R"], (0, 1)),
    (["Shift+L"], (0, -1)),
    (["Shift+R", "Shift+R"], (-1, 0)),
    (["Shift+H"], (-1, 0)),
    (["Shift+V"], (1, 0)),
    (["Shift+R", "Shift+H"], (0, 1)),
    (["Shift+R", "Shift+V"], (0, -1)),
]
TIMEOUT = 20


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with dev_server() as found:
        yield found


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    with new_page(browser) as page:
        yield page


def opened(page: "Page", address: str) -> Tools:
    bench = Tools(page)
    bench.open(f"{address}/images/{BOXES}/")
    return bench


@pytest.mark.parametrize(("keys", "right"), TURNS, ids=[" ".join(keys) for keys, _ in TURNS])
def test_tools_act_where_they_are_seen(page, address, keys, right):
    bench = opened(page, address)
    for key in keys:
        page.keyboard.press(key)
    start, along = bench.at(400, 300), bench.at(500, 300)
    step = along[0] - start[0], along[1] - start[1]
    length = max(abs(part) for part in step)
    assert step == pytest.approx((right[0] * length, right[1] * length), abs=0.6)
    before = {cell["id"] for cell in bench.cells()}
    bench.press("r")
    page.mouse.move(*bench.at(300, 300))
    page.mouse.down()
    page.mouse.move(*bench.at(380, 340), steps=5)
    page.mouse.up()
    wait_for(lambda: len(bench.cells()) == len(before) + 1, TIMEOUT, "the box")
    new = next(cell["id"] for cell in bench.cells() if cell["id"] not in before)

    def box() -> list[float]:
        return next(cell["box"] for cell in bench.cells() if cell["id"] == new)

    assert box() == pytest.approx([300, 300, 380, 340], abs=1)
    # An arrow moves it in the direction of the arrow.
    left = min(bench.at(box()[0], box()[1])[0], bench.at(box()[2], box()[3])[0])
    bench.press("v")
    page.mouse.click(*bench.at(300, 320))
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Escape")
    wait_for(lambda: box() != pytest.approx([300, 300, 380, 340], abs=1), TIMEOUT, "the moved box")
    moved = min(bench.at(box()[0], box()[1])[0], bench.at(box()[2], box()[3])[0])
    assert moved > left
    bench.until_saved()


def test_the_status_bar_says_how_it_is_turned_and_turns_it_back(page, address):
    opened(page, address)
    page.keyboard.press("Shift+R")
    page.keyboard.press("Shift+H")
    upright = page.get_by_role("button", name="mirrored, rotated by 270°")
    upright.click()
    upright.wait_for(state="detached")


def test_the_small_map_is_turned_with_the_picture(page, address):
    bench = opened(page, address)
    page.keyboard.press("Shift+R")
    page.mouse.move(*bench.at(500, 500))
    for _ in range(4):
        page.mouse.wheel(0, -240)
    small = page.locator(".bw-minimap")
    small.wait_for()
    frame = small.bounding_box()
    assert frame
    image = bench.state()["image"]
    # Turned to the right, the image's top left corner is seen at the top right.
    page.mouse.click(frame["x"] + 0.9 * frame["width"], frame["y"] + 0.1 * frame["height"])

    def middle() -> tuple[float, float]:
        state = bench.state()
        camera, canvas = state["camera"], state["canvas"]
        half = 2 * camera["scale"]
        return camera["left"] + canvas["width"] / half, camera["top"] + canvas["height"] / half

    wait_for(lambda: middle()[0] < image["width"] / 2 and middle()[1] < image["height"] / 2, TIMEOUT, "the move")
