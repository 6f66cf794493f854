"""What the tests of a module begin with, made once: making a project with one of everything takes most of such a test.

    @pytest.fixture(scope="module")
    def made(request, django_db_setup, django_db_blocker):
        yield from made_once(make_study, request, django_db_blocker)

    @pytest.fixture
    def study(made, db):
        return deepcopy(made)

Each test runs in a transaction of its own below the module's, so nothing that it changes reaches another one. A module
that does so has no test with `transaction=True`, which would see nothing of what was made and would wait for the end of
the module when it empties the tables.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction


def made_once(make: Callable[[], Any], request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[Any]:
    for item in request.session.items:
        marker = item.get_closest_marker("django_db")
        if item.path == request.path and marker is not None and marker.kwargs.get("transaction"):
            pytest.fail(f"{item.name} needs a module of its own: it has real transactions")
    block = transaction.atomic()
    with django_db_blocker.unblock():
        block.__enter__()
        made = make()
    yield made
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        block.__exit__(None, None, None)
