"""The project's own detector: centres as peaks of a heat map, four distances to the sides of the box at each.

After CenterNet (Zhou et al. 2019, arXiv:1904.07850) with FCOS's distances (Tian et al. 2019, arXiv:1904.01355) and
the generalised IoU loss (Rezatofighi et al. 2019). Written for cells: stride 4, a small body with group
normalisation, learned from boxes alone within a minute on a CPU.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import nms

from inference.detectors.crops import draw
from inference.detectors.evaluation import judge
from inference.devices import device as choose_device
from inference.devices import mixed
from inference.nets import Body, adopt, norm, pad_to_stride, to_batch
from inference.tiles import tiles
from inference.training.augment import jitter_colour
from inference.training.loop import Schedule, fingerprint, fit
from inference.types import RGB, Boxes, Detections, InferenceError, Report, Sample, Stop
from inference.weights import files, sha256, shipped

MODEL = "centre-1"
STRIDE = 4
Batch = tuple[Tensor, Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class CentreSettings:
    """Everything the trained weights depend on, besides the data.

    side    pixels of the square crops it learns from
    zoom    random magnification of a crop
    colour  strength of the colour augmentation, 0 is none
    visible share of a box that must lie in the crop for the box to be learned; less is ignored
    flips   average over the four mirror images when detecting: four times the work, a little better
    """

    schedule: Schedule = field(default_factory=lambda: Schedule(steps=400, epoch=50, warmup=30))
    batch: int = 8
    side: int = 256
    zoom: tuple[float, float] = (0.75, 1.4)
    colour: float = 0.7
    visible: float = 0.4
    threshold: float = 0.4  # where F1 peaked on tnbc val; with validation images it is swept
    nms: float = 0.5
    flips: bool = False
    pretrained: bool = True

    def __post_init__(self) -> None:
        if self.side % 32 or self.batch < 1 or not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"impossible settings: {self}")


PRESETS = {
    "tiny": CentreSettings(schedule=Schedule(steps=24, epoch=8, lr=1e-3, warmup=5, average=0.9), batch=4, side=192),
    "quick": CentreSettings(schedule=Schedule(steps=160, epoch=40, lr=1e-3, warmup=20, average=0.97), batch=6),
    "standard": CentreSettings(schedule=Schedule(steps=800, epoch=100, lr=1e-3, warmup=50, average=0.99), flips=True),
    "paper": CentreSettings(schedule=Schedule(steps=3000, epoch=100, warmup=100, average=0.995), batch=16),
}


@dataclass(frozen=True)
class Mirror:
    """axes of (B, C, H, W) that are turned round, and where left, up, right and down are found in the mirror image."""

    axes: tuple[int, ...]
    sides: list[int]


MIRRORS = (
    Mirror((), [0, 1, 2, 3]),
    Mirror((3,), [2, 1, 0, 3]),
    Mirror((2,), [0, 3, 2, 1]),
    Mirror((2, 3), [2, 3, 0, 1]),
)


class CentreNet(nn.Module):
    """(B, 3, H, W) -> heat logits (B, C, H/4, W/4) and log distances (B, 4, H/4, W/4): left, up, right, down."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.body = Body(STRIDE)
        c = self.body.channels
        self.trunk = nn.Sequential(nn.Conv2d(c, c, 3, 1, 1, bias=False), norm(c), nn.ReLU(inplace=True))
        self.heat = nn.Conv2d(c, classes, 1)
        self.sides = nn.Conv2d(c, 4, 1)
        assert self.heat.bias is not None and self.sides.bias is not None
        nn.init.constant_(self.heat.bias, -3.0)  # begin with few centres: the focal loss explodes otherwise
        nn.init.constant_(self.sides.bias, 1.0)  # e cells of 4 px: half of a common nucleus

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.trunk(self.body(x))
        return self.heat(x), self.sides(x).clamp(-3, 6)


def corners(sides: Tensor) -> Tensor:
    """Log distances (B, 4, h, w) -> boxes (B, 4, h, w) in image pixels."""
    h, w = sides.shape[-2:]
    left, up, right, down = (sides.float().exp() * STRIDE).unbind(1)
    x = (torch.arange(w, device=sides.device) + 0.5) * STRIDE
    y = ((torch.arange(h, device=sides.device) + 0.5) * STRIDE)[:, None]
    return torch.stack([x - left, y - up, x + right, y + down], dim=1)


