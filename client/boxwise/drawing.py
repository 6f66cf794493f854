"""Boxes as operations of the log, for programs that draw."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from boxwise.errors import Conflict, Invalid

if TYPE_CHECKING:
    from boxwise.images import Image

AT_ONCE = 200  # operations a request


def draw_boxes(image: "Image", boxes: Sequence[Sequence[float]], label_class: int | None) -> int:
    """One operation a box, on the layer that you write."""
    return _write(image, [_state("cell", "confirmed", box, label_class) for box in boxes])


def declare_region(image: "Image", box: Sequence[float]) -> int:
    """Say that every cell inside is annotated."""
    return _write(image, [_state("region", "exhaustive", box, None)])


def _state(kind: str, status: str, box: Sequence[float], label_class: int | None) -> dict[str, Any]:
    return {"kind": kind, "status": status, "box": [float(one) for one in box], "label_class": label_class}


def _write(image: "Image", states: list[dict[str, Any]]) -> int:
    """Raises Invalid with the first that cannot be, Conflict where the image takes nothing."""
    api, session = image.project.client.api, str(uuid4())
    opened = api.image_workspace_post(image.id)
    layer = next((one["id"] for one in opened["layers"] if one["writable"]), None)
    if layer is None:
        raise Conflict({"status": 409, "code": "wrong_state", "detail": f"{image.name} takes no annotations now"})
    operations = [_operation(session, state) for state in states]
    for begin in range(0, len(operations), AT_ONCE):
        body: Any = {"operations": operations[begin : begin + AT_ONCE]}
        answered = api.layer_operations_post(layer, body=body)
        for number, one in enumerate(answered["results"], start=begin):
            if one["verdict"] not in ("accepted", "repeated"):
                raise _problem(number, one)
    return len(operations)


def _problem(number: int, verdict: Any) -> Invalid | Conflict:
    """What is wrong with one box, in the words of the server. The others of its request are drawn."""
    said = verdict["error"] or {}
    is_invalid = verdict["verdict"] == "invalid"
    detail = f"box {number}: {said.get('detail', verdict['verdict'])}"
    problem = {**said, "status": 422 if is_invalid else 409, "detail": detail}
    return Invalid(problem) if is_invalid else Conflict(problem)


def _operation(session: str, state: dict[str, Any]) -> Any:
    now = datetime.now(UTC).isoformat()
    return {
        "op_id": str(uuid4()),
        "action": "region" if state["kind"] == "region" else "draw",
        "tool": "client",
        "session": session,
        "begun_at": now,
        "committed_at": now,
        "begun_ms": 0.0,
        "committed_ms": 0.0,
        "effects": [{"annotation": str(uuid4()), "after": state}],
    }
