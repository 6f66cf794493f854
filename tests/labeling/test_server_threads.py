"""Requests that go into a thread: what arrives in Django's WSGI handler, and what goes back."""

import asyncio
import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import h11
import pytest
from django.http import HttpResponse, StreamingHttpResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.accounts.tokens import create_token
from labeling.server.threads import IN_MEMORY, InThreads
from tests.factories import ImageFactory, MembershipFactory
from tests.labeling.test_live_feed import server  # noqa: F401 (a fixture)

SCOPE = {
    "type": "http", "http_version": "1.1", "method": "POST", "scheme": "http", "path": "/a b/\u00e4", "root_path": "",
    "query_string": b"x=%C3%A4&y=1", "client": ("10.0.0.7", 4711), "server": ("127.0.0.1", 8000), "headers": [],
}  # fmt: skip


class Handler:
    """In the place of Django's: keeps the environ and gives a response."""

    def __init__(self, response):
        self.response, self.environ, self.body, self.thread = response, {}, b"", None

    def __call__(self, environ, start_response):
        self.environ, self.thread = environ, threading.current_thread()
        self.body = environ["wsgi.input"].read()
        # As django.core.handlers.wsgi has it, the blank before a cookie included.
        cookies = [("Set-Cookie", cookie.output(header="")) for cookie in self.response.cookies.values()]
        headers = [*self.response.items(), *cookies]
        start_response(f"{self.response.status_code} {self.response.reason_phrase}", headers)
        return self.response


def asked(response, *, parts=(b"",), gone_after=None, **scope):
    """-> the handler and what was sent. gone_after: messages after which the client goes."""
    handler, sent, left = Handler(response), [], list(parts)

    async def run():
        gone = asyncio.Event()

        async def receive():
            if left:
                part = left.pop(0)
                if part is None:
                    return {"type": "http.disconnect"}
                return {"type": "http.request", "body": part, "more_body": bool(left)}
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)
            if gone_after is not None and len(sent) >= gone_after:
                gone.set()
                await asyncio.sleep(0.05)

        await InThreads(handler)(SCOPE | scope, receive, send)

    with ThreadPoolExecutor(1) as pool:  # where a browser test runs before this one, the main thread has a loop
        pool.submit(asyncio.run, run()).result()
    return handler, sent


def test_a_request_arrives_whole_and_its_answer_goes_back_in_one_piece():
    response = HttpResponse(b"done", status=201, headers={"X-A": "b"})
    response.set_cookie("one", "1")
    response.set_cookie("two", "2")
    handler, sent = asked(response, parts=[b"ab", b"", b"cd"], headers=[(b"content-type", b"text/plain")])
    environ = handler.environ
    assert handler.body == b"abcd" and environ["CONTENT_LENGTH"] == "4" and environ["CONTENT_TYPE"] == "text/plain"
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/a b/\u00e4"
    assert (environ["QUERY_STRING"], environ["REMOTE_ADDR"]) == ("x=%C3%A4&y=1", "10.0.0.7")
    head, body = sent
    assert head["status"] == 201 and body == {"type": "http.response.body", "body": b"done"}
    assert (b"x-a", b"b") in head["headers"]
    assert len([name for name, _ in head["headers"] if name == b"set-cookie"]) == 2
    h11.Response(status_code=head["status"], headers=head["headers"])  # the server's own parser takes them
    assert handler.thread is not threading.main_thread() and response.closed


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=8))
@settings(max_examples=30, deadline=None)
def test_any_body_in_any_parts_arrives(parts):
    handler, _sent = asked(HttpResponse(), parts=parts)
    assert handler.body == b"".join(parts) and handler.environ["CONTENT_LENGTH"] == str(len(handler.body))


def test_a_body_that_is_too_large_for_memory_arrives_too():
    parts = [b"x" * (IN_MEMORY // 2)] * 5
    handler, _sent = asked(HttpResponse(), parts=parts)
    assert len(handler.body) == 5 * (IN_MEMORY // 2)


def test_headers_come_as_wsgi_has_them():
    """A header with an underscore could pass for one that a proxy sets."""
    given_headers = [
        (b"x-forwarded-proto", b"https"), (b"x_forwarded_proto", b"forged"), (b"accept", b"a"), (b"accept", b"b"),
        (b"cookie", b"one=1"), (b"cookie", b"two=2"), (b"content-length", b"999"),
    ]  # fmt: skip
    handler, _sent = asked(HttpResponse(), headers=given_headers)
    environ = handler.environ
    assert environ["HTTP_X_FORWARDED_PROTO"] == "https" and environ["HTTP_ACCEPT"] == "a,b"
    assert environ["HTTP_COOKIE"] == "one=1; two=2" and environ["CONTENT_LENGTH"] == "0"


def test_a_client_that_goes_before_its_request_is_whole_asks_nothing():
    handler, sent = asked(HttpResponse(), parts=[b"ab", None])
    assert handler.environ == {} and sent == []


def test_a_stream_is_sent_part_by_part():
    response = StreamingHttpResponse(bytes([number]) * 3 for number in range(3))
    _handler, sent = asked(response)
    assert [one.get("body") for one in sent] == [None, b"\0\0\0", b"\1\1\1", b"\2\2\2", b""]
    assert response.closed and not sent[-1].get("more_body")


def test_a_stream_that_nobody_reads_any_more_ends():
    made = []

    def parts():
        for number in range(1000):
            made.append(number)
            yield b"x"

    response = StreamingHttpResponse(parts())
    asked(response, gone_after=3)
    assert len(made) < 10 and response.closed


def test_a_fault_in_a_stream_is_seen_by_the_server_and_the_response_closed():
    def parts():
        yield b"x"
        raise OSError("the disk is gone")

    response = StreamingHttpResponse(parts())
    with pytest.raises(OSError, match="the disk is gone"):
        asked(response)
    assert response.closed


@pytest.mark.django_db(transaction=True)
def test_pages_files_and_bodies_in_chunks_by_a_real_server(server):  # noqa: F811
    """What no test above has: uvicorn in front, Django behind, static files between."""
    member = MembershipFactory(role="owner")
    token = create_token(user=member.user, name="test", scope="manage", days=1).secret
    link = http.client.HTTPConnection("127.0.0.1", server, timeout=60)

    def asked(method, path, body=None, **headers):
        link.request(method, path, body, headers, encode_chunked=headers.get("Transfer-Encoding") == "chunked")
        answer = link.getresponse()
        return answer.status, answer.headers, answer.read()

    status, headers, page = asked("GET", "/accounts/sign-in/")
    assert status == 200 and b"<form" in page and headers["Cache-Control"] and headers["X-Frame-Options"] == "DENY"
    status, headers, nothing = asked("HEAD", "/accounts/sign-in/")
    assert status == 200 and nothing == b""
    status, headers, css = asked("GET", "/static/site/components.css")
    assert (
        status == 200 and headers["Content-Type"].startswith("text/css") and len(css) == int(headers["Content-Length"])
    )
    image = ImageFactory(project=member.project)
    parts = [b'{"block": ', b'"in chunks"}']
    authorization = f"Token {token}"
    chunked = {"Transfer-Encoding": "chunked", "Content-Type": "application/json", "Authorization": authorization}
    status, _headers, answer = asked("PATCH", f"/api/v1/images/{image.pk}/", iter(parts), **chunked)
    assert status == 200 and json.loads(answer)["block"] == "in chunks", answer
    assert asked("GET", "/api/v1/nothing/")[0] == 404
