"""A reader's path through a study: who reaches what and when, what an arm allows, pauses, washout, second readings."""

import uuid
from datetime import timedelta

import numpy as np
import PIL.Image
import pytest
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.annotations.services import working_layer, write_operations
from labeling.annotations.state import AnnotationState, PackedMask
from labeling.errors import WrongState
from labeling.images.models import Image
from labeling.projects.models import Role
from labeling.studies import services
from labeling.studies.sheets import flip
from tests.factories import MembershipFactory
from tests.labeling.operations import cell, effect, mask, operation, region
from tests.labeling.pages import signed_in
from tests.labeling.studies import agreed, draft, frozen, ten_fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return ten_fields()


@pytest.fixture
def study(project):
    return frozen(project)


def test_nobody_reads_before_consent_or_out_of_order_or_after_completion(study):
    participant = study.participants.get(number=1)
    first, second = participant.items.order_by("position")[:2]
    with pytest.raises(WrongState, match="consent"):
        services.open_item(participant=participant, item_id=first.pk)
    participant = agreed(study)
    with pytest.raises(services.OutOfOrder):
        services.open_item(participant=participant, item_id=second.pk)
    item = services.open_item(participant=participant, item_id=first.pk)
    with pytest.raises(services.OutOfOrder):
        services.complete(participant=participant, item_id=second.pk)
    services.complete(participant=participant, item_id=first.pk)
    for act in (services.complete, services.pause):
        with pytest.raises(services.OutOfOrder):
            act(participant=participant, item_id=first.pk)
    with pytest.raises(services.OutOfOrder):
        services.open_item(participant=participant, item_id=item.pk)


def test_only_the_open_sheet_is_within_reach_and_a_done_one_takes_no_more_work(study):
    participant = agreed(study)
    client = APIClient()
    client.force_authenticate(participant.user)
    item = services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)
    image = item.sheet.images.get()
    opened = client.get(reverse("image-workspace", args=[image.pk])).json()
    assert opened["study"] == {"tools": ["box", "brush"], "accepts_many": False, "mark": None} and (
        opened["image"]["previous"],
        opened["image"]["next"],
    ) == (None, None)
    assert (
        client.get(reverse("image-workspace", args=[item.field.image_id])).status_code == 404
    )  # the study's own image
    (layer,) = [one["id"] for one in opened["layers"] if one["writable"]]
    body = {"operations": [operation(effect(uuid.uuid4(), cell()))]}
    assert client.post(reverse("layer-operations", args=[layer]), body, format="json").status_code == 200
    services.complete(participant=participant, item_id=item.pk)
    body = {"operations": [operation(effect(uuid.uuid4(), cell()))]}
    assert client.post(reverse("layer-operations", args=[layer]), body, format="json").status_code == 404
    assert client.get(reverse("image-workspace", args=[image.pk])).status_code == 404


def test_work_with_a_tool_that_the_arm_does_not_have_is_refused_and_nothing_else_of_it_lost(study):
    participant = agreed(study)
    client = APIClient()
    client.force_authenticate(participant.user)
    item = services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)
    layer = working_layer(image=item.sheet.images.get(), user=participant.user)
    url = reverse("layer-operations", args=[layer.pk])
    cells = [uuid.uuid4() for _ in range(4)]
    first = operation(effect(cells[0], cell()))
    body = [
        first,
        operation(effect(cells[1], cell(mask=mask())), tool="smart"),
        operation(effect(cells[2], cell(mask=mask())), tool="keys"),  # nobody draws with no tool
        operation(effect(uuid.uuid4(), region()), action="region", tool="region"),
        operation(effect(cells[3], cell(mask=mask())), tool="brush"),
        operation(effect(cells[0], cell((12, 10, 32, 24)), first["op_id"]), action="move", tool="select"),
    ]
    body.append(operation(effect(cells[0], None, body[-1]["op_id"]), action="undo", tool="keys"))
    answer = client.post(url, {"operations": body}, format="json")
    verdicts = answer.json()["results"]
    assert [v["verdict"] for v in verdicts] == ["accepted", *["invalid"] * 3, *["accepted"] * 3]
    assert verdicts[1]["error"]["detail"] == "the tool smart is not one of this study's here: box, brush"
    assert answer.status_code == 422 and verdicts[1]["error"]["field"] == "tool"
    assert {a.uid: a.deleted for a in layer.annotations.all()} == {cells[0]: True, cells[3]: False}
    # elsewhere every tool is at hand
    member = MembershipFactory(project=study.project, role=Role.ANNOTATOR).user
    _, (verdict,) = write_operations(
        layer=working_layer(image=item.field.image, user=member),
        author=member,
        operations=[operation(effect(uuid.uuid4(), cell(mask=mask())), tool="smart")],
    )
    assert verdict.verdict == "accepted"


