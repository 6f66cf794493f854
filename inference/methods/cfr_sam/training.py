"""Training of CFR-SAM's two stages, one after the other, as the paper does: points first, then masks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from inference.methods.backbones import OWN, composable, part_of
from inference.methods.cfr_sam import net as masks
from inference.methods.cfr_sam import points
from inference.methods.cfr_sam.net import CfrNet, MaskBatch, MaskSettings
from inference.methods.cfr_sam.points import Compact, PointBatch, PointNet, PointSettings
from inference.methods.cfr_sam.samples import Nuclei, View, centres_of, mask_batch, point_batch, view_of, windows_of
from inference.nets import adopt, pad_to_stride, to_batch
from inference.prompters.compact import CompactNet
from inference.prompters.sam_nets import Composable
from inference.training.loop import State, fit
from inference.types import RGB, Progress, Report, Stop
from inference.weights import files, shipped

POINT_STRIDE = 32
NEAR = 6.0  # px: a point that lies so close to a nucleus' centre has found it
VIEWS = 8  # of validation images, on which masks are judged between epochs


def backbone(name: str) -> tuple[Composable, bool]:
    """The net of a name, and whether it has learned: of boxwise-sam without weights the body starts as the shipped
    segmenter's, and all of it is trained. Raises InferenceError where a named checkpoint is not here."""
    if name == OWN and shipped("boxwise_sam") is None:
        net = CompactNet()
        start_body(net.image_encoder.body, "unet")
        return net, False
    return composable(name, blocks=True), True


def start_body(body: nn.Module, name: str) -> None:
    """Take over the body of a shipped model, where this copy has one."""
    path = shipped(name)
    if path is not None:
        state, _ = files.load(path)
        adopt(body, part_of(state, "body."))


def train_points(
    nuclei: Sequence[Nuclei],
    validation: Sequence[Nuclei],
    settings: PointSettings,
    *,
    classes: int,
    device: torch.device,
    work: Path,
    fingerprint: str,
    report: Report,
    stop: Stop,
) -> State:
    """The weights of a PointNet; the best F1 of points on validation images chooses the epoch."""
    torch.manual_seed(settings.schedule.seed)
    model = PointNet(classes, settings)
    if isinstance(model.features, Compact):
        start_body(model.features.body, "centre")

    def batch(rng: np.random.Generator) -> PointBatch:
        drawn = point_batch(nuclei, settings, rng)
        return PointBatch(
            drawn.images.to(device),
            [one.to(device) for one in drawn.centres],
            [one.to(device) for one in drawn.classes],
            drawn.masks.to(device),
            drawn.valid.to(device),
        )

    def evaluate(model: nn.Module) -> dict[str, float]:
        assert isinstance(model, PointNet)
        f1 = points_f1(model, validation, device)
        return {"score": f1, "points_f1": f1}

    return fit(
        model,
        batch,
        points.loss,
        settings.schedule,
        device=device,
        work=work,
        fingerprint=fingerprint,
        report=report,
        stop=stop,
        evaluate=evaluate if validation else None,
    )


def train_masks(
    nuclei: Sequence[Nuclei],
    validation: Sequence[Nuclei],
    settings: MaskSettings,
    *,
    device: torch.device,
    work: Path,
    fingerprint: str,
    report: Report,
    stop: Stop,
) -> State:
    """The weights of a CfrNet; the mean Dice of nuclei prompted at their centres chooses the epoch. Raises
    InferenceError where the net's checkpoint is not here."""
    torch.manual_seed(settings.schedule.seed)
    sam, learned = backbone(settings.backbone)
    model = CfrNet(sam, settings, frozen=learned)
    views = validation_views(validation, settings)

    def batch(rng: np.random.Generator) -> MaskBatch:
        drawn = mask_batch(nuclei, settings, rng)
        return MaskBatch(
            drawn.images.to(device),
            [one.to(device) for one in drawn.points],
            [one.to(device) for one in drawn.masks],
            [one.to(device) for one in drawn.valid],
        )

    def evaluate(made: nn.Module) -> dict[str, float]:
        assert isinstance(made, CfrNet)
        found = [dice_of(made, view, device) for view in views]
        mean = float(np.mean(np.concatenate(found)))
        return {"score": mean, "nucleus_dice": mean}

    return fit(
        model,
        batch,
        masks.loss,
        settings.schedule,
        device=device,
        work=work,
        fingerprint=fingerprint,
        report=report,
        stop=stop,
        evaluate=evaluate if views else None,
    )


def validation_views(validation: Sequence[Nuclei], settings: MaskSettings) -> list[View]:
    """Up to VIEWS views that hold a nucleus, the same in every epoch, at the images' own scale."""
    views = [
        view_of(one, np.random.default_rng(number), settings.view, (1.0, 1.0))
        for number, one in enumerate(validation[:VIEWS])
    ]
    return [view for view in views if len(view.ids)]


@torch.no_grad()
def dice_of(net: CfrNet, view: View, device: torch.device) -> np.ndarray:
    """(n,) Dice of each nucleus of a view, prompted at its centre, in its window."""
    settings = net.settings
    image = to_batch([view.rgb]).to(device)
    seen = net.embed(image)
    found = []
    for start in range(0, len(view.ids), settings.nuclei):
        part = slice(start, start + settings.nuclei)
        wanted, valid = windows_of(view, view.ids[part], view.centres[part], settings.window)
        answer = net.answer(image, seen, torch.from_numpy(view.centres[part]).float().to(device))
        mask = (answer.refined.cpu().numpy() > 0) & valid
        shared = (mask & wanted).sum((1, 2))
        found.append(2 * shared / (mask.sum((1, 2)) + (wanted & valid).sum((1, 2))).clip(1))
    return np.concatenate(found)


def points_f1(net: PointNet, images: Sequence[Nuclei], device: torch.device) -> float:
    """2 h / (points + nuclei): h points found a nucleus, best first, each within NEAR of a centre that was free."""
    hits, total = 0, 0
    for image in images:
        found, _, _ = points.find(net, point_input(image.rgb).to(device))
        places = found.cpu().numpy()
        _, centres = centres_of(image.labels)
        total += len(places) + len(centres)
        free = np.ones(len(centres), bool)
        for place in places:
            away = np.linalg.norm(centres - place, axis=1)
            away[~free] = np.inf
            if len(away) and away.min() <= NEAR:
                free[away.argmin()] = False
                hits += 1
    return 2 * hits / total if total else 0.0


def point_input(rgb: RGB) -> Tensor:
    """(1, 3, H, W) in 0..1, with sides that the body halves five times."""
    return pad_to_stride(to_batch([rgb]), POINT_STRIDE)


def stage_report(report: Report, number: int, note: str) -> Callable[[Progress], None]:
    """Both stages as one row of epochs; that the other is as long as this one is a guess."""

    def report_stage(progress: Progress) -> None:
        done = number * progress.total + progress.done
        report(replace(progress, done=done, total=2 * progress.total, note=note))

    return report_stage
