"""What a round does, as numbers: presets, the few that people may change, and what differs between two rounds."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.translation import gettext as _
from pydantic import JsonValue

from inference.documents.base import JsonObject
from inference.documents.configuration import (
    Fusion,
    Instances,
    Model,
    Prediction,
    Prompter,
    RoundConfiguration,
    limit_of,
)
from inference.documents.methods import DEFAULT, METHODS, PROMPTERS, Method
from inference.limits import Limit, missing, plain
from labeling.errors import Invalid


def _preset(detector: Model, segmenter: Model, *, trust: float = 3.0) -> RoundConfiguration:
    """trust: measured on four data sets (docs/fusion.md, "Trust"); the paper's own setting is 0."""
    return RoundConfiguration(
        device="auto",
        prompter=Prompter(name="boxwise"),
        prediction=Prediction(detector_threshold=0.3, person_overlap=0.3),
        fusion=Fusion(lam=2.0, theta=25.0, grid=5, components=2, trust=trust),
        instances=Instances(
            method="geodesic",
            box_margin=0.15,
            fragments="largest",
            smallest=20,
            largest_hole=64,
            crumbs=0.25,  # measured (docs/rounds.md, "Crumbs")
        ),
        detector=detector,
        segmenter=segmenter,
    )


PRESETS = {
    "quick": _preset(Model(name="centre", preset="quick"), Model(name="unet", preset="quick")),
    # Longer trainings, mirror images, and more trust in the better detector (docs/models.md, "Presets").
    "standard": _preset(Model(name="centre", preset="standard"), Model(name="unet", preset="standard"), trust=4.0),
    "tiny": _preset(Model(name="centre", preset="tiny"), Model(name="unet", preset="tiny")),
    # YOLOv8x for 300 epochs, confidence 0.3, NMS 0.5 stand in the detector's own preset; K, lambda, theta and N above.
    "paper": _preset(Model(name="yolo", preset="paper"), Model(name="caranet", preset="paper"), trust=0.0),
}
PRESET_NAMES = {
    "quick": "Quick: small nets and a short training",
    "standard": "Standard: the same nets, trained seven times as long",
    "tiny": "Tiny: to try the flow; the masks are rough",
    "paper": "Paper: BoxCell's own settings; made for a GPU",
}


# Where nets compute. Never another than was asked for: "gpu" waits for one, "auto" leaves it to the worker.
DEVICES = {"auto": "automatic", "cpu": "CPU", "gpu": "GPU"}
NETS = ("method", "pseudo_masks", "detector", "segmenter", "prediction")  # the stages that run them


@dataclass(frozen=True)
class Choice:
    """One number that people may set: where it stands in the configuration, and what it is.

    `name` is its name in forms. Its bounds are those of the document (inference/documents/configuration.py). What the
    preset does not name stands in the model's own preset unless it is changed.
    """

    name: str
    path: tuple[str, ...]
    label: str
    help: str

    @property
    def limit(self) -> Limit:
        return limit_of(self.path)

    @property
    def methods(self) -> Literal["all", "parts", "whole"]:
        """Which methods have this setting: all, those made of parts, or those that are trained as a whole."""
        place = self.path[0]
        if place in OF_ALL:
            return "all"
        return "whole" if place == "recipe" else "parts"

    def is_of(self, method: Method) -> bool:
        """Whether a method has this setting."""
        return self.methods in ("all", "whole" if method.is_whole else "parts")

    @property
    def low(self) -> str:
        """The least value, as people read it."""
        return plain(self.limit.low)

    @property
    def high(self) -> str:
        """The largest value, as people read it."""
        return plain(self.limit.high)

    def read(self, value: Any) -> int | float:
        """What somebody typed, as a number within the bounds. Raises Invalid with a sentence."""
        try:
            number = self._number(value)
        except (TypeError, ValueError, OverflowError):
            words = (
                _("{name} must be a whole number, not “{value}”")
                if self.limit.kind is int
                else _("{name} must be a number, not “{value}”")
            )
            raise Invalid(words.format(name=_(self.label), value=str(value)[:40]), field=self.name) from None
        if self.limit.reason(number):
            words = _("{name} must lie between {low} and {high}, not {number}")
            named = {"name": _(self.label), "low": self.low, "high": self.high, "number": str(number)[:40]}
            raise Invalid(words.format(**named), field=self.name)
        return number

    def _number(self, value: Any) -> int | float:
        """Raises TypeError, ValueError or OverflowError for what is no number of this kind."""
        if (
            isinstance(value, bool)
            or not isinstance(value, str | int | float)
            or len(str(value)[:MOST_DIGITS]) == MOST_DIGITS
        ):
            raise ValueError
        if self.limit.kind is float:
            return float(value)
        number = int(value)
        if not isinstance(value, str) and number != value:
            raise ValueError
        return number


