"""CFR-SAM: verified masks with classes in, instance masks with classes out, without any post-processing of maps.

    image ─► prompt learner ─► a point and a class for each nucleus
      └────► adapted SAM (local-aware adapters, fused levels) ─► a coarse mask for each point ─► refined at its boundary

What is reproduced of the paper (Cooperative Fine-Grained Refinement of SAM) and what not: docs/methods.md.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from inference.archives import folder_of
from inference.devices import device as choose_device
from inference.devices import mixed
from inference.labels import NoSuchLabels
from inference.masks import clip
from inference.methods.backbones import part_of, rebuilt, squared
from inference.methods.cfr_sam import points
from inference.methods.cfr_sam.net import CfrNet, MaskSettings
from inference.methods.cfr_sam.points import PointNet, PointSettings
from inference.methods.cfr_sam.samples import nuclei_of
from inference.methods.cfr_sam.training import point_input, stage_report, train_masks, train_points
from inference.methods.frame import Instances, read_bundle, write_bundle
from inference.nets import to_batch
from inference.prompters.paint import paint
from inference.tiles import tiles
from inference.training.kept import restored
from inference.training.loop import Schedule, fingerprint
from inference.types import RGB, BoxMask, Classes, InferenceError, Prompted, Report, Sample, Scores, Stop
from inference.weights import files, sha256

NAME = "cfr-sam"
METHOD = "cfr-sam-1"
WEIGHTS = "cfr_sam.safetensors"
KEPT = 0.5  # share of its mask that a nucleus must keep beside better ones; a second point in a nucleus keeps less


@dataclass(frozen=True)
class CfrSettings:
    """points, masks  of the first and the second stage
    least_area  px; smaller masks are dropped
    """

    points: PointSettings
    masks: MaskSettings
    preset: str = "quick"
    device: str = "auto"
    seed: int = 0
    least_area: int = 20


PRESETS = {
    "tiny": CfrSettings(
        PointSettings(schedule=Schedule(steps=6, epoch=3, lr=2e-3, warmup=2, average=0.5), batch=2, side=128),
        MaskSettings(schedule=Schedule(steps=3, epoch=3, lr=1e-3, warmup=1, average=0.5), batch=1, nuclei=8),
    ),
    "quick": CfrSettings(
        PointSettings(),
        MaskSettings(schedule=Schedule(steps=120, epoch=30, lr=2e-3, warmup=15, average=0.95), nuclei=16),
    ),
    "standard": CfrSettings(
        PointSettings(schedule=Schedule(steps=1500, epoch=150, lr=2e-3, warmup=50, average=0.99, patience=5), side=256),
        MaskSettings(schedule=Schedule(steps=900, epoch=100, lr=1e-3, warmup=50, average=0.99, patience=5)),
    ),
    # Adam; batches of 16 and 2, 200 epochs of PanNuke's 2,600 training images, 25 nuclei an image, rank 64. The paper's
    # rate is lost in the text that was read; 1e-4 is what its neighbours take.
    "paper": CfrSettings(
        PointSettings(
            schedule=Schedule(steps=32_500, epoch=650, lr=1e-4, weight_decay=0.0, warmup=500, average=0.999),
            backbone="convnext-small",
            levels=4,
            hidden=1024,
            batch=16,
            side=256,
        ),
        MaskSettings(
            schedule=Schedule(steps=260_000, epoch=2600, lr=1e-4, weight_decay=0.0, warmup=500, average=0.999),
            backbone="sam-vit-h",
            rank=64,
            channels=48,
            window=128,
            jitter=0.0,
        ),
    ),
}


def settings_of(preset: str, *, device: str = "auto", seed: int = 0, prompter: str | None = None) -> CfrSettings:
    """The settings of a preset; `prompter` names another net of the Segment Anything family."""
    chosen = PRESETS[preset]
    first = replace(chosen.points, schedule=replace(chosen.points.schedule, seed=seed))
    schedule = replace(chosen.masks.schedule, seed=seed)
    second = replace(chosen.masks, schedule=schedule, backbone=prompter or chosen.masks.backbone)
    return replace(chosen, points=first, masks=second, preset=preset, device=device, seed=seed)


@dataclass(frozen=True)
class CfrSam:
    """A trained CFR-SAM (inference.methods.frame.Trained)."""

    first: PointNet
    second: CfrNet
    settings: CfrSettings
    device: torch.device
    digest: str

    @property
    def models(self) -> dict[str, str]:
        return {"net": f"{METHOD}-{self.digest[:8]}", "encoder": self.settings.masks.backbone}

    def predict(self, rgb: RGB) -> Instances:
        """Tile by tile: each answers for the points in its core."""
        height, width = rgb.shape[:2]
        masks: list[BoxMask] = []
        scores: list[Scores] = []
        classes: list[Classes] = []
        halo = self.settings.masks.view // 8
        for tile in tiles(width, height, side=self.settings.masks.view - 2 * halo, halo=halo):
            x0, y0, x1, y1 = tile.outer
            core = np.array(tile.core) - [x0, y0, x0, y0]
            found, likely, kinds = self._tile(rgb[y0:y1, x0:x1], core)
            masks += [BoxMask(mask.x + x0, mask.y + y0, mask.bits) for mask in found]
            scores.append(likely)
            classes.append(kinds)
        return self._painted(masks, np.concatenate(scores), np.concatenate(classes), width, height)

    def _painted(self, masks: list[BoxMask], scores: Scores, classes: Classes, width: int, height: int) -> Instances:
        """One map; what better masks leave less than KEPT of is dropped."""
        sizes = np.array([0] + [int(mask.bits.sum()) for mask in masks])
        labels = paint(Prompted(masks, scores), width, height)
        left = np.bincount(labels.ravel(), minlength=len(sizes))
        dropped = left < np.maximum(KEPT * sizes, self.settings.least_area)
        dropped[0] = False
        labels[dropped[labels]] = 0
        return Instances(labels, scores, classes)

    @torch.no_grad()
    def _tile(self, rgb: RGB, core: np.ndarray) -> tuple[list[BoxMask], Scores, Classes]:
        """Masks in pixels of the tile, scores and classes of the points whose place lies in its core."""
        height, width = rgb.shape[:2]
        with mixed(self.device):
            places, likely, kinds = points.find(self.first, point_input(rgb).to(self.device))
        low, high = (torch.tensor(side, device=self.device) for side in (core[:2], core[2:]))
        inside = ((places >= low) & (places < high)).all(1)
        places, likely, kinds = places[inside], likely[inside], kinds[inside]
        masks: list[BoxMask] = []
        if len(places):
            image = to_batch([squared(rgb, self.settings.masks.view)]).to(self.device)
            with mixed(self.device):
                seen = self.second.embed(image)
                for part in places.split(self.settings.masks.nuclei):
                    answer = self.second.answer(image, seen, part)
                    corners = self.second.windows(part)[:, :2].long().cpu().numpy()
                    masks += patches(answer.refined.cpu().numpy() > 0, corners, width, height)
        return masks, likely.float().cpu().numpy(), kinds.cpu().numpy().astype(np.int64)


def patches(bits: np.ndarray, corners: np.ndarray, width: int, height: int) -> list[BoxMask]:
    """Windows (n, w, w) bool with their corners -> masks inside the image; an empty one where nothing is left."""
    found = []
    for window, (x, y) in zip(bits, corners.tolist()):
        inside = clip(BoxMask(x, y, window), width, height)
        found.append(inside or BoxMask(0, 0, np.zeros((0, 0), bool)))
    return found


def train(
    samples: Sequence[Sample],
    validation: Sequence[Sample],
    settings: CfrSettings,
    *,
    output: Path,
    report: Report,
    stop: Stop,
) -> Path:
    """Train both stages on masks with classes and write the bundle; going on where a stopped training was.

    Raises NoSuchLabels for samples without masks, InferenceError where the net's checkpoint is not here, Cancelled,
    TrainingDiverged.
    """
    if any(sample.labels is None for sample in (*samples, *validation)):
        raise NoSuchLabels("CFR-SAM learns from masks, and some images have none; train with --labels masks")
    nuclei = [nuclei_of(sample) for sample in samples]
    if not any(len(one.classes) > 1 for one in nuclei):
        raise NoSuchLabels("CFR-SAM learns from verified masks; there are 0")
    checked = [nuclei_of(sample) for sample in validation]
    classes = 1 + max(int(one.classes.max()) for one in nuclei)
    where = choose_device(settings.device)
    identity = fingerprint((METHOD, replace(settings, device="")), [*samples, *validation])
    first = train_points(
        nuclei,
        checked,
        settings.points,
        classes=classes,
        device=where,
        work=output / "work" / "points",
        fingerprint=identity,
        report=stage_report(report, 0, "points"),
        stop=stop,
    )
    second = train_masks(
        nuclei,
        checked,
        settings.masks,
        device=where,
        work=output / "work" / "masks",
        fingerprint=identity,
        report=stage_report(report, 1, "masks"),
        stop=stop,
    )
    state = {f"points.{name}": value for name, value in first.items()}
    state |= {f"masks.{name}": value for name, value in second.items()}
    files.save(output / WEIGHTS, state, {"model": METHOD, "classes": classes}, half=True)
    about = {"method": METHOD, "settings": asdict(settings), "weights": WEIGHTS, "classes": classes}
    return write_bundle(output, NAME, about)


def load(bundle: Path, *, device: str = "auto") -> CfrSam:
    """Raises InferenceError where the folder holds no CFR-SAM, BadWeights where its weights are damaged."""
    folder = folder_of(bundle)
    about: Any = read_bundle(folder, NAME, METHOD)  # untyped: its faults are caught here
    try:
        settings = restored(CfrSettings, about["settings"], device=device)
        path = folder / Path(about["weights"]).name
        classes = int(about["classes"])
    except (ValueError, KeyError, TypeError) as error:
        raise InferenceError(f"{bundle.name} is no trained model: {error}") from error
    state, _ = files.load(path, METHOD)
    where = choose_device(device)
    first = PointNet(classes, settings.points)
    files.fill(first, part_of(state, "points."), path)
    of_masks = part_of(state, "masks.")
    second = CfrNet(rebuilt(part_of(of_masks, "sam."), path), settings.masks, frozen=True)
    files.fill(second, of_masks, path)
    return CfrSam(first.to(where).eval(), second.to(where).eval(), settings, where, sha256(path))
