"""The pages that stand alone: the list of projects, a new one, and the frame of the workspace."""

from django.conf import settings
from django.contrib import messages
from django.contrib.staticfiles import finders
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_http_methods, require_safe

from labeling.accounts.services import may_create_projects
from labeling.errors import LabelingError, sentence
from labeling.images.models import Image
from labeling.projects.access import reach
from labeling.projects.services import create_project
from labeling.site.forms.projects import ProjectForm
from labeling.site.my_work import my_work
from labeling.site.overview import cards
from labeling.site.requests import Request, signed_in
from labeling.studies.models import Item
from labeling.studies.remaining import split_by_end


@signed_in
@require_safe
def home(request: Request) -> HttpResponse:
    participations = request.user.participations.select_related("study").prefetch_related("items").order_by("pk")
    reads, have_read = split_by_end(participations)
    everything = cards(request.user)
    context = {
        "cards": [card for card in everything if card.project.archived_at is None],
        "archived": [card for card in everything if card.project.archived_at and not card.project.deleted_at],
        "deleted": [card for card in everything if card.project.deleted_at],
        "participations": reads,
        "finished_participations": have_read,
        "may_create": may_create_projects(request.user),
        "mine": my_work(request.user),
    }
    return render(request, "site/home.html", context)


@signed_in
@require_safe
def api(request: Request) -> HttpResponse:
    """The page on which the API is read and tried."""
    return render(request, "site/api.html")


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def new_project(request: Request) -> HttpResponse:
    if not may_create_projects(request.user):
        return render(request, "site/new_project.html", {"declined": True}, status=403)
    form = ProjectForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = create_project(owner=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error("classes" if error.field == "name" else None, sentence(error))
        else:
            messages.success(request, _("Project “{name}” is created. Add images next.").format(name=made.name))
            return redirect("project-images", made.pk)
    return render(request, "site/new_project.html", {"form": form}, status=422 if form.errors else 200)


@signed_in
@require_safe
@ensure_csrf_cookie  # the workspace sends the token of this cookie with every save
def image(request: Request, image: int) -> HttpResponse:
    """The frame of the workspace; everything in it comes from the API."""
    images = Image.objects.visible_to(request.user).select_related("project")
    found = reach(images, request.user, "see", pk=image)
    if item := Item.objects.filter(sheet=found.project).first():
        return redirect("study-item", item.pk)
    missing = settings.DEBUG and finders.find("workspace.js") is None
    return render(request, "site/workspace.html", {"image": found, "missing": missing})
