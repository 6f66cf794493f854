"""Train the shipped prompter on public-domain and CC-BY masks.

    python -m inference.experiments.prompter DATA -o WEIGHTS [--sets dsb2018,tnbc] [--steps 3000] [--seed 0]

DATA is the folder of reference sets. dsb2018 gives its stained tissue alone, tnbc its training patients.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inference.devices import device as choose_device
from inference.experiments.data import training_samples
from inference.masks import cells_of
from inference.prompters.boxwise import CONTEXT, LEAST_SIDE, MODEL, SIDE, CropNet, box_channel, click_channels, to_input
from inference.training.augment import jitter_colour
from inference.training.loop import Schedule, fingerprint, fit
from inference.types import RGB, Labels, Sample
from inference.weights import files

LEAST_AREA = 20  # smaller pieces are annotation debris
CLICKS = 3


@dataclass(frozen=True)
class Cell:
    """Where a reference cell is: its picture, its id there, the hull of its pixel centres (k, 2), its middle (2,)."""

    picture: int
    id: int
    hull: npt.NDArray[np.float64]
    middle: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    pictures: list[RGB]
    labels: list[Labels]
    cells: list[list[Cell]]

    @classmethod
    def of(cls, samples: list[Sample]) -> "Pool":
        cells: list[list[Cell]] = []
        for i, sample in enumerate(samples):
            assert sample.labels is not None
            found = []
            for index, mask in cells_of(sample.labels):
                if mask.bits.sum() < LEAST_AREA:
                    continue
                y, x = np.nonzero(mask.bits)
                hull = cv2.convexHull(np.stack([x, y], 1).astype(np.int32))[:, 0] + [mask.x, mask.y]
                found.append(Cell(i, index, hull + 0.5, np.array([x.mean() + mask.x, y.mean() + mask.y]) + 0.5))
            cells.append(found)
        keep = [i for i, found in enumerate(cells) if found]
        return cls(
            [samples[i].rgb for i in keep],
            [samples[i].labels for i in keep],  # type: ignore[misc]
            [[Cell(j, c.id, c.hull, c.middle) for c in cells[i]] for j, i in enumerate(keep)],
        )

    def draw(self, rng: np.random.Generator) -> Cell:
        """Pictures by the square root of their number of cells: neither few large pictures nor sparse ones rule."""
        weight = np.sqrt([len(found) for found in self.cells])
        found = self.cells[rng.choice(len(self.cells), p=weight / weight.sum())]
        return found[rng.integers(len(found))]


@dataclass(frozen=True)
class View:
    """One training example: (64, 64, 3) uint8, (64, 64) 0..1, box in its pixels (NaN: none), clicks and signs."""

    rgb: RGB
    truth: npt.NDArray[np.float32]
    box: npt.NDArray[np.float64]
    points: npt.NDArray[np.float64]
    signs: npt.NDArray[np.int8]


def view(pool: Pool, cell: Cell, rng: np.random.Generator) -> View:
    """A cell turned, mirrored, stretched, with a box as a person or a detector would draw it, or with clicks."""
    kind = rng.choice(3, p=[0.65, 0.25, 0.10])  # box; clicks; both
    plain = rng.random() < 0.3  # unrotated: its box is exactly what an annotator's tight box is
    angle = rng.integers(4) * np.pi / 2 if plain else rng.uniform(0, 2 * np.pi)
    stretch = np.exp(rng.uniform(-0.2, 0.2) * (not plain))
    c, s = np.cos(angle), np.sin(angle)
    linear = np.diag([stretch, 1 / stretch]) @ np.array([[c, -s], [s, c]]) @ np.diag([1 - 2.0 * rng.integers(2), 1])
    hull = (cell.hull - cell.middle) @ linear.T
    box = np.concatenate([hull.min(0) - 0.5, hull.max(0) + 0.5])
    size = box[2:] - box[:2]
    if rng.random() > 0.25:
        box = box + rng.normal(0, rng.uniform(0, 0.15), 4) * np.tile(size, 2)
        box[2:] = np.maximum(box[2:], box[:2] + 0.4 * size)
    if kind == 1:
        side = float(size.max() * np.exp(rng.uniform(np.log(1.3), np.log(5))))
        centre = np.zeros(2)
    else:
        side = max(float((box[2:] - box[:2]).max()) * CONTEXT, LEAST_SIDE) * rng.uniform(0.9, 1.1)
        centre = (box[:2] + box[2:]) / 2
    for _ in range(2):  # a click view is centred on its first click, which is known only after a first look
        back = np.linalg.inv(linear) * (side / SIDE)
        origin = np.linalg.inv(linear) @ (centre - side / 2) + cell.middle
        matrix = np.concatenate([back, (origin + back @ [0.5, 0.5] - 0.5)[:, None]], axis=1)
        truth = warp_cell(pool.labels[cell.picture], cell.id, matrix)
        if kind != 1 or centre.any():
            break
        inside = np.argwhere(truth > 0.5)
        if not len(inside):
            break
        depth = cv2.distanceTransform((truth > 0.5).astype(np.uint8), cv2.DIST_L2, 3)[tuple(inside.T)]
        y, x = inside[rng.choice(len(inside), p=depth / depth.sum())]
        centre = (np.array([x, y]) + rng.random(2)) * side / SIDE - side / 2
    flags = cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
    rgb = cv2.warpAffine(
        pool.pictures[cell.picture], matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REFLECT_101
    )
    points, signs = np.zeros((CLICKS, 2)), np.full(CLICKS, -1, np.int8)
    if kind == 1:
        points[0], signs[0] = SIDE / 2, 1
    if kind == 2 or (kind == 1 and rng.random() < 0.2):
        for k in range(1, CLICKS):
            sign = int(rng.integers(2))
            places = np.argwhere((truth > 0.5) if sign else (truth < 0.5))
            if len(places):
                y, x = places[rng.integers(len(places))]
                points[k], signs[k] = (x + 0.5, y + 0.5), sign
    inner = np.full(4, np.nan) if kind == 1 else (box - np.tile(centre - side / 2, 2)) * SIDE / side
    return View(rgb, truth, inner, points, signs)


def warp_cell(labels: Labels, index: int, back: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The cell through the same window as its picture, 0..1. Only the part that the window needs is looked at."""
    corners = back @ np.array([[0, SIDE, 0, SIDE], [0, 0, SIDE, SIDE], [1, 1, 1, 1]])
    x0, y0 = np.maximum(np.floor(corners.min(1)).astype(int) - 2, 0)
    x1, y1 = np.ceil(corners.max(1)).astype(int) + 3
    part = np.ascontiguousarray(labels[y0:y1, x0:x1] == index).astype(np.float32)
    moved = back.copy()
    moved[:, 2] -= [x0, y0]
    # The picture is reflected at the border of the image, the cell ends there: its box says so too.
    return cv2.warpAffine(
        part, moved, (SIDE, SIDE), flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
    )


