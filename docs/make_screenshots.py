"""Makes the screenshots of the docs, in headless Chromium: every page in four sizes, as small WebP files.

python docs/make_screenshots.py ADDRESS USER PASSWORD KNOWN.json   # of a running demo whose first round is published
python docs/make_screenshots.py styleguide                        # of the components; nothing has to run

KNOWN.json is what tests/e2e/every_page.py (make) printed in that instance: the pages are those of its tables.
"""

import io
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Literal

import PIL.Image
from playwright.sync_api import Browser, Page, sync_playwright

HERE = Path(__file__).parent / "screenshots"
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
Scheme = Literal["light", "dark"]
# CSS pixels: desktop, small laptop, tablet, phone. Themes in turn: each page is seen in both.
SIZES: tuple[tuple[int, int, Scheme], ...] = (
    (1440, 900, "light"),
    (1280, 720, "dark"),
    (1024, 768, "light"),
    (390, 844, "dark"),
)
QUALITY = 35  # of WebP, 0 to 100: text stays sharp, and a page takes about 20 kB


def wait_for_workspace(page: Page) -> None:
    """The policy of the page forbids the eval that Playwright's own wait needs, so this polls from outside."""
    for _ in range(300):
        if page.evaluate("window.boxwise !== undefined"):
            page.evaluate("window.boxwise.ready")
            return
        time.sleep(0.1)
    raise SystemExit("the workspace did not open within 30 s")


def wait_for_pictures(page: Page) -> None:
    """One that is still grey is no picture of the page. Lazy ones below the window are never loaded."""
    done = "[...document.images].every((i) => i.loading === 'lazy' || (i.complete && i.naturalWidth > 0))"
    for _ in range(100):
        if page.evaluate(done):
            return
        time.sleep(0.1)
    raise SystemExit("the pictures did not load within 10 s")


def save(picture: bytes, name: str, width: int) -> None:
    path = HERE / f"{name.replace(' ', '-')}-{width}.webp"
    PIL.Image.open(io.BytesIO(picture)).convert("RGB").save(path, "WEBP", quality=QUALITY, method=6)


def sign_in(page: Page, address: str, user: str, password: str) -> None:
    page.goto(address)
    page.locator("input[name=username]").fill(user)
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Projects").wait_for()


def make_workspace(page: Page, url: str, width: int) -> None:
    """A proposal under review, and the same cells by their doubt."""
    page.goto(url)
    wait_for_workspace(page)
    page.get_by_role("tab", name="Review").click()
    page.locator("canvas").last.focus()
    page.keyboard.press("Tab")
    page.wait_for_timeout(1500)
    save(page.screenshot(), "workspace", width)
    for _ in range(3):
        page.keyboard.press("Shift+C")
    page.wait_for_timeout(500)
    save(page.screenshot(), "workspace coloured by doubt", width)


def make(browser: Browser, address: str, user: str, password: str, known: dict[str, object]) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings_for_tools"
    import django

    django.setup()
    from tests.e2e.every_page import OUTSIDE, PAGES

    opened = browser.new_page()
    sign_in(opened, address, user, password)
    session = opened.context.storage_state()
    for width, height, scheme in SIZES:
        size = {"width": width, "height": height}
        for pages, state in ((PAGES, session), (OUTSIDE, None)):
            page = browser.new_page(viewport=size, color_scheme=scheme, storage_state=state)
            for name, path in pages.items():
                page.goto(address + path.format(**known))
                page.wait_for_load_state("networkidle")
                wait_for_pictures(page)
                save(page.screenshot(), name, width)
            if state:
                make_workspace(page, f"{address}/images/{known['image']}/", width)
            page.close()


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


def make_styleguide(browser: Browser) -> None:
    html = styleguide_html()
    for width, height, scheme in SIZES[:2]:
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.set_content(html)
        save(page.screenshot(full_page=True), f"styleguide {scheme}", width)


def main() -> None:
    is_styleguide = sys.argv[1:] == ["styleguide"]
    if len(sys.argv) != 5 and not is_styleguide:
        raise SystemExit(__doc__)
    HERE.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS.split())
        if is_styleguide:
            make_styleguide(browser)
        else:
            address, user, password, known = sys.argv[1:]
            make(browser, address, user, password, json.loads(Path(known).read_text()))
        browser.close()


if __name__ == "__main__":
    main()
