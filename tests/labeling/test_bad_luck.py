"""The table Bad luck of docs/team.md names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_every_test_of_the_table_is_there():
    named = NAMED.findall((ROOT / "docs/team.md").read_text())
    assert len(named) >= 18
    for file, name in named:
        assert f"def {name}(" in (ROOT / "tests/labeling" / file).read_text(), f"{file}::{name}"
