"""What pages do, done by a program: projects, classes, members, verdicts by id; sent twice, changed by two at once."""

import json
import re
import threading
import uuid

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from labeling.accounts import repeats
from labeling.accounts.models import AnsweredRequest
from labeling.annotations.models import Annotation
from labeling.annotations.replay import differences
from labeling.api import routes
from labeling.contract import contract_of
from labeling.images.models import Image
from labeling.jobs.models import Job
from labeling.projects.models import Project, Role
from labeling.rounds.models import Stage, StageLine
from labeling.rounds.results.publishing import publish
from labeling.schema import operation_named
from labeling.site import urls
from tests.declined import assert_declined
from tests.documents import STATEMENTS
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory, UserFactory
from tests.labeling.operations import cell
from tests.labeling.pages import draw, make_study, proposals
from tests.tokens import token_headers

pytestmark = pytest.mark.django_db


class Program:
    """A client with a token, that sends and reads JSON."""

    def __init__(self, user, scope="manage"):
        self.headers = token_headers(user, scope)
        self.client = Client()

    def __call__(self, method, address, body=None, **headers):
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return getattr(self.client, method)(
            f"/api/v1/{address}", json.dumps(body or {}) if method != "get" else None,
            content_type="application/json", headers=self.headers | more,
        )  # fmt: skip


@pytest.fixture
def there():
    return make_study()


@pytest.fixture
def owner(there):
    return Program(there.people["owner"])


# -- every act of a page has an address

# A page's POST -> what a program calls. Acts that only a person does have none, and why.
PROGRAMS = {
    "new-project": "project-list", "project-images": "image-list", "project-members": "member-list",
    "project-member": "member-detail", "project-classes": "class-list", "settings-class": "class-detail",
    "label-class": "class-merge", "learning": "attempt-list", "learning-field": "attempt-field-finish",
    "quality-control": "control-plan",
    "project-settings": "project-detail", "settings-images": "image-detail", "settings-many-images": "image-list",
    "settings-image-table": "image-table", "settings-notices": "project-notices", "image-scale": "image-detail",
    "copy-project": "project-copy", "delete-project": "project-delete",
    "archive-project": "project-archive", "restore-project": "project-restore", "project-exports": "export-list",
    "project-imports": "import-list", "cancel-job": "job-cancel", "retry-job": "job-retry",
    "choose-job": "job-choose", "confirm-job": "job-confirm", "discard-job": "job-discard",
    "project-rounds": "round-list", "cancel-round": "round-cancel", "retry-round": "round-retry",
    "round-policy": "project-round-policy", "lock-reference": "reference-set-list",
    "add-reference-masks": "reference-mask-list", "remove-reference-masks": "image-reference-masks",
    "import-weights": "weights-import-list", "roll-back-rounds": "round-roll-back", "promote-round": "round-promote",
    "tune-round": "round-tuning", "tune-round-former": "round-tuning", "project-next": "item-next",
    "project-review": "item-review", "guidelines": "guideline-current", "acknowledge-guideline": "guideline-read",
    "notifications": "notification-choices", "notifications-seen": "notification-seen",
    "add-guideline-picture": "guideline-picture-list",
    "team-workflow": "project-workflow", "team-assign": "item-assign",
    "team-item": "item-release", "team-late": "item-late", "team-invite": "invitation-list",
    "team-invitation": "invitation-revoke", "slide": "image-fields",
    "settings-patients": "patient-assign", "settings-storage": "storage-clean-up",
    "withdraw-patient": "patient-withdrawal", "propose": "proposal-list", "withdraw-job": "job-withdraw",
    "compute-agreement": "agreement", "make-consensus": "image-consensus", "lock-consensus": "consensus-lock",
    "project-certificates": "certificate-list", "certificate": "certificate-detail",
}  # fmt: skip
OF_PEOPLE = {
    "account": "one's own mail and language",
    "close-first-steps": "of the page that somebody looks at",
    "account-tokens": "a token makes no token",
    "account-token": "a token ends no token",
    "account-password": "a token changes no password", "account-sessions": "a token ends no session",
    "reset-password": "", "account_login": "",
    "forgotten": "", "confirm-address": "of whoever sits there",
    "own-data": "asks for the password", "person": "of whoever runs the site",
    "person-data": "of whoever runs the site",
    "mfa_authenticate": "a token has no second factor", "mfa_login_webauthn": "a token has no passkey",
    "openid_connect_login": "a token is no identity elsewhere",
    "account_reauthenticate": "confirms who sits there", "mfa_reauthenticate": "confirms who sits there",
    "mfa_reauthenticate_webauthn": "confirms who sits there", "unlink-account": "a token ends no link",
    "mfa_activate_totp": "a token adds no factor", "mfa_deactivate_totp": "a token removes no factor",
    "mfa_add_webauthn": "a token adds no factor", "mfa_remove_webauthn": "a token removes no factor",
    "mfa_generate_recovery_codes": "a token makes no codes",
    "administration": "of whoever runs the site", "audit": "of whoever runs the site",
    "sign-in": "", "sign-out": "", "invitation": "", "invitation-join": "",
}  # fmt: skip


