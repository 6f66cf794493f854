"""Overruling: who may, what it settles, and that the log alone says the same as the rows."""

import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeling.annotations.models import Annotation, Opinion, Settlement
from labeling.annotations.replay import differences
from labeling.projects.models import Role
from tests.factories import LayerFactory, MembershipFactory
from tests.labeling.operations import cell, effect, operation
from tests.labeling.test_opinions import drawn, opinion, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def layer():
    return LayerFactory()


def people_of(layer):
    """Two annotators and a reviewer."""
    annotators = [MembershipFactory(project=layer.image.project).user for _ in range(2)]
    return [*annotators, MembershipFactory(project=layer.image.project, role=Role.REVIEWER).user]


def overrule(uid, seen, authors=(), status="rejected", **more):
    after = cell(status=status)
    settles = [{"annotation": str(uid), "author": author.pk} for author in authors]
    return operation(effect(uid, after, seen=seen), action="overrule", tool="keys", settles=settles, **more)


def row_of(uid) -> Annotation:
    return Annotation.objects.get(uid=uid)


def disputed_cell(layer):
    """A cell that one person has drawn, and that another one would reject -> its uid and the people."""
    one, two, lead = people_of(layer)
    uid = drawn(layer, one)
    (verdict,) = send(layer, two, opinion(uid, "rejected"))
    assert verdict.verdict == "accepted" and row_of(uid).disputed
    return uid, one, two, lead


def test_a_reviewer_decides_and_the_named_opinion_no_longer_disputes(layer):
    uid, _one, two, lead = disputed_cell(layer)
    (verdict,) = send(layer, lead, overrule(uid, row_of(uid).last_op, [two]))
    assert verdict.verdict == "accepted", verdict.error
    row, given_ = row_of(uid), Opinion.objects.get()
    assert (row.status, row.decided_by, row.disputed) == ("rejected", lead, False)
    assert (given_.verdict, given_.author, str(given_.settled_by)) == ("rejected", two, verdict.op_id)
    assert Settlement.objects.get().author == two and differences(layer) == []


def test_the_decision_may_be_upheld_against_an_opinion(layer):
    uid, one, two, lead = disputed_cell(layer)
    send(layer, lead, overrule(uid, row_of(uid).last_op, [two], status="confirmed"))
    row = row_of(uid)
    assert (row.status, row.decided_by, row.disputed) == ("confirmed", one, False)
    assert differences(layer) == []


def test_an_opinion_that_is_not_named_goes_on_disputing(layer):
    uid, _one, _two, lead = disputed_cell(layer)
    send(layer, lead, overrule(uid, row_of(uid).last_op, status="confirmed"))
    assert row_of(uid).disputed and differences(layer) == []


def test_who_gives_the_opinion_anew_disputes_anew(layer):
    uid, _one, two, lead = disputed_cell(layer)
    send(layer, lead, overrule(uid, row_of(uid).last_op, [two], status="confirmed"))
    seen = Opinion.objects.get().last_op
    (verdict,) = send(layer, two, opinion(uid, "unsure", seen=seen))
    assert verdict.verdict == "accepted"
    assert row_of(uid).disputed and Opinion.objects.get().settled_by is None and differences(layer) == []


def test_an_undo_of_the_overrule_makes_the_opinion_count_again(layer):
    uid, one, two, lead = disputed_cell(layer)
    before = row_of(uid).last_op
    (verdict,) = send(layer, lead, overrule(uid, before, [two]))
    undo = operation(
        effect(uid, cell(), seen=verdict.op_id), action="undo", tool="keys", undoes=verdict.op_id
    )  # fmt: skip
    send(layer, lead, undo)
    row = row_of(uid)
    assert (row.status, row.decided_by, row.disputed) == ("confirmed", one, True)
    assert Opinion.objects.get().settled_by is None and differences(layer) == []


@pytest.mark.parametrize("who", [0, 1])
def test_an_annotator_overrules_nobody(who, layer):
    people = disputed_cell(layer)
    uid = people[0]
    (verdict,) = send(layer, people[1 + who], overrule(uid, row_of(uid).last_op, [people[2]]))
    assert verdict.verdict == "invalid" and "as an opinion" in verdict.error["detail"]
    assert row_of(uid).disputed and not Settlement.objects.exists()


WRONG = {
    "an opinion that nobody gave": lambda uid, one, two: {"settles": [{"annotation": str(uid), "author": one.pk}]},
    "another cell": lambda uid, one, two: {"settles": [{"annotation": str(uuid.uuid4()), "author": two.pk}]},
    "twice": lambda uid, one, two: {"settles": 2 * [{"annotation": str(uid), "author": two.pk}]},
    "no list": lambda uid, one, two: {"settles": {"annotation": str(uid)}},
    "no object": lambda uid, one, two: {"settles": [7]},
    "another action": lambda uid, one, two: {
        "action": "reject",
        "settles": [{"annotation": str(uid), "author": two.pk}],
    },
}


@pytest.mark.parametrize("how", WRONG)
def test_what_an_overrule_settles_must_be_there(how, layer):
    uid, one, two, lead = disputed_cell(layer)
    sent = overrule(uid, row_of(uid).last_op) | WRONG[how](uid, one, two)
    (verdict,) = send(layer, lead, sent)
    assert verdict.verdict == "invalid" and verdict.error["field"].partition(".")[0] == "settles"
    assert row_of(uid).status == "confirmed" and differences(layer) == []


def test_an_overrule_draws_and_deletes_nothing(layer):
    uid, _one, _two, lead = disputed_cell(layer)
    gone = overrule(uid, row_of(uid).last_op) | {
        "effects": [effect(uid, None, seen=row_of(uid).last_op)]
    }  # fmt: skip
    new = operation(effect(uuid.uuid4(), cell()), action="overrule", tool="keys")
    assert [v.verdict for v in send(layer, lead, gone, new)] == ["invalid", "invalid"]


def test_who_overrules_without_having_seen_the_last_change_is_stale(layer):
    uid, _one, two, lead = disputed_cell(layer)
    (verdict,) = send(layer, lead, overrule(uid, uuid.uuid4(), [two]))
    assert verdict.verdict == "stale" and row_of(uid).disputed


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(["opinion", "overrule", "undo", "both"]), st.booleans()), max_size=8))
def test_whatever_happens_the_log_alone_says_the_same(steps):
    layer = LayerFactory()
    uid, _one, two, lead = disputed_cell(layer)
    last = None
    for act, confirms in steps:
        known = Opinion.objects.get(annotation__uid=uid, author=two)
        given_ = opinion(uid, "accepted" if confirms else "rejected", seen=known.last_op)
        ruled = overrule(uid, row_of(uid).last_op, [two], status="confirmed" if confirms else "rejected")
        if act == "opinion":
            send(layer, two, given_)
        elif act == "overrule":
            (last,) = send(layer, lead, ruled)
        elif act == "both":  # in one batch of the reviewer, the second rests on the first
            again = overrule(uid, ruled["op_id"], [two], status="confirmed")
            *_first, last = send(layer, lead, ruled, again)
        elif last is not None:
            after = cell(status="confirmed")
            send(layer, lead, operation(effect(uid, after, seen=row_of(uid).last_op), action="undo", undoes=last.op_id))
        assert differences(layer) == []
