"""The page of one round: its stages as they work, what it learned from, what it found, and its proofs."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from inference.documents.base import JsonObject
from inference.documents.publication import Certificate, TuningResult, TuningRow
from inference.documents.snapshot import SPLITS
from inference.documents.stage_reports import TrainingFacts
from labeling.errors import WrongState
from labeling.images.models import Image, Split
from labeling.numbers import whole_number
from labeling.rounds.configuration import BY_NAME, NAMES, PRESET_NAMES, flat
from labeling.rounds.execution.resuming import try_again
from labeling.rounds.execution.services import cancel_round, start_round
from labeling.rounds.models import ModelVersion, Round, Stage, StageLine, Tuning
from labeling.rounds.readiness import limitations
from labeling.rounds.results import drift
from labeling.rounds.results.estimate import estimate
from labeling.rounds.results.export import export_file, folder_name
from labeling.rounds.results.outcome import on_images
from labeling.rounds.weights.promotion import LEARNED, current_round
from labeling.rounds.weights.starting import FROM_SHIPPED, KINDS, Start, Starts
from labeling.site.drift_plots import plots_of
from labeling.site.requests import Request, acts_of, attempt, reach_project, reach_round, reach_round_of, signed_in
from labeling.site.round_progress import progress_of

LINES = 500  # of the log, shown at once


@signed_in
@require_safe
def round_by_id(request: Request, round: int) -> HttpResponse:
    """Where mails and bookmarks of earlier versions lead."""
    return redirect(reach_round(request, "see", round))


@signed_in
@require_safe
def round_(request: Request, project: int, number: int) -> HttpResponse:
    found = reach_round_of(request, "see", project, number)
    publications = list(found.publications.select_related("image", "round").order_by("image__position"))
    by_origin = drift.of_round(found) if found.state == Round.State.PUBLISHED else None
    counts = found.snapshot.counts
    proposals = dict(found.publications.values_list("pk").annotate(n=Count("layer__annotations")))
    why = {outcome.image.pk: outcome.why for outcome in on_images(publications)}
    context = {
        "may": acts_of(found.project, found.project.role_of(request.user)),
        "device": found.parameters.device,
        **progress_of(found).context(),
        **log_context(found, after=0),
        "weights": weights_of(found),
        "preset_name": PRESET_NAMES.get(found.preset, found.preset),
        "is_current": current_round(found.project) == found,
        "others": found.project.rounds.filter(state=Round.State.PUBLISHED, number__lt=found.number)[:1],
        "parameters": sorted(flat({**found.parameters.as_json(), "settings": settings_of(found)}).items()),
        "tuning": tuning_of(found),
        "drift": by_origin,
        "drift_plots": plots_of(by_origin) if by_origin else [],
        "times_judged": times_test_was_judged(found),
        "reference_set": counts.reference_set,
        "splits": [(label, counts.splits.get(split)) for split, label in zip(SPLITS, Split.labels, strict=True)],
        "shared_groups": counts.same_group_in_training_and_evaluation,
        "certificates": [Proof(p.image, proposals[p.pk], why[p.image_id], p.proof) for p in publications],
    }
    return render(request, "site/round.html", context)


@dataclass(frozen=True)
class Proof:
    """A row of the table of proofs."""

    image: Image
    proposals: int
    why: list[str]
    certificate: Certificate | None


@dataclass(frozen=True)
class Began:
    """What a model of the round began with: a version of the project, or None for what comes with Boxwise."""

    kind: str
    version: ModelVersion | None
    as_is: bool


def weights_of(found: Round) -> list[Began]:
    """What its detector and segmenter began with, where that is not simply what comes with Boxwise."""
    versions = {v.artifact_id: v for v in found.project.model_versions.all()}
    configuration = found.parameters
    chosen = {"detector": configuration.detector, "segmenter": configuration.segmenter}
    return [
        Began(kind, versions.get(one.start_from) if one.start_from else None, one.as_is)
        for kind, one in chosen.items()
        if one.start_from or one.as_is
    ]


def times_test_was_judged(found: Round) -> int:
    """How many results the project's test images have judged so far; each look makes them less of a test."""
    judged = Stage.objects.filter(round__project=found.project_id, kind=Stage.Kind.EVALUATION)
    return judged.filter(artifact__facts__split=Split.TEST).values("artifact").distinct().count()


@dataclass(frozen=True)
class Tried:
    """A setting that was tried; own: it is the round's own, best: it had the highest PQ."""

    row: TuningRow
    own: bool
    best: bool


@dataclass(frozen=True)
class TuningTables:
    """asked: the request; tables: (label of a parameter, what was tried), and the result itself once it is there."""

    asked: Tuning
    tables: list[tuple[str, list[Tried]]]
    result: TuningResult | None


def tuning_of(found: Round) -> TuningTables | None:
    """The table of settings by parameter, the round's own values and the best ones marked."""
    asked = Tuning.objects.filter(round=found).first()
    if asked is None:
        return None
    tables: dict[str, list[Tried]] = defaultdict(list)
    result = asked.table
    if result is not None:
        for row in result.rows:
            own, best = result.base[row.parameter], result.best[row.parameter]
            tables[row.parameter].append(Tried(row, row.value == own, row.value == best))
    named = [(BY_NAME[name].label, rows) for name, rows in tables.items()]
    return TuningTables(asked, named, result)