def test_every_act_of_a_page_has_an_address(there):
    """A page that answers a POST with anything but 405 does something."""
    from tests.labeling.pages import address, with_workflow

    with_workflow(there)
    client = Client()
    client.force_login(there.people["stranger"])
    acts = {one.name for one in urls.urlpatterns if client.post(address_of(there, one, address)).status_code != 405}
    assert acts == set(PROGRAMS) | set(OF_PEOPLE)
    assert set(PROGRAMS.values()) <= {route.name for route in routes()}


def address_of(there, route, address):
    if "<str" in str(route.pattern) or "uidb64" in str(route.pattern):
        return "/" + re.sub(r"<(?:\w+:)?\w+>", "x", str(route.pattern))
    return address(there, route.name)


# -- projects, classes, members


def test_a_project_from_nothing_to_a_team():
    user = UserFactory(creates_projects=True)
    ask = Program(user)
    body = {"name": "Lunge ü", "classes": ["tumour", "stroma"], "layering": "per_annotator"}
    made = ask("post", "projects/", body)
    project = Project.objects.get()
    assert made.status_code == 201 and made["Location"] == f"/api/v1/projects/{project.pk}/"
    assert made.json()["role"] == "owner" and project.layering == "per_annotator"
    assert [one["name"] for one in made.json()["classes"]] == ["tumour", "stroma"]
    here = f"projects/{project.pk}/"
    assert ask("patch", here, {"description": "of rats"}).json()["description"] == "of rats"
    assert Project.objects.get().name == "Lunge ü"
    new = ask("post", f"{here}classes/", {"name": "mitosis"}).json()
    assert ask("patch", f"classes/{new['id']}/", {"color": "#ABCDEF"}).json()["color"] == "#abcdef"
    assert ask("delete", f"classes/{new['id']}/").json() == {"removed": new["id"]}
    declared = {"attributes": [{"name": "Mitosis", "values": ["no", "yes"]}]}
    assert ask("put", f"{here}attributes/", declared).json() == declared
    assert ask("get", here).json()["attributes"] == declared["attributes"]
    member = ask("post", f"{here}members/", {"username": "okafor", "role": "reviewer"}).json()
    assert "/accounts/invitation/" in member["link"]
    assert ask("patch", f"members/{member['id']}/", {"role": "viewer"}).json()["role"] == "viewer"
    assert "/accounts/invitation/" in ask("post", f"members/{member['id']}/invite/").json()["link"]
    assert ask("delete", f"members/{member['id']}/").status_code == 200
    assert len(ask("get", f"{here}members/").json()["items"]) == 1
    notices = {"notify_by_mail": True, "webhook_url": "https://example.org/hook"}
    secret = ask("put", f"{here}notices/", notices).json()["webhook_secret"]
    assert secret and ask("post", f"{here}notices/secret/").json()["webhook_secret"] != secret
    assert Program(user, "read")("get", f"{here}notices/").json()["webhook_secret"] == ""
    policy = {"promotes_itself": False, "data_licence": "CC BY 4.0"}
    assert ask("put", f"{here}round-policy/", policy).json() == policy
    assert ask("get", "me/").json()["token"]["scope"] == "manage"


