"""A project with a workflow and people, for the tests of assignments and reviews."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.utils import timezone

from inference.agreement.consensus import Method
from inference.agreement.readings import Matching
from labeling.annotations.models import Layer
from labeling.annotations.services import load_layer
from labeling.assignments.declaring import declare_workflow
from labeling.assignments.models import WorkItem
from labeling.images.models import Image
from labeling.jobs.handlers import HANDLERS
from labeling.jobs.models import Job
from labeling.projects.models import Role
from labeling.reviews.consensus.making import Parameters
from labeling.reviews.models import Consensus, Disagreement
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


def acts_of(item: WorkItem) -> list[str]:
    """What was done with an item, the oldest first."""
    return list(item.events.values_list("act", flat=True))


def run_now(job: Job) -> Job:
    """Do a job here and now, without a lease: in a test's transaction no other connection sees the row to renew it."""
    made = HANDLERS[job.kind](job, Path(), lambda done, of: None)
    Job.objects.filter(pk=job.pk).update(state=Job.State.DONE, facts=dict(made.facts))
    job.refresh_from_db()
    return job


def a_disagreement(image: Image, by: Any) -> Disagreement:
    """A place that waits for a decision, as a row alone: for tests that only need its address."""
    layer = load_layer(image=image, kind=Layer.Kind.CONSENSUS, loaded=())
    made = Consensus.objects.create(
        image=image,
        layer=layer,
        parameters=Parameters(Matching(), Method()).as_json(),
        readings=[],
        made_by=by,
        made_at=timezone.now(),
    )
    return Disagreement.objects.create(
        consensus=made, number=1, key="0" * 64, kind="missing", x0=0, y0=0, x1=4, y1=4, members=[None, None]
    )
