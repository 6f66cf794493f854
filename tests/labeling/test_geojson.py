"""Outlines along pixel edges: filled again they are the mask, whatever its shape."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image as Picture
from PIL import ImageDraw
from shapely.geometry import shape

from inference.formats.outlines import area, geometry_of, rings_of
from inference.types import BoxMask


def filled(geometry, height, width):
    """Pixels whose centre is inside, counted by crossings: an oracle that knows nothing of rings' directions."""
    parts = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    inside = np.zeros((height, width), int)
    for part in parts:
        for ring in part:
            for (ax, ay), (bx, _) in pairwise(ring):
                inside[ay:, min(ax, bx) : max(ax, bx)] += ax != bx
    return inside % 2 == 1


@settings(deadline=None, max_examples=200)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(lambda bits: bits.any()))
def test_filling_the_outline_gives_the_mask_back(bits):
    height, width = bits.shape
    geometry = geometry_of(BoxMask(3, 2, bits))
    again = filled(geometry, height + 2, width + 3)
    assert (again[2:, 3:] == bits).all() and again.sum() == bits.sum()
    assert sum(area(ring) for ring in rings_of(bits)) == bits.sum()


@settings(deadline=None, max_examples=300)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(lambda bits: bits.any()))
def test_every_outline_is_valid_in_the_ogc_sense(bits):
    geometry = shape(geometry_of(BoxMask(3, 2, bits)))
    assert geometry.is_valid and geometry.area == bits.sum()


@pytest.mark.parametrize(
    "rows", [("11111", "10111", "11011", "11111"), ("1110", "1010", "1101", "0111")], ids=["holes", "ring"]
)
def test_borders_that_meet_at_a_corner_become_two_rings(rows):
    bits = np.array([[character == "1" for character in row] for row in rows])
    assert shape(geometry_of(BoxMask(0, 0, bits))).is_valid


def test_a_ring_has_a_hole_and_two_pieces_are_a_multipolygon():
    bits = np.ones((5, 5), bool)
    bits[2, 2] = False
    ring = geometry_of(BoxMask(0, 0, bits))
    assert ring["type"] == "Polygon" and len(ring["coordinates"]) == 2
    assert ring["coordinates"][0] == [[0, 0], [5, 0], [5, 5], [0, 5], [0, 0]]
    apart = np.array([[1, 0], [0, 1]], bool)  # a shared corner does not join them
    assert geometry_of(BoxMask(0, 0, apart))["type"] == "MultiPolygon"


def test_a_drawn_disc_is_one_polygon():
    canvas = Picture.new("1", (64, 64))
    ImageDraw.Draw(canvas).ellipse((10, 12, 50, 44), fill=1)
    bits = np.asarray(canvas)
    geometry = geometry_of(BoxMask(0, 0, bits))
    assert geometry["type"] == "Polygon" and len(geometry["coordinates"]) == 1
    assert (filled(geometry, 64, 64) == bits).all()


@pytest.mark.django_db
def test_the_export_is_a_file_an_image_with_class_and_attributes(client):
    import io
    import json
    import uuid
    import zipfile

    from django.urls import reverse

    from labeling.annotations.attributes import declare_attributes
    from labeling.annotations.services import working_layer, write_operations
    from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory
    from tests.labeling.operations import cell, effect, mask, operation

    member = MembershipFactory(role="owner")
    declare_attributes(project=member.project, text="Mitosis: no, yes")
    tumour = LabelClassFactory(project=member.project, name="tumour", color="#0072b2")
    image = ImageFactory(project=member.project)
    layer = working_layer(image=image, user=member.user)
    uid = uuid.uuid4()
    state = cell(mask=mask(), label_class=tumour.pk, attributes={"Mitosis": "yes"})
    write_operations(layer=layer, author=member.user, operations=[operation(effect(uid, state))])
    client.force_login(member.user)
    answer = client.get(reverse("export", args=[member.project_id, "geojson"]))
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as folder:
        (name,) = [name for name in folder.namelist() if name.startswith("geojson/")]
        (feature,) = json.loads(folder.read(name))["features"]
    assert feature["id"] == str(uid) and feature["geometry"]["type"] == "Polygon"
    assert feature["properties"]["classification"] == {"name": "tumour", "color": [0, 114, 178]}
    assert feature["properties"]["metadata"]["Mitosis"] == "yes"
