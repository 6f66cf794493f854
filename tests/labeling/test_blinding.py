"""Blind means blind: until all blinded readings of an image are closed, nothing tells one reader of another's reading.

One reader draws, comments and closes; the others open every route of the site and of the API. Each route has a row in
SURFACES, so that a new one is looked at before it is merged.
"""

import io
import re
import uuid
import zipfile
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from labeling import api
from labeling.assignments import services
from labeling.assignments.states import ItemState
from labeling.exchange.selection import Part
from labeling.rounds.proposing import estimate as proposing_estimate
from labeling.rounds.results import estimate
from labeling.site import study_urls, urls
from tests.labeling.blinded import TRACE, blinded_case, read
from tests.labeling.operations import cell, effect, operation
from tests.labeling.team import fresh

pytestmark = pytest.mark.django_db

ROUTES = {route.name: route for route in (*urls.urlpatterns, *study_urls.urlpatterns, *api.routes()) if route.name}
TELLS = "tells of a reading once all are closed"
ACTS = "is a POST; those that name a layer, a comment or a cell are in the two tests of acts on the unseen"
COUNTS = "counts or names what somebody did; what one sees of it is the same, whatever another reader draws"
NOTHING = "holds nothing of a reading at any time"
STUDY = "is about studies, whose sheets are projects of their own"
# Route -> what it has to do with readings.
SURFACES: dict[str, str] = {
    "home": COUNTS,
    "new-project": NOTHING,
    "project": COUNTS,
    "project-images": COUNTS,
    "project-time": COUNTS,
    "project-next": NOTHING,
    "project-review": NOTHING,
    "project-team": TELLS,
    "project-agreement": COUNTS,
    "project-dashboard": COUNTS,
    "dashboard": COUNTS,
    "dashboard-table": COUNTS,
    "guidelines": NOTHING,
    "acknowledge-guideline": NOTHING,
    "add-guideline-picture": NOTHING,
    "guideline-current": NOTHING,
    "guideline-list": NOTHING,
    "guideline-read": ACTS,
    "guideline-picture-list": NOTHING,
    "guideline-picture": NOTHING,
    "compute-agreement": NOTHING,
    "adjudication": COUNTS,
    "make-consensus": ACTS,
    "lock-consensus": ACTS,
    "gallery": NOTHING,
    "project-certificates": NOTHING,
    "certificate": NOTHING,
    "team-workflow": NOTHING,
    "team-assign": NOTHING,
    "team-item": NOTHING,
    "team-late": NOTHING,
    "team-invite": NOTHING,
    "team-invitation": NOTHING,
    "invitation-join": NOTHING,
    "project-members": NOTHING,
    "project-member": NOTHING,
    "project-classes": NOTHING,
    "project-settings": NOTHING,
    "settings-images": NOTHING,
    "settings-notices": NOTHING,
    "settings-many-images": NOTHING,
    "settings-image-table": NOTHING,
    "settings-class": NOTHING,
    "label-class": COUNTS,
    "learning": NOTHING,
    "quality-control": NOTHING,
    "learning-field": NOTHING,
    "settings-patients": NOTHING,
    "settings-storage": NOTHING,
    "withdraw-patient": COUNTS,
    "project-exports": COUNTS,
    "project-imports": NOTHING,
    "project-uploads": NOTHING,
    "cancel-job": NOTHING,
    "retry-job": NOTHING,
    "choose-job": NOTHING,
    "confirm-job": NOTHING,
    "discard-job": NOTHING,
    "archive-project": NOTHING,
    "restore-project": NOTHING,
    "copy-project": NOTHING,
    "delete-project": NOTHING,
    "project-rounds": COUNTS,
    "before-round": COUNTS,
    "project-models": NOTHING,
    "lock-reference": NOTHING,
    "add-reference-masks": NOTHING,
    "remove-reference-masks": NOTHING,
    "round-policy": NOTHING,
    "import-weights": NOTHING,
    "weights-imports": NOTHING,
    "roll-back-rounds": NOTHING,
    "compare-rounds": NOTHING,
    "compare-rounds-file": NOTHING,
    "compare-image": NOTHING,
    "promote-round": NOTHING,
    "tune-round": NOTHING,
    "image": NOTHING,
    "slide": NOTHING,
    "image-scale": NOTHING,
    "round": NOTHING,
    "round-by-id": NOTHING,
    "round-progress": NOTHING,
    "round-at-work": NOTHING,
    "round-log": NOTHING,
    "round-log-file": NOTHING,
    "export-round": NOTHING,
    "cancel-round": NOTHING,
    "retry-round": NOTHING,
    "administration": NOTHING,
    "audit": NOTHING,
    "account": NOTHING,
    "own-activity": NOTHING,
    "help": NOTHING,
    "help-keys": NOTHING,
    "search": NOTHING,
    "close-first-steps": NOTHING,
    "notifications": COUNTS,
    "notifications-seen": NOTHING,
    "notification-list": COUNTS,
    "notification-seen": ACTS,
    "notification-choices": NOTHING,
    "account-tokens": NOTHING,
    "account-password": NOTHING,
    "account-sessions": NOTHING,
    "forgotten": NOTHING,
    "confirm-address": NOTHING,
    "own-data": NOTHING,
    "person": NOTHING,
    "person-data": NOTHING,
    "account_login": NOTHING,
    "mfa_authenticate": NOTHING,
    "mfa_login_webauthn": NOTHING,
    "openid_connect_login": NOTHING,
    "openid_connect_callback": NOTHING,
    "account_reauthenticate": NOTHING,
    "mfa_reauthenticate": NOTHING,
    "mfa_reauthenticate_webauthn": NOTHING,
    "unlink-account": NOTHING,
    "mfa_index": NOTHING,
    "mfa_activate_totp": NOTHING,
    "mfa_deactivate_totp": NOTHING,
    "mfa_add_webauthn": NOTHING,
    "mfa_remove_webauthn": NOTHING,
    "mfa_view_recovery_codes": NOTHING,
    "mfa_generate_recovery_codes": NOTHING,
    "reset-password": NOTHING,
    "account-token": NOTHING,
    "api-page": NOTHING,
    "sign-in": NOTHING,
    "sign-out": NOTHING,
    "invitation": NOTHING,
    "tune-round-former": NOTHING,
    "studies": STUDY,
    "study": STUDY,
    "study-act": STUDY,
    "edit-study": STUDY,
    "study-size": STUDY,
    "redraw-study": STUDY,
    "copy-study": STUDY,
    "remove-reader": STUDY,
    "freeze-study": STUDY,
    "delete-study": STUDY,
    "lock-study": STUDY,
    "interim-look": STUDY,
    "study-report": STUDY,
    "study-pdf": STUDY,
    "study-registration": STUDY,
    "study-bundle": STUDY,
    "study-plot": STUDY,
    "participation": STUDY,
    "participation-receipt": STUDY,
    "study-item": STUDY,
    "stop-item": STUDY,
    "interim-look-former": STUDY,
    "schema": NOTHING,
    "me": NOTHING,
    "my-theme": NOTHING,
    "search-names": NOTHING,
    "project-list": COUNTS,
    "project-detail": COUNTS,
    "project-archive": ACTS,
    "project-restore": ACTS,
    "project-copy": "copies no layer of a reader; test_project_copies.py",
    "project-delete": ACTS,
    "project-attributes": NOTHING,
    "project-active-time": COUNTS,
    "project-round-policy": NOTHING,
    "project-notices": NOTHING,
    "notices-secret": ACTS,
    "notices-test": ACTS,
    "class-list": NOTHING,
    "class-detail": NOTHING,
    "curriculum": NOTHING,
    "control-plan": NOTHING,
    "attempt-list": NOTHING,
    "attempt-field-open": NOTHING,
    "attempt-field-finish": NOTHING,
    "attempt-field-feedback": NOTHING,
    "admission-list": NOTHING,
    "admission-withdraw": NOTHING,
    "class-uses": COUNTS,
    "class-merge": NOTHING,
    "class-merge-list": NOTHING,
    "merge-take-back": NOTHING,
    "member-list": NOTHING,
    "member-detail": NOTHING,
    "member-invite": ACTS,
    "study-list": STUDY,
    "study-detail": STUDY,
    "study-numbers": STUDY,
    "storage": NOTHING,
    "storage-clean-up": ACTS,
    "centre-list": NOTHING,
    "centre-detail": NOTHING,
    "patient-list": NOTHING,
    "patient-detail": NOTHING,
    "patient-withdrawal": COUNTS,
    "patient-assign": ACTS,
    "split-change-list": NOTHING,
    "image-list": NOTHING,
    "image-table": NOTHING,
    "image-delete": ACTS,
    "image-restore": ACTS,
    "image-by-names": ACTS,
    "round-list": NOTHING,
    "round-before": COUNTS,
    "round-compare": NOTHING,
    "round-roll-back": ACTS,
    "reference-set-list": NOTHING,
    "reference-mask-list": NOTHING,
    "image-reference-masks": ACTS,
    "model-version-list": NOTHING,
    "weights-import-list": NOTHING,
    "export": TELLS,
    "export-list": ACTS,
    "import-list": ACTS,
    "job-list": NOTHING,
    "job-detail": NOTHING,
    "job-cancel": ACTS,
    "job-retry": ACTS,
    "job-choose": ACTS,
    "job-confirm": ACTS,
    "job-discard": ACTS,
    "job-result": NOTHING,
    "invitation-list": NOTHING,
    "invitation-revoke": ACTS,
    "comment-list": TELLS,
    "agreement": COUNTS,
    "agreement-table": COUNTS,
    "propose": NOTHING,
    "proposal-before": NOTHING,
    "withdraw-job": NOTHING,
    "project-proposals": NOTHING,
    "job-withdraw": ACTS,
    "proposal-list": NOTHING,
    "image-consensus": COUNTS,
    "disagreement-decide": ACTS,
    "consensus-lock": ACTS,
    "consensus-votes": COUNTS,
    "gallery-cells": COUNTS,
    "gallery-likeness": COUNTS,
    "gallery-map": COUNTS,
    "gallery-sheet": COUNTS,
    "gallery-screens": ACTS,
    "gallery-screen-undo": ACTS,
    "certificate-list": NOTHING,
    "certificate-detail": NOTHING,
    "certificate-cells": NOTHING,
    "certificate-fields": NOTHING,
    "certificate-record": NOTHING,
    "image-comments": TELLS,
    "image-comments-seen": ACTS,
    "comment-reply": ACTS,
    "comment-resolve": ACTS,
    "comment-reopen": ACTS,
    "project-workflow": COUNTS,
    "item-list": COUNTS,
    "item-next": ACTS,
    "item-review": ACTS,
    "item-assign": ACTS,
    "item-late-list": COUNTS,
    "item-detail": COUNTS,
    "item-begin": ACTS,
    "item-renew": ACTS,
    "item-finish": ACTS,
    "item-skip": ACTS,
    "item-release": ACTS,
    "item-accept": ACTS,
    "item-send-back": ACTS,
    "item-reopen": ACTS,
    "item-unblind": ACTS,
    "item-late": ACTS,
    "image-detail": NOTHING,
    "image-workspace": TELLS,
    "image-annotations": TELLS,
    "image-history": TELLS,
    "image-geojson": TELLS,
    "image-accept": ACTS,
    "image-reject": ACTS,
    "image-relabel": ACTS,
    "image-pixels": NOTHING,
    "image-original": ACTS,
    "image-thumbnail": NOTHING,
    "image-outlines": TELLS,
    "image-tile": NOTHING,
    "upload-list": NOTHING,
    "upload-detail": NOTHING,
    "slide-list": NOTHING,
    "image-slide": NOTHING,
    "image-fields": NOTHING,
    "image-smart": ACTS,
    "image-refusion": ACTS,
    "image-overlay": NOTHING,
    "image-reference-pack": NOTHING,
    "layer-feed": TELLS,
    "layer-presence": ACTS,
    "layer-pack": TELLS,
    "layer-operations": TELLS,
    "layer-heads": TELLS,
    "activity": ACTS,
    "round-detail": NOTHING,
    "round-events": NOTHING,
    "round-drift": NOTHING,
    "round-cancel": ACTS,
    "round-retry": ACTS,
    "round-export": NOTHING,
    "round-promote": ACTS,
    "round-tuning": NOTHING,
}
WHO = ("annotator", "reviewer", "owner")  # the role of the second reader
ONLOOKERS = ("manager", "other reviewer", "viewer", "other annotator")
OWN_SESSIONS = re.compile(r'<section class="panel-card" id="sessions".*?</section>', re.DOTALL)


