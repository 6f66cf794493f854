"""What a stage waits for and what it uses, in the reader's words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from inference.documents.stage_reports import Usage
from labeling.jobs.models import Job
from labeling.rounds.execution.backoff import SENTENCES, in_words, remedy_of, size
from labeling.rounds.models import Stage


@dataclass(frozen=True)
class Wait:
    """Why a stage waits, what somebody can do about it, and when it is tried again; without a time, when it can be."""

    reason: str
    remedy: str
    again_at: datetime | None
    left: timedelta | None


def wait_of(work: Stage | Job, now: datetime) -> Wait | None:
    missing = work.missing
    if missing is None or work.state not in (work.State.WAITING, work.State.RUNNING):
        return None
    reason = in_words(missing, _(SENTENCES[missing.what]))
    remedy = in_words(missing, _(remedy_of(missing)))
    left = max(timedelta(0), work.again_at - now) if work.again_at else None
    return Wait(reason, remedy, work.again_at, left)


def usage_of(stage: Stage, portions: Iterable[Usage] = ()) -> str:
    """ "CPU: 1.9 cores, 1.2 GiB (peak 1.6 GiB)" while it works, mean and highest afterwards; "" where nobody knows.

    portions  the usage of the portions at work: they are added up
    """
    if stage.state == Stage.State.WAITING:  # what a worker used before it handed the stage back is no work
        return ""
    if stage.state != Stage.State.RUNNING:
        return _afterwards(stage.used)
    reported = [usage for usage in portions if usage.is_known] or [stage.used]
    if not reported[0].is_known:
        return ""
    parts = [_("{n} cores").format(n=f"{sum(u.cores or 0 for u in reported):.1f}")]
    if any(u.memory is not None for u in reported):
        now, peak = sum(u.memory or 0 for u in reported), sum(u.memory_peak or 0 for u in reported)
        parts.append(_("{now} (peak {peak})").format(now=size(now), peak=size(peak)))
    gpu = [u for u in reported if u.gpu_memory is not None]
    if gpu:
        now, peak = sum(u.gpu_memory or 0 for u in gpu), sum(u.gpu_memory_peak or 0 for u in gpu)
        parts.append(_("{now} (peak {peak}) of GPU memory").format(now=size(now), peak=size(peak)))
    busy = [u.gpu_busy for u in gpu if u.gpu_busy is not None]
    if busy:
        parts.append(_("{percent} % busy").format(percent=f"{100 * sum(busy) / len(busy):.0f}"))
    if len(reported) > 1:
        parts.append(_("{n} workers").format(n=len(reported)))
    return _on_device(reported[0], parts)


def _on_device(usage: Usage, parts: list[str]) -> str:
    """With the device first, for stages that run nets."""
    name = {"cpu": "CPU: ", "cuda": "GPU: "}.get(usage.device, "")
    return name + ", ".join(parts)


def _afterwards(usage: Usage) -> str:
    if usage.cores_mean is None:
        return ""
    parts = [_("{n} cores on average").format(n=f"{usage.cores_mean:.1f}")]
    if usage.memory_peak is not None:
        parts.append(_("at most {peak}").format(peak=size(usage.memory_peak)))
    if usage.gpu_memory_peak is not None:
        parts.append(_("at most {peak} of GPU memory").format(peak=size(usage.gpu_memory_peak)))
    return _on_device(usage, parts)
