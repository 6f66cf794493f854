"""E17: the box of a cell contains its mask, whoever sends what."""

import json
import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.masks import pack, unpack
from labeling.annotations.contract import StateIn
from labeling.annotations.models import Annotation, Effect
from labeling.annotations.replay import differences
from labeling.annotations.services import working_layer, write_operations
from labeling.annotations.state import PackedMask, check_state, state_of, with_mask
from labeling.errors import Invalid
from tests.factories import AnnotationFactory, ImageFactory, MembershipFactory
from tests.labeling.operations import cell, effect, mask, names, operation

SIDE = 24


@st.composite
def boxes(draw):
    x0 = draw(st.floats(0, SIDE - 2))
    y0 = draw(st.floats(0, SIDE - 2))
    x1 = draw(st.floats(x0 + 0.5, SIDE))
    y1 = draw(st.floats(y0 + 0.5, SIDE))
    return (x0, y0, x1, y1)


@st.composite
def packed(draw):
    width = draw(st.integers(1, 8))
    height = draw(st.integers(1, 8))
    x = draw(st.integers(0, SIDE - width))
    y = draw(st.integers(0, SIDE - height))
    bits = np.array(draw(st.lists(st.booleans(), min_size=width * height, max_size=width * height)), bool)
    bits[draw(st.integers(0, len(bits) - 1))] = True
    return PackedMask(x, y, width, height, pack(bits.reshape(height, width)))


def pixels(one):
    rows, columns = np.nonzero(unpack(one.bits, one.width, one.height))
    return [(one.x + int(c), one.y + int(r)) for r, c in zip(rows, columns, strict=True)]


@settings(max_examples=500)
@given(boxes(), packed())
def test_the_box_grows_to_every_pixel_and_no_further(box, one):
    """Against brute force over the pixels."""
    x, y = zip(*pixels(one), strict=True)
    around = (min(x), min(y), max(x) + 1, max(y) + 1)
    apart = min(box[2], around[2]) <= max(box[0], around[0]) or min(box[3], around[3]) <= max(box[1], around[1])
    if apart:
        with pytest.raises(Invalid, match="lies outside its box") as declined:
            with_mask(box, one)
        assert declined.value.field == "mask"
        return
    found = with_mask(box, one)
    assert found == (*map(min, box[:2], around[:2]), *map(max, box[2:], around[2:]))
    assert with_mask(found, one) == found


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ((10, 10, 30, 24), (10, 10, 30, 24)),  # the mask is 12, 11 to 17, 15
        ((12, 11, 17, 15), (12, 11, 17, 15)),
        ((13.5, 12, 16, 14), (12, 11, 17, 15)),
        ((16, 14, 40, 40), (12, 11, 40, 40)),
        ((17, 10, 30, 24), None),  # touches
        ((30, 30, 40, 40), None),
    ],
)
def test_what_the_wire_says(sent, stored):
    data = StateIn.model_validate_json(json.dumps(cell(sent, mask=mask(12, 11, 5, 4))))
    parse = {"width": 64, "height": 48, "classes": frozenset(), "attributes": {}}
    if stored is None:
        with pytest.raises(Invalid, match="send the box of the same cell"):
            check_state(data, **parse)
    else:
        assert check_state(data, **parse).box == stored


@pytest.mark.django_db
def test_log_row_and_replay_know_the_same_box():
    member = MembershipFactory(role="annotator")
    layer = working_layer(image=ImageFactory(project=member.project), user=member.user)
    sent = operation(effect(uuid.uuid4(), cell((13, 12, 16, 14), mask=mask(12, 11, 5, 4))))
    other = operation(effect(uuid.uuid4(), cell((30, 30, 40, 40), mask=mask(12, 11, 5, 4))))
    _seq, verdicts = write_operations(layer=layer, author=member.user, operations=[sent, other])
    assert [v.verdict for v in verdicts] == ["accepted", "invalid"]
    assert names("mask", verdicts[1].error["field"])
    row = Annotation.objects.get(layer=layer)
    assert state_of(row).box == (12, 11, 17, 15)
    assert Effect.objects.get().after["box"] == [12, 11, 17, 15]
    assert differences(layer) == []


@pytest.mark.django_db
def test_a_row_from_before_the_rule_is_read_as_it_is():
    row = AnnotationFactory(
        x0=30, y0=30, x1=40, y1=40, mask_x=1, mask_y=1, mask_width=2, mask_height=1, mask_bits=b"\xc0"
    )
    found = state_of(row)
    assert found.box == (30, 30, 40, 40) and found.mask == PackedMask(1, 1, 2, 1, b"\xc0")
