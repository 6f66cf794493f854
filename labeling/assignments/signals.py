"""What follows from changes in the rooms below: a new image becomes an item, who leaves gives back what they had."""

from typing import Any

from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from labeling.assignments.declaring import make_items
from labeling.assignments.models import Workflow
from labeling.assignments.queue_start import raise_version
from labeling.assignments.services import return_readings_of
from labeling.images.models import Image
from labeling.projects.models import MAY, Membership, Project


@receiver(post_save, sender=Image, dispatch_uid="labeling.assignments.item_of_image")
def make_item(sender: Any, instance: Image, created: bool, **_more: Any) -> None:
    """In the transaction that stores the image."""
    if created:
        workflow = Workflow.objects.filter(project=instance.project_id).first()
        if workflow is not None:
            make_items(workflow, instance.pk)
            raise_version(workflow.project_id)


@receiver(post_delete, sender=Membership, dispatch_uid="labeling.assignments.member_left")
def member_left(sender: Any, instance: Membership, **_more: Any) -> None:
    """In the transaction that ends the membership. A project that is deleted as a whole has no items any more."""
    project = Project.objects.filter(pk=instance.project_id).first()
    if project is not None:
        return_readings_of(project=project, user=instance.user)


@receiver(post_save, sender=Membership, dispatch_uid="labeling.assignments.role_changed")
def role_changed(sender: Any, instance: Membership, created: bool, **_more: Any) -> None:
    if not created and instance.role not in MAY["annotate"]:
        return_readings_of(project=instance.project, user=instance.user)
    if not created and Workflow.objects.filter(project=instance.project_id).exists():
        raise_version(instance.project_id)  # the rules may give them items before the start of their queue now
