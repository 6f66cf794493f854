"""Who reads what: seniority, centres, admission, and approval by a pathologist."""

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.assignments import services
from labeling.assignments.declaring import declare_workflow
from labeling.assignments.errors import CannotBeAssigned, NotAdmitted
from labeling.assignments.models import WorkItem
from labeling.assignments.reviewing import accept_item, reopen_item
from labeling.assignments.rules import admit, withdraw_admission
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.images.patients import Centre
from labeling.projects.models import Membership, Seniority
from labeling.projects.services import NotAllowed, describe_member
from tests.factories import LabelClassFactory
from tests.labeling.pages import page_text, signed_in
from tests.labeling.team import acts_of, fresh, make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    """Three images: one of Graz, one of Bern, one of nowhere; the first annotator works at Graz."""
    team = make_team(images=3)
    team.graz = Centre.objects.create(project=team.project, name="Graz")
    team.bern = Centre.objects.create(project=team.project, name="Bern")
    for item, centre in zip(team.items, (team.graz, team.bern, None), strict=True):
        Image.objects.filter(pk=item.image_id).update(centre=centre)
    team.one = Membership.objects.get(project=team.project, user=team.people[0])
    describe_member(membership=team.one, seniority="student", centre=team.graz.pk)
    team.label_class = LabelClassFactory(project=team.project)
    return team


def offered(team, person):
    return [item.pk for item in services.queue_for(project=team.project, user=person)]


def test_nobody_reads_cases_of_their_own_centre(team):
    one, two = team.people
    first, second, third = (item.pk for item in team.items)
    assert offered(team, one) == [first, second, third]
    declare_workflow(project=team.project, by=team.owner, excludes_own_centre=True)
    assert (offered(team, one), offered(team, two)) == ([second, third], [first, second, third])
    with pytest.raises(CannotBeAssigned):
        services.begin_item(item_id=first, user=one)
    assert services.take_next(project=team.project, user=one).item_id == second


def test_assigning_evenly_keeps_to_the_rules(team):
    declare_workflow(project=team.project, by=team.owner, excludes_own_centre=True)
    keys = [item.pk for item in team.items]
    services.assign_items(project=team.project, items=keys, readers=team.people, by=team.owner)
    first = WorkItem.objects.get(pk=keys[0])
    assert [reading.reader for reading in first.readings.all()] == [team.people[1]]


def test_nobody_gets_an_image_before_they_are_admitted(team):
    person = team.people[0]
    first, second, third = (item.pk for item in team.items)
    wanted = {"project": team.project, "person": person, "label_class": team.label_class, "by": team.owner}
    declare_workflow(project=team.project, by=team.owner, needs_admission=True)
    with pytest.raises(NotAdmitted):
        services.take_next(project=team.project, user=person)
    given = admit(**wanted, centre=team.bern)
    assert offered(team, person) == [second]
    everywhere = admit(**wanted)
    assert admit(**wanted) == everywhere
    assert offered(team, person) == [first, second, third]
    for one in (given, everywhere):
        withdraw_admission(admission=one)
    assert offered(team, person) == []


def test_who_is_admitted_later_gets_the_images_in_their_order(team):
    """An admission for one centre has led past the first image; the second admission allows it."""
    person = team.people[0]
    first, second, _third = (item.pk for item in team.items)
    wanted = {"project": team.project, "person": person, "label_class": team.label_class, "by": team.owner}
    declare_workflow(project=team.project, by=team.owner, needs_admission=True)
    admit(**wanted, centre=team.bern)
    assert services.take_next(project=team.project, user=person).item_id == second
    services.finish_item(item_id=second, user=person)
    admit(**wanted)
    assert services.take_next(project=team.project, user=person).item_id == first


def test_a_pathologist_approves_an_image(team):
    declare_workflow(project=team.project, by=team.owner, needs_approval=True)
    reading = services.take_next(project=team.project, user=team.people[0])
    services.finish_item(item_id=reading.item_id, user=team.people[0])
    with pytest.raises(NotAllowed, match="pathologist"):
        accept_item(item_id=reading.item_id, by=team.owner)
    member = Membership.objects.get(project=team.project, user=team.reviewer)
    describe_member(membership=member, seniority=Seniority.PATHOLOGIST, centre=None)
    accept_item(item_id=reading.item_id, by=team.reviewer)
    item = fresh(reading.item)
    assert (item.state, item.approved_by, acts_of(item)[-1]) == ("done", team.reviewer, "approve")
    reopen_item(item_id=item.pk, by=team.owner, comment="one cell more")
    assert fresh(item).approved_by is None


