"""The declared end of keeping a project's data: whoever leads it is reminded before, and nothing goes by itself."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from labeling.accounts.models import User
from labeling.images.quota import image_bytes
from labeling.notifications.models import Kind
from labeling.notifications.services import notify
from labeling.projects.models import MAY, REMINDS, Project
from labeling.recovery import isolated

DAYS = (REMINDS, 7, 0)  # before the last day; each is one reminder


@dataclass(frozen=True)
class Holdings:
    """What would go with a project's data. `bytes`: of the files of its images."""

    images: int
    patients: int
    bytes: int


def holdings(project: Project) -> Holdings:
    """Deleted images that can still be restored count in `bytes` alone."""
    images = project.images.all()
    patients = images.exclude(patient=None).order_by().values("patient").distinct().count()
    return Holdings(images=images.count(), patients=patients, bytes=sum(image_bytes(project).values()))


def recover(now: datetime) -> list[str]:
    """Remind of the ends that have come near since the last look. -> sentences."""
    today = timezone.localdate(now)
    kept = Project.objects.filter(is_sheet=False, deleted_at__isnull=True)
    near = kept.filter(retention_until__lte=today + timedelta(days=REMINDS))
    sentences = []
    for project in near.exclude(retention_reminded=0).order_by("pk"):
        with isolated(f"the reminder of project {project.pk}"):
            if remind(project, days_left=(project.retention_until - today).days):  # type: ignore[operator]
                sentences.append(f"project {project.pk}: its leads are reminded of the end of keeping its data")
    return sentences


def remind(project: Project, *, days_left: int) -> bool:
    """Tell owners and managers, once for each of DAYS. -> whether they were told now."""
    due = min((days for days in DAYS if days_left <= days), default=None)
    last = project.retention_reminded
    if due is None or (last is not None and last <= due):
        return False
    with transaction.atomic():
        unchanged = Project.objects.filter(pk=project.pk, retention_reminded=last)
        unchanged = unchanged.filter(retention_until=project.retention_until)
        if not unchanged.update(retention_reminded=due):  # another recovery was quicker, or the day was changed
            return False
        leads = User.objects.filter(
            memberships__project=project.pk, memberships__role__in=MAY["manage"], is_active=True
        ).exclude(memberships__in=project.memberships.exclude(invited_as=""))
        notify(
            kind=Kind.RETENTION_ENDS,
            people=leads,
            project=project,
            path=reverse("project", args=[project.pk]),
            count=holdings(project).images,
            subject=f"{project.retention_until}",
        )
    return True