OF_ALL = ("instances", "seed")  # places of a configuration that every method uses
MOST_DIGITS = 100  # of a number that somebody types; Python itself fails on some thousands
_AS_PRESET = "empty: as the preset"
CHOICES = (
    Choice("threshold", ("prediction", "detector_threshold"), "Detector threshold", "score, 0 to 1"),
    Choice("grid", ("fusion", "grid"), "K, patches per side", "colour models are fitted on K × K patches"),
    Choice("lam", ("fusion", "lam"), "λ, smoothness", "how much a change of label costs"),
    Choice("theta", ("fusion", "theta"), "θ, colour distance", "where a border costs 1/e, grey levels"),
    Choice("components", ("fusion", "components"), "N, components", "of each mixture of Gaussians"),
    Choice("trust", ("fusion", "trust"), "Trust in the detector", "log-odds beside the colours; paper: 0"),
    Choice("smallest", ("instances", "smallest"), "Smallest cell, px", "smaller pieces are dropped"),
    Choice(
        "crumbs",
        ("instances", "crumbs"),
        "Smallest piece, share",
        "of the smallest annotated cells’ area; 0: keep them all",
    ),
    Choice("detector_steps", ("detector", "change", "steps"), "Detector steps", _AS_PRESET),
    Choice("detector_lr", ("detector", "change", "lr"), "Detector learning rate", _AS_PRESET),
    Choice("segmenter_steps", ("segmenter", "change", "steps"), "Segmenter steps", _AS_PRESET),
    Choice("segmenter_lr", ("segmenter", "change", "lr"), "Segmenter learning rate", _AS_PRESET),
    Choice("steps", ("recipe", "change", "steps"), "Training steps", _AS_PRESET),
    Choice("lr", ("recipe", "change", "lr"), "Learning rate", _AS_PRESET),
    Choice("seed", ("seed",), "Seed", "of everything random"),
)
BY_NAME = {choice.name: choice for choice in CHOICES}
# What people choose by its name, and the names that there are.
WORDS: dict[str, tuple[str, ...]] = {
    "device": tuple(DEVICES),
    "method": tuple(METHODS),
    "prompter": tuple(PROMPTERS),
}
OWN_PROMPTER = re.compile(r"version:([1-9][0-9]{0,17})")  # a version of the project, by its id
NAMES = (*BY_NAME, *WORDS)  # of everything that people may set


def queue_of(kind: str, configuration: RoundConfiguration) -> str:
    """The queue of a stage: workers with a GPU serve "gpu", all others "cpu"."""
    computes = kind in NETS and not configuration.is_as_is(kind)  # weights that are handed on need no GPU
    return "gpu" if computes and configuration.device == "gpu" else "cpu"


def configure(preset: str, changes: Mapping[str, object] | None = None) -> RoundConfiguration:
    """Every parameter of a round: the preset's, with what somebody changed. Empty values change nothing.

    Unchanged values are written as the preset has them, so that equal rounds have equal stage keys.
    Raises Invalid for an unknown preset or name, for a number that cannot be, and for what the method does not have.
    """
    if preset not in PRESETS:
        raise Invalid(f"preset must be one of {', '.join(PRESETS)}", field="preset")
    given = dict(changes or {})
    for name in given:
        if name not in NAMES:
            raise Invalid(f"there is no setting {name!r}; there are {', '.join(NAMES)}", field=name)
    given = {name: value for name, value in given.items() if value is not None and value != ""}
    words = {name: _word(name, given[name]) for name in WORDS if name in given}
    method = METHODS[words.get("method", DEFAULT)]
    made = _base(preset, method)
    if method.name != DEFAULT:  # the usual method is not named, as rounds of before do not
        made["method"] = method.name
    if "device" in words:
        made["device"] = words["device"]
    if "prompter" in words:
        made["prompter"] = {"name": _prompter(words["prompter"], method)}
    for choice in CHOICES:
        if choice.name in given:
            _set(made, choice, given[choice.name], preset, method)
    return RoundConfiguration.model_validate(made)


