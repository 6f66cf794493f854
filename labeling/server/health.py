"""GET /healthz: is everything that the site needs there? GET /livez: does this process answer?"""

import hmac
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import ChannelError

from labeling.celery import app

# Each must have a worker; "gpu" is served by the same process as "cpu", or not at all.
QUEUES = frozenset({"cpu", "interactive", "files"})
LEAST_FREE = 64 * 2**20  # bytes of the disk; with less, uploads begin to fail
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
    """Looks and writes nothing: whoever may ask for health may not fill the disk with probes."""
    location = getattr(default_storage, "location", None) if isinstance(default_storage, FileSystemStorage) else None
    if location is None:
        default_storage.exists("healthz/probe")  # an object store answers, or raises
        return "up"
    if not os.access(location, os.W_OK | os.X_OK):
        return "down: cannot be written"
    if free_bytes(location) < LEAST_FREE:
        return "down: the disk is full"
    return "up"


def free_bytes(folder: str) -> int:
    """Of the disk that a folder lies on."""
    return shutil.disk_usage(folder).free


def served_queues(*, timeout: float, limit: int | None = None) -> frozenset[str]:
    """The queues of the workers that answer within `timeout` seconds, or of the first `limit` that do."""
    answers = app.control.broadcast("active_queues", reply=True, timeout=timeout, limit=limit) or []
    served: set[str] = set()
    for answer in answers:
        for queues in answer.values():
            served |= {queue["name"] for queue in queues}
    return frozenset(served)


@dataclass(frozen=True)
class Queue:
    """workers: names of those that serve it; waiting: messages that no worker has taken, None where the broker cannot
    tell."""

    name: str
    workers: tuple[str, ...]
    waiting: int | None


def queues(*, timeout: float = 0.5) -> list[Queue]:
    """Every queue that a worker serves or should serve, by name. Nothing raises: a broker that is away serves none."""
    served: dict[str, list[str]] = {name: [] for name in QUEUES}
    try:
        for answer in app.control.broadcast("active_queues", reply=True, timeout=timeout) or []:
            for worker, found in answer.items():
                for queue in found:
                    served.setdefault(queue["name"], []).append(worker)
    except Exception:  # whatever a driver raises: the page says that nobody answers
        return [Queue(name, (), None) for name in sorted(served)]
    return [Queue(name, tuple(sorted(workers)), _waiting(name)) for name, workers in sorted(served.items())]


def _waiting(queue: str) -> int | None:
    try:
        with app.connection_for_write() as link:
            return int(link.default_channel.queue_declare(queue=queue, passive=True).message_count)
    except ChannelError:
        return 0  # nobody has sent anything there yet
    except Exception:  # whatever a driver raises
        return None


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


def states() -> dict[str, str]:
    """The state of each part: "up", or "down" with what is known of the reason."""
    found: dict[str, str] = {}
    for name, check in PARTS.items():
        try:
            found[name] = check()
        except Exception as error:  # whatever a driver raises means "down"
            found[name] = f"down: {type(error).__name__}" if not settings.DEBUG else f"down: {error}"
    return found


def may_see_details(request: HttpRequest) -> bool:
    """The supervisor and monitoring, which know HEALTH_TOKEN; administrators have a page of their own."""
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")  # as Prometheus sends it
    token = request.headers.get("X-Health-Token", "") or bearer
    return bool(settings.HEALTH_TOKEN) and hmac.compare_digest(token.encode(), settings.HEALTH_TOKEN.encode())


@require_safe
@never_cache
def livez(request: HttpRequest) -> JsonResponse:
    """200 while this process answers, whatever the others do: who asks here starts it again when it hangs."""
    return JsonResponse({"alive": True})


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 {"healthy": true} when every part is up, else 503 {"healthy": false}.

    Anybody may ask, and hears no more. Who sends HEALTH_TOKEN hears of each part, not in the words of the driver, which
    name hosts and users.
    """
    found = states()
    healthy = all(state == "up" for state in found.values())
    details = found if may_see_details(request) else {}
    return JsonResponse({"healthy": healthy, **details}, status=200 if healthy else 503)
