"""Two readings go to a third person, three to the majority; what is decided becomes a layer, and a reference."""

import csv
import io
from itertools import product

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from inference.agreement.consensus import Method
from inference.agreement.readings import Matching
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import working_layer, write_operations
from labeling.assignments import services
from labeling.assignments.errors import OwnWork
from labeling.assignments.reviewing import send_back
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image, Split
from labeling.jobs.models import Job
from labeling.reviews.consensus.deciding import NothingDecided, decide, lock_as_reference
from labeling.reviews.consensus.making import (
    ConsensusLocked,
    Parameters,
    ReadingsOpen,
    ask_for_consensus,
    make_consensus,
    sides_of,
)
from labeling.reviews.models import Consensus, Disagreement
from labeling.rounds.snapshots import freeze
from labeling.upkeep.deleting import delete_images
from tests.declined import assert_declined
from tests.factories import LabelClassFactory
from tests.labeling.operations import cell, effect, mask, operation, region
from tests.labeling.pages import page_text, signed_in
from tests.labeling.team import make_team, run_now
from tests.labeling.test_agreement import read

pytestmark = pytest.mark.django_db
DEFAULT = Parameters(Matching(), Method())
HERE, THERE, ELSEWHERE = (2, 2, 12, 12), (20, 2, 30, 12), (40, 2, 50, 12)


@pytest.fixture
def team():
    """One image read by two: a cell in common, one of another class, one that the first alone has drawn."""
    team = make_team(readings=2, is_blind=True, images=2, real=True)
    team.a = LabelClassFactory(project=team.project, name="a", position=1)
    team.b = LabelClassFactory(project=team.project, name="b", position=2)
    team.item = team.items[0]
    one, two = team.people
    a, b = team.a.pk, team.b.pk
    whole = region()
    read(
        team,
        team.item,
        one,
        cell(HERE, label_class=a),
        cell(THERE, label_class=a),
        cell(ELSEWHERE, label_class=a),
        whole,
    )
    read(team, team.item, two, cell(HERE, label_class=a), cell(THERE, label_class=b), whole)
    return team


def made_for(team, parameters=DEFAULT):
    return make_consensus(image=team.item.image, by=team.reviewer, parameters=parameters)


def cells(made):
    """(x0, name of the class) of each cell of the consensus layer."""
    rows = made.layer.annotations.filter(kind="cell").order_by("x0")
    return [(row.x0, row.label_class.name if row.label_class else None) for row in rows]


def side_of(place, team, name):
    """Left or right: where the cell of this class stands; None for the side without a cell."""
    for side, uid in zip(("left", "right"), sides_of(place), strict=True):
        row = Annotation.objects.get(uid=uid) if uid else None
        if (row.label_class.name if row else None) == name:
            return side
    raise AssertionError(f"no side says {name}")


def test_what_both_say_is_agreed_and_the_rest_goes_to_a_third_person(team):
    made = made_for(team)
    assert cells(made) == [(2, "a")]
    assert [place.kind for place in made.disagreements.all()] == ["missing", "class"]
    assert made.layer.kind == Layer.Kind.CONSENSUS and made.layer.annotations.filter(status="exhaustive").count() == 1


def test_decisions_become_the_consensus_and_the_readings_stay(team):
    before = list(Annotation.objects.filter(layer__kind="working").order_by("pk").values())
    made = made_for(team)
    missing, other_class = made.disagreements.all()
    decide(disagreement=missing.pk, by=team.reviewer, decision=side_of(missing, team, None))
    decide(disagreement=other_class.pk, by=team.reviewer, decision=side_of(other_class, team, "b"))
    made.refresh_from_db()
    assert cells(made) == [(2, "a"), (20, "b")]
    assert list(Annotation.objects.filter(layer__kind="working").order_by("pk").values()) == before
    decide(disagreement=other_class.pk, by=team.reviewer, decision="both")  # one may think again
    made.refresh_from_db()
    assert cells(made) == [(2, "a"), (20, "a"), (20, "b")] or cells(made) == [(2, "a"), (20, "b"), (20, "a")]
    decide(disagreement=other_class.pk, by=team.reviewer, decision="neither")
    made.refresh_from_db()
    assert cells(made) == [(2, "a")]


