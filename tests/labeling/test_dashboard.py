"""The dashboard: its numbers, who sees which, and that blinded readings are in none of them."""

import csv
import io
import uuid
from datetime import UTC, datetime

import pytest
from django.urls import reverse

from labeling.annotations.models import ActivitySummary
from labeling.annotations.services import working_layer, write_operations
from labeling.annotations.summaries import EMPTY
from labeling.assignments import services
from labeling.assignments.reviewing import accept_item
from labeling.dashboard import numbers as dashboard_numbers
from labeling.dashboard.numbers import Numbers, numbers_of
from labeling.projects.models import Project
from labeling.site.storage_names import STORAGE_NAMES
from tests.factories import LabelClassFactory, MembershipFactory
from tests.labeling.operations import SESSION, cell, effect, operation
from tests.labeling.pages import signed_in
from tests.labeling.team import make_team

pytestmark = pytest.mark.django_db


def finish(team, item, user) -> None:
    services.begin_item(item_id=item.pk, user=user)
    services.finish_item(item_id=item.pk, user=user)


def draw(item, user, *classes) -> None:
    """A cell of each class."""
    layer = working_layer(image=item.image, user=user)
    acts = []
    for label in classes:
        drawn = cell(label_class=label)
        acts.append(operation(effect(uuid.uuid4(), drawn)))
    write_operations(layer=layer, author=user, operations=acts)


def named(rows) -> dict[str, float]:
    return {row.name: row.value for row in rows}


def test_the_numbers_by_state_day_person_and_class():
    team = make_team(images=4)
    one, two = team.people
    tumour = LabelClassFactory(project=team.project, name="tumour")
    draw(team.items[0], one, tumour.pk, tumour.pk, None)
    finish(team, team.items[0], one)
    finish(team, team.items[1], one)
    finish(team, team.items[2], two)
    accept_item(item_id=team.items[0].pk, by=team.reviewer)
    numbers = numbers_of(team.project, team.owner)
    assert named(numbers.states) == {"to_do": 1, "in_work": 0, "in_review": 2, "sent_back": 0, "done": 1}
    assert (numbers.free, numbers.days_left) == (1, pytest.approx(14 / 3))
    assert [(row.readings, row.images) for row in numbers.days][-1] == (3, 1)
    assert numbers.days[-1].day == datetime.now(UTC).date()
    assert named(numbers.by_person) == {one.display_name: 2, two.display_name: 1}
    assert named(numbers.by_class) == {"tumour": 2, "": 1}


def test_where_people_read_apart_an_annotator_sees_only_their_own_work():
    team = make_team(images=2)
    Project.objects.filter(pk=team.project.pk).update(layering=Project.Layering.PER_ANNOTATOR)
    project = Project.objects.get(pk=team.project.pk)
    one, two = team.people
    finish(team, team.items[0], one)
    assert named(numbers_of(project, two).by_person) == {}
    assert named(numbers_of(project, one).by_person) == {one.display_name: 1}
    assert named(numbers_of(project, team.reviewer).by_person) == {one.display_name: 1}


def test_storage_is_of_who_oversees_the_project():
    team = make_team()
    assert numbers_of(team.project, team.owner).storage
    assert numbers_of(team.project, team.people[0]).storage == []


def test_the_page_names_what_takes_storage_as_the_settings_do():
    team = make_team()
    page = signed_in(team.owner).get(reverse("project-dashboard", args=[team.project.pk])).content.decode()
    assert named(numbers_of(team.project, team.owner).storage).keys() == STORAGE_NAMES.keys()
    for name in STORAGE_NAMES.values():
        assert f'<th scope="row">{name}</th>' in page


@pytest.mark.parametrize("who", ["owner", "reviewer", "reader", "outsider"])
def test_a_closed_blinded_reading_is_in_no_number_while_another_is_open(who):
    team = make_team(images=1, annotators=3, readings=2, is_blind=True, has_review=False)
    first, second, outsider = team.people
    asks = {"owner": team.owner, "reviewer": team.reviewer, "reader": second, "outsider": outsider}[who]
    for user in (first, second):
        services.begin_item(item_id=team.items[0].pk, user=user)
    before = numbers_of(team.project, asks)
    draw(team.items[0], first, None)
    services.finish_item(item_id=team.items[0].pk, user=first)
    assert numbers_of(team.project, asks) == before
    services.finish_item(item_id=team.items[0].pk, user=second)
    after = numbers_of(team.project, asks)
    assert after.days[-1].readings == 2
    assert named(after.states)["done"] == 1


def test_the_time_of_everybody_is_unsaid_while_a_blinded_reading_is_open(monkeypatch):
    """It is a time a cell: who knows it before and after knows how many cells another reader has drawn."""
    monkeypatch.setattr(dashboard_numbers, "FEWEST_PEOPLE", 1)
    team = make_team(images=1, readings=2, is_blind=True, has_review=False)
    first, second = team.people
    (item,) = team.items
    for user in (first, second):
        services.begin_item(item_id=item.pk, user=user)
    worked = EMPTY | {"spans": [[0.0, 6000.0]], "anchors": [[0.0, 0.0, 0.0]]}
    ActivitySummary.objects.create(session=SESSION, image=item.image, user=first, **worked)
    draw(item, first, None, None)
    assert numbers_of(team.project, second).time.everyone is None
    for user in (first, second):
        services.finish_item(item_id=item.pk, user=user)
    assert numbers_of(team.project, second).time.everyone == pytest.approx(3.0)


def test_the_number_of_queries_does_not_grow_with_the_images(django_assert_max_num_queries):
    team = make_team(images=2)
    with django_assert_max_num_queries(60) as few:
        numbers_of(team.project, team.owner)
    before = len(few)
    bigger = make_team(images=40, annotators=4)
    for item in bigger.items[:20]:
        finish(bigger, item, bigger.people[item.pk % 4])
    with django_assert_max_num_queries(before + 1):
        assert isinstance(numbers_of(bigger.project, bigger.owner), Numbers)


def test_the_page_and_the_table_say_the_same():
    team = make_team(images=1, has_review=False)
    finish(team, team.items[0], team.people[0])
    client = signed_in(team.owner)
    page = client.get(reverse("project-dashboard", args=[team.project.pk])).content.decode()
    assert 'data-chart="days"' in page and 'id="days"' in page and "No round has been evaluated yet" in page
    table = client.get(reverse("dashboard-table", args=[team.project.pk])).content.decode()
    rows = {}
    for row in csv.DictReader(io.StringIO(table)):
        rows[row["part"], row["name"], row["figure"]] = row["value"]
    today = datetime.now(UTC).date().isoformat()
    assert rows["state", "done", "images"] == "1"
    assert rows["day", today, "images_done"] == "1"
    assert client.get(reverse("dashboard", args=[team.project.pk])).json()["days"][-1]["images"] == 1


def test_a_project_without_workflow_and_images_has_a_dashboard_too():
    lead = MembershipFactory()
    assert signed_in(lead.user).get(reverse("project-dashboard", args=[lead.project.pk])).status_code == 200
