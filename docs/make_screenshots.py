"""Makes the screenshots of the README and the docs: python docs/make_screenshots.py ADDRESS USER PASSWORD

Against a running demo whose first round is published, in headless Chromium, light and dark.
"""

import shutil
import sys
import time
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).parent / "screenshots"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
Scheme = Literal["light", "dark"]


def wait_for_workspace(page: Page) -> None:
    """The policy of the page forbids the eval that Playwright's own wait needs, so this polls from outside."""
    for _ in range(300):
        if page.evaluate("window.boxwise !== undefined"):
            page.evaluate("window.boxwise.ready")
            return
        time.sleep(0.1)
    raise SystemExit("the workspace did not open within 30 s")


def wait_for_pictures(page: Page) -> None:
    """Thumbnails are loaded lazily; one that is still grey is no picture of the page."""
    done = "[...document.images].every((image) => image.complete && image.naturalWidth > 0)"
    for _ in range(100):
        if page.evaluate(done):
            return
        time.sleep(0.1)
    raise SystemExit("the pictures did not load within 10 s")


def make(page: Page, address: str, user: str, password: str, scheme: Scheme) -> None:
    page.goto(address)
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Projects").wait_for()
    wait_for_pictures(page)
    page.screenshot(path=HERE / f"projects-{scheme}.png")
    page.goto(f"{address}/projects/1/")
    page.wait_for_timeout(500)
    wait_for_pictures(page)
    page.screenshot(path=HERE / f"project-{scheme}.png")
    images = page.locator("a[href^='/images/']")
    image = images.nth(images.count() - 1).get_attribute("href")
    page.goto(f"{address}/projects/1/rounds/1/")
    page.wait_for_timeout(500)
    page.screenshot(path=HERE / f"round-{scheme}.png")
    page.goto(f"{address}{image}")
    wait_for_workspace(page)
    page.get_by_role("tab", name="Review").click()
    page.locator("canvas").last.focus()
    page.keyboard.press("Tab")
    page.wait_for_timeout(1500)
    page.screenshot(path=HERE / f"workspace-{scheme}.png")


def main() -> None:
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    HERE.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
        schemes: tuple[Scheme, ...] = ("light", "dark")
        for scheme in schemes:
            page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
            make(page, *sys.argv[1:4], scheme)
        browser.close()


if __name__ == "__main__":
    main()
