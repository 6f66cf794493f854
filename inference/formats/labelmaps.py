"""Label maps as PNG, TIFF and OME-TIFF: 0 background, each further number an object, one file an image.

A pixel is an index, so nothing moves. PNG has 16 bits and one plane: objects that overlap lose pixels to the
earlier one, and more than 65,535 objects are declined. TIFF and OME-TIFF have as many pages (OME: channels) as
overlaps need, each object whole on one, and 32 bits where 16 do not do. Beside NAME.png lies NAME_cells.csv, which
says what each id is; `cells.csv` of Boxwise's own exports is read the same way. Ids may leave out numbers.
"""

import csv
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.formats import values
from inference.formats.format import Format, Target
from inference.formats.losses import Property
from inference.formats.model import AnnotatedImage, Annotation, Annotations, LabelClass
from inference.formats.painting import Painted, objects_of, paint
from inference.formats.problems import Context, FormatProblem
from inference.formats.sources import Source, head_of, read_table

COLUMNS = ("id", "page", "class", "color", "score", "uid", "name", "parent", "crowd", "attributes", "measurements")
TABLE = "_cells.csv"
MOST_IN_16_BITS = 65_535
MOST_PIXELS = 2**31
SAME = 0.7  # least share of the pixels of objects whose next pixel is of the same object
PNG = (".png",)
TIFF = (".tif", ".tiff")
Row = dict[str, str]  # of a table: name of a column -> value


def _recognises_png(source: Source) -> bool:
    return any(_is_label_map(file) for file in source.with_suffix(*PNG))


def _recognises_tiff(source: Source) -> bool:
    return any(_is_label_map(file) for file in source.with_suffix(*TIFF) if not _is_ome(file))


def _recognises_ome(source: Source) -> bool:
    return any(_is_label_map(file) for file in source.with_suffix(*TIFF) if _is_ome(file))


def _is_ome(file: Path) -> bool:
    return file.name.lower().endswith((".ome.tif", ".ome.tiff")) or b"<OME " in head_of(file, 2**16)


def _is_label_map(file: Path) -> bool:
    """Whether the first page is one channel of whole numbers that lie as labels do, or a table beside it says so."""
    from inference.reading.label_maps import largest_label

    try:
        pages, _ = _pages(file, first_only=True)
    except FormatProblem:
        return False
    if _table_of(file).is_file() or not pages[0].any():
        return _table_of(file).is_file() or pages[0].size > 0
    if largest_label(pages[0][..., None]) is not None:
        return True
    return pages[0].dtype.itemsize > 1 and _is_flat(pages[0])


def _is_flat(page: npt.NDArray[np.integer[Any]]) -> bool:
    """Whether a page of 16 bits and more has background, and neighbours in objects that mostly have one number: labels
    whose numbers are far apart. Eight bits are too few to tell them from a picture."""
    objects = page[:, :-1] != 0
    if not objects.any() or page.all():
        return False
    same = page[:, 1:] == page[:, :-1]
    return bool(same[objects].mean() > SAME)


# -- reading


def _read_png(source: Source, context: Context) -> Annotations:
    return _read(source, source.with_suffix(*PNG), context)


def _read_tiff(source: Source, context: Context) -> Annotations:
    return _read(source, source.with_suffix(*TIFF), context)


def _read(source: Source, files: list[Path], context: Context) -> Annotations:
    """Of a folder, the pictures among the files are left out; a file that was named alone is read or declined."""
    found = Annotations()
    shared = _rows(source.named("cells.csv"))
    colors: dict[str, str] = {}
    for file in files:
        if len(files) > 1 and not _is_label_map(file):
            continue
        pages, scale = _pages(file)
        image = AnnotatedImage(_stem(file), pages[0].shape[1], pages[0].shape[0], um_per_px=scale)
        rows = _by_id(_rows(_table_of(file)) or _of_file(shared, file, source))
        seen: dict[int, Annotation] = {}
        for page in pages:
            for number, one in objects_of(page):
                _tell(one, rows.get(number, {}), colors, file)
                seen.setdefault(number, one)
        image.annotations = [seen[number] for number in sorted(seen)]
        found.images.append(image)
    found.classes = [LabelClass(name, None, color) for name, color in colors.items()]
    return found


