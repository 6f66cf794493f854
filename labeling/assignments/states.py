"""The states of an item and of a reading, and every legal change of them."""

from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling.errors import WrongState


class ItemState(models.TextChoices):
    TO_DO = "to_do", gettext_noop("to do")
    IN_WORK = "in_work", gettext_noop("in work")
    IN_REVIEW = "in_review", gettext_noop("in review")
    SENT_BACK = "sent_back", gettext_noop("sent back")
    DONE = "done", gettext_noop("done")


class Act(models.TextChoices):
    """What somebody, or the expiry of a lease, does to an item. Each is recorded as an ItemEvent."""

    ASSIGN = "assign", gettext_noop("assigned")
    BEGIN = "begin", gettext_noop("begun")
    SKIP = "skip", gettext_noop("skipped")
    RELEASE = "release", gettext_noop("handed back")
    EXPIRE = "expire", gettext_noop("lease expired")
    REMOVE = "remove", gettext_noop("reader removed")
    FINISH = "finish", gettext_noop("reading finished")
    SUBMIT = "submit", gettext_noop("handed to review")
    COMPLETE = "complete", gettext_noop("done without review")
    ACCEPT = "accept", gettext_noop("accepted")
    APPROVE = "approve", gettext_noop("approved")
    SEND_BACK = "send_back", gettext_noop("sent back")
    REOPEN = "reopen", gettext_noop("reopened")
    RETURN = "return", gettext_noop("back to the queue")
    UNBLIND = "unblind", gettext_noop("unblinded")


# (state, act) -> the next state. What is not listed is declined with WrongState.
ITEM_MOVES: dict[tuple[str, str], str] = {
    (ItemState.TO_DO, Act.BEGIN): ItemState.IN_WORK,
    (ItemState.IN_WORK, Act.BEGIN): ItemState.IN_WORK,
    (ItemState.SENT_BACK, Act.BEGIN): ItemState.SENT_BACK,
    (ItemState.IN_WORK, Act.SUBMIT): ItemState.IN_REVIEW,
    (ItemState.IN_WORK, Act.COMPLETE): ItemState.DONE,
    (ItemState.SENT_BACK, Act.SUBMIT): ItemState.IN_REVIEW,
    (ItemState.SENT_BACK, Act.COMPLETE): ItemState.DONE,
    (ItemState.IN_REVIEW, Act.ACCEPT): ItemState.DONE,
    (ItemState.IN_REVIEW, Act.APPROVE): ItemState.DONE,
    (ItemState.IN_REVIEW, Act.SEND_BACK): ItemState.SENT_BACK,
    (ItemState.DONE, Act.REOPEN): ItemState.SENT_BACK,
    # No reading is left that somebody works on.
    (ItemState.TO_DO, Act.RETURN): ItemState.TO_DO,
    (ItemState.IN_WORK, Act.RETURN): ItemState.TO_DO,
    (ItemState.SENT_BACK, Act.RETURN): ItemState.TO_DO,
}


class ReadingState(models.TextChoices):
    ASSIGNED = "assigned", gettext_noop("assigned")
    OPEN = "open", gettext_noop("open")
    FINISHED = "finished", gettext_noop("finished")
    SENT_BACK = "sent_back", gettext_noop("sent back")
    SKIPPED = "skipped", gettext_noop("skipped")
    RELEASED = "released", gettext_noop("handed back")


READING_MOVES: dict[str, frozenset[str]] = {
    ReadingState.ASSIGNED: frozenset({ReadingState.OPEN, ReadingState.SKIPPED, ReadingState.RELEASED}),
    ReadingState.OPEN: frozenset({ReadingState.FINISHED, ReadingState.SKIPPED, ReadingState.RELEASED}),
    ReadingState.FINISHED: frozenset({ReadingState.SENT_BACK, ReadingState.RELEASED}),
    ReadingState.SENT_BACK: frozenset({ReadingState.FINISHED, ReadingState.RELEASED}),
    ReadingState.SKIPPED: frozenset({ReadingState.OPEN, ReadingState.ASSIGNED}),
    ReadingState.RELEASED: frozenset({ReadingState.OPEN, ReadingState.ASSIGNED}),
}
# Readings are wanted or unfinished: the item is in none of the states that ALL_CLOSED names (annotations/blinding.py).
OPEN_STATES = (ItemState.TO_DO, ItemState.IN_WORK, ItemState.SENT_BACK)
# The reader has something to do.
ACTIVE = (ReadingState.ASSIGNED, ReadingState.OPEN, ReadingState.SENT_BACK)
# The reading takes one of the item's places: nobody else is asked for it.
TAKES_A_PLACE = (*ACTIVE, ReadingState.FINISHED)


def next_item_state(state: str, act: str) -> str:
    """The state after `act`. Raises WrongState."""
    found = ITEM_MOVES.get((state, act))
    if found is None:
        raise WrongState(
            _("this image is {state}, so it cannot be {act}").format(
                state=_(ItemState(state).label), act=_(Act(act).label)
            )
        )
    return found


def check_reading_move(state: str, new: str) -> None:
    """Raises WrongState."""
    if new not in READING_MOVES[state]:
        raise WrongState(
            _("this reading is {state} and cannot become {new}").format(
                state=_(ReadingState(state).label), new=_(ReadingState(new).label)
            )
        )
