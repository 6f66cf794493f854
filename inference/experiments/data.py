"""The images that shipped weights may be trained on: public domain and CC BY, nothing else."""

from pathlib import Path

from inference.datasets import STAINED, open_dataset
from inference.types import Sample

ALLOWED = {"dsb2018": STAINED, "tnbc": None}  # name -> kind of image taken from it


def training_samples(data: Path, sets: list[str]) -> list[Sample]:
    """Stained dsb2018 (CC0) and tnbc's training patients (CC BY), with reference masks.

    Raises ValueError for any other set: the licences of the rest do not allow it.
    """
    found = []
    for name in sets:
        if name not in ALLOWED:
            raise ValueError(f"{name}: shipped weights come from {', '.join(ALLOWED)} only (CC0, CC BY)")
        dataset = open_dataset(data / name, kind=ALLOWED[name])
        found += [dataset.sample(image, with_labels=True) for image in dataset.split("train")]
    return found
