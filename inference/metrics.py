"""How well masks and boxes agree with a reference. numpy and scipy only: the website imports this.

Everything about cells comes from one contingency table per image (how many pixels each reference cell shares with
each predicted one), never from a mask per cell. Conventions, used throughout:

- ids may have gaps; 0 is background; `valid` (H, W) bool leaves out pixels where annotation is not exhaustive;
- both empty: 1 for every measure (nothing to find, nothing claimed); one empty: 0. SQ is 0 where nothing matches,
  unless both are empty;
- a per-image mean and a pooled value differ: `pooled` sums counts over images before it divides.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.types import Boxes, Labels, Mask, Scores

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

COCO_THRESHOLDS = tuple(np.round(np.arange(0.5, 1.0, 0.05), 2))
BF1_TOLERANCE = 2.0  # pixels; the value of BF1 hangs on it (docs/fusion.md), so it is stored beside every one


def dice(reference: Mask, predicted: Mask, valid: Mask | None = None) -> float:
    """2 |A and B| / (|A| + |B|) of two (H, W) masks, 0..1."""
    both, a, b = _overlap(reference, predicted, valid)
    return 1.0 if a + b == 0 else 2 * both / (a + b)


def iou(reference: Mask, predicted: Mask, valid: Mask | None = None) -> float:
    """|A and B| / |A or B| of two (H, W) masks, 0..1."""
    both, a, b = _overlap(reference, predicted, valid)
    return 1.0 if a + b == 0 else both / (a + b - both)


def _overlap(reference: Mask, predicted: Mask, valid: Mask | None) -> tuple[int, int, int]:
    _same_shape(reference, predicted, valid)
    a, b = reference.astype(bool), predicted.astype(bool)
    if valid is not None:
        a, b = a & valid, b & valid
    return int(np.count_nonzero(a & b)), int(np.count_nonzero(a)), int(np.count_nonzero(b))


def _same_shape(reference: npt.NDArray[Any], predicted: npt.NDArray[Any], valid: Mask | None) -> None:
    if reference.ndim != 2 or predicted.shape != reference.shape:
        raise ValueError(f"predicted must be {reference.shape}, as reference, not {predicted.shape}")
    if valid is not None and valid.shape != reference.shape:
        raise ValueError(f"valid must be {reference.shape}, as reference, not {valid.shape}")


@dataclass(frozen=True)
class Contingency:
    """Pixels that cells share.

    reference_ids, predicted_ids    (n,), (m,): ids in ascending order, without 0
    reference_area, predicted_area  (n,), (m,): pixels
    i, j, shared                    (p,): cell i of the reference and cell j of the prediction share that many, > 0
    """

    reference_ids: Ints
    predicted_ids: Ints
    reference_area: Ints
    predicted_area: Ints
    i: Ints
    j: Ints
    shared: Ints

    @property
    def union(self) -> Ints:
        """(p,) pixels of the union of every overlapping pair."""
        return self.reference_area[self.i] + self.predicted_area[self.j] - self.shared

    @property
    def iou(self) -> Floats:
        """(p,) of every overlapping pair, > 0."""
        return self.shared / self.union


def contingency(reference: Labels, predicted: Labels, valid: Mask | None = None) -> Contingency:
    """One pass over two (H, W) label maps."""
    _same_shape(reference, predicted, valid)
    for name, labels in (("reference", reference), ("predicted", predicted)):
        if not np.issubdtype(labels.dtype, np.integer):
            raise ValueError(f"{name} must hold whole numbers, not {labels.dtype}")
        if labels.size and labels.min() < 0:
            raise ValueError(f"{name} must hold no negative id")
    somewhere = (reference != 0) | (predicted != 0)
    if valid is not None:
        somewhere &= valid
    r_ids, r = _dense(reference[somewhere])
    p_ids, p = _dense(predicted[somewhere])
    width = len(p_ids) + 1
    code = r * width + p
    if (len(r_ids) + 1) * width <= 4 * code.size + 1_000_000:
        counts = np.bincount(code, minlength=(len(r_ids) + 1) * width)
        pairs = np.flatnonzero(counts)
        counts = counts[pairs]
    else:
        pairs, counts = np.unique(code, return_counts=True)
    i, j = pairs // width - 1, pairs % width - 1
    both = (i >= 0) & (j >= 0)
    return Contingency(
        r_ids,
        p_ids,
        np.bincount(i + 1, weights=counts, minlength=len(r_ids) + 1)[1:].astype(np.int64),
        np.bincount(j + 1, weights=counts, minlength=width)[1:].astype(np.int64),
        i[both],
        j[both],
        counts[both].astype(np.int64),
    )


def _dense(labels: npt.NDArray[Any]) -> tuple[Ints, Ints]:
    """Labels with any ids -> the ids without 0, and the labels as 0..n."""
    top = int(labels.max(initial=0))
    if top > 4 * labels.size + 1_000_000:  # a table over the ids would be larger than sorting is slow
        ids, index = np.unique(np.append(labels, 0), return_inverse=True)
        return ids[1:].astype(np.int64), index[:-1].astype(np.int64)
    present = np.zeros(top + 1, bool)
    present[labels] = True
    present[0] = False
    ids = np.flatnonzero(present)
    table = np.zeros(top + 1, np.int64)
    table[ids] = np.arange(1, len(ids) + 1)
    return ids, table[labels]


def aji(table: Contingency) -> float:
    """Aggregated Jaccard Index (Kumar 2017): each reference cell takes the predicted cell of largest IoU.

    A predicted cell may be taken twice, and then counts twice; those never taken enlarge the denominator.
    """
    inside, outside = aji_terms(table)
    return 1.0 if outside == 0 else inside / outside


def aji_terms(table: Contingency) -> tuple[int, int]:
    """Numerator and denominator of the AJI, in pixels; they add up over images."""
    order = np.lexsort((table.j, -table.iou, table.i))  # best partner first; ties: the smaller id
    first = np.unique(table.i[order], return_index=True)[1]
    best = order[first]
    matched = np.zeros(len(table.reference_ids), bool)
    matched[table.i[best]] = True
    used = np.zeros(len(table.predicted_ids), bool)
    used[table.j[best]] = True
    inside = int(table.shared[best].sum())
    outside = int(table.union[best].sum() + table.reference_area[~matched].sum() + table.predicted_area[~used].sum())
    return inside, outside


def aji_plus(table: Contingency) -> float:
    """AJI with a one-to-one matching of largest summed IoU (HoVer-Net, 2019)."""
    inside, outside = _aji_plus_terms(table)
    return 1.0 if outside == 0 else inside / outside


def _aji_plus_terms(table: Contingency) -> tuple[int, int]:
    pairs = _one_to_one(table)
    matched = np.zeros(len(table.reference_ids), bool)
    matched[table.i[pairs]] = True
    used = np.zeros(len(table.predicted_ids), bool)
    used[table.j[pairs]] = True
    inside = int(table.shared[pairs].sum())
    outside = int(table.union[pairs].sum() + table.reference_area[~matched].sum() + table.predicted_area[~used].sum())
    return inside, outside


def _one_to_one(table: Contingency) -> Ints:
    """Indices of the pairs of a maximum-weight matching by IoU, cluster of overlapping cells by cluster."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, m, quality = len(table.reference_ids), len(table.predicted_ids), table.iou
    lonely = (np.bincount(table.i, minlength=n)[table.i] == 1) & (np.bincount(table.j, minlength=m)[table.j] == 1)
    chosen = [np.flatnonzero(lonely)]
    rest = np.flatnonzero(~lonely)
    if len(rest):
        links = coo_array((np.ones(len(rest)), (table.i[rest], n + table.j[rest])), shape=(n + m, n + m))
        cluster = connected_components(links, directed=False)[1][table.i[rest]]
        order = np.argsort(cluster, kind="stable")
        for group in np.split(rest[order], np.flatnonzero(np.diff(cluster[order])) + 1):
            rows, row = np.unique(table.i[group], return_inverse=True)
            columns, column = np.unique(table.j[group], return_inverse=True)
            weight = np.zeros((len(rows), len(columns)))
            weight[row, column] = quality[group]
            which = np.full(weight.shape, -1)
            which[row, column] = group
            matched = which[linear_sum_assignment(weight, maximize=True)]
            chosen.append(matched[matched >= 0])
    return np.concatenate(chosen)


