"""python -m tools.tests [pytest arguments]: make test. TypeScript, then Python in parallel, then what must run alone.

Each pytest process has a PostgreSQL and a Valkey of its own (tests/embedded.py), so that two of them do not meet.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Each process loads torch and starts two servers: about 2 GB.
MOST_PROCESSES = 4
NO_TEST_FOUND = 5  # pytest's exit status


def steps(arguments: list[str]) -> dict[str, tuple[list[str], Path]]:
    """Name of a step -> its command and where it runs."""
    pytest = [sys.executable, "-m", "pytest"]
    processes = str(min(os.cpu_count() or 1, MOST_PROCESSES))
    return {
        "TypeScript": ([str(Path(sys.executable).parent / "npm"), "test"], ROOT / "frontend"),
        # A file stays in one process, which keeps what its tests share.
        "Python in parallel": (
            [*pytest, "-m", "not slow and not alone", "-n", processes, "--dist", "loadfile", *arguments],
            ROOT,
        ),
        "Python alone": ([*pytest, "-m", "alone and not slow", *(arguments or alone())], ROOT),
    }


def alone() -> list[str]:
    """The files that tests/conftest.py marks so: to collect all files again would take longer than some tests."""
    servers = sorted((ROOT / "tests" / "labeling").glob("test_server_*.py"))
    return ["tests/e2e", *(path.relative_to(ROOT).as_posix() for path in servers)]


def verdict(results: dict[str, int]) -> int:
    """-> the exit status of all steps together. A step of pytest may find no test when the other does."""
    python = [status for name, status in results.items() if name.startswith("Python")]
    if python and all(status == NO_TEST_FOUND for status in python):
        return NO_TEST_FOUND
    failed = [status for status in results.values() if status not in (0, NO_TEST_FOUND)]
    return failed[0] if failed else 0


def main() -> int:
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        # Processes that run tests beside each other must find them in one order, also where a set gives the order.
        "PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED") or str(random.randrange(2**32)),
    }
    results: dict[str, int] = {}
    lines = []
    for name, (command, folder) in steps(sys.argv[1:]).items():
        begin = time.monotonic()
        results[name] = subprocess.run(command, cwd=folder, env=environment, check=False).returncode
        outcome = {0: "passed", NO_TEST_FOUND: "no test"}.get(results[name], "FAILED")
        lines.append(f"{name}: {outcome}, {time.monotonic() - begin:.0f} s")
    lines.append(f"PYTHONHASHSEED was {environment['PYTHONHASHSEED']}")
    print("\n".join(lines), flush=True)
    return verdict(results)


if __name__ == "__main__":
    sys.exit(main())
