"""Settings of InstaSAM and its presets."""

from dataclasses import dataclass, replace

from inference.methods.backbones import OWN
from inference.training.loop import Schedule


@dataclass(frozen=True)
class InstaSettings:
    """Everything the trained weights depend on, besides the data.

    prompter  the net that is adapted, by its name
    inner     channels of the adapters
    batch     crops a step; field: their side, and of what is seen at once, in pixels; zoom, colour: of augmentation
    border    pixels along the sides of a crop that teach no foreground: cells whose point lies outside reach in
    weights   of the losses of masks, foreground and distances
    """

    schedule: Schedule
    preset: str = "quick"
    prompter: str = OWN
    inner: int = 32
    batch: int = 2
    field: int = 256
    zoom: tuple[float, float] = (0.75, 1.4)
    colour: float = 0.7
    border: int = 12
    delta: float = 0.5
    epsilon: float = 0.3
    weights: tuple[float, float, float] = (1.0, 1.0, 5.0)
    least_area: int = 20
    device: str = "auto"
    seed: int = 0


PRESETS = {
    "tiny": InstaSettings(
        Schedule(steps=6, epoch=3, lr=1e-3, warmup=2, average=0.5),
        batch=1,
    ),
    "quick": InstaSettings(
        Schedule(
            steps=120,
            epoch=30,
            lr=1e-3,
            warmup=10,
            average=0.95,
        )
    ),
    "standard": InstaSettings(
        Schedule(
            steps=900,
            epoch=100,
            lr=5e-4,
            warmup=30,
            average=0.99,
        )
    ),
    "paper": InstaSettings(  # AdamW, 1e-4, cosine, batch 4; how long is not said
        Schedule(
            steps=4000,
            epoch=200,
            lr=1e-4,
            warmup=1,
            average=0.99,
        ),
        prompter="sam-vit-h",
        batch=4,
    ),
}


def settings_of(
    preset: str,
    *,
    device: str = "auto",
    seed: int = 0,
    prompter: str | None = None,
) -> InstaSettings:
    """The settings of a preset; `prompter` names another net of the Segment Anything family."""
    chosen = PRESETS[preset]
    schedule = replace(chosen.schedule, seed=seed)
    named = prompter or chosen.prompter
    return replace(
        chosen,
        preset=preset,
        schedule=schedule,
        prompter=named,
        device=device,
        seed=seed,
    )
