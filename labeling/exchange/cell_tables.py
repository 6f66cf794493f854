"""Cells as a table, a row each: CSV with WKT, and GeoParquet with WKB.

Coordinates are image pixels, origin top left, y down, as in GeoJSON. Pandas, R and spreadsheets read the CSV; pandas,
geopandas and DuckDB the Parquet, whose geometry has no place on earth (`crs` null).
"""

import csv
import io
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from django.db.models import Count as CountRows

from inference.formats.outlines import polygons_of
from inference.measurements import STAINS, shape_of, stain_means
from inference.types import RGB
from labeling.annotations.models import Effect, Operation
from labeling.exchange.archive import IMAGE_COLUMNS, Archive, as_json, image_row, table
from labeling.exchange.archives import Export, copy_picture
from labeling.exchange.selection import ExportedCell, ExportedImage
from labeling.images.models import Image
from labeling.spreadsheets import as_text

# Column -> kind of its values. Of what is not known a text is empty, a number null.
COLUMNS = {
    "image": "text", "image_id": "whole", "split": "text", "patient": "text", "slide": "text",
    "uid": "text", "status": "text", "class_id": "whole", "class": "text", "author": "text", "reader": "text",
    "parent": "text", "reason": "text", "score": "number", "attributes": "text", "provenance": "text",
    "seconds": "number", "x0": "number", "y0": "number", "x1": "number", "y1": "number",
    "area_px": "number", "area_um2": "number", "perimeter_px": "number", "perimeter_um": "number",
    "circularity": "number", "mean_haematoxylin": "number", "mean_eosin": "number", "mean_dab": "number",
    "geometry": "geometry",
}  # fmt: skip
MEASURED = [name for name in COLUMNS if name.startswith(("area_", "perimeter_", "circularity", "mean_"))]
Row = dict[str, Any]  # a column of COLUMNS -> its value; the geometry is shapely's


@dataclass
class Images:
    """The images whose cells are written: their rows of images.csv, and the pictures that follow."""

    export: Export
    rows: list[list[Any]] = field(default_factory=list)
    pictures: list[tuple[str, Image]] = field(default_factory=list)

    def each(self, stored_as: str) -> Iterator[list[Row]]:
        """The rows of one image's cells after the other."""
        for exported in self.export.images:
            yield rows_of(exported, self.export)
            self.rows.append(image_row(exported, stored_as))
            self.pictures.append((exported.stem, exported.image))

    def add_to(self, archive: Archive) -> None:
        archive.add("images.csv", table(IMAGE_COLUMNS, self.rows))
        if self.export.request.pictures:
            for stem, image in self.pictures:
                copy_picture(archive, f"images/{stem}.png", image)


def csv_archive(archive: Archive, export: Export) -> list[str]:
    """cells.csv, the geometry as WKT."""
    images = Images(export)
    with archive.open("cells.csv") as member:
        member.write(table(list(COLUMNS), []))
        for rows in images.each("CSV"):
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            for row in rows:
                writer.writerow([_in_csv(row[name]) for name in COLUMNS])
            member.write(text.getvalue().encode())
    images.add_to(archive)
    return []


def parquet_archive(archive: Archive, export: Export) -> list[str]:
    """cells.parquet, GeoParquet 1.1, a row group an image."""
    import pyarrow as pa
    import shapely
    from pyarrow import parquet

    kinds = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "geometry": pa.binary()}
    geometry = {"encoding": "WKB", "geometry_types": ["Point", "Polygon", "MultiPolygon"], "crs": None}
    about = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
    fields = [pa.field(name, kinds[kind]) for name, kind in COLUMNS.items()]
    schema = pa.schema(fields, metadata={"geo": json.dumps(about)})
    images = Images(export)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cells.parquet"
        with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
            for rows in images.each("Parquet"):
                for row in rows:
                    row["geometry"] = shapely.to_wkb(row["geometry"])
                if rows:
                    writer.write_table(pa.Table.from_pylist(rows, schema))
        with file.open("rb") as written:
            archive.copy("cells.parquet", written)
    images.add_to(archive)
    return []


