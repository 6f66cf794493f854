"""The page of one round: its stages as they work, what it learned from, what it found, and its proofs."""

import math
from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import FileResponse, Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from labeling.errors import WrongState
from labeling.images.models import Split
from labeling.numbers import whole_number
from labeling.rounds.configuration import BY_NAME, NAMES, PRESET_NAMES, flat
from labeling.rounds.execution.resuming import try_again
from labeling.rounds.execution.services import FINISHED, NEEDS, cancel_round, start_round
from labeling.rounds.models import Portion, Round, Stage, StageLine, Tuning
from labeling.rounds.readiness import limitations
from labeling.rounds.results import drift
from labeling.rounds.results.estimate import estimate
from labeling.rounds.results.export import export_file, folder_name
from labeling.rounds.results.outcome import on_images, outcome_of
from labeling.rounds.weights.promotion import LEARNED, current_round
from labeling.rounds.weights.starting import FROM_SHIPPED, KINDS, Start, Starts
from labeling.site.curves import curves_of
from labeling.site.drift_plots import plots_of
from labeling.site.facts import facts_of
from labeling.site.forecast import left_of
from labeling.site.requests import Request, acts_of, attempt, reach_project, reach_round, reach_round_of, signed_in
from labeling.site.resources import usage_of, wait_of
from labeling.site.words import figure, took
from labeling.workspace.api import milliseconds_of

ROUND_WORDS = {
    Round.State.PLANNED: "in line: it starts when the round before it has ended",
    Round.State.QUEUED: "waiting for a worker",
    Round.State.RUNNING: "at work",
    Round.State.CANCELLED: "cancelled",
    Round.State.FAILED: "failed",
    Round.State.PUBLISHED: "done: its proposals are on the images",
}
SLOW_TO_START = timedelta(seconds=20)  # after this the reader is told to look whether a worker runs
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
    proposals = dict(found.publications.values_list("pk").annotate(n=Count("layer__annotations")))
    why = {outcome.image.pk: outcome.why for outcome in on_images(publications)}
    context = {
        "may": acts_of(found.project, found.project.role_of(request.user)),
        "device": found.configuration.get("device", "auto"),
        **progress_context(found),
        **log_context(found, after=0),
        "weights": weights_of(found),
        "preset_name": PRESET_NAMES.get(found.preset, found.preset),
        "is_current": current_round(found.project) == found,
        "others": found.project.rounds.filter(state=Round.State.PUBLISHED, number__lt=found.number)[:1],
        "parameters": sorted(flat(found.configuration | {"settings": settings_of(found)}).items()),
        "tuning": tuning_of(found),
        "drift": by_origin,
        "drift_plots": plots_of(by_origin) if by_origin else [],
        "times_judged": times_test_was_judged(found),
        "reference_set": found.snapshot.summary.get("reference_set"),
        "splits": [
            {"name": label, **found.snapshot.summary.get("splits", {}).get(split, {})} for split, label in Split.choices
        ],
        "shared_groups": found.snapshot.summary.get("same_group_in_training_and_evaluation", []),
        "certificates": [
            {
                "image": p.image,
                "proposals": proposals[p.pk],
                "why": why[p.image_id],
                **p.certificate,
                "milliseconds": milliseconds_of(p.certificate),
            }
            for p in publications
        ],
    }
    return render(request, "site/round.html", context)


def weights_of(found: Round) -> list[dict[str, Any]]:
    """What its detector and segmenter began with, where that is not simply what comes with Boxwise."""
    versions = {v.artifact_id: v for v in found.project.model_versions.all()}
    chosen = [(kind, found.configuration.get(kind, {})) for kind in KINDS]
    return [
        {"kind": kind, "version": versions.get(one.get("start_from")), "as_is": one.get("as_is", False)}
        for kind, one in chosen
        if one.get("start_from") or one.get("as_is")
    ]


def times_test_was_judged(found: Round) -> int:
    """How many results the project's test images have judged so far; each look makes them less of a test."""
    judged = Stage.objects.filter(round__project=found.project_id, kind=Stage.Kind.EVALUATION)
    return judged.filter(artifact__facts__split=Split.TEST).values("artifact").distinct().count()


def tuning_of(found: Round) -> dict[str, Any] | None:
    """The table of settings by parameter, the round's own values and the best ones marked."""
    asked = Tuning.objects.filter(round=found).first()
    if asked is None:
        return None
    tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in asked.result.get("rows", []):
        name = row["parameter"]
        own, best = asked.result["base"][name], asked.result["best"][name]
        tables[name].append(row | {"own": row["value"] == own, "best": row["value"] == best})
    named = [(BY_NAME[name].label, rows) for name, rows in tables.items()]
    return {"asked": asked, "tables": named, "images": asked.result.get("images"), "best": asked.result.get("best", {})}


def settings_of(found: Round) -> dict[str, Any]:
    """The settings that the trained models report, in full: presets name them, this round's stages used them."""
    learned = found.stages.filter(artifact__isnull=False).select_related("artifact")
    return {s.kind: s.artifact.facts["settings"] for s in learned if s.artifact and "settings" in s.artifact.facts}


@signed_in
@require_safe
@never_cache
def progress(request: Request, round: int) -> HttpResponse:
    """The stages alone, for the poll; when the round has ended the page is asked to load anew, with the results."""
    found = reach_round(request, "see", round)
    context = progress_context(found)
    if context["waiting_for"]:
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
    answer = render(request, "site/parts/round_at_work.html", progress_context(found))
    if found.state not in Round.ACTIVE:
        answer["HX-Refresh"] = "true"
    return answer