@dataclass(frozen=True)
class Panoptic:
    """Counts behind panoptic quality; they add up over images.

    found    matched pairs (true positives); extra: predicted cells unmatched; missed: reference cells unmatched
    overlap  summed IoU of the matched pairs
    """

    found: int
    extra: int
    missed: int
    overlap: float

    def __add__(self, other: "Panoptic") -> "Panoptic":
        return Panoptic(
            self.found + other.found, self.extra + other.extra, self.missed + other.missed, self.overlap + other.overlap
        )

    @property
    def empty(self) -> bool:
        return self.found + self.extra + self.missed == 0

    @property
    def dq(self) -> float:
        """Detection quality, the F1 of cells."""
        return 1.0 if self.empty else 2 * self.found / (2 * self.found + self.extra + self.missed)

    @property
    def sq(self) -> float:
        """Segmentation quality, the mean IoU of matched cells."""
        return 1.0 if self.empty else self.overlap / self.found if self.found else 0.0

    @property
    def pq(self) -> float:
        return self.dq * self.sq

    @property
    def precision(self) -> float:
        claimed = self.found + self.extra
        return float(self.missed == 0) if claimed == 0 else self.found / claimed

    @property
    def recall(self) -> float:
        present = self.found + self.missed
        return float(self.extra == 0) if present == 0 else self.found / present


