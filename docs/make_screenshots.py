"""Makes the screenshots of the README and the docs, in headless Chromium, light and dark.

python docs/make_screenshots.py ADDRESS USER PASSWORD   # of a running demo whose first round is published
python docs/make_screenshots.py styleguide              # of the components; nothing has to run
"""

import os
import re
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


def styleguide_html() -> str:
    """The page /styleguide/, with its style sheets in it, so that it is shown without a server."""
    root = Path(__file__).parents[1]
    sys.path.insert(0, str(root))
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings_for_tools"
    import django

    django.setup()
    from django.conf import settings
    from django.test import RequestFactory

    settings.DEBUG = True  # as under make dev: static files have their own names

    from labeling.site.styleguide import styleguide

    html = styleguide(RequestFactory().get("/styleguide/")).content.decode()
    without_links = re.sub(r"<link rel=\"stylesheet\"[^>]*>|<script.*?</script>", "", html, flags=re.DOTALL)
    folder = root / "labeling" / "site" / "static" / "site"
    sheets = [folder / name for name in ("tokens.css", "components.css", "site.css")]
    css = "\n".join(sheet.read_text() for sheet in sheets)
    return without_links.replace("</head>", f"<style>{css}</style></head>")


def make_styleguide(page: Page, html: str, scheme: Scheme) -> None:
    page.set_content(html)
    page.screenshot(path=HERE / f"styleguide-{scheme}.png", full_page=True)


def main() -> None:
    is_styleguide = sys.argv[1:] == ["styleguide"]
    if len(sys.argv) != 4 and not is_styleguide:
        raise SystemExit(__doc__)
    HERE.mkdir(exist_ok=True)
    html = styleguide_html() if is_styleguide else ""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
        schemes: tuple[Scheme, ...] = ("light", "dark")
        for scheme in schemes:
            page = browser.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
            if is_styleguide:
                make_styleguide(page, html, scheme)
            else:
                make(page, *sys.argv[1:4], scheme)
        browser.close()


if __name__ == "__main__":
    main()
