"""Blinded readings over time: when they come together and part again, which layers they have, and what is bad luck."""

import uuid
from types import SimpleNamespace

import pytest
from django.test import Client
from django.urls import reverse

from labeling.annotations.models import LateOperation, Layer
from labeling.annotations.services import load_layer, working_layer, write_operations
from labeling.assignments import services
from labeling.assignments.declaring import declare_workflow
from labeling.assignments.late_work import apply_late, late_work_of
from labeling.assignments.models import ItemEvent, Reading, WorkItem
from labeling.assignments.reviewing import accept_item, reopen_item, send_back, unblind_item
from labeling.assignments.states import Act, ItemState, ReadingState
from labeling.errors import WrongState
from labeling.projects.models import Project
from labeling.projects.services import remove_member
from labeling.reviews.models import Mention
from labeling.rounds.models import Publication, Snapshot
from labeling.rounds.snapshots import freeze
from tests.declined import assert_declined
from tests.factories import ImageFactory
from tests.labeling.blinded import blinded_case, close_all, read, sees
from tests.labeling.operations import cell, effect, operation
from tests.labeling.pages import proposals
from tests.labeling.team import fresh, make_team

pytestmark = pytest.mark.django_db


# -- states: when what is apart comes together, and when it parts again


def test_state_by_state():
    """begun, one closed, all closed, sent back, closed again, done, opened again: seen only while all are closed."""
    case = blinded_case("annotator")
    seen = [sees(case, case.two)]
    services.finish_item(item_id=case.item.pk, user=case.one)
    seen.append(sees(case, case.two))
    services.finish_item(item_id=case.item.pk, user=case.two)
    seen.append(sees(case, case.two))
    send_back(item_id=case.item.pk, by=case.lead, comment="a cell is missing")
    seen.append(sees(case, case.two))
    close_all(case)
    seen.append(sees(case, case.two))
    accept_item(item_id=case.item.pk, by=case.lead)
    seen.append(sees(case, case.two))
    reopen_item(item_id=case.item.pk, by=case.lead, comment="again")
    seen.append(sees(case, case.two))
    assert seen == [False, False, True, False, True, True, False]


def test_a_reading_that_went_on_after_the_others_were_seen_is_not_blind_any_more():
    case = blinded_case("annotator")
    blind = Reading.objects.filter(item=case.item).values_list("is_blind", flat=True)
    assert list(blind) == [True, True]
    close_all(case)
    assert list(blind.all()) == [True, True]
    send_back(item_id=case.item.pk, by=case.lead, comment="a cell is missing")
    assert list(blind.all()) == [False, False]


def test_where_people_read_apart_for_good_a_reading_that_was_sent_back_stays_blind():
    case = blinded_case("annotator")
    case.project.layering = Project.Layering.PER_ANNOTATOR
    case.project.save()
    close_all(case)
    assert not sees(case, case.two)
    send_back(item_id=case.item.pk, by=case.lead, comment="a cell is missing")
    assert set(Reading.objects.filter(item=case.item).values_list("is_blind", flat=True)) == {True}


def test_who_leads_may_unblind_which_is_recorded_and_reads_it_no_more_blindly():
    case = blinded_case(readings=3)
    manager = case.others["manager"]
    assert not sees(case, manager)
    unblind_item(item_id=case.item.pk, by=manager)
    unblind_item(item_id=case.item.pk, by=manager)
    assert sees(case, manager) and not sees(case, case.others["other reviewer"])
    assert ItemEvent.objects.get(act=Act.UNBLIND).by == manager
    assert services.take_next(project=case.project, user=manager) is None
    assert services.begin_item(item_id=case.item.pk, user=manager).is_blind is False
    with pytest.raises(WrongState, match="you read this image yourself"):
        unblind_item(item_id=case.item.pk, by=case.one)


def test_there_is_nothing_to_look_at_where_nothing_is_kept_apart():
    case = blinded_case()
    close_all(case)
    with pytest.raises(WrongState, match="not kept apart"):
        unblind_item(item_id=case.item.pk, by=case.lead)


def test_who_looked_at_an_item_elsewhere_is_offered_every_other_item():
    team = make_team(images=2, readings=2, is_blind=True)
    unblind_item(item_id=team.items[0].pk, by=team.owner)
    assert services.take_next(project=team.project, user=team.owner).item == team.items[1]


# -- layers


def test_only_blinded_readings_have_layers_of_their_own():
    """Of 20 images a share is read twice: these have a layer a reader, the others the layer that all share."""
    team = make_team(images=20, more_percent=50, is_blind=True)
    twice = {item.image_id for item in team.items if item.wanted == 2}
    assert 0 < len(twice) < 20 and {item.is_blind for item in team.items if item.wanted == 2} == {True}
    assert not any(item.is_blind for item in team.items if item.wanted == 1)
    for item in team.items:
        services.begin_item(item_id=item.pk, user=team.people[0])
        layer = working_layer(image=item.image, user=team.people[0])
        assert (layer.annotator is not None) == (item.image_id in twice)


def test_who_does_not_read_a_blinded_image_has_no_layer_on_it():
    case = blinded_case()
    assert working_layer(image=case.image, user=case.lead) is None
    assert working_layer(image=case.image, user=case.one).annotator == case.one


