"""Names of files that leave the house: unique in the project, legal on Linux, macOS and Windows, in archives too.

A user's name is kept wherever it can be kept. `images.csv` of every export maps each file back to its image.
"""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath

from labeling.images.models import Image

# Windows allows 260 characters a path, Linux 255 bytes a name: a stem leaves room for the folder and the ending.
MOST_BYTES = 120
NOT_ALLOWED = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')  # by Windows
RESERVED = re.compile(r"^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$", re.IGNORECASE)  # devices of Windows


def safe_stem(name: str) -> str:
    """The name of a file without its ending, as every system allows it; never empty.

    Composed Unicode (NFC): macOS writes decomposed names, Windows and Linux composed ones.
    """
    stem = PurePath(unicodedata.normalize("NFC", name).replace("\\", "/")).stem
    stem = "".join(character for character in stem if unicodedata.category(character) not in ("Cc", "Cf", "Cs"))
    stem = NOT_ALLOWED.sub("_", stem)
    stem = _cut(stem, MOST_BYTES).strip(" .")
    if not stem:
        return "image"
    if RESERVED.match(stem):
        return f"_{stem}"
    return stem


def stems_of(images: Iterable[Image]) -> dict[int, str]:
    """Image key -> its stem. Each stem stands once, upper and lower case and endings apart.

    The first image of a name keeps it, a later one gets its position behind it; positions never change, so an export
    next year uses the same names.
    """
    found: dict[int, str] = {}
    used: set[str] = set()
    for image in images:
        stem = safe_stem(image.name)
        number = image.position
        while stem.casefold() in used:
            ending = f"-{number:04d}"
            stem = _cut(safe_stem(image.name), MOST_BYTES - len(ending)) + ending
            number += 1
        used.add(stem.casefold())
        found[image.pk] = stem
    return found


def file_name_of(image: Image, stem: str) -> str:
    """The stem with the ending of the user's own file, so that the two can be matched."""
    ending = PurePath(image.name).suffix
    return stem + (ending if re.fullmatch(r"\.[A-Za-z0-9]{1,10}", ending) else "")


def _cut(text: str, most: int) -> str:
    """At most so many bytes of UTF-8, whole characters only."""
    return text.encode()[:most].decode(errors="ignore")
