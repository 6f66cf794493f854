"""Rounds over HTTP."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import prefetch_related_objects
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from inference.documents.stage_reports import Facts, MissingResource, facts_of
from labeling.accounts.models import User
from labeling.accounts.repeats import once
from labeling.audit.downloads import download
from labeling.contract import contract
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.paging import Page, page
from labeling.projects.access import person, reach, reach_project
from labeling.projects.contract import ProjectAnswer
from labeling.projects.models import Project
from labeling.rounds.configuration import differences
from labeling.rounds.execution.archiving import archive_project, restore_project
from labeling.rounds.execution.backoff import reason, remedy
from labeling.rounds.execution.resuming import try_again
from labeling.rounds.execution.services import cancel_round, start_round
from labeling.rounds.http.contract import (
    AddedMasks,
    BeforeAnswer,
    BeforeQuery,
    CompareAnswer,
    CompareQuery,
    CostAnswer,
    DeclinedMasks,
    DifferenceAnswer,
    DriftAnswer,
    EstimateAnswer,
    FactorAnswer,
    FigureAnswer,
    GroupAnswer,
    ImportAnswer,
    LicenceAnswer,
    LimitAnswer,
    LockBody,
    MaskListing,
    MasksForm,
    MasksRemoved,
    MeanAnswer,
    PromotionAnswer,
    ReferencedImage,
    RoundAnswer,
    RoundInFull,
    RoundListing,
    RoundStart,
    SetAnswer,
    SetListing,
    SnapshotAnswer,
    StageAnswer,
    StartedRound,
    StoredMasks,
    TuningAnswer,
    VersionAnswer,
    VersionListing,
    WaitsAnswer,
    WeightsForm,
    WeightsListing,
    method_answer,
)
from labeling.rounds.methods import offered
from labeling.rounds.models import ModelVersion, Promotion, ReferenceSet, Round, Stage, Tuning, WeightsImport
from labeling.rounds.readiness import Limitation, as_json, limitations, work_of
from labeling.rounds.reference import described, lock, locked_images
from labeling.rounds.reference_masks import Added, add_references, remove_reference
from labeling.rounds.results import outcome
from labeling.rounds.results.comparison import Figure, compare
from labeling.rounds.results.costs import Cost, cost_of
from labeling.rounds.results.drift import Factor, Group, Mean, of_round
from labeling.rounds.results.estimate import estimate
from labeling.rounds.results.export import export_file, folder_name
from labeling.rounds.results.tuning import request_tuning
from labeling.rounds.weights.importing import import_weights
from labeling.rounds.weights.promotion import figures_of, promote, roll_back
from labeling.rounds.weights.starting import learns_something, licences


def round_answer(round_: Round) -> RoundAnswer:
    prefetch_related_objects([round_], "stages__artifact")  # of a list they are there already
    return RoundAnswer(
        id=round_.pk,
        project=round_.project_id,
        number=round_.number,
        state=round_.state,
        preset=round_.preset,
        configuration=round_.parameters,
        snapshot=SnapshotAnswer(sha256=round_.snapshot.sha256, summary=round_.snapshot.counts),
        cancel_requested=round_.cancel_requested,
        error=round_.error,
        created_at=round_.created_at,
        finished_at=round_.finished_at,
        stages=[stage_answer(stage) for stage in round_.stages.all()],
    )


def stage_answer(stage: Stage) -> StageAnswer:
    missing = stage.missing if stage.state in ("waiting", "running") else None
    return StageAnswer(
        kind=stage.kind,
        name=stage.get_kind_display(),
        state=stage.state,
        done=stage.done,
        total=stage.total,
        note=stage.note,
        error=stage.error,
        attempts=stage.attempts,
        queue=stage.queue,
        waits=waits_answer(missing, stage.again_at) if missing else None,
        usage=stage.used,
        started_at=stage.started_at,
        finished_at=stage.finished_at,
        facts=facts_of(stage.kind, stage.artifact.facts) if stage.artifact else Facts(),
    )


def waits_answer(missing: MissingResource, again_at: datetime | None) -> WaitsAnswer:
    return WaitsAnswer(
        what=missing.what,
        worker=missing.worker,
        queue=missing.queue,
        needs=missing.needs,
        free=missing.free,
        reason=reason(missing),
        remedy=remedy(missing),
        again_at=again_at,
    )


def promotion_answer(made: Promotion) -> PromotionAnswer:
    return PromotionAnswer(round=made.round_id, reason=made.reason, at=made.at)


def tuning_answer(asked: Tuning) -> TuningAnswer:
    about = TuningAnswer(state=asked.state, error=asked.error, requested_at=asked.requested_at)
    table = asked.table
    if table is None:
        return about
    return TuningAnswer.model_validate({**dict(about), **dict(table)})


def mean_answer(mean: Mean) -> MeanAnswer:
    return MeanAnswer(
        mean=mean.value,
        low=number(mean.low),
        high=number(mean.high),
        images=mean.images,
        patients=mean.patients,
        stands_out=mean.stands_out,
    )


def version_answer(version: ModelVersion) -> VersionAnswer:
    return VersionAnswer(
        id=version.pk,
        kind=version.kind,
        number=version.number,
        origin=version.origin,
        model=version.model,
        architecture=version.architecture,
        class_names=version.class_names,
        size=version.artifact.size,
        sha256=version.artifact.sha256,
        parent=version.parent_id,
        round=version.round_id,
        source=version.source_id,
        licences=[LicenceAnswer(version=name, licence=licence) for name, licence in licences(version)],
        metrics=figures_of(version),
    )


def import_answer(made: WeightsImport) -> ImportAnswer:
    return ImportAnswer(
        id=made.pk,
        name=made.name,
        state=made.state,
        error=made.error,
        size=made.size,
        data_licence=made.data_licence,
        note=made.note,
        imported_at=made.imported_at,
        imported_by=made.imported_by.display_name if made.imported_by else None,
        versions=[version.pk for version in made.versions.all()],
    )


def set_answer(found: ReferenceSet) -> SetAnswer:
    return SetAnswer.model_validate(described(found).as_json())


def limit_answers(found: Sequence[Limitation]) -> list[LimitAnswer]:
    return [LimitAnswer.model_validate(one) for one in as_json(found)]


def number(value: float) -> float | None:
    """JSON has no NaN: an interval that cannot be computed is null."""
    return value if math.isfinite(value) else None


def _rounds(user: Any) -> Any:
    return Round.objects.filter(project__in=Project.objects.visible_to(user)).select_related("project", "snapshot")


class Archive(APIView):
    """A project is archived here, among the rounds, because they end with it."""

    @contract(answer=ProjectAnswer)
    def post(self, request: Request, project: int) -> ProjectAnswer:
        found = reach_project(request, "archive", project)
        return ProjectAnswer.model_validate(archive_project(project=found, by=person(request)))


class Restore(APIView):
    @contract(answer=ProjectAnswer)
    def post(self, request: Request, project: int) -> ProjectAnswer:
        found = reach_project(request, "archive", project)
        return ProjectAnswer.model_validate(restore_project(project=found, by=person(request)))


class RoundList(APIView):
    @contract(query=RoundListing, answer=Page[RoundAnswer])
    def get(self, request: Request, project: int, *, query: RoundListing) -> Page[RoundAnswer]:
        found = reach_project(request, "see", project)
        filters = query.model_dump(include={"state", "preset"}, exclude_none=True)
        rounds = found.rounds.filter(**filters).select_related("snapshot").prefetch_related("stages__artifact")
        return page(rounds, request, query, ordering=query.ordering, answer=round_answer)

    @once
    @contract(body=RoundStart, answer=StartedRound, status=202)
    def post(self, request: Request, project: int, *, body: RoundStart) -> StartedRound:
        found = reach_project(request, "manage", project)
        changes: dict[str, Any] = body.changes.model_dump(exclude_none=True) if body.changes else {}
        made = start_round(
            project=found,
            by=person(request),
            preset=body.preset,
            changes=changes,
            same_patient=body.same_patient,
            start=body.start.as_starts() if body.start else {},
            line_up=body.line_up,
        )
        limits = limitations(
            found,
            learns=learns_something(made),
            method=made.parameters.method,
            preset=made.preset,
            prompter=changes.get("prompter", ""),
        )
        stated = limit_answers(limits)
        return StartedRound.model_validate({**dict(round_answer(made)), "limits": stated})


class BeforeRound(APIView):
    """What would limit a round that is started now, and how long it would take."""

    @contract(query=BeforeQuery, answer=BeforeAnswer)
    def get(self, request: Request, project: int, *, query: BeforeQuery) -> BeforeAnswer:
        found = reach_project(request, "see", project)
        time = estimate(found, query.preset, device=query.device, method=query.method)
        estimate_answer = EstimateAnswer(**asdict(time)) if time else None
        limits = limitations(found, method=query.method, preset=query.preset, prompter=query.prompter or "")
        methods = [method_answer(one) for one in offered(work_of(found).taught_by)]
        return BeforeAnswer(limits=limit_answers(limits), estimate=estimate_answer, methods=methods)


class RoundDetail(APIView):
    @contract(answer=RoundInFull)
    def get(self, request: Request, round: int) -> RoundInFull:
        found = reach(_rounds(person(request)), person(request), "see", pk=round)
        published = outcome.outcome_of(found) if found.state == Round.State.PUBLISHED else None
        outcome_answer = outcome.as_json(published) if published else None
        return RoundInFull.model_validate({**dict(round_answer(found)), "outcome": outcome_answer})


class Export(APIView):
    """A finished round as one zip that `boxwise predict` runs elsewhere, and that another project imports."""

    @contract(files=("application/zip",))
    def get(self, request: Request, round: int) -> HttpResponseBase:
        found = reach(_rounds(person(request)), person(request), "export", pk=round)
        file, name = export_file(found), f"{folder_name(found)}.zip"
        return download(file, name=name, content_type="application/zip", project=found.project, round=found.pk)


class ModelVersionList(APIView):
    @contract(query=VersionListing, answer=Page[VersionAnswer])
    def get(self, request: Request, project: int, *, query: VersionListing) -> Page[VersionAnswer]:
        found = reach_project(request, "see", project)
        filters = query.model_dump(include={"kind", "origin"}, exclude_none=True)
        versions = found.model_versions.filter(**filters).select_related("artifact", "parent")
        return page(versions, request, query, ordering=query.ordering, answer=version_answer)


class WeightsImports(APIView):
    """GET what was brought along, with what a worker found; POST files."""

    @contract(query=WeightsListing, answer=Page[ImportAnswer])
    def get(self, request: Request, project: int, *, query: WeightsListing) -> Page[ImportAnswer]:
        found = reach_project(request, "see", project)
        filters = query.model_dump(include={"state"}, exclude_none=True)
        made = found.weights_imports.filter(**filters).select_related("imported_by").prefetch_related("versions")
        return page(made, request, query, ordering=query.ordering, answer=import_answer)

    @once
    @contract(form=WeightsForm, answer=ImportAnswer, status=202)
    def post(self, request: Request, project: int, *, form: WeightsForm) -> ImportAnswer:
        found = reach_project(request, "manage", project)
        made = import_weights(
            project=found, by=person(request), files=form.files, data_licence=form.data_licence, note=form.note
        )
        return import_answer(made)


class Promote(APIView):
    @contract(answer=PromotionAnswer, status=201)
    def post(self, request: Request, round: int) -> PromotionAnswer:
        found = reach(_rounds(person(request)), person(request), "manage", pk=round)
        return promotion_answer(promote(round_=found, by=person(request)))


class RollBack(APIView):
    @contract(answer=PromotionAnswer, status=201)
    def post(self, request: Request, project: int) -> PromotionAnswer:
        found = reach_project(request, "manage", project)
        return promotion_answer(roll_back(project=found, by=person(request)))


class Compare(APIView):
    """Rounds side by side, named by their ids; the first is the base."""

    @contract(query=CompareQuery, answer=CompareAnswer)
    def get(self, request: Request, project: int, *, query: CompareQuery) -> CompareAnswer:
        found = reach_project(request, "see", project)
        asked = list(dict.fromkeys(query.round))
        rounds = found.rounds.filter(state=Round.State.PUBLISHED).select_related("snapshot").in_bulk(asked)
        if len(asked) < 2 or len(rounds) < len(asked):
            raise Invalid("round names two finished rounds of this project at least: ?round=ID&round=ID", field="round")
        return compare_answer([rounds[key] for key in asked], person(request))


def cost_answer(cost: Cost) -> CostAnswer:
    return CostAnswer(
        round=cost.round.pk,
        method=cost.method.name,
        labels=cost.method.labels[0],
        cells=cost.cells,
        trained_parameters=cost.trained_parameters,
        training_seconds=cost.training_seconds,
        annotation_seconds=cost.annotation_seconds,
    )


def compare_answer(rounds: list[Round], reader: User) -> CompareAnswer:
    made = compare(rounds)
    changed = differences(rounds[0].parameters, rounds[-1].parameters)
    return CompareAnswer(
        images=made.images,
        patients=made.patients,
        by_patient=made.by_patient,
        sentences=made.sentences,
        measures={row.measure: [figure_answer(figure) for figure in row.figures] for row in made.rows},
        costs=[cost_answer(cost_of(round_, reader=reader)) for round_ in rounds],
        configuration=[DifferenceAnswer(name=name, first=first, last=last) for name, first, last in changed],
    )


def figure_answer(figure: Figure) -> FigureAnswer:
    return FigureAnswer(
        round=figure.round.pk,
        mean=figure.mean,
        low=number(figure.low),
        high=number(figure.high),
        against_first={name: number(value) for name, value in (figure.against or {}).items()},
    )


class ByOrigin(APIView):
    """A finished round by scanner, centre, stain and patient; empty for one that has not finished."""

    @contract(answer=DriftAnswer)
    def get(self, request: Request, round: int) -> DriftAnswer:
        found = reach(_rounds(person(request)), person(request), "see", pk=round)
        made = of_round(found)
        return DriftAnswer(
            stated=made.stated, sentences=made.sentences, factors=[factor_answer(factor) for factor in made.factors]
        )


def factor_answer(factor: Factor) -> FactorAnswer:
    return FactorAnswer(
        factor=factor.name, sentences=factor.sentences, groups=[group_answer(group) for group in factor.groups]
    )


def group_answer(group: Group) -> GroupAnswer:
    measures = {measure: mean_answer(mean) for measure, mean in group.means.items()}
    return GroupAnswer(name=group.name, images=group.images, measures=measures)


class RoundTuning(APIView):
    """GET the table of settings tried on a round's validation images; POST asks for it."""

    @contract(answer=TuningAnswer)
    def get(self, request: Request, round: int) -> TuningAnswer:
        found = reach(_rounds(person(request)), person(request), "see", pk=round)
        asked = Tuning.objects.filter(round=found).first()
        return tuning_answer(asked) if asked else TuningAnswer(state=None)

    @contract(answer=TuningAnswer, status=202)
    def post(self, request: Request, round: int) -> TuningAnswer:
        found = reach(_rounds(person(request)), person(request), "manage", pk=round)
        return tuning_answer(request_tuning(round_=found, by=person(request)))


