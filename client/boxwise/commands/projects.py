"""boxwise projects: list, show and create projects."""

from typing import TYPE_CHECKING

import click

from boxwise.commands.options import answer, on_server, project_named

if TYPE_CHECKING:
    from boxwise.client import Client


@click.group()
def projects() -> None:
    """List, show and create projects."""


@projects.command("list")
@on_server
def list_(client: "Client", as_json: bool) -> None:
    """The projects that you take part in."""
    found = [project.facts for project in client.projects()]
    answer(found, as_json, *(f"{one['id']:>6}  {one['name']}" for one in found))


@projects.command()
@click.argument("project")
@on_server
def show(client: "Client", project: str, as_json: bool) -> None:
    """One PROJECT, by name or id: your role, classes, members."""
    found = project_named(client, project).refresh().facts
    classes = ", ".join(one["name"] for one in found["classes"])
    members = ", ".join(f"{one['name']} ({one['role']})" for one in found["members"])
    lines = [
        f"{found['id']}  {found['name']}",
        f"role     {found['role']}",
        f"classes  {classes}",
        f"members  {members}",
    ]
    answer(found, as_json, *lines)


@projects.command()
@click.argument("name")
@click.option("--class", "classes", multiple=True, metavar="NAME", help="a class; as often as there are classes")
@click.option("--description", default="", help="what is annotated, and for what")
@click.option("--apart", is_flag=True, help="every annotator reads alone; cannot be changed later")
@on_server
def create(client: "Client", name: str, classes: tuple[str, ...], description: str, apart: bool, as_json: bool) -> None:
    """Create a project of which you are the owner."""
    layering = "per_annotator" if apart else "shared"
    made = client.create_project(name, list(classes) or None, description=description, layering=layering)
    answer(made.facts, as_json, f"{made.id}  {made.name}")
