"""The audit log: every act of the list leaves its row, nobody changes one, and administrators alone read it."""

import io
from datetime import timedelta
from types import SimpleNamespace

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import labeling.exchange.tasks  # noqa: F401 (registers the handler of exports, as a worker does)
from labeling.accounts import throttle
from labeling.accounts.models import SitePolicy
from labeling.accounts.second_factors import remove_factors
from labeling.accounts.services import change_account, change_policy, grant_projects, reset_link
from labeling.accounts.sessions import end_sessions
from labeling.accounts.tokens import create_token, revoke_token
from labeling.api import routes
from labeling.audit import services as audit
from labeling.audit.models import LEAST_DAYS, Act, SecurityEvent
from labeling.contract import contract_of
from labeling.images.facts import change_image
from labeling.images.models import Image
from labeling.images.originals import fetch_original
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.jobs.tasks import run_job
from labeling.projects.classes import add_class, remove_class
from labeling.projects.invitations import invite, join
from labeling.projects.invitations import revoke as revoke_invitation
from labeling.projects.models import Role
from labeling.projects.services import (
    add_member,
    change_project,
    change_role,
    create_project,
    remove_member,
)
from labeling.reviews.certificates.models import Lot, LotState
from labeling.rounds.execution.archiving import archive_project, delete_project, restore_project
from labeling.rounds.http import api as rounds_api
from labeling.rounds.weights import importing
from labeling.site import compare_views, round_views
from labeling.studies.removal import remove_raw_data
from labeling.upkeep.copying import copy_project
from labeling.upkeep.deleting import delete_images, restore_images
from labeling.upkeep.leaving import anonymise_account
from labeling.upkeep.purging import purge
from labeling.upkeep.removing import remove_project
from labeling.upkeep.withdrawing import withdraw_patient
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory, UserFactory
from tests.factors import add_app, add_passkey, link
from tests.labeling.lots import bare_lot
from tests.labeling.pages import signed_in
from tests.labeling.studies import agreed, frozen, locked, ten_fields
from tests.tokens import token_headers

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"


