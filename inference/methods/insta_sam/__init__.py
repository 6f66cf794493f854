"""InstaSAM (Nam et al., MICCAI 2024): a point in every cell -> instance masks, without any prompt in prediction.

    point + 4 points of others ──► frozen SAM ──► pseudo instances S ──► teach the adapted SAM's masks (BCE + IoU)
    adapted SAM's masks ──► pseudo instances S' ──► teach foreground (BCE + IoU) and distances (L1) of a decoder
    foreground + distances ──► Sobel, watershed ──► cells

What is reproduced and what not: docs/methods.md.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from inference.devices import device as choose_device
from inference.devices import mixed
from inference.methods.backbones import composable, normalised, part_of, rebuilt, squared
from inference.methods.frame import Instances, read_bundle, write_bundle
from inference.methods.insta_sam.learning import draw, image_loss, loss_of
from inference.methods.insta_sam.net import InstaNet
from inference.methods.insta_sam.settings import PRESETS, InstaSettings, settings_of
from inference.methods.insta_sam.watershed import cells_from_maps
from inference.nets import to_batch
from inference.tiles import tiles
from inference.training.kept import restored
from inference.training.loop import fingerprint, fit
from inference.types import RGB, Boxes, InferenceError, Labels, Report, Sample, Stop
from inference.weights import files, sha256

__all__ = ["METHOD", "NAME", "PRESETS", "InstaSam", "image_loss", "load", "point_f1", "settings_of", "train"]

NAME = "insta-sam"
METHOD = "insta-sam-1"
WEIGHTS = "insta_sam.safetensors"


class InstaSam:
    """A trained InstaSAM (inference.methods.frame.Trained)."""

    def __init__(
        self,
        net: InstaNet,
        settings: InstaSettings,
        *,
        device: torch.device,
        digest: str,
    ) -> None:
        self.net, self.settings, self.device = net.to(device).eval(), settings, device
        self.models = {"net": f"{METHOD}-{digest[:8]}", "encoder": settings.prompter}

    def predict(self, rgb: RGB) -> Instances:
        height, width = rgb.shape[:2]
        maps = np.zeros((3, height, width), np.float32)
        halo = self.settings.field // 8
        for tile in tiles(
            width,
            height,
            side=self.settings.field - 2 * halo,
            halo=halo,
        ):
            x0, y0, x1, y1 = tile.outer
            a, b, c, d = tile.core
            part = self._tile(rgb[y0:y1, x0:x1])
            maps[:, b:d, a:c] = part[:, b - y0 : d - y0, a - x0 : c - x0]
        labels = cells_from_maps(
            maps[0],
            maps[1],
            maps[2],
            least_area=self.settings.least_area,
        )
        return Instances(labels, scores_of(labels, maps[0]))

    @torch.no_grad()
    def _tile(self, rgb: RGB) -> np.ndarray:
        """(3, h, w): probability, horizontal and vertical distance."""
        side = self.settings.field
        x = normalised(
            to_batch([squared(rgb, side)]).to(self.device),
            self.net.composed.side,
        )
        with mixed(self.device):
            maps = self.net.maps(self.net.embed(x)).float()
        maps = nn.functional.interpolate(
            maps,
            (side, side),
            mode="bilinear",
            align_corners=False,
        )[0]
        maps[0] = torch.sigmoid(maps[0])
        found: np.ndarray = maps[:, : rgb.shape[0], : rgb.shape[1]].cpu().numpy()
        return found


def scores_of(labels: Labels, probability: np.ndarray) -> np.ndarray:
    """(n,) float32: the mean probability of each cell's pixels; ids without gaps."""
    count = int(labels.max(initial=0))
    if not count:
        return np.zeros(0, np.float32)
    sums = np.bincount(labels.ravel(), probability.ravel(), minlength=count + 1)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    return np.asarray(sums[1:] / sizes[1:], np.float32)


def point_f1(labels: Labels, points: Boxes) -> float:
    """How well cells and points agree: 2 h / (cells + points), h the cells that hold exactly one point."""
    count = int(labels.max(initial=0))
    height, width = labels.shape
    columns = np.clip(points[:, 0], 0, width - 1).astype(int)
    rows = np.clip(points[:, 1], 0, height - 1).astype(int)
    inside = np.bincount(labels[rows, columns], minlength=count + 1)[1:]
    total = count + len(points)
    return 2 * int((inside == 1).sum()) / total if total else 1.0


def only_points_of(samples: Sequence[Sample]) -> list[Sample]:
    """Boxes become their middles; masks are dropped: neither teaches anything here."""
    found = []
    for sample in samples:
        middles = (sample.boxes[:, :2] + sample.boxes[:, 2:]) / 2
        found.append(
            replace(
                sample,
                boxes=np.concatenate([middles, middles], axis=1),
                labels=None,
            )
        )
    return found


def train(
    samples: Sequence[Sample],
    validation: Sequence[Sample],
    settings: InstaSettings,
    *,
    output: Path,
    report: Report,
    stop: Stop,
) -> Path:
    """Train on points and write the bundle (inference.methods.frame). Validation images judge by their points alone.

    Raises InferenceError where there is no point or the net's weights are not here, Cancelled, TrainingDiverged.
    """
    if not any(len(sample.boxes) for sample in samples):
        raise InferenceError("InstaSAM learns from points, and there is none")
    learned, checked = only_points_of(samples), only_points_of(validation)
    where = choose_device(settings.device)
    torch.manual_seed(settings.seed)
    net = InstaNet(composable(settings.prompter, blocks=True), settings.inner)

    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, InstaNet)
        made = InstaSam(model, settings, device=where, digest="")
        values = [point_f1(made.predict(one.rgb).labels, one.boxes) for one in checked]
        return {"score": float(np.mean(values)), "points": float(np.mean(values))}

    state = fit(
        net,
        lambda rng: draw(learned, settings, rng),
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
    )
    about = {"method": METHOD, "settings": asdict(settings), "weights": WEIGHTS}
    files.save(
        output / WEIGHTS,
        state,
        {"model": METHOD, "settings": asdict(settings)},
        half=True,
    )
    return write_bundle(output, NAME, about)


def load(bundle: Path, *, device: str = "auto") -> InstaSam:
    """Raises InferenceError, BadWeights."""
    about: Any = read_bundle(bundle, NAME, METHOD)  # untyped: its faults are caught here
    try:
        settings = restored(InstaSettings, about["settings"], device=device)
        path = bundle / Path(about["weights"]).name
    except (ValueError, KeyError, TypeError) as error:
        raise InferenceError(f"{bundle.name} is no trained model: {error}") from error
    state, _ = files.load(path, METHOD)
    net = InstaNet(rebuilt(part_of(state, "sam."), path), settings.inner)
    files.fill(net, state, path)
    return InstaSam(net, settings, device=choose_device(device), digest=sha256(path))
