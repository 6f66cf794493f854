"""Names of files as people see them: one way to write them, and one way to compare them."""

import re
import unicodedata
from pathlib import PurePath

LONGEST = 255  # characters


def normal(name: str) -> str:
    """A name as it is compared: composed characters (NFC), white space as single blanks.

    macOS writes "a" and its dots as two characters, a keyboard as one; to people both are the same name.
    """
    return " ".join(unicodedata.normalize("NFC", name).split())


def clean(name: str) -> str:
    """A name as it is stored: the last part of a path, composed, without control characters, short enough."""
    base = PurePath(name.replace("\\", "/")).name
    plain = re.sub(r"[\x00-\x1f\x7f]", "", unicodedata.normalize("NFC", base))
    return plain[:LONGEST] or "image"
