"""The one training loop: step by step, resumable to the bit, cancellable, with a moving average of the weights.

Batches are drawn by a generator seeded by (seed, step), so that a run resumed from a checkpoint sees what the
uninterrupted run would have seen; optimiser and average are in the checkpoint.
"""

import hashlib
import math
import os
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from inference import limits
from inference.devices import mixed
from inference.types import Cancelled, Progress, Report, Sample, Stop, TrainingDiverged

State = dict[str, Tensor]
COUNTED = "trained_parameters"  # name of the file in which a work folder keeps how many numbers are trained


@dataclass(frozen=True)
class Schedule:
    """AdamW with linear warm-up, cosine decay to 2 % and gradient clipping.

    epoch     steps between two checkpoints (and evaluations)
    average   decay of the exponential moving average of the weights
    patience  epochs without a better validation score after which training ends; None: never
    until     step at which to end although the rate has not come down to its least; None: steps
    """

    steps: int
    epoch: int
    lr: float = 2e-3
    weight_decay: float = 1e-3
    warmup: int = 50
    clip: float = 2.0
    average: float = 0.99
    patience: int | None = None
    seed: int = 0
    until: int | None = None

    @property
    def last(self) -> int:
        return min(self.steps, self.until or self.steps)

    def __post_init__(self) -> None:
        for name, limit in limits.TRAINING.items():  # the bounds that the website's form has too
            limit.check(name, getattr(self, name))
        if self.epoch < 1 or not 0 <= self.average < 1:
            raise ValueError(f"impossible schedule: {self}")

    def rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / max(1, min(self.warmup, self.steps // 4)))
        return self.lr * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / self.steps)))


def adamw(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=schedule.lr, weight_decay=schedule.weight_decay)


def sgd(model: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """With a momentum of 0.9, as papers mean it that do not say more."""
    trained = [value for value in model.parameters() if value.requires_grad]
    return torch.optim.SGD(trained, lr=schedule.lr, momentum=0.9, weight_decay=schedule.weight_decay)


def fit(
    model: nn.Module,
    batch: Callable[[np.random.Generator], Any],
    loss: Callable[[nn.Module, Any], Tensor],
    schedule: Schedule,
    *,
    device: torch.device,
    work: Path,
    fingerprint: str,
    report: Report,
    stop: Stop,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    optimiser_of: Callable[[nn.Module, Schedule], torch.optim.Optimizer] = adamw,
) -> State:
    """Train and return the averaged weights: of the best epoch by evaluate()["score"], else of the last.

    `fingerprint` names data and settings: a checkpoint in `work` that carries another one, or that cannot be read,
    is left aside and training begins anew. Raises Cancelled (the last epoch's checkpoint remains) and
    TrainingDiverged (names epoch and batch).
    """
    work.mkdir(parents=True, exist_ok=True)
    path = work / "checkpoint.pt"
    (work / COUNTED).write_text(str(sum(value.numel() for value in model.parameters() if value.requires_grad)))
    model.to(device)
    if device.type == "cpu":
        model.to(memory_format=torch.channels_last)
    optimiser = optimiser_of(model, schedule)
    average = {name: value.clone() for name, value in model.state_dict().items()}
    best: State | None = None
    best_score, waited, step = -math.inf, 0, 0
    kept = read_checkpoint(path, fingerprint)
    if kept is not None:
        model.load_state_dict(kept["model"])
        optimiser.load_state_dict(kept["optimiser"])
        average, best, best_score, waited, step = (
            kept[key] for key in ("average", "best", "best_score", "waited", "step")
        )
    epochs = -(-schedule.last // schedule.epoch)
    while step < schedule.last and not (schedule.patience and waited >= schedule.patience):
        model.train()
        total, began = 0.0, step
        while step < min(schedule.last, began + schedule.epoch):
            if stop():
                raise Cancelled(f"stopped in epoch {began // schedule.epoch + 1} of {epochs}")
            rng = np.random.default_rng([schedule.seed, step])
            # Only dropout draws from torch's own generator; seeded by step for the same reason.
            torch.manual_seed(schedule.seed * 1_000_003 + step)
            drawn = batch(rng)
            for group in optimiser.param_groups:
                group["lr"] = schedule.rate(step)
            with mixed(device):
                value = loss(model, drawn)
            if not math.isfinite(value.item()):
                raise TrainingDiverged(
                    f"the loss became {value.item()} in epoch {began // schedule.epoch + 1}, "
                    f"batch {step - began + 1}; the last epoch's checkpoint remains"
                )
            optimiser.zero_grad(set_to_none=True)
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), schedule.clip)
            optimiser.step()
            step += 1
            decay = min(schedule.average, step / (step + 10))  # a young average follows quickly
            with torch.no_grad():
                for name, tensor in model.state_dict().items():
                    if tensor.is_floating_point():
                        average[name].lerp_(tensor, 1 - decay)
                    else:
                        average[name].copy_(tensor)
            total += value.item()
        values = {"loss": total / (step - began)}
        if evaluate is not None:
            current = {name: value.clone() for name, value in model.state_dict().items()}
            model.load_state_dict(average)
            model.eval()
            values |= evaluate(model)
            model.load_state_dict(current)
            if values.get("score", -math.inf) > best_score:
                best_score, waited = values["score"], 0
                best = {name: value.clone() for name, value in average.items()}
            else:
                waited += 1
        content: dict[str, Any] = {
            "fingerprint": fingerprint,
            "model": model.state_dict(),
            "optimiser": optimiser.state_dict(),
        }
        content |= {"average": average, "best": best, "best_score": best_score, "waited": waited, "step": step}
        write_checkpoint(path, content)
        report(Progress(-(-step // schedule.epoch), epochs, values=values))
    return best if best is not None else average


def trained_parameters(folder: Path) -> int | None:
    """How many numbers the trainings changed whose work lies below a folder; None where none has begun."""
    counts = [int(path.read_text()) for path in folder.rglob(COUNTED)]
    return sum(counts) if counts else None


def write_checkpoint(path: Path, content: dict[str, Any]) -> None:  # untyped: torch's states, by its own names
    unfinished = path.with_name(path.name + ".tmp")
    torch.save(content, unfinished)
    os.replace(unfinished, path)


def read_checkpoint(path: Path, fingerprint: str) -> dict[str, Any] | None:  # untyped: as above
    try:
        # weights_only: a checkpoint is data, whoever wrote it.
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError):
        return None
    return content if isinstance(content, dict) and content.get("fingerprint") == fingerprint else None


def fingerprint(settings: object, samples: Sequence[Sample], start: str = "") -> str:
    """Hash of everything the trained weights depend on."""
    digest = hashlib.sha256(f"{settings!r}|{start}".encode())
    for sample in samples:
        for array in (sample.rgb, sample.boxes, sample.classes, sample.valid, sample.labels):
            if array is not None:
                digest.update(str(array.shape).encode())
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
