"""Which models a project has, and which round's proposals people see: promoted, rolled back, nothing deleted."""

from django.db import transaction
from django.db.models import F, Max, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _

from inference.documents.stage_reports import EvaluationFacts, Figures, TrainingFacts
from labeling.accounts.models import User
from labeling.errors import WrongState
from labeling.images.models import Image
from labeling.projects.models import Project
from labeling.rounds.messages import about_round
from labeling.rounds.models import Artifact, ModelVersion, Promotion, Publication, Round, RoundPolicy, Stage

SHIPPED_LICENCE = "CC0 and CC BY (came with Boxwise)"  # inference/weights/*.md
LEARNED = (Stage.Kind.DETECTOR, Stage.Kind.SEGMENTER)  # stages whose artifact is weights


def policy_of(project: Project) -> RoundPolicy:
    """The project's decisions about its rounds; not saved when nobody has decided anything."""
    return RoundPolicy.objects.filter(project=project).first() or RoundPolicy(project=project)


# -- which round is current


def current_round(project: Project) -> Round | None:
    """The round that was promoted last, by hand or by finishing."""
    last = Promotion.objects.filter(project=project).select_related("round").order_by("-pk").first()
    return last.round if last else None


def became_current(round_: Round) -> None:
    """A round has finished: its proposals become current, unless the project promotes by hand. The caller holds its
    row."""
    if policy_of(round_.project).promotes_itself:
        Promotion.objects.create(project_id=round_.project_id, round=round_, reason=Promotion.Reason.FINISHED)


@transaction.atomic
def promote(*, round_: Round, by: User) -> Promotion:
    """Make the proposals of a finished round the current ones. Raises WrongState for a round that has not finished."""
    Project.objects.for_change(round_.project_id)
    if round_.state != Round.State.PUBLISHED:
        words = _("round {n} is {state}; only a finished round can be promoted")
        raise about_round(WrongState, words, round_, state=_(round_.get_state_display()))
    now = current_round(round_.project)
    if now == round_:
        raise about_round(WrongState, _("the proposals of round {n} are the current ones already"), round_)
    back = now is not None and round_.number < now.number
    reason = Promotion.Reason.ROLLED_BACK if back else Promotion.Reason.PROMOTED
    return Promotion.objects.create(project_id=round_.project_id, round=round_, by=by, reason=reason)


def roll_back(*, project: Project, by: User) -> Promotion:
    """Back to the finished round before the current one. Raises WrongState when there is none."""
    now = current_round(project)
    before = (
        project.rounds.filter(state=Round.State.PUBLISHED, number__lt=now.number).order_by("-number").first()
        if now
        else None
    )
    if before is None:
        raise WrongState(_("there is no earlier finished round to go back to"))
    return promote(round_=before, by=by)


def current_publications(images: QuerySet[Image]) -> QuerySet[Publication]:
    """One publication an image: of the current round, or, where that one says nothing about the image, of the newest
    round before it. While nothing has been promoted, the newest."""
    promoted = Promotion.objects.filter(project=OuterRef("image__project")).order_by("-pk")
    return (
        Publication.objects.filter(image__in=images)
        .annotate(current=Subquery(promoted.values("round__number")[:1]))
        .filter(Q(current__isnull=True) | Q(round__number__lte=F("current")))
        .order_by("image_id", "-round__number")
        .distinct("image_id")
    )


# -- the registry of models


def register(stage: Stage, artifact: Artifact) -> ModelVersion | None:
    """Enter the weights that a stage made, or used again; entering them twice changes nothing. The caller holds the
    round's row."""
    if stage.kind not in LEARNED:
        return None
    round_ = stage.round
    project = Project.objects.select_for_update().get(pk=round_.project_id)
    there = project.model_versions.filter(artifact=artifact).first()
    if there is not None:
        return there
    chosen = round_.parameters.model_of(stage.kind)
    assert chosen is not None  # of the stages in LEARNED
    start, as_is = chosen.start_from, chosen.as_is
    trained = artifact.facts_as(TrainingFacts)
    origin = ModelVersion.Origin.SHIPPED if as_is else ModelVersion.Origin.TRAINED
    return ModelVersion.objects.create(
        project=project,
        kind=stage.kind,
        number=(project.model_versions.filter(kind=stage.kind).aggregate(last=Max("number"))["last"] or 0) + 1,
        origin=origin,
        model=chosen.name,
        architecture=trained.model or chosen.name,
        class_names=class_names(round_) if stage.kind == Stage.Kind.DETECTOR and trained.classes > 1 else [],
        artifact=artifact,
        parent=project.model_versions.filter(artifact=start).first() if start else None,
        round=round_,
        snapshot=None if as_is else round_.snapshot,
        data_licence=SHIPPED_LICENCE if as_is else policy_of(project).data_licence,
    )


def class_names(round_: Round) -> list[str]:
    """The project's classes as they were when the round was started, in the order in which its models know them."""
    return [entry.name for entry in round_.snapshot.document().classes]


def measured(round_: Round, facts: EvaluationFacts) -> None:
    """The evaluation's figures beside the models that the round was the first to use."""
    ModelVersion.objects.filter(round=round_, metrics={}).update(metrics=facts.figures().as_json())


def figures_of(version: ModelVersion) -> Figures:
    """What the evaluation says of a model of this kind: of a detector its boxes, of either the masks it makes alone.

    An evaluation is about a whole round, and is kept whole beside both of its models.
    """
    figures = version.figures
    found = dict(figures.given())
    if version.kind != ModelVersion.Kind.DETECTOR:
        found.pop("box_ap50", None)
    alone = {part: measures for part, measures in figures.masks.items() if part == version.kind}
    found["masks"] = alone
    if not alone:
        del found["masks"]
    return Figures(**found)


def models_of(round_: Round) -> QuerySet[ModelVersion]:
    """The weights that a round works with, whichever round made them."""
    return ModelVersion.objects.filter(
        project=round_.project_id, artifact__in=round_.stages.filter(kind__in=LEARNED).values("artifact")
    ).select_related("artifact", "round", "parent", "snapshot")


def with_weights(round_: Round, artifact: str) -> ModelVersion | None:
    """The version of the round's project whose weights these are; None when it is there no more."""
    versions = ModelVersion.objects.select_related("artifact")
    return versions.filter(project=round_.project_id, artifact=artifact).first()
