"""The pages of studies: who may open them, what a participant is shown, what the report says."""

import re
import zipfile

import pytest
from django.test import Client
from django.urls import reverse

from labeling.site import study_urls
from labeling.studies import services
from labeling.studies.models import Item, Study
from tests.factories import MembershipFactory, UserFactory
from tests.labeling.pages import signed_in, toasts
from tests.labeling.studies import SECONDS, agreed, draft, frozen, read_all, ten_fields

pytestmark = pytest.mark.django_db

WHO = ("owner", "manager", "reviewer", "annotator", "viewer", "reader", "stranger", "anonymous")
MANAGERS = (200, 200, 403, 403, 403, 404, 404, 302)
MOVED = (302, 302, 403, 403, 403, 404, 404, 302)  # done, or too late: back to the study's page
OWNER = (200, 403, 403, 403, 403, 404, 404, 302)
READER = (404, 404, 404, 404, 404, 200, 404, 302)
MATRIX = {
    ("get", "studies"): MANAGERS,
    ("get", "study"): MANAGERS,
    ("post", "studies"): (422, 422, 403, 403, 403, 404, 404, 302),
    ("post", "study-act"): MOVED,
    ("get", "edit-study"): MOVED,  # the study is frozen here; tests below have a draft
    ("post", "edit-study"): MOVED,
    ("get", "study-size"): MOVED,
    ("post", "study-size"): MOVED,
    ("post", "copy-study"): MOVED,
    ("post", "redraw-study"): MOVED,
    ("post", "remove-reader"): MOVED,
    ("get", "freeze-study"): MOVED,
    ("post", "freeze-study"): MOVED,
    ("get", "delete-study"): MOVED,
    ("post", "delete-study"): MOVED,
    ("get", "lock-study"): MANAGERS,
    ("post", "lock-study"): MOVED,
    ("get", "interim-look"): OWNER,
    ("get", "interim-look-former"): OWNER,
    ("post", "interim-look-former"): (302, 403, 403, 403, 403, 404, 404, 302),
    ("post", "interim-look"): (302, 403, 403, 403, 403, 404, 404, 302),
    ("get", "study-report"): MANAGERS,
    ("get", "study-registration"): MANAGERS,
    ("get", "study-pdf"): MOVED,  # results are hidden until the lock
    ("get", "study-bundle"): MOVED,
    ("get", "study-plot"): (404, 404, 403, 403, 403, 404, 404, 302),
    ("get", "participation"): READER,
    ("post", "participation"): (404, 404, 404, 404, 404, 302, 404, 302),
    ("get", "participation-receipt"): (404, 404, 404, 404, 404, 404, 404, 302),  # nothing was deleted
    ("get", "study-item"): READER,
    ("get", "stop-item"): READER,
    ("post", "stop-item"): (404, 404, 404, 404, 404, 302, 404, 302),
}
LOCKED = dict.fromkeys(("study-report", "study-pdf", "study-bundle", "study-plot"), MANAGERS)


@pytest.fixture
def project():
    return ten_fields()


@pytest.fixture
def study(project):
    return frozen(project)


@pytest.fixture
def opened(study) -> Item:
    participant = agreed(study)
    return services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)


def address(route: str, study: Study, item: Item | None = None) -> str:
    values = {
        "project": study.project_id, "study": study.pk, "name": "readers", "participant": item and item.participant_id,
        "item": item and item.pk,
    }  # fmt: skip
    pattern = next(str(u.pattern) for u in study_urls.urlpatterns if u.name == route)
    return reverse(route, kwargs={name: values[name] for name in re.findall(r"<\w+:(\w+)>", pattern)})


def answers_of(method: str, route: str, study: Study, opened: Item) -> dict[str, int]:
    people = {role: MembershipFactory(project=study.project, role=role).user for role in WHO[1:5]}
    people |= {"owner": study.created_by, "reader": opened.participant.user, "stranger": UserFactory()}
    clients = {who: Client() if who == "anonymous" else signed_in(people[who]) for who in WHO}
    body = {"act": "enrol", "username": "nobody", "reason": "safety"} if method == "post" else {}
    page = address(route, study, opened)
    return {who: getattr(client, method)(page, body).status_code for who, client in clients.items()}


