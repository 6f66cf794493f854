"""What is said before a round starts and after it has ended: limits, time, and images without proposals."""

from datetime import timedelta

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from inference.documents.publication import PublicationFacts
from inference.synthetic import tissue
from labeling.annotations.models import Annotation
from labeling.images.models import Image, Split
from labeling.images.services import add_image
from labeling.projects.services import create_project
from labeling.rounds.execution.services import start_round
from labeling.rounds.models import Round, Stage
from labeling.rounds.readiness import limitations
from labeling.rounds.results import estimate as estimating
from labeling.rounds.results.estimate import CALIBRATION, estimate, share_of_processors
from labeling.rounds.results.outcome import causes_of_none, outcome_of, words_of
from labeling.rounds.results.publishing import publish
from labeling.rounds.snapshots import freeze
from labeling.rounds.weights.promotion import became_current
from tests.documents import CERTIFICATE, NO_NAMES, cell_json, snapshot_image, snapshot_of
from tests.factories import UserFactory
from tests.labeling.pages import page_text, proposals, signed_in
from tests.labeling.rounds import annotate, png_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_broker(sent):
    """Nothing reaches the broker."""


@pytest.fixture
def owner():
    return UserFactory()


def field(project, seed, *, split=Split.TRAIN, annotated=None, cells=90, **facts):
    """One synthetic image, with its boxes drawn by `annotated`."""
    made = tissue(256, 256, cells, seed=seed)
    content = png_of(made.rgb)
    image = add_image(project=project, name=f"{seed}.png", content=content, split=split, **facts)
    if annotated is not None:
        annotate(image, annotated, made.boxes)
    return image


def good_project(owner):
    """Two annotated training images of different slides and one for validation: nothing limits it."""
    project = create_project(owner=owner, name="good", classes=("nucleus",))
    for seed, split in enumerate((Split.TRAIN, Split.TRAIN, Split.VAL)):
        field(project, seed, split=split, annotated=owner, stain="H&E", um_per_px=0.25, patient=f"slide {seed}")
    return project


def codes(project, **options):
    return [one.code for one in limitations(project, **options)]


def test_a_good_project_has_no_limits(owner):
    project = good_project(owner)
    assert Annotation.objects.filter(layer__image__project=project, kind="cell").count() > 150
    assert codes(project) == []


def only_train(project):
    project.patients.filter(split=Split.VAL).update(split=Split.TRAIN)


def one_patient_on_both_sides(project):
    divided = project.patients.get(name="slide 0")
    project.patients.filter(pk=divided.pk).update(split=None)
    project.images.filter(split=Split.VAL).update(patient=divided)


def repeat_a_picture(project):
    judge = project.images.get(split=Split.VAL)
    again = np.rot90(tissue(256, 256, 90, seed=2).rgb)
    copy = add_image(project=project, name="copy.png", content=png_of(again), stain="H&E", um_per_px=0.25)
    assert copy.split != judge.split


LIMITS = {
    "no_validation": only_train,
    "one_region": lambda project: project.images.get(name="1.png").delete(),
    "other_stain": lambda project: project.images.filter(split=Split.VAL).update(stain="Pap"),
    "unknown_stain": lambda project: project.images.filter(split=Split.VAL).update(stain=""),
    "unknown_scale": lambda project: project.images.filter(split=Split.VAL).update(um_per_px=None),
    "other_scale": lambda project: project.images.filter(split=Split.VAL).update(um_per_px=0.5),
    "same_patient": one_patient_on_both_sides,
    "same_picture": repeat_a_picture,
    "nothing_to_learn": lambda project: project.patients.update(split=Split.TEST),
}


@pytest.mark.parametrize("code", LIMITS)
def test_each_limit_is_found_and_has_a_remedy(owner, code):
    project = good_project(owner)
    LIMITS[code](project)
    found = {one.code: one for one in limitations(project)}
    assert code in found, found
    assert found[code].text.endswith(".") and found[code].remedy.endswith(".")


def test_few_boxes_are_counted_and_what_to_expect_is_said(owner):
    project = create_project(owner=owner, name="few", classes=("nucleus",))
    image = field(project, 0, annotated=owner, cells=12)
    boxes = Annotation.objects.filter(layer__image=image, kind="cell", status="confirmed").count()
    few = next(one for one in limitations(project) if one.code == "few_cells")
    assert few.text.startswith(f"It learns from {boxes} cells. Measured")


