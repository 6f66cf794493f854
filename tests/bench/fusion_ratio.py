"""How long a fusion takes now against another commit, in one run: real images of 500 x 500, with and without trust.

    python -m tests.bench.fusion_ratio [COMMIT, by default 3da9b6b] [--times 15]

Two processes, one a version, take turns image by image, so that both meet the same neighbours on the machine. Process
time, one thread, the median of every image's ratio. The masks of both versions are compared pixel by pixel.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
BEFORE = "3da9b6b"  # fusion-3, before its kernels were rewritten for speed
IMAGES = [("gbm40", 0), ("gbm40", 1), ("tnbc", 0), ("tnbc", 7), ("consep", 0), ("consep", 5), ("monuseg", 0)]

CHILD = """
import pickle, sys
from time import process_time
import numpy as np
from inference.fusion import Parameters, fuse

while True:
    try:
        rgb, m_d, m_s, trust, times = pickle.load(sys.stdin.buffer)
    except EOFError:
        break
    parameters = Parameters(trust=trust)
    fused = fuse(rgb, m_d, m_s, parameters)
    spent = []
    for _ in range(times):
        begin = process_time()
        fuse(rgb, m_d, m_s, parameters)
        spent.append(process_time() - begin)
    laps = fused.certificate.milliseconds
    pickle.dump((float(np.median(spent)) * 1000, laps, fused.mask, fused.certificate.closed), sys.stdout.buffer)
    sys.stdout.buffer.flush()
"""


def started(folder: Path, cache: Path) -> "subprocess.Popen[bytes]":
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    environment = {**os.environ, **one_thread, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-c", CHILD], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def answer(child: "subprocess.Popen[bytes]", question: Any) -> Any:
    assert child.stdin is not None and child.stdout is not None
    pickle.dump(question, child.stdin)
    child.stdin.flush()
    return pickle.load(child.stdout)  # noqa: S301 (our own child process)


def main(argv: list[str] | None = None) -> None:
    from tests.inference.test_fusion_solvers import real_scene

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", nargs="?", default=BEFORE)
    parser.add_argument("--times", type=int, default=15)
    options = parser.parse_args([] if argv is None else argv)
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder) / "old"
        old.mkdir()
        packed = subprocess.run(
            ["git", "archive", options.commit, "inference"], cwd=ROOT, check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "x", "-C", str(old)], input=packed, check=True)
        before, now = started(old, Path(folder) / "cache-old"), started(ROOT, Path(folder) / "cache-now")
        print("| image | trust | before, ms | now, ms | ratio | pixels that differ |")
        print("|---|---|---|---|---|---|")
        ratios, different, free = [], 0, 0
        for collection, number in IMAGES:
            rgb, m_d, m_s, _ = real_scene(collection, number, size=500)
            for trust in (0.0, 3.0):
                question = (rgb, m_d, m_s, trust, options.times)
                (a, _, mask_a, _), (b, _, mask_b, closed) = answer(before, question), answer(now, question)
                assert closed
                ratios.append(b / a)
                differ = int((mask_a != mask_b).sum())
                different += differ
                free += int((m_d ^ m_s).sum())
                print(f"| {collection} {number} | {trust:g} | {a:.1f} | {b:.1f} | {b / a:.2f} | {differ} |", flush=True)
        for child in (before, now):
            assert child.stdin is not None
            child.stdin.close()
            child.wait()
        print(f"\nmedian ratio {np.median(ratios):.2f}; {different} of {free} ambiguous pixels differ")


if __name__ == "__main__":
    main(sys.argv[1:])
