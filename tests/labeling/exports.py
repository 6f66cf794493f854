"""Exports as tests read them."""

import json
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from labeling.exchange.exporting import write_export
from labeling.exchange.request import ExportRequest
from labeling.projects.models import Project

EVERYTHING = ("masks", "boxes", "points", "regions", "cannot_tell", "rejected", "proposals")


def exported_bytes(project: Project, layout: str, **wanted: Any) -> bytes:
    """The file of an export."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "export"
        write_export(project, ExportRequest.of(layout, **wanted), path)
        return path.read_bytes()


def exported_coco(project: Project, **wanted: Any) -> dict[str, Any]:
    """The COCO document."""
    document: dict[str, Any] = json.loads(exported_bytes(project, "coco", **wanted))
    return document


def exported_folder(project: Project, layout: str, folder: Path, **wanted: Any) -> Path:
    """The unpacked zip of an export."""
    path = folder / f"{layout}.zip"
    path.write_bytes(exported_bytes(project, layout, **wanted))
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder / layout)
    return folder / layout
