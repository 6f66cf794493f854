"""Names of files that leave the house (inference/formats/names.py makes them legal and unique).

`images.csv` of every export maps each file back to its image.
"""

import re
from collections.abc import Iterable
from pathlib import PurePath

from inference.formats.names import safe_stem, unique_stems
from labeling.images.models import Image

__all__ = ["file_name_of", "safe_stem", "stems_of"]


def stems_of(images: Iterable[Image]) -> dict[int, str]:
    """Image key -> its stem. The first image of a name keeps it, a later one gets its position behind it; positions
    never change, so an export next year uses the same names.
    """
    found = list(images)
    stems = unique_stems([(image.name, image.position) for image in found])
    return {image.pk: stem for image, stem in zip(found, stems, strict=True)}


def file_name_of(image: Image, stem: str) -> str:
    """The stem with the ending of the user's own file, so that the two can be matched."""
    ending = PurePath(image.name).suffix
    return stem + (ending if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", ending) else "")
