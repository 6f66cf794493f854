"""What the commands against a server share: the server and token, answers as JSON, progress."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from boxwise.client import Client
    from boxwise.projects import Project

Call = Callable[..., Any]


def on_server(command: Call) -> Call:
    """Adds --server, --token and --json; the command gets `client` and `as_json`."""

    @click.option("--server", metavar="URL", envvar="BOXWISE_URL", help="the server; BOXWISE_URL, or as you signed in")
    @click.option("--token", metavar="TOKEN", envvar="BOXWISE_TOKEN", help="better in BOXWISE_TOKEN, or boxwise login")
    @click.option("--json", "as_json", is_flag=True, help="the answer as JSON on standard output")
    @wraps(command)
    def with_client(server: str | None, token: str | None, **given: Any) -> Any:
        from boxwise.client import Client

        with Client(server, token) as client:
            return command(client=client, **given)

    return with_client


def project_named(client: "Client", name: str) -> "Project":
    """By id or name. Raises a usage error with what there is."""
    try:
        return client.project(int(name) if name.isdecimal() else name)
    except KeyError as error:
        there = ", ".join(f"{one.id} ({one.name})" for one in client.projects()) or "none"
        raise click.UsageError(f"{error.args[0]}; there is: {there}") from None


def answer(found: Any, as_json: bool, *lines: str) -> None:
    """What a command has to say: JSON, or lines for a person. Nothing else goes to standard output."""
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for line in lines:
        click.echo(line)


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error while somebody looks at it; silent otherwise. -> tells (done, of how many)."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=None)

        def tell(done: int, total: int) -> None:
            shown.update(task, completed=done, total=total or None)

        yield tell
