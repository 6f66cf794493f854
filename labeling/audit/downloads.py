"""Files that leave the site. download() answers with one and writes that it did."""

from typing import IO

from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.http import content_disposition_header

from labeling.audit.models import Act
from labeling.audit.services import NamedProject, record

PLAIN_TEXT = "text/plain; charset=utf-8"


def download(
    content: bytes | IO[bytes],
    *,
    name: str,
    content_type: str,
    project: NamedProject | None = None,
    **details: object,
) -> HttpResponseBase:
    """The file as an attachment, and the row `export_fetched` of the audit log.

    content  an open file is streamed and closed with the answer
    project  whose data it holds; None for the person's own figures of several projects
    """
    record(Act.EXPORT_FETCHED, subject=name, project=project, by=None, **details)  # by whoever is signed in
    if isinstance(content, bytes):
        disposition = content_disposition_header(as_attachment=True, filename=name)
        return HttpResponse(content, content_type=content_type, headers={"Content-Disposition": disposition})
    return FileResponse(content, as_attachment=True, filename=name, content_type=content_type)
