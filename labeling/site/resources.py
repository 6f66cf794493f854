"""What a stage waits for and what it uses, in the reader's words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from labeling.rounds.execution.backoff import SENTENCES, in_words, remedy_of, size
from labeling.rounds.models import Stage


@dataclass(frozen=True)
class Wait:
    """Why a stage waits, what somebody can do about it, and when it is tried again; without a time, when it can be."""

    reason: str
    remedy: str
    again_at: datetime | None
    left: timedelta | None


def wait_of(stage: Stage, now: datetime) -> Wait | None:
    if not stage.missing_resource or stage.state not in (Stage.State.WAITING, Stage.State.RUNNING):
        return None
    reason = in_words(stage.missing_resource, _(SENTENCES[stage.missing_resource["what"]]))
    remedy = in_words(stage.missing_resource, _(remedy_of(stage.missing_resource)))
    left = max(timedelta(0), stage.again_at - now) if stage.again_at else None
    return Wait(reason, remedy, stage.again_at, left)


def usage_of(stage: Stage, portions: Iterable[dict[str, Any]] = ()) -> str:
    """ "CPU: 1.9 cores, 1.2 GiB (peak 1.6 GiB)" while it works, mean and highest afterwards; "" where nobody knows.

    portions  the usage of the portions at work: they are added up
    """
    if stage.state == Stage.State.WAITING:  # what a worker used before it handed the stage back is no work
        return ""
    if stage.state != Stage.State.RUNNING:
        return _afterwards(stage.usage)
    reported = [usage for usage in portions if usage] or ([stage.usage] if stage.usage else [])
    if not reported:
        return ""
    parts = [_("{n} cores").format(n=f"{sum(u.get('cores', 0) for u in reported):.1f}")]
    if any("memory" in u for u in reported):
        now, peak = (sum(u.get(name, 0) for u in reported) for name in ("memory", "memory_peak"))
        parts.append(_("{now} (peak {peak})").format(now=size(now), peak=size(peak)))
    gpu = [u for u in reported if "gpu_memory" in u]
    if gpu:
        now, peak = (sum(u[name] for u in gpu) for name in ("gpu_memory", "gpu_memory_peak"))
        parts.append(_("{now} (peak {peak}) of GPU memory").format(now=size(now), peak=size(peak)))
    busy = [u["gpu_busy"] for u in gpu if "gpu_busy" in u]
    if busy:
        parts.append(_("{percent} % busy").format(percent=f"{100 * sum(busy) / len(busy):.0f}"))
    if len(reported) > 1:
        parts.append(_("{n} workers").format(n=len(reported)))
    return _on_device(reported[0], parts)


def _on_device(usage: dict[str, Any], parts: list[str]) -> str:
    """With the device first, for stages that run nets."""
    name = {"cpu": "CPU: ", "cuda": "GPU: "}.get(usage.get("device", ""), "")
    return name + ", ".join(parts)


def _afterwards(usage: dict[str, Any]) -> str:
    if "cores_mean" not in usage:
        return ""
    parts = [_("{n} cores on average").format(n=f"{usage.get('cores_mean', 0):.1f}")]
    if "memory_peak" in usage:
        parts.append(_("at most {peak}").format(peak=size(usage["memory_peak"])))
    if "gpu_memory_peak" in usage:
        parts.append(_("at most {peak} of GPU memory").format(peak=size(usage["gpu_memory_peak"])))
    return _on_device(usage, parts)