def rows_of(exported: ExportedImage, export: Export) -> list[Row]:
    """The rows of an image's cells, in their order. The picture is read once, and not at all of a whole slide."""
    numbers = {label.pk: (number, label.name) for number, label in enumerate(export.classes, start=1)}
    seconds = seconds_of_cells(exported.image)
    rgb = _pixels_of(exported.image)
    found = []
    for cell in exported.cells:
        number, name = numbers.get(cell.label_class or 0, (None, ""))
        row = _described(cell, exported) | _measured(cell, exported.image, rgb)
        row |= {"class_id": number, "class": name, "seconds": seconds.get(cell.row)}
        found.append(row)
    return found


def _described(cell: ExportedCell, exported: ExportedImage) -> Row:
    x0, y0, x1, y1 = cell.box
    image = exported.image
    return {
        "image": exported.file_name,
        "image_id": image.pk,
        "split": image.split,
        "patient": image.specimen.patient,
        "slide": image.specimen.slide,
        "uid": str(cell.uid),
        "status": str(cell.part),
        "author": cell.author,
        "reader": cell.reader,
        "parent": str(cell.parent) if cell.parent else "",
        "reason": cell.reason,
        "score": cell.score,
        "attributes": as_json(cell.attributes).decode() if cell.attributes else "",
        "provenance": as_json(cell.provenance).decode() if cell.provenance else "",
        "x0": x0, "y0": y0, "x1": x1, "y1": y1,
    }  # fmt: skip


def _measured(cell: ExportedCell, image: Image, rgb: RGB | None) -> Row:
    """Geometry and measurements. A box or a point has no outline, so nothing of it is measured."""
    import shapely

    row: Row = dict.fromkeys(MEASURED)
    if cell.point is not None:
        return row | {"geometry": shapely.Point(*cell.point)}
    if cell.mask is None:
        return row | {"geometry": shapely.box(*cell.box)}
    parts = [shapely.Polygon(part[0], part[1:]) for part in polygons_of(cell.mask)]
    row["geometry"] = parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
    shape = shape_of(cell.mask)
    row |= {"area_px": shape.area, "perimeter_px": shape.perimeter, "circularity": shape.circularity}
    if image.um_per_px is not None:
        row["area_um2"] = shape.area * image.um_per_px**2
        row["perimeter_um"] = shape.perimeter * image.um_per_px
    if rgb is not None:
        for stain, mean in zip(STAINS, stain_means(rgb, cell.mask).tolist(), strict=True):
            row[f"mean_{stain}"] = mean
    return row


def seconds_of_cells(image: Image) -> Mapping[int | None, float]:
    """Annotation's key -> seconds that people's acts on it took, on the clock of their browser.

    An act runs from its first event to its commit. One on several cells counts in equal shares. Acts of programs take
    no time; of an imported cell nothing is said.
    """
    operations = Operation.objects.filter(layer__image=image).annotate(cells=CountRows("effects"))
    shares: dict[int, float] = {}
    for key, begun, committed, cells in operations.values_list("pk", "begun_ms", "committed_ms", "cells").iterator():
        if cells and committed > begun:
            shares[key] = (committed - begun) / 1000 / cells
    found: dict[int | None, float] = defaultdict(float)
    effects = Effect.objects.filter(operation__layer__image=image).values_list("annotation", "operation")
    for annotation, operation in effects.iterator():
        if operation in shares:
            found[annotation] += shares[operation]
    return found


def _pixels_of(image: Image) -> RGB | None:
    if not image.pixels:
        return None
    with image.pixels.open("rb") as file, PIL.Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


def _in_csv(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if hasattr(value, "wkt"):
        return value.wkt
    return as_text(value) if isinstance(value, str) else value
