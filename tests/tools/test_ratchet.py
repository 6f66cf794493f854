"""The lists of exceptions may only shrink: what the ratchet lets pass and what it does not."""

import json
import subprocess

import pytest

from tools import ratchet

LIMIT = "Keep it below."


@pytest.mark.parametrize(
    ("found", "recorded", "play", "worse", "better", "record"),
    [
        ({}, {}, 0, 0, 0, {}),
        ({"a": 13}, {}, 0, 1, 0, {}),  # a new one
        ({"a": 13}, {"a": 13}, 0, 0, 0, {"a": 13}),  # as it was
        ({"a": 14}, {"a": 13}, 0, 1, 0, {"a": 13}),  # an old one that became worse
        ({"a": 13.5}, {"a": 13}, 0.5, 0, 0, {"a": 13}),  # within the play, and the record does not move
        ({"a": 13.6}, {"a": 13}, 0.5, 1, 0, {"a": 13}),
        ({"a": 13}, {"a": 20}, 0, 0, 1, {"a": 13}),  # better: only said
        ({}, {"a": 13}, 0, 0, 1, {}),  # kept by now, or gone
        ({"b": 13}, {"a": 13}, 0, 1, 1, {}),  # renamed: the new name is a new one
    ],
)
def test_a_list_shrinks_and_never_grows(found, recorded, play, worse, better, record):
    verdict = ratchet.judge(found, recorded, limit=LIMIT, play=play)
    assert (len(verdict.worse), len(verdict.better), verdict.record) == (worse, better, record)
    assert all(LIMIT in sentence for sentence in verdict.worse)


@pytest.mark.parametrize(
    ("source", "tokens", "lines"),
    [
        ("x = 1\n", 3, 1),
        ("# only words\n\nx = 1  # more words\n", 3, 1),
        ('"""Words\nof a module."""\nx = 1\n', 3, 1),
        ("f(\n    1,\n)\n", 5, 3),
        ('x = """two\nlines"""\n', 3, 2),  # a text that is no docstring is code
        ("def f():\n    'Words.'\n    return 1\n", 7, 2),
        ("", 0, 0),
    ],
)
def test_words_are_not_code(source, tokens, lines):
    mean, found = ratchet.density(source)
    assert found == lines
    assert mean * max(lines, 1) == pytest.approx(tokens)


def branchy(name, branches):
    body = "".join(f"    if x == {number}:\n        return {number}\n" for number in range(branches))
    return f"def {name}(x):\n{body}    return None\n"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A repository of two modules: one function and one file are over their limits and recorded."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "branchy.py").write_text(branchy("many", 13) + "\n\n" + branchy("few", 3))
    (tmp_path / "dense.py").write_text("x = 1; y = 2; z = 3; w = 4; v = 5\n" * 30)
    record = tmp_path / "ratchet.json"
    record.write_text(json.dumps({"complexity": {"branchy.py::many": 14}, "tokens_a_line": {"dense.py": 19.0}}))
    monkeypatch.setattr(ratchet, "ROOT", tmp_path)
    monkeypatch.setattr(ratchet, "RECORD", record)
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["ratchet", *arguments])
    return ratchet.main()


def test_what_is_recorded_passes_and_what_is_new_fails(tree, monkeypatch, capsys):
    assert run(monkeypatch) == 0
    (tree / "more.py").write_text(branchy("new", 12))
    (tree / "thick.py").write_text("x = 1; y = 2; z = 3; w = 4\n" * 30)
    assert run(monkeypatch) == 1
    printed = capsys.readouterr().err
    assert "more.py::new: 13." in printed and "thick.py: 15." in printed
    assert "many" not in printed and "dense" not in printed
    assert run(monkeypatch, "--update") == 1  # an update takes out and never adds
    assert "new" not in ratchet.RECORD.read_text() and "thick" not in ratchet.RECORD.read_text()


def test_a_merge_may_write_the_list_anew(tree, monkeypatch):
    (tree / "more.py").write_text(branchy("new", 12))
    assert run(monkeypatch, "--record-all") == 0
    assert json.loads(ratchet.RECORD.read_text())["complexity"] == {"branchy.py::many": 14, "more.py::new": 13}
    assert run(monkeypatch) == 0


def test_what_became_better_is_only_said_until_it_is_written_down(tree, monkeypatch, capsys):
    (tree / "branchy.py").write_text(branchy("many", 2))
    before = ratchet.RECORD.read_text()
    assert run(monkeypatch) == 0
    assert "can be lower or go" in capsys.readouterr().out
    assert ratchet.RECORD.read_text() == before
    assert run(monkeypatch, "--update") == 0
    kept = {
        "complexity": {},
        "tokens_a_line": {"dense.py": 19.0},
        "untyped_documents": {},
        "nested_comprehensions": {},
    }
    assert json.loads(ratchet.RECORD.read_text()) == kept
    (tree / "branchy.py").write_text(branchy("many", 13))
    assert run(monkeypatch) == 1


def test_tests_may_be_denser_and_a_short_file_is_not_judged(tree):
    line = "x = 1; y = 2; z = 34 + 1\n"  # 13 tokens
    (tree / "tests").mkdir()
    for name, lines in (("tests/test_x.py", 30), ("short.py", 19), ("long.py", 20)):
        (tree / name).write_text(line * lines)
    assert ratchet.densities(tree, ["tests/test_x.py", "short.py", "long.py"]) == {"long.py": 13.0}


def test_a_comprehension_with_two_loops_is_told(tree, monkeypatch, capsys):
    (tree / "loops.py").write_text("pairs = [a for row in rows for a in row]\nflat = [a for a in pairs]\n")
    assert run(monkeypatch) == 1
    assert "loops.py: 1. A comprehension has one `for`" in capsys.readouterr().err
