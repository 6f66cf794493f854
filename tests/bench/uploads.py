"""Memory of the website and of the files worker while they are sent picture bombs and broken files, and what reading
one file costs.

Each file goes through the API of a running Boxwise and is read by its job. What counts is the highest resident memory
(VmHWM) of the web process and of the files worker over all of them, and of the processes that read files, which are
limited to 2 GB of address space each. BENCH_FILES names a folder of further files (all below it are sent).
"""

import io
import json
import os
import random
import statistics
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL.Image
import tifffile

from inference.reading import isolation
from tests.inference.picture_files import piece, png, saved
from tests.inference.test_reading_fuzz import mutated, seeds
from tests.running import Running, own_boxwise

GOAL = 600  # MiB of the web process
MUTATED = 400
SIDE = 10_000
SETUP = """
import json
from django.contrib.auth import get_user_model
from tests.tokens import token_of
from labeling.projects.services import create_project
user = get_user_model().objects.get(is_superuser=True)
project = create_project(owner=user, name="Bombs")
print(json.dumps({"project": project.pk, "token": token_of(user)}))
"""


def flat_png(side: int, *, colour: int, bits: int) -> bytes:
    """Made row by row, so that making it needs no memory. colour 0 is grey, 2 RGB, 6 RGB and alpha."""
    row = b"\0" + bytes([37]) * (side * {0: 1, 2: 3, 6: 4}[colour] * bits // 8)
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = side.to_bytes(4, "big") * 2 + bytes([bits, colour, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + piece(b"IHDR", head) + piece(b"IDAT", body) + piece(b"IEND", b"")


def flat_tiff(side: int, kind: str) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, np.full((side, side), 7, kind), compression="zlib", rowsperstrip=64)
    return file.getvalue()


def hostile() -> Iterator[tuple[str, bytes]]:
    yield "100 MP of grey, 16 bit, PNG", flat_png(SIDE, colour=0, bits=16)
    yield "100 MP of colours, 8 bit, PNG", flat_png(SIDE, colour=2, bits=8)
    yield "100 MP of colours, 16 bit, PNG", flat_png(SIDE, colour=2, bits=16)
    yield "100 MP of colours and alpha, 16 bit, PNG", flat_png(SIDE, colour=6, bits=16)
    yield "100 MP of floats, TIFF", flat_tiff(SIDE, "float32")
    yield "a claim of 60,000 x 60,000 px", flat_png(8, colour=0, bits=8).replace(b"\0\0\0\x08" * 2, b"\0\0\xea\x60" * 2)
    whole = saved(np.random.default_rng(1).integers(0, 255, (2000, 2000, 3), np.uint8), "PNG")
    yield "12 MB of noise, cut in the middle", whole[: len(whole) // 2]
    yield "100 MB that are no picture", b"no picture" * 10_000_000


def send(house: Running, given: dict[str, str], name: str, content: bytes) -> str:
    """What came of a file, once its job has ended."""
    head = (
        b'--a-boundary-that-noise-never-makes\r\nContent-Disposition: form-data; name="image"; filename="%s"\r\n\r\n'
        % name.encode()
    )
    request = urllib.request.Request(
        f"http://127.0.0.1:{house.port}/api/v1/projects/{given['project']}/images/",
        data=head + content + b"\r\n--a-boundary-that-noise-never-makes--\r\n",
        headers={
            "Authorization": f"Token {given['token']}",
            "Content-Type": "multipart/form-data; boundary=a-boundary-that-noise-never-makes",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=600) as answer:
            job = json.load(answer)
    except urllib.error.HTTPError as error:
        return f"{error.code} {json.load(error)['detail']}"
    while job["state"] in ("waiting", "running"):
        time.sleep(0.1)
        again = urllib.request.Request(
            f"http://127.0.0.1:{house.port}/api/v1/jobs/{job['id']}/",
            headers={"Authorization": f"Token {given['token']}"},
        )
        with urllib.request.urlopen(again, timeout=600) as answer:
            job = json.load(answer)
    (item,) = job["items"]
    return f"{item['state']} {item['detail']}".strip()


def memory(pid: int, line: str = "VmHWM") -> float:
    """MiB of a process."""
    try:
        found = [row for row in Path(f"/proc/{pid}/status").read_text().splitlines() if row.startswith(line)]
        return int(found[0].split()[1]) / 1024
    except (OSError, IndexError):
        return 0.0


def descendants(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(path.parent.name), *descendants(int(path.parent.name))]
    return found


@contextmanager
def watched(pid: int) -> Iterator[dict[str, float]]:
    """The highest memory of any process below `pid`, looked at twenty times a second."""
    most = {"MiB": 0.0}
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            most["MiB"] = max([most["MiB"], *(memory(child) for child in descendants(pid))])

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def further() -> Iterator[tuple[str, bytes]]:
    """Mutated files of every kind that is read, and the files of BENCH_FILES."""
    rng = random.Random(5)
    there = list(seeds().items())
    for number in range(MUTATED):
        name, content = there[number % len(there)]
        yield f"{number} {Path(name).stem}", mutated(content, rng)
    folder = os.environ.get("BENCH_FILES")
    for path in sorted(Path(folder).rglob("*")) if folder else []:
        if path.is_file():
            yield path.name, path.read_bytes()


def main() -> None:
    cost_of_reading()
    with own_boxwise("bombs") as house:
        given = json.loads(house.manage(SETUP).splitlines()[-1])
        web, files = house.children()["web"], house.children()["files"]
        send(house, given, "first", saved(np.zeros((8, 8, 3), np.uint8), "PNG"))
        print(f"\nBefore: web {memory(web):.0f} MiB, files {memory(files):.0f} MiB.\n")
        print("| file | MB | seconds | what came of it | web, most MiB | files, most MiB | reading, most MiB |")
        print("|---|---|---|---|---|---|---|")
        for name, content in hostile():
            begun = time.perf_counter()
            with watched(files) as most:
                answer = send(house, given, "bomb", content)
            took, size = time.perf_counter() - begun, len(content) / 1e6
            figures = f"{memory(web):.0f} | {memory(files):.0f} | {most['MiB']:.0f}"
            print(f"| {name} | {size:.2f} | {took:.1f} | {answer.replace('|', '/')} | {figures} |", flush=True)
        outcomes: dict[str, int] = {}
        with watched(files) as most:
            for name, content in further():
                state = send(house, given, name, content).split()[0]
                outcomes[state] = outcomes.get(state, 0) + 1
        figures = f"{memory(web):.0f} | {memory(files):.0f} | {most['MiB']:.0f}"
        print(f"| {sum(outcomes.values())} mutated and odd files | | | {outcomes} | {figures} |", flush=True)
        assert set(outcomes) <= {"done", "declined", "choice"}, outcomes
        assert memory(web) < GOAL, f"the web process grew to {memory(web):.0f} MiB; the goal is {GOAL}"


def cost_of_reading(times: int = 30) -> None:
    """What a process a file adds: the whole way of a small picture against the start of Python itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.png"
        path.write_bytes(png(np.random.default_rng(2).integers(0, 255, (256, 256, 3), np.uint8), bits=8, colour=2))
        begun = time.perf_counter()
        isolation.read_file(path, Path(folder))
        first = time.perf_counter() - begun
        took = []
        for _ in range(times):
            begun = time.perf_counter()
            isolation.read_file(path, Path(folder))
            took.append((time.perf_counter() - begun) * 1000)
    print(f"A picture of 256 x 256 px: {statistics.median(took):.0f} ms (median), the first one {first:.1f} s.")
    assert PIL.Image.MAX_IMAGE_PIXELS is not None


if __name__ == "__main__":
    main()
