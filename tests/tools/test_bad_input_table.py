"""The table of bad input in docs/exchange.md names tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FULL_NAME = re.compile(r"^(tests/[\w/]+\.py)::(test_\w+)$")


def named() -> list[tuple[str, str]]:
    """(file, test) of every test in the table; a bare name belongs to the file that was named before it."""
    text = (ROOT / "docs" / "exchange.md").read_text()
    table = text.split("## Bad input")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    found = []
    for row in rows[1:]:
        file = ""
        for name in re.findall(r"`([^`]+)`", row.split(" | ")[-1]):
            full = FULL_NAME.match(name)
            file, test = full.groups() if full else (file, name)
            found.append((file, test))
    return found


def test_the_table_is_not_empty():
    assert len(named()) > 25


@pytest.mark.parametrize(("file", "test"), named())
def test_each_row_has_its_test(file, test):
    assert re.search(rf"(?m)^def {test}\(", (ROOT / file).read_text()), f"{file} has no {test}"
