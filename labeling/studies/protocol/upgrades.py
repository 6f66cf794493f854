"""What a protocol of an older version means, in the words of the newest one. The stored document never changes.

1 -> 2  `conduct` was not declared: items were whole fields, in one sitting, without a prescribed break or a criterion
        for practice.
"""

from collections.abc import Callable

from labeling.studies.protocol.documents import Conduct, FrozenProtocol

VERSION = 2
WHOLE_FIELDS: Conduct = {
    "unit": "fields",
    "gap_days": 0,
    "sitting_minutes": None,
    "break_minutes": 10,
    "practice_quality": None,
}


def add_conduct(protocol: FrozenProtocol) -> FrozenProtocol:
    """1 -> 2"""
    upgraded = protocol.copy()
    upgraded["version"] = 2
    upgraded["conduct"] = WHOLE_FIELDS
    return upgraded


UPGRADES: dict[int, Callable[[FrozenProtocol], FrozenProtocol]] = {1: add_conduct}


def upgraded(protocol: FrozenProtocol) -> FrozenProtocol:
    """The protocol in the newest version; what is given stays as it is."""
    found = protocol
    while found.get("version", 1) < VERSION:
        step = UPGRADES[found.get("version", 1)]
        found = step(found)
    return found


def unit_of(protocol: FrozenProtocol) -> str:
    """What one item presents, whatever the version of the protocol."""
    return upgraded(protocol)["conduct"]["unit"]
