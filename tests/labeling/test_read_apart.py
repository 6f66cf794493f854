"""Where annotators read apart, nothing that an annotator can open names another one."""

from copy import deepcopy

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.annotations.services import working_layer
from labeling.api import routes
from labeling.assignments import services as work
from labeling.assignments.declaring import declare_workflow
from labeling.assignments.models import ItemEvent
from labeling.projects.models import Project
from labeling.reviews.services import Pin, begin_thread
from labeling.rounds.execution.archiving import restore_project
from labeling.site import study_urls, urls
from tests.factories import MembershipFactory
from tests.labeling.made_once import made_once
from tests.labeling.operations import cell
from tests.labeling.pages import draw, signed_in
from tests.labeling.test_access import QUERIES
from tests.labeling.test_archive import make as make_archived
from tests.labeling.test_archive import values

pytestmark = pytest.mark.django_db
NAME = "zebulon"
PAGES = [
    (page.name, str(page.pattern))
    for page in [*urls.urlpatterns, *study_urls.urlpatterns]
    if not str(page.pattern).startswith(("accounts/", "study-items/"))
]
READ = [route for route in routes() if hasattr(route.callback.cls, "get")]


def make():
    """One of everything that an address may name, and two annotators; the second one has read, drawn and asked."""
    made = make_archived()
    restore_project(project=made.project, by=made.owner)
    Project.objects.filter(pk=made.project.pk).update(layering=Project.Layering.PER_ANNOTATOR)
    made.project.refresh_from_db()
    made.annotator = MembershipFactory(project=made.project).user
    made.other = MembershipFactory(project=made.project, user__username=NAME).user
    declare_workflow(project=made.project, by=made.owner, readings=2)
    made.image.refresh_from_db()
    work.begin_item(item_id=made.item.pk, user=made.other)
    working_layer(image=made.image, user=made.other)
    draw(made.image, made.other, cell())
    begin_thread(image=made.image, author=made.other, text=f"I, {NAME}, ask", pin=Pin())
    work.finish_item(item_id=made.item.pk, user=made.other)
    assert ItemEvent.objects.filter(reader=made.other).exists()
    return made


@pytest.fixture(scope="module")
def made(request, django_db_setup, django_db_blocker):
    yield from made_once(make, request, django_db_blocker)


@pytest.fixture
def there(made, db):
    return deepcopy(made)


def content_of(answer) -> str:
    content = b"".join(answer) if answer.streaming else answer.content
    return content.decode(errors="replace").lower()


@pytest.mark.parametrize("route", [route for route in READ if route.name != "layer-feed"], ids=lambda route: route.name)
def test_the_api_names_nobody_else(there, route):
    client = APIClient()
    client.force_authenticate(there.annotator)
    address = reverse(route.name, kwargs=values(there, str(route.pattern))) + QUERIES.get(route.name, "")
    assert NAME not in content_of(client.get(address))


@pytest.mark.parametrize(("name", "pattern"), PAGES, ids=[name for name, _pattern in PAGES])
def test_no_page_names_anybody_else(there, name, pattern):
    client = signed_in(there.annotator)
    assert NAME not in content_of(client.get(reverse(name, kwargs=values(there, pattern))))


@pytest.mark.parametrize(("who", "members"), [("annotator", 1), ("viewer", 1), ("owner", 7)])
def test_members_are_listed_for_whoever_leads(there, who, members):
    """The same in the list, in the project and on the page of the team."""
    people = there.people | {"annotator": there.annotator}
    client = APIClient()
    client.force_authenticate(people[who])
    listed = client.get(reverse("member-list", args=[there.project.pk])).json()["items"]
    inside = client.get(reverse("project-detail", args=[there.project.pk])).json()["members"]
    assert len(listed) == len(inside) == members
    page = content_of(signed_in(people[who]).get(reverse("project-team", args=[there.project.pk])))
    assert (NAME in page) == (who == "owner")
