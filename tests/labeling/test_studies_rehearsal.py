"""The study of the paper, from its template to the report, by robots that know the truth (rehearsal.py)."""

import numpy as np
import pytest
from django.urls import reverse

from labeling.studies import reporting, services
from labeling.studies.models import Item
from labeling.studies.templates import TEMPLATES
from tests.labeling.pages import signed_in
from tests.labeling.rehearsal import MACHINE_S, Robot, make_masks
from tests.labeling.studies import ten_fields
from tests.labeling.test_studies_conduct import small

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(1800)]
SPEEDS = (0.8, 1.3, 1.0, 1.1, 0.7, 1.5)


@pytest.mark.parametrize("readers", [2, pytest.param(6, marks=pytest.mark.slow)])
def test_the_report_shows_what_the_robots_know(readers, django_capture_on_commit_callbacks, capsys):
    template = TEMPLATES["boxcell-fields"]
    given = {name: value for name, value in template.filled.items() if name not in ("gap_days", "training_per_arm")}
    study = small(ten_fields(), readers=readers, arms=template.arms, measured=4, **given)
    robots = [Robot(participant, speed) for participant, speed in zip(study.participants.all(), SPEEDS, strict=False)]
    for robot in robots:
        robot.consent()
        while True:
            with django_capture_on_commit_callbacks(execute=True):
                item = robot.read_next()
            if item is None:
                break
            if item.part == Item.Part.BOXES:
                make_masks(item)
    services.lock(study=study)
    numbers = reporting.numbers_of(study)
    rows = []
    for number, arm in enumerate(template.arms):
        name = arm["name"]
        true = np.array([sum(robot.truth[name].values()) / robot.cells[name] for robot in robots])
        shown = {row["participant"]: row["rate"] for row in numbers["readers"] if row["arm"] == name}
        measured = np.array([shown[robot.participant.pseudonym] for robot in robots])
        assert np.abs(measured - true).max() < 0.005  # s a cell
        rows.append((name, true.mean(), numbers["arms"][name]["mean"]))
        phases = numbers["arms"][name]["phases_per_cell"]
        wanted = ["search", "draw"] if number == 0 else ["search", "draw", "verify"]
        for phase in wanted:
            of_robots = np.mean([robot.truth[name][phase] / robot.cells[name] for robot in robots])
            rows.append((f"{name}, {phase}", of_robots, phases[phase]))
        assert numbers["arms"][name]["dice"] == 1.0
    for what, true, shown in rows:
        assert shown == pytest.approx(true, abs=0.005), what
    (contrast,) = numbers["contrasts"]
    ratio = rows[-4][1] / rows[0][1]
    assert contrast["time"]["ratio"] == pytest.approx(ratio, rel=0.002)
    boxes = numbers["arms"][template.arms[1]["name"]]
    fields = boxes["fields"]
    assert boxes["machine_s_per_cell"] == pytest.approx(MACHINE_S * fields / boxes["reference_cells"])
    if readers == 2:
        assert "not_computed" in contrast["time"]["interval"]  # two readers have no test
    else:
        low, high = contrast["time"]["interval"]["low"], contrast["time"]["interval"]["high"]
        assert low < ratio < high and contrast["time"]["test"]["p"] < 0.001
    page = signed_in(study.created_by).get(reverse("study-report", args=[study.pk])).content.decode()
    assert f"ratio of arithmetic means {ratio:.3f}" in page
    with capsys.disabled():
        for what, true, shown in [*rows, ("ratio", ratio, contrast["time"]["ratio"])]:
            print(f"| {readers} | {what} | {true:.3f} | {shown:.3f} |")
