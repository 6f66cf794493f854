"""Uploaded files read as jobs."""

from pathlib import Path

from labeling.images.uploads import find_alike, read_upload
from labeling.jobs.handlers import Result, Tell, handles
from labeling.jobs.items import each_item
from labeling.jobs.models import Job


@handles(Job.Kind.READ)
def read(job: Job, folder: Path, tell: Tell) -> Result:
    """Read the files of the job, one after the other."""
    each_item(job, tell, lambda item, end: read_upload(job, item, end))
    return Result(facts={"alike": find_alike(job)})