def panoptic(table: Contingency, threshold: float = 0.5) -> Panoptic:
    """Match cells whose IoU is above the threshold (strictly). At 0.5 and above a match is unique by arithmetic."""
    if not 0.5 <= threshold < 1:
        raise ValueError(f"threshold must be at least 0.5 and below 1, so that matches are unique, not {threshold}")
    overlap = table.iou[table.iou > threshold]
    found = len(overlap)
    return Panoptic(found, len(table.predicted_ids) - found, len(table.reference_ids) - found, float(overlap.sum()))


def panoptic_quality(reference: Labels, predicted: Labels, valid: Mask | None = None) -> Panoptic:
    """PQ, DQ, SQ of two label maps (Kirillov 2019; HoVer-Net's use of it for nuclei)."""
    return panoptic(contingency(reference, predicted, valid))


def panoptic_by_class(
    table: Contingency, reference_class: Mapping[int, int], predicted_class: Mapping[int, int]
) -> dict[int, Panoptic]:
    """Class -> its counts: only cells of the class take part on either side. A cell without a class raises KeyError.

    Multi-class PQ of an image is the mean of .pq over classes; pooled, add the counts first.
    """
    of_r = np.array([reference_class[int(k)] for k in table.reference_ids], np.int64)
    of_p = np.array([predicted_class[int(k)] for k in table.predicted_ids], np.int64)
    agree = (table.iou > 0.5) & (of_r[table.i] == of_p[table.j])
    counts = {}
    for c in sorted({*of_r.tolist(), *of_p.tolist()}):
        overlap = table.iou[agree & (of_r[table.i] == c)]
        found = len(overlap)
        counts[c] = Panoptic(
            found, int((of_p == c).sum()) - found, int((of_r == c).sum()) - found, float(overlap.sum())
        )
    return counts


def boundary_f1(
    reference: Labels | Mask, predicted: Labels | Mask, tolerance: float, valid: Mask | None = None
) -> float:
    """F1 of boundary pixels that have a boundary pixel of the other side within `tolerance` pixels (Csurka 2013).

    A boundary pixel belongs to a cell and has a 4-neighbour of another label; the image's frame is no boundary. Label
    maps count the borders between touching cells, masks do not. The value hangs on the tolerance: quote both.
    """
    hit_p, claimed, hit_r, present = _boundary_hits(reference, predicted, tolerance, valid)
    return _boundary_f1_of(hit_p, claimed, hit_r, present)


def _boundary_f1_of(hit_p: int, claimed: int, hit_r: int, present: int) -> float:
    if claimed == 0 or present == 0:
        return float(claimed == present)
    precision, recall = hit_p / claimed, hit_r / present
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def _boundary_hits(
    reference: npt.NDArray[Any], predicted: npt.NDArray[Any], tolerance: float, valid: Mask | None
) -> tuple[int, int, int, int]:
    _same_shape(reference, predicted, valid)
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be at least 0 pixels, not {tolerance}")
    r, p = boundary(reference), boundary(predicted)
    if valid is not None:
        r, p = r & valid, p & valid
    claimed, present = int(np.count_nonzero(p)), int(np.count_nonzero(r))
    if claimed == 0 or present == 0:
        return 0, claimed, 0, present
    hit_p = int(np.count_nonzero(p & _within(r, tolerance)))
    return hit_p, claimed, int(np.count_nonzero(r & _within(p, tolerance))), present


