"""Second verdicts: kept beside the decision, in the log, in packs and tails, and what they make disputed."""

import uuid
from importlib import import_module

import pytest
from django.db import connection
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from labeling.annotations.models import Annotation, Layer, Operation, Opinion
from labeling.annotations.packs import pack_layer, unpack_layer
from labeling.annotations.replay import differences
from labeling.annotations.services import write_operations
from labeling.annotations.state import state_of
from labeling.projects.models import Project
from tests.factories import (
    AnnotationFactory,
    LabelClassFactory,
    LayerFactory,
    MembershipFactory,
    UserFactory,
)
from tests.labeling.exports import exported_coco
from tests.labeling.operations import cell, effect, mask, operation

pytestmark = pytest.mark.django_db


@pytest.fixture
def layer():
    return LayerFactory()


@pytest.fixture
def people(layer):
    return [MembershipFactory(project=layer.image.project).user for _ in range(3)]


def send(layer, author, *operations):
    return write_operations(layer=layer, author=author, operations=list(operations))[1]


def opinion(annotation, verdict, *, seen=None, action="opinion", **more):
    after = None if verdict is None else {"verdict": verdict} | more
    printed = {"annotation": str(annotation), "seen": seen and str(seen), "after": after}
    return operation(action=action, tool="keys", opinions=[printed])


def drawn(layer, author, **state):
    uid = uuid.uuid4()
    (verdict,) = send(layer, author, operation(effect(uid, cell(**state))))
    assert verdict.verdict == "accepted"
    return uid


@pytest.mark.parametrize(
    ("status", "printed", "disputed"),
    [
        ("confirmed", "accepted", False),
        ("confirmed", "rejected", True),
        ("confirmed", "unsure", True),
        ("cannot_tell", "unsure", False),
        ("cannot_tell", "accepted", True),
        ("rejected", "rejected", False),
        ("rejected", "accepted", True),
    ],
)
def test_an_opinion_is_kept_and_disputes_only_where_it_differs(layer, people, status, printed, disputed):
    uid = drawn(layer, people[0], status=status)
    before = state_of(Annotation.objects.get(uid=uid))
    (verdict,) = send(layer, people[1], opinion(uid, printed, reason="boundary"))
    row = Annotation.objects.get(uid=uid)
    assert verdict.verdict == "accepted"
    assert (state_of(row), row.version, row.author, row.decided_by) == (before, 1, people[0], people[0])
    assert row.disputed == disputed
    kept = Opinion.objects.get()
    assert (kept.annotation, kept.author, kept.verdict, kept.reason) == (row, people[1], printed, "boundary")
    assert Operation.objects.get(action="opinion").author == people[1]
    assert differences(layer) == []


def test_an_opinion_with_another_class_disputes_a_confirmed_cell(layer, people):
    ours, theirs = (LabelClassFactory(project=layer.image.project).pk for _ in range(2))
    uid = drawn(layer, people[0], label_class=ours)
    same = opinion(uid, "accepted", label_class=ours)
    send(layer, people[1], same)
    assert not Annotation.objects.get(uid=uid).disputed
    send(layer, people[1], opinion(uid, "accepted", label_class=theirs, seen=same["op_id"]))
    assert Annotation.objects.get(uid=uid).disputed
    assert differences(layer) == []


def test_the_decider_changes_the_own_decision_and_settles_the_dispute(layer, people):
    uid = drawn(layer, people[0])
    first = Annotation.objects.get(uid=uid).last_op
    send(layer, people[1], opinion(uid, "unsure"))
    changed = operation(effect(uid, cell(status="cannot_tell"), seen=first), action="cannot_tell")
    (verdict,) = send(layer, people[0], changed)
    row = Annotation.objects.get(uid=uid)
    assert (verdict.verdict, row.status, row.disputed) == ("accepted", "cannot_tell", False)
    assert differences(layer) == []


