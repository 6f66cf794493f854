"""Controls and repeats: handed out like any image, judged when they are finished, seen by their owner alone."""

import random
import uuid
from datetime import timedelta

import numpy as np
import PIL.Image
import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from inference.agreement.readings import Cell
from inference.types import BoxMask
from labeling.accounts.models import User
from labeling.annotations.models import Layer
from labeling.annotations.services import working_layer, write_operations
from labeling.assignments import services as work
from labeling.assignments.declaring import declare_workflow
from labeling.assignments.models import Reading, Workflow
from labeling.assignments.my_work import left_for, place_in, works
from labeling.assignments.states import ReadingState
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.images.turning import OF_OTHERS, OF_SQUARES, UPRIGHT, Turn
from labeling.projects.models import Project, Role
from labeling.projects.services import remove_member
from labeling.quality_control import services
from labeling.quality_control.judging import counted, turned_back
from labeling.quality_control.models import CheckField, ControlPlan
from labeling.quality_control.results import BASELINE, drift_of, repeated_in, results_of
from labeling.upkeep.withdrawing import carry_out, withdraw_patient
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory
from tests.labeling.operations import cell, effect, operation
from tests.labeling.pages import page_text, signed_in
from tests.labeling.team import make_team
from tests.labeling.test_qualification import PLACES, School

pytestmark = pytest.mark.django_db
Kind = CheckField.Kind


class Ward(School):
    """The school's project with a locked reference, a workflow, images that nobody has read, and a plan."""

    def __init__(self, images: int = 3, **plan) -> None:
        super().__init__()
        declare_workflow(project=self.project, by=self.owner, readings=2, is_blind=True, has_review=False)
        self.project.items.update(free=0)  # the reference was read long ago
        self.unread = [ImageFactory(project=self.project, name=f"field {n}.png") for n in range(images)]
        self.declare(**plan)

    def declare(self, **plan) -> ControlPlan:
        given = {"control_percent": 50, "repeat_percent": 0, "consequence": "We talk about it."} | plan
        self.plan = services.declare_plan(project=self.project, by=self.owner, owner=self.owner, **given)
        return self.plan

    def pull(self) -> Reading | None:
        return work.take_next(project=self.project, user=self.student)

    def read(self, reading: Reading, places=PLACES) -> None:
        """Draw cells of class a or b there, and finish."""
        image = reading.item.image
        layer = working_layer(image=image, user=self.student)
        classes = list(image.project.classes.order_by("position"))
        acts = []
        for number, box in enumerate(places):
            label_class = classes[0] if number < 2 else classes[1]
            state = cell(box, label_class=label_class.pk)
            acts.append(operation(effect(uuid.uuid4(), state)))
        write_operations(layer=layer, author=self.student, operations=acts)
        work.finish_item(item_id=reading.item_id, user=self.student)

    def pulled(self, kind: str) -> Reading:
        """Read images until a check of this kind comes; it is open then."""
        for _n in range(40):
            reading = self.pull()
            assert reading is not None, "the queue ended before a check came"
            if CheckField.objects.filter(sheet=reading.item.project_id, kind=kind).exists():
                return reading
            self.read(reading)
        raise AssertionError(f"no {kind} in 40 images")


@pytest.fixture
def always(monkeypatch):
    """Each pull after the first image is a check of this kind."""

    def choose(kind: str) -> None:
        monkeypatch.setattr(services, "drawn_kind", lambda plan, user, finished: kind if finished else None)

    return choose


def test_a_control_comes_like_any_image_and_is_judged_when_it_is_finished(always):
    ward = Ward()
    always(Kind.CONTROL)
    first = ward.pull()
    assert first.item.project == ward.project, "nobody begins with a control"
    ward.read(first)
    reading = ward.pulled(Kind.CONTROL)
    sheet = reading.item.project
    assert sheet.is_sheet and sheet.name == ward.project.name
    assert sheet.role_of(ward.student) == "annotator" and sheet.role_of(ward.owner) is None
    assert ward.pull().pk == reading.pk, "asking twice gives the same image"
    ward.read(reading, [*PLACES[:3], (50.0, 30.0, 58.0, 38.0)])
    check = CheckField.objects.get()
    assert (check.found, check.missed, check.extra, check.same_class) == (3, 1, 1, 3)
    assert check.f1 == pytest.approx(0.75)
    assert check.finished_at is not None


