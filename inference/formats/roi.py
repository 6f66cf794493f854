"""ImageJ ROIs: one .roi file, or a zip of them an image.

The corners of an area are continuous pixels, (0, 0) the corner of the image: as ours. Rectangles and ovals are the
pixels from left to right - 1. Lines and points lie in the same frame, so the point of a pixel's centre has .5.
Holes and detached parts are a composite. What a ROI has no field for stands in its properties, as ImageJ keeps
them: label, uid, score, parent, and the attributes behind "attribute ". Text, images and lines' widths are not
read.
"""

import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from inference.formats import values
from inference.formats.format import Format, Target
from inference.formats.geometry import corners, ellipse, outline_of
from inference.formats.losses import Property
from inference.formats.model import (
    AnnotatedImage,
    Annotation,
    Annotations,
    Geometry,
    Outline,
    Points,
    Polygon,
    Rectangle,
)
from inference.formats.model import Line as OpenLine
from inference.formats.names import unique_stems
from inference.formats.problems import Context, FormatProblem
from inference.formats.rings import polygons_of_rings
from inference.formats.sources import Source, check_members, has_rois, head_of, is_roi, is_zip, names_in_zip, read_bytes

MOST_BYTES = 2**28  # of one ROI
SAME_TIME = (1980, 1, 1, 0, 0, 0)  # in the archive, so that equal work gives equal files


def recognises(source: Source) -> bool:
    return any(head_of(file, 4) == b"Iout" for file in source.with_suffix(".roi")) or any(map(_is_rois, _zips(source)))


def _zips(source: Source) -> list[Path]:
    return [file for file in source.files if is_zip(file)]


def _is_rois(file: Path) -> bool:
    try:
        return has_rois(file)
    except FormatProblem:  # a damaged zip is of no format
        return False


# -- reading


def read(source: Source, context: Context) -> Annotations:
    """A zip of ROIs is an image; single .roi files of one folder are one image together. Other zips are passed over."""
    found = Annotations()
    single = source.with_suffix(".roi")
    if single:
        name = single[0].stem if len(single) == 1 else source.path.stem
        image = AnnotatedImage(name)
        for file in single:
            with context.one_object():
                _add(image, read_bytes(file, MOST_BYTES), file, file.stem, context)
        found.images.append(image)
    for file in _zips(source):
        with context.one_object():
            if all(map(is_roi, names_in_zip(file))):  # an image without objects is an empty zip
                found.images.append(_read_zip(file, context))
    return found


def _read_zip(file: Path, context: Context) -> AnnotatedImage:
    image = AnnotatedImage(file.stem)
    with zipfile.ZipFile(file) as archive:
        check_members(file, archive)
        for member in archive.infolist():
            with context.one_object():
                content = _member(file, archive, member)
                _add(image, content, file, member.filename, context)
    return image


def _member(file: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.file_size > MOST_BYTES:
        raise FormatProblem(file, "the ROI is far larger than ROIs are", place=member.filename)
    try:
        return archive.read(member)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError) as error:
        raise FormatProblem(file, f"it cannot be unpacked ({error})", place=member.filename) from error


def _add(image: AnnotatedImage, content: bytes, file: Path, place: str, context: Context) -> None:
    import roifile

    try:
        roi = roifile.ImagejRoi.frombytes(content)
        geometry = _geometry(roi)
    except FormatProblem:
        raise
    except Exception as error:  # roifile raises whatever a damaged file leads to
        raise FormatProblem(file, f"the ROI cannot be read ({error})", place=place) from error
    if geometry is None:
        context.skip(f"ROIs of type {roi.roitype.name.lower()}", f"{file.name}, {place}")
        return
    properties = _properties(roi.props)
    label = properties.pop("label", None) or (f"group {roi.group}" if roi.group else None)
    score = properties.pop("score", None)
    made = Annotation(
        geometry=geometry,
        label=label,
        uid=properties.pop("uid", ""),
        name=roi.name.rstrip("\x00"),
        score=None if score is None else values.number(score, file, place, "score"),
        parent=properties.pop("parent", ""),
        attributes=properties,
        place=place,
    )
    image.annotations.append(made)


