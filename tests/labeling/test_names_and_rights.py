"""Nobody is mistaken for somebody else or for the site; and who may bring people and projects in is a setting."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from labeling.accounts.models import SitePolicy, User
from labeling.accounts.names import RESERVED_WORDS, is_reserved, lookalike_key
from labeling.accounts.services import change_policy, decline_lookalike
from labeling.errors import Invalid
from labeling.projects.models import Membership, Role
from labeling.projects.services import NotAllowed, add_member, invite_again
from tests.factories import MembershipFactory, ProjectFactory, UserFactory
from tests.labeling.pages import signed_in

pytestmark = pytest.mark.django_db
LATIN_TO_OTHERS = {"a": "аɑα", "e": "е", "o": "оο0", "p": "р", "c": "с", "i": "іι1l", "s": "ѕ", "x": "х", "y": "у"}


# -- names


def disguised(name: str, data) -> str:
    """The name with some of its letters replaced by ones that look the same, capitals, or invisible characters."""
    made = ""
    for letter in name:
        ways = [letter, letter.upper(), *LATIN_TO_OTHERS.get(letter, ""), letter + "\u200b", chr(ord(letter) + 0xFEE0)]
        made += data.draw(st.sampled_from(ways))
    return made


@given(st.sampled_from(sorted(RESERVED_WORDS)), st.data())
def test_no_disguise_of_a_reserved_name_passes(word, data):
    assert is_reserved(disguised(word, data))


@given(st.sampled_from(["okafor", "miller", "yasopi", "anna.exco"]), st.data())
def test_a_disguised_name_is_the_same_name(name, data):
    assert lookalike_key(disguised(name, data)) == lookalike_key(name)


@pytest.mark.parametrize(
    "name",
    ["Admin", "ADMIN", "аdmin", "adm1n", "4dmin", "admin2", "ad min", "The Admin", "a-d-m-i-n", "B0xwise Support",
     "System Administrator", "root", "rооt", "ádmin", "Helpdesk team",
     "person-12", "Person-l2"],
)  # fmt: skip
def test_names_of_the_site_are_reserved(name):
    assert is_reserved(name)


@pytest.mark.parametrize(
    "name",
    [
        "Dr A. Miller",
        "Müller",
        "Dr Root",
        "Иван Петров",
        "admina",
        "Teamann",
        "Rooter",
        "",
        "Adminski",
        "山田",
        "person",
        "Personi",
    ],
)
def test_names_of_people_are_not(name):
    assert not is_reserved(name)


@pytest.mark.parametrize(
    ("one", "other"), [("reader1", "reader2"), ("Müller", "Muller"), ("okafor", "okafar"), ("p10", "p11"), ("Ан", "Аж")]
)
def test_different_names_stay_different(one, other):
    assert lookalike_key(one) != lookalike_key(other)


@pytest.fixture
def owner():
    return MembershipFactory(role=Role.OWNER).user


def add(owner, username, role="viewer"):
    return add_member(project=owner.memberships.first().project, username=username, role=role, by=owner)


@pytest.mark.parametrize("name", ["Admin", "аdmin", "support", "Boxwise", "ROOT"])
def test_no_account_gets_a_name_of_the_site(owner, name):
    with pytest.raises(Invalid, match="stands for this site"):
        add(owner, name)
    assert not User.objects.filter(username=name).exists()


@pytest.mark.parametrize("name", ["Okafor", "оkafor", "0kafor"])
def test_a_look_alike_of_an_account_makes_no_second_one(owner, name):
    known = UserFactory(username="okafor")
    membership, _link = add(owner, name)
    assert membership.user == known
    assert membership.shown_name == name


def set_password(link, **words):
    guest = Client()
    form = guest.get(link, follow=True)
    given = {"full_name": "", "new_password1": "a very good one", "new_password2": "a very good one"} | words
    return guest.post(form.redirect_chain[-1][0], given, follow=True)


@pytest.mark.parametrize(
    ("full_name", "sentence"),
    [("Admin", "stands for this site"), ("Аdministrаtor", "stands for this site"), ("Boxwise Support", "stands for"),
     ("Dr A. Miller", "looks like this one"), ("DR A. MILLER", "looks like this one"), ("okafor", "looks like")],
)  # fmt: skip
def test_nobody_calls_themselves_like_the_site_or_a_colleague(owner, full_name, sentence):
    UserFactory(first_name="Dr A.", last_name="Miller")
    UserFactory(username="okafor")
    _membership, link = add(owner, "newcomer")
    page = set_password(link, full_name=full_name)
    assert sentence in page.content.decode()
    assert User.objects.get(username="newcomer").last_login is None
    assert "Dr A. Miller (Basel)" in set_password(link, full_name="Dr A. Miller (Basel)").content.decode()


def test_a_person_may_have_their_own_names_and_a_colleague_may_not(owner):
    anna = UserFactory(username="anna", first_name="", last_name="Anna")
    assert decline_lookalike("Anna", user=anna) is None
    with pytest.raises(Invalid, match="looks like this one"):
        decline_lookalike("Anna", user=owner)


# -- adding tells nothing


def shape(page: str, *names: str) -> str:
    """A page without what differs for any two invitations."""
    for name in names:
        page = page.replace(name, "NAME")
    page = re.sub(r"/accounts/invitation/\w+/[\w-]+/", "LINK", page)
    page = re.sub(r'(csrfmiddlewaretoken" value="|CSRFToken": ")\w+', "TOKEN", page)
    return re.sub(r"members/\d+/|NAME/|value=\"\d+\"", "", page)


def test_what_is_shown_does_not_tell_whether_the_account_exists(owner):
    """The whole way of somebody who tries names out: add, look at the page, at the API, at the link."""
    existing = UserFactory(username="existing", first_name="Dr", last_name="Existing-Person", email="e@example.org")
    existing.set_password("long used password")
    existing.last_login = existing.date_joined - timedelta(hours=1)  # a link knows it to the second
    existing.save()
    project = owner.memberships.get().project
    client = signed_in(owner)
    seen = {}
    for name in ("existing", "newcomer"):
        url = reverse("project-members", args=[project.pk])
        added = client.post(url, {"username": name, "role": "manager"}, follow=True)
        settings = client.get(reverse("project-settings", args=[project.pk])).content.decode()
        member = project.memberships.get(invited_as=name)
        entry = client.get(reverse("project-detail", args=[project.pk])).json()["members"][-1]
        again = client.post(reverse("project-member", args=[project.pk, member.pk]), {"invite": "1"}, follow=True)
        link = re.search(r"/accounts/invitation/\w+/[\w-]+/", again.content.decode())[0]
        opened = Client().get(link, follow=True)
        seen[name] = [
            added.status_code,
            shape(added.content.decode(), name),
            shape(settings, name),
            entry | {"name": "NAME", "id": 0},  # of the membership, counted on
            again.status_code,
            shape(again.content.decode(), name),
            opened.status_code,
            shape(opened.content.decode(), name),
            len(link),
        ]
        assert "Existing-Person" not in "".join(str(one) for one in seen[name])
        member.delete()  # so that both meet the same page
    assert seen["existing"] == seen["newcomer"]


def test_the_link_of_an_account_that_exists_sets_no_password(owner):
    existing = UserFactory(username="existing")
    existing.set_password("long used password")
    existing.last_login = existing.date_joined - timedelta(hours=1)  # a link knows it to the second
    existing.save()
    membership, link = add(owner, "existing")
    assert "This link sets no password" in set_password(link).content.decode()
    existing.refresh_from_db()
    assert existing.check_password("long used password")
    client = Client()
    client.post(reverse("sign-in"), {"username": "existing", "password": "long used password"})
    membership.refresh_from_db()
    assert (
        membership.invited_as == "" and client.get(reverse("project", args=[membership.project_id])).status_code == 200
    )
    assert "This link is void" in Client().get(link, follow=True).content.decode()


def test_a_colleague_of_another_project_is_added_by_name_and_at_once(owner):
    other = MembershipFactory(project=owner.memberships.get().project).user
    second = ProjectFactory()
    MembershipFactory(project=second, user=owner, role=Role.OWNER)
    membership, link = add_member(project=second, username=other.username, role="viewer", by=owner)
    assert (membership.invited_as, link) == ("", None)


# -- rights


def test_projects_are_created_by_those_who_were_given_the_right():
    person, administrator = UserFactory(), UserFactory(is_staff=True)
    client, url = signed_in(person), reverse("new-project")
    form = {"name": "Mine", "classes": "nucleus", "layering": "shared"}
    assert client.post(url, form).status_code == 403
    assert "New project" not in client.get("/").content.decode()
    signed_in(administrator).post(reverse("administration"), {"person": person.pk, "granted": "on"})
    assert client.post(url, form).status_code == 302
    assert Membership.objects.get(user=person).role == Role.OWNER
    change_policy(projects="administrators", people="managers")
    assert client.get(url).status_code == 403
    assert signed_in(administrator).get(url).status_code == 200
    change_policy(projects="everybody", people="managers")
    assert signed_in(UserFactory()).get(url).status_code == 200


def test_people_are_brought_in_by_managers_or_by_administrators_alone(owner):
    add(owner, "first")
    change_policy(projects="granted", people="administrators")
    UserFactory(username="existing")
    for name in ("existing", "newcomer"):  # the same for both: names cannot be tried out
        with pytest.raises(NotAllowed, match="only administrators invite new people"):
            add(owner, name)
    administrator = UserFactory(is_staff=True)
    project = owner.memberships.get().project
    MembershipFactory(project=project, user=administrator, role=Role.OWNER)
    _membership, link = add_member(project=project, username="newcomer", role="viewer", by=administrator)
    assert link


def test_the_page_of_administrators_is_theirs_and_shows_what_happened():
    assert signed_in(UserFactory()).get(reverse("administration")).status_code == 404
    Client().post(reverse("sign-in"), {"username": "somebody<b>", "password": "wrong"})
    client = signed_in(UserFactory(is_staff=True))
    page = client.get(reverse("administration")).content.decode()
    assert "somebody&lt;b&gt;" in page and "127.0.0.1" in page and "sign-in page" in page
    client.post(reverse("administration"), {"projects": "everybody", "people": "administrators"})
    assert (SitePolicy.objects.get().projects, SitePolicy.objects.get().people) == ("everybody", "administrators")
    client.post(reverse("administration"), {"projects": "nobody", "people": "administrators"})
    assert SitePolicy.objects.get().projects == "everybody"


def test_an_invitation_is_made_anew_only_for_who_has_not_come(owner):
    membership, link = add(owner, "newcomer")
    assert invite_again(membership=membership, by=owner) != link
    assert set_password(invite_again(membership=membership, by=owner)).status_code == 200
    membership.refresh_from_db()
    with pytest.raises(Exception, match="signed in already"):
        invite_again(membership=membership, by=owner)
