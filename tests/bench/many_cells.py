"""Seconds per accepted cell and true quality by door, with simulated readers: python -m tests.bench.many_cells

The shipped models propose on tnbc's validation images (the shipped weights have learned from its training images) and
on all images of consep that are here (no shipped weight has seen them). Nothing is tuned on either; the test parts of
both sets are elsewhere. `inference/simulated_readers.py` says what a reader is. BOXWISE_WORK names a folder that keeps
the proposals, BOXWISE_OUT one for the figures (docs/benchmarks), BOXWISE_SETS the sets (tnbc,consep).
"""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from inference.certificates.planning import Claim
from inference.datasets import Dataset, data_root, open_dataset
from inference.masks import shared_pixels, tight
from inference.simulated_readers import (
    FIXATION_S,
    Proposals,
    Reader,
    Result,
    by_likeness,
    gallery,
    on_certificate,
    one_by_one,
)
from inference.types import RGB, BoxMask, Labels

SETS = {"tnbc": "val", "consep": "train"}
PLANTED_OF = 20  # proposals for each planted error
PLANTED_IN_SAMPLE = 40
REPEATS, READ, SEED = 3, 10_000, 17  # readings of all cells by each door: of so many cells in all, at least REPEATS
SAMPLES = 40  # for a certificate
LAPSES = (0.02, 0.05, 0.1)
FIXATIONS = (0.1, 0.23, 0.5, 1.0, 1.35)  # seconds
TOLERATED = (0.05, 0.1, 0.2, 0.3)
Door = Callable[[Proposals, Reader, np.random.Generator], Result]
WAYS: dict[str, Door] = {"one by one": one_by_one, "gallery": gallery, "likeness": by_likeness}
GOALS = {"one by one": 3.0, "gallery": 0.7, "likeness": 0.3}
TRIES = 20


def proposals_of(dataset: Dataset, names: Sequence[str], kept: Path) -> Proposals:
    """What the shipped models propose on these images, and planted errors among them. kept: a file, read if there."""
    if not kept.exists():
        parts = [_on_image(dataset, name, np.random.default_rng([SEED, at])) for at, name in enumerate(names)]
        joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, **joined)
    with np.load(kept) as found:
        return Proposals(**{key: found[key] for key in found.files})


def _on_image(dataset: Dataset, name: str, generator: np.random.Generator) -> dict[str, np.ndarray]:
    rgb, labels = dataset.image(name), dataset.labels(name)
    proposed, doubt = _proposed(rgb)
    known = planted_errors(proposed, labels, generator)
    cells = [*proposed, *(mask for mask, _source in known)]
    print(f"  {dataset.name} {name}: {len(proposed)} proposals, {len(known)} planted", flush=True)
    sources = [source for _mask, source in known]
    return {
        "iou": np.array([iou_with(mask, labels) for mask in cells], np.float32),
        "doubt": np.concatenate([doubt, doubt[sources]]).astype(np.float32),
        "side": np.array([np.sqrt(mask.bits.size) for mask in cells], np.float32),
        "vectors": _encoder().encode(rgb, cells),
        "planted": np.arange(len(cells)) >= len(proposed),
    }


def _proposed(rgb: RGB) -> tuple[list[BoxMask], np.ndarray]:
    """The masks of the shipped models' proposals, and their doubt."""
    from inference.methods.proposing import People
    from inference.methods.streamed import Frame, Rectangle
    from inference.tiles import Tile
    from tests.bench import propose

    height, width = rgb.shape[:2]
    frame = Frame(Rectangle(0, 0, width, height), 1.0, width, height)
    find = _proposer().on(People(propose.nobody(width, height)), frame)
    whole = (0, 0, width, height)
    found = find(rgb, Tile(whole, whole)).cells
    return [cell.mask for cell in found], np.array([cell.score for cell in found])


_LOADED: dict[str, object] = {}


def _proposer():  # type: ignore[no-untyped-def]
    from inference.methods.proposing import Proposer
    from tests.bench import propose

    if "proposer" not in _LOADED:
        _LOADED["proposer"] = Proposer(propose.setting())
    return _LOADED["proposer"]


def _encoder():  # type: ignore[no-untyped-def]
    from inference.encoders.shipped import ShippedEncoder

    if "encoder" not in _LOADED:
        _LOADED["encoder"] = ShippedEncoder(device="cpu")
    return _LOADED["encoder"]


