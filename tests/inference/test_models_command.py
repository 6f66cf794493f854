"""boxwise models: pulling from a server of this test, resuming, refusing, adding by hand."""

import hashlib
import http.server
import threading
from dataclasses import replace

import pytest

from inference.commands import models
from inference.types import InferenceError
from inference.weights import catalogue

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def server():
    """Sends CONTENT, honours Range, and can be told to break off."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        cut: int | None = None

        def do_GET(self):
            wanted = self.headers.get("Range", "")
            asked.append(wanted)
            first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            body = CONTENT[first:]
            self.send_response(206 if wanted else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: Handler.cut] if Handler.cut else body)

        def log_message(self, *_):
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}/w.pth", asked, Handler
    listening.shutdown()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("BOXWISE_MODELS", str(tmp_path / "models"))
    return tmp_path


def offer(monkeypatch, address, content=CONTENT):
    entry = replace(
        catalogue.ENTRIES["sam-vit-b"], address=address, size=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    monkeypatch.setitem(catalogue.ENTRIES, "sam-vit-b", entry)


def test_pull_shows_the_licence_fetches_and_verifies(server, monkeypatch, capsys):
    offer(monkeypatch, server[0])
    assert models.main(["pull", "sam-vit-b", "--accept-licence"]) == 0
    assert "licence: Apache-2.0" in capsys.readouterr().out
    assert catalogue.found("sam-vit-b").read_bytes() == CONTENT
    assert models.main(["verify", "sam-vit-b"]) == 0


def test_nobody_to_ask_means_nothing_is_fetched(server, monkeypatch, capsys):
    offer(monkeypatch, server[0])
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert models.main(["pull", "sam-vit-b"]) == 1
    assert "--accept-licence" in capsys.readouterr().err and not server[1]


def test_an_interrupted_pull_goes_on(server, monkeypatch):
    offer(monkeypatch, server[0])
    server[2].cut = 300_000
    with pytest.raises(InferenceError):
        catalogue.pull("sam-vit-b", lambda *_: None)
    server[2].cut = None
    catalogue.pull("sam-vit-b", lambda *_: None)
    assert server[1][0] == "" and server[1][1].startswith("bytes=")
    assert catalogue.found("sam-vit-b").read_bytes() == CONTENT


def test_other_content_is_refused_and_deleted(server, monkeypatch, place):
    offer(monkeypatch, server[0], CONTENT[:-1] + b"!")
    with pytest.raises(catalogue.WrongFile, match="hash"):
        catalogue.pull("sam-vit-b", lambda *_: None)
    assert not list((place / "models").glob("*.pth")) and not list((place / "models").glob("*.part"))


def test_without_network_the_way_by_hand_is_said(monkeypatch, capsys):
    offer(monkeypatch, "http://127.0.0.1:9/w.pth")
    assert models.main(["pull", "sam-vit-b", "--accept-licence"]) == 1
    assert "boxwise models add sam-vit-b FILE" in capsys.readouterr().err


def test_add_checks_what_it_is_given(monkeypatch, place, capsys):
    offer(monkeypatch, "http://127.0.0.1:9/w.pth")
    (place / "carried.pth").write_bytes(CONTENT[:-1])
    assert models.main(["add", "sam-vit-b", str(place / "carried.pth")]) == 1
    (place / "carried.pth").write_bytes(CONTENT)
    assert models.main(["add", "sam-vit-b", str(place / "carried.pth")]) == 0
    catalogue.place("sam-vit-b").write_bytes(CONTENT[::-1])
    assert models.main(["verify"]) == 1
    assert "hash" in capsys.readouterr().err


def test_the_list_names_licences_and_what_is_here(capsys):
    assert models.main(["list"]) == 0
    out = capsys.readouterr().out
    assert "sam-vit-h" in out and "Apache-2.0" in out and "CC BY 4.0" in out and "boxwise" in out
