"""What follows from changes in the rooms below: the queue asks for a check, a finished one is judged, who leaves a
project reaches their copies no more."""

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from labeling.accounts.models import User
from labeling.assignments.models import Reading, WorkItem
from labeling.assignments.records import queue_asked, reading_changed
from labeling.assignments.states import ReadingState
from labeling.projects.models import Membership, Project
from labeling.quality_control.models import CheckField
from labeling.quality_control.services import finish_check, next_check


@receiver(queue_asked, dispatch_uid="labeling.quality_control.queue_asked")
def hand_out(sender: Any, project: Project, user: User, **_more: Any) -> WorkItem | None:
    return next_check(project=project, user=user)


@receiver(reading_changed, dispatch_uid="labeling.quality_control.reading_changed")
def judge_when_finished(sender: Any, reading: Reading, **_more: Any) -> None:
    """In the transaction that finishes the reading."""
    is_finished = reading.state == ReadingState.FINISHED
    if is_finished and reading.item.project.is_sheet:
        finish_check(reading.item)


@receiver(post_delete, sender=Membership, dispatch_uid="labeling.quality_control.member_left")
def close_copies(sender: Any, instance: Membership, **_more: Any) -> None:
    copies = CheckField.objects.filter(
        plan__project=instance.project_id,
        reader=instance.user_id,
    )
    sheets = copies.values("sheet")
    members = Membership.objects.filter(project__in=sheets, user=instance.user_id)
    members.delete()
