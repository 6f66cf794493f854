"""The supervisor with real processes: kill -9 of each child and of itself, Ctrl-C, a second start."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.labeling.operations import cell, effect, operation
from tests.running import ROOT, Running, alive, wait_for

pytestmark = pytest.mark.timeout(400)

ADD = "from labeling.accounts.models import User; print(User.objects.create_user({name!r}).pk)"
COUNT = "from labeling.accounts.models import User; print(User.objects.count())"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A data directory that the database's account can reach, also as root."""
    parent = Path(tempfile.mkdtemp(prefix="boxwise-kill-"))
    parent.chmod(0o711)
    yield parent / "data"
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture(scope="module")
def boxwise(folder: Path) -> Iterator[Running]:
    instance = Running(folder)
    try:
        yield instance.wait_until_up()
    finally:
        instance.stop()


def test_the_first_start_shows_a_password_that_signs_in(boxwise: Running) -> None:
    check = "from django.contrib.auth import authenticate as a; print(a(username={!r}, password={!r}).is_superuser)"
    assert boxwise.username and len(boxwise.password) >= 20
    assert boxwise.manage(check.format(boxwise.username, boxwise.password)) == "True"


def test_everything_is_healthy_and_says_so(boxwise: Running) -> None:
    up = {"healthy": True, "database": "up", "broker": "up", "storage": "up", "workers": "up"}
    assert boxwise.healthz() == (200, up)


def test_secrets_are_readable_by_their_owner_alone(boxwise: Running, folder: Path) -> None:
    secrets = list((folder / "secrets").iterdir())
    assert {path.name for path in secrets} == {"secret_key", "database_password", "health_token"}
    assert all(path.stat().st_mode & 0o077 == 0 and len(path.read_text()) >= 32 for path in secrets)
    assert boxwise.password not in "".join(log.read_text(errors="replace") for log in (folder / "logs").iterdir())


@pytest.mark.parametrize("name", ["web", "worker", "interactive", "files", "recovery", "valkey", "postgres"])
def test_a_killed_child_comes_back_and_committed_rows_are_there(boxwise: Running, name: str) -> None:
    boxwise.manage(ADD.format(name=f"row-{name}"))
    rows = boxwise.manage(COUNT)
    before, printed = boxwise.children(), len(boxwise.text)
    boxwise.kill(name)
    boxwise.wait_for_line(rf"{name} was ended by SIGKILL; it is started again in", after=printed)
    boxwise.wait_for_line(rf"{name} was started again", seconds=60, after=printed)
    boxwise.wait_until_healthy()
    after = boxwise.children()
    assert {other: pid for other, pid in after.items() if other != name} == {
        other: pid for other, pid in before.items() if other != name
    }, "only the killed child is started again"
    assert after[name] != before[name]
    assert boxwise.manage(COUNT) == rows


SAVING = """
from labeling.annotations.services import working_layer
from labeling.accounts.models import User
from tests.tokens import token_of
from tests.factories import ImageFactory, MembershipFactory
admin = User.objects.get(is_superuser=True)
image = ImageFactory(project=MembershipFactory(user=admin, role="owner").project)
print(working_layer(image=image, user=admin).pk, token_of(admin))
"""
SAVED = """
from labeling.annotations.models import Layer
layer = Layer.objects.get(pk={layer!r})
print(*[f"{{one.seq}}:{{one.op_id}}" for one in layer.operations.order_by("seq")])
"""


