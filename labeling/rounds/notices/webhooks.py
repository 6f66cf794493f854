"""One POST to an address that somebody typed (inference/egress): of the answer nothing but its status is read."""

import hashlib
import hmac
from collections.abc import Sequence

from inference.egress import guarded
from inference.egress.addresses import Network
from labeling.errors import LabelingError
from labeling.outcomes import BackOff

WHOLE = 20.0  # seconds for all of it


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
    sent = {"Content-Type": "application/json", **headers}
    try:
        status = guarded.post(url, body, sent, whole=WHOLE, allowed=allowed).status
    except guarded.NotSent as error:
        raise Unsent(str(error)) from error
    except guarded.NotAllowed as error:
        raise Declined(f"{error}; whoever runs this server can allow it with WEBHOOK_NETWORKS") from error
    if 300 <= status < 400:
        raise Declined(f"HTTP {status}: redirects are not followed; give the address that it leads to")
    if not 200 <= status < 300:
        raise Unsent(f"HTTP {status}")
    return f"HTTP {status}"
