"""The pages: who may open them and do what there, what they count, how people, images and figures get in and out."""

import re
import uuid
import zlib
from copy import deepcopy
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import labeling.exchange.tasks  # noqa: F401 (registers the handler of exports, as a worker does)
from inference.documents.publication import PublicationFacts
from labeling.annotations.models import ActivityBatch, Annotation
from labeling.errors import LabelingError
from labeling.images.models import Image, Split
from labeling.jobs.models import Job
from labeling.jobs.tasks import run_job
from labeling.projects.models import Membership, Project, Role
from labeling.projects.services import NotAllowed, add_member, change_role, invite_again
from labeling.rounds.execution.services import start_round
from labeling.rounds.models import Round
from labeling.rounds.results.publishing import publish
from labeling.site import urls
from labeling.site.overview import count
from tests.documents import CERTIFICATE, NO_NAMES, STATEMENTS
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory, UserFactory, png
from tests.labeling.made_once import made_once
from tests.labeling.operations import SESSION, cell, region
from tests.labeling.pages import (
    accept,
    address,
    draw,
    make_study,
    page_text,
    proposals,
    reject,
    signed_in,
    toasts,
    with_workflow,
)
from tests.labeling.uploads import read_uploads

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def made(request, django_db_setup, django_db_blocker):
    yield from made_once(lambda: with_workflow(make_study()), request, django_db_blocker)


@pytest.fixture
def study(made, db) -> SimpleNamespace:
    return deepcopy(made)


# -- who sees what

