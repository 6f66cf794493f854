"""Time boxes, which the clock ends, and sets that are alike by class."""

import time
import uuid
from datetime import timedelta

import pandas as pd
import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.annotations import activity
from labeling.annotations.services import working_layer, write_operations
from labeling.annotations.study_sheets import AFTER_THE_CLOCK, NoSitting, lock_sheet
from labeling.errors import Invalid
from labeling.projects.models import LabelClass, Project
from labeling.studies import reporting, services, time_boxes
from labeling.studies.amending import effective
from labeling.studies.analysis.quality import reached
from labeling.studies.models import Item, Sitting, Strata
from labeling.studies.tables import tables_of
from labeling.studies.words import sections
from tests.labeling.operations import cell, effect, mask, operation
from tests.labeling.pages import signed_in
from tests.labeling.studies import ARMS, activity_body, agreed, draft, ten_fields, work
from tests.labeling.test_studies_conduct import OWN_BOXES, small

pytestmark = pytest.mark.django_db
BY_HAND = [ARMS[0], {"name": "brush", "tools": ["box", "brush"], "assistance": "none"}]


@pytest.fixture
def project() -> Project:
    return ten_fields()


# -- time boxes


def test_the_clock_ends_a_field_and_pauses_do_not_count(project):
    study = small(project, arms=BY_HAND, unit="time", time_box_minutes=10)
    assert study.protocol["conduct"]["time_box_minutes"] == 10
    assert study.protocol["outcome"].startswith("active human seconds per reference cell reached in a fixed time")
    reader = agreed(study)
    item = services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
    client = signed_in(reader.user)
    page = client.get(reverse("study-item", args=[item.pk]))
    assert 595 <= page.context["seconds_left"] <= 600 and 'role="timer"' in page.content.decode()
    # Six minutes, a pause, and on: four are left.
    Sitting.objects.filter(item=item).update(begun_at=timezone.now() - timedelta(minutes=6))
    services.pause(participant=reader, item_id=item.pk)
    services.open_item(participant=reader, item_id=item.pk)
    page = client.get(reverse("study-item", args=[item.pk]))
    assert 230 <= page.context["seconds_left"] <= 241
    # What was drawn before the end is on its way for some seconds; then the field takes no more.
    running = Sitting.objects.filter(item=item, ended_at__isnull=True)
    running.update(closes_at=timezone.now() - AFTER_THE_CLOCK / 2)
    work(item, 20.0)
    running.update(closes_at=timezone.now() - AFTER_THE_CLOCK * 2)
    item.refresh_from_db()
    with pytest.raises(NoSitting):
        lock_sheet(Project.objects.get(pk=item.sheet_id))
    # Stopping it now finishes it: nothing is left to go on with.
    answer = client.post(reverse("stop-item", args=[item.pk]), {"act": "stop"})
    assert answer.url == reverse("participation", args=[reader.pk])
    item.refresh_from_db()
    assert item.state == Item.State.DONE


def test_after_a_crash_in_the_last_seconds_the_page_opens_once_more(project):
    study = small(project, arms=BY_HAND, unit="time", time_box_minutes=1)
    reader = agreed(study)
    item = services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)
    began = timezone.now() - timedelta(minutes=5)
    Sitting.objects.filter(item=item).update(begun_at=began, ended_at=timezone.now(), end="pause")
    assert time_boxes.closes_at(item, began) == began + time_boxes.LEAST


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"unit": "time"}, "after how many minutes"),
        ({"unit": "fields", "time_box_minutes": 10}, "only time boxes have one"),
        ({"unit": "time", "time_box_minutes": 10, "arms": OWN_BOXES}, "a time box is one sitting"),
    ],
)
def test_a_time_box_that_cannot_be_is_declined(project, changes, says):
    with pytest.raises(Invalid, match=says):
        small(project, **{"arms": BY_HAND} | changes)