def test_an_approval_needs_a_review(team):
    with pytest.raises(Invalid):
        declare_workflow(project=team.project, by=team.owner, needs_approval=True, has_review=False)


def test_members_and_admissions_by_api_and_page(team):
    client = APIClient()
    client.force_authenticate(team.owner)
    member = reverse("member-detail", args=[team.one.pk])
    changed = client.patch(member, {"seniority": "resident", "centre": team.bern.pk}, format="json").json()
    assert (changed["seniority"], changed["centre"], changed["role"]) == ("resident", team.bern.pk, "annotator")
    assert client.patch(member, {"centre": 0}, format="json").status_code == 422
    body = {
        "person": team.people[0].pk,
        "label_class": team.label_class.pk,
        "centre": team.graz.pk,
    }
    admissions = reverse("admission-list", args=[team.project.pk])
    made = client.post(admissions, body, format="json")
    assert made.status_code == 201, made.json()
    withdraw = reverse("admission-withdraw", args=[made.json()["id"]])
    withdrawn = client.post(withdraw).json()
    assert withdrawn["withdrawn_at"] is not None
    page = signed_in(team.owner)
    sent = {"describe": "1", "seniority": "pathologist", "centre": ""}
    page.post(reverse("project-member", args=[team.project.pk, team.one.pk]), sent)
    team.one.refresh_from_db()
    assert (team.one.seniority, team.one.centre) == ("pathologist", None)


def reads(member, *skills):
    describe_member(membership=member, seniority="", centre=None, skills=skills)


def test_an_image_goes_by_skill_to_whoever_reads_its_tag(team):
    one, two = team.people
    first, second, third = (item.pk for item in team.items)
    tagged = {first: ["breast"], second: ["brain", "urgent"], third: []}
    for item in team.items:
        Image.objects.filter(pk=item.image_id).update(tags=tagged[item.pk])
    reads(team.one, "breast", " breast ", "")
    reads(Membership.objects.get(project=team.project, user=two), "brain", "skin")
    assert offered(team, one) == [first, second, third], "without the rule everybody reads all"
    declare_workflow(project=team.project, by=team.owner, matches_skills=True)
    assert (offered(team, one), offered(team, two)) == ([first, third], [second, third])
    assert offered(team, team.owner) == [third], "nobody's skill is asked for a tag that is none"
    with pytest.raises(CannotBeAssigned, match="skill"):
        services.begin_item(item_id=second, user=one)
    assert services.take_next(project=team.project, user=two).item_id == second


def test_a_new_skill_leads_to_images_before_the_start_of_the_queue(team):
    one = team.people[0]
    first, second, _third = (item.pk for item in team.items)
    Image.objects.filter(pk=team.items[0].image_id).update(tags=["brain"])
    reads(Membership.objects.get(project=team.project, user=team.people[1]), "brain")
    declare_workflow(project=team.project, by=team.owner, matches_skills=True)
    claimed = services.take_next(project=team.project, user=one)
    assert claimed.item_id == second
    services.finish_item(item_id=second, user=one)
    reads(team.one, "brain")
    assert services.take_next(project=team.project, user=one).item_id == first


def test_skills_are_set_on_the_page_team_and_by_api(team):
    lead = signed_in(team.owner)
    lead.post(
        reverse("project-member", args=[team.project.pk, team.one.pk]),
        {"describe": "1", "seniority": "student", "centre": "", "skills": "breast, skin ,"},
    )
    team.one.refresh_from_db()
    assert team.one.skills == ["breast", "skin"]
    client = APIClient()
    client.force_authenticate(team.owner)
    address = reverse("member-detail", args=[team.one.pk])
    assert client.patch(address, {"skills": ["brain"]}, format="json").json()["skills"] == ["brain"]
    assert client.patch(address, {"seniority": "resident"}, format="json").json()["skills"] == ["brain"]
    declined = client.patch(address, {"skills": ["x" * 61]}, format="json")
    assert declined.status_code == 422
    team.one.refresh_from_db()
    assert team.one.skills == ["brain"]


def test_my_work_leads_somebody_who_is_not_admitted_to_learning(team):
    person = team.people[0]
    declare_workflow(project=team.project, by=team.owner, needs_admission=True)
    home = page_text(signed_in(person).get(reverse("home")))
    assert "Learn first: Breast" in home and "Nothing is left for you" not in home
    admit(project=team.project, person=person, label_class=team.label_class, by=team.owner)
    assert "Learn first" not in page_text(signed_in(person).get(reverse("home")))
