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

__all__ = ["Certificate", "CertificateError", "Fused", "Parameters", "SolverMissing", "StoppedEarly", "fuse"]
