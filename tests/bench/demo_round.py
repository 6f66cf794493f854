"""The demo from its start to published proposals: seconds of every stage, and the most memory the workers took."""

import json
import shutil
import tempfile
import time
from pathlib import Path

from tests.running import Running

LIMIT = 20 * 60  # seconds after which the measurement gives up
STAGES = """
import json
from labeling.models import Round
round_ = Round.objects.get()
print(json.dumps({
    "state": round_.state,
    "error": round_.error,
    "stages": [[s.get_kind_display(), s.state, s.finished_at and (s.finished_at - s.started_at).total_seconds()]
               for s in round_.stages.all()],
    "seconds": (round_.finished_at - round_.created_at).total_seconds() if round_.finished_at else None,
    "facts": {s.kind: s.artifact.facts for s in round_.stages.all() if s.artifact},
}))
"""


def peak_mib(pid: int) -> float:
    """The most memory that a process has taken so far, MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-bench-"))
    folder.chmod(0o711)
    begun = time.monotonic()
    house = Running(folder / "data", "demo").wait_until_up(300)
    up = time.monotonic() - begun
    peaks: dict[str, float] = {}
    try:
        while True:
            for name, pid in house.children().items():
                peaks[name] = max(peaks.get(name, 0.0), peak_mib(pid))
            found = json.loads(house.manage(STAGES).splitlines()[-1])
            if found["state"] not in ("queued", "running"):
                break
            assert time.monotonic() - begun < LIMIT, found
            time.sleep(5)
        assert found["state"] == "published", found
        print("| what | seconds |\n|---|---|")
        print(f"| from nothing to everything up, demo loaded | {up:.1f} |")
        for name, _, seconds in found["stages"]:
            print(f"| {name} | {seconds:.1f} |")
        print(f"| the whole round | {found['seconds']:.1f} |\n")
        total = sum(peaks.values())
        reported = ", ".join(f"{name} {peak:.0f}" for name, peak in sorted(peaks.items()))
        print(f"Most memory, MiB: {reported}; together at most {total:.0f}.\n")
        print(f"Evaluation (same patient, optimistic): {json.dumps(found['facts']['evaluation'])}")
    finally:
        house.stop()
        shutil.rmtree(folder, ignore_errors=True)