def progress_context(found: Round, now: datetime | None = None) -> dict[str, Any]:
    """What people need to know of a round's stages; five queries, and one more while a stage is spread."""
    now = now or timezone.now()
    stages = list(found.stages.select_related("artifact"))
    reports: dict[int, list[dict[str, Any]]] = defaultdict(list)
    lines = StageLine.objects.filter(stage__round=found).exclude(values={})
    for stage_id, values in lines.values_list("stage", "values"):
        reports[stage_id].append(values)
    reused = [stage.artifact_id for stage in stages if stage.state == Stage.State.REUSED]
    makers = dict(
        Stage.objects.filter(artifact__in=reused, state=Stage.State.DONE, round__project=found.project_id)
        .order_by("-round__number")
        .values_list("artifact", "round__number")
    )
    by_kind = {stage.kind: stage for stage in stages}
    at_work: dict[int, list[dict[str, Any]]] = defaultdict(list)
    if any(stage.state == Stage.State.RUNNING and stage.lease_owner is None for stage in stages):
        portions = Portion.objects.filter(stage__round=found, state=Portion.State.RUNNING)
        for stage_id, usage in portions.values_list("stage", "usage"):
            at_work[stage_id].append(usage)
    shown: list[dict[str, Any]] = [
        {
            "stage": stage,
            "wait": wait_of(stage, now) if found.state in Round.ACTIVE and not found.cancel_requested else None,
            "usage": usage_of(stage, at_work[stage.pk]),
            "percent": percent_of(stage),
            "words": words_of(found, stage, by_kind, now),
            "elapsed": (stage.finished_at or now) - stage.started_at
            if has_worked(stage) and stage.started_at
            else None,
            "pace": pace_of(stage, now),
            "in_epochs": stage.kind in LEARNED,
            "made_by": makers.get(stage.artifact_id or ""),
            "curves": curves_of(reports[stage.pk]),
        }
        for stage in stages
    ]
    evaluation = by_kind.get(Stage.Kind.EVALUATION)
    left = left_of(found, shown, now)
    waiting_row = next((row for row in shown if row["wait"]), None)
    busy = any(stage.lease_owner for stage in stages) or any(at_work.values())
    outcome = outcome_of(found) if found.state == Round.State.PUBLISHED else None
    return {
        "round": found,
        "project": found.project,
        "outcome": outcome,
        "active": found.state in Round.ACTIVE,
        "round_words": _("stopping at the end of its unit of work")
        if found.cancel_requested and found.state in Round.ACTIVE
        else _("waits for memory, a GPU or a worker")
        if waiting_row and not busy
        else _("finished: {headline}").format(headline=outcome.headline)
        if outcome and outcome.headline
        else ROUND_WORDS[Round.State(found.state)],
        "waiting_for": waiting_row,
        "stages": shown,
        "finished_stages": sum(stage.state in FINISHED for stage in stages),
        "overall": round(sum(row["percent"] for row in shown) / max(1, len(shown))),
        "current": next((row for row in shown if row["stage"].state == Stage.State.RUNNING), None),
        "elapsed": (found.finished_at or now) - found.created_at,
        "left": left,
        "end": now + left if left is not None else None,
        "evaluation": facts_of(evaluation.artifact.facts) if evaluation and evaluation.artifact else None,
    }


def percent_of(stage: Stage) -> int:
    if stage.state in FINISHED:
        return 100
    return min(99, math.floor(100 * stage.done / stage.total)) if stage.total else 0


def pace_of(stage: Stage, now: datetime) -> dict[str, Any] | None:
    """Images a second or the time of an epoch so far, how long the rest takes at that pace, and when that is over;
    None while there is nothing to go by.

    Only what the worker that is at it made itself counts: what another had finished would look like the work of a
    moment.
    """
    if stage.state != Stage.State.RUNNING or not stage.started_at or not 0 < stage.done < stage.total:
        return None
    made, seconds = stage.usage.get("made", 0), stage.usage.get("seconds", 0)  # of this worker's own attempt
    if not made and stage.attempts <= 1 and not stage.times_declined:
        made, seconds = stage.done, (now - stage.started_at).total_seconds()
    if not made or seconds <= 0:
        return None
    left = timedelta(seconds=(stage.total - stage.done) * seconds / made)
    if stage.kind in LEARNED:
        words = _("{time} an epoch").format(time=took(seconds / made))
    else:
        words = _("{rate} images/s").format(rate=figure(made / seconds))
    return {"words": words, "left": left, "end": now + left}


def has_worked(stage: Stage) -> bool:
    return stage.state not in (Stage.State.WAITING, Stage.State.REUSED)


def words_of(found: Round, stage: Stage, by_kind: dict[str, Stage], now: datetime) -> str:
    """The state of a stage in words; what it waits for is said."""
    if stage.state != Stage.State.WAITING:
        return {
            Stage.State.RUNNING: _("running"),
            Stage.State.DONE: _("done"),
            Stage.State.REUSED: _("reused from an earlier round"),
            Stage.State.CANCELLED: _("cancelled"),
            Stage.State.FAILED: _("failed"),
        }[Stage.State(stage.state)]
    missing = [by_kind[need] for need in NEEDS.get(stage.kind, ()) if by_kind[need].state not in FINISHED]
    if stage.missing_resource:
        return _("waits")
    if missing:
        names = f" {_('and')} ".join(_(need.get_kind_display()).lower() for need in missing)
        return _("waiting for {names}").format(names=names)
    if stage.attempts:
        return _("waiting to go on where it stopped: its worker was lost")
    busy = any(other.state == Stage.State.RUNNING for other in by_kind.values())
    if stage.queued_at and now - stage.queued_at > SLOW_TO_START and found.state in Round.ACTIVE and not busy:
        return _("waiting for a free worker; if none is running, nothing will happen")
    return _("waiting for a free worker")


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


def log_context(found: Round, *, after: int) -> dict[str, Any]:
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
