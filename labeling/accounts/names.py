"""Names that look alike, and names that nobody may take, so that no colleague is mistaken for another or for the site.

The comparison follows the idea of Unicode Technical Standard 39: each character is replaced by the plain one that it
can be confused with, and two names are alike when the results are equal.
"""

import re
import unicodedata
from functools import cache

from confusable_homoglyphs.confusables import confusables_data

# Words for the site and its staff. A name is reserved when it is one of these, or is made only of these.
RESERVED_WORDS = frozenset(
    {
        "admin",
        "administrator",
        "administration",
        "boxwise",
        "help",
        "helpdesk",
        "moderator",
        "operator",
        "root",
        "security",
        "server",
        "service",
        "staff",
        "superuser",
        "support",
        "sysadmin",
        "system",
        "team",
        "webmaster",
    }
)
PSEUDONYM = re.compile(r"person-[0-9io]+")  # the key of a name of an anonymised account (upkeep/leaving.py)
FILLERS = frozenset({"the", "a", "an", "of", "my"})
INVISIBLE = ("Cf", "Cc")  # Unicode's categories of format and control characters
LETTERS_ALIKE = str.maketrans({"l": "i", "1": "i", "|": "i", "0": "o"})
DIGITS_AS_LETTERS = str.maketrans({"3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s"})


def lookalike_key(name: str) -> str:
    """Equal for names that people cannot tell apart: case, width, invisible and confusable characters do not count."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    visible = [character for character in folded if unicodedata.category(character) not in INVISIBLE]
    plain = "".join(_plain(character) for character in visible)
    alike = plain.casefold().translate(LETTERS_ALIKE)
    words = alike.replace("rn", "m").split()
    return " ".join(words)[:400]


@cache
def _plain(character: str) -> str:
    """The ASCII letter or digit that a character can be confused with, or the character itself."""
    if character.isascii():
        return character
    known = [one["c"] for one in confusables_data.get(character, [])]
    similar = [one for one in known if one.isascii() and one.isalnum()]
    if not similar:
        return character
    return min(similar, key=lambda one: (len(one), one))


def is_reserved(name: str) -> bool:
    """Whether a name pretends to be the site: "admin", "The Admin", "B0xwise Support", "аdmin" with a Cyrillic a; or is
    one that an anonymised account has or will get."""
    if PSEUDONYM.fullmatch(lookalike_key(name)):
        return True
    reserved = _reserved_keys()
    words = _words(name)
    if "".join(words) in reserved:
        return True
    telling = [word.rstrip("0123456789") for word in words if word not in FILLERS]
    if "".join(telling) in reserved:
        return True
    return bool(telling) and reserved.issuperset(telling)


def _words(name: str) -> list[str]:
    """The words of the name's key without accents, with letters for the digits that stand for them."""
    key = _without_accents(lookalike_key(name))
    letters = key.translate(DIGITS_AS_LETTERS)
    spaced = [character if character.isalnum() else " " for character in letters]
    return "".join(spaced).split()


@cache
def _reserved_keys() -> frozenset[str]:
    return frozenset(lookalike_key(word) for word in RESERVED_WORDS)


def _without_accents(text: str) -> str:
    parts = unicodedata.normalize("NFD", text)
    return "".join(character for character in parts if not unicodedata.combining(character))
