"""Every page of the site, and what it needs to be there: one table for the checks that go through all of them.

`make` runs inside an instance (Running.manage) and makes what the pages are about, in projects of the person who looks
at them. tests/labeling/test_every_page.py holds that no page is left out.
"""

from typing import Any

from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from labeling.accounts.invitations import reset_links
from labeling.accounts.models import User
from labeling.images.patients import Patient
from labeling.projects.invitations import invite
from labeling.projects.models import Role
from labeling.projects.services import create_project
from labeling.qualification import services as qualification
from labeling.studies import services as studies
from labeling.studies.models import Study
from labeling.studies.path import open_item
from tests.e2e import differing
from tests.factories import MembershipFactory
from tests.labeling.lots import bare_lot
from tests.labeling.studies import agreed, draft, locked, ten_fields
from tests.labeling.test_qualification import School

# Name -> path; in braces what `make` and the caller know: project, image and round are of a project with proposals.
PAGES = {
    "my work": "/",
    "new project": "/projects/new/",
    "work": "/projects/{project}/",
    "images": "/projects/{project}/images/",
    "withdraw a patient": "/patients/{patient}/withdraw/",
    "images as a list": "/projects/{project}/images/?view=list",
    "no image found": "/projects/{project}/images/?q=nowhere",
    "rounds": "/projects/{project}/rounds/",
    "round": "/projects/{project}/rounds/{round}/",
    "models": "/projects/{project}/models/",
    "compare": "/projects/{project}/rounds/compare/",
    "team": "/projects/{project}/team/",
    "dashboard": "/projects/{project}/dashboard/",
    "guidelines": "/projects/{project}/guidelines/",
    "learning": "/projects/{school}/learning/",
    "quality control": "/projects/{school}/quality-control/",
    "training field": "/learning-fields/{learning_field}/",
    "agreement": "/projects/{readings}/agreement/",
    "adjudication": "/images/{read_twice}/adjudication/",
    "gallery": "/projects/{project}/gallery/",
    "certificates": "/projects/{project}/certificates/",
    "certificate": "/certificates/{lot}/",
    "studies": "/projects/{studied}/studies/",
    "study being designed": "/studies/{draft}/",
    "edit a study": "/studies/{draft}/edit/",
    "size of a study": "/studies/{draft}/size/",
    "freeze a study": "/studies/{draft}/freeze/",
    "delete a study": "/studies/{draft}/delete/",
    "study": "/studies/{study}/",
    "lock a study": "/studies/{study}/lock/",
    "interim look": "/studies/{study}/interim-look/",
    "progress of a study": "/studies/{study}/report/",
    "report of a study": "/studies/{locked}/report/",
    "participation": "/participations/{participant}/",
    "stop": "/study-items/{item}/stop/",
    "export": "/projects/{project}/exports/",
    "propose": "/projects/{project}/propose/",
    "settings": "/projects/{project}/settings/",
    "class": "/projects/{project}/classes/{label_class}/",
    "scale": "/images/{image}/scale/",
    "empty work": "/projects/{empty}/",
    "empty images": "/projects/{empty}/images/",
    "empty rounds": "/projects/{empty}/rounds/",
    "empty team": "/projects/{empty}/team/",
    "empty export": "/projects/{empty}/exports/",
    "administration": "/administration/",
    "audit": "/administration/audit/",
    "a person": "/administration/people/{person}/",
    "account": "/accounts/mine/",
    "second factors": "/accounts/mine/factors/",
    "confirm by password": "/accounts/confirm/",
    "API": "/accounts/api/",
    "notifications": "/notifications/",
    "my activity": "/my-activity/",
    "help": "/help/",
    "nothing in the help": "/help/?q=nothing-has-this-name",
    "sheet of keys": "/help/keys/",
    "search": "/search/?q=colon",
    "nothing found": "/search/?q=nothing-has-this-name",
    "not found": "/projects/999999/",
    "a void link": "/accounts/mine/address/none/",
}

# Without a session.
OUTSIDE = {
    "sign in": "/accounts/sign-in/",
    "forgotten": "/accounts/forgotten/",
    "join": "/join/{invitation}/",
    "void invitation": "/join/none/",
    "reset the password": "/accounts/reset/{uid}/{reset}/",
    "first password": "/accounts/invitation/none/none/",
}

# Pages that are not in the tables, with the test that looks at them.
ELSEWHERE = {
    "image": "tests/e2e/test_workspace.py, panel by panel",
    "study-item": "the workspace of an image, as above",
    "compare-image": "tests/e2e/test_overlay.py",
    "slide": "sends on to the workspace",
    "mfa_authenticate": "tests/e2e/test_second_factors.py",
    "mfa_reauthenticate": "tests/e2e/test_second_factors.py",
    "mfa_reauthenticate_webauthn": "tests/e2e/test_second_factors.py",
    "mfa_activate_totp": "tests/e2e/test_second_factors.py",
    "mfa_deactivate_totp": "tests/e2e/test_second_factors.py",
    "mfa_add_webauthn": "tests/e2e/test_second_factors.py",
    "mfa_remove_webauthn": "tests/e2e/test_second_factors.py",
    "mfa_view_recovery_codes": "tests/e2e/test_second_factors.py",
    "mfa_generate_recovery_codes": "tests/e2e/test_second_factors.py",
}


def make(lead: User) -> dict[str, Any]:
    """What the braces of the tables stand for, but project, image, round and label_class."""
    found = differing.make(lead)
    empty = create_project(owner=lead, name="Without images")
    names = {
        "person": lead.pk,
        "uid": urlsafe_base64_encode(force_bytes(lead.pk)),
        "reset": reset_links.make_token(lead),
        "readings": found["project"],
        "read_twice": found["image"],
        "empty": empty.pk,
        "patient": Patient.objects.create(project=empty, name="P1").pk,
    }
    return names | _school(lead) | _studies(lead)


def _school(lead: User) -> dict[str, Any]:
    """A project that asks for a training, with the training of `lead` begun, and a lot that is being judged."""
    school = School()
    school.student = lead
    MembershipFactory(project=school.project, user=lead, role=Role.OWNER)
    school.declare()
    attempt = qualification.begin_attempt(project=school.project, person=lead, kind="training")
    lot = bare_lot(school.images[-1], lead)
    (invited,) = invite(project=school.project, by=lead, role=Role.ANNOTATOR)
    field = attempt.fields.get()
    return {"school": school.project.pk, "learning_field": field.pk, "lot": lot.pk, "invitation": invited.token}


def _studies(lead: User) -> dict[str, Any]:
    """One that is designed, one that runs and that `lead` reads in, one that is locked."""
    project = ten_fields()
    MembershipFactory(project=project, user=lead, role=Role.OWNER)
    project.owner = lead
    designed = _named(draft(project), "being designed")
    running = _named(draft(project, readers=1), "at work")
    studies.enrol(study=running, username=lead.username)
    running = studies.freeze(study=running, by=lead)
    participant = running.participants.get(user=lead)
    reader = agreed(running, participant.number)
    first, _ = studies.next_item(reader)
    item = open_item(participant=reader, item_id=first.pk)
    ended = locked(studies.freeze(study=_named(draft(project), "locked"), by=lead))
    return {
        "studied": project.pk,
        "draft": designed.pk,
        "study": running.pk,
        "locked": ended.pk,
        "participant": participant.pk,
        "item": item.pk,
    }


def _named(study: Study, name: str) -> Study:
    study.name = name
    study.save()
    return study
