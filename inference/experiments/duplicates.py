"""Look for images of one set that are, whole or in part, images of another.

    python -m inference.experiments.duplicates DATA [--of dsb2018] [--among tnbc,consep,monuseg,gbm40]

Two tests of every pair. The hash (256 bits: is a pixel of the 17 x 16 grey miniature darker than its right neighbour)
finds copies of whole images, whatever their size and colour. Correlation finds crops at the same scale: three patches
of the one image are looked for everywhere in the other, and the least of their best correlations counts, because one
patch of pale tissue is found everywhere. Turned or rescaled crops are not found.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from inference.datasets import STAINED, Dataset, open_dataset
from inference.types import RGB

Grey = npt.NDArray[np.uint8]
PATCH = 48  # pixels of the halved image
HASH_NEAR = 40  # of 256 bits; unrelated tissue differs in about 128
CORRELATION_NEAR = 0.9


@dataclass(frozen=True)
class Pair:
    """distance: differing bits of 256; correlation: -1..1, of the patch that is found worst."""

    name: str
    dataset: str
    other: str
    distance: int
    correlation: float

    @property
    def near(self) -> bool:
        return self.distance <= HASH_NEAR or self.correlation >= CORRELATION_NEAR


def grey_of(rgb: RGB) -> Grey:
    """Half the size."""
    grey: Grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8)


def difference_hash(grey: Grey) -> npt.NDArray[np.bool_]:
    """(16, 16) bool."""
    small = cv2.resize(grey, (17, 16), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits: npt.NDArray[np.bool_] = small[:, 1:] > small[:, :-1]
    return bits


def patches(grey: Grey) -> list[Grey]:
    """Three squares along the falling diagonal; fewer, or smaller, where the image is small."""
    side = min(PATCH, *grey.shape)
    places = {(int((grey.shape[0] - side) * t), int((grey.shape[1] - side) * t)) for t in (0.2, 0.5, 0.8)}
    return [grey[y : y + side, x : x + side] for y, x in sorted(places)]


def found_in(parts: list[Grey], grey: Grey) -> float:
    """The least of the patches' best normalised correlations; -1 where a patch does not fit into the image."""
    best = []
    for part in parts:
        if part.shape[0] > grey.shape[0] or part.shape[1] > grey.shape[1]:
            return -1.0
        best.append(float(cv2.matchTemplate(grey, part, cv2.TM_CCOEFF_NORMED).max()))
        if best[-1] < CORRELATION_NEAR / 2:
            break  # the least counts: the others cannot make it a crop any more
    return min(best)


def compared(of: Dataset, among: Dataset) -> Iterator[Pair]:
    """Every image of `of` with every image of `among`."""
    others = {name: grey_of(among.image(name)) for name in among.names}
    hashes = {name: difference_hash(grey) for name, grey in others.items()}
    for name in of.names:
        grey = grey_of(of.image(name))
        own, parts = difference_hash(grey), patches(grey)
        for other in others:
            distance = int((own != hashes[other]).sum())
            yield Pair(name, among.name, other, distance, found_in(parts, others[other]))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--of", default="dsb2018")
    parser.add_argument("--among", default="tnbc,consep,monuseg,gbm40")
    options = parser.parse_args(argv)
    of = open_dataset(options.data / options.of, kind=STAINED if options.of == "dsb2018" else None)
    print("| set | its images | least distance of hashes (of 256) | highest correlation | near duplicates |")
    print("|---|---|---|---|---|")
    for name in options.among.split(","):
        among = open_dataset(options.data / name)
        pairs = list(compared(of, among))
        near = [f"{pair.name} = {pair.other}" for pair in pairs if pair.near]
        distance, correlation = min(p.distance for p in pairs), max(p.correlation for p in pairs)
        print(
            f"| {name} | {len(among.names)} | {distance} | {correlation:.2f} | {'; '.join(near) or 'none'} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
