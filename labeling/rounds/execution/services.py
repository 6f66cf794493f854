"""Rounds as people start, watch and stop them. What workers call stands in execution/stages.py."""

from collections.abc import Mapping
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.documents.configuration import RoundConfiguration
from inference.documents.methods import METHODS
from labeling import jobs
from labeling.accounts.models import User
from labeling.errors import WrongState
from labeling.images.splits import seal_test
from labeling.projects.models import Project
from labeling.rounds.configuration import configure, queue_of
from labeling.rounds.messages import about_round
from labeling.rounds.models import Round, Stage
from labeling.rounds.notices.announcements import announce
from labeling.rounds.snapshots import freeze
from labeling.rounds.weights.promotion import became_current
from labeling.rounds.weights.starting import Starts, begin, learns

# A stage starts when those it needs are finished.
# A round has the stages of its method (inference/documents/methods.py); those that it does not have are not waited for.
NEEDS: dict[str, tuple[str, ...]] = {
    "method": (),
    "pseudo_masks": (),
    "detector": (),
    "segmenter": ("pseudo_masks",),
    "prediction": ("detector", "segmenter", "method"),
    "fusion": ("prediction",),
    "instances": ("prediction", "fusion"),
    "evaluation": ("instances",),
    "publication": ("instances", "evaluation"),
}
FINISHED = (Stage.State.DONE, Stage.State.REUSED)


DOUBLE_CLICK = timedelta(seconds=60)  # the same request within this is one request


class RoundAtWork(WrongState):
    """Another round of the project is at work, and nobody asked for a place in the line. `facts` has its id."""

    code = "round_at_work"


@transaction.atomic
def start_round(
    *,
    project: Project,
    by: User | None,
    preset: str = "quick",
    changes: Mapping[str, object] | None = None,
    same_patient: bool = False,
    start: Starts | None = None,
    line_up: bool = False,
) -> Round:
    """Freeze a snapshot and put a round to work.

    changes     name of a configuration.Choice -> number, on top of the preset; of WORDS -> one of its words
    same_patient  training and evaluation may share patients; the figures are then marked optimistic
    start       which weights the models begin with, and whether they train (weights/starting.py); else the shipped
    line_up     while a round is at work, make a new one that starts after it, on the annotations as they are now

    -> the new round; for the same request by the same person within DOUBLE_CLICK, the round that the first one made.
    Raises RoundAtWork, NothingToLearn, Leaks, MixedScales, Invalid, Archived.
    """
    configuration = configure(preset, changes)
    Project.objects.for_change(project.pk)
    active = project.rounds.filter(state__in=Round.ACTIVE).first()
    if active is not None and not line_up:
        if not _is_repeated(active, by, preset, begin(project, configuration, start or {}, active.snapshot)):
            words = _(
                "Round {n} of this project is running already, so no other was started. Wait until it ends, "
                "cancel it, or queue the new round: it then starts when round {n} has ended."
            )
            error = about_round(RoundAtWork, words, active)
            error.facts = {"round": active.pk}
            raise error
        return active
    snapshot = freeze(project, same_patient=same_patient, learns=learns(start or {}), method=configuration.method)
    configuration = begin(project, configuration, start or {}, snapshot)
    seal_test(project)
    last = project.rounds.aggregate(last=Max("number"))["last"] or 0
    round_ = Round.objects.create(
        project=project,
        number=last + 1,
        preset=preset,
        configuration=configuration.as_json(),
        snapshot=snapshot,
        started_by=by,
        state=Round.State.PLANNED if active else Round.State.QUEUED,
    )
    Stage.objects.bulk_create(
        Stage(round=round_, position=position, kind=kind, queue=queue_of(kind, configuration))
        for position, kind in enumerate(METHODS[configuration.method].stages, start=1)
    )
    if active is None:
        advance(round_)
    return round_


def _is_repeated(active: Round, by: User | None, preset: str, configuration: RoundConfiguration) -> bool:
    """Whether a request is the one that made the active round, sent twice: a double click, or a lost answer."""
    same_person = active.started_by_id == (by.pk if by else None)
    same_round = active.preset == preset and active.configuration == configuration.as_json()
    return same_person and same_round and timezone.now() - active.created_at <= DOUBLE_CLICK


