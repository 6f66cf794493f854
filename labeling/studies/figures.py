"""How a report prints numbers, intervals and what could not be computed."""

from typing import Any

from labeling.studies.protocol.documents import Figure


def not_computed(value: Any) -> str:
    """The reason why there is no figure; "" where there is one."""
    return str(value["not_computed"]) if isinstance(value, dict) and "not_computed" in value else ""


def known(value: float | Figure, otherwise: float) -> float:
    """The number, or another one in the place of a figure that could not be computed."""
    return otherwise if isinstance(value, dict) else value


def number(value: Any, digits: int = 2) -> str:
    if reason := not_computed(value):
        return f"unknown ({reason})"
    return "unknown" if value is None else f"{value:.{digits}f}"


def p_value(p: float) -> str:
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"


def per_cent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "of none"


def interval(value: Any, digits: int, unit: str = "") -> str:
    """ "95 % CI 0.50 to 0.80", with the reason for an end, or for both, that could not be computed."""
    if reason := not_computed(value):
        return f"no interval: {reason}"
    ends = [("unbounded" if not_computed(value[end]) else f"{value[end]:.{digits}f}") for end in ("low", "high")]
    reasons = [reason for end in ("low", "high") if (reason := not_computed(value[end]))]
    return "; ".join([f"95 % CI {ends[0]} to {ends[1]}{unit}", *reasons])
