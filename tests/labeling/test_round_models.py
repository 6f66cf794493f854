"""Snapshots that do not leak, configurations that are whole, models that are known, and which round is current."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from inference.documents.configuration import Model
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image, Split
from labeling.rounds.configuration import CHOICES, PRESETS, configure, differences
from labeling.rounds.execution.services import advance, start_round
from labeling.rounds.models import Artifact, ModelVersion, Promotion, Round, RoundPolicy, Stage
from labeling.rounds.results.publishing import publish
from labeling.rounds.snapshots import Leaks, MixedScales, freeze
from labeling.rounds.weights.promotion import (
    current_publications,
    current_round,
    models_of,
    promote,
    register,
    roll_back,
)
from labeling.rounds.weights.starting import Start
from labeling.workspace.api import layers_of
from tests.documents import STATEMENTS
from tests.factories import ImageFactory, ProjectFactory, UserFactory
from tests.labeling.operations import cell, region
from tests.labeling.pages import draw, proposals

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
CURRENT = {kind: Start("current") for kind in ("detector", "segmenter")}


def annotated(owner, *images):
    """A project with (patient, split, µm/px) images that are fully annotated."""
    project = ProjectFactory()
    project.memberships.create(user=owner, role="owner")
    for patient, split, scale in images:
        image = ImageFactory(project=project, patient=patient, split=split, may_divide=True, um_per_px=scale)
        draw(image, owner, cell(), region())
    return project


@pytest.fixture
def owner():
    return UserFactory()


def test_a_patient_on_both_sides_is_refused_with_its_name(owner):
    project = annotated(owner, ("A", "train", None), ("A", "val", None), ("B", "train", None))
    with pytest.raises(Leaks, match=r"Images of A stand in more than one"):
        freeze(project)
    allowed = freeze(project, same_patient=True)
    assert allowed.summary["same_patient_in_training_and_evaluation"] == ["A"]


def test_validation_and_test_may_not_share_a_patient_either(owner):
    project = annotated(owner, ("A", "train", None), ("B", "val", None), ("B", "test", None))
    with pytest.raises(Leaks, match="Images of B"):
        freeze(project)


def test_a_project_of_one_patient_has_nothing_to_split_by(owner):
    project = annotated(owner, ("A", "train", None), ("A", "val", None))
    assert freeze(project).summary["same_patient_in_training_and_evaluation"] == ["A"]


def test_an_image_that_neither_teaches_nor_judges_leaks_nothing(owner):
    project = annotated(owner, ("A", "train", None), ("B", "val", None))
    ImageFactory(project=project, patient="B", split=Split.TRAIN, may_divide=True)  # not annotated
    assert freeze(project).summary["same_patient_in_training_and_evaluation"] == []


def test_two_scales_are_refused_and_rounding_is_not(owner):
    project = annotated(owner, ("A", "train", 0.25), ("B", "val", 0.2525), ("C", "train", None))
    assert freeze(project).summary["um_per_px"] == 0.25
    assert freeze(project).summary["images_without_scale"] == 1
    Image.objects.filter(project=project, patient__name="B").update(um_per_px=0.5)
    with pytest.raises(MixedScales, match=r"from 0\.25 to 0\.5 µm"):
        freeze(project)


def test_a_configuration_records_changes_and_refuses_what_cannot_be():
    made = configure("tiny", {"lam": "3.5", "detector_steps": 7, "seed": 4, "theta": ""})
    assert made.fusion == PRESETS["tiny"].fusion.with_(lam=3.5)
    assert made.detector == Model(name="centre", preset="tiny", change={"steps": 7, "seed": 4})
    assert configure("tiny") == PRESETS["tiny"] and "change" not in PRESETS["tiny"].detector.given()
    assert differences(configure("tiny"), made) == [
        ("detector.change.seed", None, 4),
        ("detector.change.steps", None, 7),
        ("fusion.lam", 2.0, 3.5),
        ("segmenter.change.seed", None, 4),
    ]
    for name, value, words in (
        ("lam", "nan", "between 0 and 1,000,000"),
        ("lam", "-1", "between"),
        ("grid", "2.5", "whole number"),
        ("grid", 2.5, "whole number"),
        ("grid", True, "whole number"),
        ("theta", "warm", "must be a number"),
        ("colour", 1, "no setting 'colour'"),
    ):
        with pytest.raises(Invalid, match=words):
            configure("tiny", {name: value})
    with pytest.raises(Invalid, match="preset must be one of"):
        configure("huge")


@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.name)
def test_every_choice_changes_what_it_names_and_nothing_else(choice):
    method = {"method": "cellboxify" if choice.path[0] == "recipe" else "boxcell"}  # one that has the setting
    before, after = configure("quick", method), configure("quick", {**method, choice.name: choice.limit.high})
    changed = {path for path, _, _ in differences(before, after)}
    seeds = {"detector.change.seed", "segmenter.change.seed"}
    assert changed == (seeds if choice.name == "seed" else {".".join(choice.path)})


def finished(project, owner, n=1):
    """A round that went through all its stages, with proposals on the first image, its weights in the registry."""
    round_ = start_round(project=project, by=owner, preset="tiny")
    for stage in round_.stages.all():
        key = f"{stage.kind}-{n}"
        facts = {"model": "centre-1"} if stage.kind in ("detector", "segmenter") else {}
        stage.state = Stage.State.DONE
        stage.artifact, _ = Artifact.objects.get_or_create(
            key=key, defaults={"kind": stage.kind, "sha256": "a" * 64, "size": 9, "facts": facts}
        )
        stage.save()
        register(stage, stage.artifact)
    publish(
        round_=round_, image=project.images.first(), proposals=proposals(n), **STATEMENTS,
    )  # fmt: skip
    Round.objects.filter(pk=round_.pk).update(state=Round.State.RUNNING)
    advance(Round.objects.get(pk=round_.pk))
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED
    return round_


def shown(project, user):
    """The numbers of the rounds whose proposals the workspace lists."""
    layers = layers_of(image=project.images.first(), user=user, is_sheet=False)
    return [layer.publication.round_number for layer in layers if layer.publication]


@pytest.fixture
def project(owner):
    return annotated(owner, ("A", "train", None), ("B", "val", None))


def test_a_finished_round_becomes_current_and_can_be_rolled_back(project, owner):
    first, second = finished(project, owner, 1), finished(project, owner, 2)
    assert (current_round(project), shown(project, owner)) == (second, [2])
    with pytest.raises(WrongState, match="current ones already"):
        promote(round_=second, by=owner)
    roll_back(project=project, by=owner)
    assert (current_round(project), shown(project, owner)) == (first, [1])
    with pytest.raises(WrongState, match="no earlier finished round"):
        roll_back(project=project, by=owner)
    promote(round_=second, by=owner)
    assert shown(project, owner) == [2]
    assert list(Promotion.objects.values_list("round__number", "reason")) == [
        (1, "finished"), (2, "finished"), (1, "rolled_back"), (2, "promoted"),
    ]  # fmt: skip


def test_a_round_that_is_still_publishing_shows_nothing_yet(project, owner):
    finished(project, owner, 1)
    second = start_round(project=project, by=owner, preset="tiny")
    publish(
        round_=second, image=project.images.first(), proposals=proposals(1), **STATEMENTS,
    )  # fmt: skip
    assert shown(project, owner) == [1]
    with pytest.raises(WrongState, match="only a finished round"):
        promote(round_=second, by=owner)


def test_a_project_may_promote_by_hand(project, owner):
    RoundPolicy.objects.create(project=project, promotes_itself=False)
    first = finished(project, owner, 1)
    assert current_round(project) is None
    assert shown(project, owner) == [1]  # nothing was chosen yet: the newest
    promote(round_=first, by=owner)
    finished(project, owner, 2)
    assert shown(project, owner) == [1]


def test_current_publications_is_one_query_for_many_images(project, owner, django_assert_num_queries):
    finished(project, owner, 1)
    with django_assert_num_queries(1):
        assert len(list(current_publications(project.images.order_by()))) == 1


def test_the_list_of_rounds_takes_as_many_queries_for_one_round_as_for_several(project, owner, client):
    client.force_login(owner)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            answer = client.get(f"/api/v1/projects/{project.pk}/rounds/")
        assert all(len(one["stages"]) == 8 for one in answer.json()["items"])
        return len(captured)

    finished(project, owner, 1)
    of_one = queries()
    finished(project, owner, 2)
    finished(project, owner, 3)
    assert queries() == of_one


def test_weights_are_entered_once_with_what_they_come_from(project, owner):
    RoundPolicy.objects.create(project=project, data_licence="CC BY 4.0")
    first = finished(project, owner, 1)
    again = finished(project, owner, 1)  # equal keys: the same artifacts
    assert ModelVersion.objects.count() == 2
    detector = models_of(again).get(kind="detector")
    assert (detector.number, detector.round, detector.architecture) == (1, first, "centre-1")
    assert (detector.snapshot, detector.data_licence, detector.parent) == (first.snapshot, "CC BY 4.0", None)
    assert detector.artifact.sha256 == "a" * 64


def test_a_warm_start_names_the_weights_and_the_child_its_parent(project, owner):
    with pytest.raises(WrongState, match="no finished round"):
        start_round(project=project, by=owner, preset="tiny", start=CURRENT)
    finished(project, owner, 1)
    second = start_round(project=project, by=owner, preset="tiny", start=CURRENT)
    assert second.configuration["detector"]["start_from"] == "detector-1"
    made = Artifact.objects.create(key="detector-2", kind="detector", sha256="b" * 64, size=1)
    child = register(second.stages.get(kind="detector"), made)
    assert child.parent.number == 1 and child.number == 2


def test_promotion_is_for_managers(project, owner, client):
    first, second = finished(project, owner, 1), finished(project, owner, 2)
    viewer = UserFactory()
    project.memberships.create(user=viewer, role="viewer")
    for person, status in ((viewer, 403), (UserFactory(), 404), (owner, 302)):
        client.force_login(person)
        assert client.post(reverse("promote-round", args=[first.pk])).status_code == status
    assert current_round(project) == first != second