def test_an_edited_place_holds_the_cell_that_was_sent(team):
    made = made_for(team)
    for place in made.disagreements.all():
        sent = [cell((41, 3, 49, 11), label_class=team.b.pk, mask=mask(42, 4, 5, 4))]
        decide(disagreement=place.pk, by=team.reviewer, decision="edited", cells=sent)
    made.refresh_from_db()
    assert cells(made) == [(2, "a"), (41, "b"), (41, "b")]
    with pytest.raises(Invalid):
        decide(disagreement=place.pk, by=team.reviewer, decision="edited", cells=[cell((0, 0, 9000, 9000))])
    with pytest.raises(Invalid, match="1 to 10 cells"):
        decide(disagreement=place.pk, by=team.reviewer, decision="edited")
    with pytest.raises(Invalid, match="left, right"):
        decide(disagreement=place.pk, by=team.reviewer, decision="maybe")


def test_sides_are_drawn_by_chance_for_each_place():
    team = make_team(readings=2, is_blind=True, images=1, real=True)
    one, two = team.people
    places = product(range(0, 60, 4), range(0, 40, 4))
    many = [cell((x, y, x + 2, y + 2)) for x, y in places]
    read(team, team.items[0], one, *many)
    read(team, team.items[0], two)
    team.item = team.items[0]
    flipped = [place.is_flipped for place in made_for(team).disagreements.all()]
    assert 20 < sum(flipped) < len(flipped) - 20  # of 150; chance leaves this range once in 10 ** 19


def test_made_anew_a_decision_stays_where_the_readings_are_the_same(team):
    made = made_for(team)
    for place in made.disagreements.all():
        decide(disagreement=place.pk, by=team.reviewer, decision="left")
    sides = {place.key: (place.decision, place.is_flipped) for place in made.disagreements.all()}
    former = made.layer_id
    again = made_for(team, Parameters(Matching(iou=0.6), Method()))
    assert {place.key: (place.decision, place.is_flipped) for place in again.disagreements.all()} == sides
    assert not Layer.objects.filter(pk=former).exists() and again.parameters["iou"] == 0.6
    send_back(item_id=team.item.pk, by=team.reviewer, comment="move it")
    one = team.people[0]
    layer = working_layer(image=team.item.image, user=one)
    row = layer.annotations.get(x0=ELSEWHERE[0])
    moved = operation(effect(row.uid, cell((42, 4, 52, 14), label_class=team.a.pk), seen=row.last_op), action="move")
    _seq, (verdict,) = write_operations(layer=layer, author=one, operations=[moved])
    assert verdict.verdict == "accepted"
    with pytest.raises(ReadingsOpen):
        made_for(team)
    for user in team.people:
        services.finish_item(item_id=team.item.pk, user=user)
    changed = {place.kind: place.decision for place in made_for(team).disagreements.all()}
    assert changed == {"missing": "", "class": "left"}


def test_three_readers_decide_by_majority_staple_and_dawid_skene():
    team = make_team(readings=3, annotators=3, is_blind=True, images=1, real=True)
    name = LabelClassFactory(project=team.project, name="a", position=1)
    other = LabelClassFactory(project=team.project, name="b", position=2)
    for number, user in enumerate(team.people):
        shape = mask(3, 3, 8, 8 if number < 2 else 7)
        drawn = [cell((2, 2, 12, 12), label_class=name.pk, mask=shape)]
        drawn.append(cell((30, 2, 40, 12), label_class=(name if number < 2 else other).pk))
        if number == 0:
            drawn.append(cell((50, 30, 60, 40), label_class=name.pk))
        read(team, team.items[0], user, *drawn)
    team.item = team.items[0]
    for method in (Method(), Method("staple", "dawid_skene")):
        made = made_for(team, Parameters(Matching(), method))
        assert cells(made) == [(3, "a"), (30, "a")] or cells(made) == [(2, "a"), (30, "a")]
        assert made.disagreements.count() == 0


# -- who may, and bad luck


