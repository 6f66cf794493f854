"""InstanSeg (Goldsborough et al. 2024) by its own package and its TorchScript file, instanseg.pt.

A TorchScript file is a program: torch runs what is in it. Wrap only a file from somebody you trust.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from inference.devices import device as choose_device
from inference.methods.external.wrapping import External, Opened, blamed, instances_of, opened, package_version
from inference.methods.frame import Instances
from inference.types import RGB, InferenceError

NAME = "instanseg"
METHOD = "instanseg-1"
NEEDS_FILE = True
TARGETS = ("nuclei", "cells")


@dataclass(frozen=True)
class Settings:
    """mpp: µm per pixel of the images, which are brought to the scale of the model; 0: as they are."""

    mpp: float = 0.0
    target: str = "nuclei"

    def __post_init__(self) -> None:
        if self.target not in TARGETS or self.mpp < 0:
            raise ValueError(f"target is {' or '.join(TARGETS)}, and mpp is not below 0")


class InstanSeg(External):
    """net: the package's InstanSeg"""

    def __init__(self, net: Any, found: Opened, version: str) -> None:
        super().__init__(NAME, f"instanseg-torch {version}", found)
        self.net = net

    def predict(self, rgb: RGB) -> Instances:
        height, width = rgb.shape[:2]
        small = height * width <= self.net.small_image_threshold
        run = self.net.eval_small_image if small else self.net.eval_medium_image
        with blamed(self.title, "on an image"), torch.inference_mode():
            found = run(
                rgb,
                pixel_size=self.settings.mpp or None,
                return_image_tensor=False,
                target=self.settings.target,
            )
            labels = found.squeeze().cpu().numpy()
        if labels.ndim == 3:  # nuclei, then cells, where the model has both
            labels = labels[TARGETS.index(self.settings.target)]
        return instances_of(labels, (height, width), title=self.title)


def load(bundle: Path, *, device: str = "auto") -> InstanSeg:
    """Raises InferenceError."""
    found = opened(bundle, NAME, METHOD, Settings)
    version = package_version(NAME)
    where = choose_device(device)
    try:
        script = torch.jit.load(str(found.file), map_location=where)
    except RuntimeError as error:
        raise InferenceError(f"{found.file.name} is no TorchScript file: {str(error).splitlines()[0]}") from error
    with blamed("InstanSeg", f"to load {found.file.name}"):
        from instanseg import InstanSeg as Package

        net = Package(script.eval(), device=str(where), image_reader="skimage.io", verbosity=0)
    return InstanSeg(net, found, version)
