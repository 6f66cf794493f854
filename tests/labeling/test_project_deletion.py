"""A deleted project: closed to everybody but its owners, restored as it was, and gone for good after its time."""

import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages
from django.db.models.fields.files import FieldFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.accounts.models import User
from labeling.api import routes
from labeling.assignments import services as work
from labeling.audit.models import Act, SecurityEvent
from labeling.errors import Archived, Invalid, WrongState
from labeling.images.models import Image
from labeling.images.services import add_image
from labeling.jobs.models import Job
from labeling.projects.invitations import InvitationVoid, invite, join
from labeling.projects.models import Project, Role
from labeling.rounds.execution import archiving
from labeling.rounds.execution.archiving import archive_project, delete_project, restore_project
from labeling.rounds.models import Artifact, Round, RoundPolicy, Snapshot, Stage
from labeling.rounds.notices.announcements import announce
from labeling.site import study_urls, urls
from labeling.studies.models import Study
from labeling.upkeep import removing, retention
from tests.declined import assert_declined
from tests.factories import UserFactory, png
from tests.labeling.made_once import made_once
from tests.labeling.pages import page_text, signed_in, toasts
from tests.labeling.test_access import QUERIES
from tests.labeling.test_archive import make as make_archived
from tests.labeling.test_archive import values
from tests.labeling.test_quality_control import Kind, Ward, always  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]
AFTER = timedelta(days=31)


def make():
    """A deleted project with one of everything that an address may name."""
    made = make_archived()
    restore_project(project=made.project, by=made.owner)
    made.project = delete_project(project=made.project, typed=made.project.name, by=made.owner)
    return made


@pytest.fixture(scope="module")
def made(request, django_db_setup, django_db_blocker):
    yield from made_once(make, request, django_db_blocker)


@pytest.fixture
def there(made, db):
    return deepcopy(made)


def api(person) -> APIClient:
    client = APIClient()
    client.force_authenticate(person)
    return client


@pytest.mark.parametrize("route", routes(), ids=lambda route: route.name)
def test_nobody_but_owners_reaches_anything_of_it_by_the_api(there, route):
    """A list without a project names nothing of it; every other address is not found, whatever is sent to it."""
    pattern = str(route.pattern)
    address = reverse(route.name, kwargs=values(there, pattern)) + QUERIES.get(route.name, "")
    verbs = [verb for verb in ("get", "post", "put", "patch", "delete") if hasattr(route.callback.cls, verb)]
    for role in ("manager", "viewer"):
        client = api(there.people[role])
        for verb in verbs:
            answer = getattr(client, verb)(address)
            content = b"".join(answer) if answer.streaming else answer.content
            if "<" in pattern:
                assert answer.status_code in (404, 415, 422), (verb, answer.status_code)
                assert verb != "get" or answer.status_code == 404
            assert there.project.name.encode() not in content


PAGES = [
    (page.name, str(page.pattern))
    for page in [*urls.urlpatterns, *study_urls.urlpatterns]
    if re.search("<(int|uuid):(project|image|round|study|work_item|label_class|patient|job|number)>", str(page.pattern))
]


@pytest.mark.parametrize(("name", "pattern"), PAGES, ids=[name for name, _pattern in PAGES])
def test_nobody_but_owners_reaches_a_page_of_it(there, name, pattern):
    address = reverse(name, kwargs=values(there, pattern))
    for role in ("manager", "viewer"):
        client = signed_in(there.people[role])
        assert client.get(address).status_code in (404, 405)
        assert client.post(address, {"name": "x"}).status_code in (404, 405)


def test_its_name_is_on_no_page_of_anybody_else(there):
    client = signed_in(there.people["manager"])
    for address in ("/", reverse("notifications"), reverse("own-activity")):
        answer = client.get(address)
        assert there.project.name not in answer.content.decode(), address
    assert api(there.people["manager"]).get("/api/v1/search/?q=Brea").json()["found"] == []


