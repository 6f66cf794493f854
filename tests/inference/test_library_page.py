"""The example of docs/library.md runs as it stands there."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "library.md"


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.S)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, str(PAGE), "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("1 Shape(area=709") and printed[1].startswith("2 Shape(area=1257")
    assert printed[2].endswith(" 2") and "discs.geojson" in printed[2] and "µm per pixel" in printed[2]
