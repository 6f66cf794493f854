"""The log: exactly once, never over somebody else's work, and enough to rebuild everything."""

import threading
import uuid

import pytest
from django.db import IntegrityError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeling.annotations.models import Annotation, Layer, LayerHead, Operation
from labeling.annotations.replay import differences, replay
from labeling.annotations.services import ImmutableLayer, write_operations
from tests.factories import AnnotationFactory, ImageFactory, LabelClassFactory, LayerFactory, UserFactory
from tests.labeling.operations import cell, effect, mask, names, operation, region

pytestmark = pytest.mark.django_db


@pytest.fixture
def layer():
    return LayerFactory()


@pytest.fixture
def author():
    return UserFactory()


def send(layer, author, *operations):
    return write_operations(layer=layer, author=author, operations=list(operations))


def verdicts(layer, author, *operations):
    return [v.verdict for v in send(layer, author, *operations)[1]]


def test_a_drawn_cell_is_kept_and_numbered(layer, author):
    uid = uuid.uuid4()
    seq, (verdict,) = send(layer, author, operation(effect(uid, cell())))
    row = Annotation.objects.get(layer=layer, uid=uid)
    assert (seq, verdict.verdict, verdict.seq) == (1, "accepted", 1)
    assert (row.x0, row.y0, row.x1, row.y1, row.version, row.author) == (10, 10, 30, 24, 1, author)
    assert differences(layer) == []


def test_a_save_sent_twice_is_one_save(layer, author):
    drawn = operation(effect(uuid.uuid4(), cell()))
    first = send(layer, author, drawn)
    seq, (again,) = send(layer, author, drawn)
    assert (first[0], seq, again.verdict, again.seq) == (1, 1, "repeated", 1)
    assert Operation.objects.count() == Annotation.objects.count() == 1


def test_twice_in_one_batch_is_one_save_too(layer, author):
    drawn = operation(effect(uuid.uuid4(), cell()))
    assert verdicts(layer, author, drawn, drawn) == ["accepted", "repeated"]


def test_a_stale_effect_changes_nothing_and_is_told_the_current_state(layer, author):
    uid = uuid.uuid4()
    drawn = operation(effect(uid, cell()))
    moved = operation(effect(uid, cell((0, 0, 5, 5)), seen=drawn["op_id"]), action="move")
    late = operation(effect(uid, cell((1, 1, 9, 9)), seen=drawn["op_id"]), action="move")
    send(layer, author, drawn)
    send(layer, author, moved)
    _, (verdict,) = send(layer, UserFactory(), late)
    assert verdict.verdict == "stale"
    assert verdict.current[0]["last_op"] == moved["op_id"]
    assert verdict.current[0]["state"]["box"] == [0, 0, 5, 5]
    assert Annotation.objects.get(uid=uid).x1 == 5


def test_one_bad_operation_never_loses_the_others(layer, author):
    good, bad = operation(effect(uuid.uuid4(), cell())), operation(effect(uuid.uuid4(), cell((5, 5, 5, 9))))
    also_good = operation(effect(uuid.uuid4(), cell()))
    assert verdicts(layer, author, good, bad, {"op_id": "?"}, 7, also_good) == [
        "accepted",
        "invalid",
        "invalid",
        "invalid",
        "accepted",
    ]
    assert Annotation.objects.count() == 2


def test_what_is_no_operation_is_declined_as_the_operation_and_not_as_the_body(layer, author):
    _, (verdict,) = send(layer, author, 7)
    assert verdict.error == {"code": "invalid", "detail": "the operation must be an object", "field": ""}


@pytest.mark.parametrize("change", [{"box": [5, 5, 5, 9]}, {"derived_from": str(uuid.UUID(int=5))}, {"kind": "no"}])
def test_an_invalid_change_is_told_what_stands_so_that_the_browser_can_take_its_own_back(layer, author, change):
    uid = uuid.uuid4()
    drawn = operation(effect(uid, cell()))
    send(layer, author, drawn)
    bad = operation(effect(uid, cell() | change, seen=drawn["op_id"]), action="move")
    _, (verdict,) = send(layer, author, bad)
    (now,) = verdict.current
    assert (verdict.verdict, now["annotation"], now["last_op"]) == ("invalid", str(uid), drawn["op_id"])
    assert now["state"]["box"] == [10, 10, 30, 24]


def test_a_repeated_save_is_told_what_others_have_done_since(layer, author):
    uid = uuid.uuid4()
    drawn = operation(effect(uid, cell()))
    moved = operation(effect(uid, cell((1, 1, 9, 9)), seen=drawn["op_id"]), action="move")
    send(layer, author, drawn)
    send(layer, UserFactory(), moved)
    _, (verdict,) = send(layer, author, drawn)
    assert (verdict.verdict, verdict.current[0]["last_op"]) == ("repeated", moved["op_id"])
    assert (verdict.current[0]["version"], verdict.current[0]["state"]["box"]) == (2, [1, 1, 9, 9])