def test_the_case_of_the_trial_is_warned_of(owner):
    """P4: six images of mixed kinds, some thirty boxes in one region, no validation."""
    project = create_project(owner=owner, name="mixed", classes=("nucleus",))
    field(project, 0, annotated=owner, cells=20, um_per_px=0.25, stain="H&E")
    for seed in range(1, 6):
        field(project, seed, um_per_px=0.5 if seed > 3 else None, stain="Pap" if seed > 2 else "")
    expected = {
        "one_region",
        "few_cells",
        "no_validation",
        "other_stain",
        "unknown_stain",
        "other_scale",
        "unknown_scale",
    }
    assert set(codes(project)) == expected


def test_weights_that_are_used_as_they_are_need_no_annotation(owner):
    project = create_project(owner=owner, name="bare", classes=("nucleus",))
    field(project, 0, um_per_px=0.25, stain="H&E")
    assert codes(project, learns=False) == []


def test_limits_and_time_stand_on_the_page_and_in_the_api(owner):
    project = good_project(owner)
    only_train(project)
    page = page_text(signed_in(owner).get(reverse("before-round", args=[project.pk]), {"preset": "tiny"}))
    assert "nothing measures this round" in page and "It will take about" in page and "Load now:" in page
    client = APIClient()
    client.force_authenticate(owner)
    url = reverse("round-before", args=[project.pk])
    reported = client.get(url, {"preset": "tiny"}).json()
    assert reported["limits"][0]["code"] == "no_validation" and reported["limits"][0]["remedy"]
    assert 0 < reported["estimate"]["low"] < reported["estimate"]["high"] and reported["estimate"]["source"]
    assert client.get(url, {"preset": "huge"}).status_code == 422
    started = client.post(reverse("round-list", args=[project.pk]), {"preset": "tiny"}, format="json").json()
    assert [one["code"] for one in started["limits"]] == ["no_validation"]


def test_the_time_follows_earlier_rounds_and_the_load(owner, monkeypatch):
    project = good_project(owner)
    monkeypatch.setattr(estimating, "present_load", lambda: (0.0, 2))
    shipped = estimate(project, "tiny")
    assert "No round of this preset has run here yet" in shipped.source
    round_ = start_round(project=project, by=owner, preset="tiny")
    for stage in round_.stages.all():
        Stage.objects.filter(pk=stage.pk).update(
            state=Stage.State.DONE, usage={"cores_mean": 1.5, "seconds": 40.0}, finished_at=timezone.now()
        )
    measured = estimate(project, "tiny")
    stages = len(CALIBRATION["tiny"])
    assert measured.low == pytest.approx(0.7 * 60 * stages / 2) and "1 earlier round" in measured.source
    monkeypatch.setattr(estimating, "present_load", lambda: (14.0, 2))
    busy = estimate(project, "tiny")
    assert busy.high == pytest.approx(8 * measured.high) and busy.low == pytest.approx(measured.low)
    assert estimate(project, "tiny", device="gpu") is None


@pytest.mark.parametrize(("load", "cores", "expected"), [(0, 2, 2.0), (2, 2, 1.0), (14, 2, 0.25), (1, 16, 15.06)])
def test_a_worker_gets_what_is_free_and_at_least_its_fair_share(load, cores, expected):
    assert share_of_processors(load, cores) == pytest.approx(expected, abs=0.01)


def finished(project, owner, given):
    """A published round with so many proposals on each image, and the facts a worker leaves."""
    round_ = Round.objects.create(
        project=project, number=2, preset="tiny", configuration={}, snapshot=freeze(project), started_by=owner,
        state=Round.State.PUBLISHED, finished_at=timezone.now() + timedelta(seconds=1),
    )  # fmt: skip
    for image, (count, facts) in zip(project.images.order_by("position"), given, strict=True):
        publish(
            round_=round_, image=image, proposals=proposals(count), certificate=CERTIFICATE, model_names=NO_NAMES,
            facts=PublicationFacts.stored({"proposals": count} | facts),
        )  # fmt: skip
    became_current(round_)
    return round_


UNSURE = {"why": [{"code": "unsure", "best": 0.12, "threshold": 0.3}]}
SETTLED = {"why": [{"code": "settled"}]}


