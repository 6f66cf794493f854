"""Rounds side by side, and settings tried on cached masks."""

import csv
import hashlib
import io
import json
import math

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.urls import reverse

from inference.worker import files, tasks
from labeling.annotations.summaries import ProjectTime
from labeling.rounds.configuration import configure
from labeling.rounds.models import Artifact, Round, Snapshot, Stage, Tuning
from labeling.rounds.results import costs
from labeling.rounds.results.comparison import by_unit, compare, interval
from labeling.rounds.results.tuning import request_tuning
from tests.documents import image_json, snapshot_of
from tests.factories import ImageFactory, ProjectFactory, UserFactory
from tests.labeling.pages import toasts

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sent")]


def evaluated(project, number, rows, *, trained=()):
    """A finished round that was judged as `rows` say."""
    content = snapshot_of(*(image_json(image, exhaustive=[[0, 0, 1, 1]]) for image in trained))
    snapshot = Snapshot(project=project, sha256=str(number) * 64, summary={})
    snapshot.content.save("s.json", ContentFile(content.written()), save=True)
    round_ = Round.objects.create(
        project=project, number=number, state=Round.State.PUBLISHED, preset="tiny", snapshot=snapshot,
        configuration={"fusion": {"lam": float(number)}},
    )  # fmt: skip
    kept = json.dumps({"per_image": rows}).encode()
    artifact = Artifact(key=f"e{number}", kind="evaluation", sha256=hashlib.sha256(kept).hexdigest(), size=len(kept))
    artifact.file.save("e.json", ContentFile(kept), save=True)
    Stage.objects.create(round=round_, position=1, kind="evaluation", state=Stage.State.DONE, artifact=artifact)
    return round_


@pytest.fixture
def project():
    return ProjectFactory()


def rows(values, groups, measure="pq"):
    return [{"image": i, "patient": g, measure: v} for i, (v, g) in enumerate(zip(values, groups, strict=True))]


def test_rounds_are_compared_on_the_images_they_share_and_never_on_what_one_of_them_learned(project):
    first = evaluated(project, 1, rows([0.1, 0.2, 0.3, 0.9], "abcd"))
    second = evaluated(project, 2, rows([0.3, 0.4, 0.6], "abc"), trained=[2])
    made = compare([first, second])
    (row,) = made.rows
    assert (made.images, made.patients, row.measure) == (2, 2, "pq")
    assert [round(f.mean, 6) for f in row.figures] == [0.15, 0.35]
    assert row.figures[0].against is None
    assert math.isclose(row.figures[1].against["mean_difference"], 0.2)
    assert [(pair.image, round(pair.difference, 6)) for pair in made.pairs] == [(0, 0.2), (1, 0.2)]  # worst first


def test_patients_are_resampled_whole():
    """Four images of one patient are one observation: the interval must be that of two patients, not of five images."""
    values = np.array([0.0, 0.0, 0.0, 0.0, 1.0])
    units = by_unit(["p", "p", "p", "p", "q"])
    assert [unit.tolist() for unit in units] == [[0, 1, 2, 3], [4]]
    assert interval(values, units) == (0.0, 1.0)
    low, high = interval(values, by_unit(["a", "b", "c", "d", "e"]))
    assert (low, high) != (0.0, 1.0) and 0 <= low < 0.2 < high < 1
    assert all(math.isnan(v) for v in interval(values[:1], by_unit(["a"])))


def test_a_paired_test_takes_one_value_a_patient(project):
    groups = ["a"] * 9 + ["b"]
    first = evaluated(project, 1, rows([0.5] * 10, groups))
    second = evaluated(project, 2, rows([0.6] * 9 + [0.5], groups))
    against = compare([first, second]).rows[0].figures[1].against
    assert against["n"] == 2 and math.isclose(against["mean_difference"], 0.05)


def test_without_a_reference_mask_quality_is_not_measurable_and_that_is_said(project):
    boxes = rows([0.5, 0.6], "ab", "box_ap50")
    made = compare([evaluated(project, 1, boxes), evaluated(project, 2, boxes)])
    assert [row.measure for row in made.rows] == ["box_ap50"]
    assert "Mask quality not measurable yet: there is no reference set drawn without proposals." in made.sentences


def test_one_patient_is_said_to_be_optimistic_and_nothing_in_common_too(project):
    first = evaluated(project, 1, rows([0.1, 0.2], "aa"))
    assert "one patient" in " ".join(compare([first, evaluated(project, 2, rows([0.3, 0.5], "aa"))]).sentences)
    nothing = compare([first, evaluated(project, 3, [])])
    few = [evaluated(project, number, rows([0.1 * number, 0.2], "ab")) for number in (4, 5)]
    assert "Only 2 patients" in " ".join(compare(few).sentences)
    enough = [evaluated(project, number, rows([0.1 * number] * 6, "abcdef")) for number in (6, 7)]
    assert compare(enough).sentences == [
        "Mask quality not measurable yet: there is no reference set drawn without proposals."
    ]
    assert nothing.rows == [] and "cannot be compared" in nothing.sentences[0]


