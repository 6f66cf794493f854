"""What the code under test would have sent to the workers."""

from typing import Any, NamedTuple


class Message(NamedTuple):
    """One call of labeling.jobs.send."""

    task: str
    queue: str
    arguments: dict[str, Any]
