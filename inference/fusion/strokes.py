"""Interactive re-fusion."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.fusion.certificate import Certificate, Parameters
from inference.fusion.colour import ColourModels, Kind
from inference.types import RGB, Mask


@dataclass(frozen=True)
class State:
    """Everything that a fusion knew, for the next stroke. Not changed by it: `refuse` returns a new one.

    kind   (H, W) uint8: 0 and 1 are fixed, 2 is optimised
    unary  (H, W) int32: 2 P - 1 in integer units at the optimised pixels
    """

    rgb: RGB
    kind: Kind
    unary: npt.NDArray[np.int32]
    mask: Mask
    models: ColourModels
    parameters: Parameters
    certificate: Certificate
