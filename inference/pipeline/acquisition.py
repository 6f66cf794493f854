"""Which image to annotate next: what a trained round does not know, measured from what it already computed.

Scores of one image come from its prediction and fusion (`image_scores`), scores that compare images from `priorities`.
High means look first. No strategy is claimed to be best here: `boxwise simulate` measures them against random.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label
from scipy.spatial import cKDTree

from inference.metrics import contingency, panoptic
from inference.types import RGB, Labels, Mask, Scores

Floats = npt.NDArray[np.float64]
SINGLE = ("ambiguous", "entropy", "disagreement", "detector")  # of one image by itself
STRATEGIES = (*SINGLE, "diversity", "random", "mix", "economy")
MIXED = ("ambiguous", "disagreement", "detector", "diversity")
# Assumptions, not measurements, about what annotating costs (inference/simulation.py uses the same).
BOX_SECONDS, IMAGE_SECONDS = 7.0, 20.0
FAINT = 0.1  # detections below this score are noise, not doubt


def image_scores(m_d: Labels, m_s: Mask, detected: Scores, probability: npt.NDArray[Any]) -> dict[str, float]:
    """The scores of one image by itself, each 0..1, and "cells", how many the detector's masks show.

    m_d          (H, W) label map of the detector's cells
    m_s          (H, W) the segmenter's mask
    detected     (n,) scores of all detections
    probability  (p,) foreground probability of the colour models at the p pixels on which m_d and m_s disagree

    ambiguous     share of all pixels on which m_d and m_s disagree
    entropy       mean entropy of the colour models there, in bits
    disagreement  1 - PQ between the cells of m_d and the connected pieces of m_s
    detector      mean of 1 - |2 s - 1| over detections: 1 where all stand at s = 0.5
    """
    p = np.clip(np.asarray(probability, np.float64), 1e-9, 1 - 1e-9)
    entropy = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    pieces = label(m_s)[0].astype(np.int32)
    sure = np.asarray(detected, np.float64)
    sure = sure[sure >= FAINT]
    return {
        "ambiguous": float(np.mean((m_d > 0) != m_s)),
        "entropy": float(entropy.mean()) if p.size else 0.0,
        "disagreement": 1.0 - panoptic(contingency(m_d.astype(np.int32), pieces)).pq,
        "detector": float(np.mean(1 - np.abs(2 * sure - 1))) if sure.size else 0.0,
        "cells": float(np.count_nonzero(np.bincount(m_d.ravel())[1:])),
    }


def embedding(rgb: RGB, mask: Mask) -> Floats:
    """(9,): mean and spread of the optical density of each colour, of the cells' too, and their share of the image.

    Plain colour on purpose: it separates stains, scanners and tissues without a network's say.
    """
    density = -np.log10((rgb.reshape(-1, 3).astype(np.float64) + 1) / 256)
    cells = density[mask.ravel()]
    inner = cells.mean(axis=0) if len(cells) else density.mean(axis=0)
    return np.concatenate([density.mean(axis=0), density.std(axis=0), inner[:2], [mask.mean()]])


def colour_distance(embeddings: Floats, taught: npt.NDArray[np.bool_]) -> Floats:
    """(n, 9) embeddings, (n,) bool which images taught a round -> (n,) how unlike these an image's colours are.

    The distance to the nearest of them over mean and spread of the three optical densities, in optical density and not
    scaled: an image and its teachers have the same number in every round. NaN where nothing taught.
    """
    colours = np.asarray(embeddings, np.float64).reshape(-1, 9)[:, :6]
    if not taught.any():
        return np.full(len(colours), np.nan)
    nearest: Floats = cKDTree(colours[taught]).query(colours)[0]
    return nearest


def diversity(embeddings: Floats, seen: npt.NDArray[np.bool_]) -> Floats:
    """(n, d) embeddings, (n,) bool which are annotated -> (n,) how early farthest-first traversal takes each.

    The traversal starts from the annotated images (Gonzalez 1985; core-set of Sener and Savarese 2018). The first
    one taken has 1, the last one near 0, annotated ones 0.
    """
    scale = embeddings.std(axis=0)
    x = (embeddings - embeddings.mean(axis=0)) / np.where(scale > 0, scale, 1)
    chosen = seen.copy()
    if seen.any():
        distance = np.min(np.linalg.norm(x[:, None] - x[None, seen], axis=2), axis=1)
    else:
        distance = np.linalg.norm(x, axis=1)
    order = np.zeros(len(x))
    left = int((~seen).sum())
    for place in range(left):
        best = int(np.argmax(np.where(chosen, -1.0, distance)))
        chosen[best] = True
        order[best] = 1 - place / left
        distance = np.minimum(distance, np.linalg.norm(x - x[best], axis=1))
    return order


def drawn(name: str, seed: int) -> float:
    """A number in 0..1 that depends on nothing but the name and the seed: the baseline that is always there."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:7], "big") / 2**56


def ranks(values: Sequence[float]) -> Floats:
    """(n,) values -> (n,) in 0..1, the largest 1; equal ones share the mean of their places."""
    x = np.asarray(values, np.float64)
    if len(x) < 2:
        return np.ones(len(x))
    below = (x[None] < x[:, None]).sum(axis=1)
    same = (x[None] == x[:, None]).sum(axis=1) - 1
    placed: Floats = (below + same / 2) / (len(x) - 1)
    return placed


def priorities(
    scores: Mapping[str, Mapping[str, float]], embeddings: Mapping[str, Sequence[float]], *, seen: set[str], seed: int
) -> dict[str, dict[str, float]]:
    """Image -> strategy -> score, for every image that is not in `seen`.

    scores      image -> its `image_scores`; of a method without a fusion those that there are
    embeddings  image -> its `embedding`, for the images of `scores`
    `mix` is the mean rank over the strategies of MIXED; `economy` is the mix per second that annotating the expected
    cells would take, relative to an image without cells: doubt in crowded images costs more boxes.
    """
    names = sorted(scores)
    if not names:
        return {}
    known = np.array([name in seen for name in names])
    far = diversity(np.array([embeddings[name] for name in names], np.float64), known)
    waiting = [i for i, name in enumerate(names) if not known[i]]
    rows: list[dict[str, float]] = [
        {s: float(scores[names[i]][s]) for s in SINGLE if s in scores[names[i]]}
        | {"diversity": float(far[i]), "random": drawn(names[i], seed)}
        for i in waiting
    ]
    known_of_all = [s for s in MIXED if all(s in row for row in rows)]
    mixed = np.mean([ranks([row[s] for row in rows]) for s in known_of_all], axis=0) if rows else []
    cost = [1 + BOX_SECONDS / IMAGE_SECONDS * float(scores[names[i]]["cells"]) for i in waiting]
    return {
        names[i]: row | {"mix": float(m), "economy": float(m / c)}
        for i, row, m, c in zip(waiting, rows, mixed, cost, strict=True)
    }