def test_the_page_shows_figures_differences_and_the_worst_image_first(project, client):
    owner = UserFactory()
    project.memberships.create(user=owner, role="owner")
    images = [ImageFactory(project=project) for _ in range(2)]
    for number, values in ((1, (0.9, 0.2)), (2, (0.8, 0.3))):
        evaluated(
            project,
            number,
            [{"image": i.pk, "patient": str(i.pk), "pq": v} for i, v in zip(images, values, strict=True)],
        )
    client.force_login(owner)
    page = client.get(reverse("compare-rounds", args=[project.pk])).content.decode()
    assert "round 1" in page and "0.550" in page and "fusion.lam" in page
    table = page[page.index("Worst first") :]
    assert table.index(images[1].name) < table.index(images[0].name)
    strips, dots_of_scatter = 2 * (2 + 1), 2  # a strip a round: its images and its mean
    assert page.count("<circle") == strips + dots_of_scatter
    assert f"<title>{images[1].name}: 0.200</title>" in page  # what the pointer reads


def test_one_image_has_a_figure_and_no_interval(project, client):
    owner = UserFactory()
    project.memberships.create(user=owner, role="owner")
    image = ImageFactory(project=project)
    for number, value in ((1, 0.9), (2, 0.75)):
        evaluated(project, number, [{"image": image.pk, "patient": "a", "pq": value}])
    client.force_login(owner)
    page = client.get(reverse("compare-rounds", args=[project.pk])).content.decode()
    assert "0.900" in page and "0.750" in page and "not a number" not in page


def test_tuning_is_for_finished_rounds_and_for_managers(project, client, sent):
    owner, viewer = UserFactory(), UserFactory()
    project.memberships.create(user=owner, role="owner")
    project.memberships.create(user=viewer, role="viewer")
    finished = evaluated(project, 1, [])
    client.force_login(viewer)
    assert client.post(reverse("tune-round", args=[finished.pk])).status_code == 403 and not sent
    client.force_login(owner)
    client.post(reverse("tune-round", args=[finished.pk]))
    assert sent == [("inference.tune_round", "cpu", {"tuning_id": Tuning.objects.get().pk})]
    Round.objects.update(state=Round.State.FAILED)
    answer = client.post(reverse("tune-round", args=[finished.pk]))
    assert "settings are tried on a finished round" in toasts(answer)[-1]


def test_tuning_without_references_says_so_and_delivered_late_does_nothing(project, monkeypatch, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    finished = evaluated(project, 1, [])
    asked = request_tuning(round_=finished, by=UserFactory())
    monkeypatch.setattr(files, "fields_of", lambda content, locate: [])
    monkeypatch.setattr(tasks, "content_of", lambda stage: snapshot_of())
    tasks.tune_round(asked.pk)
    asked.refresh_from_db()
    assert asked.state == Tuning.State.FAILED and "nothing to tune on" in asked.error
    tasks.tune_round(asked.pk)  # not queued any more
    asked.refresh_from_db()
    assert asked.state == Tuning.State.FAILED


def test_the_newest_round_of_each_method_is_compared(project, client):
    owner = UserFactory()
    project.memberships.create(user=owner, role="owner")
    for number, method in ((1, "cellboxify"), (2, "boxcell"), (3, "boxcell"), (4, "cellboxify")):
        round_ = evaluated(project, number, rows([0.1 * number, 0.2], "ab"))
        round_.configuration = configure("tiny", {"method": method}).as_json()
        round_.save()
    client.force_login(owner)
    answer = client.get(reverse("compare-rounds", args=[project.pk]), {"by": "method"})
    assert [round_.number for round_ in answer.context["chosen"]] == [3, 4]
    table = client.get(reverse("compare-rounds-file", args=[project.pk]), {"by": "method"})
    lines = list(csv.DictReader(io.StringIO(table.content.decode())))
    assert [(line["round"], line["method"], line["measure"]) for line in lines] == [
        ("3", "boxcell", "pq"),
        ("4", "cellboxify", "pq"),
    ]
    assert float(lines[1]["difference"]) == pytest.approx(0.05) and lines[0]["annotation_seconds"] == ""
    assert client.get(reverse("compare-rounds-file", args=[project.pk]), {"round": 3}).status_code == 404


def test_rounds_of_one_method_are_compared_as_rounds(project, client):
    owner = UserFactory()
    project.memberships.create(user=owner, role="owner")
    for number in (1, 2, 3):
        evaluated(project, number, rows([0.1 * number, 0.2], "ab"))
    client.force_login(owner)
    answer = client.get(reverse("compare-rounds", args=[project.pk]), {"by": "method"})
    assert [round_.number for round_ in answer.context["chosen"]] == [2, 3]
    assert "BoxCell, round 3: " in answer.context["plot"].sentence


def test_members_see_no_time_of_fewer_than_five_people_who_worked_before_the_round(project, monkeypatch):
    round_ = evaluated(project, 1, rows([0.1], "a"))
    started = 1000 * round_.created_at.timestamp()
    member = UserFactory()
    project.memberships.create(user=member, role="annotator")
    owner = UserFactory()
    project.memberships.create(user=owner, role="owner")
    people = {number: [(started - 2000, started + 5000)] for number in range(4)}
    people[4] = [(started + 1000, started + 2000)]
    monkeypatch.setattr(costs, "project_time", lambda *_, **__: ProjectTime(project, people, [], 0))
    assert costs.cost_of(round_, reader=member).annotation_seconds is None
    assert costs.cost_of(round_, reader=owner).annotation_seconds == pytest.approx(8)
    people[4].insert(0, (started - 1000, started - 500))
    assert costs.cost_of(round_, reader=member).annotation_seconds == pytest.approx(8.5)
