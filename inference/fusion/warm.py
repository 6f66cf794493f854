"""python -m inference.fusion.warm: compile the kernels into numba's cache (NUMBA_CACHE_DIR), once, at install.

Without it the first request of a fresh installation would wait for the compiler. Every kernel is run in every
combination of types that the package uses. A worker calls `warm` too: reading the cache takes a second or more, which
belongs neither to somebody's first stroke nor into the first image's certificate.
"""

import sys
from functools import cache
from time import perf_counter

import numpy as np

from inference.fusion import Parameters, Stroke, fuse, fuse_tiled, fuse_with_strokes
from inference.instances import instances
from inference.types import BoxMask


@cache
def warm() -> None:
    """Every kernel, loaded into this process, once."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    m_d, m_s = rng.random((2, 64, 64)) < 0.5
    for bits in (5, 8):
        fused = fuse(rgb, m_d, m_s, Parameters(bits=bits, minimum_pixels=50), keep_state=True)
    assert fused.state is not None
    fuse_with_strokes(fused.state, [Stroke(BoxMask(20, 20, np.ones((4, 4), bool)), True)], band=2)
    fuse_tiled(lambda y0, y1: (rgb[y0:y1], m_d[y0:y1], m_s[y0:y1]), np.zeros((64, 64), bool), (64, 64), band=24)
    detections = np.kron(np.arange(1, 17).reshape(4, 4), np.ones((16, 16), int)).astype(np.int32)
    for method in ("geodesic", "kmeans", "components"):
        instances(fused.mask, detections, method, fragments="split", smallest=2, largest_hole=4)


def main() -> int:
    begin = perf_counter()
    warm()
    print(f"fusion kernels ready in {perf_counter() - begin:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
