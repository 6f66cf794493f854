"""Stages and jobs that wait because a worker lacks something: how it is said (how long it lasts: leases.Backoff).

A worker that lacks memory or a GPU hands the work back. It is no attempt that died: the work waits, the next worker
may take it at once, and those that refused it may after a pause that grows each time nobody could do it.
"""

from inference.documents.stage_reports import MissingKind, MissingResource, Usage
from labeling.leases import WORKERS

PAUSES = WORKERS.pauses

SENTENCES = {
    MissingKind.NO_WORKER: "no worker serves the queue “{queue}”",
    MissingKind.NO_GPU: "the worker on {worker} serves the queue “gpu”, but has no usable GPU",
    MissingKind.GPU_MEMORY: "the GPU of the worker on {worker} has too little free memory",
    MissingKind.MEMORY: "the worker on {worker} ran out of memory",
    MissingKind.MEMORY_NEEDED: "it needs about {needs} of memory, and the worker on {worker} has {free} free",
}
NO_GPU_REMEDY = (
    "Start a worker with “-Q gpu” on a machine with a GPU, or cancel and start a round with the device “cpu”."
)
REMEDIES = {
    MissingKind.NO_WORKER: "Start a worker with “-Q {queue}”.",
    MissingKind.NO_GPU: NO_GPU_REMEDY,
    MissingKind.GPU_MEMORY: "Free the GPU, start a worker with “-Q gpu” on a larger one, or choose smaller settings.",
    MissingKind.MEMORY: "Free memory on that machine, or start a worker on a larger one.",
    MissingKind.MEMORY_NEEDED: "Free memory on that machine, or start a worker on a larger one.",
}


def in_words(missing: MissingResource, sentence: str) -> str:
    """A sentence of SENTENCES or REMEDIES, perhaps translated, with what it names."""
    return sentence.format(
        queue=missing.queue or "gpu",
        worker=missing.worker or "?",
        needs="?" if missing.needs is None else size(missing.needs),
        free="?" if missing.free is None else size(missing.free),
    )


def reason(missing: MissingResource | None) -> str:
    return in_words(missing, SENTENCES[missing.what]) if missing else ""


def remedy(missing: MissingResource | None) -> str:
    """What somebody can do about it."""
    return in_words(missing, remedy_of(missing)) if missing else ""


def remedy_of(missing: MissingResource) -> str:
    """The sentence of REMEDIES, not yet filled in: for who translates it."""
    if missing.what == MissingKind.NO_WORKER and missing.queue == "gpu":
        return NO_GPU_REMEDY
    return REMEDIES[missing.what]


def size(count: float) -> str:
    """Bytes in words: "1.2 GiB", "640 MiB"."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def usage_sentence(usage: Usage) -> str:
    """What a stage took, for its log."""
    cores = usage.cores_mean or 0.0
    parts = [f"used {cores * usage.seconds:.1f} s of processor time ({cores:.1f} cores)"]
    if usage.memory_peak is not None:
        parts.append(f"the worker's memory was at most {size(usage.memory_peak)}")
    if usage.gpu_memory_peak is not None:
        parts.append(f"the GPU's memory at most {size(usage.gpu_memory_peak)}")
    return "; ".join(parts)


def near_its_limit(usage: Usage) -> bool:
    """Whether memory was nearly used up when the worker told it last: what the kernel ends processes for."""
    free, total = usage.memory_free, usage.memory_total
    return bool(free is not None and total and free < SCARCE * total)


SCARCE = 0.1  # share of the memory; a second before the end less than this is left
