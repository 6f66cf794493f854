"""boxwise next: which image to work on."""

from typing import TYPE_CHECKING

import click

from boxwise.commands.options import answer, on_server, progress, project_named

if TYPE_CHECKING:
    from boxwise.client import Client


def rectangle(_ctx: click.Context, _option: click.Parameter, text: str | None) -> list[int] | None:
    """x,y,w,h of the command line."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise click.BadParameter(f"{text!r} is not x,y,w,h: four whole numbers, pixels of the image")
    return [int(part) for part in parts]


@click.command("next")
@click.argument("project")
@on_server
def next_(client: "Client", project: str, as_json: bool) -> None:
    """Take the next image of a project's queue, and say where to open it."""
    found = client.api.item_next_post(project_named(client, project).id)
    item = found["item"]
    if item is None:
        answer(found, as_json, "nothing is free for you now")
        return
    answer(found, as_json, f"{client.server}/images/{item['image']['id']}/")


@click.command()
@click.argument("project")
@click.option("--image", "names", multiple=True, metavar="NAME", help="an image by name or id; without it all of them")
@click.option("--region", callback=rectangle, metavar="x,y,w,h", help="a part of the only image, in its pixels")
@click.option("--device", type=click.Choice(["auto", "cpu", "gpu"]), default="auto", show_default=True)
@on_server
def propose(
    client: "Client", project: str, names: tuple[str, ...], region: list[int] | None, device: str, as_json: bool
) -> None:
    """Let the shipped models propose cells in a project now, without a round, and wait."""
    found = project_named(client, project)
    try:
        images = [found.images[int(name) if name.isdecimal() else name] for name in names]
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from None
    with progress("proposing") as report:
        job = found.propose(images or None, region=region, device=device)
        job.wait(report=lambda facts: report(facts["done"], facts["total"]))
    answer(job.facts, as_json, f"job {job.id}: {job.facts['done']} of {job.facts['total']} tiles done")
