"""Boxwise below a path of a host that others use as well: https://lab.example/boxwise/.

With a real nginx and a real browser. Whatever leaves the path meets the other site at that host, which answers 418.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from tests.e2e.hands import Tools, new_page, sign_in
from tests.factories import png
from tests.running import ROOT, Running, free_port, own_boxwise, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed here"),
]
PATH = "/boxwise"
MOST_PAGES = 150
CONFIGURATION = """
worker_processes 1;
pid FOLDER/nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
    access_log off;
    client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/f; uwsgi_temp_path FOLDER/u; scgi_temp_path FOLDER/s;
    server {
        listen 127.0.0.1:PORT;
        client_max_body_size 1g;
        location /boxwise/ {
            proxy_pass http://127.0.0.1:WEB;
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto http;
            proxy_set_header X-Forwarded-For $remote_addr;
        }
        location / { return 418; }
    }
}
"""


@contextmanager
def nginx(folder: Path, *, port: int, web: int) -> Iterator[None]:
    text = CONFIGURATION.replace("FOLDER", str(folder)).replace("PORT", str(port)).replace("WEB", str(web))
    (folder / "nginx.conf").write_text(text)
    words = ["nginx", "-c", str(folder / "nginx.conf"), "-e", "stderr", "-g", "daemon off;"]
    server = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A whole Boxwise behind the proxy; `address` is that of the proxy."""
    port = free_port()
    settings = {"SITE_URL": f"http://localhost:{port}{PATH}", "BEHIND_PROXY": "1", "LOG_FORMAT": "line"}
    folder = tmp_path_factory.mktemp("nginx")
    with own_boxwise("below", env=settings, patience=600) as instance, nginx(folder, port=port, web=instance.port):
        instance.address = f"http://localhost:{port}{PATH}"
        wait_for(lambda: answers(f"{instance.address}/livez"), 30, "the proxy")
        yield instance


def answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module")
def image(below: Running) -> int:
    made = json.loads(below.manage("from tests.e2e.fused import make; print(make())").splitlines()[-1])
    return int(made["image"])


@pytest.fixture
def page(below: Running, browser: "Browser") -> Iterator["Page"]:
    """Signed in; at the end every request has stayed below the path, and none has failed."""
    origin = below.address.removesuffix(PATH)
    strayed: list[str] = []
    failed: list[str] = []

    def check(response: object) -> None:
        url, status = response.url, response.status  # type: ignore[attr-defined]
        if url.startswith(origin) and not f"{url}/".startswith(f"{below.address}/"):
            strayed.append(url)
        if status >= 400:
            failed.append(f"{status} {url}")

    with new_page(browser) as opened:
        opened.context.on("response", check)
        sign_in(opened, below)
        yield opened
    assert (strayed, failed) == ([], [])


def test_the_workspace_draws_saves_and_follows(below: Running, image: int, page: "Page"):
    other = page.context.new_page()
    bench, follower = Tools(page), Tools(other)
    bench.open(f"{below.address}/images/{image}/")
    follower.open(f"{below.address}/images/{image}/")
    before = bench.ids()
    bench.press("r")
    bench.drag((4, 4), (22, 20))
    bench.until_saved()
    (drawn,) = (cell["id"] for cell in bench.new_since(before))
    wait_for(lambda: drawn in follower.ids(), 30, "the feed")
    page.reload()
    bench.open_here()
    assert drawn in bench.ids()
    assert {cookie["path"] for cookie in page.context.cookies()} == {f"{PATH}/"}


