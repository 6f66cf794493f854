"""What a study may declare, field by field: one table of bounds that the form, the services and every amendment use.

`parse` takes what somebody typed (text) or what a program sent (a number, a date) and returns the value as the
protocol stores it. It raises Invalid with a sentence that names the field, the limit and what to type instead.
"""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling.errors import Invalid

NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
LONG_TEXT = 20_000  # characters
MOST_SEED = 2**31 - 1


@dataclass(frozen=True)
class Number:
    """A number from `least` to `most`, both allowed. Empty is None where `optional`."""

    label: str
    least: float
    most: float
    whole: bool = False
    optional: bool = False

    def parse(self, value: Any, field: str = "") -> float | int | None:
        if _is_empty(value) and self.optional:
            return None
        number = _number(value)
        inside = number is not None and self.least <= number <= self.most
        if number is None or not inside or (self.whole and number != int(number)):
            raise Invalid(self._sentence(value), field=field)
        return int(number) if self.whole else number

    def _sentence(self, value: Any) -> str:
        words = {"label": _(self.label), "least": _plain(self.least), "most": _plain(self.most), "given": shown(value)}
        if _is_empty(value):
            text = _("{label}: nothing was typed. Type a number from {least} to {most}.")
        elif self.whole:
            text = _("{label}: “{given}” is not a whole number from {least} to {most}. Type one in this range.")
        else:
            text = _("{label}: “{given}” is not a number from {least} to {most}. Type one in this range, like 0.5.")
        if self.optional and not _is_empty(value):
            text += " " + _("Leave the field empty for none.")
        return text.format(**words)


@dataclass(frozen=True)
class Text:
    """Words, at most `longest` characters. No control characters besides the end of a line and a tab."""

    label: str
    longest: int
    optional: bool = False
    lines: bool = False

    def parse(self, value: Any, field: str = "") -> str:
        words = {"label": _(self.label), "longest": self.longest}
        if value is None:
            value = ""
        if not isinstance(value, str):
            raise Invalid(_("{label}: type words.").format(**words), field=field)
        text = value.replace("\r\n", "\n").replace("\r", "\n").strip()
        if not all(_is_storable(character, self.lines) for character in text):
            raise Invalid(
                _("{label} holds a character that cannot be stored (a control character). Remove it.").format(**words),
                field=field,
            )
        if not text and not self.optional:
            raise Invalid(_("{label}: nothing was typed. Type at least one word.").format(**words), field=field)
        if len(text) > self.longest:
            raise Invalid(
                _("{label} is {n} characters long; {longest} is the most. Shorten it.").format(n=len(text), **words),
                field=field,
            )
        return text


@dataclass(frozen=True)
class Day:
    """A day of the calendar. Stored as date in the draft and as ISO 8601 text in the protocol."""

    label: str
    optional: bool = False

    def parse(self, value: Any, field: str = "") -> date | None:
        if _is_empty(value) and self.optional:
            return None
        day = _day(value)
        if day is None:
            raise Invalid(
                _(
                    "{label}: “{given}” is not a day from {first} to {last}. Type year, month and day, like 2036-12-31."
                ).format(label=_(self.label), given=shown(value), first=FIRST_DAY, last=LAST_DAY),
                field=field,
            )
        return day


@dataclass(frozen=True)
class Choice:
    """One of declared words; `values` maps each to its label."""

    label: str
    values: tuple[tuple[str, str], ...]

    def parse(self, value: Any, field: str = "") -> str:
        known = [name for name, _label in self.values]
        if not isinstance(value, str) or value not in known:
            raise Invalid(
                _("{label}: “{given}” is not known. Choose one of: {known}.").format(
                    label=_(self.label), given=shown(value), known=", ".join(known)
                ),
                field=field,
            )
        return value


Rule = Number | Text | Day | Choice

