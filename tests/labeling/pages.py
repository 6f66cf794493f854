"""A project with a person of every role, and the small acts that tests of the pages are made of."""

import re
import uuid
from types import SimpleNamespace

from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from labeling.annotations.services import Loaded, working_layer, write_operations
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.assignments.declaring import declare_workflow
from labeling.assignments.models import WorkItem
from labeling.guidelines.services import add_picture, write_guideline
from labeling.images.models import Image
from labeling.images.patients import Centre
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.invitations import invite
from labeling.projects.models import Role
from labeling.reviews.services import Pin, begin_thread
from labeling.rounds.execution.services import start_round
from labeling.site import urls
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory, ProjectFactory, UserFactory
from tests.labeling.lots import bare_lot
from tests.labeling.operations import cell, effect, operation, region


def draw(image: Image, user, *states) -> None:
    layer = working_layer(image=image, user=user)
    acts = [operation(effect(uuid.uuid4(), state)) for state in states]
    assert layer is not None
    _, verdicts = write_operations(layer=layer, author=user, operations=acts)
    assert {v.verdict for v in verdicts} == {"accepted"}


def proposals(n: int) -> list[Loaded]:
    bits = PackedMask(12, 11, 5, 4, b"\xff\xff\xf0")
    return [Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", (10, 10, 20, 20), mask=bits)) for _ in range(n)]


def accept(image: Image, user, proposal: Loaded) -> None:
    draw(image, user, proposal.state.as_json() | {"derived_from": str(proposal.uid)})


def reject(image: Image, user, proposal: Loaded) -> None:
    draw(image, user, cell(status="rejected", derived_from=str(proposal.uid), reason="not_a_cell"))


def make_study() -> SimpleNamespace:
    """A project with a person of every role, a learnable image and a round at work."""
    project = ProjectFactory(name="Breast")
    people = {role: MembershipFactory(project=project, role=role).user for role in Role.values}
    people["stranger"] = UserFactory()
    people["owner"].creates_projects = True
    people["owner"].save()
    LabelClassFactory(project=project, name="nucleus", position=1)
    image = ImageFactory(project=project, patient="slide 7")
    draw(image, people["owner"], cell(), cell((30, 20, 44, 40)), region())
    round_ = start_round(project=project, by=people["owner"])
    job = create_job(kind=Job.Kind.EXPORT, project=project, owner=people["owner"], request={"layout": "coco"})
    return SimpleNamespace(project=project, people=people, image=image, round=round_, job=job)


def with_workflow(study: SimpleNamespace) -> SimpleNamespace:
    """The same project with a workflow, a comment, an invitation and a centre."""
    declare_workflow(project=study.project, by=study.people["owner"])
    study.item = WorkItem.objects.get(image=study.image)
    study.centre = Centre.objects.create(project=study.project, name="Graz")
    study.thread = begin_thread(image=study.image, author=study.people["owner"], text="here", pin=Pin())
    with_guidelines(study.project, by=study.people["owner"])
    study.invitation = invite(project=study.project, role=Role.VIEWER, by=study.people["owner"])[0].invitation
    study.lot = bare_lot(study.image, study.people["owner"])
    return study


def with_guidelines(project, *, by) -> None:
    """Guidelines with a picture, which nobody has to acknowledge."""
    add_picture(project=project, by=by, name="a.png", content=b"\x89PNG\r\n\x1a\n")
    write_guideline(project=project, by=by, text="Draw every nucleus. ![one](a.png)", must_acknowledge=False)


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page_text(response) -> str:
    """The page with every run of white space as one space, so that tests do not depend on how templates are wrapped."""
    return " ".join(response.content.decode().split())


def toasts(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def address(study: SimpleNamespace, route: str) -> str:
    values = {
        "project": study.project.pk,
        "image": study.image.pk,
        "round": study.round.pk,
        "job": study.job.pk,
        "number": study.round.number,
        "personal_token": 10**9,
        "field": 0,
        "factor": 10**9,
        "linked": 10**9,
        "person": 10**9,
        "patient": study.image.patient_id,
        "label_class": study.project.classes.get().pk,
        "membership": study.project.memberships.get(user=study.people["viewer"]).pk,
    }
    if hasattr(study, "item"):
        values |= {"work_item": study.item.pk, "invitation": study.invitation.pk, "lot": study.lot.pk}
    pattern = next(str(u.pattern) for u in urls.urlpatterns if u.name == route)
    return reverse(route, kwargs={name: values[name] for name in re.findall(r"<int:(\w+)>", pattern)})
