"""Items in a workflow: the states, the queue, leases, and what happens when luck is bad."""

import hashlib
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.annotations.models import Layer
from labeling.annotations.services import load_layer
from labeling.assignments import services
from labeling.assignments.declaring import declare_workflow, end_workflow, set_priorities
from labeling.assignments.errors import CannotBeAssigned, NotYourReading, NoWorkflow, OwnWork
from labeling.assignments.models import ItemEvent, Reading, Workflow, WorkItem
from labeling.assignments.reviewing import accept_item, reopen_item, send_back, take_review
from labeling.assignments.states import ITEM_MOVES, READING_MOVES, Act, ItemState, ReadingState, next_item_state
from labeling.errors import Archived, Invalid, WrongState
from labeling.projects.models import Membership, Role
from labeling.projects.services import NotAllowed, change_role, remove_member
from labeling.rounds.execution.archiving import archive_project, restore_project
from labeling.rounds.models import Promotion, Publication
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory
from tests.labeling.pages import make_study
from tests.labeling.team import acts_of, bare_images, fresh, make_team

pytestmark = pytest.mark.django_db


# -- the table


@pytest.mark.parametrize("state", ItemState.values)
@pytest.mark.parametrize("act", Act.values)
def test_every_act_in_every_state_is_either_in_the_table_or_declined(state, act):
    if (state, act) in ITEM_MOVES:
        assert next_item_state(state, act) in ItemState.values
    else:
        with pytest.raises(WrongState, match="this image is"):
            next_item_state(state, act)


def test_every_state_is_reached_and_left():
    assert {state for state, _act in ITEM_MOVES} == set(ItemState.values)
    assert set(ITEM_MOVES.values()) == set(ItemState.values)
    assert set(READING_MOVES) == set(ReadingState.values)


def test_the_simplest_way_through():
    team = make_team()
    reader = team.people[0]
    reading = services.take_next(project=team.project, user=reader)
    assert reading.item == team.items[0] and fresh(reading.item).state == ItemState.IN_WORK
    assert services.finish_item(item_id=reading.item_id, user=reader).state == ItemState.IN_REVIEW
    item = take_review(project=team.project, user=team.reviewer)
    assert item.pk == reading.item_id
    assert accept_item(item_id=item.pk, by=team.reviewer).state == ItemState.DONE
    assert acts_of(item) == ["begin", "finish", "submit", "accept"]
    assert fresh(item).done_at is not None and fresh(item).free == 0


def test_without_a_review_the_last_reading_makes_it_done():
    team = make_team(readings=2, has_review=False)
    one, two = team.people
    item = services.take_next(project=team.project, user=one).item
    assert services.take_next(project=team.project, user=two).item == item
    assert services.finish_item(item_id=item.pk, user=one).state == ItemState.IN_WORK
    assert services.finish_item(item_id=item.pk, user=two).state == ItemState.DONE


def test_a_project_without_a_workflow_has_no_items_and_stays_simple():
    project = ProjectFactory()
    user = MembershipFactory(project=project).user
    ImageFactory(project=project)
    with pytest.raises(NoWorkflow):
        services.take_next(project=project, user=user)
    assert not WorkItem.objects.exists()


def test_no_image_at_all_is_the_end_of_the_queue_at_once():
    team = make_team(images=0)
    assert services.take_next(project=team.project, user=team.people[0]) is None
    assert take_review(project=team.project, user=team.reviewer) is None


# -- the queue


def test_asking_twice_gives_the_same_item():
    team = make_team()
    first = services.take_next(project=team.project, user=team.people[0])
    again = services.take_next(project=team.project, user=team.people[0])
    assert (first.pk, Reading.objects.count()) == (again.pk, 1)


def test_nobody_reads_an_item_twice_and_everybody_reaches_the_end():
    team = make_team(images=4, readings=2, has_review=False)
    seen = {user.pk: [] for user in team.people}
    for _ in range(4):
        for user in team.people:
            item = services.take_next(project=team.project, user=user).item
            seen[user.pk].append(item.pk)
            services.finish_item(item_id=item.pk, user=user)
    assert all(sorted(items) == [item.pk for item in team.items] for items in seen.values())
    assert services.take_next(project=team.project, user=team.people[0]) is None
    assert {item.state for item in WorkItem.objects.all()} == {ItemState.DONE}


