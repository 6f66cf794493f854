"""python -m tests.bench [NAME ...]: run all measurements, or those named. Each is a module of this folder with a
main()."""

import importlib
import os
import platform
import sys
from pathlib import Path

HERE = Path(__file__).parent


def machine() -> str:
    """What the figures were measured on."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    return f"{os.cpu_count()} cores of {model}, {platform.system()}, Python {platform.python_version()}"


def main(names: list[str]) -> int:
    known = sorted(path.stem for path in HERE.glob("[a-z]*.py"))
    for name in names or known:
        if name not in known:
            print(f"there is no measurement {name!r}; there are {', '.join(known)}", file=sys.stderr)
            return 2
        print(f"\n## {name} ({machine()})\n", flush=True)
        importlib.import_module(f"tests.bench.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
