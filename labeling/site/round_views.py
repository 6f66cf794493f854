"""The page of one round: its stages as they work, what it learned from, what it found, and its proofs."""

from collections import defaultdict
from dataclasses import dataclass

from django.db.models import Count
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from inference.documents.base import JsonObject
from inference.documents.methods import METHODS
from inference.documents.publication import Certificate, TuningResult, TuningRow
from inference.documents.snapshot import SPLITS
from inference.documents.stage_reports import TrainingFacts
from labeling.audit.downloads import PLAIN_TEXT, download
from labeling.errors import WrongState
from labeling.images.models import Image, Split
from labeling.numbers import whole_number
from labeling.rounds.configuration import BY_NAME, PRESET_NAMES, flat
from labeling.rounds.execution.resuming import try_again
from labeling.rounds.execution.services import cancel_round
from labeling.rounds.models import ModelVersion, Round, Stage, StageLine, Tuning
from labeling.rounds.results import drift
from labeling.rounds.results.export import export_file, folder_name
from labeling.rounds.results.outcome import on_images
from labeling.rounds.results.split_notes import split_notes
from labeling.rounds.weights.promotion import LEARNED, current_round
from labeling.site.drift_plots import plots_of
from labeling.site.requests import Request, acts_of, attempt, reach_round, reach_round_of, signed_in
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
        "method": METHODS[found.parameters.method],
        "prompter": prompter_of(found),
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
        "split_notes": split_notes(found),
        "shared_patients": counts.same_patient_in_training_and_evaluation,
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


def prompter_of(found: Round) -> str:
    """As a form names the round's prompter: a version of the project by its id."""
    chosen = found.parameters.prompter
    own = found.project.model_versions.filter(artifact=chosen.weights).first() if chosen.weights else None
    return f"version:{own.pk}" if own is not None else chosen.name


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
def log_file(request: Request, round: int) -> HttpResponseBase:
    """The whole log as text, with the reported numbers."""
    found = reach_round(request, "see", round)
    lines = StageLine.objects.filter(stage__round=found).select_related("stage")
    text = "".join(_line_of_log(line) for line in lines.order_by("pk").iterator())
    name = f"round-{found.number}.log.txt"
    return download(text.encode(), name=name, content_type=PLAIN_TEXT, project=found.project, round=found.pk)


def _line_of_log(line: StageLine) -> str:
    """Time, stage, what was printed and the reported numbers."""
    numbers = [f"{name}={value}" for name, value in line.values.items()]
    words = [line.text] if line.text else []
    return " ".join([f"{line.at:%Y-%m-%d %H:%M:%S}", line.stage.kind, *words, *numbers]) + "\n"


@signed_in
@require_safe
def export(request: Request, round: int) -> HttpResponseBase:
    """The round as one folder, zipped; of a round that has not finished there is none."""
    found = reach_round(request, "export", round)
    try:
        file = export_file(found)
    except WrongState as error:
        raise Http404(str(error)) from None
    name = f"{folder_name(found)}.zip"
    return download(file, name=name, content_type="application/zip", project=found.project, round=found.pk)


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
