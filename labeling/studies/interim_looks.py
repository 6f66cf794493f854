"""Results by arm are hidden until the lock. An owner may look earlier, on purpose, and the report says so for good."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.errors import WrongState
from labeling.studies import limits
from labeling.studies.models import InterimLook, Study

LASTS = timedelta(hours=1)  # report, plots, PDF and bundle of one look; the next one is another look


@transaction.atomic
def open_interim_results(*, study: Study, by: User, reason: str) -> InterimLook:
    """Open the results by arm to this person for an hour, and write it down. Raises Invalid, WrongState.

    Whether `by` may do this was decided before: owners of the project only.
    """
    study = Study.objects.select_for_update().get(pk=study.pk)
    if study.state != Study.State.RUNNING:
        raise WrongState(_("only a running study hides its results; there is nothing to look at early"))
    if reads_for(study, by):
        raise WrongState(_("you read for this study, so its results stay closed to you until the lock"))
    return InterimLook.objects.create(
        study=study, by=by, reason=limits.REASON.parse(reason, "reason"), until=timezone.now() + LASTS
    )


def reads_for(study: Study, user: User) -> bool:
    """Whether somebody who manages the study is one of its readers, too."""
    return study.participants.filter(user=user, withdrawn_at__isnull=True).exists()


def shows_results(*, study: Study, to: User) -> bool:
    """Whether results by arm are open to this person now: to everybody once locked, before it by a look of theirs.

    Never before the lock to who reads for the study.
    """
    if study.state == Study.State.LOCKED:
        return True
    if reads_for(study, to):
        return False
    return study.interim_looks.filter(by=to, until__gt=timezone.now()).exists()
