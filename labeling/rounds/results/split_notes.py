"""Splits that changed after a round started: its figures were made with the former ones."""

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.images.patients import Split, SplitChange
from labeling.rounds.models import Round

SHOWN = 5


def split_notes(round_: Round) -> list[str]:
    """A sentence for each of the newest changes since the round started, and how many there are beside them."""
    changes = SplitChange.objects.filter(project=round_.project_id, at__gt=round_.created_at).select_related("by")
    shown = list(changes[: SHOWN + 1])
    notes = [split_sentence(change) for change in shown[:SHOWN]]
    if len(shown) > SHOWN:
        more = changes.count() - SHOWN
        notes.append(ngettext("{n} more change.", "{n} more changes.", more).format(n=more))
    return notes


def split_sentence(change: SplitChange) -> str:
    """ "07 moved from train to test on 2026-11-29, by Ada: consent came late." """
    words = _("{unit} moved from {before} to {after} on {date}, by {person}")
    person = change.by.display_name if change.by else _("the server")
    label = words.format(
        unit=change.unit, before=part(change.before), after=part(change.after), date=date_format(change.at, "Y-m-d"),
        person=person,
    )  # fmt: skip
    return f"{label}: {change.reason}" if change.reason else f"{label}."


def part(split: str) -> str:
    return _(Split(split).label) if split else _("several parts")
