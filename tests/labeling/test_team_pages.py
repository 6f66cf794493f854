"""My work, the page Team, and joining by a link: who sees what, and what the acts do."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.accounts.models import SitePolicy, User
from labeling.assignments import services
from labeling.assignments.models import Reading, Workflow, WorkItem
from labeling.assignments.reviewing import accept_item, send_back
from labeling.errors import Invalid, WrongState
from labeling.projects.invitations import InvitationVoid, invite, join, revoke
from labeling.projects.models import Invitation, Membership, Role
from labeling.projects.services import NotAllowed, remove_member
from tests.factories import MembershipFactory, ProjectFactory, UserFactory
from tests.labeling.pages import page_text, signed_in, toasts
from tests.labeling.team import fresh, make_team

pytestmark = pytest.mark.django_db


def home_of(user) -> str:
    return page_text(signed_in(user).get("/"))


# -- my work


def test_the_home_page_has_one_large_button_that_opens_the_next_image():
    team = make_team(images=3)
    user = team.people[0]
    assert "Start: image 1 of 3" in home_of(user)
    answer = signed_in(user).post(reverse("project-next", args=[team.project.pk]))
    assert answer.url == reverse("image", args=[team.items[0].image_id])
    page = home_of(user)
    assert "Continue: image 1 of 3" in page and page.count("autofocus") == 1
    services.finish_item(item_id=team.items[0].pk, user=user)
    assert "Start: image 2 of 3" in home_of(user)


def test_the_end_of_the_queue_says_so():
    team = make_team(images=1, has_review=False)
    user = team.people[0]
    services.finish_item(item_id=services.take_next(project=team.project, user=user).item_id, user=user)
    assert "Nothing is left for you" in home_of(user)
    answer = signed_in(user).post(reverse("project-next", args=[team.project.pk]))
    assert answer.url == "/" and "nothing is left for you" in toasts(answer)[-1]


def test_what_was_sent_back_stands_there_with_its_comment_and_comes_first():
    team = make_team(images=2)
    user = team.people[0]
    item = services.take_next(project=team.project, user=user).item
    services.finish_item(item_id=item.pk, user=user)
    assert "1 image waits for your review" in home_of(team.reviewer)
    answer = signed_in(team.reviewer).post(reverse("project-review", args=[team.project.pk]))
    assert answer.url == reverse("image", args=[item.image_id])
    send_back(item_id=item.pk, by=team.reviewer, comment="the lower left is <empty>")
    page = home_of(user)
    assert "Go on with what was sent back" in page and "the lower left is &lt;empty&gt;" in page


def test_a_lead_sees_what_is_stuck():
    team = make_team(images=1)
    item = services.take_next(project=team.project, user=team.people[0]).item
    services.skip_item(item_id=item.pk, user=team.people[0], reason="blurred")
    assert "1 image was skipped" in home_of(team.owner)
    assert "was skipped" not in home_of(team.people[1])
    services.take_next(project=team.project, user=team.people[1])
    services.finish_item(item_id=item.pk, user=team.people[1])
    WorkItem.objects.update(since=timezone.now() - timedelta(days=4))
    assert "has waited for a review for more than 3 days" in home_of(team.owner)


def test_who_has_no_workflow_sees_the_projects_as_before():
    member = MembershipFactory()
    page = home_of(member.user)
    assert "My work" not in page and "<h1>Projects</h1>" in page


def test_the_home_page_asks_the_same_number_of_questions_for_many_images(django_assert_max_num_queries):
    team = make_team(images=200)
    client = signed_in(team.owner)
    client.get("/")
    with django_assert_max_num_queries(45):
        client.get("/")


# -- the page Team


def test_a_simple_project_says_what_a_workflow_would_do_and_one_press_starts_it():
    owner = MembershipFactory(role=Role.OWNER)
    client = signed_in(owner.user)
    address = reverse("project-team", args=[owner.project_id])
    assert "This is a simple project" in page_text(client.get(address))
    wrong = client.post(reverse("team-workflow", args=[owner.project_id]), {"readings": 0})
    assert wrong.status_code == 422
    sent = {"readings": 2, "more_percent": 0, "has_review": "on", "lease_hours": 24}
    client.post(reverse("team-workflow", args=[owner.project_id]), sent)
    assert Workflow.objects.get().readings == 2
    assert "No image yet" in page_text(client.get(address))


def test_ticked_images_are_assigned_evenly_and_taken_back():
    team = make_team(images=4)
    client = signed_in(team.owner)
    sent = {"items": [item.pk for item in team.items], "readers": [user.pk for user in team.people]}
    answer = client.post(reverse("team-assign", args=[team.project.pk]), sent)
    assert toasts(answer)[-1] == "4 images were assigned."
    assert Reading.objects.filter(reader=team.people[0]).count() == 2
    page = page_text(client.get(reverse("project-team", args=[team.project.pk])))
    assert team.people[0].username in page and "assigned" in page
    item = Reading.objects.filter(reader=team.people[0]).first().item
    client.post(reverse("team-item", args=[team.project.pk, item.pk]), {"reader": team.people[0].pk})
    assert fresh(item).free == 1


def test_the_states_filter_the_table():
    team = make_team(images=2)
    item = services.take_next(project=team.project, user=team.people[0]).item
    client = signed_in(team.owner)
    page = page_text(client.get(reverse("project-team", args=[team.project.pk]) + "?state=in_work"))
    assert item.image.name in page and team.items[1].image.name not in page


def test_reopening_by_the_page_needs_a_reason():
    team = make_team(images=1)
    item = services.take_next(project=team.project, user=team.people[0]).item
    services.finish_item(item_id=item.pk, user=team.people[0])
    accept_item(item_id=item.pk, by=team.reviewer)
    client = signed_in(team.owner)
    address = reverse("team-item", args=[team.project.pk, item.pk])
    assert "it stays recorded" in toasts(client.post(address, {"comment": ""}))[-1]
    client.post(address, {"comment": "wrong stain"})
    assert fresh(item).state == "sent_back"


def test_where_people_read_apart_nobody_is_told_of_the_others():
    team = make_team(images=1, readings=2)
    team.project.layering = "per_annotator"
    team.project.save()
    one, two = team.people
    services.take_next(project=team.project, user=one)
    page = page_text(signed_in(two).get(reverse("project-team", args=[team.project.pk])))
    assert one.username not in page
    assert one.username in page_text(signed_in(team.reviewer).get(reverse("project-team", args=[team.project.pk])))
    detail = signed_in(two).get(reverse("item-detail", args=[team.items[0].pk])).json()
    assert detail["readings"] == [] and detail["events"] == []
    listed = signed_in(two).get(reverse("item-list", args=[team.project.pk])).json()
    assert [item["readings"] for item in listed["items"]] == [[]]
    asked = signed_in(two).get(reverse("item-list", args=[team.project.pk]), {"reader": one.pk})
    assert asked.status_code == 422


# -- invitations by link


def token_of(project, by, role=Role.ANNOTATOR, **more) -> str:
    return invite(project=project, role=role, by=by, **more)[0].token


@pytest.fixture
def lead():
    return MembershipFactory(role=Role.OWNER)


def test_a_list_of_people_gets_a_link_each_shown_once(lead):
    client = signed_in(lead.user)
    sent = {"notes": "Dr A\n\n dr.b@example.org ", "role": "annotator", "days": 7}
    page = page_text(client.post(reverse("team-invite", args=[lead.project_id]), sent))
    links = re.findall(r'value="(http://testserver/join/[^"]+)"', page)
    assert len(links) == len(set(links)) == 2
    assert list(Invitation.objects.order_by("pk").values_list("note", flat=True)) == ["Dr A", "dr.b@example.org"]
    again = page_text(client.get(reverse("project-team", args=[lead.project_id])))
    assert "/join/" not in again and "dr.b@example.org" in again
    assert not any(link.rsplit("/", 2)[1] in str(Invitation.objects.values()) for link in links)


def test_a_new_person_makes_an_account_and_is_in(lead):
    token = token_of(lead.project, lead.user)
    client = Client()
    opened = client.get(reverse("invitation-join", args=[token]), follow=True)
    assert opened.request["PATH_INFO"] == "/join/opened/"  # the token stands in no history
    assert lead.project.name in page_text(opened) and "annotator" in page_text(opened)
    sent = {
        "username": "newcomer", "full_name": "Dr New Comer",
        "new_password1": "tissue-and-cells-9", "new_password2": "tissue-and-cells-9",
    }  # fmt: skip
    answer = client.post("/join/opened/", sent)
    assert answer.url == reverse("project", args=[lead.project_id]), page_text(answer)
    made = User.objects.get(username="newcomer")
    assert Membership.objects.get(user=made).role == Role.ANNOTATOR and made.get_full_name() == "Dr New Comer"
    assert client.get("/").status_code == 200  # signed in
    again = Client().get(reverse("invitation-join", args=[token]))
    assert again.status_code == 410 and "used already" in page_text(again)


def test_who_has_an_account_joins_with_one_button(lead):
    user = UserFactory()
    client = signed_in(user)
    client.get(reverse("invitation-join", args=[token_of(lead.project, lead.user, role=Role.REVIEWER)]))
    assert "Join this project" in page_text(client.get("/join/opened/"))
    assert not Membership.objects.filter(user=user).exists()  # opening a link joins nothing
    client.post("/join/opened/")
    assert Membership.objects.get(user=user).role == Role.REVIEWER


def test_a_weak_password_and_a_taken_name_leave_the_link_as_it_is(lead):
    occupied = UserFactory(username="drtaken")
    client = Client()
    client.get(reverse("invitation-join", args=[token_of(lead.project, lead.user)]))
    for sent in (
        {"username": "somebody", "new_password1": "short", "new_password2": "short"},
        {"username": occupied.username, "new_password1": "tissue-and-cells-9", "new_password2": "tissue-and-cells-9"},
    ):
        assert client.post("/join/opened/", sent).status_code == 422
    assert User.objects.filter(username="somebody").count() == 0
    assert Invitation.objects.get().used_at is None


BAD_LUCK = {
    "used": lambda lead, invitation, token: join(token=token, user=UserFactory()),
    "revoked": lambda lead, invitation, token: revoke(invitation=invitation),
    "expired": lambda lead, invitation, token: Invitation.objects.update(expires_at=timezone.now()),
    "its maker was removed": lambda lead, invitation, token: remove_maker(lead),
    "its maker is annotator now": lambda lead, invitation, token: Membership.objects.filter(pk=lead.pk).update(
        role=Role.ANNOTATOR
    ),
    "its maker's account is closed": lambda lead, invitation, token: User.objects.filter(pk=lead.user_id).update(
        is_active=False
    ),
}


def remove_maker(lead):
    other = MembershipFactory(project=lead.project, role=Role.OWNER)
    remove_member(project=lead.project, membership=lead, by=other.user)


@pytest.mark.parametrize("how", BAD_LUCK)
def test_a_leaked_link_is_worth_nothing_once_it_was(how, lead):
    (made,) = invite(project=lead.project, role=Role.ANNOTATOR, by=lead.user)
    BAD_LUCK[how](lead, made.invitation, made.token)
    before = Membership.objects.count()
    with pytest.raises(InvitationVoid):
        join(token=made.token, user=UserFactory())
    assert Client().get(reverse("invitation-join", args=[made.token])).status_code == 410
    assert Membership.objects.count() == before


def test_guessing_links_is_slowed_down():
    codes = [Client().get(reverse("invitation-join", args=[f"guess{n}"])).status_code for n in range(62)]
    assert codes[0] == 410 and codes[-1] == 429


def test_only_owners_invite_owners_and_a_member_keeps_the_link_for_another(lead):
    manager = MembershipFactory(project=lead.project, role=Role.MANAGER).user
    with pytest.raises(NotAllowed):
        invite(project=lead.project, role=Role.OWNER, by=manager)
    token = token_of(lead.project, manager)
    with pytest.raises(WrongState, match="take part"):
        join(token=token, user=manager)
    join(token=token, user=UserFactory())


def test_where_only_administrators_bring_people_a_link_lets_in_who_has_an_account(lead):
    SitePolicy.objects.create(pk=1, people=SitePolicy.People.ADMINISTRATORS)
    client = Client()
    client.get(reverse("invitation-join", args=[token_of(lead.project, lead.user)]))
    sent = {"username": "newcomer", "new_password1": "tissue-and-cells-9", "new_password2": "tissue-and-cells-9"}
    answer = client.post("/join/opened/", sent)
    assert answer.status_code == 422 and "only administrators" in page_text(answer).lower()
    assert not User.objects.filter(username="newcomer").exists()


@pytest.mark.parametrize("wrong", [{"days": 0}, {"days": 61}, {"notes": []}, {"notes": ["x\ny"]}], ids=str)
def test_impossible_invitations_are_declined(wrong, lead):
    with pytest.raises(Invalid):
        invite(project=lead.project, role=Role.VIEWER, by=lead.user, **wrong)


def test_the_api_shows_links_once_and_revokes(lead):
    client = signed_in(lead.user)
    address = reverse("invitation-list", args=[lead.project_id])
    sent = {"role": "viewer", "notes": ["Dr C"], "days": 3}
    (made,) = client.post(address, sent, content_type="application/json").json()
    assert made["link"].startswith("http://testserver/join/") and made["is_open"]
    (listed,) = client.get(address, {"open": "true", "role": "viewer"}).json()["items"]
    assert "link" not in listed
    assert client.get(address, {"role": "owner"}).json() == {"items": [], "next": None}
    client.post(reverse("invitation-revoke", args=[made["id"]]), content_type="application/json")
    assert client.get(address).json()["items"][0]["is_open"] is False
    assert client.get(address, {"open": "true"}).json()["items"] == []
    assert len(client.get(address, {"open": "false"}).json()["items"]) == 1


def test_an_archived_project_lets_nobody_in(lead):
    token = token_of(lead.project, lead.user)
    project = ProjectFactory._meta.model.objects.get(pk=lead.project_id)
    project.archived_at, project.archived_by = timezone.now(), lead.user
    project.save()
    user = UserFactory()
    client = signed_in(user)
    client.get(reverse("invitation-join", args=[token]))
    client.post("/join/opened/")
    assert not Membership.objects.filter(user=user).exists()


def test_the_images_page_is_filtered_by_state_and_reading_of_a_workflow():
    team = make_team(images=3, real=True, has_review=False)
    first, second, third = (item.image.name for item in team.items)
    reader, other = team.people
    services.begin_item(item_id=team.items[0].pk, user=reader)
    services.finish_item(item_id=team.items[0].pk, user=reader)
    services.begin_item(item_id=team.items[1].pk, user=other)

    def shown(work: str, user=reader) -> set[str]:
        page = signed_in(user).get(reverse("project-images", args=[team.project.pk]), {"work": work, "view": "list"})
        return {name for name in (first, second, third) if name in page_text(page)}

    assert shown("") == {first, second, third} == shown("nonsense")
    assert shown("done") == {first} == shown("mine")
    assert shown("in_work") == {second} == shown("mine", other)
    assert shown("to_do") == {third} == shown("free")
    plain = ProjectFactory()
    member = MembershipFactory(project=plain).user
    assert 'name="work"' not in signed_in(member).get(reverse("project-images", args=[plain.pk])).content.decode()
