"""Two rounds beside each other: who reaches the page, what it lists, and the packs that its stages fetch."""

import numpy as np
import pytest
from django.urls import reverse

from inference.masks import unpack
from inference.synthetic import tissue
from labeling.annotations.packs import unpack_layer
from labeling.images.models import Split
from labeling.images.services import add_image
from labeling.projects.models import Role
from labeling.rounds.execution.services import start_round
from labeling.rounds.reference import lock
from tests.declined import assert_declined
from tests.factories import MembershipFactory, ProjectFactory, UserFactory
from tests.labeling.operations import region
from tests.labeling.pages import draw, signed_in
from tests.labeling.rounds import compared_project, png_of

pytestmark = pytest.mark.django_db
SIDE = 160


@pytest.fixture
def two_rounds(sent):
    owner = UserFactory()
    project, images, rounds, labels = compared_project(owner, SIDE)
    return project, owner, images, rounds, labels


def page_of(project, image, rounds) -> str:
    query = "&".join(f"round={round_.number}" for round_ in rounds)
    return f"{reverse('compare-image', args=[project.pk, image.pk])}?{query}"


def test_only_those_who_may_see_the_project_reach_it(two_rounds):
    project, _owner, images, rounds, _ = two_rounds
    viewer = MembershipFactory(project=project, role=Role.VIEWER).user
    query = f"?round={rounds[0].pk}&round={rounds[1].pk}"
    there = [page_of(project, images[1], rounds), reverse("image-overlay", args=[images[1].pk]) + query]
    there.append(reverse("image-reference-pack", args=[images[1].pk]))
    for address in there:
        assert signed_in(viewer).get(address).status_code == 200
        assert signed_in(UserFactory()).get(address).status_code == 404


def test_what_is_no_pair_of_finished_rounds_is_not_shown(two_rounds):
    project, owner, images, rounds, _ = two_rounds
    client = signed_in(owner)
    third = start_round(project=project, by=owner, preset="tiny")
    for pair in ([rounds[0]], [rounds[0], rounds[0]], [rounds[0], third]):
        assert client.get(page_of(project, images[1], pair)).status_code == 404
    other = ProjectFactory()
    other.memberships.create(user=owner, role=Role.OWNER)
    assert client.get(page_of(other, images[1], rounds)).status_code == 404


def test_the_page_lists_worst_first_and_the_comparison_leads_there(two_rounds):
    project, owner, images, rounds, _ = two_rounds
    client = signed_in(owner)
    compared = client.get(reverse("compare-rounds", args=[project.pk])).content.decode()
    assert page_of(project, images[1], rounds).replace("&", "&amp;") in compared
    page = client.get(page_of(project, images[1], rounds)).content.decode()
    assert f'data-image="{images[1].pk}"' in page and "PQ 0.300" in page
    assert page.index("field 1") < page.index('<option value="' + page_of(project, images[0], rounds).split("?")[0])
    assert 'id="previous-image"' not in page and 'id="next-image"' in page
    assert "disabled" not in page[page.index('data-against="reference"') :][:120]
    unlocked = client.get(page_of(project, images[0], rounds)).content.decode()
    assert "disabled" in unlocked[unlocked.index('data-against="reference"') :][:120]


def test_a_round_without_proposals_on_the_image_says_so(two_rounds):
    project, owner, images, rounds, _ = two_rounds
    page = signed_in(owner).get(page_of(project, images[2], rounds)).content.decode()
    assert "Nothing to compare on this image" in page and "Round 2 has published nothing on it." in page
    assert "workspace.js" not in page


def test_the_packs_hold_what_was_published_and_what_judges(two_rounds):
    _, owner, images, rounds, labels = two_rounds
    client = signed_in(owner)
    found = client.get(
        reverse("image-overlay", args=[images[1].pk]), {"round": [round_.pk for round_ in rounds]}
    ).json()
    assert [(r["id"], r["number"]) for r in found["rounds"]] == [(r.pk, r.number) for r in rounds]
    assert found["reference"] is True and found["image"]["width"] == SIDE

    def picture(address):
        header, columns = unpack_layer(client.get(address).content)
        found_labels = np.zeros((SIDE, SIDE), np.int32)
        for row in range(header["count"]):
            x, y, width, height = columns["mask_box"][4 * row : 4 * row + 4]
            bits = columns["mask_bits"][columns["mask_offset"][row] : columns["mask_offset"][row + 1]]
            found_labels[y : y + height, x : x + width][unpack(bits.tobytes(), width, height)] = row + 1
        return found_labels

    reference = picture(reverse("image-reference-pack", args=[images[1].pk]))
    np.testing.assert_array_equal(reference > 0, labels[1] > 0)
    assert len(np.unique(reference)) == len(np.unique(labels[1]))
    second = picture(reverse("layer-pack", args=[found["rounds"][1]["layer"]]))
    np.testing.assert_array_equal(second > 0, np.roll(labels[1], 5, axis=1) > 0)
    assert client.get(reverse("image-reference-pack", args=[images[0].pk])).status_code == 404
    # Masks that are no longer those that were locked are not shown as if they judged.
    with open(images[1].reference.path, "ab") as file:
        file.write(b"more")
    answer = client.get(reverse("image-reference-pack", args=[images[1].pk]))
    assert_declined(answer, 409, code="reference_changed")


def test_an_image_without_cells_has_an_empty_pack(two_rounds):
    project, owner, _, _, _ = two_rounds
    draw(project.images.first(), owner, region())  # the log of the working layer is none of a comparison's business
    empty = add_image(
        project=project, name="empty", content=png_of(tissue(64, 64, 2, seed=8).rgb), split=Split.VAL,
        reference=np.zeros((64, 64), np.uint16),
    )  # fmt: skip
    lock(project=project, by=owner, origin="exact")
    header, columns = unpack_layer(signed_in(owner).get(reverse("image-reference-pack", args=[empty.pk])).content)
    assert header["count"] == 0 and columns["mask_offset"].tolist() == [0]
