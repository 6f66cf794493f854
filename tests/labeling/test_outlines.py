"""The outlines over a thumbnail: what is drawn, for whom, and that an unchanged picture is not sent again."""

import numpy as np
import pytest
from django.urls import reverse

from labeling.annotations.models import Layer
from labeling.annotations.outlines import outline_of
from labeling.workspace.outlines import mask_outline, outlines_of, shown_layers
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory
from tests.labeling.lots import a_project
from tests.labeling.operations import cell
from tests.labeling.pages import draw, signed_in

pytestmark = pytest.mark.django_db


def drawn(client, image):
    return client.get(reverse("image-outlines", args=[image.pk]))


def test_cells_are_outlined_in_the_colour_of_their_class():
    image = ImageFactory()
    member = MembershipFactory(project=image.project)
    red = LabelClassFactory(project=image.project, color="#d55e00")
    draw(image, member.user, cell((10, 10, 30, 24), label_class=red.pk))
    draw(image, member.user, cell((40, 10, 44, 14), status="rejected"))
    answer = drawn(signed_in(member.user), image)
    text = answer.content.decode()
    assert answer["Content-Type"] == "image/svg+xml"
    assert f'viewBox="0 0 {image.width} {image.height}"' in text
    core = f"#{bytes(outline_of('#d55e00').core).hex()}"
    assert f'd="M10 10L30 10L30 24L10 24Z" stroke="{core}"' in text
    assert "M40 10" not in text  # a rejected one is no cell


def test_a_point_is_a_dot():
    image = ImageFactory()
    member = MembershipFactory(project=image.project)
    draw(image, member.user, cell((20, 15, 20, 15)))
    text = drawn(signed_in(member.user), image).content.decode()
    assert text.count('d="M20 15h0"') == text.count('stroke-linecap="round"') == 2  # casing and core


def test_at_most_so_many_cells_are_drawn_whoever_made_them(monkeypatch):
    made = a_project(cells=3, classes=1)
    image = made.images[0]
    draw(image, made.owner, cell((1, 1, 9, 9)))
    monkeypatch.setattr("labeling.workspace.outlines.MOST_CELLS", 2)
    layers = shown_layers(image, made.owner)
    found = outlines_of(layers)
    assert [len(cells) for cells in found.decided.values()] == [1]
    assert [len(cells) for cells in found.proposed.values()] == [1]


def test_proposals_are_dashed_until_they_are_decided():
    made = a_project(cells=3, classes=1)
    client, image = signed_in(made.owner), made.images[0]
    before = drawn(client, image).content.decode()
    paths = before.split("<path")
    assert [("stroke-dasharray" in path) for path in paths[1:]] == [False, True]  # the casing has no gaps
    proposals = Layer.objects.get(image=image, kind="prediction").annotations.all()
    for proposal in proposals:
        rejected = cell((1, 1, 9, 9), status="rejected", derived_from=str(proposal.uid))
        draw(image, made.owner, rejected)
    assert "stroke-dasharray" not in drawn(client, image).content.decode()


def test_an_unchanged_picture_is_not_sent_again_and_a_changed_one_is():
    image = ImageFactory()
    member = MembershipFactory(project=image.project)
    client = signed_in(member.user)
    first = drawn(client, image)
    url = reverse("image-outlines", args=[image.pk])
    assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304
    draw(image, member.user, cell())
    assert client.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 200


def test_a_mask_is_outlined_by_the_ends_of_its_rows():
    bits = np.zeros((20, 10), bool)
    bits[5:15, 2:8] = True
    corners = mask_outline(100, 200, bits)
    assert {x for x, _y in corners} == {102, 108}
    assert (min(y for _x, y in corners), max(y for _x, y in corners)) == (205, 215)
    assert mask_outline(0, 0, np.ones((1, 1), bool)) == [(1, 1), (0, 1)]
