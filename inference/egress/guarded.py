"""One POST to an address that somebody typed: to the public internet only, and no further than its first answer.

Whoever typed the address must not reach through this machine what this machine alone can reach (its own ports, the
hospital's network, a cloud's metadata). So the name is resolved here, each address is judged, and the connection goes
to an address that passed, whatever the name means a moment later. Redirects are not followed, proxies of the
environment are not used, and no more of the answer is read than was asked for.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from inference.egress.addresses import Network, may_be_reached

STEP = 10.0  # seconds for each wait for the other side, unless the caller says another number
CHUNK = 1 << 16


class NotSent(Exception):
    """No whole answer came; str(error) says why, and another try may help."""


class NotAllowed(Exception):
    """Every address of the host is one that may not be reached; str(error) names them."""


class TooMuch(NotSent):
    """The answer is larger than the caller reads."""


@dataclass(frozen=True)
class Answer:
    """kind: the media type, without parameters; body: empty where nothing was to be read"""

    status: int
    kind: str
    body: bytes


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    whole: float,
    step: float = STEP,
    most: int = 0,
    allowed: Sequence[Network] = (),
    public: bool = True,
) -> Answer:
    """Send `body` and read the answer.

    whole    seconds for all of it: a receiver that sends a byte now and then does not keep a worker
    step     seconds for each wait for the other side
    most     bytes of the answer that are read; 0: the status alone
    allowed  networks that may be reached although they are not public
    public   False: nothing outside `allowed` is reached

    Raises NotAllowed, NotSent, TooMuch.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    connection = _Pinned(host, port, reachable(host, port, allowed, public=public), secure=secure, step=step)
    late = threading.Timer(whole, connection.abort)
    late.daemon = True
    late.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, dict(headers))
        answer = connection.getresponse()
        kind = answer.headers.get_content_type()
        content = _read(answer, most) if most else b""
    except (OSError, http.client.HTTPException, ValueError) as error:
        if not connection.aborted:
            raise NotSent(f"{type(error).__name__}: {error}"[:500]) from error
    finally:
        late.cancel()
        connection.close()
    if connection.aborted:  # http.client takes headers that break off for the whole of them
        raise NotSent(f"no whole answer within {whole:.0f} s")
    return Answer(answer.status, kind, content)


def _read(answer: http.client.HTTPResponse, most: int) -> bytes:
    content = bytearray()
    while data := answer.read(CHUNK):
        content += data
        if len(content) > most:
            raise TooMuch(f"the answer has more than {most} bytes")
    if answer.length:  # http.client ends a broken connection like a whole answer
        raise NotSent(f"the answer broke off after {len(content)} bytes")
    return bytes(content)


def reachable(host: str, port: int, allowed: Sequence[Network], *, public: bool = True) -> list[str]:
    """The addresses of a host that may be reached, in the order of the resolver. Raises NotAllowed, NotSent."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NotSent(f"{host} has no address: {error}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    good = [address for address in addresses if may_be_reached(address, allowed)]
    if not public:
        good = [address for address in good if any(ip_address(address) in network for network in allowed)]
    if not good:
        wanted = "public" if public else "in a network that is allowed"
        raise NotAllowed(f"{host} leads to {', '.join(addresses[:3])}, which is not {wanted}")
    return good


class _Pinned(http.client.HTTPConnection):
    """A connection to one of the given addresses, under the name of the host."""

    def __init__(self, host: str, port: int, addresses: Sequence[str], *, secure: bool, step: float) -> None:
        super().__init__(host, port, timeout=step)
        self.default_port = 443 if secure else 80  # so that Host names the port only where it is another one
        self.addresses, self.secure, self.step, self.aborted = addresses, secure, step, False

    def connect(self) -> None:
        for last, address in enumerate(self.addresses, start=1 - len(self.addresses)):
            try:
                self.sock = socket.create_connection((address, self.port), timeout=self.step)
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
