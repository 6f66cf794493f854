"""Objects of JSON without named keys: their number is held, and each says why it is there."""

import ast
from pathlib import Path

import pytest

from tools import python_source, ratchet, untyped

ROOT = Path(__file__).resolve().parents[2]
MOST = 10  # 340 before there were documents; the goal was 25


def found() -> list[untyped.Untyped]:
    return untyped.in_packages(ROOT, ratchet.python_files(ROOT))


def test_there_are_no_more_than_were_counted():
    assert sum(one.count for one in found()) <= MOST


def test_each_says_why_it_has_no_type():
    assert [one for one in found() if not one.reason] == []


@pytest.mark.parametrize(
    ("signature", "count", "reason"),
    [
        ("def f(a: dict[str, Any], *, b: list[dict[str, Any]]) -> None:", 2, ""),
        ("def f(a: int) -> dict[str, Any] | None:  # untyped: as in Django", 1, "as in Django"),
        ("def f(a: dict[str, int]) -> dict[str, object]:", 0, ""),
    ],
)
def test_a_signature_is_counted_with_its_reason(tmp_path, signature, count, reason):
    (tmp_path / "a.py").write_text(f"{signature}\n    pass\n")
    made = untyped.untyped(tmp_path, "a.py")
    assert [(one.function, one.count, one.reason) for one in made] == ([("f", count, reason)] if count else [])
    assert python_source.untyped_documents(ast.parse((tmp_path / "a.py").read_text())) == count
