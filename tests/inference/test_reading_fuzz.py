"""Mutated real files: each is read or declined, never anything else, and never read wrongly.

Every file goes through the process that reads uploads, so that a decoder that crashes is seen as what it is. What is
read of a file with 8 bits is compared with Pillow, which is another decoder for TIFF and the same one, asked without
our preparation, for the rest.
"""

import io
import random
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from inference.datasets import data_root
from inference.documents.reading import ReadPicture
from inference.reading import Unreadable, isolation
from inference.reading.sentences import DECLINED
from tests.inference.picture_files import cases

FEW, MANY = 120, 4000
LARGEST = 300_000  # bytes of a seed
CLOSE = 2.0  # grey levels


def seeds() -> dict[str, bytes]:
    """Files of every listed combination, and real ones where the data are."""
    found = {case.name: case.content for case in cases() if case.channel is None}
    root = data_root()
    if root is not None:
        for path in sorted([*root.glob("wsi_samples/*"), *list(root.glob("*/images/*.png"))[::60]]):
            if path.suffix != ".json" and path.stat().st_size < LARGEST:
                found[path.name] = path.read_bytes()
        found["small_HE.svs, its first bytes"] = (root / "wsi_samples" / "small_HE.svs").read_bytes()[:LARGEST]
    return found


def mutated(content: bytes, rng: random.Random) -> bytes:
    """One to four small changes, mostly near the beginning and the end, where headers and directories are."""
    made = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not made:
            break
        near = rng.choice((len(made), len(made), min(len(made), 400), min(len(made), 40)))
        at = rng.randrange(near) if rng.random() < 0.7 else len(made) - 1 - rng.randrange(near)
        kind = rng.choice((0, 0, 0, 1, 1, 2, 3, 4, 5))
        if kind == 0:
            made[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            made[at] = rng.choice((0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF))
        elif kind == 2:
            made[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x01"))
        elif kind == 3:
            del made[at : at + rng.randint(1, 64)]
        elif kind == 4:
            made[at:at] = made[at : at + rng.randint(1, 64)]
        else:
            del made[max(1, len(made) - rng.randint(1, len(made))) :]
    return bytes(made)


def by_pillow(content: bytes) -> np.ndarray | None:
    """The second opinion; None where it has none."""
    try:
        opened = PIL.Image.open(io.BytesIO(content))
        opened.load()
        opened = PIL.ImageOps.exif_transpose(opened)
        if opened.mode in ("RGBA", "LA", "PA") or "transparency" in opened.info:
            layered = opened.convert("RGBA")
            white = PIL.Image.new("RGBA", layered.size, "white")
            return np.asarray(PIL.Image.alpha_composite(white, layered).convert("RGB"))
        return np.asarray(opened.convert("RGB"))
    except Exception:
        return None


def is_comparable(answer: ReadPicture) -> bool:
    """Whether Pillow is known to read such a file rightly: 8 bits together, one picture, nothing left out."""
    found = answer.header
    known = found.photometric in ("grey", "RGB", "palette") and found.bits == 8 and not found.alpha
    single = answer.pages == answer.channels == 1
    plain = not found.planar and single and found.sample_format == "unsigned"
    return known and plain and all(note.code in ("turned",) for note in answer.notes)


def run(count: int, seed: int, folder: Path, caplog) -> dict[str, int]:
    """Read `count` mutated files. -> how many were read, declined and compared."""
    rng = random.Random(seed)
    there = list(seeds().items())
    counts = {"read": 0, "declined": 0, "compared": 0}
    path = folder / "file"
    for number in range(count):
        name, content = there[number % len(there)]
        content = mutated(content, rng)
        path.write_bytes(content)
        label = f"{name}, file {number} of seed {seed}"
        try:
            answer = isolation.read_file(path, folder, wall_seconds=20, cpu_seconds=20)
        except Unreadable as declined:
            assert declined.code in DECLINED, label
            assert "a fault in reading" not in caplog.text, label
            counts["declined"] += 1
            continue
        counts["read"] += 1
        shown = np.asarray(PIL.Image.open(folder / "pixels.png"))
        assert shown.shape == (answer.height, answer.width, 3), label
        other = by_pillow(content) if is_comparable(answer) else None
        if other is not None:
            counts["compared"] += 1
            assert other.shape == shown.shape, label
            assert np.abs(shown.astype(int) - other.astype(int)).mean() <= CLOSE, label
    return counts


def test_a_hundred_mutated_files_are_read_or_declined(tmp_path, caplog):
    counts = run(FEW, 11, tmp_path, caplog)
    assert counts["read"] > 10 and counts["declined"] > 10, counts


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2])
def test_thousands_of_mutated_files_are_read_or_declined(seed, tmp_path, caplog):
    counts = run(MANY, seed, tmp_path, caplog)
    assert counts["read"] > MANY / 10 and counts["compared"] > MANY / 50, counts
    print(counts)
