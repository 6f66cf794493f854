"""Stages that wait because a worker lacks something: for how long, for whom, and how it is said.

A worker that lacks memory or a GPU hands the stage back. It is no attempt that died: the stage waits, the next worker
may take it at once, and those that refused it may after a pause that grows each time nobody could do it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from labeling.leases import WORKERS
from labeling.rounds.models import Stage

PAUSES = WORKERS.pauses

# Stage.missing_resource is {"what": a key of SENTENCES, and the names in its sentence}; sizes are in bytes.
SENTENCES = {
    "no_worker": "no worker serves the queue “{queue}”",
    "no_gpu": "the worker on {worker} serves the queue “gpu”, but has no usable GPU",
    "gpu_memory": "the GPU of the worker on {worker} has too little free memory",
    "memory": "the worker on {worker} ran out of memory",
    "memory_needed": "it needs about {needs} of memory, and the worker on {worker} has {free} free",
}
NO_GPU_REMEDY = (
    "Start a worker with “-Q gpu” on a machine with a GPU, or cancel and start a round with the device “cpu”."
)
REMEDIES = {
    "no_worker": "Start a worker with “-Q {queue}”.",
    "no_gpu": NO_GPU_REMEDY,
    "gpu_memory": "Free the GPU, start a worker with “-Q gpu” on a larger one, or choose smaller settings.",
    "memory": "Free memory on that machine, or start a worker on a larger one.",
    "memory_needed": "Free memory on that machine, or start a worker on a larger one.",
}


def keep_away(stage: Stage, missing: dict[str, Any], worker: str, now: datetime) -> None:
    """Keep `worker` away from the stage for a while. The caller holds the row and saves it.

    A second worker that refuses within the same pause joins it: pauses grow with the times that nobody could do it.
    """
    if stage.again_at is None or stage.again_at <= now:
        stage.again_at = now + WORKERS.pause(stage.times_declined)
        stage.times_declined += 1
        stage.declined_by = []
    stage.missing_resource = missing
    if worker not in stage.declined_by:
        stage.declined_by = [*stage.declined_by, worker]


def is_kept_away(stage: Stage, worker: str, now: datetime) -> bool:
    """Whether this worker has to leave the stage alone."""
    return stage.again_at is not None and stage.again_at > now and worker in stage.declined_by


def clear(stage: Stage) -> None:
    """Nothing is missing any more. The caller saves the row."""
    stage.missing_resource, stage.again_at, stage.times_declined, stage.declined_by = {}, None, 0, []


def in_words(missing: Mapping[str, Any], sentence: str) -> str:
    """A sentence of SENTENCES or REMEDIES, perhaps translated, with what it names."""
    names = {name: size(value) if isinstance(value, int) else str(value) for name, value in missing.items()}
    return sentence.format(**{"queue": "gpu", "worker": "?", "needs": "?", "free": "?"} | names)


def reason(missing: Mapping[str, Any]) -> str:
    return in_words(missing, SENTENCES[missing["what"]]) if missing else ""


def remedy(missing: Mapping[str, Any]) -> str:
    """What somebody can do about it."""
    return in_words(missing, remedy_of(missing)) if missing else ""


def remedy_of(missing: Mapping[str, Any]) -> str:
    """The sentence of REMEDIES, not yet filled in: for who translates it."""
    if missing["what"] == "no_worker" and missing.get("queue") == "gpu":
        return NO_GPU_REMEDY
    return REMEDIES[missing["what"]]


def size(count: float) -> str:
    """Bytes in words: "1.2 GiB", "640 MiB"."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def usage_sentence(usage: Mapping[str, Any]) -> str:
    """What a stage took, for its log."""
    peaks = {"memory_peak": "the worker's memory was at most", "gpu_memory_peak": "the GPU's memory at most"}
    parts = [f"{words} {size(usage[name])}" for name, words in peaks.items() if name in usage]
    seconds = usage["cores_mean"] * usage["seconds"]
    return "; ".join([f"used {seconds:.1f} s of processor time ({usage['cores_mean']:.1f} cores)", *parts])


def near_its_limit(usage: Mapping[str, Any]) -> bool:
    """Whether memory was nearly used up when the worker told it last: what the kernel ends processes for."""
    free, total = usage.get("memory_free"), usage.get("memory_total")
    return bool(free is not None and total and free < SCARCE * total)


SCARCE = 0.1  # share of the memory; a second before the end less than this is left
