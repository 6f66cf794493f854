"""Fixtures that every room may use."""

import pytest

from labeling.server import postgres, valkey
from tests.embedded import EMBEDDED


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
