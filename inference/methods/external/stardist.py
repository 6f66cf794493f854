"""StarDist (Schmidt et al. 2018; Weigert & Schmidt 2022) by its own package, which needs TensorFlow.

The weights are the folder that StarDist writes: config.json, thresholds.json, weights_best.h5.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.methods.external.wrapping import External, Opened, blamed, instances_of, opened, package_version
from inference.methods.frame import Instances
from inference.types import RGB, InferenceError

NAME = "stardist"
METHOD = "stardist-1"
NEEDS_FILE = True
TILE = 1024  # px; larger images go through the net in tiles of about this side


@dataclass(frozen=True)
class Settings:
    """low, high: percentiles between which an image is brought to 0..1. Thresholds below 0: those of the model."""

    low: float = 1.0
    high: float = 99.8
    prob_threshold: float = -1.0
    nms_threshold: float = -1.0


class StarDist(External):
    """net: a StarDist2D"""

    def __init__(self, net: Any, found: Opened, version: str) -> None:
        super().__init__(NAME, f"stardist {version}", found)
        self.net = net

    def predict(self, rgb: RGB) -> Instances:
        settings = self.settings
        height, width = rgb.shape[:2]
        coloured = int(self.net.config.n_channel_in) == 3
        image = rgb.astype(np.float32) if coloured else rgb.mean(2, dtype=np.float32)
        tiles = (math.ceil(height / TILE), math.ceil(width / TILE)) + ((1,) if coloured else ())
        with blamed(self.title, "on an image"):
            labels, details = self.net.predict_instances(
                stretched(image, settings.low, settings.high),
                axes="YXC" if coloured else "YX",
                n_tiles=tiles,
                show_tile_progress=False,
                prob_thresh=settings.prob_threshold if settings.prob_threshold >= 0 else None,
                nms_thresh=settings.nms_threshold if settings.nms_threshold >= 0 else None,
            )
        classes = details.get("class_id")  # from 1 on, in models with classes
        return instances_of(
            labels,
            (height, width),
            scores=np.asarray(details["prob"], np.float32),
            classes=None if classes is None else np.asarray(classes, np.int64) - 1,
            title=self.title,
        )


def stretched(image: np.ndarray, low: float, high: float) -> np.ndarray:
    """Brought to 0..1 between two percentiles of all its values, as StarDist's examples do."""
    least, most = np.percentile(image, [low, high])
    return (image - least) / max(float(most - least), 1e-6)


def load(bundle: Path, *, device: str = "auto") -> StarDist:
    """TensorFlow chooses the device itself. Raises InferenceError."""
    found = opened(bundle, NAME, METHOD, Settings)
    version = package_version(NAME)
    if not (found.file / "config.json").is_file():
        raise InferenceError(f"{found.file.name} is no model of StarDist: it is a folder with config.json in it")
    with blamed("StarDist", f"to load {found.file.name}"):
        from stardist.models import StarDist2D

        net = StarDist2D(None, name=found.file.name, basedir=str(found.file.parent))
    return StarDist(net, found, version)
