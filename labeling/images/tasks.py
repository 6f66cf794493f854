"""Uploaded files read as jobs."""

import contextlib
import os
from pathlib import Path
from typing import Any

from celery.signals import worker_ready

from inference.reading import isolation
from labeling.images.uploads import find_alike, read_upload
from labeling.jobs.handlers import Result, Tell, handles
from labeling.jobs.items import each_item
from labeling.jobs.models import Job


@handles(Job.Kind.READ)
def read(job: Job, folder: Path, tell: Tell) -> Result:
    """Read the files of the job, one after the other."""
    each_item(job, tell, lambda item, end: read_upload(job, item, end))
    return Result(facts={"alike": find_alike(job)})


@worker_ready.connect
def prepare(**_signal: Any) -> None:
    """The worker for files gets ready, so that the first file of the day is read as quickly as the second."""
    if os.environ.get("WORKER_TASKS") == "files":
        with contextlib.suppress(isolation.CannotStart):  # said when a file comes
            isolation.prepare()
