"""Every tool of the workspace with real pointer, key, touch and pen events, on real tissue, against the running
stack."""

import json
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from inference.masks import unpack
from tests.e2e.test_main_job import Bench, sign_in
from tests.running import ROOT, Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def house() -> Iterator[Running]:
    """A Boxwise of its own, with the demo's tissue and proposals that were fused there."""
    folder = Path(tempfile.mkdtemp(prefix="boxwise-tools-"))
    folder.chmod(0o711)
    instance = Running(folder / "data")
    try:
        instance.wait_until_up()
        instance.manage("from django.core.management import call_command; call_command('load_demo', no_round=True)")
        yield instance
    finally:
        instance.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def image(house: Running) -> int:
    made = json.loads(house.manage("from tests.e2e.fused import make; print(make())").splitlines()[-1])
    assert made["proposals"] > 10
    return int(made["image"])


@pytest.fixture(scope="module")
def signed_in(house: Running, browser: "Browser") -> dict[str, Any]:
    context = browser.new_context()
    sign_in(context.new_page(), house)
    state: dict[str, Any] = dict(context.storage_state())
    context.close()
    return state


@pytest.fixture
def page(browser: "Browser", signed_in: Any) -> Iterator["Page"]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, storage_state=signed_in, has_touch=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def bench(page: "Page", house: Running, image: int) -> "Tools":
    bench = Tools(page)
    bench.open(f"{house.address}/images/{image}/")
    return bench


class Tools(Bench):
    """More of what hands can do."""

    def new_since(self, before: set[str]) -> list[dict[str, Any]]:
        return [cell for cell in self.cells() if cell["id"] not in before]

    def ids(self) -> set[str]:
        return {cell["id"] for cell in self.cells()}

    def one_new(self, before: set[str], seconds: float = 20) -> dict[str, Any]:
        wait_for(lambda: len(self.new_since(before)) == 1, seconds, f"one new cell: {self.state()}")
        self.until_saved()
        return self.new_since(before)[0]

    def empty_place(self, side: float = 40) -> tuple[float, float]:
        """A centre with room of `side` pixels where nothing is annotated."""
        taken = [c["box"] for c in self.cells() if c["kind"] == "cell"] + [p["box"] for p in self.proposals()]
        size = self.page.evaluate("boxwise.state().image")
        h = side / 2
        for y in np.arange(h, size["height"] - h, 3):
            for x in np.arange(h, size["width"] - h, 3):
                if all(b[2] < x - h or b[0] > x + h or b[3] < y - h or b[1] > y + h for b in taken):
                    return float(x), float(y)
        raise AssertionError("the image is full")

    def operations(self) -> list[dict[str, Any]]:
        """The log of my layer, as the server has it."""
        found: list[dict[str, Any]] = self.page.evaluate(
            """async () => {
              const opened = await (await
              fetch(`/api/v1/images/${document.getElementById('workspace').dataset.image}/workspace/`)).json();
              const layer = opened.layers.find((l) => l.writable);
              const after = Math.max(0, layer.seq - 900);
              return (await (await fetch(`/api/v1/layers/${layer.id}/operations/?after=${after}`)).json()).operations;
            }"""
        )
        return found

    def open_proposals(self) -> list[dict[str, Any]]:
        decided = {c["derived_from"] for c in self.cells() if c["derived_from"]}
        return [p for p in self.proposals() if p["id"] not in decided]

    def last(self) -> dict[str, Any]:
        self.until_saved()
        return self.operations()[-1]


def bits(cell: dict[str, Any]) -> np.ndarray[Any, Any]:
    import base64

    m = cell["mask"]
    whole = np.zeros((1024, 1024), bool)
    whole[m["y"] : m["y"] + m["height"], m["x"] : m["x"] + m["width"]] = unpack(
        base64.b64decode(m["bits"]), m["width"], m["height"]
    )
    return whole


def centre(cell: dict[str, Any]) -> tuple[float, float]:
    x0, y0, x1, y1 = cell["box"]
    return (x0 + x1) / 2, (y0 + y1) / 2


