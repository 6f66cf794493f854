"""The answer of a fusion."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from inference.fusion.certificate import Certificate
from inference.fusion.refusion import FusionState
from inference.types import InferenceError, Mask, Probability


@dataclass(frozen=True)
class Fused:
    """The answer.

    mask         (H, W) bool
    pixels       (n,) int32: flat indices y * W + x of the ambiguous pixels, ascending
    probability  (n,) float32: P, the colour models' probability of being cell at `pixels`; 1 - |2P - 1| is their doubt
    state        what `fuse_with_strokes` needs; None unless asked for with keep_state=True
    """

    mask: Mask
    pixels: npt.NDArray[np.int32]
    probability: npt.NDArray[np.float32]
    certificate: Certificate
    state: FusionState | None = None

    @cached_property
    def probability_map(self) -> Probability:
        """(H, W) float32: P where the masks disagreed, 1 or 0 where they agreed."""
        dense = self.mask.astype(np.float32)
        dense.reshape(-1)[self.pixels] = self.probability
        return dense


class StoppedEarly(InferenceError):
    """A solver ended before it proved its optimum. What it had is in `fused`; nobody else answers in its place."""

    code = "solver_stopped_early"

    def __init__(self, message: str, fused: Fused | None = None) -> None:
        super().__init__(message)
        self.fused = fused
