"""boxwise upload, import, export: files to a server and from it."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from boxwise.codes import FAILED
from boxwise.commands.options import answer, on_server, progress, project_named

if TYPE_CHECKING:
    from boxwise.client import Client

There = click.Path(exists=True, path_type=Path)


# A test compares them with the server's (tests/client/test_commands.py).
LAYOUTS = (
    "coco", "geojson", "labels", "dataset", "csv", "parquet", "yolo", "voc", "labelme", "cvat", "labelstudio", "aperio",
    "roi", "cellpose", "hovernet", "consep", "pannuke", "ome", "tiff", "png", "dicom",
)  # fmt: skip
WHICH = f"one of {', '.join(LAYOUTS)}"


@click.command()
@click.argument("project")
@click.argument("files", nargs=-1, required=True, type=There)
@click.option("--split", type=click.Choice(["train", "val", "test"]), help="which part of learning they serve")
@click.option("--patient", help="the patient whose tissue all of them show")
@click.option("--um-per-px", type=float, help="µm per pixel, where the files do not say it")
@on_server
def upload(
    client: "Client",
    project: str,
    files: tuple[Path, ...],
    split: str | None,
    patient: str | None,
    um_per_px: float | None,
    as_json: bool,
) -> None:
    """Send pictures, or the pictures of folders, to a project."""
    found = project_named(client, project)
    with progress("upload") as report:
        new = found.images.upload(files, report=report, split=split, patient=patient, um_per_px=um_per_px)
    answer([image.facts for image in new], as_json, *(f"{image.id:>6}  {image.name}" for image in new))


@click.command("import")
@click.argument("project")
@click.argument("file", type=There)
@click.option("--aim", type=click.Choice(["working", "layer", "reference"]), default="working", show_default=True)
@click.option("--format", "format_", default="", metavar="FORMAT", help="else it is found out")
@click.option("--yes", is_flag=True, help="do it; without this it is only said what would be done")
@on_server
def import_(client: "Client", project: str, file: Path, aim: str, format_: str, yes: bool, as_json: bool) -> int | None:
    """Say what an import of annotations would do, and with --yes do it."""
    plan = project_named(client, project).import_file(file, aim=aim, format=format_)
    if plan.declined:
        answer(plan.facts, as_json)
        click.echo("\n".join(f"boxwise import: {file.name}: {one}" for one in plan.declined), err=True)
        return FAILED
    if yes:
        plan.confirm()
    report = plan.report
    counts = ", ".join(f"{name} {report[name]}" for name in ("created", "updated", "declined") if name in report)
    answer(plan.facts, as_json, f"{'imported' if yes else 'would import'} {file.name}: {counts or 'see --json'}")
    if not yes and not as_json:
        click.echo("nothing is written yet: say --yes", err=True)
    return None


@click.command()
@click.argument("project")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE")
@click.option("--layout", type=click.Choice(LAYOUTS), metavar="FORMAT", default="coco", show_default=True, help=WHICH)
@click.option(
    "--include", multiple=True, metavar="PART", help="masks, boxes, regions, cannot_tell, rejected, proposals"
)
@click.option("--polygons", is_flag=True, help="COCO with polygons instead of run lengths")
@click.option("--images/--no-images", default=None, help="with the pictures, or without")
@on_server
def export(
    client: "Client",
    project: str,
    output: Path,
    layout: str,
    include: tuple[str, ...],
    polygons: bool,
    images: bool | None,
    as_json: bool,
) -> None:
    """Write what is annotated in a project to a file."""
    if not output.parent.is_dir():
        raise click.UsageError(f"there is no folder {output.parent} for {output.name}")
    segmentation = "polygons" if polygons else "rle"
    found = project_named(client, project)
    job = found.start_export(layout, include=list(include), segmentation=segmentation, images=images).wait()
    with progress("download") as report:
        job.download(output, report)
    notes = [str(note) for note in job.facts["facts"].get("notes", [])]
    answer(job.facts, as_json, str(output), *notes)
