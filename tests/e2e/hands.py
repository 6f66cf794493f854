"""A person's hands at the workspace, in a real browser: what the browser tests share."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from inference.masks import unpack
from tests.running import Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page


# Milliseconds in which a page has surely sent what it recorded, after send_often.
SENT_MS = 900


def send_often(context: "BrowserContext") -> None:
    """Let pages opened from now on send what they record every 0.3 s instead of every 5 s, so that no test waits."""
    context.add_init_script("window.boxwisePace = { batchMs: 300 };")


@contextmanager
def new_page(browser: "Browser", **context: Any) -> Iterator["Page"]:
    """A page of its own in a context of its own; at its end no script may have failed in it."""
    opened = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | context)
    page = opened.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        yield page
    finally:
        opened.close()
    assert errors == []


def sign_in(page: "Page", running: Running, username: str = "", password: str = "") -> None:
    """As the first administrator unless somebody else is named; the page says it in English."""
    page.goto(running.address)
    page.locator("input[name=username]").fill(username or running.username)
    page.locator("input[name=password]").fill(password or running.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Projects").wait_for()


def made_by_administrator(running: Running, module: str, arguments: str = "") -> dict[str, Any]:
    """What `make` of a module of these tests makes in the server's database for its first administrator."""
    code = (
        f"import json; from django.contrib.auth import get_user_model; from {module} import make;"
        f"print(json.dumps(make(get_user_model().objects.get(is_superuser=True), {arguments})))"
    )
    found: dict[str, Any] = json.loads(running.manage(code).splitlines()[-1])
    return found


class Bench:
    """A person at the workspace of one image: real pointer and key events, and read-only looks at what is there."""

    def __init__(self, page: "Page") -> None:
        self.page = page

    def open(self, url: str) -> None:
        self.page.goto(url)
        self.open_here()

    def open_here(self) -> None:
        """Wait until the workspace of this page is there and its picture shown."""
        # polled from here: the page's own policy forbids the eval that Playwright's wait_for_function needs
        wait_for(lambda: self.page.evaluate("window.boxwise !== undefined"), 60, "the workspace")
        self.page.evaluate("window.boxwise.ready")
        self.page.locator("canvas").first.wait_for()

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.page.evaluate("window.boxwise.state()")
        return found

    def cells(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate("window.boxwise.cells()")
        return found

    def proposals(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.page.evaluate("window.boxwise.proposals()")
        return found

    def cell(self, uid: str) -> dict[str, Any]:
        (found,) = (cell for cell in self.cells() if cell["id"] == uid)
        return found

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where an image point is on the page."""
        point = self.page.evaluate("([x, y]) => window.boxwise.toPage(x, y)", [x, y])
        return point["x"], point["y"]

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """From image point to image point, as a hand does: several moves between down and up."""
        mouse = self.page.mouse
        mouse.move(*self.at(*start))
        mouse.down()
        mouse.move(*self.at(*end), steps=6)
        mouse.up()

    def click(self, x: float, y: float) -> None:
        self.page.mouse.click(*self.at(x, y))

    def press(self, key: str) -> None:
        self.page.keyboard.press(key)

    def until_saved(self) -> None:
        wait_for(lambda: self.state()["waiting"] == 0 and self.state()["save"] == "saved", 20, f"saved: {self.state()}")


class Tools(Bench):
    """What the tests of the tools look at besides: what is new, where there is room, what the server's log says."""

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
        accepted = [c["box"] for c in self.cells() if c["kind"] == "cell"] + [p["box"] for p in self.proposals()]
        size = self.page.evaluate("boxwise.state().image")
        h = side / 2
        for y in np.arange(h, size["height"] - h, 3):
            for x in np.arange(h, size["width"] - h, 3):
                if all(b[2] < x - h or b[0] > x + h or b[3] < y - h or b[1] > y + h for b in accepted):
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
    m = cell["mask"]
    whole = np.zeros((1024, 1024), bool)
    whole[m["y"] : m["y"] + m["height"], m["x"] : m["x"] + m["width"]] = unpack(
        base64.b64decode(m["bits"]), m["width"], m["height"]
    )
    return whole


def centre(cell: dict[str, Any]) -> tuple[float, float]:
    x0, y0, x1, y1 = cell["box"]
    return (x0 + x1) / 2, (y0 + y1) / 2
