"""How long it takes to ask every unit of a prediction for what it says of itself: python -m tests.bench.units

200 images of a megapixel. "Whole" reads as it was done until units told it alone: open the artifact, decompress all.
"""

import json
import tempfile
import zipfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from inference.pipeline.units import PredictionUnit, read_unit, save_unit
from inference.synthetic import tissue

IMAGES, SIDE = 200, 1024


def whole(artifact: Path, image: int) -> dict[str, object]:
    with zipfile.ZipFile(artifact) as archive, archive.open(f"{image}.npz") as file, np.load(file) as data:
        return {**json.loads(data["json"].tobytes()), **{k: data[k] for k in data.files if k != "json"}}


def alone(artifact: Path, image: int) -> PredictionUnit:
    return read_unit(PredictionUnit, artifact, image)


def artifact_in(folder: Path) -> Path:
    made = tissue(SIDE, SIDE, 400, seed=1)
    unit = {
        "m_d": made.labels,
        "m_s": np.packbits(made.labels > 0, axis=None),
        "boxes": made.boxes,
        "scores": np.ones(len(made.boxes), np.float32),
        "classes": [None] * len(made.boxes),
        "sources": [None] * len(made.boxes),
    }
    save_unit(folder, 0, unit)
    path = folder / "prediction.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for image in range(IMAGES):
            archive.write(folder / "0.npz", f"{image}.npz")
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = artifact_in(Path(folder))
        print(f"{IMAGES} units of {SIDE} x {SIDE}, {path.stat().st_size / 2**20:.0f} MiB")
        for name, read in (("whole", whole), ("alone", alone)):
            began, used = perf_counter(), process_time()
            readable = sum("unreadable" not in read(path, image) for image in range(IMAGES))
            assert readable == IMAGES
            print(f"{name}: {perf_counter() - began:.2f} s, {process_time() - used:.2f} s of processor")


if __name__ == "__main__":
    main()