def start_next(project_id: int) -> Round | None:
    """Put the project's next planned round to work, unless another one is: when that ends, this is asked again. An
    archived project's rounds stay in line until they are cancelled.

    No lock on the project: whoever ends a round holds that round's row, and start_round takes them the other way round.
    """
    waiting = Round.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        project=project_id, project__archived_at__isnull=True, state=Round.State.PLANNED
    )
    with transaction.atomic():
        next_ = waiting.order_by("number").first()
        if next_ is None or Round.objects.filter(project=project_id, state__in=Round.ACTIVE).exists():
            return None
        try:
            with transaction.atomic():
                move(next_, Round.State.QUEUED)
        except IntegrityError:  # somebody started one in this moment
            return None
        advance(next_)
    return next_


def move(round_: Round, state: Round.State) -> None:
    """Change the state of a round; the caller holds its row. Raises WrongState for a move that is not legal."""
    if state not in Round.MOVES[Round.State(round_.state)]:
        words = _("round {n} is “{state}” and cannot become “{other}”")
        raise about_round(WrongState, words, round_, state=_(round_.get_state_display()), other=_(state.label))
    round_.state = state
    round_.finished_at = timezone.now() if state not in Round.ACTIVE else None
    round_.save(update_fields=["state", "finished_at"])


@transaction.atomic
def cancel_round(*, round_: Round) -> Round:
    """Ask a round to stop. What works stops at the end of its unit of work; what is finished is kept. Raises
    WrongState."""
    round_ = Round.objects.select_for_update().get(pk=round_.pk)
    if round_.state not in (*Round.ACTIVE, Round.State.PLANNED):
        words = _("round {n} is {state} already")
        raise about_round(WrongState, words, round_, state=_(round_.get_state_display()))
    round_.cancel_requested = True
    round_.save(update_fields=["cancel_requested"])
    advance(round_)
    return round_


@transaction.atomic
def retry_round(*, round_: Round) -> Round:
    """Go on with a cancelled or failed round: finished stages and finished units of work are not done again. Raises
    WrongState."""
    Project.objects.for_change(round_.project_id)
    round_ = Round.objects.select_for_update().get(pk=round_.pk)
    if round_.state in Round.ACTIVE:
        return round_
    if round_.project.rounds.filter(state__in=Round.ACTIVE).exists():
        raise WrongState(_("another round of this project is running; wait for it or cancel it first"))
    move(round_, Round.State.QUEUED)
    round_.cancel_requested, round_.error = False, ""
    round_.save(update_fields=["cancel_requested", "error"])
    round_.stages.exclude(state__in=FINISHED).update(
        state=Stage.State.WAITING,
        attempts=0,
        error="",
        lease_owner=None,
        lease_until=None,
        queued_at=None,
        **Stage.NOTHING_MISSING,
    )
    advance(round_)
    return round_


def advance(round_: Round) -> None:
    """Bring a round one step on: queue the stages that can start, or end it. The caller holds the round's row.

    Queuing a stage twice is harmless: claiming it is what counts (execution/stages.py).
    """
    stages = {stage.kind: stage for stage in round_.stages.all()}
    running = [s for s in stages.values() if s.state == Stage.State.RUNNING]
    waiting = [s for s in stages.values() if s.state == Stage.State.WAITING]
    failed = [s for s in stages.values() if s.state == Stage.State.FAILED]
    if all(stage.state in FINISHED for stage in stages.values()):
        move(round_, Round.State.PUBLISHED)
        became_current(round_)
        _has_ended(round_)
    elif round_.cancel_requested or failed:
        for stage in waiting:
            stage.state = Stage.State.CANCELLED
            stage.save(update_fields=["state"])
        if not running:
            round_.error = failed[0].error if failed else ""
            round_.save(update_fields=["error"])
            move(round_, Round.State.FAILED if failed else Round.State.CANCELLED)
            _has_ended(round_)
    else:
        for stage in waiting:
            needed = [stages[need] for need in NEEDS[stage.kind] if need in stages]
            if stage.queued_at is None and all(other.state in FINISHED for other in needed):
                stage.queued_at = timezone.now()
                stage.save(update_fields=["queued_at"])
                jobs.send("inference.run_stage", queue=stage.queue, stage_id=stage.pk)


def _has_ended(round_: Round) -> None:
    for delivery in announce(round_):  # before the next round's stages, behind which a single worker would keep them
        jobs.send("labeling.deliver", queue="cpu", delivery_id=str(delivery.pk))
    start_next(round_.project_id)
