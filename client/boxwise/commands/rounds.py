"""boxwise rounds: start, watch and list rounds."""

import json
from typing import TYPE_CHECKING, Any

import click

from boxwise.codes import FAILED
from boxwise.commands.options import answer, on_server, project_named

if TYPE_CHECKING:
    from boxwise.client import Client
    from boxwise.rounds import Round


@click.group()
def rounds() -> None:
    """Start, watch and list rounds."""


@rounds.command("list")
@click.argument("project")
@on_server
def list_(client: "Client", project: str, as_json: bool) -> None:
    """The rounds of a PROJECT, the newest first."""
    found = [one.facts for one in project_named(client, project).rounds()]
    answer(found, as_json, *(f"{one['number']:>4}  {one['state']:<10} {one['preset']}" for one in found))


@rounds.command()
@click.argument("project")
@click.option("--preset", default="quick", show_default=True, help="tiny, quick, paper, ...")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="a setting that differs from the preset")
@click.option("--line-up", is_flag=True, help="after the round that is at work, instead of declining")
@click.option("--watch", is_flag=True, help="and follow it until it ends")
@on_server
def start(
    client: "Client", project: str, preset: str, changes: tuple[str, ...], line_up: bool, watch: bool, as_json: bool
) -> int | None:
    """Start a round of a PROJECT."""
    wanted = {name: value_of(name, value, has) for name, has, value in (one.partition("=") for one in changes)}
    made = project_named(client, project).start_round(preset, changes=wanted or None, line_up=line_up)
    if watch:
        return follow(made, as_json)
    limits = [f"note: {one['text']}" for one in made.facts["limits"]]
    answer(made.facts, as_json, f"round {made.number} (id {made.id}): {made.state}", *limits)
    return None


@rounds.command("watch")
@click.argument("project")
@click.argument("number", type=int, required=False)
@on_server
def watch_(client: "Client", project: str, number: int | None, as_json: bool) -> int | None:
    """Follow a round of a PROJECT until it ends: by its NUMBER, else the newest."""
    found = project_named(client, project)
    chosen = next((one for one in found.rounds() if number in (None, one.number)), None)
    if chosen is None:
        raise click.UsageError(f"{found.name} has no round{'' if number is None else f' {number}'}")
    return follow(chosen, as_json)


def follow(round_: "Round", as_json: bool) -> int | None:
    """Each line as it comes: words, or with --json one object a line."""
    for line in round_.events():
        if as_json:
            click.echo(json.dumps(line, ensure_ascii=False))
        elif line["text"]:
            click.echo(f"{line['at'][11:19]}  {line['stage']}: {line['text']}")
    if round_.state == "published":
        answer(round_.facts, as_json=False) if as_json else click.echo(f"round {round_.number}: published")
        return None
    click.echo(f"boxwise rounds: round {round_.number} is {round_.state}: {round_.facts['error']}", err=True)
    return FAILED


def value_of(name: str, text: str, separator: str) -> Any:
    """A setting as JSON has it; what is no JSON is text."""
    if not name or not separator:
        raise click.UsageError("--set takes NAME=VALUE")
    try:
        return json.loads(text)
    except ValueError:
        return text
