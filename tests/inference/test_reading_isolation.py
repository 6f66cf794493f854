"""The process that reads one file: its limits, its end, and what it leaves in the process that asked."""

import io
import os
import signal
import threading
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from inference.reading import Unreadable, isolation
from tests.inference.picture_files import picture, saved


@pytest.fixture
def bomb(tmp_path) -> Path:
    """Small as a file, 36 megapixels of colours with 16 bits when decoded."""
    path = tmp_path / "bomb.png"
    file = io.BytesIO()
    PIL.Image.new("RGB", (6_000, 6_000), (200, 10, 90)).save(file, "PNG")
    path.write_bytes(file.getvalue())
    return path


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"megabytes": 400}, "needs more than 400 MB of memory"),
        ({"wall_seconds": 1}, "takes longer than 1 s"),
        ({"cpu_seconds": 1}, "takes longer than 1 s"),
    ],
)
def test_a_file_that_takes_too_much_is_declined_with_the_limit(bomb, tmp_path, limits, words):
    with pytest.raises(Unreadable, match=words):
        isolation.read_file(bomb, tmp_path, **limits)


def test_the_process_that_asks_decodes_nothing(tmp_path, monkeypatch):
    def never(*args, **kwargs):
        pytest.fail("decoded here")

    path = tmp_path / "a.png"
    path.write_bytes(saved(picture(), "PNG"))
    monkeypatch.setattr("inference.reading.picture.open_reader", never)
    monkeypatch.setattr(PIL.Image, "open", never)
    answer = isolation.read_file(path, tmp_path)
    monkeypatch.undo()
    assert (answer.width, answer.height) == (64, 64)
    assert np.array_equal(np.asarray(PIL.Image.open(tmp_path / "pixels.png")), picture())


def test_a_helper_that_was_killed_is_started_again(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(saved(picture(), "PNG"))
    isolation.read_file(path, tmp_path)
    helper = isolation._helper
    assert helper is not None
    os.kill(helper.process.pid, signal.SIGKILL)
    helper.process.wait(timeout=10)
    assert isolation.read_file(path, tmp_path).width == 64
    assert isolation._helper is not helper


def test_a_fault_is_declined_logged_and_nothing_else(tmp_path, caplog):
    path = tmp_path / "a.png"
    path.write_bytes(saved(picture(), "PNG"))
    with pytest.raises(Unreadable, match="decoder broke off"):
        isolation.read_file(path, tmp_path / "nowhere")  # a fault of ours is logged
    assert "FileNotFoundError" in caplog.text
    assert isolation.read_file(path, tmp_path).width == 64


def test_no_secret_reaches_the_helper(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "very secret")
    isolation.stop()
    helper = isolation._start()
    try:
        environment = Path(f"/proc/{helper.process.pid}/environ").read_bytes()
        assert b"very secret" not in environment and b"DATABASE_URL" not in environment
    finally:
        helper.requests.close()
        helper.process.wait(timeout=10)


def test_many_threads_may_ask_at_once(tmp_path):
    shown = {}

    def read(number: int) -> None:
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "a.png").write_bytes(saved(np.roll(picture(), number, axis=0), "PNG"))
        isolation.read_file(folder / "a.png", folder)
        shown[number] = np.asarray(PIL.Image.open(folder / "pixels.png"))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(np.array_equal(shown[n], np.roll(picture(), n, axis=0)) for n in range(12))


NOT_INTERRUPTED = """
import signal, threading, time
from inference.reading import helper
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # the other thread gets it
helper.main()
"""


def test_the_end_of_a_child_is_heard_though_it_interrupts_no_wait(tmp_path, monkeypatch):
    """As when it comes just before the helper begins to wait: once it was then heard only with the next request."""
    path = tmp_path / "a.js"
    path.write_bytes(b"<html><script>")
    popen = isolation.subprocess.Popen
    isolation.stop()
    monkeypatch.setattr(
        isolation.subprocess,
        "Popen",
        lambda command, **options: popen([command[0], "-c", NOT_INTERRUPTED, command[-1]], **options),
    )
    declined = threading.Thread(target=_decline, args=(path, tmp_path), daemon=True)
    declined.start()
    declined.join(60)
    is_heard = not declined.is_alive()
    isolation.stop()
    assert is_heard


def _decline(path: Path, folder: Path) -> None:
    with pytest.raises(Unreadable):
        isolation.read_file(path, folder)
