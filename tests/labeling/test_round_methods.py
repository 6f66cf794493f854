"""Methods and prompters that are chosen in a round: what they need, what is said where it is missing, what they do."""

from dataclasses import replace

import numpy as np
import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from inference import registry
from inference.detectors import centre
from inference.documents.methods import BOXCELL_POINTS, METHODS, PROMPTERS
from inference.documents.snapshot import Snapshot
from inference.pipeline import compute
from inference.segmenters import unet
from inference.synthetic import tissue
from inference.weights import catalogue
from inference.worker import tasks
from labeling.annotations.models import Annotation
from labeling.errors import Invalid
from labeling.images.services import add_image
from labeling.projects.services import create_project
from labeling.rounds.configuration import configure
from labeling.rounds.execution.services import start_round
from labeling.rounds.methods import counts_of, offered
from labeling.rounds.models import Round
from labeling.rounds.readiness import limitations
from labeling.rounds.results.export import drawn_words, prompter_line
from labeling.rounds.snapshots import NothingToLearn
from tests.documents import cell_json, snapshot_image
from tests.factories import UserFactory
from tests.labeling.pages import page_text, signed_in
from tests.labeling.rounds import annotate, png_of, run_all

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def short_round(sent, monkeypatch, settings, tmp_path):
    """A work folder of this test's own, two steps of training, and nothing that reaches the broker."""
    settings.DATA_DIR = tmp_path
    for module in (centre, unet):
        few = replace(module.PRESETS["tiny"].schedule, steps=2, epoch=1)
        monkeypatch.setitem(module.PRESETS, "tiny", replace(module.PRESETS["tiny"], schedule=few, batch=1))


@pytest.fixture
def owner():
    return UserFactory()


def points_project(owner, *, side=192, cells=24, count=None, fields=2):
    """Synthetic tissue; the first field has a point in each cell (or in `count` of them), the second nothing."""
    project = create_project(owner=owner, name="counted", classes=("nucleus",))
    for number in range(fields):
        made = tissue(side, side, cells, seed=number)
        image = add_image(
            project=project, name=f"{number}.png", content=png_of(made.rgb), synthetic=True, split="train"
        )
        if number == 0:
            middles = (made.boxes[:count, :2] + made.boxes[:count, 2:]) / 2
            annotate(image, owner, np.concatenate([middles, middles], axis=1))
    return project


# -- what is declared


def test_every_prompter_that_a_round_offers_is_one_of_the_registry_and_the_other_way_round():
    known = {*registry.PROMPTERS, *(entry.name for entry in catalogue.ENTRIES.values() if entry.prompts)}
    assert set(PROMPTERS) == known


@pytest.mark.parametrize(
    ("cells", "missing"),
    [
        ({}, {"boxcell": 1, "boxcell-points": 20}),
        ({"points": 12}, {"boxcell": 1, "boxcell-points": 8}),
        ({"points": 12, "boxes": 8}, {"boxcell": 0, "boxcell-points": 0}),
        ({"masks": 30}, {"boxcell": 0, "boxcell-points": 0, "insta-sam": 0, "cfr-sam": 170}),
    ],
)
def test_a_box_has_a_centre_and_a_mask_has_both(cells, missing):
    found = {one.method.name: one.missing for one in offered(cells)}
    assert {name: found[name] for name in missing} == missing


def test_each_cell_of_a_snapshot_counts_once_as_the_most_that_is_said_of_it():
    mask = {"x": 1, "y": 1, "width": 8, "height": 1, "bits": "/w=="}
    cells = [cell_json([1, 1, 9, 9], mask=mask), cell_json([1, 1, 9, 9]), cell_json([4, 4, 4, 4])]
    assert counts_of([snapshot_image(cells=cells)]) == {"masks": 1, "boxes": 1, "points": 1}


# -- what is said before


def test_a_method_that_lacks_labels_is_declined_with_what_it_needs_and_what_there_is(owner, sent):
    project = points_project(owner, count=12)
    with pytest.raises(NothingToLearn, match=r"BoxCell from points needs 20 cells .*; you have 12") as declined:
        start_round(project=project, by=owner, preset="tiny", changes={"method": "boxcell-points"})
    assert declined.value.field == "method"
    with pytest.raises(NothingToLearn, match="BoxCell needs 1 cell that is a box; you have 0"):
        start_round(project=project, by=owner, preset="tiny")
    message = [one.text for one in limitations(project, method="boxcell-points")]
    assert any("needs 20 cells that are points or boxes; you have 12" in text for text in message)


