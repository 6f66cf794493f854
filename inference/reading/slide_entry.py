"""What is kept of a slide when it comes in: what it is, a thumbnail, where its tissue is, names of what was left out.

Runs in the process that reads strangers' files (child.py). The slide itself is neither decoded whole nor copied.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from inference.documents.reading import (
    HEADER,
    ChannelFacts,
    Header,
    PixelSize,
    PlaneFacts,
    ReadNote,
    ReadPicture,
    SlideFacts,
    Tissue,
)
from inference.reading import sets
from inference.reading.channels import MOST_CHANNELS, ChannelInfo, ChannelView, auto_range, colour_of
from inference.reading.combinations import MOST_PIXELS
from inference.reading.picture import chosen_plane
from inference.reading.ranges import is_remote
from inference.reading.slides import Slide, open_slide
from inference.reading.tissue import tissue_in
from inference.reading.types import Unreadable
from inference.types import RGB

THUMBNAIL = 256  # px of the longer side
OVERVIEW = 2048  # px of the longer side of the picture that tissue is looked for in
SQUARE = 2  # px of it that are told apart
COARSEST = 8192  # px of the longer side of the coarsest level: all of it is decoded for one tile of the overview
WHOLE_HASH = 2 * 2**30  # bytes up to which all are hashed
SAMPLE = 16 * 2**20  # bytes at either end of a file that are hashed where there are more
CHUNK = 2**20


def entered(
    source: Path, folder: Path, wanted: str, page: int | None, channel: int | None, writing: bool = False
) -> ReadPicture | None:
    """What a slide is, with thumbnail.jpg written into `folder`; None for what is opened as a picture instead.

    source  the slide's file, or the folder with its files
    wanted  "slide", or "auto": what can be opened whole is a picture
    writing whether to look for writing in the overview

    Raises Unreadable.
    """
    with open_slide(source) as slide:
        if not _is_meant(slide, wanted):
            return None
        planes = planes_of(slide, page, channel)
    if planes is not None:  # several together: the plane that is named stands for the slide
        page, channel = planes.page, channel or 1
    views = views_of(planes)
    with open_slide(source, page=page, channel=channel) as slide:
        coarsest = slide.info.levels[-1]
        if max(coarsest.width, coarsest.height) > COARSEST:
            raise Unreadable("no_coarse_level", width=coarsest.width, height=coarsest.height)
        overview = slide.preview(OVERVIEW, page=page or 1, views=views)
        thumbnail = PIL.Image.fromarray(overview)
        thumbnail.thumbnail((THUMBNAIL, THUMBNAIL))
        thumbnail.save(folder / "thumbnail.jpg", "JPEG", quality=85)
        found = described(slide, source, overview, planes)
        if not writing:
            return found
        from inference.reading.writing import may_show_writing  # as in child.py: not in the website's process

        return found.with_(writing=may_show_writing(overview))


def _is_meant(slide: Slide, wanted: str) -> bool:
    info = slide.info
    is_large = info.width * info.height > MOST_PIXELS
    if wanted == "slide":
        return info.reader != "Pillow"
    only_here = info.reader == "wsidicom" or info.format in ("MRXS", "Hamamatsu", "Zeiss CZI", "Sakura SVSLIDE")
    return is_large or only_here


def planes_of(slide: Slide, page: int | None, channel: int | None) -> PlaneFacts | None:
    """The planes of a slide that has several, None of one that has a single one.

    page, channel  what is shown at first; None for the middle slice of the first time, and all channels

    Raises Unreadable for a plane that is not there.
    """
    info = slide.info
    first = page or (info.z + 1) // 2
    if info.pages == 1 and not slide.single_channels():
        return None
    chosen_plane(slide.reader.identify(), first, channel or 1)
    channels = channels_of(slide, first, channel)
    facts = tuple(ChannelFacts(**asdict(one)) for one in channels)
    return PlaneFacts(page=first, z=info.z, t=info.t, channels=facts)


def views_of(planes: PlaneFacts | None) -> tuple[ChannelView, ...]:
    """How the channels that are shown at first are shown."""
    if planes is None:
        return ()
    numbered = enumerate(planes.channels, 1)
    return tuple(ChannelView(number, one.colour, one.low, one.high) for number, one in numbered if one.shown)


def described(slide: Slide, source: Path, overview: RGB, planes: PlaneFacts | None = None) -> ReadPicture:
    """A slide without its pixels. Of its metadata only what is listed here is kept; of the rest the names alone."""
    info, found = slide.info, slide.identified
    entry = sets.entry_of(source)
    plane = slide.plane()
    facts = info.as_json()
    if planes is not None:
        facts |= {"planes": planes.as_json()}
    kept = SlideFacts(
        info=facts,
        entry=entry.relative_to(source).as_posix() if source.is_dir() and entry != source else "",
        reader=info.reader,
        removed=tuple(sorted({*found.metadata, *info.associated})),
        tissue=tissue_of(overview),
    )
    return ReadPicture(
        ok=True,
        header=Header.model_validate({name: getattr(found, name) for name in HEADER}),
        page=plane.page,
        channel=plane.channel,
        pages=found.pages,
        channels=found.channels,
        low=None,
        high=None,
        notes=tuple(ReadNote(code=note.code, params=note.params) for note in info.notes),
        sha256=fingerprint(source),
        scale=PixelSize(x=found.scale.x, y=found.scale.y, source=found.scale.source) if found.scale else None,
        width=info.width,
        height=info.height,
        tiled=True,
        slide=kept,
    )


def tissue_of(overview: RGB) -> Tissue:
    """Which squares of the slide show tissue, packed; `tissue_mask` unpacks it."""
    mask = tissue_in(overview, SQUARE)
    packed = zlib.compress(np.packbits(mask).tobytes())
    return Tissue(width=mask.shape[1], height=mask.shape[0], bits=base64.b64encode(packed).decode())


def tissue_mask(packed: Tissue) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(height, width) bool over the whole slide."""
    width, height = packed.width, packed.height
    bits = np.frombuffer(zlib.decompress(base64.b64decode(packed.bits)), np.uint8)
    return np.unpackbits(bits, count=width * height).reshape(height, width).astype(bool)