def test_readings_of_begun_items_stay_as_they_were_when_the_workflow_changes():
    case = blinded_case()
    ImageFactory(project=case.project)
    declare_workflow(project=case.project, by=case.lead, readings=2, is_blind=False)
    assert list(case.project.items.order_by("pk").values_list("is_blind", flat=True)) == [True, False]
    declare_workflow(project=case.project, by=case.lead, readings=2, is_blind=True)
    assert list(case.project.items.order_by("pk").values_list("is_blind", flat=True)) == [True, True]
    ImageFactory(project=case.project)
    assert case.project.items.latest("pk").is_blind


# -- what learns, and what is learned


def test_no_round_learns_from_a_reading_while_another_is_open():
    case = blinded_case()
    read(case)
    frozen = freeze(case.project, learns=False).document()
    assert [image.cells for image in frozen.images] == [()]
    close_all(case)
    assert [len(image.cells) for image in freeze(case.project, learns=False).document().images] == [1]


def publish(case: SimpleNamespace) -> Publication:
    project = case.project
    snapshot = Snapshot.objects.create(project=project, sha256="0" * 64, content="none", summary={})
    round_ = project.rounds.create(number=1, preset="tiny", configuration={}, snapshot=snapshot)
    layer = load_layer(image=case.image, kind=Layer.Kind.PREDICTION, loaded=proposals(2))
    names = {"detector": "yolo11n", "segmenter": "unet", "prompter": "sam"}
    return Publication.objects.create(round=round_, image=case.image, layer=layer, certificate={}, model_names=names)


@pytest.mark.parametrize("shown", [True, False])
def test_a_reading_says_whether_proposals_were_in_sight_and_of_which_models(shown):
    case = blinded_case(shows_proposals=shown)
    publication = publish(case)
    assert Layer.objects.visible_to(case.two).filter(pk=publication.layer_id).exists() == shown
    services.finish_item(item_id=case.item.pk, user=case.two)
    written = Reading.objects.get(item=case.item, reader=case.two).proposals
    expected = {"publication": str(publication.pk), "round": 1, "models": publication.model_names}
    assert written == ([expected] if shown else [])


# -- bad luck


def test_work_that_arrives_for_a_closed_reading_is_kept_apart_and_applied_by_who_leads():
    case = blinded_case()
    services.finish_item(item_id=case.item.pk, user=case.one)
    late = operation(effect(case.cell, cell()))
    _seq, (verdict,) = write_operations(layer=case.layer, author=case.one, operations=[late])
    assert verdict.verdict == "kept" and "your reading of it is finished" in verdict.error["detail"]
    (work,) = late_work_of(case.project, case.lead)
    assert (work.author, work.operations) == (case.one, 1)
    assert apply_late(item_id=case.item.pk, author=case.one, by=case.lead) == {"accepted": 1}
    assert case.layer.annotations.get().uid == case.cell
    assert fresh(case.item).state == ItemState.IN_WORK
    again = operation(effect(uuid.uuid4(), cell()))
    _seq, (verdict,) = write_operations(layer=case.layer, author=case.one, operations=[again])
    assert verdict.verdict == "kept"  # the reading is closed still
    assert Reading.objects.get(item=case.item, reader=case.one).state == ReadingState.FINISHED


def test_a_lead_who_reads_the_image_hears_of_late_work_when_all_readings_are_closed():
    case = blinded_case("owner")
    services.finish_item(item_id=case.item.pk, user=case.one)
    late = operation(effect(case.cell, cell()))
    write_operations(layer=case.layer, author=case.one, operations=[late])
    assert late_work_of(case.project, case.two) == [] and len(late_work_of(case.project, case.lead)) == 1
    client = Client()
    client.force_login(case.two)
    for act in ("apply", "discard"):
        body = {"author": case.one.pk, "act": act}
        answer = client.post(reverse("item-late", args=[case.item.pk]), body, content_type="application/json")
        assert_declined(answer, 409, code="nothing_waits")
    services.finish_item(item_id=case.item.pk, user=case.two)
    assert len(late_work_of(case.project, case.two)) == 1


def test_a_reader_who_is_removed_gives_the_place_back_and_the_next_one_reads_blindly():
    case = blinded_case()
    read(case)
    remove_member(project=case.project, membership=case.project.memberships.get(user=case.one), by=case.lead)
    assert fresh(case.item).free == 1 and not sees(case, case.two)
    other = case.others["other annotator"]
    assert services.take_next(project=case.project, user=other).is_blind
    assert not sees(case, other) and working_layer(image=case.image, user=other).annotations.count() == 0


def test_one_reader_never_finishes_and_the_lease_gives_the_place_to_another():
    case = blinded_case()
    services.finish_item(item_id=case.item.pk, user=case.one)
    Reading.objects.filter(reader=case.two).update(lease_until="2020-01-01T00:00:00Z")
    services.return_expired(project=case.project)
    assert fresh(case.item).state == ItemState.IN_WORK and not sees(case, case.two)
    other = case.others["other annotator"]
    services.take_next(project=case.project, user=other)
    services.finish_item(item_id=case.item.pk, user=other)
    assert fresh(case.item).state == ItemState.IN_REVIEW and sees(case, case.two)


def test_a_mention_in_a_blinded_reading_is_no_news_to_another_reader():
    case = blinded_case()
    read(case)
    assert not Mention.objects.filter(person=case.two).exists()


def test_an_image_goes_with_its_readings():
    case = blinded_case()
    read(case)
    services.finish_item(item_id=case.item.pk, user=case.one)
    write_operations(layer=case.layer, author=case.one, operations=[operation(effect(uuid.uuid4(), cell()))])
    case.image.delete()
    assert not WorkItem.objects.exists() and not LateOperation.objects.exists()
