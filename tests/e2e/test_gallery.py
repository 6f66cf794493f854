"""The gallery and a certificate in a real browser: thousands of cells, one gesture for a screen, keys for a sample."""

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.hands import made_by_administrator
from tests.running import ROOT, Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not (ROOT / "frontend/dist/workspace.js").exists(), reason="the workspace is not built"),
]


@pytest.fixture(scope="module")
def many_cells(running: Running) -> dict[str, Any]:
    return made_by_administrator(running, "tests.e2e.many_cells", "10_000")


@pytest.fixture
def page(own_session_page: "Page"):
    own_session_page.set_viewport_size({"width": 1440, "height": 900})
    return own_session_page


def gallery(page: "Page") -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("window.boxwiseGallery?.state() ?? {}")
    return found


def open_gallery(page: "Page", running: Running, project: int) -> float:
    """-> seconds from the request to the first screen with all its pictures."""
    began = time.monotonic()
    page.goto(f"{running.address}/projects/{project}/gallery/")
    wait_for(lambda: gallery(page).get("isDrawn"), 120, "the first screen")
    return time.monotonic() - began


def decided(running: Running, project: int) -> dict[str, int]:
    code = (
        "import json; from collections import Counter; from labeling.annotations.models import Annotation as A;"
        f"rows = A.objects.filter(layer__image__project={project}, layer__kind='working', deleted=False);"
        "print(json.dumps(Counter(rows.values_list('status', flat=True))))"
    )
    found: dict[str, int] = json.loads(running.manage(code).splitlines()[-1])
    return found


def test_a_screen_is_judged_by_one_gesture_and_undone(
    page: "Page", running: Running, many_cells: dict[str, Any]
) -> None:
    seconds = [open_gallery(page, running, many_cells["project"]) for _time in range(3)]
    print(f"first screen of 10,000 cells: {', '.join(f'{one:.2f}' for one in seconds)} s")
    start = gallery(page)
    assert start["cells"] == 10_000
    on_screen = start["screen"]["end"]
    assert on_screen >= 30
    cells = page.locator(".gallery-cell")
    cells.nth(0).click()
    wait_for(lambda: gallery(page)["marked"] == 1, 30, "the mark")
    seen = page.evaluate("performance.now()")  # all pictures are drawn by now
    wait_for(lambda: page.evaluate("performance.now()") > seen + 2000, 30, "the least time in view")
    page.keyboard.press("Enter")
    wait_for(lambda: gallery(page)["unsent"] == 0, 60, "the answer")
    wait_for(lambda: "in bulk" in page.inner_text("[data-status]"), 60, "what was decided")
    found = decided(running, many_cells["project"])
    assert found == {"confirmed": on_screen - 1, "rejected": 1}
    page.keyboard.press("z")
    wait_for(lambda: "open again" in page.inner_text("[data-status]"), 60, "the undo")
    assert decided(running, many_cells["project"]) == {}
    assert gallery(page)["marked"] == 1  # what was marked as wrong is not accepted by the next act


@pytest.mark.parametrize("screens", [10, pytest.param(60, marks=pytest.mark.slow)])
def test_screen_after_screen_loses_no_verdict(
    page: "Page", running: Running, many_cells: dict[str, Any], screens: int
) -> None:
    """60 screens one after the other, as fast as cells have been in view long enough; at rest they take a minute."""
    before = sum(decided(running, many_cells["project"]).values())
    open_gallery(page, running, many_cells["project"])
    wait_for(lambda: page.evaluate("performance.now()") > 1500, 30, "the least time in view")
    began = time.monotonic()
    for number in range(screens):
        wait_for(lambda: gallery(page)["isDrawn"], 60, "the pictures")
        seen = page.evaluate("performance.now()")
        wait_for(lambda seen=seen: page.evaluate("performance.now()") > seen + 600, 30, "the time")  # type: ignore[misc]
        first = gallery(page)["screen"]["first"]
        page.keyboard.press("Enter")
        wait_for(lambda first=first: gallery(page)["screen"]["first"] > first, 30, f"screen {number}")  # type: ignore[misc]
    seconds = time.monotonic() - began
    wait_for(lambda: gallery(page)["unsent"] == 0, 120, "the answers")
    done = gallery(page)["done"]
    print(f"{screens} screens of {done // screens} cells in {seconds:.1f} s: {60 * screens / seconds:.0f} a minute")
    assert decided(running, many_cells["project"]) == {"confirmed": before + done}


def verdicts(running: Running, project: int) -> list[str]:
    """Of the newest lot, in the order of judging."""
    code = (
        "import json; from labeling.reviews.certificates.models import Lot;"
        f"lot = Lot.objects.filter(project={project}).first();"
        "rows = lot.cells.exclude(verdict='').order_by('position');"
        "print(json.dumps(list(rows.values_list('verdict', flat=True))))"
    )
    found: list[str] = json.loads(running.manage(code).splitlines()[-1])
    return found


def test_a_sample_is_judged_by_keys(page: "Page", running: Running, many_cells: dict[str, Any]) -> None:
    def sample() -> dict[str, Any]:
        found: dict[str, Any] = page.evaluate("window.boxwiseVerification?.state() ?? {}")
        return found

    page.goto(f"{running.address}/projects/{many_cells['project']}/certificates/")
    page.select_option("[name=fields_for_missed]", "30")
    page.get_by_role("button", name="Freeze the lot and plan").click()
    wait_for(lambda: sample().get("position") == 1, 120, "the first cell")
    for position in range(1, 7):
        wait_for(lambda position=position: sample()["position"] == position, 60, "the next cell")  # type: ignore[misc]
        page.keyboard.press("a" if position % 2 else "x")
    wait_for(lambda: sample()["unsent"] == 0, 60, "the answers")
    assert (sample()["position"], sample()["judged"]) == (7, 6)
    assert "6 of" in page.inner_text("[data-status]")
    assert verdicts(running, many_cells["project"]) == ["right", "wrong"] * 3
    point_at_cells(page)


