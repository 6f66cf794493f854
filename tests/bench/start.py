"""A cold start, and what a Boxwise without work takes: `python -m tests.bench start`.

Everything is installed and the database is there: what is measured is `boxwise up` until the first page, three times.
Memory is the proportional set size: what several processes share counts once.
"""

import os
import shutil
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

from tests.running import Running, wait_for

TIMES = 3
IDLE = float(os.environ.get("BENCH_IDLE", "30"))  # seconds of rest before memory is counted
PATIENCE = 600.0  # seconds, on a busy machine


def first_page(folder: Path) -> tuple[float, Running]:
    """Seconds from the command to the page on which people sign in."""
    begun = time.perf_counter()
    house = Running(folder)

    def shown() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{house.port}/accounts/sign-in/", timeout=10) as answer:
                return b"password" in answer.read()
        except OSError:
            return False

    wait_for(shown, PATIENCE, "the first page")
    return time.perf_counter() - begun, house


def processes_below(pid: int) -> list[int]:
    """A process and all that came from it."""
    found = [pid]
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            found += processes_below(int(child))
    return found


def proportional(pid: int) -> float:
    """MiB of a process, with its share of what it has in common with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    (row,) = [line for line in lines if line.startswith("Pss:")]
    return int(row.split()[1]) / 1024


def name_of(pid: int, children: dict[int, str]) -> str:
    return children.get(pid) or Path(f"/proc/{pid}/comm").read_text().strip()


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-start-"))
    folder.chmod(0o711)
    house = Running(folder / "data").wait_until_up(PATIENCE)
    house.stop(seconds=60)
    seconds = []
    for _number in range(TIMES):
        took, house = first_page(folder / "data")
        seconds.append(took)
        if len(seconds) < TIMES:
            house.stop(seconds=60)
    try:
        print(
            f"first page after {statistics.median(seconds):.1f} s ({min(seconds):.1f} to {max(seconds):.1f}), goal 5 s"
        )
        house.wait_until_up(PATIENCE)
        time.sleep(IDLE)
        names = {pid: name for name, pid in house.children().items()}
        memory: dict[str, float] = {}
        for pid in processes_below(house.process.pid):
            name = name_of(pid, names)
            memory[name] = memory.get(name, 0.0) + proportional(pid)
        for name, size in sorted(memory.items(), key=lambda row: -row[1]):
            print(f"{size:8.0f} MiB  {name}")
        print(f"{sum(memory.values()):8.0f} MiB  together, goal 750 MB without models")
    finally:
        house.stop(seconds=60)
        shutil.rmtree(folder, ignore_errors=True)