@pytest.fixture
def there(settings) -> SimpleNamespace:
    """A project with an image, its owner, a member and somebody else."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    project = ProjectFactory(name="Breast")
    owner = MembershipFactory(project=project, role=Role.OWNER).user
    member = MembershipFactory(project=project, role=Role.ANNOTATOR)
    owner.set_password(PASSWORD)
    owner.save()
    image = ImageFactory(project=project)
    return SimpleNamespace(project=project, owner=owner, member=member, image=image, other=UserFactory())


# -- one function for each act, which does it as the site does


def sign_in(there, password=PASSWORD):
    client = Client()
    client.post(reverse("sign-in"), {"username": there.owner.username, "password": password})
    return client


def lock_out(there):
    for _attempt in range(throttle.MOST_BY_NAME):
        sign_in(there, "wrong")


def change_password(there):
    there.owner.set_password("another long password")
    there.owner.save()


def change_own_password(there):
    request = SimpleNamespace(user=there.owner, META={"REMOTE_ADDR": "203.0.113.7"}, auth=None)
    mark = audit.current_request.__globals__["_CURRENT"].set(request)
    try:
        change_password(there)
    finally:
        audit.current_request.__globals__["_CURRENT"].reset(mark)


def close_account(there, opened=False):
    there.other.is_active = False
    there.other.save()
    if opened:
        there.other.is_active = True
        there.other.save()


def revoke_a_token(there):
    token = create_token(user=there.owner, name="nightly", scope="read", days=1).token
    revoke_token(token=token)
    revoke_token(token=token)  # twice is once


def invited(there):
    return invite(project=there.project, role=Role.VIEWER, by=there.owner, notes=["Dr Miller"])[0]


def fetch_export(there):
    client = signed_in(there.owner)
    asked = client.post(f"/api/v1/projects/{there.project.pk}/exports/", {"layout": "coco"}, "application/json")
    job = Job.objects.get(pk=asked.json()["id"])
    run_job(job_id=job.pk)
    answer = client.get(f"/api/v1/jobs/{job.pk}/result/")
    assert answer.status_code == 200


def fetch_an_original(there):
    there.image.original.save("kept.png", SimpleUploadedFile("kept.png", b"bytes"))
    fetch_original(image=there.image, by=there.owner)


def delete(there):
    delete_images(project=there.project, images=[there.image.pk], by=there.owner)


def withdraw(there):
    patient = change_image(image=there.image, by=there.owner, patient="07").patient
    for _twice in range(2):
        withdraw_patient(patient=patient, typed="07", by=there.owner)


def copy_to_another(there):
    there.owner.creates_projects = True
    copy_project(source=there.project, name="Copy", by=there.owner)


def remove_for_good(there):
    deleted = delete_project(project=there.project, typed=there.project.name, by=there.owner)
    assert remove_project(deleted)


def remove_a_class(there):
    add_class(project=there.project, name="tumour")
    remove_class(label_class=add_class(project=there.project, name="stroma"))


def rename(there):
    change_project(project=there.project, by=there.owner, name="Lung", description="", records_activity=True)


def remove_of_a_study(there):
    participant = agreed(frozen(ten_fields()))
    remove_raw_data(participant=participant, cause="withdrawn")


def import_weights(there, monkeypatch):
    monkeypatch.setattr(importing, "decline_what_no_weights_are", lambda name, file: None)
    file = SimpleUploadedFile("own.safetensors", b"weights")
    importing.import_weights(project=there.project, by=there.owner, files=[file], data_licence="CC BY 4.0")


def take_along(there):
    answer = signed_in(UserFactory(is_staff=True)).post(reverse("audit"), {"act": "signed_in"})
    assert b"".join(answer.streaming_content).startswith(b"id,at,act")


# Act -> (what is done, how many rows of the act it leaves, what the newest row is about)
ACTS = {
    Act.SIGNED_IN: (sign_in, 1, None),
    Act.SIGN_IN_FAILED: (lambda there: sign_in(there, "wrong"), 1, None),
    Act.SIGN_IN_LIMITED: (lock_out, 1, None),
    Act.SIGNED_OUT: (lambda there: sign_in(there).post(reverse("sign-out")), 1, None),
    Act.PASSWORD_CHANGED: (change_own_password, 1, None),
    Act.PASSWORD_RESET: (change_password, 1, None),
    Act.SESSIONS_ENDED: (
        lambda there: [signed_in(there.owner), end_sessions(user=there.owner, own_key="")], 1, None,
    ),
    Act.RESET_LINK_CREATED: (lambda there: reset_link(user=there.owner), 1, None),
    Act.EMAIL_CHANGED: (
        lambda there: change_account(user=there.owner, email="a@example.org", mails_round_ends=True, language="en"),
        1, None,
    ),
    Act.SECOND_FACTOR_ADDED: (lambda there: add_app(there.owner), 1, None),
    Act.SECOND_FACTOR_REMOVED: (lambda there: [add_app(there.owner), remove_factors(user=there.owner)], 1, None),
    Act.PASSKEY_ADDED: (lambda there: add_passkey(there.owner), 1, None),
    Act.PASSKEY_REMOVED: (lambda there: [add_passkey(there.owner), remove_factors(user=there.owner)], 1, None),
    Act.RECOVERY_CODES_CREATED: (lambda there: RecoveryCodes.activate(there.owner), 1, None),
    Act.ACCOUNT_LINKED: (lambda there: link(there.owner), 1, None),
    Act.ACCOUNT_UNLINKED: (lambda there: link(there.owner).delete(), 1, None),
    Act.ACCOUNT_CREATED: (lambda there: UserFactory(username="newcomer"), 1, "newcomer"),
    Act.ACCOUNT_CLOSED: (close_account, 1, None),
    Act.ACCOUNT_OPENED: (lambda there: close_account(there, opened=True), 1, None),
    Act.INVITATION_CREATED: (invited, 1, "Dr Miller"),
    Act.INVITATION_USED: (lambda there: join(token=invited(there).token, user=there.other), 1, None),
    Act.INVITATION_REVOKED: (lambda there: revoke_invitation(invitation=invited(there).invitation), 1, "Dr Miller"),
    Act.MEMBER_ADDED: (
        lambda there: add_member(project=there.project, username="newcomer", role="viewer", by=there.owner), 1,
        "newcomer",
    ),
    Act.MEMBER_REMOVED: (
        lambda there: remove_member(project=there.project, membership=there.member, by=there.owner), 1, None,
    ),
    Act.ROLE_CHANGED: (
        lambda there: change_role(project=there.project, membership=there.member, role="reviewer", by=there.owner),
        1, None,
    ),
    Act.TOKEN_CREATED: (lambda there: create_token(user=there.owner, name="nightly", scope="read", days=1), 1,
                        "nightly"),
    Act.TOKEN_REVOKED: (revoke_a_token, 1, "nightly"),
    Act.EXPORT_REQUESTED: (
        lambda there: create_job(
            kind=Job.Kind.EXPORT, project=there.project, owner=there.owner, request={"layout": "coco"}
        ), 1, "",
    ),
    Act.EXPORT_FETCHED: (fetch_export, 1, None),
    Act.ORIGINAL_FETCHED: (fetch_an_original, 1, None),
    Act.PROJECT_CREATED: (
        lambda there: create_project(name="Lung", owner=there.owner, classes=["nucleus"]), 1, "Lung",
    ),
    Act.PROJECT_CHANGED: (rename, 1, "name"),
    Act.PROJECT_ARCHIVED: (lambda there: archive_project(project=there.project, by=there.owner), 1, ""),
    Act.PROJECT_RESTORED: (
        lambda there: restore_project(project=archive_project(project=there.project, by=there.owner), by=there.owner),
        1, "",
    ),
    Act.PROJECT_COPIED: (copy_to_another, 1, "Copy"),
    Act.PROJECT_DELETED: (
        lambda there: delete_project(project=there.project, typed=there.project.name, by=there.owner), 1, None,
    ),
    Act.PROJECT_REMOVED: (remove_for_good, 1, None),
    Act.CLASS_REMOVED: (remove_a_class, 1, "stroma"),
    Act.IMAGES_DELETED: (delete, 1, None),
    Act.PATIENT_WITHDRAWN: (withdraw, 1, "07"),
    Act.IMAGES_RESTORED: (
        lambda there: [
            delete(there), restore_images(project=there.project, images=[there.image.pk], by=there.owner)
        ], 1, None,
    ),
    Act.FILES_REMOVED: (lambda there: [delete(there), purge(there.image.pk)], 1, None),
    Act.STUDY_DATA_REMOVED: (remove_of_a_study, 1, None),
    Act.WEIGHTS_IMPORTED: (import_weights, 1, "own.safetensors"),
    Act.POLICY_CHANGED: (lambda there: change_policy(projects="everybody", people="managers"), 1, "projects"),
    Act.ACCOUNT_ANONYMISED: (
        lambda there: anonymise_account(user=there.other, by=there.owner), 1, None,
    ),
    Act.RIGHT_CHANGED: (lambda there: grant_projects(user=there.other, granted=True), 1, None),
    Act.AUDIT_EXPORTED: (take_along, 1, ""),
}  # fmt: skip


def test_the_table_has_every_act():
    assert set(ACTS) == set(Act)


@pytest.mark.parametrize("act", ACTS, ids=str)
def test_every_act_leaves_its_row(act, there, sent, monkeypatch):
    do, count, subject = ACTS[act]
    before = SecurityEvent.objects.filter(act=act).count()
    do(there, monkeypatch) if do is import_weights else do(there)
    rows = list(SecurityEvent.objects.filter(act=act))
    assert len(rows) - before == count
    if subject is not None:
        assert rows[0].subject == subject


# Route of a file -> what its address names. job-result is in the table of acts above.
DOWNLOADS = {
    "export": ("project", "layout"),
    "image-table": ("project",),
    "agreement-table": ("project",),
    "consensus-votes": ("project",),
    "dashboard-table": ("project",),
    "certificate-record": ("lot",),
    "round-export": ("round",),
    "export-round": ("round",),
    "round-log-file": ("round",),
    "compare-rounds-file": ("project",),
    "study-pdf": ("study",),
    "study-registration": ("study",),
    "study-bundle": ("study",),
}


@pytest.fixture
def files(monkeypatch) -> SimpleNamespace:
    """A project of which every file of DOWNLOADS is fetched; files that take long to make are stubs."""
    project = ten_fields()
    study = locked(frozen(project))
    lot = bare_lot(project.images.first(), project.owner)
    Lot.objects.filter(pk=lot.pk).update(state=LotState.WITHDRAWN)
    for views in (rounds_api, round_views):
        monkeypatch.setattr(views, "export_file", lambda _round: io.BytesIO(b"zip"))
    monkeypatch.setattr(compare_views, "chosen_rounds", lambda _request, rounds: [*rounds, *rounds])
    monkeypatch.setattr(compare_views, "finished_rounds", lambda project: list(project.rounds.all()))
    monkeypatch.setattr(compare_views, "compare_rounds", lambda _rounds: None)
    monkeypatch.setattr(compare_views, "table_of", lambda *_of: [])
    reporting = SimpleNamespace(pdf=lambda _study: b"pdf", bundled=lambda _study: b"zip")
    monkeypatch.setattr("labeling.studies.reporting", reporting, raising=False)
    names = {
        "project": project.pk,
        "layout": "coco",
        "lot": lot.pk,
        "round": project.rounds.get().pk,
        "study": study.pk,
    }
    return SimpleNamespace(project=project, owner=project.owner, names=names)


@pytest.mark.parametrize("route", DOWNLOADS)
def test_every_file_of_a_project_leaves_its_row(route, files):
    named = {name: files.names[name] for name in DOWNLOADS[route]}
    answer = signed_in(files.owner).get(reverse(route, kwargs=named))
    assert answer.status_code == 200
    row = SecurityEvent.objects.get(act=Act.EXPORT_FETCHED)
    assert f'filename="{row.subject}"' in answer["Content-Disposition"]
    assert (row.person, row.project) == (files.owner.pk, files.project.pk)
    named.pop("project", None)
    assert row.details == named


def test_the_receipt_of_a_reader_leaves_its_row():
    participant = agreed(frozen(ten_fields()))
    remove_raw_data(participant=participant, cause="withdrawn")
    answer = signed_in(participant.user).get(reverse("participation-receipt", args=[participant.pk]))
    assert answer.status_code == 200
    row = SecurityEvent.objects.get(act=Act.EXPORT_FETCHED)
    assert f'filename="{row.subject}"' in answer["Content-Disposition"]
    assert (row.person, row.project) == (participant.user_id, participant.study.project_id)
    assert row.details == {"study": participant.study_id}


def test_ones_own_activity_leaves_its_row_as_a_file_and_none_as_a_page(there):
    client = signed_in(there.owner)
    client.get(reverse("own-activity"))
    assert not SecurityEvent.objects.filter(act=Act.EXPORT_FETCHED).exists()
    client.get(reverse("own-activity"), {"format": "csv"})
    row = SecurityEvent.objects.get(act=Act.EXPORT_FETCHED)
    assert (row.subject, row.person, row.project) == ("my-activity.csv", there.owner.pk, None)


def test_no_file_of_the_api_goes_past_the_log():
    """Every route of the API that answers with a table or an archive is in DOWNLOADS."""
    kept = {"text/csv", "application/zip"}
    for route in routes():
        declared = contract_of(getattr(route.callback.cls, "get", None))
        if declared is not None and kept & set(declared.files):
            assert route.name in DOWNLOADS


def test_a_row_tells_who_did_it_from_where_and_by_which_token(there):
    headers = token_headers(there.owner)
    token = there.owner.personal_tokens.get()
    answer = Client().post(
        f"/api/v1/projects/{there.project.pk}/images/delete/", {"images": [there.image.pk]},
        content_type="application/json", headers=headers, REMOTE_ADDR="203.0.113.7",
    )  # fmt: skip
    assert answer.status_code == 200
    row = SecurityEvent.objects.get(act=Act.IMAGES_DELETED)
    assert (row.person, row.person_name) == (there.owner.pk, there.owner.username)
    assert (row.address, row.token, row.project, row.project_name) == (
        "203.0.113.7", token.pk, there.project.pk, "Breast",
    )  # fmt: skip
    assert row.details == {"images": [there.image.pk]}


def test_no_row_of_an_act_that_is_undone(there):
    before = SecurityEvent.objects.count()
    with pytest.raises(RuntimeError), transaction.atomic():
        change_policy(projects="everybody", people="managers")
        raise RuntimeError
    assert SecurityEvent.objects.count() == before
    assert not SitePolicy.objects.exists()


def test_a_typed_name_that_no_account_has_is_not_kept(there):
    Client().post(reverse("sign-in"), {"username": "my secret password", "password": "x"})
    row = SecurityEvent.objects.get(act=Act.SIGN_IN_FAILED)
    assert row.subject == "" and "secret" not in str(row.details)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE labeling_securityevent SET subject = 'nothing'",
        "DELETE FROM labeling_securityevent",
        "TRUNCATE labeling_securityevent",
    ],
)
def test_the_database_declines_to_change_a_row(there, statement):
    audit.record(Act.SIGNED_OUT, by=there.owner)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE labeling_securityevent ENABLE TRIGGER audit_not_emptied")
    with pytest.raises(IntegrityError, match="append_only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert SecurityEvent.objects.filter(act=Act.SIGNED_OUT).exists()


def test_rows_are_removed_after_their_time_and_not_before(there, settings):
    settings.AUDIT_DAYS = 1  # less than the database allows
    audit.record(Act.SIGNED_OUT, by=there.owner)
    assert audit.forget_old(timezone.now() + timedelta(days=LEAST_DAYS - 1)) == []
    with connection.cursor() as cursor:  # as if it had been written long ago
        cursor.execute("ALTER TABLE labeling_securityevent DISABLE TRIGGER audit_append_only")
        cursor.execute("UPDATE labeling_securityevent SET at = at - interval '400 days'")
        cursor.execute("ALTER TABLE labeling_securityevent ENABLE TRIGGER audit_append_only")
    count = SecurityEvent.objects.count()
    assert audit.forget_old() == [f"{count} events of the audit log are older than {LEAST_DAYS} days and removed"]
    assert not SecurityEvent.objects.exists()


def test_the_page_is_of_administrators_and_narrows(there):
    assert signed_in(there.owner).get(reverse("audit")).status_code == 404
    assert signed_in(there.owner).post(reverse("audit")).status_code == 404
    rename(there)
    client = signed_in(UserFactory(is_staff=True, username="chief"))
    page = client.get(reverse("audit")).content.decode()
    assert "Lung" in page and "project settings changed" in page and there.owner.username in page
    narrowed = client.get(reverse("audit"), {"act": "signed_in"}).content.decode()
    assert "Lung" not in narrowed.partition("<tbody>")[2]
    assert client.get(reverse("audit"), {"act": "x", "person": "²", "since": "2026-02-31"}).status_code == 200
    later = client.get(reverse("audit"), {"since": "2999-01-01"}).content.decode()
    assert "No event fits." in later


def test_a_cell_of_the_table_is_no_formula(there):
    audit.record(Act.PROJECT_CHANGED, by=there.owner, subject='=HYPERLINK("http://example.org")')
    table = "".join(audit.as_csv(audit.events(act="project_changed")))
    assert "\"'=HYPERLINK" in table


def test_image_rows_are_gone_and_their_event_is_not(there):
    delete(there)
    Image.everything.filter(pk=there.image.pk).delete()
    assert SecurityEvent.objects.filter(act=Act.IMAGES_DELETED, subject=there.image.name).exists()
