"""boxwise studies: list time studies, and the numbers of a report."""

from typing import TYPE_CHECKING

import click

from boxwise.commands.options import answer, on_server, project_named

if TYPE_CHECKING:
    from boxwise.client import Client


@click.group()
def studies() -> None:
    """List time studies, and get the numbers of a report."""


@studies.command("list")
@click.argument("project")
@on_server
def list_(client: "Client", project: str, as_json: bool) -> None:
    """The studies of a PROJECT."""
    number = project_named(client, project).id
    found = list(client.every(lambda **at: client.api.study_list_get(number, **at)))
    answer(found, as_json, *(f"{one['id']:>6}  {one['state']:<8} {one['name']}" for one in found))


@studies.command()
@click.argument("study", type=int)
@on_server
def report(client: "Client", study: int, as_json: bool) -> None:
    """The numbers of the report of a STUDY that is locked, as JSON."""
    answer(client.api.study_numbers_get(study), as_json=True)
