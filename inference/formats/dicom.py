"""DICOM Segmentation (SEG) and Microscopy Bulk Simple Annotations (ANN), of one tiled image each.

SEG: a pixel is an index in the total pixel matrix; a frame says the column and row of its first pixel, counted from
1. Each segment is one object, labelled by its segment; of a FRACTIONAL one the pixels of half its maximum and more.
Of a LABELMAP each value is a segment. ANN: coordinates are continuous pixels of the total pixel matrix, (0, 0) the
corner of the first pixel: as ours. Coordinates in 3-D and segmentations of volumes are declined. No name of a
person is read.
"""

import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from inference.formats.dicom_writing import write
from inference.formats.format import Format
from inference.formats.geometry import union
from inference.formats.losses import Property
from inference.formats.model import (
    UNCLASSIFIED,
    AnnotatedImage,
    Annotation,
    Annotations,
    Geometry,
    LabelClass,
    Outline,
    Pixels,
    Points,
    Polygon,
    Ring,
    polygon,
)
from inference.formats.model import Line as OpenLine
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source, head_of
from inference.masks import tight
from inference.types import BoxMask

SEG = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # segmentation, label map segmentation
ANN = "1.2.840.10008.5.1.4.1.1.91.1"
MOST_PIXELS = 2**30
# The graphic types of ANN: those with so many points an annotation, and those of any number.
POINTS_OF = {"POINT": 1, "RECTANGLE": 4, "ELLIPSE": 4}
OF_ANY_LENGTH = ("POLYGON", "POLYLINE")


def recognises(source: Source) -> bool:
    return any(_class_of(file) in (*SEG, ANN) for file in _files(source))


def _files(source: Source) -> list[Path]:
    return [file for file in source.files if head_of(file, 132)[128:] == b"DICM"]


def _class_of(file: Path) -> str:
    import pydicom

    try:
        about = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["SOPClassUID"])
        return str(about.get("SOPClassUID", ""))
    except Exception:  # a damaged file may raise anything
        return ""


def read(source: Source, context: Context) -> Annotations:
    found = Annotations()
    colors: dict[str, str] = {}
    for file in _files(source):
        kind = _class_of(file)
        if kind not in (*SEG, ANN):
            continue
        image = AnnotatedImage(file.stem)
        try:
            _read_file(image, file, kind, colors, context)
        except FormatProblem:
            raise
        except Exception as error:  # pydicom raises whatever a damaged file leads to
            raise FormatProblem(file, f"the file cannot be read ({error})", remedy="export it again") from error
        found.images.append(image)
    names = dict.fromkeys(one.label for one in found.each() if one.label is not None)
    found.classes = [LabelClass(name, None, colors.get(name, "")) for name in names]
    return found


def _read_file(
    image: AnnotatedImage,
    file: Path,
    kind: str,
    colors: dict[str, str],
    context: Context,
) -> None:
    import pydicom

    document = pydicom.dcmread(file)
    if kind == ANN:
        _read_groups(image, document, file, context)
    else:
        _read_segments(image, document, file, colors, context)


# -- SEG