def test_finishing_a_control_leads_to_the_next_image_of_the_project(always):
    ward = Ward()
    always(Kind.CONTROL)
    ward.read(ward.pull())
    reading = ward.pulled(Kind.CONTROL)
    sheet = reading.item.project
    assert place_in(sheet, ward.student) == place_in(ward.project, ward.student)
    ward.read(reading)
    following = work.take_next(project=sheet, user=ward.student)
    assert following.item.project == ward.project
    assert left_for(sheet, ward.student) == left_for(ward.project, ward.student)


def test_my_work_names_the_project_and_not_the_copy(always):
    ward = Ward()
    always(Kind.CONTROL)
    ward.read(ward.pull())
    reading = ward.pulled(Kind.CONTROL)
    (mine,) = works(ward.student)
    assert mine.project == ward.project
    assert mine.next.reading.pk == reading.pk


def test_a_repeat_is_a_turned_or_mirrored_copy_of_what_the_reader_has_read_on_their_own(always):
    ward = Ward(repeat_percent=50, control_percent=0, repeat_days=14)
    always(Kind.REPEAT)
    ward.read(ward.pull())
    assert ward.pull().item.project == ward.project, "not before 14 days"
    ward.read(ward.pull())
    Reading.objects.filter(reader=ward.student).update(finished_at=timezone.now() - timedelta(days=15))
    reading = ward.pulled(Kind.REPEAT)
    check = CheckField.objects.get()
    assert check.image in ward.unread
    turn = Turn(check.is_mirrored, check.quarter_turns)
    assert turn in OF_OTHERS, "it is not square, and a quarter turn would show"
    ward.read(reading, [as_seen(turn, box, check.image) for box in PLACES])
    check.refresh_from_db()
    assert (check.found, check.missed, check.extra, check.same_class) == (4, 0, 0, 4)
    (result,) = results_of(ward.plan)
    assert (result.repeated.fields, result.repeated.f1, result.repeated.same_class) == (1, 1.0, 1.0)


def test_repeats_of_one_reader_alone_are_shown_to_nobody_but_the_owner():
    ward = Ward()
    numbers = {"plan": ward.plan, "kind": Kind.REPEAT, "after": 1, "found": 3, "missed": 1, "same_class": 3}
    for image, reader in zip(ward.images, (ward.student, ward.owner), strict=False):
        assert repeated_in(ward.project.pk) is None
        sheet = ProjectFactory(is_sheet=True)
        CheckField.objects.create(reader=reader, image=image, sheet=sheet, finished_at=timezone.now(), **numbers)
    both = repeated_in(ward.project.pk)
    assert (both.fields, both.same_class) == (2, 1.0) and both.f1 == pytest.approx(6 / 7)


def as_seen(turn: Turn, box: tuple, image: Image) -> tuple:
    """Where a box of the image stands in its turned copy: painted, turned and found again."""
    painted = np.zeros((image.height, image.width), np.uint8)
    x0, y0, x1, y1 = map(int, box)
    painted[y0:y1, x0:x1] = 255
    rows, columns = np.nonzero(np.asarray(turn.of_picture(PIL.Image.fromarray(painted))))
    return (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))


