"""What the protocol declares of the analysis, and what stands in for what an older or an odd protocol does not say."""

import math
from dataclasses import dataclass
from typing import Any

from labeling.studies.protocol.declared import DEFINITION, HOLM, IN_ORDER
from labeling.studies.protocol.documents import Protocol
from labeling.studies.protocol.upgrades import unit_of

DEFAULT_IDLE_S = 30.0


@dataclass(frozen=True)
class Plan:
    """The analysis that a protocol asks for.

    unit    models.Unit: what one item presented
    notes   what the protocol does not say, or says in a way that cannot be followed, and what is done instead: printed
            with the methods
    """

    reference: str
    others: tuple[str, ...]
    kind: str
    confidence: float
    seed: int
    idle_after_s: float
    blur_is_away: bool
    outlier_iqr: float | None
    quality_measure: str
    quality_margin: float | None
    multiplicity: str
    definition: int
    notes: tuple[str, ...]
    unit: str


def plan_of(protocol: Protocol) -> Plan:
    """Never raises for an odd value: an amendment that cannot be followed is said and not followed."""
    measurement, analysis = protocol["measurement"], protocol["analysis"]
    notes: list[str] = []
    idle = _positive(measurement.get("idle_after_s"))
    if idle is None:
        notes.append(
            f"The idle cut-off of the protocol ({_shown(measurement.get('idle_after_s'))}) is no positive number of "
            f"seconds; {DEFAULT_IDLE_S:g} s was used."
        )
    outlier = analysis.get("outlier_iqr")
    iqr = _positive(outlier)
    if iqr is None and outlier is not None:
        notes.append(
            f"The outlier rule of the protocol ({_shown(outlier)}) is no positive number; nothing was left out."
        )
    margin = _positive(analysis.get("quality_margin"))
    if margin is None:
        notes.append(
            f"The quality margin of the protocol ({_shown(analysis.get('quality_margin'))}) is no positive number, so "
            "quality is not judged and time not tested."
        )
    multiplicity = analysis.get("multiplicity", HOLM)
    if multiplicity not in (HOLM, IN_ORDER):
        notes.append(f"The adjustment of the protocol ({_shown(multiplicity)}) is unknown; Holm's was used.")
        multiplicity = HOLM
    definition = analysis.get("definition", 1)
    if definition != DEFINITION:
        notes.append(
            f"The protocol was frozen under definition {definition} of the analysis, which did not declare how empty "
            f"fields, missing data and several comparisons are treated. Definition {DEFINITION} was used: its rules "
            "stand above and were not declared before."
        )
    others = tuple(arm["name"] for arm in protocol["arms"] if arm["name"] != analysis["reference"])
    return Plan(
        reference=analysis["reference"],
        others=others,
        kind=protocol["design"],
        confidence=analysis["confidence"],
        seed=analysis["seed"],
        idle_after_s=idle or DEFAULT_IDLE_S,
        blur_is_away=measurement["blur_is_away"],
        outlier_iqr=iqr,
        quality_measure=analysis["quality_measure"],
        quality_margin=margin,
        multiplicity=multiplicity,
        definition=DEFINITION,
        notes=tuple(notes),
        unit=unit_of(protocol),
    )


def _positive(value: Any) -> float | None:
    """The value where it is a positive finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def _shown(value: Any) -> str:
    return repr(value)[:60]
