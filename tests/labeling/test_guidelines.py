"""The guidelines of a project: versions, pictures, who has read them, and no work before they are acknowledged."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from labeling.assignments import services as work
from labeling.errors import Archived, Invalid, WrongState
from labeling.guidelines.models import Guideline, GuidelinePicture
from labeling.guidelines.rendering import as_html
from labeling.guidelines.services import (
    MOST_BYTES,
    NotAcknowledged,
    add_picture,
    current_guideline,
    read_guideline,
    write_guideline,
)
from labeling.projects.models import Role
from labeling.rounds.execution.archiving import archive_project
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory
from tests.labeling.pages import signed_in
from tests.labeling.team import make_team

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40


@pytest.fixture
def lead():
    return MembershipFactory(project=ProjectFactory(), role=Role.OWNER)


def write(lead, text="Draw every nucleus.", must_acknowledge=False, **kwargs) -> Guideline:
    return write_guideline(project=lead.project, by=lead.user, text=text, must_acknowledge=must_acknowledge, **kwargs)


def test_each_change_is_a_version_and_earlier_ones_stay(lead):
    first = write(lead)
    assert write(lead, " Draw every nucleus.\r\n") == first
    second = write(lead, "Draw every nucleus, also faint ones.", note="faint ones")
    assert (current_guideline(lead.project), second.version, first.text) == (second, 2, "Draw every nucleus.")
    page = signed_in(lead.user).get(reverse("guidelines", args=[lead.project.pk]), {"version": 1})
    assert "Version 2 holds" in page.content.decode()


@pytest.mark.parametrize("text", ["", " \n ", "x" * 50_001, "a\x00b"], ids=len)
def test_an_empty_or_endless_text_is_declined(text, lead):
    with pytest.raises(Invalid, match="1 to 50000 characters"):
        write(lead, text)


def test_nothing_is_written_in_an_archived_project(lead):
    now = write(lead)
    archive_project(project=lead.project, by=lead.user)
    with pytest.raises(Archived):
        write(lead, "new")
    with pytest.raises(Archived):
        read_guideline(guideline=current_guideline(lead.project), person=lead.user, acknowledges=True)
    assert current_guideline(lead.project) == now


# -- what the text becomes


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("<script>alert(1)</script>", "<script"),
        ('<img src=x onerror="alert(1)">', "<img"),
        ("[click](javascript:alert(1))", "href"),
        ("[click](data:text/html,x)", "href"),
        ("![spy](https://elsewhere.example/x.png)", "elsewhere"),
        ("![spy](//elsewhere.example/x.png)", "elsewhere"),
        ("![up](../../accounts/sign-out/)", "accounts"),
        ('<div onmouseover="x">', "<div"),
        ('[a](https://x.example/"onclick="alert(1))', '"onclick'),
    ],
)
def test_no_text_becomes_a_script_or_a_picture_from_elsewhere(text, absent, lead):
    assert absent not in as_html(write(lead, f"before\n\n{text}\n\nafter"))


def test_headings_lists_tables_links_and_own_pictures_are_shown(lead):
    text = "# Mitoses\n\n- one\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n![a mitosis](mitosis.png) [WHO](https://who.int)"
    html = as_html(write(lead, text))
    picture = reverse("guideline-picture", args=[lead.project.pk, "mitosis.png"])
    for part in ("<h1>", "<li>one", "<td>1</td>", f'src="{picture}"', 'alt="a mitosis"', 'rel="noopener noreferrer"'):
        assert part in html


# -- pictures


@pytest.mark.parametrize(
    ("name", "content", "field"),
    [
        ("", PNG, "name"),
        ("../x.png", PNG, "name"),
        ("x" * 81, PNG, "name"),
        ("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "file"),
        ("x.png", b"<html>", "file"),
        ("x.png", b"", "file"),
        ("x.png", PNG + b"0" * MOST_BYTES, "file"),
    ],
)
def test_only_small_pictures_with_plain_names_are_taken(name, content, field, lead):
    with pytest.raises(Invalid) as declined:
        add_picture(project=lead.project, by=lead.user, name=name, content=content)
    assert declined.value.field == field and not GuidelinePicture.objects.exists()


def test_a_picture_is_sent_as_it_came_and_is_not_replaced(lead):
    client = signed_in(lead.user)
    sent = client.post(
        reverse("add-guideline-picture", args=[lead.project.pk]),
        {"file": SimpleUploadedFile("a mitosis.png", PNG, content_type="text/html")},
    )
    assert sent.status_code == 302
    answer = client.get(reverse("guideline-picture", args=[lead.project.pk, "a-mitosis.png"]))
    assert (answer.content, answer["Content-Type"], answer["X-Content-Type-Options"]) == (PNG, "image/png", "nosniff")
    with pytest.raises(Invalid, match="older versions show it"):
        add_picture(project=lead.project, by=lead.user, name="a-mitosis.png", content=PNG)
    stranger = signed_in(MembershipFactory().user)
    assert stranger.get(reverse("guideline-picture", args=[lead.project.pk, "a-mitosis.png"])).status_code == 404


# -- who has read them


def test_nobody_gets_work_before_they_have_acknowledged_the_version_that_holds():
    team = make_team(images=2)
    reader = team.people[0]
    lead = MembershipFactory(project=team.project, role=Role.MANAGER)
    write(lead, must_acknowledge=True)
    for act in (
        lambda: work.take_next(project=team.project, user=reader),
        lambda: work.begin_item(item_id=team.items[0].pk, user=reader),
    ):
        with pytest.raises(NotAcknowledged, match="version 1"):
            act()
    read_guideline(guideline=current_guideline(team.project), person=reader, acknowledges=False)
    with pytest.raises(NotAcknowledged):
        work.take_next(project=team.project, user=reader)
    read_guideline(guideline=current_guideline(team.project), person=reader, acknowledges=True)
    assert work.take_next(project=team.project, user=reader).item == team.items[0]
    write(lead, "Draw every nucleus, also faint ones.", must_acknowledge=True)
    with pytest.raises(NotAcknowledged, match="version 2"):
        work.take_next(project=team.project, user=reader)
    assert work.finish_item(item_id=team.items[0].pk, user=reader).pk  # what they have begun they may finish


def test_a_version_that_holds_no_more_is_not_acknowledged(lead):
    first = write(lead)
    write(lead, "new")
    with pytest.raises(WrongState, match="newer version"):
        read_guideline(guideline=first, person=lead.user, acknowledges=True)


def test_my_work_leads_to_the_guidelines_and_from_there_to_the_image():
    team = make_team(images=1, real=True)
    write(MembershipFactory(project=team.project, role=Role.MANAGER), must_acknowledge=True)
    client = signed_in(team.people[0])
    take = reverse("project-next", args=[team.project.pk])
    there = client.post(take, follow=True)
    assert there.redirect_chain[-1][0] == reverse("guidelines", args=[team.project.pk])
    assert "acknowledge it first" in there.content.decode()
    client.post(reverse("acknowledge-guideline", args=[team.project.pk]), {"version": "1"})
    assert client.post(take)["Location"] == reverse("image", args=[team.items[0].image_id])


def test_the_workspace_says_whether_they_are_new_to_the_person(lead):
    image = ImageFactory(project=lead.project)
    reader = MembershipFactory(project=lead.project).user

    def state(user):
        return signed_in(user).get(reverse("image-workspace", args=[image.pk])).json()["guideline"]

    assert state(reader) is None
    now = write(lead)
    assert (state(reader)["is_seen"], state(lead.user)["is_seen"]) == (False, True)
    body = {"version": now.version}
    address = reverse("guideline-read", args=[lead.project.pk])
    answer = signed_in(reader).post(address, body, content_type="application/json").json()
    assert (answer["is_seen"], answer["is_acknowledged"]) == (True, False) and state(reader)["is_seen"]


def test_who_leads_sees_who_has_read_the_version(lead):
    reader = MembershipFactory(project=lead.project).user
    read_guideline(guideline=write(lead), person=reader, acknowledges=True)
    page = signed_in(lead.user).get(reverse("guidelines", args=[lead.project.pk])).content.decode()
    assert "Who has read this version" in page and "acknowledged" in page
    assert (
        "Who has read this version"
        not in signed_in(reader).get(reverse("guidelines", args=[lead.project.pk])).content.decode()
    )