@pytest.mark.parametrize("turn", [UPRIGHT, *OF_SQUARES], ids=str)
def test_boxes_and_masks_are_turned_back_with_their_pixels(turn):
    image = Image(width=20, height=12)
    bits = np.array([[True, False, True], [True, True, False]])
    picture = np.zeros((12, 20), np.uint8)
    picture[1:3, 2:5] = 255 * bits
    seen = np.asarray(turn.of_picture(PIL.Image.fromarray(picture)))
    assert seen.shape == turn.size(20, 12)[::-1]
    rows, columns = np.nonzero(seen)
    x, y = int(columns.min()), int(rows.min())
    drawn = BoxMask(x, y, seen[y : rows.max() + 1, x : columns.max() + 1] > 0)
    box = as_seen(turn, (2, 1, 5, 3), image)
    back = turned_back(Cell("a", box, "x", drawn), turn, image)
    assert back.box == (2.0, 1.0, 5.0, 3.0)
    assert (back.mask.x, back.mask.y) == (2, 1)
    assert np.array_equal(back.mask.bits, bits)


def test_repeats_stand_in_every_way_but_the_one_that_the_reader_knows():
    plan, user = ControlPlan(project=Project(), seed=3), User(pk=5)
    square, wide = Image(width=64, height=64), Image(width=64, height=48)
    drawn = {services.drawn_turn(plan, user, square, n) for n in range(200)}
    assert drawn == set(OF_SQUARES) and UPRIGHT not in drawn and len(drawn) == 7
    assert {services.drawn_turn(plan, user, wide, n) for n in range(200)} == set(OF_OTHERS)


def test_the_pixels_of_a_repeat_are_turned(always):
    ward = Ward(repeat_percent=50, control_percent=0, repeat_days=0)
    always(Kind.REPEAT)
    ward.read(ward.pull())
    reading = ward.pulled(Kind.REPEAT)
    check = CheckField.objects.get()
    turn = Turn(check.is_mirrored, check.quarter_turns)
    assert not np.array_equal(pixels(reading.item.image), pixels(check.image))
    assert np.array_equal(
        pixels(reading.item.image), np.asarray(turn.of_picture(PIL.Image.fromarray(pixels(check.image))))
    )


def pixels(image: Image) -> np.ndarray:
    with image.pixels.open("rb") as file:
        return np.asarray(PIL.Image.open(file).convert("RGB"))


def test_shares_are_those_of_the_plan_and_the_draw_is_repeatable():
    team = make_team(images=1)
    plan = ControlPlan(project=team.project, control_percent=5, repeat_percent=10, seed=3)
    kinds = [services.drawn_kind(plan, team.people[0], n) for n in range(1, 4001)]
    assert kinds == [services.drawn_kind(plan, team.people[0], n) for n in range(1, 4001)]
    assert kinds.count(Kind.CONTROL) / 4000 == pytest.approx(0.05, abs=0.015)
    assert kinds.count(Kind.REPEAT) / 4000 == pytest.approx(0.10, abs=0.02)
    assert services.drawn_kind(plan, team.people[0], 0) is None


def test_nobody_gets_a_control_twice_nor_one_that_they_have_read(always):
    ward = Ward(images=12)
    always(Kind.CONTROL)
    while (reading := ward.pull()) is not None:
        ward.read(reading)
    images = [check.image_id for check in CheckField.objects.all()]
    assert sorted(images) == sorted(image.pk for image in ward.images)


def test_the_rules_of_the_workflow_hold_for_controls(always):
    ward = Ward()
    always(Kind.CONTROL)
    centre = ward.project.centres.get()
    ward.project.images.filter(pk__in=[image.pk for image in ward.images[1:]]).update(centre=centre)
    ward.project.memberships.filter(user=ward.student).update(centre=centre)
    Workflow.objects.filter(project=ward.project).update(excludes_own_centre=True)
    while (reading := ward.pull()) is not None:
        ward.read(reading)
    assert [check.image for check in CheckField.objects.all()] == ward.images[:1], "the others are of their own centre"


def test_an_expired_lease_gives_the_control_to_nobody_else_and_a_skipped_one_is_gone(always):
    ward = Ward()
    always(Kind.CONTROL)
    ward.read(ward.pull())
    reading = ward.pulled(Kind.CONTROL)
    work.return_expired(now=timezone.now() + timedelta(days=90))
    assert Reading.objects.get(pk=reading.pk).state == ReadingState.RELEASED
    assert ward.pull().item_id == reading.item_id
    work.skip_item(item_id=reading.item_id, user=ward.student, reason="blurred")
    assert ward.pull().item.project == ward.project


