"""Train boxwise-sam, the encode-once prompter, on public-domain and CC-BY masks.

    python -m inference.experiments.compact DATA -o WEIGHTS [--sets dsb2018,tnbc] [--steps 3000] [--seed 0]

DATA is the folder of reference sets. dsb2018 gives its stained tissue alone, tnbc its training patients. The same
command goes on where a stopped one was. The body begins with that of the shipped segmenter, which learned from the
same images.
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
from inference.masks import boxes_of, cells_of
from inference.nets import adopt, to_batch
from inference.prompters.compact import MODEL, SIDE, CompactNet
from inference.prompters.sam import DEVIATION, MEAN
from inference.training.augment import crop, jitter_colour, turn
from inference.training.loop import Schedule, fingerprint, fit
from inference.types import RGB, Sample
from inference.weights import files, shipped

LEAST_AREA = 20  # smaller pieces are annotation debris
CLICKS = 3
ZOOM = (0.6, 1.7)


@dataclass(frozen=True)
class View:
    """One crop and the prompts of some of its cells.

    rgb    (side, side, 3) uint8; truth (n, side, side) uint8; boxes (n, 4), NaN for none; points (n, k, 2), signs
    (n, k)
    """

    rgb: RGB
    truth: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float64]
    points: npt.NDArray[np.float64]
    signs: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Images (b, 3, side, side) in 0..1, and of each its truth (n, side, side) 0..1 and prompts as in View."""

    images: Tensor
    truth: list[Tensor]
    boxes: list[Tensor]
    points: list[Tensor]
    signs: list[Tensor]


def view(sample: Sample, rng: np.random.Generator, prompts: int) -> View | None:
    """A random crop with up to so many prompts; None where it shows no cell."""
    assert sample.labels is not None
    labels = sample.labels.astype(np.float32)  # OpenCV turns no whole numbers of 32 bits
    rgb, (labels,), _ = crop(sample.rgb, [labels], SIDE, rng, zoom=ZOOM)
    quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
    rgb = turn(rgb, quarter, mirror)
    cut = turn(labels, quarter, mirror).astype(np.int32)
    cells = [cell for cell in cells_of(cut) if cell[1].bits.sum() >= LEAST_AREA]
    if not cells:
        return None
    chosen = rng.permutation(len(cells))[:prompts]
    truth = np.stack([cut == cells[i][0] for i in chosen]).astype(np.uint8)
    tight = boxes_of([cells[i][1] for i in chosen])
    boxes, points, signs = drawn_prompts(truth, tight, cut > 0, rng)
    return View(rgb, truth, boxes, points, signs)