def _properties(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        key, colon, value = line.partition(": ")
        if colon:
            found[key.removeprefix("attribute ")] = value
    return found


def _geometry(roi: Any) -> Geometry | None:
    """None for a ROI that is no geometry, such as text."""
    from roifile import ROI_SUBTYPE, ROI_TYPE

    if roi.roitype in (ROI_TYPE.RECT, ROI_TYPE.OVAL):
        if roi.composite:
            rings = [values.ring(path) for path in roi.coordinates(multi=True)]
            return Outline(polygons_of_rings([ring for ring in rings if len(ring) > 2]))
        box = _box(roi)
        if roi.roitype == ROI_TYPE.OVAL:
            x0, y0, x1, y1 = box
            return ellipse((x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) / 2, (y1 - y0) / 2)
        return Rectangle(box)
    if roi.subtype == ROI_SUBTYPE.ELLIPSE:
        return _ellipse_of_axis(roi)
    if roi.subtype == ROI_SUBTYPE.ROTATED_RECT:
        return _rectangle_of_axis(roi)
    if roi.roitype == ROI_TYPE.LINE:
        return OpenLine(np.array([[roi.x1, roi.y1], [roi.x2, roi.y2]], np.float64))
    xy = np.asarray(roi.coordinates(), np.float64).reshape(-1, 2)
    if roi.roitype in (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED):
        return Outline((Polygon(values.ring(xy)),))
    if roi.roitype in (ROI_TYPE.POLYLINE, ROI_TYPE.FREELINE, ROI_TYPE.ANGLE):
        return OpenLine(xy)
    return Points(xy) if roi.roitype == ROI_TYPE.POINT else None


def _box(roi: Any) -> tuple[float, float, float, float]:
    if roi.subpixelrect:
        return (roi.xd, roi.yd, roi.xd + roi.widthd, roi.yd + roi.heightd)
    return (float(roi.left), float(roi.top), float(roi.right), float(roi.bottom))


def _ellipse_of_axis(roi: Any) -> Outline:
    """An ellipse by the ends of its long axis and the ratio of its axes."""
    begin, end = np.array([roi.x1, roi.y1], np.float64), np.array([roi.x2, roi.y2], np.float64)
    long = float(np.hypot(*(end - begin))) / 2
    middle = (begin + end) / 2
    turned = float(np.rad2deg(np.arctan2(*(end - begin)[::-1])))
    return ellipse(float(middle[0]), float(middle[1]), long, long * _float_ratio(roi), turned)


def _float_ratio(roi: Any) -> float:
    """The float in bytes 52 to 55, which roifile reads as three other fields."""
    fields = (roi.arrow_style_or_aspect_ratio & 0xFF, roi.arrow_head_size & 0xFF, roi.rounded_rect_arc_size)
    packed = struct.pack(f"{roi.byteorder}BBh", *fields)
    return float(struct.unpack(f"{roi.byteorder}f", packed)[0])


def _rectangle_of_axis(roi: Any) -> Outline:
    """A turned rectangle by the middles of two opposite sides and its width."""
    begin, end = np.array([roi.x1, roi.y1], np.float64), np.array([roi.x2, roi.y2], np.float64)
    along = end - begin
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-9) * _float_ratio(roi) / 2
    return Outline((Polygon(np.array([begin + across, end + across, end - across, begin - across])),))


# -- writing


def write(annotations: Annotations, target: Target) -> None:
    for image, file in target.each(annotations, ".zip"):
        if file.suffix.lower() == ".roi":
            if len(image.annotations) != 1:
                cause = f"a .roi file holds one object, and there are {len(image.annotations)}"
                raise FormatProblem(file, cause, remedy="give a name that ends in .zip")
            file.write_bytes(_roi(image.annotations[0], "1").tobytes())
            continue
        titles = [one.name or one.label or "roi" for one in image.annotations]
        named = [(f"{title}.roi", place) for place, title in enumerate(titles, start=1)]
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for stem, one in zip(unique_stems(named), image.annotations, strict=True):
                entry = zipfile.ZipInfo(f"{stem}.roi", SAME_TIME)
                archive.writestr(entry, _roi(one, stem).tobytes(), zipfile.ZIP_DEFLATED)


