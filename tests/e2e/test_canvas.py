"""The canvas in a real browser, against the front end's own small server: what needs no stack."""

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
# images of the dev server: 500 boxes; 120 proposals; 99,856 boxes on 12,000 x 12,000 px
BOXES, PROPOSALS, MANY = 2, 3, 5


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with dev_server() as found:
        yield found


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    with new_page(browser) as page:
        yield page


def opened(page: "Page", address: str, image: int) -> Tools:
    bench = Tools(page)
    bench.open(f"{address}/images/{image}/")
    return bench


def reported(page: "Page", address: str, **wish: Any) -> Any:
    """What others do, and what befalls the server."""
    return page.request.post(f"{address}/dev/", data=wish).json()


def test_a_drag_whose_capture_is_lost_goes_on(page, address):
    page.add_init_script(
        "addEventListener('pointerdown', (e) => { window.lastPointer = e.pointerId; }, { capture: true })"
    )
    bench = opened(page, address, BOXES)
    bench.press("r")
    before = {cell["id"] for cell in bench.cells()}
    page.mouse.move(*bench.at(300, 300))
    page.mouse.down()
    page.mouse.move(*bench.at(340, 330), steps=4)
    page.evaluate("document.querySelector('.bw-surface').releasePointerCapture(window.lastPointer)")
    page.mouse.move(*bench.at(380, 360), steps=4)
    page.mouse.up()
    wait_for(lambda: len(bench.cells()) == len(before) + 1, 5, "the box")
    (new,) = (cell for cell in bench.cells() if cell["id"] not in before)
    assert new["box"] == pytest.approx([300, 300, 380, 360], abs=1)
    bench.until_saved()


def test_a_large_image_comes_by_tiles_and_its_crowd_as_a_density_until_it_is_near(page, address):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(address)))
    bench = opened(page, address, MANY)
    shown = page.get_by_test_id("shown")
    wait_for(lambda: "density of 99856 cells" in (shown.text_content() or ""), 10, "what the corner says")
    assert any(url.startswith(f"/tiles/{MANY}/") for url in asked)
    assert not any(url.startswith(f"/tiles/{MANY}/0/") for url in asked)  # not the full resolution for a whole field
    x, y = bench.at(6000, 6000)
    page.mouse.move(x, y)
    for _ in range(24):
        page.mouse.wheel(0, -240)
        page.wait_for_timeout(30)
    wait_for(lambda: any(url.startswith(f"/tiles/{MANY}/0/") for url in asked), 20, "tiles of the full resolution")
    wait_for(lambda: (shown.text_content() or "").strip() == "all cells shown", 10, "every cell drawn")
    assert not any(url.startswith("/pixels/") for url in asked)  # never the whole image
    assert len([url for url in asked if url.startswith(f"/tiles/{MANY}/0/")]) < 60  # of 576: only what is in view


def test_a_conflict_is_asked_again_after_a_reload_and_the_choice_counts(page, address):
    bench = opened(page, address, BOXES)
    cell = next(c for c in bench.cells() if c["shown"] and c["kind"] == "cell" and 200 < c["box"][0] < 700)
    x0, y0, x1, y1 = cell["box"]
    reported(page, address, down=True)
    bench.press("v")
    bench.click((x0 + x1) / 2, (y0 + y1) / 2)
    wait_for(lambda: bench.state()["selected"] == cell["id"], 5, "the selection")
    bench.drag(((x0 + x1) / 2, (y0 + y1) / 2), ((x0 + x1) / 2 - 20, (y0 + y1) / 2))
    wait_for(lambda: bench.state()["waiting"] == 1, 5, "the own act in the queue")
    mine = bench.cell(cell["id"])["box"]
    reported(page, address, move=cell["id"])
    reported(page, address, down=False)
    wait_for(lambda: bench.state()["conflicts"] == 1, 40, "the conflict")
    for _ in range(2):  # and once more: asking does not use it up
        page.reload()
        bench.open_here()
        wait_for(lambda: bench.state()["conflicts"] == 1, 5, "the conflict after a reload")
        assert bench.cell(cell["id"])["box"] == mine
    page.get_by_test_id("conflict").get_by_role("button", name="Keep mine").click()
    bench.until_saved()
    page.reload()
    bench.open_here()
    assert bench.state()["conflicts"] == 0
    assert bench.cell(cell["id"])["box"] == mine


