"""What is kept of a slide when it comes in: what it is, a thumbnail, where its tissue is, names of what was left out.

Runs in the process that reads strangers' files (child.py). The slide itself is neither decoded whole nor copied.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image

from inference.documents.reading import HEADER, Header, PixelSize, ReadNote, ReadPicture, SlideFacts, Tissue
from inference.reading import sets
from inference.reading.combinations import MOST_PIXELS
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


def entered(source: Path, folder: Path, wanted: str, page: int | None, channel: int | None) -> ReadPicture | None:
    """What a slide is, with thumbnail.jpg written into `folder`; None for what is opened as a picture instead.

    source  the slide's file, or the folder with its files
    wanted  "slide", or "auto": what can be opened whole is a picture

    Raises Unreadable.
    """
    with open_slide(source) as slide:
        if not _is_meant(slide, wanted):
            return None
    with open_slide(source, page=page, channel=channel) as slide:
        coarsest = slide.info.levels[-1]
        if max(coarsest.width, coarsest.height) > COARSEST:
            raise Unreadable("no_coarse_level", width=coarsest.width, height=coarsest.height)
        overview = slide.preview(OVERVIEW)
        thumbnail = PIL.Image.fromarray(overview)
        thumbnail.thumbnail((THUMBNAIL, THUMBNAIL))
        thumbnail.save(folder / "thumbnail.jpg", "JPEG", quality=85)
        return described(slide, source, overview)


def _is_meant(slide: Slide, wanted: str) -> bool:
    info = slide.info
    is_large = info.width * info.height > MOST_PIXELS
    if wanted == "slide":
        return info.reader != "Pillow"
    only_here = info.reader == "wsidicom" or info.format in ("MRXS", "Hamamatsu", "Zeiss CZI", "Sakura SVSLIDE")
    return is_large or only_here


def described(slide: Slide, source: Path, overview: RGB) -> ReadPicture:
    """A slide without its pixels. Of its metadata only what is listed here is kept; of the rest the names alone."""
    info, found = slide.info, slide.identified
    entry = sets.entry_of(source)
    plane = slide.plane()
    kept = SlideFacts(
        info=info.as_json(),
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
    """SHA-256 of the slide's files; of more than WHOLE_HASH bytes of both ends and the size of each file."""
    files = sorted(_files(source))
    whole = sum(file.stat().st_size for file in files) <= WHOLE_HASH
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
        yield from (path for path in source.rglob("*") if path.is_file() and not path.is_symlink())
        return
    yield source
    yield from sets.companions(source)