WHO = ("owner", "manager", "reviewer", "annotator", "viewer", "stranger", "anonymous")
EVERYBODY = (200, 200, 200, 200, 200, 200, 302)
MEMBERS = (200, 200, 200, 200, 200, 404, 302)
MANAGERS = (302, 302, 403, 403, 403, 404, 302)
FORMS = (422, 422, 403, 403, 403, 404, 302)  # an empty form comes back to those who may send it
MATRIX = {
    ("get", "home"): EVERYBODY,
    ("get", "new-project"): (200, 403, 403, 403, 403, 403, 302),  # a right; test_names_and_rights.py
    ("get", "administration"): (404, 404, 404, 404, 404, 404, 302),  # of administrators; test_names_and_rights.py
    ("get", "audit"): (404, 404, 404, 404, 404, 404, 302),  # of administrators; test_audit.py
    ("get", "account"): EVERYBODY,
    ("post", "account-password"): (422, 422, 422, 422, 422, 422, 302),  # an empty form; test_sessions.py
    ("post", "account-sessions"): (302, 302, 302, 302, 302, 302, 302),  # one's own
    ("get", "mfa_index"): EVERYBODY,
    ("get", "mfa_activate_totp"): (302, 302, 302, 302, 302, 302, 302),  # asks who is there; test_second_factors.py
    ("get", "mfa_add_webauthn"): (302, 302, 302, 302, 302, 302, 302),
    ("get", "mfa_remove_webauthn"): (302, 302, 302, 302, 302, 302, 302),
    ("get", "mfa_generate_recovery_codes"): (302, 302, 302, 302, 302, 302, 302),
    ("get", "mfa_deactivate_totp"): (404, 404, 404, 404, 404, 404, 302),  # they have none
    ("get", "mfa_view_recovery_codes"): (404, 404, 404, 404, 404, 404, 302),
    ("get", "account_reauthenticate"): EVERYBODY,
    ("get", "mfa_reauthenticate"): (302, 302, 302, 302, 302, 302, 302),  # they have none: to the password
    ("get", "mfa_reauthenticate_webauthn"): (302, 302, 302, 302, 302, 302, 302),
    ("post", "own-data"): (302, 302, 302, 302, 302, 302, 302),  # asks for the password; test_personal_data.py
    ("get", "person"): (404, 404, 404, 404, 404, 404, 302),  # of administrators
    ("post", "person"): (404, 404, 404, 404, 404, 404, 302),
    ("post", "person-data"): (404, 404, 404, 404, 404, 404, 302),
    ("post", "unlink-account"): (404, 404, 404, 404, 404, 404, 302),  # somebody else's
    ("get", "own-activity"): EVERYBODY,
    ("get", "help"): EVERYBODY,
    ("get", "help-keys"): EVERYBODY,
    ("get", "search"): EVERYBODY,
    ("post", "close-first-steps"): (302, 302, 302, 302, 302, 302, 302),
    ("get", "notifications"): EVERYBODY,
    ("post", "notifications"): (302, 302, 302, 302, 302, 302, 302),
    ("post", "notifications-seen"): (302, 302, 302, 302, 302, 302, 302),
    ("post", "account-tokens"): (422, 422, 422, 422, 422, 422, 302),  # an empty form; test_tokens.py
    ("post", "account-token"): (404, 404, 404, 404, 404, 404, 302),  # somebody else's
    ("get", "api-page"): EVERYBODY,
    ("get", "project"): MEMBERS,
    ("get", "project-images"): MEMBERS,
    ("get", "project-rounds"): MEMBERS,
    ("get", "project-time"): MEMBERS,
    ("post", "project-next"): (302, 302, 302, 302, 403, 404, 302),
    ("post", "project-review"): (302, 302, 302, 403, 403, 404, 302),
    ("get", "project-team"): MEMBERS,
    ("get", "project-agreement"): MEMBERS,
    ("get", "project-dashboard"): MEMBERS,
    ("get", "guidelines"): MEMBERS,
    ("post", "guidelines"): FORMS,
    ("post", "acknowledge-guideline"): (404, 404, 404, 404, 404, 404, 302),  # names no version; test_guidelines.py
    ("post", "add-guideline-picture"): FORMS,
    ("get", "learning"): MEMBERS,
    ("post", "learning"): (302, 302, 302, 302, 403, 404, 302),
    ("get", "quality-control"): MEMBERS,
    ("post", "quality-control"): FORMS,
    ("get", "learning-field"): (404, 404, 404, 404, 404, 404, 302),  # nobody's; test_qualification.py
    ("post", "learning-field"): (404, 404, 404, 404, 404, 404, 302),
    ("get", "label-class"): (200, 200, 403, 403, 403, 404, 302),
    ("post", "label-class"): MANAGERS,
    ("get", "gallery"): MEMBERS,
    ("get", "project-certificates"): (200, 200, 200, 403, 403, 404, 302),
    ("post", "project-certificates"): FORMS,
    ("get", "certificate"): (200, 200, 200, 404, 404, 404, 302),
    ("post", "certificate"): (302, 302, 403, 404, 404, 404, 302),
    ("post", "compute-agreement"): (302, 302, 302, 302, 302, 404, 302),
    ("get", "adjudication"): (200, 200, 200, 403, 403, 404, 302),
    ("post", "make-consensus"): (302, 302, 302, 403, 403, 404, 302),
    ("post", "lock-consensus"): MANAGERS,
    ("post", "team-workflow"): FORMS,
    ("post", "team-assign"): MANAGERS,
    ("post", "team-item"): MANAGERS,
    ("post", "team-late"): MANAGERS,
    ("post", "team-invite"): FORMS,
    ("post", "team-invitation"): MANAGERS,
    ("get", "project-uploads"): (200, 200, 403, 403, 403, 404, 302),
    ("post", "retry-job"): (302, 302, 404, 404, 404, 404, 302),
    ("post", "choose-job"): (302, 302, 404, 404, 404, 404, 302),
    ("post", "discard-job"): (302, 302, 404, 404, 404, 404, 302),
    ("get", "project-imports"): (302, 302, 403, 403, 403, 404, 302),
    ("post", "project-imports"): MANAGERS,
    ("get", "propose"): (200, 200, 403, 403, 403, 404, 302),
    ("post", "propose"): MANAGERS,
    ("get", "project-proposals"): (200, 200, 403, 403, 403, 404, 302),
    ("post", "withdraw-job"): (302, 302, 404, 404, 404, 404, 302),
    ("post", "confirm-job"): (302, 302, 404, 404, 404, 404, 302),
    ("get", "project-exports"): (200, 200, 200, 403, 403, 404, 302),
    ("post", "project-exports"): (302, 302, 302, 403, 403, 404, 302),
    ("post", "cancel-job"): (302, 302, 404, 404, 404, 404, 302),  # one's own, or as who oversees the project
    ("get", "image"): MEMBERS,
    ("get", "slide"): (302, 302, 302, 302, 302, 404, 302),  # the image is a picture; test_slides.py
    ("post", "slide"): FORMS,
    ("get", "image-scale"): (200, 200, 403, 403, 403, 404, 302),
    ("post", "image-scale"): FORMS,
    ("get", "round"): MEMBERS,
    ("get", "round-by-id"): (302, 302, 302, 302, 302, 404, 302),
    ("get", "before-round"): (200, 200, 403, 403, 403, 404, 302),
    ("get", "round-progress"): MEMBERS,
    ("get", "round-at-work"): MEMBERS,
    ("get", "round-log"): MEMBERS,
    ("get", "round-log-file"): MEMBERS,
    ("get", "project-models"): MEMBERS,
    ("get", "compare-rounds"): MEMBERS,
    ("get", "compare-rounds-file"): (404, 404, 404, 404, 404, 404, 302),  # test_round_comparison.py has finished rounds
    ("get", "weights-imports"): MEMBERS,
    ("get", "compare-image"): (404, 404, 404, 404, 404, 404, 302),  # names no rounds; test_round_overlay.py names some
    ("post", "import-weights"): MANAGERS,
    ("get", "export-round"): (404, 404, 404, 403, 403, 404, 302),  # nothing has finished
    ("post", "round-policy"): MANAGERS,
    ("post", "lock-reference"): MANAGERS,
    ("post", "add-reference-masks"): MANAGERS,
    ("post", "remove-reference-masks"): MANAGERS,
    ("post", "roll-back-rounds"): MANAGERS,
    ("post", "promote-round"): MANAGERS,
    ("post", "tune-round"): MANAGERS,
    ("post", "tune-round-former"): MANAGERS,
    ("post", "project-images"): MANAGERS,
    ("post", "project-members"): FORMS,
    ("post", "project-member"): MANAGERS,
    ("post", "project-classes"): FORMS,
    ("get", "project-settings"): (200, 200, 403, 403, 403, 404, 302),
    ("post", "project-settings"): FORMS,
    ("post", "settings-images"): FORMS,
    ("post", "settings-notices"): MANAGERS,
    ("post", "settings-many-images"): MANAGERS,
    ("post", "settings-image-table"): FORMS,
    ("post", "settings-patients"): MANAGERS,
    ("post", "settings-storage"): MANAGERS,
    ("get", "withdraw-patient"): (200, 200, 403, 403, 403, 404, 302),
    ("post", "withdraw-patient"): FORMS,
    ("post", "settings-class"): MANAGERS,
    ("post", "archive-project"): MANAGERS,
    ("post", "restore-project"): MANAGERS,
    ("post", "copy-project"): FORMS,
    ("post", "delete-project"): (422, 403, 403, 403, 403, 404, 302),  # without its name
    ("post", "project-rounds"): MANAGERS,
    ("post", "cancel-round"): MANAGERS,
    ("post", "retry-round"): MANAGERS,
}
# test_sign_in.py, test_team_pages.py, test_second_factors.py, test_single_sign_on.py
OPEN = {"sign-in", "sign-out", "invitation", "invitation-join", "reset-password"}
OPEN |= {"forgotten", "confirm-address", "account_login", "mfa_authenticate", "mfa_login_webauthn"}
OPEN |= {"openid_connect_login", "openid_connect_callback"}


