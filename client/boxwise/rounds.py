"""Rounds: training on what is annotated, and proposals for the rest."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwise.errors import JobFailed
from boxwise.jobs import pauses

if TYPE_CHECKING:
    from boxwise.client import Client
    from boxwise.generated import LineAnswer

ENDED = ("published", "failed", "cancelled")


class Round:
    """A round of a project. `facts` is how it stood when last asked."""

    def __init__(self, client: "Client", facts: Any) -> None:
        self.client = client
        self.facts: Any = facts
        self.id, self.number = int(facts["id"]), int(facts["number"])

    @property
    def state(self) -> str:
        return str(self.facts["state"])

    def refresh(self) -> "Round":
        self.facts = self.client.api.round_detail_get(self.id)
        return self

    def events(self, timeout: float | None = None) -> "Iterator[LineAnswer]":
        """What it says while it works, line by line, until it ends. Raises TimeoutError."""
        last = 0
        for _number in pauses(timeout, f"round {self.number}"):
            found = self.client.api.round_events_get(self.id, after=last)
            yield from found["lines"]
            while found["more"]:
                found = self.client.api.round_events_get(self.id, after=found["last"])
                yield from found["lines"]
            last = found["last"]
            if found["ended"]:
                self.refresh()
                return

    def wait(self, timeout: float | None = None, report: "Callable[[LineAnswer], None] | None" = None) -> "Round":
        """Until it is published. Raises JobFailed where it ends otherwise, TimeoutError.

        report  hears each line of its log
        """
        for line in self.events(timeout):
            if report is not None:
                report(line)
        if self.state != "published":
            raise JobFailed(f"round {self.number} is {self.state}: {self.facts['error'] or 'no reason given'}")
        return self

    def cancel(self) -> "Round":
        self.facts = self.client.api.round_cancel_post(self.id)
        return self

    def export(self, target: str | Path) -> Path:
        """Its models as a zip that `boxwise predict` runs."""
        return self.client.transport.download(f"rounds/{self.id}/export/", Path(target))

    def __repr__(self) -> str:
        return f"<Round {self.number}: {self.state}>"
