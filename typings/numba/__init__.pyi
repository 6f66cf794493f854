# What this project uses of numba, which has no types of its own: a kernel keeps the signature that it is written with.
from collections.abc import Callable
from typing import Any, TypeVar

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

types: Any

def njit(
    *, cache: bool = ..., fastmath: bool | set[str] = ..., error_model: str = ...
) -> Callable[[Kernel], Kernel]: ...
