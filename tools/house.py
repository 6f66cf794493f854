"""python -m tools.house: measure how the house is built. docs/house.md says what each figure means.

`--json` prints the figures as JSON instead of a table. `--at FOLDER` measures another checkout, with this script and
this table of retired words, so that before and after are measured alike. `--record` keeps the figures as "before"
(docs/house_before.json); `--write` puts the table of before and after into docs/house.md.
"""

import argparse
import json
import statistics
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import graphs, python_source, ratchet, retired_words, typescript_source
from tools.contracts import layers_of
from tools.graphs import Graph
from tools.source_files import Import

ROOT = Path(__file__).resolve().parents[1]
BEFORE = ROOT / "docs" / "house_before.json"
PAGE = ROOT / "docs" / "house.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
PACKAGES = ("labeling", "inference", "frontend")
LARGEST_FOLDERS = 3
# Each row of kinds holds the ones before it.
AT_RUN_TIME = ("run",)
WITH_FUNCTIONS = ("run", "function")
WITH_TYPES = ("run", "function", "type")
Figures = dict[str, Any]


@dataclass(frozen=True)
class Package:
    """modules: dotted name -> path. imports: between the modules."""

    name: str
    modules: dict[str, str]
    imports: list[Import]

    def graph(self, kinds: tuple[str, ...], group_of: Callable[[str], str]) -> Graph:
        arrows = graphs.graph_of((one.source, one.target) for one in self.imports if one.kind in kinds)
        return graphs.merged(arrows, group_of)

    def room(self, module: str) -> str:
        """A module directly in the package, or the folder directly in the package that holds it."""
        return ".".join(module.split(".")[:2])

    def folder(self, module: str) -> str:
        """The folder that holds a module; a module directly in the package stands for itself."""
        path = self.modules[module]
        folder = path.rpartition("/")[0].replace("/", ".")
        return module if folder == self.name else folder


def read_package(root: Path, name: str) -> Package:
    if name == "frontend":
        paths = typescript_source.modules(root)
        return Package(name, paths, typescript_source.imports(root, paths))
    paths = python_source.modules(root, name)
    return Package(name, paths, python_source.imports(root, paths))


def measure(root: Path) -> dict[str, Figures]:
    """Package -> its figures, in the order of the table."""
    words = retired_words.read_table()
    found = retired_words.occurrences(root, words)
    complexity = ratchet.complexities(root)
    figures = {}
    for name in PACKAGES:
        package = read_package(root, name)
        figures[name] = sizes(root, package) | structure(root, package) | text(root, package, complexity)
        figures[name]["retired words"] = _retired(name, words, found)
    return figures


def sizes(root: Path, package: Package) -> Figures:
    lines = [_lines(root / path) for path in package.modules.values()]
    folders = Counter(path.rpartition("/")[0] for path in package.modules.values())
    largest = [f"{folder} {number}" for folder, number in folders.most_common(LARGEST_FOLDERS)]
    return {
        "files": len(lines),
        "folders": len(folders),
        "modules a folder, median": statistics.median(folders.values()),
        "modules a folder, largest": _counted(max(folders.values()), largest),
        "lines a file, median": round(statistics.median(lines)),
        "lines a file, 90th percentile": round(statistics.quantiles(lines, n=10)[-1]),
        "lines a file, largest": max(lines),
    }


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def structure(root: Path, package: Package) -> Figures:
    rooms = package.graph(WITH_TYPES, package.room)
    folders = package.graph(WITH_TYPES, package.folder)
    figures: Figures = {
        "rooms": len({package.room(module) for module in package.modules}),
        "arrows between rooms": graphs.arrows_of(rooms),
        "arrows between folders": graphs.arrows_of(folders),
        "arrows up by the contract": arrows_up(root, package),
        "arrows against the best order of the rooms": graphs.least_back_arrows(rooms),
        "arrows against the best order of the folders": graphs.least_back_arrows(folders),
    }
    whens = {
        "at run time": AT_RUN_TIME,
        "with imports in functions": WITH_FUNCTIONS,
        "with imports of types": WITH_TYPES,
    }
    for when, kinds in whens.items():
        figures[f"circles of modules, {when}"] = _circles(package.graph(kinds, lambda module: module))
        figures[f"circles of folders, {when}"] = _circles(package.graph(kinds, package.folder))
    return figures


