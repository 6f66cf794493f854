"""Tuning: settings tried on a finished round: asked for by people, done by a worker on cached masks."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.documents.publication import TuningResult
from labeling import jobs
from labeling.accounts.models import User
from labeling.errors import WrongState
from labeling.rounds.messages import about_round
from labeling.rounds.models import Round, Tuning


@transaction.atomic
def request_tuning(*, round_: Round, by: User) -> Tuning:
    """Ask for the table, anew when there is one. Raises WrongState for a round that has not finished."""
    round_ = Round.objects.select_for_update().get(pk=round_.pk)
    if round_.state != Round.State.PUBLISHED:
        words = _("round {n} is {state}; settings are tried on a finished round")
        raise about_round(WrongState, words, round_, state=_(round_.get_state_display()))
    if round_.parameters.is_whole:
        words = _("round {n} has no fusion whose settings could be tried")
        raise about_round(WrongState, words, round_)
    asked, _made = Tuning.objects.update_or_create(
        round=round_,
        defaults={
            "state": Tuning.State.QUEUED, "result": {}, "error": "", "requested_by": by, "finished_at": None,
        },
    )  # fmt: skip
    jobs.send("inference.tune_round", queue="cpu", tuning_id=asked.pk)
    return asked


def finish(tuning_id: int, *, result: TuningResult | None = None, error: str = "") -> None:
    """What the worker found, or why it could not."""
    state = Tuning.State.FAILED if error else Tuning.State.DONE
    Tuning.objects.filter(pk=tuning_id, state=Tuning.State.QUEUED).update(
        state=state, result=result.as_json() if result else {}, error=error, finished_at=timezone.now()
    )
