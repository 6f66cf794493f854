"""Uploads in tests: sent as people send them, then read by the worker's own function."""

import base64
from typing import Any
from unittest.mock import patch

from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

import labeling.images.tasks  # noqa: F401 (registers the handler, as a worker does)
from labeling.images.documents import UploadRequest
from labeling.images.models import Image
from labeling.images.resumable.services import begin
from labeling.images.resumable_uploads import ResumableUpload
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


PART = "application/offset+octet-stream"


def begun_upload(project: Any, owner: Any, size: int = 9) -> ResumableUpload:
    """A resumable upload of which nothing has arrived."""
    return begin(project=project, owner=owner, name="begun.svs", size=size, facts=UploadRequest())


def send_part(client: Any, method: str, address: str, content: bytes = b"", **headers: str) -> Any:
    """A request of the tus protocol; without `headers` for the first part, or a file of nine bytes."""
    name = base64.b64encode(b"a.svs").decode()
    lines = {
        "Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Upload-Length": "9", "Upload-Metadata": f"filename {name}",
    }  # fmt: skip
    lines |= {key.replace("_", "-"): value for key, value in headers.items()}
    sent = {f"HTTP_{key.upper().replace('-', '_')}": value for key, value in lines.items() if value}
    kind = PART if method == "patch" else "application/json"
    return client.generic(method.upper(), address, content, content_type=kind, **sent)


def image_of(shown: dict[str, Any]) -> Image:
    return Image.objects.get(pk=shown["id"])