def _counted(number: int, words: list[str]) -> Figures:
    """A figure that names what it counts."""
    return {"number": number, "words": words}


def _circles(graph: Graph) -> Figures:
    """How many circles, and for each its size and its first members."""
    described = []
    for circle in graphs.circles(graph):
        members = [member.split(".", 1)[-1] for member in circle]
        shown = members if len(members) <= 6 else [*members[:6], "..."]
        described.append(f"{len(circle)}: {', '.join(shown)}")
    return _counted(len(described), described)


def arrows_up(root: Path, package: Package) -> Figures | None:
    """`folder -> folder` for every arrow that a layers contract forbids; None where no contract orders the package."""
    contracts = layers_of(root, package.name)
    if not contracts:
        return None
    up = set()
    for one in package.imports:
        if any(layers.points_up(one.source, one.target) for layers in contracts):
            up.add(f"{package.folder(one.source)} -> {package.folder(one.target)}")
    return _counted(len(up), sorted(up))


def text(root: Path, package: Package, complexity: dict[str, float]) -> Figures:
    paths = package.modules.values()
    over = [name for name in complexity if name.startswith(f"{package.name}/")]
    if package.name == "frontend":
        sources = [(root / path).read_text(encoding="utf-8") for path in paths]
        return {"casts `as X`": sum(typescript_source.casts(source) for source in sources)}
    found: Figures = {}
    if package.name == "labeling":
        api = [(root / path).read_text(encoding="utf-8") for path in paths if _takes_requests(path)]
        found["lines that read the API's requests by hand"] = sum(python_source.reading_by_hand(text) for text in api)
    return found | {
        "`dict[str, Any]` in signatures": sum(
            python_source.untyped_documents(python_source.parse(root, path)) for path in paths
        ),
        f"functions over complexity {ratchet.MOST_COMPLEX}": len(over),
    }


def _takes_requests(path: str) -> bool:
    """Whether a module of the website takes requests of the API, or checks what they bring."""
    names = ("/api.py", "/contract.py", "/interactive.py", "/overlay.py", "/paging.py", "/faults.py", "/starting.py")
    return path.endswith(names) or path.startswith("labeling/annotations/")


def _retired(package: str, words: list[retired_words.Word], found: list[retired_words.Occurrence]) -> Figures:
    """How often retired words stand in a package outside the places where they may stand, and beyond how often."""
    counts = Counter(one.word for one in found if one.path.startswith(f"{package}/") and not one.allowed)
    for word in words:
        counts[word.word] -= word.most
    wrong = +counts  # without what is 0 or less
    return _counted(wrong.total(), [f"{word} {number}" for word, number in wrong.most_common()])


def as_table(before: dict[str, Figures] | None, after: dict[str, Figures]) -> str:
    """A Markdown table a package: one row a figure, with what was counted in the last column."""
    parts = []
    for package, figures in after.items():
        rows = [f"### {package}", "", "| figure | before | after | after, in words |", "|---|---:|---:|---|"]
        for name, figure in figures.items():
            was = before[package].get(name) if before else None
            rows.append(f"| {name} | {_number(was)} | {_number(figure)} | {_words(figure)} |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts) + "\n"


def _number(figure: Any) -> str:
    number = figure["number"] if isinstance(figure, dict) else figure
    return "" if number is None else f"{number:g}"


def _words(figure: Any) -> str:
    return "; ".join(figure["words"]) if isinstance(figure, dict) else ""


def write_page(table: str) -> None:
    """Put the table between the marks of docs/house.md. Raises ValueError when a mark is missing."""
    page = PAGE.read_text(encoding="utf-8")
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    PAGE.write_text(f"{page[:start]}\n{table}{page[end:]}", encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.house", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--at", type=Path, default=ROOT, metavar="FOLDER", help="the checkout that is measured")
    parser.add_argument("--record", action="store_true", help="keep the figures as before, in docs/house_before.json")
    parser.add_argument("--write", action="store_true", help="put before and after into docs/house.md")
    options = parser.parse_args(arguments)
    figures = measure(options.at.resolve())
    if options.record:
        BEFORE.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    before = json.loads(BEFORE.read_text(encoding="utf-8")) if BEFORE.exists() else None
    if options.write:
        write_page(as_table(before, figures))
    print(json.dumps(figures, indent=1) if options.json else as_table(before, figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