@pytest.mark.parametrize("call", MATRIX, ids="-".join)
def test_who_may_open_or_do_what(call, study, opened):
    assert answers_of(*call, study, opened) == dict(zip(WHO, MATRIX[call], strict=True))


@pytest.mark.parametrize("route", LOCKED)
def test_a_locked_study_shows_its_results_to_those_who_oversee_it(route, study, opened):
    services.lock(study=study)
    assert answers_of("get", route, study, opened) == dict(zip(WHO, LOCKED[route], strict=True))


def test_the_matrix_names_every_page():
    assert {route for _, route in MATRIX} == {url.name for url in study_urls.urlpatterns}


def test_a_draft_previews_its_allocation_and_says_what_is_missing(project):
    study = draft(project, readers=1)
    client = signed_in(project.owner)
    assert "multiple of 2 readers" in client.get(address("study", study)).content.decode()
    client.post(address("study-act", study), {"act": "enrol", "username": UserFactory().username})
    page = client.get(address("study", study)).content.decode()
    assert "Allocation as it would be" in page and page.count(">measured<") == 2 * 8
    asked = client.get(address("freeze-study", study)).content.decode()
    assert "It cannot be undone" in asked
    answer = client.post(address("freeze-study", study), follow=True)
    study.refresh_from_db()
    assert study.state == "running" and study.protocol_sha256 in answer.content.decode()


def test_a_refused_freeze_says_why(project):
    study = draft(project, ethics_reference="")
    answer = signed_in(project.owner).post(address("freeze-study", study))
    assert toasts(answer) == ["Before freezing, the study needs: ethics reference."]


def test_the_form_makes_a_draft_with_its_arms(project):
    client = signed_in(project.owner)
    body = {
        "name": "New", "public_title": "Nuclei", "hypothesis": "Faster",
        "design": "crossover", "seed": 3, "idle_after_s": 30, "washout_days": 28,
        "training_per_arm": 1, "repeats": 0, "quality_margin": 0.05, "withdrawal_after_lock": "remove",
        "unit": "fields", "gap_days": 0, "break_minutes": 10,
        "arm0-name": "hand", "arm0-tools": ["box"], "arm0-assistance": "none",
        "arm1-name": "help", "arm1-tools": ["box", "brush"], "arm1-assistance": "proposals",
    }  # fmt: skip
    body |= {"strata": "density"}
    answer = client.post(address("studies", Study(project=project, pk=1)), body)
    made = Study.objects.get(name="New")
    assert answer.status_code == 302
    assert list(made.arms.values_list("name", "tools", "assistance")) == [
        ("hand", ["box"], "none"),
        ("help", ["box", "brush"], "proposals"),
    ]
    assert made.fields.filter(training=False).count() == 8 and made.fields.filter(training=True).count() == 2
    assert client.post(address("studies", made), body | {"seed": "x"}).status_code == 422
    # three arms in a Williams square, six measured fields
    third = {"arm2-name": "polygons", "arm2-tools": ["polygon"], "arm2-assistance": "none"}
    more = body | third | {"name": "Three", "design": "williams", "measured": 6}
    assert client.post(address("studies", made), more).status_code == 302
    made = Study.objects.get(name="Three")
    assert made.arms.count() == 3 and made.fields.filter(training=True).count() == 3
    assert set(made.fields.filter(training=False).values_list("stratum", flat=True)) == {"sparse", "dense"}
    for _ in range(6):
        services.enrol(study=made, username=UserFactory().username)
    page = client.get(address("study", made)).content.decode()
    assert all(sequence in page for sequence in ("ABC", "BCA", "CAB", "CBA", "ACB", "BAC"))
    # an arm with tools and no name is a mistake, and leaves no half of a study
    nameless = client.post(address("studies", made), more | {"name": "Four", "arm3-tools": ["box"]})
    assert nameless.status_code == 422 and "Name of the arm: nothing was typed." in nameless.content.decode()
    few = client.post(address("studies", made), more | {"name": "Four", "training_per_arm": 5})
    assert few.status_code == 422 and not Study.objects.filter(name="Four").exists()


