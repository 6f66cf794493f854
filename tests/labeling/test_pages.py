"""The pages: who sees what, what they say, and that they stay cheap, readable and free of inline script."""

import re
import uuid
import zlib
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.views.defaults import server_error

from labeling.annotations.models import ActivityBatch
from labeling.annotations.services import Loaded, working_layer, write_operations
from labeling.annotations.state import PackedMask, State
from labeling.errors import LabelingError
from labeling.images.models import Image, Split
from labeling.projects.models import Membership, Project, Role
from labeling.projects.services import NotAllowed, add_member, change_role, invite_again
from labeling.rounds.models import Artifact, Round, Stage, StageLine
from labeling.rounds.publishing import publish
from labeling.rounds.services import start_round
from labeling.site import urls
from labeling.site.curves import curves_of, polyline
from labeling.site.facts import facts_of
from labeling.site.overview import count
from labeling.site.words import figure, took
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory, ProjectFactory, UserFactory, png
from tests.labeling.operations import SESSION, cell, effect, mask, operation, region

STATIC = Path(urls.__file__).parent / "static" / "site"
pytestmark = pytest.mark.django_db
CERTIFICATE = {
    "objective": 512.5, "flow": 4321, "cut": 4321, "closed": True, "milliseconds": {"cut": 3.0, "total": 7.5},
    "ambiguous_share": 0.0312, "components": 2, "free_pixels": 90,
}  # fmt: skip


def draw(image: Image, user, *states) -> None:
    layer = working_layer(image=image, user=user)
    acts = [operation(effect(uuid.uuid4(), state)) for state in states]
    assert layer is not None
    _, verdicts = write_operations(layer=layer, author=user, operations=acts)
    assert {v.verdict for v in verdicts} == {"accepted"}


def proposals(n: int) -> list[Loaded]:
    bits = PackedMask(12, 11, 5, 4, b"\xff\xff\xf0")
    return [Loaded(uuid.uuid4(), State("cell", "confirmed", (10, 10, 20, 20), mask=bits)) for _ in range(n)]


def accept(image: Image, user, proposal: Loaded) -> None:
    draw(image, user, proposal.state.as_json() | {"derived_from": str(proposal.uid)})


def reject(image: Image, user, proposal: Loaded) -> None:
    draw(image, user, cell(status="rejected", derived_from=str(proposal.uid), reason="not_a_cell"))