def settings_of(found: Round) -> JsonObject:
    """The settings that the trained models report, in full: presets name them, this round's stages used them."""
    learned = found.stages.filter(artifact__isnull=False, kind__in=LEARNED).select_related("artifact")
    facts = {s.kind: s.artifact.facts_as(TrainingFacts) for s in learned if s.artifact}
    return {kind: dict(one.settings) for kind, one in facts.items() if one.settings}


@signed_in
@require_safe
@never_cache
def progress(request: Request, round: int) -> HttpResponse:
    """The stages alone, for the poll; when the round has ended the page is asked to load anew, with the results."""
    found = reach_round(request, "see", round)
    made = progress_of(found)
    context = made.context()
    if made.waiting_for:
        context["may"] = acts_of(found.project, found.project.role_of(request.user))
    answer = render(request, "site/parts/progress.html", context)
    if found.state not in Round.ACTIVE:
        answer["HX-Refresh"] = "true"
    return answer


@signed_in
@require_safe
@never_cache
def at_work(request: Request, round: int) -> HttpResponse:
    """The same in three lines, for the project's page."""
    found = reach_round(request, "see", round)
    answer = render(request, "site/parts/round_at_work.html", progress_of(found).context())
    if found.state not in Round.ACTIVE:
        answer["HX-Refresh"] = "true"
    return answer


@signed_in
@require_safe
@never_cache
def log(request: Request, round: int) -> HttpResponse:
    """The lines after `after`, and the place where the next ones will come."""
    found = reach_round(request, "see", round)
    context = log_context(found, after=whole_number(request.GET.get("after")) or 0)
    return render(
        request, "site/parts/log_lines.html", {"round": found, "active": found.state in Round.ACTIVE, **context}
    )


def log_context(found: Round, *, after: int) -> dict[str, object]:
    lines = StageLine.objects.filter(stage__round=found, pk__gt=after).exclude(text="").select_related("stage")
    newest = list(lines.order_by("-pk")[:LINES])[::-1]
    return {"lines": newest, "last_line": newest[-1].pk if newest else after}


@signed_in
@require_safe
def log_file(request: Request, round: int) -> HttpResponse:
    """The whole log as text, with the reported numbers."""
    found = reach_round(request, "see", round)
    lines = StageLine.objects.filter(stage__round=found).select_related("stage")
    text = (
        " ".join(
            [
                f"{line.at:%Y-%m-%d %H:%M:%S}",
                line.stage.kind,
                *([line.text] if line.text else []),
                *(f"{name}={value}" for name, value in line.values.items()),
            ]
        )
        + "\n"
        for line in lines.order_by("pk").iterator()
    )
    answer = HttpResponse(text, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="round-{found.number}.log.txt"'
    return answer


@signed_in
@require_POST
def start(request: Request, project: int) -> HttpResponse:
    found = reach_project(request, "manage", project)
    preset = request.POST.get("preset", "quick")
    options: dict[str, Any] = {
        "preset": preset,
        "changes": {name: request.POST[name].strip() for name in NAMES if request.POST.get(name, "").strip()},
        "same_slide": "same_slide" in request.POST,
        "start": starts_of(request),
        "line_up": "line_up" in request.POST,
    }
    made = attempt(request, lambda: start_round(project=found, by=request.user, **options))
    if made is None:
        return redirect("project", found.pk)
    if made.state == Round.State.PLANNED:
        text = _(
            "Round {n} is in line: it starts when the round before it has ended, on the annotations as they are now."
        )
    else:
        text = _("Round {n} is at work. You can leave this page; it goes on.")
    messages.success(request, text.format(n=made.number))
    return redirect(made)


@signed_in
@require_safe
@never_cache
def before(request: Request, project: int) -> HttpResponse:
    """What will limit a round that is started now, and how long it will take: a part of the project's page."""
    found = reach_project(request, "oversee", project)
    preset, device = (request.GET.get(name, usual) for name, usual in (("preset", "quick"), ("device", "auto")))
    learns = not all(f"{kind}_as_is" in request.GET for kind in KINDS)
    context = {
        "project": found,
        "limits": limitations(found, learns=learns),
        "time": estimate(found, preset, device=device),
        "gpu": device == "gpu",
    }
    return render(request, "site/parts/before_round.html", context)


def starts_of(request: Request) -> Starts:
    """What the form says of the weights: DETECTOR_from, DETECTOR_as_is and the same of the segmenter."""
    return {
        kind: Start(request.POST.get(f"{kind}_from") or FROM_SHIPPED, f"{kind}_as_is" in request.POST) for kind in KINDS
    }


@signed_in
@require_safe
def export(request: Request, round: int) -> HttpResponseBase:
    """The round as one folder, zipped; of a round that has not finished there is none."""
    found = reach_round(request, "export", round)
    try:
        file = export_file(found)
    except WrongState as error:
        raise Http404(str(error)) from None
    return FileResponse(file, as_attachment=True, filename=f"{folder_name(found)}.zip")


@signed_in
@require_POST
def cancel(request: Request, round: int) -> HttpResponse:
    found = reach_round(request, "manage", round)
    done = _("The round stops after its current unit of work. Nothing finished is lost.")
    attempt(request, lambda: cancel_round(round_=found), done=done)
    return redirect(found)


@signed_in
@require_POST
def retry(request: Request, round: int) -> HttpResponse:
    found = reach_round(request, "manage", round)
    done = _("The round goes on; what was finished is not done again.")
    if found.state in Round.ACTIVE:
        done = _("What waits is tried again now.")
    attempt(request, lambda: try_again(round_=found), done=done)
    return redirect(found)
