"""Small masks as PNG text, as LabelMe and Supervisely keep them."""

import base64
import binascii
import io
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from inference.formats.problems import FormatProblem
from inference.types import Mask

MOST_BYTES = 2**28  # of an unpacked mask


def mask_of_png(text: str, file: Path, place: str, *, is_packed: bool = False) -> Mask:
    """(h, w) bool of base64 text; True where the last channel is not 0. `is_packed`: zlib around the PNG."""
    try:
        content = base64.b64decode(text)
        if is_packed:
            unpacker = zlib.decompressobj()
            content = unpacker.decompress(content, MOST_BYTES)
        with Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
            if picture.width * picture.height > MOST_BYTES:
                raise ValueError("the mask is too large")
            values = np.asarray(picture)
    except (binascii.Error, zlib.error, UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise FormatProblem(file, f"its mask cannot be read ({error})", place=place) from error
    found: Mask = (values if values.ndim == 2 else values[..., -1]) != 0
    return found


def png_of_mask(mask: Mask) -> str:
    packed = io.BytesIO()
    Image.fromarray(mask).save(packed, "PNG")
    return base64.b64encode(packed.getvalue()).decode()
