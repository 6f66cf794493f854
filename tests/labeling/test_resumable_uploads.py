"""Resumable uploads: the tus protocol as its text has it, cuts, restarts, a full disk, quota, expiry."""

import asyncio
import base64
import errno
import hashlib
import io
import shutil
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.images.models import Image
from labeling.images.quota import image_bytes
from labeling.images.resumable import services
from labeling.images.resumable_uploads import KEPT_FOR, ResumableUpload
from labeling.jobs.models import Job, uploads_storage
from labeling.server.threads import InThreads
from tests.declined import assert_declined
from tests.factories import MembershipFactory, png
from tests.labeling.uploads import PART, begun_upload, read_uploads, send_part

pytestmark = pytest.mark.django_db
CONTENT = png(seed=7)
DAMAGED = base64.b64encode(hashlib.sha256(b"something else").digest()).decode()


@pytest.fixture(autouse=True)
def nothing_left():
    """Other tests leave files where their database is rolled back."""
    shutil.rmtree(uploads_storage().path("resumable"), ignore_errors=True)


@pytest.fixture
def uploads(study):
    return reverse("upload-list", args=[study.project.pk])


def words(**facts: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in facts.items())


def create(api, uploads, content=CONTENT, **facts: str) -> str:
    facts = {"filename": "a.png"} | facts
    answer = send_part(api, "post", uploads, Upload_Length=str(len(content)), Upload_Metadata=words(**facts))
    assert answer.status_code == 201, answer.content
    return answer["Location"]


def sha256(content: bytes) -> str:
    return "sha256 " + base64.b64encode(hashlib.sha256(content).digest()).decode()


def files_in(folder: str) -> list[str]:
    path = Path(uploads_storage().path(folder))
    return sorted(entry.name for entry in path.iterdir()) if path.is_dir() else []


# -- the protocol

