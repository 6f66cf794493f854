"""Every write to a resumable upload: begun, continued, finished, ended, expired.

    begin ──► append, append, ... ──► the last byte: checked, handed to a job that reads it (images/uploads.py)

The bytes lie in a file of the uploads' storage; the row says how many of them count. What a process has written when it
dies is beyond the row's offset, and cut off before the next part is written.
"""

import fcntl
import hashlib
import os
import shutil
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import FileIO
from pathlib import Path
from threading import Lock
from typing import IO, Protocol

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.errors import Invalid, LabelingError, WrongState
from labeling.images.documents import UploadRequest
from labeling.images.entry_names import entry_name
from labeling.images.quota import decline_over_quota, in_gib
from labeling.images.resumable_uploads import KEPT_FOR, ResumableUpload
from labeling.images.uploads import ask_to_read
from labeling.jobs.models import uploads_storage
from labeling.jobs.services import NewItem
from labeling.jobs.stray_files import StrayFiles
from labeling.outcomes import NO_ROOM
from labeling.projects.models import Project
from labeling.recovery import isolated

MOST_BYTES = 64 * 2**30  # of one file
MOST_PART = 512 * 2**20  # of one request: it lies on the disk twice until it is written
MOST_OPEN = 20  # unfinished uploads of one person
KEPT_FREE = 2**30  # bytes of the disk that uploads leave for everything else
FOLDER = "resumable"  # in the uploads' storage
CHUNK = 2**20
NOTED_EVERY = 32 * 2**20  # bytes after which the offset is written down within a part
_stray_files = StrayFiles(FOLDER, ResumableUpload, after=timedelta(hours=1), owner="upload")


class WrongOffset(LabelingError):
    """A part does not begin where the last one ended; `facts` say where that is."""

    code = "wrong_offset"


class BeingWritten(LabelingError):
    """Another request is writing the same upload."""

    code = "being_written"
    status = 423


class ChecksumDiffers(LabelingError):
    """What arrived is not what was sent; the part, or the file, is thrown away."""

    code = "checksum_differs"
    status = 460  # of the tus protocol


class TooLarge(LabelingError):
    """A file, or the rest of one, has more bytes than it may have."""

    code = "too_large"
    status = 413


class DiskFull(LabelingError):
    """The server's disk has no room; what has arrived stays, and the upload can go on later."""

    code = "disk_full"
    status = 507


class NotResumable(Invalid):
    """This server keeps its files where parts cannot be written."""

    code = "not_resumable"


class TooManyUploads(WrongState):
    """This person has enough unfinished uploads."""

    code = "too_many_uploads"


