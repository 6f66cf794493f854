"""SegFormer (Xie et al. 2021, arXiv:2105.15203) by transformers, with random weights or those of its makers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from inference.segmenters.learning import Batch, SegmenterTrainer, bce_dice, published
from inference.training.loop import Schedule
from inference.weights import files

MODEL = "segformer-1"
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SMALL, LARGE = [32, 64, 160, 256], [64, 128, 320, 512]
SIZES: dict[str, dict[str, Any]] = {  # the paper's table; "tiny" is our own for tests
    "tiny": {"hidden_sizes": [16, 32, 64, 128], "depths": [1, 1, 1, 1], "decoder_hidden_size": 64},
    "b0": {"hidden_sizes": SMALL, "depths": [2, 2, 2, 2], "decoder_hidden_size": 256},
    "b1": {"hidden_sizes": LARGE, "depths": [2, 2, 2, 2], "decoder_hidden_size": 256},
    "b2": {"hidden_sizes": LARGE, "depths": [3, 4, 6, 3], "decoder_hidden_size": 768},
    "b3": {"hidden_sizes": LARGE, "depths": [3, 4, 18, 3], "decoder_hidden_size": 768},
    "b4": {"hidden_sizes": LARGE, "depths": [3, 8, 27, 3], "decoder_hidden_size": 768},
    "b5": {"hidden_sizes": LARGE, "depths": [3, 6, 40, 3], "decoder_hidden_size": 768},
}


@dataclass(frozen=True)
class SegFormerSettings:
    """Everything the trained weights depend on, besides the data.

    pretrained  start from the makers' encoder where somebody fetched it (boxwise models add mit-b2 FILE)
    """

    schedule: Schedule = field(default_factory=lambda: Schedule(steps=400, epoch=50, lr=1e-3, warmup=30, patience=6))
    size: str = "b0"
    batch: int = 6
    side: int = 256
    zoom: tuple[float, float] = (0.75, 1.4)
    colour: float = 0.7
    flips: bool = False
    enlarge: float = 1.0
    pretrained: bool = True

    def __post_init__(self) -> None:
        if self.size not in SIZES or self.side % 32 or self.batch < 1 or self.enlarge <= 0:
            raise ValueError(f"impossible settings: {self}")


PRESETS = {
    "tiny": SegFormerSettings(
        schedule=Schedule(steps=16, epoch=8, lr=1e-3, warmup=4, average=0.8), size="tiny", batch=2, side=192
    ),
    "quick": SegFormerSettings(),
    "paper": SegFormerSettings(
        schedule=Schedule(steps=4000, epoch=20, lr=1e-4, warmup=100, average=0.99, patience=20),
        size="b2",
        batch=16,
        side=512,
    ),
}


class SegFormerNet(nn.Module):
    """(B, 3, H, W) in 0..1 -> logits (B, 1, H, W); its own are at a quarter of the resolution."""

    def __init__(self, size: str) -> None:
        super().__init__()
        from transformers import SegformerConfig, SegformerForSemanticSegmentation

        self.config = SegformerConfig(num_labels=1, **SIZES[size])
        self.net = SegformerForSemanticSegmentation(self.config)

    def forward(self, x: Tensor) -> Tensor:
        mean, deviation = (torch.tensor(v, device=x.device)[:, None, None] for v in (MEAN, DEVIATION))
        logits = self.net(pixel_values=(x - mean) / deviation).logits
        return nn.functional.interpolate(logits.float(), x.shape[-2:], mode="bilinear", align_corners=False)


def loss(model: nn.Module, batch: Batch) -> Tensor:
    images, truth, valid = batch
    return bce_dice(model(images), truth, valid)


class SegFormer(SegmenterTrainer):
    """Trainer of SegFormer."""

    MODEL, STRIDE = MODEL, 32

    def __init__(
        self, settings: SegFormerSettings | str = "quick", *, device: str = "auto", seed: int | None = None
    ) -> None:
        super().__init__(PRESETS[settings] if isinstance(settings, str) else settings, device=device, seed=seed)

    def net(self) -> nn.Module:
        return SegFormerNet(self.settings.size)

    def loss(self, model: nn.Module, batch: Batch) -> Tensor:
        return loss(model, batch)

    def start(self) -> Path | None:
        wanted = self.settings.pretrained and self.settings.size != "tiny"
        return published(f"mit-{self.settings.size}", wanted=wanted) if wanted else None

    def take(self, net: nn.Module, start: Path) -> None:
        """A file of our own, or the makers' encoder, whose names transformers translates."""
        assert isinstance(net, SegFormerNet)
        state = files.read_checkpoint(start)
        if any(name.startswith("net.") for name in state):
            files.fill(net, state, start)
            return
        made, report = type(net.net).from_pretrained(
            None, config=net.config, state_dict=state, output_loading_info=True, ignore_mismatched_sizes=True
        )
        lost = sorted(name for name in report["missing_keys"] if not name.startswith("decode_head."))
        if lost:
            raise files.BadWeights(f"{start.name} does not fit SegFormer {self.settings.size}: {lost[0]} is missing")
        net.net = made
