"""Sending what announcements.py wrote down: tried until it arrives or is given up, whoever else dies meanwhile.

A worker that tries moves the row's `due_at` ahead first, so that a message delivered twice is one try; if it dies, the
recovery asks again. What arrived and could not be noted arrives again, with the same id.
"""

import contextlib
import json
import smtplib
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labeling import jobs, outcomes
from labeling.accounts.models import User
from labeling.errors import Invalid
from labeling.projects.models import Project
from labeling.recovery import REQUEUE_AFTER, isolated
from labeling.rounds.models import Delivery
from labeling.rounds.notices.announcements import mail, webhook
from labeling.rounds.notices.documents import MailText
from labeling.rounds.notices.webhooks import Declined, Unsent, post, signature
from labeling.rounds.weights.promotion import policy_of

# Seconds between the tries. A receiver that is restarted, one that is mended in the morning; then it is given up.
PAUSES = (30.0, 120.0, 600.0, 3600.0, 6 * 3600.0)
# Answers that the page shows in the reader's language; what receivers say stays as it is.
ANOTHER_ADDRESS = gettext_noop("not sent: the project’s webhook has another address now")
NO_MAIL_SERVER = gettext_noop("written to the log of the worker: no mail server is configured")
HANDED_OVER = gettext_noop("handed to the mail server")
TRYING = timedelta(minutes=2)  # longer than any try takes


@transaction.atomic
def send_test(*, project: Project, by: User) -> list[Delivery]:
    """A test by every way that the project has: to its webhook, and by mail to whoever asks.

    Raises Invalid, Archived.
    """
    project = Project.objects.for_change(project.pk)
    policy = policy_of(project)
    made = [webhook(policy, event="test")] if policy.webhook_url else []
    if policy.notify_by_mail and by.email:
        made.append(mail(project, to=by))
    if not made and policy.notify_by_mail:
        raise Invalid(_("your account has no e-mail address; enter one there first"))
    if not made:
        raise Invalid(_("nobody is told yet: choose mail or enter a webhook’s address, and save"))
    Delivery.objects.bulk_create(made)
    for delivery in made:
        jobs.send("labeling.deliver", queue="cpu", delivery_id=str(delivery.pk))
    return made


class Attempt(contextlib.nullcontext[None]):
    """One try of a delivery that this worker has claimed."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__()
        self.delivery, self.name = delivery, f"delivery {delivery.pk}"

    def finish(self, answer: str) -> None:
        self._note(Delivery.State.SENT, answer)

    def fail(self, sentence: str) -> None:
        self._note(Delivery.State.FAILED, sentence)

    def cancel(self) -> None:
        """Nobody cancels a delivery."""

    def retry(self, reason: str) -> None:
        """Its time has been moved ahead, so recovery asks for it again."""

    def back_off(self, error: Exception) -> float | None:
        if self.delivery.attempts > len(PAUSES):
            self.fail(str(error))
            return None
        pause = PAUSES[self.delivery.attempts - 1]
        self._mine().update(answer=str(error), due_at=timezone.now() + timedelta(seconds=pause))
        return pause

    def _note(self, state: Delivery.State, answer: str) -> None:
        self._mine().update(state=state, answer=answer, finished_at=timezone.now())

    def _mine(self) -> QuerySet[Delivery]:
        """The row, unless another worker has begun a later try of it."""
        attempts = self.delivery.attempts
        return Delivery.objects.filter(pk=self.delivery.pk, state=Delivery.State.WAITING, attempts=attempts)


def claim(delivery_id: uuid.UUID | str) -> Attempt | None:
    """The next try of a delivery; None where there is none: it arrived, was given up, or is not due."""
    now = timezone.now()
    due = Delivery.objects.filter(pk=delivery_id, state=Delivery.State.WAITING, due_at__lte=now)
    if not due.update(attempts=F("attempts") + 1, due_at=now + TRYING):
        return None
    return Attempt(Delivery.objects.select_related("project").get(pk=delivery_id))


def deliver(trying: Attempt) -> None:
    """Send it. Raises Unsent where another try may help, Declined where none will."""
    ways = {Delivery.Channel.MAIL: _mail, Delivery.Channel.WEBHOOK: _webhook}
    send = ways[Delivery.Channel(trying.delivery.channel)]
    trying.finish(send(trying.delivery))


def attempt(delivery_id: uuid.UUID | str) -> float | None:
    """Try once. -> seconds until the next try, None when there is none: it arrived, was given up, or is not due.

    Raises what nobody expected, after it was noted.
    """
    trying = claim(delivery_id)
    return None if trying is None else outcomes.perform(trying, deliver)


def recover(now: datetime) -> list[str]:
    """Ask again for what is long due: its worker or its message was lost. -> plain sentences."""
    sentences = []
    late = Delivery.objects.filter(state=Delivery.State.WAITING, due_at__lt=now - REQUEUE_AFTER)
    for delivery in late:
        with isolated(f"delivery {delivery.pk}"), transaction.atomic():
            if late.filter(pk=delivery.pk).update(due_at=now):
                jobs.send("labeling.deliver", queue="cpu", delivery_id=str(delivery.pk))
                sentences.append(f"{delivery}: nobody has tried it, it is sent again")
    return sentences


def _webhook(delivery: Delivery) -> str:
    policy = policy_of(delivery.project)
    if policy.webhook_url != delivery.to:
        raise Declined(ANOTHER_ADDRESS)
    # The keys sorted: PostgreSQL does not keep their order, and each try is to send the same bytes.
    body = json.dumps(delivery.content, sort_keys=True).encode()
    headers = {
        "User-Agent": "Boxwise",
        "X-Boxwise-Event": delivery.event,
        "X-Boxwise-Delivery": str(delivery.pk),
        "X-Boxwise-Signature": signature(policy.webhook_secret, body),
    }
    return post(delivery.to, body, headers, allowed=settings.WEBHOOK_NETWORKS)


def _mail(delivery: Delivery) -> str:
    # One Message-ID however often it is sent: mail programs show it once.
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip("> ") or "localhost"
    headers = {"Message-ID": f"<{delivery.pk}@{domain}>", "Auto-Submitted": "auto-generated"}
    content = MailText.stored(delivery.content)
    message = EmailMessage(content.subject, content.text, to=[delivery.to], headers=headers)
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        sentence = f"{code} {words.decode(errors='replace') if isinstance(words, bytes) else words}"
        raise (Declined if code >= 500 else Unsent)(sentence) from error
    except (smtplib.SMTPException, OSError) as error:
        raise Unsent(f"{type(error).__name__}: {error}"[:500]) from error
    if not settings.MAIL_IS_CONFIGURED:
        return NO_MAIL_SERVER
    return HANDED_OVER
