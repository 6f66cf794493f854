"""Patterns of file names, such as "{centre}_{patient}_{slide}.png".

A pattern is text with places in braces: {centre}, {patient}, {block}, {slide}, {scanner}, {stain}, and {*} for what
says nothing. A place takes the shortest text up to what follows it in the pattern, the last one what is left. There
are no regular expressions, so no pattern takes longer than the name has characters.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from labeling.errors import Invalid

PLACES = ("centre", "patient", "block", "slide", "scanner", "stain")
ANY = "*"
LONGEST = 300
PERSONAL = "patient"  # the place that de-identification replaces


@dataclass(frozen=True)
class Pattern:
    """Text before the first place, then (place, the text behind it) for each; case does not count in the last text."""

    begins: str
    places: tuple[tuple[str, str], ...]

    def read(self, name: str) -> dict[str, str] | None:
        """Place -> what it takes of a name; None where the name does not fit, or a place would be empty."""
        parts = self._parts(name)
        if parts is None:
            return None
        return {place: value.strip() for place, value, _behind in parts if place != ANY}

    def replaced(self, name: str, place: str, by: Callable[[str], str]) -> str | None:
        """The name with another text where `place` takes some; None where the name does not fit."""
        parts = self._parts(name)
        if parts is None:
            return None
        made = self.begins
        for there, value, behind in parts:
            made += (by(value.strip()) if there == place else value) + behind
        return made

    def _parts(self, name: str) -> list[tuple[str, str, str]] | None:
        """(place, what it takes, the text behind it) in their order."""
        if not name.startswith(self.begins):
            return None
        rest = name[len(self.begins) :]
        found = []
        for place, text in self.places[:-1]:
            value, behind, rest = rest.partition(text)
            if not value.strip() or not behind:
                return None
            found.append((place, value, behind))
        last, ending = self.places[-1]
        if not rest.casefold().endswith(ending.casefold()):
            return None
        value = rest[: len(rest) - len(ending)]
        if not value.strip():
            return None
        return [*found, (last, value, rest[len(rest) - len(ending) :])]


def parsed(pattern: str) -> Pattern:
    """Raises Invalid that says what is wrong with a pattern."""
    text = " ".join(unicodedata.normalize("NFC", pattern).split())
    if len(text) > LONGEST:
        raise _wrong(_("it has more than {n} characters").format(n=LONGEST))
    begins, *parts = text.split("{")
    places: list[tuple[str, str]] = []
    for part in parts:
        place, closed, behind = part.partition("}")
        place = place.strip()
        if not closed:
            raise _wrong(_("a brace is not closed"))
        if place not in (*PLACES, ANY):
            raise _wrong(_("{{{name}}} is unknown").format(name=place))
        if place != ANY and any(place == other for other, _text in places):
            raise _wrong(_("{{{name}}} stands there twice").format(name=place))
        if places and not places[-1][1]:
            raise _wrong(_("between two places there must be some text, such as _ or -"))
        places.append((place, behind))
    if "}" in begins or any("}" in behind for _place, behind in places):
        raise _wrong(_("a brace is not opened"))
    if all(place == ANY for place, _text in places):
        raise _wrong(_("it names nothing to read"))
    return Pattern(begins, tuple(places))


def _wrong(why: str) -> Invalid:
    known = ", ".join(f"{{{name}}}" for name in (*PLACES, ANY))
    words = _("the pattern cannot be used: {why}. Places are {known}, with text between them")
    return Invalid(words.format(why=why, known=known), field="pattern")


def checked_pattern(pattern: str) -> str:
    """The pattern by which a project replaces parts of file names, "" for none. Raises Invalid."""
    text = " ".join(pattern.split())
    if not text:
        return ""
    try:
        places = [place for place, _behind in parsed(text).places]
    except Invalid as error:
        raise Invalid(str(error), field="name_pattern") from None
    if PERSONAL not in places:
        words = _("the pattern of file names needs {place}: what it takes is replaced")
        raise Invalid(words.format(place="{patient}"), field="name_pattern")
    return text
