"""The home page's upper half: what the signed-in person does next (labeling/assignments/my_work.py), in words."""

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.accounts.models import User
from labeling.assignments.my_work import Next, ProjectWork, works
from labeling.images.models import Image
from labeling.projects.models import Project
from labeling.reviews.models import Comment, Mention
from labeling.rounds.models import Round
from labeling.site.overview import Counts, count

ENDED = timedelta(days=7)  # a round that ended longer ago is no news
MOST = 5


@dataclass(frozen=True)
class MyWork:
    """first: the work whose next item has the large button; None where there is nothing to begin."""

    works: list[ProjectWork]
    first: ProjectWork | None
    sentence: str
    facts: str
    rounds: list[Round]
    mentions: list[Mention]

    @property
    def others(self) -> list[ProjectWork]:
        return [work for work in self.works if work is not self.first]

    @property
    def learns(self) -> bool:
        return any(work.learns for work in self.works)

    def __bool__(self) -> bool:
        return bool(self.works or self.mentions)


def my_work(user: User) -> MyWork:
    everything = works(user)
    first = min(everything, key=_urgency, default=None)
    if first is not None and first.next is None:
        first = None
    return MyWork(
        works=everything,
        first=first,
        sentence=_sentence(first.next) if first and first.next else "",
        facts=_facts(first.next, user) if first and first.next else "",
        rounds=ended_rounds(user) if everything else [],
        mentions=unseen_mentions(user),
    )


def _urgency(work: ProjectWork) -> int:
    """What somebody has begun comes first, then what was sent back or given to them, then a queue."""
    if work.next is None:
        return 3
    if work.next.is_begun:
        return 0
    return 1 if work.next.reading is not None else 2


def _sentence(next_: Next) -> str:
    place = {"n": next_.place.number, "of": next_.place.of}
    if next_.is_begun:
        return _("Continue: image {n} of {of}").format(**place)
    if next_.reading is not None and next_.reading.reason:
        return _("Go on with what was sent back: image {n} of {of}").format(**place)
    return _("Start: image {n} of {of}").format(**place)


def _facts(next_: Next, user: User) -> str:
    """What waits on the image, in a few words: its name, and the cells that nobody has judged."""
    images = Image.objects.filter(pk=next_.item.image_id).order_by()
    counts = count(images=images, user=user, per="image").get(next_.item.image_id, Counts())
    if counts.proposed:
        undecided = counts.undecided
        cells = ngettext("{n} cell to judge", "{n} cells to judge", undecided).format(n=undecided)
    else:
        boxes = counts.boxes
        cells = ngettext("{n} cell drawn so far", "{n} cells drawn so far", boxes).format(n=boxes)
    due_on = next_.reading.due_on if next_.reading else None
    due = " · " + _("due on {day}").format(day=due_on.isoformat()) if due_on else ""
    return f"{next_.item.image.name} · {cells}{due}"


def ended_rounds(user: User) -> list[Round]:
    since = timezone.now() - ENDED
    ended = Round.objects.filter(project__in=Project.objects.visible_to(user), finished_at__gte=since)
    return list(ended.select_related("project").order_by("-finished_at")[:MOST])


def unseen_mentions(user: User) -> list[Mention]:
    here = Project.objects.visible_to(user).filter(archived_at__isnull=True)
    unseen = Mention.objects.filter(person=user, seen_at__isnull=True, comment__image__project__in=here)
    unseen = unseen.filter(comment__in=Comment.objects.visible_to(user))  # what was said may have become unseen since
    return list(unseen.select_related("comment__author", "comment__image__project").order_by("-pk")[:MOST])
