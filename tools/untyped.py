"""Where a signature says `dict[str, Any]`: an object of JSON whose keys no type names.

What crosses rooms has a document (inference/documents, labeling/studies/protocol/documents.py) or a TypedDict. What
cannot have one says why in a comment beside its name: `# untyped: REASON`. tools/ratchet.py holds the
number in each file.
"""

import ast
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tools import python_source

PACKAGES = ("labeling", "inference")
REASON = "# untyped:"


@dataclass(frozen=True)
class Untyped:
    """A function with untyped objects in its signature; reason: what its comment says, or empty."""

    path: str
    line: int
    function: str
    count: int
    reason: str


def untyped(root: Path, path: str) -> list[Untyped]:
    """The functions of a file, in order."""
    source = (root / path).read_text(encoding="utf-8")
    lines = source.splitlines()
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, python_source.FUNCTIONS):
            continue
        count = python_source.untyped_in(node)
        if count:
            signature = lines[node.lineno - 1 : node.body[0].lineno]
            reasons = [line.partition(REASON)[2].strip() for line in signature if REASON in line]
            found.append(Untyped(path, node.lineno, node.name, count, reasons[0] if reasons else ""))
    return found


def in_packages(root: Path, paths: list[str]) -> list[Untyped]:
    """Of all files of PACKAGES among these."""
    ours = [path for path in paths if path.split("/", 1)[0] in PACKAGES]
    return list(chain.from_iterable(untyped(root, path) for path in ours))
