"""Prepared queries find what the plain ones find, and nothing that was revoked is found by them."""

import json
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling.accounts import sessions, tokens
from labeling.accounts.models import PersonalToken
from labeling.annotations import api, batch, services
from labeling.annotations.models import Annotation, Operation
from labeling.annotations.services import Loaded, load_layer, working_layer, write_operations
from labeling.annotations.state import AnnotationState
from labeling.prepared import LONGEST, Prepared
from labeling.projects import classes
from labeling.projects import models as projects
from labeling.projects.models import Membership
from labeling.projects.services import remove_member
from labeling.rounds.execution.archiving import archive_project
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory
from tests.labeling.operations import cell, effect, operation
from tests.tokens import token_headers, token_of

pytestmark = pytest.mark.django_db
MODULES = (api, batch, classes, services, sessions, tokens, projects)


def drawn(count=3):
    """A layer with cells on it that its owner has drawn, one of them an accepted proposal."""
    member = MembershipFactory(role="owner")
    image = ImageFactory(project=member.project)
    LabelClassFactory(project=member.project)
    layer = working_layer(image=image, user=member.user)
    proposals = [Loaded(uuid.uuid4(), AnnotationState("cell", "confirmed", (0, 0, 2, 2)), 0.5) for _ in range(count)]
    load_layer(image=image, kind="prediction", loaded=proposals)
    effects = [effect(uuid.uuid4(), cell((1, 1, 9, 9), derived_from=str(one.uid))) for one in proposals]
    write_operations(layer=layer, author=member.user, operations=[operation(one, action="accept") for one in effects])
    return member, layer


def arguments_of(member, layer, count):
    """Prepared query -> arguments for which it finds something, with lists of `count`."""
    client = Client()
    client.force_login(member.user)
    key = client.cookies[settings.SESSION_COOKIE_NAME].value
    token_of(member.user)
    token = member.user.personal_tokens.first()
    cells = list(layer.annotations.all()[:count])
    uids, sources = [one.uid for one in cells], [one.derived_from for one in cells]
    ids = list(Operation.objects.filter(layer=layer).values_list("op_id", flat=True)[:count])
    return {
        "SEEN_LAYER": (layer.pk, member.user.pk),
        "HEAD": (layer.pk,),
        "CLASSES": (member.project.pk,),
        "KNOWN": (layer.pk, ids),
        "NAMED": (layer.pk, uids),
        "DECIDED": (layer.pk, sources),
        "PROPOSED": (layer.image_id, sources),
        "SESSION": (key, timezone.now()),
        "TOKEN": (token.secret_sha256,),
        "ROLE": (member.project.pk, member.user.pk),
    }


def prepared():
    """Name -> prepared query, of the modules that have some."""
    found = {}
    for module in MODULES:
        found |= {name: one for name, one in vars(module).items() if isinstance(one, Prepared)}
    return found


def shown(found, above=()):
    """An object with everything that was read of it, and of what was read with it."""
    if isinstance(found, tuple):
        return found
    above = (*above, found)
    with_it = {name: one for name, one in found._state.fields_cache.items() if one is not None and one not in above}
    related = {name: shown(one, above) for name, one in with_it.items()}
    values = {name: bytes(v) if isinstance(v, memoryview) else v for name, v in vars(found).items() if name != "_state"}
    return type(found), values, related


@pytest.mark.parametrize("count", [1, 2, LONGEST, LONGEST + 1])
def test_a_prepared_query_finds_what_the_plain_one_finds(count):
    """Twice with other values: the second time it is the text of the first."""
    for member, layer in (drawn(count), drawn(count)):
        table = arguments_of(member, layer, count)
        assert table.keys() == prepared().keys(), "a prepared query needs a row here"
        for name, query in prepared().items():
            found = query.all(*table[name])
            assert found, name
            plain = list(query.build(*table[name]))
            assert sorted(map(repr, map(shown, found))) == sorted(map(repr, map(shown, plain))), name


def test_an_empty_list_finds_nothing_and_asks_nothing():
    with CaptureQueriesContext(connection) as captured:
        assert batch.NAMED.all(uuid.uuid4(), []) == []
    assert len(captured) == 0


def test_an_argument_that_is_not_in_the_query_is_a_mistake_that_shows():
    with pytest.raises(ValueError, match="stand nowhere"):
        Prepared(lambda project, unused: Membership.objects.filter(project=project)).all(1, 2)


def test_a_row_is_locked_within_a_transaction_only(transactional_db):
    _member, layer = drawn(1)
    with pytest.raises(RuntimeError, match="within a transaction"):
        services.HEAD.all(layer.pk)


def test_text_with_marks_of_sql_is_a_value():
    for text in ("'; DROP TABLE labeling_user; --", "%s", "100 %", "a\\'b", "boxwise stand-in 0"):
        assert tokens.TOKEN.first(text) is None


def log_out(member, layer):
    Session.objects.all().delete()
    PersonalToken.objects.all().delete()


def expire(member, layer):
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    PersonalToken.objects.update(
        made_at=timezone.now() - timedelta(days=9), expires_at=timezone.now() - timedelta(days=1)
    )


def close_account(member, layer):
    member.user.is_active = False
    member.user.save()


def leave(member, layer):
    another = MembershipFactory(project=member.project, role="owner")
    remove_member(project=member.project, membership=member, by=another.user)


def become_viewer(member, layer):
    MembershipFactory(project=member.project, role="owner")
    Membership.objects.filter(pk=member.pk).update(role="viewer")


def archive(member, layer):
    archive_project(project=member.project, by=member.user)


@pytest.mark.parametrize("way", ["session", "token"])
@pytest.mark.parametrize(
    ("revoke", "status"),
    [(log_out, 401), (expire, 401), (close_account, 401), (leave, 404), (become_viewer, 403), (archive, 409)],
)
def test_what_is_revoked_is_refused_at_the_next_request(revoke, status, way):
    member, layer = drawn(1)
    client, headers = Client(), {}
    if way == "session":
        client.force_login(member.user)
    else:
        headers = token_headers(member.user)

    def save():
        body = json.dumps({"operations": [operation(effect(uuid.uuid4(), cell((1, 1, 9, 9))))]})
        address = f"/api/v1/layers/{layer.pk}/operations/"
        return client.post(address, body, content_type="application/json", headers=headers)

    assert [save().status_code for _ in range(2)] == [200, 200]
    kept = Annotation.objects.count()
    revoke(member, layer)
    assert save().status_code == status and Annotation.objects.count() == kept


@pytest.mark.parametrize(("way", "most"), [("token", 13), ("session", 14)])
def test_one_operation_asks_this_often(way, most, transactional_db):
    """BEGIN and COMMIT are counted. docs/benchmarks.md says what each costs."""
    member, layer = drawn(1)
    client, headers = Client(), {}
    if way == "session":
        client.force_login(member.user)
    else:
        headers = token_headers(member.user)

    def save():
        body = json.dumps({"operations": [operation(effect(uuid.uuid4(), cell((1, 1, 9, 9))))]})
        address = f"/api/v1/layers/{layer.pk}/operations/"
        assert client.post(address, body, content_type="application/json", headers=headers).status_code == 200

    save()
    with CaptureQueriesContext(connection) as captured:
        save()
    assert len(captured) <= most, "\n".join(one["sql"][:150] for one in captured)