def _within(points: Mask, tolerance: float) -> Mask:
    """True at most `tolerance` pixels (Euclidean) from a True pixel."""
    if tolerance > 4:  # a disc of more than 49 offsets
        from scipy.ndimage import distance_transform_edt

        far: Mask = distance_transform_edt(~points) <= tolerance
        return far
    h, w = points.shape
    radius = int(tolerance)
    near = np.zeros_like(points)
    for dy in range(-min(radius, h - 1), min(radius, h - 1) + 1):
        for dx in range(-min(radius, w - 1), min(radius, w - 1) + 1):
            if dx * dx + dy * dy <= tolerance * tolerance:
                to = near[max(0, dy) : h + min(0, dy), max(0, dx) : w + min(0, dx)]
                to |= points[max(0, -dy) : h + min(0, -dy), max(0, -dx) : w + min(0, -dx)]
    return near


def boundary(labels: npt.NDArray[Any]) -> Mask:
    """Pixels of a cell, (H, W), that have a 4-neighbour of another label; the frame is no boundary."""
    edge = np.zeros(labels.shape, bool)
    across, along = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= along
    edge[:-1] |= along
    return edge & (labels != 0)


def box_iou(a: Boxes, b: Boxes) -> Floats:
    """(n, 4) and (m, 4) half-open boxes -> (n, m) IoU."""
    a, b = np.asarray(a, np.float64).reshape(-1, 4), np.asarray(b, np.float64).reshape(-1, 4)
    corner = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    shared = np.prod(np.maximum(corner, 0), axis=2)
    area_a, area_b = np.prod(a[:, 2:] - a[:, :2], axis=1), np.prod(b[:, 2:] - b[:, :2], axis=1)
    union = area_a[:, None] + area_b[None] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


@dataclass(frozen=True)
class AveragePrecision:
    """ap: mean over the thresholds; at: threshold -> AP there, so at[0.5] is AP50; recall: threshold -> recall."""

    ap: float
    at: dict[float, float]
    recall: dict[float, float]


def average_precision(
    images: Iterable[tuple[Floats, Scores]],
    thresholds: Sequence[float] = COCO_THRESHOLDS,
    max_detections: int | None = None,
) -> AveragePrecision:
    """COCO's AP (101 recall points) over any number of images, for dense cells: no cap of 100 unless asked for.

    images  one (iou, scores) an image: (detections, references) IoU, as from `box_iou` or `mask_iou`, and (detections,)
    """
    limits = [float(t) for t in thresholds]
    scores_of: list[npt.NDArray[Any]] = []
    hits_of: list[npt.NDArray[np.bool_]] = []
    present = 0
    for overlap, scores in images:
        if overlap.ndim != 2 or overlap.shape[0] != len(scores):
            raise ValueError(f"iou must be ({len(scores)}, references), one row a score, not {overlap.shape}")
        order = np.argsort(-np.asarray(scores), kind="stable")[:max_detections]
        scores_of.append(np.asarray(scores)[order])
        hits_of.append(_hits(overlap[order], limits))
        present += overlap.shape[1]
    scores = np.concatenate([*scores_of, np.empty(0)])
    if present == 0:
        value = float(len(scores) == 0)
        return AveragePrecision(value, dict.fromkeys(limits, value), dict.fromkeys(limits, value))
    hits = np.concatenate([*hits_of, np.empty((0, len(limits)), bool)])[np.argsort(-scores, kind="stable")]
    at, recalls = {}, {}
    for k, limit in enumerate(limits):
        right = np.cumsum(hits[:, k])
        recall = right / present
        precision = right / np.arange(1, len(right) + 1)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        point = np.searchsorted(recall, np.linspace(0, 1, 101), side="left")
        at[limit] = float(np.where(point < len(precision), np.append(precision, 0)[point], 0).mean())
        recalls[limit] = float(recall[-1]) if len(recall) else 0.0
    return AveragePrecision(float(np.mean(list(at.values()))), at, recalls)


def _hits(overlap: Floats, limits: Sequence[float]) -> npt.NDArray[np.bool_]:
    """Greedy matching, best score first: (detections, thresholds), True where a detection found a free reference."""
    hits = np.zeros((len(overlap), len(limits)), bool)
    partners = [np.flatnonzero(row >= min(limits)) for row in overlap]
    for k, limit in enumerate(limits):
        matched = np.zeros(overlap.shape[1], bool)
        for d, candidates in enumerate(partners):
            best, most = -1, min(limit, 1 - 1e-10)
            for g in candidates.tolist():
                if not matched[g] and overlap[d, g] >= most:  # as COCO: of equals the last
                    best, most = g, overlap[d, g]
            if best >= 0:
                matched[best] = hits[d, k] = True
    return hits


def mask_iou(table: Contingency) -> Floats:
    """(predicted cells, reference cells) IoU, dense, rows in the order of predicted_ids: for `average_precision`."""
    overlap = np.zeros((len(table.predicted_ids), len(table.reference_ids)))
    overlap[table.j, table.i] = table.iou
    return overlap


