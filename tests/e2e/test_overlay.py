"""Two rounds beside each other in a real browser: what is painted is what the label maps say."""

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest

from inference.synthetic import tissue
from tests.e2e.test_main_job import sign_in
from tests.running import ROOT, Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (ROOT / "frontend/dist/workspace.js").exists(), reason="the workspace is not built"),
]
SIDE = 160
COLOURS = {  # labeling/site/static/site/tokens.css
    "first": (0x00, 0x72, 0xB2),
    "last": (0xE6, 0x9F, 0x00),
    "both": (0x00, 0x9E, 0x73),
    "missed": (0xD5, 0x5E, 0x00),
    "extra": (0x56, 0xB4, 0xE9),
    "met": (0x00, 0x9E, 0x73),
}
MAKE = (
    "import json; from django.contrib.auth import get_user_model; from tests.labeling.rounds import compared_project;"
    "p, images, rounds, _ = compared_project(get_user_model().objects.get(is_superuser=True));"
    "print(json.dumps([p.pk, [i.pk for i in images], [r.number for r in rounds]]))"
)


@pytest.fixture(scope="module")
def made(running: Running) -> tuple[int, list[int], list[int]]:
    project, images, rounds = json.loads(running.manage(MAKE).splitlines()[-1])
    return project, images, rounds


@pytest.fixture
def page(browser: "Browser", running: Running):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    sign_in(page, running)
    yield page
    context.close()
    assert errors == []


def state(page: "Page") -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("window.boxwiseComparison.state()")
    return found


def opened(page: "Page", running: Running, made, image: int) -> None:
    project, images, rounds = made
    query = "&".join(f"round={pk}" for pk in rounds)
    page.goto(f"{running.address}/projects/{project}/rounds/compare/{images[image]}/?{query}")
    wait_for(lambda: page.evaluate("window.boxwiseComparison !== undefined"), 60, "the two stages")


def painted(page: "Page", pane: int) -> np.ndarray:
    """(SIDE, SIDE, 4): what the canvas of the cells shows at the middle of each image pixel."""
    page.wait_for_timeout(300)
    data = page.evaluate(
        """(pane) => {
          const canvas = document.querySelectorAll('.bw-cells')[pane];
          const copy = document.createElement('canvas');
          [copy.width, copy.height] = [canvas.width, canvas.height];
          copy.getContext('2d').drawImage(canvas, 0, 0);
          return copy.toDataURL('image/png').split(',')[1];
        }""",
        pane,
    )
    rgba = np.array(PIL.Image.open(io.BytesIO(base64.b64decode(data))).convert("RGBA"))
    camera = state(page)["camera"]
    rows, columns = (
        ((np.arange(SIDE) + 0.5 - camera[start]) * camera["scale"]).astype(int) for start in ("top", "left")
    )
    assert rows[0] >= 0 and columns[0] >= 0 and rows[-1] < rgba.shape[0] and columns[-1] < rgba.shape[1]
    return rgba[rows][:, columns]


def assert_painted(page: "Page", pane: int, parts: dict[str, np.ndarray]) -> None:
    """Every pixel has its part's colour, and none where no part is."""
    seen = painted(page, pane)
    anything = np.zeros((SIDE, SIDE), bool)
    for name, where in parts.items():
        assert where.any(), f"nothing is {name}, so nothing is tested"
        wrong = np.abs(seen[where][:, :3].astype(int) - COLOURS[name]).max(axis=1) > 2
        assert wrong.sum() == 0, f"{wrong.sum()} of {where.sum()} pixels are not painted as {name}"
        assert (seen[where][:, 3] == 255).all()
        anything |= where
    assert (seen[~anything][:, 3] == 0).all(), "something is painted where no part is"


