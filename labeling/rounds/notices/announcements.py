"""Who is told that a round has ended, and what: decided and written down with the end itself, sent later (delivery.py).

People get mail when a round is published or fails; who cancels a round knows. A webhook hears of every end.
"""

import logging
import secrets
from urllib.parse import urlsplit

from django.conf import settings
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.audit.models import Act
from labeling.audit.services import record
from labeling.errors import Invalid
from labeling.notifications.models import Kind
from labeling.notifications.services import notify
from labeling.projects.models import MAY, Project
from labeling.rounds.models import Delivery, Round, RoundPolicy
from labeling.rounds.notices.documents import MailText, ProjectNotice, RoundNotice, WebhookBody

logger = logging.getLogger(__name__)
MAILED = (Round.State.PUBLISHED, Round.State.FAILED)


def announce(round_: Round) -> list[Delivery]:
    """A round has ended: write down who is told. -> what is to be sent, once the end is committed.

    The caller holds the round's row and has just moved it to its last state, so that each end is told once. That
    nobody can be told never keeps a round from ending: it is logged. Raises the database's errors about the connection.
    """
    try:
        with transaction.atomic():
            return _announce(round_)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("nobody is told that %s has ended", round_)
        return []


def _announce(round_: Round) -> list[Delivery]:
    tell_those_who_lead(round_)
    policy = RoundPolicy.objects.filter(project=round_.project_id).select_related("project").first()
    if policy is None or policy.project.deleted_at is not None:  # nobody but its owners hears of a deleted project
        return []
    made = []
    if policy.webhook_url:
        made.append(webhook(policy, event=f"round.{round_.state}", round_=round_))
    if policy.notify_by_mail and round_.state in MAILED:
        mailboxes = {person.email.lower(): person for person in recipients(policy.project)}  # colleagues may share one
        made += [mail(policy.project, to=person, round_=round_) for person in mailboxes.values()]
    return Delivery.objects.bulk_create(made)


def tell_those_who_lead(round_: Round) -> None:
    """In the app. Mail about rounds is a setting of the project and of the account."""
    leads = User.objects.filter(
        memberships__project=round_.project_id, memberships__role__in=MAY["manage"], is_active=True
    )
    path = reverse("round", args=[round_.project_id, round_.number])
    notify(kind=Kind.ROUND_ENDED, people=leads, project=round_.project, path=path, subject=str(round_.number))


def recipients(project: Project) -> QuerySet[User]:
    """Who gets mail when a round of the project ends: owners and managers who have an address and want it."""
    managers = User.objects.filter(memberships__project=project, memberships__role__in=MAY["manage"], is_active=True)
    # Somebody who was invited and has not come yet gets no mail of a project that they may never have heard of.
    managers = managers.exclude(memberships__in=project.memberships.exclude(invited_as=""))
    return managers.filter(mails_round_ends=True).exclude(email="").order_by("username")


def webhook(policy: RoundPolicy, *, event: str, round_: Round | None = None) -> Delivery:
    """What the project's webhook is to hear; not saved. Without a round it is a test."""
    project = policy.project
    made = Delivery(
        project=project, round=round_, event=event, channel=Delivery.Channel.WEBHOOK, to=policy.webhook_url,
        ended_at=round_.finished_at if round_ else None, due_at=timezone.now(),
    )  # fmt: skip
    content = WebhookBody(
        event=event, delivery=str(made.pk), at=timezone.now().isoformat(), project=project_notice(project)
    )
    if round_ is not None:
        content = content.with_(round=round_notice(round_))
    made.content = content.as_json()
    return made


def project_notice(project: Project) -> ProjectNotice:
    return ProjectNotice(id=project.pk, name=project.name, url=absolute("project", project.pk))


def round_notice(round_: Round) -> RoundNotice:
    return RoundNotice(
        id=round_.pk,
        number=round_.number,
        state=round_.state,
        preset=round_.preset,
        error=round_.error,
        started_by=round_.started_by.display_name if round_.started_by else None,
        created_at=round_.created_at.isoformat(),
        finished_at=round_.finished_at.isoformat() if round_.finished_at else None,
        url=absolute("round", round_.project_id, round_.number),
    )


