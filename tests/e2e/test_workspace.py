"""The workspace around its tools, against the running stack: keys, what is shown, saving, many hands, languages,
barriers."""

import re
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.hands import Tools, centre, new_page, sign_in
from tests.running import ROOT, Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


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


def test_colours_say_doubt_with_a_legend_and_are_kept_for_the_person(bench: Tools):
    chosen = bench.page.locator(".bw-status").get_by_label("Colour by")
    legend = bench.page.get_by_test_id("legend")
    by_class = bench.page.locator(".bw-cells").screenshot()
    chosen.select_option("doubt")
    counted = legend.locator("li .bw-number")
    shown = len(bench.open_proposals()) + sum(cell["kind"] == "cell" and cell["shown"] for cell in bench.cells())
    assert sum(int(number) for number in counted.all_inner_texts()) == shown > 0
    assert bench.page.locator(".bw-cells").screenshot() != by_class
    bench.open(bench.page.url)
    legend.wait_for()  # kept
    bench.press("Shift+C")
    legend.get_by_text("Colour by round").wait_for()
    bench.press("Shift+C")  # class, whose colours stand beside the picture
    legend.wait_for(state="detached")


def test_a_colleague_is_seen_and_heard_at_once_and_a_conflict_is_asked_about(
    bench: Tools, browser: "Browser", running: Running, image: int
):
    running.manage(
        "from django.contrib.auth import get_user_model; from labeling.models import *; U = get_user_model();"
        "u, _ = U.objects.get_or_create(username='berta'); u.set_password('a long enough word'); u.save();"
        f"p = Image.objects.get(pk={image}).project;"
        "p.memberships.get_or_create(user=u, defaults={'role': 'annotator'})"
    )
    with new_page(browser) as other:
        sign_in(other, running, "berta", "a long enough word")
        berta = Tools(other)
        berta.open(f"{running.address}/images/{image}/")
        wait_for(lambda: bench.state()["connected"] and berta.state()["connected"], 20, "the feed")
        x, y = bench.empty_place()
        other.mouse.move(*berta.at(x, y))
        other.mouse.move(*berta.at(x + 3, y))
        wait_for(
            lambda: any(o["name"] == "berta" and o["cursor"] for o in bench.state()["others"]), 15, "berta's pointer"
        )
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


def test_pages_and_workspace_speak_german_until_somebody_chooses_english(
    browser: "Browser", running: Running, image: int
):
    with new_page(browser, locale="de-DE") as page:
        page.goto(running.address)
        page.locator("input[name=username]").fill(running.username)
        page.locator("input[name=password]").fill(running.password)
        page.get_by_role("button", name="Anmelden").click()
        page.get_by_role("heading", name="Projekte").wait_for()
        bench = Tools(page)
        bench.open(f"{running.address}/images/{image}/")
        assert page.evaluate("document.documentElement.lang") == "de"
        assert page.get_by_role("tab").all_inner_texts()[1].startswith("Prüfen")
        before = bench.ids()
        bench.press(".")
        assert "hat die Größe der letzten" in page.get_by_role("region", name="Aktuelles Werkzeug").inner_text()
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
        page.goto(running.address)
        page.get_by_label("Sprache").select_option("en")
        page.get_by_role("heading", name="Projects").wait_for()
        bench.open(f"{running.address}/images/{image}/")
        assert page.get_by_role("tab").all_inner_texts()[1].startswith("Review")
        page.get_by_role("tab", name="View", exact=True).click()
        with page.expect_navigation():
            page.get_by_label("Language").select_option("de")
        bench.open_here()
        assert page.get_by_role("tab").all_inner_texts()[1].startswith("Prüfen")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_workspace_has_no_barrier_that_axe_finds(
    browser: "Browser", signed_in: Any, running: Running, image: int, theme: str
):
    axe = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.exists():
        pytest.skip("axe-core is not installed (npm ci in frontend)")
    # axe is put into the page, which the page's own policy would forbid
    with new_page(browser, storage_state=signed_in, bypass_csp=True) as page:
        bench = Tools(page)
        bench.open(f"{running.address}/images/{image}/")
        page.evaluate("(theme) => document.documentElement.dataset.theme = theme", theme)
        page.add_script_tag(path=str(axe))

        def violations() -> list[Any]:
            found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})")
            return [(v["id"], [node["html"][:120] for node in v["nodes"][:3]]) for v in found["violations"]]

        for tab in ("Cells", "Review", "Masks", "Comments", "View"):
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


@pytest.mark.parametrize("cookies", ["the session ended", "all cookies cleared"])
def test_an_ended_session_asks_for_the_password_in_place(
    browser: "Browser", running: Running, image: int, cookies: str
):
    with new_page(browser) as page:
        sign_in(page, running)  # a session of its own: it ends here
        bench = Tools(page)
        bench.open(f"{running.address}/images/{image}/")
        (key,) = (c["value"] for c in page.context.cookies() if c["name"].startswith("boxwise_session"))
        running.manage(f"from django.contrib.sessions.models import Session; Session.objects.get(pk={key!r}).delete()")
        if cookies == "all cookies cleared":  # the token against forged requests too
            page.context.clear_cookies()
        before = bench.ids()
        bench.press(".")
        bench.click(*bench.empty_place(30 if cookies == "the session ended" else 40))
        form = page.get_by_role("form", name="Sign in again")
        form.wait_for(timeout=15_000)
        form.locator("input[name=username]").fill(running.username)
        form.locator("input[name=password]").fill(running.password)
        form.get_by_role("button", name="Sign in").click()
        form.wait_for(state="detached", timeout=15_000)
        made = bench.one_new(before)
        kept = bench.last()
        assert [effect["annotation"] for effect in kept["effects"]] == [made["id"]], "the server's log has the cell"
        name = repr(running.username)
        me = running.manage(f"from labeling.models import User; print(User.objects.get(username={name}).pk)")
        assert kept["author"]["id"] == int(me), "under the person who drew it"