def iou_with(mask: BoxMask, labels: Labels) -> float:
    """IoU with the reference cell that the mask meets best."""
    height, width = mask.bits.shape
    under = labels[mask.y : mask.y + height, mask.x : mask.x + width][mask.bits]
    best = 0.0
    for label, shared in zip(*np.unique(under[under > 0], return_counts=True), strict=True):
        union = int(mask.bits.sum()) + int((labels == label).sum()) - int(shared)
        best = max(best, int(shared) / union)
    return best


def planted_errors(
    proposed: Sequence[BoxMask], labels: Labels, generator: np.random.Generator
) -> list[tuple[BoxMask, int]]:
    """Known errors made of right proposals, in turn shifted, merged with a neighbour, and false, as the planted ones of
    a certificate are: (mask, the proposal that it is made of). Only what the reference calls wrong, too, is kept."""
    right = [index for index, mask in enumerate(proposed) if iou_with(mask, labels) > 0.5]
    found: list[tuple[BoxMask, int]] = []
    makers = (_shifted, _merged, _false)
    for index in generator.permutation(right).tolist():
        if len(found) >= len(proposed) // PLANTED_OF:
            break
        made = makers[len(found) % 3](proposed[index], proposed, labels.shape, generator)
        if made is not None and iou_with(made, labels) <= 0.5:
            found.append((made, index))
    return found


def _moved(mask: BoxMask, diameters: float, shape: tuple[int, ...], generator: np.random.Generator) -> BoxMask | None:
    angle = generator.uniform(0, 2 * np.pi)
    reach = diameters * np.sqrt(mask.bits.size)
    x, y = mask.x + round(reach * np.cos(angle)), mask.y + round(reach * np.sin(angle))
    height, width = mask.bits.shape
    is_inside = x >= 0 and y >= 0 and x + width <= shape[1] and y + height <= shape[0]
    return BoxMask(x, y, mask.bits) if is_inside else None


def _shifted(
    mask: BoxMask, others: Sequence[BoxMask], shape: tuple[int, ...], generator: np.random.Generator
) -> BoxMask | None:
    return _moved(mask, generator.uniform(0.5, 0.8), shape, generator)


def _false(
    mask: BoxMask, others: Sequence[BoxMask], shape: tuple[int, ...], generator: np.random.Generator
) -> BoxMask | None:
    """The outline on tissue near by where nothing is proposed."""
    for _try in range(TRIES):
        moved = _moved(mask, generator.uniform(1.5, 4.0), shape, generator)
        if moved is not None and not any(shared_pixels(moved, other) for other in others):
            return moved
    return None


def _merged(
    mask: BoxMask, others: Sequence[BoxMask], shape: tuple[int, ...], generator: np.random.Generator
) -> BoxMask | None:
    """One mask for two neighbours no more than 4 px apart."""
    for other in others:
        if other is not mask and _gap(mask, other) <= 4:
            whole = np.zeros(shape[:2], bool)
            for one in (mask, other):
                height, width = one.bits.shape
                whole[one.y : one.y + height, one.x : one.x + width] |= one.bits
            return tight(BoxMask(0, 0, whole))
    return None


def _gap(a: BoxMask, b: BoxMask) -> float:
    across = max(a.x - b.x - b.bits.shape[1], b.x - a.x - a.bits.shape[1], 0)
    down = max(a.y - b.y - b.bits.shape[0], b.y - a.y - a.bits.shape[0], 0)
    return max(across, down)


def repeated(act: Callable[[np.random.Generator], Result], times: int) -> list[Result]:
    return [act(np.random.default_rng([SEED, number])) for number in range(times)]


def mean_of(results: Sequence[Result]) -> dict[str, float | None]:
    """Means over the repeats; None where nothing was accepted in any."""

    def mean(name: str) -> float | None:
        values = [getattr(result, name) for result in results if getattr(result, name) is not None]
        return round(float(np.mean(values)), 4) if values else None

    names = ("seconds", "seconds_per_accepted", "quality", "catch_rate", "accepted", "right", "passed")
    return {name: mean(name) for name in names}