def drawn_prompts(
    truth: npt.NDArray[np.uint8],
    tight: npt.NDArray[np.float64],
    foreground: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Boxes as a person or a detector draws them, clicks, or both. All prompts of one view are of one kind."""
    count = len(truth)
    kind = rng.choice(3, p=[0.55, 0.35, 0.10])  # box; clicks; both
    size = tight[:, 2:] - tight[:, :2]
    boxes = tight.copy()
    if rng.random() > 0.25:
        boxes += rng.normal(0, rng.uniform(0, 0.15), (count, 4)) * np.tile(size, 2)
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 0.4 * size)
    points = np.zeros((count, CLICKS, 2))
    signs = np.full((count, CLICKS), -1, np.int64)
    if kind == 1:
        boxes[:] = np.nan
        for row in range(count):
            points[row, 0], signs[row, 0] = inner_click(truth[row], rng), 1
    if kind == 2 or (kind == 1 and rng.random() < 0.4):
        for row in range(count):
            for k in range(1, CLICKS):
                sign = int(rng.integers(2))
                wanted = truth[row] > 0 if sign else foreground & (truth[row] == 0)
                places = np.argwhere(wanted)
                if len(places):
                    y, x = places[rng.integers(len(places))]
                    points[row, k], signs[row, k] = (x + 0.5, y + 0.5), sign
    return boxes, points, signs


def inner_click(
    truth: npt.NDArray[np.uint8],
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Somewhere in the cell, rather in its middle than at its rim."""
    places = np.argwhere(truth > 0)
    depth = cv2.distanceTransform(truth, cv2.DIST_L2, 3)[tuple(places.T)]
    y, x = places[rng.choice(len(places), p=depth / depth.sum())]
    return float(x + rng.random()), float(y + rng.random())


def batch(
    samples: list[Sample],
    size: int,
    prompts: int,
    rng: np.random.Generator,
) -> Batch:
    weight = np.sqrt([1.0 + len(sample.boxes) for sample in samples])
    likely = weight / weight.sum()
    views: list[View] = []
    while len(views) < size:
        chosen = rng.choice(len(samples), p=likely)
        found = view(samples[chosen], rng, prompts)
        if found is not None:
            views.append(found)
    return Batch(
        jitter_colour(to_batch([one.rgb for one in views]), rng),
        [torch.from_numpy(one.truth).float() for one in views],
        [torch.from_numpy(one.boxes).float() for one in views],
        [torch.from_numpy(one.points).float() for one in views],
        [torch.from_numpy(one.signs) for one in views],
    )


def loss(model: nn.Module, drawn: Batch) -> Tensor:
    """BCE + Dice of every mask, at the net's half resolution; the quality learns the IoU that the mask has."""
    assert isinstance(model, CompactNet)
    mean, deviation = (torch.tensor(v)[:, None, None] for v in (MEAN, DEVIATION))
    embedding, fine = model.embed((drawn.images * 255 - mean) / deviation)
    total = embedding.new_zeros(())
    for i, truth in enumerate(drawn.truth):
        boxes = None if drawn.boxes[i].isnan().any() else drawn.boxes[i]
        clicks = None if (drawn.signs[i] < 0).all() else (drawn.points[i], drawn.signs[i])
        seen = (embedding[i : i + 1], fine[i : i + 1])
        logits, quality = model.answer(seen, boxes, clicks)
        wanted = F.avg_pool2d(truth[:, None], 2)[:, 0]
        total = total + mask_loss(logits[:, 0].float(), wanted, quality[:, 0].float())
    return total / len(drawn.truth)


def mask_loss(logits: Tensor, wanted: Tensor, quality: Tensor) -> Tensor:
    """logits, wanted (n, h, w); quality (n,). A small cell counts as much as a large one: BCE is for its area."""
    area = wanted.sum((1, 2)).clamp(min=8)
    pixels = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    cross = pixels.sum((1, 2)) / (4 * area)
    p = torch.sigmoid(logits)
    shared = (p * wanted).sum((1, 2))
    both = (p + wanted).sum((1, 2))
    dice = 1 - (2 * shared + 1) / (both + 1)
    hard = logits > 0
    solid = wanted > 0.5
    either = (hard | solid).sum((1, 2))
    iou = (hard & solid).sum((1, 2)) / either.clamp(min=1)
    return cross.mean() + dice.mean() + F.mse_loss(quality, iou.float())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--sets", default="dsb2018,tnbc")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--until", type=int, help="end at this step of the schedule")
    parser.add_argument("--batch", type=int, default=3)
    parser.add_argument("--prompts", type=int, default=10, help="of each crop, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("work/compact"))
    parser.add_argument("--device", default="auto")
    options = parser.parse_args(argv)
    sets = options.sets.split(",")
    samples = training_samples(options.data, sets)
    where = choose_device(options.device)
    schedule = Schedule(
        options.steps,
        epoch=50,
        lr=1e-3,
        warmup=60,
        average=0.99,
        clip=1.0,
        seed=options.seed,
        until=options.until,
    )
    torch.manual_seed(options.seed)
    net = CompactNet()
    start = shipped("unet")
    if start is not None:
        state, _ = files.load(start)
        begun = {name.removeprefix("body."): value for name, value in state.items() if name.startswith("body.")}
        adopt(net.image_encoder.body, begun)
    state = fit(
        net,
        lambda rng: batch(samples, options.batch, options.prompts, rng),
        loss,
        schedule,
        device=where,
        work=options.work,
        fingerprint=fingerprint((MODEL, schedule.steps, options.batch, options.prompts), samples),
        report=lambda p: print(
            f"epoch {p.done}/{p.total} loss {p.values['loss']:.4f}",
            flush=True,
        ),
        stop=lambda: False,
    )
    about = {"model": MODEL, "sets": sets, "steps": options.steps, "until": options.until, "seed": options.seed}
    files.save(options.output, state, about, half=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