def test_a_participant_agrees_reads_stops_and_goes_on(study):
    participant = study.participants.get(number=1)
    client = signed_in(participant.user)
    home = reverse("participation", args=[participant.pk])
    assert "Your times are recorded." in client.get(home).content.decode()
    client.post(home, {"act": "next"})
    assert not Item.objects.filter(state="open").exists()  # not before consent
    client.post(home, {"act": "consent"})
    answer = client.post(home, {"act": "next"})
    item = Item.objects.get(state="open")
    assert answer.headers["Location"] == reverse("study-item", args=[item.pk])
    page = client.get(answer.headers["Location"]).content.decode()
    assert f'data-image="{item.sheet.images.get().pk}"' in page and item.arm.name not in page
    # the sheet has no page of its own, in no list and by no address
    assert client.get(reverse("project", args=[item.sheet_id])).status_code == 404
    assert item.sheet.name not in client.get("/").content.decode()
    assert (
        client.get(reverse("image", args=[item.sheet.images.get().pk])).headers["Location"]
        == answer.headers["Location"]
    )
    # opening the page of the stop in another tab stops nothing; the button does
    assert "The clock runs" in client.get(reverse("stop-item", args=[item.pk])).content.decode()
    assert client.get(answer.headers["Location"]).status_code == 200
    stopped = client.post(reverse("stop-item", args=[item.pk]), {"act": "stop"}, follow=True)
    assert "The clock is stopped" in stopped.content.decode()
    # the back button does not start it again
    assert client.get(answer.headers["Location"]).headers["Location"] == home
    client.post(reverse("stop-item", args=[item.pk]), {"act": "on"})
    assert client.get(answer.headers["Location"]).status_code == 200
    client.post(reverse("stop-item", args=[item.pk]), {"act": "stop"})
    client.post(reverse("stop-item", args=[item.pk]), {"act": "done"})
    assert client.get(answer.headers["Location"]).status_code == 404
    assert [s.end for s in item.sittings.all()] == ["pause", "pause"]
    assert "1 of 10 fields are done" in client.get(home).content.decode()


def test_the_report_its_plots_its_pdf_and_its_bundle(study, tmp_path):
    read_all(study, lambda reader, arm, k: SECONDS[arm] * (1 + 0.05 * reader) + k % 3)
    services.lock(study=study)
    client = signed_in(study.created_by)
    page = client.get(address("study-report", study)).content.decode()
    assert "reduction 49" in page or "reduction 50" in page
    assert "Record: all 40 sessions are complete." in page and study.protocol_sha256 in page
    assert client.get(address("study-pdf", study)).content.startswith(b"%PDF")
    for name in ("readers", "phases", "cut_offs", "learning"):
        assert b"<svg" in client.get(reverse("study-plot", args=[study.pk, name])).content
    assert client.get(reverse("study-plot", args=[study.pk, "secrets"])).status_code == 404
    path = tmp_path / "bundle.zip"
    path.write_bytes(client.get(address("study-bundle", study)).content)
    assert "numbers.json" in zipfile.ZipFile(path).namelist()


def test_a_finished_field_is_left_out_with_its_reason(study, opened):
    client = signed_in(study.created_by)
    url = address("study-act", study)
    assert "Leave a finished field out" not in client.get(address("study", study)).content.decode()
    assert client.post(url, {"act": "exclude", "item": opened.pk, "reason": "r"}).status_code == 404  # not finished
    Item.objects.filter(pk=opened.pk).update(training=False)
    services.complete(participant=opened.participant, item_id=opened.pk)
    assert "P01, place 1" in client.get(address("study", study)).content.decode()
    body = {"act": "exclude", "item": opened.pk, "reason": "fire alarm"}
    page = client.post(url, body, follow=True).content.decode()
    opened.refresh_from_db()
    assert opened.excluded == "fire alarm" and "P01 item 1 excluded" in page
    assert "Results by arm had not been seen by then." in page
    assert "Leave a finished field out" not in page


def test_a_report_before_anybody_has_finished_says_so_and_draws_nothing(study):
    services.lock(study=study)
    page = signed_in(study.created_by).get(address("study-report", study)).content.decode()
    assert "No field counts yet" in page and "0 of 32 fields are begun" in page and "<img" not in page
    assert "no finished field of boxes by hand and proposals counts yet" in page and "KeyError" not in page
    assert "Record: nobody has begun." in page


def test_a_draft_has_no_report(project):
    assert signed_in(project.owner).get(address("study-report", draft(project))).status_code == 404