def test_form_and_api_offer_methods_with_what_they_lack(owner, sent):
    project = points_project(owner, count=12)
    client = APIClient()
    client.force_authenticate(owner)
    found = client.get(reverse("round-before", args=[project.pk]), {"method": "boxcell-points"}).json()
    by_name = {one["name"]: one for one in found["methods"]}
    assert set(by_name) == set(METHODS)
    assert (by_name["boxcell-points"]["usable"], by_name["boxcell-points"]["missing"]) == (12, 8)
    page = page_text(signed_in(owner).get(reverse("project-rounds", args=[project.pk])))
    assert "BoxCell from points" in page and by_name["boxcell-points"]["sentence"] in page


@pytest.mark.parametrize("name", ["method", "prompter"])
def test_a_word_that_is_none_is_declined_with_those_that_are(name):
    with pytest.raises(Invalid, match=f"{name} must be one of .*, not 'magic'") as declined:
        configure("tiny", {name: "magic"})
    assert declined.value.field == name


# -- what they do


def test_the_usual_method_keeps_the_keys_that_it_had_and_another_has_its_own():
    image = snapshot_image(cells=[cell_json([1, 1, 9, 9])], exhaustive=[[0, 0, 64, 48]])
    content = Snapshot.model_validate({"version": 2, "classes": [], "images": [image.as_json()]})
    usual = compute.keys(content, configure("tiny"))
    assert compute.keys(content, configure("tiny", {"method": "boxcell"})) == usual
    assert "method" not in configure("tiny", {"method": "boxcell"}).as_json()
    other = compute.keys(content, configure("tiny", {"method": BOXCELL_POINTS.name}))
    assert all(other[kind] != usual[kind] for kind in ("pseudo_masks", "detector", "segmenter", "prediction"))
    grabcut = compute.keys(content, configure("tiny", {"prompter": "grabcut"}))
    assert grabcut["detector"] == usual["detector"] and grabcut["pseudo_masks"] != usual["pseudo_masks"]


def test_a_checkpoint_that_is_not_there_ends_the_round_with_the_way_to_get_it(owner, sent, monkeypatch, tmp_path):
    monkeypatch.setattr(catalogue, "folder", lambda: tmp_path)
    project = create_project(owner=owner, name="boxed", classes=("nucleus",))
    made = tissue(128, 128, 14, seed=0)
    image = add_image(project=project, name="a.png", content=png_of(made.rgb), synthetic=True, split="train")
    annotate(image, owner, made.boxes)
    round_ = start_round(project=project, by=owner, preset="tiny", changes={"prompter": "sam-vit-b"})
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.FAILED
    assert "sam-vit-b is not on this machine. Get it with boxwise models pull sam-vit-b" in round_.error


def test_a_round_from_points_gives_every_point_its_mask_and_proposes_on_the_rest(owner, sent):
    project = points_project(owner)
    round_ = start_round(project=project, by=owner, preset="tiny", changes={"method": "boxcell-points"})
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert (round_.state, round_.error) == (Round.State.PUBLISHED, "")
    assert round_.stages.get(kind="detector").artifact.facts["cells"] >= 20
    annotated = project.images.get(name="0.png")
    points = Annotation.objects.filter(layer__image=annotated, layer__kind="working", kind="cell")
    proposed = Annotation.objects.filter(layer__image=annotated, layer__kind="prediction", kind="cell")
    prompted = proposed.filter(derived_from__in=points.values("uid"))
    assert prompted.count() >= 0.8 * points.count()
    assert all(one.mask_bits is not None for one in prompted)
    assert proposed.exclude(pk__in=prompted).count() == 0  # every cell of the field has a point
    signed = signed_in(owner)
    assert "BoxCell from points ·" in page_text(signed.get(reverse("round", args=[project.pk, round_.number])))


def test_the_card_says_where_the_prompter_is_to_be_had():
    assert prompter_line("boxwise") == "- prompter: boxwise (comes with Boxwise)"
    assert "boxwise models pull sam-vit-b" in prompter_line("sam-vit-b")


def test_the_card_tells_points_from_boxes(owner, sent):
    project = points_project(owner)
    image = project.images.get(name="0.png")
    annotate(image, owner, np.array([[1, 1, 9, 9]], np.float64))
    round_ = start_round(project=project, by=owner, preset="tiny")
    points = counts_of(round_.snapshot.document().images)["points"]
    assert drawn_words(round_) == f"1 boxes and {points} points, of which this method learns nothing"
    round_.configuration = round_.parameters.with_(method="boxcell-points").as_json()
    assert drawn_words(round_) == f"1 boxes and {points} points"
