"""The one command, `boxwise`: finds a command by its name and loads only that one.

Commands are entry points of two groups, `boxwise.files` (work on files, without a server and without Django) and
`boxwise.server` (the website, without torch). Each is a function `main(argv: list[str]) -> int`; its help is the first
line of its docstring, or of its module's. `boxwise --help` reads those lines from the source and imports no command.
"""

import ast
import sys
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path

GROUPS = {"boxwise.files": "On files, without a server", "boxwise.server": "The website"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `boxwise NAME ...`; the exit code of the command, or 2 when there is none of that name."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(overview())
        return 0
    name, *rest = arguments
    for command in commands():
        if command.name == name:
            return int(command.load()(rest) or 0)
    known = ", ".join(command.name for command in commands())
    print(f"boxwise has no command {name!r}; it has: {known}.", file=sys.stderr)
    return 2


def commands() -> list[EntryPoint]:
    """All commands, group by group, by name."""
    return [command for group in GROUPS for command in sorted(entry_points(group=group), key=lambda found: found.name)]


def overview() -> str:
    """What `boxwise --help` shows."""
    found = commands()
    width = max((len(command.name) for command in found), default=0)
    lines = ["usage: boxwise COMMAND [ARGUMENT ...]     (boxwise COMMAND --help tells more)"]
    for group, title in GROUPS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {command.name:<{width}}  {one_line(command)}" for command in found if command.group == group]
    return "\n".join(lines)


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