def batch(pool: Pool, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    views = [view(pool, pool.draw(rng), rng) for _ in range(size)]
    x = to_input(
        np.stack([v.rgb for v in views]),
        box_channel(np.stack([v.box for v in views])),
        click_channels(np.stack([v.points for v in views]), np.stack([v.signs for v in views])),
    )
    x[:, :3] = jitter_colour((x[:, :3] + 2) / 4 * (256 / 255), rng) * 255 / 64 - 2
    return x, torch.from_numpy(np.stack([v.truth for v in views]))


def loss(model: nn.Module, drawn: tuple[Tensor, Tensor]) -> Tensor:
    """BCE + Dice of every cut-out; the quality head learns the IoU that the mask has, and does not change it."""
    x, truth = drawn
    logits, quality = model(x)
    p = torch.sigmoid(logits)
    dice = 1 - (2 * (p * truth).sum((1, 2)) + 1) / (p.sum((1, 2)) + truth.sum((1, 2)) + 1)
    hard, solid = logits > 0, truth > 0.5
    iou = (hard & solid).sum((1, 2)) / (hard | solid).sum((1, 2)).clamp(min=1)
    return (
        F.binary_cross_entropy_with_logits(logits, truth)
        + dice.mean()
        + 0.2 * F.binary_cross_entropy_with_logits(quality, iou.float())
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sets", default="dsb2018,tnbc")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--until", type=int, help="end at this step of the schedule")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("work/prompter"))
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(argv)
    sets = options.sets.split(",")
    samples = training_samples(options.data, sets)
    pool = Pool.of(samples)
    where = choose_device(options.device)
    schedule = Schedule(options.steps, 100, warmup=100, average=0.995, seed=options.seed, until=options.until)
    torch.manual_seed(options.seed)
    state = fit(
        CropNet(),
        lambda rng: tuple(part.to(where) for part in batch(pool, options.batch, rng)),
        loss,
        schedule,
        device=where,
        work=options.work,
        fingerprint=fingerprint((MODEL, schedule, options.batch), samples),
        report=lambda p: print(f"epoch {p.done}/{p.total} loss {p.values['loss']:.4f}", flush=True),
        stop=lambda: False,
    )
    about = {
        "model": MODEL,
        "sets": sets,
        "steps": options.steps,
        "until": options.until,
        "batch": options.batch,
        "seed": options.seed,
    }
    files.save(options.output, state, about, half=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
