"""The client of a Boxwise server: `boxwise.Client("https://server", token="bxw_...")`.

What is needed for it is loaded at the first use, since the command `boxwise` starts here as well.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boxwise.client import Client as Client
    from boxwise.errors import BoxwiseError as BoxwiseError
    from boxwise.errors import Conflict as Conflict
    from boxwise.errors import Declined as Declined
    from boxwise.errors import Invalid as Invalid
    from boxwise.errors import JobFailed as JobFailed
    from boxwise.errors import NotAllowed as NotAllowed
    from boxwise.errors import NotFound as NotFound
    from boxwise.errors import NotReachable as NotReachable
    from boxwise.errors import NotSignedIn as NotSignedIn
    from boxwise.errors import ServerTooOld as ServerTooOld

__all__ = [
    "BoxwiseError",
    "Client",
    "Conflict",
    "Declined",
    "Invalid",
    "JobFailed",
    "NotAllowed",
    "NotFound",
    "NotReachable",
    "NotSignedIn",
    "ServerTooOld",
]


def __getattr__(name: str) -> Any:
    if name == "Client":
        from boxwise.client import Client

        return Client
    if name in __all__:
        from boxwise import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'boxwise' has no attribute {name!r}")
