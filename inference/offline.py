"""ultralytics kept from the network and from the home folder."""

import os
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import PIL.Image

from inference.weights import catalogue


def offline(folder: Path) -> Any:
    """ultralytics. `folder` takes its settings file, unless YOLO_CONFIG_DIR names another."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ |= {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
    os.environ.setdefault("YOLO_CONFIG_DIR", str(folder))
    import matplotlib

    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for name in ("Arial.ttf", "Arial.Unicode.ttf"):  # it fetches these fonts where it does not find them
        wanted = Path(os.environ["YOLO_CONFIG_DIR"]) / "Ultralytics" / name
        for place in (wanted, wanted.parent.parent / name):
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(font, place)
    image_open = PIL.Image.open
    import ultralytics
    from ultralytics.utils import SETTINGS

    # Its own, put in place of Pillow's, asks for another package where a file is no image: none would be named as such.
    PIL.Image.open = image_open

    integrations = ("sync", "clearml", "comet", "dvc", "hub", "mlflow", "neptune", "raytune", "tensorboard", "wandb")
    SETTINGS.update({name: False for name in integrations if name in SETTINGS})
    return ultralytics


def ultralytics_modules(name: str) -> Any:
    """A module of ultralytics.models.sam.modules: architectures alone, none of its downloads or settings."""
    offline(catalogue.folder() / "ultralytics")
    return import_module(f"ultralytics.models.sam.modules.{name}")
