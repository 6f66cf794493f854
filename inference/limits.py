"""The bounds of a round's settings: one declaration that form, API and engine read.

No torch and no Django here, so that both the website and the workers import it. A value is judged by `Limit.reason`
wherever it comes from; the website asks before a round is made, the engine asks again before its first stage
(`check`), and the settings of the fusion and of the trainers ask when they are built.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from inference.types import InferenceError


class OutOfBounds(InferenceError):
    """A setting of a round has a value that no stage can work with; the message names both."""

    code = "out_of_bounds"


@dataclass(frozen=True)
class Limit:
    """What one number may be: `kind` int or float, low <= number <= high, never NaN or infinite."""

    kind: type
    low: float
    high: float

    def reason(self, value: Any) -> str:
        """Why the value cannot be, as the end of "NAME must be ..."; empty when it can be."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "a whole number" if self.kind is int else "a number"
        if self.kind is int and not isinstance(value, int):
            return "a whole number"
        if not self.low <= value <= self.high:  # NaN too
            return f"between {plain(self.low)} and {plain(self.high)}"
        return ""

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError that names the setting, what it may be, and what it is."""
        if reason := self.reason(value):
            raise ValueError(f"{name} must be {reason}, not {value!r}")


def plain(number: float) -> str:
    """A bound as people read it: 0.01, 1,000,000."""
    return f"{number:,.0f}" if abs(number) >= 1e5 else f"{number:g}"


# 8 * lambda * 2^24 * 2^31 pixels would overflow int64 far beyond 1e6, which leaves room for any component.
FUSION = {
    "lam": Limit(float, 0.0, 1e6),
    "theta": Limit(float, 0.1, 1000.0),
    "grid": Limit(int, 1, 50),
    "components": Limit(int, 1, 8),
    "trust": Limit(float, -50.0, 50.0),
    "bits": Limit(int, 3, 8),
    "minimum_pixels": Limit(int, 0, 10**9),
}
PREDICTION = {
    "detector_threshold": Limit(float, 0.01, 0.99),
    "person_overlap": Limit(float, 0.0, 1.0),
}
INSTANCES = {
    "smallest": Limit(int, 0, 10_000),
    "largest_hole": Limit(int, 0, 10**9),
    "box_margin": Limit(float, 0.0, 10.0),
    "crumbs": Limit(float, 0.0, 1.0),
}
TRAINING = {  # of a model's own schedule
    "steps": Limit(int, 1, 1_000_000),
    "lr": Limit(float, 1e-7, 1.0),
    "seed": Limit(int, 0, 2**31 - 1),
}
PARTS = {"fusion": FUSION, "prediction": PREDICTION, "instances": INSTANCES}
# Which of TRAINING a model has, by its registered name. YOLO counts epochs and finds its own rate.
CHANGEABLE = {
    "centre": ("steps", "lr", "seed"),
    "faster-rcnn": ("steps", "lr", "seed"),
    "yolo": ("seed",),
    "caranet": ("steps", "lr", "seed"),
    "segformer": ("steps", "lr", "seed"),
    "unet": ("steps", "lr", "seed"),
}


def limit_of(path: tuple[str, ...]) -> Limit:
    """The bounds of the number at a place of a round's configuration, such as ("fusion", "lam")."""
    return PARTS[path[0]][path[-1]] if path[0] in PARTS else TRAINING[path[-1]]


def check(configuration: Mapping[str, Any]) -> None:
    """Judge every number of a round's configuration before its first stage. Raises OutOfBounds with all faults."""
    faults = list(faults_of(configuration))
    if faults:
        raise OutOfBounds("; ".join(faults))


def faults_of(configuration: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for every number that cannot be. Settings that are not there have their defaults and are in bounds."""
    for part, limits in PARTS.items():
        for name, value in configuration.get(part, {}).items():
            reason = limits[name].reason(value) if name in limits else ""
            if reason:
                yield f"{part}.{name} must be {reason}, not {value!r}"
    for kind in ("detector", "segmenter"):
        chosen = configuration.get(kind, {})
        for name, value in chosen.get("change", {}).items():
            yield from _faults_of_change(kind, str(chosen.get("name")), name, value)


def _faults_of_change(kind: str, model: str, name: str, value: Any) -> Iterator[str]:
    if name not in TRAINING:
        return  # another field of the model's own settings, which judge themselves
    if absent := missing(model, name):
        yield f"the {kind} {absent}"
    elif reason := TRAINING[name].reason(value):
        yield f"{kind}.{name} must be {reason}, not {value!r}"


def missing(model: str, name: str) -> str:
    """Why a model cannot take a setting of TRAINING; empty when it can."""
    if name in CHANGEABLE.get(model, TRAINING):
        return ""
    return f"{model!r} has no setting {name!r}; leave it as the preset has it"