def test_a_chain_made_offline_is_replayed(layer, author):
    uid = uuid.uuid4()
    drawn = operation(effect(uid, cell()))
    moved = operation(effect(uid, cell((1, 1, 9, 9)), seen=drawn["op_id"]), action="move")
    deleted = operation(effect(uid, None, seen=moved["op_id"]), action="delete")
    undone = operation(effect(uid, cell((1, 1, 9, 9)), seen=deleted["op_id"]), action="undo", undoes=deleted["op_id"])
    assert verdicts(layer, author, drawn, moved, deleted, undone) == ["accepted"] * 4
    row = Annotation.objects.get(uid=uid)
    assert (row.deleted, row.version, row.x1) == (False, 4, 9)
    assert differences(layer) == []


def test_a_deleted_cell_can_be_brought_back_after_others_have_come(layer, author):
    uid = uuid.uuid4()
    drawn = operation(effect(uid, cell()))
    deleted = operation(effect(uid, None, seen=drawn["op_id"]), action="delete")
    send(layer, author, drawn, deleted)
    assert Annotation.objects.get(uid=uid).deleted
    send(layer, author, operation(effect(uuid.uuid4(), cell())))
    undone = operation(effect(uid, cell(), seen=deleted["op_id"]), action="undo", undoes=deleted["op_id"])
    assert verdicts(layer, author, undone) == ["accepted"]
    assert not Annotation.objects.get(uid=uid).deleted


def test_the_op_id_of_somebody_else_is_refused(layer, author):
    drawn = operation(effect(uuid.uuid4(), cell()))
    send(layer, author, drawn)
    _, (verdict,) = send(layer, UserFactory(), drawn)
    assert (verdict.verdict, verdict.error["field"]) == ("invalid", "op_id")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"box": [10, 10, 10, 24]}, "box"),
        ({"box": [-1, 10, 20, 24]}, "box"),
        ({"box": [10, 10, 65, 24]}, "box"),
        ({"box": [10, 10, float("nan"), 24]}, "box"),
        ({"box": [10, 10, float("inf"), 24]}, "box"),
        ({"box": [10, 10, 20]}, "box"),
        ({"box": None}, "box"),
        ({"box": ["10", 10, 20, 24]}, "box"),
        ({"kind": "polygon"}, "kind"),
        ({"status": "exhaustive"}, "status"),
        ({"label_class": 999_999}, "label_class"),
        ({"label_class": True}, "label_class"),
        ({"reason": "because"}, "reason"),
        ({"derived_from": "cell"}, "derived_from"),
        ({"derived_from": str(uuid.UUID(int=5))}, "derived_from"),
        ({"mask": mask(x=62)}, "mask"),
        ({"mask": mask(y=-1)}, "mask"),
        ({"mask": mask(width=5) | {"width": 0}}, "mask.width"),
        ({"mask": mask(width=5) | {"width": 50}}, "mask.bits"),
        ({"mask": mask() | {"bits": "AAAA"}}, "mask.bits"),
        ({"mask": mask() | {"bits": "not base64!"}}, "mask.bits"),
        ({"mask": mask() | {"bits": None}}, "mask.bits"),
        ({"mask": mask() | {"x": 1.5}}, "mask.x"),
        ({"mask": mask(width=3, height=1) | {"bits": "/w=="}}, "mask.bits"),  # bits set after the last pixel
        ({"mask": mask(width=8, height=1) | {"bits": "AA=="}}, "mask.bits"),  # no pixel
    ],
)
def test_impossible_geometry_is_refused_by_name(layer, author, change, field):
    _, (verdict,) = send(layer, author, operation(effect(uuid.uuid4(), cell() | change)))
    assert verdict.verdict == "invalid" and names(field, verdict.error["field"]), verdict.error


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"op_id": "x"}, "op_id"),
        ({"action": "steal"}, "action"),
        ({"session": None}, "session"),
        ({"begun_at": "yesterday"}, "begun_at"),
        ({"begun_at": "2026-11-21T10:00:00"}, "begun_at"),
        ({"begun_ms": 3000.0}, "committed_ms"),
        ({"begun_ms": None}, "begun_ms"),
        ({"activity": [5, 1]}, "activity"),
        ({"view": {"scale": 0.0, "outlines": True}}, "view.scale"),
        ({"view": {"scale": 1.0, "outlines": "yes"}}, "view.outlines"),
        ({"view": {"scale": 1.0, "outlines": True, "magnification": -5.0}}, "view.magnification"),
        ({"view": {"scale": 1.0}}, "view.outlines"),
        ({"effects": []}, "effects"),
        ({"effects": None}, "effects"),
    ],
)
def test_a_malformed_operation_is_refused_by_name(layer, author, change, field):
    _, (verdict,) = send(layer, author, operation(effect(uuid.uuid4(), cell()), **change))
    assert verdict.verdict == "invalid" and names(field, verdict.error["field"]), verdict.error


