"""Label Studio's brush: bit-packed run lengths of the whole image as RGBA, row by row (thi.ng's rle-pack).

A head of 32 bits (the number of values), 5 bits (bits of a value, minus 1) and four times 4 bits (the sizes of a
length, minus 1); then for each run one bit (whether all values are equal), two bits (which of the four sizes), the
length minus 1, and the value or the values.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from inference.types import BoxMask, Mask

MOST_VALUES = 2**30  # 4 a pixel
SIZES = (3, 4, 8, 16)  # bits of a length that are written; a head can say 16 at most
WORD = 8


def bits_of_brush(rle: Sequence[int], size: tuple[int, int]) -> Mask:
    """(h, w) bool, True where the alpha is not 0. Raises ValueError for what is no such list or has another size."""
    width, height = size
    try:
        packed = np.array(rle, np.uint8) if all(0 <= one <= 255 for one in rle) else None
    except TypeError:
        packed = None
    if packed is None or len(packed) < 7:
        raise ValueError("the run lengths must be bytes, 7 at least")
    stream = _Bits(packed)
    total = stream.take(32)
    if total != width * height * 4 or total > MOST_VALUES:
        raise ValueError(f"they hold {total} values, and {width} x {height} px have {width * height * 4}")
    word = stream.take(5) + 1
    sizes = [stream.take(4) + 1 for _ in range(4)]
    values = np.zeros(total, bool)
    at = 0
    while at < total:
        is_equal = stream.take(1)
        length = stream.take(sizes[stream.take(2)]) + 1
        if at + length > total:
            raise ValueError("a run goes beyond the last pixel")
        if is_equal:
            values[at : at + length] = bool(stream.take(word))
        else:
            values[at : at + length] = stream.take_many(word, length)
        at += length
    alpha: Mask = values.reshape(height, width, 4)[:, :, 3]
    return alpha


class _Bits:
    """Bytes read bit by bit, the highest first."""

    def __init__(self, packed: npt.NDArray[np.uint8]) -> None:
        self.bits = np.unpackbits(packed)
        self.at = 0

    def take(self, count: int) -> int:
        chunk = self.bits[self.at : self.at + count]
        if len(chunk) < count:
            raise ValueError("they end too early")
        self.at += count
        return int("".join(map(str, chunk.tolist())), 2)

    def take_many(self, word: int, count: int) -> npt.NDArray[np.bool_]:
        """Whether each of so many values is not 0."""
        chunk = self.bits[self.at : self.at + word * count]
        if len(chunk) < word * count:
            raise ValueError("they end too early")
        self.at += word * count
        words = chunk.reshape(count, word)
        return words.max(axis=1) != 0


def brush_of_bits(mask: BoxMask, size: tuple[int, int]) -> list[int]:
    """The bytes of a mask inside an image of this size (width, height): runs of 0 and of 255."""
    width, height = size
    whole = np.zeros((height, width), bool)
    rows, columns = mask.bits.shape
    whole[mask.y : mask.y + rows, mask.x : mask.x + columns] = mask.bits
    flat = whole.ravel()
    edges = np.concatenate([[0], np.flatnonzero(np.diff(flat)) + 1, [len(flat)]])
    text = [f"{flat.size * 4:032b}", f"{WORD - 1:05b}", *(f"{one - 1:04b}" for one in SIZES)]
    for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        value = f"{255 if flat[begin] else 0:08b}"
        text += [f"{head}{value}" for head in _heads((end - begin) * 4)]
    bits = "".join(text)
    bits += "0" * (-len(bits) % 8)
    return [int(bits[place : place + 8], 2) for place in range(0, len(bits), 8)]


def _heads(length: int) -> list[str]:
    """The heads of one run, cut where it is longer than 16 bits say."""
    heads = []
    most = 2 ** max(SIZES)
    while length > 0:
        used = min(length, most)
        choice = next(place for place, one in enumerate(SIZES) if used <= 2**one)
        heads.append(f"1{choice:02b}{used - 1:0{SIZES[choice]}b}")
        length -= used
    return heads
