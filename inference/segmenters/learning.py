"""What all segmenters share: BCE + Dice on pseudo-masks where annotation is exhaustive, and tiled prediction."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.devices import device as choose_device
from inference.devices import mixed
from inference.nets import batch_norms, pad_to_stride, re_estimate, to_batch
from inference.tiles import tiles
from inference.training.augment import crop, jitter_colour, turn
from inference.training.loop import Schedule, fingerprint, fit
from inference.types import RGB, InferenceError, Probability, Report, Sample, Stop
from inference.weights import catalogue, files, sha256

Batch = tuple[Tensor, Tensor, Tensor]  # images (B, 3, H, W) in 0..1, truth and valid (B, 1, H, W) of 0 and 1


def bce_dice(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """BCE + (1 - soft Dice over the whole batch), where valid; all (B, 1, H, W)."""
    logits = logits.float()
    bce = (F.binary_cross_entropy_with_logits(logits, truth, reduction="none") * valid).sum() / valid.sum().clamp(min=1)
    p = torch.sigmoid(logits) * valid
    t = truth * valid
    return bce + 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)


class NetSegmenter:
    """A trained net (B, 3, H, W) -> logits (B, 1, H, W) as a Segmenter. Takes any size of image, in tiles where it is
    large.

    flips    average over the four mirror images: four times the work, a little better
    enlarge  magnification of the image, as in training
    stride   what the sides of the net's input must be multiples of
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        device: torch.device,
        name: str,
        flips: bool = False,
        enlarge: float = 1.0,
        stride: int = 16,
    ) -> None:
        self.net = net.to(device).eval()
        if device.type == "cpu":
            self.net.to(memory_format=torch.channels_last)
        self.device, self.flips, self.name = device, flips, name
        self.enlarge, self.stride = enlarge, stride

    def foreground(self, rgb: RGB) -> Probability:
        height, width = rgb.shape[:2]
        probability = np.empty((height, width), np.float32)
        for tile in tiles(width, height, side=round(1024 / self.enlarge), halo=round(64 / min(self.enlarge, 2))):
            x0, y0, x1, y1 = tile.outer
            part = self._tile(rgb[y0:y1, x0:x1])
            a, b, c, d = tile.core
            probability[b:d, a:c] = part[b - y0 : d - y0, a - x0 : c - x0]
        return probability

    def adapted(self, images: Sequence[RGB]) -> Self:
        """For a new stain: batch normalisation's running statistics as they are in `images`, a dozen of which need no
        annotation. A net without batch normalisation has nothing to adapt. This changes the net."""
        if images and batch_norms(self.net):
            re_estimate(self.net, [self._input(rgb[:1024, :1024])[0] for rgb in images])
            self.name += "-adapted"
        return self

    def _input(self, rgb: RGB) -> tuple[Tensor, int, int]:
        """The net's input, and which height and width of it the image covers."""
        x = to_batch([rgb])
        h, w = (max(1, round(n * self.enlarge)) for n in rgb.shape[:2])
        if (h, w) != rgb.shape[:2]:
            x = F.interpolate(x, (h, w), mode="bilinear", align_corners=False, antialias=True)
        return pad_to_stride(x, self.stride).to(self.device), h, w

    @torch.no_grad()
    def _tile(self, rgb: RGB) -> Probability:
        x, h, w = self._input(rgb)
        mirrors: list[list[int]] = [[], [2], [3], [2, 3]] if self.flips else [[]]
        with mixed(self.device):
            seen = [torch.sigmoid(self.net(x.flip(m)).float()).flip(m) for m in mirrors]
        mean = torch.stack(seen).mean(0)[:, :, :h, :w]
        if (h, w) != rgb.shape[:2]:
            mean = F.interpolate(mean, rgb.shape[:2], mode="bilinear", align_corners=False)
        found: Probability = mean[0, 0].cpu().numpy()
        return found


