"""The build of the front end fails when one page of the workspace loads more than 250 kB of JavaScript, gzipped. Here:
that the page loads no script that the build does not count, and that what is named apart is loaded on use only.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "labeling" / "site" / "templates" / "site" / "workspace.html"
BUILD = ROOT / "frontend" / "vite.config.ts"


def names(pattern: str, text: str) -> set[str]:
    return {Path(found).name for found in re.findall(pattern, text)}


def test_the_workspace_loads_no_script_that_the_budget_does_not_count():
    counted = re.search(r"WORKSPACE_SCRIPTS = \[(.*?)\]", BUILD.read_text(), re.S)
    assert counted
    page = PAGE.read_text()
    assert names(r"<script[^>]*src=\"\{% static '([^']+)' %\}\"", page) == names(r'"([^"]+)"', counted[1])
    assert len(re.findall(r"<script[^>]*src=", page)) == len(names(r'"([^"]+)"', counted[1]))


def test_the_budget_is_that_of_the_documents():
    most = re.search(r"MOST_BYTES = ([\d_]+)", BUILD.read_text())
    assert most and int(most[1]) == 250_000
    assert "| JavaScript, gzipped | <= 250 kB |" in (ROOT / "docs" / "benchmarks" / "workspace.md").read_text()


def test_the_prompter_and_the_charts_are_no_part_of_the_script_of_the_workspace():
    """What the workspace imports statically would be in its one file; a worker and an entry are files apart."""
    static = re.compile(r'^import (?!type).*from "[^"]*(onnxruntime|/charts/)', re.M)
    importing: list[Path] = []
    for folder in ("editor", "ui", "canvas", "tools", "commands", "sync"):
        paths = (ROOT / "frontend" / folder).rglob("*.ts*")
        importing += [path for path in paths if static.search(path.read_text())]
    assert importing == []
