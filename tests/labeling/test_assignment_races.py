"""Many people at the same moment: nobody gets a place twice, and the first decision counts."""

import threading
import uuid

import pytest
from django.db import connections

from labeling.annotations.models import Annotation, LateOperation
from labeling.annotations.services import working_layer, write_operations
from labeling.assignments import services
from labeling.assignments.models import WorkItem
from labeling.assignments.reviewing import accept_item, send_back
from labeling.assignments.states import ItemState
from labeling.errors import WrongState
from labeling.projects.models import Role
from tests.factories import MembershipFactory
from tests.labeling.operations import cell, effect, operation
from tests.labeling.team import fresh, make_team


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("images", "readings"), [(60, 1), (30, 2)])
def test_fifty_people_who_pull_at_once_never_get_the_same_place(images, readings):
    team = make_team(images=images, annotators=50, readings=readings, has_review=False)
    barrier, got, failed = threading.Barrier(50), [], []

    def pull(user):
        try:
            barrier.wait(30)
            got.append(services.take_next(project=team.project, user=user))
        except Exception as error:
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=pull, args=[user]) for user in team.people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == [] and len(got) == 50 and None not in got
    per_item = {item.pk: item.readings.count() for item in WorkItem.objects.all()}
    assert max(per_item.values()) <= readings
    assert sum(per_item.values()) == 50 == len({(r.item_id, r.reader_id) for r in got})
    assert all(item.free == item.wanted - per_item[item.pk] for item in WorkItem.objects.all())


@pytest.mark.django_db(transaction=True)
def test_two_reviewers_who_decide_at_once_decide_once():
    team = make_team(images=1)
    other = MembershipFactory(project=team.project, role=Role.REVIEWER).user
    item = services.take_next(project=team.project, user=team.people[0]).item
    services.finish_item(item_id=item.pk, user=team.people[0])
    barrier, outcomes = threading.Barrier(2), []

    def decide(act, user):
        try:
            barrier.wait(30)
            outcomes.append(act(item_id=item.pk, by=user, comment="looked at").state)
        except WrongState as error:
            outcomes.append(str(error))
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=decide, args=given) for given in ((accept_item, team.reviewer), (send_back, other))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    states = [outcome for outcome in outcomes if outcome in ItemState.values]
    assert len(states) == 1 and fresh(item).state == states[0]
    assert [outcome for outcome in outcomes if "so it cannot be" in outcome]


@pytest.mark.django_db(transaction=True)
def test_an_item_that_becomes_done_while_somebody_saves_has_the_save_or_keeps_it_apart():
    team = make_team(images=1, real=True)
    user = team.people[0]
    item = services.take_next(project=team.project, user=user).item
    layer = working_layer(image=item.image, user=user)
    services.finish_item(item_id=item.pk, user=user)
    barrier, verdicts = threading.Barrier(2), []

    def save():
        try:
            barrier.wait(30)
            for _ in range(20):
                one = [operation(effect(uuid.uuid4(), cell()))]
                verdicts.extend(v.verdict for v in write_operations(layer=layer, author=user, operations=one)[1])
        finally:
            connections.close_all()

    other = threading.Thread(target=save)
    other.start()
    barrier.wait(30)
    accept_item(item_id=item.pk, by=team.reviewer)
    other.join(30)
    assert set(verdicts) <= {"accepted", "kept"} and len(verdicts) == 20
    assert verdicts == sorted(verdicts)  # once frozen, frozen
    assert LateOperation.objects.count() == verdicts.count("kept")
    assert Annotation.objects.filter(layer=layer).count() == verdicts.count("accepted")
