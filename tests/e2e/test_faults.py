"""Faults with real processes that test_disasters.py does not have: exports, uploads, an emptied broker, a full disk,
and a thousand readers who come back at once. docs/reliability.md says what is promised in each case."""

import asyncio
import base64
import contextlib
import hashlib
import json
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_disasters import PROJECT, Annotator, call, state_of_log
from tests.factories import png
from tests.followers import follow
from tests.labeling.operations import cell, effect, operation
from tests.running import Running, own_boxwise, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
FOLLOWERS = 1000
MIB = 2**20


@pytest.fixture(scope="module")
def house() -> Iterator[Running]:
    # A thousand followers here have one token, which has a limit of its own.
    with own_boxwise("faults", env={"API_REQUESTS_PER_MINUTE": "1000000"}) as instance:
        yield instance


@pytest.fixture(scope="module")
def given(house: Running) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(house.manage(PROJECT).splitlines()[-1])
    return found


def sent(house: Running, given: dict[str, Any], method: str, path: str, body: bytes = b"", **headers: str) -> Any:
    """-> (status, headers) of any answer."""
    lines = {"Authorization": f"Token {given['token']}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    request = urllib.request.Request(f"http://127.0.0.1:{house.port}{path}", body or None, lines, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


# -- exports and uploads


def test_an_export_whose_worker_is_killed_is_made_again_and_is_whole(house: Running, given: dict[str, Any]):
    exports = f"projects/{given['project']}/exports/"
    printed = len(house.text)
    job = call(house, given, exports, {"layout": "coco"})

    def state() -> str:
        return str(call(house, given, f"jobs/{job['id']}/")["state"])

    wait_for(lambda: state() != "waiting", 60, "a worker takes it")
    house.kill("files")
    house.wait_for_line("files was started again", 120, after=printed)
    wait_for(lambda: state() not in ("waiting", "running"), 300, "the export ends")
    assert state() == "done"
    request = urllib.request.Request(
        f"http://127.0.0.1:{house.port}/api/v1/jobs/{job['id']}/result/",
        headers={"Authorization": f"Token {given['token']}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        document = json.load(answer)
    assert len(document["images"]) == 5 and document["annotations"], "the file is whole"


def test_an_upload_goes_on_where_a_killed_web_process_had_written_it(house: Running, given: dict[str, Any]):
    content = png(900, 700, seed=3)
    half = len(content) // 2
    name = base64.b64encode(b"cut.png").decode()
    tus = {"Tus_Resumable": "1.0.0"}
    begun = {"Upload_Length": str(len(content)), "Upload_Metadata": f"filename {name}"}
    status, headers = sent(house, given, "POST", f"/api/v1/projects/{given['project']}/uploads/", **tus, **begun)
    assert status == 201
    there = headers["Location"]
    there = there[there.index("/api/") :]
    part = {"Content_Type": "application/offset+octet-stream"}
    digest = base64.b64encode(hashlib.sha256(content[:half]).digest()).decode()
    status, _ = sent(
        house,
        given,
        "PATCH",
        there,
        content[:half],
        Upload_Offset="0",
        Upload_Checksum=f"sha256 {digest}",
        **tus,
        **part,
    )
    assert status == 204
    house.kill("web")
    wait_for(lambda: alive_again(house, given), 120, "the site answers")
    status, headers = sent(house, given, "HEAD", there, **tus)
    assert status == 200 and headers["Upload-Offset"] == str(half), "acknowledged bytes are there"
    status, _ = sent(house, given, "PATCH", there, content[half:], Upload_Offset=str(half), **tus, **part)
    assert status == 204
    names = f"projects/{given['project']}/images/?ordering=-id"
    wait_for(lambda: "cut.png" in [row["name"] for row in call(house, given, names)["items"]], 180, "it is read")


def alive_again(house: Running, given: dict[str, Any]) -> bool:
    try:
        call(house, given, "me/")
    except (OSError, ValueError):
        return False
    return True


# -- the broker


FLUSH = """
from labeling.celery import app
with app.connection_for_write() as link:
    link.default_channel.client.flushall()
    print(link.default_channel.client.dbsize())
"""


def test_an_emptied_broker_costs_time_and_no_work(house: Running, given: dict[str, Any]):
    """Every message is gone, and with them what the feed and the limits remembered."""
    round_ = call(house, given, f"projects/{given['project']}/rounds/", {"preset": "tiny", "changes": {"seed": 11}})
    assert house.manage(FLUSH).splitlines()[-1].isdigit()
    job = call(house, given, f"projects/{given['project']}/exports/", {"layout": "geojson"})
    house.manage(FLUSH)
    wait_for(lambda: call(house, given, f"jobs/{job['id']}/")["state"] == "done", 400, "the export")
    wait_for(lambda: call(house, given, f"rounds/{round_['id']}/")["state"] == "published", 400, "the round")


# -- a thousand readers who come back


async def reconnect(house: Running, given: dict[str, Any]) -> float:
    """-> seconds from the kill until all follow again and have heard of a new operation."""
    first = await follow(house.port, given["token"], given["layer"], FOLLOWERS)
    began = time.monotonic()
    await asyncio.to_thread(house.kill, "web")
    for reader, writer in first:
        await reader.read()  # until the end
        writer.close()
    again = await follow(house.port, given["token"], given["layer"], FOLLOWERS)
    drawn = {"operations": [operation(effect(uuid.uuid4(), cell()))]}
    answer = await asyncio.to_thread(call, house, given, f"layers/{given['layer']}/operations/", drawn)
    wanted = f'"seq": {answer["seq"]}'.replace(" ", "").encode()

    async def hears(reader: Any) -> None:
        while wanted not in (await asyncio.wait_for(reader.readline(), 60)).replace(b" ", b""):
            pass

    await asyncio.gather(*(hears(reader) for reader, _writer in again))
    for _reader, writer in again:
        writer.close()
    return time.monotonic() - began


def test_a_thousand_followers_who_come_back_at_once_all_hear_of_the_next_stroke(house: Running, given: dict[str, Any]):
    seconds = asyncio.run(reconnect(house, given))
    print(f"{FOLLOWERS} followers were back and had heard after {seconds:.1f} s")
    assert seconds < 120
    house.wait_until_healthy(60)


# -- a full disk


@contextmanager
def small_disk(mebibytes: int) -> Iterator[Path]:
    """A file system of its own of this size. Only root may mount one."""
    folder = Path(tempfile.mkdtemp(prefix="boxwise-full-"))
    size = f"size={mebibytes}m,mode=711"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("only root mounts a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Take what is left. -> the file that takes it."""
    name = folder / "filler"
    with name.open("wb", buffering=0) as file:
        for block in (bytes(1 << 20), bytes(4096)):
            with contextlib.suppress(OSError):  # others write meanwhile, so nobody knows how much there is
                while True:
                    file.write(block)
    return name


def test_a_full_disk_of_database_files_and_temp_loses_nothing_and_work_goes_on(tmp_path: Path):
    with small_disk(700) as disk:
        (disk / "temp").mkdir(mode=0o777)
        (disk / "temp").chmod(0o777)
        instance = Running(disk / "data", env={"TMPDIR": str(disk / "temp")})
        try:
            instance.wait_until_up(180)
            given = json.loads(instance.manage(PROJECT).splitlines()[-1])
            over = threading.Event()
            people = [Annotator(instance, given, over) for _ in range(2)]
            for person in people:
                person.start()
            wait_for(lambda: all(len(one.acknowledged) >= 5 for one in people), 60, "everyone draws")
            filler = fill(disk)
            address = f"/api/v1/projects/{given['project']}/images/"
            kind = "multipart/form-data; boundary=b"
            status, _ = sent(instance, given, "POST", address, multipart(png(1500, 1500)), Content_Type=kind)
            assert status >= 500, "an upload that cannot be stored is declined"
            time.sleep(5)
            filler.unlink()
            before = [len(one.acknowledged) for one in people]
            wait_for(
                lambda: all(len(one.acknowledged) >= n + 10 for one, n in zip(people, before, strict=True)),
                180, "everyone draws again",
            )  # fmt: skip
            over.set()
            for person in people:
                person.join(30)
            log = state_of_log(instance, given["layer"])
            acknowledged = [*people[0].acknowledged, *people[1].acknowledged]
            assert set(acknowledged) <= set(log["ops"]) and len(log["ops"]) == len(set(log["ops"]))
            assert log["wrong"] == []
        finally:
            instance.stop(seconds=60)


def multipart(content: bytes) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="image"; filename="full.png"\r\n'
    return head + b"Content-Type: image/png\r\n\r\n" + content + b"\r\n--b--\r\n"
