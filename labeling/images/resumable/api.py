"""Resumable uploads over HTTP: tus 1.0.0 (https://tus.io/protocols/resumable-upload), as far as it is needed here.

The core, and the extensions creation, expiration, checksum and termination. No library for Django that is kept up
speaks it, and it is small. Beside it a GET says in JSON which uploads are unfinished, so that a page finds them again.

    POST   projects/N/uploads/   Upload-Length, Upload-Metadata   -> 201, Location
    HEAD   uploads/ID/                                            -> 200, Upload-Offset
    PATCH  uploads/ID/           Upload-Offset, the bytes         -> 204, Upload-Offset
    DELETE uploads/ID/                                            -> 204

Every request but OPTIONS and GET says Tus-Resumable: 1.0.0. Errors are problems in JSON, as everywhere in the API.
"""

import base64
import hashlib
from datetime import datetime
from typing import IO, Annotated, Any, Literal, cast
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import http_date
from django.utils.translation import gettext as _
from pydantic import Field, ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.contract import Answer, ShortText, Text, contract
from labeling.errors import Invalid, LabelingError
from labeling.faults import unreadable
from labeling.images.contract import UploadFacts
from labeling.images.documents import UploadRequest
from labeling.images.entry_names import entry_name
from labeling.images.resumable import services
from labeling.images.resumable_uploads import ResumableUpload
from labeling.numbers import required_number
from labeling.paging import Listing, Page, page
from labeling.projects.access import person, reach, reach_project

VERSION = "1.0.0"
EXTENSIONS = "creation,expiration,checksum,termination"
ALGORITHMS = ("sha1", "sha256")  # tus wants sha1 of every server
PART = "application/offset+octet-stream"
RESUMABLE = {"Tus-Resumable": f"the version of the protocol: {VERSION}"}
# What general tus clients send along, and nobody needs here.
IGNORED = ("name", "type", "filetype", "relativePath")
LONGEST_METADATA = 8000


class WrongProtocol(LabelingError):
    """A request of another version of tus, or of none."""

    code = "wrong_protocol"
    status = 412


class Metadata(UploadFacts):
    """Upload-Metadata: the file's name, and what is said of it. Tags are separated by semicolons."""

    filename: Annotated[Text, Field(min_length=1, max_length=1000)]
    modified: Annotated[Text, Field(max_length=40)] = ""
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""


class UploadListing(Listing):
    ordering: Literal["created_at", "-created_at"] = "created_at"
    filename: ShortText | None = None


class UploadAnswer(Answer):
    """An upload of one's own. `job` reads the file once it is whole; `expires_at` ends it where nobody goes on."""

    id: UUID
    project: int
    name: str
    size: int
    offset: int
    modified: str
    sha256: str
    job: int | None
    expires_at: datetime


class TusView(APIView):
    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Every answer says the version, declined ones too."""
        answer: HttpResponseBase = super().finalize_response(request, response, *args, **kwargs)
        answer["Tus-Resumable"] = VERSION
        if answer.status_code == WrongProtocol.status:
            answer["Tus-Version"] = VERSION
        return answer

    def options(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        """What this server can do."""
        answer = HttpResponse(status=204)
        answer["Tus-Version"] = VERSION
        answer["Tus-Extension"] = EXTENSIONS
        answer["Tus-Max-Size"] = str(services.MOST_BYTES)
        answer["Tus-Checksum-Algorithm"] = ",".join(ALGORITHMS)
        return answer


class Uploads(TusView):
    """One's unfinished uploads in a project, and a new one."""

    @contract(query=UploadListing, answer=Page[UploadAnswer])
    def get(self, request: Request, project: int, *, query: UploadListing) -> Page[UploadAnswer]:
        found = reach_project(request, "oversee", project)
        rows = ResumableUpload.objects.visible_to(person(request)).filter(project=found, job=None)
        if query.filename is not None:
            rows = rows.filter(name=entry_name(found, query.filename))
        return page(rows, request, query, ordering=query.ordering, answer=upload_answer)

    @contract(
        status=201,
        headers={
            **RESUMABLE,
            "Upload-Length": "bytes of the file",
            "Upload-Metadata": "filename, and facts as in a form with files; each value in base64",
        },
    )
    def post(self, request: Request, project: int) -> HttpResponse:
        found = reach_project(request, "manage", project)
        check_version(request)
        if "Upload-Defer-Length" in request.headers:
            raise Invalid(_("say with Upload-Length how many bytes the file has"), field="Upload-Length")
        size = required_number(request.headers.get("Upload-Length"), "Upload-Length")
        sent = metadata(request.headers.get("Upload-Metadata", ""))
        facts = UploadRequest(**sent.model_dump(exclude={"filename", "modified", "sha256"}))
        upload = services.begin(
            project=found, owner=person(request), name=sent.filename, size=size, facts=facts, modified=sent.modified,
            sha256=sent.sha256,
        )  # fmt: skip
        answer = _answered(upload, status=201)
        answer["Location"] = request.build_absolute_uri(reverse("upload-detail", args=[upload.pk]))
        return answer


