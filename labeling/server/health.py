"""GET /healthz: is everything that the site needs there?"""

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from labeling.celery import app

# Each must have a worker; "gpu" is served by the same process as "cpu", or not at all.
QUEUES = frozenset({"cpu", "interactive", "files"})
ASK_AGAIN_AFTER = 5.0  # seconds for which an answer of the workers is good: asking them takes up to a second


def database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "up"


def broker() -> str:
    with app.connection_for_write() as link:
        link.ensure_connection(max_retries=1, timeout=1)
    return "up"


def storage() -> str:
    """Writes and deletes a file: a full disk or a read-only mount is down, too."""
    name = default_storage.save("healthz/probe", ContentFile(b"ok"))
    default_storage.delete(name)
    return "up"


def served_queues(*, timeout: float, limit: int | None = None) -> frozenset[str]:
    """The queues of the workers that answer within `timeout` seconds, or of the first `limit` that do."""
    answers = app.control.broadcast("active_queues", reply=True, timeout=timeout, limit=limit) or []
    return frozenset(queue["name"] for answer in answers for queues in answer.values() for queue in queues)


class Workers:
    """Asks the workers which queues they serve, and remembers a good answer for a few seconds."""

    def __init__(self) -> None:
        self.good_until = 0.0

    def __call__(self) -> str:
        if time.monotonic() < self.good_until:
            return "up"
        if missing := QUEUES - served_queues(timeout=1.0, limit=len(QUEUES)):
            return f"down: no worker for {' and '.join(sorted(missing))}"
        self.good_until = time.monotonic() + ASK_AGAIN_AFTER
        return "up"


PARTS: dict[str, Callable[[], str]] = {
    "database": database,
    "broker": broker,
    "storage": storage,
    "workers": Workers(),
}


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when every part is up, else 503; the body names each part and its state.

    Anybody may ask, so it tells what is down but not why in the words of the driver, which name hosts and users.
    """
    states: dict[str, Any] = {}
    for name, look in PARTS.items():
        try:
            states[name] = look()
        except Exception as error:  # whatever a driver raises means "down"
            states[name] = f"down: {type(error).__name__}" if not settings.DEBUG else f"down: {error}"
    healthy = all(state == "up" for state in states.values())
    return JsonResponse({"healthy": healthy, **states}, status=200 if healthy else 503)