def test_an_opinion_is_no_version_of_the_cell_so_nobody_s_edit_becomes_stale(layer, people):
    uid = drawn(layer, people[0])
    seen = Annotation.objects.get(uid=uid).last_op
    send(layer, people[1], opinion(uid, "rejected"))
    (verdict,) = send(layer, people[0], operation(effect(uid, cell((1, 1, 9, 9)), seen=seen), action="move"))
    assert verdict.verdict == "accepted"


def test_an_opinion_is_undone_and_redone(layer, people):
    uid = drawn(layer, people[0])
    given_ = opinion(uid, "rejected")
    undone = opinion(uid, None, seen=given_["op_id"], action="undo") | {"undoes": given_["op_id"]}
    redone = opinion(uid, "rejected", seen=undone["op_id"], action="redo") | {"undoes": undone["op_id"]}
    states = []
    for op in (given_, undone, redone):
        assert [v.verdict for v in send(layer, people[1], op)] == ["accepted"]
        states.append((Opinion.objects.get().verdict, Annotation.objects.get(uid=uid).disputed))
    assert states == [("rejected", True), ("", False), ("rejected", True)]
    assert differences(layer) == []


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("own decision", "invalid"),
        ("deleted cell", "stale"),
        ("region", "invalid"),
        ("no such cell", "stale"),
        ("an opinion that has changed", "stale"),
        ("nothing to withdraw", "invalid"),
        ("an effect beside it", "invalid"),
        ("another action", "invalid"),
        ("no verdict", "invalid"),
        ("a verdict over somebody else's", "invalid"),
    ],
)
def test_what_is_no_opinion_is_refused(layer, people, what, answer):
    decider, other = people[:2]
    uid = drawn(layer, decider)
    last = Annotation.objects.get(uid=uid).last_op
    author, op = other, opinion(uid, "rejected")
    if what == "own decision":
        author = decider
    elif what == "deleted cell":
        send(layer, decider, operation(effect(uid, None, seen=last), action="delete"))
    elif what == "region":
        op = opinion(drawn(layer, decider, kind="region", status="ignore"), "rejected")
    elif what == "no such cell":
        op = opinion(uuid.uuid4(), "rejected")
    elif what == "an opinion that has changed":
        send(layer, other, opinion(uid, "unsure"))
    elif what == "nothing to withdraw":
        op = opinion(uid, None)
    elif what == "an effect beside it":
        op["effects"] = [effect(uuid.uuid4(), cell())]
    elif what == "another action":
        op["action"] = "reject"
    elif what == "no verdict":
        op["opinions"][0]["after"] = {"verdict": "perhaps"}
    else:
        op = operation(effect(uid, cell(status="rejected"), seen=last), action="reject")
    (verdict,) = send(layer, author, op)
    assert verdict.verdict == answer, verdict
    row = Annotation.objects.get(uid=uid)
    assert row.status == "confirmed" and differences(layer) == []


def test_a_layer_of_one_s_own_has_no_opinions(people, layer):
    project = layer.image.project
    Project.objects.filter(pk=project.pk).update(layering=Project.Layering.PER_ANNOTATOR)
    own = LayerFactory(image=layer.image, annotator=people[0])
    uid = drawn(own, people[0])
    (verdict,) = send(own, people[1], opinion(uid, "rejected"))
    assert verdict.verdict == "invalid" and Opinion.objects.count() == 0


def test_who_moves_a_cell_has_not_decided_it_and_an_undo_gives_the_decision_back(layer, people):
    """The box is A's. B accepts a proposal into it and takes that back: the decision is A's again."""
    first, second = people[:2]
    source = LayerFactory(image=layer.image, kind=Layer.Kind.PREDICTION)
    proposal = AnnotationFactory(layer=source)
    uid = drawn(layer, first)

    def now():
        return Annotation.objects.get(uid=uid)

    send(layer, second, operation(effect(uid, cell((2, 2, 9, 9)), seen=now().last_op), action="move"))
    assert (now().author, now().decided_by) == (second, first)
    accepted = operation(
        effect(uid, cell((2, 2, 9, 9), derived_from=str(proposal.uid)), seen=now().last_op), action="accept"
    )
    undone = operation(effect(uid, cell((2, 2, 9, 9)), seen=accepted["op_id"]), action="undo", undoes=accepted["op_id"])
    send(layer, second, accepted)
    assert now().decided_by == second
    send(layer, second, undone)
    assert now().decided_by == first
    deleted = operation(effect(uid, None, seen=now().last_op), action="delete")
    send(layer, second, deleted)
    send(layer, second, operation(effect(uid, cell((2, 2, 9, 9)), seen=deleted["op_id"]), action="undo"))
    assert now().decided_by == first
    assert differences(layer) == []