def test_an_operation_keeps_how_the_picture_was_shown(layer, author):
    view = {"scale": 2.5, "magnification": 20.0, "outlines": False, "second_image": None}
    sent = [operation(effect(uuid.uuid4(), cell()), view=view), operation(effect(uuid.uuid4(), cell()))]
    assert verdicts(layer, author, *sent) == ["accepted", "accepted"]
    assert list(layer.operations.values_list("view", flat=True)) == [view, None]


def test_a_class_of_another_project_is_refused_and_ones_own_is_taken(layer, author):
    own, foreign = LabelClassFactory(project=layer.image.project), LabelClassFactory()
    assert verdicts(layer, author, operation(effect(uuid.uuid4(), cell(label_class=foreign.pk)))) == ["invalid"]
    assert verdicts(layer, author, operation(effect(uuid.uuid4(), cell(label_class=own.pk)))) == ["accepted"]


def test_regions_are_in_the_log(layer, author):
    assert verdicts(layer, author, operation(effect(uuid.uuid4(), region()), action="region")) == ["accepted"]
    assert Annotation.objects.get().status == "exhaustive"


def test_predictions_are_never_written_through_the_log(author):
    layer = LayerFactory(kind=Layer.Kind.PREDICTION)
    with pytest.raises(ImmutableLayer):
        send(layer, author, operation(effect(uuid.uuid4(), cell())))


# -- proposals


@pytest.fixture
def proposal(layer):
    prediction = LayerFactory(image=layer.image, kind=Layer.Kind.PREDICTION)
    return AnnotationFactory(layer=prediction, provenance={"round": 3}, mask_x=12, mask_y=11, mask_width=5,
                             mask_height=4, mask_bits=b"\xff\xff\xf0")  # fmt: skip


def test_an_accepted_proposal_brings_its_provenance_whatever_the_client_says(layer, author, proposal):
    accepted = cell(mask=mask(), derived_from=str(proposal.uid), provenance={"round": 99, "edited": True})
    send(layer, author, operation(effect(uuid.uuid4(), accepted), action="accept"))
    row = Annotation.objects.get(layer=layer)
    assert row.provenance == {"round": 3, "proposal": str(proposal.uid), "edited": False}


def test_an_edited_proposal_says_so(layer, author, proposal):
    edited = cell(mask=mask(width=4), derived_from=str(proposal.uid))
    send(layer, author, operation(effect(uuid.uuid4(), edited), action="edit"))
    assert Annotation.objects.get(layer=layer).provenance["edited"] is True


def test_a_proposal_is_decided_once_per_layer(layer, author, proposal):
    first = operation(effect(uuid.uuid4(), cell(derived_from=str(proposal.uid))), action="accept")
    second = operation(effect(uuid.uuid4(), cell(derived_from=str(proposal.uid))), action="accept")
    assert verdicts(layer, author, first) == ["accepted"]
    _, (verdict,) = send(layer, UserFactory(), second)
    assert verdict.verdict == "stale"
    assert [c["annotation"] for c in verdict.current if c["state"]] == [first["effects"][0]["annotation"]]


def test_deleting_the_decision_frees_the_proposal(layer, author, proposal):
    uid = uuid.uuid4()
    first = operation(effect(uid, cell(derived_from=str(proposal.uid))), action="accept")
    undone = operation(effect(uid, None, seen=first["op_id"]), action="undo", undoes=first["op_id"])
    again = operation(
        effect(uuid.uuid4(), cell(status="rejected", derived_from=str(proposal.uid), reason="not_a_cell")),
        action="reject",
    )
    assert verdicts(layer, author, first, undone, again) == ["accepted"] * 3
    assert differences(layer) == []


def test_a_proposal_of_another_image_cannot_be_accepted_here(author, proposal):
    elsewhere = LayerFactory()
    accepted_as = operation(effect(uuid.uuid4(), cell(derived_from=str(proposal.uid))), action="accept")
    assert verdicts(elsewhere, author, accepted_as) == ["invalid"]