@dataclass(frozen=True)
class Report:
    """Every number of one image, or of several when added up; as_dict() for JSON."""

    images: int
    pixels: Ints  # shared, reference's and predicted foreground
    cells: Panoptic
    aji: Ints  # numerator, denominator
    aji_plus: Ints
    boundary: Ints  # predicted pixels that hit, all of them; reference pixels that were hit, all of them
    tolerance: float

    def __add__(self, other: "Report") -> "Report":
        if self.tolerance != other.tolerance:
            raise ValueError(f"BF1 at {self.tolerance} px and at {other.tolerance} px cannot be pooled")
        return Report(
            self.images + other.images,
            np.add(self.pixels, other.pixels),
            self.cells + other.cells,
            np.add(self.aji, other.aji),
            np.add(self.aji_plus, other.aji_plus),
            np.add(self.boundary, other.boundary),
            self.tolerance,
        )

    def as_dict(self) -> dict[str, float | int]:
        both, a, b = self.pixels.tolist()
        inside, outside = self.aji.tolist()
        inside_plus, outside_plus = self.aji_plus.tolist()
        return {
            "images": self.images,
            "dice": 1.0 if a + b == 0 else 2 * both / (a + b),
            "iou": 1.0 if a + b == 0 else both / (a + b - both),
            "aji": 1.0 if outside == 0 else inside / outside,
            "aji_plus": 1.0 if outside_plus == 0 else inside_plus / outside_plus,
            "pq": self.cells.pq,
            "dq": self.cells.dq,
            "sq": self.cells.sq,
            "detection_precision": self.cells.precision,
            "detection_recall": self.cells.recall,
            "detection_f1": self.cells.dq,
            "bf1": _boundary_f1_of(*self.boundary.tolist()),
            "bf1_tolerance_px": self.tolerance,
            "reference_cells": self.cells.found + self.cells.missed,
            "predicted_cells": self.cells.found + self.cells.extra,
        }


def per_image(
    reference: Labels, predicted: Labels, *, valid: Mask | None = None, tolerance: float = BF1_TOLERANCE
) -> Report:
    """All measures of two (H, W) label maps; detection F1 matches at IoU > 0.5, BF1 is that of the foreground."""
    table = contingency(reference, predicted, valid)
    return Report(
        1,
        np.array(_overlap(reference != 0, predicted != 0, valid)),
        panoptic(table),
        np.array(aji_terms(table)),
        np.array(_aji_plus_terms(table)),
        np.array(_boundary_hits(reference != 0, predicted != 0, tolerance, valid)),
        tolerance,
    )


def pooled(reports: Sequence[Report]) -> dict[str, float | int]:
    """Measures of all images taken as one: counts are added before anything is divided."""
    if not reports:
        raise ValueError("reports must hold at least one image")
    total = reports[0]
    for report in reports[1:]:
        total = total + report
    return total.as_dict()


def mean(reports: Sequence[Report]) -> dict[str, float]:
    """Mean over images of every measure: what the papers mostly quote."""
    if not reports:
        raise ValueError("reports must hold at least one image")
    rows = [report.as_dict() for report in reports]
    return {**{key: float(np.mean([row[key] for row in rows])) for key in rows[0]}, "images": len(rows)}


def paired(a: Sequence[float], b: Sequence[float], *, resamples: int = 10_000, seed: int = 0) -> dict[str, float | int]:
    """Is b better than a, image by image? Mean difference b - a, paired t and Wilcoxon p (two-sided), and a 95 %
    percentile-bootstrap interval of the mean over images.

    Images of one patient are not independent: give one value a patient, or read the p values as optimistic.
    Equal samples give p = 1. Raises ValueError for fewer than two pairs or unequal lengths.
    """
    from scipy import stats

    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
        raise ValueError(f"a and b must be equally long, at least 2, one value an image, not {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a and b must be finite")
    difference = y - x
    generator = np.random.default_rng(seed)
    means = difference[generator.integers(0, len(difference), (resamples, len(difference)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    constant, nothing = np.ptp(difference) == 0, not difference.any()
    return {
        "n": len(difference),
        "mean_difference": float(difference.mean()),
        "ci_low": float(low),
        "ci_high": float(high),
        "t_p": float(nothing) if constant else float(stats.ttest_rel(y, x).pvalue),
        "wilcoxon_p": 1.0 if nothing else float(stats.wilcoxon(difference).pvalue),
    }