PROTOCOL: dict[str, Rule] = {
    "name": Text(gettext_noop("Name"), 200),
    "public_title": Text(gettext_noop("Title that readers see"), 200),
    "hypothesis": Text(gettext_noop("Hypothesis"), LONG_TEXT, lines=True),
    "design": Choice(
        gettext_noop("Design"),
        (
            ("crossover", gettext_noop("AB/BA crossover: every reader in both arms")),
            ("williams", gettext_noop("Williams square: every reader in every arm")),
            ("parallel", gettext_noop("parallel: every reader in one arm")),
        ),
    ),
    "seed": Number(gettext_noop("Seed"), 0, MOST_SEED, whole=True),
    "idle_after_s": Number(gettext_noop("Idle cut-off, s"), 1, 3600),
    "washout_days": Number(gettext_noop("Washout days"), 0, 3650, whole=True),
    "training_per_arm": Number(gettext_noop("Training per arm"), 0, 1000, whole=True),
    "repeats": Number(gettext_noop("Repeated items"), 0, 1000, whole=True),
    "outlier_iqr": Number(gettext_noop("Outliers beyond, IQR"), 0.1, 100, optional=True),
    "quality_margin": Number(gettext_noop("Quality margin, Dice"), 0.001, 0.999),
    "exclusion_rules": Text(gettext_noop("Exclusion rules"), LONG_TEXT, optional=True, lines=True),
    "unit": Choice(
        gettext_noop("Unit"),
        (
            ("fields", gettext_noop("fields: throughput with search and missed cells")),
            ("cells", gettext_noop("sampled single cells: handling, place given")),
            ("time", gettext_noop("time boxes: how far in a fixed time")),
        ),
    ),
    "time_box_minutes": Number(gettext_noop("Time box, min"), 1, 120, whole=True, optional=True),
    "gap_days": Number(gettext_noop("Days between two sittings"), 0, 365, whole=True),
    "sitting_minutes": Number(gettext_noop("Longest sitting, min"), 1, 480, whole=True, optional=True),
    "break_minutes": Number(gettext_noop("Break, min"), 1, 480, whole=True),
    "practice_quality": Number(gettext_noop("Practice until Dice"), 0.01, 0.99, optional=True),
    "size_justification": Text(gettext_noop("Justification of the size"), LONG_TEXT, optional=True, lines=True),
    "controller": Text(gettext_noop("Who is responsible for the data"), 200, optional=True),
    "contact": Text(gettext_noop("Contact for readers"), 200, optional=True),
    "consent_text": Text(gettext_noop("Consent text"), LONG_TEXT, optional=True, lines=True),
    "ethics_reference": Text(gettext_noop("Ethics reference"), 200, optional=True),
    "retention_until": Day(gettext_noop("Retention until"), optional=True),
    "withdrawal_after_lock": Choice(
        gettext_noop("Withdrawal after lock"),
        (("keep", gettext_noop("data stay in the analysis")), ("remove", gettext_noop("data are removed"))),
    ),
}
# What a frozen study may still change, each with a rule that is as strict as at the freezing.
AMENDABLE: dict[str, Rule] = {
    "idle_after_s": PROTOCOL["idle_after_s"],
    "outlier_iqr": PROTOCOL["outlier_iqr"],
    "quality_margin": PROTOCOL["quality_margin"],
    "exclusion_rules": PROTOCOL["exclusion_rules"],
    "retention_until": Day(gettext_noop("Retention until")),
}
MEASURED = Number(gettext_noop("Measured fields"), 1, 10_000, whole=True, optional=True)
REASON = Text(gettext_noop("Reason"), 2000, lines=True)
OPTIONAL_REASON = Text(gettext_noop("Reason"), 2000, optional=True, lines=True)
ARM_NAME = Text(gettext_noop("Name of the arm"), 100)
INSTRUCTIONS = Text(gettext_noop("Instructions for readers"), LONG_TEXT, optional=True, lines=True)
EXPERIENCE = Number(gettext_noop("Years in pathology"), 0, 80, whole=True, optional=True)
USERNAME = Text(gettext_noop("User name"), 150)


def parse_protocol(given: Mapping[str, object]) -> dict[str, object]:
    """Every declared field of `given`, parsed. Raises Invalid for the first that is out of bounds or unknown."""
    parsed: dict[str, object] = {}
    for name, value in given.items():
        if name not in PROTOCOL:
            raise Invalid(_("a study declares no “{name}”").format(name=shown(name)), field=name)
        parsed[name] = PROTOCOL[name].parse(value, name)
    return parsed


def decline_past(day: date | None, field: str = "retention_until") -> None:
    """Data that may be kept until today or earlier would be deleted at once. Raises Invalid."""
    if day is not None and day <= timezone.localdate():
        raise Invalid(
            _(
                "{label}: {day} is not in the future, so the raw data would be deleted at once. Choose a later day."
            ).format(label=_(PROTOCOL["retention_until"].label), day=day),
            field=field,
        )


def as_json(value: Any) -> Any:
    """A parsed value as the protocol's JSON holds it."""
    return value.isoformat() if isinstance(value, date) else value


def shown(value: Any) -> str:
    """What was given, short enough for a sentence and without characters that a page cannot show."""
    try:
        text = str(value)[:40]
    except ValueError:  # Python writes no integer of thousands of digits
        text = "…"
    return "".join(character if character.isprintable() else "�" for character in text)


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        value = float(value.strip()) if NUMBER.fullmatch(value.strip()) else None
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # Python's integers have no end
        return None
    return number if math.isfinite(number) else None


def _day(value: Any) -> date | None:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value.strip(), re.ASCII):
            return None
        try:
            value = date.fromisoformat(value.strip())
        except ValueError:
            return None
    if type(value) is not date or not FIRST_DAY <= value <= LAST_DAY:
        return None
    return value


def _plain(number: float) -> str:
    return f"{number:,.10g}".replace(",", "") if number != int(number) else str(int(number))


def _is_storable(character: str, lines: bool) -> bool:
    """PostgreSQL holds no NUL and no half of a surrogate pair; other control characters break pages and files."""
    if character in "\n\t":
        return lines
    return unicodedata.category(character) not in ("Cc", "Cs")
