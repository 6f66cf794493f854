"""Models by name. Nothing heavy is imported before its name is asked for.

prompter("grabcut")                              -> Prompter
trainer("detector", "centre", "quick", classes=3) -> Trainer
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from inference.types import InferenceError, Prompter, Trainer

PROMPTERS = {
    "boxwise": "inference.prompters.boxwise:Boxwise",
    "grabcut": "inference.prompters.grabcut:GrabCut",
}
TRAINERS = {
    "detector": {"centre": "inference.detectors.centre:CentrePoint"},
    "segmenter": {"unet": "inference.segmenters.unet:UNet"},
}
PRESETS = ("tiny", "quick", "paper")
DEFAULT_PROMPTER = "boxwise"


class UnknownModel(InferenceError):
    """No model has that name; the message lists those that exist."""

    code = "unknown_model"


def prompter(name: str, **options: Any) -> Prompter:
    made: Prompter = find(PROMPTERS, name)(**options)
    return made


def trainer(kind: str, name: str, preset: Any = "quick", **options: Any) -> Trainer:
    """kind "detector" or "segmenter"; preset: a name of PRESETS, or the model's own settings."""
    made: Trainer = find(TRAINERS[kind], name)(preset, **options)
    return made


def find(names: dict[str, str], name: str) -> Callable[..., Any]:
    if name not in names:
        raise UnknownModel(f"there is no model {name!r}; there are {', '.join(sorted(names))}")
    module, _, attribute = names[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found