def fingerprint(source: Path) -> str:
    """SHA-256 of the slide's files; of more than WHOLE_HASH bytes of both ends and the size of each file.

    What lies in a storage is not fetched whole for it: both ends count there, whatever the size.
    """
    files = sorted(_files(source))
    whole = not is_remote(source) and sum(file.stat().st_size for file in files) <= WHOLE_HASH
    mark = hashlib.sha256()
    for file in files:
        mark.update(str(file.stat().st_size).encode())
        with file.open("rb") as opened:
            if whole or file.stat().st_size <= 2 * SAMPLE:
                while chunk := opened.read(CHUNK):
                    mark.update(chunk)
                continue
            mark.update(opened.read(SAMPLE))
            opened.seek(-SAMPLE, 2)
            mark.update(opened.read(SAMPLE))
    return mark.hexdigest()


def _files(source: Path) -> Iterator[Path]:
    if source.is_dir():
        found = source.iterdir() if is_remote(source) else source.rglob("*")
        yield from (path for path in found if path.is_file() and not path.is_symlink())
        return
    yield source
    yield from sets.companions(source)


def channels_of(slide: Slide, page: int, shown: int | None = None) -> tuple[ChannelInfo, ...]:
    """The channels of a slide; () where a pixel has colours of its own.

    page   the plane whose samples stand for the slide
    shown  the only channel that is in the picture at first; None for all

    Raises Unreadable.
    """
    names = slide.single_channels()
    if len(names) > MOST_CHANNELS:
        raise Unreadable("many_channels", channels=len(names), most=MOST_CHANNELS)
    found = []
    for number, name in enumerate(names, 1):
        samples = slide.coarse_samples(page, number)
        low, high, least, most = auto_range(samples)
        colour = colour_of(name, number, slide.channel_colour(number))
        found.append(ChannelInfo(name, colour, low, high, least, most, shown in (None, number)))
    return tuple(found)
