"""What goes in and what comes out of a fusion: Parameters, Certificate. Plain data, no kernels."""

from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Literal

from inference import limits
from inference.documents.interactive import StrokeJson
from inference.types import InferenceError

VERSION = "fusion-4"  # changes whenever equal inputs may give other labels; stored with every result
SCALE = 1 << 24  # integer capacity of a cost of 1


class CertificateError(InferenceError):
    """Flow, cut and objective of a fusion do not agree: a bug, never an answer."""

    code = "certificate_open"


class SolverMissing(InferenceError):
    """The named solver is unknown or its package is not installed; the message says what to install."""

    code = "solver_missing"


@dataclass(frozen=True)
class Parameters:
    """Settings of eq. (1)-(7), with the paper's best values as defaults.

    (the bounds stand in inference/limits.py)

    lam             weight of the spatial term, 0..1e6
    theta           colour distance at which a boundary costs 1/e, in grey levels, 0.1..1000
    grid            K: the image is cut in K x K patches, 1..50, each with its own colour models
    patch_px        side of a patch in pixels; when given it takes the place of grid
    components      N: Gaussians in a mixture, 1..8
    bits            bits a channel when colours are binned for the mixtures, 3..8, or more in a patch of few colours
                    (colour.Counter); 8 keeps every colour apart ("exact")
    minimum_pixels  agreed pixels of a class below which a patch uses the whole image's model of that class.
                    The paper says nothing here, its code takes N; 300 measured better (docs/fusion.md)
    trust           log-odds by which M_D is believed over M_S where they disagree, beside the colours; 0 is the paper.
                    The sum is a probability again, so the energy stays a cut (docs/fusion.md, "Trust")
    similarity      "exponential": exp(-d / theta), the paper's eq. (5, 6); "gaussian": exp(-(d / theta)^2), its code
    """

    lam: float = 2.0
    theta: float = 25.0
    grid: int = 5
    components: int = 2
    patch_px: int | None = None
    bits: int = 5
    minimum_pixels: int = 300
    similarity: Literal["exponential", "gaussian"] = "exponential"
    trust: float = 0.0

    def __post_init__(self) -> None:
        for name, limit in limits.FUSION.items():  # the bounds that the website's form has too
            limit.check(name, getattr(self, name))
        if self.patch_px is not None and (not isinstance(self.patch_px, int) or self.patch_px < 1):
            raise ValueError(f"patch_px must be None or a whole number of pixels, not {self.patch_px!r}")
        if self.similarity not in ("exponential", "gaussian"):
            raise ValueError(f'similarity must be "exponential" or "gaussian", not {self.similarity!r}')


@dataclass(frozen=True)
class Certificate:
    """What proves and describes one fusion.

    objective        eq. (7) over the whole image, from the integer capacities: exact in units of 1 / (2 * SCALE)
    flow             maximum flow, integer capacity units (SCALE = a cost of 1); None when the solver is no flow solver
    cut              capacity of the cut that the labels make, same units, counted apart from the solver
    closed           flow == cut (or the solver proved optimality): nothing better exists
    status           "optimal" or "feasible"
    gap              how far the objective may be from the optimum, in eq. (7)'s units; 0 when closed
    free_pixels      pixels that were optimised
    components       their 4-connected components
    ambiguous_share  of the image, 0..1
    milliseconds     per stage, and "total"
    strokes          what a person fixed, oldest first (strokes.as_record)
    """

    objective: float
    flow: int | None
    cut: int
    closed: bool
    free_pixels: int
    components: int
    ambiguous_share: float
    milliseconds: dict[str, float]
    parameters: Parameters
    solver: str = "cut"
    status: str = "optimal"
    gap: float = 0.0
    strokes: tuple[StrokeJson, ...] = ()
    version: str = VERSION

    def as_dict(self) -> dict[str, object]:
        """The same, ready for JSON."""
        return {**asdict(self), "strokes": list(self.strokes)}


class Clock:
    """Milliseconds between laps."""

    def __init__(self) -> None:
        self._begin = self._last = perf_counter()
        self._laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = perf_counter()
        self._laps[name] = (now - self._last) * 1000
        self._last = now

    def laps(self) -> dict[str, float]:
        return {**self._laps, "total": (self._last - self._begin) * 1000}