def test_the_difference_layer_paints_what_numpy_finds(page, running, made):
    labels = tissue(SIDE, SIDE, 12, seed=1).labels > 0
    first, last, truth = labels, np.roll(labels, 5, axis=1), labels
    opened(page, running, made, 1)
    slider = page.get_by_label("Opacity")
    slider.fill("100")
    page.locator(".bw-surface").first.focus()
    page.keyboard.press("o")  # outlines lie above the areas
    assert state(page)["outlines"] is False and state(page)["opacity"] == 1
    between = {"first": first & ~last, "last": last & ~first, "both": first & last}
    for pane in (0, 1):
        assert_painted(page, pane, between)
    counts = state(page)["tallies"]
    assert {name: counts[0][name] for name in between} == {name: int(where.sum()) for name, where in between.items()}
    assert f"only round 1 {int(between['first'].sum()):,} px" in (page.locator(".tally").first.text_content() or "")

    # A part is switched off by its key and on by its button.
    page.keyboard.press("1")
    button = page.get_by_role("button", name="only round 1")
    assert button.get_attribute("aria-pressed") == "false"
    assert_painted(page, 0, {name: between[name] for name in ("last", "both")})
    button.click()
    assert_painted(page, 0, between)

    # Against the reference each round has its own parts: the first is the reference itself.
    page.keyboard.press("f")
    assert_painted(page, 0, {"met": truth})
    assert_painted(page, 1, {"missed": truth & ~last, "extra": last & ~truth, "met": truth & last})
    page.get_by_role("button", name="No difference").click()
    assert (painted(page, 0)[..., 3] == 0).all()

    # Zoomed and moved by keys and wheel, both panes follow, and half opacity is half.
    page.keyboard.press("d")
    slider.fill("50")
    before = state(page)["camera"]["scale"]
    box = page.locator(".bw-surface").nth(1).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, 120)
    wait_for(lambda: state(page)["camera"]["scale"] < before, 5, "the wheel")
    one, other = painted(page, 0), painted(page, 1)
    np.testing.assert_array_equal(one, other)
    assert set(np.unique(one[first | last][:, 3])) <= {127, 128}
    left = state(page)["camera"]["left"]
    page.locator(".bw-surface").first.focus()
    page.keyboard.press("ArrowRight")
    assert state(page)["camera"]["left"] > left
    page.keyboard.press("0")
    assert state(page)["camera"]["scale"] == pytest.approx(before)


def test_outlines_stand_on_the_tissue_and_bare_tissue_is_a_key_away(page, running, made):
    opened(page, running, made, 1)
    page.locator(".bw-surface").first.focus()
    page.keyboard.press("n")
    shown = painted(page, 0)[..., 3] > 0
    labels = tissue(SIDE, SIDE, 12, seed=1).labels
    assert shown.any() and not shown[labels == 0].any()  # a cell's outline lies inside it
    page.keyboard.down("h")
    assert not (painted(page, 0)[..., 3] > 0).any()
    page.keyboard.up("h")
    assert (painted(page, 0)[..., 3] > 0).any()


def test_without_a_reference_that_control_is_off_and_the_images_are_a_key_apart(page, running, made):
    opened(page, running, made, 1)
    page.keyboard.press("]")
    page.wait_for_url(f"**/compare/{made[1][0]}/**")
    wait_for(lambda: page.evaluate("window.boxwiseComparison !== undefined"), 60, "the next image")
    assert page.get_by_role("button", name="Against the reference").is_disabled()
    page.keyboard.press("f")
    assert state(page)["against"] == "rounds"


def test_what_cannot_be_fetched_is_said(browser, running, made):
    page = browser.new_context().new_page()
    sign_in(page, running)
    page.route("**/pack/", lambda route: route.fulfill(status=503, body="{}"))
    project, images, rounds = made
    query = "&".join(f"round={pk}" for pk in rounds)
    page.goto(f"{running.address}/projects/{project}/rounds/compare/{images[1]}/?{query}")
    page.get_by_role("alert").wait_for()
    assert "The server did not hand out this image" in (page.get_by_role("alert").text_content() or "")
    page.context.close()
