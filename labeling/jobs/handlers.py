"""What the workers do for each kind of job. A handler registers itself beside its code."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labeling.jobs.models import Job
from labeling.outcomes import BackOff

Tell = Callable[[int, int], None]  # units done, of all; raises inference.types.Cancelled when somebody asked to stop


class HandBack(BackOff):
    """This job has had its share of the worker, and others wait: it goes on after them."""


@dataclass(frozen=True)
class Result:
    """What a job made, and what to call it when somebody fetches it. file: None where there is nothing to fetch."""

    file: Path | None = None
    name: str = ""
    content_type: str = ""
    facts: Mapping[str, object] = field(default_factory=dict)


Handler = Callable[[Job, Path, Tell], Result]  # the job, an empty folder for files, progress
HANDLERS: dict[str, Handler] = {}
Description = Callable[[Job], Mapping[str, object]]
DESCRIPTIONS: dict[str, Description] = {}


def handles(kind: Job.Kind) -> Callable[[Handler], Handler]:
    """Register the function as the one that does jobs of this kind."""

    def register(handler: Handler) -> Handler:
        if kind in HANDLERS:
            raise ValueError(f"jobs of kind {kind} have a handler already")
        HANDLERS[kind] = handler
        return handler

    return register


def describes(kind: Job.Kind) -> Callable[[Description], Description]:
    """Register the function that says, in the reader's language, what only this kind of job has (for the API)."""

    def register(description: Description) -> Description:
        DESCRIPTIONS[kind] = description
        return description

    return register
