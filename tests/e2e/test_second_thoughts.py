"""Undo that can be trusted, second verdicts, interrupted drags, projects with a layer each: with real hands."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.hands import Tools, centre, new_page, sign_in
from tests.running import Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]
PASSWORD = "a long enough word"


def wait_for_toast(bench: Tools, words: str) -> None:
    """Wait until a toast says this."""
    wait_for(
        lambda: any(words in text for text in bench.state()["toasts"]), 15, f"{words!r} in {bench.state()['toasts']}"
    )


def draw(bench: Tools, x: float, y: float, half: float = 8) -> dict[str, Any]:
    before = bench.ids()
    bench.press("r")
    bench.drag((x - half, y - half), (x + half, y + half))
    return bench.one_new(before)


def reload(bench: Tools) -> None:
    bench.until_saved()
    bench.page.reload()
    bench.open_here()


def join(running: Running, image: int, username: str, role: str = "annotator") -> None:
    running.manage(
        "from django.contrib.auth import get_user_model; from labeling.models import *; U = get_user_model();"
        f"u, _ = U.objects.get_or_create(username={username!r}); u.set_password({PASSWORD!r}); u.save();"
        f"p = Image.objects.get(pk={image}).project;"
        f"p.memberships.get_or_create(user=u, defaults={{'role': {role!r}}})"
    )


@contextmanager
def colleague(browser: "Browser", running: Running, image: int, username: str) -> Iterator[Tools]:
    with new_page(browser) as page:
        sign_in(page, running, username, PASSWORD)
        bench = Tools(page)
        bench.open(f"{running.address}/images/{image}/")
        yield bench


def test_a_deletion_is_undone_after_a_reload_and_nobody_is_blamed(bench: Tools):
    drawn = draw(bench, *bench.empty_place())
    bench.press("v")
    bench.click(*(v - 8 if i == 0 else v for i, v in enumerate(centre(drawn))))
    bench.press("Delete")
    wait_for(lambda: drawn["id"] not in bench.ids(), 5, "deleted")
    reload(bench)
    bench.press("Control+z")
    wait_for(lambda: drawn["id"] in bench.ids(), 10, f"it is back: {bench.state()['toasts']}")
    assert bench.state()["toasts"] == ["Undone: deletion of a cell."]
    assert bench.cell(drawn["id"])["box"] == drawn["box"]
    reload(bench)
    assert drawn["id"] in bench.ids()
    bench.press("Control+Shift+z")
    wait_for(lambda: drawn["id"] not in bench.ids(), 10, "and redone after another reload")
    bench.until_saved()


def test_whoever_changed_it_is_named_and_only_then(bench: Tools, browser: "Browser", running: Running, image: int):
    join(running, image, "clara")
    drawn = draw(bench, *bench.empty_place())
    with colleague(browser, running, image, "clara") as clara:
        clara.press("v")
        x, y = centre(drawn)
        clara.click(x - 8, y)
        assert clara.state()["selected"] == drawn["id"]
        clara.press("Delete")
        clara.until_saved()
    wait_for(lambda: drawn["id"] not in bench.ids(), 20, "heard")
    reload(bench)
    bench.press("Control+z")
    wait_for_toast(bench, "Not undone: clara has deleted this cell since")
    assert drawn["id"] not in bench.ids()


def test_a_toast_undoes_its_own_act_and_goes_when_that_is_undone(bench: Tools):
    x, y = bench.empty_place(60)
    first = draw(bench, x - 15, y)
    second = draw(bench, x + 15, y)
    bench.press("v")
    bench.click(x + 15 - 8, y)
    bench.press("Delete")
    toast = bench.page.get_by_role("status").filter(has_text="Cell deleted.")
    toast.wait_for()
    third = draw(bench, x, y + 20)
    toast.get_by_role("button", name="Undo").click()
    wait_for(lambda: {first["id"], second["id"], third["id"]} <= bench.ids(), 10, "the deleted one, and no other")
    assert toast.count() == 0
    bench.press("v")
    bench.click(x + 15 - 8, y)
    bench.press("Delete")
    toast.wait_for()
    bench.press("Control+z")
    wait_for_toast(bench, "Undone: deletion of a cell.")
    wait_for(lambda: toast.count() == 0, 5, "its act is undone by other means")
    assert second["id"] in bench.ids()
    for _ in range(3):
        bench.press("Control+z")
    bench.until_saved()


def test_a_drag_survives_what_comes_between(bench: Tools):
    x, y = bench.empty_place()
    for number, interruption in enumerate(
        [
            lambda: bench.page.mouse.down(button="right"),
            lambda: bench.press("Control+z"),
            lambda: bench.page.mouse.wheel(0, 40),
            lambda: bench.page.evaluate("window.dispatchEvent(new Event('blur'))"),
            lambda: bench.page.evaluate(
                "document.querySelectorAll('canvas').forEach((c) => c.releasePointerCapture && [1, 2].forEach("
                "(id) => { if (c.hasPointerCapture(id)) c.releasePointerCapture(id); }))"
            ),
            lambda: bench.press("v"),
        ]
    ):
        before = bench.ids()
        bench.press("r")
        bench.page.mouse.move(*bench.at(x - 8, y - 8))
        bench.page.mouse.down()
        bench.page.mouse.move(*bench.at(x, y), steps=3)
        interruption()
        if number == 0:
            bench.page.mouse.up(button="right")
        bench.page.mouse.move(*bench.at(x + 8, y + 8), steps=3)
        bench.page.mouse.up()
        made = bench.one_new(before)
        assert made["box"] == pytest.approx([x - 8, y - 8, x + 8, y + 8], abs=1.5), number
        bench.press("Control+z")
        bench.until_saved()
        bench.press("0")
        assert bench.ids() == before
    assert bench.state()["tool"] == "box"


def test_the_class_key_changes_the_box_just_drawn(bench: Tools, running: Running, image: int):
    running.manage(
        "from labeling.models import Image; from labeling.projects.services import add_class;"
        f"p = Image.objects.get(pk={image}).project;"
        "p.classes.filter(name='second thought').exists() or add_class(project=p, name='second thought')"
    )
    reload(bench)
    drawn = draw(bench, *bench.empty_place())
    chosen = json.loads(
        running.manage(
            "import json; from labeling.models import LabelClass;"
            "c = LabelClass.objects.get(name='second thought'); print(json.dumps([c.pk, c.position]))"
        )
    )
    bench.press(str(chosen[1]))
    bench.until_saved()
    assert bench.cell(drawn["id"])["label_class"] == chosen[0] != drawn["label_class"]
    bench.press(str(chosen[1]))
    wait_for_toast(bench, "This cell is second thought already.")
    bench.press("Control+z")
    assert bench.cell(drawn["id"])["label_class"] == drawn["label_class"]
    bench.press("Control+z")
    bench.until_saved()
    assert drawn["id"] not in bench.ids()


def test_a_second_verdict_is_an_opinion_and_both_see_that_they_differ(
    bench: Tools, browser: "Browser", running: Running, image: int
):
    join(running, image, "dora")
    x, y = bench.empty_place()
    drawn = draw(bench, x, y)
    me = running.username
    with colleague(browser, running, image, "dora") as dora:
        dora.press("v")
        dora.click(x - 8, y)
        dora.press("x")
        wait_for_toast(dora, f"Your opinion is recorded; {me} accepted this cell.")
        dora.until_saved()
        assert dora.cell(drawn["id"])["status"] == "confirmed"
        card = dora.page.get_by_test_id("cell")
        card.get_by_role("button", name="Not a cell").click()
        dora.until_saved()
        assert dora.last()["opinions"][0]["after"] == {
            "verdict": "rejected", "label_class": None, "reason": "not_a_cell"
        }  # fmt: skip
        assert "dora" in card.inner_text() and "would reject" in card.inner_text()
        bench.press("v")
        bench.click(x - 8, y)
        mine = bench.page.get_by_test_id("cell")
        wait_for(lambda: "Not a cell" in mine.inner_text(), 20, "the colleague's opinion")
        assert "disputed" in mine.inner_text() and "1 disputed" in bench.page.get_by_test_id("counts").inner_text()
        dora.press("Control+z")
        wait_for_toast(dora, "Undone: your opinion on a cell.")
        dora.press("Control+z")
        wait_for(lambda: "disputed" not in mine.inner_text(), 20, "taken back")
    reload(bench)
    assert drawn["id"] in bench.ids()


def test_the_rest_in_view_is_accepted_where_it_was_large_enough_with_the_reasons(bench: Tools):
    bench.press("0")
    opened = bench.open_proposals()
    assert len(opened) > 4
    for _ in range(14):
        bench.page.mouse.wheel(0, 240)
    scale = bench.state()["camera"]["scale"]
    assert all(min(p["box"][2] - p["box"][0], p["box"][3] - p["box"][1]) * scale < 12 for p in opened) or scale > 0
    bench.press("0")
    bench.page.wait_for_timeout(1000)
    bench.press("Shift+A")
    wait_for_toast(bench, "recorded as accepted in bulk")
    bench.until_saved()
    last = bench.last()
    scale = bench.state()["camera"]["scale"]
    sides = {p["id"]: min(p["box"][2] - p["box"][0], p["box"][3] - p["box"][1]) * scale for p in opened}
    accepted = {e["after"]["derived_from"] for e in last["effects"]}
    assert (last["action"], last["tool"]) == ("bulk", "viewport")
    assert min(sides[p] for p in accepted) >= 12
    text = next(t for t in bench.state()["toasts"] if "in bulk" in t)
    assert text.startswith(f"{len(last['effects'])} accepted")
    left = len(opened) - len(accepted)
    assert (f"{left} left out" in text) == (left > 0), text
    bench.press("Control+z")
    wait_for_toast(bench, f"Undone: acceptance of {len(accepted)} cells.")
    bench.until_saved()


@pytest.fixture
def apart(running: Running) -> dict[str, Any]:
    """A project with a layer each: the administrator owns it, emil and frieda have read its image."""
    made = running.manage(
        "import json, uuid; from django.contrib.auth import get_user_model; from labeling.models import *;"
        "from labeling.annotations.services import working_layer, write_operations;"
        "from tests.factories import ImageFactory; from tests.labeling.operations import cell, effect, operation;"
        "U = get_user_model(); me = U.objects.get(is_superuser=True);"
        "p = Project.objects.create(name='apart', layering='per_annotator');"
        "c = LabelClass.objects.create(project=p, name='nucleus', color='#0072b2', position=1);"
        "p.memberships.create(user=me, role='owner');"
        "image = ImageFactory(project=p, width=256, height=192)\n"
        "for n, name in enumerate(['emil', 'frieda']):\n"
        "    u, _ = U.objects.get_or_create(username=name); u.set_password('a long enough word'); u.save()\n"
        "    p.memberships.create(user=u, role='annotator')\n"
        "    layer = working_layer(image=image, user=u)\n"
        "    boxes = [(40 * k + 20, 40 + 60 * n, 40 * k + 40, 60 + 60 * n) for k in range(2)]\n"
        "    ops = [operation(effect(uuid.uuid4(), cell(b, label_class=c.pk))) for b in boxes]\n"
        "    write_operations(layer=layer, author=u, operations=ops)\n"
        "print(json.dumps({'project': p.pk, 'image': image.pk}))"
    )
    found: dict[str, Any] = json.loads(made.splitlines()[-1])
    return found


def test_where_everybody_has_a_layer_switches_counts_and_refusals_say_the_truth(
    bench: Tools, apart: dict[str, Any], running: Running, browser: "Browser"
):
    bench.open(f"{running.address}/images/{apart['image']}/")
    page = bench.page

    def tells() -> tuple[str, str, str]:
        return (
            page.get_by_role("tab").first.inner_text(),
            page.get_by_test_id("counts").inner_text().split(" · ")[0],
            page.get_by_test_id("shown").inner_text(),
        )

    assert tells() == ("Cells 0", "0 cells", "2 layers not shown")
    page.get_by_role("tab", name="View", exact=True).click()
    switches = page.get_by_role("group", name="Other layers").get_by_role("button")
    assert [b.get_attribute("aria-pressed") for b in switches.all()] == ["false", "false"]
    for switch in switches.all():
        switch.click()
    wait_for(lambda: tells() == ("Cells 4", "4 cells", "all cells shown"), 5, f"both readings: {tells()}")
    page.locator(".bw-status").get_by_label("Colour by").select_option("person")
    page.get_by_role("tab").first.click()
    wait_for(lambda: page.locator("[role=option]").count() == 4, 5, "the four cells in the list")
    bench.press("v")
    bench.click(20, 50)
    assert "emil's reading" in page.get_by_test_id("cell").inner_text()
    for key in ("1", "x", "Delete", "k"):
        page.locator("canvas").last.focus()
        bench.press(key)
        wait_for_toast(bench, "This is emil's reading; you can look at it but not change it.")
    page.screenshot(path=str(Path(tempfile.gettempdir()) / "boxwise-apart.png"))
    running.manage(
        "from django.utils import timezone; from labeling.models import *;"
        "me = User.objects.get(is_superuser=True);"
        f"Project.objects.filter(pk={apart['project']}).update(archived_at=timezone.now(), archived_by=me)"
    )
    with colleague(browser, running, apart["image"], "emil") as emil:
        assert emil.page.get_by_role("tab").first.inner_text() == "Cells 2"
        assert emil.page.get_by_role("group", name="Other layers").count() == 0
        assert emil.page.get_by_test_id("shown").inner_text() == "all cells shown"
        emil.press("v")
        emil.click(20, 50)
        emil.press("1")
        wait_for_toast(emil, "This project is archived")


def test_a_drag_while_smart_answers_is_kept(bench: Tools):
    kept: list[Any] = []
    bench.page.route("**/*.onnx", lambda route: route.abort())
    bench.page.route("**/smart/", lambda route: kept.append(route))
    bench.press("s")
    x, y = bench.empty_place(60)
    before = bench.ids()
    bench.drag((x - 20, y - 8), (x - 6, y + 8))
    bench.press("Enter")  # before the answer
    bench.drag((x + 6, y - 8), (x + 20, y + 8))
    bench.press("Enter")
    wait_for(lambda: bool(kept), 30, "asked")

    def decline() -> bool:
        while kept:
            kept.pop().abort()
        return len(bench.new_since(before)) == 2

    wait_for(decline, 90, "both boxes are kept without a mask")
    bench.until_saved()
    boxes = sorted(cell["box"][0] for cell in bench.new_since(before))
    assert boxes == pytest.approx([x - 20, x + 6], abs=1.5)
    wait_for_toast(bench, "The box is kept without a mask.")
