"""How long a job of several files still takes, by how long its own files took."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from labeling.jobs.models import Job, JobItem

FEWEST = 2  # files that must have been done before anything is said


@dataclass(frozen=True)
class TimeLeft:
    """From the shorter to the longer of two estimates."""

    least: timedelta
    most: timedelta


def time_left(items: Sequence[JobItem], now: datetime) -> TimeLeft | None:
    """Time for the files that are left, by the mean time a file and by the mean time a byte.

    Small files are dominated by the one and large files by the other, so the truth is mostly between the two. None
    until FEWEST files have been done, and when none is left.
    """
    seconds = 0.0
    size = 0
    done = 0
    left: list[JobItem] = []
    running = 0.0
    for item in items:
        if item.state in JobItem.OPEN:
            left.append(item)
            if item.state == JobItem.State.RUNNING and item.started_at:
                running = (now - item.started_at).total_seconds()
        elif item.started_at and item.finished_at:
            seconds += (item.finished_at - item.started_at).total_seconds()
            size += item.size
            done += 1
    if done < FEWEST or not left:
        return None
    by_file = seconds / done * len(left)
    by_byte = seconds / max(size, 1) * sum(item.size for item in left)
    least, most = sorted((max(0.0, by_file - running), max(0.0, by_byte - running)))
    return TimeLeft(timedelta(seconds=least), timedelta(seconds=most))


def jobs_before(job: Job) -> int:
    """How many jobs the workers will do first."""
    return Job.objects.filter(state__in=Job.ACTIVE, queued_at__lt=job.queued_at).count()
