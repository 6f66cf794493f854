"""Jobs: long work that the server does and that a program waits for."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boxwise.errors import JobFailed

if TYPE_CHECKING:
    from boxwise.client import Client
    from boxwise.generated import JobInFull

ENDED = ("done", "failed", "cancelled", "expired")
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between two questions; twice as long each time
Report = Callable[["JobInFull"], None]


class Job:
    """A job of a project. `facts` is how it stood when last asked."""

    def __init__(self, client: "Client", facts: "JobInFull | Mapping[str, Any]") -> None:
        self.client = client
        self.facts: Any = facts
        self.id = int(facts["id"])

    @property
    def state(self) -> str:
        return str(self.facts["state"])

    def refresh(self) -> "Job":
        """Ask how it stands now."""
        self.facts = self.client.api.job_detail_get(self.id)
        return self

    def wait(self, timeout: float | None = None, report: Report | None = None) -> "Job":
        """Until it has ended. Raises JobFailed where it ends without a result, TimeoutError.

        timeout  seconds; None waits as long as it takes
        report   hears how it stands, each time it is asked
        """
        for _number in pauses(timeout, f"job {self.id}"):
            self.refresh()
            if report is not None:
                report(self.facts)
            if self.state in ENDED:
                break
        if self.state != "done":
            raise JobFailed(
                f"job {self.id} ({self.facts['kind']}) is {self.state}: {self.facts['error'] or 'no reason given'}"
            )
        return self

    def cancel(self) -> "Job":
        self.facts = self.client.api.job_cancel_post(self.id)
        return self

    def download(self, target: str | Path, report: Callable[[int, int], None] | None = None) -> Path:
        """Its result as a file. `report` hears the bytes so far, and of how many."""
        return self.client.transport.download(f"jobs/{self.id}/result/", Path(target), report)

    def __repr__(self) -> str:
        return f"<Job {self.id}: {self.facts['kind']}, {self.state}, {self.facts['done']} of {self.facts['total']}>"


def pauses(timeout: float | None, what: str) -> "Any":
    """Ask at once, then after pauses that grow. Raises TimeoutError after `timeout` seconds."""
    end = None if timeout is None else time.monotonic() + timeout
    pause, number = FIRST_PAUSE, 0
    while True:
        yield number
        if end is not None and time.monotonic() + pause > end:
            raise TimeoutError(f"{what} has not ended after {timeout:g} s; it goes on, wait for it again")
        time.sleep(pause)
        pause, number = min(LONGEST_PAUSE, 1.5 * pause), number + 1


class ImportPlan(Job):
    """What an import would do. Nothing is written until `confirm`."""

    @property
    def report(self) -> dict[str, Any]:
        return dict(self.facts.get("import") or {})

    @property
    def declined(self) -> list[str]:
        """Why the file cannot be imported; empty where it can."""
        return [str(one["detail"]) for one in self.facts.get("items", []) if one["state"] == "declined"]

    def confirm(self, timeout: float | None = None) -> "ImportPlan":
        """Do it, and wait until it is done. Raises Conflict where there is nothing to confirm."""
        self.facts = self.client.api.job_confirm_post(self.id)
        self.wait(timeout)
        return self

    def discard(self) -> None:
        self.client.api.job_discard_post(self.id)