@pytest.mark.parametrize("call", MATRIX, ids="-".join)
def test_who_may_open_or_do_what(call, study):
    method, route = call
    page = address(study, route)
    clients = {who: Client() if who == "anonymous" else signed_in(study.people[who]) for who in WHO}
    answers = {who: getattr(client, method)(page) for who, client in clients.items()}
    assert {who: a.status_code for who, a in answers.items()} == dict(zip(WHO, MATRIX[call], strict=True))
    assert answers["anonymous"].headers["Location"].startswith("/accounts/sign-in/?next=")


def test_the_matrix_names_every_page():
    assert {route for _, route in MATRIX} | OPEN == {url.name for url in urls.urlpatterns}


def test_a_polling_page_whose_session_ended_is_moved_whole_and_comes_back(study):
    page = address(study, "round")
    headers = {"HX-Request": "true", "HX-Current-URL": f"http://testserver{page}"}
    answer = Client().get(address(study, "round-progress"), headers=headers)
    assert answer.headers["HX-Redirect"] == f"/accounts/sign-in/?next={page}"


def test_nobody_is_signed_out_by_a_link(study):
    client = signed_in(study.people["owner"])
    assert client.get(reverse("sign-out")).status_code == 405
    assert client.post(reverse("sign-out")).status_code == 302
    assert client.get("/").status_code == 302


