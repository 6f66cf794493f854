"""Exports and imports as jobs."""

from pathlib import Path

from labeling.exchange.exporting import write_export
from labeling.exchange.importing.services import do_import
from labeling.exchange.request import ExportRequest
from labeling.jobs.handlers import Result, Tell, handles
from labeling.jobs.items import each_item
from labeling.jobs.models import Job


@handles(Job.Kind.EXPORT)
def export(job: Job, folder: Path, tell: Tell) -> Result:
    """Write the export that the job asks for."""
    path = folder / "export"
    written = write_export(job.project, ExportRequest.from_json(job.request), path, tell)
    facts = {
        "images": written.images,
        "annotations": written.cells,
        "notes": list(written.notes),
        "sha256": written.sha256,
        "bytes": path.stat().st_size,
    }
    return Result(path, written.file_name, written.content_type, facts)


@handles(Job.Kind.IMPORT)
def import_annotations(job: Job, folder: Path, tell: Tell) -> Result:
    """Say what the file of the job would change; change it once somebody has confirmed."""
    each_item(job, tell, lambda item, end: do_import(job, item, end, tell))
    return Result()
