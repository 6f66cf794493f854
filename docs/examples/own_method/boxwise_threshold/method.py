"""The three functions that Boxwise calls, and the trained model."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from inference.methods.frame import Instances, read_bundle, write_bundle
from inference.types import RGB, Progress, Report, Sample, Stop

NAME = "threshold"
METHOD = "threshold-1"  # with a version: another one would not read the bundles of this one


@dataclass(frozen=True)
class Settings:
    """smallest: px; smaller pieces are no cells"""

    preset: str = "quick"
    device: str = "auto"
    seed: int = 0
    smallest: int = 20


def settings_of(preset: str, *, device: str = "auto", seed: int = 0, smallest: int = 20) -> Settings:
    return Settings(preset, device, seed, smallest)


def train(
    samples: Sequence[Sample],
    validation: Sequence[Sample],
    settings: Settings,
    *,
    output: Path,
    report: Report,
    stop: Stop,
) -> Path:
    """The threshold lies half-way between the grey inside the boxes and the grey around them."""
    inside, outside = [], []
    for number, sample in enumerate(samples, start=1):
        grey = sample.rgb.mean(2)
        boxed = np.zeros(grey.shape, bool)
        for x0, y0, x1, y1 in sample.boxes.round().astype(int):
            boxed[max(0, y0) : y1, max(0, x0) : x1] = True
        inside.append(grey[boxed & sample.valid])
        outside.append(grey[~boxed & sample.valid])
        report(Progress(number, len(samples)))
    middles = (np.median(np.concatenate(inside)), np.median(np.concatenate(outside)))
    output.mkdir(parents=True, exist_ok=True)
    about = {"method": METHOD, "threshold": float(np.mean(middles)), "settings": asdict(settings)}
    return write_bundle(output, NAME, about)


class Threshold:
    def __init__(self, threshold: float, settings: Settings) -> None:
        self.threshold, self.settings = threshold, settings
        self.models = {"net": f"{METHOD} at {threshold:.1f}"}

    def predict(self, rgb: RGB) -> Instances:
        dark = (rgb.mean(2) < self.threshold).astype(np.uint8)
        count, pieces, stats, _ = cv2.connectedComponentsWithStats(dark, connectivity=4)
        sizes = stats[:, cv2.CC_STAT_AREA]
        ids = np.zeros(count, np.int32)
        large = [piece for piece in range(1, count) if sizes[piece] >= self.settings.smallest]
        ids[large] = np.arange(1, len(large) + 1)
        return Instances(ids[pieces], np.ones(len(large), np.float32))


def load(bundle: Path, *, device: str = "auto") -> Threshold:
    about = read_bundle(bundle, NAME, METHOD)
    return Threshold(float(about["threshold"]), Settings(**about["settings"]))
