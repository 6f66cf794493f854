"""Notifications by mail, for those who want them: what is new in a project, in one mail an hour at most.

A digest is a delivery like the mail about a round, so it is tried until it arrives or is given up (delivery.py).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling import jobs
from labeling.accounts.models import User
from labeling.notifications.models import Notification
from labeling.notifications.services import words_of
from labeling.projects.models import Project
from labeling.recovery import isolated
from labeling.rounds.models import Delivery
from labeling.rounds.notices.announcements import absolute
from labeling.rounds.notices.documents import MailText

GATHER = timedelta(hours=1)  # what is not seen for so long is mailed, with what has come since
MOST_LINES = 30


def recover(now: datetime) -> list[str]:
    """Write the digests that are due. -> plain sentences."""
    waiting = Notification.objects.filter(by_mail=True, mailed_at__isnull=True, seen_at__isnull=True)
    due = waiting.filter(made_at__lt=now - GATHER).order_by().values_list("person", "project").distinct()
    sentences = []
    for person, project in due:
        with isolated(f"digest for {person}"):
            delivery = _write(person, project, now)
            if delivery is not None:
                sentences.append(f"{delivery}: a digest of notifications is sent")
    return sentences


@transaction.atomic
def _write(person: int, project: int, now: datetime) -> Delivery | None:
    """The digest of one person about one project; None where nothing is left to be said, or nobody to mail."""
    to = User.objects.select_for_update().get(pk=person)  # two recoveries at once write one digest
    waiting = Notification.objects.filter(
        person=to, project=project, by_mail=True, mailed_at__isnull=True, seen_at__isnull=True
    )
    keys = list(waiting.values_list("pk", flat=True))  # one that comes meanwhile is for the next digest
    visible = Notification.objects.visible_to(to).filter(pk__in=keys).select_related("actor", "image", "project")
    shown = list(visible.order_by("pk"))
    Notification.objects.filter(pk__in=keys).update(mailed_at=now)
    if not shown or not to.email:
        return None
    found = Project.objects.get(pk=project)
    content = _text(found, to, shown)
    delivery = Delivery.objects.create(
        project=found,
        event="digest",
        channel=Delivery.Channel.MAIL,
        to=to.email,
        person=to,
        content=content.as_json(),
        due_at=now,
    )
    jobs.send("labeling.deliver", queue="cpu", delivery_id=str(delivery.pk))
    return delivery


def _text(project: Project, to: User, shown: Sequence[Notification]) -> MailText:
    name = " ".join(project.name.split())  # a line break has no place in a subject
    with translation.override(to.language or settings.LANGUAGE_CODE):
        n = len(shown)
        subject = ngettext("{name}: {n} thing is new for you", "{name}: {n} things are new for you", n)
        lines = [f"- {words_of(one)}: {absolute_path(one.path)}" for one in shown[:MOST_LINES]]
        if n > MOST_LINES:
            lines.append(_("and {n} more").format(n=n - MOST_LINES))
        lines += ["", "--", _("You can switch this mail off:") + f" {absolute('notifications')}"]
    return MailText(subject=subject.format(name=name, n=n), text="\n".join(lines))


def absolute_path(path: str) -> str:
    return settings.SITE_ORIGIN + path
