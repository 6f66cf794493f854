"""Object storage that is slow, and one that does not answer: saves go on. docs/reliability.md says what is promised."""

import json
import statistics
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.test_disasters import PROJECT, call
from tests.e2e.test_faults import multipart, sent
from tests.factories import png
from tests.labeling.operations import cell, effect, operation
from tests.object_storage import SECRETS, ObjectStorage, object_storage
from tests.running import Running, own_boxwise, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SLOW = 3.0  # seconds of each answer
FORM = "multipart/form-data; boundary=b"


@dataclass
class Stored:
    """A Boxwise that keeps its files in an object storage."""

    storage: ObjectStorage
    house: Running
    given: dict[str, Any]

    def names(self) -> list[str]:
        listed = call(self.house, self.given, f"projects/{self.given['project']}/images/?ordering=-id")
        return [row["name"] for row in listed["items"]]

    def upload(self, seed: int) -> int:
        """Send full.png. -> the status of the answer"""
        address = f"/api/v1/projects/{self.given['project']}/images/"
        content = multipart(png(300 + seed, 300, seed=seed))
        status, _headers = sent(self.house, self.given, "POST", address, content, Content_Type=FORM)
        return int(status)

    def draw(self, count: int) -> list[float]:
        """Seconds until each of so many new cells was acknowledged."""
        times = []
        for number in range(count):
            act = operation(effect(uuid.uuid4(), cell((number, 1, number + 20, 30))))
            began = time.perf_counter()
            answer = call(self.house, self.given, f"layers/{self.given['layer']}/operations/", {"operations": [act]})
            times.append(time.perf_counter() - began)
            assert answer["results"][0]["verdict"] == "accepted"
        return times


@pytest.fixture(scope="module")
def stored() -> Iterator[Stored]:
    with (
        object_storage() as storage,
        own_boxwise("slow", env={"STORAGE_URL": storage.url("boxwise"), **SECRETS}) as house,
    ):
        given = json.loads(house.manage(PROJECT).splitlines()[-1])
        assert any(name.startswith("boxwise/") for name in storage.objects), "files are kept there"
        yield Stored(storage, house, given)


def test_slow_object_storage_delays_uploads_and_no_save(stored: Stored):
    stored.storage.delay = SLOW
    try:
        assert stored.upload(seed=1) < 300
        times = stored.draw(20)
        assert statistics.median(times) < SLOW, "a save does not wait for the storage"
        wait_for(lambda: "full.png" in stored.names(), 300, "the upload is read")
    finally:
        stored.storage.delay = 0.0


def test_object_storage_that_does_not_answer_stops_no_save_and_uploads_go_on_afterwards(stored: Stored):
    before = len(stored.names())
    stored.storage.answers.clear()
    try:
        assert len(stored.draw(20)) == 20
        began = time.monotonic()
        status = upload_status(stored)
        assert status >= 500, "an upload that cannot be stored is declined"
        assert time.monotonic() - began < 120, "and not only after minutes"
        assert len(stored.names()) == before, "nothing is half there"
    finally:
        stored.storage.answers.set()
    assert stored.upload(seed=3) < 300
    wait_for(lambda: len(stored.names()) == before + 1, 300, "the next upload is read")


def upload_status(stored: Stored) -> int:
    """Of an upload that may take longer than the usual time of a request."""
    address = f"http://127.0.0.1:{stored.house.port}/api/v1/projects/{stored.given['project']}/images/"
    headers = {"Authorization": f"Token {stored.given['token']}", "Content-Type": FORM}
    request = urllib.request.Request(address, multipart(png(302, 300, seed=2)), headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
