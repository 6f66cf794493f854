"""Telling people, marking as seen, and choosing what one hears of. One function a write."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from labeling.accounts.models import User
from labeling.images.models import Image
from labeling.notifications.models import Kind, Notification, NotificationChoice
from labeling.projects.models import Project


@dataclass(frozen=True)
class Choice:
    """Whether somebody hears of one kind in the app, and by mail as well."""

    in_app: bool = True
    by_mail: bool = False


# Nobody looks at a project whose time is over: that its data are to go is mailed unless somebody does not want it.
UNASKED = {Kind.RETENTION_ENDS: Choice(by_mail=True)}


def notify(
    *,
    kind: Kind,
    people: Iterable[User],
    project: Project,
    path: str,
    actor: User | None = None,
    image: Image | None = None,
    count: int = 1,
    subject: str = "",
) -> int:
    """Tell people of something, except whoever did it and those who do not want to hear of it. -> how many were told.

    path     where it leads, on this server
    count    of images
    subject  what it is about, where that is no image
    """
    recipients = {person.pk: person for person in people if actor is None or person.pk != actor.pk}
    choices = choices_of(kind, recipients)
    rows = [
        Notification(
            person=person,
            kind=kind,
            project=project,
            image=image,
            actor=actor,
            count=count,
            subject=subject,
            path=path,
            by_mail=choices[key].by_mail,
        )
        for key, person in recipients.items()
        if choices[key].in_app
    ]
    return len(Notification.objects.bulk_create(rows))


def choices_of(kind: Kind, people: Iterable[int]) -> dict[int, Choice]:
    """What each of these people wants of a kind."""
    found = {key: UNASKED.get(kind, Choice()) for key in people}
    for row in NotificationChoice.objects.filter(person__in=found, kind=kind):
        found[row.person_id] = Choice(row.in_app, row.by_mail)
    return found


def own_choices(person: User) -> dict[Kind, Choice]:
    rows = {row.kind: Choice(row.in_app, row.by_mail) for row in person.notification_choices.all()}
    return {kind: rows.get(kind, UNASKED.get(kind, Choice())) for kind in Kind}


@transaction.atomic
def choose(*, person: User, choices: Mapping[Kind, Choice]) -> None:
    """What `person` wants from now on. A kind that is switched off in the app is not mailed either."""
    for kind, choice in choices.items():
        NotificationChoice.objects.update_or_create(
            person=person,
            kind=kind,
            defaults={"in_app": choice.in_app, "by_mail": choice.in_app and choice.by_mail},
        )


def see_all(*, person: User) -> int:
    """`person` has seen everything that is shown to them; what is kept from them stays new. -> how many were new."""
    shown = Notification.objects.visible_to(person).filter(seen_at__isnull=True)
    return Notification.objects.filter(pk__in=shown.values("pk")).update(seen_at=timezone.now())


def unseen(person: User) -> int:
    return Notification.objects.visible_to(person).filter(seen_at__isnull=True).count()


def words_of(notification: Notification) -> str:
    """In the reader's language: what happened."""
    name = notification.actor.display_name if notification.actor else _("somebody")
    image = notification.image.name if notification.image else ""
    n = notification.count
    if notification.kind == Kind.ASSIGNED:
        words = ngettext("{name} assigned {n} image to you", "{name} assigned {n} images to you", n)
        due = _(", due on {day}").format(day=notification.subject) if notification.subject else ""
        return words.format(name=name, n=n) + due
    if notification.kind == Kind.SENT_BACK:
        return _("{name} sent {image} back to you").format(name=name, image=image)
    if notification.kind == Kind.MENTIONED:
        return _("{name} mentions you in a comment on {image}").format(name=name, image=image)
    if notification.kind == Kind.RETENTION_ENDS:
        sentence = ngettext(
            "The data of {project} are to be kept until {day}: {n} image and all that is drawn on it. Nothing is "
            "deleted by itself; decide what goes.",
            "The data of {project} are to be kept until {day}: {n} images and all that is drawn on them. Nothing is "
            "deleted by itself; decide what goes.",
            n,
        )
        return sentence.format(project=notification.project.name, day=notification.subject, n=n)
    return _("Round {n} ended").format(n=notification.subject)
