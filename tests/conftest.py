"""Fixtures that every room may use."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from labeling.server import postgres, valkey
from tests.embedded import EMBEDDED
from tests.running import Running

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def django_db_modify_db_settings(embedded_postgres: postgres.Postgres, embedded_valkey: valkey.Valkey) -> None:
    """pytest-django's place for what must be there before the test database is made: both servers.

    Valkey too, because what a service saves it also announces on the live feed.
    """
    (EMBEDDED.folder / "files").mkdir(exist_ok=True)


@pytest.fixture(autouse=True)
def _plain_static_files(settings) -> None:
    """Pages are rendered without collectstatic, whose manifest belongs to a running server."""
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A whole Boxwise, without the demo, shared by the tests that only use it; `running.address` and the first
    administrator's `running.username` and `running.password`."""
    # Not below pytest's folder, which is closed to others: as root the database runs as somebody else.
    folder = Path(tempfile.mkdtemp(prefix="boxwise-run-"))
    folder.chmod(0o711)
    instance = Running(folder / "data")
    try:
        yield instance.wait_until_up()
    finally:
        instance.stop()
        shutil.rmtree(folder, ignore_errors=True)


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
