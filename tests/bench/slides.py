"""Tiles of a slide of 100,000 x 100,000 pixels: one viewer, twenty viewers, and the first tissue.

The slide is made in a second: a BigTIFF pyramid of JPEG tiles, in which a few encoded tiles are repeated by their
offset, so that it is small and costs as much to read as any other. Tiles are read as the website reads them, by
inference/reading/tile_client.py: its own processes, their handles and its cache. Viewers look at places of their own
and pan by a tile at a time at some level, so that hardly any tile is asked for twice.
"""

import io
import json
import os
import random
import statistics
import struct
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from inference.reading import tile_client
from inference.reading.child import SIDE as SHOWN
from inference.reading.child import sizes
from inference.reading.tile_client import SlideFile
from tests.inference.slide_files import tissue

SIDE = 100_000
TILE = 256
DISTINCT = 16  # encoded tiles that are repeated
ONE, MANY, VIEWERS = 400, 40, 20
FINE = 5  # levels that people pan over: the coarser ones have so few tiles that the cache would answer
GOALS = {"one viewer, p95 ms": 15, "20 viewers, tiles/s": 80, "20 viewers, p95 ms": 300, "first tissue, s": 0.5}
SHORT, LONG, LONG8, RATIONAL = 3, 4, 16, 5


def encoded_tiles() -> list[bytes]:
    found = []
    for seed in range(DISTINCT):
        file = io.BytesIO()
        PIL.Image.fromarray(tissue(TILE, TILE, seed)).save(file, "JPEG", quality=80)
        found.append(file.getvalue())
    return found


def write_slide(path: Path, side: int = SIDE) -> None:
    """A BigTIFF pyramid down to 1,600 px, little-endian."""
    tiles = encoded_tiles()
    widths = [side]
    while widths[-1] > 2048:
        widths.append(widths[-1] // 2)
    with path.open("wb") as file:
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0))
        places = []
        for content in tiles:
            places.append((file.tell(), len(content)))
            file.write(content)
        link = 8  # where the offset of the next directory goes
        for number, width in enumerate(widths):
            link = write_directory(file, link, width, places, reduced=number > 0)


