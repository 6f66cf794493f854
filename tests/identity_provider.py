"""A small provider of OpenID Connect on the loopback interface, with a real RS256 key and a discovery document.

It signs in whoever asks, without a page; tests say what it states of them, and how it lies.
"""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT = "boxwise"
SECRET = "secret of the client"
KEY_NUMBER = "key-1"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class IdentityProvider:
    """`claims` are added to what is stated of a person, `key` and `algorithm` sign it; None leaves a claim out."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.key: Any = new_key()
        self.public_key = self.key.public_key()
        self.algorithm = "RS256"
        self.key_number: str | None = KEY_NUMBER
        self.claims: dict[str, Any] = {}
        self.asked: dict[str, dict[str, str]] = {}  # code -> what the browser was sent with
        self.sends_token = True

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def keys(self) -> dict[str, Any]:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.public_key))
        return {"keys": [key | {"kid": KEY_NUMBER, "use": "sig", "alg": "RS256"}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """-> where the browser goes: back, with a code."""
        code = f"code-{len(self.asked)}"
        self.asked[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def tokens(self, sent: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """(status, what the token endpoint answers). A code works once, with its verifier and the client's secret."""
        asked = self.asked.pop(sent.get("code", ""), None)
        if asked is None or sent.get("client_secret") != SECRET:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(sent["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        answer: dict[str, Any] = {"access_token": "access", "token_type": "Bearer", "expires_in": 60}
        if self.sends_token:
            answer["id_token"] = self.id_token(asked["nonce"])
        return 200, answer

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        stated = {
            "iss": self.address, "aud": CLIENT, "sub": "subject-1", "iat": now, "exp": now + 60, "nonce": nonce,
            "preferred_username": "meyer", "given_name": "Anna", "family_name": "Meyer",
            "email": "meyer@hospital.example", "email_verified": True,
        }  # fmt: skip
        stated |= self.claims
        stated = {name: value for name, value in stated.items() if value is not None}
        headers = {"kid": self.key_number} if self.key_number else {}
        return jwt.encode(stated, self.key, algorithm=self.algorithm, headers=headers)


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path)
            if path.path == "/authorize":
                asked = {name: values[0] for name, values in parse_qs(path.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(asked))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            is_keys = path.path == "/keys"
            self.answer(200, provider.keys() if is_keys else provider.discovery())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            sent = {name: values[0] for name, values in parse_qs(body).items()}
            self.answer(*provider.tokens(sent))

        def answer(self, status: int, document: Any) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *given: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider = IdentityProvider(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
