"""Every measurement of tests/bench begins where `python -m tests.bench` begins it: in a process without Django."""

import os
import subprocess
import sys

from tools.house import ROOT

IMPORT = """
import importlib
from tests.bench.__main__ import HERE
for path in sorted(HERE.glob("[a-z]*.py")):
    assert callable(importlib.import_module(f"tests.bench.{path.stem}").main), path.stem
"""


def test_every_measurement_can_begin():
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
