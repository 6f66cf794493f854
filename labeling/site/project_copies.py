"""The copy of a project on pages: the form that asks for one, and the job that brings images into it."""

from collections.abc import Collection

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.jobs.models import Job
from labeling.jobs.services import KEPT_FOR
from labeling.projects.models import MAY, Project
from labeling.site.forms.projects import CopyForm


def copy_form(found: Project, user: User) -> CopyForm:
    """Who may not copy the images is offered the settings alone."""
    name = _("Copy of {name}").format(name=found.name)[:200]
    form = CopyForm(initial={"name": name, "what": CopyForm.SETTINGS})
    if found.role_of(user) not in MAY["copy_images"]:
        form.fields["what"].choices = CopyForm.WHAT[:1]  # type: ignore[attr-defined]
    return form


def copying_of(project: Project, may: Collection[str]) -> Job | None:
    """The job that brings images into a copied project, for who oversees it; KEPT_FOR after its end nobody needs it."""
    if "oversee" not in may:
        return None
    is_recent = Q(finished_at__isnull=True) | Q(finished_at__gte=timezone.now() - KEPT_FOR)
    return Job.objects.filter(is_recent, project=project, kind=Job.Kind.COPY).order_by("-pk").first()
