"""boxwise login, whoami: which server, and as whom."""

from typing import TYPE_CHECKING

import click

from boxwise.commands.options import answer, on_server

if TYPE_CHECKING:
    from boxwise.client import Client


@click.command()
@click.argument("server", metavar="URL")
@click.option("--token", envvar="BOXWISE_TOKEN", help="else it is asked for, or read from standard input")
def login(server: str, token: str | None) -> None:
    """Remember a server and your token for it.

    Make the token on that server, on the page Your account. It is stored in a file that only you can read.
    """
    from boxwise.client import Client
    from boxwise.config import Settings, write_file

    secret = token or click.prompt("Token", hide_input=True, err=True)
    with Client(server, secret.strip()) as client:
        me = client.me()
        file = write_file(Settings(client.server, secret.strip()))
    scope = me["token"]["scope"] if me["token"] else "manage"
    click.echo(f"{client.server}: you are {me['name']}, with a token of the scope {scope}; stored in {file}")


@click.command()
@on_server
def whoami(client: "Client", as_json: bool) -> None:
    """Say who you are on the server, and which version it is."""
    me = client.me()
    until = (
        f", token {me['token']['name']!r} ({me['token']['scope']}) until {me['token']['expires_at'][:10]}"
        if me["token"]
        else ""
    )
    answer(me, as_json, f"{me['username']} ({me['name']}) on {client.server}, version {me['server']}{until}")
