"""What to annotate next: the scores that the current round left on each image, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from inference.documents.publication import PublicationFacts
from labeling.projects.models import Project
from labeling.rounds.weights.promotion import publications_of_rounds
from labeling.site.overview import Counts

# Name of a score (inference/pipeline/acquisition.py) -> its name for people.
STRATEGIES = {
    "mix": "a mix of all",
    "economy": "a mix, per minute of work",
    "ambiguous": "disputed pixels",
    "entropy": "undecided colour",
    "disagreement": "detector against segmenter",
    "detector": "unsure detections",
    "diversity": "unlike what is annotated",
    "random": "chance",
}


@dataclass(frozen=True)
class Waiting:
    """An image that waits for somebody to look at it: its place in the queue from 1, and why it stands there."""

    place: int
    of: int
    why: str


def next_images(project: Project, counts: dict[int, Counts], strategy: str = "mix") -> dict[int, Waiting]:
    """Image -> its place, for the images that the current round scored and that still need somebody; one query.

    A fully annotated image needs nobody, nor does one on which every proposal has a verdict. An image
    without any proposal does: nobody has judged it, and the round found nothing. An unknown strategy is taken as the
    mix. Empty while no round has scored anything.
    """
    strategy = strategy if strategy in STRATEGIES else "mix"
    scored = {
        image: priorities
        for image, facts in publications_of_rounds(project.images.order_by()).values_list("image", "facts")
        if (priorities := PublicationFacts.stored(facts).priorities) and needs_somebody(counts.get(image, Counts()))
    }
    order = sorted(scored, key=lambda image: (-scored[image].get(strategy, 0.0), image))
    return {
        image: Waiting(place, len(order), why(scored[image], strategy)) for place, image in enumerate(order, start=1)
    }


def needs_somebody(counts: Counts) -> bool:
    return not counts.exhaustive and not counts.is_done


def why(scores: Mapping[str, float], strategy: str) -> str:
    """The score as a sentence that can be checked by looking at the image."""
    s = {name: 100 * value for name, value in scores.items()}
    unlike = max(1, 100 - s.get("diversity", 0))

    def share(name: str, digits: int = 0) -> str:
        return f"{s.get(name, 0):.{digits}f}"

    def rest(name: str) -> str:
        return f"{100 - s.get(name, 0):.0f}"

    sentences = {
        "ambiguous": _("the two models disagree about {n} % of the pixels").format(n=share("ambiguous", 1)),
        "entropy": _("in those pixels colour decides little: uncertainty {n} %").format(n=share("entropy")),
        "disagreement": _("their cells agree to {n} % (panoptic quality)").format(n=rest("disagreement")),
        "detector": _("mean confidence of the detector {n} %").format(n=rest("detector")),
        "diversity": _("its colours are among the {n} % least like annotated ones").format(n=f"{unlike:.0f}"),
        "random": _("drawn by chance, the baseline"),
        "economy": _("much in doubt for the few cells that would have to be boxed"),
    }
    if strategy in sentences:
        return sentences[strategy]
    return "; ".join(sentences[name] for name in ("ambiguous", "disagreement", "detector"))
