"""Which models a project has, and which round's proposals people see: promoted, rolled back, nothing deleted."""

from django.db import transaction
from django.db.models import Case, F, Max, OuterRef, Q, QuerySet, Subquery, When
from django.utils.translation import gettext as _

from inference.documents.configuration import Model
from inference.documents.stage_reports import EvaluationFacts, Figures, TrainingFacts
from labeling.accounts.models import User
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.projects.models import Project
from labeling.rounds.messages import about_round
from labeling.rounds.models import Artifact, ModelVersion, Promotion, Publication, Round, RoundPolicy, Stage

SHIPPED_LICENCE = "CC0 and CC BY (came with Boxwise)"  # inference/weights/*.md
LEARNED = (Stage.Kind.DETECTOR, Stage.Kind.SEGMENTER, Stage.Kind.METHOD)  # stages whose artifact is weights


def policy_of(project: Project) -> RoundPolicy:
    """The project's decisions about its rounds; not saved when nobody has decided anything."""
    return RoundPolicy.objects.filter(project=project).first() or RoundPolicy(project=project)


@transaction.atomic
def change_policy(*, project: Project, promotes_itself: bool, data_licence: str) -> RoundPolicy:
    """What a project decides about its rounds. Raises Invalid for a licence of more than 200 characters, Archived."""
    data_licence = data_licence.strip()
    if len(data_licence) > 200:
        raise Invalid(_("the licence has at most 200 characters"), field="data_licence")
    Project.objects.for_change(project.pk)
    decided = {"promotes_itself": promotes_itself, "data_licence": data_licence}
    policy, _made = RoundPolicy.objects.update_or_create(project=project, defaults=decided)
    return policy


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
    """One publication an image: the one that became current last.

    Of a round that is when the round was promoted; where the current round says nothing about the image, the newest
    round before it counts from its publication on. While nothing has been promoted, all rounds do. What a job proposed
    without a round counts from its publication on, until it is withdrawn.
    """
    promoted = Promotion.objects.filter(project=OuterRef("image__project")).order_by("-pk")
    of_current_round = When(round__number=F("current"), then=F("promoted_at"))
    return (
        Publication.objects.filter(image__in=images, withdrawn_at__isnull=True)
        .annotate(current=Subquery(promoted.values("round__number")[:1]))
        .annotate(promoted_at=Subquery(promoted.values("at")[:1]))
        .filter(Q(job__isnull=False) | Q(current__isnull=True) | Q(round__number__lte=F("current")))
        .annotate(since=Case(of_current_round, default=F("published_at")))
        .order_by("image_id", "-since", "-round__number")
        .distinct("image_id")
    )


def newest_publication(image: Image) -> Publication | None:
    """What was proposed last on an image and is not withdrawn, whether or not it is current."""
    shown = Publication.objects.filter(image=image, withdrawn_at__isnull=True)
    return shown.select_related("round", "job").order_by("-published_at").first()


def publications_of_rounds(images: QuerySet[Image]) -> QuerySet[Publication]:
    """One publication an image: of the current round, or else of the newest before it, whatever was proposed without a
    round in the meantime. For what only rounds say of an image, such as its priority."""
    return current_publications(images).filter(round__isnull=False)


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
    chosen = round_.parameters.model_of(stage.kind) or Model(name=round_.parameters.method)
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
        class_names=class_names(round_) if stage.kind != Stage.Kind.SEGMENTER and trained.classes > 1 else [],
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
    """What the evaluation says of a model of this kind: of a segmenter no boxes, of each the masks it makes alone.

    An evaluation is about a whole round, and is kept whole beside all of its models.
    """
    figures = version.figures
    found = dict(figures.given())
    if version.kind not in (ModelVersion.Kind.DETECTOR, ModelVersion.Kind.METHOD):
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
