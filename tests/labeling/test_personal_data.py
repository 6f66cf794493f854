"""What is stored about a person: complete, without secrets, for nobody else; and gone after anonymising."""

import csv
import io
import json
import threading
import time
import zipfile
import zlib

import pytest
from django.contrib.sessions.models import Session
from django.db import connection, connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.accounts.models import SignInAttempt, User
from labeling.accounts.services import close_account, open_account
from labeling.annotations.models import ActivityBatch, Operation
from labeling.audit.models import Act, SecurityEvent
from labeling.errors import LabelingError, WrongState
from labeling.images.models import Image
from labeling.notifications.models import Kind, Notification
from labeling.projects.models import Membership, Role
from labeling.projects.services import change_role, remove_member
from labeling.reviews.models import Comment
from labeling.upkeep import leaving
from labeling.upkeep.leaving import anonymise_account
from labeling.upkeep.personal_data import _shown_columns, columns_that_name_people
from tests.factories import MembershipFactory, ProjectFactory, UserFactory
from tests.factors import add_app, add_passkey, link
from tests.labeling.pages import page_text, signed_in, toasts
from tests.labeling.rounds import small_project
from tests.labeling.studies import agreed, frozen, ten_fields
from tests.tokens import token_of

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery"
NAME, MAIL = "quillfeather", "quillfeather@mail.example"


@pytest.fixture
def admin():
    return UserFactory(is_staff=True)


@pytest.fixture
def user(settings):
    """Somebody who has drawn, with one of everything that names or serves them."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    made = UserFactory(username=NAME, first_name="Quentin", last_name="Quillfeather", email=MAIL)
    made.set_password(PASSWORD)
    made.save()
    project = small_project(made, fields=2, side=192, cells=6)
    MembershipFactory(project=project, role=Role.OWNER)
    add_app(made)
    add_passkey(made)
    link(made)
    ActivityBatch.objects.create(
        session="00000000-0000-0000-0000-000000000001", first=0, count=1, user=made, image=project.images.first(),
        wall_ms=0, mono_ms=0, events=zlib.compress(b'[[0,"pointer_move"]]'),
    )  # fmt: skip
    client = Client()
    client.post(reverse("sign-in"), {"username": NAME, "password": "wrong"})
    return made


def opened(answer):
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    return {name: archive.read(name).decode() for name in archive.namelist()}


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


# -- the file


def test_the_file_holds_what_the_person_left(user):
    secret = token_of(user)
    client = signed_in(user)
    files = opened(client.post(reverse("own-data"), {"password": PASSWORD}))
    assert json.loads(files["account.json"])["email"] == MAIL and "README.txt" in files
    operations = table(files["tables/labeling_operation.author.csv"])
    assert len(operations) == Operation.objects.filter(author=user).count() > 0
    assert "pointer_move" in table(files["tables/labeling_activitybatch.user.csv"])[0]["events"]
    assert table(files["sign_in_attempts.csv"])[0]["name"] == NAME
    assert {row["act"] for row in table(files["security_events.csv"])} >= {"token_created", "passkey_added"}
    assert len(json.loads(files["sessions.json"])) == 1
    everything = "".join(files.values())
    assert secret not in everything and user.password not in everything
    assert client.session.session_key not in everything
    assert SecurityEvent.objects.get(act=Act.EXPORT_FETCHED).details == {"of": user.pk}


def test_every_table_that_names_people_is_asked():
    """The oracle is the database: every foreign key to the table of accounts."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.conrelid::regclass::text, a.attname FROM pg_constraint c "
            "JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1] "
            "WHERE c.contype = 'f' AND c.confrelid = 'labeling_user'::regclass"
        )
        named = {(table, column.removesuffix("_id")) for table, column in cursor.fetchall()}
    of_rights = {("labeling_user_groups", "user"), ("labeling_user_user_permissions", "user")}  # nobody has any
    assert {(c.model._meta.db_table, c.name) for c in columns_that_name_people()} == named - of_rights


def test_no_column_of_a_secret_is_shown():
    words = ("password", "secret", "sha256", "token")
    of_content = {"sent_sha256", "sha256"}  # hashes of what was sent, which open nothing
    for model in {column.model for column in columns_that_name_people()}:
        shown = {column.name for column in _shown_columns(model) if not column.is_relation}
        assert not [name for name in shown - of_content if any(word in name for word in words)]


def test_what_is_about_something_else_is_shown_by_numbers_and_times(user):
    project = user.memberships.get().project
    Image.objects.filter(project=project).update(deleted_by=user, deleted_at=timezone.now(), name="Meier 1.1.1950")
    files = opened(signed_in(user).post(reverse("own-data"), {"password": PASSWORD}))
    (row, *_more) = table(files["tables/labeling_image.deleted_by.csv"])
    assert row["deleted_at"] and row["project_id"] == str(project.pk)
    assert "Meier" not in "".join(files.values())


def test_the_file_of_one_person_holds_nothing_of_another(user, admin):
    """A comment that they resolved, a notice of what they did, a reading that they assigned; who did what to them."""
    project = user.memberships.get().project
    image = project.images.first()
    colleague = UserFactory()
    Comment.objects.create(
        image=image, author=colleague, text="Frau Meier", resolved_by=user, resolved_at=timezone.now()
    )
    notice = {"kind": Kind.MENTIONED, "project": project, "subject": "Herr Meier"}
    Notification.objects.create(person=colleague, actor=user, **notice)
    SecurityEvent.objects.create(act=Act.PROJECT_CREATED, subject=NAME, project_name="Meier’s own")
    close = {"act": Act.ACCOUNT_CLOSED, "person": admin.pk, "subject": NAME, "address": "192.0.2.77"}
    SecurityEvent.objects.create(**close)
    files = opened(signed_in(user).post(reverse("own-data"), {"password": PASSWORD}))
    everything = "".join(files.values())
    assert "Meier" not in everything and "192.0.2.77" not in everything
    assert table(files["tables/labeling_comment.resolved_by.csv"])[0]["author_id"] == str(colleague.pk)
    assert "tables/labeling_notification.actor.csv" in files
    (closed,) = [row for row in table(files["security_events.csv"]) if row["act"] == "account_closed"]
    assert closed["person"] == str(admin.pk)