def test_buttons_are_shown_to_those_who_may_press_them(study):
    study.round.state = Round.State.CANCELLED
    study.round.save()
    pages = ("project", "project-images", "project-rounds", "project-team", "project-exports")

    def shown(who):
        client = signed_in(study.people[who])
        return " ".join(client.get(address(study, page)).content.decode() for page in pages)

    manager, reviewer, viewer = (shown(who) for who in ("manager", "reviewer", "viewer"))
    assert 'id="start-round"' in manager and "Add member" in manager and "Add images" in manager
    assert 'id="start-round"' not in reviewer and "Add member" not in reviewer and "COCO JSON" in reviewer
    assert "COCO JSON" not in viewer and "Draw boxes" not in viewer


# -- counts


def test_an_image_shows_boxes_regions_and_decisions(study):
    owner, image = study.people["owner"], study.image
    found = proposals(4)
    publish(round_=study.round, image=image, proposals=found, **STATEMENTS)
    accept(image, owner, found[0])
    reject(image, owner, found[1])
    page = signed_in(owner).get(address(study, "project-images")).content.decode()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "3 boxes fully annotated region 2 to review 1 accepted 1 rejected" in text
    assert "slide 7" in text and "train" in text


def test_only_the_newest_round_is_to_be_reviewed(study):
    owner, image = study.people["owner"], study.image
    publish(
        round_=study.round,
        image=image,
        proposals=proposals(5),
        **STATEMENTS,
    )
    Round.objects.filter(pk=study.round.pk).update(state=Round.State.PUBLISHED)
    second = start_round(project=study.project, by=owner)
    publish(
        round_=second,
        image=image,
        proposals=proposals(2),
        **STATEMENTS,
    )
    counts = count(images=study.project.images.all(), user=owner, per="project")[study.project.pk]
    assert (counts.proposed, counts.undecided, counts.exhaustive) == (2, 2, 1)


def test_where_annotators_work_apart_each_counts_their_own(study):
    Project.objects.filter(pk=study.project.pk).update(layering=Project.Layering.PER_ANNOTATOR)
    image = Image.objects.get(pk=ImageFactory(project=study.project).pk)
    annotator, reviewer, owner = (study.people[who] for who in ("annotator", "reviewer", "owner"))
    found = proposals(3)
    publish(round_=study.round, image=image, proposals=found, **STATEMENTS)
    accept(image, annotator, found[0])
    accept(image, owner, found[0])
    accept(image, owner, found[1])
    seen = {who: count(images=Image.objects.filter(pk=image.pk), user=who, per="image")[image.pk]
            for who in (annotator, reviewer, owner)}  # fmt: skip
    assert [(c.boxes, c.layers, c.undecided) for c in seen.values()] == [(1, 1, 2), (3, 2, 3), (3, 2, 1)]