@pytest.mark.parametrize(
    ("field", "address", "body"),
    [
        ("name", "projects/", {"name": "x" * 201}),
        ("name", "projects/", {}),
        ("name", "projects/", {"name": " "}),
        ("classes", "projects/", {"name": "a", "classes": []}),
        ("layering", "projects/", {"name": "a", "layering": "mixed"}),
        ("name", "projects/", {"name": "a", "classes": ["a", "A"]}),
        ("owner", "projects/", {"name": "a", "owner": 1}),
    ],
)
def test_a_project_that_cannot_be_is_declined_by_its_field(field, address, body):
    answer = Program(UserFactory(creates_projects=True))("post", address, body)
    assert_declined(answer, 422, field=field)
    assert not Project.objects.exists()


def test_only_who_has_the_right_creates_projects():
    answer = Program(UserFactory())("post", "projects/", {"name": "Lung"})
    assert_declined(answer, 403, code="not_allowed")


@pytest.mark.parametrize("name", ["a: b", "a, b", "a\nb", "a\rb"])
def test_an_attribute_is_what_was_sent_or_declined(name, there, owner):
    body = {"attributes": [{"name": name, "values": ["no", "yes"]}]}
    assert owner("put", f"projects/{there.project.pk}/attributes/", body).status_code == 422


# -- two who change one thing


def test_a_change_that_has_not_seen_the_last_one_is_declined(there, owner):
    editable = {
        f"projects/{there.project.pk}/": ("patch", {"description": "a"}, {"description": "b"}),
        f"classes/{there.project.classes.get().pk}/": ("patch", {"name": "a"}, {"name": "b"}),
        f"images/{there.image.pk}/": ("patch", {"stain": "a"}, {"stain": "b"}),
        f"projects/{there.project.pk}/round-policy/": (
            "put", {"promotes_itself": True, "data_licence": "a"}, {"promotes_itself": True, "data_licence": "b"},
        ),
        f"projects/{there.project.pk}/notices/": (
            "put", {"notify_by_mail": False}, {"notify_by_mail": True},
        ),
    }  # fmt: skip
    for address, (method, mine, theirs) in editable.items():
        read = owner("get", address)["ETag"]
        changed = owner(method, address, theirs, If_Match=read)
        assert changed.status_code == 200, address
        late = owner(method, address, mine, If_Match=read)
        assert (late.status_code, late.json().get("code")) == (412, "changed"), (address, late.content)
        now = owner("get", address)
        assert now["ETag"] == changed["ETag"] != read, address
        assert owner(method, address, mine, If_Match=f'"other", {now["ETag"]}').status_code == 200, address
        assert owner(method, address, theirs, If_Match="*").status_code == 200, address


# -- sent twice


def test_which_posts_take_an_idempotency_key():
    """All that create something, but those whose answer holds a secret or that are the same when done twice."""
    without = {
        "member-list", "member-invite", "invitation-list",  # their answer holds a link, which is stored nowhere
        "round-promote", "round-roll-back", "round-cancel", "round-retry", "round-tuning", "job-retry", "job-choose",
        "job-confirm", "notices-test", "reference-mask-list", "image-reference-masks",
        "upload-list",  # of the tus protocol; what nobody goes on with is removed after some days
    }  # fmt: skip
    creating, takes_key = set(), set()
    for route in routes():
        post = getattr(route.callback.cls, "post", None)
        declared = contract_of(post)
        if declared is not None and declared.status in (201, 202):
            creating.add(route.name)
        if getattr(post, "takes_key", False):
            takes_key.add(route.name)
            headers = [
                one["name"] for one in operation_named(route.name, "post")["parameters"] if one["in"] == "header"
            ]
            assert headers == ["Idempotency-Key"]
    assert takes_key == creating - without


