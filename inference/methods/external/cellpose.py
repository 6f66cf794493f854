"""Cellpose (Stringer et al. 2021; Pachitariu et al. 2025, Cellpose-SAM) by its own package, versions 3 and 4.

Its files are read by torch's weights_only reader (torch >= 2.6), which declines what could run.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.devices import device as choose_device
from inference.methods.external.wrapping import External, Opened, blamed, instances_of, opened, package_version
from inference.methods.frame import Instances
from inference.types import RGB

NAME = "cellpose"
METHOD = "cellpose-1"
NEEDS_FILE = True


@dataclass(frozen=True)
class Settings:
    """diameter: of a cell, px; 0: the one that the model was trained at. The others are Cellpose's own."""

    diameter: float = 0.0
    flow_threshold: float = 0.4
    cellprob_threshold: float = 0.0
    min_size: int = 15


class Cellpose(External):
    """net: a CellposeModel; version: of the package"""

    def __init__(self, net: Any, found: Opened, version: str) -> None:
        super().__init__(NAME, f"cellpose {version}", found)
        self.net = net
        # Up to version 3 the model takes one or two channels: [0, 0] is the grey of all.
        self.further: dict[str, Any] = {"channels": [0, 0]} if version.split(".")[0] in ("2", "3") else {}

    def predict(self, rgb: RGB) -> Instances:
        settings = self.settings
        with blamed(self.title, "on an image"):
            answer = self.net.eval(
                rgb,
                channel_axis=2,
                diameter=settings.diameter or None,
                flow_threshold=settings.flow_threshold,
                cellprob_threshold=settings.cellprob_threshold,
                min_size=settings.min_size,
                **self.further,
            )
        return instances_of(answer[0], rgb.shape[:2], title=self.title)


def load(bundle: Path, *, device: str = "auto") -> Cellpose:
    """Raises InferenceError."""
    found = opened(bundle, NAME, METHOD, Settings)
    version = package_version(NAME)
    where = choose_device(device)
    with blamed("Cellpose", f"to load {found.file.name}"):
        from cellpose.models import CellposeModel

        net = CellposeModel(gpu=where.type == "cuda", device=where, pretrained_model=str(found.file))
    return Cellpose(net, found, version)