def test_owners_see_when_it_goes_on_every_page_and_restore_it(there):
    client = signed_in(there.owner)
    day = f"{there.project.removed_at:%Y-%m-%d}"
    home = page_text(client.get("/"))
    assert "1 deleted project" in home and f"removed for good on {day}" in home
    assert "archived project" not in home
    for route in ("project", "project-images", "project-rounds", "project-team", "project-exports", "project-settings"):
        page = page_text(client.get(reverse(route, args=[there.project.pk])))
        assert "This project was deleted" in page and f"On {day} it is removed for good." in page, route
        assert "This project was archived" not in page
    opened = api(there.owner).get(reverse("image-workspace", args=[there.image.pk])).json()["project"]
    assert opened["removed_at"].startswith(day)
    answer = client.post(reverse("restore-project", args=[there.project.pk]))
    assert toasts(answer) == ["Breast is in use again."]
    assert "1 deleted project" not in page_text(client.get("/"))
    there.project.refresh_from_db()
    columns = ("archived_at", "archived_by", "deleted_at", "deleted_by")
    assert [getattr(there.project, name) for name in columns] == [None] * 4


def test_a_restored_project_is_archived_again_where_it_was_before(there):
    restore_project(project=there.project, by=there.owner)
    archived = archive_project(project=there.project, by=there.people["manager"])
    deleted = delete_project(project=archived, typed="Breast", by=there.owner)
    assert deleted.archived_by == there.people["manager"], "who archived it is remembered"
    answer = signed_in(there.owner).post(reverse("restore-project", args=[there.project.pk]))
    assert toasts(answer) == ["Breast is archived, as before."]
    there.project.refresh_from_db()
    assert there.project.deleted_at is None and there.project.archived_at == archived.archived_at


def test_an_owner_changes_nothing_in_it(there):
    client = api(there.owner)
    answer = client.post(reverse("class-list", args=[there.project.pk]), {"name": "new"}, format="json")
    assert_declined(answer, 409, code="archived", says="this project is deleted; until an owner restores it")
    with pytest.raises(Archived):
        add_image(project=there.project, name="new.png", content=png(seed=4711))


def test_it_is_deleted_by_its_name_and_by_owners_alone(there):
    restore_project(project=there.project, by=there.owner)
    address = reverse("project-delete", args=[there.project.pk])
    for role in ("manager", "viewer"):
        assert api(there.people[role]).post(address, {"typed": "Breast"}, format="json").status_code == 403
    client = api(there.owner)
    answer = client.post(address, {"typed": "breast"}, format="json")
    assert_declined(answer, 422, says="type the name of the project as shown: Breast")
    page = signed_in(there.owner)
    answer = page.post(reverse("delete-project", args=[there.project.pk]), {"typed": "x"})
    assert answer.status_code == 422 and "Type the name of the project as shown: Breast" in page_text(answer)
    answer = client.post(address, {"typed": "Breast"}, format="json").json()
    assert answer["deleted_at"] is not None and answer["removed_at"] > answer["deleted_at"]
    first = Project.objects.get(pk=there.project.pk).deleted_at
    client.post(address, {"typed": "Breast"}, format="json")
    assert Project.objects.get(pk=there.project.pk).deleted_at == first, "twice is once"
    rows = SecurityEvent.objects.filter(act=Act.PROJECT_DELETED, project=there.project.pk)
    assert rows.count() == 2  # of the fixture, and of this


def test_a_running_study_keeps_its_project(there):
    restore_project(project=there.project, by=there.owner)
    there.study.protocol, there.study.protocol_sha256, there.study.state = {}, "0" * 64, Study.State.RUNNING
    there.study.save()
    with pytest.raises(WrongState, match="the study “t” is running; lock it first"):
        delete_project(project=there.project, typed="Breast", by=there.owner)
    with pytest.raises(Invalid):
        delete_project(project=there.project, typed="", by=there.owner)


def test_an_invitation_to_it_leads_nowhere(there):
    restore_project(project=there.project, by=there.owner)
    (made,) = invite(project=there.project, role=Role.VIEWER, by=there.owner)
    delete_project(project=there.project, typed="Breast", by=there.owner)
    person = UserFactory()
    with pytest.raises(InvitationVoid):
        join(token=made.token, user=person)
    for client in (signed_in(person), Client()):
        page = page_text(client.get(reverse("invitation-join", args=[made.token]), follow=True))
        assert "may no longer invite people" in page and there.project.name not in page


def test_no_mail_and_no_webhook_tells_of_its_rounds(there):
    RoundPolicy.objects.create(project=there.project, webhook_url="https://lab.example/hook", notify_by_mail=True)
    User.objects.update(email="x@lab.example")
    there.round.state = Round.State.FAILED
    there.round.save()
    assert announce(there.round) == []
    restore_project(project=there.project, by=there.owner)
    assert len(announce(there.round)) > 1


