"""Several channels of a slide as one picture: each has a colour and a range, and their light adds up.

    shown = sum over channels of colour * clip((sample - low) / (high - low), 0, 1), cut at white

A channel's range is found once, when the slide comes in (`auto_range`); people change it in the workspace, and what
models see is made with the stored one.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.reading.types import Samples
from inference.types import RGB

MOST_CHANNELS = 64  # of which colours and ranges are kept
WHITE = "ffffff"
# Colours of channels that name none: by the dye where the name tells it, else in turn.
DYES = (
    (r"dapi|hoechst|draq|nucle|405|\bblue\b", "4060ff"),
    (r"fitc|gfp|488|alexa ?488|\bgreen\b", "00d060"),
    (r"cy3|tritc|rfp|555|561|568|texas|\bred\b", "ff4030"),
    (r"cy5|647|633|far ?red", "ff40e0"),
    (r"yfp|\byellow\b", "ffe000"),
    (r"cfp|\bcyan\b", "00d0ff"),
)
TURN = ("4060ff", "00d060", "ff4030", "ff40e0", "ffe000", "00d0ff")


@dataclass(frozen=True)
class ChannelView:
    """How one channel is shown.

    channel    which one, from 1
    colour     six hexadecimal digits, red, green and blue
    low, high  samples that are black and of full colour; low < high
    """

    channel: int
    colour: str
    low: float
    high: float


@dataclass(frozen=True)
class ChannelInfo:
    """One channel of a slide, with how it is shown at first.

    low, high    its range when the slide came in
    least, most  the smallest and largest sample that was found
    shown        whether it is in the picture at first
    """

    name: str
    colour: str
    low: float
    high: float
    least: float
    most: float
    shown: bool = True


def colour_of(name: str, number: int, own: str = "") -> str:
    """Six hexadecimal digits. own: what the file says; number: from 1."""
    if own:
        return own
    for pattern, colour in DYES:
        if re.search(pattern, name, re.IGNORECASE):
            return colour
    return TURN[(number - 1) % len(TURN)]


def ome_colour(value: str) -> str:
    """OME's colour, a signed number of 32 bits (RGBA), as six digits; "" for black, white and what is none.

    White is what OME stands for where nobody chose a colour, and several white channels cannot be told apart.
    """
    try:
        number = int(value) % 2**32
    except ValueError:
        return ""
    colour = f"{number >> 8:06x}"
    return "" if colour in ("000000", WHITE) else colour


def blended(samples: Sequence[Samples], views: Sequence[ChannelView]) -> RGB:
    """The channels as one picture.

    samples  one (h, w, 1) of any real type for each view
    -> (h, w, 3) uint8; black where no view is given any light
    """
    height, width = samples[0].shape[:2]
    light = np.zeros((height, width, 3), np.float32)
    for part, view in zip(samples, views, strict=True):
        share = _share(part[..., 0], view)
        colour = np.array(list(bytes.fromhex(view.colour)), np.float32)
        light += share[..., None] * colour
    return np.minimum(np.rint(light), 255).astype(np.uint8)


def _share(samples: npt.NDArray[np.generic], view: ChannelView) -> npt.NDArray[np.float32]:
    values = samples.astype(np.float32)
    width = max(view.high - view.low, 1e-9)
    share = np.clip((values - view.low) / width, 0, 1)
    return np.nan_to_num(share, nan=0).astype(np.float32)


def auto_range(samples: Samples) -> tuple[float, float, float, float]:
    """(low, high, least, most) of a channel: a hundredth of its samples may be darker than black, and a thousandth
    brighter than full colour."""
    values = samples[np.isfinite(samples)] if samples.dtype.kind == "f" else samples.ravel()
    if not values.size:
        return 0.0, 1.0, 0.0, 1.0
    least, most = float(values.min()), float(values.max())
    low, high = (float(value) for value in np.percentile(values, (1.0, 99.9)))
    if high <= low:
        low, high = least, most
    if high <= low:
        high = low + 1
    return low, high, least, most