@pytest.fixture
def study() -> SimpleNamespace:
    """A project with a person of every role, a learnable image and a round at work."""
    project = ProjectFactory(name="Breast")
    people = {role: MembershipFactory(project=project, role=role).user for role in Role.values}
    people["stranger"] = UserFactory()
    LabelClassFactory(project=project, name="nucleus", position=1)
    image = ImageFactory(project=project, group="slide 7")
    draw(image, people["owner"], cell(), cell((30, 20, 44, 40)), region())
    round_ = start_round(project=project, by=people["owner"])
    return SimpleNamespace(project=project, people=people, image=image, round=round_)


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def said(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


# -- who sees what

WHO = ("owner", "manager", "reviewer", "annotator", "viewer", "stranger", "anonymous")
EVERYBODY = (200, 200, 200, 200, 200, 200, 302)
MEMBERS = (200, 200, 200, 200, 200, 404, 302)
MANAGERS = (302, 302, 403, 403, 403, 404, 302)
FORMS = (422, 422, 403, 403, 403, 404, 302)  # an empty form comes back to those who may send it
MATRIX = {
    ("get", "home"): EVERYBODY,
    ("get", "new-project"): EVERYBODY,
    ("get", "project"): MEMBERS,
    ("get", "project-images"): MEMBERS,
    ("get", "project-time"): MEMBERS,
    ("get", "image"): MEMBERS,
    ("get", "round"): MEMBERS,
    ("get", "round-progress"): MEMBERS,
    ("get", "round-at-work"): MEMBERS,
    ("get", "round-log"): MEMBERS,
    ("get", "round-log-file"): MEMBERS,
    ("post", "project-images"): MANAGERS,
    ("post", "project-members"): FORMS,
    ("post", "project-member"): MANAGERS,
    ("post", "project-classes"): FORMS,
    ("post", "project-rounds"): MANAGERS,
    ("post", "cancel-round"): MANAGERS,
    ("post", "retry-round"): MANAGERS,
}
OPEN = {"sign-in", "sign-out", "invitation"}


def address(study: SimpleNamespace, route: str) -> str:
    values = {
        "project": study.project.pk,
        "image": study.image.pk,
        "round": study.round.pk,
        "membership": study.project.memberships.get(user=study.people["viewer"]).pk,
    }
    pattern = next(str(u.pattern) for u in urls.urlpatterns if u.name == route)
    return reverse(route, kwargs={name: values[name] for name in re.findall(r"<int:(\w+)>", pattern)})


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
    manager, reviewer, viewer = (
        signed_in(study.people[who]).get(address(study, "project")).content.decode()
        for who in ("manager", "reviewer", "viewer")
    )
    assert "Start round" in manager and "Add member" in manager and "Add images" in manager
    assert "Start round" not in reviewer and "Add member" not in reviewer and "COCO JSON" in reviewer
    assert "COCO JSON" not in viewer and "Draw boxes" not in viewer


# -- counts


def test_an_image_shows_boxes_regions_and_decisions(study):
    owner, image = study.people["owner"], study.image
    found = proposals(4)
    publish(round_=study.round, image=image, proposals=found, certificate=CERTIFICATE, model_names={}, facts={})
    accept(image, owner, found[0])
    reject(image, owner, found[1])
    page = signed_in(owner).get(address(study, "project-images")).content.decode()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    assert "3 boxes exhaustive region 2 to review 1 accepted 1 rejected" in text
    assert "slide 7" in text and "train" in text


def test_only_the_newest_round_is_to_be_reviewed(study):
    owner, image = study.people["owner"], study.image
    publish(round_=study.round, image=image, proposals=proposals(5), certificate=CERTIFICATE, model_names={}, facts={})
    Round.objects.filter(pk=study.round.pk).update(state=Round.State.PUBLISHED)
    second = start_round(project=study.project, by=owner)
    publish(round_=second, image=image, proposals=proposals(2), certificate=CERTIFICATE, model_names={}, facts={})
    counts = count(images=study.project.images.all(), user=owner, per="project")[study.project.pk]
    assert (counts.proposed, counts.undecided, counts.exhaustive) == (2, 2, 1)


def test_where_annotators_work_apart_each_counts_their_own(study):
    Project.objects.filter(pk=study.project.pk).update(layering=Project.Layering.PER_ANNOTATOR)
    image = Image.objects.get(pk=ImageFactory(project=study.project).pk)
    annotator, reviewer, owner = (study.people[who] for who in ("annotator", "reviewer", "owner"))
    found = proposals(3)
    publish(round_=study.round, image=image, proposals=found, certificate=CERTIFICATE, model_names={}, facts={})
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
        publish(round_=round_, image=image, proposals=proposals(2), certificate=CERTIFICATE, model_names={}, facts={})


@pytest.mark.parametrize("route", ["home", "project", "project-images", "round"])
def test_queries_do_not_grow_with_the_images(route, study, django_assert_max_num_queries):
    owner = study.people["owner"]
    client = signed_in(owner)
    fill(study.project, owner, 1)
    with django_assert_max_num_queries(40) as few:
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
    owner = UserFactory()
    client = signed_in(owner)
    answer = client.post(
        reverse("new-project"),
        {"name": "Lung", "classes": "tumour\n\n stroma \n", "layering": "per_annotator", "records_activity": "on"},
        follow=True,
    )
    project = Project.objects.get(name="Lung")
    assert list(project.classes.values_list("name", flat=True)) == ["tumour", "stroma"]
    assert (project.role_of(owner), project.layering) == (Role.OWNER, "per_annotator")
    assert "Working time is recorded in this project." in answer.content.decode()
    assert "No image yet" in answer.content.decode()


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
    client = signed_in(UserFactory())
    form = {"name": "Lung", "classes": "nucleus", "layering": "shared", "description": "of rats"} | data
    answer = client.post(reverse("new-project"), form)
    assert answer.status_code == 422 and not Project.objects.exists()
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
    assert path is None
    with pytest.raises(NotAllowed):
        invite_again(membership=membership, by=thief)
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
    refused = manager.post(page, {"role": "owner"})
    assert said(refused)[-1:] == ["Only an owner can make or unmake an owner."]
    manager.post(page, {"role": "annotator", "remove": "1"})
    assert study.project.role_of(study.people["viewer"]) is None
    elsewhere = MembershipFactory()
    assert manager.post(page.rsplit("/", 2)[0] + f"/{elsewhere.pk}/", {"remove": "1"}).status_code == 404
    assert Membership.objects.filter(pk=elsewhere.pk).exists()


# -- uploads


def files(*named: tuple[str, bytes]) -> list[SimpleUploadedFile]:
    return [SimpleUploadedFile(name, content) for name, content in named]


def test_an_upload_keeps_the_good_files_and_says_what_is_wrong_with_each_bad_one(study):
    one = png(seed=900)
    client = signed_in(study.people["manager"])
    answer = client.post(
        address(study, "project-images"),
        {
            "images": files(("a.png", one), ("notes.txt", b"hello"), ("b.png", png(seed=901)), ("again.png", one)),
            "group": "slide 9",
            "um_per_px": "0.25",
            "split": "test",
        },
        headers={"HX-Request": "true"},
    )
    text = answer.content.decode()
    assert answer.headers["HX-Trigger"] == "images-changed"
    assert "2 images added." in text
    assert "notes.txt is not an image of a known format" in text
    assert "again.png is in this project already, as a.png." in text
    added = study.project.images.filter(name__in=["a.png", "b.png"])
    assert list(added.values_list("group", "um_per_px", "split")) == [("slide 9", 0.25, Split.TEST)] * 2
    assert study.project.images.count() == 3
    part = client.get(address(study, "project-images")).content.decode()
    assert 'id="project-head" hx-swap-oob="true"' in part and "3 images" in part


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
    assert words in " ".join(said(client.post(address(study, "project-images"), {"split": "train"}))) or data


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


def test_export_is_off_with_a_reason_until_a_mask_is_accepted(study):
    client = signed_in(study.people["reviewer"])
    page = client.get(address(study, "project")).content.decode()
    assert "No mask is accepted yet" in page and "/export/coco/" not in page
    draw(study.image, study.people["owner"], cell(mask=mask()))
    page = client.get(address(study, "project")).content.decode()
    assert re.search(r"<b>1</b> accepted mask\b", page)
    for layout in ("coco", "labels"):
        link = reverse("export", args=[study.project.pk, layout])
        assert f'href="{link}"' in page and client.get(link).status_code == 200


# -- rounds


def test_a_round_that_cannot_learn_is_refused_in_words(study):
    empty = ProjectFactory()
    empty.memberships.create(user=study.people["owner"], role=Role.OWNER)
    answer = signed_in(study.people["owner"]).post(reverse("project-rounds", args=[empty.pk]))
    assert "exhaustively annotated" in said(answer)[0] and not empty.rounds.exists()


def test_start_cancel_retry(study):
    client = signed_in(study.people["manager"])
    client.post(address(study, "cancel-round"))
    study.round.refresh_from_db()
    assert study.round.state == Round.State.CANCELLED
    assert "Retry" in client.get(address(study, "round")).content.decode()
    client.post(address(study, "retry-round"))
    study.round.refresh_from_db()
    assert study.round.state == Round.State.QUEUED
    again = client.post(address(study, "project-rounds"), {"preset": "tiny"})
    assert again.headers["Location"] == address(study, "round"), "two managers who start at once get the same round"
    client.post(address(study, "cancel-round"))
    assert said(client.post(address(study, "cancel-round")))[-1] == "Round 1 is cancelled already."
    unknown = client.post(address(study, "project-rounds"), {"preset": "huge"})
    assert "preset must be one of" in said(unknown)[-1].lower()


def test_a_round_is_polled_only_while_it_is_at_work(study):
    client = signed_in(study.people["viewer"])
    page = client.get(address(study, "round")).content.decode()
    assert f'hx-get="{address(study, "round-progress")}"' in page and page.count("data-poll") == 2
    assert "HX-Refresh" not in client.get(address(study, "round-progress")).headers
    Round.objects.update(state=Round.State.PUBLISHED, finished_at=timezone.now())
    for route in ("round-progress", "round-at-work"):
        assert client.get(address(study, route)).headers["HX-Refresh"] == "true"
    assert "data-poll" not in client.get(address(study, "round")).content.decode()


def test_stages_say_how_far_they_are_and_what_they_wait_for(study):
    stages = {stage.kind: stage for stage in study.round.stages.all()}
    for number in range(3):
        StageLine.objects.create(stage=stages["detector"], text=f"epoch {number + 1}", values={"loss": 3.0 - number})
    artifact = Artifact.objects.create(key="k", kind="pseudo_masks", sha256="0" * 64, size=1)
    Stage.objects.filter(pk=stages["detector"].pk).update(
        state=Stage.State.RUNNING, done=3, total=12, note="epoch 3 of 12", started_at=timezone.now(), attempts=1
    )
    Stage.objects.filter(pk=stages["segmenter"].pk).update(state=Stage.State.FAILED, error="Disk full. Free some.")
    Stage.objects.filter(pk=stages["pseudo_masks"].pk).update(state=Stage.State.REUSED, artifact=artifact)
    page = signed_in(study.people["viewer"]).get(address(study, "round-progress")).content.decode()
    assert 'aria-label="Detector" aria-valuemin="0" aria-valuemax="100" aria-valuenow="25"' in page
    assert "3 of 12" in page and "epoch 3 of 12" in page and "Disk full. Free some." in page
    assert "loss went from 3 to 1 over 3 reports; lowest 1, highest 3" in page
    assert "waiting for detector and segmenter" in page and "reused from an earlier round" in page


def test_a_stage_that_nobody_takes_says_that_a_worker_may_be_missing(study):
    long_ago = timezone.now() - timedelta(minutes=2)
    study.round.stages.filter(kind__in=["pseudo_masks", "detector"]).update(queued_at=long_ago)
    client = signed_in(study.people["viewer"])
    missing = "if none is running, nothing will happen"
    assert missing in client.get(address(study, "round-progress")).content.decode()
    study.round.stages.filter(kind="detector").update(state=Stage.State.RUNNING, started_at=long_ago)
    assert missing not in client.get(address(study, "round-progress")).content.decode(), "the worker is busy"


def test_a_reused_stage_names_the_round_that_made_it(study):
    artifact = Artifact.objects.create(key="k", kind="detector", sha256="0" * 64, size=1)
    study.round.stages.filter(kind="detector").update(state=Stage.State.DONE, artifact=artifact)
    Round.objects.update(state=Round.State.FAILED, error="The loss is not a number.")
    second = start_round(project=study.project, by=study.people["owner"])
    second.stages.filter(kind="detector").update(state=Stage.State.REUSED, artifact=artifact)
    client = signed_in(study.people["viewer"])
    assert "reused from round 1" in client.get(reverse("round", args=[second.pk])).content.decode()
    assert "The loss is not a number." in client.get(address(study, "round")).content.decode()


def test_the_log_goes_on_where_the_reader_is(study):
    stage = study.round.stages.get(kind="detector")
    first, second = (StageLine.objects.create(stage=stage, text=text) for text in ("one", "two <b>"))
    StageLine.objects.create(stage=stage, text="", values={"loss": 0.5})
    client = signed_in(study.people["viewer"])
    part = client.get(address(study, "round-log") + f"?after={first.pk}").content.decode()
    assert "one" not in part and "two &lt;b&gt;" in part and f"after={second.pk}" in part
    whole = client.get(address(study, "round-log-file"))
    assert whole.headers["Content-Disposition"] == 'attachment; filename="round-1.log.txt"'
    lines = whole.content.decode().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["detector one", "detector two <b>", "detector loss=0.5"]


def test_a_finished_round_shows_its_proofs_figures_and_doubts(study):
    owner = study.people["owner"]
    judged = ImageFactory(project=study.project, group="slide 7", split=Split.VAL)
    Round.objects.update(state=Round.State.FAILED)
    second = start_round(project=study.project, by=owner)
    publish(round_=second, image=judged, proposals=proposals(3), certificate=CERTIFICATE, model_names={}, facts={})
    publish(
        round_=second, image=study.image, proposals=proposals(1),
        certificate=CERTIFICATE | {"cut": 5000, "closed": False}, model_names={}, facts={},
    )  # fmt: skip
    facts = {"box_ap50": 0.61234, "images": 1, "masks": {"dice": 0.8, "pq": 0.5}, "sentence": "Only one image."}
    artifact = Artifact.objects.create(key="e", kind="evaluation", sha256="0" * 64, size=1, facts=facts)
    second.stages.filter(kind="evaluation").update(state=Stage.State.DONE, artifact=artifact)
    Round.objects.filter(pk=second.pk).update(state=Round.State.PUBLISHED, finished_at=timezone.now())
    page = signed_in(owner).get(reverse("round", args=[second.pk])).content.decode()
    assert "Same slide, optimistic." in page and "Images of slide 7 stand both in training and in evaluation" in page
    assert f'href="{reverse("image", args=[judged.pk])}"' in page
    assert "4,321" in page and "7.5 ms" in page and "3.12 %" in page and "512.5" in page
    assert "4,321 ≠ 5,000, not proven" in page
    assert page.index("Box AP at IoU 0.5") < page.index("0.612") < page.index("Dice") < page.index("PQ")
    assert "Only one image." in page


# -- the frame of the workspace


def test_the_workspace_gets_its_image_and_the_token_for_saves(study):
    client = signed_in(study.people["viewer"])
    answer = client.get(address(study, "image"))
    assert f'<div id="workspace" data-image="{study.image.pk}" data-api="/api/v1/"></div>' in answer.content.decode()
    assert "csrftoken" in client.cookies


def test_a_developer_without_the_front_end_is_told_how_to_build_it(study, settings, monkeypatch):
    settings.DEBUG = True
    monkeypatch.setattr("labeling.site.views.finders.find", lambda name: None)
    page = signed_in(study.people["viewer"]).get(address(study, "image")).content.decode()
    assert "npm run build" in page and "workspace.js" not in page


# -- errors


@pytest.mark.parametrize(
    ("path", "status", "words"), [("/nowhere/", 404, "There is no such page"), ("/projects/999/", 404, "no such page")]
)
def test_errors_come_in_the_same_dress(path, status, words):
    answer = signed_in(UserFactory()).get(path)
    assert answer.status_code == status
    assert words in answer.content.decode() and "site/tokens.css" in answer.content.decode()


def test_a_role_that_does_not_reach_is_told_who_can_change_that(study):
    answer = signed_in(study.people["viewer"]).post(address(study, "project-rounds"))
    assert answer.status_code == 403
    assert "Your role in this project does not allow this. An owner or manager" in answer.content.decode()


def test_the_page_of_a_crash_needs_nothing_that_may_be_broken():
    answer = server_error(RequestFactory().get("/"))
    assert answer.status_code == 500 and "what was saved stays saved" in answer.content.decode()


def test_a_stale_form_is_refused_in_words(study):
    client = Client(enforce_csrf_checks=True)
    client.force_login(study.people["manager"])
    answer = client.post(address(study, "project-rounds"))
    assert answer.status_code == 403 and "Nothing was changed" in answer.content.decode()


def test_a_wrong_password_says_what_to_do():
    user = UserFactory(username="miller")
    user.set_password("correct horse")
    user.save()
    client = Client()
    wrong = client.post(reverse("sign-in"), {"username": "miller", "password": "battery"})
    assert "do not belong together" in wrong.content.decode()
    right = client.post(
        reverse("sign-in"), {"username": "miller", "password": "correct horse", "next": "/projects/new/"}
    )
    assert right.headers["Location"] == "/projects/new/"
    away = Client().post(
        reverse("sign-in"), {"username": "miller", "password": "correct horse", "next": "//evil.example/"}
    )
    assert away.headers["Location"] == "/"


# -- the dress


class Inline(HTMLParser):
    """Collects what the content security policy would refuse, and controls without a name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.labels: set[str | None] = set()
        self.controls: list[dict[str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if (tag == "script" and "src" not in given) or tag == "style" or any(a.startswith("on") for a in given):
            self.found.append(self.get_starttag_text() or tag)
        if any(a.startswith("hx-on") or (a == "hx-trigger" and "[" in (v or "")) for a, v in attrs):
            self.found.append(self.get_starttag_text() or tag)  # htmx would need eval
        if tag == "label":
            self.labels.add(given.get("for"))
        if tag in ("input", "select", "textarea") and given.get("type") not in ("hidden", "radio"):
            self.controls.append(given)


@pytest.mark.parametrize("route", [r for method, r in MATRIX if method == "get" and r != "round-log-file"])
def test_pages_hold_no_inline_script_or_style_and_every_control_has_a_name(route, study):
    found = proposals(1)
    publish(round_=study.round, image=study.image, proposals=found, certificate=CERTIFICATE, model_names={}, facts={})
    page = Inline()
    page.feed(signed_in(study.people["owner"]).get(address(study, route)).content.decode())
    assert page.found == []
    assert [c for c in page.controls if "aria-label" not in c and c.get("id") not in page.labels] == []


def blocks() -> dict[str, dict[str, str]]:
    css = re.sub(r"/\*.*?\*/", "", (STATIC / "tokens.css").read_text(), flags=re.S)
    found = re.findall(r"(:root[^{]*)\{([^}]*)\}", css)
    return {name.strip(): dict(re.findall(r"--([\w-]+):\s*([^;]+);", body)) for name, body in found}


def contrast(a: str, b: str) -> float:
    """The contrast ratio of WCAG 2.2, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_read_in_both_themes():
    assert contrast("#ffffff", "#000000") == pytest.approx(21) and contrast("#777777", "#ffffff") == pytest.approx(
        4.478, 1e-3
    )
    themes = blocks()
    assert themes[':root:not([data-theme="light"])'] == themes[':root[data-theme="dark"]']
    for theme in (themes[":root"], themes[':root[data-theme="dark"]']):
        for ground in ("surface", "surface-raised", "surface-sunken"):
            for ink in ("text", "text-muted", "accent", "danger", "ok", "warn"):
                assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)
            for line in ("border-strong", "focus"):
                assert contrast(theme[line], theme[ground]) >= 3, (line, ground)
        assert contrast(theme["on-accent"], theme["accent"]) >= 4.5