def test_a_decision_moves_from_the_box_to_a_rejection_and_back_in_one_operation(layer, people):
    """X on an own accepted proposal whose box the person had drawn: the box stays, the proposal is rejected."""
    source = LayerFactory(image=layer.image, kind=Layer.Kind.PREDICTION)
    proposal = str(AnnotationFactory(layer=source).uid)
    uid, rejection = drawn(layer, people[0]), uuid.uuid4()
    kept_back = cell(derived_from=proposal, mask=mask())
    accepted = operation(effect(uid, kept_back, seen=Annotation.objects.get(uid=uid).last_op), action="accept")
    rejected = operation(
        effect(uid, cell(), seen=accepted["op_id"]),
        effect(rejection, cell(status="rejected", derived_from=proposal)),
        action="reject",
    )
    undone = operation(
        effect(uid, kept_back, seen=rejected["op_id"]), effect(rejection, None, seen=rejected["op_id"]), action="undo"
    )
    for op in (accepted, rejected, undone):
        assert [v.verdict for v in send(layer, people[0], op)] == ["accepted"]
    assert Annotation.objects.get(uid=uid).derived_from == uuid.UUID(proposal)
    assert differences(layer) == []


def test_the_migration_finds_who_has_decided(layer, people):
    first, second = people[:2]
    uid, other = drawn(layer, first), drawn(layer, second, status="cannot_tell")
    moved = operation(effect(uid, cell((1, 1, 9, 9)), seen=Annotation.objects.get(uid=uid).last_op), action="move")
    deleted = operation(effect(uid, None, seen=moved["op_id"]), action="delete")
    undone = operation(effect(uid, cell((1, 1, 9, 9)), seen=deleted["op_id"]), action="undo")
    send(layer, second, moved, deleted, undone)
    Annotation.objects.update(decided_by=None)
    with connection.cursor() as cursor:
        cursor.execute(import_module("labeling.migrations.0019_opinions").DECIDERS)
    assert dict(Annotation.objects.values_list("uid", "decided_by")) == {uid: first.pk, other: second.pk}
    assert differences(layer) == []


def test_packs_tails_heads_and_people_carry_opinions_and_exports_do_not_change(layer, people):
    decider, other = people[:2]
    uid = drawn(layer, decider, mask=mask())
    exported = exported_coco(layer.image.project)["annotations"]
    given_ = opinion(uid, "rejected", reason="not_a_cell")
    send(layer, other, given_)
    client = APIClient()
    client.force_authenticate(decider)

    header, columns = unpack_layer(pack_layer(Layer.objects.get(pk=layer.pk))[1])
    (packed,) = header["opinions"]
    assert (packed["annotation"], packed["verdict"], packed["author"]["id"]) == (str(uid), "rejected", other.pk)
    assert (list(columns["disputed"]), list(columns["decided_by"])) == ([1], [decider.pk])

    tail = client.get(reverse("layer-operations", args=[layer.pk]), {"after": 1}).json()
    (reported,) = tail["operations"]
    after = {"verdict": "rejected", "label_class": None, "reason": "not_a_cell"}
    assert (reported["action"], reported["author"]["id"], reported["effects"]) == ("opinion", other.pk, [])
    assert reported["opinions"] == [{"annotation": str(uid), "before": None, "after": after}]

    asked = {"annotation": [str(uid), str(uuid.UUID(int=1))]}
    known, unknown = client.get(reverse("layer-heads", args=[layer.pk]), asked).json()["annotations"]
    assert (known["operation"]["action"], known["operation"]["author"]["id"]) == ("draw", decider.pk)
    assert (known["disputed"], known["decided_by"], known["opinions"][0]["verdict"]) == (True, decider.pk, "rejected")
    assert (unknown["version"], unknown["state"], unknown["operation"]) == (0, None, None)

    opened = client.get(reverse("image-workspace", args=[layer.image.pk])).json()
    assert {p["id"] for p in opened["people"]} == {decider.pk, other.pk}
    assert exported_coco(layer.image.project)["annotations"] == exported
    assert len(exported) == 1