def test_nobody_is_reminded_of_the_end_of_keeping_it(there):
    Project.objects.filter(pk=there.project.pk).update(retention_until=timezone.localdate())
    assert retention.recover(timezone.now()) == []
    page = page_text(signed_in(there.owner).get(reverse("project", args=[there.project.pk])))
    assert "is to be kept until" not in page
    restore_project(project=there.project, by=there.owner)
    assert len(retention.recover(timezone.now())) == 1


# -- sheets


def test_copies_for_readers_are_archived_and_closed_with_their_project(always):  # noqa: F811
    ward = Ward()
    always(Kind.CONTROL)
    ward.read(ward.pull())
    reading = ward.pulled(Kind.CONTROL)
    sheet = reading.item.project
    assert sheet.sheet_of == ward.project
    archive_project(project=ward.project, by=ward.owner)
    with pytest.raises(Archived):
        work.finish_item(item_id=reading.item_id, user=ward.student)
    address = reverse("image-workspace", args=[reading.item.image_id])
    assert api(ward.student).get(address).json()["project"]["archived_at"] is not None
    delete_project(project=ward.project, typed=ward.project.name, by=ward.owner)
    assert api(ward.student).get(address).status_code == 404
    restore_project(project=ward.project, by=ward.owner)
    restore_project(project=ward.project, by=ward.owner)
    assert api(ward.student).get(address).json()["project"]["archived_at"] is None
    ward.read(reading)
    Project.objects.filter(pk=ward.project.pk).update(archived_at=timezone.now())
    archiving.recover()  # whoever archived it was given a copy in the same moment
    assert Project.objects.get(pk=sheet.pk).archived_at is not None


# -- after its time


def stored() -> set[str]:
    """Every file of the storages: "default images/1.png"."""
    found: set[str] = set()
    for name in ("default", "originals"):
        found.update(f"{name} {path}" for path in _below(storages[name], ""))
    return found


def _below(storage: Storage, folder: str) -> Iterator[str]:
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:  # nothing was stored there yet
        return
    yield from (f"{folder}{name}" for name in files)
    for name in folders:
        yield from _below(storage, f"{folder}{name}/")


def test_after_its_time_everything_of_it_is_gone_and_nothing_of_others(there):
    other = Project.objects.create(name="Lung")
    kept = add_image(project=other, name="same.png", content=png(seed=99))
    restore_project(project=there.project, by=there.owner)
    before = stored()
    image = add_image(project=there.project, name="own.png", content=png(width=2100, height=40, seed=99))
    artifact = Artifact.objects.create(key="1" * 64, kind="weights", sha256="2" * 64, size=1, facts={})
    artifact.file.save("weights.bin", ContentFile(b"w"))
    shared = Artifact.objects.create(key="3" * 64, kind="weights", sha256="4" * 64, size=1, facts={})
    shared.file.save("shared.bin", ContentFile(b"w"))
    last = Round.objects.create(
        project=there.project, number=9, preset="tiny", configuration={}, snapshot=there.round.snapshot, state="failed"
    )
    Stage.objects.create(round=last, position=1, kind="detector", artifact=artifact)
    Stage.objects.create(round=last, position=2, kind="segmenter", artifact=shared)
    snapshot = Snapshot.objects.create(project=other, sha256="5" * 64, content="none", summary={})
    theirs = Round.objects.create(project=other, number=1, preset="tiny", configuration={}, snapshot=snapshot)
    Stage.objects.create(round=theirs, position=1, kind="segmenter", artifact=shared)
    there.round.snapshot.content.save("snapshot.json", ContentFile(b"{}"))
    job = Job.objects.get(pk=there.job.pk)
    job.result.save("export.zip", ContentFile(b"z"))
    Job.objects.filter(project=there.project).update(state=Job.State.DONE)
    assert len(stored() - before) >= 8, "pixels, thumbnail, original, tiles, weights, snapshot, export"
    project = delete_project(project=there.project, typed="Breast", by=there.owner)

    assert removing.recover(timezone.now() + timedelta(days=29)) == []
    assert Image.objects.filter(pk=image.pk).exists()
    (sentence,) = removing.recover(timezone.now() + AFTER)
    assert sentence == f"project {project.pk} is deleted and its time is over: it is removed for good"
    assert stored() - before == {f"default {shared.file.name}"}
    assert not Project.objects.filter(pk=project.pk).exists()
    assert names_of_rows_of(project) == []
    assert Image.objects.get(pk=kept.pk).pixels.read() and theirs.stages.get().artifact == shared
    row = SecurityEvent.objects.get(act=Act.PROJECT_REMOVED)
    assert (row.project, row.project_name) == (project.pk, "Breast")
    assert removing.recover(timezone.now() + AFTER) == []


