"""Names of files: unique, legal on Linux, macOS and Windows, in archives too; a user's name is kept where it can be."""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import PurePath

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
    stem = cut(stem, MOST_BYTES).strip(" .")
    if not stem:
        return "image"
    if RESERVED.match(stem):
        return f"_{stem}"
    return stem


def unique_stems(named: Sequence[tuple[str, int]]) -> list[str]:
    """For each (name, number) a stem; each stands once, upper and lower case apart.

    The first of a name keeps it, a later one gets its number behind it.
    """
    found: list[str] = []
    used: set[str] = set()
    for name, number in named:
        stem = safe_stem(name)
        while stem.casefold() in used:
            ending = f"-{number:04d}"
            stem = cut(safe_stem(name), MOST_BYTES - len(ending)) + ending
            number += 1
        used.add(stem.casefold())
        found.append(stem)
    return found


def cut(text: str, most: int) -> str:
    """At most so many bytes of UTF-8, whole characters only."""
    return text.encode()[:most].decode(errors="ignore")
