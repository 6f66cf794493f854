"""Which device computes, and in which precision."""

from contextlib import AbstractContextManager

import torch

from inference.types import InferenceError


class NoGpu(InferenceError):
    """A GPU was asked for by name and there is none; the CPU is never taken silently in its place."""

    code = "no_gpu"


class OutOfMemory(InferenceError):
    """Even the smallest unit of work does not fit into the GPU's memory; says which, and what to do."""

    code = "out_of_memory"


def device(name: str = "auto") -> torch.device:
    """ "auto" is the first GPU, or the CPU where there is none. Raises NoGpu when a named device is absent."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    wanted = torch.device(name)
    if wanted.type == "cuda" and not torch.cuda.is_available():
        raise NoGpu(f"{name} was asked for, but this machine has no usable CUDA GPU; use --device cpu or auto")
    return wanted


def has_bf16(where: torch.device) -> bool:
    """Whether bfloat16 pays: on a CPU without instructions for it, it is many times slower than float32."""
    if where.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return where.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def mixed(where: torch.device, *, enabled: bool = True) -> AbstractContextManager[None]:
    """Convolutions in bfloat16 where the hardware has it, float32 everywhere else."""
    context: AbstractContextManager[None] = torch.autocast(
        where.type, dtype=torch.bfloat16, enabled=enabled and has_bf16(where)
    )
    return context
