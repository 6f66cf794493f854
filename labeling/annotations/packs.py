"""All live annotations of a layer as one binary pack of columns, for the workspace.

Why not JSON: ten thousand cells are one typed array each column in the browser, without an object per cell. The pack of
a layer at one seq never changes, so it is cached by its ETag "{layer}:{seq}".

    "BXP1" | uint32 LE length N | N bytes JSON header, padded with spaces to 8 | columns, each aligned to 8 bytes

Some columns are there only where a row has something to say in them: "parent"; "decided_by" (the person who gave the
cell its status, 0 for nobody); "disputed" (0 or 1); and "attributes" with one byte for each row and attribute: 0 for
nothing, else the place from 1 in the list of values that the header gives for it.

The header of a shared working layer has the "opinions" on its cells, each with the uid of its "annotation".

The header names the columns with type, offset (from the end of the header) and length (in elements).
"""

import json
import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np

from inference.masks import pack
from inference.types import BoxMask
from labeling.annotations.models import Annotation, Layer, LayerHead, Opinion
from labeling.annotations.opinions import opinion_json
from labeling.annotations.wire import ColumnJson, OpinionJson, PackAbout, PackHeader

MAGIC = b"BXP1"
KINDS = ("cell", "region")
STATUSES = ("confirmed", "rejected", "cannot_tell", "exhaustive", "ignore")
NO_UUID = bytes(16)
TYPES = {"u8": np.uint8, "u32": np.uint32, "i32": np.int32, "f32": np.float32, "f64": np.float64}


def etag(layer: Layer, seq: int) -> str:
    return f'"{layer.pk}:{seq}"'


def pack_layer(layer: Layer) -> tuple[int, bytes]:
    """The layer's seq and its pack at that seq."""
    seq = LayerHead.objects.values_list("seq", flat=True).get(layer=layer)
    rows = list(
        Annotation.objects.filter(layer=layer, deleted=False)
        .order_by("pk")
        .values_list(
            "uid", "last_op", "derived_from", "kind", "status", "label_class_id", "score", "version", "author_id",
            "x0", "y0", "x1", "y1", "mask_x", "mask_y", "mask_width", "mask_height", "mask_bits",
            "layer__head__seq", "attributes", "parent", "decided_by_id", "disputed",
        )
    )  # fmt: skip
    n = len(rows)
    if rows:
        seq = rows[0][18]  # read in one statement with the rows, so both are of one moment
    bits = [bytes(row[17]) if row[17] is not None else b"" for row in rows]
    offsets = np.zeros(n + 1, np.uint32)
    np.cumsum([len(b) for b in bits], out=offsets[1:])
    columns: list[tuple[str, str, np.ndarray[Any, Any]]] = [
        ("id", "u8", _uuids([row[0] for row in rows])),
        ("last_op", "u8", _uuids([row[1] for row in rows])),
        ("derived_from", "u8", _uuids([row[2] for row in rows])),
        ("box", "f64", np.array([row[9:13] for row in rows], np.float64)),
        ("kind", "u8", np.array([KINDS.index(row[3]) for row in rows], np.uint8)),
        ("status", "u8", np.array([STATUSES.index(row[4]) for row in rows], np.uint8)),
        ("label_class", "u32", np.array([row[5] or 0 for row in rows], np.uint32)),
        ("score", "f32", np.array([np.nan if row[6] is None else row[6] for row in rows], np.float32)),
        ("version", "u32", np.array([row[7] for row in rows], np.uint32)),
        ("author", "u32", np.array([row[8] or 0 for row in rows], np.uint32)),
        ("mask_box", "i32", np.array([[v or 0 for v in row[13:17]] for row in rows], np.int32)),
        ("mask_offset", "u32", offsets),
        ("mask_bits", "u8", np.frombuffer(b"".join(bits), np.uint8)),
    ]
    names, codes = _coded([row[19] for row in rows])
    if names:
        columns.append(("attributes", "u8", codes))
    if any(row[20] for row in rows):
        columns.append(("parent", "u8", _uuids([row[20] for row in rows])))
    if any(row[21] for row in rows):
        columns.append(("decided_by", "u32", np.array([row[21] or 0 for row in rows], np.uint32)))
    if any(row[22] for row in rows):
        columns.append(("disputed", "u8", np.array([row[22] for row in rows], np.uint8)))
    about: PackAbout = {"layer": str(layer.pk), "seq": seq, "count": n, "attributes": names}
    if layer.kind == Layer.Kind.WORKING and layer.annotator_id is None:
        about["opinions"] = _opinions(layer)
    return seq, _written(about, columns)


