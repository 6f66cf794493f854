"""How long proposing takes on this machine: before it is started, and what is left of it."""

from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from inference.documents.proposing import ProposedFacts
from labeling.jobs.models import Job, JobItem
from labeling.rounds.results.estimate import (
    MEGAPIXEL,
    SPREAD_OF_CALIBRATION,
    SPREAD_OF_ONE,
    Estimate,
    present_load,
    share_of_processors,
)

NEWEST = 40  # images, of all projects
LEAST = 0.05  # megapixels of an image whose time is believed: loading the models is the time of a smaller one
CALIBRATION = 2.2  # seconds of processor a megapixel on the CPU (docs/benchmarks.md, "Propose now")


def estimate_of(pixels: int, device: str = "auto") -> Estimate | None:
    """The time of proposing on so many pixels; None for a GPU on which nothing has run yet. One worker is reckoned
    with."""
    area = pixels / MEGAPIXEL
    measured = measured_seconds()
    load, cores = present_load()
    if measured:
        words = ngettext(
            "Estimated from {n} image on which this server has proposed cells.",
            "Estimated from {n} images on which this server has proposed cells.",
            len(measured),
        )
        low, high = min(measured) * SPREAD_OF_ONE[0], max(measured) * SPREAD_OF_ONE[1]
        return Estimate(low * area, high * area, words.format(n=len(measured)), load, cores)
    if device == "gpu":
        return None
    source = _("No cells have been proposed here yet, so this estimate comes from another machine.")
    low, high = (CALIBRATION * spread * area for spread in SPREAD_OF_CALIBRATION)
    return Estimate(low / cores, high / share_of_processors(load, cores), source, load, cores)


def measured_seconds() -> list[float]:
    """Seconds a megapixel of the images done last on this server."""
    done = JobItem.objects.filter(job__kind=Job.Kind.PROPOSE, state=JobItem.State.DONE).order_by("-finished_at")
    found = []
    for facts in done.values_list("facts", flat=True)[:NEWEST]:
        about = ProposedFacts.stored(facts)
        area = about.pixels / MEGAPIXEL
        if area >= LEAST and about.seconds:
            found.append(float(about.seconds) / area)
    return found


def time_left(items: list[JobItem]) -> timedelta | None:
    """By the pace of this very job; None before anything of it is done, and when nothing is left."""
    seconds = looked_at = left = 0.0
    for item in items:
        facts = ProposedFacts.stored(item.facts)
        share = 1.0 if item.state == JobItem.State.DONE else facts.done / facts.tiles if facts.tiles else 0.0
        seconds += float(facts.seconds)
        looked_at += share * item.size
        if item.state in JobItem.OPEN:
            left += (1 - share) * item.size
    if not looked_at or not left or not seconds:
        return None
    return timedelta(seconds=seconds / looked_at * left)
