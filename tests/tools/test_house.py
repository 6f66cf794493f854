"""The measuring script: arrows, circles and counts on small trees whose figures are known."""

import itertools
import json
import random
import subprocess

import pytest

from tools import contracts, graphs, house, python_source, typescript_source


@pytest.fixture
def tree(tmp_path):
    """Write files into a git checkout: path -> source."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)

    def write(files):
        for path, source in files.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source)
        return tmp_path

    return write


def arrows_against(graph, order):
    place = {node: number for number, node in enumerate(order)}
    return sum(place[target] < place[source] for source in graph for target in graph[source])


def test_the_least_number_of_back_arrows_is_that_of_the_best_of_all_orders():
    chance = random.Random(7)
    for _ in range(40):
        pairs = list(itertools.permutations("abcdef", 2))
        graph = graphs.graph_of(chance.sample(pairs, 12))
        best = min(arrows_against(graph, order) for order in itertools.permutations(graph))
        assert graphs.least_back_arrows(graph) == best


def test_circles_are_the_components_of_more_than_one_node():
    graph = graphs.graph_of([("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "c"), ("f", "a")])
    assert graphs.circles(graph) == [["c", "d", "e"], ["a", "b"]]
    assert graphs.circles(graph_without_circle := graphs.graph_of([("a", "b"), ("a", "a"), ("b", "c")])) == []
    assert graphs.least_back_arrows(graph_without_circle) == 0


def test_too_large_a_circle_is_not_counted_instead_of_guessed():
    nodes = [str(number) for number in range(graphs.LARGEST_COUNTED + 1)]
    ring = zip(nodes, [*nodes[1:], nodes[0]], strict=True)
    assert graphs.least_back_arrows(graphs.graph_of(ring)) is None


def test_python_imports_have_their_kind(tree):
    root = tree(
        {
            "p/__init__.py": "",
            "p/a.py": "from typing import TYPE_CHECKING\nimport os\nfrom p import b\n"
            "if TYPE_CHECKING:\n    from p.c import Thing\n\ndef f():\n    from .sub import d\n",
            "p/b.py": "from . import c\n",
            "p/c.py": "class Thing: ...\n",
            "p/sub/__init__.py": "from .d import x\nfrom ..b import c\n",
            "p/sub/d.py": "x = 1\n",
            "p/migrations/0001.py": "from p import a\n",
        }
    )
    paths = python_source.modules(root, "p")
    found = {(one.source, one.target, one.kind) for one in python_source.imports(root, paths)}
    assert found == {
        ("p.a", "p.b", "run"),
        ("p.a", "p.c", "type"),
        ("p.a", "p.sub.d", "function"),
        ("p.b", "p.c", "run"),
        ("p.sub", "p.sub.d", "run"),
        ("p.sub", "p.b", "run"),
    }


TYPESCRIPT = """
import { a } from "./a";  // import { no } from "./comment";
import type { B } from "./b";
import {
  c,
  type C,
} from '../c';
export * as d from "./d";
export type { E } from "./e";
import "./side";
import x from "preact";
const text = "import { f } from './text'";
const later = () => import("./later");
type Later = typeof import("./typed");
const worker = new Worker(new URL("./worker.ts", import.meta.url));
"""


def test_typescript_imports_have_their_kind():
    assert sorted(typescript_source.imported_paths(TYPESCRIPT)) == [
        ("../c", "run"),
        ("./a", "run"),
        ("./b", "type"),
        ("./d", "run"),
        ("./e", "type"),
        ("./later", "function"),
        ("./side", "run"),
        ("./typed", "type"),
        ("./worker.ts", "function"),
        ("preact", "run"),
    ]


def test_only_relative_paths_of_the_front_end_are_arrows(tree):
    root = tree({"frontend/main.ts": TYPESCRIPT, "frontend/a.tsx": "", "frontend/d/index.ts": "", "frontend/b.css": ""})
    paths = typescript_source.modules(root)
    found = {(one.source, one.target) for one in typescript_source.imports(root, paths)}
    assert found == {("frontend.main", "frontend.a"), ("frontend.main", "frontend.d.index")}


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("const a = b as Thing;", 1),
        ("const a = b as unknown as { x: number };", 2),
        ("const a = [1] as const;", 0),
        ('import { a as b } from "./a";', 0),
        ("export { a as b };", 0),
        ('import * as all from "./a";\nexport * as more from "./b";', 0),
        ('const a = "b as Thing"; // b as Thing', 0),
    ],
)
def test_a_cast_is_a_claim_about_a_type(source, count):
    assert typescript_source.casts(source) == count


CONTRACT = """
[[tool.importlinter.contracts]]
name = "order"
type = "layers"
containers = ["labeling"]
layers = ["top | beside", "(middle)", "bottom"]
"""


@pytest.mark.parametrize(
    ("source", "target", "up"),
    [
        ("labeling.top.x", "labeling.bottom", False),
        ("labeling.bottom", "labeling.top.x", True),
        ("labeling.top", "labeling.beside", True),  # siblings do not know each other
        ("labeling.top.x", "labeling.top.y", False),
        ("labeling.middle", "labeling.top", True),
        ("labeling.elsewhere", "labeling.top", False),  # the contract does not name it
    ],
)
def test_arrows_up_are_those_that_the_contract_forbids(source, target, up, tmp_path):
    (tmp_path / "pyproject.toml").write_text(CONTRACT)
    (layers,) = contracts.layers_of(tmp_path, "labeling")
    assert layers.points_up(source, target) is up
    assert contracts.layers_of(tmp_path, "inference") == []


def test_untyped_documents_are_counted_in_signatures_only():
    source = (
        "def f(a: dict[str, Any], *b: list[dict[str, Any]]) -> dict[str, Any] | None:\n    c: dict[str, Any] = {}\n"
    )
    assert python_source.untyped_documents(python_source.ast.parse(source)) == 3


@pytest.fixture(scope="module")
def figures():
    return house.measure(house.ROOT)


def test_this_house_is_measured_and_has_no_circle_at_run_time(figures):
    assert list(figures) == list(house.PACKAGES)
    for package in figures.values():
        assert package["files"] > 50
        assert package["circles of modules, at run time"]["number"] == 0
    assert figures["labeling"]["arrows up by the contract"] is not None


def test_the_front_end_has_no_circle_of_any_kind(figures):
    """Features know the store and interfaces; tools are handed to the editor, which imports none of them."""
    circles = {name: figure["words"] for name, figure in figures["frontend"].items() if name.startswith("circles")}
    assert circles
    assert not any(circles.values()), circles


def test_before_and_after_stand_in_one_table_and_in_the_page(figures, tmp_path, monkeypatch):
    table = house.as_table(
        {"labeling": {"files": 3}}, {"labeling": {"files": 4, "words": {"number": 2, "words": ["a"]}}}
    )
    assert "| files | 3 | 4 |  |" in table
    assert "| words |  | 2 | a |" in table
    page = tmp_path / "house.md"
    page.write_text(f"Before.\n{house.BEGIN}\nold\n{house.END}\nAfter.\n")
    monkeypatch.setattr(house, "PAGE", page)
    house.write_page(table)
    assert page.read_text() == f"Before.\n{house.BEGIN}\n{table}{house.END}\nAfter.\n"


def test_the_page_and_the_record_know_the_figures(figures):
    recorded = json.loads(house.BEFORE.read_text())
    for package, measured in figures.items():
        assert recorded[package].keys() == measured.keys()
    page = house.PAGE.read_text()
    assert house.BEGIN in page and house.END in page


@pytest.mark.parametrize("name", ["labeling", "inference"])
def test_no_folder_and_no_module_stands_on_itself(name):
    """Also by imports in functions and of types. A circle comes back one convenient import at a time."""
    package = house.read_package(house.ROOT, name)
    for group in (package.folder, lambda module: module):
        assert graphs.circles(package.graph(house.WITH_TYPES, group)) == []
    assert house.arrows_up(house.ROOT, package)["words"] == []
