"""Imports on the project's page: send a file, see what it would change, confirm."""

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_http_methods, require_POST

from inference.formats.registry import all_formats
from labeling.errors import Invalid, WrongState
from labeling.exchange.importing.services import confirm, described, take_import
from labeling.exchange.importing.writing import Aim
from labeling.jobs.access import reach_job
from labeling.jobs.models import Job
from labeling.projects.models import Project
from labeling.site.requests import Request, attempt, reach_project, signed_in

SHOWN = 5  # the newest imports
AIMS = (
    (Aim.WORKING, gettext_noop("My own work"), gettext_noop("Recorded in the log as drawn by you.")),
    (Aim.LAYER, gettext_noop("A layer to look at"), gettext_noop("Beside the annotations, not part of them.")),
    (Aim.REFERENCE, gettext_noop("Reference masks"), gettext_noop("To measure against; nothing learns from them.")),
)


@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def imports(request: Request, project: int) -> HttpResponse:
    """The panel, on the page of the exports; a POST sends a file first."""
    found = reach_project(request, "manage" if request.method == "POST" else "oversee", project)
    if request.method == "POST":
        done = _("The file is being read. Nothing is changed until you confirm.")
        attempt(request, lambda: send(request, found), done=done)
        return back(found)
    if not request.htmx:
        return back(found)
    return render(request, "site/parts/imports.html", panel(request, found))


@signed_in
@require_POST
def confirm_import(request: Request, job: int) -> HttpResponse:
    found = reach_job(request.user, job, Job.CHANGED_BY)
    attempt(request, lambda: _confirmed(found), done=_("The import goes on. You can leave this page."))
    return back(found.project)


def _confirmed(job: Job) -> Job:
    if job.kind != Job.Kind.IMPORT:
        raise WrongState(_("this job is not an import, so there is nothing to confirm"))
    return confirm(job)


def back(project: Project) -> HttpResponse:
    """To the panel on the project's page."""
    return redirect(reverse("project-exports", args=[project.pk]) + "#imports")


def send(request: Request, project: Project) -> Job:
    file = request.FILES.get("file")
    if file is None:
        raise Invalid(_("choose a file of annotations"), field="file")
    return take_import(project=project, owner=request.user, file=file, aim=request.POST.get("aim", ""))


def panel(request: Request, project: Project) -> dict[str, object]:
    """What the import panel shows."""
    visible = Job.objects.visible_to(request.user).filter(project=project, kind=Job.Kind.IMPORT)
    newest = list(visible.exclude(state=Job.State.EXPIRED).select_related("owner")[:SHOWN])
    return {
        "project": project,
        "aims": AIMS,
        "import_formats": ", ".join(one.title for one in all_formats()),
        "imports": [{"job": job, "about": described(job)["import"]} for job in newest],
        "importing": any(job.is_active for job in newest),
    }
