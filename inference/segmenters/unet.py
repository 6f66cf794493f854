"""The project's own segmenter: a small residual U-Net, image -> probability of being cell.

Learned with BCE + Dice on pseudo-masks (BoxCell's ITS), only where annotation is exhaustive.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.devices import device as choose_device
from inference.devices import mixed
from inference.nets import Body, adopt, pad_to_stride, to_batch
from inference.tiles import tiles
from inference.training.augment import crop, jitter_colour, turn
from inference.training.loop import Schedule, fingerprint, fit
from inference.types import RGB, InferenceError, Probability, Report, Sample, Stop
from inference.weights import files, sha256, shipped

MODEL = "unet-1"
Batch = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class UNetSettings:
    """Everything the trained weights depend on, besides the data.

    flips   average over the four mirror images when predicting: four times the work, a little better
    """

    schedule: Schedule = field(default_factory=lambda: Schedule(steps=400, epoch=50, warmup=30, patience=6))
    batch: int = 8
    side: int = 256
    zoom: tuple[float, float] = (0.75, 1.4)
    colour: float = 0.7
    flips: bool = False
    pretrained: bool = True

    def __post_init__(self) -> None:
        if self.side % 32 or self.batch < 1 or not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"impossible settings: {self}")


PRESETS = {
    "tiny": UNetSettings(schedule=Schedule(steps=24, epoch=8, lr=1e-3, warmup=5, average=0.9), batch=4, side=192),
    "quick": UNetSettings(
        schedule=Schedule(steps=120, epoch=30, lr=1e-3, warmup=20, average=0.97, patience=4), batch=6
    ),
    "paper": UNetSettings(
        schedule=Schedule(steps=3000, epoch=100, warmup=100, average=0.995, patience=10), batch=16, flips=True
    ),
}


class UNetNet(nn.Module):
    """(B, 3, H, W) -> logits (B, 1, H, W); computed at half resolution, sharpened by the image at full resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Body(2)
        self.head = nn.Conv2d(self.body.channels, 8, 1)
        self.fine = nn.Sequential(nn.Conv2d(11, 8, 3, 1, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        coarse = F.interpolate(self.head(self.body(x)), scale_factor=2, mode="bilinear", align_corners=False)
        fine: Tensor = self.fine(torch.cat([coarse, (x - 0.5) * 4], 1)) + coarse[:, :1]
        return fine


def loss(model: nn.Module, batch: Batch) -> Tensor:
    """BCE + (1 - soft Dice over the whole batch), where valid."""
    images, truth, valid = batch
    logits = model(images).float()
    bce = (F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * valid).sum() / valid.sum().clamp(min=1)
    p = torch.sigmoid(logits) * valid
    t = truth * valid
    return bce + 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)


class UNetSegmenter:
    """A trained UNetNet. `foreground` takes any size of image, in tiles where it is large."""

    def __init__(self, net: UNetNet, *, device: torch.device, flips: bool = False, name: str = MODEL) -> None:
        self.net = net.to(device).eval()
        if device.type == "cpu":
            self.net.to(memory_format=torch.channels_last)
        self.device, self.flips, self.name = device, flips, name

    def foreground(self, rgb: RGB) -> Probability:
        height, width = rgb.shape[:2]
        probability = np.empty((height, width), np.float32)
        for tile in tiles(width, height):
            x0, y0, x1, y1 = tile.outer
            part = self._tile(rgb[y0:y1, x0:x1])
            a, b, c, d = tile.core
            probability[b:d, a:c] = part[b - y0 : d - y0, a - x0 : c - x0]
        return probability

    @torch.no_grad()
    def _tile(self, rgb: RGB) -> Probability:
        h, w = rgb.shape[:2]
        x = pad_to_stride(to_batch([rgb])).to(self.device)
        mirrors: list[list[int]] = [[], [2], [3], [2, 3]] if self.flips else [[]]
        with mixed(self.device):
            seen = [torch.sigmoid(self.net(x.flip(m)).float()).flip(m) for m in mirrors]
        mean: Probability = torch.stack(seen).mean(0)[0, 0, :h, :w].cpu().numpy()
        return mean


class UNet:
    """Trainer of UNetSegmenter (inference.types.Trainer): learns from Sample.labels > 0."""

    def __init__(
        self, settings: UNetSettings | str = "quick", *, device: str = "auto", seed: int | None = None
    ) -> None:
        self.settings = PRESETS[settings] if isinstance(settings, str) else settings
        if seed is not None:
            self.settings = replace(self.settings, schedule=replace(self.settings.schedule, seed=seed))
        self.device = device

    @property
    def name(self) -> str:
        """With the weights it starts from: a round trained from others is another round."""
        start = shipped("unet") if self.settings.pretrained else None
        return f"{MODEL}-from-{sha256(start)[:8]}" if start else MODEL

    def train(
        self,
        samples: Sequence[Sample],
        validation: Sequence[Sample],
        *,
        work: Path,
        report: Report,
        stop: Stop,
        start_from: Path | None = None,
    ) -> Path:
        if not samples or any(sample.labels is None for sample in [*samples, *validation]):
            raise InferenceError("a segmenter learns from pseudo-masks: every sample needs labels")
        where = choose_device(self.device)
        start = start_from or (shipped("unet") if self.settings.pretrained else None)
        torch.manual_seed(self.settings.schedule.seed)
        net = UNetNet()
        if start is not None:
            adopt(net, files.load(start, MODEL)[0])

        def batch(rng: np.random.Generator) -> Batch:
            images, truth, valid = self._batch(samples, rng)
            return images.to(where), truth.to(where), valid.to(where)

        def evaluate(model: nn.Module) -> dict[str, float]:
            assert isinstance(model, UNetNet)
            dice = mean_dice(UNetSegmenter(model, device=where), validation)
            return {"score": dice, "dice": dice}

        state = fit(
            net,
            batch,
            loss,
            self.settings.schedule,
            device=where,
            work=work,
            fingerprint=fingerprint((MODEL, self.settings), [*samples, *validation], sha256(start) if start else ""),
            report=report,
            stop=stop,
            evaluate=evaluate if validation else None,
        )
        about = {"model": MODEL, "settings": asdict(self.settings)}
        return files.save(work / "segmenter.safetensors", state, about)

    def load(self, weights: Path) -> UNetSegmenter:
        return load(weights, device=self.device)

    def _batch(self, samples: Sequence[Sample], rng: np.random.Generator) -> Batch:
        settings = self.settings
        images, truths, valids = [], [], []
        for index in rng.integers(len(samples), size=settings.batch):
            sample = samples[index]
            assert sample.labels is not None
            planes = [(sample.labels > 0).astype(np.uint8), sample.valid.astype(np.uint8)]
            image, (truth, valid), _ = crop(sample.rgb, planes, settings.side, rng, zoom=settings.zoom)
            quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
            images.append(turn(image, quarter, mirror))
            truths.append(turn(truth, quarter, mirror)[None].astype(np.float32))
            valids.append(turn(valid, quarter, mirror)[None].astype(np.float32))
        colour = jitter_colour(to_batch(images), rng, strength=settings.colour)
        return colour, torch.from_numpy(np.stack(truths)), torch.from_numpy(np.stack(valids))


def load(weights: Path, *, device: str = "auto") -> UNetSegmenter:
    """A segmenter from its file. Raises BadWeights."""
    state, about = files.load(weights, MODEL)
    net = UNetNet()
    files.fill(net, state, weights)
    return UNetSegmenter(net, device=choose_device(device), flips=bool(about["settings"]["flips"]))


def mean_dice(segmenter: UNetSegmenter, samples: Sequence[Sample]) -> float:
    """Mean over images of 2 |P and T| / (|P| + |T|), where valid; 1 when both are empty."""
    values = []
    for sample in samples:
        assert sample.labels is not None
        p = (segmenter.foreground(sample.rgb) >= 0.5) & sample.valid
        t = (sample.labels > 0) & sample.valid
        size = int(p.sum()) + int(t.sum())
        values.append(2 * int((p & t).sum()) / size if size else 1.0)
    return float(np.mean(values))
