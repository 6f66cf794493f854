from collections.abc import Callable
from typing import Any

def intrinsic(typed: Callable[..., Any]) -> Callable[..., Any]: ...
