"""Proposing without a round: megapixels a second and memory, on a real field and on a synthetic slide.

Every measurement runs in a process of its own on the CPU with one thread, as "a core" means. The synthetic slide is one
real field repeated: BENCH_SLIDE px a side (4096), tiled and written without a pyramid, three quarters of it tissue and
the rest glass. The shipped models, no annotation of people, no database: tiles, models, fusion, seams.
"""

import multiprocessing
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

from inference.datasets import data_root, read_rgb
from inference.documents.snapshot import Snapshot, SnapshotClass
from inference.methods import streamed
from inference.methods.proposing import People, Proposer
from inference.pipeline.snapshots import Field
from inference.pipeline.units import Inputs, Setting
from inference.reading.slides import open_slide
from inference.weights import shipped
from inference.worker import usage
from labeling.rounds.configuration import PRESETS

SIDE = int(os.environ.get("BENCH_SLIDE", "4096"))
MIB = 1 << 20


@dataclass(frozen=True)
class Measured:
    """seconds: of processor, for the tiles without loading; memory: bytes, the most above the process before."""

    megapixels: float
    seconds: float
    cells: int
    tiles: int
    memory: int


def main() -> None:
    field = _field()
    if field is None:
        print("no data set with fields of 1000 x 1000 px: set BOXWISE_DATA")
        return
    with tempfile.TemporaryDirectory() as folder:
        one, slide = Path(folder) / "field.tif", Path(folder) / "slide.tif"
        tifffile.imwrite(one, field, tile=(256, 256), photometric="rgb", compression="zlib")
        _write_slide(slide, field)
        print("| | megapixels | tiles | cells | s of processor | megapixels a second | memory above idle |")
        print("|---|---|---|---|---|---|---|")
        for name, path in (("a real field", one), (f"a slide of {SIDE} x {SIDE}", slide)):
            found = _apart(path)
            rate = found.megapixels / found.seconds
            row = (f"{found.megapixels:.1f}", found.tiles, found.cells, f"{found.seconds:.1f}", f"{rate:.2f}")
            print("|", " | ".join([name, *map(str, row), f"{found.memory / MIB:.0f} MiB"]), "|", flush=True)


def _field() -> np.ndarray | None:
    """The first training image of 1000 x 1000 px."""
    root = data_root()
    if root is None:
        return None
    for path in sorted((root / "consep" / "images").glob("train_*.png")):
        return read_rgb(path)
    return None


def _write_slide(path: Path, field: np.ndarray) -> None:
    """The field again and again; the last quarter of the columns is glass."""
    times = -(-SIDE // field.shape[0])
    pixels = np.tile(field, (times, times, 1))[:SIDE, :SIDE].copy()
    pixels[:, SIDE * 3 // 4 :] = 245
    tifffile.imwrite(path, pixels, tile=(256, 256), photometric="rgb", compression="zlib")


def _apart(path: Path) -> Measured:
    mine, other = multiprocessing.Pipe()
    child = multiprocessing.get_context("spawn").Process(target=_measure, args=(path, other))
    child.start()
    other.close()
    found: Measured = mine.recv()
    child.join()
    return found


def _measure(path: Path, answer: "multiprocessing.connection.Connection") -> None:
    import torch

    torch.set_num_threads(1)
    before = usage.resident()
    highest = before
    proposer = Proposer(setting())

    def report(progress: object) -> None:
        nonlocal highest
        highest = max(highest, usage.resident())

    with tempfile.TemporaryDirectory() as work, open_slide(path) as slide:
        frame = streamed.frame_of(slide, streamed.region_of(slide, None), None)
        find = proposer.on(People(nobody(slide.info.width, slide.info.height)), frame)
        began = time.process_time()
        made = streamed.predict_tiles(find, slide, frame, Path(work), key="bench", report=report, stop=lambda: False)
        cells = sum(1 for _ in streamed.gathered(frame, made))
        seconds = time.process_time() - began
    peak = max(highest, _peak())
    answer.send(Measured(frame.width * frame.height / 1e6, seconds, cells, len(made), peak - before))


def _peak() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def nobody(width: int, height: int) -> Field:
    none = np.zeros((0, 4))
    return Field(0, Path(), width, height, "train", "", (), none, none, none, none, None)


def setting() -> Setting:
    configuration = PRESETS["quick"]
    weights = {}
    for kind in ("detector", "segmenter"):
        model = configuration.model_of(kind)
        assert model is not None
        file = shipped(model.name)
        assert file is not None
        weights[kind] = file
    content = Snapshot(classes=(SnapshotClass(id=1, name="nucleus"),), images=())
    return Setting(content, (), configuration, Inputs(weights), Path(), lambda progress: None, lambda: False, "cpu")
