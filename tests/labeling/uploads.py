"""Uploads in tests: sent as people send them, then read by the worker's own function."""

from typing import Any
from unittest.mock import patch

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

import labeling.images.tasks  # noqa: F401 (registers the handler, as a worker does)
from labeling.images.models import Image
from labeling.jobs import services, tasks
from labeling.jobs.models import Job


def work(job: Job) -> None:
    """Do a job as the worker does. The heartbeat's thread would not see this test's transaction, so it rests."""
    with patch.object(services, "renew", lambda job_id, owner: False):
        tasks.run_job(job.pk)


def read_uploads() -> None:
    """What the files worker does when it has nothing else to do."""
    for job in Job.objects.filter(kind=Job.Kind.READ, state=Job.State.WAITING).order_by("queued_at"):
        work(job)


def upload(client: Any, project: Any, *files: tuple[str, bytes], **fields: Any) -> dict[str, Any]:
    """Send files by the API and let them be read. -> the job as the API then shows it."""
    parts = [SimpleUploadedFile(name, content) for name, content in files]
    answer = client.post(reverse("image-list", args=[project.pk]), {"image": parts, **fields}, format="multipart")
    assert answer.status_code == 202, answer.content
    read_uploads()
    shown = client.get(answer["Location"])
    assert shown.status_code == 200
    found: dict[str, Any] = shown.json()
    return found


def upload_one(client: Any, project: Any, name: str, content: bytes, **fields: Any) -> tuple[dict[str, Any], Any]:
    """Send one file. -> what the API says of the file, and of its image (None where none was added)."""
    (item,) = upload(client, project, (name, content), **fields)["items"]
    is_added = item["state"] == "done" and not item["code"]
    image = client.get(reverse("image-detail", args=[item["image"]])).json() if is_added else None
    return item, image


def image_of(shown: dict[str, Any]) -> Image:
    return Image.objects.get(pk=shown["id"])
