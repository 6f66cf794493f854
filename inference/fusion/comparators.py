"""The other ways to merge two masks that the paper compares with (tables 1, 5 and 7).

AP, LP and ENet average probabilities. On *binary* masks they say little, and what they say hangs on one comparison:
AP is the union with >= 0.5 (used here) and the intersection with > 0.5; LP at 0.9 is the intersection; ENet with
weights w and 1 - w, w > 0.5, returns the first mask itself. Give them soft masks of both models, never one of each.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from inference.fusion import cut
from inference.fusion.certificate import Parameters
from inference.fusion.energy import build, edge_costs, unary_of
from inference.fusion.pipeline import checked_image, checked_mask, fuse, kind_of
from inference.types import RGB, Mask

Soft = npt.NDArray[np.floating]  # (H, W), 0..1


def _average(d: Soft, s: Soft, weight: float) -> npt.NDArray[np.float64]:
    for name, soft in (("m_d", d), ("m_s", s)):
        if soft.ndim != 2 or soft.shape != d.shape:
            raise ValueError(f"{name} must be (H, W), both alike, not {soft.shape}")
        values = soft.astype(np.float64)
        if not np.isfinite(values).all() or values.min(initial=0) < 0 or values.max(initial=0) > 1:
            raise ValueError(f"{name} must hold probabilities, 0..1")
    if not 0 <= weight <= 1:
        raise ValueError(f"weight must be between 0 and 1, not {weight}")
    return weight * d.astype(np.float64) + (1 - weight) * s.astype(np.float64)


def averaged(m_d: Soft, m_s: Soft) -> Mask:
    """AP: the mean is at least 0.5."""
    return _average(m_d, m_s, 0.5) >= 0.5


def low_precision(m_d: Soft, m_s: Soft, threshold: float = 0.9) -> Mask:
    """LP: the mean is at least 0.9."""
    return _average(m_d, m_s, 0.5) >= threshold


def weighted(m_d: Soft, m_s: Soft, weight: float) -> Mask:
    """ENet: weight * m_d + (1 - weight) * m_s is at least 0.5; the paper tunes weight on the validation set
    (0.522 for CoNSeP, 0.523 for MoNuSeg, 0.493 for TNBC)."""
    return _average(m_d, m_s, weight) >= 0.5


def intensity_only(rgb: RGB, m_d: Mask, m_s: Mask, parameters: Parameters | None = None) -> Mask:
    """IDF alone: colour decides where the masks disagree, P > 0.5. Table 7's third row."""
    return fuse(rgb, m_d, m_s, replace(parameters or Parameters(), lam=0.0)).mask


def spatial_only(rgb: RGB, m_d: Mask, m_s: Mask, parameters: Parameters | None = None) -> Mask:
    """SCF alone: the cheapest boundary through the disagreement, P = 0.5 everywhere. Table 7's fourth row."""
    return cut_with(rgb, m_d, m_s, np.full(m_d.shape, 0.5, np.float32), parameters or Parameters())


def cut_with(rgb: RGB, m_d: Mask, m_s: Mask, probability: Soft, parameters: Parameters) -> Mask:
    """Eq. (7) with somebody else's P, (H, W): what is left of BoxCell when its colour models are replaced."""
    rgb = checked_image(rgb)
    kind = kind_of(checked_mask("m_d", m_d, rgb.shape[:2]), checked_mask("m_s", m_s, rgb.shape[:2]))
    pixels = np.flatnonzero(kind == 2).astype(np.int32)
    unary = unary_of(probability.reshape(-1)[pixels].astype(np.float32))
    costs = edge_costs(parameters.lam, parameters.theta, parameters.similarity)
    mask: Mask = kind == 1
    mask.reshape(-1)[pixels] = cut.minimise(build(rgb, kind, pixels, unary, costs)).labels
    return mask


def dense_crf(rgb: RGB, foreground: Soft, iterations: int = 10) -> Mask:
    """DenseCRF (Kraehenbuehl 2011) on a soft or binary foreground, the paper's setting: a Gaussian kernel of 3 px, a
    bilateral one of 5 px, 10 iterations. The paper does not give the bilateral's colour width; 13 grey levels is the
    authors' own example.

    Raises ImportError that says what to install: the package is optional.
    """
    try:
        import pydensecrf.densecrf as crf
    except ImportError as error:
        raise ImportError("dense_crf needs the package pydensecrf2: pip install pydensecrf2") from error
    if foreground.shape != rgb.shape[:2]:
        raise ValueError(f"foreground must be {rgb.shape[:2]}, as the image, not {foreground.shape}")
    p = np.clip(foreground.astype(np.float32), 0.05, 0.95)  # a mask is no certainty: else the unary is infinite
    model = crf.DenseCRF2D(rgb.shape[1], rgb.shape[0], 2)
    model.setUnaryEnergy(np.ascontiguousarray(-np.log(np.stack([1 - p, p])).reshape(2, -1)))
    model.addPairwiseGaussian(sxy=3, compat=3)
    model.addPairwiseBilateral(sxy=5, srgb=13, rgbim=np.ascontiguousarray(rgb).copy(), compat=10)
    label: Mask = np.argmax(np.array(model.inference(iterations)), axis=0).reshape(rgb.shape[:2]) == 1
    return label
