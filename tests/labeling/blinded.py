"""An image with blinded readings, for the tests of blinding."""

import uuid
from types import SimpleNamespace
from typing import Any

from labeling.annotations.models import Layer
from labeling.annotations.services import working_layer, write_operations
from labeling.assignments import services
from labeling.assignments.declaring import declare_workflow
from labeling.images import tiles
from labeling.images.patients import Centre, Patient
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.invitations import invite
from labeling.projects.models import Role
from labeling.reviews.services import Pin, begin_thread
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory, ProjectFactory
from tests.labeling.operations import cell, effect, operation, region

TRACE = "what-the-first-reader-said"


def blinded_case(second: str = "annotator", **workflow: Any) -> SimpleNamespace:
    """A project with one image that is read twice, blinded; the first reader has begun. second: role of the other."""
    project = ProjectFactory(name="Breast")
    lead = MembershipFactory(project=project, role=Role.OWNER).user
    one = MembershipFactory(project=project).user
    two = MembershipFactory(project=project, role=second).user
    others = {
        "manager": MembershipFactory(project=project, role=Role.MANAGER).user,
        "other reviewer": MembershipFactory(project=project, role=Role.REVIEWER).user,
        "viewer": MembershipFactory(project=project, role=Role.VIEWER).user,
        "other annotator": MembershipFactory(project=project).user,
    }
    image = ImageFactory(project=project, split="train")
    declare_workflow(project=project, by=lead, **({"readings": 2, "is_blind": True} | workflow))
    item = image.work_item
    for user in (one, two):
        services.begin_item(item_id=item.pk, user=user)
        assert working_layer(image=image, user=user).annotator == user
    create_job(kind=Job.Kind.EXPORT, project=project, owner=lead, request={"layout": "coco"})
    invite(project=project, role=Role.VIEWER, by=lead)
    LabelClassFactory(project=project)
    centre = Centre.objects.create(project=project, name="North")
    Patient.objects.create(project=project, centre=centre, name="P1")
    tiles.cut(image)  # the first look at them would cut them, and the storage would grow by it
    return SimpleNamespace(
        project=project, lead=lead, one=one, two=two, others=others, image=image, item=item,
        layer=Layer.objects.get(image=image, annotator=one), cell=uuid.uuid4(),
    )  # fmt: skip


def read(case: SimpleNamespace) -> None:
    """The first reader draws a cell and a region, and says something."""
    acts = [operation(effect(case.cell, cell())), operation(effect(uuid.uuid4(), region()), action="region")]
    _seq, verdicts = write_operations(layer=case.layer, author=case.one, operations=acts)
    assert {verdict.verdict for verdict in verdicts} == {"accepted"}
    text = f"{TRACE} @{case.two.username}"
    case.thread = begin_thread(image=case.image, author=case.one, text=text, pin=Pin(case.layer, case.cell))


def sees(case: SimpleNamespace, user: Any) -> bool:
    return Layer.objects.visible_to(user).filter(pk=case.layer.pk).exists()


def close_all(case: SimpleNamespace) -> None:
    for user in (case.one, case.two):
        services.finish_item(item_id=case.item.pk, user=user)