def test_the_order_is_priority_and_then_age():
    team = make_team(images=4)
    images = [item.image_id for item in team.items]
    assert set_priorities(project=team.project, priorities={images[2]: 0.9, images[3]: 0.1}) == 2
    queue = services.queue_for(project=team.project, user=team.people[0])
    assert [item.image_id for item in queue] == [images[2], images[3], images[0], images[1]]
    set_priorities(project=team.project, priorities={images[1]: 0.5})  # a new round: what it does not name comes last
    assert [item.image_id for item in queue.all()] == [images[1], images[0], images[2], images[3]]


@pytest.mark.django_db(transaction=True)
def test_the_current_round_orders_the_queue_and_a_workflow_that_comes_later_finds_the_order():
    study = make_study()
    other = ImageFactory(project=study.project)
    for image, score in ((study.image, 0.2), (other, 0.8)):
        facts = {"priorities": {"mix": score}}
        layer = load_layer(image=image, kind=Layer.Kind.PREDICTION, loaded=[])
        Publication.objects.create(
            round=study.round, image=image, layer=layer, facts=facts, certificate={}, model_names={}
        )
    owner = study.people["owner"]
    declare_workflow(project=study.project, by=owner)
    assert [item.image for item in services.queue_for(project=study.project, user=owner)] == [other, study.image]
    WorkItem.objects.update(priority=0)
    Promotion.objects.create(project=study.project, round=study.round, reason=Promotion.Reason.FINISHED)
    assert dict(WorkItem.objects.values_list("image", "priority")) == {study.image.pk: 0.2, other.pk: 0.8}


def drawn_by_hand(seed: int, percent: int, images: list[int]) -> set[int]:
    """The oracle: the images that a share holds, by the rule as the documentation states it."""
    chosen = set()
    for image in images:
        digest = hashlib.md5(f"{seed}:{image}".encode(), usedforsecurity=False).hexdigest()
        if int(digest[:8], 16) / 2**32 * 100 < percent:
            chosen.add(image)
    return chosen


def test_a_share_is_read_once_more_and_the_seed_makes_it_the_same_share():
    team = make_team(images=2000, more_percent=20)
    images = [item.image_id for item in team.items]

    def twice() -> set[int]:
        return set(WorkItem.objects.filter(wanted=2).values_list("image", flat=True))

    assert twice() == drawn_by_hand(team.workflow.seed, 20, images)
    assert 320 < len(twice()) < 480
    smaller = twice()
    declare_workflow(project=team.project, by=team.owner, more_percent=30)
    assert twice() == drawn_by_hand(team.workflow.seed, 30, images) > smaller
    assert {item.free for item in WorkItem.objects.filter(wanted=2)} == {2}
    (late,) = bare_images(team.project, 1)
    declare_workflow(project=team.project, by=team.owner, more_percent=30)
    assert (late.work_item.wanted == 2) == bool(drawn_by_hand(team.workflow.seed, 30, [late.pk]))


def test_a_new_image_is_an_item_at_once():
    team = make_team(images=0)
    image = ImageFactory(project=team.project)
    assert WorkItem.objects.get(image=image).state == ItemState.TO_DO


def test_more_readings_open_the_items_that_nobody_has_accepted():
    team = make_team(images=2, has_review=False)
    user, _other = team.people
    done = services.take_next(project=team.project, user=user).item
    services.finish_item(item_id=done.pk, user=user)
    begun = services.take_next(project=team.project, user=user).item
    declare_workflow(project=team.project, by=team.owner, readings=2, has_review=False)
    assert (fresh(done).state, fresh(done).free) == (ItemState.DONE, 0)
    assert (fresh(begun).wanted, fresh(begun).free) == (2, 1)
    services.finish_item(item_id=begun.pk, user=user)
    assert fresh(begun).state == ItemState.IN_WORK
    declare_workflow(project=team.project, by=team.owner, readings=1, has_review=False)
    assert fresh(begun).state == ItemState.DONE  # its one reading is finished


@pytest.mark.parametrize(
    "wrong",
    [{"readings": 0}, {"readings": 11}, {"more_percent": 101}, {"lease_hours": 0}, {"more_percent": -1}],
    ids=str,
)
def test_impossible_workflows_name_the_field(wrong):
    team = make_team()
    with pytest.raises(Invalid) as caught:
        declare_workflow(project=team.project, by=team.owner, **wrong)
    assert caught.value.field == next(iter(wrong))


