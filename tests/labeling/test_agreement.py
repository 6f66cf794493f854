"""The agreement of a project's readers: which readings are compared, the job, the page, the table."""

import csv
import io
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from inference.agreement.readings import Matching
from labeling.annotations.services import working_layer, write_operations
from labeling.assignments import services
from labeling.assignments.models import Reading
from labeling.assignments.reviewing import send_back
from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.jobs.models import Job
from labeling.jobs.tasks import run_job
from labeling.projects.models import Project
from labeling.reviews.agreement.computing import Question, TooFewReadings, answer, compute
from labeling.reviews.agreement.readings import Sight, closed_items
from tests.declined import assert_declined
from tests.factories import LabelClassFactory
from tests.labeling.operations import cell, effect, operation
from tests.labeling.pages import page_text, signed_in
from tests.labeling.team import make_team, run_now

pytestmark = pytest.mark.django_db
BLIND = Question(Sight.BLIND, Matching())


def read(team: SimpleNamespace, item: Any, user: Any, *cells: dict[str, Any], finish: bool = True) -> None:
    """`user` reads an item: draws the cells, and closes the reading."""
    services.begin_item(item_id=item.pk, user=user)
    layer = working_layer(image=item.image, user=user)
    acts = [operation(effect(uuid.uuid4(), state)) for state in cells]
    if acts:
        _seq, verdicts = write_operations(layer=layer, author=user, operations=acts)
        assert {verdict.verdict for verdict in verdicts} == {"accepted"}
    if finish:
        services.finish_item(item_id=item.pk, user=user)


def two_readings(**more: Any) -> SimpleNamespace:
    """Three images of one team, the first read twice: one cell in common, of another class, and one cell of one."""
    team = make_team(readings=2, is_blind=True, **more)
    team.tumour = LabelClassFactory(project=team.project, name="tumour", position=1)
    team.stroma = LabelClassFactory(project=team.project, name="stroma", position=2)
    one, two = team.people
    read(team, team.items[0], one, cell(label_class=team.tumour.pk), cell((40, 20, 52, 40), label_class=team.tumour.pk))
    read(team, team.items[0], two, cell((11, 10, 31, 24), label_class=team.stroma.pk))
    return team


def computed(team: SimpleNamespace, question: Question = BLIND) -> Any:
    job = compute(project=team.project, by=team.owner, question=question)
    run_now(job)
    return answer(project=team.project, question=question)


def test_what_two_readers_have_in_common():
    team = two_readings()
    known = computed(team)
    report = known.report
    assert (report.images, report.cells, report.readers) == (1, 3, sorted(str(user.pk) for user in team.people))
    assert report.f1.value == pytest.approx(2 / 3) and report.f1.no_interval == "few_patients"
    assert report.f1_near.why == "no_scale" and report.unit == "px"
    assert report.alpha.n == 1 and report.alpha.value == pytest.approx(0.0)
    assert report.classes == ["stroma", "tumour", "?", ""]
    assert [place.kind for place in report.worst_places] == ["missing", "class"]
    assert known.people == {str(user.pk): user.display_name for user in team.people}
    assert not known.is_stale and known.job is None and known.images["blind"] == 1


def test_equal_readings_are_computed_once_and_changed_ones_again():
    team = two_readings()
    first = compute(project=team.project, by=team.owner, question=BLIND)
    assert compute(project=team.project, by=team.owner, question=BLIND) == first  # at work
    run_now(first)
    assert compute(project=team.project, by=team.reviewer, question=BLIND) == first  # done
    team.tumour.name = "carcinoma"
    team.tumour.save()
    assert answer(project=team.project, question=BLIND).is_stale
    assert compute(project=team.project, by=team.owner, question=BLIND) != first


def test_a_class_that_is_renamed_while_the_job_waits_is_told_as_it_is_now():
    team = two_readings()
    job = compute(project=team.project, by=team.owner, question=BLIND)
    team.stroma.name = "immune"
    team.stroma.save()
    run_now(job)
    known = answer(project=team.project, question=BLIND)
    assert "immune" in known.report.classes and not known.is_stale


