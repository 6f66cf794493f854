"""The one command, `boxwise`: finds a command by its name and loads only that one.

Commands are entry points of three groups: `boxwise.remote` (this distribution: against a server), `boxwise.files` (work
on files, without a server and without Django) and `boxwise.server` (runs a server, without torch). The last two come
with the distribution boxwise. A remote command is a click command; the others are functions `main(argv) -> exit code`.
Help lines are read from the source, so `boxwise --help` imports no command.

Exit codes are one table for all of them (CODES); docs/client.md shows it.
"""

import ast
import os
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from boxwise.codes import DECLINED, DONE, FAILED, INTERRUPTED, UNREACHABLE, WRONG_ARGUMENTS

GROUPS = {
    "boxwise.remote": "On a server",
    "boxwise.files": "On files, without a server",
    "boxwise.server": "Run a server",
}


class Commands(click.Group):
    """The commands of all installed distributions, loaded when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [command.name for command in commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        for command in commands():
            if command.name == cmd_name:
                return loaded(command)
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            known = ", ".join(self.list_commands(ctx))
            ctx.fail(f"boxwise has no command {args[0]!r}; it has: {known}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group, title in GROUPS.items():
            rows = [(command.name, one_line(command)) for command in commands() if command.group == group]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="boxwise-client", message="%(version)s")
def boxwise() -> None:
    """Boxes around cells become trustworthy instance masks.

    boxwise COMMAND --help tells more. Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 declined by the server, 4 the
    server does not answer, 130 interrupted.
    """


def commands() -> list[EntryPoint]:
    """All commands, group by group, by name."""
    there = entry_points()
    found: list[EntryPoint] = []
    for group in GROUPS:
        found += sorted(there.select(group=group), key=lambda command: command.name)
    return found


def loaded(command: EntryPoint) -> click.Command:
    """A command as click calls it. One that reads its own arguments gets them as they are."""
    found = command.load() if command.group == "boxwise.remote" else None
    if isinstance(found, click.Command):
        return found
    settings = {"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}

    def run(arguments: tuple[str, ...]) -> int:
        return int(command.load()(list(arguments)) or DONE)

    taken = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
    return click.Command(command.name, context_settings=settings, callback=run, params=[taken], add_help_option=False)


def one_line(command: EntryPoint) -> str:
    """The first line about a command, read from its source and not by importing it."""
    spec = find_spec(command.module)
    if spec is None or spec.origin is None:
        return "(not installed)"
    module = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    functions = [node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == command.attr]
    texts = [*map(ast.get_docstring, functions), ast.get_docstring(module)]
    line = next((text for text in texts if text), "").partition("\n")[0]
    return line.rpartition(": ")[2] if line.startswith("boxwise ") else line  # "boxwise masks IMAGE: a mask for ..."


def main(argv: Sequence[str] | None = None) -> int:
    """Run `boxwise NAME ...` -> an exit code of the table. The script ends with it."""
    try:
        code = boxwise.main(args=None if argv is None else list(argv), prog_name="boxwise", standalone_mode=False)
        sys.stdout.flush()
        return int(code or DONE)
    except SystemExit as error:  # argparse, and commands that end early
        return error.code if isinstance(error.code, int) else _said(error.code)
    except (click.exceptions.Abort, KeyboardInterrupt):
        print("stopped", file=sys.stderr)
        return INTERRUPTED
    except click.UsageError as error:
        error.show()
        return WRONG_ARGUMENTS
    except click.ClickException as error:
        error.show()
        return FAILED
    except BrokenPipeError:  # `boxwise ... | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        return _path_problem(error)
    except Exception as error:
        return _client_problem(error)


def _said(words: Any) -> int:
    """What `raise SystemExit("...")` means."""
    if words:
        print(words, file=sys.stderr)
    return FAILED if words else DONE


def _path_problem(error: OSError) -> int:
    """A file that is not there, is a folder, may not be read: a sentence, since nothing is wrong with the program."""
    if error.filename is None:
        if isinstance(error, FileNotFoundError | TimeoutError):  # ours, with words
            print(f"boxwise: {error}", file=sys.stderr)
            return FAILED
        raise error
    print(f"boxwise: {error.filename}: {error.strerror}", file=sys.stderr)
    return FAILED


def _client_problem(error: Exception) -> int:
    """An error of the client in words; every other one is a fault of the program and keeps its traceback."""
    from boxwise import errors

    if not isinstance(error, errors.BoxwiseError):
        raise error
    print(f"boxwise: {error}", file=sys.stderr)
    if isinstance(error, errors.Declined):
        return DECLINED
    if isinstance(error, errors.NotReachable | errors.UnexpectedAnswer):
        return UNREACHABLE
    return FAILED