def ways_of(cells: Proposals) -> list[dict[str, object]]:
    """Each door with readers who overlook more or less, and the seconds if each cell were looked at for longer."""
    rows: list[dict[str, object]] = []
    repeats = max(REPEATS, READ // len(cells))
    for door, act in WAYS.items():
        for lapses in LAPSES:
            results = repeated(partial(_read, act, cells, Reader(lapses=lapses)), repeats)
            made = mean_of(results)
            by_fixation = {f"{fixation:.2f}": _seconds_with(results, len(cells), fixation) for fixation in FIXATIONS}
            rows.append(
                {"door": door, "lapses": lapses, "repeats": repeats, **made, "seconds_by_fixation": by_fixation}
            )
    return rows


def _read(act: Door, cells: Proposals, reader: Reader, generator: np.random.Generator) -> Result:
    return act(cells, reader, generator)


def _seconds_with(results: Sequence[Result], cells: int, fixation: float) -> float:
    """Seconds per accepted cell if a fixation took so long; all else takes the same."""
    found = [(one.seconds + cells * (fixation - FIXATION_S)) / one.accepted for one in results]
    return round(float(np.mean(found)), 4)


def certificates_of(cells: Proposals) -> list[dict[str, object]]:
    """Of all proposals, and of the half with the least doubt, which no page offers as a lot."""
    known = np.flatnonzero(cells.planted)
    known = np.random.default_rng(SEED).permutation(known)[:PLANTED_IN_SAMPLE]
    proposed = np.flatnonzero(~cells.planted)
    certain = proposed[cells.doubt[proposed] <= np.median(cells.doubt[proposed])]
    rows: list[dict[str, object]] = []
    for name, lot in (("all", proposed), ("least doubtful half", certain)):
        chosen = cells.of(np.concatenate([lot, known]))
        wrong = 1 - float(cells.of(lot).is_right.mean())
        for tolerated in TOLERATED:
            made = mean_of(repeated(partial(on_certificate, chosen, Reader(), Claim(tolerated)), SAMPLES))
            rows.append({"lot": name, "cells": len(lot), "wrong": round(wrong, 4), "tolerated": tolerated, **made})
    return rows


def figure(value: object, form: str) -> str:
    return "–" if value is None else format(value, form)


def print_tables(name: str, found: dict[str, object]) -> None:
    print(f"\n### {name}: {found['proposals']:,} proposals, {found['right']:.1%} of them right\n")
    print("| door | overlooked | seconds per accepted cell | accepted cells that are right | planted errors caught |")
    print("|---|---|---|---|---|")
    for row in found["ways"]:  # type: ignore[attr-defined]
        cells = (figure(row["seconds_per_accepted"], ".2f"), figure(row["quality"], ".1%"))
        print(f"| {row['door']} | {row['lapses']:.0%} | {' | '.join(cells)} | {figure(row['catch_rate'], '.1%')} |")
    print(
        "\n| door | "
        + " | ".join(f"{fixation:.2f} s" for fixation in FIXATIONS)
        + " |\n|---"
        + "|---" * len(FIXATIONS)
        + "|"
    )
    for row in found["ways"]:  # type: ignore[attr-defined]
        if row["lapses"] == Reader().lapses:
            print(
                f"| {row['door']} | " + " | ".join(f"{one:.2f}" for one in row["seconds_by_fixation"].values()) + " |"
            )
    print("\n| lot | cells | wrong | tolerated | passed | seconds per accepted cell | accepted cells that are right |")
    print("|---|---|---|---|---|---|---|")
    for row in found["certificates"]:  # type: ignore[attr-defined]
        claim = f"{row['cells']:,} | {row['wrong']:.1%} | {row['tolerated']:.0%} | {row['passed']:.0%}"
        seconds, quality = figure(row["seconds_per_accepted"], ".2f"), figure(row["quality"], ".1%")
        print(f"| {row['lot']} | {claim} | {seconds} | {quality} |")


def main() -> None:
    root = data_root()
    if root is None:
        print("skipped: the reference sets are not here (BOXWISE_DATA)")
        return
    import torch

    torch.set_num_threads(1)
    work = Path(os.environ.get("BOXWISE_WORK") or tempfile.mkdtemp(prefix="boxwise-many-"))
    found: dict[str, object] = {"reader": asdict(Reader()), "samples": SAMPLES}
    chosen = os.environ.get("BOXWISE_SETS", ",".join(SETS)).split(",")
    for name in chosen:
        part = SETS[name]
        dataset = open_dataset(root / name)
        names = dataset.split(part) or dataset.names
        cells = proposals_of(dataset, names, work / f"{name}.npz")
        proposed = cells.of(~cells.planted)
        made: dict[str, object] = {
            "images": len(names),
            "proposals": len(proposed),
            "right": round(float(proposed.is_right.mean()), 4),
            "ways": ways_of(cells),
            "certificates": certificates_of(cells),
        }
        found[name] = made
        print_tables(name, made)
    if out := os.environ.get("BOXWISE_OUT"):
        (Path(out) / "many_cells.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