def _opinions(layer: Layer) -> list[OpinionJson]:
    """The layer's opinions, also of deleted cells: undo may bring these back. Read after the cells, so one that came in
    between comes again with the log's tail, which does no harm."""
    given = Opinion.objects.filter(annotation__layer=layer).select_related("author", "annotation")
    found = []
    for opinion in given.order_by("given_at", "pk"):
        entry = opinion_json(opinion)
        entry["annotation"] = str(opinion.annotation.uid)
        entry["given_at"] = opinion.given_at.isoformat()
        found.append(entry)
    return found


def pack_masks(name: str, masks: Sequence[BoxMask]) -> bytes:
    """Masks that stand on no layer, as a pack of confirmed cells; the box of each is its mask's."""
    n = len(masks)
    bits = [pack(mask.bits) for mask in masks]
    frames = np.array([(m.x, m.y, m.bits.shape[1], m.bits.shape[0]) for m in masks], np.int32).reshape(-1, 4)
    columns: list[tuple[str, str, np.ndarray[Any, Any]]] = [
        ("id", "u8", _uuids([uuid.UUID(int=number + 1) for number in range(n)])),
        ("last_op", "u8", _uuids([None] * n)),
        ("derived_from", "u8", _uuids([None] * n)),
        ("box", "f64", np.concatenate([frames[:, :2], frames[:, :2] + frames[:, 2:]], axis=1)),
        *((column, "u8", np.zeros(n)) for column in ("kind", "status")),
        ("label_class", "u32", np.zeros(n)),
        ("score", "f32", np.full(n, np.nan)),
        *((column, "u32", np.zeros(n)) for column in ("version", "author")),
        ("mask_box", "i32", frames),
        ("mask_offset", "u32", np.cumsum([0, *(len(b) for b in bits)])),
        ("mask_bits", "u8", np.frombuffer(b"".join(bits), np.uint8)),
    ]
    return _written({"layer": name, "seq": 0, "count": n, "attributes": []}, columns)


def _written(about: PackAbout, columns: Sequence[tuple[str, str, np.ndarray[Any, Any]]]) -> bytes:
    described: list[ColumnJson] = []
    body = bytearray()
    for name, type_, values in columns:
        described.append({"name": name, "type": type_, "offset": len(body), "length": int(values.size)})
        body += np.ascontiguousarray(values, TYPES[type_]).tobytes()
        body += bytes(-len(body) % 8)
    header = json.dumps({**about, "columns": described}).encode()
    header += b" " * (-(8 + len(header)) % 8)
    return MAGIC + len(header).to_bytes(4, "little") + header + bytes(body)


def unpack_layer(data: bytes) -> tuple[PackHeader, dict[str, np.ndarray[Any, Any]]]:
    """Header and flat columns of a pack: what the browser does, for tests and scripts."""
    if data[:4] != MAGIC:
        raise ValueError("not a pack of annotations")
    end = 8 + int.from_bytes(data[4:8], "little")
    header: PackHeader = json.loads(data[8:end])
    return header, {
        column["name"]: np.frombuffer(data, TYPES[column["type"]], column["length"], end + column["offset"])
        for column in header["columns"]
    }


def _coded(rows: list[dict[str, str] | None]) -> tuple[list[list[Any]], np.ndarray[Any, Any]]:
    """[[name, [values]], ...] as they occur, and (rows * names,) codes, row by row."""
    values: dict[str, list[str]] = {}
    for one in rows:
        for name, value in (one or {}).items():
            if value not in values.setdefault(name, []):
                values[name].append(value)
    codes = np.zeros((len(rows), len(values)), np.uint8)
    for i, one in enumerate(rows):
        for j, name in enumerate(values):
            if one and name in one:
                codes[i, j] = 1 + values[name].index(one[name])
    return [[name, list(of)] for name, of in values.items()], codes.ravel()


def _uuids(values: list[uuid.UUID | None]) -> np.ndarray[Any, Any]:
    return np.frombuffer(b"".join(v.bytes if v else NO_UUID for v in values), np.uint8)
