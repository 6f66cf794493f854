"""python -m tools.ratchet: hold Python's complexity and density, with a list of exceptions that may only shrink.

Four limits: a function's cyclomatic complexity (as ruff counts it, C901), a file's mean of tokens a line of code, how
often `dict[str, Any]` stands in the signatures of a file of labeling or inference (tools/untyped.py), and how many
comprehensions of a file have more than one `for`.
tools/ratchet.json lists what was over a limit when the limit came, with its figure. What is not listed must keep the
limit; what is listed must not become worse. `--update` lowers figures and removes entries that are no longer needed.
`--record-all` writes the list anew, only for the merge of work that began before the limits came.
TypeScript is held by ESLint (frontend/eslint.config.js), without exceptions.
"""

import argparse
import ast
import json
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from tools import untyped

ROOT = Path(__file__).resolve().parents[1]
RECORD = ROOT / "tools" / "ratchet.json"
MOST_COMPLEX = 12
# Tests hold tables and compound assertions: their mean was 11.9 when the limit came, labeling's 9.8, inference's 11.1.
MOST_TOKENS = {"tests": 14.0}
MOST_TOKENS_ELSEWHERE = 12.0
FEWEST_LINES = 20  # of code: the mean of a shorter file says little
# A listed file may move by this much, so that a small change in it is not a matter of counting tokens.
PLAY = 0.5

NOT_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
FOUND = re.compile(r"`(?P<name>.+)` is too complex \((?P<complexity>\d+) > ")
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Figures = dict[str, float]


@dataclass(frozen=True)
class Verdict:
    """worse: sentences that fail the check. record: the list with what has become better in it."""

    worse: list[str]
    better: list[str]
    record: Figures


def judge(found: Figures, recorded: Figures, *, limit: str, play: float = 0.0) -> Verdict:
    """Compare what is over the limit now with what was recorded. `limit` says in a sentence what to do."""
    worse, better = [], []
    record: Figures = {}
    for name, figure in sorted(found.items()):
        if name not in recorded:
            worse.append(f"{name}: {figure:g}. {limit}")
            continue
        if figure > recorded[name] + play:
            worse.append(f"{name}: {figure:g}, recorded with {recorded[name]:g}. {limit}")
        if figure < recorded[name]:
            better.append(f"{name}: {figure:g}, recorded with {recorded[name]:g}")
        record[name] = min(figure, recorded[name])
    for name in sorted(recorded.keys() - found.keys()):
        better.append(f"{name} keeps the limit now, or is gone")
    return Verdict(worse, better, record)


def complexities(root: Path) -> Figures:
    """`file::function` -> cyclomatic complexity, of the functions over the limit. Raises RuntimeError without ruff."""
    command = ["-m", "ruff", "check", "--select", "C901", "--output-format", "json", "--exit-zero"]
    limit = f"lint.mccabe.max-complexity={MOST_COMPLEX}"
    run = subprocess.run(
        [sys.executable, *command, "--config", limit, "."], cwd=root, capture_output=True, text=True, check=False
    )
    if run.returncode:
        raise RuntimeError(f"ruff could not count: {run.stderr.strip()}")
    found: Figures = {}
    for one in json.loads(run.stdout):
        message = FOUND.match(one["message"])
        if message is None:
            raise RuntimeError(f"ruff says it in other words now; see tools/ratchet.py: {one['message']}")
        path = Path(one["filename"]).relative_to(root).as_posix()
        name = f"{path}::{message['name']}"
        found[name] = max(found.get(name, 0), int(message["complexity"]))
    return found


def density(source: str) -> tuple[float, int]:
    """-> the mean of tokens a line of code, and how many lines hold code. Comments and docstrings are not code."""
    prose = _docstring_lines(ast.parse(source))
    tokens = 0
    lines: set[int] = set()
    for token in tokenize.generate_tokens(iter(source.splitlines(keepends=True)).__next__):
        if token.type in NOT_CODE or token.start[0] in prose:
            continue
        tokens += 1
        lines.update(range(token.start[0], token.end[0] + 1))
    return (tokens / len(lines) if lines else 0.0), len(lines)


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def densities(root: Path, paths: Iterable[str]) -> Figures:
    """file -> mean of tokens a line, to one decimal, of the files over their limit."""
    found: Figures = {}
    for path in paths:
        mean, lines = density((root / path).read_text(encoding="utf-8"))
        limit = MOST_TOKENS.get(Path(path).parts[0], MOST_TOKENS_ELSEWHERE)
        if lines >= FEWEST_LINES and mean > limit:
            found[path] = round(mean, 1)
    return found


def untyped_documents(root: Path, paths: list[str]) -> Figures:
    """file -> how often `dict[str, Any]` stands in its signatures."""
    found: Figures = {}
    for one in untyped.in_packages(root, paths):
        found[one.path] = found.get(one.path, 0) + one.count
    return found


def nested_comprehensions(root: Path, paths: list[str]) -> Figures:
    """file -> how many of its comprehensions have more than one `for`."""
    found: Figures = {}
    for path in paths:
        tree = ast.parse((root / path).read_text(encoding="utf-8"))
        nested = [node for node in ast.walk(tree) if isinstance(node, COMPREHENSIONS) and len(node.generators) > 1]
        if nested:
            found[path] = len(nested)
    return found


def python_files(root: Path) -> list[str]:
    """The tracked and the new Python files, without migrations, which are written by Django."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(path for path in set(listed) if "/migrations/" not in path and (root / path).exists())


def _write(record: dict[str, Figures]) -> None:
    RECORD.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.ratchet", description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write down what has become better")
    parser.add_argument("--record-all", action="store_true", help="list all that is over a limit today")
    options = parser.parse_args()
    files = python_files(ROOT)
    found = {
        "complexity": complexities(ROOT),
        "tokens_a_line": densities(ROOT, files),
        "untyped_documents": untyped_documents(ROOT, files),
        "nested_comprehensions": nested_comprehensions(ROOT, files),
    }
    if options.record_all:
        _write(found)
        return 0
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    verdicts = {
        "complexity": judge(
            found["complexity"],
            recorded["complexity"],
            limit=f"A function may have a cyclomatic complexity of {MOST_COMPLEX}: take a part of it out, with a name.",
        ),
        "tokens_a_line": judge(
            found["tokens_a_line"],
            recorded["tokens_a_line"],
            limit=f"A file may have {MOST_TOKENS_ELSEWHERE:g} tokens a line of code on average (tests "
            f"{MOST_TOKENS['tests']:g}): give steps of their own to what a line does at once.",
            play=PLAY,
        ),
        "untyped_documents": judge(
            found["untyped_documents"],
            recorded.get("untyped_documents", {}),
            limit="An object of JSON has a document or a TypedDict: give its keys names (CONTRIBUTING.md, Documents).",
        ),
        "nested_comprehensions": judge(
            found["nested_comprehensions"],
            recorded.get("nested_comprehensions", {}),
            limit="A comprehension has one `for`: write a loop, a named function or chain.from_iterable.",
        ),
    }
    worse = list(chain.from_iterable(verdict.worse for verdict in verdicts.values()))
    better = list(chain.from_iterable(verdict.better for verdict in verdicts.values()))
    for sentence in worse:
        print(sentence, file=sys.stderr)
    if better and options.update:
        _write({kind: verdict.record for kind, verdict in verdicts.items()})
        print(f"{len(better)} entries of tools/ratchet.json are lower or gone.")
    elif better:
        print(f"{len(better)} entries of tools/ratchet.json can be lower or go: python -m tools.ratchet --update")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
