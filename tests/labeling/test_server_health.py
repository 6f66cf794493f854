"""GET /healthz says what is down and with which code, and security headers go out with every page."""

import pytest
from django.core.files.storage import FileSystemStorage
from django.test import Client
from django.urls import reverse

from labeling.server import health
from tests.factories import UserFactory
from tests.labeling.pages import page_text, signed_in


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> dict:
    """Every part is up; a test breaks the one it is about."""
    found = {name: (lambda: "up") for name in health.PARTS}
    monkeypatch.setattr(health, "PARTS", found)
    return found


@pytest.fixture
def monitor(settings) -> Client:
    """Somebody who knows the token of this server."""
    settings.HEALTH_TOKEN = "told to the monitoring"
    return Client(headers={"X-Health-Token": "told to the monitoring"})


def test_everybody_hears_only_whether_it_is_up(parts: dict, client: Client, settings) -> None:
    for token in ("", "told to the monitoring"):
        settings.HEALTH_TOKEN = token
        for headers in ({}, {"X-Health-Token": ""}, {"X-Health-Token": "guessed"}, {"X-Health-Token": "ü"}):
            answer = client.get("/healthz", headers=headers)
            assert (answer.status_code, answer.json()) == (200, {"healthy": True})
    parts["broker"] = lambda: "down: gone"
    down = client.get("/healthz")
    assert (down.status_code, down.json()) == (503, {"healthy": False})


def test_looking_writes_nothing(settings, tmp_path, monkeypatch) -> None:
    (tmp_path / "files").mkdir()
    storage = FileSystemStorage(location=tmp_path / "files")
    monkeypatch.setattr(health, "default_storage", storage)
    before = (tmp_path / "files").stat().st_mtime_ns
    assert health.storage() == "up"
    assert (tmp_path / "files").stat().st_mtime_ns == before and not list((tmp_path / "files").iterdir())
    monkeypatch.setattr(health, "LEAST_FREE", 2**60)
    assert health.storage() == "down: the disk is full"
    monkeypatch.setattr(health, "default_storage", FileSystemStorage(location=tmp_path / "gone"))
    assert health.storage() == "down: cannot be written"


def test_all_up_is_200(parts: dict, monitor: Client) -> None:
    answer = monitor.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"healthy": True, **dict.fromkeys(parts, "up")}
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("name", ["database", "broker", "storage", "workers"])
def test_one_part_down_is_503_and_named_without_its_secrets(name: str, parts: dict, monitor: Client) -> None:
    def broken() -> str:
        raise ConnectionError("postgresql://user:secret@host refused")

    parts[name] = broken
    answer = monitor.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()[name] == "down: ConnectionError"
    assert "secret" not in answer.content.decode()


def test_real_parts_without_workers(db, monitor: Client) -> None:
    answer = monitor.get("/healthz")
    assert answer.json() == {
        "healthy": False,
        "database": "up",
        "broker": "up",
        "storage": "up",
        "workers": "down: no worker for cpu and files and interactive",
    }


def test_workers_are_up_when_every_queue_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [{"one@host": [{"name": "cpu"}, {"name": "gpu"}]}]
    asked = []

    def broadcast(command: str, **options: object) -> list[dict]:
        asked.append(command)
        return answers

    monkeypatch.setattr(health.app.control, "broadcast", broadcast)
    workers = health.Workers()
    assert workers() == "down: no worker for files and interactive"
    answers += [{"two@host": [{"name": "interactive"}]}, {"three@host": [{"name": "files"}]}]
    assert workers() == "up" and workers() == "up"
    assert len(asked) == 2, "a good answer is remembered for a few seconds"


def test_security_headers(parts: dict, client: Client) -> None:
    headers = client.get("/healthz").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "script-src 'self' 'wasm-unsafe-eval'" in policy
    assert "script-src 'self' 'unsafe-inline'" not in policy and "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"


def test_queues_name_their_workers_and_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [{"cpu@a": [{"name": "cpu"}]}, {"cpu@b": [{"name": "cpu"}, {"name": "gpu"}]}]
    monkeypatch.setattr(health.app.control, "broadcast", lambda *_args, **_options: answers)
    found = {queue.name: queue for queue in health.queues()}
    assert found.keys() == {"cpu", "gpu", "files", "interactive"}
    assert found["cpu"].workers == ("cpu@a", "cpu@b") and found["files"].workers == ()
    before = found["files"].waiting
    assert before is not None  # of the real broker of the tests
    health.app.send_task("nobody.takes.this", queue="files")
    with health.app.connection_for_write() as link:
        assert {queue.name: queue for queue in health.queues()}["files"].waiting == before + 1
        link.default_channel.queue_purge("files")


def test_queues_of_a_broker_that_is_away_are_served_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: object, **_options: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(health.app.control, "broadcast", away)
    assert {(queue.workers, queue.waiting) for queue in health.queues()} == {((), None)}


def test_the_page_of_administrators_shows_workers_and_queues(db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(health.PARTS, "workers", lambda: "up")
    page = page_text(signed_in(UserFactory(is_staff=True)).get(reverse("administration")))
    assert "Workers and queues" in page and page.count("nobody answers") == len(health.QUEUES)