def test_styles_use_only_the_tokens():
    css = (STATIC / "site.css").read_text()
    known = blocks()[":root"].keys()
    assert set(re.findall(r"var\(--([\w-]+)\)", css)) <= known
    assert re.findall(r"#[0-9a-f]{3,8}\b", css) == []


# -- words, curves, facts


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.3, "under 1 s"), (42.9, "42 s"), (185, "3 min 5 s"), (3840, "1 h 4 min"), (183_600, "2 d 3 h"), (None, "")],
)
def test_times_in_words(seconds, words):
    assert took(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(1234567, "1,234,567"), (0.61234, "0.612"), (0.5, "0.500"), (123456.7, "123,457"), (2.5e-7, "2.50e-07"),
     (0.0, "0"), (None, "–"), (True, "yes"), ([1, 0.5], "1, 0.500"), (float("nan"), "not a number")],
)  # fmt: skip
def test_figures_as_people_read_them(value, words):
    assert figure(value) == words


def test_a_curve_spans_its_box_with_the_highest_value_on_top():
    assert polyline([1.0, 3.0, 2.0]) == "3.0,45.0 120.0,3.0 237.0,24.0"
    assert polyline([2.0, 2.0]) == "3.0,24.0 237.0,24.0"
    reports = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "score": 0.3}, {"loss": float("nan")}]
    assert [(c.name, c.values) for c in curves_of(reports)] == [("loss", (2.0, 1.0))]


def test_facts_of_any_shape_are_put_in_reading_order():
    facts = facts_of(
        {"zeta": 1, "images": 3, "masks": {"pq": 0.4, "dice": 0.7}, "optimistic": "so it is", "why": "No set."}
    )
    assert facts.numbers == [("Images", 3), ("zeta", 1)] and facts.sentences == ["No set."]
    assert [(name, inner.numbers) for name, inner in facts.groups] == [
        ("Masks, mean over images", [("Dice", 0.7), ("PQ", 0.4)])
    ]
