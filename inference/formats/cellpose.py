"""Cellpose: `NAME_seg.npy` with its label map, and `NAME_cp_outlines.txt`.

`_seg.npy` is a pickled dict; it is read by an unpickler that knows arrays and plain values and nothing else. Its
`masks` are labels (H, W), a pixel an index. An outline is a line x,y,x,y,... of pixel indices: the pixels on it
belong to the object (contours.py), so it runs half a pixel inside of our outline. Neither file knows classes.
"""

from pathlib import Path
from typing import Any

import numpy as np

from inference.formats.contours import contour_of, mask_of_contour
from inference.formats.format import NO_PIXEL, Format, Target
from inference.formats.geometry import TooLarge, mask_of
from inference.formats.losses import Property
from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Annotations,
    Pixels,
    ToolObject,
)
from inference.formats.painting import areas_of, objects_of, paint
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source, head_of, is_object_array, read_pickled_array, read_text

SEG = "_seg.npy"
OUTLINES = "_outlines.txt"


def recognises(source: Source) -> bool:
    return bool(_seg_files(source) or _outline_files(source))


def _seg_files(source: Source) -> list[Path]:
    return [file for file in source.with_suffix(".npy") if is_object_array(file) and b"masks" in head_of(file, 2**24)]


def _outline_files(source: Source) -> list[Path]:
    """Text files whose first line is an even number of whole numbers, six at least, with commas."""
    found = []
    for file in source.with_suffix(".txt"):
        first = head_of(file, 2**20).decode("utf-8", "replace").partition("\n")[0].strip()
        words = first.split(",")
        if (len(words) >= 2 and len(words) % 2 == 0 and all(word.strip().lstrip("-").isdigit() for word in words)) or (
            not first and file.name.endswith(OUTLINES)
        ):
            found.append(file)
    return found


# -- reading


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    segs = {file.name.removesuffix(SEG) for file in _seg_files(source)}
    for file in _seg_files(source):
        found.images.append(_read_seg(file))
    for file in _outline_files(source):
        stem = file.name.removesuffix(".txt").removesuffix("_outlines").removesuffix("_cp")
        if stem not in segs:  # the outlines of the same masks
            found.images.append(_read_outlines(file, stem, context))
    return found


def _read_seg(file: Path) -> AnnotatedImage:
    document = read_pickled_array(file)
    masks = document.get("masks") if isinstance(document, dict) else None
    if not isinstance(masks, np.ndarray) or masks.dtype.kind not in "iu":
        raise FormatProblem(file, "the file has no label map `masks`", remedy="save it again with Cellpose")
    if masks.ndim == 3 and masks.shape[0] == 1:
        masks = masks[0]
    if masks.ndim != 2:
        cause = f"its masks have {masks.ndim} dimensions"
        raise FormatProblem(file, cause, remedy="a stack is not read; save one plane")
    if masks.size and int(masks.min()) < 0:
        raise FormatProblem(file, "its masks hold ids below 0")
    given = str(document.get("filename") or "").replace("\\", "/").rpartition("/")[2]
    image = AnnotatedImage(given or file.name.removesuffix(SEG), masks.shape[1], masks.shape[0])
    image.annotations = [one for _, one in objects_of(masks)]
    return image


def _read_outlines(file: Path, stem: str, context: Context) -> AnnotatedImage:
    image = AnnotatedImage(stem)
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if not line.strip():
            continue
        with context.one_object():
            place = f"line {number}"
            try:
                xy = np.array([float(word) for word in line.split(",") if word.strip()])
            except ValueError as error:
                raise FormatProblem(file, "the line must be x,y,x,y,...", place=place) from error
            if len(xy) % 2 or not np.isfinite(xy).all() or np.abs(xy).max(initial=0) > 1e8:
                raise FormatProblem(file, "the line must be pairs of finite numbers", place=place)
            try:
                mask = mask_of_contour(np.rint(xy).astype(np.int64).reshape(-1, 2))
            except TooLarge as error:
                raise FormatProblem(file, str(error), place=place) from error
            if mask is None:
                raise FormatProblem(file, "the line holds no point", place=place)
            image.annotations.append(Annotation(Pixels(mask), place=place))
    return image


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    wants_text = target.file is not None and target.file.name.endswith(OUTLINES)
    for image, file in target.each(annotations, SEG):
        if wants_text:
            _write_outlines(image, file, target)
        else:
            _write_seg(image, file, target)


def _write_seg(image: AnnotatedImage, file: Path, target: Target) -> None:
    painted = paint(image, target, on_pages=False)
    masks = painted.pages[0]
    dtype = np.uint16 if len(painted.objects) < 2**16 else np.uint32
    document: ToolObject = {
        "outlines": np.where(_is_border(masks), masks, 0).astype(dtype),
        "masks": masks.astype(dtype),
        "chan_choose": [0, 0],
        "ismanual": np.zeros(len(painted.objects), bool),
        "filename": image.name,
        "flows": [],
        "diameter": float("nan"),
    }
    with file.open("wb") as opened:
        np.save(opened, np.array(document, object), allow_pickle=True)


def _is_border(masks: Any) -> Any:
    """Pixels with a neighbour, to a side, above or below, that is of something else."""
    padded = np.pad(masks, 1)
    inner = padded[1:-1, 1:-1]
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    differs = np.zeros(masks.shape, bool)
    for neighbour in around:
        differs |= neighbour != inner
    return differs


def _write_outlines(image: AnnotatedImage, file: Path, target: Target) -> None:
    lines = []
    for one in areas_of(image):
        mask = mask_of(one.geometry, image.size)
        if mask is None:
            target.leave_out(NO_PIXEL)
            continue
        contour, others = contour_of(mask)
        target.lost[Property.PARTS] += others > 0
        lines.append(",".join(map(str, contour.ravel().tolist())))
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


KEEPS = frozenset((Property.MASKS, Property.HOLES, Property.PARTS, Property.MANY, Property.EMPTY, Property.NAMES))
FORMATS = {"cellpose": Format("cellpose", "Cellpose", recognises, read, write, KEEPS, (SEG, "_cp_outlines.txt"))}
