"""Weight files: safetensors with a JSON description, so that a file says itself what it is.

Nothing here can run code from a file: safetensors holds numbers only.
"""

import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from inference.types import InferenceError

State = dict[str, torch.Tensor]
WRAPPINGS = ("model_state", "model_state_dict", "model", "state_dict")  # micro-SAM and trainers wrap the tensors


class BadWeights(InferenceError):
    """The file is missing, truncated, no safetensors file, or made for another model."""

    code = "bad_weights"


def save(path: Path, state: State, about: Mapping[str, object], *, half: bool = False) -> Path:
    """Write tensors and their description under a temporary name, then rename. `half` stores float16."""
    tensors = {
        name: (value.half() if half and value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in state.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".tmp")
    save_file(tensors, unfinished, metadata={"boxwise": json.dumps(about, sort_keys=True)})
    os.replace(unfinished, path)
    return path


def load(
    path: Path, model: str | None = None
) -> tuple[State, dict[str, Any]]:  # untyped: as each model describes itself
    """Tensors (float32) and description. Raises BadWeights, also when the file is of another model than `model`."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("boxwise", "{}"))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (OSError, SafetensorError, ValueError) as error:
        raise BadWeights(f"{path.name} is no readable weight file: {error}") from error
    if model is not None and about.get("model") != model:
        raise BadWeights(f"{path.name} holds {about.get('model', 'an unknown model')}, not {model}")
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}, about


def read_checkpoint(path: Path) -> State:
    """Tensors (float32) of somebody else's checkpoint: safetensors, or a .pth that holds nothing but tensors. Raises
    BadWeights.

    A .pth is a pickle: torch's weights_only reader refuses everything in it that could run. Which of the two a file is
    is seen from its beginning, whatever its name.
    """
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise BadWeights(f"{path.name} cannot be read: {error}") from error
    if head[8:] == b"{":
        return load(path)[0]
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:  # torch's own words name ways to run the file's code
        raise BadWeights(
            f"{path.name} cannot be read safely as weights: it is damaged, is no file of torch.save, or holds Python "
            "objects besides tensors, which could run code. Where it came from, save the tensors alone: "
            "torch.save(model.state_dict(), 'weights.pth')"
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadWeights(f"{path.name} cannot be read safely as weights: {reason}") from error
    for key in WRAPPINGS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise BadWeights(f"{path.name} holds no table of tensors")
    return {
        name.removeprefix("module."): value.float() if value.is_floating_point() else value
        for name, value in content.items()
    }


def fill(module: torch.nn.Module, state: State, path: Path) -> None:
    """Load all tensors into the module. Raises BadWeights when names or shapes do not fit, or a value is not finite."""
    if any(not value.isfinite().all() for value in state.values() if value.is_floating_point()):
        raise BadWeights(f"{path.name} holds numbers that are not finite")
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise BadWeights(f"{path.name} does not fit its model: {error}") from error