def fill(project: Project, user, images: int) -> None:
    for _ in range(images):
        image = ImageFactory(project=project)
        draw(image, user, cell(), region())
        round_ = project.rounds.get()
        publish(
            round_=round_,
            image=image,
            proposals=proposals(2),
            **STATEMENTS,
        )


@pytest.mark.parametrize("route", ["home", "project", "project-images", "project-rounds", "round"])
def test_queries_do_not_grow_with_the_images(route, study, django_assert_max_num_queries):
    owner = study.people["owner"]
    client = signed_in(owner)
    fill(study.project, owner, 1)
    with django_assert_max_num_queries(45) as few:
        client.get(address(study, route))
    before = len(few)
    fill(study.project, owner, 5)
    for role in Role.values:
        MembershipFactory(project=study.project, role=role)
    ProjectFactory(name="another").memberships.create(user=owner, role=Role.OWNER)
    with django_assert_max_num_queries(before):
        assert client.get(address(study, route)).status_code == 200


def test_synthetic_images_say_so(study):
    ImageFactory(project=study.project, synthetic=True)
    page = signed_in(study.people["viewer"]).get(address(study, "project")).content.decode()
    assert page.count(">synthetic<") == 1


# -- projects, classes, people


def test_a_project_is_made_with_its_classes_and_the_recording_is_told():
    owner = UserFactory(creates_projects=True)
    client = signed_in(owner)
    answer = client.post(
        reverse("new-project"),
        {"name": "Lung", "classes": "tumour\n\n stroma \n", "layering": "per_annotator", "records_activity": "on"},
        follow=True,
    )
    project = Project.objects.get(name="Lung")
    assert list(project.classes.values_list("name", flat=True)) == ["tumour", "stroma"]
    assert (project.role_of(owner), project.layering) == (Role.OWNER, "per_annotator")
    assert "No image yet" in answer.content.decode()
    work = client.get(reverse("project", args=[project.pk]))
    assert "Working time is recorded in this project." in work.content.decode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"name": ""}, "A project needs a name; type one."),
        ({"classes": "a\nb\nA"}, "stands there twice; remove one"),
        ({"classes": " \n"}, "needs at least one class"),
        ({"classes": "x" * 101}, "longer than 100 characters; shorten it"),
    ],
)
def test_a_wrong_form_names_cause_and_mend_and_keeps_what_was_typed(data, words):
    client = signed_in(UserFactory(creates_projects=True))
    form = {"name": "Lung", "classes": "nucleus", "layering": "shared", "description": "of rats"} | data
    answer = client.post(reverse("new-project"), form)
    assert answer.status_code == 422 and not Project.objects.filter(name__in=["Lung", data.get("name")]).exists()
    assert words in answer.content.decode() and "of rats" in answer.content.decode()


def test_a_class_that_is_there_already_is_refused_beside_its_field(study):
    client = signed_in(study.people["manager"])
    answer = client.post(address(study, "project-classes"), {"name": "Nucleus"})
    assert answer.status_code == 422 and "is taken or empty" in answer.content.decode()
    client.post(address(study, "project-classes"), {"name": "mitosis"})
    assert list(study.project.classes.values_list("name", flat=True)) == ["nucleus", "mitosis"]


