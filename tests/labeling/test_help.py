"""Help in the app, the search of every page, the sheet of keys, and the first steps of the demo."""

import pytest
from django.urls import reverse

from labeling.exchange.demo import NAME
from labeling.projects.models import Role
from labeling.site.help_topics import TOPICS, found_topics
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory, UserFactory
from tests.labeling.pages import page_text, signed_in

pytestmark = pytest.mark.django_db


def test_the_help_has_a_topic_for_every_role_and_one_for_a_round():
    page = page_text(signed_in(UserFactory()).get(reverse("help")))
    assert {topic.slug for topic in TOPICS} >= {*Role.values, "round"}
    assert all(str(topic.title) in page for topic in TOPICS)


def test_the_help_is_searched_in_the_language_of_the_reader():
    client = signed_in(UserFactory())
    found = page_text(client.get(reverse("help"), {"q": "FUSION proof"}))
    assert "What a round does with a picture" in found and "As an annotator" not in found
    client.cookies["django_language"] = "de"
    german = page_text(client.get(reverse("help"), {"q": "beweis"}))
    assert "Was eine Runde mit einem Bild macht" in german and "Als Prüfer" not in german
    assert "Kein Thema" in page_text(client.get(reverse("help"), {"q": "xyzzy"}))
    assert found_topics("") == list(TOPICS)


def test_the_sheet_of_keys_is_that_of_the_commands_in_the_language_of_the_reader():
    client = signed_in(UserFactory())
    page = client.get(reverse("help-keys")).content.decode()
    assert "Accept the proposal" in page and 'data-command="view.colour_by"' in page
    assert 'data-key="Shift+c"' in page
    client.cookies["django_language"] = "de"
    assert "Den Vorschlag annehmen" in page_text(client.get(reverse("help-keys")))


def test_the_search_finds_what_this_person_sees_and_nothing_else():
    image = ImageFactory(name="gland 7.png", project=ProjectFactory(name="Gland study"))
    member = MembershipFactory(project=image.project, role=Role.VIEWER).user
    there = page_text(signed_in(member).get(reverse("search"), {"q": "GLAND"}))
    assert "Gland study" in there and "gland 7.png" in there
    others = page_text(signed_in(UserFactory()).get(reverse("search"), {"q": "gland"}))
    assert "Gland study" not in others and "gland 7.png" not in others
    assert "What a round does" in page_text(signed_in(member).get(reverse("search"), {"q": "snapshot"}))


def test_images_of_sheets_are_not_found():
    sheet = ImageFactory(name="sheet 1.png", project=ProjectFactory(is_sheet=True))
    reader = MembershipFactory(project=sheet.project).user
    assert "sheet 1.png" not in page_text(signed_in(reader).get(reverse("search"), {"q": "sheet 1.png"})).replace(
        'value="sheet 1.png"', ""
    )


def test_the_first_steps_are_shown_in_the_demo_until_a_person_closes_them():
    image = ImageFactory(project=ProjectFactory(name=NAME))
    member = MembershipFactory(project=image.project, role=Role.ANNOTATOR).user
    viewer = MembershipFactory(project=image.project, role=Role.VIEWER).user
    elsewhere = ImageFactory()
    MembershipFactory(project=elsewhere.project, user=member)
    client, page = signed_in(member), reverse("project", args=[image.project_id])
    assert "First steps" in page_text(client.get(page))
    assert "First steps" not in page_text(signed_in(viewer).get(page))  # could take none of them
    assert "First steps" not in page_text(client.get(reverse("project", args=[elsewhere.project_id])))
    client.post(reverse("close-first-steps"))
    assert "First steps" not in page_text(client.get(page))
    assert "First steps" not in page_text(signed_in(member).get(page)), "kept for the person, on every computer"
