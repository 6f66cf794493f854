"""Whole numbers as people and programs send them in addresses, queries and forms.

str.isdigit() and str.isdecimal() accept characters that int() does not, or that nobody types as a number (a superscript
two, Arabic digits), and int() itself refuses more than 4,300 digits. So text becomes a number here and nowhere else.
"""

import re

from labeling.errors import Invalid

LARGEST = 2**63 - 1  # the largest key that the database holds
_DIGITS = re.compile(r"[0-9]{1,19}", re.ASCII)


def whole_number(text: object, *, largest: int = LARGEST) -> int | None:
    """The number that `text` writes in ASCII digits, from 0 to `largest`; None for anything else, None included."""
    if not isinstance(text, str) or not _DIGITS.fullmatch(text):
        return None
    number = int(text)
    return number if number <= largest else None


def required_number(text: object, field: str, *, largest: int = LARGEST) -> int:
    """As whole_number. Raises Invalid, which names the field, where there is no such number."""
    number = whole_number(text, largest=largest)
    if number is None:
        limit = f" to {largest}" if largest < LARGEST else ""
        raise Invalid(f"{field} must be a whole number from 0{limit}, written in digits", field=field)
    return number
