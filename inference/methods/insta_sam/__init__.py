"""InstaSAM (Nam et al., MICCAI 2024): a point in every cell -> instance masks, without any prompt in prediction.

    point + 4 points of others ──► frozen SAM ──► pseudo instances S ──► teach the adapted SAM's masks (BCE + IoU)
    adapted SAM's masks ──► pseudo instances S' ──► teach foreground (BCE + IoU) and distances (L1) of a decoder
    foreground + distances ──► Sobel, watershed ──► cells

What is reproduced and what not: docs/methods.md.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inference.devices import device as choose_device
from inference.devices import mixed
from inference.methods.backbones import OWN, composable, normalised, part_of, rebuilt, squared
from inference.methods.frame import Instances, read_bundle, write_bundle
from inference.methods.insta_sam.net import InstaNet
from inference.methods.insta_sam.pseudo import IGNORED, distance_maps, pseudo_labels, with_negatives
from inference.methods.insta_sam.watershed import cells_from_maps
from inference.methods.losses import binary_cross_entropy, iou_loss, l1_loss
from inference.nets import to_batch
from inference.tiles import tiles
from inference.training.augment import crop, jitter_colour, turn, turn_boxes
from inference.training.loop import Schedule, fingerprint, fit
from inference.types import RGB, Boxes, InferenceError, Labels, Report, Sample, Stop
from inference.weights import files, sha256

NAME = "insta-sam"
METHOD = "insta-sam-1"
WEIGHTS = "insta_sam.safetensors"


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


@dataclass(frozen=True)
class Batch:
    """images (B, 3, field, field) in 0..1; points (K, 2), orders (K, K) and valid (field, field) of each."""

    images: Tensor
    points: list[Tensor]
    orders: list[Tensor]
    valid: list[Tensor]


def draw(
    samples: Sequence[Sample],
    settings: InstaSettings,
    rng: np.random.Generator,
) -> Batch:
    """Random crops, turned and mirrored, with the points that lie in them."""
    side = settings.field
    images, points, orders, valids = [], [], [], []
    for index in rng.integers(len(samples), size=settings.batch):
        sample = samples[index]
        image, (valid,), (x, y, scale) = crop(
            sample.rgb, [sample.valid.astype(np.uint8)], side, rng, zoom=settings.zoom
        )
        quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
        placed = turn_boxes(
            (sample.boxes - [x, y, x, y]) * scale,
            side,
            quarter,
            mirror,
        )
        inside = (placed[:, :2] >= 0).all(1) & (placed[:, :2] < side).all(1)
        images.append(turn(image, quarter, mirror))
        points.append(torch.from_numpy(placed[inside, :2]).float())
        orders.append(torch.from_numpy(rng.random((inside.sum(), inside.sum()))))
        valids.append(torch.from_numpy(turn(valid, quarter, mirror)))
    return Batch(
        jitter_colour(to_batch(images), rng, strength=settings.colour),
        points,
        orders,
        valids,
    )


def loss_of(settings: InstaSettings, where: torch.device) -> Any:
    """The objective as the training loop takes it."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        assert isinstance(model, InstaNet)
        x = normalised(batch.images.to(where), model.composed.side)
        with torch.no_grad():
            plain = model.composed.embed(x)
        adapted = model.embed(x)
        found = model.maps(adapted)
        total = found.new_zeros((), dtype=torch.float32)
        for i, points in enumerate(batch.points):
            scale = model.composed.side / settings.field
            places, signs = with_negatives(
                points.to(where) * scale,
                batch.orders[i].to(where),
            )
            valid = resized(batch.valid[i].to(where), found.shape[-1])
            one = [level[i : i + 1] for level in adapted]
            total = total + image_loss(
                teacher=_masks(
                    model,
                    [level[i : i + 1] for level in plain],
                    places,
                    signs,
                    teacher=True,
                ),
                student=_masks(model, one, places, signs),
                maps=found[i].float(),
                valid=valid,
                settings=settings,
            )
        return total / len(batch.points)

    return loss


def _masks(
    model: InstaNet,
    seen: Sequence[Tensor],
    places: Tensor,
    signs: Tensor,
    *,
    teacher: bool = False,
) -> Tensor:
    """(K, h, w) float32, without gradients for the teacher."""
    if not len(places):
        side = 4 * model.composed.side // model.composed.patch
        return places.new_zeros(0, side, side)
    with torch.set_grad_enabled(not teacher and torch.is_grad_enabled()):
        return model.masks(tuple(seen), places, signs).float()


def image_loss(
    *,
    teacher: Tensor,
    student: Tensor,
    maps: Tensor,
    valid: Tensor,
    settings: InstaSettings,
) -> Tensor:
    """L = w_S L_S' + w_B L_B + w_D L_D (paper, eq. 5 and 6) of one image.

    teacher, student  (K, h, w) logits of the frozen and of the adapted net, at the same points
    maps              (3, h, w) foreground logit and distances; valid (h, w) bool
    """
    first = pseudo_labels(teacher, delta=settings.delta, epsilon=settings.epsilon)
    second = pseudo_labels(
        student.detach(),
        delta=settings.delta,
        epsilon=settings.epsilon,
    )
    of_masks, of_foreground, of_distance = settings.weights
    total = maps.new_zeros(())
    if len(student):
        numbers = torch.arange(1, len(student) + 1, device=student.device)
        wanted = (first[None] == numbers[:, None, None]).float()
        sure = ((first != IGNORED) & valid).float().expand_as(wanted)
        total = total + of_masks * (
            binary_cross_entropy(student, wanted, sure)
            + iou_loss(
                student,
                wanted,
                sure,
            )
        )
    band = round(settings.border * maps.shape[-1] / settings.field)
    inner = torch.zeros_like(valid)
    inner[band : len(inner) - band, band : len(inner) - band] = True
    sure = ((second != IGNORED) & valid & inner).float()
    foreground = (second > 0).float()
    cross = binary_cross_entropy(maps[:1], foreground[None], sure[None])
    overlap = iou_loss(maps[:1], foreground[None], sure[None])
    away = l1_loss(maps[1:], distance_maps(second), sure[None])
    return total + of_foreground * (cross + overlap) + of_distance * away


def resized(mask: Tensor, side: int) -> Tensor:
    """(n, n) of 0 and 1 -> (side, side) bool, True where all pixels below are."""
    if len(mask) == side:
        return mask > 0
    shrunk = nn.functional.interpolate(
        mask[None, None].float(),
        (side, side),
        mode="area",
    )
    return shrunk[0, 0] > 0.99


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
    held = np.bincount(labels[rows, columns], minlength=count + 1)[1:]
    total = count + len(points)
    return 2 * int((held == 1).sum()) / total if total else 1.0


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
        kept = dict(about["settings"])
        kept |= {"schedule": Schedule(**kept["schedule"]), "device": device}
        settings = InstaSettings(
            **kept
            | {
                name: tuple(kept[name])
                for name in (
                    "zoom",
                    "weights",
                )
            }
        )
        path = bundle / Path(about["weights"]).name
    except (ValueError, KeyError, TypeError) as error:
        raise InferenceError(f"{bundle.name} is no trained model: {error}") from error
    state, _ = files.load(path, METHOD)
    net = InstaNet(rebuilt(part_of(state, "sam."), path), settings.inner)
    files.fill(net, state, path)
    return InstaSam(net, settings, device=choose_device(device), digest=sha256(path))