def targets(boxes: Boxes, classes: np.ndarray, side: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Heat (n, s, s), box of every place (4, s, s) and its weight (s, s), s = side / 4.

    A box is a Gaussian whose standard deviation is a sixth of its sides; where two overlap, the nearer centre has
    the place. The peak is exactly 1 at the place that holds the centre.
    """
    s = side // STRIDE
    heat = np.zeros((n, s, s), np.float32)
    near = np.zeros((s, s), np.float32)
    aim = np.zeros((4, s, s), np.float32)
    for box, cls in zip(boxes, classes):
        x0, y0, x1, y1 = box
        cx, cy = (x0 + x1) / 2 / STRIDE, (y0 + y1) / 2 / STRIDE
        sx, sy = max((x1 - x0) / 6 / STRIDE, 0.6), max((y1 - y0) / 6 / STRIDE, 0.6)
        px, py = min(max(int(cx), 0), s - 1), min(max(int(cy), 0), s - 1)
        left, right = max(0, int(px - 3 * sx)), min(s, int(px + 3 * sx) + 2)
        top, bottom = max(0, int(py - 3 * sy)), min(s, int(py + 3 * sy) + 2)
        gx = np.exp(-(((np.arange(left, right) + 0.5 - cx) / sx) ** 2) / 2)
        gy = np.exp(-(((np.arange(top, bottom) + 0.5 - cy) / sy) ** 2) / 2)
        bump = (gy[:, None] * gx[None]).astype(np.float32)
        bump[py - top, px - left] = 1
        window = heat[cls, top:bottom, left:right]
        np.maximum(window, bump, out=window)
        ours = bump > near[top:bottom, left:right]
        near[top:bottom, left:right][ours] = bump[ours]
        aim[:, top:bottom, left:right][:, ours] = np.asarray(box, np.float32)[:, None]
    return heat, aim, np.where(near > 0.3, near, 0)


def loss(model: nn.Module, batch: Batch) -> Tensor:
    """Penalty-reduced focal loss of the heat and GIoU of the boxes, both only where `valid`."""
    images, heat, aim, valid = batch
    weight, valid = aim[:, 4:] * valid, valid.expand(-1, heat.shape[1], -1, -1)
    logits, sides = model(images)
    p = torch.sigmoid(logits.float()).clamp(1e-4, 1 - 1e-4)
    peak = (heat == 1).float() * valid
    positive = -((1 - p) ** 2) * p.log() * peak
    negative = -(p**2) * (1 - p).log() * (1 - heat) ** 4 * valid * (heat < 1)
    focal = (positive.sum() + negative.sum()) / peak.sum().clamp(min=1)
    boxes = corners(sides)
    giou = generalised_iou(boxes, aim[:, :4])
    return focal + 2 * ((1 - giou) * weight[:, 0]).sum() / weight.sum().clamp(min=1)


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """(B, 4, ...) boxes -> (B, ...) in -1..1."""
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    union = (area_a + area_b - shared).clamp(min=1e-6)
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1).clamp(min=1e-6)
    return shared / union - (hull - union) / hull


class CentreDetector:
    """A trained CentreNet. `detect` takes any size of image, in tiles where it is large."""

    def __init__(self, net: CentreNet, settings: CentreSettings, *, device: torch.device, name: str = MODEL) -> None:
        self.net = net.to(device).eval()
        if device.type == "cpu":
            self.net.to(memory_format=torch.channels_last)
        self.settings, self.device, self.name = settings, device, name

    def detect(self, rgb: RGB) -> Detections:
        height, width = rgb.shape[:2]
        parts = []
        for tile in tiles(width, height):
            x0, y0, x1, y1 = tile.outer
            found = self._detect_tile(rgb[y0:y1, x0:x1])
            found[:, :4] += torch.tensor([x0, y0, x0, y0])
            centre = (found[:, :2] + found[:, 2:4]) / 2
            low, high = torch.tensor(tile.core[:2]), torch.tensor(tile.core[2:])
            # A cell on a seam is seen by both tiles and kept by the one its centre lies in.
            parts.append(found[((centre >= low) & (centre < high)).all(1)])
        found = torch.cat(parts)
        found[:, 0:4:2] = found[:, 0:4:2].clamp(0, width)
        found[:, 1:4:2] = found[:, 1:4:2].clamp(0, height)
        found = found[((found[:, 2:4] - found[:, :2]) >= 1).all(1)]
        # Not one class at a time: a cell has one class, so boxes of two classes compete as well.
        found = found[nms(found[:, :4], found[:, 4], self.settings.nms)]
        return Detections(found[:, :4].double().numpy(), found[:, 4].clamp(0, 1).numpy(), found[:, 5].long().numpy())

    @torch.no_grad()
    def _detect_tile(self, rgb: RGB) -> Tensor:
        """(n, 6): box, score, class."""
        x = pad_to_stride(to_batch([rgb])).to(self.device)
        heat, sides = self._seen(x)
        score, cls = heat.max(1, keepdim=True)
        peaks = (score == F.max_pool2d(score, 3, 1, 1)) & (score >= self.settings.threshold)
        # Neighbours of a peak see the same cell: their mean, weighted by heat, is a better box than the peak's own.
        weight = score.clamp(min=1e-6) ** 2
        boxes = F.avg_pool2d(corners(sides) * weight, 3, 1, 1) / F.avg_pool2d(weight, 3, 1, 1)
        _, _, y, x_ = peaks.nonzero(as_tuple=True)
        return torch.cat(
            [boxes[0, :, y, x_].T, score[0, 0, y, x_][:, None], cls[0, 0, y, x_][:, None].float()], 1
        ).cpu()

    def _seen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Heat 0..1 and log distances, as CentreNet, of the image or as the mean over its mirror images."""
        heats, distances = [], []
        for mirror in MIRRORS if self.settings.flips else MIRRORS[:1]:
            with mixed(self.device):
                logits, sides = self.net(x.flip(mirror.axes))
            heats.append(torch.sigmoid(logits.float()).flip(mirror.axes))
            distances.append(sides.float().flip(mirror.axes)[:, mirror.sides])
        return torch.stack(heats).mean(0), torch.stack(distances).mean(0)


class CentrePoint:
    """Trainer of CentreDetector (inference.types.Trainer).

    classes  how many classes the boxes have; a class without an example is learned as never there
    """

    def __init__(
        self,
        settings: CentreSettings | str = "quick",
        *,
        classes: int = 1,
        device: str = "auto",
        seed: int | None = None,
    ) -> None:
        self.settings = PRESETS[settings] if isinstance(settings, str) else settings
        if seed is not None:
            self.settings = replace(self.settings, schedule=replace(self.settings.schedule, seed=seed))
        self.classes, self.device = classes, device

    @property
    def name(self) -> str:
        """With the weights it starts from: a round trained from others is another round."""
        start = shipped("centre") if self.settings.pretrained else None
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
        if not any(len(sample.boxes) for sample in samples):
            raise InferenceError("there is no box to learn from")
        highest = max(int(sample.classes.max(initial=0)) for sample in samples)
        if highest >= self.classes:
            raise ValueError(f"a box has class {highest}, but the detector is made for {self.classes} classes")
        where = choose_device(self.device)
        start = start_from or (shipped("centre") if self.settings.pretrained else None)
        torch.manual_seed(self.settings.schedule.seed)
        net = CentreNet(self.classes)
        if start is not None:
            adopt(net, files.load(start, MODEL)[0])

        def batch(rng: np.random.Generator) -> Batch:
            images, heat, aim, valid = self._batch(samples, rng)
            return images.to(where), heat.to(where), aim.to(where), valid.to(where)

        def evaluate(model: nn.Module) -> dict[str, float]:
            assert isinstance(model, CentreNet)
            detector = CentreDetector(model, replace(self.settings, threshold=0.05), device=where)
            ap, f1, threshold = judge(detector, validation)
            return {"score": ap, "ap50": ap, "f1": f1, "threshold": threshold}

        state = fit(
            net,
            batch,
            loss,
            self.settings.schedule,
            device=where,
            work=work,
            fingerprint=fingerprint(
                (MODEL, self.settings, self.classes), [*samples, *validation], sha256(start) if start else ""
            ),
            report=report,
            stop=stop,
            evaluate=evaluate if validation else None,
        )
        settings = self.settings
        if validation:
            net.load_state_dict(state)
            settings = replace(settings, threshold=evaluate(net)["threshold"])
        about = {"model": MODEL, "classes": self.classes, "settings": asdict(settings)}
        return files.save(work / "detector.safetensors", state, about)

    def load(self, weights: Path) -> CentreDetector:
        return load(weights, device=self.device)

    def _batch(self, samples: Sequence[Sample], rng: np.random.Generator) -> Batch:
        settings, side = self.settings, self.settings.side
        images, heats, aims, valids = [], [], [], []
        for index in rng.integers(len(samples), size=settings.batch):
            image, boxes, classes, valid = draw(
                samples[index], rng, side=side, zoom=settings.zoom, visible=settings.visible
            )
            heat, aim, weight = targets(boxes, classes, side, self.classes)
            images.append(image)
            heats.append(heat)
            aims.append(np.concatenate([aim, weight[None]]))
            valids.append(valid[None].astype(np.float32))
        inside = F.avg_pool2d(torch.from_numpy(np.stack(valids)), STRIDE) > 0.5
        colour = jitter_colour(to_batch(images), rng, strength=settings.colour)
        return colour, torch.from_numpy(np.stack(heats)), torch.from_numpy(np.stack(aims)), inside.float()


def load(weights: Path, *, device: str = "auto") -> CentreDetector:
    """A detector from its file. Raises BadWeights."""
    state, about = files.load(weights, MODEL)
    net = CentreNet(int(about["classes"]))
    files.fill(net, state, weights)
    # Files from before mirror images were averaged do not say that they are not.
    keep = {key: about["settings"][key] for key in ("threshold", "nms")}
    if "flips" in about["settings"]:  # weights from before the preset standard do not say it
        keep["flips"] = about["settings"]["flips"]
    return CentreDetector(net, CentreSettings(**keep), device=choose_device(device))
