"""How much memory each stage of a round needs: what inference/worker/needs.py is taken from.

Every stage runs on the CPU in a process of its own, on synthetic images, two steps of training each; what counts is the
highest resident memory above that of the worker before the stage. The presets for a GPU run with one and two
images a batch and are extrapolated. BENCH_SIDES (pixels, separated by commas) makes it smaller.
"""

import multiprocessing
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from inference import devices
from inference.documents.snapshot import Snapshot
from inference.pipeline import compute, units
from inference.pipeline.snapshots import fields_of
from inference.synthetic import tissue
from inference.worker import usage
from labeling.rounds.configuration import configure
from tests.documents import image_json, snapshot_of

SIDES = [int(side) for side in os.environ.get("BENCH_SIDES", "256,512,1000,2000").split(",")]
CELLS = 800e-6  # a pixel
STAGES = ("pseudo_masks", "detector", "segmenter", "prediction", "fusion", "instances", "evaluation")
BRIEF = {"steps": 2, "epoch": 1}
SMALL = {  # preset -> detector, segmenter as a round's configuration names them, cut short
    preset: (
        {"name": "centre", "preset": preset, "change": BRIEF},
        {"name": "unet", "preset": preset, "change": BRIEF},
    )
    for preset in ("tiny", "quick")
}
LARGE = {
    f"paper, batch {batch}": (
        {"name": "yolo", "preset": "paper", "change": {"epochs": 1, "batch": batch}},
        {"name": "caranet", "preset": "paper", "change": BRIEF | {"batch": batch}},
    )
    for batch in (1, 2)
}


def content_of(folder: Path, side: int, images: int = 4) -> Snapshot:
    """A snapshot document: all but the last image annotated, the last but one judges."""
    found = []
    for number in range(images):
        made = tissue(side, side, int(CELLS * side * side), seed=number)
        pixels, reference = folder / f"{number}.png", folder / f"{number}-labels.png"
        PIL.Image.fromarray(made.rgb).save(pixels)
        PIL.Image.fromarray(made.labels.astype(np.uint16)).save(reference)
        annotated, judges = number < images - 1, number == images - 2
        cells = [
            {"uid": str(i), "box": [float(v) for v in box], "label_class": None, "mask": None}
            for i, box in enumerate(made.boxes if annotated else [])
        ]
        entry = image_json(
            number,
            pixels=str(pixels),
            sha256=f"{side}-{number}",
            width=side,
            height=side,
            split="val" if judges else "train",
            patient=str(number),
            cells=cells,
            exhaustive=[[0, 0, side, side]] if annotated else [],
            reference=str(reference) if judges else None,
        )
        found.append(entry)
    return snapshot_of(*found)


def measure(about: dict[str, Any], kind: str) -> float:
    """MiB above the worker's own; the stage's file joins the inputs of the later ones."""
    mine, other = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=one, args=(about, kind, other))
    child.start()
    other.close()
    file, before, peak = mine.recv()  # EOFError: the child has said why it ended
    child.join()
    about["inputs"][kind] = file
    return float(peak - before) / 2**20


def one(about: dict[str, Any], kind: str, answer: Any) -> None:
    """A worker's first stage, in a process that has imported torch and run nothing."""
    setting = units.Setting(
        about["content"], fields_of(about["content"], Path), about["configuration"],
        units.Inputs({name: Path(path) for name, path in about["inputs"].items()}), Path(about["folder"]) / kind,
        lambda progress: None, lambda: False, device="cpu",
    )  # fmt: skip
    setting.work.mkdir(exist_ok=True)
    watch = usage.Watch()
    before = usage.resident()
    file, _ = compute.RUN[kind](setting)
    answer.send((str(file), before, watch.sample()["memory_peak"]))


def main() -> None:
    devices.device("cpu")  # torch is there, as in every worker that has run a net
    print("MiB at most above the worker's memory before the stage\n")
    print(f"| preset | side of 4 images, px | {' | '.join(STAGES)} |\n|---|---|{'---|' * len(STAGES)}", flush=True)
    for name, (detector, segmenter) in (SMALL | LARGE).items():
        for side in SIDES if name in SMALL else [640]:
            with tempfile.TemporaryDirectory(prefix="boxwise-memory-") as folder:
                about = {
                    "content": content_of(Path(folder), side),
                    "configuration": configure("quick").with_(detector=detector, segmenter=segmenter),
                    "folder": folder,
                    "inputs": {},
                }
                kinds = STAGES if name in SMALL else ("pseudo_masks", "detector", "segmenter")
                used = [f"{measure(about, kind):.0f}" for kind in kinds]
            print(f"| {name} | {side} | {' | '.join(used)} |{' - |' * (len(STAGES) - len(kinds))}", flush=True)
