"""BoxCell's mask fusion, solved exactly: colour models, energy, minimum cut, certificate (docs/fusion.md)."""

from inference.fusion.certificate import (
    Certificate,
    CertificateError,
    Fused,
    Parameters,
    SolverMissing,
    StoppedEarly,
)
from inference.fusion.pipeline import fuse
from inference.fusion.refusion import Refused, State, Stroke, refuse
from inference.fusion.tiled import fuse_tiled

__all__ = [
    "Certificate",
    "CertificateError",
    "Fused",
    "Parameters",
    "Refused",
    "SolverMissing",
    "State",
    "StoppedEarly",
    "Stroke",
    "fuse",
    "fuse_tiled",
    "refuse",
]
