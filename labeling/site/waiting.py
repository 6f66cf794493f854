"""What to annotate next: the scores that the current round left on each image, in words."""

from dataclasses import dataclass

from labeling.projects.models import Project
from labeling.rounds.promotion import current_publications
from labeling.site.overview import Counts

# Name of a score (inference/acquisition.py) -> its name for people.
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
    """An image that nobody has annotated exhaustively: its place in the queue from 1, and why it stands there."""

    place: int
    of: int
    why: str


def next_images(project: Project, counts: dict[int, Counts], strategy: str = "mix") -> dict[int, Waiting]:
    """Image -> its place, for the images that the current round scored and that are not annotated since; one query.

    An unknown strategy is taken as the mix. Empty while no round has scored anything.
    """
    strategy = strategy if strategy in STRATEGIES else "mix"
    scored = {
        image: facts["queue"]
        for image, facts in current_publications(project.images.order_by()).values_list("image", "facts")
        if facts.get("queue") and not (counts.get(image) or Counts()).exhaustive
    }
    order = sorted(scored, key=lambda image: (-scored[image].get(strategy, 0.0), image))
    return {
        image: Waiting(place, len(order), why(scored[image], strategy)) for place, image in enumerate(order, start=1)
    }


def why(scores: dict[str, float], strategy: str) -> str:
    """The score as a sentence that can be checked by looking at the image."""
    s = {name: 100 * value for name, value in scores.items()}
    sentences = {
        "ambiguous": f"detector and segmenter dispute {s.get('ambiguous', 0):.1f} % of the pixels",
        "entropy": f"colour leaves {s.get('entropy', 0):.0f} % of a bit open in the disputed pixels",
        "disagreement": f"cells of detector and segmenter differ: 1 - PQ is {s.get('disagreement', 0):.0f} %",
        "detector": f"detections are {s.get('detector', 0):.0f} % unsure on average",
        "diversity": f"its colours are among the {max(1, 100 - s.get('diversity', 0)):.0f} % least like annotated ones",
        "random": "drawn by chance, the baseline",
        "economy": "much in doubt for the few cells that would have to be boxed",
    }
    if strategy in sentences:
        return sentences[strategy]
    return "; ".join(sentences[name] for name in ("ambiguous", "disagreement", "detector"))
