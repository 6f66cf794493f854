"""Reading where tissue comes from out of names of files, by a pattern (projects/name_patterns.py)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from labeling.images.models import Image
from labeling.projects.name_patterns import ANY, LONGEST, PLACES, Pattern, parsed

__all__ = ["ANY", "LONGEST", "PLACES", "Match", "Pattern", "matches", "parsed"]


@dataclass(frozen=True)
class Match:
    """What a pattern reads from the name of an image; None where the name does not fit."""

    image: Image
    parts: dict[str, str] | None


def matches(pattern: str, images: Iterable[Image]) -> Sequence[Match]:
    """Raises Invalid for a pattern that cannot be used."""
    made = parsed(pattern)
    return [Match(image, made.read(image.name)) for image in images]