def test_who_leaves_the_project_reaches_no_copy(always):
    ward = Ward()
    always(Kind.CONTROL)
    ward.read(ward.pull())
    sheet = ward.pulled(Kind.CONTROL).item.project
    member = ward.project.memberships.get(user=ward.student)
    remove_member(project=ward.project, membership=member, by=ward.owner)
    assert sheet not in Project.objects.visible_to(ward.student)


def test_who_comes_back_gets_images_and_not_the_copy_that_is_closed(always):
    ward = Ward()
    always(Kind.CONTROL)
    ward.read(ward.pull())
    sheet = ward.pulled(Kind.CONTROL).item.project
    member = ward.project.memberships.get(user=ward.student)
    remove_member(project=ward.project, membership=member, by=ward.owner)
    MembershipFactory(project=ward.project, user=ward.student, role=Role.ANNOTATOR)
    following = ward.pull().item.project
    assert following != sheet and following in Project.objects.visible_to(ward.student)


def test_a_plan_without_a_locked_reference_has_no_controls():
    team = make_team(images=1)
    given = {"project": team.project, "by": team.owner, "owner": team.owner, "consequence": "None."}
    with pytest.raises(WrongState, match="reference"):
        services.declare_plan(**given)
    plan = services.declare_plan(**given, control_percent=0)
    assert (plan.control_percent, plan.repeat_percent) == (0, 5)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"control_percent": 51}, "control_percent"),
        ({"repeat_percent": -1}, "repeat_percent"),
        ({"drop": 0.0}, "drop"),
        ({"false_alarm": 1}, "false_alarm"),
        ({"consequence": "  "}, "consequence"),
    ],
)
def test_impossible_plans_are_declined(wrong, field):
    team = make_team(images=1)
    given = {"control_percent": 0, "consequence": "None."} | wrong
    with pytest.raises(Invalid) as declined:
        services.declare_plan(project=team.project, by=team.owner, owner=team.owner, **given)
    assert declined.value.field == field
    assert not ControlPlan.objects.exists()


def test_the_owner_of_the_results_is_a_member():
    team = make_team(images=1)
    stranger = MembershipFactory().user
    with pytest.raises(Invalid) as declined:
        services.declare_plan(
            project=team.project, by=team.owner, owner=stranger, consequence="None.", control_percent=0
        )
    assert declined.value.field == "owner"


def test_another_class_counts_as_found_and_not_as_the_same():
    before = [Cell("a", (0, 0, 9, 9), "x"), Cell("b", (20, 0, 29, 9), "x")]
    after = [Cell("c", (0, 0, 9, 9), "y"), Cell("d", (20, 0, 29, 9), "x")]
    assert counted(before, after) == (2, 0, 0, 1)


@pytest.mark.parametrize("name", ["field 12.png", "patient.tif", "slide_0007.svs", "noending"])
def test_a_copy_is_named_like_the_other_images(name):
    found = services.disguised_name(name, random.Random(5))
    assert found != name
    assert found.rpartition(".")[2] == name.rpartition(".")[2] or "." not in name


def test_a_reader_whose_figures_fall_is_seen_and_one_who_is_steady_is_not():
    plan = ControlPlan(drop=0.1, false_alarm=200)
    steady = [0.80, 0.85, 0.90, 0.82, 0.88, 0.84, 0.86, 0.85]
    assert drift_of(plan, steady[: BASELINE - 1]) is None
    assert drift_of(plan, steady * 3).alarm is None
    fallen = drift_of(plan, [*steady, 0.70, 0.72, 0.68, 0.71])
    assert fallen.alarm is not None and fallen.alarm > BASELINE
    assert fallen.chart.needed >= 1


