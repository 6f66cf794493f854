"""COPY writes what bulk_create writes, and the database refuses the same."""

import uuid

import pytest
from django.db import IntegrityError, transaction

from labeling.annotations import bulk
from labeling.annotations.bulk import COLUMNS, copy_states
from labeling.annotations.models import Annotation, Effect
from labeling.annotations.replay import differences
from labeling.annotations.services import Loaded, load_layer, working_layer, write_operations
from labeling.annotations.state import AnnotationState, PackedMask, put_state
from labeling.projects.models import LabelClass
from tests.factories import ImageFactory, LabelClassFactory, LayerFactory, MembershipFactory
from tests.labeling.operations import cell, effect, operation

pytestmark = pytest.mark.django_db


def rows(layer, states):
    for uid, state in states:
        row = Annotation(layer=layer, uid=uid, score=0.25)
        put_state(row, state)
        yield row


@pytest.mark.parametrize("model", [Annotation, Effect, LabelClass])
def test_an_unsaved_instance_is_the_one_that_the_model_makes(model):
    made, plain = bulk.unsaved(model), model()
    fields = [field.attname for field in model._meta.concrete_fields]
    assert {name: getattr(made, name) for name in fields} == {name: getattr(plain, name) for name in fields}
    assert made._state.adding and made._state is not bulk.unsaved(model)._state


def test_unsaved_instances_share_no_default():
    first, second = bulk.unsaved(Annotation), bulk.unsaved(Annotation)
    first.provenance["models"] = {}
    assert second.provenance == {}


def test_every_column_but_the_key_is_copied():
    names = {f.column for f in Annotation._meta.concrete_fields} - {"id"}
    assert names == set(COLUMNS)


def test_copied_rows_are_the_rows_that_bulk_create_makes():
    a, b = LayerFactory(), LayerFactory()
    cls = LabelClassFactory(project=a.image.project)
    bits = PackedMask(3, 4, 5, 2, bytes([0, 9, 255, 92, 10, 13])[:2])  # zero, tab, newline, backslash survive
    states = [
        (
            uuid.uuid4(),
            AnnotationState(
                "cell",
                "confirmed",
                (0.1, 0.2, 1 / 3 + 5, 9e-3 + 7),
                label_class=cls.pk,
                mask=bits,
                derived_from=uuid.uuid4(),
                provenance={"models": {"detector": 'a "quoted"\tname\\N'}},
            ),
        ),
        (
            uuid.uuid4(),
            AnnotationState(
                "cell",
                "rejected",
                (1, 2, 3, 4),
                reason="not_a_cell",
                attributes={"Mitosis": "ja\t\\N"},
                parent=uuid.uuid4(),
            ),
        ),
        (uuid.uuid4(), AnnotationState("region", "exhaustive", (0, 0, 8, 8))),
    ]
    copy_states(a.pk, ((uid, state, 0.25) for uid, state in states))
    Annotation.objects.bulk_create(rows(b, states))
    fields = [f.attname for f in Annotation._meta.concrete_fields if f.attname not in ("id", "layer_id")]

    def kept(layer):
        found = layer.annotations.order_by("uid").values_list(*fields)
        return [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in found]

    assert kept(a) == kept(b) and len(kept(a)) == 3


def test_a_row_that_cannot_be_leaves_nothing_of_its_layer():
    image = ImageFactory()
    good = Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", (0, 0, 2, 2)))
    bad = Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", (5, 5, 5, 9)))  # no area
    with pytest.raises(IntegrityError, match="annotation_has_area"), transaction.atomic():
        load_layer(image=image, kind="prediction", loaded=[good, bad])
    assert not Annotation.objects.filter(layer__image=image).exists() and not image.layers.exists()


def test_nothing_is_copied_too():
    assert load_layer(image=ImageFactory(), kind="prediction", loaded=[]).annotations.count() == 0


def stored(layer):
    """Every row of a layer's log and its cells, without ids and times."""
    of_cells = [
        f.attname
        for f in Annotation._meta.concrete_fields
        if f.attname not in ("id", "layer_id", "author_id", "decided_by_id")
    ]
    cells = layer.annotations.order_by("uid").values(*of_cells)
    effects = Effect.objects.filter(operation__layer=layer).order_by("annotation__uid", "version")
    return list(cells), list(effects.values("annotation__uid", "operation__seq", "version", "before", "after"))


@pytest.mark.parametrize("extra", [{}, {"attributes": None}, {"reason": "boundary", "status": "rejected"}], ids=str)
def test_the_log_writes_the_same_rows_by_copy_as_by_insert(extra, monkeypatch):
    """Cells made, changed and deleted in one request, more and fewer than a COPY takes."""
    uids = [uuid.uuid4() for _ in range(bulk.FEW + 1)]
    made = operation(*[effect(uid, cell((1, 1, 9, 9.25), **extra)) for uid in uids], action="bulk")
    changed = operation(*[effect(uid, cell((2, 2, 8, 8)), seen=made["op_id"]) for uid in uids[:-1]], action="bulk")
    deleted = operation(effect(uids[0], None, seen=changed["op_id"]), action="delete")
    found = []
    for few in (bulk.FEW, 10**6):
        monkeypatch.setattr(bulk, "FEW", few)
        member = MembershipFactory(role="annotator")
        layer = working_layer(image=ImageFactory(project=member.project), user=member.user)
        _seq, verdicts = write_operations(layer=layer, author=member.user, operations=[made, changed, deleted])
        assert {one.verdict for one in verdicts} == {"accepted"}
        assert differences(layer) == []
        found.append(stored(layer))
    copied, inserted = found
    assert copied == inserted and len(copied[0]) == len(uids) and len(copied[1]) == 2 * len(uids)