@pytest.fixture(autouse=True)
def a_machine_without_load(monkeypatch):
    """How long a round would take hangs on the load of the machine, which changes by itself."""
    for module in (estimate, proposing_estimate):
        monkeypatch.setattr(module, "present_load", lambda: (0.0, 2))


def person(case: SimpleNamespace, who: str) -> Any:
    return case.others.get(who, case.two)


def addresses(case: SimpleNamespace) -> dict[str, str]:
    """Every route that one can open, about the first reader's layer."""
    thread = getattr(case, "thread", None)
    values = {
        "project": case.project.pk, "image": case.image.pk, "layer": case.layer.pk, "work_item": case.item.pk,
        "job": case.project.jobs.first().pk, "invitation": case.project.invitations.first().pk,
        "membership": case.project.memberships.first().pk, "comment": thread.pk if thread else 0,
        "label_class": case.project.classes.first().pk, "centre": case.project.centres.first().pk,
        "patient": case.project.patients.first().pk, "picture": "a.png", "personal_token": 0,
        "factor": 0, "linked": 0, "person": 0, "provider_id": "oidc",
        "upload": uuid.UUID(int=9),
        "round": 0, "number": 1, "disagreement": 0, "lot": 0, "screen": uuid.UUID(int=9), "layout": "coco",
        "merge": uuid.UUID(int=9), "field": 0, "admission": 0,
        "level": 0, "column": 0, "row": 0,
        "study": 0, "participant": 0, "item": 0, "name": "readers", "uidb64": "MQ", "token": "abc-def",
    }  # fmt: skip
    every_part = "?" + "&".join(f"include={part}" for part in Part)
    queries = {
        "layer-heads": f"?annotation={case.cell}", "gallery-sheet": f"?cell={case.cell}&side=32",
        "image-annotations": every_part, "image-geojson": every_part,
    }  # fmt: skip
    found = {}
    for name, route in ROUTES.items():
        folder = "/api/v1/" if hasattr(route.callback, "cls") else "/"
        path = re.sub(r"<(?:\w+:)?(\w+)>", lambda m: str(values[m[1]]), str(route.pattern))
        found[name] = folder + path + queries.get(name, "")
    return found


