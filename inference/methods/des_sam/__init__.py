"""DES-SAM (Huang, Liang & Liu, MICCAI 2024): boxes -> a detector on a frozen Segment Anything net, and a few tokens
that make its decoder answer the detector's boxes as it answers a person's.

    frozen encoder ──► pyramid ──► Faster R-CNN ──► boxes ──► frozen decoder + learned tokens (student) ──► masks
                                     person's boxes ──► frozen decoder (teacher) ──► what the student learns
    colours ──► edge loss of the student's masks

What is reproduced and what not: docs/methods.md.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import nms

from inference.detectors.evaluation import FAINTEST, judge
from inference.devices import device as choose_device
from inference.devices import mixed
from inference.labels import without_points
from inference.masks import clip, rasterise_boxes
from inference.methods.backbones import composable, normalised, part_of, rebuilt, squared
from inference.methods.des_sam.learning import drawn, loss_of
from inference.methods.des_sam.net import DesNet
from inference.methods.des_sam.settings import DesSettings, settings_of
from inference.methods.frame import Instances, read_bundle, write_bundle
from inference.nets import to_batch
from inference.prompters.paint import paint
from inference.tiles import Tile, tiles
from inference.training.kept import restored
from inference.training.loop import adamw, fingerprint, fit, sgd
from inference.types import RGB, BoxMask, Detections, InferenceError, Prompted, Report, Sample, Stop
from inference.weights import files, sha256

__all__ = ["METHOD", "NAME", "DesSam", "load", "settings_of", "train"]

NAME = "des-sam"
METHOD = "des-sam-1"
WEIGHTS = "des_sam.safetensors"
LEAK = 0.2  # of the box's sides: what a mask shows farther outside its box is not of this cell
PROMPTS = 64  # decoded at a time


class DesSam:
    """A trained DES-SAM (inference.methods.frame.Trained), and a detector."""

    def __init__(
        self,
        net: DesNet,
        settings: DesSettings,
        *,
        device: torch.device,
        digest: str,
    ) -> None:
        self.net, self.settings, self.device = net.to(device).eval(), settings, device
        self.models = {"net": f"{METHOD}-{digest[:8]}", "encoder": settings.prompter}
        self.name = METHOD

    def predict(self, rgb: RGB) -> Instances:
        height, width = rgb.shape[:2]
        found, masks = self._found(rgb, with_masks=True)
        labels = paint(Prompted(masks, found.scores), width, height)
        sizes = np.bincount(labels.ravel(), minlength=len(found) + 1)
        small = sizes < self.settings.least_area
        labels[small[labels]] = 0
        return Instances(labels, found.scores)

    def detect(self, rgb: RGB) -> Detections:
        return self._found(rgb, with_masks=False)[0]

    @torch.no_grad()
    def _found(
        self,
        rgb: RGB,
        *,
        with_masks: bool,
    ) -> tuple[Detections, list[BoxMask]]:
        """Boxes of the whole image, best first, and the mask of each."""
        height, width = rgb.shape[:2]
        halo = self.settings.view // 8
        boxes = [np.zeros((0, 4))]
        scores = [np.zeros(0, np.float32)]
        masks: list[BoxMask] = []
        for tile in tiles(
            width,
            height,
            side=self.settings.view - 2 * halo,
            halo=halo,
        ):
            x0, y0, x1, y1 = tile.outer
            seen, here, sure = self._detected(rgb[y0:y1, x0:x1], tile)
            if with_masks:
                masks += self._masks(seen, here, tile, width, height)
            boxes.append(here + np.array([x0, y0, x0, y0]))
            scores.append(sure)
        every, sure = np.concatenate(boxes), np.concatenate(scores)
        every = np.clip(every, 0, [width, height, width, height])
        kept = nms(
            torch.from_numpy(every),
            torch.from_numpy(sure).double(),
            self.settings.nms,
        ).numpy()
        found = Detections(every[kept], sure[kept], np.zeros(len(kept), np.int64))
        return found, [masks[i] for i in kept] if with_masks else []

    def _detected(
        self,
        rgb: RGB,
        tile: Tile,
    ) -> tuple[tuple[Tensor, ...], np.ndarray, np.ndarray]:
        """Maps of a tile; boxes (n, 4), in pixels of the tile, whose middle lies in its core; their scores."""
        side, view = self.net.composed.side, self.settings.view
        with mixed(self.device):
            image = to_batch([squared(rgb, view)]).to(self.device)
            seen = self.net.embed(normalised(image, side))
        self.net.heads.score_thresh = self.settings.threshold
        found = self.net.detect(seen)
        boxes = found["boxes"].double().cpu().numpy() * view / side
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2 + tile.outer[:2]
        sizes = boxes[:, 2:] - boxes[:, :2]
        kept = (middles >= tile.core[:2]).all(1) & (middles < tile.core[2:]).all(1) & (sizes >= 1).all(1)
        return seen, boxes[kept], found["scores"].cpu().numpy()[kept]

    def _masks(
        self,
        seen: tuple[Tensor, ...],
        boxes: np.ndarray,
        tile: Tile,
        width: int,
        height: int,
    ) -> list[BoxMask]:
        """The student's masks in pixels of the image, each inside its box and a little around it."""
        side, view = self.net.composed.side, self.settings.view
        found = []
        for start in range(0, len(boxes), PROMPTS):
            part = boxes[start : start + PROMPTS]
            prompts = torch.from_numpy(part * side / view).float().to(self.device)
            logits = self.net.masks(seen, prompts, student=True)[:, None]
            large = F.interpolate(
                logits,
                (view, view),
                mode="bilinear",
                align_corners=False,
            )[:, 0]
            for box, bits in zip(part, (large > 0).cpu().numpy()):
                margin = np.tile(LEAK * (box[2:] - box[:2]), 2) * [-1, -1, 1, 1]
                near = rasterise_boxes((box + margin)[None], view, view)
                placed = clip(
                    BoxMask(tile.outer[0], tile.outer[1], bits & near),
                    width,
                    height,
                )
                found.append(placed or BoxMask(0, 0, np.zeros((0, 0), bool)))
        return found