def test_a_request_that_is_sent_twice_is_done_once():
    user = UserFactory(creates_projects=True)
    ask = Program(user)
    first, second = (ask("post", "projects/", {"name": "Lung"}, Idempotency_Key="k1") for _ in range(2))
    assert first.status_code == second.status_code == 201 and first.json() == second.json()
    assert second["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first
    assert (first["Location"], first["ETag"]) == (second["Location"], second["ETag"])
    assert Project.objects.count() == 1
    other = ask("post", "projects/", {"name": "Liver"}, Idempotency_Key="k1")
    assert_declined(other, 422, field="Idempotency-Key")
    assert Program(UserFactory(creates_projects=True))("post", "projects/", {"name": "Lung"}, Idempotency_Key="k1")
    assert Project.objects.count() == 2  # another person's key is another key
    assert ask("post", "projects/", {"name": "L"}, Idempotency_Key="k" * 201).json()["field"] == "Idempotency-Key"


def test_proposals_whose_answer_was_lost_are_not_asked_for_again(there, owner):
    """Without a key the same request is the same job only while that is at work."""
    ask = f"projects/{there.project.pk}/proposals/"
    first = owner("post", ask, {}, Idempotency_Key="k1")
    assert first.status_code == 202, first.content
    there.project.jobs.update(state=Job.State.DONE)
    again = owner("post", ask, {}, Idempotency_Key="k1")
    assert (again.status_code, again.json(), again["Location"]) == (202, first.json(), first["Location"])
    assert owner("post", ask, {}, Idempotency_Key="k2").json()["id"] != first.json()["id"]


def test_a_request_that_was_declined_may_be_sent_again():
    ask = Program(UserFactory(creates_projects=True))
    declined = ask("post", "projects/", {"name": "a", "classes": ["a", "a"]}, Idempotency_Key="k2")
    assert declined.status_code == 422
    assert ask("post", "projects/", {"name": "a", "classes": ["a"]}, Idempotency_Key="k2").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_two_at_the_same_moment_are_one():
    user = UserFactory(creates_projects=True)
    ask, answers = Program(user), []

    def go():
        try:
            answers.append(ask("post", "projects/", {"name": "Lung"}, Idempotency_Key="k").json()["id"])
        finally:
            connection.close()

    threads = [threading.Thread(target=go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6 and set(answers) == {Project.objects.get().pk}


def test_old_answers_are_deleted():
    from django.utils import timezone

    user = UserFactory(creates_projects=True)
    Program(user)("post", "projects/", {"name": "Lung"}, Idempotency_Key="k")
    AnsweredRequest.objects.update(at=timezone.now() - repeats.KEPT_FOR * 2)
    assert repeats.forget_old(timezone.now()) and not AnsweredRequest.objects.exists()


# -- what is drawn, and verdicts by id


@pytest.fixture
def proposed(there):
    found = proposals(4)
    publish(round_=there.round, image=there.image, proposals=found, **STATEMENTS)
    there.round.promotions.model.objects.create(project=there.project, round=there.round, reason="finished")
    return found


def drawn(ask, image, *include):
    query = "".join(f"&include={one}" for one in include)
    return ask("get", f"images/{image.pk}/annotations/?{query[1:]}").json()


def test_the_job_of_a_reviewer_by_id(there, owner, proposed):
    here = f"images/{there.image.pk}/annotations/"
    other = LabelClassFactory(project=there.project, name="mitosis", position=2)
    open_ = [one["id"] for one in drawn(owner, there.image, "proposals")["cells"]]
    assert open_ == [str(one.uid) for one in proposed]
    accepted = owner("post", f"{here}accept/", {"ids": open_[:2], "label_class": other.pk})
    assert accepted.status_code == 200, accepted.content
    assert [one["verdict"] for one in accepted.json()["results"]] == ["accepted"] * 2
    again = owner("post", f"{here}accept/", {"ids": open_[:2]})
    assert [one["verdict"] for one in again.json()["results"]] == ["unchanged"] * 2
    assert again.json()["results"][0]["annotation"] == accepted.json()["results"][0]["annotation"]
    rejected = owner("post", f"{here}reject/", {"ids": open_[2:3]})
    assert rejected.status_code == 200
    mine = accepted.json()["results"][0]["annotation"]
    assert owner("post", f"{here}relabel/", {"ids": [mine], "label_class": None}).status_code == 200
    now = drawn(owner, there.image, "masks", "boxes", "rejected", "proposals")["cells"]
    by_part = {part: [one for one in now if one["part"] == part] for part in ("masks", "rejected", "proposals")}
    assert [len(found) for found in by_part.values()] == [2, 1, 1]
    assert {one["label_class"] for one in by_part["masks"]} == {None, other.pk}
    assert by_part["masks"][0]["mask"]["width"] > 0
    row = Annotation.objects.get(uid=mine)
    assert row.author == there.people["owner"] and str(row.derived_from) in open_
    assert differences(row.layer) == []


def test_what_is_not_there_or_decided_by_another_is_said_of_each(there, owner, proposed):
    here = f"images/{there.image.pk}/annotations/"
    colleague = Program(there.people["reviewer"], "annotate")
    first = str(proposed[0].uid)
    assert colleague("post", f"{here}accept/", {"ids": [first]}).status_code == 200
    answer = owner("post", f"{here}reject/", {"ids": [str(uuid.uuid4()), first, str(proposed[1].uid)]})
    verdicts = [(one["verdict"], (one["error"] or {}).get("code")) for one in answer.json()["results"]]
    assert answer.status_code == 422
    assert verdicts == [("invalid", "invalid"), ("invalid", "decided_by_another"), ("accepted", None)]
    assert owner("post", f"{here}relabel/", {"ids": [str(proposed[2].uid)], "label_class": None}).status_code == 422
    twice = owner("post", f"{here}accept/", {"ids": [first, first]})
    assert_declined(twice, 422, field="ids")


def test_geojson_of_an_image_is_what_the_export_holds(there, owner):
    answer = owner("get", f"images/{there.image.pk}/annotations/geojson/")
    assert answer["Content-Type"] == "application/geo+json"
    kinds = [one["properties"]["objectType"] for one in answer.json()["features"]]
    assert kinds == ["annotation"] * 3


def test_where_annotators_read_apart_each_sees_their_own(there, owner):
    Project.objects.update(layering=Project.Layering.PER_ANNOTATOR)
    image = Image.objects.get(pk=ImageFactory(project=there.project).pk)
    colleague = MembershipFactory(project=there.project, role=Role.ANNOTATOR).user
    annotator = there.people["annotator"]
    draw(image, colleague, cell((1, 1, 9, 9)))
    draw(image, annotator, cell((20, 20, 29, 29)))
    assert [one["box"] for one in drawn(Program(annotator), image)["cells"]] == [[20, 20, 29, 29]]
    assert len(drawn(owner, image)["cells"]) == 2


def test_the_lines_of_a_round_come_in_parts(there, owner, monkeypatch):
    from labeling.rounds.http import settings_api

    monkeypatch.setattr(settings_api, "MOST_LINES", 2)
    stage = Stage.objects.filter(round=there.round).first()
    for number in range(3):
        StageLine.objects.create(stage=stage, text=f"epoch {number}", values={"loss": 0.5})
    first = owner("get", f"rounds/{there.round.pk}/events/").json()
    rest = owner("get", f"rounds/{there.round.pk}/events/?after={first['last']}").json()
    assert [one["text"] for one in first["lines"] + rest["lines"]] == ["epoch 0", "epoch 1", "epoch 2"]
    assert first["more"] and not rest["more"] and not rest["ended"]
    there.round.state = "failed"
    there.round.save()
    assert owner("get", f"rounds/{there.round.pk}/events/").json()["ended"]


def test_an_address_that_there_is_not_has_a_code_of_its_own(owner):
    assert owner("get", "nothing/").json()["code"] == "no_such_address"
    assert owner("get", "projects/9999/").json()["code"] == "not_found"
    assert reverse("me") == "/api/v1/me/"
