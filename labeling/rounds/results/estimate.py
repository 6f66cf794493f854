"""How long a round will take on this machine, as a range, before it is started.

Work is counted in seconds of processor time, which hang little on what else the machine does: those of earlier rounds
of the same preset here, else those that were measured for the shipped calibration. How many processors the work will
get follows from the load at this moment. A GPU is estimated from earlier rounds on one only.
"""

import os
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from inference.documents.methods import DEFAULT, METHODS, Method
from inference.documents.stage_reports import Usage
from labeling.images.models import Image, ImageKind, learned_from
from labeling.projects.models import Project
from labeling.rounds.models import Stage

NEWEST = 120  # finished stages of this preset, of all projects
BY_AREA = ("pseudo_masks", "prediction", "fusion", "instances", "evaluation", "publication")
MEGAPIXEL = 1e6
# Seconds of processor time: a megapixel for the stages of BY_AREA, in all for the two trainings (docs/rounds.md).
# Paper's were not measured: its steps and nets against those of quick.
_IMAGES = {"pseudo_masks": 4.5, "prediction": 1.5, "fusion": 0.9, "instances": 0.2}
CALIBRATION: dict[str, dict[str, float]] = {
    "tiny": {"detector": 5, "segmenter": 6, **_IMAGES},
    "quick": {"detector": 80, "segmenter": 70, **_IMAGES},
    # 771 s of processor on 13 images of 1000 x 1000 for both trainings and the pseudo-masks (docs/models.md, "Presets")
    "standard": {"detector": 530, "segmenter": 470, **_IMAGES, "prediction": 2.5},
    "paper": {"detector": 500_000, "segmenter": 200_000, **_IMAGES, "prediction": 20},
}
SPREAD_OF_CALIBRATION = (0.5, 2.0)  # of another machine than the one that was measured
SPREAD_OF_ONE = (0.7, 1.5)  # of a single earlier round


@dataclass(frozen=True)
class Estimate:
    """low and high in seconds; where they come from, in words; the load that was reckoned with."""

    low: float
    high: float
    source: str
    load: float
    cores: int

    @property
    def range(self) -> tuple[timedelta, timedelta]:
        return timedelta(seconds=self.low), timedelta(seconds=self.high)


def estimate(project: Project, preset: str, *, device: str = "auto", method: str = DEFAULT) -> Estimate | None:
    """The time of a round of this preset and method with what the project holds now; None where nothing is known of it.

    One worker is reckoned with; more workers are faster. Two queries.
    """
    if preset not in CALIBRATION or device == "gpu":
        return None
    calibration = calibration_of(METHODS[method], preset)
    pixels = learned_from(project).order_by().aggregate(n=Sum(F("width") * F("height")))["n"] or 0
    area = pixels / MEGAPIXEL
    measured = measured_seconds(preset, method)
    if "method" in calibration and not measured.get("method"):
        return None  # how long these trainings take was never measured for all presets
    low = high = 0.0
    for kind, shipped in calibration.items():
        units = area if kind in BY_AREA else 1.0
        least, most = _range_of(measured.get(kind, []), shipped)
        low += least * units
        high += most * units
    load, cores = present_load()
    return Estimate(low / cores, high / share_of_processors(load, cores), _source(measured), load, cores)


def calibration_of(method: Method, preset: str) -> dict[str, float]:
    """The calibration of the stages that rounds of the method have."""
    shipped = CALIBRATION[preset]
    known = [kind for kind in method.stages if kind in shipped or kind == "method"]
    return {kind: shipped.get(kind, 0.0) for kind in known}


def measured_seconds(preset: str, method: str = DEFAULT) -> dict[str, list[float]]:
    """Kind of stage -> seconds of processor time of earlier rounds here: a megapixel, or in all for the trainings.

    Rounds of methods that are trained as a whole count for their own method alone.
    """
    done = Stage.objects.filter(round__preset=preset, state=Stage.State.DONE).exclude(usage={}).order_by("-finished_at")
    if METHODS[method].is_whole:
        done = done.filter(round__configuration__method=method)
    else:
        done = done.exclude(round__configuration__has_key="recipe")
    rows = list(done.values_list("kind", "usage", "round__project")[:NEWEST])
    areas = _areas({project for _kind, _usage, project in rows})
    found: dict[str, list[float]] = defaultdict(list)
    for kind, usage, project in rows:
        used = Usage.stored(usage)
        seconds = (used.cores_mean or 0) * used.seconds
        if seconds <= 0 or used.device == "cuda" or used.made == 0:
            continue
        area = areas.get(project, 0)
        if kind not in BY_AREA:
            found[kind].append(seconds)
        elif area:
            found[kind].append(seconds / area)
    return found


def _areas(projects: set[int]) -> dict[int, float]:
    """Megapixels of each project, as its images are now."""
    rows = Image.objects.filter(project__in=projects, kind=ImageKind.PICTURE).order_by().values("project")
    return {row["project"]: row["n"] / MEGAPIXEL for row in rows.annotate(n=Sum(F("width") * F("height")))}


def _range_of(measured: list[float], shipped: float) -> tuple[float, float]:
    if not measured:
        return shipped * SPREAD_OF_CALIBRATION[0], shipped * SPREAD_OF_CALIBRATION[1]
    return min(measured) * SPREAD_OF_ONE[0], max(measured) * SPREAD_OF_ONE[1]


def _source(measured: dict[str, list[float]]) -> str:
    rounds = max((len(values) for values in measured.values()), default=0)
    if not rounds:
        return _("No round of this preset has run here yet, so this estimate comes from another machine.")
    return ngettext(
        "Estimated from {n} earlier round of this preset on this server.",
        "Estimated from {n} earlier rounds of this preset on this server.",
        rounds,
    ).format(n=rounds)


def present_load() -> tuple[float, int]:
    """The processes that wanted a processor in the last minute, and how many processors there are."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        return os.getloadavg()[0], cores
    except OSError:
        return 0.0, cores


def share_of_processors(load: float, cores: int) -> float:
    """How many processors a worker with a thread for each gets beside this load: at least its fair share."""
    free = max(0.0, cores - load)
    fair = cores * cores / (cores + load)
    return max(free, fair)
