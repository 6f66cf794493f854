"""What helps without any training: variants of proposing, measured on images that their model has not seen.

    python -m tests.bench.ablation run WORK DATA -o ROWS.jsonl [--preset quick] [--sets tnbc consep monuseg gbm40]
    python -m tests.bench.ablation table ROWS.jsonl

WORK holds the models of `python -m tests.bench.folds`. Every image is predicted by the model whose fold it is; gbm40,
which no model has seen, by tnbc's first. Of images larger than 500 x 500 the middle is measured. Every variant is
today's pipeline (a default, never the paper's) with one thing changed, or with `--combined` several. The table gives
paired differences: a variant is kept when its mean difference of PQ over the sets is above one standard error and no
set loses more than one, in PQ or in Dice.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from inference import metrics
from inference.datasets import open_dataset
from inference.detectors.centre import CentreDetector, corners
from inference.fusion import Parameters, fuse
from inference.instances import instances
from inference.masks import boxes_of
from inference.methods import boxcell
from inference.nets import pad_to_stride, to_batch
from inference.prompters.boxwise import Boxwise
from inference.prompters.paint import paint
from inference.segmenters.learning import NetSegmenter
from inference.types import RGB, BoxMask, Detections, Labels, Mask, Probability, Prompted, Prompts

SIDE = 500
OURS = Parameters(trust=boxcell.TRUST)
MIRRORS: list[list[int]] = [[], [2], [3], [2, 3]]
SHOWN = ("pq", "dq", "sq", "aji", "dice")


def middle(array: np.ndarray) -> np.ndarray:
    y, x = (max(0, (n - SIDE) // 2) for n in array.shape[:2])
    return np.ascontiguousarray(array[y : y + SIDE, x : x + SIDE])


@torch.no_grad()
def detected(
    detector: CentreDetector, rgb: RGB, mirrors: list[list[int]], *, nms: float, threshold: float
) -> Detections:
    """Heat and distances averaged over mirror images; a mirror swaps left and right, or up and down."""
    x = pad_to_stride(to_batch([rgb]))
    heats, sides = [], []
    for mirror in mirrors:
        logits, distances = detector.net(x.flip(mirror) if mirror else x)
        logits, distances = logits.flip(mirror), distances.flip(mirror)
        order = [0, 1, 2, 3]
        if 3 in mirror:
            order[0], order[2] = order[2], order[0]
        if 2 in mirror:
            order[1], order[3] = order[3], order[1]
        heats.append(torch.sigmoid(logits.float()))
        sides.append(distances[:, order].float())
    score = torch.stack(heats).mean(0).max(1, keepdim=True).values
    found = torch.stack(sides).mean(0)
    peaks = (score == torch.nn.functional.max_pool2d(score, 3, 1, 1)) & (score >= threshold)
    weight = score.clamp(min=1e-6) ** 2
    pool = torch.nn.functional.avg_pool2d
    boxes = pool(corners(found) * weight, 3, 1, 1) / pool(weight, 3, 1, 1)
    _, _, y, x_ = peaks.nonzero(as_tuple=True)
    box, sure = boxes[0, :, y, x_].T, score[0, 0, y, x_]
    h, w = rgb.shape[:2]
    box[:, 0::2] = box[:, 0::2].clamp(0, w)
    box[:, 1::2] = box[:, 1::2].clamp(0, h)
    large = ((box[:, 2:] - box[:, :2]) >= 1).all(1)
    box, sure = box[large], sure[large]
    from torchvision.ops import nms as suppress

    keep = suppress(box, sure, nms)
    return Detections(box[keep].double().numpy(), sure[keep].numpy(), np.zeros(len(keep), np.int64))


def above(found: Detections, threshold: float) -> Detections:
    keep = found.scores >= threshold
    return Detections(found.boxes[keep], found.scores[keep], found.classes[keep])


def jittered(prompter: Boxwise, encoded: Any, boxes: np.ndarray, shape: tuple[int, int], amount: float) -> Prompted:
    """The majority of five prompts: the box, and four that are moved or scaled. Score: how far the five agree."""
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    moves = [(0, 0, 0, 0), (-1, -1, 1, 1), (1, 1, -1, -1), (1, -1, 1, -1), (-1, 1, -1, 1)]
    answers = [prompter.decode(encoded, Prompts(boxes=boxes + amount * np.array(move) * size)) for move in moves]
    masks, scores = [], []
    for k in range(len(boxes)):
        x0, y0 = np.floor(boxes[k, :2] - 0.5 * size[k, :2]).astype(int)
        x1, y1 = np.ceil(boxes[k, 2:] + 0.5 * size[k, :2]).astype(int)
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(shape[1], x1), min(shape[0], y1)
        votes = np.zeros((y1 - y0, x1 - x0), np.int32)
        for answer in answers:
            mask = answer.masks[k]
            h, w = mask.bits.shape
            top, left = max(y0, mask.y), max(x0, mask.x)
            bottom, right = min(y1, mask.y + h), min(x1, mask.x + w)
            if bottom > top and right > left:
                part = mask.bits[top - mask.y : bottom - mask.y, left - mask.x : right - mask.x]
                votes[top - y0 : bottom - y0, left - x0 : right - x0] += part
        bits = votes >= 3
        masks.append(BoxMask(x0, y0, bits))
        scores.append((votes == 5).sum() / max(1, (votes > 0).sum()))
    return Prompted(masks, np.array(scores, np.float32))


def pieces_alone(mask: Mask, other: Mask) -> tuple[np.ndarray, np.ndarray]:
    """-> the 4-connected pieces of `mask` (H, W), and the numbers of those that `other` does not touch."""
    _, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    touched = np.unique(pieces[mask & other])
    return pieces, np.setdiff1d(np.unique(pieces[mask]), touched)


def whole_objects(labels: Labels, m_d: Labels, probability: Probability, *, sure: float, size: float) -> Labels:
    """Cells that only the segmenter saw stay where they are as sure and as large as cells are; else they go."""
    areas = np.bincount(m_d.ravel())[1:]
    areas = areas[areas > 0]
    least = size * float(np.median(areas)) if len(areas) else 20.0
    first = int(m_d.max(initial=0)) + 1
    out = labels.copy()
    for number in np.unique(labels[labels >= first]):
        cell = labels == number
        if cell.sum() < least or probability[cell].mean() < sure:
            out[cell] = 0
    return out


def both_pulled(rgb: RGB, m_d: Mask, m_s: Mask, cell: float, empty: float) -> Mask:
    """The cut with a log-odds of its own for each way to disagree: the detector alone says cell, or says background."""
    from inference.fusion.comparators import cut_with

    fused = fuse(rgb, m_d, m_s, replace(OURS, trust=0.0))
    p = np.clip(fused.probability.astype(np.float64), 1e-9, 1 - 1e-9)
    pull = np.where(m_d.reshape(-1)[fused.pixels], cell, -empty)
    odds = np.log(p / (1 - p)) + pull
    leaned = np.full(m_d.shape, 0.5, np.float32)
    leaned.reshape(-1)[fused.pixels] = 1 / (1 + np.exp(-odds))
    return cut_with(rgb, m_d, m_s, leaned, OURS)


def variants(model: boxcell.BoxCell, rgb: RGB) -> Iterator[tuple[str, Labels, Mask]]:
    """(name, instances, foreground)"""
    detector, prompter, segmenter = model.detector, model.prompter, model.segmenter
    assert (
        isinstance(detector, CentreDetector) and isinstance(prompter, Boxwise) and isinstance(segmenter, NetSegmenter)
    )
    h, w = rgb.shape[:2]
    limit, overlap = detector.settings.threshold, detector.settings.nms
    encoded = prompter.encode(rgb)
    probability = segmenter.foreground(rgb)
    m_s = boxcell.without_specks(probability >= 0.5, 20)

    def asked(found: Detections) -> Labels:
        return paint(prompter.decode(encoded, Prompts(boxes=found.boxes)), w, h)

    def joined(m_d: Labels, m_s: Mask, settings: Parameters = OURS) -> tuple[Labels, Mask]:
        mask = fuse(rgb, m_d > 0, m_s, settings).mask
        return instances(mask, m_d, smallest=20), mask

    plain = detected(detector, rgb, [[]], nms=overlap, threshold=0.15)
    mirrored = detected(detector, rgb, MIRRORS, nms=overlap, threshold=0.15)
    found = above(plain, limit)
    answer = prompter.decode(encoded, Prompts(boxes=found.boxes))
    m_d = paint(answer, w, h)
    labels, mask = joined(m_d, m_s)
    yield "today", labels, mask
    yield "detector alone", m_d, m_d > 0
    yield "segmenter alone", instances(m_s, np.zeros_like(m_d), "components"), m_s
    for threshold in (0.3, 0.35, 0.45, 0.5):
        m = asked(above(plain, threshold))
        yield f"threshold {threshold:g}", *joined(m, m_s)
    flipped = asked(above(mirrored, limit))
    yield "detector: mirror images", *joined(flipped, m_s)
    yield "detector: mirror images, alone", flipped, flipped > 0
    for nms in (0.3, 0.4, 0.6):
        m = asked(above(detected(detector, rgb, [[]], nms=nms, threshold=limit), limit))
        yield f"suppression {nms:g}", *joined(m, m_s)
    again = prompter.decode(encoded, Prompts(boxes=boxes_of([one for one in answer.masks if one.bits.any()])))
    yield "boxes refined by the prompter", *joined(paint(again, w, h), m_s)
    for amount in (0.05, 0.1):
        moved = jittered(prompter, encoded, found.boxes, (h, w), amount)
        yield f"prompts jittered by {amount:.0%}", *joined(paint(moved, w, h), m_s)
    prompter.flips = True
    yield "prompter: mirror image", *joined(asked(found), m_s)
    prompter.flips = False
    segmenter.flips = True
    soft = segmenter.foreground(rgb)
    segmenter.flips = False
    m_soft = boxcell.without_specks(soft >= 0.5, 20)
    yield "segmenter: mirror images", *joined(m_d, m_soft)
    for trust in (2.0, 4.0, 6.0):
        yield f"trust {trust:g}", *joined(m_d, m_s, replace(OURS, trust=trust))
    for cell, empty in ((2.0, 4.0), (4.0, 2.0), (4.0, 3.0), (3.0, 5.0)):
        m = both_pulled(rgb, m_d > 0, m_s, cell, empty)
        yield f"trust {cell:g} where it sees a cell, {empty:g} where none", instances(m, m_d, smallest=20), m
    for sure, size in ((2.0, 0.0), (0.0, 0.5), (0.7, 0.5), (0.8, 0.5), (0.8, 0.75), (0.7, 1.0), (0.9, 0.5)):
        kept = whole_objects(labels, m_d, probability, sure=sure, size=size)
        gone = (labels > 0) & (kept == 0)
        name = "dropped" if sure > 1 else f"kept where sure {sure:g} and {size:g} of a cell large"
        yield f"cells only the segmenter saw: {name}", kept, mask & ~gone
    every = asked(above(mirrored, limit))
    best, best_mask = joined(every, m_soft)
    yield "mirror images of both", best, best_mask
    kept = whole_objects(best, every, soft, sure=0.8, size=0.5)
    yield "mirror images of both, whole objects 0.8, 0.5", kept, best_mask & ~((best > 0) & (kept == 0))


def with_lost_cells(labels: Labels, m_d: Labels, lost: float) -> Labels:
    """Detected cells of which the cut left less than 1 - `lost` get their masks back, where no other cell is."""
    out = labels.copy()
    before = np.bincount(m_d.ravel())
    after = np.bincount(labels[labels == m_d], minlength=len(before))
    for number in np.flatnonzero((before > 0) & (after < (1 - lost) * before))[1:]:
        out[(m_d == number) & (out == 0)] = number
    return out


def combinations(model: boxcell.BoxCell, rgb: RGB) -> Iterator[tuple[str, Labels, Mask]]:
    """What the first table kept, together, and what else could be decided for whole objects. (name, instances, mask)"""
    detector, prompter, segmenter = model.detector, model.prompter, model.segmenter
    assert isinstance(detector, CentreDetector) and isinstance(segmenter, NetSegmenter)
    h, w = rgb.shape[:2]
    encoded = prompter.encode(rgb)
    probability = segmenter.foreground(rgb)
    m_s = boxcell.without_specks(probability >= 0.5, 20)
    for mirrors, name in (([[]], "plain"), (MIRRORS, "mirrored detector")):
        limit = detector.settings.threshold
        found = detected(detector, rgb, mirrors, nms=detector.settings.nms, threshold=limit)
        m_d = paint(prompter.decode(encoded, Prompts(boxes=found.boxes)), w, h)
        yield ("detector alone" if name == "plain" else f"{name}, alone"), m_d, m_d > 0
        for trust in (3.0, 4.0, 5.0, 6.0):
            mask = fuse(rgb, m_d > 0, m_s, replace(OURS, trust=trust)).mask
            labels = instances(mask, m_d, smallest=20)
            if name == "plain" and trust == 3.0:
                yield "today", labels, mask
                yield "segmenter alone", instances(m_s, np.zeros_like(m_d), "components"), m_s
            whole = whole_objects(labels, m_d, probability, sure=0.0, size=0.5)
            left = mask & ~((labels > 0) & (whole == 0))
            yield f"{name}, whole objects, trust {trust:g}", whole, left
            for lost in (0.5, 0.8):
                back = with_lost_cells(whole, m_d, lost)
                yield f"{name}, whole objects, trust {trust:g}, cells back that lost {lost:g}", back, left | (back > 0)


def values(truth: Labels, labels: Labels, mask: Mask) -> dict[str, float]:
    table = metrics.contingency(truth, labels)
    cells = metrics.panoptic(table)
    return {
        "pq": cells.pq,
        "dq": cells.dq,
        "sq": cells.sq,
        "aji": metrics.aji(table),
        "dice": metrics.dice(truth > 0, mask),
        "missed": cells.missed,
        "false": cells.extra,
        "cells": cells.missed + cells.found,
    }


def run(
    work: Path, data: Path, output: Path, preset: str, sets: Sequence[str], every: int, first: int, combined: bool
) -> None:
    done = set()
    if output.exists():
        done = {tuple(json.loads(line)[key] for key in ("set", "image")) for line in output.read_text().splitlines()}
    with output.open("a") as file:
        for name in sets:
            dataset = open_dataset(data / name)
            for about in sorted(work.glob(f"{'tnbc' if name == 'gbm40' else name}-{preset}-*-0.json")):
                model = boxcell.load(about.with_suffix(""), device="cpu")
                left_out = dataset.names[1::4] if name == "gbm40" else json.loads(about.read_text())["left_out"]
                for image in left_out[first::every]:
                    if (name, image) in done:
                        continue
                    done.add((name, image))
                    sample = dataset.sample(image, with_labels=True)
                    rgb, truth = middle(sample.rgb), middle(sample.labels)
                    for variant, labels, mask in (combinations if combined else variants)(model, rgb):
                        row = {"set": name, "image": image, "variant": variant, **values(truth, labels, mask)}
                        file.write(json.dumps(row) + "\n")
                    file.flush()
                    print(name, image, flush=True)


def table(path: Path) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    sets = list(dict.fromkeys(row["set"] for row in rows))
    of: dict[str, dict[str, dict[str, dict[str, float]]]] = {}
    for row in rows:
        of.setdefault(row["variant"], {}).setdefault(row["set"], {})[row["image"]] = row
    print(f"{len(of) - 3} variants tried. Gain over today, points of PQ (Dice) ± one standard error over images.\n")
    print("| variant | " + " | ".join(f"{name} ({len(of['today'][name])})" for name in sets) + " | mean | kept |")
    print("|" + "---|" * (len(sets) + 3))
    means = {key: [np.mean([r[key] for r in of["today"][s].values()]) * 100 for s in sets] for key in ("pq", "dice")}
    first = [f"{p:.1f} ({d:.1f})" for p, d in zip(means["pq"], means["dice"], strict=True)]
    print(f"| today | {' | '.join(first)} | {np.mean(means['pq']):.1f} ({np.mean(means['dice']):.1f}) | |")
    for variant, by_set in of.items():
        if variant == "today":
            continue
        cells, gains, errors, lost = [], {"pq": [], "dice": []}, {"pq": [], "dice": []}, False
        for name in sets:
            shown = []
            for key in ("pq", "dice"):
                base = of["today"][name]
                difference = np.array([100 * (row[key] - base[image][key]) for image, row in by_set[name].items()])
                error = float(difference.std(ddof=1) / np.sqrt(len(difference))) if len(difference) > 1 else 0.0
                gains[key].append(float(difference.mean()))
                errors[key].append(error)
                lost |= difference.mean() < -error and abs(difference.mean()) > 0.05
                shown.append(f"{difference.mean():+.1f} ± {error:.1f}")
            cells.append(f"{shown[0]} ({shown[1]})")
        mean = {key: float(np.mean(gains[key])) for key in gains}
        error = float(np.sqrt(np.sum(np.square(errors["pq"])))) / len(sets)
        kept = "yes" if mean["pq"] > error and not lost else "no"
        print(f"| {variant} | {' | '.join(cells)} | {mean['pq']:+.2f} ± {error:.2f} ({mean['dice']:+.2f}) | {kept} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run")
    running.add_argument("work", type=Path)
    running.add_argument("data", type=Path)
    running.add_argument("-o", "--output", type=Path, required=True)
    running.add_argument("--preset", default="quick")
    running.add_argument("--sets", nargs="+", default=["tnbc", "consep", "monuseg", "gbm40"])
    running.add_argument("--every", type=int, default=1, help="take every N-th image of a fold")
    running.add_argument("--first", type=int, default=0, help="and begin with this one")
    running.add_argument("--combined", action="store_true", help="combinations of what the first table kept")
    commands.add_parser("table").add_argument("rows", type=Path)
    options = parser.parse_args()
    if options.command == "table":
        table(options.rows)
    else:
        run(
            options.work,
            options.data,
            options.output,
            options.preset,
            options.sets,
            options.every,
            options.first,
            options.combined,
        )


if __name__ == "__main__":
    main()
