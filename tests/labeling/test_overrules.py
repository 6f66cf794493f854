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


def turned(uid, after, action, undoes, seen=None):
    """The undo or redo of an operation."""
    effects = effect(uid, after, seen=seen or undoes)
    return operation(effects, action=action, tool="keys", undoes=undoes)


def check(layer, uid, *, disputed, settled_by):
    """Fails unless the cell, the opinions of it and the log say so."""
    assert row_of(uid).disputed is disputed
    opinions = Opinion.objects.filter(annotation__uid=uid)
    assert {one.settled_by for one in opinions} == {settled_by and uuid.UUID(settled_by)}
    assert differences(layer) == []


@pytest.mark.parametrize("in_one_batch", [False, True])
def test_a_redo_of_the_undone_overrule_settles_the_opinion_again(in_one_batch, layer):
    uid, _one, two, lead = disputed_cell(layer)
    ruled = overrule(uid, row_of(uid).last_op, [two])
    undo = turned(uid, cell(), "undo", ruled["op_id"])
    redo = turned(uid, cell(status="rejected"), "redo", undo["op_id"])
    batches = [[ruled, undo, redo]] if in_one_batch else [[ruled], [undo], [redo]]
    for batch in batches:
        verdicts = send(layer, lead, *batch)
        assert {verdict.verdict for verdict in verdicts} == {"accepted"}
    row = row_of(uid)
    assert row.status == "rejected"
    assert row.decided_by == lead
    check(layer, uid, disputed=False, settled_by=redo["op_id"])
    send(layer, lead, turned(uid, cell(), "undo", redo["op_id"]))
    check(layer, uid, disputed=True, settled_by=None)


def test_a_redo_by_whoever_may_no_longer_overrule_settles_nothing(layer):
    uid, _one, two, lead = disputed_cell(layer)
    ruled = overrule(uid, row_of(uid).last_op, [two], status="confirmed")
    undo = turned(uid, cell(), "undo", ruled["op_id"])
    send(layer, lead, ruled, undo)
    layer.image.project.memberships.filter(user=lead).update(role=Role.ANNOTATOR)
    (verdict,) = send(layer, lead, turned(uid, cell(), "redo", undo["op_id"]))
    assert verdict.verdict == "accepted"
    check(layer, uid, disputed=True, settled_by=None)


def test_an_opinion_and_the_overrule_that_settles_it_come_in_one_batch(layer):
    uid, _one, two, lead = disputed_cell(layer)
    ruled = overrule(uid, row_of(uid).last_op, [two, lead])
    verdicts = send(layer, lead, opinion(uid, "rejected"), ruled)
    assert [verdict.verdict for verdict in verdicts] == ["accepted", "accepted"], verdicts[-1].error
    assert row_of(uid).status == "rejected"
    check(layer, uid, disputed=False, settled_by=ruled["op_id"])


def test_an_undo_that_leaves_the_overruled_cell_alone_still_says_that_it_is_disputed(layer):
    uid, one, two, lead = disputed_cell(layer)
    other = drawn(layer, one)
    (verdict,) = send(layer, lead, overrule(uid, row_of(uid).last_op, [two], status="confirmed"))
    send(layer, lead, turned(other, cell(), "undo", verdict.op_id, seen=row_of(other).last_op))
    check(layer, uid, disputed=True, settled_by=None)


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


class RandomActs:
    """A disputed cell, and what its people may do to it: each act is sent, whatever the log says of it."""

    def __init__(self) -> None:
        self.layer = LayerFactory()
        self.uid, _one, self.two, self.lead = disputed_cell(self.layer)
        self.last = self.undone = ""  # op_id of the newest overrule or redo, and of the newest undo

    def opinion_of(self, author, verdict):
        known = Opinion.objects.filter(annotation__uid=self.uid, author=author).first()
        return opinion(self.uid, verdict, seen=known and known.last_op)

    def overrules(self, status, authors, seen=None):
        ruled = overrule(self.uid, seen or row_of(self.uid).last_op, authors, status=status)
        self.last = ruled["op_id"]
        return ruled

    def turns(self, action, undoes, status="confirmed", seen=None):
        head = seen or row_of(self.uid).last_op
        return turned(self.uid, cell(status=status), action, undoes or None, seen=head)

    def opinion(self, status, verdict):
        send(self.layer, self.two, self.opinion_of(self.two, verdict))

    def own_opinion(self, status, verdict):
        given_ = self.opinion_of(self.lead, verdict)
        send(self.layer, self.lead, given_, self.overrules(status, [self.two, self.lead]))

    def overrule(self, status, verdict):
        send(self.layer, self.lead, self.overrules(status, [self.two]))

    def overrule_twice(self, status, verdict):
        ruled = self.overrules(status, [self.two])
        again = self.overrules("confirmed", [self.two], seen=ruled["op_id"])
        send(self.layer, self.lead, ruled, again)

    def undo(self, status, verdict):
        sent = self.turns("undo", self.last)
        self.undone = sent["op_id"]
        send(self.layer, self.lead, sent)

    def redo(self, status, verdict):
        sent = self.turns("redo", self.undone, status)
        self.last = sent["op_id"]
        send(self.layer, self.lead, sent)

    def undo_and_redo(self, status, verdict):
        undo = self.turns("undo", self.last)
        redo = self.turns("redo", undo["op_id"], status, seen=undo["op_id"])
        self.undone, self.last = undo["op_id"], redo["op_id"]
        send(self.layer, self.lead, undo, redo)


ACTS = ["opinion", "own_opinion", "overrule", "overrule_twice", "undo", "redo", "undo_and_redo"]
MEANINGS = [("confirmed", "accepted"), ("rejected", "rejected")]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(ACTS), st.sampled_from(MEANINGS)), max_size=8))
def test_whatever_happens_the_log_alone_says_the_same(steps):
    done = RandomActs()
    for act, (status, verdict) in steps:
        getattr(done, act)(status, verdict)
        assert differences(done.layer) == []
