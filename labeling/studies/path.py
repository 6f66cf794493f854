"""The path of a participant: consent, then one item after the other, each opened, paused and finished in its turn."""

from datetime import datetime, timedelta
from functools import partial
from logging import getLogger

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.annotations.services import working_layer
from labeling.errors import Invalid, LabelingError, WrongState
from labeling.projects.models import Membership
from labeling.studies import limits, masks, removal, time_boxes
from labeling.studies.amending import is_over, retention_of
from labeling.studies.models import Item, Participant, Profession, Sitting, Study
from labeling.studies.practice import skip_further_practice
from labeling.studies.remaining import stopped_at
from labeling.studies.sheets import make_sheet

logger = getLogger(__name__)
REREAD_AFTER = timedelta(days=28)
MASKS_SOON = timedelta(seconds=15)  # when to look again for masks that are being made


class OutOfOrder(LabelingError):
    """This is not the participant's next item, or not yet."""

    code = "out_of_order"


@transaction.atomic
def consent(
    *, participant: Participant, shares_times: bool = False, profession: str = "", experience: object = None
) -> None:
    """The participant has read the text and agrees; nothing is recorded before.

    shares_times           whether clock times and reasons about this reader may stand in the bundle
    profession, experience of Profession, and years in pathology; both only if the reader says so
    Raises Invalid, WrongState.
    """
    years = limits.EXPERIENCE.parse(experience, "experience")
    if profession and profession not in Profession.values:
        raise Invalid(_("choose what you are from the list, or leave it out"), field="profession")
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    if participant.study.state != Study.State.RUNNING or participant.withdrawn_at:
        raise WrongState(_("this study does not take consent now"))
    if is_over(participant.study):
        raise WrongState(_("the day until which this study may keep data has passed, so nobody can begin"))
    if participant.consented_at is None:
        participant.consented_at = timezone.now()
        participant.retention_agreed = retention_of(participant.study)
        participant.shares_times = shares_times
        participant.profession, participant.experience_years = profession, years
        participant.save()


@transaction.atomic
def decline(*, participant: Participant) -> None:
    """The participant has read the text and does not take part. Nothing was recorded. Raises WrongState."""
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    if participant.consented_at is not None:
        raise WrongState(_("you have agreed already; to end your part, withdraw"))
    if participant.withdrawn_at is None:
        participant.withdrawn_at = timezone.now()
        participant.save(update_fields=["withdrawn_at"])


@transaction.atomic
def agree_to_retention(*, participant: Participant, until: str) -> None:
    """The participant agrees to the later day that an amendment asks for. until: that day as the page showed it, so
    that nobody agrees to a day they have not seen. Raises Invalid, WrongState."""
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    asked = removal.must_agree_again(participant)
    if asked is None:
        raise WrongState(_("there is nothing to do for you now"))
    if until != asked.isoformat():
        raise Invalid(_("the day has changed since the page was opened; read it again"), field="until")
    participant.retention_agreed = asked
    participant.save(update_fields=["retention_agreed"])


def next_item(participant: Participant) -> tuple[Item | None, datetime | None]:
    """The one item the participant may see, and from when where that lies ahead: (None, None) when all is done."""
    left = participant.items.exclude(state__in=[Item.State.DONE, Item.State.SKIPPED])
    item = left.select_related("arm", "field__image").order_by("position").first()
    if item is None or item.state == Item.State.OPEN:
        return item, None
    moments = [_after_washout(participant, item), _after_break(participant), _after_masks(participant, item)]
    ahead = [moment for moment in moments if moment is not None and moment > timezone.now()]
    return item, max(ahead, default=None)


def _after_washout(participant: Participant, item: Item) -> datetime | None:
    earlier = participant.items.filter(period__lt=item.period, done_at__isnull=False)
    between = timedelta(days=participant.study.washout_days)
    if item.repeat:
        earlier, between = participant.items.filter(field=item.field, repeat=False), REREAD_AFTER
    before = earlier.order_by("-done_at").first()
    return before.done_at + between if before is not None and before.done_at is not None else None


def _after_break(participant: Participant) -> datetime | None:
    """When the prescribed break is over, where the reader has worked for as long at a stretch as the protocol says."""
    study = participant.study
    if study.sitting_minutes is None:
        return None
    rest = timedelta(minutes=study.break_minutes)
    worked = timedelta()
    last = began = None
    sittings = Sitting.objects.filter(item__participant=participant, ended_at__isnull=False)
    for sitting in sittings.select_related("item").order_by("-begun_at"):
        ended = stopped_at(sitting)
        if began is not None and began - ended >= rest:
            break
        worked += ended - sitting.begun_at
        last, began = last or ended, sitting.begun_at
    return last + rest if last is not None and worked >= timedelta(minutes=study.sitting_minutes) else None


