"""What happens on a server and concerns one person, as it happens."""

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from boxwise.jobs import pauses

if TYPE_CHECKING:
    from boxwise.client import Client
    from boxwise.generated import NotificationAnswer


def follow(
    client: "Client", *, project: int | None = None, seconds: float | None = None
) -> "Iterator[NotificationAnswer]":
    """The notifications that come from now on, the oldest first: what the page shows under the bell.

    project  of one project alone, by its id
    seconds  without an event, after which it ends; None for ever
    """
    last = _newest(client)
    while found := _next(client, last, seconds):
        last = found[-1]["id"]
        yield from (one for one in found if project in (None, one["project"]))


def _next(client: "Client", last: int, seconds: float | None) -> "list[NotificationAnswer]":
    """Wait for what comes after the notification `last`; [] where nothing comes in so many seconds."""
    try:
        for _number in pauses(seconds, "the wait for an event"):
            found = _since(client, last)
            if found:
                return found
    except TimeoutError:
        pass
    return []


def _newest(client: "Client") -> int:
    """Id of the newest notification that is there; 0 for none."""
    items = client.api.notification_list_get(limit=1)["items"]
    return items[0]["id"] if items else 0


def _since(client: "Client", last: int) -> "list[NotificationAnswer]":
    """The notifications after one of this id, the oldest first."""
    rows = client.every(client.api.notification_list_get, limit=20)  # the newest first
    found = list(itertools.takewhile(lambda one: one["id"] > last, rows))
    return found[::-1]
