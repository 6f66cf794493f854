"""Operations as a browser sends them."""

import base64
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from inference.masks import pack

SESSION = str(uuid.UUID(int=7))


def cell(box: Any = (10, 10, 30, 24), **changes: Any) -> dict[str, Any]:
    return {
        "kind": "cell",
        "status": "confirmed",
        "label_class": None,
        "box": list(box),
        "mask": None,
        "derived_from": None,
        "reason": "",
    } | changes


def region(box: Any = (0, 0, 64, 48), status: str = "exhaustive") -> dict[str, Any]:
    return cell(box, kind="region", status=status)


def mask(x: int = 12, y: int = 11, width: int = 5, height: int = 4) -> dict[str, Any]:
    bits = np.ones((height, width), bool)
    return {"x": x, "y": y, "width": width, "height": height, "bits": base64.b64encode(pack(bits)).decode()}


def effect(annotation: Any, after: Any, seen: Any = None) -> dict[str, Any]:
    return {"annotation": str(annotation), "seen": seen and str(seen), "after": after}


def operation(*effects: dict[str, Any], action: str = "draw", **changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "op_id": str(uuid.uuid4()),
        "action": action,
        "tool": "box",
        "session": SESSION,
        "begun_at": (now - timedelta(seconds=1)).isoformat(),
        "committed_at": now.isoformat(),
        "begun_ms": 1000.0,
        "committed_ms": 2000.0,
        "activity": None,
        "undoes": None,
        "effects": list(effects),
    } | changes


def names(field: str, place: str) -> bool:
    """Whether the place of a fault, as "effects.0.after.mask.x", holds this field."""
    return f".{field}." in f".{place}."