def write_directory(file: Any, link: int, width: int, places: list[tuple[int, int]], *, reduced: bool) -> int:
    across = -(-width // TILE)
    chosen = [places[(index * 7 + index // across) % DISTINCT] for index in range(across * across)]
    offsets = put(file, struct.pack(f"<{len(chosen)}Q", *(offset for offset, _ in chosen)))
    counts = put(file, struct.pack(f"<{len(chosen)}Q", *(length for _, length in chosen)))
    bits = struct.pack("<HHHxx", 8, 8, 8)
    per_cm = struct.pack("<II", 40_000, 1)
    entries = [
        (254, LONG, 1, struct.pack("<I", int(reduced))), (256, LONG, 1, struct.pack("<I", width)),
        (257, LONG, 1, struct.pack("<I", width)), (258, SHORT, 3, bits), (259, SHORT, 1, struct.pack("<H", 7)),
        (262, SHORT, 1, struct.pack("<H", 6)), (277, SHORT, 1, struct.pack("<H", 3)), (282, RATIONAL, 1, per_cm),
        (283, RATIONAL, 1, per_cm), (296, SHORT, 1, struct.pack("<H", 3)), (322, LONG, 1, struct.pack("<I", TILE)),
        (323, LONG, 1, struct.pack("<I", TILE)), (324, LONG8, len(chosen), struct.pack("<Q", offsets)),
        (325, LONG8, len(chosen), struct.pack("<Q", counts)), (530, SHORT, 2, struct.pack("<HH", 2, 2)),
    ]  # fmt: skip
    here = put(file, struct.pack("<Q", len(entries)))
    for code, kind, count, value in entries:
        file.write(struct.pack("<HHQ", code, kind, count) + value.ljust(8, b"\0"))
    following = file.tell()
    file.write(struct.pack("<Q", 0))
    file.seek(link)
    file.write(struct.pack("<Q", here))
    file.seek(0, 2)
    return following


def put(file: Any, content: bytes) -> int:
    """Write at the end. -> where"""
    file.seek(0, 2)
    file.write(b"\0" * (-file.tell() % 8))
    place: int = file.tell()
    file.write(content)
    return place


class Viewer:
    """Somebody who pans over the slide, a tile at a time, and changes the level now and then."""

    def __init__(self, slide: SlideFile, seed: int) -> None:
        self.slide, self.random = slide, random.Random(seed)
        self.levels = sizes(SIDE, SIDE)
        self.jump()

    def jump(self) -> None:
        self.level = self.random.randrange(FINE)
        side = max(1, self.levels[self.level][0] // SHOWN - 1)
        self.column, self.row = self.random.randrange(side), self.random.randrange(side)

    def pan(self) -> float:
        """-> seconds for one tile"""
        if self.random.random() < 0.05:
            self.jump()
        self.column = (self.column + 1) % max(1, self.levels[self.level][0] // SHOWN - 1)
        return tile(self.slide, self.level, self.column, self.row)


def tile(slide: SlideFile, level: int, column: int, row: int) -> float:
    factor = 2**level
    side = float(SHOWN * factor)
    began = time.perf_counter()
    tile_client.picture(slide, (column * side, row * side, side, side), (SHOWN, SHOWN))
    return time.perf_counter() - began


def p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


def measured() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="boxwise-") as folder:
        path = Path(folder) / "slide.tif"
        write_slide(path)
        about = path.stat()
        slide = SlideFile(path, about.st_size, about.st_mtime_ns)
        tile_client.stop()
        last = len(sizes(SIDE, SIDE)) - 1
        cold = tile(slide, last, 0, 0)
        other = Path(folder) / "other.tif"
        other.write_bytes(path.read_bytes())
        about = other.stat()
        first = tile(SlideFile(other, about.st_size, about.st_mtime_ns), last, 0, 0)
        viewer = Viewer(slide, 0)
        for _warm in range(20):
            viewer.pan()
        before = processor()
        alone = [viewer.pan() for _tile in range(ONE)]
        spent = (processor() - before) / ONE
        many, rate = all_viewers(slide)
        memory = max(resident(server.process.pid) for server in tile_client._pool.free)
        size = path.stat().st_size / 2**20
        tile_client.stop()
    return {
        "file, MiB": size,
        "first tissue, s": first,
        "first tissue when the reader has to be started, s": cold,
        "one viewer, median ms": statistics.median(alone) * 1000,
        "one viewer, p95 ms": p95(alone) * 1000,
        "processor ms a tile": spent * 1000,
        "20 viewers, tiles/s": rate,
        "20 viewers, median ms": statistics.median(many) * 1000,
        "20 viewers, p95 ms": p95(many) * 1000,
        "20 viewers, worst ms": max(many) * 1000,
        "reader process, MiB": memory,
    }


def all_viewers(slide: SlideFile) -> tuple[list[float], float]:
    """Seconds of each tile of VIEWERS at once, and tiles a second of all."""
    seconds: list[list[float]] = [[] for _ in range(VIEWERS)]

    def view(number: int) -> None:
        viewer = Viewer(slide, 100 + number)
        for _tile in range(MANY):
            seconds[number].append(viewer.pan())

    threads = [threading.Thread(target=view, args=(number,)) for number in range(VIEWERS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    return [one for row in seconds for one in row], VIEWERS * MANY / took


def processor() -> float:
    """Seconds of a processor that the readers have used so far."""
    ticks = 0
    for server in tile_client._pool.free:
        fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> float:
    """MiB at most so far (VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    found = measured()
    print(json.dumps({name: round(float(value), 2) for name, value in found.items()}, indent=1))
    for name, goal in GOALS.items():
        good = found[name] >= goal if name.endswith("tiles/s") else found[name] <= goal
        print(f"{name}: {found[name]:.2f}, goal {goal}: {'met' if good else 'NOT met'}")
    assert np.isfinite(list(found.values())).all()


if __name__ == "__main__":
    main()