def test_the_password_is_asked_for(user):
    client = signed_in(user)
    answer = client.post(reverse("own-data"), {"password": "wrong"})
    assert answer.status_code == 302 and "not your password" in toasts(answer)[0]
    assert client.get(reverse("own-data")).status_code == 405


def test_an_administrator_answers_a_request_of_access_and_nobody_else(user, admin):
    address = reverse("person-data", args=[user.pk])
    assert json.loads(opened(signed_in(admin).post(address))["account.json"])["username"] == NAME
    assert SecurityEvent.objects.get(act=Act.EXPORT_FETCHED).person == admin.pk
    assert signed_in(user).post(address).status_code == 404
    assert Client().post(address).status_code == 302


# -- anonymising


def places_of(word: str) -> list[str]:
    """Every table of the database in which a row holds the word, in any column."""
    found = []
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{name}" AS one WHERE one::text ILIKE %s', [f"%{word}%"])
            if cursor.fetchone()[0]:
                found.append(name)
    return found


def test_nothing_names_the_person_afterwards_and_the_work_stays(user, admin):
    token_of(user)
    client = signed_in(user)
    Membership.objects.filter(user=user).update(invited_as=NAME)
    drawn = Operation.objects.filter(author=user).count()
    assert set(places_of("quillfeather")) > {"labeling_securityevent"}
    page = signed_in(admin).post(reverse("person", args=[user.pk]), {"username": NAME})
    assert page.status_code == 302
    assert places_of("quillfeather") == ["labeling_securityevent"]  # kept for AUDIT_DAYS
    assert places_of("Quentin") == []
    user.refresh_from_db()
    assert (user.username, user.is_active, user.has_usable_password()) == (f"person-{user.pk}", False, False)
    assert Operation.objects.filter(author=user).count() == drawn > 0
    assert client.get("/").status_code == 302
    for rows in (user.personal_tokens, user.authenticator_set, user.socialaccount_set):
        assert not rows.exists()
    assert not SignInAttempt.objects.exists() and Session.objects.count() == 1  # the administrator's
    assert SecurityEvent.objects.get(act=Act.ACCOUNT_ANONYMISED).person == admin.pk


def test_twice_is_once_and_there_is_no_way_back(user, admin):
    name = anonymise_account(user=user, by=admin)
    assert anonymise_account(user=User.objects.get(pk=user.pk), by=admin) == name
    with pytest.raises(WrongState, match="invite the person anew"):
        open_account(user=User.objects.get(pk=user.pk))
    page = page_text(signed_in(admin).get(reverse("administration")))
    assert "anonymised" in page and "Open again" not in page


def test_the_user_name_is_typed_to_confirm(user, admin):
    answer = signed_in(admin).post(reverse("person", args=[user.pk]), {"username": "quill"})
    assert answer.status_code == 422 and User.objects.filter(username=NAME).exists()


def test_a_reader_of_a_running_study_is_not_anonymised(admin):
    participant = agreed(frozen(ten_fields()))
    with pytest.raises(WrongState, match="running study"):
        anonymise_account(user=participant.user, by=admin)


def test_a_project_keeps_an_owner(admin):
    project = ProjectFactory(name="Breast")
    owner = MembershipFactory(project=project, role=Role.OWNER).user
    with pytest.raises(WrongState, match="only owner of Breast"):
        anonymise_account(user=owner, by=admin)
    MembershipFactory(project=project, role=Role.OWNER)
    assert anonymise_account(user=owner, by=admin)


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_are_anonymised_at_once_one_stays(admin, monkeypatch):
    project = ProjectFactory()
    owners = [MembershipFactory(project=project, role=Role.OWNER).user for _ in range(2)]
    remove, outcomes = leaving._remove_rows_of, []

    def remove_slowly(user, former):
        time.sleep(1)  # both have decided by now, if nobody waits for anybody
        remove(user, former)

    def anonymise(user):
        try:
            outcomes.append(anonymise_account(user=user, by=admin))
        except WrongState as error:
            outcomes.append(str(error))
        finally:
            connections.close_all()

    monkeypatch.setattr(leaving, "_remove_rows_of", remove_slowly)
    threads = [threading.Thread(target=anonymise, args=[owner]) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len([outcome for outcome in outcomes if "only owner" in outcome]) == 1
    assert project.memberships.filter(role=Role.OWNER, user__is_active=True).count() == 1


def test_the_last_owner_who_can_sign_in_stays_though_another_account_is_closed(admin):
    project = ProjectFactory()
    owner, closed = (MembershipFactory(project=project, role=Role.OWNER) for _ in range(2))
    close_account(user=closed.user, by=admin)
    with pytest.raises(LabelingError, match="at least one owner"):
        remove_member(project=project, membership=owner, by=owner.user)
    with pytest.raises(LabelingError, match="at least one owner"):
        change_role(project=project, membership=owner, role=Role.VIEWER, by=owner.user)
    remove_member(project=project, membership=closed, by=owner.user)
    assert project.memberships.get() == owner


def test_the_last_administrator_and_oneself_stay(admin):
    with pytest.raises(WrongState):
        anonymise_account(user=admin, by=admin)
