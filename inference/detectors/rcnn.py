"""Faster R-CNN with a feature pyramid (Ren et al. 2015; Lin et al. 2017) from torchvision's parts, on boxes alone.

With the backbone "resnet50" the tensors have the names and shapes of torchvision's fasterrcnn_resnet50_fpn_v2 (Li et
al. 2021), so that its published file is a start; "resnet18" is the same in small, for a CPU. What differs from
torchvision: anchors for cells instead of people and cars, room for a thousand cells a view, and anchors and proposals
that lie where annotation is not exhaustive are no background.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet18, resnet50
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, FastRCNNPredictor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.ops import MultiScaleRoIAlign, nms

from inference.detectors.crops import draw
from inference.detectors.evaluation import FAINTEST, OVERLAPS, judge, tune
from inference.devices import device as choose_device
from inference.devices import mixed
from inference.nets import adopt, to_batch
from inference.tiles import tiles
from inference.training.augment import jitter_colour
from inference.training.kept import restored
from inference.training.loop import Schedule, fingerprint, fit
from inference.types import RGB, Boxes, Classes, Detections, InferenceError, Report, Sample, Stop
from inference.weights import catalogue, files, sha256

MODEL = "faster-rcnn-1"
PUBLISHED = "faster-rcnn-coco"  # torchvision's weights, in the catalogue
STRIDE = 32
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Batch = tuple[Tensor, list[Tensor], list[Tensor], Tensor]  # images, boxes, classes, valid


@dataclass(frozen=True)
class RcnnSettings:
    """Everything the trained weights depend on, besides the data.

    anchor   side in pixels of the smallest anchor; each of the five levels doubles it
    regions  proposals a crop that the second stage learns from
    tile     side of what it sees at once when it detects
    enlarge  magnification of images, in training and detection: for cells of ten pixels and less
    """

    schedule: Schedule = field(default_factory=lambda: Schedule(steps=600, epoch=50, lr=5e-4, warmup=50))
    backbone: str = "resnet18"
    batch: int = 4
    side: int = 256
    zoom: tuple[float, float] = (0.75, 1.4)
    colour: float = 0.7
    visible: float = 0.4
    anchor: float = 8.0
    regions: int = 64
    tile: int = 512
    enlarge: float = 1.0
    threshold: float = 0.3
    nms: float = 0.5
    pretrained: bool = True

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES or self.side % STRIDE or self.batch < 1 or self.enlarge <= 0:
            raise ValueError(f"impossible settings: {self}")


@dataclass(frozen=True)
class Backbone:
    make: Any
    width: int  # channels of the last stage
    pyramid: int  # channels of every level of the pyramid
    convolutions: tuple[int, ...]  # of the second stage
    hidden: int


# Group normalisation on a CPU, where a batch is four crops; batch normalisation where the published weights have it.
BACKBONES = {
    "resnet18": Backbone(resnet18, 512, 96, (96,), 256),
    "resnet50": Backbone(resnet50, 2048, 256, (256,) * 4, 1024),
}

PRESETS = {
    "tiny": RcnnSettings(
        schedule=Schedule(steps=12, epoch=4, lr=5e-4, warmup=3, average=0.8), batch=2, side=192, pretrained=False
    ),
    "quick": RcnnSettings(schedule=Schedule(steps=300, epoch=50, lr=5e-4, warmup=30, average=0.97, patience=4)),
    "paper": RcnnSettings(
        schedule=Schedule(steps=10_000, epoch=200, lr=2e-4, warmup=500, average=0.999, patience=15),
        backbone="resnet50",
        batch=8,
        side=512,
        regions=256,
        tile=1024,
    ),
}


class Proposer(RegionProposalNetwork):
    """The first stage; `valid` (B, H, W) is set before each training step."""

    valid: Tensor | None = None

    def assign_targets_to_anchors(self, anchors: Any, targets: Any) -> Any:
        labels, boxes = super().assign_targets_to_anchors(anchors, targets)
        if self.valid is not None:
            for label, places, valid in zip(labels, anchors, self.valid):
                label[(label == 0) & ~known(places, valid)] = -1  # the sampler passes over -1
        return labels, boxes


class Heads(RoIHeads):
    """The second stage."""

    valid: Tensor | None = None

    def assign_targets_to_proposals(self, proposals: Any, gt_boxes: Any, gt_labels: Any) -> Any:
        matched, labels = super().assign_targets_to_proposals(proposals, gt_boxes, gt_labels)
        if self.valid is not None:
            for label, places, valid in zip(labels, proposals, self.valid):
                label[(label == 0) & ~known(places, valid)] = -1
        return matched, labels


def known(boxes: Tensor, valid: Tensor) -> Tensor:
    """(n,) bool: whether the centre of each box lies where annotation is exhaustive. valid (H, W)"""
    x = ((boxes[:, 0] + boxes[:, 2]) / 2).long().clamp(0, valid.shape[1] - 1)
    y = ((boxes[:, 1] + boxes[:, 3]) / 2).long().clamp(0, valid.shape[0] - 1)
    return valid[y, x] > 0


class RcnnNet(nn.Module):
    """(B, 3, H, W) in 0..1 -> in training the sum of its four losses, else boxes, scores and classes of each image.

    heads      class of the second stage
    ratios     height by width of the anchors of every size
    proposals  most that the first stage passes on of an image, in training and in use
    """

    def __init__(
        self,
        classes: int,
        settings: RcnnSettings,
        *,
        heads: type[Heads] = Heads,
        ratios: tuple[float, ...] = (0.5, 1.0, 2.0),
        proposals: tuple[int, int] = (500, 1000),
    ) -> None:
        super().__init__()
        kind = BACKBONES[settings.backbone]
        norm: Any = nn.BatchNorm2d if settings.backbone == "resnet50" else partial(nn.GroupNorm, 8)
        body = kind.make(weights=None, norm_layer=norm)
        channels = [kind.width // 8, kind.width // 4, kind.width // 2, kind.width]
        levels = {f"layer{i + 1}": str(i) for i in range(4)}
        self.backbone = BackboneWithFPN(body, levels, channels, kind.pyramid, norm_layer=norm)
        anchors = AnchorGenerator([(settings.anchor * 2**i,) for i in range(5)], [ratios] * 5)
        self.rpn = Proposer(
            anchors,
            RPNHead(kind.pyramid, 3, conv_depth=2),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=256,
            positive_fraction=0.5,
            pre_nms_top_n={"training": 2 * proposals[0], "testing": 2 * proposals[1]},
            post_nms_top_n={"training": proposals[0], "testing": proposals[1]},
            nms_thresh=0.7,
        )
        self.roi_heads = heads(
            MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=7, sampling_ratio=2),
            FastRCNNConvFCHead((kind.pyramid, 7, 7), list(kind.convolutions), [kind.hidden], norm_layer=norm),
            FastRCNNPredictor(kind.hidden, classes + 1),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=settings.regions,
            positive_fraction=0.5,
            bbox_reg_weights=None,
            score_thresh=0.05,
            nms_thresh=0.5,
            detections_per_img=1000,
        )

    def losses(self, x: Tensor, boxes: Sequence[Tensor], classes: Sequence[Tensor], valid: Tensor) -> Tensor:
        """boxes (n, 4) and classes (n,) of each image; valid (B, H, W), 0 where nobody said what is there."""
        self.rpn.valid = self.roi_heads.valid = valid
        targets = [{"boxes": b, "labels": c + 1} for b, c in zip(boxes, classes)]  # 0 is background
        images, features = self._features(x)
        proposals, first = self.rpn(images, features, targets)
        with torch.autocast(x.device.type, enabled=False):  # RoI align has no bfloat16 on a CPU
            maps = {name: level.float() for name, level in features.items()}
            _, second = self.roi_heads(maps, [p.float() for p in proposals], images.image_sizes, targets)
            further = self.further_losses(maps, x.float())
        self.rpn.valid = self.roi_heads.valid = None
        every = [*first.values(), *second.values(), *further.values()]
        total: Tensor = torch.stack([value.float() for value in every]).sum()
        return total

    def further_losses(self, features: dict[str, Tensor], x: Tensor) -> dict[str, Tensor]:
        """Of what a net has beside the two stages, after the second has chosen what it learns from. x (B, 3, H, W)"""
        return {}

    def forward(self, x: Tensor) -> list[dict[str, Tensor]]:
        images, features = self._features(x)
        proposals, _ = self.rpn(images, features)
        with torch.autocast(x.device.type, enabled=False):
            maps = {name: level.float() for name, level in features.items()}
            found: list[dict[str, Tensor]]
            found, _ = self.roi_heads(maps, [p.float() for p in proposals], images.image_sizes)
            return self.further_found(found, maps, images.image_sizes)

    def further_found(
        self, found: list[dict[str, Tensor]], features: dict[str, Tensor], sizes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        """What was found in each image, with what a net has beside the two stages."""
        return found

    def _features(self, x: Tensor) -> tuple[ImageList, dict[str, Tensor]]:
        mean, deviation = (torch.tensor(v, device=x.device)[:, None, None] for v in (MEAN, DEVIATION))
        size = (int(x.shape[2]), int(x.shape[3]))
        images = ImageList((x - mean) / deviation, [size] * len(x))
        return images, self.backbone(images.tensors)


def loss(model: nn.Module, batch: Batch) -> Tensor:
    """The losses of both stages: is it a cell, of which class, and where are its sides; only where `valid`."""
    assert isinstance(model, RcnnNet)
    return model.losses(*batch)


def fitting(state: dict[str, Tensor], net: RcnnNet) -> dict[str, Tensor]:
    """Without the last layers of a net with other classes: background and the four sides of a box are rows of them
    that must not be mixed."""
    own = net.state_dict()
    last = "roi_heads.box_predictor."
    return {k: v for k, v in state.items() if not k.startswith(last) or (k in own and own[k].shape == v.shape)}


class RcnnDetector:
    """A trained RcnnNet. Images larger than a tile are seen in tiles with a halo."""

    def __init__(self, net: RcnnNet, settings: RcnnSettings, *, device: torch.device, name: str = MODEL) -> None:
        self.net, self.settings, self.device, self.name = net.to(device).eval(), settings, device, name

    def detect(self, rgb: RGB) -> Detections:
        found = self.rows(rgb)
        return Detections(found[:, :4].double().numpy(), found[:, 4].numpy(), found[:, 5].long().numpy())

    @torch.no_grad()
    def rows(self, rgb: RGB) -> Tensor:
        """(n, 6 or more): box in image pixels, score, class and what else a net says of it, best first."""
        height, width = rgb.shape[:2]
        side = max(64, round(self.settings.tile / self.settings.enlarge))
        parts = []
        for tile in tiles(width, height, side=side, halo=max(16, round(64 / self.settings.enlarge))):
            x0, y0, x1, y1 = tile.outer
            found = self._tile(rgb[y0:y1, x0:x1])
            found[:, :4] += torch.tensor([x0, y0, x0, y0])
            middle = (found[:, :2] + found[:, 2:4]) / 2
            low, high = torch.tensor(tile.core[:2]), torch.tensor(tile.core[2:])
            parts.append(found[((middle >= low) & (middle < high)).all(1)])
        found = torch.cat(parts)
        found[:, 0:4:2] = found[:, 0:4:2].clamp(0, width)
        found[:, 1:4:2] = found[:, 1:4:2].clamp(0, height)
        found = found[((found[:, 2:4] - found[:, :2]) >= 1).all(1)]
        return found[nms(found[:, :4], found[:, 4], self.settings.nms)]

    def _tile(self, rgb: RGB) -> Tensor:
        """(n, 6 or more): box in pixels of the tile, score, class, further columns."""
        h, w = (max(1, round(n * self.settings.enlarge)) for n in rgb.shape[:2])
        x = to_batch([rgb]).to(self.device)
        if (h, w) != rgb.shape[:2]:
            x = F.interpolate(x, (h, w), mode="bilinear", align_corners=False, antialias=True)
        x = F.pad(x, (0, -w % STRIDE, 0, -h % STRIDE), mode="constant", value=0.9)  # glass
        # Set every time: detectors of other thresholds share the net. Overlaps are suppressed over tiles and classes
        # together, so here only what goes in any case.
        heads = self.net.roi_heads
        heads.score_thresh, heads.nms_thresh = self.settings.threshold, max(OVERLAPS)
        with mixed(self.device):
            found = self.net(x)[0]
        boxes = found["boxes"] / self.settings.enlarge
        columns = [boxes, found["scores"][:, None], found["labels"][:, None] - 1.0, *self.further_columns(found)]
        return torch.cat(columns, 1).float().cpu()

    def further_columns(self, found: dict[str, Tensor]) -> list[Tensor]:
        """(n, any) each: what else a net says of its boxes, in units that do not depend on where the tile lies."""
        return []


class FasterRcnn:
    """Trainer of RcnnDetector (inference.types.Trainer).

    classes  how many classes the boxes have; a class without an example is learned as never there
    """

    model = MODEL
    file = "detector.safetensors"

    def __init__(
        self, settings: RcnnSettings | str = "quick", *, classes: int = 1, device: str = "auto", seed: int | None = None
    ) -> None:
        self.settings = PRESETS[settings] if isinstance(settings, str) else settings
        if seed is not None:
            self.settings = replace(self.settings, schedule=replace(self.settings.schedule, seed=seed))
        self.classes, self.device = classes, device

    @property
    def name(self) -> str:
        """With the weights it starts from: a round trained from others is another round."""
        start = self._start()
        return f"{self.model}-from-{sha256(start)[:8]}" if start else self.model

    def _start(self) -> Path | None:
        """torchvision's published weights, where somebody fetched them and the architecture is theirs."""
        wanted = self.settings.pretrained and self.settings.backbone == "resnet50"
        path = catalogue.place(PUBLISHED)
        return path if wanted and path.exists() else None

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
        start = start_from or self._start()
        torch.manual_seed(self.settings.schedule.seed)
        net = self.net(self.classes, self.settings)
        if start is not None:
            adopt(net, fitting(files.read_checkpoint(start), net))

        def batch(rng: np.random.Generator) -> Batch:
            images, boxes, classes, valid = self._batch(samples, rng)
            return images.to(where), [b.to(where) for b in boxes], [c.to(where) for c in classes], valid.to(where)

        def evaluate(model: nn.Module) -> dict[str, float]:
            ap, f1, threshold = judge(self._faint(model, where, nms=0.5), validation)
            return {"score": ap, "ap50": ap, "f1": f1, "threshold": threshold}

        state = fit(
            net,
            batch,
            loss,
            self.settings.schedule,
            device=where,
            work=work,
            fingerprint=fingerprint(
                (self.model, self.settings, self.classes), [*samples, *validation], sha256(start) if start else ""
            ),
            report=report,
            stop=stop,
            evaluate=evaluate if validation else None,
        )
        settings = self.settings
        if validation:
            net.load_state_dict(state)
            best = tune(self._faint(net, where, nms=max(OVERLAPS)), validation)
            settings = replace(settings, threshold=best.threshold, nms=best.nms) if best else settings
        about = {"model": self.model, "classes": self.classes, "settings": asdict(settings)}
        return files.save(work / self.file, state, about)

    def _faint(self, net: nn.Module, device: torch.device, *, nms: float) -> RcnnDetector:
        assert isinstance(net, RcnnNet)
        return self.detector(net, replace(self.settings, threshold=FAINTEST, nms=nms), device)

    def net(self, classes: int, settings: RcnnSettings) -> RcnnNet:
        return RcnnNet(classes, settings)

    def detector(self, net: RcnnNet, settings: RcnnSettings, device: torch.device) -> RcnnDetector:
        return RcnnDetector(net, settings, device=device)

    def load(self, weights: Path) -> RcnnDetector:
        """Raises BadWeights."""
        state, about = files.load(weights, self.model)
        try:
            settings = restored(type(self.settings), about["settings"])
        except (KeyError, ValueError) as error:
            raise files.BadWeights(f"{weights.name} describes no such detector: {error}") from error
        net = self.net(int(about["classes"]), settings)
        files.fill(net, state, weights)
        return self.detector(net, settings, choose_device(self.device))

    def _batch(self, samples: Sequence[Sample], rng: np.random.Generator) -> Batch:
        settings = self.settings
        zoom = (settings.zoom[0] * settings.enlarge, settings.zoom[1] * settings.enlarge)
        images: list[RGB] = []
        boxes: list[Boxes] = []
        classes: list[Classes] = []
        valids = []
        for index in rng.integers(len(samples), size=settings.batch):
            image, seen, kinds, valid = draw(
                samples[index], rng, side=settings.side, zoom=zoom, visible=settings.visible
            )
            images.append(image)
            boxes.append(seen)
            classes.append(kinds)
            valids.append(valid)
        colour = jitter_colour(to_batch(images), rng, strength=settings.colour)
        return (
            colour,
            [torch.from_numpy(b).float() for b in boxes],
            [torch.from_numpy(c) for c in classes],
            torch.from_numpy(np.stack(valids)),
        )