def _roi(one: Annotation, name: str) -> Any:
    import roifile

    makers: dict[type, Callable[[Any], Any]] = {Rectangle: _rectangle_roi, Points: _points_roi, OpenLine: _line_roi}
    roi = makers.get(type(one.geometry), _area_roi)(one.geometry)
    roi.name = one.name or name
    properties = {"label": one.label, "uid": one.uid, "score": one.score, "parent": one.parent}
    lines = [f"{key}: {value}" for key, value in properties.items() if value not in (None, "")]
    lines += [f"attribute {key}: {_one_line(value)}" for key, value in one.attributes.items()]
    roi.props = "".join(f"{line}\n" for line in lines)
    assert isinstance(roi, roifile.ImagejRoi)
    return roi


def _one_line(value: Any) -> str:
    return " ".join(values.text(value).splitlines())


def _numbers(xy: Any) -> Any:
    """Whole numbers where all are, which every ImageJ reads; else with fractions."""
    whole = np.rint(xy)
    return whole.astype(np.int32) if (whole == xy).all() and np.abs(xy).max() < 30_000 else xy.astype(np.float32)


def _rectangle_roi(geometry: Rectangle) -> Any:
    import roifile

    x0, y0, x1, y1 = geometry.box
    if any(side != int(side) for side in geometry.box) or max(geometry.box) > 30_000 or min(geometry.box) < 0:
        return _area_roi(Outline((Polygon(corners(geometry.box)),)))
    roi = roifile.ImagejRoi()
    roi.roitype = roifile.ROI_TYPE.RECT
    roi.left, roi.top, roi.right, roi.bottom = int(x0), int(y0), int(x1), int(y1)
    return roi


def _points_roi(geometry: Points) -> Any:
    import roifile

    roi = roifile.ImagejRoi.frompoints(geometry.xy.astype(np.float32))
    roi.roitype = roifile.ROI_TYPE.POINT
    return roi


def _line_roi(geometry: OpenLine) -> Any:
    import roifile

    roi = roifile.ImagejRoi.frompoints(_numbers(geometry.xy))
    roi.roitype = roifile.ROI_TYPE.POLYLINE
    return roi


def _area_roi(geometry: Any) -> Any:
    """A polygon, or a composite of paths: 0 x y begins one, 1 x y draws, 4 closes it."""
    import roifile

    parts = outline_of(geometry)
    if len(parts) == 1 and not parts[0].holes:
        roi = roifile.ImagejRoi.frompoints(_numbers(parts[0].shell))
        roi.roitype = roifile.ROI_TYPE.POLYGON
        return roi
    path: list[float] = []
    for ring in Outline(parts).rings:
        for place, (x, y) in enumerate(ring.tolist()):
            path += [0.0 if place == 0 else 1.0, x, y]
        path.append(4.0)
    roi = roifile.ImagejRoi()
    roi.roitype = roifile.ROI_TYPE.RECT
    xy = np.concatenate([part.shell for part in parts])
    (roi.left, roi.top), (roi.right, roi.bottom) = np.floor(xy.min(axis=0)), np.ceil(xy.max(axis=0))
    roi.multi_coordinates = np.array(path, np.float32)
    roi.shape_roi_size = len(path)
    return roi


KEEPS = frozenset(
    (
        Property.MASKS, Property.HOLES, Property.PARTS, Property.OVERLAPS, Property.SUBPIXEL, Property.BOXES,
        Property.POINTS, Property.LINES, Property.MANY, Property.CLASSES, Property.SCORES, Property.ATTRIBUTES,
        Property.IDS, Property.NAMES_OF_OBJECTS, Property.PARENTS, Property.EMPTY, Property.NAMES,
    )
)  # fmt: skip
FORMATS = {"roi": Format("roi", "ImageJ ROI", recognises, read, write, KEEPS, (".zip", ".roi"))}
