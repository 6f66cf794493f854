"""A pull costs the same after ten images as after thousands, and nothing is left out."""

import pytest
from django.utils import timezone

from labeling.assignments import services
from labeling.assignments.declaring import set_priorities
from labeling.assignments.models import QueueStart, Reading, WorkItem
from tests.labeling.team import bare_images, make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    return make_team(images=6, readings=2)


def take(team, user):
    return services.take_next(project=team.project, user=user)


def finish(team, user, count):
    claimed = []
    for _ in range(count):
        reading = take(team, user)
        claimed.append(reading.item_id)
        services.finish_item(item_id=reading.item_id, user=user)
    return claimed


def test_the_queue_goes_on_where_somebody_was(team):
    one = team.people[0]
    assert finish(team, one, 3) == [item.pk for item in team.items[:3]]
    start = QueueStart.objects.get(member__user=one)
    assert start.item == team.items[2].pk
    assert finish(team, one, 3) == [item.pk for item in team.items[3:]]
    assert take(team, one) is None


def test_what_becomes_free_before_the_start_is_found(team):
    """Two others hold the first image; one of them gives it back."""
    one, two = team.people
    owner = team.owner
    for user in (two, owner):
        services.begin_item(item_id=team.items[0].pk, user=user)
    assert finish(team, one, 2) == [item.pk for item in team.items[1:3]]
    services.release_item(item_id=team.items[0].pk, reader=two, by=two)
    assert take(team, one).item_id == team.items[0].pk


def test_another_order_and_new_images_are_found(team):
    one = team.people[0]
    finish(team, one, 2)
    set_priorities(project=team.project, priorities={team.items[5].image_id: 0.9})
    assert finish(team, one, 1) == [team.items[5].pk]
    (image,) = bare_images(team.project, 1)
    services_items(team, image)
    assert finish(team, one, 4)[-1] == WorkItem.objects.get(image=image).pk


def services_items(team, image):
    from labeling.assignments.declaring import declare_workflow

    declare_workflow(project=team.project, by=team.owner, readings=2)


def test_a_start_that_hides_an_item_leaves_nothing_out(team):
    """As after a transaction that held an item for a moment and was undone: the start lies behind a free item."""
    one = team.people[0]
    finish(team, one, 1)
    start = QueueStart.objects.get(member__user=one)
    QueueStart.objects.filter(pk=start.pk).update(item=team.items[4].pk)
    assert sorted(finish(team, one, 5)) == [item.pk for item in team.items[1:]]


def test_a_pull_reads_no_item_that_the_person_has_read(team, django_assert_max_num_queries):
    """The plan of the first part: it begins at the start, in the index of the queue."""
    one = team.people[0]
    now = timezone.now()
    bare_images(team.project, 3000)
    services_items(team, None)
    keys = list(WorkItem.objects.order_by("-priority", "pk").values_list("pk", flat=True)[:2500])
    rows = [Reading(item_id=pk, reader=one, state="finished", since=now, finished_at=now) for pk in keys]
    Reading.objects.bulk_create(rows)
    WorkItem.objects.filter(pk__in=keys).update(free=1, state="in_work")
    assert finish(team, one, 1) == [WorkItem.objects.exclude(pk__in=keys).order_by("pk").first().pk]
    member = team.project.memberships.get(user=one)
    queue = services.queue_for(project=team.project, user=one)
    version = services.queue_version(team.project)
    first = next(services.parts_from_start(queue, member, version))
    assert first.order_by("pk").first().pk not in keys
    with django_assert_max_num_queries(40):
        take(team, one)