class Upload(TusView):
    """One upload: how far it is, its next part, its end."""

    @contract(answer=UploadAnswer)
    def get(self, request: Request, upload: UUID) -> UploadAnswer:
        return upload_answer(_upload(request, "see", upload))

    @contract()
    def head(self, request: Request, upload: UUID) -> HttpResponse:
        found = _upload(request, "see", upload)
        check_version(request)
        answer = _answered(found)
        answer["Upload-Length"] = str(found.size)
        answer["Upload-Metadata"] = f"filename {base64.b64encode(found.name.encode()).decode()}"
        answer["Cache-Control"] = "no-store"
        return answer

    @contract(
        status=204,
        stream=PART,
        headers={**RESUMABLE, "Upload-Offset": "bytes that have arrived before this part"},
    )
    def patch(self, request: Request, upload: UUID) -> HttpResponse:
        """The next part. `Upload-Checksum: sha256 BASE64` has it checked before it counts."""
        found = _upload(request, "manage", upload)
        check_version(request)
        offset = required_number(request.headers.get("Upload-Offset"), "Upload-Offset")
        checksum = checksum_of(request.headers.get("Upload-Checksum", ""))
        body = cast(IO[bytes], request._request)
        return _answered(services.append(found.pk, offset=offset, body=body, checksum=checksum), status=204)

    @contract(status=204, headers=RESUMABLE)
    def delete(self, request: Request, upload: UUID) -> HttpResponse:
        """Give it up, with what has arrived."""
        found = _upload(request, "manage", upload)
        check_version(request)
        services.end(found)
        return HttpResponse(status=204)


def check_version(request: Request) -> None:
    """Raises WrongProtocol."""
    version = request.headers.get("Tus-Resumable")
    if version != VERSION:
        words = _("say with the header Tus-Resumable that you speak version {version} of the tus protocol")
        raise WrongProtocol(words.format(version=VERSION), field="Tus-Resumable")


def metadata(header: str) -> Metadata:
    """Upload-Metadata as a model. Raises Invalid."""
    field = "Upload-Metadata"
    if len(header) > LONGEST_METADATA:
        raise Invalid(_("Upload-Metadata has at most {n} characters").format(n=LONGEST_METADATA), field=field)
    found: dict[str, object] = {}
    for pair in filter(None, header.split(",")):
        name, _blank, encoded = pair.strip().partition(" ")
        if name in IGNORED:
            continue
        if name in found:
            raise Invalid(_("{field} is given more than once").format(field=name[:60]), field=field)
        try:
            found[name] = base64.b64decode(encoded.strip(), validate=True).decode()
        except ValueError:  # no base64, or no text
            words = _("{name} must be text in UTF-8, written in base64")
            raise Invalid(words.format(name=name[:60]), field=field) from None
    if "tags" in found:
        found["tags"] = [tag.strip() for tag in str(found["tags"]).split(";")]
    given = {name: value for name, value in found.items() if value != ""}
    try:
        return Metadata.model_validate(given)
    except ValidationError as error:
        raise unreadable(error) from None


def checksum_of(header: str) -> services.Checksum | None:
    """Upload-Checksum, None without one. Raises Invalid for an algorithm that is unknown here, or no digest."""
    if not header:
        return None
    algorithm, _blank, encoded = header.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        words = _("the algorithm of a checksum is one of {known}")
        raise Invalid(words.format(known=", ".join(ALGORITHMS)), field="Upload-Checksum")
    try:
        digest = base64.b64decode(encoded.strip(), validate=True)
    except ValueError:
        digest = b""
    if len(digest) != hashlib.new(algorithm, usedforsecurity=False).digest_size:
        raise Invalid(_("Upload-Checksum must be a digest in base64"), field="Upload-Checksum")
    return services.Checksum(algorithm, digest)


def upload_answer(upload: ResumableUpload) -> UploadAnswer:
    return UploadAnswer(
        id=upload.pk,
        project=upload.project_id,
        name=upload.name,
        size=upload.size,
        offset=upload.offset,
        modified=upload.modified,
        sha256=upload.sha256,
        job=upload.job_id,
        expires_at=upload.expires_at,
    )


def _answered(upload: ResumableUpload, *, status: int = 200) -> HttpResponse:
    """Without a body: where the upload is, when it ends, and which job reads the file."""
    answer = HttpResponse(status=status)
    answer["Upload-Offset"] = str(upload.offset)
    answer["Upload-Expires"] = http_date(upload.expires_at.timestamp())
    if upload.job_id is not None:
        answer["Boxwise-Job"] = str(upload.job_id)
    return answer


def _upload(request: Request, act: str, upload: UUID) -> ResumableUpload:
    user = person(request)
    rows = ResumableUpload.objects.visible_to(user).select_related("project")
    return reach(rows, user, act, pk=upload)