@pytest.mark.parametrize("outline", [2, 5])
def test_what_is_drawn_in_parts_is_the_whole_picture(page, address, outline):
    """After verdicts, a hover, a drawn, moved and deleted box the canvas is what drawing all of it anew gives."""
    page.add_init_script(f"localStorage.setItem('boxwise-display', JSON.stringify({{ outline: {outline} }}))")
    bench = opened(page, address, PROPOSALS)
    page.evaluate("""() => {
      window.pixels = () => {
        const canvas = document.querySelector('.bw-cells');
        const copy = document.createElement('canvas');
        [copy.width, copy.height] = [canvas.width, canvas.height];
        const context = copy.getContext('2d', { willReadFrequently: true });
        context.drawImage(canvas, 0, 0);
        return new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer);
      };
      window.differing = (a, b) => a.reduce((n, pixel, i) => n + (pixel !== b[i] ? 1 : 0), 0);
    }""")
    steps = """() => {
      const parts = pixels();
      boxwise.measure(1);
      const whole = pixels();
      const found = { differing: differing(parts, whole), changed: window.last ? differing(whole, window.last) : 1 };
      window.last = whole;
      return found;
    }"""

    def compare(what: str) -> None:
        page.wait_for_timeout(300)
        found = page.evaluate(steps)
        assert found["differing"] == 0, f"{what}: {found['differing']} pixels are not as drawn anew"
        assert found["changed"] > 0, f"{what}: the picture did not change"

    page.locator(".bw-surface").focus()
    bench.press("Tab")
    compare("a proposal is selected")
    for key, what in (("a", "accepted"), ("x", "rejected"), ("a", "accepted again")):
        wait_for(lambda: bench.state()["painted"], 5, "the next proposal seen")
        bench.press(key)
        compare(what)
    bench.press("Control+z")
    compare("undone")
    bench.press("r")
    bench.drag((40, 40), (90, 84))
    compare("a box is drawn")
    gap = 12 / bench.state()["camera"]["scale"]  # wide outlines of both reach into it
    bench.drag((90 + gap, 40), (140 + gap, 84))
    compare("another one is drawn beside it")
    bench.press("Delete")
    compare("and deleted")
    bench.press("v")
    x0, y0, x1, y1 = bench.proposals()[50]["box"]
    page.mouse.move(*bench.at((x0 + x1) / 2, (y0 + y1) / 2), steps=3)
    compare("something is hovered")


def test_nothing_in_the_side_panel_moves_and_every_tool_is_reached(page, address):
    """The list of proposals stays where it is through verdicts, tools, a mask that is edited and a lasso."""
    bench = opened(page, address, PROPOSALS)
    page.set_viewport_size({"width": 1280, "height": 720})
    page.locator(".bw-surface").focus()
    top = "document.querySelector('.bw-list').getBoundingClientRect().top"
    before = page.evaluate(top)
    for key in ("Tab", "x", "x", "s", "b", "v", "l", "Tab", "e", "Escape"):
        bench.press(key)
        page.wait_for_timeout(100)
        assert page.evaluate(top) == before, f"the list moved at {key}"
    for height in (720, 660, 600):
        page.set_viewport_size({"width": 1280, "height": height})
        missing = page.evaluate("(() => { const t = document.querySelector('.bw-tools'); "
                                "return t.scrollHeight - t.clientHeight; })()")  # fmt: skip
        assert missing == 0, f"at {height} pixels of height {missing} pixels of the tools are out of sight"


def decide(bench: Tools, key: str) -> None:
    """A verdict on the selected proposal, pressed when it has been seen."""
    decided = bench.state()["selected"]
    wait_for(lambda: bench.state()["painted"], 10, "the proposal is seen")
    bench.page.wait_for_timeout(200)
    bench.press(key)
    wait_for(lambda: bench.state()["selected"] != decided, 5, f"the verdict {key}: {bench.state()['toasts']}")


def test_the_list_is_filled_again_when_the_reasons_below_it_have_gone(page, address):
    """The reasons for a rejection take room from the list; the next verdict gives it back, without any scrolling."""
    bench = opened(page, address, PROPOSALS)
    page.locator(".bw-surface").focus()
    bench.press("Tab")
    reasons = page.get_by_role("group", name="Reason for rejecting the cell before")
    decide(bench, "x")
    reasons.wait_for(timeout=5000)
    page.locator(".bw-list").evaluate("list => list.scrollTo(0, 1)")  # the list learns how high it is now
    decide(bench, "a")
    reasons.wait_for(state="detached", timeout=5000)
    below = page.evaluate("""(() => {
        const bottoms = [...document.querySelectorAll('.bw-line')].map((line) => line.getBoundingClientRect().bottom);
        return document.querySelector('.bw-list').getBoundingClientRect().bottom - Math.max(...bottoms);
    })()""")
    assert below <= 0, f"{below} pixels of the list are empty"


def test_a_comment_that_is_being_written_leaves_the_keys_to_the_picture(page, address):
    """Its field takes the focus once. The picture and other tabs are a click away then, and the text stays."""
    bench = opened(page, address, BOXES)
    before = bench.ids()
    page.locator(".bw-surface").focus()
    bench.press("c")
    field = page.get_by_role("textbox", name="New comment")
    wait_for(lambda: field.evaluate("field => field === document.activeElement"), 5, "the field has the focus")
    page.keyboard.type("Which class?")
    page.locator(".bw-surface").focus()
    bench.press("r")
    bench.drag((40, 40), (90, 84))
    bench.one_new(before)
    bench.press("Delete")
    wait_for(lambda: bench.ids() == before, 5, "the cell is deleted by its key")
    page.get_by_role("tab", name="View", exact=True).click()
    wait_for(lambda: field.count() == 0, 5, "the other tab")
    page.get_by_role("tab", name="Comments").click()
    assert field.input_value() == "Which class?"
