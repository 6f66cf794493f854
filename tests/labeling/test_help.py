"""Help in the app, the search of every page, the sheet of keys, and the first steps of the demo."""

import pytest
from django.urls import reverse

from labeling.exchange.demo import NAME
from labeling.projects.models import Project, Role
from labeling.site.help_topics import TOPICS, found_topics
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory, UserFactory
from tests.labeling.operations import cell
from tests.labeling.pages import draw, page_text, signed_in

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


def test_first_steps_are_ticked_as_a_person_takes_them():
    image = ImageFactory(project=ProjectFactory(name=NAME))
    member = MembershipFactory(project=image.project, role=Role.OWNER).user
    colleague = MembershipFactory(project=image.project, role=Role.ANNOTATOR).user
    client, page = signed_in(member), reverse("project", args=[image.project_id])
    assert "0 of 5 done" in page_text(client.get(page))
    draw(image, colleague, cell(box=(4, 4, 20, 20)))
    assert "0 of 5 done" in page_text(client.get(page)), "of a colleague"
    draw(image, member, cell(box=(30, 30, 44, 44)))
    assert "2 of 5 done" in page_text(client.get(page))  # opened and drawn
    answer = client.post(reverse("close-first-steps"), {"project": image.project_id})
    assert answer.headers["Location"] == page, "back to where they were"


# -- names


def test_projects_images_and_people_are_found_by_name_as_far_as_one_sees_them():
    image = ImageFactory(name="liver 7.png", project=ProjectFactory(name="Livers of Graz"))
    member = MembershipFactory(project=image.project, role=Role.VIEWER).user
    colleague = MembershipFactory(project=image.project, user__username="oliver").user
    ImageFactory(name="liver 8.png")
    MembershipFactory(user__username="oliverette")
    found = signed_in(member).get(reverse("search-names"), {"q": "liver"}).json()["found"]
    team = reverse("project-team", args=[image.project_id])
    assert [(one["kind"], one["name"], one["where"]) for one in found] == [
        ("project", "Livers of Graz", ""),
        ("image", "liver 7.png", "Livers of Graz"),
        ("person", colleague.display_name, "Livers of Graz"),
    ]
    assert found[2]["url"] == team
    page = page_text(signed_in(member).get(reverse("search"), {"q": "oliver"}))
    assert team in page and "oliverette" not in page


def test_somebody_who_was_invited_is_found_by_the_name_that_was_typed_alone():
    project = ProjectFactory()
    member = MembershipFactory(project=project).user
    MembershipFactory(project=project, user__username="real-name", invited_as="typed-name")
    client = signed_in(member)
    assert client.get(reverse("search-names"), {"q": "real-na"}).json()["found"] == []
    assert [one["name"] for one in client.get(reverse("search-names"), {"q": "typed"}).json()["found"]] == [
        "typed-name"
    ]


def test_where_annotators_read_apart_only_who_leads_finds_the_others():
    project = ProjectFactory(layering=Project.Layering.PER_ANNOTATOR)
    annotator = MembershipFactory(project=project, role=Role.ANNOTATOR, user__username="oliver-a").user
    reviewer = MembershipFactory(project=project, role=Role.REVIEWER, user__username="oliver-b").user

    def found(user) -> set[str]:
        return {one["name"] for one in signed_in(user).get(reverse("search-names"), {"q": "oliver"}).json()["found"]}

    assert found(annotator) == {annotator.display_name}
    assert found(reviewer) == {annotator.display_name, reviewer.display_name}


@pytest.mark.parametrize("asked", [" ", "%", "_", "\\"])
def test_spaces_and_wildcards_find_nothing(asked):
    member = MembershipFactory(project=ProjectFactory(name="Liver"), user__username="oliver").user
    assert signed_in(member).get(reverse("search-names"), {"q": asked}).json()["found"] == []


def test_a_search_asks_as_many_questions_for_many_as_for_one(django_assert_max_num_queries):
    project = ProjectFactory(name="Livers")
    member = MembershipFactory(project=project).user
    for number in range(5):
        ImageFactory(project=project, name=f"liver {number}.png")
        MembershipFactory(project=project, user__username=f"oliver{number}")
    client = signed_in(member)
    with django_assert_max_num_queries(8):
        assert len(client.get(reverse("search-names"), {"q": "liver"}).json()["found"]) == 11


# -- the theme


def test_the_theme_is_kept_with_the_account_and_shown_on_every_computer():
    member = UserFactory()
    client = signed_in(member)
    home = reverse("home")
    assert "data-account-theme" not in page_text(client.get(home))
    answer = client.post(reverse("my-theme"), {"theme": "dark"}, content_type="application/json")
    assert answer.status_code == 200 and answer.json() == {"theme": "dark"}
    assert 'data-account-theme="dark"' in page_text(signed_in(member).get(home))
    odd = client.post(reverse("my-theme"), {"theme": "pink"}, content_type="application/json")
    assert odd.status_code == 422
    member.refresh_from_db()
    assert member.theme == "dark"