@pytest.mark.parametrize("ends", ["released", "expired", "removed"])
def test_a_reading_that_is_no_longer_wanted_leaves_no_item_behind(ends):
    team = make_team(images=1, readings=2)
    one, two = team.people
    item = services.take_next(project=team.project, user=one).item
    services.take_next(project=team.project, user=two)
    services.finish_item(item_id=item.pk, user=one)
    declare_workflow(project=team.project, by=team.owner, readings=1)
    assert fresh(item).state == ItemState.IN_WORK  # the second reader is at it
    if ends == "released":
        services.release_item(item_id=item.pk, reader=two, by=two)
    elif ends == "expired":
        services.return_expired(now=timezone.now() + timedelta(days=9))
    else:
        membership = Membership.objects.get(project=team.project, user=two)
        remove_member(project=team.project, membership=membership, by=team.owner)
    assert (fresh(item).state, fresh(item).free) == (ItemState.IN_REVIEW, 0)


def test_what_is_released_while_somebody_asks_for_it_is_not_begun_again(monkeypatch):
    team = make_team(images=1)
    reader, other = team.people
    item = services.take_next(project=team.project, user=reader).item

    def released_in_between(pk, lock=services.lock_item):
        monkeypatch.setattr(services, "lock_item", lock)
        services.release_item(item_id=pk, reader=reader, by=team.owner)
        services.take_next(project=team.project, user=other)
        return lock(pk)

    monkeypatch.setattr(services, "lock_item", released_in_between)
    assert services.take_next(project=team.project, user=reader) is None
    assert fresh(item).readings.get(state=ReadingState.OPEN).reader == other


def test_what_was_only_assigned_does_not_keep_a_workflow():
    team = make_team(images=1)
    services.assign_items(project=team.project, items=[team.items[0].pk], readers=team.people[:1], by=team.owner)
    end_workflow(project=team.project)
    assert not WorkItem.objects.exists()


def test_a_workflow_ends_only_before_somebody_has_begun():
    team = make_team()
    end_workflow(project=team.project)
    assert not WorkItem.objects.exists()
    declare_workflow(project=team.project, by=team.owner)
    services.take_next(project=team.project, user=team.people[0])
    with pytest.raises(WrongState, match="people have begun"):
        end_workflow(project=team.project)


# -- push


def test_a_list_is_given_evenly_and_comes_first():
    team = make_team(images=7)
    chosen = [item.pk for item in team.items[1:]]
    given_to = services.assign_items(project=team.project, items=chosen, readers=team.people, by=team.owner)
    assert given_to == 6
    counts = [Reading.objects.filter(reader=user).count() for user in team.people]
    assert counts == [3, 3]
    reading = services.take_next(project=team.project, user=team.people[1])
    assert reading.item in team.items[1:] and reading.assigned_by == team.owner
    assert services.assign_items(project=team.project, items=chosen, readers=team.people, by=team.owner) == 0


def test_only_who_annotates_here_is_given_anything():
    team = make_team()
    viewer = MembershipFactory(project=team.project, role=Role.VIEWER).user
    stranger = MembershipFactory().user
    for user in (viewer, stranger):
        with pytest.raises(CannotBeAssigned, match=user.username):
            services.assign_items(project=team.project, items=[team.items[0].pk], readers=[user], by=team.owner)
        with pytest.raises(NotAllowed):
            services.take_next(project=team.project, user=user)


def test_a_chosen_item_is_begun_unless_all_places_are_taken():
    team = make_team()
    one, two = team.people
    services.begin_item(item_id=team.items[2].pk, user=one)
    with pytest.raises(CannotBeAssigned, match="taken by others"):
        services.begin_item(item_id=team.items[2].pk, user=two)


# -- skip, hand back, leases


def test_a_skipped_item_goes_to_somebody_else_with_its_reason():
    team = make_team(images=1)
    one, two = team.people
    item = services.take_next(project=team.project, user=one).item
    with pytest.raises(Invalid, match="say why"):
        services.skip_item(item_id=item.pk, user=one, reason="  ")
    services.skip_item(item_id=item.pk, user=one, reason="out of focus")
    assert fresh(item).state == ItemState.TO_DO
    assert services.take_next(project=team.project, user=one) is None
    assert services.take_next(project=team.project, user=two).item == item
    assert ItemEvent.objects.get(act=Act.SKIP).comment == "out of focus"


