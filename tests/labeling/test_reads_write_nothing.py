"""A GET never writes: every address of the site and of the API, opened by every kind of person, in a transaction in
which PostgreSQL refuses to write. A prefetch, a second tab or a link checker changes nothing."""

import re
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.core.files.storage import Storage
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern

from labeling import api
from labeling.annotations.models import Layer
from labeling.assignments.declaring import declare_workflow
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.invitations import invite
from labeling.projects.models import Role
from labeling.reviews.services import Pin, begin_thread
from labeling.rounds.models import Stage
from labeling.site import study_urls, urls
from labeling.studies import services
from labeling.studies.models import Item
from tests.factories import MembershipFactory, UserFactory
from tests.labeling.studies import agreed, draft, ten_fields
from tests.labeling.uploads import begun_upload

pytestmark = pytest.mark.django_db

WHO = (*Role.values, "reader", "stranger", "anonymous")
AUDIT = {"labeling_securityevent"}
# Route -> what it may write, and why.
MAY_WRITE = {
    # Django takes the token of a one-time link out of the address and keeps it in the session of the browser.
    # A link that does not fit counts as an attempt to guess one, so that guessing is slowed down.
    "invitation": {"django_session", "labeling_signinattempt", "labeling_securityevent"},
    "reset-password": {"django_session", "labeling_signinattempt", "labeling_securityevent"},
    "invitation-join": {"django_session", "labeling_signinattempt", "labeling_securityevent"},
    # A pyramid is cut when its first tile is asked for; it is a cache of the pixels that costs nothing but time and
    # storage, and the image keeps how much.
    "image-tile": {"storage", "labeling_image"},
    # Whoever takes data along is written down in the audit log.
    "export": AUDIT,
    "job-result": AUDIT,
    "compare-rounds-file": AUDIT,
    "export-round": AUDIT,
    "round-log-file": AUDIT,
    "participation-receipt": AUDIT,
    "round-export": AUDIT,
    "study-bundle": AUDIT,
    "study-pdf": AUDIT,
    "study-registration": AUDIT,
    "image-table": AUDIT,
    "agreement-table": AUDIT,
    "consensus-votes": AUDIT,
    "certificate-record": AUDIT,
    "dashboard-table": AUDIT,
}
ROUTES: dict[str, URLPattern] = {
    route.name: route for route in (*urls.urlpatterns, *study_urls.urlpatterns, *api.routes()) if route.name
}


@pytest.fixture
def there() -> SimpleNamespace:
    """One of everything: a project with a round and proposals, a draft, and a study with an open item."""
    project = ten_fields()
    people = {role: MembershipFactory(project=project, role=role).user for role in Role.values}
    round_ = project.rounds.get()
    Stage.objects.create(round=round_, position=1, kind="pseudo_masks")
    study = services.freeze(study=draft(project), by=project.owner)
    reader = agreed(study)
    item = services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
    people |= {"reader": reader.user, "stranger": UserFactory(), "anonymous": None}
    job = create_job(kind=Job.Kind.EXPORT, project=project, owner=people["owner"], request={"layout": "coco"})
    declare_workflow(project=project, by=project.owner)
    begin_thread(image=project.images.first(), author=project.owner, text="here", pin=Pin())
    invite(project=project, role=Role.VIEWER, by=project.owner)
    upload = begun_upload(project, people["owner"])
    return SimpleNamespace(
        project=project, people=people, round=round_, study=study, reader=reader, item=item, job=job, upload=upload
    )


def addresses(there: SimpleNamespace, who: str) -> Iterator[tuple[str, str]]:
    """Every route once. The reader opens the images of their own sheet."""
    image = there.item.sheet.images.get() if who == "reader" else there.project.images.first()
    layer = Layer.objects.filter(image=image).first()
    values = {
        "project": there.project.pk, "image": image.pk, "layer": layer.pk, "round": there.round.pk,
        "number": there.round.number, "job": there.job.pk,
        "label_class": there.project.classes.get().pk, "membership": there.project.memberships.first().pk,
        "work_item": there.project.items.first().pk, "invitation": there.project.invitations.get().pk,
        "centre": 1, "patient": 1, "disagreement": 0, "lot": 0,
        "merge": "00000000-0000-0000-0000-000000000009",
        "field": 0, "admission": 0, "screen": "00000000-0000-0000-0000-000000000009",
        "comment": there.project.images.first().comments.get().pk,
        "study": there.study.pk, "participant": there.reader.pk, "item": there.item.pk, "name": "readers",
        "level": 0, "column": 0, "row": 0, "layout": "coco", "uidb64": "MQ", "token": "abc-def", "personal_token": 1,
        "factor": 1, "linked": 1, "person": 1, "provider_id": "oidc",
        "upload": there.upload.pk,
        "picture": "a.png",
    }  # fmt: skip
    for name, route in ROUTES.items():
        folder = "/api/v1/" if hasattr(route.callback, "cls") else "/"
        yield name, folder + re.sub(r"<(?:\w+:)?(\w+)>", lambda m: str(values[m[1]]), str(route.pattern))


class Writes:
    """What a request writes: tables by their statements, files by the storage."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.found: list[str] = []
        save = Storage.save

        def noted(storage: Storage, *given: object, **more: object) -> str:
            self.found.append("storage")
            return save(storage, *given, **more)

        monkeypatch.setattr(Storage, "save", noted)

    def __call__(self, execute, sql, params, many, context):
        if match := re.match(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM|TRUNCATE)\s+\"?(\w+)", str(sql), re.IGNORECASE):
            self.found.append(match[1])
        return execute(sql, params, many, context)


@pytest.mark.parametrize("who", WHO)
def test_no_address_writes_when_it_is_opened(who, there, monkeypatch):
    client = Client()
    if there.people[who] is not None:
        client.force_login(there.people[who])
    writes = Writes(monkeypatch)
    codes = {}
    for name, address in addresses(there, who):
        writes.found.clear()
        with connection.execute_wrapper(writes), transaction.atomic():
            if name not in MAY_WRITE:
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION READ ONLY")
            answer = client.get(address)
            transaction.set_rollback(True)
        codes[name] = answer.status_code
        assert set(writes.found) <= MAY_WRITE.get(name, set()), (name, writes.found)
        assert answer.status_code < 500, name
    assert 200 in codes.values()
    if who == "owner":  # the table is about pages that open, not about pages that are refused
        assert {name for name, code in codes.items() if code == 200} >= {
            "home", "project", "project-images", "image", "image-workspace", "layer-pack", "study", "lock-study",
            "study-report", "round", "studies",
        }  # fmt: skip
    if who == "reader":
        assert {name for name, code in codes.items() if code == 200} >= {
            "participation", "study-item", "stop-item", "image-workspace", "image-pixels",
        }  # fmt: skip


def test_opening_the_pages_of_a_field_leaves_its_clock_as_it_is(there):
    client = Client()
    client.force_login(there.reader.user)
    before = list(there.item.sittings.values())
    for route in ("stop-item", "study-item"):
        assert client.get(f"/study-items/{there.item.pk}/{'stop/' if route == 'stop-item' else ''}").status_code == 200
    assert list(there.item.sittings.values()) == before
    assert Item.objects.get(pk=there.item.pk).state == Item.State.OPEN