class Hash(Protocol):
    """Of hashlib."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...


# -- beginning


@transaction.atomic
def begin(
    *, project: Project, owner: User, name: str, size: int, facts: UploadRequest, modified: str = "", sha256: str = ""
) -> ResumableUpload:
    """Take up a file of `size` bytes, of which none has arrived.

    The size counts for the quota from now on, so that an upload that has begun can end.
    Raises NotResumable, Invalid, TooLarge, OverQuota, TooManyUploads, DiskFull, Archived.
    """
    folder = _folder()
    if not 1 <= size <= MOST_BYTES:
        _decline_size(name, size)
    locked = Project.objects.for_change(project.pk)
    User.objects.select_for_update().get(pk=owner.pk)  # two at once must not both be the last one
    if ResumableUpload.objects.filter(owner=owner, job=None).count() >= MOST_OPEN:
        words = _("you have {n} unfinished uploads; end or cancel one first")
        raise TooManyUploads(words.format(n=MOST_OPEN))
    decline_over_quota(locked, size)
    if shutil.disk_usage(folder).free < size + KEPT_FREE:
        raise _disk_full(name)
    stem = uuid.uuid4().hex
    upload = ResumableUpload.objects.create(
        project=locked, owner=owner, name=entry_name(locked, name), size=size, file=f"{FOLDER}/{stem}.part",
        facts=facts.as_json(), modified=modified, sha256=sha256,
    )  # fmt: skip
    Path(upload.file.path).touch(mode=0o600)
    return upload


def _folder() -> Path:
    """Where parts are written. Raises NotResumable where the originals are kept in object storage."""
    try:
        folder = Path(uploads_storage().path(FOLDER))
    except NotImplementedError:
        words = _("this server keeps files in object storage, which takes no file in parts; send it in one request")
        raise NotResumable(words, field="Upload-Length") from None
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _decline_size(name: str, size: int) -> None:
    if size < 1:
        raise Invalid(_("{name} is empty").format(name=name), field="Upload-Length")
    words = _(
        "{name} has {size}; files up to {most} can be uploaded. Let whoever runs the server register it where it lies"
    )
    raise TooLarge(words.format(name=name, size=in_gib(size), most=in_gib(MOST_BYTES)), field="Upload-Length")


def _disk_full(name: str) -> DiskFull:
    words = _("the disk of this server has no room for {name}; ask whoever runs it, and go on later")
    return DiskFull(words.format(name=name))


# -- going on


@dataclass(frozen=True)
class Checksum:
    """What the sender says of a part: the name of an algorithm, and the digest."""

    algorithm: str
    digest: bytes

    def new(self) -> Hash:
        return hashlib.new(self.algorithm, usedforsecurity=False)


def append(upload_id: uuid.UUID, *, offset: int, body: IO[bytes], checksum: Checksum | None = None) -> ResumableUpload:
    """Write a part behind what has arrived; the last one starts the job that reads the file. -> the upload.

    offset    where the part begins
    checksum  of the part, which counts as a whole or not at all

    Raises WrongOffset, BeingWritten, ChecksumDiffers, TooLarge, DiskFull, and what starting a job raises.
    """
    upload = ResumableUpload.objects.get(pk=upload_id)
    if upload.is_whole:
        _check_offset(upload, offset)
        return upload
    with _locked(upload) as file:
        upload.refresh_from_db()
        if upload.is_whole:  # by whoever held the lock
            _check_offset(upload, offset)
            return upload
        there = os.fstat(file.fileno()).st_size
        if there < upload.offset:  # the machine lost power before it had written what counted already
            upload.offset = there
            _note_offset(upload)
        _check_offset(upload, offset)
        file.truncate(offset)
        file.seek(offset)
        _write(upload, file, body, checksum)
        if upload.offset == upload.size:
            _finish(upload, file)
    return upload


def _check_offset(upload: ResumableUpload, offset: int) -> None:
    if offset != upload.offset:
        words = _("{name}: {there} bytes are here, and the part begins at {offset}; go on from there")
        error = WrongOffset(words.format(name=upload.name, there=upload.offset, offset=offset), field="Upload-Offset")
        error.facts = {"offset": upload.offset}
        raise error


@contextmanager
def _locked(upload: ResumableUpload) -> Iterator[FileIO]:
    """The file, open and locked against every other process. Raises BeingWritten, and WrongState where it is gone.

    Without a buffer: what a full disk did not take must not be written again when the file is closed.
    """
    try:
        file = FileIO(upload.file.path, "r+")
    except (OSError, ValueError):
        raise WrongState(_("the parts of {name} are gone; begin anew").format(name=upload.name)) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            words = _("another request is writing {name} at the moment; ask for its offset and go on")
            raise BeingWritten(words.format(name=upload.name)) from None
        yield file


def _write(upload: ResumableUpload, file: FileIO, body: IO[bytes], checksum: Checksum | None) -> None:
    """Copy a part into the file and note how far it came, also where it breaks off."""
    begun = upload.offset
    mark = _hashes.take(upload)
    part = checksum.new() if checksum is not None else None
    try:
        while chunk := body.read(CHUNK):
            if upload.offset + len(chunk) > upload.size:
                words = _("more bytes were sent than the {size} that {name} was said to have")
                raise TooLarge(words.format(size=upload.size, name=upload.name), field="Upload-Length")
            _write_all(file, chunk)
            upload.offset += len(chunk)
            mark.update(chunk)
            if part is not None:
                part.update(chunk)
            elif upload.offset // NOTED_EVERY != (upload.offset - len(chunk)) // NOTED_EVERY:
                _note_offset(upload)
    except OSError as error:
        upload.offset = begun if part is not None else os.fstat(file.fileno()).st_size
        _note_offset(upload)
        if error.errno in NO_ROOM:
            raise _disk_full(upload.name) from None
        raise
    except TooLarge:
        _undo_part(upload, file, begun)
        raise
    if checksum is not None and part is not None and part.digest() != checksum.digest:
        _undo_part(upload, file, begun)
        words = _("a part of {name} arrived damaged and is thrown away; send it again")
        raise ChecksumDiffers(words.format(name=upload.name), field="Upload-Checksum")
    _hashes.keep(upload, mark)
    _note_offset(upload)


def _undo_part(upload: ResumableUpload, file: FileIO, begun: int) -> None:
    """As before the part: the offset may have been noted within it."""
    upload.offset = begun
    file.truncate(begun)
    _note_offset(upload)


def _write_all(file: FileIO, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[file.write(left) :]


def _note_offset(upload: ResumableUpload) -> None:
    """Of an upload that is cancelled meanwhile nothing is written."""
    upload.touched_at = timezone.now()
    ResumableUpload.objects.filter(pk=upload.pk).update(offset=upload.offset, touched_at=upload.touched_at)


def _finish(upload: ResumableUpload, file: FileIO) -> None:
    """The file is whole: check it, and let a job read it. Raises ChecksumDiffers, Archived, TooManyJobs."""
    os.fsync(file.fileno())
    found = _hashes.take(upload).hexdigest()
    if upload.sha256 and found != upload.sha256:
        upload.offset = 0
        file.truncate(0)
        _note_offset(upload)
        words = _("{name} arrived as another file than was sent: its SHA-256 differs. Send it again")
        raise ChecksumDiffers(words.format(name=upload.name), field="sha256")
    name = f"uploads/{uuid.uuid4().hex}.bin"
    part = Path(upload.file.path)
    target = Path(upload.file.storage.path(name))
    target.parent.mkdir(parents=True, exist_ok=True)
    cancelled = WrongState(_("the upload of {name} was cancelled").format(name=upload.name))
    try:
        os.link(part, target)  # the row names one of the two, whenever this process dies; the other is cleaned up
    except FileNotFoundError:
        raise cancelled from None
    try:
        with transaction.atomic():
            facts = UploadRequest.stored(upload.facts)
            item = NewItem(upload.name, upload.size, name)
            upload.job = ask_to_read(project=upload.project, owner=upload.owner, facts=facts, items=[item])
            upload.file, upload.sha256 = "", found
            there = ResumableUpload.objects.filter(pk=upload.pk)
            if not there.update(job=upload.job, file="", sha256=found):
                raise cancelled
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    part.unlink(missing_ok=True)


@dataclass
class _Hashes:
    """SHA-256 of what has arrived, while it arrives. Another process, or this one after a start, reads what is there.

    Bounded: an upload that waits for long is read again when it goes on.
    """

    kept: "OrderedDict[uuid.UUID, tuple[int, hashlib._Hash]]" = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def take(self, upload: ResumableUpload) -> "hashlib._Hash":
        """Of the first `upload.offset` bytes."""
        with self.lock:
            offset, mark = self.kept.pop(upload.pk, (0, hashlib.sha256()))
        if offset == upload.offset:
            return mark
        mark = hashlib.sha256()
        with Path(upload.file.path).open("rb") as file:
            left = upload.offset
            while left and (chunk := file.read(min(CHUNK, left))):
                mark.update(chunk)
                left -= len(chunk)
        return mark

    def keep(self, upload: ResumableUpload, mark: "hashlib._Hash") -> None:
        with self.lock:
            self.kept[upload.pk] = (upload.offset, mark)
            while len(self.kept) > 2 * MOST_OPEN:
                self.kept.popitem(last=False)


_hashes = _Hashes()


# -- ending


def end(upload: ResumableUpload) -> None:
    """Give an upload up, with what has arrived of it. A file that a job has stays with the job."""
    name = upload.file.name
    ResumableUpload.objects.filter(pk=upload.pk).delete()
    if name:
        uploads_storage().delete(name)


def recover(now: datetime) -> list[str]:
    """End uploads that nobody has gone on with, and remove files that no row names. -> sentences."""
    sentences = []
    for upload in ResumableUpload.objects.filter(touched_at__lt=now - KEPT_FOR):
        with isolated(f"upload {upload.pk}"):
            end(upload)
            sentences.append(f"upload {upload.pk}: nobody went on with it, and it is removed")
    return sentences + _stray_files.recover(now)