def test_an_invitation_is_shown_once_and_works_once(study):
    manager = signed_in(study.people["manager"])
    first = manager.post(
        address(study, "project-members"), {"username": "okafor", "role": "reviewer"}, follow=True
    ).content.decode()
    found = re.search(r'value="http://testserver(/accounts/invitation/[^"]+)"', first)
    assert found
    assert "/accounts/invitation/" not in manager.get(address(study, "project")).content.decode()

    guest = Client()
    form = guest.get(found[1], follow=True)
    assert "okafor" in form.content.decode()
    weak = guest.post(form.redirect_chain[-1][0], {"new_password1": "okafor", "new_password2": "okafor"})
    assert "too short" in weak.content.decode()
    words = {"full_name": "Dr C. Okafor", "new_password1": "a very good one", "new_password2": "a very good one"}
    home = guest.post(form.redirect_chain[-1][0], words, follow=True).content.decode()
    assert "Breast" in home and "Dr C. Okafor" in home
    assert "This link is void" in Client().get(found[1], follow=True).content.decode()


@pytest.mark.parametrize(
    ("username", "words"),
    [
        ("", "Type the name this person signs in with"),
        ("Dr Miller", "may contain only letters, numbers"),
        ("known", "known takes part already."),
    ],
)
def test_a_member_that_cannot_be_added_is_refused_beside_the_field(username, words, study):
    MembershipFactory(project=study.project, user=UserFactory(username="known"))
    form = {"username": username, "role": "viewer"}
    answer = signed_in(study.people["owner"]).post(address(study, "project-members"), form)
    page = answer.content.decode()
    assert answer.status_code == 422 and words in page and (not username or f'value="{username}"' in page)


def test_a_lost_invitation_is_made_anew_and_the_old_one_is_void(study):
    owner = study.people["owner"]
    membership, old = add_member(project=study.project, username="okafor", role="viewer", by=owner)
    page = address(study, "project-member").rsplit("/", 2)[0] + f"/{membership.pk}/"
    answer = signed_in(owner).post(page, {"invite": "1"}, follow=True).content.decode()
    new = re.search(r'value="http://testserver(/accounts/invitation/[^"]+)"', answer)
    assert new and new[1] != old and old
    assert "This link is void" in Client().get(old, follow=True).content.decode()
    assert "okafor" in Client().get(new[1], follow=True).content.decode()


def test_nobody_takes_over_an_account_that_was_invited_elsewhere(study):
    owner = study.people["owner"]
    add_member(project=study.project, username="okafor", role="viewer", by=owner)
    other = ProjectFactory()
    thief = MembershipFactory(project=other, role=Role.OWNER).user
    membership, path = add_member(project=other, username="okafor", role="viewer", by=thief)
    for link in (path, invite_again(membership=membership, by=thief)):
        guest = Client()
        form = guest.get(link, follow=True)
        words = {"full_name": "", "new_password1": "a very good one", "new_password2": "a very good one"}
        assert "This link sets no password" in guest.post(form.redirect_chain[-1][0], words).content.decode()
    signed_in(membership.user)
    Membership.objects.update(invited_as="")  # what signing in does
    membership.user.last_login = timezone.now()
    membership.user.save()
    with pytest.raises(LabelingError, match="signed in already"):
        invite_again(membership=study.project.memberships.get(user=membership.user), by=owner)


def test_roles_change_but_an_owner_stays(study):
    project, owner, manager = study.project, study.people["owner"], study.people["manager"]
    of = {m.role: m for m in project.memberships.all()}
    with pytest.raises(LabelingError, match="at least one owner"):
        change_role(project=project, membership=of["owner"], role="viewer", by=owner)
    with pytest.raises(NotAllowed):
        change_role(project=project, membership=of["annotator"], role="owner", by=manager)
    with pytest.raises(NotAllowed):
        change_role(project=project, membership=of["owner"], role="viewer", by=manager)
    with pytest.raises(LabelingError, match="one of owner"):
        change_role(project=project, membership=of["annotator"], role="king", by=owner)
    change_role(project=project, membership=of["annotator"], role="owner", by=owner)
    change_role(project=project, membership=of["owner"], role="viewer", by=owner)
    assert project.role_of(owner) == "viewer" and project.role_of(study.people["annotator"]) == "owner"


