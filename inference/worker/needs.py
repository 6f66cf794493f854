"""What a stage needs of the machine that makes it, and how a worker that lacks it says so.

Nothing is made on another device than was asked for, and a stage that does not fit is not begun: it would end its
worker, and those of others with it. What cannot be told beforehand (a GPU that others fill, an estimate too low) is
told when it happens.
"""

import errno
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from inference.documents.configuration import RoundConfiguration
from inference.documents.snapshot import Snapshot
from inference.documents.stage_reports import MissingKind
from inference.types import InferenceError, MissingResource
from inference.worker import usage

HOST = socket.gethostname()
MIB = 1 << 20


@dataclass(frozen=True)
class Estimate:
    """Memory above that of an idle worker: MiB at least, and bytes for each pixel of the largest image and of all
    images that are learned from."""

    least: int
    largest: float = 0
    learned: float = 0

    def bytes(self, largest: int, learned: int) -> int:
        return int(self.least * MIB + self.largest * largest + self.learned * learned)


# From what was measured on the CPU (python -m tests.bench memory; docs/rounds.md, "Where stages run"): never below it,
# and above it by a tenth or more for images of up to a megapixel.
STAGES = {
    "pseudo_masks": Estimate(340, largest=10),
    "prediction": Estimate(550, largest=80),
    "fusion": Estimate(280, largest=60),  # 250 MiB where its machine code has to be made first
    "instances": Estimate(100, largest=25),
    "evaluation": Estimate(120, largest=85),
}
MODELS = {  # kind, model, preset; of others and of stages not named here nothing is known, so nothing is asked for
    ("detector", "centre", "tiny"): Estimate(370, largest=80, learned=9),
    ("detector", "centre", "quick"): Estimate(390, largest=80, learned=9),
    ("segmenter", "unet", "tiny"): Estimate(520, largest=60, learned=9),
    ("segmenter", "unet", "quick"): Estimate(530, largest=60, learned=9),
    ("detector", "centre", "standard"): Estimate(500, largest=80, learned=9),  # batches of 8 in place of 6
    ("segmenter", "unet", "standard"): Estimate(700, largest=60, learned=9),
    ("detector", "yolo", "paper"): Estimate(11_500, learned=9),  # from batches of 1 and 2 to one of 32
    ("segmenter", "caranet", "paper"): Estimate(5_900, learned=9),  # the same, to one of 16
}
# With a GPU the nets and their work lie in its memory, which was not measured: here only what is read from files.
ON_GPU = Estimate(0, learned=8)


def memory_needed(kind: str, content: Snapshot, configuration: RoundConfiguration, device: str) -> int:
    """Bytes that a stage takes above those of an idle worker; 0 where that was never measured.

    content  sizes of the images, and which of them are learned from
    """
    sizes = [entry.pixel_count for entry in content.images]
    learned = sum(entry.pixel_count for entry in content.images if entry.exhaustive and entry.split in ("train", "val"))
    chosen = configuration.model_of("segmenter" if kind == "pseudo_masks" else kind)
    if chosen is not None and chosen.as_is:
        return 0  # nothing is learned, so nothing is read
    estimate = STAGES.get(kind)
    if estimate is None and chosen is not None:
        estimate = MODELS.get((kind, chosen.name, chosen.preset))
    if device != "cpu":
        estimate = ON_GPU if kind in ("detector", "segmenter") else None
    return estimate.bytes(max(sizes, default=0), learned) if estimate else 0


def device_for(asked: str) -> str:
    """What nets compute on here, "cpu" or "cuda", for "auto", "cpu" or "gpu". Raises MissingResource where a GPU
    was asked for and none can be used."""
    import torch  # here and not above: it takes seconds, and a worker is at work sooner without it

    if asked != "cpu" and torch.cuda.is_available():
        return "cuda"
    if asked == "gpu":
        raise MissingResource(MissingKind.NO_GPU, worker=HOST)
    return "cpu"


def place_for(kind: str, content: Snapshot, configuration: RoundConfiguration, *, has_nets: bool) -> str:
    """Where this machine can make a stage: "cpu" or "cuda". Raises MissingResource where it cannot."""
    device = device_for(configuration.device) if has_nets else "cpu"
    afford(memory_needed(kind, content, configuration, device))
    return device


def afford(needed: int) -> None:
    """Raises MissingResource where so many bytes are not to be had. What this process holds above an idle worker's
    memory is left over from earlier stages, and is used again."""
    left = usage.memory()
    if left is None or not needed:
        return
    free = left.free + max(0, usage.resident() - idle("torch" in sys.modules))
    if needed > free:
        raise MissingResource(MissingKind.MEMORY_NEEDED, worker=HOST, needs=needed, free=free)


@lru_cache(maxsize=2)
def idle(with_torch: bool) -> int:
    """Bytes that this process held when it was first asked: before its first stage, and when torch had come in."""
    return usage.resident()


@contextmanager
def missing_resources() -> Iterator[None]:
    """Every way in which memory or a GPU can be missing, as MissingResource."""
    try:
        yield
    except MissingResource:
        raise
    except Exception as error:
        what = resource_of(error)
        if what is None:
            raise
        raise MissingResource(what, worker=HOST) from error


NO_MEMORY = ("can't allocate memory", "not enough memory: you tried to allocate")  # torch on the CPU
NO_GPU_MEMORY = ("CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def resource_of(error: BaseException) -> MissingKind | None:
    """What is missing, where an error says that something is; None for all others."""
    torch = sys.modules.get("torch")
    if isinstance(error, InferenceError):  # of inference.devices, which cannot be imported without torch
        return {"no_gpu": MissingKind.NO_GPU, "out_of_memory": MissingKind.GPU_MEMORY}.get(error.code)
    if torch is not None and isinstance(error, torch.OutOfMemoryError):
        return MissingKind.GPU_MEMORY
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return MissingKind.MEMORY
    if isinstance(error, RuntimeError):
        if any(words in str(error) for words in NO_GPU_MEMORY):
            return MissingKind.GPU_MEMORY
        if any(words in str(error) for words in NO_MEMORY):
            return MissingKind.MEMORY
    return None


def let_go() -> None:
    """Give the GPU's memory back that torch keeps for later: another process may wait for it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