# What is asked of an upload of nine bytes of which four have arrived -> status, code and headers of the answer.
PROTOCOL = {
    "HEAD says how far it is": (
        ("head", b"", {}), 200, "", {"Upload-Offset": "4", "Upload-Length": "9", "Cache-Control": "no-store"},
    ),
    "a part from the offset on": (("patch", b"56", {"Upload-Offset": "4"}), 204, "", {"Upload-Offset": "6"}),
    "an empty part": (("patch", b"", {"Upload-Offset": "4"}), 204, "", {"Upload-Offset": "4"}),
    "a part with its checksum": (
        ("patch", b"56", {"Upload-Offset": "4", "Upload-Checksum": sha256(b"56")}), 204, "", {"Upload-Offset": "6"},
    ),
    "a part with sha1": (
        ("patch", b"56", {"Upload-Offset": "4", "Upload-Checksum": "sha1 TZIb0Ekj2ewgsbxIF+Jll4tqtLI="}), 460, "", {},
    ),
    "a part from elsewhere": (("patch", b"56", {"Upload-Offset": "0"}), 409, "wrong_offset", {}),
    "a part without a place": (("patch", b"56", {"Upload-Offset": ""}), 422, "invalid", {}),
    "a place that is no number": (("patch", b"56", {"Upload-Offset": "-1"}), 422, "invalid", {}),
    "more than there is": (("patch", b"567890", {"Upload-Offset": "4"}), 413, "too_large", {}),
    "a damaged part": (
        ("patch", b"56", {"Upload-Offset": "4", "Upload-Checksum": f"sha256 {DAMAGED}"}), 460, "checksum_differs", {},
    ),
    "an unknown algorithm": (("patch", b"56", {"Upload-Offset": "4", "Upload-Checksum": "md4 x"}), 422, "invalid", {}),
    "no digest": (("patch", b"56", {"Upload-Offset": "4", "Upload-Checksum": "sha256 x"}), 422, "invalid", {}),
    "no version": (("patch", b"56", {"Upload-Offset": "4", "Tus-Resumable": ""}), 412, "wrong_protocol", {}),
    "another version": (
        ("head", b"", {"Tus-Resumable": "0.2.2"}), 412, "", {"Tus-Version": "1.0.0"},
    ),
    "an end": (("delete", b"", {}), 204, "", {}),
    "what it can do": (
        ("options", b"", {"Tus-Resumable": ""}), 204, "",
        {"Tus-Extension": "creation,expiration,checksum,termination", "Tus-Version": "1.0.0"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PROTOCOL, ids=str)
def test_the_protocol(case, api, study):
    (method, content, headers), status, code, expected = PROTOCOL[case]
    upload = begun_upload(study.project, study.people["manager"])
    services.append(upload.pk, offset=0, body=io.BytesIO(b"1234"))
    named = {name.replace("-", "_"): value for name, value in headers.items()}
    answer = send_part(api, method, reverse("upload-detail", args=[upload.pk]), content, **named)
    assert (answer.status_code, answer["Tus-Resumable"]) == (status, "1.0.0")
    assert {name: answer[name] for name in expected} == expected
    if code:
        assert answer.json()["code"] == code
    there = ResumableUpload.objects.filter(pk=upload.pk).first()
    if method == "delete":
        assert there is None and files_in("resumable") == []
        assert send_part(api, "head", reverse("upload-detail", args=[upload.pk])).status_code == 404
        return
    kept = content if status == 204 and method == "patch" else b""
    assert Path(there.file.path).read_bytes() == b"1234" + kept
    assert there.offset == 4 + len(kept)


CREATION = {
    "no length": ({"Upload-Length": ""}, 422, "Upload-Length"),
    "a length that is no number": ({"Upload-Length": "1e3"}, 422, "Upload-Length"),
    "nothing": ({"Upload-Length": "0"}, 422, "Upload-Length"),
    "more than one file may have": ({"Upload-Length": str(10**12)}, 413, "Upload-Length"),
    "a length that comes later": ({"Upload-Length": "", "Upload-Defer-Length": "1"}, 422, "Upload-Length"),
    "no name": ({"Upload-Metadata": ""}, 422, "filename"),
    "a name that is no base64": ({"Upload-Metadata": "filename ä"}, 422, "Upload-Metadata"),
    "a name that is no text": ({"Upload-Metadata": "filename " + base64.b64encode(b"\xff").decode()}, 422, None),
    "a fact that nobody knows": ({"Upload-Metadata": words(filename="a.png", colour="red")}, 422, "colour"),
    "a fact twice": ({"Upload-Metadata": words(filename="a.png") + "," + words(filename="b.png")}, 422, None),
    "a split that there is not": ({"Upload-Metadata": words(filename="a.png", split="all")}, 422, "split"),
    "a hash that is none": ({"Upload-Metadata": words(filename="a.png", sha256="abc")}, 422, "sha256"),
    "no version": ({"Tus-Resumable": ""}, 412, "Tus-Resumable"),
}


@pytest.mark.parametrize("case", CREATION, ids=str)
def test_a_creation_that_is_declined_leaves_nothing(case, api, uploads):
    headers, status, field = CREATION[case]
    answer = send_part(api, "post", uploads, **{name.replace("-", "_"): value for name, value in headers.items()})
    assert answer.status_code == status
    assert field is None or answer.json()["field"] == field
    assert not ResumableUpload.objects.exists() and files_in("resumable") == []


# -- from the first byte to the image


def test_a_file_in_parts_becomes_an_image_with_what_was_said_of_it(api, uploads, study):
    place = create(api, uploads, filename="Präparat 7.png", split="val", tags="a;b", relativePath="x/y", stain="HE")
    for begin in range(0, len(CONTENT), 40):
        part = CONTENT[begin : begin + 40]
        answer = send_part(api, "patch", place, part, Upload_Offset=str(begin), Upload_Checksum=sha256(part))
        assert answer.status_code == 204
    read_uploads()
    image = Image.objects.get(name="Präparat 7.png")
    assert (image.split, image.tags, image.stain) == ("val", ["a", "b"], "HE")
    assert image.original_sha256 == ResumableUpload.objects.get().sha256 == hashlib.sha256(CONTENT).hexdigest()
    shown = api.get(place).json()
    assert (shown["offset"], shown["job"]) == (len(CONTENT), int(answer["Boxwise-Job"]))
    assert files_in("resumable") == []


def test_the_last_part_is_sent_twice_and_read_once(api, uploads):
    place = create(api, uploads)
    assert send_part(api, "patch", place, CONTENT).status_code == 204
    again = send_part(api, "patch", place, CONTENT)  # its answer was lost
    assert (again.status_code, again.json()["offset"]) == (409, len(CONTENT))
    assert send_part(api, "head", place)["Upload-Offset"] == str(len(CONTENT))
    assert Job.objects.filter(kind=Job.Kind.READ).count() == 1


def test_a_file_that_is_another_one_is_not_read(api, uploads):
    place = create(api, uploads, sha256=hashlib.sha256(b"another one").hexdigest())
    assert send_part(api, "patch", place, CONTENT).status_code == 460
    assert send_part(api, "head", place)["Upload-Offset"] == "0"
    assert not Job.objects.filter(kind=Job.Kind.READ).exists()


def test_another_process_goes_on_and_knows_the_hash_of_what_is_there(api, uploads, monkeypatch):
    place = create(api, uploads, sha256=hashlib.sha256(CONTENT).hexdigest())
    assert send_part(api, "patch", place, CONTENT[:50]).status_code == 204
    monkeypatch.setattr(services, "_hashes", services._Hashes())  # what a server that starts again has
    assert send_part(api, "patch", place, CONTENT[50:], Upload_Offset="50").status_code == 204
    assert Job.objects.filter(kind=Job.Kind.READ).count() == 1


def test_what_a_process_wrote_before_it_died_is_cut_off(api, uploads):
    place = create(api, uploads)
    send_part(api, "patch", place, CONTENT[:50])
    with Path(ResumableUpload.objects.get().file.path).open("ab") as file:
        file.write(b"of a part whose checksum nobody has compared")
    assert send_part(api, "head", place)["Upload-Offset"] == "50"
    send_part(api, "patch", place, CONTENT[50:], Upload_Offset="50")
    read_uploads()
    assert Image.objects.filter(name="a.png").exists()


def test_bytes_that_a_machine_has_lost_are_sent_again(api, uploads):
    """A power cut: the row counts what the disk never had. HEAD must say it, or a client asks for ever."""
    place = create(api, uploads)
    send_part(api, "patch", place, CONTENT[:50])
    with Path(ResumableUpload.objects.get().file.path).open("r+b") as file:
        file.truncate(30)
    answer = send_part(api, "patch", place, CONTENT[50:], Upload_Offset="50")
    assert_declined(answer, 409, code="wrong_offset")
    assert send_part(api, "head", place)["Upload-Offset"] == "30"
    assert send_part(api, "patch", place, CONTENT[30:], Upload_Offset="30").status_code == 204


def test_a_part_that_is_too_long_leaves_the_offset_before_it(api, uploads, monkeypatch):
    place = create(api, uploads)
    monkeypatch.setattr(services, "CHUNK", 20)
    monkeypatch.setattr(services, "NOTED_EVERY", 20)  # so that the offset is noted within the part
    assert send_part(api, "patch", place, CONTENT + b"more").status_code == 413
    assert send_part(api, "head", place)["Upload-Offset"] == "0"


def test_an_upload_that_is_cancelled_while_its_last_part_arrives_is_read_by_nobody(api, uploads, monkeypatch):
    place = create(api, uploads)
    synced = services.os.fsync

    def cancelled(number):
        monkeypatch.undo()
        services.end(ResumableUpload.objects.get())
        synced(number)

    monkeypatch.setattr(services.os, "fsync", cancelled)
    answer = send_part(api, "patch", place, CONTENT)
    assert_declined(answer, 409, says="the upload of a.png was cancelled")
    assert not Job.objects.filter(kind=Job.Kind.READ).exists() and files_in("resumable") == []


def test_two_at_once_write_one_after_the_other(api, uploads):
    place = create(api, uploads)
    with services._locked(ResumableUpload.objects.get()):
        answer = send_part(api, "patch", place, CONTENT)
    assert_declined(answer, 423, code="being_written")
    assert send_part(api, "patch", place, CONTENT).status_code == 204


@pytest.mark.parametrize("is_checked", [False, True])
def test_a_disk_that_fills_keeps_what_has_arrived(is_checked, api, uploads, monkeypatch):
    place = create(api, uploads)
    monkeypatch.setattr(services, "CHUNK", 20)
    note = services._Hashes.take

    def fills(hashes, upload):
        mark = note(hashes, upload)

        def update(chunk, written=mark.update):
            if upload.offset >= 60:
                raise OSError(errno.ENOSPC, "No space left on device")
            written(chunk)

        return SimpleNamespace(update=update, hexdigest=mark.hexdigest)

    monkeypatch.setattr(services._Hashes, "take", fills)
    checksum = {"Upload_Checksum": sha256(CONTENT)} if is_checked else {}
    answer = send_part(api, "patch", place, CONTENT, **checksum)
    assert_declined(answer, 507, code="disk_full")
    offset = int(send_part(api, "head", place)["Upload-Offset"])
    assert offset == (0 if is_checked else 60)
    monkeypatch.undo()
    assert send_part(api, "patch", place, CONTENT[offset:], Upload_Offset=str(offset)).status_code == 204
    read_uploads()
    assert Image.objects.filter(name="a.png").exists()


def test_a_disk_without_room_takes_nothing_up(api, uploads, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=services.KEPT_FREE))
    answer = send_part(api, "post", uploads)
    assert_declined(answer, 507, code="disk_full")


def test_a_request_that_is_cut_off_counts_as_far_as_it_came():
    """The server's side of a cut: what has arrived is handed on, of a part and of nothing else."""
    seen: list[bytes] = []

    def handler(environ, start):
        seen.append(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        raise SystemExit

    messages = [{"type": "http.request", "body": b"12345", "more_body": True}, {"type": "http.disconnect"}]

    async def send(message):
        raise AssertionError("nobody listens")

    def cut(method: str, kind: str) -> None:
        left = list(messages)

        async def receive():
            return left.pop(0)

        scope = {
            "type": "http", "method": method, "path": "/", "query_string": b"", "http_version": "1.1",
            "headers": [(b"content-type", kind.encode())],
        }  # fmt: skip
        asyncio.run(InThreads(handler)(scope, receive, send))

    cut("POST", "application/json")
    assert seen == []
    with pytest.raises(SystemExit):
        cut("PATCH", PART)
    assert seen == [b"12345"]


# -- limits


def test_what_is_still_arriving_counts_for_the_quota(api, uploads, study):
    study.project.quota_bytes = sum(image_bytes(study.project).values()) + 1000
    study.project.save()
    assert send_part(api, "post", uploads, Upload_Length="1000").status_code == 201
    assert image_bytes(study.project)["uploads"] == 1000
    answer = send_part(api, "post", uploads, Upload_Length="1")
    assert_declined(answer, 409, code="over_quota")


def test_a_person_has_a_bounded_number_of_unfinished_uploads(api, uploads, monkeypatch):
    monkeypatch.setattr(services, "MOST_OPEN", 2)
    assert [send_part(api, "post", uploads).status_code for _ in range(3)] == [201, 201, 409]


def test_one_s_unfinished_uploads_are_found_again(api, uploads, study):
    create(api, uploads, modified="1700000000000")
    begun_upload(study.project, study.people["owner"])
    (shown,) = api.get(uploads, {"filename": "a.png"}).json()["items"]
    assert (shown["name"], shown["size"], shown["modified"]) == ("a.png", len(CONTENT), "1700000000000")
    assert [one["name"] for one in api.get(uploads).json()["items"]] == ["a.png"]


def test_somebody_who_has_left_cannot_go_on(api, uploads, study):
    place = create(api, uploads)
    study.project.memberships.filter(user=study.people["manager"]).delete()
    assert send_part(api, "patch", place, CONTENT).status_code == 404
    MembershipFactory(project=study.project, user=study.people["manager"], role="viewer")
    assert send_part(api, "patch", place, CONTENT).status_code == 403


# -- clean-up


def test_upkeep_removes_what_nobody_goes_on_with(api, uploads, study):
    create(api, uploads)
    now = timezone.now()
    assert services.recover(now) == []
    sentences = services.recover(now + KEPT_FOR + timedelta(minutes=1))
    assert len(sentences) == 1 and "a.png" not in sentences[0]
    assert not ResumableUpload.objects.exists() and files_in("resumable") == []


def test_upkeep_keeps_the_file_that_a_job_has(api, uploads):
    send_part(api, "patch", create(api, uploads), CONTENT)
    services.recover(timezone.now() + KEPT_FOR + timedelta(minutes=1))
    assert not ResumableUpload.objects.exists()
    read_uploads()
    assert Image.objects.filter(name="a.png").exists()


def test_upkeep_removes_files_that_no_upload_names(api, uploads, monkeypatch):
    create(api, uploads)
    ResumableUpload.objects.all()._raw_delete("default")  # as with its project
    now = timezone.now()
    monkeypatch.setattr(services._stray_files, "next_listing", now)
    assert services.recover(now + timedelta(minutes=1)) == []
    assert len(services.recover(now + timedelta(hours=2))) == 1
    assert files_in("resumable") == []
