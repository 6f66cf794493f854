"""The locked reference set: what judges masks, where it is from, and that nothing else judges them."""

import json

import pytest
from django.core.files.base import ContentFile
from django.urls import reverse
from rest_framework.test import APIClient

from inference.pipeline.compute import keys
from inference.synthetic import tissue
from labeling.annotations.models import Annotation
from labeling.annotations.services import working_layer
from labeling.errors import Invalid
from labeling.images.models import Split
from labeling.images.services import add_image
from labeling.rounds.configuration import configure
from labeling.rounds.models import ReferenceSet
from labeling.rounds.reference import NothingToLock, ReferenceChanged, current, lock
from labeling.rounds.snapshots import freeze, unclear
from tests.factories import ProjectFactory, UserFactory
from tests.labeling.rounds import png_of, small_project

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def project(owner):
    made = small_project(owner, side=64, cells=5)
    ReferenceSet.objects.all().delete()
    return made


def referenced(project, split=Split.VAL, seed=9):
    made = tissue(64, 64, 5, seed=seed)
    return add_image(
        project=project, name=f"{seed}.png", content=png_of(made.rgb), split=split, reference=made.labels
    )  # fmt: skip


def judging(project):
    with freeze(project).content.open("rb") as file:
        return {entry["image"] for entry in json.load(file)["images"] if entry["reference"]}


def test_masks_are_judged_by_the_locked_images_alone(project, owner):
    validation = project.images.get(split=Split.VAL)
    assert validation.reference and judging(project) == set()
    first = lock(project=project, by=owner, readers=2)
    assert judging(project) == {validation.pk}
    later = referenced(project)
    assert judging(project) == {validation.pk}  # it has masks, but nobody has locked them
    teaches = referenced(project, split=Split.TRAIN, seed=10)
    second = lock(project=project, by=owner, readers=2)
    assert (first.number, second.number) == (1, 2)
    assert judging(project) == {validation.pk, later.pk} and teaches.pk not in judging(project)
    assert lock(project=project, by=owner, readers=2) == second  # nothing changed, so nothing new


def test_the_snapshot_says_which_set_judges(project, owner):
    assert freeze(project).summary["reference_set"] is None
    lock(project=project, by=owner, origin="published", readers=2, note="drawn in another place")
    printed = freeze(project).summary["reference_set"]
    assert (printed["number"], printed["images"], printed["origin"], printed["readers"]) == (1, 1, "published", 2)


def test_the_same_masks_locked_with_other_words_are_another_snapshot_but_predict_nothing_again(project, owner):
    lock(project=project, by=owner, origin="scratch")
    first = freeze(project)
    assert freeze(project) == first
    lock(project=project, by=owner, origin="published")
    second = freeze(project)
    printed = second.summary["reference_set"]
    assert first != second and (printed["number"], printed["origin"]) == (2, "published")
    configuration = configure("quick", None)
    one, other = (keys(snapshot.document(), configuration) for snapshot in (first, second))
    assert one == other


def test_masks_that_changed_after_they_were_locked_judge_nothing(project, owner):
    lock(project=project, by=owner)
    image = project.images.get(split=Split.VAL)
    image.reference.save("other.png", ContentFile(b"somebody else's masks"))
    with pytest.raises(ReferenceChanged, match="not those that were locked"):
        freeze(project)


@pytest.mark.parametrize(("given", "field"), [({"origin": "proposals"}, "origin"), ({"readers": 0}, "readers")])
def test_what_is_stated_is_checked(project, owner, given, field):
    with pytest.raises(Invalid) as declined:
        lock(project=project, by=owner, **given)
    assert declined.value.field == field and current(project) is None


def test_without_masks_outside_training_there_is_nothing_to_lock(owner):
    project = ProjectFactory()
    referenced(project, split=Split.TRAIN)
    with pytest.raises(NothingToLock, match="from scratch"):
        lock(project=project, by=owner)


def test_the_models_page_locks_and_says_what_is_locked(project, owner, client):
    client.force_login(owner)
    page = reverse("project-models", args=[project.pk])
    assert "Mask quality is not measurable yet" in client.get(page).content.decode()
    client.post(reverse("lock-reference", args=[project.pk]), {"origin": "scratch", "readers": "2", "note": "by hand"})
    shown = " ".join(client.get(page).content.decode().split())
    assert "Set 1: 1 image" in shown and "drawn from scratch, without proposals" in shown
    assert "read by 2 people" in shown and "by hand" in shown


def test_programs_lock_and_read_it_too(project, owner):
    client = APIClient()
    client.force_authenticate(owner)
    address = reverse("reference-set-list", args=[project.pk])
    assert client.get(address).json()["items"] == []
    made = client.post(address, {"origin": "exact", "readers": 1}, format="json")
    assert made.status_code == 201 and client.get(address).json()["items"] == [made.json()]


CELL = (0.0, 0.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("reason", "box", "expected"),
    [
        ("not_a_cell", [20.0, 20.0, 30.0, 30.0], False),  # nothing is there: that teaches
        ("merged", [20.0, 20.0, 30.0, 30.0], True),
        ("boundary", [20.0, 20.0, 30.0, 30.0], True),
        ("", [20.0, 20.0, 30.0, 30.0], True),
        ("boundary", [1.0, 1.0, 11.0, 11.0], False),  # drawn anew: the person's cell stands there
        ("merged", [6.0, 6.0, 16.0, 16.0], True),  # a neighbour only touches it
    ],
)
def test_only_not_a_cell_teaches_that_nothing_is_there(reason, box, expected):
    assert unclear([(reason, box)], [CELL]) == ([box] if expected else [])


def test_a_snapshot_keeps_a_refused_merge_out_of_what_is_learned(project, owner):
    image = project.images.order_by("position").first()
    layer = working_layer(image=image, user=owner)
    row = Annotation.objects.filter(layer=layer, kind="cell").first()
    Annotation.objects.filter(pk=row.pk).update(status="rejected", reason="merged")
    with freeze(project).content.open("rb") as file:
        entry = next(e for e in json.load(file)["images"] if e["image"] == image.pk)
    assert entry["cannot_tell"] == entry["rejected"] == [[row.x0, row.y0, row.x1, row.y1]]