def test_only_images_of_which_all_readings_are_closed_count():
    team = two_readings()
    one, two = team.people
    read(team, team.items[1], one, cell())
    read(team, team.items[1], two, cell(), finish=False)
    assert [found.item.pk for found in closed_items(team.project)] == [team.items[0].pk]


def test_blind_readings_and_those_with_proposals_or_others_in_sight_are_never_pooled():
    team = two_readings()
    one, two = team.people
    for item in team.items[1:]:
        for user in (one, two):
            read(team, item, user, cell())
    Reading.objects.filter(item=team.items[1], reader=one).update(
        proposals=[{"publication": str(uuid.uuid4()), "round": 3, "models": {"detector": "yolo11n"}}]
    )
    Reading.objects.filter(item=team.items[2], reader=two).update(is_blind=False)
    for sight in Sight.values:
        known = computed(team, Question(sight, Matching()))
        assert known.report.images == 1
        assert known.images == {"blind": 1, "proposals": 1, "others": 1}
        assert known.models == (["round 3: yolo11n"] if sight == Sight.PROPOSALS else [])


def test_a_reading_that_was_sent_back_after_the_others_were_seen_is_no_blind_one():
    team = two_readings()
    send_back(item_id=team.items[0].pk, by=team.reviewer, comment="once more")
    for user in team.people:
        services.finish_item(item_id=team.items[0].pk, user=user)
    assert answer(project=team.project, question=BLIND).images == {"blind": 0, "proposals": 0, "others": 1}


@pytest.mark.django_db(transaction=True)
def test_a_worker_does_it_under_a_lease():
    team = two_readings()
    job = compute(project=team.project, by=team.owner, question=BLIND)
    run_job(job.pk)
    job.refresh_from_db()
    assert job.state == Job.State.DONE, job.error
    assert job.facts["report"]["images"] == 1


# -- bad luck


def test_nothing_is_closed():
    team = make_team(readings=2, is_blind=True)
    with pytest.raises(TooFewReadings):
        compute(project=team.project, by=team.owner, question=BLIND)
    assert answer(project=team.project, question=BLIND).report is None


def test_readings_without_overlap_and_readings_without_a_cell():
    team = make_team(readings=2, is_blind=True)
    one, two = team.people
    read(team, team.items[0], one, cell((1, 1, 9, 9)))
    read(team, team.items[0], two, cell((30, 30, 44, 44)))
    for user in (one, two):
        read(team, team.items[1], user)
    report = computed(team).report
    assert report.f1.value == 0 and report.dice.why == "nothing_matched"
    by_image = {image.image: image.f1 for image in report.worst_images}
    assert by_image[str(team.items[1].image_id)].why == "no_cells"


def test_distance_needs_the_scale_of_every_image():
    team = two_readings()
    with pytest.raises(Invalid, match="no scale"):
        compute(project=team.project, by=team.owner, question=Question(Sight.BLIND, Matching("distance")))
    Image.objects.filter(project=team.project).update(um_per_px=0.5)
    report = computed(team, Question(Sight.BLIND, Matching("distance"))).report
    assert report.f1_near.value == pytest.approx(2 / 3) and report.unit == "µm"


def test_an_image_that_is_deleted_while_the_job_waits_is_left_out():
    team = two_readings()
    for user in team.people:
        read(team, team.items[1], user, cell())
    job = compute(project=team.project, by=team.owner, question=BLIND)
    team.items[0].image.delete()
    run_now(job)
    assert answer(project=team.project, question=BLIND).report.images == 1


def test_an_image_that_is_deleted_afterwards_is_not_linked():
    team = two_readings()
    computed(team)
    team.items[0].image.delete()
    page = signed_in(team.owner).get(reverse("project-agreement", args=[team.project.pk]))
    assert page.status_code == 200 and "Readings have changed" in page_text(page)


