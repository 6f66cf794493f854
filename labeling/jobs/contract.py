"""Jobs as the API says them."""

from datetime import datetime
from typing import Annotated, Literal

from django.urls import reverse
from pydantic import Field

from labeling.contract import Answer, Body, Id, JsonObject, OneOf
from labeling.jobs.handlers import DESCRIPTIONS
from labeling.jobs.models import Job, JobItem
from labeling.paging import Listing

Items = Annotated[list[Id], Field(min_length=1, max_length=1000)]


class JobListing(Listing):
    ordering: Literal["-created_at", "created_at", "-id", "id"] = "-created_at"
    kind: Annotated[str, OneOf(Job.Kind)] | None = None
    state: Annotated[str, OneOf(Job.State)] | None = None


class RetryBody(Body):
    """Which files of a job are read again; null for all that were not read."""

    items: Items | None = None


class JobAnswer(Answer):
    """`request` and `facts` are what this kind of job was asked and says (labeling/jobs/handlers.py)."""

    id: int
    kind: Annotated[str, OneOf(Job.Kind)]
    project: int
    owner: str
    state: Annotated[str, OneOf(Job.State)]
    request: JsonObject
    done: int
    total: int
    error: str
    cancel_requested: bool
    facts: JsonObject
    result: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime | None


class JobFile(Answer):
    """A file of a job. `choices` is how many pages or channels there are to choose from, where that must be said;
    `rectangle` is of a field that is cut from a slide."""

    id: int
    name: str
    size: int = 0
    state: Annotated[str, OneOf(JobItem.State)]
    code: str = ""
    detail: str
    notes: list[str] = []
    image: int | None
    choices: dict[str, int] = {}
    rectangle: JsonObject | None = None


class AlikeAnswer(Answer):
    """Two pictures that are nearly the same."""

    images: tuple[int, int]
    detail: str


class JobInFull(JobAnswer):
    """`items` and `alike` are of a job that reads files, `import` of an import: what would be done, or was.
    `proposals` is of a job that proposes cells: how far it is, and what it has proposed.
    `method`, `probability` and `seed` say how the fields of a slide were chosen."""

    items: list[JobFile] = []
    alike: list[AlikeAnswer] = []
    report: JsonObject | None = Field(default=None, alias="import")
    proposals: JsonObject | None = None
    method: str | None = None
    probability: float | None = None
    seed: int | None = None


def job_answer(job: Job) -> JobAnswer:
    """A job in a list; `job_in_full` adds its files and what only its kind has."""
    return JobAnswer.model_validate(_fields_of(job))


def job_in_full(job: Job) -> JobInFull:
    describe = DESCRIPTIONS.get(job.kind)
    more = describe(job) if describe else {}
    return JobInFull.model_validate({**_fields_of(job), **more})


def _fields_of(job: Job) -> dict[str, object]:
    return {
        "id": job.pk,
        "kind": job.kind,
        "project": job.project_id,
        "owner": job.owner.display_name,
        "state": job.state,
        "request": job.request,
        "done": job.done,
        "total": job.total,
        "error": job.error,
        "cancel_requested": job.cancel_requested,
        "facts": job.facts,
        "result": reverse("job-result", args=[job.pk]) if job.result else None,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "expires_at": job.expires_at,
    }
