"""Pictures that are the same, or nearly: found by a perceptual hash that is kept with each image.

The hash is pHash (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions") with two changes:
16 x 16 instead of 8 x 8 coefficients, since fields of one slide are alike in their coarse structure, and signs instead
of a comparison with the median. Signs make the hashes of the eight flips and right-angle turns follow from one: a flip
changes the sign of every odd coefficient along its axis, a transposition swaps the axes. Scaling, JPEG and small
changes of colour leave most signs as they are; shifted and cropped fields are not found. What it finds and what it
confuses was measured on real fields (docs/rounds.md, "The same picture twice").
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import PIL.Image
from django.utils.translation import gettext as _

from labeling.images.models import Image, Split
from labeling.projects.models import Project

SIDE = 64  # pixels of the grey picture that is transformed
BITS = 16  # coefficients a side
NEAR = 56  # of 255 signs that may differ
LEAST_CONTRAST = 2.0  # grey levels: a blank picture is like every other one, so it has no hash

Bits = npt.NDArray[np.uint8]  # (..., 16, 16) of 0 and 1


def picture_hash(picture: PIL.Image.Image) -> str:
    """64 hex digits, or "" for a picture without contrast. A thumbnail gives nearly the hash of its image."""
    small = picture.convert("L").resize((SIDE, SIDE), PIL.Image.Resampling.BOX)
    grey = np.asarray(small, np.float64)
    if grey.std() < LEAST_CONTRAST:
        return ""
    waves = _waves()
    coefficients = waves @ (grey - grey.mean()) @ waves.T
    return np.packbits(coefficients > 0).tobytes().hex()


@cache
def _waves() -> npt.NDArray[np.float64]:
    """(BITS, SIDE): the first rows of the discrete cosine transform, type II."""
    k, x = np.mgrid[:BITS, :SIDE]
    return np.cos(np.pi * k * (2 * x + 1) / (2 * SIDE))


def bits_of(digest: str) -> Bits:
    """(16, 16) of 0 and 1."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(digest), np.uint8)).reshape(BITS, BITS)


def turned(bits: Bits) -> Bits:
    """(8, 16, 16): the hashes of the picture's flips and right-angle turns, from its own."""
    odd = np.arange(BITS) % 2
    found = []
    for base in (bits, bits.T):
        for down in (0, 1):
            for across in (0, 1):
                flips = (down * odd[:, None] + across * odd[None]) % 2
                found.append(base ^ flips.astype(np.uint8))
    return np.stack(found)


def distance(a: str, b: str) -> int:
    """In how many of 255 signs two hashes differ, at the best of the eight orientations."""
    return int(_distances(bits_of(a), _words(bits_of(b)[None]))[0])


def _words(bits: Bits) -> npt.NDArray[np.uint64]:
    """(n, 4): hashes (n, 16, 16) in words of 64 bits, without the constant coefficient, which says nothing."""
    counted = bits.copy()
    counted[..., 0, 0] = 0
    return np.packbits(counted.reshape(len(bits), -1), axis=1).view(np.uint64)


def _distances(one: Bits, others: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """(n,) for a hash (16, 16) against words (n, 4)."""
    differ = np.bitwise_count(_words(turned(one))[:, None] ^ others[None])
    return differ.sum(axis=2, dtype=np.int64).min(axis=0)


@dataclass(frozen=True)
class Alike:
    """Two images that show the same picture, or nearly."""

    image: Image
    other: Image

    @property
    def across_splits(self) -> bool:
        return self.image.split != self.other.split


def sentence(pair: Alike) -> str:
    """What is alike and, where the splits differ, what follows from it and what to do."""
    return f"{likeness(pair)} {remedy()}" if pair.across_splits else likeness(pair)


def remedy() -> str:
    return _("Put both into one split, or remove one.")


def likeness(pair: Alike) -> str:
    """The same without what to do."""
    names = {"a": pair.image.name, "b": pair.other.name}
    if not pair.across_splits:
        return _("{a} and {b} show the same picture, or nearly.").format(**names)
    splits = {"first": _(Split(pair.image.split).label), "second": _(Split(pair.other.split).label)}
    return _(
        "{a} ({first}) and {b} ({second}) show the same picture, or nearly, in two splits: figures would flatter the "
        "models."
    ).format(**names, **splits)


def similar_images(images: Sequence[Image], among: Iterable[Image] | None = None) -> list[Alike]:
    """Pairs of images that are nearly the same picture, each pair once.

    among  look for partners of these alone; None: of all
    """
    hashed = [image for image in images if image.phash]
    wanted = {image.pk for image in (hashed if among is None else among)}
    if len(hashed) < 2:
        return []
    words = _words(np.stack([bits_of(image.phash) for image in hashed]))
    found = []
    for place, image in enumerate(hashed):
        if image.pk not in wanted:
            continue
        near = np.flatnonzero(_distances(bits_of(image.phash), words) <= NEAR)
        for other in near:
            partner = hashed[int(other)]
            counted_already = partner.pk in wanted and int(other) < place
            if partner.pk != image.pk and not counted_already:
                found.append(Alike(image, partner))
    return found


def pairs_with(project: Project, images: Iterable[Image]) -> list[Alike]:
    """Of these images the pairs with a nearly equal picture of the project, as the splits are now."""
    everything = list(project.images.only("pk", "name", "split", "phash", "project"))
    return similar_images(everything, images)


def in_other_splits(project: Project, images: Iterable[Image]) -> list[Alike]:
    """Of these images the pairs with a nearly equal picture in another split: it would learn what it judges."""
    return [pair for pair in pairs_with(project, images) if pair.across_splits]
