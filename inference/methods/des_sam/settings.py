"""Settings of DES-SAM and its presets."""

from dataclasses import dataclass, field, replace
from typing import Literal

from inference.methods.backbones import OWN
from inference.methods.des_sam.net import Size
from inference.training.loop import Schedule


@dataclass(frozen=True)
class DesSettings:
    """Everything the trained weights depend on, besides the data.

    prompter      the net that detects and masks, by its name
    size          of the detection module
    anchor        side of the smallest anchor, in pixels of the image
    view          pixels of the image that are seen at once; batch: crops a step; zoom, colour: of their augmentation
    masks         cells of a crop whose masks are learned, at most
    alpha, beta   weights of the local and the global part of the edge loss; window, sigma: of the local part
    """

    schedule: Schedule
    preset: str = "quick"
    prompter: str = OWN
    size: Size = field(default_factory=Size)
    anchor: float = 8.0
    batch: int = 2
    view: int = 256
    zoom: tuple[float, float] = (0.75, 1.4)
    colour: float = 0.7
    masks: int = 12
    alpha: float = 1.0
    beta: float = 0.001
    window: int = 3
    sigma: float = 0.1
    optimiser: Literal["adamw", "sgd"] = "adamw"
    threshold: float = 0.3
    nms: float = 0.5
    least_area: int = 20
    device: str = "auto"
    seed: int = 0


VITDET = Size(scales=(4.0, 2.0, 1.0, 0.5), channels=256, convolutions=(256,) * 4, hidden=1024, prompts=8)
PRESETS = {
    "tiny": DesSettings(Schedule(steps=6, epoch=3, lr=1e-3, warmup=2, average=0.5), batch=1),
    "quick": DesSettings(Schedule(steps=160, epoch=40, lr=5e-4, warmup=15, average=0.95)),
    "standard": DesSettings(Schedule(steps=1200, epoch=100, lr=5e-4, warmup=40, average=0.99), batch=3),
    "paper": DesSettings(  # SGD, 2e-3, SAM-Base; 50 epochs of a set of some thousand images
        Schedule(steps=20_000, epoch=400, lr=2e-3, weight_decay=1e-4, warmup=200, average=0.999),
        prompter="sam-vit-b",
        size=VITDET,
        batch=4,
        view=512,
        optimiser="sgd",
    ),
}


def settings_of(preset: str, *, device: str = "auto", seed: int = 0, prompter: str | None = None) -> DesSettings:
    """The settings of a preset; `prompter` names another net of the Segment Anything family."""
    chosen = PRESETS[preset]
    schedule = replace(chosen.schedule, seed=seed)
    named = prompter or chosen.prompter
    return replace(chosen, preset=preset, schedule=schedule, prompter=named, device=device, seed=seed)
