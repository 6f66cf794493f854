"""Requests over connections that break, to servers that are busy, old, or none of ours."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boxwise
import pytest
from boxwise.errors import TooMany, UnexpectedAnswer
from boxwise.transport import TRIES, Transport

PROBLEM = "application/problem+json"


class Script:
    """A server that answers one request after the other as its script says, and remembers what came.

    An answer is (status, content type, body, headers); None: the connection breaks after the request was read.
    """

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                chunks = b""
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while size := int(self.rfile.readline(), 16):
                        chunks += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                body = chunks or self.rfile.read(length)
                script.requests.append((self.command, self.path, dict(self.headers), body))
                answer = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
                if answer is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                status, kind, content, *more = answer
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content) if "short" not in more else len(content) + 10))
                for name, value in (more[0] if more and isinstance(more[0], dict) else {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
                if "short" in more:
                    self.close_connection = True

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

            def log_message(self, *_given):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def good(found: object) -> tuple[int, str, bytes]:
    return (200, "application/json", json.dumps(found).encode())


def problem(status: int, code: str, **more: object) -> tuple[int, str, bytes]:
    body = {"type": "about:blank", "title": "", "status": status, "code": code, "detail": "in words", **more}
    return (status, PROBLEM, json.dumps(body).encode())


@pytest.fixture
def scripted() -> Iterator[object]:
    made = []

    def make(*answers):
        script = Script(*answers)
        made.append(script)
        waits: list[float] = []
        return script, Transport(script.address, "bxw_x", timeout=5, sleep=waits.append), waits

    yield make
    for script in made:
        script.server.shutdown()
        script.server.server_close()


def test_the_token_goes_along_and_what_is_none_is_left_out(scripted):
    script, transport, _waits = scripted(good({"ok": True}))
    assert transport.json("GET", "projects/", query={"limit": 5, "cursor": None, "images": True}) == {"ok": True}
    method, path, headers, _body = script.requests[0]
    assert (method, path) == ("GET", "/api/v1/projects/?limit=5&images=true")
    assert headers["Authorization"] == "Token bxw_x"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (problem(401, "token_expired"), boxwise.NotSignedIn),
        (problem(401, "token_revoked"), boxwise.NotSignedIn),
        (problem(403, "scope_too_narrow"), boxwise.NotAllowed),
        (problem(404, "not_found"), boxwise.NotFound),
        (problem(404, "no_such_address"), boxwise.ServerTooOld),
        (problem(409, "wrong_state"), boxwise.Conflict),
        (problem(412, "changed"), boxwise.Conflict),
        (problem(422, "invalid", field="classes.0"), boxwise.Invalid),
        (problem(413, "too_large"), boxwise.Invalid),
        (problem(500, "bug"), boxwise.Declined),
        ((500, "text/html", b"<h1>"), UnexpectedAnswer),
        ((404, "text/html", b"<h1>no Boxwise"), UnexpectedAnswer),
        ((200, "text/html", b"<h1>no Boxwise"), UnexpectedAnswer),
        ((302, "text/html", b"", {"Location": "https://elsewhere.example/"}), UnexpectedAnswer),
    ],
)
def test_an_answer_that_says_no_is_an_exception(answer, error, scripted):
    script, transport, _waits = scripted(answer)
    with pytest.raises(error) as raised:
        transport.json("POST", "projects/", body={})
    assert type(raised.value) is error and len(script.requests) == 1
    if error is boxwise.Invalid and answer[0] == 422:
        assert raised.value.field == "classes.0" and str(raised.value) == "classes.0: in words"
    if error is boxwise.ServerTooOld:
        assert "older than this client" in str(raised.value)


def test_a_get_is_asked_again_when_the_connection_breaks(scripted):
    script, transport, waits = scripted(None, None, good([1]))
    assert transport.json("GET", "projects/") == [1]
    assert len(script.requests) == 3 and waits[0] < waits[1]


def test_a_post_with_a_key_is_sent_again_with_the_same_key_and_body(scripted, tmp_path):
    script, transport, _waits = scripted(None, good({"id": 1}))
    with (tmp_path / "ünïcode.png").open("wb+") as file:
        file.write(b"pixels" * 1000)
        file.seek(0)
        sent = [("image", ("ünïcode.png", file))]
        found = transport.json(
            "POST", "projects/1/images/", form={"split": "val"}, files=sent, headers={"Idempotency-Key": "k"}
        )
    assert found == {"id": 1}
    assert [headers["Idempotency-Key"] for _m, _p, headers, _b in script.requests] == ["k", "k"]
    assert all(body.count(b"pixels") == 1000 for *_rest, body in script.requests)


def test_the_generated_core_makes_a_key_for_what_creates(scripted):
    from boxwise.generated import Operations

    script, transport, _waits = scripted(None, good({"id": 1}))
    Operations(transport).project_list_post(body={"name": "a"})
    first, second = (headers["Idempotency-Key"] for _m, _p, headers, _b in script.requests)
    assert first == second and len(first) == 32


def test_a_post_without_a_key_is_not_sent_twice(scripted):
    script, transport, _waits = scripted(None)
    with pytest.raises(boxwise.NotReachable):
        transport.json("POST", "rounds/1/cancel/", body={})
    assert len(script.requests) == 1


def test_an_upload_whose_connection_breaks_says_what_to_do(scripted, tmp_path):
    (tmp_path / "a.png").write_bytes(b"x")
    script, transport, _waits = scripted(None)
    with (
        (tmp_path / "a.png").open("rb") as file,
        pytest.raises(boxwise.NotReachable, match="send the same files again"),
    ):
        transport.json("POST", "x/", files=[("image", ("a.png", file))], headers={"Idempotency-Key": "k"})
    assert len(script.requests) == TRIES


def test_a_busy_server_is_waited_for_as_long_as_it_says(scripted):
    _script, transport, waits = scripted((429, PROBLEM, b"{}", {"Retry-After": "7"}), (503, "text/html", b""), good(1))
    assert transport.json("POST", "projects/", body={}) == 1
    assert 7 <= waits[0] <= 8 and waits[1] < 3


def test_it_does_not_wait_for_ever(scripted):
    script, transport, _waits = scripted(problem(429, "throttled"))
    with pytest.raises(TooMany):
        transport.json("GET", "projects/")
    assert len(script.requests) == TRIES


def test_a_download_is_there_whole_or_not_at_all(scripted, tmp_path):
    target = tmp_path / "out.json"
    _script, transport, _waits = scripted((200, "application/json", b"half", "short"))
    with pytest.raises(boxwise.NotReachable):
        transport.download("jobs/1/result/", target)
    assert list(tmp_path.iterdir()) == []
    _script, transport, _waits = scripted((200, "application/json", b"whole"))
    heard: list[tuple[int, int]] = []
    transport.download("jobs/1/result/", target, lambda done, total: heard.append((done, total)))
    assert target.read_bytes() == b"whole" and heard == [(5, 5)]


def test_nobody_there():
    with pytest.raises(boxwise.NotReachable, match="does not answer"):
        Transport("http://127.0.0.1:9", "bxw_x", sleep=lambda _s: None).json("GET", "me/")