def _after_masks(participant: Participant, item: Item) -> datetime | None:
    """Of a second sitting: the gap that the protocol fixes after the last box of the first, and the masks are there."""
    if item.part != Item.Part.VERIFY:
        return None
    first = participant.items.filter(period=item.period, part=Item.Part.BOXES, done_at__isnull=False)
    last = first.order_by("-done_at").first()
    if last is None or last.done_at is None:
        return None
    opens = last.done_at + timedelta(days=participant.study.gap_days)
    if opens <= timezone.now() and masks.making_of(masks.first_sitting_of(item)).layer is None:
        return timezone.now() + MASKS_SOON
    return opens


def waits_for_masks(item: Item, available: datetime | None) -> bool:
    """Whether the machine is what the reader waits for."""
    soon = available is not None and available <= timezone.now() + MASKS_SOON
    return soon and item.part == Item.Part.VERIFY


@transaction.atomic
def open_item(*, participant: Participant, item_id: int) -> Item:
    """Begin the next item, or go on with the open one exactly where it stood. Raises OutOfOrder, WrongState.

    A sitting that is still open was ended by nobody: a crash, a power cut. It is closed as lost, and said so in the
    report.
    """
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    _may_read(participant)
    item, available = next_item(participant)
    if item is None:
        raise WrongState(_("every item is done; thank you"))
    if item.pk != item_id:
        raise OutOfOrder(_("this is not your next item"))
    now = timezone.now()
    if available is not None:
        raise OutOfOrder(_("the next item opens on {day}").format(day=f"{available:%Y-%m-%d %H:%M} UTC"))
    if item.state == Item.State.PLANNED:
        own = masks.making_of(masks.first_sitting_of(item)) if item.part == Item.Part.VERIFY else masks.Making()
        item.sheet = make_sheet(item, own.layer)
        item.state, item.opened_at, item.machine_s = Item.State.OPEN, now, own.seconds
        item.save(update_fields=["sheet", "state", "opened_at", "machine_s"])
    assert item.sheet is not None
    Membership.objects.get_or_create(project=item.sheet, user=participant.user, defaults={"role": "annotator"})
    working_layer(image=item.sheet.images.get(), user=participant.user)  # here, so that opening the page writes nothing
    item.sittings.filter(ended_at__isnull=True).update(ended_at=now, end="lost")
    Sitting.objects.create(item=item, begun_at=now, closes_at=time_boxes.closes_at(item, now))
    return item


@transaction.atomic
def pause(*, participant: Participant, item_id: int) -> None:
    """Stop the sitting: from here on the item takes no work until the reader goes on. Raises OutOfOrder.

    A field whose time is over is finished instead: nothing of it is left to go on with.
    """
    item = _open(participant, item_id)
    if time_boxes.is_over(item, timezone.now()):
        complete(participant=participant, item_id=item_id)
        return
    item.sittings.filter(ended_at__isnull=True).update(ended_at=timezone.now(), end="pause")


@transaction.atomic
def complete(*, participant: Participant, item_id: int) -> Item:
    """The field is finished: from now on it can neither be seen nor changed. Raises OutOfOrder."""
    item = _open(participant, item_id)
    now = timezone.now()
    item.sittings.filter(ended_at__isnull=True).update(ended_at=now, end="done")
    item.state, item.done_at = Item.State.DONE, now
    item.save(update_fields=["state", "done_at"])
    Membership.objects.filter(project=item.sheet).delete()
    if item.part == Item.Part.BOXES:
        transaction.on_commit(partial(_make_masks, item))
    skip_further_practice(item)
    return item


def _make_masks(item: Item) -> None:
    """The field is done whatever the machine says. What could not be asked for, the coordinator sees and repeats."""
    try:
        masks.ask_for_masks(item)
    except LabelingError as error:
        logger.warning("no masks for %s: %s", item, error)


def _open(participant: Participant, item_id: int) -> Item:
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    _may_read(participant)
    item = participant.items.filter(pk=item_id, state=Item.State.OPEN).first()
    if item is None:
        raise OutOfOrder(_("this item is not open"))
    return item


def _may_read(participant: Participant) -> None:
    if participant.study.state != Study.State.RUNNING:
        raise WrongState(_("this study is not running"))
    if participant.withdrawn_at is not None:
        raise WrongState(_("you have withdrawn from this study"))
    if participant.consented_at is None:
        raise WrongState(_("read the consent text and agree first"))
    day = removal.kept_until(participant)
    if day is not None and day < timezone.localdate():
        raise WrongState(_("your data may be kept until {day} only, and that has passed").format(day=day))
