"""The site below a path of its host: what its parts make of SITE_URL=https://lab.example/boxwise."""

import asyncio
import re
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from django.urls import get_script_prefix, set_script_prefix

from labeling.bodies import LimitBodies
from labeling.celery import know_the_base_path
from labeling.rounds.notices.announcements import absolute
from labeling.server import environment
from labeling.server.base_path import BelowPath, with_base_path


@pytest.fixture(autouse=True)
def _prefix():
    """Each test ends with the prefix of the site of the tests, which has none."""
    yield
    set_script_prefix("/")


@pytest.fixture
def below(settings):
    settings.SITE_ORIGIN, settings.BASE_PATH = "https://lab.example", "/boxwise"
    settings.FORCE_SCRIPT_NAME = "/boxwise"


@pytest.mark.parametrize(
    ("url", "path"),
    [("https://lab.example", ""), ("https://lab.example/boxwise", "/boxwise"), ("http://a/b/c-1.x/", "/b/c-1.x")],
)
def test_the_path_is_that_of_the_site_s_address(url, path):
    assert environment.base_path(url) == path


@pytest.mark.parametrize("path", ["/..", "/a//b", "/a b", "/a%2e", "/ä", "/.hidden"])
def test_a_path_of_more_than_plain_names_is_declined(path):
    with pytest.raises(SystemExit, match=r"SITE_URL .* https://lab\.example/boxwise"):
        environment.base_path(f"https://lab.example{path}")


def paths_seen(base_path: str, path: str, *, lasting: bool = False) -> str:
    """What Django is asked for when the proxy asks for `path`."""
    seen: list[str] = []

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope["path"])

    inner = with_base_path(application, base_path) if lasting else application
    scope = {"type": "http", "path": path, "root_path": ""}
    asyncio.run(BelowPath(inner, base_path)(scope, None, None))  # type: ignore[arg-type]
    (found,) = seen
    return found


@pytest.mark.parametrize(
    ("asked", "seen"),
    [
        ("/boxwise/projects/1/", "/projects/1/"),
        ("/boxwise", "/"),
        ("/boxwise/", "/"),
        ("/livez", "/livez"),
        ("/boxwiser/", "/boxwiser/"),
        ("/boxwise/boxwise/", "/boxwise/"),
    ],
)
def test_the_path_is_taken_off_once(asked, seen):
    assert paths_seen("/boxwise", asked) == seen
    assert paths_seen("", asked) == asked


def test_the_live_feed_is_asked_for_with_the_path_since_django_s_own_handler_takes_it_off():
    assert paths_seen("/api", "/api/api/v1/layers/1/feed/", lasting=True) == "/api/api/v1/layers/1/feed/"
    assert paths_seen("/api", "/api/v1/layers/1/feed/", lasting=True) == "/api/v1/layers/1/feed/"


def test_no_source_of_the_front_end_names_an_address_from_the_root():
    frontend = Path(__file__).parents[2] / "frontend"
    folders = [one for one in frontend.iterdir() if one.is_dir()]
    folders = [one for one in folders if one.name not in ("node_modules", "dist", "tests", "dev", "api")]
    sources = list(chain.from_iterable(folder.rglob("*.ts*") for folder in folders))
    assert len(sources) > 100
    address = re.compile(r"""(?:href=|src=|action=|fetch\(|assign\(|open\()["'`]/""")
    assert [path.name for path in sources if address.search(path.read_text())] == []


def test_links_of_a_worker_name_the_path(below):
    set_script_prefix("/")  # as a thread finds it that has answered no request
    know_the_base_path()
    assert absolute("project", 7) == "https://lab.example/boxwise/projects/7/"


@pytest.mark.django_db(transaction=True)
def test_the_page_of_a_body_that_is_too_large_leads_back_below_the_path(below):
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 200_000, "more_body": False}

    scope = {
        "type": "http", "path": "/boxwise/accounts/sign-in/", "root_path": "", "method": "POST", "query_string": b"",
        "headers": [(b"content-length", b"200000")],
    }  # fmt: skip
    asyncio.run(BelowPath(LimitBodies(None), "/boxwise")(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 413
    assert b'href="/boxwise/"' in sent[1]["body"] and b'href="/"' not in sent[1]["body"]


def test_the_site_of_the_tests_has_no_path(settings):
    assert (settings.BASE_PATH, settings.STATIC_URL, settings.SESSION_COOKIE_PATH) == ("", "/static/", "/")
    assert get_script_prefix() == "/"