def test_an_abandoned_item_returns_and_its_reader_may_take_it_again():
    team = make_team(images=1, lease_hours=2)
    one, two = team.people
    reading = services.take_next(project=team.project, user=one)
    later = timezone.now() + timedelta(hours=3)
    assert services.recover(timezone.now()) == []
    assert services.recover(later) == ["1 readings went back to their queues"]
    assert fresh(reading.item).state == ItemState.TO_DO and acts_of(reading.item)[-1] == "expire"
    with pytest.raises(NotYourReading, match="went back to the queue"):
        services.finish_item(item_id=reading.item_id, user=one)
    assert services.take_next(project=team.project, user=one).item == reading.item
    services.release_item(item_id=reading.item_id, reader=one, by=one)
    assert services.take_next(project=team.project, user=two).item == reading.item


def test_who_is_at_work_keeps_the_lease():
    team = make_team(images=1, lease_hours=2)
    reading = services.take_next(project=team.project, user=team.people[0])
    Reading.objects.update(lease_until=timezone.now() + timedelta(minutes=1))
    services.renew_lease(item_id=reading.item_id, user=team.people[0])
    assert services.recover(timezone.now() + timedelta(hours=1)) == []


def test_an_expired_item_is_offered_when_somebody_asks_even_without_the_recovery():
    team = make_team(images=1)
    services.take_next(project=team.project, user=team.people[0])
    Reading.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert services.take_next(project=team.project, user=team.people[1]) is not None


def test_only_who_manages_takes_an_item_from_somebody_else():
    team = make_team(images=1)
    one, two = team.people
    item = services.take_next(project=team.project, user=one).item
    with pytest.raises(NotAllowed):
        services.release_item(item_id=item.pk, reader=one, by=two)
    services.release_item(item_id=item.pk, reader=one, by=team.owner)
    assert fresh(item).free == 1


@pytest.mark.parametrize("leaves", ["removed", "viewer"])
def test_who_leaves_gives_back_what_they_hold_and_keeps_what_they_finished(leaves):
    team = make_team(images=3)
    user = team.people[0]
    finished = services.take_next(project=team.project, user=user).item
    services.finish_item(item_id=finished.pk, user=user)
    begun = services.take_next(project=team.project, user=user).item
    services.assign_items(project=team.project, items=[team.items[2].pk], readers=[user], by=team.owner)
    membership = Membership.objects.get(project=team.project, user=user)
    if leaves == "removed":
        remove_member(project=team.project, membership=membership, by=team.owner)
    else:
        change_role(project=team.project, membership=membership, role=Role.VIEWER, by=team.owner)
    assert [fresh(item).free for item in (finished, begun, team.items[2])] == [0, 1, 1]
    assert fresh(begun).state == ItemState.TO_DO and fresh(finished).state == ItemState.IN_REVIEW
    # And when the finished one is sent back there is nobody who could go on with it: it is free for another reader.
    send_back(item_id=finished.pk, by=team.reviewer, comment="two cells are missing")
    assert (fresh(finished).state, fresh(finished).free) == (ItemState.TO_DO, 1)
    assert services.take_next(project=team.project, user=team.people[1]).item == finished


# -- review


def test_nobody_reviews_their_own_work_unless_the_workflow_says_so():
    team = make_team(images=1)
    item = services.take_next(project=team.project, user=team.reviewer).item
    services.finish_item(item_id=item.pk, user=team.reviewer)
    assert take_review(project=team.project, user=team.reviewer) is None
    for act in (accept_item, send_back):
        with pytest.raises(OwnWork, match="somebody else reviews it"):
            act(item_id=item.pk, by=team.reviewer, comment="fine")
    declare_workflow(project=team.project, by=team.owner, reviews_own_work=True)
    assert take_review(project=team.project, user=team.reviewer) == item
    accept_item(item_id=item.pk, by=team.reviewer)


def test_who_may_not_review_is_given_nothing_to_review():
    team = make_team()
    with pytest.raises(NotAllowed):
        take_review(project=team.project, user=team.people[0])


def test_what_is_sent_back_comes_first_with_its_comment_and_returns_to_the_review():
    team = make_team()
    user = team.people[0]
    item = services.take_next(project=team.project, user=user).item
    services.finish_item(item_id=item.pk, user=user)
    with pytest.raises(Invalid, match="say what should be changed"):
        send_back(item_id=item.pk, by=team.reviewer, comment="")
    send_back(item_id=item.pk, by=team.reviewer, comment="the lower left is empty")
    reading = services.take_next(project=team.project, user=user)
    assert (reading.item, reading.state, reading.reason) == (item, "sent_back", "the lower left is empty")
    assert services.finish_item(item_id=item.pk, user=user).state == ItemState.IN_REVIEW


