"""Models by name. Nothing heavy is imported before its name is asked for.

prompter("grabcut")                              -> Prompter
trainer("detector", "centre", "quick", classes=3) -> Trainer
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from inference.types import InferenceError, Prompter, Trainer
from inference.weights import catalogue

PROMPTERS = {
    "boxwise": "inference.prompters.boxwise:Boxwise",
    "grabcut": "inference.prompters.grabcut:GrabCut",
}
TRAINERS = {
    "detector": {
        "centre": "inference.detectors.centre:CentrePoint",
        "faster-rcnn": "inference.detectors.rcnn:FasterRcnn",
        "yolo": "inference.detectors.yolo:Yolo",
    },
    "segmenter": {
        "caranet": "inference.segmenters.caranet:CaraNet",
        "segformer": "inference.segmenters.segformer:SegFormer",
        "unet": "inference.segmenters.unet:UNet",
    },
}
MODELS = {  # what a weight file calls itself -> its kind and name in TRAINERS
    "centre-1": ("detector", "centre"),
    "faster-rcnn-1": ("detector", "faster-rcnn"),
    "yolov8-1": ("detector", "yolo"),
    "caranet-1": ("segmenter", "caranet"),
    "segformer-1": ("segmenter", "segformer"),
    "unet-1": ("segmenter", "unet"),
}
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
        made: Prompter = find({name: "inference.prompters.sam:Sam"}, name)(**options)
        return made
    return find(PROMPTERS, name, also=[e.name for e in catalogue.ENTRIES.values() if e.prompts])(**options)


def trainer(kind: str, name: str, preset: Any = "quick", **options: Any) -> Trainer:
    """kind "detector" or "segmenter"; preset: a name of PRESETS, or the model's own settings."""
    made: Trainer = find(TRAINERS[kind], name)(preset, **options)
    return made


def find(names: dict[str, str], name: str, also: Iterable[str] = ()) -> Callable[..., Any]:
    if name not in names:
        raise UnknownModel(f"there is no model {name!r}; there are {', '.join(sorted({*names, *also}))}")
    module, _, attribute = names[name].partition(":")
    found: Callable[..., Any] = getattr(import_module(module), attribute)
    return found