def opened(case: SimpleNamespace, user: Any) -> dict[str, tuple[int, str]]:
    """Route -> status and text of what `user` gets by GET. They sign in once: their account lists sessions."""
    clients = case.__dict__.setdefault("clients", {})
    if user.pk not in clients:
        clients[user.pk] = Client(raise_request_exception=False)
        clients[user.pk].force_login(user)
    client = clients[user.pk]
    found = {}
    for name, address in addresses(case).items():
        if name == "layer-feed":
            continue  # a stream that does not end; its door is that of the pack
        answer = client.get(address)
        found[name] = (answer.status_code, text_of(answer))
    return found


NEW_IN_EACH_ANSWER = re.compile(  # tokens of its forms, and the number of the request on a page of an error
    r'(csrfmiddlewaretoken" value="|csrf-token" content=")[^"]*|"X-CSRFToken": "[^"]*"'
    r'|whoever runs this server: <span class="mono">[0-9a-f-]+</span>'
)


def without_own_sessions(found: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """Each look signs in anew, so the account page lists one session more: the reader's own, by no act of another."""
    status, text = found["account"]
    masked, sections = OWN_SESSIONS.subn("", text)
    assert sections == 1
    return found | {"account": (status, masked)}


def text_of(answer: Any) -> str:
    content = b"".join(answer.streaming_content) if answer.streaming else answer.content
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = b"\n".join(archive.read(name) for name in archive.namelist())
    text = content.decode("latin-1")
    return NEW_IN_EACH_ANSWER.sub("", text)


def traces(case: SimpleNamespace) -> list[str]:
    packed = case.cell.bytes.decode("latin-1")
    return [str(case.cell), case.cell.hex, packed, str(case.layer.pk), TRACE]


# -- the table


def test_every_route_has_a_row():
    assert set(SURFACES) == set(ROUTES)


@pytest.mark.parametrize("who", [*WHO, *ONLOOKERS])
def test_the_reading_of_another_changes_nothing_that_one_sees(who):
    """What everybody else gets is byte for byte the same, whatever the first reader has drawn and said."""
    case = blinded_case(who if who in WHO else "annotator")
    before = without_own_sessions(opened(case, person(case, who)))
    read(case)
    after = without_own_sessions(opened(case, person(case, who)))
    assert [name for name in before if before[name] != after[name]] == []


@pytest.mark.parametrize("who", [*WHO, *ONLOOKERS])
def test_a_closed_reading_is_unseen_while_another_is_open(who):
    case = blinded_case(who if who in WHO else "annotator")
    read(case)
    services.finish_item(item_id=case.item.pk, user=case.one)
    found = opened(case, person(case, who))
    shown = [name for name, (_status, text) in found.items() if any(trace in text for trace in traces(case))]
    assert shown == []
    assert found["layer-pack"][0] == found["layer-operations"][0] == found["layer-heads"][0] == 404


def test_once_all_readings_are_closed_they_are_seen():
    """The test above would pass on empty pages: what holds a reading shows it now."""
    case = blinded_case("reviewer")
    outlines = "image-outlines"  # drawn cells, which carry no name: they show by being there
    drawn_before = opened(case, case.two)[outlines]
    read(case)
    for user in (case.one, case.two):
        services.finish_item(item_id=case.item.pk, user=user)
    assert fresh(case.item).state == ItemState.IN_REVIEW
    found = opened(case, case.two)
    assert found[outlines] != drawn_before
    shown = {name for name, (_status, text) in found.items() if any(trace in text for trace in traces(case))}
    assert shown | {"layer-feed", outlines} == {name for name, what in SURFACES.items() if what == TELLS}


@pytest.mark.parametrize("who", [*WHO, *ONLOOKERS])
def test_nothing_is_done_to_a_reading_unseen(who):
    """What one does not see one does not point at, write to, or answer."""
    case = blinded_case(who if who in WHO else "annotator")
    read(case)
    client = Client()
    client.force_login(person(case, who))
    bodies = {
        "layer-presence": {"session": str(uuid.uuid4()), "cursor": [1, 2]},
        "layer-operations": {"operations": [operation(effect(uuid.uuid4(), cell()))]},
        "comment-reply": {"text": "I see"},
        "comment-resolve": {},
        "comment-reopen": {},
    }
    answers = {}
    for name, body in bodies.items():
        answer = client.post(addresses(case)[name], body, content_type="application/json")
        answers[name] = answer.status_code
    assert set(answers.values()) == {404}, answers


@pytest.mark.parametrize("who", [*WHO, *ONLOOKERS])
def test_the_items_of_a_reader_are_found_by_who_is_told_of_them(who):
    """The filter of the list says no more of who reads what than the items themselves."""
    case = blinded_case(who if who in WHO else "annotator")
    client = Client()
    client.force_login(person(case, who))
    item = client.get(addresses(case)["item-detail"]).json()
    is_notified = case.one.pk in [reading["reader"]["id"] for reading in item["readings"]]
    listed = client.get(addresses(case)["item-list"], {"reader": case.one.pk}).json()["items"]
    assert ([one["id"] for one in listed], is_notified) in (([], False), ([case.item.pk], True))
    assert is_notified == (who == "manager")


VERBS = {"image-accept": {}, "image-reject": {}, "image-relabel": {"label_class": None}}


@pytest.mark.parametrize("who", [*WHO, *ONLOOKERS])
def test_a_cell_unseen_is_answered_as_one_that_is_not_there(who):
    """Nobody finds out by the simple verbs which cells another reader has drawn."""
    case = blinded_case(who if who in WHO else "annotator")
    read(case)
    client = Client()
    client.force_login(person(case, who))
    for name, body in VERBS.items():
        drawn, nothing = str(case.cell), str(uuid.uuid4())
        address = addresses(case)[name]
        answers = [client.post(address, {"ids": [one]} | body, "application/json") for one in (drawn, nothing)]
        texts = [
            answer.content.decode().replace(one, "") for answer, one in zip(answers, (drawn, nothing), strict=True)
        ]
        assert answers[0].status_code in (403, 409, 422) and answers[0].status_code == answers[1].status_code
        assert texts[0] == texts[1] and str(case.layer.pk) not in texts[0]
    assert case.layer.annotations.get(uid=case.cell).status == "confirmed"
