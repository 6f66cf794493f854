"""Small painted fields, so that models can be tried without data."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.datasets import Dataset, data_root, open_dataset
from inference.masks import boxes_of, cells_of
from inference.types import Sample


def painted_field(seed: int, side: int = 192, cells: int = 14, classes: int = 1) -> Sample:
    """Dark ellipses on a pale ground; class 1 is redder. Tight boxes and labels are exact."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.int32)
    y, x = np.mgrid[:side, :side]
    picture = np.full((side, side, 3), (225, 200, 220), np.float64)
    kinds, n = [], 0
    for _ in range(cells * 4):
        cx, cy = rng.uniform(14, side - 14, 2)
        a, b = rng.uniform(7, 12, 2)
        inside = ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1
        near = ((x - cx) / (a + 3)) ** 2 + ((y - cy) / (b + 3)) ** 2 <= 1
        if labels[near].any():
            continue
        n += 1
        labels[inside] = n
        kind = int(rng.integers(classes))
        kinds.append(kind)
        picture[inside] = (150, 60, 90) if kind else (90, 60, 150)
        if n == cells:
            break
    noisy = np.clip(picture + rng.normal(0, 8, picture.shape), 0, 255).astype(np.uint8)
    boxes = boxes_of([mask for _, mask in cells_of(labels)])
    return Sample(noisy, boxes, np.array(kinds, np.int64), np.ones((side, side), bool), labels, f"field {seed}")


@pytest.fixture
def painted_folder(tmp_path: Path) -> Path:
    """Three painted fields in the layout of reference data: two to train on, one to validate."""
    folder = tmp_path / "painted"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for i in range(3):
        field = painted_field(i)
        assert field.labels is not None
        Image.fromarray(field.rgb).save(folder / "images" / f"{i}.png")
        Image.fromarray(field.labels.astype(np.uint16)).save(folder / "labels" / f"{i}.png")
    (folder / "dataset.json").write_text(json.dumps({"splits": {"train": ["0", "1"], "val": ["2"]}}))
    return folder


@pytest.fixture
def own_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """boxwise-sam with random weights, the same each time: for tests that are not about what it knows."""
    import torch

    from inference.prompters import compact

    def random_net(path: Path | None = None) -> compact.CompactNet:
        torch.manual_seed(5)
        return compact.CompactNet()

    monkeypatch.setattr(compact, "load_net", random_net)


@pytest.fixture
def tnbc() -> Dataset:
    root: Path | None = data_root()
    if root is None or not (root / "tnbc").is_dir():
        pytest.skip("reference data is absent: set BOXWISE_DATA, or put it into ../shared/data")
    return open_dataset(root / "tnbc")


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    """Write bytes into a file of this test. -> its path"""

    def write(content: bytes, name: str = "file") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write
