"""Fixtures that every room may use."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from django.db import connection
from django.test import Client
from django.utils import translation

from labeling import jobs
from labeling.server import postgres, valkey
from tests import kept_contract, kept_database
from tests.embedded import EMBEDDED
from tests.outbox import Message
from tests.running import Running, own_boxwise

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# A busy machine takes its time for an example, and makes few of them: neither is a fault of what is tried.
hypothesis.settings.register_profile("boxwise", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("boxwise")

# Tests that start a whole Boxwise, drive a browser or look at the clock; tools/tests.py runs them one by one.
ALONE = ("e2e", "labeling/test_server_")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.path.relative_to(here).as_posix().startswith(ALONE):
            item.add_marker(pytest.mark.alone)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(embedded_postgres: postgres.Postgres, embedded_valkey: valkey.Valkey) -> None:
    """pytest-django's place for what must be there before the test database is made: both servers.

    Valkey too, because what a service saves it also announces on the live feed.
    """
    (EMBEDDED.folder / "files").mkdir(exist_ok=True)
    kept_database.use()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """pytest-django's test database, kept for the next run where the migrations made it in this one."""
    with django_db_blocker.unblock():
        kept_database.keep()
    # Tests with real transactions empty every table afterwards; the audit log lets nobody do that.
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE labeling_securityevent DISABLE TRIGGER audit_not_emptied")


@pytest.fixture(autouse=True)
def _plain_static_files(settings) -> None:
    """Pages are rendered without collectstatic, whose manifest belongs to a running server."""
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture(autouse=True, scope="session")
def _answers_keep_their_contract() -> Iterator[None]:
    """What the API answers to a client of a test is compared with the schema (tests/kept_contract.py)."""
    asked = Client.request

    def request(self: Client, **given: Any) -> Any:
        answer = asked(self, **given)
        path = str(given.get("PATH_INFO", ""))
        if path.startswith("/api/"):
            kept_contract.check(str(given.get("REQUEST_METHOD", "GET")), path, answer)
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "request", request)
        yield


@pytest.fixture(autouse=True)
def _english() -> None:
    """A page that was asked for in German leaves that language to whatever this thread does next."""
    translation.deactivate()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Message]:
    """What the test sends to the workers, in order. Nothing reaches the broker, and nothing waits for a commit."""
    messages: list[Message] = []

    def record(task: str, *, queue: str, **kwargs: Any) -> None:
        messages.append(Message(task, queue, kwargs))

    monkeypatch.setattr(jobs, "send", record)
    return messages


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """A whole Boxwise, without the demo, shared by the tests that only use it; `running.address` and the first
    administrator's `running.username` and `running.password`."""
    with own_boxwise("run") as instance:
        yield instance


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium on this machine. Without one the test is skipped, in CI it fails."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    reason = "Chromium is not installed (Debian: apt-get install chromium)"
    if os.environ.get("BOXWISE_REQUIRE_BROWSER"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator["Browser"]:
    """A headless Chromium that reaches for nothing on its own, driven by Playwright."""
    from playwright.sync_api import sync_playwright

    flags = (
        "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync"
    )
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, headless=True, args=flags.split())
        yield found
        found.close()
