"""Fixtures of the website's tests."""

from types import SimpleNamespace

import pytest
from django.test import Client
from rest_framework.test import APIClient

from labeling.annotations.services import working_layer
from labeling.studies import services
from tests.factories import MembershipFactory
from tests.labeling.pages import make_study, with_workflow
from tests.labeling.studies import agreed, frozen, ten_fields
from tests.labeling.team import a_disagreement
from tests.labeling.uploads import begun_upload


@pytest.fixture
def study() -> SimpleNamespace:
    """A project with one person of every role; modules that need another one have their own."""
    return make_study()


@pytest.fixture
def api(study: SimpleNamespace) -> APIClient:
    """The API as the manager of `study` sends to it; a fault of ours is an answer and raises nothing."""
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(study.people["manager"])
    return client


@pytest.fixture
def world() -> SimpleNamespace:
    """One of everything that an address can name, all reached by one person: `client`."""
    made = with_workflow(make_study())
    owner = made.people["owner"]
    owner.is_staff = True  # the page of administrators is tried too
    owner.save()
    study = frozen(ten_fields())
    MembershipFactory(project=study.project, user=owner, role="owner")
    participant = agreed(study)
    participant.user = owner
    participant.save()
    item = services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)
    layer = working_layer(image=made.image, user=owner)
    values = {
        "project": made.project.pk,
        "image": made.image.pk,
        "round": made.round.pk,
        "number": made.round.number,
        "job": made.job.pk,
        "membership": made.project.memberships.get(user=made.people["viewer"]).pk,
        "label_class": made.project.classes.get().pk,
        "study": study.pk,
        "participant": participant.pk,
        "item": item.pk,
        "work_item": made.item.pk,
        "comment": made.thread.pk,
        "lot": made.lot.pk,
        "field": 0, "admission": 0,
        "merge": "00000000-0000-0000-0000-000000000009",
        "screen": "00000000-0000-0000-0000-000000000009",
        "disagreement": a_disagreement(made.image, owner).pk,
        "invitation": made.invitation.pk,
        "personal_token": 1,
        "factor": 1,
        "linked": 1,
        "person": made.people["viewer"].pk,
        "provider_id": "oidc",
        "upload": begun_upload(made.project, owner).pk,
        "picture": "a.png",
        "layer": layer.pk,
        "centre": made.centre.pk,
        "patient": made.project.patients.get().pk,
        "level": 0, "column": 0, "row": 0,
        "layout": "coco", "name": "readers",
        "uidb64": "MQ", "token": "abc",
    }  # fmt: skip
    client = Client(raise_request_exception=False)
    client.force_login(owner)
    cookies = client.cookies.output(header="")
    return SimpleNamespace(client=client, person=owner, values=values, cookies=cookies)
