"""BoxCell's mask fusion, solved exactly: colour models, energy, minimum cut, certificate (docs/fusion.md)."""

from inference.fusion.certificate import (
    Certificate,
    CertificateError,
    Parameters,
    SolverMissing,
)
from inference.fusion.fused import Fused, StoppedEarly
from inference.fusion.pipeline import fuse
from inference.fusion.refusion import FusionState, Refusion, Stroke, fuse_with_strokes
from inference.fusion.tiled import fuse_tiled

__all__ = [
    "Certificate",
    "CertificateError",
    "Fused",
    "FusionState",
    "Parameters",
    "Refusion",
    "SolverMissing",
    "StoppedEarly",
    "Stroke",
    "fuse",
    "fuse_tiled",
    "fuse_with_strokes",
]