def test_a_stale_answer_says_who_stands_in_the_way(layer, people):
    uid = drawn(layer, people[0])
    late = operation(effect(uid, cell((1, 1, 9, 9))), action="move")
    (verdict,) = send(layer, people[1], late)
    assert verdict.verdict == "stale"
    assert verdict.current[0]["author"] == {"id": people[0].pk, "name": people[0].display_name}


def test_a_deleted_cell_s_head_names_who_deleted_it(layer, people):
    uid = drawn(layer, people[0])
    drawn_by = Annotation.objects.get(uid=uid).last_op
    send(layer, people[1], operation(effect(uid, None, seen=drawn_by), action="delete"))
    client = APIClient()
    client.force_authenticate(people[0])
    (head,) = client.get(reverse("layer-heads", args=[layer.pk]), {"annotation": str(uid)}).json()["annotations"]
    assert head["state"] is None and head["version"] == 2
    assert (head["operation"]["action"], head["operation"]["author"]["id"]) == ("delete", people[1].pk)


@pytest.mark.parametrize(
    "asked", [{}, {"annotation": ["x"]}, {"annotation": [str(uuid.UUID(int=n)) for n in range(101)]}]
)
def test_heads_are_asked_for_by_name_and_not_too_many_at_once(layer, people, asked):
    client = APIClient()
    client.force_authenticate(people[0])
    assert client.get(reverse("layer-heads", args=[layer.pk]), asked).status_code == 422


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(
        st.tuples(
            st.integers(0, 2),  # who
            st.integers(0, 1),  # which cell
            st.sampled_from(["draw", "verdict", "opinion", "opinion", "undo", "delete"]),
            st.sampled_from(["confirmed", "rejected", "cannot_tell"]),
        ),
        max_size=25,
    )
)
def test_whatever_people_do_the_log_says_the_same_and_opinions_change_no_state(acts):
    """Random acts of three people on two cells; a person does what the rules allow, or is refused."""
    layer, authors = LayerFactory(), [UserFactory() for _ in range(3)]
    uids = [uuid.uuid4() for _ in range(2)]
    verdict_of = {"confirmed": "accepted", "rejected": "rejected", "cannot_tell": "unsure"}
    for who, which, act, status in acts:
        author, uid = authors[who], uids[which]
        row = Annotation.objects.filter(layer=layer, uid=uid).first()
        own = Opinion.objects.filter(annotation__uid=uid, author=author).first()
        before = state_of(row) if row else None
        if act == "opinion":
            (answer,) = send(layer, author, opinion(uid, verdict_of[status], seen=own and own.last_op))
            allowed = before is not None and row.decided_by_id != author.pk
            assert (answer.verdict == "accepted") == allowed
            assert (state_of(Annotation.objects.get(uid=uid)) if row else None) == before
        elif act == "undo" and own is not None:
            op = opinion(uid, None, seen=own.last_op, action="undo")
            (answer,) = send(layer, author, op)
            assert (answer.verdict == "accepted") == (before is not None and own.verdict != "")
        else:
            after = None if act == "delete" else cell(status=status)
            action = {"verdict": "reject", "delete": "delete"}.get(act, "draw")
            send(layer, author, operation(effect(uid, after, seen=row and row.last_op), action=action))
        assert differences(layer) == []
