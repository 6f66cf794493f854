"""Cells of a slide as files, written cell by cell: GeoJSON for QuPath, COCO, label maps.

All of them are in pixels of level 0 of the slide, origin top left; a label map begins at the region's corner.
"""

import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NotRequired, Protocol, TypedDict

import numpy as np
import PIL.Image
import tifffile

from inference.formats.outlines import polygons_of
from inference.masks import run_lengths
from inference.methods.streamed import Cell, Frame
from inference.types import BoxMask, InferenceError

FORMATS = {".geojson": "geojson", ".json": "coco", ".tif": "tiff", ".tiff": "tiff", ".png": "png"}
ENDINGS = {"geojson": ".geojson", "coco": ".json", "tiff": ".tif", "png": ".png"}
MOST_LABELS = 4_000_000_000  # pixels of a label map: 16 GB while it is written
MOST_PNG = 2**16 - 1  # cells that a 16-bit PNG can name
TILE = 512
Point = tuple[float, float]
Indices = np.ndarray[Any, Any]  # (n,)


class Writer(Protocol):
    def add(self, cell: Cell) -> None: ...

    def close(self) -> int:
        """Finish the file. -> how many cells it holds"""

    def abandon(self) -> None:
        """Leave nothing behind."""


class About(TypedDict):
    """Facts for whoever finds the file.

    slide   [width, height] of level 0; region: [x, y, width, height] of it; origin: of the format's own coordinates
    mpp, model_mpp  µm per pixel of the slide, and at which the models work
    models  what each part of the method does -> its name with version
    origin_of_model  licence and source of a model that was trained elsewhere
    """

    slide: list[int]
    region: list[int]
    mpp: float | None
    model_mpp: float | None
    origin: list[int]
    models: dict[str, str]
    origin_of_model: NotRequired[dict[str, str]]


def write(path: Path, kind: str, cells: Iterable[Cell], frame: Frame, *, name: str, about: About) -> int:
    """Write the cells of a region; the file is there when it is whole. -> how many

    kind   geojson, coco, tiff or png
    name   of the slide's file
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    made = WRITERS[kind](unfinished, frame, name, about)
    try:
        for cell in cells:
            made.add(cell)
        count = made.close()
    except BaseException:
        made.abandon()
        raise
    unfinished.replace(path)
    return count


def rings_of(cell: Cell, frame: Frame) -> list[list[list[Point]]]:
    """Parts of a cell, each its outer ring and then its holes, in px of level 0, not closed."""
    parts = polygons_of(cell.mask)
    return [[[to_slide(x, y, frame) for x, y in ring] for ring in part] for part in parts]


def to_slide(x: float, y: float, frame: Frame) -> Point:
    """From the model's frame to level 0."""
    across = frame.region.x + x * frame.factor
    down = frame.region.y + y * frame.factor
    return _rounded(across), _rounded(down)


def _rounded(value: float) -> float:
    rounded = round(value, 2)
    return int(rounded) if rounded == int(rounded) else rounded


class GeoJsonWriter:
    """A FeatureCollection of detections as QuPath reads them."""

    def __init__(self, path: Path, frame: Frame, name: str, about: About) -> None:
        self.path, self.frame, self.count = path, frame, 0
        self.file = path.open("w", encoding="utf-8")
        self.file.write('{"type":"FeatureCollection","boxwise":' + json.dumps(about) + ',"features":[')

    def add(self, cell: Cell) -> None:
        parts = [[_closed(ring) for ring in part] for part in rings_of(cell, self.frame)]
        if len(parts) == 1:
            geometry: dict[str, Any] = {"type": "Polygon", "coordinates": parts[0]}
        else:
            geometry = {"type": "MultiPolygon", "coordinates": parts}
        feature = {
            "type": "Feature",
            "id": str(uuid.uuid4()),
            "geometry": geometry,
            "properties": {
                "objectType": "detection",
                "classification": {"name": f"class {cell.class_index + 1}"},
                "measurements": {"score": round(cell.score, 4)},
                "metadata": {"score": repr(round(cell.score, 4))},  # where inference.formats and QuPath keep it
            },
        }
        self.file.write((",\n" if self.count else "\n") + json.dumps(feature, separators=(",", ":")))
        self.count += 1

    def close(self) -> int:
        self.file.write("\n]}\n")
        self.file.close()
        return self.count

    def abandon(self) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)