class ReferenceSets(APIView):
    """GET the locked reference sets, the newest first; POST locks one."""

    @contract(query=SetListing, answer=Page[SetAnswer])
    def get(self, request: Request, project: int, *, query: SetListing) -> Page[SetAnswer]:
        found = reach_project(request, "see", project)
        sets = found.reference_sets.select_related("locked_by")
        return page(sets, request, query, ordering=query.ordering, answer=set_answer)

    @once
    @contract(body=LockBody, answer=SetAnswer, status=201)
    def post(self, request: Request, project: int, *, body: LockBody) -> SetAnswer:
        found = reach_project(request, "manage", project)
        return set_answer(lock(project=found, by=person(request), **dict(body)))


class ReferenceMasks(APIView):
    """GET the images with reference masks; POST label maps, matched by name."""

    @contract(query=MaskListing, answer=Page[ReferencedImage])
    def get(self, request: Request, project: int, *, query: MaskListing) -> Page[ReferencedImage]:
        found = reach_project(request, "see", project)
        locked = locked_images(found)
        images = found.images.exclude(reference="")

        def answer(image: Image) -> ReferencedImage:
            return ReferencedImage(image=image.pk, name=image.name, split=image.split, locked=image.pk in locked)

        return page(images, request, query, ordering=query.ordering, answer=answer)

    @contract(form=MasksForm, answer=StoredMasks, status=201)
    def post(self, request: Request, project: int, *, form: MasksForm) -> StoredMasks:
        """201 with what was stored and what was not; when nothing was, the first reason as the error."""
        found = reach_project(request, "manage", project)
        added, declined = add_references(project=found, files=form.masks, replace=form.replace)
        if not added:
            raise declined[0]
        return StoredMasks(
            added=[added_answer(one) for one in added],
            declined=[DeclinedMasks(code=error.code, detail=str(error)) for error in declined],
        )