def _base(preset: str, method: Method) -> JsonObject:
    """The parameters of a preset that a method has."""
    made = PRESETS[preset].as_json()
    if not method.is_whole:
        return made
    base: JsonObject = {name: made[name] for name in ("device", "prediction", "instances")}
    base["recipe"] = {"preset": preset}
    if method.nets:
        base["prompter"] = {"name": method.net_of(preset)}
    return base


def _prompter(name: str, method: Method) -> str:
    """The name of a prompter that a method can work with. Raises Invalid.

    Which net a version of the project is, and whether it fits, is seen when the round begins (weights/starting.py).
    """
    if not method.is_whole or name in method.nets or (method.nets and OWN_PROMPTER.fullmatch(name)):
        return name
    title = _(method.title)
    if not method.nets:
        words = _("{method} works without a prompter. Leave it as the preset has it.").format(method=title)
    else:
        words = _("{method} cannot work with {name}. Choose one of {nets}, or leave it as the preset has it.")
        words = words.format(method=title, name=name, nets=", ".join(method.nets))
    raise Invalid(words, field="prompter")


def _set(made: JsonObject, choice: Choice, value: object, preset: str, method: Method) -> None:
    """Write what somebody has chosen for a setting. Raises Invalid."""
    number = choice.read(value)
    if not choice.is_of(method):
        words = _("{method} has no setting “{name}”. Leave it empty.")
        raise Invalid(words.format(method=_(method.title), name=_(choice.label)), field=choice.name)
    if choice.path == ("seed",):
        if number:  # 0 is the models' own default; written only where it differs, for the sake of the keys
            for kind in ("recipe",) if method.is_whole else ("detector", "segmenter"):
                _put(made, (kind, "change", "seed"), number)
        return
    if "change" in choice.path and not method.is_whole:
        _decline_missing(PRESETS[preset], choice)
    _put(made, choice.path, number)


def _word(name: str, value: object) -> str:
    if name == "prompter" and isinstance(value, str) and OWN_PROMPTER.fullmatch(value):
        return value
    if not isinstance(value, str) or value not in WORDS[name]:
        raise Invalid(f"{name} must be one of {', '.join(WORDS[name])}, not {str(value)[:40]!r}", field=name)
    return value


def _put(made: JsonObject, path: tuple[str, ...], value: JsonValue) -> None:
    """Write a value where the path leads, with the objects on the way."""
    place = made
    for step in path[:-1]:
        inner = place.setdefault(step, {})
        assert isinstance(inner, dict)  # a path leads through objects
        place = inner
    place[path[-1]] = value


def _decline_missing(preset: RoundConfiguration, choice: Choice) -> None:
    """Raises Invalid where the preset's model has no such setting; the engine would say so after the start only."""
    kind, setting = choice.path[0], choice.path[-1]
    model = preset.model_of(kind)
    if model is not None and missing(model.name, setting):
        words = _("{name} cannot be set with this preset: its {kind}, {model}, has no such setting. Leave it empty.")
        named = {"name": _(choice.label), "kind": _(kind), "model": model.name}
        raise Invalid(words.format(**named), field=choice.name)


def flat(configuration: JsonObject, before: str = "") -> JsonObject:
    """{"fusion": {"lam": 2}} -> {"fusion.lam": 2}."""
    found: JsonObject = {}
    for name, value in configuration.items():
        if isinstance(value, dict):
            found |= flat(value, f"{before}{name}.")
        else:
            found[before + name] = value
    return found


def differences(a: RoundConfiguration, b: RoundConfiguration) -> list[tuple[str, JsonValue, JsonValue]]:
    """(name, in a, in b) of every parameter that is not the same in both; None where one has no such parameter."""
    in_a, in_b = flat(a.as_json()), flat(b.as_json())
    return [(k, in_a.get(k), in_b.get(k)) for k in sorted(in_a.keys() | in_b.keys()) if in_a.get(k) != in_b.get(k)]