def test_members_are_changed_and_removed_on_the_page(study):
    manager = signed_in(study.people["manager"])
    page = address(study, "project-member")
    manager.post(page, {"role": "annotator"})
    assert study.project.role_of(study.people["viewer"]) == "annotator"
    declined = manager.post(page, {"role": "owner"})
    assert toasts(declined)[-1:] == ["Only an owner can make or unmake an owner."]
    manager.post(page, {"role": "annotator", "remove": "1"})
    assert study.project.role_of(study.people["viewer"]) is None
    elsewhere = MembershipFactory()
    assert manager.post(page.rsplit("/", 2)[0] + f"/{elsewhere.pk}/", {"remove": "1"}).status_code == 404
    assert Membership.objects.filter(pk=elsewhere.pk).exists()


# -- uploads


SCORES = PublicationFacts(
    priorities={"mix": 0.9, "ambiguous": 0.5, "entropy": 0.5, "disagreement": 0.5, "detector": 0.5}
)


@pytest.mark.parametrize(
    ("decided", "exhaustive", "waits"),
    [(0, False, True), (2, False, True), (3, False, False), (3, True, False), (0, True, False)],
)
def test_a_decided_image_is_done_and_out_of_the_queue(decided, exhaustive, waits, study):
    """P13: every kind of verdict decides, and one proposal without a verdict keeps the image in the queue."""
    owner = study.people["owner"]
    image = ImageFactory(project=study.project, name="decided.png")
    found = proposals(3)
    publish(
        round_=study.round, image=image, proposals=found, certificate=CERTIFICATE, model_names=NO_NAMES, facts=SCORES
    )
    verdicts = [
        lambda proposal: accept(image, owner, proposal),
        lambda proposal: reject(image, owner, proposal),
        lambda proposal: draw(image, owner, cell(status="cannot_tell", derived_from=str(proposal.uid))),
    ]
    for verdict, proposal in zip(verdicts[:decided], found, strict=False):
        verdict(proposal)
    if exhaustive:
        draw(image, owner, region())
    page = page_text(signed_in(owner).get(address(study, "project-images")))
    assert ("suggested next:" in page) is waits
    assert ("done: every proposal has a verdict" in page) is (decided == 3)


def test_an_image_without_proposals_waits_and_is_not_done(study):
    image = ImageFactory(project=study.project, name="empty.png")
    publish(round_=study.round, image=image, proposals=[], certificate=CERTIFICATE, model_names=NO_NAMES, facts=SCORES)
    page = page_text(signed_in(study.people["owner"]).get(address(study, "project")))
    assert "suggested next:" in page_text(signed_in(study.people["owner"]).get(address(study, "project-images")))
    assert "done: every" not in page


def files(*named: tuple[str, bytes]) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(name, content) for name, content in named]


def test_an_upload_keeps_the_good_files_and_says_what_is_wrong_with_each_bad_one(study):
    one = png(seed=900)
    client = signed_in(study.people["manager"])
    sent = client.post(
        address(study, "project-images"),
        {
            "images": files(("a.png", one), ("notes.txt", b"hello"), ("b.png", png(seed=901)), ("again.png", one)),
            "patient": "slide 9",
            "um_per_px": "0.25",
            "split": "test",
        },
        headers={"HX-Request": "true"},
    )
    assert sent.status_code == 200 and "0 of 4 files" in page_text(sent)
    poll = re.search(r'hx-get="([^"]+)"', sent.content.decode())[1].replace("&amp;", "&")
    read_uploads()
    answer = client.get(poll, headers={"HX-Request": "true"})
    text = page_text(answer)
    assert answer.headers["HX-Trigger"] == "images-changed"
    assert "2 images added, 1 is here already, 1 declined" in text
    assert "hx-trigger" not in text
    assert "notes.txt is not an image of a known format" in text
    assert "again.png is in this project already, as a.png." in text
    added = study.project.images.filter(name__in=["a.png", "b.png"])
    assert list(added.values_list("patient__name", "um_per_px", "split")) == [("slide 9", 0.25, Split.TEST)] * 2
    assert study.project.images.count() == 3
    part = client.get(address(study, "project-images")).content.decode()
    assert 'id="project-head"' in part and "3 images" in part


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "No file was chosen. Choose one or more images and try again."),
        ({"um_per_px": "wide", "with_file": True}, "must be a number like 0.25"),
        ({"um_per_px": "nan", "with_file": True}, "must be a number like 0.25"),
    ],
)
def test_an_upload_without_sense_says_so_and_adds_nothing(data, words, study):
    form = {"split": "train"} | data
    if form.pop("with_file", False):
        form["images"] = files(("a.png", png(seed=902)))
    client = signed_in(study.people["manager"])
    answer = client.post(address(study, "project-images"), form, headers={"HX-Request": "true"})
    assert words in answer.content.decode() and "HX-Trigger" not in answer.headers
    assert study.project.images.count() == 1
    assert words in " ".join(toasts(client.post(address(study, "project-images"), {"split": "train"}))) or data