class SegmenterTrainer(ABC):
    """A trainer of NetSegmenter (inference.types.Trainer): learns from Sample.labels > 0.

    Its settings are a frozen dataclass with at least: schedule, batch, side, zoom, colour, flips.
    """

    MODEL: str
    STRIDE = 16
    settings: Any

    def __init__(self, settings: Any, *, device: str = "auto", seed: int | None = None) -> None:
        if seed is not None:
            settings = replace(settings, schedule=replace(settings.schedule, seed=seed))
        self.settings, self.device = settings, device

    @abstractmethod
    def net(self) -> nn.Module:
        """The net of `settings` with random weights."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> Tensor: ...

    def start(self) -> Path | None:
        """Weights to start from when nobody names others."""
        return None

    def take(self, net: nn.Module, start: Path) -> None:
        """Start from these weights. Raises BadWeights."""
        state, _ = files.load(start, self.MODEL)
        files.fill(net, state, start)

    @property
    def name(self) -> str:
        """With the weights it starts from: a round trained from others is another round."""
        start = self.start()
        return f"{self.MODEL}-from-{sha256(start)[:8]}" if start else self.MODEL

    def segmenter(self, net: nn.Module, device: torch.device, *, flips: bool = False) -> NetSegmenter:
        enlarge = getattr(self.settings, "enlarge", 1.0)
        return NetSegmenter(net, device=device, name=self.MODEL, flips=flips, enlarge=enlarge, stride=self.STRIDE)

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
        start = start_from or self.start()
        torch.manual_seed(self.settings.schedule.seed)
        net = self.net()
        if start is not None:
            self.take(net, start)

        def batch(rng: np.random.Generator) -> Batch:
            images, truth, valid = self._batch(samples, rng)
            return images.to(where), truth.to(where), valid.to(where)

        def evaluate(model: nn.Module) -> dict[str, float]:
            dice = mean_dice(self.segmenter(model, where), validation)
            return {"score": dice, "dice": dice}

        state = fit(
            net,
            batch,
            self.loss,
            self.settings.schedule,
            device=where,
            work=work,
            fingerprint=fingerprint(
                (self.MODEL, self.settings), [*samples, *validation], sha256(start) if start else ""
            ),
            report=report,
            stop=stop,
            evaluate=evaluate if validation else None,
        )
        about = {"model": self.MODEL, "settings": asdict(self.settings)}
        return files.save(work / "segmenter.safetensors", state, about)

    def load(self, weights: Path) -> NetSegmenter:
        """A segmenter from its file. Raises BadWeights."""
        state, about = files.load(weights, self.MODEL)
        known = {one.name for one in fields(self.settings)}
        kept = {name: value for name, value in about["settings"].items() if name in known}
        kept |= {"schedule": Schedule(**kept["schedule"]), "zoom": tuple(kept["zoom"])}
        settings = type(self.settings)(**kept)
        made = type(self)(settings, device=self.device)
        net = made.net()
        files.fill(net, state, weights)
        return made.segmenter(net, choose_device(self.device), flips=settings.flips)

    def _batch(self, samples: Sequence[Sample], rng: np.random.Generator) -> Batch:
        settings = self.settings
        enlarge = getattr(settings, "enlarge", 1.0)
        zoom = (settings.zoom[0] * enlarge, settings.zoom[1] * enlarge)
        images, truths, valids = [], [], []
        for index in rng.integers(len(samples), size=settings.batch):
            sample = samples[index]
            assert sample.labels is not None
            planes = [(sample.labels > 0).astype(np.uint8), sample.valid.astype(np.uint8)]
            image, (truth, valid), _ = crop(sample.rgb, planes, settings.side, rng, zoom=zoom)
            quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
            images.append(turn(image, quarter, mirror))
            truths.append(turn(truth, quarter, mirror)[None].astype(np.float32))
            valids.append(turn(valid, quarter, mirror)[None].astype(np.float32))
        colour = jitter_colour(to_batch(images), rng, strength=settings.colour)
        return colour, torch.from_numpy(np.stack(truths)), torch.from_numpy(np.stack(valids))


def published(name: str, *, wanted: bool) -> Path | None:
    """The file of a catalogue's entry, where somebody fetched it."""
    path = catalogue.place(name)
    return path if wanted and path.exists() else None


def mean_dice(segmenter: NetSegmenter, samples: Sequence[Sample]) -> float:
    """Mean over images of 2 |P and T| / (|P| + |T|), where valid; 1 when both are empty."""
    values = []
    for sample in samples:
        assert sample.labels is not None
        p = (segmenter.foreground(sample.rgb) >= 0.5) & sample.valid
        t = (sample.labels > 0) & sample.valid
        size = int(p.sum()) + int(t.sum())
        values.append(2 * int((p & t).sum()) / size if size else 1.0)
    return float(np.mean(values))
