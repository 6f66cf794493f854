"""fuse: image and two masks in, exact mask and certificate out."""

import numpy as np
import numpy.typing as npt

from inference.fusion import colour, energy, solvers
from inference.fusion.certificate import SCALE, Certificate, CertificateError, Clock, Parameters
from inference.fusion.fused import Fused, StoppedEarly
from inference.fusion.refusion import FusionState
from inference.types import RGB, Mask

MOST_PIXELS = 1 << 31


def checked_image(rgb: RGB) -> RGB:
    """rgb as a contiguous (H, W, 3) uint8 array, or a ValueError that says what was expected."""
    if not isinstance(rgb, np.ndarray) or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(
            f"rgb must be (H, W, 3), red green blue without alpha, not {getattr(rgb, 'shape', type(rgb).__name__)}"
        )
    if rgb.dtype != np.uint8:
        raise ValueError(f"rgb must be uint8, 0..255, not {rgb.dtype}")
    if rgb.shape[0] * rgb.shape[1] > MOST_PIXELS:
        raise ValueError(f"rgb must have at most 2^31 pixels, not {rgb.shape[0]} x {rgb.shape[1]}; see fuse_tiled")
    return np.ascontiguousarray(rgb)


def checked_mask(name: str, mask: Mask, shape: tuple[int, ...]) -> Mask:
    """mask as (H, W) bool; whole numbers count as True when not 0. ValueError otherwise."""
    if not isinstance(mask, np.ndarray) or mask.shape != shape:
        raise ValueError(f"{name} must be {shape}, as the image, not {getattr(mask, 'shape', type(mask).__name__)}")
    if mask.dtype == np.bool_:
        return mask
    if np.issubdtype(mask.dtype, np.integer):
        return mask != 0  # type: ignore[no-any-return]
    raise ValueError(f"{name} must be bool or whole numbers (0 is background), not {mask.dtype}; threshold it first")


def kind_of(m_d: Mask, m_s: Mask) -> colour.Kind:
    """0 where both say background, 1 where both say cell, 2 where they disagree. (H, W) uint8."""
    kind: colour.Kind = (m_d ^ m_s).view(np.uint8)
    kind <<= 1
    kind |= (m_d & m_s).view(np.uint8)
    return kind


def fuse(
    rgb: RGB,
    m_d: Mask,
    m_s: Mask,
    parameters: Parameters | None = None,
    solver: str = "cut",
    *,
    time_limit: float | None = None,
    keep_state: bool = False,
) -> Fused:
    """Reconcile the detector's and the segmenter's mask: the exact optimum of BoxCell's integer program, eq. (7).

    Pixels on which the masks agree keep their label; the others get the labels that maximise colour likelihood
    minus lambda times the similarity across label changes.

    rgb         (H, W, 3) uint8
    m_d, m_s    (H, W) bool (or whole numbers, 0 is background); with trust 0 they may be swapped without effect
    solver      "cut" (exact, milliseconds), or one of solvers.NAMES, for comparison
    time_limit  seconds, for solvers that can stop early
    keep_state  fit all colour models and return what `fuse_with_strokes` needs

    Raises ValueError for input that it does not understand, SolverMissing, StoppedEarly (with what the solver
    had), CertificateError when the answer is not proved.
    """
    parameters = parameters or Parameters()
    solve = solvers.named(solver, time_limit)
    clock = Clock()
    rgb = checked_image(rgb)
    shape = rgb.shape[:2]
    kind = kind_of(checked_mask("m_d", m_d, shape), checked_mask("m_s", m_s, shape))
    rows, columns = colour.bounds(shape[0], parameters), colour.bounds(shape[1], parameters)
    pixels, counts = colour.locate(kind, rows, columns)
    clock.lap("split")
    models = colour.fit_models(rgb, kind, counts, rows, columns, parameters, everywhere=keep_state)
    clock.lap("colour_models")
    probability = lean(models.probability(rgb, pixels), np.asarray(m_d).reshape(-1)[pixels] != 0, parameters.trust)
    clock.lap("probability")
    unary = energy.unary_of(probability)
    costs = energy.edge_costs(parameters.lam, parameters.theta, parameters.similarity)
    graph = energy.build(rgb, kind, pixels, unary, costs)
    clock.lap("graph")
    solution = solve(graph)
    clock.lap("solve")
    mask = kind == colour.FOREGROUND
    mask.reshape(-1)[pixels] = solution.labels
    cut = energy.cut_of(graph, solution.labels)
    objective = int(energy.doubled_objective(rgb, mask, pixels, unary, costs)) / (2 * SCALE)
    clock.lap("certificate")
    certificate = Certificate(
        objective=objective,
        flow=solution.flow,
        cut=cut,
        closed=solution.bound == cut,
        free_pixels=len(pixels),
        components=solution.components,
        ambiguous_share=len(pixels) / max(1, kind.size),
        milliseconds=clock.laps(),
        parameters=parameters,
        solver=solver,
        status=solution.status,
        gap=(cut - solution.bound) / SCALE,
    )
    state = (
        FusionState(
            rgb, kind, dense(kind, pixels, unary), mask, np.zeros(shape, np.bool_), models, parameters, certificate
        )
        if keep_state
        else None
    )
    fused = Fused(mask, pixels, probability, certificate, state)
    if solution.status != "optimal":
        raise StoppedEarly(
            f"{solver} stopped before it proved its optimum: objective {objective:.6f}, "
            f"at most {objective + certificate.gap:.6f} (gap {certificate.gap:.6f})",
            fused,
        )
    if not certificate.closed:
        raise CertificateError(f"{solver} claims a minimum of {solution.bound}, but its labels cost {cut}")
    return fused


def lean(
    probability: npt.NDArray[np.float32], detected: npt.NDArray[np.bool_], trust: float
) -> npt.NDArray[np.float32]:
    """P with `trust` added to its log-odds where M_D says cell, and taken from them where it says background. (n,)
    each."""
    if trust == 0:
        return probability
    odds = np.where(detected, np.exp(trust), np.exp(-trust))
    p = probability.astype(np.float64)
    leaned: npt.NDArray[np.float32] = (p * odds / (p * odds + (1 - p))).astype(np.float32)
    return leaned


def dense(kind: colour.Kind, pixels: npt.NDArray[np.int32], unary: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """(H, W) int32: the unary term at its pixel, 0 elsewhere."""
    image = np.zeros(kind.shape, np.int32)
    image.reshape(-1)[pixels] = unary
    return image