def test_results_are_by_reader_in_the_order_of_finishing(always):
    ward = Ward(images=6)
    always(Kind.CONTROL)
    ward.read(ward.pull())
    ward.read(ward.pulled(Kind.CONTROL))
    ward.read(ward.pulled(Kind.CONTROL), PLACES[:2])
    (result,) = results_of(ward.plan)
    assert result.reader == ward.student
    assert result.figures == [1.0, pytest.approx(2 / 3)]
    assert result.drift is None and result.repeated.fields == 0


def test_the_page_tells_everybody_of_the_plan_and_the_owner_alone_of_results(always):
    ward = Ward(consequence="We talk about it.")
    always(Kind.CONTROL)
    ward.read(ward.pull())
    ward.read(ward.pulled(Kind.CONTROL), PLACES[:2])
    address = reverse("quality-control", args=[ward.project.pk])
    for_all = page_text(signed_in(ward.student).get(address))
    assert "We talk about it." in for_all and "0.667" not in for_all and "Results by reader" not in for_all
    shown = page_text(signed_in(ward.owner).get(address))
    assert "Results by reader" in shown and "0.667" in shown


def test_whoever_may_be_checked_sees_no_cells_of_a_control():
    ward = Ward(control_percent=0, repeat_percent=5)
    ward.project.items.filter(image__in=ward.images).update(is_blind=False)  # it was read long ago
    answers = Layer.objects.filter(image__project=ward.project, kind=Layer.Kind.CONSENSUS)
    assert answers.visible_to(ward.student).exists(), "there are no controls"
    ward.declare(control_percent=5)
    assert not answers.visible_to(ward.student).exists()
    assert answers.visible_to(ward.owner).count() == len(ward.images)


def test_who_manages_and_is_not_the_owner_of_the_results_sees_none():
    ward = Ward()
    manager = MembershipFactory(project=ward.project, role=Role.MANAGER).user
    shown = page_text(signed_in(manager).get(reverse("quality-control", args=[ward.project.pk])))
    assert "How often, and who sees it" in shown and "Results by reader" not in shown


def test_the_form_declares_a_plan_and_says_what_is_wrong():
    ward = Ward()
    address = reverse("quality-control", args=[ward.project.pk])
    lead = signed_in(ward.owner)
    form = {
        "owner": ward.owner.pk,
        "consequence": "A talk.",
        "control_percent": 10,
        "repeat_percent": 5,
        "repeat_days": 21,
        "drop": 0.1,
        "false_alarm": 300,
    }
    assert lead.post(address, form | {"consequence": ""}).status_code == 422
    assert lead.post(address, form).status_code == 302
    plan = ControlPlan.objects.get()
    assert (plan.control_percent, plan.repeat_days, plan.false_alarm) == (10, 21, 300)


def test_the_api_declares_a_plan_and_gives_results_to_their_owner():
    ward = Ward()
    address = reverse("control-plan", args=[ward.project.pk])
    lead, reader = APIClient(), APIClient()
    lead.force_authenticate(ward.owner)
    reader.force_authenticate(ward.student)
    body = {"owner": ward.owner.pk, "consequence": "A talk.", "control_percent": 7}
    declared = lead.post(address, body, format="json")
    assert declared.status_code == 200 and declared.json()["results"] == []
    for_all = reader.get(address).json()["plan"]
    assert for_all["control_percent"] == 7 and for_all["results"] is None
    assert lead.post(address, body | {"owner": 0}, format="json").status_code == 422


def test_a_withdrawn_patient_takes_copies_of_their_images_along(always):
    ward = Ward()
    always(Kind.CONTROL)
    ward.read(ward.pull())
    copied = ward.pulled(Kind.CONTROL).item.image
    pixels_there = copied.pixels.name
    patient = CheckField.objects.get().image.patient
    assert carry_out(withdraw_patient(patient=patient, typed=patient.label, by=ward.owner))
    assert not Image.objects.filter(pk=copied.pk).exists() and not copied.pixels.storage.exists(pixels_there)
    assert ward.pull().item.project == ward.project
