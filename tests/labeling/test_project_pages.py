"""The pages of a project: the one primary action of each person and state, and which images the page Images shows."""

import re
from types import SimpleNamespace

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.assignments.declaring import declare_workflow
from labeling.images.models import Image
from labeling.projects.models import Project, Role
from labeling.rounds.execution.services import start_round
from labeling.rounds.models import Round
from labeling.rounds.proposing.services import Wanted, propose
from labeling.rounds.results.publishing import publish
from tests.documents import STATEMENTS
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory, ProjectFactory
from tests.labeling.operations import cell, region
from tests.labeling.pages import accept, draw, page_text, proposals, signed_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


@pytest.fixture
def there() -> SimpleNamespace:
    project = ProjectFactory(name="Breast")
    people = {role: MembershipFactory(project=project, role=role).user for role in Role.values}
    LabelClassFactory(project=project, name="nucleus", position=1)
    return SimpleNamespace(project=project, people=people)


def image(there, name="one.png", **facts) -> Image:
    return ImageFactory(project=there.project, name=name, **facts)


def annotated(there, name="one.png"):
    made = image(there, name)
    draw(made, there.people["owner"], cell(), cell((30, 20, 44, 40)), region())
    return made


def published(there, count, decided=0):
    """A finished round with so many proposals on one image, `decided` of them accepted."""
    made = annotated(there)
    round_ = start_round(project=there.project, by=there.people["owner"])
    found = proposals(count)
    publish(round_=round_, image=made, proposals=found, **STATEMENTS)
    for proposal in found[:decided]:
        accept(made, there.people["owner"], proposal)
    Round.objects.filter(pk=round_.pk).update(state=Round.State.PUBLISHED)
    return made


def at_work(there):
    annotated(there)
    start_round(project=there.project, by=there.people["owner"])


def with_workflow(there):
    image(there)
    declare_workflow(project=there.project, by=there.people["owner"])


def being_proposed(there):
    image(there)
    propose(project=there.project, by=there.people["owner"], wanted=Wanted())


def archived(there):
    published(there, 3)
    Project.objects.filter(pk=there.project.pk).update(archived_at=timezone.now())


WHO = ("owner", "manager", "reviewer", "annotator", "viewer")
# What is there -> the words on the primary button of each person; "": there is none.
ACTIONS = {
    "no image": (lambda there: None, ("Add images", "Add images", "", "", "")),
    "an image without a box": (
        image,
        ("Propose now", "Propose now", "Draw boxes: one.png", "Draw boxes: one.png", ""),
    ),
    "cells being proposed": (
        being_proposed,
        ("Watch progress", "Watch progress", "Draw boxes: one.png", "Draw boxes: one.png", ""),
    ),
    "a region to learn from": (annotated, ("Start round", "Start round", "", "", "")),
    "a round at work": (at_work, ("Watch round 1",) * 5),
    "proposals waiting": (lambda there: published(there, 3), (*("Review 3 proposals",) * 4, "")),
    "one proposal waiting": (lambda there: published(there, 3, decided=2), (*("Review 1 proposal",) * 4, "")),
    "every proposal judged": (lambda there: published(there, 2, decided=2), ("Start round", "Start round", "", "", "")),
    "a workflow": (with_workflow, (*("Open image 1 of 1",) * 4, "")),
    "archived": (archived, ("",) * 5),
}


def primary_buttons(page: str) -> list[str]:
    main = page[page.index("<main") : page.index("</main>")]
    found = re.findall(r'<(?:a|button)[^>]*class="button is-primary[^"]*"[^>]*>(.*?)</(?:a|button)>', main)
    return [" ".join(re.sub(r"<[^>]+>", " ", words).split()) for words in found]


@pytest.mark.parametrize("state", ACTIONS)
def test_the_primary_action_depends_on_role_and_state(state, there):
    prepare, expected = ACTIONS[state]
    prepare(there)
    found = []
    for who in WHO:
        page = page_text(signed_in(there.people[who]).get(reverse("project", args=[there.project.pk])))
        found.append(primary_buttons(page))
    assert found == [[words] if words else [] for words in expected]


@pytest.mark.parametrize("state", ACTIONS)
@pytest.mark.parametrize("route", ["project-images", "project-rounds", "project-exports"])
def test_a_page_has_one_primary_action_at_most(route, state, there):
    ACTIONS[state][0](there)
    page = page_text(signed_in(there.people["owner"]).get(reverse(route, args=[there.project.pk])))
    shown = [words for words in primary_buttons(page) if not (state == "no image" and words == "Add images")]
    assert len(shown) <= 1
    if state == "proposals waiting" and route != "project-exports":
        assert shown == ["Review 3 proposals"]