def test_two_reviewers_are_not_sent_to_the_same_item():
    team = make_team(images=2)
    other = MembershipFactory(project=team.project, role=Role.REVIEWER).user
    for _ in range(2):
        item = services.take_next(project=team.project, user=team.people[0]).item
        services.finish_item(item_id=item.pk, user=team.people[0])
    one, two = (take_review(project=team.project, user=user) for user in (team.reviewer, other))
    assert one != two
    assert take_review(project=team.project, user=other) == two
    accept_item(item_id=one.pk, by=other)  # who decides all the same is the first to decide
    with pytest.raises(WrongState, match="this image is done, so it cannot be accepted"):
        accept_item(item_id=one.pk, by=team.reviewer)


# -- archived, restored


def test_an_archived_project_gives_out_nothing_and_goes_on_after_the_restoring():
    team = make_team()
    reading = services.take_next(project=team.project, user=team.people[0])
    archive_project(project=team.project, by=team.owner)
    team.project.refresh_from_db()
    with pytest.raises(Archived):
        services.take_next(project=team.project, user=team.people[1])
    with pytest.raises(Archived):
        services.finish_item(item_id=reading.item_id, user=team.people[0])
    with pytest.raises(Archived):
        take_review(project=team.project, user=team.reviewer)
    restore_project(project=team.project, by=team.owner)
    assert services.finish_item(item_id=reading.item_id, user=team.people[0]).state == ItemState.IN_REVIEW


def test_a_project_is_deleted_with_its_items():
    team = make_team()
    services.take_next(project=team.project, user=team.people[0])
    team.project.delete()
    assert not WorkItem.objects.exists() and not Reading.objects.exists()


# -- whatever people do, the books agree

ACTS = ("take", "finish", "skip", "release", "expire", "review", "send_back", "reopen", "assign", "leave")


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 2), st.integers(0, 2)), max_size=25),
    readings=st.integers(1, 2),
    has_review=st.booleans(),
)
def test_free_places_are_always_what_the_readings_leave(steps, readings, has_review):
    team = make_team(images=3, annotators=3, readings=readings, has_review=has_review)
    for act, who, which in steps:
        user, item = team.people[who], team.items[which]
        attempt(team, act, user, item)
        for one in WorkItem.objects.prefetch_related("readings"):
            filled = sum(1 for reading in one.readings.all() if reading.takes_a_place)
            assert one.free == (0 if one.state == ItemState.DONE else one.wanted - filled), (act, one)
            unfinished = [r for r in one.readings.all() if r.state in ("open", "assigned", "sent_back")]
            assert not (one.state in ("in_review", "done") and unfinished), (act, one)
            assert bool(one.done_at) == (one.state == "done")
    Workflow.objects.all().delete()
    team.project.delete()


def attempt(team, act, user, item):
    """One step of a person; what the rules decline changes nothing."""
    acts = {
        "take": lambda: services.take_next(project=team.project, user=user),
        "finish": lambda: services.finish_item(item_id=item.pk, user=user),
        "skip": lambda: services.skip_item(item_id=item.pk, user=user, reason="why"),
        "release": lambda: services.release_item(item_id=item.pk, reader=user, by=team.owner),
        "expire": lambda: services.return_expired(now=timezone.now() + timedelta(days=9)),
        "review": lambda: accept_item(item_id=item.pk, by=team.reviewer),
        "send_back": lambda: send_back(item_id=item.pk, by=team.reviewer, comment="why"),
        "reopen": lambda: reopen_item(item_id=item.pk, by=team.owner, comment="why"),
        "assign": lambda: services.assign_items(
            project=team.project, items=[i.pk for i in team.items], readers=[user], by=team.owner
        ),
        "leave": lambda: Membership.objects.filter(project=team.project, user=user).first().delete(),
    }
    try:
        acts[act]()
    except (WrongState, NotYourReading, CannotBeAssigned, NotAllowed, OwnWork, AttributeError) as error:
        assert not isinstance(error, AttributeError) or act == "leave"


# -- many images


def test_many_images_become_items_in_a_few_statements(django_assert_max_num_queries):
    team = make_team(images=0)
    bare_images(team.project, 3000)
    with django_assert_max_num_queries(20):
        declare_workflow(project=team.project, by=team.owner)
    assert WorkItem.objects.count() == 3000