def test_a_reader_of_the_image_decides_nothing(team):
    made = made_for(team)
    place = made.disagreements.first()
    membership = team.project.memberships.get(user=team.people[0])
    membership.role = "reviewer"
    membership.save()
    with pytest.raises(OwnWork):
        decide(disagreement=place.pk, by=team.people[0], decision="left")
    client = APIClient()
    client.force_authenticate(team.people[0])
    assert client.get(reverse("image-consensus", args=[team.item.image_id])).status_code == 403


def test_open_readings_have_no_consensus_and_a_deleted_image_ends_the_job():
    team = make_team(readings=2, is_blind=True, images=1, real=True)
    image = team.items[0].image
    with pytest.raises(ReadingsOpen):
        ask_for_consensus(image=image, by=team.reviewer, parameters=DEFAULT)
    for user in team.people:
        read(team, team.items[0], user)
    job = ask_for_consensus(image=image, by=team.reviewer, parameters=DEFAULT)
    Image.objects.get(pk=image.pk).delete()
    run_now(job)
    assert job.facts == {"agreed": 0, "differing": 0} and not Consensus.objects.exists()


def test_readings_without_a_cell_have_an_empty_consensus():
    team = make_team(readings=2, is_blind=True, images=1, real=True)
    for user in team.people:
        read(team, team.items[0], user)
    team.item = team.items[0]
    made = made_for(team)
    assert cells(made) == [] and made.disagreements.count() == 0


# -- what learns from it, and what is judged by it


def test_a_round_learns_from_the_consensus_once_every_place_is_decided(team):
    Image.objects.filter(pk=team.item.image_id).update(split=Split.TRAIN)
    made = made_for(team)
    for place in made.disagreements.all():
        decide(disagreement=place.pk, by=team.reviewer, decision="both")
    (image,) = [i for i in freeze(team.project, learns=False).document().images if i.image == team.item.image_id]
    assert len(image.cells) == 4 and len(image.exhaustive) == 1  # both of the other class stand


def test_it_is_locked_as_reference_with_how_it_was_made_and_stays(team):
    Image.objects.filter(pk=team.item.image_id).update(split=Split.TEST)
    made = made_for(team)
    with pytest.raises(NothingDecided):
        lock_as_reference(project=team.project, by=team.owner)
    shaped = cell((41, 3, 49, 11), label_class=team.b.pk, mask=mask(42, 4, 5, 4))
    for place in made.disagreements.all():
        decide(disagreement=place.pk, by=team.reviewer, decision="edited", cells=[shaped])
    found = lock_as_reference(project=team.project, by=team.owner)
    assert (found.origin, found.readers, len(found.images)) == ("consensus", 2, 1)
    assert found.note == (
        "consensus of 1 images; majority/majority; 2 places decided by a person; blind readings; no proposals in sight"
    )
    with pytest.raises(ConsensusLocked):
        decide(disagreement=Disagreement.objects.first().pk, by=team.reviewer, decision="left")
    with pytest.raises(ConsensusLocked):
        made_for(team)


# -- over HTTP


def test_while_it_is_made_anew_the_page_has_no_sides_that_would_be_swapped_away(team):
    made_for(team)
    client = signed_in(team.reviewer)
    address = reverse("adjudication", args=[team.item.image_id])
    assert 'id="adjudication"' in page_text(client.get(address))
    client.post(reverse("make-consensus", args=[team.item.image_id]), {"shapes": "majority", "classes": "majority"})
    at_work = page_text(client.get(address))
    assert "Being computed" in at_work and 'id="adjudication"' not in at_work and "workspace.js" not in at_work


