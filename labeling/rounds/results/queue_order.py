"""The order in which the images of a workflow are handed out: by the priority that the current round gives them.

Assignments stand below rounds and know nothing of them, so they are told here: when a round becomes the current one,
and when a project has got items.
"""

from typing import Any

from django.db import transaction
from django.db.models.signals import post_save
from django.dispatch import receiver

from labeling.assignments.declaring import items_made, set_priorities
from labeling.assignments.models import Workflow
from labeling.projects.models import Project
from labeling.rounds.models import Promotion
from labeling.rounds.weights.promotion import publications_of_rounds

SCORE = "mix"  # of inference/pipeline/acquisition.py: what the page of the images suggests by


def order_queue(project: Project) -> int:
    """Give the items of a project the priorities of its current round. -> how many have one; 0 without a workflow."""
    if not Workflow.objects.filter(project=project).exists():
        return 0
    priorities: dict[int, float] = {}
    for image, facts in publications_of_rounds(project.images.order_by()).values_list("image", "facts"):
        scores = facts.get("priorities") or {}
        if SCORE in scores:
            priorities[image] = float(scores[SCORE])
    return set_priorities(project=project, priorities=priorities)


@receiver(post_save, sender=Promotion, dispatch_uid="labeling.rounds.results.queue_order.promoted")
def round_became_current(sender: Any, instance: Promotion, created: bool, **_more: Any) -> None:
    """After the commit: whoever promotes holds the rows of rounds, and ordering takes the rows of items."""
    if created:
        project = instance.project
        transaction.on_commit(lambda: order_queue(project))


@receiver(items_made, dispatch_uid="labeling.rounds.results.queue_order.items_made")
def workflow_declared(sender: Any, project: Project, **_more: Any) -> None:
    order_queue(project)
