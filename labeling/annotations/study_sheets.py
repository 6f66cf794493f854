"""What the sheet of a study's item takes: its arm's means, only while a sitting runs, and only times that can be true.

A sheet is a project of its own with one image (studies/sheets.py). Annotations stand below studies, so the item is
reached through the project's relation and nothing of studies is imported.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.projects.models import Project

CLOCK_SLACK = timedelta(days=1)  # a browser's wall clock may be in another zone or jump; a day off is no clock
PAGE_SLACK = timedelta(minutes=5)  # the page's own clock starts before the server has opened the item
# The last batch of a page is on its way when the sitting ends: it left with the page.
FAREWELL = timedelta(seconds=60)
# Of a field that the clock ends: what was drawn before its end is on its way for so long at most.
AFTER_THE_CLOCK = timedelta(seconds=15)


class NoSitting(WrongState):
    """The item is paused or over. The browser keeps what was done and sends it when the reader goes on."""

    code = "no_sitting"


@dataclass(frozen=True)
class Sheet:
    """What an open sheet allows. opened_at: when its item was first opened."""

    tools: frozenset[str]
    accepts_many: bool
    opened_at: datetime


def is_sheet(project: Project) -> bool:
    return getattr(project, "study_item", None) is not None


def lock_sheet(project: Project, *, farewell: bool = False) -> Sheet | None:
    """The sheet, held open until the transaction ends; None for an ordinary project. Raises NoSitting.

    farewell  whether a sitting that has just ended will do, as for the last activity of a page

    The participant's row is locked, as by everything that ends a sitting or withdraws: work is either in before, and
    removed with the rest, or it is refused.
    """
    item: Any = getattr(project, "study_item", None)
    if item is None:
        return None
    participants = type(item.participant).objects.select_for_update()
    participant = participants.get(pk=item.participant_id)
    item.refresh_from_db(fields=["state", "opened_at"])
    last = item.sittings.order_by("-begun_at").first()
    ended = last.ended_at if last else None
    runs = last is not None and ended is None
    leaving = farewell and ended is not None and timezone.now() - ended <= FAREWELL
    closes = last.closes_at if last else None
    if runs and closes is not None and timezone.now() - closes > AFTER_THE_CLOCK:
        runs, leaving = False, farewell and timezone.now() - closes <= FAREWELL
    if participant.withdrawn_at is not None or item.opened_at is None or not (runs or leaving):
        raise NoSitting(
            _(
                "This field is paused or finished, so it takes no work. What you did is kept in this browser. Open "
                "your study’s page and go on with the field: then it is sent."
            )
        )
    return Sheet(frozenset(item.tools), item.arm.accepts_many, item.opened_at)


def decline_without(project: Project, tool: str) -> None:
    """What a machine can answer is part of an arm. Raises PermissionDenied where the arm does not have the tool, and
    NoSitting while nobody sits at the field."""
    item: Any = getattr(project, "study_item", None)
    if item is None:
        return
    if tool not in item.tools:
        offered = ", ".join(item.tools) or _("none to draw with")
        raise PermissionDenied(
            _("the tool “{tool}” is not one of this study’s here: {offered}").format(tool=tool, offered=offered)
        )
    if not item.sittings.filter(ended_at__isnull=True).exists():
        raise NoSitting(_("This field is paused or finished. Open your study’s page and go on with the field."))


def check_moments(*, begun_at: datetime, committed_at: datetime, image: Image) -> None:
    """When a person says that an act began and ended: between the image's arrival and now, give or take a day, because
    clocks of browsers differ. Raises Invalid with the field."""
    earliest, latest = image.created_at - CLOCK_SLACK, timezone.now() + CLOCK_SLACK
    for name, moment in (("begun_at", begun_at), ("committed_at", committed_at)):
        if moment < earliest:
            raise Invalid(
                f"{name} is {moment:%Y-%m-%d %H:%M} UTC, before the image was there ({image.created_at:%Y-%m-%d %H:%M} "
                "UTC). Set the clock of the computer.",
                field=name,
            )
        if moment > latest:
            raise Invalid(
                f"{name} is {moment:%Y-%m-%d %H:%M} UTC, which lies in the future. Set the clock of the computer.",
                field=name,
            )
    if committed_at < begun_at:
        raise Invalid("committed_at is before begun_at", field="committed_at")


def check_page_clock(sheet: Sheet, *, name: str, ms: float) -> None:
    """A page of the sheet cannot have been open for longer than its item. ms: of the page's clock. Raises Invalid."""
    longest = timezone.now() - sheet.opened_at + PAGE_SLACK
    if ms < 0 or ms > longest.total_seconds() * 1000:
        raise Invalid(
            f"{name} is {ms / 1000:.0f} s after the page was opened; the field was opened only "
            f"{(timezone.now() - sheet.opened_at).total_seconds():.0f} s ago",
            field=name,
        )


def check_batch(project: Project, *, wall_ms: float, mono_ms: float) -> None:
    """The clocks of a batch of activity on a sheet: the wall clock lies between the opening of the item and now, give
    or take a day, and the page's clock has run no longer than the item has been open. Raises Invalid, NoSitting."""
    sheet = lock_sheet(project, farewell=True)
    if sheet is None:
        return
    check_page_clock(sheet, name="mono_ms", ms=mono_ms)
    earliest, latest = sheet.opened_at - CLOCK_SLACK, timezone.now() + CLOCK_SLACK
    if not earliest.timestamp() * 1000 <= wall_ms <= latest.timestamp() * 1000:
        opened = sheet.opened_at.astimezone(UTC)
        raise Invalid(
            f"wall_ms lies more than a day outside the time from {opened:%Y-%m-%d %H:%M} UTC, when the field was "
            "opened, until now. Set the clock of the computer.",
            field="wall_ms",
        )