def test_the_api_from_two_readings_to_a_decision(team):
    client = APIClient()
    client.force_authenticate(team.reviewer)
    address = reverse("image-consensus", args=[team.item.image_id])
    assert client.get(address).status_code == 404
    asked = client.post(address, {}, format="json")
    assert asked.status_code == 202
    run_now(Job.objects.get(pk=asked.json()["id"]))
    made = client.get(address).json()
    assert (made["open"], made["readings"], len(made["disagreements"])) == (2, 2, 2)
    assert all(user.display_name not in str(made["disagreements"]) for user in team.people)
    assert str(working_layer(image=team.item.image, user=team.people[0]).pk) not in str(made)
    for place in made["disagreements"]:
        take = reverse("disagreement-decide", args=[place["id"]])
        assert client.post(take, {"take": "nobody"}, format="json").status_code == 422
        assert client.post(take, {"take": "side 3"}, format="json").status_code == 422
        assert client.post(take, {"take": "right"}, format="json").json()["decision"] == "right"
    assert client.get(address).json()["open"] == 0


def test_raw_votes_name_readers_once_every_place_is_decided(team):
    client = APIClient()
    client.force_authenticate(team.owner)
    address = reverse("consensus-votes", args=[team.project.pk])
    made = made_for(team)
    rows = list(csv.DictReader(io.StringIO(client.get(address).content.decode())))
    assert {row["reader"] for row in rows} == {"reader 1", "reader 2"} and len(rows) == 5
    for place in made.disagreements.all():
        decide(disagreement=place.pk, by=team.reviewer, decision="left")
    rows = list(csv.DictReader(io.StringIO(client.get(address).content.decode())))
    assert {row["reader"] for row in rows} == {user.display_name for user in team.people}
    send_back(item_id=team.item.pk, by=team.reviewer, comment="once more")
    assert client.get(address).content.decode().count("\n") == 1  # the readings are open again, and blinded


@pytest.mark.parametrize("take", ["side 0", "side \u00b2", "side 3", "side 99", "side 100", "side -1", "side", ""])
def test_a_side_that_is_not_there_is_declined(take, team):
    place = made_for(team).disagreements.first()
    client = APIClient()
    client.force_authenticate(team.reviewer)
    answer = client.post(reverse("disagreement-decide", args=[place.pk]), {"take": take}, format="json")
    assert_declined(answer, 422, field="take")


def test_the_side_of_a_cell_that_was_deleted_since_is_not_there(team):
    place = made_for(team).disagreements.get(kind="class")
    Annotation.objects.filter(uid__in=place.members).update(deleted=True)
    with pytest.raises(Invalid, match="no such side"):
        decide(disagreement=place.pk, by=team.reviewer, decision="side 1")


def test_a_place_that_is_made_anew_while_somebody_decides_is_declined(team):
    gone = made_for(team).disagreements.first().pk
    made_for(team)
    with pytest.raises(WrongState, match="made anew meanwhile"):
        decide(disagreement=gone, by=team.reviewer, decision="left")


def decided_for_test(team):
    Image.objects.filter(pk=team.item.image_id).update(split=Split.TEST)
    made = made_for(team)
    for place in made.disagreements.all():
        decide(disagreement=place.pk, by=team.reviewer, decision="left")
    return made


def test_the_consensus_of_a_deleted_image_is_shown_and_locked_nowhere(team):
    made = decided_for_test(team)
    delete_images(project=team.project, images=[team.item.image_id], by=team.owner)
    with pytest.raises(NothingDecided):
        lock_as_reference(project=team.project, by=team.owner)
    client = APIClient()
    client.force_authenticate(team.owner)
    votes = client.get(reverse("consensus-votes", args=[team.project.pk]))
    assert votes.content.decode().count("\n") == 1  # the header
    take = reverse("disagreement-decide", args=[made.disagreements.first().pk])
    assert client.post(take, {"take": "left"}, format="json").status_code == 404


def test_the_consensus_of_readings_that_were_opened_again_is_not_locked(team):
    decided_for_test(team)
    send_back(item_id=team.item.pk, by=team.reviewer, comment="once more")
    with pytest.raises(NothingDecided, match="closed readings"):
        lock_as_reference(project=team.project, by=team.owner)


def test_a_place_that_was_made_anew_is_not_found(team):
    made = made_for(team)
    gone = made.disagreements.first().pk
    made_for(team)
    client = APIClient()
    client.force_authenticate(team.reviewer)
    take = reverse("disagreement-decide", args=[gone])
    assert client.post(take, {"take": "left"}, format="json").status_code == 404
