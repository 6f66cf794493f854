"""What this process uses and what is left for it: processor, memory, GPU.

Read from /proc and /sys of Linux, and from torch where it has begun to use a GPU. Elsewhere what cannot be known is
left out: nobody waits for memory that nobody can measure.
"""

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60  # bytes; cgroups of the first version say "no limit" with a number of this size


@dataclass(frozen=True)
class Memory:
    """Bytes that a process may still take, and all there are: of the machine, or of the narrowest cgroup around it."""

    free: int
    total: int


def memory() -> Memory | None:
    """None where it cannot be known."""
    try:
        lines = dict(line.split(":", 1) for line in (PROC / "meminfo").read_text().splitlines())
        machine = Memory(*(int(lines[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal")))
    except (OSError, KeyError, ValueError):
        return None
    return min([machine, *_cgroups()], key=lambda one: one.free)


def _cgroups() -> list[Memory]:
    """Of every cgroup around this process that has a limit: of both versions, from our own up to the root."""
    found = []
    with contextlib.suppress(OSError):
        for line in (PROC / "self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers not in ("", "memory"):
                continue
            names = ("memory.max", "memory.current", "inactive_file")
            if controllers:
                names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            root = CGROUPS / controllers
            ours = root / path.lstrip("/")
            # In a container the path may be the host's, and our own group is what is mounted as the root.
            for folder in dict.fromkeys((ours, *(up for up in ours.parents if up.is_relative_to(root)), root)):
                with contextlib.suppress(OSError, ValueError):  # no such folder, no such file, or "max"
                    limit = int((folder / names[0]).read_text())
                    if limit < UNLIMITED:
                        used = int((folder / names[1]).read_text()) - _cached(folder, names[2])
                        found.append(Memory(max(0, limit - used), limit))
    return found


def _cached(folder: Path, name: str) -> int:
    """Bytes of files in a cgroup that the kernel gives up before anything else."""
    for line in (folder / "memory.stat").read_text().splitlines():
        if line.startswith(f"{name} "):
            return int(line.split()[1])
    return 0


def resident() -> int:
    """Bytes of memory that this process holds now; 0 where it cannot be known."""
    return _status("VmRSS")


def _status(name: str) -> int:
    with contextlib.suppress(OSError, ValueError):
        for line in (PROC / "self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


class Watch:
    """What this process uses from now on; every `sample` covers the time since the one before."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError):  # some containers forbid it: the highest is then that of the whole process
            (PROC / "self/clear_refs").write_text("5")  # VmHWM, the kernel's own peak, starts anew
        self.began = self.last = (monotonic(), _processor())

    def sample(self) -> dict[str, float]:
        """cores          processors kept busy since the last sample
        cores_mean        the same since the beginning
        memory, memory_peak, memory_free, memory_total  bytes; the last two as in Memory
        gpu_memory, gpu_memory_peak, gpu_memory_total   bytes that torch has reserved on the GPU in use
        gpu_busy          share of the last moments in which the GPU did something, 0..1, where its driver tells
        """
        now = (monotonic(), _processor())
        found = {"cores": _share(self.last, now), "cores_mean": _share(self.began, now)}
        self.last = now
        resident_bytes = resident()
        if resident_bytes:
            found |= {"memory": resident_bytes, "memory_peak": max(resident_bytes, _status("VmHWM"))}
        left = memory()
        if left:
            found |= {"memory_free": left.free, "memory_total": left.total}
        return found | _gpu()


def _processor() -> float:
    """Seconds of processor time so far, of this process and the children it has waited for."""
    return sum(os.times()[:4])


def _share(before: tuple[float, float], now: tuple[float, float]) -> float:
    return round((now[1] - before[1]) / max(now[0] - before[0], 1e-3), 2)


def _gpu() -> dict[str, float]:
    """Nothing unless this process has begun to use one: to ask must not start CUDA."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    found: dict[str, float] = {}
    with contextlib.suppress(Exception):  # a report is worth no stage, and drivers raise classes of their own
        found["gpu_memory"] = torch.cuda.memory_reserved()
        found["gpu_memory_peak"] = torch.cuda.max_memory_reserved()
        found["gpu_memory_total"] = torch.cuda.mem_get_info()[1]
        found["gpu_busy"] = torch.cuda.utilization() / 100  # last: it needs NVIDIA's Python package
    return found