# -- time and export


def record(study: SimpleNamespace, user, session: str, cells: int = 0) -> None:
    events = b"[" + b",".join(b'[%d,"pointer_move"]' % (i * 1000) for i in range(11)) + b"]"
    ActivityBatch.objects.create(
        session=uuid.UUID(session), first=0, count=11, user=user, image=study.image, wall_ms=0, mono_ms=0,
        events=zlib.compress(events),
    )  # fmt: skip


def test_the_projects_time_is_shown_from_five_people_on(study):
    owner = study.people["owner"]
    record(study, owner, SESSION)
    client = signed_in(owner)
    text = client.get(address(study, "project-time")).content.decode()
    assert "5.0 s</b> per cell" in text and "on 2 cells" in text and "longer than 30 s" in text
    assert "once 5 people have worked in it (now 1)" in text and "the whole project</span>" not in text
    for who in ("manager", "reviewer", "annotator", "viewer"):
        record(study, study.people[who], str(uuid.uuid4()))
    text = client.get(address(study, "project-time")).content.decode()
    assert "the whole project</span>" in text and "25.0 s</b> per cell" in text and "5 people" in text


def test_recording_is_told_only_where_it_happens(study):
    client = signed_in(study.people["annotator"])
    assert "Working time is recorded" in client.get(address(study, "project")).content.decode()
    Project.objects.update(records_activity=False)
    page = client.get(address(study, "project")).content.decode()
    assert "Working time is recorded" not in page and "is not recorded in this project" in page


@pytest.mark.usefixtures("sent")
def test_an_export_is_asked_for_on_the_page_watched_and_fetched(study, sent):
    client = signed_in(study.people["reviewer"])
    page = page_text(client.get(address(study, "project-exports")))
    assert "<b>0</b> accepted masks" in page and "<b>2</b> boxes without a mask" in page
    asked = client.post(address(study, "project-exports"), {"layout": "coco", "include": ["masks", "boxes"]})
    assert asked["Location"].endswith("#exports") and "being made" in toasts(asked)[0]
    panel = page_text(client.get(address(study, "project-exports")))
    assert 'hx-trigger="every 1s"' in panel and "waiting for the worker" in panel and 'name="layout"' not in panel
    message = [message for message in sent if message.task == "labeling.run_job"][-1]
    run_job(**message.arguments)
    panel = page_text(client.get(address(study, "project-exports")))
    job = Job.objects.get(owner=study.people["reviewer"])
    assert reverse("job-result", args=[job.pk]) in panel and "every 1s" not in panel and 'name="layout"' in panel
    declined = client.post(address(study, "project-exports"), {"layout": "tape"})
    assert "Layout must be one of coco, geojson, labels" in toasts(declined)[-1]


def test_a_project_without_annotations_says_why_nothing_can_be_exported(study):
    Annotation.objects.all().delete()
    page = page_text(signed_in(study.people["reviewer"]).get(address(study, "project-exports")))
    assert "there is nothing to export" in page and 'name="layout"' not in page