@pytest.mark.parametrize("name", ["web", "postgres"])
def test_a_kill_in_mid_save_loses_and_doubles_nothing(boxwise: Running, name: str) -> None:
    """A browser's queue in short: send, and send the same again until it is acknowledged, while the server dies."""
    layer, token = boxwise.manage(SAVING).split()
    url = f"http://127.0.0.1:{boxwise.port}/api/v1/layers/{layer}/operations/"
    acknowledged: list[str] = []
    failed_sends, longest = 0, 0.0
    stop = threading.Event()

    def save_until_stopped() -> None:
        nonlocal failed_sends, longest
        while not stop.is_set():
            drawn = operation(effect(uuid.uuid4(), cell()))
            body = json.dumps({"operations": [drawn]}).encode()
            headers = {"Content-Type": "application/json", "Authorization": f"Token {token}"}
            while True:
                begin = time.monotonic()
                try:
                    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=15) as answer:
                        assert answer.status == 200
                    acknowledged.append(drawn["op_id"])
                    longest = max(longest, time.monotonic() - begin)
                    break
                except (OSError, http.client.HTTPException):  # refused, cut off, or answered 500 without a database
                    failed_sends += 1
                    time.sleep(0.02)

    saver = threading.Thread(target=save_until_stopped)
    saver.start()
    try:
        for _ in range(2):
            enough = len(acknowledged) + 20
            wait_for(lambda: len(acknowledged) >= enough, 60, "saving")  # noqa: B023 (called at once)
            printed = len(boxwise.text)
            boxwise.kill(name)
            boxwise.wait_for_line(f"{name} was started again", after=printed)
            boxwise.wait_until_healthy()
        enough = len(acknowledged) + 5
        wait_for(lambda: len(acknowledged) >= enough, 60, "saving after the last kill")
    finally:
        stop.set()
        saver.join(60)
    stored = [entry.split(":") for entry in boxwise.manage(SAVED.format(layer=layer)).split()]
    # A save that begins while PostgreSQL is away waits for it; one that it dies under fails.
    assert failed_sends > 0 or (name == "postgres" and longest > 0.3), "the kills were noticed"
    assert [op_id for _, op_id in stored] == acknowledged, "each once, none missing, in the order they were made"
    assert [int(seq) for seq, _ in stored] == list(range(1, len(acknowledged) + 1)), "without a gap"


def test_a_second_instance_in_the_same_directory_is_refused(boxwise: Running, folder: Path) -> None:
    second = Running(folder)
    assert second.process.wait(30) == 1
    second.reader.join(5)
    assert f"in use by a running Boxwise (process {boxwise.process.pid}, {boxwise.address})" in second.text
    assert len(second.text.strip().splitlines()) == 1
    assert boxwise.healthz()[0] == 200


def test_a_new_password_replaces_the_old_one(boxwise: Running) -> None:
    done = subprocess.run(boxwise.command_line("password"), env=boxwise.env, capture_output=True, text=True, check=True)
    new = done.stdout.split("password ")[1].split()[0]
    check = (
        "from django.contrib.auth import authenticate as a\n"
        f"print([a(username='admin', password=word) is not None for word in ({boxwise.password!r}, {new!r})])"
    )
    assert boxwise.manage(check) == "[False, True]"


def test_ctrl_c_ends_everything_within_5_seconds_and_the_next_start_is_quick(boxwise: Running, folder: Path) -> None:
    pids = boxwise.children().values()
    begin = time.monotonic()
    assert boxwise.stop(signal.SIGINT) == 0
    assert time.monotonic() - begin < 5
    assert not [pid for pid in pids if alive(pid)]

    again = Running(folder).wait_until_up()
    try:
        assert not again.password, "the administrator is made once"
        assert int(again.manage(COUNT)) > 0
        pids = again.children().values()
        done = subprocess.run(again.command_line("stop"), env=again.env, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and again.address in done.stdout
        assert again.process.wait(5) == 0
        assert not [pid for pid in pids if alive(pid)]
    finally:
        again.stop()


def test_nothing_outlives_a_killed_supervisor(folder: Path) -> None:
    instance = Running(folder)
    try:
        instance.wait_until_up()
        pids = instance.children()
        os.kill(instance.process.pid, signal.SIGKILL)
        wait_for(lambda: not [name for name, pid in pids.items() if alive(pid)], 5, "the end of the orphans")
    finally:
        instance.stop()
    recovered = Running(folder)
    try:
        recovered.wait_until_up()
        assert int(recovered.manage(COUNT)) > 0
    finally:
        assert recovered.stop(signal.SIGTERM) == 0


def test_dev_restarts_what_a_changed_file_belongs_to(folder: Path) -> None:
    """A new Python file in labeling/ concerns the web server, one in inference/ the workers only."""
    instance = Running(folder, "dev")
    marks = [ROOT / "labeling" / "server" / "dev_test_mark.py", ROOT / "inference" / "dev_test_mark.py"]
    try:
        instance.wait_until_up()
        for mark, restarted in zip(marks, (True, False), strict=True):
            before, printed = instance.children(), len(instance.text)
            mark.write_text('"""Written and removed by a test."""\n')
            instance.wait_for_line("Python files changed: worker is started again", after=printed)
            instance.wait_until_healthy()
            after = instance.children()
            assert (after["web"] != before["web"]) is restarted
            assert after["postgres"] == before["postgres"]
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)
        instance.stop()