# -- which images are shown


@pytest.fixture
def many(there):
    """one: annotated, with proposals; two: in the test split; three: annotated by the manager."""
    published(there, 2)
    image(there, "two.png", split="test")
    third = image(there, "Three.png")
    draw(third, there.people["manager"], cell(), cell((30, 20, 44, 40)), cell((2, 2, 9, 9)))
    return there


FILTERS = {
    "": ["one.png", "two.png", "Three.png"],
    "q=T": ["two.png", "Three.png"],
    "state=review": ["one.png"],
    "state=done": [],
    "state=unproposed": ["two.png", "Three.png"],
    "state=complete": ["one.png"],
    "state=incomplete": ["two.png", "Three.png"],
    "split=test": ["two.png"],
    "split=test&state=review": [],
    "order=name": ["one.png", "Three.png", "two.png"],
    "order=cells": ["Three.png", "one.png", "two.png"],
    "order=review": ["one.png", "two.png", "Three.png"],
    "order=unheard&state=unheard&split=unheard&person=unheard&by=unheard&page=unheard": [
        "one.png", "two.png", "Three.png"],
    "person=999999": ["one.png", "two.png", "Three.png"],
}  # fmt: skip


def shown(there, query, who="owner"):
    address = reverse("project-images", args=[there.project.pk])
    page = page_text(signed_in(there.people[who]).get(f"{address}?{query}"))
    return re.findall(r"(?:<strong class=\"name\">|<span>)([\w]+\.png)<", page)


@pytest.mark.parametrize("view", ["grid", "list"])
@pytest.mark.parametrize("query", FILTERS)
def test_images_are_filtered_and_ordered(query, view, many):
    assert shown(many, f"{query}&view={view}") == FILTERS[query]


def test_images_are_filtered_by_who_annotated_them(many):
    manager = many.people["manager"].pk
    assert shown(many, f"person={manager}") == ["Three.png"]


def test_where_people_read_apart_nobody_learns_what_another_one_annotated(many):
    Project.objects.filter(pk=many.project.pk).update(layering=Project.Layering.PER_ANNOTATOR)
    manager = many.people["manager"].pk
    everything = ["one.png", "two.png", "Three.png"]
    assert shown(many, f"person={manager}", who="annotator") == everything  # no choice of theirs, so no filter


def test_facts_are_set_for_the_ticked_images_and_the_list_comes_back(many):
    first, second, _ = many.project.images.order_by("position")
    client = signed_in(many.people["manager"])
    form = {"from": "images", "factor": "stain", "value": "H&E", "chosen": [first.pk, second.pk]}
    answer = client.post(reverse("settings-many-images", args=[many.project.pk]), form)
    assert answer.url == reverse("project-images", args=[many.project.pk]) + "?view=list"
    assert list(many.project.images.order_by("position").values_list("stain", flat=True)) == ["H&E", "H&E", ""]


def test_tags_are_added_removed_shown_searched_and_chosen(many):
    first, second, _ = many.project.images.order_by("position")
    client = signed_in(many.people["manager"])
    address = reverse("settings-many-images", args=[many.project.pk])

    def change(act, *images):
        keys = [image.pk for image in images]
        client.post(address, {"from": "images", "factor": act, "value": "for the paper", "chosen": keys})

    change("add_tags", first, second)
    assert shown(many, "tag=for+the+paper") == shown(many, "q=PAPER") == ["one.png", "two.png"]
    page = page_text(client.get(reverse("project-images", args=[many.project.pk])))
    assert "for the paper" in page and "any tag" in page
    change("remove_tags", first)
    assert shown(many, "tag=for+the+paper") == ["two.png"]
    change("remove_tags", second)
    assert "any tag" not in page_text(client.get(reverse("project-images", args=[many.project.pk])))


def test_an_image_is_found_by_what_was_said_of_its_tissue(many):
    image(many, "four.png", patient="P-17", stain="PAS")
    assert shown(many, "q=p-17") == shown(many, "q=pas") == ["four.png"]


def test_ticked_images_are_deleted_and_the_page_says_where_they_are_restored(many):
    second = many.project.images.get(name="two.png")
    client = signed_in(many.people["manager"])
    form = {"from": "images", "act": "delete", "chosen": [second.pk]}
    page = page_text(client.post(reverse("settings-storage", args=[many.project.pk]), form, follow=True))
    assert "1 image deleted. It can be restored for 30 days." in page and "1 deleted image can be restored" in page
    assert shown(many, "") == ["one.png", "Three.png"]
    viewer = page_text(signed_in(many.people["viewer"]).get(reverse("project-images", args=[many.project.pk])))
    assert "can be restored" not in viewer
