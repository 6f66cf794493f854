"""One POST to an address that somebody typed: to the public internet only, and no further than its first answer.

Who may manage a project must not reach through the server what the server alone can reach (its own ports, the
hospital's network, a cloud's metadata). So the name is resolved here, each address is judged, and the connection goes
to an address that passed, whatever the name means a moment later. Redirects are not followed, proxies of the
environment are not used, and nothing of the answer but its status is read.
"""

import hashlib
import hmac
import http.client
import socket
import ssl
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

from labeling.errors import LabelingError
from labeling.outcomes import BackOff
from labeling.rounds.notices.addresses import Network, may_be_reached

STEP = 10.0  # seconds for each wait for the other side
WHOLE = 20.0  # seconds for all of it: a receiver that sends a byte now and then does not keep a worker


class Unsent(BackOff):
    """It did not arrive, and may arrive at another try."""


class Declined(LabelingError):
    """It will not arrive however often it is tried."""


def signature(secret: str, body: bytes) -> str:
    """What the receiver computes as well: "sha256=" and the HMAC-SHA256 of the body under the secret, in hex."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def post(url: str, body: bytes, headers: dict[str, str], *, allowed: Sequence[Network] = ()) -> str:
    """Send `body` as JSON. -> the status as words, "HTTP 204", for any of 2xx.

    allowed  networks that may be reached although they are not public

    Raises Declined for an address that may not be reached and for a redirect, Unsent for everything else.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    connection = _Pinned(host, port, reachable(host, port, allowed), secure)
    late = threading.Timer(WHOLE, connection.abort)
    late.daemon = True
    late.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, {"Content-Type": "application/json", **headers})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        if not connection.aborted:
            raise Unsent(f"{type(error).__name__}: {error}"[:500]) from error
    finally:
        late.cancel()
        connection.close()
    if connection.aborted:  # http.client takes headers that break off for the whole of them
        raise Unsent(f"no whole answer within {WHOLE:.0f} s")
    if 300 <= status < 400:
        raise Declined(f"HTTP {status}: redirects are not followed; give the address that it leads to")
    if not 200 <= status < 300:
        raise Unsent(f"HTTP {status}")
    return f"HTTP {status}"


def reachable(host: str, port: int, allowed: Sequence[Network]) -> list[str]:
    """The addresses of a host that may be reached, in the order of the resolver. Raises Declined when none may."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unsent(f"{host} has no address: {error}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    good = [address for address in addresses if may_be_reached(address, allowed)]
    if not good:
        raise Declined(
            f"{host} leads to {', '.join(addresses[:3])}, which is not public; whoever runs this server can allow it "
            "with WEBHOOK_NETWORKS"
        )
    return good


class _Pinned(http.client.HTTPConnection):
    """A connection to one of the given addresses, under the name of the host."""

    def __init__(self, host: str, port: int, addresses: Sequence[str], secure: bool) -> None:
        super().__init__(host, port, timeout=STEP)
        self.default_port = 443 if secure else 80  # so that Host names the port only where it is another one
        self.addresses, self.secure, self.aborted = addresses, secure, False

    def connect(self) -> None:
        for last, address in enumerate(self.addresses, start=1 - len(self.addresses)):
            try:
                self.sock = socket.create_connection((address, self.port), timeout=STEP)
                break
            except OSError:
                if last == 0 or self.aborted:
                    raise
        if self.secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(self.sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock.do_handshake()

    def abort(self) -> None:
        """From another thread: whoever waits for the other side stops waiting."""
        self.aborted = True
        sock = self.sock
        if sock is not None:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:  # it is over already
                return
