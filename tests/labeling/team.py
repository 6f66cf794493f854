"""A project with a workflow and people, for the tests of assignments and reviews."""

from types import SimpleNamespace
from typing import Any

from labeling.assignments.declaring import declare_workflow
from labeling.assignments.models import WorkItem
from labeling.images.models import Image
from labeling.projects.models import Role
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory


def bare_images(project: Any, count: int) -> list[Image]:
    """Images without pixels, many at once: the queue never opens a file."""
    there = project.images.count()
    rows = []
    for position in range(there + 1, there + count + 1):
        name = f"field {position}.png"
        rows.append(
            Image(
                project=project,
                name=name,
                position=position,
                width=64,
                height=48,
                sha256=f"{position:064x}",
                pixels="none.png",
            )
        )
    return Image.objects.bulk_create(rows, batch_size=5000)


def make_team(images: int = 3, annotators: int = 2, real: bool = False, **workflow: Any) -> SimpleNamespace:
    """Owner, reviewer and annotators before `images` images in a workflow. real: with pixels."""
    project = ProjectFactory(name="Breast")
    owner = MembershipFactory(project=project, role=Role.OWNER).user
    reviewer = MembershipFactory(project=project, role=Role.REVIEWER).user
    people = [MembershipFactory(project=project).user for _ in range(annotators)]
    if real:
        for _ in range(images):
            ImageFactory(project=project)
    else:
        bare_images(project, images)
    made = declare_workflow(project=project, by=owner, **workflow)
    items = list(WorkItem.objects.filter(project=project).order_by("pk"))
    return SimpleNamespace(
        project=project, owner=owner, reviewer=reviewer, people=people, workflow=made, items=items
    )  # fmt: skip


def fresh(item: WorkItem) -> WorkItem:
    return WorkItem.objects.get(pk=item.pk)