def smart_answer(bench: Tools, image: int, **prompt: Any) -> np.ndarray[Any, Any]:
    """What the server's worker says to the same prompt."""
    found = bench.page.evaluate(
        """async ([image, body]) => {
          const token = /csrftoken=([^;]+)/.exec(document.cookie)[1];
          for (let i = 0; i < 6; i++) { // in a fresh worker the first answer may come too late
            const answer = await fetch(`/api/v1/images/${image}/smart/`, {method: "POST", body: JSON.stringify(body),
              headers: {"Content-Type": "application/json", "X-CSRFToken": token}});
            if (answer.ok) return await answer.json();
          }
          return null;
        }""",
        [image, {"session": bench.state()["session"], "number": 10**6, "box": None, "points": []} | prompt],
    )
    assert found is not None and found["mask"], f"the worker found nothing: {found}"
    return bits(found)


def iou(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_the_prompter_in_the_browser_says_what_the_server_says(bench: Tools, image: int):
    bench.press("s")
    wait_for(lambda: bench.state()["prompter"]["name"], 60, "the net in the browser")
    name = json.loads((ROOT / "frontend" / "prompter" / "boxwise.json").read_text())["prompter"]
    assert (bench.state()["prompter"]["name"], bench.state()["prompter"]["answered"]) == (name, 0)
    chosen = [p for p in bench.open_proposals() if min(p["box"][2] - p["box"][0], p["box"][3] - p["box"][1]) > 6][:12]
    assert len(chosen) > 8
    agreed, waits, inside = [], [], []
    for proposal in chosen:
        x0, y0, x1, y1 = proposal["box"]
        before = bench.ids()
        bench.drag((x0 - 1, y0 - 1), (x1 + 1, y1 + 1))
        begun = time.monotonic()
        bench.press("Enter")
        made = bench.one_new(before)
        waits.append(time.monotonic() - begun)
        inside.append(bench.state()["prompter"]["milliseconds"])
        agreed.append(iou(bits(made), smart_answer(bench, image, box=made["box"])))
        bench.press("Control+z")
        bench.until_saved()
        bench.press("s")
    assert min(agreed) >= 0.98 and np.mean(agreed) >= 0.99, agreed
    clicked = []
    for proposal in chosen[:6]:
        before = bench.ids()
        bench.click(*centre(proposal))
        bench.press("Enter")
        made = bench.one_new(before)
        points = [[x, y, 1] for x, y in bench.state()["prompter"]["asked"]]
        clicked.append(iou(bits(made), smart_answer(bench, image, points=points)))
        bench.press("Control+z")
        bench.until_saved()
        bench.press("s")
    # A click is looked at twice, the second time around what the first found, and the worker rounds to bfloat16: on
    # this field its own answers with and without that rounding agree to 0.98 for 87 of 100 clicks, at worst to 0.68.
    assert np.median(clicked) >= 0.98 and min(clicked) >= 0.6, clicked
    assert bench.state()["prompter"]["answered"] == len(chosen) + 6, "the server was never asked by the tool"
    said = f"IoU of boxes {min(agreed):.4f} to 1, of clicks {min(clicked):.4f} to 1"
    print(f"browser and server: {said}; box to mask {np.median(inside):.0f} ms, to saved cell {np.median(waits):.3f} s")


def test_a_smart_click_and_a_smart_box_give_cells_with_masks(bench: Tools, house: Running):
    # without the browser's net the server's worker is asked, which may still be loading: asked until it is there
    bench.page.route("**/*.onnx", lambda route: route.abort())
    bench.press("s")
    target = bench.open_proposals()[0]
    x, y = centre(target)
    found = None
    for _ in range(6):
        before = bench.ids()
        bench.click(x, y)
        bench.press("Enter")
        wait_for(lambda before=before: bench.new_since(before) or not bench.state()["busy"], 30, "an answer")  # type: ignore[misc]
        if bench.new_since(before):
            found = bench.one_new(before)
            break
    assert found is not None and bits(found)[int(y), int(x)], "the clicked pixel is in the mask"
    assert bench.state()["prompter"]["name"] is None and bench.state()["prompter"]["answered"] == 0
    assert (bench.last()["action"], bench.last()["tool"]) == ("draw", "smart")
    assert found["box"] == [
        found["mask"]["x"], found["mask"]["y"],
        found["mask"]["x"] + found["mask"]["width"], found["mask"]["y"] + found["mask"]["height"],
    ]  # fmt: skip
    before = bench.ids()
    x0, y0, x1, y1 = bench.open_proposals()[1]["box"]
    bench.drag((x0 - 2, y0 - 2), (x1 + 2, y1 + 2))
    bench.page.mouse.click(*bench.at(x0 - 1, y0 - 1), button="right")  # and this is outside
    bench.press("Enter")
    boxed = bench.one_new(before, 30)
    side = 256  # of the demo's field: a box drawn beyond its edge ends there
    around = [max(0, x0 - 2), max(0, y0 - 2), min(side, x1 + 2), min(side, y1 + 2)]
    assert boxed["box"] == pytest.approx(around, abs=1)
    assert not bits(boxed)[int(y0 - 1), int(x0 - 1)]
    bench.click(*bench.empty_place())
    bench.press("Escape")
    assert not bench.state()["busy"]
    assert len(bench.ids()) == len(before) + 1

    def recorded() -> str:
        return house.manage(
            "from labeling.models import ActivityBatch; from labeling.annotations.activity import events_of;"
            "print({e[1] for b in ActivityBatch.objects.all() for e in events_of(b)})"
        )

    wait_for(lambda: {"wait_begin", "wait_end"} <= set(re.findall(r"\w+", recorded())), 30, "the wait is on record")


def test_polygon_brush_wand_stamp_extremes_and_nudge(bench: Tools):
    x, y = bench.empty_place()
    before = bench.ids()
    bench.press("p")
    for dx, dy in ((-10, -10), (10, -10), (10, 10), (-10, 10), (-10, -10)):
        bench.click(x + dx, y + dy)
    drawn = bench.one_new(before)
    assert bits(drawn).sum() == pytest.approx(400, rel=0.15)
    assert bench.last()["tool"] == "polygon"
    bench.press("Control+z")
    bench.until_saved()
    assert bench.ids() == before

    bench.press("b")  # brush: a new cell, then more of it, then less
    bench.drag((x - 6, y), (x + 6, y))
    painted = bench.one_new(before)
    first = bits(painted).sum()
    assert bits(painted)[int(y), int(x)] and bench.last()["tool"] == "brush"
    bench.page.keyboard.down("Shift")
    bench.drag((x, y - 8), (x, y + 8))
    bench.page.keyboard.up("Shift")
    bench.until_saved()
    more = bits(bench.cell(painted["id"])).sum()
    bench.page.keyboard.down("Alt")
    bench.drag((x - 8, y), (x - 4, y))
    bench.page.keyboard.up("Alt")
    bench.until_saved()
    less = bits(bench.cell(painted["id"])).sum()
    assert first < more > less and len(bench.new_since(before)) == 1
    assert bench.last()["action"] == "reshape"

    bench.press("v")  # nudge: three presses are one move
    bench.press("Escape")
    bench.click(x, y)
    assert bench.state()["selected"] == painted["id"]
    at = bench.cell(painted["id"])["box"]
    count = len(bench.operations())
    for _ in range(3):
        bench.press("ArrowRight")
    wait_for(lambda: bench.cell(painted["id"])["box"][0] == pytest.approx(at[0] + 3), 5, "nudged")
    bench.until_saved()
    assert len(bench.operations()) == count + 1 and bench.last()["action"] == "move"
    bench.press("Delete")
    bench.until_saved()

    bench.press(".")
    stamp = bench.ids()
    bench.click(x, y)
    stamped = bench.one_new(stamp)
    assert centre(stamped) == pytest.approx((x, y), abs=0.6) and bench.last()["tool"] == "stamp"
    bench.press("Control+z")
    bench.press("q")
    for point in ((x - 12, y), (x, y - 9), (x + 11, y + 2), (x + 1, y + 8)):
        bench.click(*point)
    boxed = bench.one_new(stamp)
    assert boxed["box"] == pytest.approx([x - 12, y - 9, x + 11, y + 8], abs=1) and bench.last()["tool"] == "extremes"
    bench.press("Delete")

    bench.press("w")
    nucleus = bits(bench.open_proposals()[0])
    rows, columns = np.nonzero(nucleus)
    wx, wy = float(columns[len(columns) // 2]), float(rows[len(rows) // 2])
    bench.until_saved()
    wand = bench.ids()
    for _ in range(20):  # the pixels may still be on their way at the first press
        bench.page.mouse.move(*bench.at(wx + 0.5, wy + 0.5))
        bench.page.mouse.down()
        bench.page.mouse.move(*(v + 20 for v in bench.at(wx, wy)), steps=4)
        bench.page.mouse.up()
        if bench.new_since(wand):
            break
        time.sleep(0.2)
    grown = bench.one_new(wand)
    assert bits(grown)[int(wy), int(wx)] and bench.last()["tool"] == "wand"
    bench.press("Control+z")
    bench.until_saved()


def test_regions_cannot_tell_and_measuring(bench: Tools):
    x, y = bench.empty_place()
    before = bench.ids()
    for key, kind in (("g", "exhaustive"), ("Shift+g", "ignore")):
        bench.press(key)
        bench.drag((x - 12, y - 12), (x + 12, y + 12))
        region = bench.one_new(before)
        assert (region["kind"], region["status"]) == ("region", kind)
        assert region["box"] == pytest.approx([x - 12, y - 12, x + 12, y + 12], abs=1)
        bench.press("Control+z")
        bench.until_saved()
        assert bench.ids() == before

    bench.press("r")
    bench.drag((x - 8, y - 8), (x + 8, y + 8))
    drawn = bench.one_new(before)
    bench.press("v")
    bench.click(x, y)
    assert bench.state()["selected"] == drawn["id"]
    bench.press("k")
    wait_for(lambda: bench.cell(drawn["id"])["status"] == "cannot_tell", 5, "said")
    bench.until_saved()
    assert bench.operations()[-1]["effects"][0]["after"]["status"] == "cannot_tell"
    for _ in range(2):
        bench.press("Control+z")
    bench.until_saved()

    bench.press("m")  # nothing is stored, and the length stands on the picture while it is measured
    count = len(bench.operations())
    canvas = {"clip": {"x": 76, "y": 40, "width": 900, "height": 700}}
    bare = bench.page.screenshot(**canvas)
    bench.drag((x - 12, y), (x + 12, y))
    assert bench.page.screenshot(**canvas) != bare
    bench.until_saved()
    assert len(bench.operations()) == count and bench.ids() == before


def test_a_stroke_fixes_pixels_and_the_rest_is_fused_again_with_a_proof(bench: Tools):
    bench.press("v")
    bench.page.locator("canvas").last.focus()
    bench.press("Tab")
    wait_for(lambda: bench.state()["selected"] is not None, 5, "a proposal")
    chosen = bench.state()["selected"]
    proposal = next(p for p in bench.proposals() if p["id"] == chosen)
    bench.press("e")
    bench.press("f")
    wait_for(lambda: not bench.state()["constraint"]["waiting"], 30, "the worker is ready")
    if bench.state()["constraint"]["trouble"]:  # it was still loading
        bench.press("f")
        bench.press("f")
        wait_for(lambda: not bench.state()["constraint"]["waiting"], 30, "the worker is ready")
    assert bench.state()["constraint"]["trouble"] == ""
    x0, y0, x1, y1 = proposal["box"]
    y = (y0 + y1) / 2
    bench.drag((x1 - 2, y), (x1 + 6, y))  # beyond the mask: this is cell
    wait_for(
        lambda: bench.state()["constraint"]["strokes"] == 1 and not bench.state()["constraint"]["waiting"], 20, "fused"
    )
    constraint = bench.state()["constraint"]
    assert constraint["trouble"] == "" and constraint["certificate"]["closed"]
    assert constraint["certificate"]["flow"] == constraint["certificate"]["cut"]
    bench.page.keyboard.down("Alt")
    bench.drag((x0, y0 + 1), (x0 + 3, y0 + 1))  # and this is background
    bench.page.keyboard.up("Alt")
    wait_for(
        lambda: bench.state()["constraint"]["strokes"] == 2 and not bench.state()["constraint"]["waiting"], 20, "fused"
    )
    bench.page.screenshot(path=str(Path(tempfile.gettempdir()) / "boxwise-constraint.png"))
    bench.press("Enter")
    bench.until_saved()
    (cell,) = (c for c in bench.cells() if c["derived_from"] == chosen)
    mask = bits(cell)
    assert mask[int(y), int(x1 + 5)], "what was painted as cell is cell"
    assert not mask[int(y0 + 1), int(x0) : int(x0) + 3].any(), "what was painted as background is not"
    assert (bench.last()["action"], bench.last()["tool"]) == ("edit", "constraint")


def test_split_merge_and_undo_are_one_operation_each(bench: Tools):
    x, y = bench.empty_place()
    before = bench.ids()
    bench.press("b")
    bench.drag((x - 9, y), (x + 9, y))
    whole = bench.one_new(before)
    bench.press("/")
    bench.drag((x, y - 14), (x, y + 14))
    wait_for(lambda: len(bench.new_since(before)) == 2, 5, "two pieces")
    bench.until_saved()
    pieces = bench.new_since(before)
    assert sum(bits(p).sum() for p in pieces) == bits(whole).sum()
    assert len(bench.last()["effects"]) == 2 and bench.last()["tool"] == "split"
    bench.press("Control+z")
    bench.until_saved()
    assert [c["id"] for c in bench.new_since(before)] == [whole["id"]]
    assert bench.cell(whole["id"])["mask"] == whole["mask"]
    bench.press("Control+Shift+z")
    bench.press("l")  # both pieces by the lasso, and one again
    bench.page.mouse.move(*bench.at(x - 16, y - 12))
    bench.page.mouse.down()
    for dx, dy in ((16, -12), (16, 12), (-16, 12), (-16, -12)):
        bench.page.mouse.move(*bench.at(x + dx, y + dy), steps=4)
    bench.page.mouse.up()
    assert len(bench.state()["many"]) == 2
    bench.press("j")
    bench.until_saved()
    (merged,) = bench.new_since(before)
    assert bits(merged).sum() == bits(whole).sum() and bench.last()["tool"] == "merge"
    bench.press("Delete")
    bench.until_saved()


def test_proposals_are_accepted_together_only_after_they_were_shown(bench: Tools):
    bench.press("0")
    time.sleep(1)
    bench.press("h")
    opened = bench.open_proposals()
    assert len(opened) > 4
    before = len(bench.operations())
    x0, y0 = (min(p["box"][i] for p in opened) for i in (0, 1))
    x1, y1 = (max(p["box"][i] for p in opened) for i in (2, 3))
    for _ in range(9):  # far out: everything is a speck
        bench.page.mouse.move(*bench.at((x0 + x1) / 2, (y0 + y1) / 2))
        bench.page.mouse.wheel(0, 240)
    assert bench.state()["camera"]["scale"] > 0
    bench.press("Shift+A")
    far = len(bench.operations()) - before
    seen_ids = {e["after"]["derived_from"] for op in bench.operations()[before:] for e in op["effects"] if e["after"]}
    small = {p["id"] for p in opened if (max(p["box"][2] - p["box"][0], p["box"][3] - p["box"][1]) < 3)}
    assert far <= 1 and not (small & seen_ids)
    bench.press("0")
    wait_for(lambda: bench.state()["frames"] > 0, 5, "a frame")
    time.sleep(1)  # the view stands still
    bench.press("Shift+A")
    bench.until_saved()
    last = bench.last()
    assert (last["action"], last["tool"]) == ("bulk", "viewport") and len(last["effects"]) > 1
    assert {e["after"]["status"] for e in last["effects"]} == {"confirmed"}
    bench.press("Control+z")
    bench.until_saved()
    assert len(bench.open_proposals()) == len(opened)


def test_the_palette_runs_commands_and_keys_can_be_changed(bench: Tools):
    bench.press("Control+k")
    bench.page.keyboard.type("outermost")
    bench.press("Enter")
    assert bench.state()["tool"] == "extremes"
    bench.press("Control+,")
    sheet = bench.page.get_by_test_id("remap")
    sheet.get_by_label("M. Key for: Measure").click()
    bench.press("r")
    assert sheet.get_by_role("alert").inner_text().startswith("R is already")
    bench.press("u")
    bench.press("Escape")
    bench.press("v")
    bench.press("u")
    assert bench.state()["tool"] == "measure"
    bench.page.reload()
    bench.open(bench.page.url)
    bench.press("u")
    assert bench.state()["tool"] == "measure", "kept on this computer"


def test_nothing_is_left_out_silently(bench: Tools):
    bench.page.get_by_role("tab", name="View", exact=True).click()
    bench.page.get_by_role("checkbox", name="Proposals", exact=True).uncheck()
    counted = bench.page.get_by_text(re.compile(r"showing \d+ of \d+"))
    counted.wait_for()
    shown = counted.inner_text()
    n, m = (int(word) for word in shown.split() if word.isdigit())
    assert m - n == len(bench.open_proposals()) > 0
    bench.page.get_by_label("Stain").select_option("hematoxylin")
    assert "bw-stain" in bench.page.locator(".bw-tissue").evaluate("e => e.style.filter")


def test_a_colleague_is_seen_and_heard_at_once_and_a_conflict_is_asked_about(
    bench: Tools, browser: "Browser", house: Running, image: int
):
    house.manage(
        "from django.contrib.auth import get_user_model; from labeling.models import *; U = get_user_model();"
        "u, _ = U.objects.get_or_create(username='berta'); u.set_password('a long enough word'); u.save();"
        f"p = Image.objects.get(pk={image}).project;"
        "p.memberships.get_or_create(user=u, defaults={'role': 'annotator'})"
    )
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    other = context.new_page()
    other.goto(house.address)
    other.locator("input[name=username]").fill("berta")
    other.locator("input[name=password]").fill("a long enough word")
    other.get_by_role("button", name="Sign in").click()
    other.get_by_role("heading", name="Projects").wait_for()
    berta = Tools(other)
    berta.open(f"{house.address}/images/{image}/")
    wait_for(lambda: bench.state()["connected"] and berta.state()["connected"], 20, "the feed")
    x, y = bench.empty_place()
    other.mouse.move(*berta.at(x, y))
    other.mouse.move(*berta.at(x + 3, y))
    wait_for(lambda: any(o["name"] == "berta" and o["cursor"] for o in bench.state()["others"]), 15, "berta's pointer")
    before = bench.ids()
    berta.press("r")
    berta.drag((x - 8, y - 8), (x + 8, y + 8))
    begun = time.monotonic()
    wait_for(lambda: len(bench.new_since(before)) == 1, 5, "berta's box")
    heard = time.monotonic() - begun
    assert heard < 1.9, "faster than the poll of two seconds"
    (cell,) = bench.new_since(before)
    # both resize it; I do so while my line is cut
    bench.page.context.set_offline(True)
    bench.press("v")
    bench.click(x - 8, y)
    bench.drag((x + 8, y + 8), (x + 14, y + 14))
    berta.press("v")
    berta.click(x - 8, y)
    berta.drag((x + 8, y + 8), (x + 11, y + 4))
    berta.until_saved()
    theirs = berta.cell(cell["id"])["box"]
    bench.page.context.set_offline(False)
    bench.page.evaluate("window.dispatchEvent(new Event('online'))")
    card = bench.page.get_by_test_id("conflict")
    card.wait_for(timeout=15_000)
    assert "berta" in card.inner_text() or "Somebody" in card.inner_text()
    card.get_by_role("button", name="Take theirs").click()
    wait_for(lambda: bench.cell(cell["id"])["box"] == theirs, 5, "theirs")
    context.close()


def test_two_hundred_boxes_drawn_without_a_server_are_there_in_order_once(bench: Tools):
    bench.press("d")  # the image before: this one is needed with room on it
    bench.page.wait_for_url(lambda url, was=bench.page.url: url != was)  # type: ignore[misc]
    bench.open(bench.page.url)
    bench.press(".")
    before = bench.ids()
    bench.page.context.set_offline(True)
    places = [(30 + 3 * (i % 50), 40 + 9 * (i // 50)) for i in range(200)]
    for place in places:
        bench.click(*place)
    wait_for(lambda: len(bench.new_since(before)) == 200, 10, "200 boxes")
    assert bench.state()["save"] == "offline"
    bench.page.context.set_offline(False)
    bench.page.evaluate("window.dispatchEvent(new Event('online'))")
    bench.until_saved()
    stamped = [op for op in bench.operations() if op["tool"] == "stamp"][-200:]
    centres = [centre(op["effects"][0]["after"]) for op in stamped]
    assert centres == [pytest.approx(place, abs=0.6) for place in places]
    bench.page.reload()
    bench.open(bench.page.url)
    assert len(bench.new_since(before)) == 200


def test_a_second_finger_a_pen_and_a_window_that_changes_lose_nothing(bench: Tools):
    x, y = bench.empty_place(30)
    before = bench.ids()
    bench.press("r")
    cdp = bench.page.context.new_cdp_session(bench.page)
    (ax, ay), (bx, by) = bench.at(x - 8, y - 8), bench.at(x + 8, y + 8)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        named = [{"x": px, "y": py, "id": i} for i, (px, py) in enumerate(points)]
        cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": named})

    touch("touchStart", (ax, ay))
    touch("touchMove", (ax + 20, ay + 20))
    touch("touchStart", (ax + 20, ay + 20), (bx + 60, by))  # the drag was the beginning of a pinch
    touch("touchMove", (ax + 10, ay + 20), (bx + 80, by))
    touch("touchEnd")
    assert bench.ids() == before
    bench.press("0")  # the pinch has moved the picture
    (ax, ay), (bx, by) = bench.at(x - 8, y - 8), bench.at(x + 8, y + 8)
    touch("touchStart", (ax, ay))
    touch("touchMove", (bx, by))
    touch("touchEnd")
    assert bench.one_new(before)["box"] == pytest.approx([x - 8, y - 8, x + 8, y + 8], abs=1.5)
    bench.press("Control+z")
    for kind, (px, py) in (("mousePressed", (ax, ay)), ("mouseMoved", (bx, by)), ("mouseReleased", (bx, by))):
        cdp.send(
            "Input.dispatchMouseEvent",
            {"type": kind, "x": px, "y": py, "button": "left", "buttons": 1, "clickCount": 1, "pointerType": "pen"},
        )
    assert bench.one_new(before)["box"] == pytest.approx([x - 8, y - 8, x + 8, y + 8], abs=1.5)
    bench.press("Control+z")
    bench.until_saved()
    bench.page.mouse.move(*bench.at(x - 8, y - 8))
    bench.page.mouse.down()
    bench.page.mouse.move(*bench.at(x, y), steps=3)
    bench.page.set_viewport_size({"width": 1100, "height": 700})
    wait_for(lambda: bench.state()["canvas"]["height"] < 680, 5, "the canvas follows")
    bench.page.mouse.move(*bench.at(x + 8, y + 8), steps=3)
    bench.page.mouse.up()
    assert bench.one_new(before)["box"] == pytest.approx([x - 8, y - 8, x + 8, y + 8], abs=1.5)
    bench.press("Control+z")
    bench.until_saved()


def test_attributes_are_said_by_key_and_a_box_snaps_to_its_cell(bench: Tools, house: Running, image: int):
    house.manage(
        "from labeling.models import Image; from labeling.annotations.attributes import declare_attributes as d;"
        f"d(project=Image.objects.get(pk={image}).project, text='Stain intensity: 0, 1, 2, 3\\nMitosis: no, yes')"
    )
    bench.open(bench.page.url)
    target = max(bench.open_proposals(), key=lambda p: min(p["box"][2] - p["box"][0], p["box"][3] - p["box"][1]))
    x0, y0, x1, y1 = target["box"]
    before = bench.ids()
    bench.press("r")
    bench.drag((x0 - 1, y0 - 1), (x1 + 2, y1 + 1))
    drawn = bench.one_new(before)
    bench.press("t")
    m = target["mask"]
    wait_for(
        lambda: bench.cell(drawn["id"])["box"] == [m["x"], m["y"], m["x"] + m["width"], m["y"] + m["height"]],
        20,
        f"the edges of the proposal: {bench.cell(drawn['id'])['box']}",
    )
    assert bench.last()["action"] == "resize"
    for key in ("i", "i", "i", "z"):  # 0, 1, 2; no
        bench.press(key)
    bench.page.get_by_role("tab", name="Cells").click()
    said = bench.page.get_by_test_id("attributes")
    said.get_by_role("group", name="Mitosis").get_by_role("button", name="yes").click()
    wait_for(
        lambda: bench.cell(drawn["id"]).get("attributes") == {"Stain intensity": "2", "Mitosis": "yes"},
        5,
        "what is said",
    )
    assert (bench.last()["action"], bench.last()["tool"]) == ("classify", "attribute")
    bench.page.screenshot(path=str(Path(tempfile.gettempdir()) / "boxwise-attributes.png"))
    bench.page.reload()
    bench.open(bench.page.url)
    assert bench.cell(drawn["id"])["attributes"] == {"Stain intensity": "2", "Mitosis": "yes"}, "from the pack"
    bench.press("v")
    bench.click(x0, (y0 + y1) / 2)
    bench.press("Control+z")
    wait_for(lambda: bench.cell(drawn["id"])["attributes"] == {"Stain intensity": "2", "Mitosis": "no"}, 5, "undone")
    for _ in range(2):
        bench.press("i")  # 3, then nothing
    wait_for(lambda: bench.cell(drawn["id"]).get("attributes") == {"Mitosis": "no"}, 5, "taken back")
    bench.until_saved()


def test_pages_and_workspace_speak_german_until_somebody_chooses_english(
    browser: "Browser", house: Running, image: int
):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="de-DE")
    page = context.new_page()
    page.goto(house.address)
    page.locator("input[name=username]").fill(house.username)
    page.locator("input[name=password]").fill(house.password)
    page.get_by_role("button", name="Anmelden").click()
    page.get_by_role("heading", name="Projekte").wait_for()
    bench = Tools(page)
    bench.open(f"{house.address}/images/{image}/")
    assert page.evaluate("document.documentElement.lang") == "de"
    assert page.get_by_role("tab").all_inner_texts()[1].startswith("Prüfen")
    before = bench.ids()
    bench.press(".")
    assert "hat die Größe der letzten" in page.get_by_role("region", name="Das Werkzeug in der Hand").inner_text()
    bench.click(*bench.empty_place(30))
    bench.one_new(before)
    wait_for(lambda: "Gespeichert" in page.get_by_test_id("save-state").inner_text(), 10, "said in German")
    bench.press("Delete")
    page.get_by_role("status").filter(has_text="Zelle gelöscht.").wait_for()
    page.screenshot(path=str(Path(tempfile.gettempdir()) / "boxwise-german.png"))
    bench.press("Control+k")
    page.keyboard.type("vier äußerste")
    bench.press("Enter")
    assert bench.state()["tool"] == "extremes"
    page.goto(house.address)
    page.get_by_label("Sprache").select_option("en")
    page.get_by_role("heading", name="Projects").wait_for()
    bench.open(f"{house.address}/images/{image}/")
    assert page.get_by_role("tab").all_inner_texts()[1].startswith("Review")
    page.get_by_role("tab", name="View", exact=True).click()
    with page.expect_navigation():
        page.get_by_label("Language").select_option("de")
    bench.open_here()
    assert page.get_by_role("tab").all_inner_texts()[1].startswith("Prüfen")
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_workspace_has_no_barrier_that_axe_finds(
    browser: "Browser", signed_in: Any, house: Running, image: int, theme: str
):
    axe = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.exists():
        pytest.skip("axe-core is not installed (npm ci in frontend)")
    # axe is put into the page, which the page's own policy would forbid
    context = browser.new_context(viewport={"width": 1280, "height": 800}, storage_state=signed_in, bypass_csp=True)
    page = context.new_page()
    bench = Tools(page)
    bench.open(f"{house.address}/images/{image}/")
    page.evaluate("(theme) => document.documentElement.dataset.theme = theme", theme)
    page.add_script_tag(path=str(axe))

    def violations() -> list[Any]:
        found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})")
        return [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in found["violations"]]

    for tab in ("Cells", "Review", "Masks", "View"):
        page.get_by_role("tab", name=tab).first.click()
        assert violations() == [], tab
    for key in ("Control+k", "Control+,", "?"):
        page.locator("canvas").last.focus()
        bench.press(key)
        assert violations() == [], key
        bench.press("Escape")
    page.locator("canvas").last.focus()
    bench.press("b")
    assert violations() == [], "the brush's card"
    context.close()


def test_an_ended_session_asks_for_the_password_in_place(bench: Tools, house: Running):
    house.manage("from django.contrib.sessions.models import Session; Session.objects.all().delete()")
    before = bench.ids()
    bench.press(".")
    x, y = bench.empty_place(30)
    bench.click(x, y)
    form = bench.page.get_by_role("form", name="Sign in again")
    form.wait_for(timeout=15_000)
    form.locator("input[name=username]").fill(house.username)
    form.locator("input[name=password]").fill(house.password)
    form.get_by_role("button", name="Sign in").click()
    form.wait_for(state="detached", timeout=15_000)
    bench.one_new(before)