def mail(project: Project, *, to: User, round_: Round | None = None) -> Delivery:
    """A mail to somebody, in their language; not saved. Without a round it is a test."""
    name = " ".join(project.name.split())  # a line break has no place in a subject
    with translation.override(to.language or settings.LANGUAGE_CODE):
        if round_ is None:
            subject = _("{name}: a test of Boxwise’s mail").format(name=name)
            lines = [
                _("Mail of this project reaches you. It is sent when a round is published or fails."),
                absolute("project", project.pk),
            ]
        elif round_.state == Round.State.PUBLISHED:
            subject = _("{name}: round {n} is published").format(name=name, n=round_.number)
            lines = [
                _("Its proposals are on the images and wait for review."),
                absolute("round", round_.project_id, round_.number),
            ]
        else:
            subject = _("{name}: round {n} failed").format(name=name, n=round_.number)
            lines = [
                round_.error,
                _("Remove the cause, then press Retry: what is finished is not done again."),
                absolute("round", round_.project_id, round_.number),
            ]
        lines += ["--", _("You can switch this mail off:") + f" {absolute('account')}"]
    content = MailText(subject=subject, text="\n\n".join(lines))
    return Delivery(
        project=project, round=round_, event=f"round.{round_.state}" if round_ else "test",
        channel=Delivery.Channel.MAIL, to=to.email, person=to, content=content.as_json(),
        ended_at=round_.finished_at if round_ else None, due_at=timezone.now(),
    )  # fmt: skip


def absolute(page: str, *keys: int) -> str:
    """The address of a page for somebody who is not on the site."""
    return settings.SITE_ORIGIN + reverse(page, args=keys)


# -- what a project decides


@transaction.atomic
def change_notices(*, project: Project, notify_by_mail: bool, webhook_url: str) -> RoundPolicy:
    """Who is told when a round ends. The first webhook gets a secret; another address keeps it.

    Raises Invalid for an address that no webhook can have, Archived.
    """
    project = Project.objects.for_change(project.pk)
    url = webhook_url.strip()
    if url:
        check_address(url)
    policy, _made = RoundPolicy.objects.get_or_create(project=project)
    policy.notify_by_mail, policy.webhook_url = notify_by_mail, url
    policy.webhook_secret = policy.webhook_secret or (secrets.token_urlsafe(32) if url else "")
    policy.save(update_fields=["notify_by_mail", "webhook_url", "webhook_secret"])
    host = urlsplit(url).hostname or ""  # the rest of the address may hold a secret
    record(Act.PROJECT_CHANGED, project=project, subject="notices", mail=notify_by_mail, webhook=host)
    return policy


@transaction.atomic
def renew_secret(*, project: Project) -> RoundPolicy:
    """Another secret for the webhook; from the next try on it signs. Raises Invalid without a webhook, Archived."""
    project = Project.objects.for_change(project.pk)
    policy = RoundPolicy.objects.filter(project=project).exclude(webhook_url="").first()
    if policy is None:
        raise Invalid(_("there is no webhook; save its address first"), field="webhook_url")
    policy.webhook_secret = secrets.token_urlsafe(32)
    policy.save(update_fields=["webhook_secret"])
    record(Act.PROJECT_CHANGED, project=project, subject="webhook_secret")
    return policy


def check_address(url: str) -> None:
    """Raises Invalid with a sentence for what is no address of a webhook. Where it leads is seen when it is used."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, half a bracket
        good = False
    if not good or len(url) > 500 or not url.isascii() or not url.isprintable() or " " in url:
        raise Invalid(_("a webhook’s address begins with https:// or http:// and names a server"), field="webhook_url")
    if parts.username or parts.password:
        sentence = _("a webhook’s address holds no name or password; the receiver checks the signature instead")
        raise Invalid(sentence, field="webhook_url")