def names_of_rows_of(project: Project) -> list[str]:
    """Tables with a row that names the project."""
    found = []
    for model in apps.get_app_config("labeling").get_models():
        for column in model._meta.concrete_fields:
            if column.related_model is Project and model._default_manager.filter(**{column.name: project.pk}).exists():
                found.append(model.__name__)
    return found


def test_a_project_with_copies_for_readers_is_removed_with_them(always):  # noqa: F811
    ward = Ward()
    always(Kind.CONTROL)
    ward.read(ward.pull())
    sheet = ward.pulled(Kind.CONTROL).item.project
    delete_project(project=ward.project, typed=ward.project.name, by=ward.owner)
    assert removing.recover(timezone.now() + AFTER)
    assert not Project.objects.filter(pk__in=[ward.project.pk, sheet.pk]).exists()
    assert names_of_rows_of(ward.project) == names_of_rows_of(sheet) == []


def test_a_removal_that_died_goes_on_and_nobody_restores_what_is_half_there(there, monkeypatch):
    Job.objects.filter(project=there.project).update(state=Job.State.DONE)
    restore_project(project=there.project, by=there.owner)
    add_image(project=there.project, name="second.png", content=png(seed=98))
    deleted = delete_project(project=there.project, typed="Breast", by=there.owner)
    assert removing.remove_project(deleted, at_once=1) is False
    assert Image.everything.filter(project=deleted).count() == 1
    assert api(there.owner).post(reverse("project-restore", args=[deleted.pk])).status_code == 404
    assert removing.recover(timezone.now()), "whatever the days of grace are now"
    assert not Project.objects.filter(pk=deleted.pk).exists()


def test_a_result_that_another_project_begins_to_use_stays_with_its_file(there, monkeypatch):
    Job.objects.filter(project=there.project).update(state=Job.State.DONE)
    artifact = Artifact.objects.create(key="6" * 64, kind="weights", sha256="7" * 64, size=1, facts={})
    artifact.file.save("begun.bin", ContentFile(b"w"))
    assert there.round.stages.filter(kind="detector").update(artifact=artifact)
    other = Project.objects.create(name="Lung")
    snapshot = Snapshot.objects.create(project=other, sha256="8" * 64, content="none", summary={})
    theirs = Round.objects.create(project=other, number=1, preset="tiny", configuration={}, snapshot=snapshot)
    before = removing._remove_rounds

    def meanwhile(project: Project) -> list[FieldFile]:
        Stage.objects.create(round=theirs, position=1, kind="detector", artifact=artifact)
        return before(project)

    monkeypatch.setattr(removing, "_remove_rounds", meanwhile)
    assert removing.remove_project(there.project)
    assert Artifact.objects.get(pk=artifact.pk).file.read() == b"w"


def test_what_dies_at_the_last_step_is_repeated_as_a_whole(there, monkeypatch):
    Job.objects.filter(project=there.project).update(state=Job.State.DONE)
    artifact = Artifact.objects.create(key="9" * 64, kind="weights", sha256="a" * 64, size=1, facts={})
    artifact.file.save("last.bin", ContentFile(b"w"))
    assert there.round.stages.filter(kind="detector").update(artifact=artifact)
    with monkeypatch.context() as broken:
        broken.setattr(removing, "record", lambda *_given, **_more: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            removing.remove_project(there.project)
    assert Artifact.objects.get(pk=artifact.pk).file.read() == b"w"
    assert removing.recover(timezone.now())
    assert not Artifact.objects.filter(pk=artifact.pk).exists() and f"default {artifact.file.name}" not in stored()


def test_it_waits_for_work_and_cannot_be_restored_once_its_time_is_over(there):
    Job.objects.filter(project=there.project).update(state=Job.State.RUNNING)
    Project.objects.filter(pk=there.project.pk).update(deleted_at=timezone.now() - AFTER)
    assert removing.recover(timezone.now()) == []
    answer = api(there.owner).post(reverse("project-restore", args=[there.project.pk]))
    assert_declined(answer, 409, says="the grace period of this project is over")


def test_a_person_who_is_not_signed_in_is_sent_to_sign_in(there):
    assert Client().post(reverse("delete-project", args=[there.project.pk])).status_code == 302
