"""What a stage needs and what the machine has: the probes on files like the kernel's, the estimates by their rule."""

import mmap

import numpy as np
import pytest
import torch

from inference.documents.configuration import Model, RoundConfiguration
from inference.types import InferenceError, UnreadableImage
from inference.worker import needs, usage
from tests.documents import snapshot_image, snapshot_of

GIB = 2**30
MEMINFO = "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\n"


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine of 16 GiB with 8 free, without cgroups; a test writes more files."""
    for name, folder in (("PROC", tmp_path / "proc"), ("CGROUPS", tmp_path / "cgroup")):
        folder.mkdir()
        monkeypatch.setattr(usage, name, folder)
    (tmp_path / "proc/self").mkdir()
    write(tmp_path, {"proc/meminfo": MEMINFO})
    return tmp_path


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(str(text))


def test_without_a_limit_the_machine_s_available_memory_counts(machine):
    assert usage.memory() == usage.Memory(8 * GIB, 16 * GIB)


def test_the_narrowest_group_above_the_process_counts_and_its_cached_files_are_free(machine):
    write(machine, {
        "proc/self/cgroup": "0::/boxwise/worker\n",
        "cgroup/boxwise/memory.max": 4 * GIB,
        "cgroup/boxwise/memory.current": 3 * GIB,
        "cgroup/boxwise/memory.stat": f"anon 1\ninactive_file {GIB}\n",
        "cgroup/boxwise/worker/memory.max": "max",
        "cgroup/boxwise/worker/memory.current": GIB,
    })  # fmt: skip
    assert usage.memory() == usage.Memory(2 * GIB, 4 * GIB)


def test_in_a_container_our_own_group_is_mounted_as_the_root(machine):
    write(machine, {
        "proc/self/cgroup": "0::/docker/abc\n",
        "cgroup/memory.max": 2 * GIB,
        "cgroup/memory.current": GIB,
        "cgroup/memory.stat": "anon 1\n",
    })  # fmt: skip
    assert usage.memory() == usage.Memory(GIB, 2 * GIB)


def test_groups_of_the_first_version_count_and_their_no_limit_is_none(machine):
    files = {
        "proc/self/cgroup": "9:name=systemd:/\n4:memory:/jobs/7\n1:cpu:/\n",
        "cgroup/memory/jobs/7/memory.limit_in_bytes": 3 * GIB,
        "cgroup/memory/jobs/7/memory.usage_in_bytes": 2 * GIB,
        "cgroup/memory/jobs/7/memory.stat": f"total_inactive_file {GIB // 2}\n",
        "cgroup/memory/memory.limit_in_bytes": 9223372036854771712,
        "cgroup/memory/memory.usage_in_bytes": 15 * GIB,
        "cgroup/memory/memory.stat": "total_inactive_file 0\n",
    }
    write(machine, files)
    assert usage.memory() == usage.Memory(3 * GIB // 2, 3 * GIB)


def test_where_memory_cannot_be_known_nobody_waits_for_it(machine):
    (machine / "proc/meminfo").unlink()
    assert usage.memory() is None
    needs.afford(10**18)


def use_memory(size: int) -> None:
    """Take pages of the kernel's and give them back: the allocator may serve an array from what earlier tests freed."""
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    np.frombuffer(block, np.uint8)[:] = 1
    block.close()


def test_a_watch_sees_the_highest_memory_of_its_own_time_and_the_processors_kept_busy():
    try:
        (usage.PROC / "self/clear_refs").write_text("5")
    except OSError as error:
        pytest.skip(f"this kernel does not let a process start its peak anew: {error}")
    use_memory(300 * 2**20)  # another's peak
    watch = usage.Watch()
    base = usage.resident()
    use_memory(120 * 2**20)
    sum(number * number for number in range(2_000_000))
    seen = watch.sample()
    assert 100 * 2**20 < seen["memory_peak"] - base < 200 * 2**20
    assert seen["memory"] < seen["memory_peak"]
    assert 0.02 < seen["cores"] <= 1.5 and seen["cores"] == seen["cores_mean"]


def test_a_gpu_is_told_of_only_where_this_process_uses_one(monkeypatch):
    assert not {name for name in usage.Watch().sample() if name.startswith("gpu")}
    reported = {"memory_reserved": 3, "max_memory_reserved": 5, "mem_get_info": (1, 7), "utilization": 43}
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    for name, value in reported.items():
        monkeypatch.setattr(torch.cuda, name, lambda value=value: value)
    seen = usage.Watch().sample()
    assert {name: v for name, v in seen.items() if name.startswith("gpu")} == {
        "gpu_memory": 3, "gpu_memory_peak": 5, "gpu_memory_total": 7, "gpu_busy": 0.43,
    }  # fmt: skip


# -- what is needed


def content(*images):
    """(width, height, annotated, split) of each."""
    entries = [
        snapshot_image(width=w, height=h, exhaustive=[[0, 0, w, h]] if annotated else [], split=split)
        for w, h, annotated, split in images
    ]
    return snapshot_of(*entries)


DOCUMENT = content((1000, 500, True, "train"), (2000, 1000, False, "train"), (100, 100, True, "test"))


@pytest.mark.parametrize("kind", ["prediction", "detector"])
def test_an_estimate_counts_the_largest_image_and_those_that_are_learned_from(monkeypatch, kind):
    estimate = needs.Estimate(100, largest=30, learned=8)
    monkeypatch.setattr(needs, "STAGES", {"prediction": estimate})
    monkeypatch.setattr(needs, "MODELS", {("detector", "centre", "quick"): estimate})
    configuration = RoundConfiguration(detector=Model(name="centre", preset="quick"))
    expected = 100 * 2**20 + 30 * 2_000_000 + 8 * 500_000
    assert needs.memory_needed(kind, DOCUMENT, configuration, "cpu") == expected


def test_of_a_model_that_was_never_measured_nothing_is_asked():
    configuration = RoundConfiguration(detector=Model(name="faster-rcnn", preset="quick"))
    assert needs.memory_needed("detector", DOCUMENT, configuration, "cpu") == 0
    assert needs.memory_needed("publication", DOCUMENT, configuration, "cpu") == 0
    assert needs.memory_needed("detector", DOCUMENT, configuration, "cuda") == 8 * 500_000


def test_a_stage_is_begun_only_where_it_fits_and_what_is_left_over_is_used_again(monkeypatch):
    monkeypatch.setattr(usage, "memory", lambda: usage.Memory(GIB, 16 * GIB))
    monkeypatch.setattr(usage, "resident", lambda: 3 * GIB)
    monkeypatch.setattr(needs, "idle", lambda with_torch: 2 * GIB)
    needs.afford(2 * GIB)
    with pytest.raises(needs.MissingResource) as declined:
        needs.afford(2 * GIB + 1)
    missing = declined.value
    assert (missing.what, missing.worker) == ("memory_needed", needs.HOST)
    assert (missing.needs, missing.free) == (2 * GIB + 1, 2 * GIB)


def test_what_lacks_nothing_is_not_called_lacking():
    for error in (
        ValueError("CUDA out of memory"),
        InferenceError("no box"),
        UnreadableImage("x"),
        OSError(28, "full"),
    ):
        assert needs.resource_of(error) is None
        with pytest.raises(type(error)), needs.missing_resources():
            raise error
