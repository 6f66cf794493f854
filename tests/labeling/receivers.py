"""Real receivers of webhooks and of mail, on the loopback interface, that do as they are told."""

import json
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hook:
    """An HTTP server: what it got, and what it is to answer, the last one for ever."""

    port: int = 0
    answers: list[int] = field(default_factory=lambda: [204])
    drip: bool = False  # a byte of the answer now and then, without an end
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/1?from=boxwise"

    def toasts(self) -> list[Any]:
        return [json.loads(body) for _, body in self.got]


@contextmanager
def hook(context: ssl.SSLContext | None = None) -> Iterator[Hook]:
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.got.append((dict(self.headers) | {"path": self.path}, body))
            status = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
            if made.drip:
                with suppress(OSError):  # it was left
                    for letter in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 1000:
                        self.wfile.write(bytes([letter]))
                        time.sleep(0.02)
                return
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Post:
    """An SMTP server: the mail it took, and what it says to the next recipients (250 when nothing is left)."""

    port: int = 0
    says: list[str] = field(default_factory=list)
    mail: list[tuple[str, Message]] = field(default_factory=list)


@contextmanager
def post_office() -> Iterator[Post]:
    made = Post()

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

        def handle(self) -> None:
            self.say("220 here")
            to = ""
            while line := self.rfile.readline().decode().strip():
                word = line[:4].upper()
                if word == "RCPT":
                    to = line.partition("<")[2].partition(">")[0]
                    self.say(made.says.pop(0) if made.says else "250 fine")
                elif word == "DATA":
                    self.say("354 go on")
                    lines = []
                    while (data := self.rfile.readline()) != b".\r\n":
                        lines.append(data)
                    made.mail.append((to, message_from_bytes(b"".join(lines))))
                    self.say("250 taken")
                elif word == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 fine")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