class ImageReferenceMasks(APIView):
    """POST one label map as an image's reference masks; DELETE takes them away."""

    @contract(form=MasksForm, answer=AddedMasks, status=201)
    def post(self, request: Request, image: int, *, form: MasksForm) -> AddedMasks:
        found = reach(Image.objects.visible_to(person(request)), person(request), "manage", pk=image)
        added, declined = add_references(project=found.project, files=form.masks, image=found, replace=form.replace)
        if declined:
            raise declined[0]
        return added_answer(added[0])

    @contract(answer=MasksRemoved)
    def delete(self, request: Request, image: int) -> MasksRemoved:
        found = reach(Image.objects.visible_to(person(request)), person(request), "manage", pk=image)
        notes = remove_reference(image=found, confirmed=True)
        return MasksRemoved(image=found.pk, notes=list(notes))


def added_answer(added: Added) -> AddedMasks:
    return AddedMasks(
        file=added.file,
        image=added.image.pk,
        cells=added.cells,
        replaced=added.replaced,
        notes=list(added.notes),
    )


class Cancel(APIView):
    @contract(answer=RoundAnswer, status=202)
    def post(self, request: Request, round: int) -> RoundAnswer:
        found = reach(_rounds(person(request)), person(request), "manage", pk=round)
        return round_answer(cancel_round(round_=found))


class Retry(APIView):
    @contract(answer=RoundAnswer, status=202)
    def post(self, request: Request, round: int) -> RoundAnswer:
        found = reach(_rounds(person(request)), person(request), "manage", pk=round)
        return round_answer(try_again(round_=found))