def _read_segments(
    image: AnnotatedImage,
    document: Any,
    file: Path,
    colors: dict[str, str],
    context: Context,
) -> None:
    if "TotalPixelMatrixRows" not in document:
        cause = "it segments a volume or a single radiological image, not a slide"
        raise FormatProblem(file, cause, remedy="segmentations of tiled images are read")
    image.width, image.height = int(document.TotalPixelMatrixColumns), int(document.TotalPixelMatrixRows)
    image.um_per_px = _spacing(document)
    frames = int(document.NumberOfFrames)
    if frames * document.Rows * document.Columns > MOST_PIXELS:
        raise FormatProblem(file, "the segmentation has too many pixels to be read at once")
    pixels = np.asarray(document.pixel_array).reshape(frames, document.Rows, document.Columns)
    places = _places(document, frames, file)
    masks: dict[int, list[BoxMask]] = defaultdict(list)
    for frame, (segment, x, y) in zip(pixels, places, strict=True):
        for number, bits in _bits(frame, segment, document):
            mask = tight(BoxMask(x, y, bits))
            if mask is not None:
                masks[number].append(mask)
    labels = {int(one.SegmentNumber): one for one in document.SegmentSequence}
    empty = set(labels) - set(masks)
    if empty and document.SegmentationType != "LABELMAP":
        context.skip("segments without a pixel", file.name, len(empty))
    for number in sorted(masks):
        whole = union(masks[number])
        assert whole is not None
        about = labels.get(number)
        label: str | None = str(about.SegmentLabel) if about is not None else f"segment {number}"
        uid = _lasting_id(about) if about is not None else ""
        label = None if label == UNCLASSIFIED else label
        if label and about is not None and "RecommendedDisplayCIELabValue" in about:
            colors.setdefault(label, _color(about.RecommendedDisplayCIELabValue))
        image.annotations.append(Annotation(Pixels(whole), label, uid=uid, place=f"segment {number}"))


def _lasting_id(about: Any) -> str:
    """The tracking UID of a segment; one that is made of a UUID (2.25.NUMBER) is that UUID."""
    uid = str(about.get("TrackingUID", ""))
    number = uid.removeprefix("2.25.")
    if number == uid or not number.isdecimal() or int(number) >= 2**128:
        return uid
    return str(uuid.UUID(int=int(number)))


def _color(scaled: Any) -> str:
    """#rrggbb of a colour as DICOM keeps it: CIELab, each value spread over 16 bits (PS3.3, C.10.7.1.1)."""
    from skimage.color import lab2rgb

    lightness, a, b = (float(value) / 65535 for value in scaled)
    rgb = lab2rgb(np.array([lightness * 100, a * 255 - 128, b * 255 - 128]))
    return "#" + "".join(f"{round(value * 255):02x}" for value in rgb)


def _bits(frame: Any, segment: int, document: Any) -> list[tuple[int, Any]]:
    """(number of a segment, its pixels) of one frame."""
    kind = document.SegmentationType
    if kind == "LABELMAP":
        return [(int(number), frame == number) for number in np.unique(frame) if number]
    if kind == "FRACTIONAL":
        return [(segment, frame * 2 >= int(document.MaximumFractionalValue))]
    return [(segment, frame != 0)]


def _places(document: Any, frames: int, file: Path) -> list[tuple[int, int, int]]:
    """For each frame its segment, and the x and y of its first pixel, from 0."""
    found = []
    groups = document.get("PerFrameFunctionalGroupsSequence")
    for index in range(frames):
        group = groups[index] if groups is not None and index < len(groups) else None
        if group is not None and "PlanePositionSlideSequence" in group:
            position = group.PlanePositionSlideSequence[0]
            x = int(position.ColumnPositionInTotalImagePixelMatrix) - 1
            y = int(position.RowPositionInTotalImagePixelMatrix) - 1
            found.append((_segment(group, document), x, y))
        else:
            found.append(_tile(document, index, file))
    return found


def _segment(group: Any, document: Any) -> int:
    if "SegmentIdentificationSequence" in group:
        return int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
    return int(document.SegmentSequence[0].SegmentNumber)


