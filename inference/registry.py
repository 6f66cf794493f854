"""Models by name. Nothing heavy is imported before its name is asked for.

prompter("grabcut")                              -> Prompter
trainer("detector", "centre", "quick", classes=3) -> Trainer
encoder("boxwise")                               -> Encoder
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

from inference import detectors, encoders, prompters, segmenters
from inference.documents.methods import TRAINABLE
from inference.types import Architecture, Encoder, InferenceError, Prompter, Trainer
from inference.weights import catalogue


def by_name(architectures: Iterable[Architecture]) -> dict[str, Architecture]:
    """Raises ValueError where two have one name."""
    found: dict[str, Architecture] = {}
    for one in architectures:
        if one.name in found:
            raise ValueError(f"{one.made_by} and {found[one.name].made_by} are both registered as {one.name!r}")
        found[one.name] = one
    return found


PROMPTERS = by_name(prompters.ARCHITECTURES)
ENCODERS = by_name(encoders.ARCHITECTURES)
TRAINERS = {"detector": by_name(detectors.ARCHITECTURES), "segmenter": by_name(segmenters.ARCHITECTURES)}


def by_weights(trainers: Mapping[str, Mapping[str, Architecture]]) -> dict[str, tuple[str, str]]:
    """What a weight file calls itself -> the kind and the name of its model. Raises ValueError where two agree."""
    found: dict[str, tuple[str, str]] = {}
    for kind, named in trainers.items():
        for one in named.values():
            if not one.weights or one.weights in found:
                raise ValueError(f"{one.made_by} needs a name of its own for its weight files, not {one.weights!r}")
            found[one.weights] = (kind, one.name)
    return found


MODELS = by_weights(TRAINERS)
PRESETS = ("tiny", "quick", "standard", "paper")
PARTS = {  # which models a preset means when nobody names others
    "tiny": {"detector": "centre", "segmenter": "unet"},
    "quick": {"detector": "centre", "segmenter": "unet"},
    "standard": {"detector": "centre", "segmenter": "unet"},
    "paper": {"detector": "yolo", "segmenter": "caranet"},  # YOLOv8x and CaraNet on Res2Net-101, as in BoxCell
}
DEFAULT_PROMPTER = "boxwise"


class UnknownModel(InferenceError):
    """No model has that name; the message lists those that exist."""

    code = "unknown_model"


def prompter(name: str, **options: Any) -> Prompter:
    """A name of PROMPTERS, or one of the catalogue (sam-vit-b, medsam ...), whose weights must be on this machine.

    Raises UnknownModel, or NotHere with the way to get the weights.
    """
    if name in catalogue.ENTRIES and catalogue.ENTRIES[name].prompts:
        weights = options.pop("weights", None) or catalogue.found(name)
        options = {"weights": weights, "name": name} | options
        made: Prompter = made_by(prompters.SAM)(**options)
        return made
    return find(PROMPTERS, name, also=[e.name for e in catalogue.ENTRIES.values() if e.prompts])(**options)


def trainer(kind: str, name: str, preset: Any = "quick", **options: Any) -> Trainer:
    """kind "detector" or "segmenter"; preset: a name of PRESETS, or the model's own settings."""
    made: Trainer = find(TRAINERS[kind], name)(preset, **options)
    return made


def method(name: str) -> Any:
    """The module of a method that is trained as a whole or on files; inference/methods/frame.py says what it has."""
    if name not in TRAINABLE:
        raise UnknownModel(f"there is no method {name!r}; there are {', '.join(TRAINABLE)}")
    return import_module(TRAINABLE[name].module)


def encoder(name: str = encoders.DEFAULT.name, **options: Any) -> Encoder:
    """A name of ENCODERS. Raises UnknownModel, InferenceError where its weights are not here."""
    made: Encoder = find(ENCODERS, name)(**options)
    return made


def find(known: Mapping[str, Architecture], name: str, also: Iterable[str] = ()) -> Callable[..., Any]:
    """also: names that stand elsewhere, for the message. Raises UnknownModel."""
    if name not in known:
        raise UnknownModel(f"there is no model {name!r}; there are {', '.join(sorted({*known, *also}))}")
    return made_by(known[name])


def made_by(architecture: Architecture) -> Callable[..., Any]:
    """The class, imported now."""
    module, _, attribute = architecture.made_by.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found
