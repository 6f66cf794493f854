"""Every tool of the workspace with real pointer, key, touch and pen events, on real tissue, against the running
stack."""

import json
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.hands import Tools, bits, centre
from tests.running import ROOT, Running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def smart_answer(bench: Tools, image: int, **prompt: Any) -> np.ndarray[Any, Any]:
    """What the server's worker says to the same prompt."""
    found = bench.page.evaluate(
        """async ([image, body]) => {
          const token = /boxwise_csrf_[0-9]+=([^;]+)/.exec(document.cookie)[1];
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
        agreed.append(iou(bits(made), smart_answer(bench, image, box=bench.state()["prompter"]["askedBox"])))
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
    printed = f"IoU of boxes {min(agreed):.4f} to 1, of clicks {min(clicked):.4f} to 1"
    print(
        f"browser and server: {printed}; box to mask {np.median(inside):.0f} ms, to saved cell {np.median(waits):.3f} s"
    )


def test_a_smart_click_and_a_smart_box_give_cells_with_masks(bench: Tools, running: Running):
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
        return running.manage(
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


def test_attributes_are_said_by_key_and_a_box_snaps_to_its_cell(bench: Tools, running: Running, image: int):
    running.manage(
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
    printed = bench.page.get_by_test_id("attributes")
    printed.get_by_role("group", name="Mitosis").get_by_role("button", name="yes").click()
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
