"""The supervisor with real processes: kill -9 of each child and of itself, Ctrl-C, a second start."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    assert {path.name for path in secrets} == {"secret_key", "database_password"}
    assert all(path.stat().st_mode & 0o077 == 0 and len(path.read_text()) >= 32 for path in secrets)
    assert boxwise.password not in "".join(log.read_text(errors="replace") for log in (folder / "logs").iterdir())


@pytest.mark.parametrize("name", ["web", "worker", "interactive", "sweeper", "valkey", "postgres"])
def test_a_killed_child_comes_back_and_committed_rows_are_there(boxwise: Running, name: str) -> None:
    boxwise.manage(ADD.format(name=f"row-{name}"))
    rows = boxwise.manage(COUNT)
    before, said = boxwise.children(), len(boxwise.text)
    boxwise.kill(name)
    boxwise.wait_for_line(rf"{name} was ended by SIGKILL; it is started again in", after=said)
    boxwise.wait_for_line(rf"{name} was started again", seconds=60, after=said)
    boxwise.wait_until_healthy()
    after = boxwise.children()
    assert {other: pid for other, pid in after.items() if other != name} == {
        other: pid for other, pid in before.items() if other != name
    }, "only the killed child is started again"
    assert after[name] != before[name]
    assert boxwise.manage(COUNT) == rows


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
            before, said = instance.children(), len(instance.text)
            mark.write_text('"""Written and removed by a test."""\n')
            instance.wait_for_line("Python files changed: worker is started again", after=said)
            instance.wait_until_healthy()
            after = instance.children()
            assert (after["web"] != before["web"]) is restarted
            assert after["postgres"] == before["postgres"]
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)
        instance.stop()
