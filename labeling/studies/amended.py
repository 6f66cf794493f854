"""The amendments of a protocol, as a report prints them: when, what, from what to what, why, and after which looks.

The protocol carries them as `amendments`: at, what, before, after, reason, results_seen (True, False, or None for "not
recorded"), and by (pseudonym or role) where it is known. A protocol of an older version has none. Entries may be odd:
nothing here raises for what somebody typed.
"""

import json
from typing import Any

from labeling.studies.protocol.documents import AmendmentEntry, Protocol

SEEN = {
    True: "Results by arm had been seen before.",
    False: "Results by arm had not been seen before.",
    None: "Whether results by arm had been seen before was not recorded.",
}


def entries(protocol: Protocol) -> list[AmendmentEntry]:
    found = protocol.get("amendments")
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def sentences(protocol: Protocol) -> list[str]:
    """One for each amendment, in their order."""
    return [_sentence(k, entry) for k, entry in enumerate(entries(protocol), start=1)]


def note(protocol: Protocol, what: str) -> str:
    """What stands behind a value that was amended; "" for one that stands as it was frozen."""
    changes = [entry for entry in entries(protocol) if entry.get("what") == what and entry.get("applied", True)]
    if not changes:
        return ""
    return f" (amended; {_shown(changes[0].get('before'))} when the protocol was frozen)"


def frozen(protocol: Protocol, sha256: str) -> str:
    """What the hash is of: of the protocol before its amendments."""
    count = len(entries(protocol))
    if not count:
        return f"Protocol frozen as SHA-256 {sha256}; it was not amended."
    times = "once" if count == 1 else f"{count} times"
    return f"Protocol frozen as SHA-256 {sha256}, then amended {times}; the hash is of the protocol before that."


def _sentence(number: int, entry: AmendmentEntry) -> str:
    by = f", by {_shown(entry['by'])}" if entry.get("by") else ""
    seen = entry.get("results_seen")
    name = _name(entry.get("label") or entry.get("what"))
    applied = "" if entry.get("applied", True) else " It was not applied: the protocol does not take this value."
    return (
        f"Amendment {number}, {_shown(entry.get('at'))}{by}: {name} changed from "
        f"{_shown(entry.get('before'))} to {_shown(entry.get('after'))}. Reason: {_shown(entry.get('reason'))}. "
        f"{SEEN[seen if isinstance(seen, bool) else None]}{applied}"
    )


def interim_look_sentences(protocol: Protocol) -> list[str]:
    """For the methods of a report: that results by arm were seen before the lock, and when. English."""
    return [
        f"Results by arm were seen on {opened['at'][:16].replace('T', ' ')} UTC, before the lock, by the "
        f"{opened['by']} of the project. Reason given: {opened['reason']}"
        for opened in protocol.get("looks", [])
    ]


def _name(what: Any) -> str:
    return _shown(what).replace("_", " ")


def _shown(value: Any) -> str:
    """In one line and not too long; nothing stays visible as nothing."""
    if value is None or value == "":
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    text = " ".join(text.split())
    return text if len(text) <= 500 else f"{text[:500]} [...]"