def test_keep_mine_is_said_again_in_an_arm_and_draws_nothing(study):
    participant = agreed(study)
    item = services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)
    layer = working_layer(image=item.sheet.images.get(), user=participant.user)
    there = uuid.uuid4()
    drawn = operation(effect(there, cell()))
    mine = operation(effect(there, cell(mask=mask()), drawn["op_id"]), action="reshape", tool="conflict")
    made = [operation(effect(uuid.uuid4(), cell()), action=action, tool="conflict") for action in ("draw", "edit")]
    again = operation(effect(there, cell(), mine["op_id"]), tool="conflict")
    _, verdicts = write_operations(layer=layer, author=participant.user, operations=[drawn, mine, *made, again])
    assert [v.verdict for v in verdicts] == ["accepted", "accepted", "invalid", "invalid", "invalid"]
    assert layer.annotations.get().uid == there


def test_an_arm_with_proposals_shows_them_without_their_models_and_the_other_shows_none(study):
    seen = {}
    participant = agreed(study)
    client = APIClient()
    client.force_authenticate(participant.user)
    while (item := services.next_item(participant)[0]) is not None:
        item = services.open_item(participant=participant, item_id=item.pk)
        opened = client.get(reverse("image-workspace", args=[item.sheet.images.get().pk])).json()
        proposals = [one for one in opened["layers"] if one["kind"] == "prediction"]
        seen.setdefault(item.arm.name, set()).add((len(proposals), str([p["publication"] for p in proposals])))
        assert item.sheet.name == f"{study.public_title}: field {item.position}"  # nothing of the arm
        services.complete(participant=participant, item_id=item.pk)
    assert seen == {"boxes by hand": {(0, "[]")}, "proposals": {(1, "[None]")}}


def test_a_pause_ends_a_sitting_and_a_crash_is_said_to_be_one(study):
    participant = agreed(study)
    item = services.next_item(participant)[0]
    services.open_item(participant=participant, item_id=item.pk)
    services.pause(participant=participant, item_id=item.pk)
    services.open_item(participant=participant, item_id=item.pk)  # resumes
    services.open_item(participant=participant, item_id=item.pk)  # resumes after a crash
    services.complete(participant=participant, item_id=item.pk)
    assert list(item.sittings.values_list("end", flat=True)) == ["pause", "lost", "done"]


def test_the_washout_locks_the_second_period(project):
    study = services.freeze(study=draft(project, washout_days=14), by=project.owner)
    participant = agreed(study)
    while (item := services.next_item(participant)[0]).period == 0:
        services.open_item(participant=participant, item_id=item.pk)
        services.complete(participant=participant, item_id=item.pk)
    item, available = services.next_item(participant)
    assert timedelta(days=13) < available - timezone.now() <= timedelta(days=14)
    with pytest.raises(services.OutOfOrder, match="opens on"):
        services.open_item(participant=participant, item_id=item.pk)
    participant.items.filter(period=0).update(done_at=timezone.now() - timedelta(days=14))
    services.open_item(participant=participant, item_id=item.pk)


def test_without_a_washout_nobody_is_told_to_wait(study):
    participant = agreed(study)
    while (item := services.next_item(participant)[0]).period == 0:
        services.open_item(participant=participant, item_id=item.pk)
        services.complete(participant=participant, item_id=item.pk)
    assert study.washout_days == 0 and services.next_item(participant) == (item, None)
    page = signed_in(participant.user).get(reverse("participation", args=[participant.pk])).content.decode()
    assert f"Begin field {item.position}" in " ".join(page.split()) and "opens on" not in page


def test_a_second_reading_waits_four_weeks_and_is_flipped(project):
    study = services.freeze(study=draft(project, repeats=1), by=project.owner)
    participant = agreed(study)
    while not (item := services.next_item(participant)[0]).repeat:
        services.open_item(participant=participant, item_id=item.pk)
        services.complete(participant=participant, item_id=item.pk)
    with pytest.raises(services.OutOfOrder):
        services.open_item(participant=participant, item_id=item.pk)
    participant.items.filter(field=item.field, repeat=False).update(done_at=timezone.now() - timedelta(days=28))
    item = services.open_item(participant=participant, item_id=item.pk)
    again, first = (pixels_of(image) for image in (item.sheet.images.get(), item.field.image))
    assert (again == first[:, ::-1]).all()


def pixels_of(image: Image) -> np.ndarray:
    with image.pixels.open("rb") as file:
        return np.asarray(PIL.Image.open(file))


def test_a_cell_in_a_mirror():
    state = AnnotationState(
        "cell", "confirmed", (2.5, 4, 10, 10), mask=PackedMask(3, 4, 3, 2, bytes([0b10011000]))
    )  # X.. / XX.
    there = flip(state, 64)
    assert there.box == (54, 4, 61.5, 10)
    assert there.mask == PackedMask(58, 4, 3, 2, bytes([0b00101100]))  # ..X / .XX
    assert flip(there, 64) == state


def test_an_image_of_a_sheet_belongs_to_the_study_alone(study):
    participant = agreed(study)
    item = services.open_item(participant=participant, item_id=services.next_item(participant)[0].pk)
    assert not Image.objects.visible_to(study.created_by).filter(project=item.sheet).exists()