class CocoWriter:
    """COCO with polygons, or uncompressed run lengths where a cell has a hole, which polygons of COCO cannot hold."""

    def __init__(self, path: Path, frame: Frame, name: str, about: About) -> None:
        self.path, self.frame, self.count = path, frame, 0
        self.classes: set[int] = {0}
        width, height = about["slide"]
        image = {"id": 1, "file_name": name, "width": width, "height": height}
        self.size = (width, height)
        self.file = path.open("w", encoding="utf-8")
        self.file.write('{"info":' + json.dumps(about) + ',"images":[' + json.dumps(image) + '],"annotations":[')

    def add(self, cell: Cell) -> None:
        self.count += 1
        self.classes.add(cell.class_index)
        parts = rings_of(cell, self.frame)
        outlines = [part[0] for part in parts]
        points = np.concatenate(outlines)
        x0, y0 = points.min(axis=0).tolist()
        x1, y1 = points.max(axis=0).tolist()
        area = float(cell.mask.bits.sum()) * self.frame.factor**2
        annotation = {
            "id": self.count,
            "image_id": 1,
            "category_id": cell.class_index + 1,
            "segmentation": self._segmentation(cell, parts),
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "area": round(area, 2),
            "iscrowd": 0,
            "score": round(cell.score, 4),
        }
        self.file.write((",\n" if self.count > 1 else "\n") + json.dumps(annotation, separators=(",", ":")))

    def _segmentation(self, cell: Cell, parts: list[list[list[Point]]]) -> Any:
        if all(len(part) == 1 for part in parts):
            return [np.array(part[0], float).ravel().tolist() for part in parts]
        mask = enlarged(cell.mask, self.frame)
        width, height = self.size
        return {"size": [height, width], "counts": run_lengths(mask, width, height)}

    def close(self) -> int:
        categories = [{"id": index + 1, "name": f"class {index + 1}"} for index in sorted(self.classes)]
        self.file.write('\n],"categories":' + json.dumps(categories) + "}\n")
        self.file.close()
        return self.count

    def abandon(self) -> None:
        self.file.close()
        self.path.unlink(missing_ok=True)


class LabelWriter:
    """A label map of the region at level 0: 16-bit PNG, or tiled 32-bit TIFF. Its pixels wait in a file beside it."""

    def __init__(self, path: Path, frame: Frame, name: str, about: About, *, png: bool) -> None:
        width, height = frame.region.width, frame.region.height
        if width * height > MOST_LABELS:
            raise InferenceError(
                f"a label map of {width} x {height} px is too large; give a --region, or write GeoJSON or COCO"
            )
        self.path, self.frame, self.count, self.png, self.about = path, frame, 0, png, about
        self.scratch = path.with_name(path.name + ".pixels")
        self.labels = np.memmap(self.scratch, np.uint32, "w+", shape=(height, width))

    def add(self, cell: Cell) -> None:
        region = self.frame.region
        mask = enlarged(cell.mask, self.frame)
        top, left = mask.y - region.y, mask.x - region.x
        y0, x0 = max(0, top), max(0, left)
        y1 = min(region.height, top + mask.bits.shape[0])
        x1 = min(region.width, left + mask.bits.shape[1])
        if y0 >= y1 or x0 >= x1:
            return
        window = self.labels[y0:y1, x0:x1]
        bits = mask.bits[y0 - top : y1 - top, x0 - left : x1 - left]
        free = bits & (window == 0)
        if free.any():
            self.count += 1
            window[free] = self.count

    def close(self) -> int:
        if self.png and self.count > MOST_PNG:
            raise InferenceError(f"{self.count} cells do not fit into a 16-bit PNG; give a name that ends in .tif")
        if self.png:
            PIL.Image.fromarray(self.labels.astype(np.uint16)).save(self.path, "PNG")
        else:
            height, width = self.labels.shape
            tifffile.imwrite(
                self.path, self._tiles(), shape=(height, width), dtype=np.uint32, tile=(TILE, TILE), bigtiff=True,
                compression="zlib", predictor=True, photometric="minisblack", metadata=None,
                description=json.dumps(self.about),
            )  # fmt: skip
        self._clear()
        return self.count

    def _tiles(self) -> Iterator[np.ndarray[Any, Any]]:
        height, width = self.labels.shape
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                part = np.zeros((TILE, TILE), np.uint32)
                piece = self.labels[top : top + TILE, left : left + TILE]
                part[: piece.shape[0], : piece.shape[1]] = piece
                yield part

    def abandon(self) -> None:
        self._clear()
        self.path.unlink(missing_ok=True)

    def _clear(self) -> None:
        del self.labels
        self.scratch.unlink(missing_ok=True)


def enlarged(mask: BoxMask, frame: Frame) -> BoxMask:
    """A mask of the model's frame in pixels of level 0: each takes the model's pixel that its centre lies in."""
    factor = frame.factor
    height, width = mask.bits.shape
    left, top = frame.region.x + mask.x * factor, frame.region.y + mask.y * factor
    if factor == 1.0:
        return BoxMask(round(left), round(top), mask.bits)
    first_column, columns, inside_x = _sources(left, width, factor)
    first_row, rows, inside_y = _sources(top, height, factor)
    bits = np.zeros((len(rows), len(columns)), bool)
    source = np.ix_(rows[inside_y], columns[inside_x])
    bits[np.ix_(inside_y, inside_x)] = mask.bits[source]
    return BoxMask(first_column, first_row, bits)


def _sources(begin: float, length: int, factor: float) -> tuple[int, Indices, Indices]:
    """(first pixel of level 0, for each pixel the model's one that its centre lies in, whether there is one)."""
    first = int(np.floor(begin))
    last = int(np.ceil(begin + length * factor))
    centres = np.arange(first, last) + 0.5
    source = np.floor((centres - begin) / factor).astype(int)
    inside = (source >= 0) & (source < length)
    return first, source, inside


def _closed(ring: list[Point]) -> list[list[float]]:
    return [list(point) for point in [*ring, ring[0]]]


def _tiff(path: Path, frame: Frame, name: str, about: About) -> Writer:
    return LabelWriter(path, frame, name, about, png=False)


def _png(path: Path, frame: Frame, name: str, about: About) -> Writer:
    return LabelWriter(path, frame, name, about, png=True)


WRITERS: dict[str, Any] = {"geojson": GeoJsonWriter, "coco": CocoWriter, "tiff": _tiff, "png": _png}
