"""Names that look alike, and names that nobody may take: no colleague is to be mistaken for another, or for the site.

The comparison follows the idea of Unicode Technical Standard 39: each character is replaced by the plain one that it
can be confused with, and two names are alike when nothing is left to tell them apart.
"""

import unicodedata
from functools import cache

from confusable_homoglyphs.confusables import confusables_data

# What speaks for the site. A name is reserved when it is one of these, or made of nothing else.
RESERVED_WORDS = frozenset(
    {
        "admin", "administrator", "administration", "boxwise", "help", "helpdesk", "moderator", "operator", "root",
        "security", "server", "service", "staff", "superuser", "support", "sysadmin", "system", "team", "webmaster",
    }
)  # fmt: skip
FILLERS = frozenset({"the", "a", "an", "of", "my"})
LETTERS_ALIKE = str.maketrans({"l": "i", "1": "i", "|": "i", "0": "o"})
DIGITS_AS_LETTERS = str.maketrans({"3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s"})


def lookalike_key(name: str) -> str:
    """Equal for names that people cannot tell apart: case, width, invisible and confusable characters do not count."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    plain = "".join(_plain(character) for character in folded if unicodedata.category(character) not in ("Cf", "Cc"))
    alike = plain.casefold().translate(LETTERS_ALIKE).replace("rn", "m")
    return " ".join(alike.split())[:400]


@cache
def _plain(character: str) -> str:
    """The ASCII letter or digit that a character can be confused with, or the character itself."""
    if character.isascii():
        return character
    known = [one["c"] for one in confusables_data.get(character, [])]
    similar = [one for one in known if one.isascii() and one.isalnum()]
    return min(similar, key=lambda one: (len(one), one)) if similar else character


def is_reserved(name: str) -> bool:
    """Whether a name speaks for the site: "admin", "The Admin", "B0xwise Support", "аdmin" with a Cyrillic a."""
    key = _without_accents(lookalike_key(name)).translate(DIGITS_AS_LETTERS)
    words = "".join(character if character.isalnum() else " " for character in key).split()
    telling = [word.rstrip("0123456789") for word in words if word not in FILLERS]
    if "".join(words) in _reserved_keys() or "".join(telling) in _reserved_keys():
        return True
    return bool(telling) and all(word in _reserved_keys() for word in telling)


@cache
def _reserved_keys() -> frozenset[str]:
    return frozenset(lookalike_key(word) for word in RESERVED_WORDS)


def _without_accents(text: str) -> str:
    parts = unicodedata.normalize("NFD", text)
    return "".join(character for character in parts if not unicodedata.combining(character))