def test_two_readers_of_one_name_stay_two():
    team = two_readings()
    for user in team.people:
        user.full_name = "Dr A"
        user.save()
    assert len(computed(team).report.readers) == 2


# -- who may see it, and how


def test_where_people_read_apart_only_who_leads_sees_it():
    team = two_readings()
    Project.objects.filter(pk=team.project.pk).update(layering=Project.Layering.PER_ANNOTATOR)
    for user, expected in ((team.owner, 200), (team.reviewer, 200), (team.people[0], 403)):
        client = APIClient()
        client.force_authenticate(user)
        assert client.get(reverse("agreement", args=[team.project.pk])).status_code == expected
        assert signed_in(user).get(reverse("project-agreement", args=[team.project.pk])).status_code == expected


def test_the_api_computes_and_tells():
    team = two_readings()
    client = APIClient()
    client.force_authenticate(team.people[0])
    address = reverse("agreement", args=[team.project.pk])
    asked = client.post(address, {"by": "iou"}, format="json")
    assert asked.status_code == 202
    assert client.get(address).json()["job"] == asked.json()["id"]
    run_now(Job.objects.get(pk=asked.json()["id"]))
    known = client.get(address, {"by": "iou", "um": "3"}).json()
    assert known["report"]["f1"]["value"] == pytest.approx(2 / 3) and known["job"] is None
    assert client.get(address, {"um": "-1"}).status_code == 422
    assert client.post(address, {"iou": 2}, format="json").status_code == 422
    unread = client.get(address, {"iou": "\u00b2"})
    assert_declined(unread, 422, says="iou must be a number")


def test_the_table_has_a_line_a_figure_and_says_what_was_in_sight():
    team = two_readings()
    computed(team)
    client = APIClient()
    client.force_authenticate(team.owner)
    table = client.get(reverse("agreement-table", args=[team.project.pk]))
    rows = list(csv.DictReader(io.StringIO(table.content.decode())))
    overall = {row["figure"]: row for row in rows if row["scope"] == "overall"}
    assert float(overall["f1"]["value"]) == pytest.approx(2 / 3)
    assert {row["sight"] for row in rows} == {"blind"}
    assert (overall["f1_near"]["value"], overall["f1_near"]["why"]) == ("", "no_scale")
    assert {row["scope"] for row in rows} == {"overall", "pair", "class", "image", "confusion"}
    assert "nan" not in table.content.decode().lower()


def test_the_page_empty_at_work_and_with_figures():
    team = make_team(readings=2, is_blind=True)
    client = signed_in(team.owner)
    address = reverse("project-agreement", args=[team.project.pk])
    assert "Nothing computed yet" in page_text(client.get(address))
    team = two_readings()
    client = signed_in(team.owner)
    address = reverse("project-agreement", args=[team.project.pk])
    client.post(reverse("compute-agreement", args=[team.project.pk]), {"sight": "blind", "by": "iou", "um": "3"})
    assert "Being computed" in page_text(client.get(address))
    run_now(Job.objects.get(kind=Job.Kind.AGREEMENT))
    text = page_text(client.get(address))
    assert "0.667" in text and "Worst places first" in text and "#at=" in text
    assert "interval not estimated: fewer than 10 patients" in text and "nan" not in text.lower().split()


def test_what_is_no_question_is_declined_on_the_page():
    team = two_readings()
    client = signed_in(team.owner)
    address = reverse("project-agreement", args=[team.project.pk])
    assert client.get(address, {"um": "x"}).status_code == 302
    client.post(reverse("compute-agreement", args=[team.project.pk]), {"um": "x"})
    assert not Job.objects.filter(kind=Job.Kind.AGREEMENT).exists()


def test_the_page_costs_the_same_number_of_queries_whatever_the_images(django_assert_max_num_queries):
    team = two_readings(images=12)
    for item in team.items[1:]:
        for user in team.people:
            read(team, item, user, cell())
    computed(team)
    client = signed_in(team.owner)
    with django_assert_max_num_queries(40):
        client.get(reverse("project-agreement", args=[team.project.pk]))
