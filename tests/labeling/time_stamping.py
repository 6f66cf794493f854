"""A time-stamping authority of the tests' own: openssl answers, over HTTP on loopback, with a root made for the run."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONFIGURATION = """
[tsa]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
certs = {folder}/root.pem
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
"""


@dataclass
class Authority:
    """change: what the next answers are before they leave, to be wrong on purpose. asked: questions, DER."""

    folder: Path
    address: str = ""
    asked: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    replace: bytes | None = None

    def answer(self, question: bytes) -> bytes:
        self.asked.append(question)
        if self.replace is not None:
            return self.replace
        (self.folder / "question.tsq").write_bytes(question)
        openssl(
            "ts", "-reply", "-config", self.folder / "tsa.cnf", "-section", "tsa",
            "-queryfile", self.folder / "question.tsq", "-out", self.folder / "answer.tsr",
        )  # fmt: skip
        self.answers.append((self.folder / "answer.tsr").read_bytes())
        return self.answers[-1]

    def verifies(self, token: bytes, sha256: str) -> bool:
        """What openssl says of a token, with the root."""
        (self.folder / "token.tst").write_bytes(token)
        command = ["openssl", "ts", "-verify", "-digest", sha256, "-in", self.folder / "token.tst", "-token_in"]
        done = subprocess.run([*command, "-CAfile", self.folder / "root.pem"], capture_output=True, check=False)
        return done.returncode == 0


def openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@contextmanager
def time_stamping(folder: Path, *, key: str = "rsa:2048", use: str = "critical,timeStamping") -> Iterator[Authority]:
    """key: as openssl req -newkey takes it. use: of the certificate."""
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", "/CN=Root of the tests",
            "-keyout", folder / "root.key", "-out", folder / "root.pem")  # fmt: skip
    (folder / "use.cnf").write_text(f"extendedKeyUsage={use}\n")
    openssl("req", "-newkey", *key.split(), "-nodes", "-subj", "/CN=Clock of the tests",
            "-keyout", folder / "tsa.key", "-out", folder / "tsa.csr")  # fmt: skip
    openssl("x509", "-req", "-in", folder / "tsa.csr", "-CA", folder / "root.pem", "-CAkey", folder / "root.key",
            "-CAcreateserial", "-days", 2, "-extfile", folder / "use.cnf", "-out", folder / "tsa.pem")  # fmt: skip
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))
    authority = Authority(folder)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers["Content-Length"]))
            content = authority.answer(question)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    authority.address = f"http://127.0.0.1:{server.server_port}/tsr"
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()
