"""COPY writes what bulk_create writes, and the database refuses the same."""

import uuid

import pytest
from django.db import IntegrityError, transaction

from labeling.annotations.bulk import COLUMNS, copy_states
from labeling.annotations.models import Annotation
from labeling.annotations.services import Loaded, load_layer
from labeling.annotations.state import AnnotationState, PackedMask, put_state
from tests.factories import ImageFactory, LabelClassFactory, LayerFactory

pytestmark = pytest.mark.django_db


def rows(layer, states):
    for uid, state in states:
        row = Annotation(layer=layer, uid=uid, score=0.25)
        put_state(row, state)
        yield row


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