def _tile(document: Any, index: int, file: Path) -> tuple[int, int, int]:
    """A frame of TILED_FULL: all tiles of the first segment by rows, then those of the second, and so on."""
    if document.get("DimensionOrganizationType") != "TILED_FULL":
        raise FormatProblem(file, "the frame says no place in the slide", place=f"frame {index + 1}")
    across = -(-int(document.TotalPixelMatrixColumns) // int(document.Columns))
    down = -(-int(document.TotalPixelMatrixRows) // int(document.Rows))
    segment, tile = divmod(index, across * down)
    row, column = divmod(tile, across)
    number = int(document.SegmentSequence[min(segment, len(document.SegmentSequence) - 1)].SegmentNumber)
    return number, column * int(document.Columns), row * int(document.Rows)


def _spacing(document: Any) -> float | None:
    try:
        measures = document.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        return float(measures.PixelSpacing[0]) * 1000
    except (AttributeError, IndexError, TypeError, ValueError):
        return None


# -- ANN


def _read_groups(
    image: AnnotatedImage,
    document: Any,
    file: Path,
    context: Context,
) -> None:
    if document.get("AnnotationCoordinateType", "2D") != "2D":
        cause = "its coordinates are in 3-D, in millimetres of the slide"
        raise FormatProblem(file, cause, remedy="export annotations in 2-D")
    for place, group in enumerate(document.AnnotationGroupSequence, start=1):
        kind = str(group.GraphicType)
        if kind not in (*POINTS_OF, *OF_ANY_LENGTH):
            context.decline(FormatProblem(file, f"the graphic type {kind} is not read", place=f"group {place}"))
            continue
        label = str(group.get("AnnotationGroupLabel", "")) or None
        measured = _measurements(group)
        for number, xy in enumerate(_graphics(group, kind), start=1):
            where = f"group {place}, annotation {number}"
            with context.one_object():
                made = Annotation(_geometry(kind, xy), label, place=where)
                made.measurements = {
                    name: values_of_group[number]
                    for name, values_of_group in measured.items()
                    if number in values_of_group
                }
                image.annotations.append(made)


def _graphics(group: Any, kind: str) -> list[Ring]:
    """The points of each annotation of a group."""
    if "DoublePointCoordinatesData" in group:
        flat = np.frombuffer(group.DoublePointCoordinatesData, np.float64)
    else:
        flat = np.frombuffer(group.PointCoordinatesData, np.float32).astype(np.float64)
    if kind in OF_ANY_LENGTH:
        starts = np.frombuffer(group.LongPrimitivePointIndexList, np.uint32).astype(np.int64) - 1
        return [part.reshape(-1, 2) for part in np.split(flat, starts[1:])]
    return list(flat.reshape(-1, POINTS_OF[kind], 2))


def _geometry(kind: str, xy: Ring) -> Geometry:
    if kind == "POINT":
        return Points(xy)
    if kind == "POLYLINE":
        return OpenLine(xy)
    if kind == "ELLIPSE":
        middle, long, across = xy.mean(axis=0), xy[1] - xy[0], xy[3] - xy[2]
        angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)[:, None]
        ring = middle + np.cos(angle) * long / 2 + np.sin(angle) * across / 2
        return Outline((Polygon(ring),), is_ellipse=True)
    return polygon(xy)


def _measurements(group: Any) -> dict[str, dict[int, float]]:
    """Name of a measurement -> number of an annotation, from 1 -> its value."""
    found: dict[str, dict[int, float]] = {}
    for one in group.get("MeasurementsSequence", []):
        name = str(one.ConceptNameCodeSequence[0].CodeMeaning)
        values_of_group = one.MeasurementValuesSequence[0]
        numbers = np.frombuffer(values_of_group.FloatingPointValues, np.float32).tolist()
        which = range(1, len(numbers) + 1)
        if "AnnotationIndexList" in values_of_group:
            which = np.frombuffer(values_of_group.AnnotationIndexList, np.uint32).tolist()
        found[name] = dict(zip(which, numbers, strict=False))
    return found


KEEPS = frozenset(
    (
        Property.MASKS, Property.HOLES, Property.PARTS, Property.CLASSES, Property.IDS, Property.EMPTY, Property.NAMES,
        Property.SCALE, Property.COLORS,
    )
)  # fmt: skip
FORMATS = {"dicom": Format("dicom", "DICOM SEG and ANN", recognises, read, write, KEEPS, (".dcm",))}
