"""Reading files of annotations of other tools: COCO with run lengths, and GeoJSON as QuPath writes it.

    python -m tests.bench imports                               # a million cells, and a gigabyte of text
    BENCH_CELLS=50000 BENCH_MEGABYTES=50 python -m tests.bench imports

Each file is read by a process of its own, as the site reads it (inference/formats/isolation.py): its processor time and
its highest resident memory count. The file is made beforehand, with cells of one size, and read image by image.
"""

import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pycocotools import mask as run_lengths

CELLS = int(os.environ.get("BENCH_CELLS", 1_000_000))
MEGABYTES = int(os.environ.get("BENCH_MEGABYTES", 1000))
SIDE, EACH = 1000, 500  # px of an image, cells of it
CORNERS = 40  # of a cell's outline in GeoJSON
RADIUS = 8.0  # px
GOALS = {"coco": 180, "geojson": 480}
MEMORY = 2048  # MiB


def write_coco(path: Path, cells: int) -> None:
    """Compressed run lengths, as pycocotools writes them. A few cells stand for all: each place is another."""
    choose = random.Random(1)
    masks = [_encoded(choose) for _ in range(64)]
    images = -(-cells // EACH)
    with path.open("w") as file:
        file.write('{"categories": [{"id": 1, "name": "nucleus"}], "images": [')
        entries = ({"id": n, "file_name": f"{n}.png", "width": SIDE, "height": SIDE} for n in range(1, images + 1))
        file.write(", ".join(json.dumps(entry) for entry in entries))
        file.write('], "annotations": [')
        for number in range(cells):
            mask = masks[number % len(masks)]
            row = {"id": number + 1, "image_id": number // EACH + 1, "category_id": 1, "iscrowd": 1, **mask}
            file.write((", " if number else "") + json.dumps(row))
        file.write("]}")


def _encoded(choose: random.Random) -> dict[str, object]:
    x, y = choose.uniform(20, SIDE - 20), choose.uniform(20, SIDE - 20)
    rows, columns = np.ogrid[:SIDE, :SIDE]
    inside = (columns - x) ** 2 + (rows - y) ** 2 < RADIUS**2
    encoded = run_lengths.encode(np.asfortranarray(inside.astype(np.uint8)))
    box = [float(side) for side in run_lengths.toBbox(encoded)]
    counts = encoded["counts"].decode()
    return {"segmentation": {"size": [SIDE, SIDE], "counts": counts}, "bbox": box, "area": float(inside.sum())}


def write_geojson(path: Path, megabytes: int) -> int:
    """One image, a feature a cell, as QuPath writes it. -> features"""
    count = 0
    with path.open("w") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for feature in _features():
            file.write((",\n" if count else "") + feature)
            count += 1
            if count % 1000 == 0 and file.tell() > megabytes * 1_000_000:
                break
        file.write("]}")
    return count


def _features() -> Iterator[str]:
    choose = random.Random(2)
    angles = [2 * math.pi * n / CORNERS for n in range(CORNERS)]
    while True:
        x, y = choose.uniform(20, 90_000), choose.uniform(20, 90_000)
        ring = [[round(x + RADIUS * math.cos(a), 2), round(y + RADIUS * math.sin(a), 2)] for a in angles]
        ring.append(ring[0])
        properties = {"objectType": "detection", "classification": {"name": "Tumor", "color": [200, 0, 0]}}
        feature = {"type": "Feature", "id": f"{choose.getrandbits(128):032x}", "properties": properties}
        yield json.dumps(feature | {"geometry": {"type": "Polygon", "coordinates": [ring]}})


def read(path: Path) -> None:
    """Run in a process of its own: what reading the file takes, as one line of JSON."""
    from inference.formats.conversion import read as read_file

    found = read_file(path, sizes={path.stem: (100_000, 100_000)})
    count = sum(len(image.annotations) for image in found.annotations.images)
    used = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"format": found.format, "cells": count, "processor": used, "memory": peak}))


def measured(path: Path) -> tuple[dict[str, float], float]:
    begun = time.perf_counter()
    program = "import sys; from pathlib import Path; from tests.bench.imports import read; read(Path(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found, time.perf_counter() - begun


def main() -> None:
    print("| file | MB | cells | s of processor | s | most memory, MiB | goal |\n|---|---:|---:|---:|---:|---:|---|")
    with tempfile.TemporaryDirectory(prefix="boxwise-bench-") as folder:
        coco, geojson = Path(folder) / "cells.json", Path(folder) / "cells.geojson"
        write_coco(coco, CELLS)
        line("COCO, run lengths", coco, GOALS["coco"])
        coco.unlink()
        write_geojson(geojson, MEGABYTES)
        line("GeoJSON", geojson, GOALS["geojson"])


def line(name: str, path: Path, goal: int) -> None:
    found, seconds = measured(path)
    size = path.stat().st_size / 1e6
    figures = f"{size:.0f} | {found['cells']:,} | {found['processor']:.1f} | {seconds:.1f} | {found['memory']:.0f}"
    print(f"| {name} | {figures} | {goal} s, {MEMORY} MiB |", flush=True)