def test_pages_upload_a_file_keep_the_theme_and_sign_out(below: Running, page: "Page", tmp_path: Path):
    (tmp_path / "below.png").write_bytes(png(120, 90, seed=5))
    page.get_by_role("link", name="New project").first.click()
    page.locator("input[name=name]").fill("Below a path")
    page.get_by_role("button", name="Create project").click()
    page.locator("input[type=file]").first.set_input_files(tmp_path / "below.png")
    page.get_by_role("button", name="Upload", exact=True).click()
    page.get_by_text("below.png").first.wait_for()
    wait_for(lambda: page.locator("img[src*='/thumbnail/']").count() == 1, 60, "the thumbnail")
    page.locator("[data-theme-toggle]").first.click()
    page.goto(f"{below.address}/accounts/api/")
    page.wait_for_selector(".opblock")
    page.fill(".operation-filter-input", "projects")
    page.click("#operations-projects-project_list_get .opblock-summary-control")
    page.click(".try-out__btn")
    page.click(".execute")
    page.wait_for_selector(".live-responses-table .response-col_status")
    assert "200" in page.inner_text(".live-responses-table .response-col_status >> nth=1")
    page.goto(f"{below.address}/")
    page.get_by_role("button", name="Sign out").click()
    page.locator("input[name=username]").wait_for()
    assert page.url.startswith(f"{below.address}/accounts/sign-in/")


class References(HTMLParser):
    """Every address that a page names."""

    NAMES = ("href", "src", "action", "poster", "data-address", "data-uploads", "data-upload", "data-schema")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name in self.NAMES or name.startswith("hx-")) and value.startswith("/"):
                self.found.append((tag, value))


def test_no_page_names_an_address_outside_the_path(below: Running, image: int):
    del image  # its project is what the pages are about
    browser = requests.Session()
    start = browser.get(f"{below.address}/accounts/sign-in/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', start.text)
    assert token
    form = {"csrfmiddlewaretoken": token[1], "username": below.username, "password": below.password}
    browser.post(f"{below.address}/accounts/sign-in/", data=form, headers={"Referer": below.address})
    waiting, seen, outside = [f"{PATH}/"], {f"{PATH}/"}, []
    while waiting and len(seen) < MOST_PAGES:
        here = waiting.pop(0)
        answer = browser.get(below.address.removesuffix(PATH) + here)
        if "text/html" not in answer.headers.get("Content-Type", "") or here.endswith(".zip"):
            continue  # a file; the round of this project has none
        assert answer.status_code == 200, (here, answer.status_code)
        references = References()
        references.feed(answer.text)
        outside += [(here, one) for _tag, one in references.found if not one.startswith(f"{PATH}/")]
        for tag, one in references.found:
            page = one.partition("#")[0]
            if tag == "a" and page not in seen and page.startswith(f"{PATH}/") and "/api/" not in page:
                seen.add(page)
                waiting.append(page)
    assert outside == []
    assert len(seen) > 30


def test_the_client_and_links_in_mail_know_the_path(below: Running, image: int):
    printed = below.manage(
        "from labeling.accounts.models import User; from tests.tokens import token_of;"
        "from labeling.rounds.notices.announcements import absolute; print(absolute('account'));"
        "print(token_of(User.objects.get(is_superuser=True)))"
    ).splitlines()
    assert printed[-2] == f"{below.address}/accounts/mine/"
    code = "import boxwise; found = list(boxwise.Client().projects()); print(len(list(found[0].images)))"
    environment = os.environ | {"BOXWISE_URL": below.address, "BOXWISE_TOKEN": printed[-1]}
    environment["PYTHONPATH"] = f"{ROOT / 'client'}"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    headers = {"Authorization": f"Token {printed[-1]}"}
    answer = requests.get(f"{below.address}/api/v1/projects", headers=headers, allow_redirects=False, timeout=20)
    assert (answer.status_code, answer.headers["Location"]) == (308, f"{PATH}/api/v1/projects/")


def test_a_body_that_is_too_large_and_a_page_that_is_not_there_lead_back_below_the_path(below: Running):
    missing = requests.get(f"{below.address}/nowhere/", timeout=20)
    large = requests.post(f"{below.address}/accounts/sign-in/", data=b"x" * 200_000, timeout=20)
    assert (missing.status_code, large.status_code) == (404, 413)
    for answer in (missing, large):
        assert f'href="{PATH}/"' in answer.text and 'href="/"' not in answer.text
