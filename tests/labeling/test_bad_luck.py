"""The tables of what goes wrong, in docs/team.md and docs/reliability.md, name tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


@pytest.mark.parametrize(("page", "least"), [("team.md", 18), ("reliability.md", 25)])
def test_every_test_of_the_table_is_there(page, least):
    named = NAMED.findall((ROOT / "docs" / page).read_text())
    assert len(named) >= least
    for file, name in named:
        folder = "e2e" if (ROOT / "tests/e2e" / file).exists() else "labeling"
        assert f"def {name}(" in (ROOT / "tests" / folder / file).read_text(), f"{file}::{name}"