def _stem(file: Path) -> str:
    name = file.name
    for ending in (".ome.tif", ".ome.tiff"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return file.stem.removesuffix("_cp_masks")


def _table_of(file: Path) -> Path:
    return file.with_name(f"{_stem(file)}{TABLE}")


def _rows(file: Path | None) -> list[Row]:
    """The rows of a table; none without the table."""
    if file is None or not file.is_file():
        return []
    return [row for _, row in read_table(file)]


def _of_file(rows: list[Row], file: Path, source: Source) -> list[Row]:
    """Of a table for several files, the rows of one."""
    names = (file.relative_to(source.root).as_posix(), file.name)
    return [row for row in rows if row.get("file", "") in names]


def _by_id(rows: list[Row]) -> dict[int, Row]:
    return {int(row["id"]): row for row in rows if row.get("id", "").isdecimal()}


def _tell(
    one: Annotation,
    row: Row,
    colors: dict[str, str],
    file: Path,
) -> None:
    """Give an object what its row says."""
    if row.get("class"):
        one.label = row["class"]
        colors.setdefault(one.label, row.get("color") or "")
    one.uid, one.name, one.parent = (row.get(key) or "" for key in ("uid", "name", "parent"))
    one.crowd = row.get("crowd") == "1"
    if row.get("score"):
        one.score = values.number(row["score"], file, one.place, "score")
    for key in ("attributes", "measurements"):
        if (row.get(key) or "").startswith("{"):
            try:
                setattr(one, key, json.loads(row[key]))
            except ValueError as error:
                raise FormatProblem(_table_of(file), f"its {key} are no JSON", place=one.place) from error


def _pages(file: Path, *, first_only: bool = False) -> tuple[list[npt.NDArray[np.integer[Any]]], float | None]:
    """The pages (H, W) of whole numbers, and µm a pixel where the file says it. Raises FormatProblem."""
    try:
        if file.suffix.lower() in PNG:
            pages, scale = [_png(file)], None
        else:
            pages, scale = _tiff(file, first_only=first_only)
    except FormatProblem:
        raise
    except Exception as error:  # decoders raise whatever a damaged file leads to
        raise FormatProblem(file, f"the file cannot be read as a label map ({error})") from error
    for page in pages:
        if page.ndim != 2:
            cause = f"a label map has one channel, and this picture has {page.shape[-1]}"
            raise FormatProblem(file, cause, remedy="colours are no labels: save ids as whole numbers")
        if page.shape != pages[0].shape:
            raise FormatProblem(file, "its pages have different sizes")
    return [_whole(page, file) for page in pages], scale


def _png(file: Path) -> npt.NDArray[Any]:
    from PIL import Image

    with Image.open(file, formats=("PNG",)) as picture:
        if picture.width * picture.height > MOST_PIXELS:
            raise FormatProblem(file, f"{picture.width} x {picture.height} px are too many")
        return np.asarray(picture)


def _tiff(file: Path, *, first_only: bool) -> tuple[list[npt.NDArray[Any]], float | None]:
    import tifffile

    with tifffile.TiffFile(file) as opened:
        wanted = opened.pages[:1] if first_only else list(opened.pages)
        if sum(page.size for page in wanted) > MOST_PIXELS:
            raise FormatProblem(file, "the file has too many pixels for one label map")
        return [page.asarray() for page in wanted], _scale(file)


def _scale(file: Path) -> float | None:
    from inference.reading import Unreadable, identify

    try:
        scale = identify(file).scale
    except (Unreadable, OSError):
        return None
    return scale.x if scale is not None else None


def _whole(page: npt.NDArray[Any], file: Path) -> npt.NDArray[np.integer[Any]]:
    if page.dtype == bool:
        return page.astype(np.uint8)
    if page.dtype.kind == "f" and np.isfinite(page).all() and (page == np.rint(page)).all():
        page = page.astype(np.int64)
    if page.dtype.kind not in "ui":
        raise FormatProblem(file, "its numbers are no whole numbers, so they are no ids")
    if page.size and int(page.min()) < 0:
        raise FormatProblem(file, "it holds ids below 0")
    return page


# -- writing


def _write_png(annotations: Annotations, target: Target) -> None:
    from PIL import Image

    for image, file in target.each(annotations, ".png"):
        painted = paint(image, target, on_pages=False)
        if len(painted.objects) > MOST_IN_16_BITS:
            cause = f"{len(painted.objects):,} objects do not fit into the 16 bits of a PNG"
            raise FormatProblem(image.name, cause, remedy="write TIFF (--to tiff)")
        Image.fromarray(painted.pages[0].astype(np.uint16)).save(file, "PNG")
        _write_table(file, painted, annotations)


def _write_tiff(annotations: Annotations, target: Target) -> None:
    for image, file in target.each(annotations, ".tif"):
        _write_pages(image, file, annotations, target, is_ome=False)


def _write_ome(annotations: Annotations, target: Target) -> None:
    for image, file in target.each(annotations, ".ome.tif"):
        _write_pages(image, file, annotations, target, is_ome=True)


def _write_pages(
    image: AnnotatedImage,
    file: Path,
    annotations: Annotations,
    target: Target,
    *,
    is_ome: bool,
) -> None:
    import tifffile

    painted = paint(image, target, on_pages=True)
    dtype = np.uint16 if len(painted.objects) <= MOST_IN_16_BITS else np.uint32
    scale = image.um_per_px
    with tifffile.TiffWriter(file, ome=is_ome, bigtiff=sum(page.nbytes for page in painted.pages) > 2**31) as writer:
        if is_ome:
            # Of one name always the same identifier, so that equal work gives equal files.
            identifier = str(uuid.uuid5(uuid.NAMESPACE_OID, f"boxwise label map of {image.name}"))
            metadata: dict[str, Any] = {"axes": "CYX", "Name": image.name, "UUID": identifier}
            if scale is not None:
                metadata |= {"PhysicalSizeX": scale, "PhysicalSizeXUnit": "µm"}
                metadata |= {"PhysicalSizeY": scale, "PhysicalSizeYUnit": "µm"}
            pages = np.stack(painted.pages).astype(dtype)
            writer.write(pages, photometric="minisblack", compression="zlib", metadata=metadata)
        else:
            resolution: dict[str, Any] = {}
            if scale is not None:
                resolution = {"resolution": (1e4 / scale, 1e4 / scale), "resolutionunit": "CENTIMETER"}
            for page in painted.pages:
                pixels = page.astype(dtype)
                writer.write(pixels, photometric="minisblack", compression="zlib", metadata=None, **resolution)
    _write_table(file, painted, annotations)


def _write_table(file: Path, painted: Painted, annotations: Annotations) -> None:
    with _table_of(file).open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number, (one, page) in enumerate(zip(painted.objects, painted.page_of, strict=True), start=1):
            color = annotations.color_of(one.label) if one.label is not None else ""
            measured = {name: value for name, value in one.measurements.items() if np.isfinite(value)}
            score = "" if one.score is None else repr(one.score)
            row = [one.label or "", color, score, one.uid, one.name, one.parent, "1" if one.crowd else ""]
            writer.writerow([number, page + 1, *row, _json(one.attributes), _json(measured)])


def _json(value: Mapping[str, object]) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) if value else ""


IN_TABLE = frozenset(
    (
        Property.CLASSES, Property.COLORS, Property.SCORES, Property.IDS, Property.NAMES_OF_OBJECTS, Property.PARENTS,
        Property.CROWDS, Property.ATTRIBUTES, Property.MEASUREMENTS,
    )
)  # fmt: skip
OF_ALL = IN_TABLE | {Property.MASKS, Property.HOLES, Property.PARTS, Property.EMPTY, Property.NAMES}
OF_PAGES = OF_ALL | {Property.OVERLAPS, Property.MANY, Property.SCALE}
OME_ENDINGS = (".ome.tif", ".ome.tiff")
FORMATS = {
    "png": Format("png", "Label map, PNG", _recognises_png, _read_png, _write_png, OF_ALL, PNG),
    "tiff": Format("tiff", "Label map, TIFF", _recognises_tiff, _read_tiff, _write_tiff, OF_PAGES, TIFF),
    "ome": Format("ome", "Label map, OME-TIFF", _recognises_ome, _read_tiff, _write_ome, OF_PAGES, OME_ENDINGS),
}