def point_at_cells(page: "Page") -> None:
    """Three clicks and a key in the first field, one of them taken back, and on to the second."""

    def field() -> dict[str, Any]:
        found: dict[str, Any] = page.evaluate("window.boxwiseFields?.state() ?? {}")
        return found

    wait_for(lambda: field().get("position") == 1, 60, "the first field")
    picture = page.locator("[data-field-picture]")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box is not None
    for x, y in ((0.4, 0.4), (0.5, 0.6), (0.6, 0.5)):
        picture.click(position={"x": x * box["width"], "y": y * box["height"]})
    picture.click(position={"x": 0.02 * box["width"], "y": 0.5 * box["height"]})  # beside the field
    assert field()["points"] == 3
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert field()["points"] == 4
    page.keyboard.press("z")
    page.screenshot(path=os.environ["BOXWISE_SHOT"]) if "BOXWISE_SHOT" in os.environ else None
    page.get_by_role("button", name="next field").click()
    wait_for(lambda: field()["position"] == 2, 60, "the second field")
    assert (field()["annotated"], field()["fields"], field()["points"]) == (1, 30, 0)


def compared(page: "Page", running: Running, project: int) -> None:
    """The gallery by likeness, after its cells were compared by the button of the page."""
    page.goto(f"{running.address}/projects/{project}/gallery/?order=likeness")
    wait_for(lambda: gallery(page).get("isDrawn"), 120, "the first screen")
    if page.is_visible("[data-compare]"):
        page.click("[data-compare]")
        wait_for(lambda: "compared" in page.inner_text("[data-comparing]"), 60, "what it says of the job")
        wait_for(lambda: not page.is_visible("[data-comparing]"), 600, "the comparing of cells")
    wait_for(lambda: gallery(page).get("isDrawn"), 120, "the first screen")


def in_view_long_enough(page: "Page") -> None:
    wait_for(lambda: gallery(page).get("isDrawn"), 60, "the pictures")
    seen = page.evaluate("performance.now()")
    wait_for(lambda: page.evaluate("performance.now()") > seen + 600, 30, "the least time in view")


def test_suggestions_follow_from_verdicts_and_are_taken_by_a_key(
    page: "Page", running: Running, many_cells: dict[str, Any]
) -> None:
    compared(page, running, many_cells["project"])
    before = sum(decided(running, many_cells["project"]).values())
    in_view_long_enough(page)
    page.focus("[data-view]")
    page.keyboard.press("ArrowRight")  # to the first cell
    page.keyboard.press("1")
    for _cell in range(5):
        page.keyboard.press("ArrowRight")
        page.keyboard.press("2")
    assert gallery(page)["marked"] == 6 and gallery(page)["current"] == 5
    page.keyboard.press("Enter")
    began = time.monotonic()
    wait_for(lambda: gallery(page)["unsent"] == 0, 60, "the answer")
    badges = page.locator(".gallery-cell:not(.is-done) .badge:visible")
    wait_for(lambda: badges.count() > 0, 60, "suggestions")
    print(f"suggestions {time.monotonic() - began:.2f} s after the act")
    assert "%" in badges.first.inner_text()
    for _screen in range(3):
        in_view_long_enough(page)
        page.keyboard.press("Enter")
        wait_for(lambda: gallery(page)["unsent"] == 0, 60, "the answer")
    wait_for(lambda: not gallery(page)["isSuggesting"], 60, "the suggestions")
    assert decided(running, many_cells["project"])["confirmed"] > before
    if gallery(page)["suggested"]:
        page.keyboard.press("s")
        wait_for(lambda: "as suggested" in page.inner_text("[data-status]"), 30, "what is marked")
        assert gallery(page)["marked"] > 0
    page.keyboard.press("z")
    wait_for(lambda: "open again" in page.inner_text("[data-status]"), 60, "the undo of one screen")


def test_more_like_this_and_the_map(page: "Page", running: Running, many_cells: dict[str, Any]) -> None:
    compared(page, running, many_cells["project"])
    page.focus("[data-view]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("m")
    page.wait_for_url("**like=*", timeout=120_000)
    wait_for(lambda: gallery(page).get("isDrawn"), 120, "more like this")
    page.keyboard.press("p")
    wait_for(lambda: "in the circle" in page.inner_text("[data-map-status]"), 60, "the map")
    all_cells = gallery(page)["cells"]
    page.keyboard.press("+")
    page.keyboard.press("Enter")
    wait_for(lambda: gallery(page)["order"] == "map", 60, "the cells of the circle")
    of_circle = gallery(page)["cells"]
    assert 0 < of_circle < all_cells
    page.keyboard.press("p")
    wait_for(lambda: "in the circle" in page.inner_text("[data-map-status]"), 60, "the map")
    box = page.locator("[data-map-picture]").bounding_box()
    assert box is not None
    left, top, side = box["x"], box["y"], box["width"]
    page.mouse.move(left + 2, top + 2)
    page.mouse.down()
    for x, y in ((0.99, 0.01), (0.99, 0.5), (0.01, 0.5)):
        page.mouse.move(left + x * side, top + y * side)
    page.mouse.up()
    wait_for(lambda: not page.is_visible("[data-map]"), 30, "the gallery")
    wait_for(lambda: gallery(page)["isDrawn"], 60, "the cells of the lasso")
    assert 0 < gallery(page)["cells"] < all_cells