def test_what_was_reached_is_the_reference_of_a_time_box(project):
    """Three of many cells are drawn in 30 s: ten seconds a cell, found whole; what lay further on is not missed."""
    study = small(project, arms=BY_HAND, unit="time", time_box_minutes=10)
    for number in (1, 2):
        reader = agreed(study, number)
        while (item := services.next_item(reader)[0]) is not None:
            item = services.open_item(participant=reader, item_id=item.pk)
            drawn = 3 if item.arm.position == 1 else 0
            _draw(item, drawn)
            services.complete(participant=reader, item_id=item.pk)
    numbers = reporting.compute(study, effective(study))
    assert numbers["plan"]["unit"] == "time"
    by_arm = pd.DataFrame(numbers["fields"]).groupby("arm")
    assert by_arm["reference_cells"].unique().map(list).to_dict() == {"boxes by hand": [3], "brush": [1]}
    assert by_arm["dice"].mean().round(6).to_dict() == {"boxes by hand": 1.0, "brush": 0.0}
    hand = numbers["arms"]["boxes by hand"]
    assert hand["mean"] == pytest.approx(10.0, abs=0.2) and hand["detection"]["missed"] == 0
    brush = numbers["arms"]["brush"]
    assert brush["mean"] == pytest.approx(30.0, abs=0.5) and brush["detection"]["missed"] == brush["fields"]
    protocol = effective(study)
    text = ""
    for section in sections(protocol, numbers, sha256=""):
        text += " ".join(section.paragraphs)
    assert "After 10 min of sitting at a field it was finished by the clock as it stood." in text
    assert "Counted are the cells of the reference that a drawn cell touches, and at least one" in text


def test_a_cell_is_reached_by_one_pixel_and_in_the_mirror_too(project):
    study = draft(project)
    reference = tables_of(study)["reference_cells"]
    field = reference["field"].iloc[0]
    rows = reference[reference["field"] == field]
    first = rows.iloc[0]
    one = pd.DataFrame([{"x": first.x, "y": first.y, "width": 1, "height": 1, "bits": "gA=="}])
    assert reached(one, rows, (64, 48))["number"].tolist() == [first.number]
    mirrored = one.assign(x=64 - 1 - first.x)
    assert reached(mirrored, rows, (64, 48), flipped=True)["number"].tolist() == [first.number]
    assert reached(one.iloc[:0], rows, (64, 48)).empty


def _draw(item: Item, cells: int) -> None:
    """30 seconds of events, and the first cells of the reference drawn as they are."""
    image = item.sheet.images.get()
    _send_events(item)
    acts = []
    for k in range(cells):
        x, y = 2 + 12 * (k % 5), 4 + 10 * (k // 5)
        state = cell((x, y, x + 8, y + 6), mask=mask(x, y, 8, 6))
        acts.append(operation(effect(str(uuid.uuid4()), state)))
    if acts:
        layer = working_layer(image=image, user=item.participant.user)
        _, verdicts = write_operations(layer=layer, author=item.participant.user, operations=acts)
        assert {verdict.verdict for verdict in verdicts} == {"accepted"}


def _send_events(item: Item) -> None:
    """Moves every second for half a minute, and no cell."""
    events = [[1000.0 * second, "pointer_move"] for second in range(31)]
    batch = {
        "session": str(uuid.uuid4()),
        "image": item.sheet.images.get().pk,
        "wall_ms": time.time() * 1000,
        "mono_ms": 30_010.0,
        "first": 0,
        "events": [*events, [30_000.0, "hidden"]],
    }
    assert activity.record(user=item.participant.user, sent=activity_body(batch))


# -- strata by class


def classes_for(project: Project) -> None:
    """In every second image people have called the first two cells mitosis, in the others most are nuclei."""
    nucleus = project.classes.get(name="nucleus")
    mitosis = LabelClass.objects.create(project=project, name="mitosis", position=2, color="#cc0000")
    for number, image in enumerate(project.images.order_by("pk")):
        of_field = mitosis if number % 2 else nucleus
        acts = []
        for k in range(3):
            x = 2 + 12 * k
            state = cell((x, 4, x + 8, 10), mask=mask(x, 4, 8, 6), label_class=of_field.pk)
            acts.append(operation(effect(str(uuid.uuid4()), state)))
        layer = working_layer(image=image, user=project.owner)
        _, verdicts = write_operations(layer=layer, author=project.owner, operations=acts)
        assert {verdict.verdict for verdict in verdicts} == {"accepted"}


@pytest.mark.parametrize("unit", ["fields", "cells"])
def test_sets_are_alike_by_class(project, unit):
    classes_for(project)
    study = draft(project, unit=unit)
    services.choose_fields(study=study, measured=4, strata=Strata.CLASS)
    measured = study.fields.filter(training=False)
    assert sorted(measured.values_list("stratum", flat=True)) == ["mitosis", "mitosis", "nucleus", "nucleus"]


def test_without_classes_no_field_stands_in_a_stratum_of_one(project):
    study = draft(project)
    with pytest.raises(Invalid, match=r"0 images can be used.*no cell with a class"):
        services.choose_fields(study=study, strata=Strata.CLASS)