def test_a_round_that_proposed_nothing_says_so_everywhere(owner):
    project = good_project(owner)
    round_ = finished(project, owner, [(4, {"crumbs": 214}), (0, UNSURE), (0, SETTLED)])
    found = outcome_of(round_)
    assert found.headline == "0 proposals on 1 of 3 images" and found.poor
    client = signed_in(owner)
    page = page_text(client.get(round_.get_absolute_url()))
    assert "0 proposals on 1 of 3 images" in page and "best score is 0.12, the threshold is 0.30" in page
    assert "214 small pieces left out" in page and "Done: its proposals are on the images" not in page
    assert 'class="state published poor"' in page
    grid = page_text(client.get(reverse("project-images", args=[project.pk])))
    assert "0 proposals on 1 of 3 images" in grid and "no proposals yet" not in grid
    assert grid.count("round 2 proposed nothing here") == 2 and "nothing to propose" in grid
    api = APIClient()
    api.force_authenticate(owner)
    empty = project.images.get(name="1.png")
    reported = api.get(reverse("round-detail", args=[round_.pk])).json()["outcome"]
    assert reported["empty"] == [{"image": empty.pk, "why": found.empty[0].why}] and reported["crumbs"] == 214
    layers = api.get(reverse("image-workspace", args=[empty.pk])).json()["layers"]
    publication = next(layer["publication"] for layer in layers if layer["publication"])
    assert publication["proposals"] == 0 and "unsure here" in publication["why"][0]


def test_a_good_round_is_simply_done(owner):
    project = good_project(owner)
    round_ = finished(project, owner, [(4, {}), (5, {}), (2, {})])
    assert not outcome_of(round_).poor
    page = page_text(signed_in(owner).get(round_.get_absolute_url()))
    assert "Done: its proposals are on the images" in page and "0 proposals on" not in page


def test_many_pieces_without_a_box_are_no_good_result(owner):
    """P34: 300 of 328 proposals were pieces of foreground."""
    project = good_project(owner)
    round_ = finished(project, owner, [(10, {"boxless": 9}), (2, {}), (1, {})])
    assert outcome_of(round_).poor
    page = page_text(signed_in(owner).get(round_.get_absolute_url()))
    assert "9 of 13 proposals are pieces that no box of the detector stands behind" in page


def test_rounds_from_before_the_facts_have_their_proposals_counted(owner):
    project = good_project(owner)
    round_ = finished(project, owner, [(3, {}), (1, {}), (0, {})])
    for publication in round_.publications.all():
        publication.facts = {}
        publication.save()
    assert outcome_of(round_).proposals == 4 and len(outcome_of(round_).empty) == 1


def entry(number, **given):
    return snapshot_image(number, **({"um_per_px": 0.25} | given))


CELL = cell_json([0, 0, 9, 9])
MASK = {"x": 0, "y": 0, "width": 1, "height": 1, "bits": "gA=="}
TEACHER = entry(1, exhaustive=[[0, 0, 50, 50]], cells=[CELL] * 120)


@pytest.mark.parametrize(
    ("image", "facts", "expected"),
    [
        (entry(2), {"detected": 0, "best_score": 0.1}, ["unsure"]),
        (entry(2), {"detected": 0, "best_score": None}, ["unsure"]),
        (entry(2, um_per_px=0.5), {"detected": 3, "crumbs": 3}, ["other_scale", "crumbs"]),
        (entry(2, um_per_px=None), {"detected": 3}, ["unknown_scale"]),
        (entry(2), {"detected": 0, "best_score": None, "signals": {"colour": 1.58}}, ["other_colours", "unsure"]),
        (entry(2), {"detected": 0, "best_score": 0.1, "signals": {"colour": 0.56}}, ["unsure"]),
        (entry(3), {"detected": 0, "best_score": 0.2}, ["other_stain", "unsure"]),
        (entry(2, exhaustive=[[0, 0, 9, 9]], cells=[CELL | {"mask": MASK}]), {"detected": 0}, ["settled"]),
    ],
)
def test_the_likely_causes_of_no_proposal(image, facts, expected):
    stains = {1: "H&E", 2: "", 3: "Pap"}
    publication_facts = PublicationFacts.stored(facts)
    causes = causes_of_none(snapshot_of(TEACHER, image), image, publication_facts, threshold=0.3, stains=stains)
    assert [cause.code for cause in causes] == expected
    assert len(words_of(causes)) == len(expected)


def test_a_round_that_learned_from_few_cells_says_so():
    content = snapshot_of(entry(1, exhaustive=[[0, 0, 9, 9]], cells=[CELL] * 28), entry(2))
    causes = causes_of_none(content, entry(2), PublicationFacts(detected=0, best_score=0.1), threshold=0.3, stains={})
    assert words_of(causes)[-1] == "The round learned from 28 cells."


def test_images_are_read_in_a_number_of_queries_that_does_not_grow(owner, django_assert_max_num_queries):
    project = good_project(owner)
    finished(project, owner, [(1, {}), (0, UNSURE), (1, {})])
    with django_assert_max_num_queries(3):
        outcome_of(Round.objects.get(project=project))
    with django_assert_max_num_queries(12):
        limitations(project)
    assert Image.objects.filter(project=project).count() == 3