# -- what the database keeps when code fails


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"x0": -1}, "annotation_starts_in_image"),
        ({"x1": 10}, "annotation_has_area_or_is_point"),
        ({"status": "ignore"}, "annotation_status_fits_kind"),
        ({"mask_x": 3}, "annotation_mask_whole_or_absent"),
        (
            {"mask_x": 1, "mask_y": 1, "mask_width": 9, "mask_height": 1, "mask_bits": b"\xff"},
            "annotation_mask_bits_fit_box",
        ),
    ],
)
def test_the_database_refuses_an_impossible_annotation(wrong, rule):
    with pytest.raises(IntegrityError, match=rule):
        AnnotationFactory(**wrong)


def test_one_working_layer_for_everybody():
    layer = LayerFactory()
    with pytest.raises(IntegrityError, match="working_layer_once"):
        LayerFactory(image=layer.image)


# -- properties

CLIENTS, CELLS = 3, 3


@st.composite
def histories(draw):
    """What several clients do without seeing each other, in the order in which their sends arrive, some of them twice.

    Every act is (client, cell, "put" | "delete"); what a client has seen of a cell is its own last operation on it, or
    what it reads from the server when `looks` is set.
    """
    acts = draw(
        st.lists(
            st.tuples(
                st.integers(0, CLIENTS - 1),
                st.integers(0, CELLS - 1),
                st.sampled_from(["put", "put", "delete"]),
                st.booleans(),  # looks at the server first
                st.integers(0, 9),  # where the box lies
            ),
            min_size=1,
            max_size=14,
        )
    )
    repeats = draw(st.lists(st.integers(0, len(acts) - 1), max_size=6))
    order = draw(st.permutations(list(range(len(acts))) + repeats))
    return acts, order


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_any_interleaving_ends_like_some_serial_order(history):
    """Repeats and reordering of sends never corrupt: accepted operations, in seq order, are a serial history that a
    model without database agrees with, and the log rebuilds the rows."""
    acts, order = history
    layer, author = LayerFactory(), UserFactory()
    uids = [uuid.uuid4() for _ in range(CELLS)]
    seen_by = [dict[int, str | None]() for _ in range(CLIENTS)]
    sent = []
    for client, which, what, asks, place in acts:  # each client acts on its own view, offline
        seen = seen_by[client].get(which)
        after = cell((place, 0, place + 5, 7)) if what == "put" else None
        op = operation(effect(uids[which], after, seen=seen), action="draw")
        seen_by[client][which] = op["op_id"]
        sent.append((op, asks, which))
    model: dict[uuid.UUID, tuple[str, object]] = {}  # annotation -> (last op, after)
    accepted = set()
    for number in order:
        op, asks, which = sent[number]
        if asks and op["op_id"] not in accepted:
            last = model.get(uids[which])
            op["effects"][0]["seen"] = last and last[0]
        _, (verdict,) = send(layer, author, op)
        uid, one = uids[which], op["effects"][0]
        known = model.get(uid)
        if op["op_id"] in accepted:
            assert verdict.verdict == "repeated"
        elif one["seen"] != (known and known[0]):
            assert verdict.verdict == "stale"
        elif known is None and one["after"] is None:
            assert verdict.verdict == "invalid"
        else:
            assert verdict.verdict == "accepted"
            accepted.add(op["op_id"])
            model[uid] = (op["op_id"], one["after"])
            assert verdict.seq == len(accepted)
    assert differences(layer) == []
    rebuilt = replay(layer)
    assert {uid: (str(r.last_op), r.state and r.state["box"]) for uid, r in rebuilt.items()} == {
        uid: (op_id, after and after["box"]) for uid, (op_id, after) in model.items()
    }
    assert LayerHead.objects.get(layer=layer).seq == len(accepted)


@pytest.mark.django_db(transaction=True)
def test_writers_at_the_same_moment_keep_the_sequence_whole():
    layer, author = LayerFactory(), UserFactory()
    uid = uuid.uuid4()
    drawn = operation(effect(uid, cell()))
    send(layer, author, drawn)
    outcomes = []

    def write(number):
        try:
            own = operation(effect(uuid.uuid4(), cell()))
            contested = operation(effect(uid, cell((number, 0, number + 9, 9)), seen=drawn["op_id"]), action="move")
            outcomes.extend(v.verdict for v in send(layer, author, own, contested)[1])
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["accepted"] * 9 + ["stale"] * 7
    assert list(Operation.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 11))
    assert differences(layer) == []


def test_a_tampered_row_is_found(layer, author):
    send(layer, author, operation(effect(uuid.uuid4(), cell())))
    Annotation.objects.update(x1=44)
    assert len(differences(layer)) == 1


def test_images_of_a_layer_are_not_mixed(author):
    image = ImageFactory(width=20, height=20)
    layer = LayerFactory(image=image)
    assert verdicts(layer, author, operation(effect(uuid.uuid4(), cell((0, 0, 21, 10))))) == ["invalid"]