def train(
    samples: Sequence[Sample],
    validation: Sequence[Sample],
    settings: DesSettings,
    *,
    output: Path,
    report: Report,
    stop: Stop,
) -> Path:
    """Train on boxes and write the bundle (inference.methods.frame). Masks of samples are not looked at.

    Raises InferenceError where there is no box or the net's weights are not here, Cancelled, TrainingDiverged.
    """
    learned = [without_points(replace(sample, labels=None)) for sample in samples]
    checked = [without_points(replace(sample, labels=None)) for sample in validation]
    if not any(len(sample.boxes) for sample in learned):
        raise InferenceError("DES-SAM learns from boxes, and there is none")
    where = choose_device(settings.device)
    torch.manual_seed(settings.seed)
    sam = composable(settings.prompter)
    net = DesNet(sam, settings.size, settings.anchor * sam.side / settings.view)

    def evaluate(model: nn.Module) -> dict[str, float]:
        ap, f1, threshold = judge(faint(model, settings, where), checked)
        return {"score": ap, "ap50": ap, "f1": f1, "threshold": threshold}

    state = fit(
        net,
        lambda rng: drawn(learned, settings, rng),
        loss_of(settings, where),
        settings.schedule,
        device=where,
        work=output / "work",
        fingerprint=fingerprint(
            (METHOD, replace(settings, device="")),
            [*learned, *checked],
        ),
        report=report,
        stop=stop,
        evaluate=evaluate if checked else None,
        optimiser_of={"adamw": adamw, "sgd": sgd}[settings.optimiser],
    )
    if checked:
        net.load_state_dict(state)
        settings = replace(
            settings,
            threshold=judge(faint(net, settings, where), checked)[2],
        )
    about = {"method": METHOD, "settings": asdict(settings), "weights": WEIGHTS}
    files.save(
        output / WEIGHTS,
        state,
        {"model": METHOD, "settings": asdict(settings)},
        half=True,
    )
    return write_bundle(output, NAME, about)


def faint(model: nn.Module, settings: DesSettings, device: torch.device) -> DesSam:
    """With a threshold so low that the best one can be chosen."""
    assert isinstance(model, DesNet)
    return DesSam(
        model,
        replace(settings, threshold=FAINTEST),
        device=device,
        digest="",
    )


def load(bundle: Path, *, device: str = "auto") -> DesSam:
    """Raises InferenceError, BadWeights."""
    about: Any = read_bundle(bundle, NAME, METHOD)  # untyped: its faults are caught here
    try:
        settings = restored(DesSettings, about["settings"], device=device)
        path = bundle / Path(about["weights"]).name
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InferenceError(f"{bundle.name} is no trained model: {error}") from error
    state, _ = files.load(path, METHOD)
    sam = rebuilt(part_of(state, "sam."), path)
    net = DesNet(sam, settings.size, settings.anchor * sam.side / settings.view)
    files.fill(net, state, path)
    return DesSam(net, settings, device=choose_device(device), digest=sha256(path))
