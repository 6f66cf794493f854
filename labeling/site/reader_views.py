"""The pages of who reads for a study. Opening one writes nothing: consent, going on, pausing, finishing are POSTs."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from labeling.audit.downloads import PLAIN_TEXT, download
from labeling.site.requests import Request, attempt, signed_in
from labeling.studies import amending, instructions, path, receipts, remaining, removal, services
from labeling.studies.models import Item, Participant, Profession, Unit


def own(request: Request, participant: int) -> Participant:
    """A participant's own enrolment; anybody else's does not exist."""
    return get_object_or_404(Participant.objects.select_related("study", "user"), pk=participant, user=request.user)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def participation(request: Request, participant: int) -> HttpResponse:
    """Consent, then only ever the next item. POST: consent, agree to a later day, next, withdraw."""
    found = own(request, participant)
    if request.method == "POST":
        return _participate(request, found)
    item, available = services.next_item(found) if found.consented_at else (None, None)
    context = {
        "participant": found,
        "study": found.study,
        "item": item,
        "available": available,
        "left": remaining.left_of(found),
        "is_today": available is not None and remaining.is_today(available),
        "for_masks": item is not None and path.waits_for_masks(item, available),
        "instructions": instructions.text_of(item) if item is not None else "",
        "steps": instructions.steps_of(item) if item is not None else [],
        "professions": Profession.choices,
        "retention": amending.retention_of(found.study),
        "kept_until": removal.kept_until(found),
        "asked_until": removal.must_agree_again(found),
        "removals": [(one, receipts.lines_of(one)) for one in found.removals.all()],
    }
    return render(request, "studies/participation.html", context)


def _participate(request: Request, participant: Participant) -> HttpResponse:
    what, post = request.POST.get("act"), request.POST
    if what == "consent":
        attempt(
            request,
            lambda: services.consent(
                participant=participant,
                shares_times=post.get("shares_times") == "on",
                profession=post.get("profession", ""),
                experience=post.get("experience", ""),
            ),
        )
    elif what == "decline":
        attempt(request, lambda: services.decline(participant=participant))
    elif what == "agree":
        until = post.get("until", "")
        attempt(request, lambda: services.agree_to_retention(participant=participant, until=until))
    elif what == "withdraw":
        attempt(request, lambda: services.withdraw(participant=participant, reason=post.get("reason", "")))
    elif what == "next":
        item, _available = services.next_item(participant)
        if item is not None:
            number = item.pk
            if attempt(request, lambda: services.open_item(participant=participant, item_id=number)):
                return redirect("study-item", number)
    return redirect("participation", participant.pk)


@signed_in
@require_safe
def receipt(request: Request, participant: int) -> HttpResponseBase:
    """What was deleted of a reader's raw data, as a text to keep."""
    found = own(request, participant)
    if not found.removals.exists():
        raise Http404
    name = f"receipt-{found.study_id}-{found.pseudonym}.txt"
    text = receipts.receipt(found).encode()
    project = found.study.project
    return download(text, name=name, content_type=PLAIN_TEXT, project=project, study=found.study_id)


def own_item(request: Request, item: int) -> Item:
    return get_object_or_404(
        Item.objects.select_related("participant__study", "participant__user", "sheet"),
        pk=item,
        participant__user=request.user,
        state=Item.State.OPEN,
    )


@signed_in
@require_safe
@ensure_csrf_cookie
def study_item(request: Request, item: int) -> HttpResponse:
    """The open item, full screen. Reached only from the participant's page, which begins the sitting; without one that
    runs (a reload after a crash, the back button) it goes there first, so that no time runs outside a sitting."""
    found = own_item(request, item)
    sitting = found.sittings.filter(ended_at__isnull=True).first()
    if sitting is None:
        return redirect("participation", found.participant_id)
    assert found.sheet is not None
    image = found.sheet.images.get()
    left = remaining.left_of(found.participant)
    context = {
        "image": image,
        "item": found,
        "number": left.done + 1,
        "total": left.total,
        "goes_on": found.participant.study.unit == Unit.CELLS,
        "seconds_left": seconds_until(sitting.closes_at),
    }
    return render(request, "studies/item.html", context)


def seconds_until(moment: datetime | None) -> int | None:
    """Whole seconds from now, 0 of a moment that has passed: the browser's own clock may be another one."""
    if moment is None:
        return None
    return max(0, round((moment - timezone.now()).total_seconds()))


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def stop_item(request: Request, item: int) -> HttpResponse:
    """Between the field and whatever comes next. Opening the page changes nothing: in a second tab it says that the
    clock runs. POST: stop the clock, finish, go on, or leave."""
    found = own_item(request, item)
    participant = found.participant
    if request.method != "POST":
        running = found.sittings.filter(ended_at__isnull=True).exists()
        context: dict[str, Any] = {"item": found, "study": participant.study, "running": running}
        return render(request, "studies/stop.html", context)
    what = request.POST.get("act")
    if what == "next-cell":
        return _next_cell(request, found)
    if what == "done":
        attempt(request, lambda: services.complete(participant=participant, item_id=found.pk))
    elif what == "on":
        if attempt(request, lambda: services.open_item(participant=participant, item_id=found.pk)):
            return redirect("study-item", found.pk)
    elif what == "stop":
        attempt(request, lambda: services.pause(participant=participant, item_id=found.pk))
        found.refresh_from_db()
        is_done = found.state == Item.State.DONE  # its time was over
        return redirect("participation", participant.pk) if is_done else redirect("stop-item", found.pk)
    else:
        attempt(request, lambda: services.pause(participant=participant, item_id=found.pk))
        messages.info(request, _("Paused. The clock is stopped until you continue."))
    return redirect("participation", participant.pk)


def _next_cell(request: Request, item: Item) -> HttpResponse:
    """Finish a cell and open the next one of the same arm and sitting. Anything else waits on the reader's page,
    because another arm has instructions of its own."""
    participant = item.participant
    if attempt(request, lambda: services.complete(participant=participant, item_id=item.pk)) is None:
        return redirect("participation", participant.pk)
    following, available = services.next_item(participant)
    same = following is not None and (following.arm_id, following.part) == (item.arm_id, item.part)
    if following is None or not same or available is not None:
        return redirect("participation", participant.pk)
    key = following.pk
    if attempt(request, lambda: services.open_item(participant=participant, item_id=key)):
        return redirect("study-item", key)
    return redirect("participation", participant.pk)
