"""A done item is frozen: work that arrives late is kept apart, and reopening thaws it."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from labeling.annotations.models import Annotation, LateOperation, LayerHead, Operation
from labeling.annotations.replay import differences
from labeling.annotations.services import working_layer, write_operations
from labeling.assignments import services
from labeling.assignments.errors import NothingWaits
from labeling.assignments.late_work import apply_late, discard_late, late_work_of
from labeling.assignments.models import ItemEvent
from labeling.assignments.reviewing import accept_item, reopen_item
from labeling.assignments.states import Act, ItemState
from labeling.errors import Invalid
from tests.labeling.operations import cell, effect, operation
from tests.labeling.team import acts_of, fresh, make_team

pytestmark = pytest.mark.django_db


def done_item(team, user=None):
    """One item that was read, drawn on and accepted -> it and its layer."""
    user = user or team.people[0]
    item = services.take_next(project=team.project, user=user).item
    layer = working_layer(image=item.image, user=user)
    write_operations(layer=layer, author=user, operations=[operation(effect(uuid.uuid4(), cell()))])
    services.finish_item(item_id=item.pk, user=user)
    accept_item(item_id=item.pk, by=team.reviewer)
    return fresh(item), layer


def test_work_that_arrives_late_is_kept_apart_shown_and_applied_by_the_lead():
    team = make_team(real=True)
    user = team.people[0]
    item, layer = done_item(team)
    before = LayerHead.objects.get(layer=layer).seq
    late = [operation(effect(uuid.uuid4(), cell((30, 20, 40, 34)))) for _ in range(2)]
    for _twice in range(2):  # the answer was lost, and the browser sends it again
        _seq, verdicts = write_operations(layer=layer, author=user, operations=late)
        assert [v.verdict for v in verdicts] == ["kept", "kept"]
        assert "kept apart" in verdicts[0].error["detail"]
    assert (LateOperation.objects.count(), LayerHead.objects.get(layer=layer).seq) == (2, before)
    (work,) = late_work_of(team.project, team.owner)
    assert (work.item, work.author, work.operations) == (item, user, 2)
    assert work.first_at < work.last_at
    assert apply_late(item_id=item.pk, author=user, by=team.owner) == {"accepted": 2}
    assert fresh(item).state == ItemState.SENT_BACK and "reopen" in acts_of(item)
    assert Operation.objects.filter(layer=layer, author=user).count() == 3
    assert differences(layer) == [] and late_work_of(team.project, team.owner) == []
    with pytest.raises(NothingWaits):
        apply_late(item_id=item.pk, author=user, by=team.owner)


def test_late_work_is_listed_in_pages_one_row_for_each_image_and_person():
    team = make_team(real=True)
    items = []
    for _ in range(3):
        item, layer = done_item(team)
        items.append(item)
        late = [operation(effect(uuid.uuid4(), cell((30, 20, 40, 34)))) for _ in range(2)]
        write_operations(layer=layer, author=team.people[0], operations=late)
    client = Client()
    client.force_login(team.owner)
    address, found = reverse("item-late-list", args=[team.project.pk]), []
    while address:
        answer = client.get(address, {} if "?" in address else {"limit": 2}).json()
        found += answer["items"]
        address = answer["next"]
    assert [(one["item"], one["operations"]) for one in found] == [(item.pk, 2) for item in items]
    of_another = client.get(reverse("item-late-list", args=[team.project.pk]), {"author": team.owner.pk}).json()
    assert of_another["items"] == []


def test_late_work_may_be_left_as_it_is():
    team = make_team(real=True)
    item, layer = done_item(team)
    write_operations(layer=layer, author=team.people[0], operations=[operation(effect(uuid.uuid4(), cell()))])
    assert discard_late(item_id=item.pk, author=team.people[0], by=team.owner) == 1
    assert late_work_of(team.project, team.owner) == [] and fresh(item).state == ItemState.DONE
    assert LateOperation.objects.get().outcome == "discarded"


def test_what_was_saved_before_the_end_is_still_answered_as_saved():
    team = make_team(real=True)
    user = team.people[0]
    item = services.take_next(project=team.project, user=user).item
    layer = working_layer(image=item.image, user=user)
    saved = operation(effect(uuid.uuid4(), cell()))
    write_operations(layer=layer, author=user, operations=[saved])
    services.finish_item(item_id=item.pk, user=user)
    accept_item(item_id=item.pk, by=team.reviewer)
    _seq, verdicts = write_operations(layer=layer, author=user, operations=[saved])
    assert verdicts[0].verdict == "repeated" and not LateOperation.objects.exists()


@pytest.mark.parametrize("layering", ["shared", "per_annotator"])
def test_nobody_begins_a_layer_on_a_done_image(layering):
    team = make_team(real=True, images=1)
    team.project.layering = layering
    team.project.save()
    item = services.take_next(project=team.project, user=team.people[0]).item
    services.finish_item(item_id=item.pk, user=team.people[0])
    accept_item(item_id=item.pk, by=team.reviewer)
    image = team.project.images.get()
    assert working_layer(image=image, user=team.people[1]) is None
    reopen_item(item_id=item.pk, by=team.owner, comment="a class was forgotten")
    assert working_layer(image=team.project.images.get(), user=team.people[1]) is not None


def test_reopening_is_recorded_and_thaws():
    team = make_team(real=True)
    item, layer = done_item(team)
    with pytest.raises(Invalid, match="it stays recorded"):
        reopen_item(item_id=item.pk, by=team.owner, comment="")
    reopen_item(item_id=item.pk, by=team.owner, comment="the stain was wrong")
    event = ItemEvent.objects.get(act=Act.REOPEN)
    assert (event.by, event.comment, event.state) == (team.owner, "the stain was wrong", ItemState.SENT_BACK)
    _seq, verdicts = write_operations(
        layer=layer, author=team.people[0], operations=[operation(effect(uuid.uuid4(), cell()))]
    )
    assert verdicts[0].verdict == "accepted" and Annotation.objects.filter(layer=layer).count() == 2
