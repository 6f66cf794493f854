"""What the sheet of a study's item takes: its arm's means, while somebody sits at it, with times that can be true."""

import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.annotations.models import Annotation, Layer
from labeling.studies import services
from labeling.studies.models import Arm, Item, Sitting
from tests.declined import assert_declined
from tests.factories import ImageFactory, MembershipFactory
from tests.labeling.operations import cell, effect, mask, operation
from tests.labeling.studies import agreed, frozen, ten_fields

pytestmark = pytest.mark.django_db


@pytest.fixture
def item() -> Item:
    study = frozen(ten_fields())
    reader = agreed(study)
    return services.open_item(participant=reader, item_id=services.next_item(reader)[0].pk)


@pytest.fixture
def client(item) -> APIClient:
    client = APIClient()
    client.force_authenticate(item.participant.user)
    return client


def layer_of(item: Item) -> Layer:
    return Layer.objects.get(image__project=item.sheet, kind="working")


def send(client, item, *operations):
    return client.post(
        reverse("layer-operations", args=[layer_of(item).pk]), {"operations": list(operations)}, format="json"
    )


def activity(item, **changes) -> dict:
    given = {
        "session": str(uuid.uuid4()), "image": item.sheet.images.get().pk, "wall_ms": time.time() * 1000,
        "mono_ms": 2000.0, "first": 0, "events": [[1000.0, "pointer_down"], [1500.0, "pointer_up"]],
    }  # fmt: skip
    return given | changes


# -- prompts and bulk accept


@pytest.mark.parametrize(
    ("route", "tools", "code"),
    [
        ("image-smart", ["box", "brush"], 403),
        ("image-smart", ["box", "smart"], 422),  # asks, and the empty prompt is refused
        ("image-refusion", ["box"], 403),
        ("image-refusion", ["brush"], 409),  # no round has been fused on a sheet
    ],
)
def test_a_machine_s_answer_is_part_of_an_arm(client, item, route, tools, code):
    Arm.objects.update(tools=tools)
    body = {"session": str(uuid.uuid4()), "number": 1}
    url = reverse(route, args=[item.sheet.images.get().pk])
    answer = client.post(url, body, format="json")
    assert answer.status_code == code, answer.content
    if code == 403:
        assert "not one of this study’s here" in answer.json()["detail"]
        # neither with a box nor with a click, nor to warm it up
        asked = ({"box": [1, 1, 9, 9]}, {"points": [[5, 5, 1]]}, {"ready": True})
        for more in asked if route == "image-smart" else ({"strokes": []},):
            assert client.post(url, body | more, format="json").status_code == 403
    services.pause(participant=item.participant, item_id=item.pk)
    assert client.post(url, body, format="json").status_code in (403, 409)


def proposals_on(item: Item, n: int) -> list[str]:
    image = item.sheet.images.get()
    layer = Layer.objects.create(image=image, kind="prediction")
    box = {"x0": 1, "y0": 1, "x1": 9, "y1": 9}
    rows = [Annotation(layer=layer, uid=uuid.uuid4(), kind="cell", status="confirmed", **box) for _ in range(n)]
    return [str(row.uid) for row in Annotation.objects.bulk_create(rows)]


def accepting(*sources: str) -> list[dict]:
    return [effect(uuid.uuid4(), cell(derived_from=source)) for source in sources]


@pytest.mark.parametrize("action", ["bulk", "accept", "edit", "undo", "redo", "draw"])
def test_many_proposals_are_not_decided_by_one_act_whatever_it_is_called(client, item, action):
    a, b, c = proposals_on(item, 3)
    many = operation(*accepting(a, b), action=action, tool="brush")
    one = operation(*accepting(c), action="accept", tool="keys")
    answer = send(client, item, many, one).json()["results"]
    assert [v["verdict"] for v in answer] == ["invalid", "accepted"]
    assert answer[0]["error"]["field"] == "action" and "bulk accept" in answer[0]["error"]["detail"]


def test_an_arm_with_bulk_accept_has_it_and_others_keep_their_bulk_acts(client, item):
    a, b = proposals_on(item, 2)
    alone = operation(*accepting(a), action="bulk", tool="viewport")
    assert send(client, item, alone).status_code == 422
    cells = [uuid.uuid4() for _ in range(2)]
    drawn = [operation(effect(uid, cell())) for uid in cells]
    removed = operation(
        *[effect(uid, None, one["op_id"]) for uid, one in zip(cells, drawn, strict=True)], action="bulk", tool="select"
    )
    assert send(client, item, *drawn, removed).status_code == 200  # own cells, many at once
    Arm.objects.update(accepts_many=True)
    assert send(client, item, operation(*accepting(a, b), action="bulk", tool="viewport")).status_code == 200


def test_accepted_cells_may_come_back_by_undo_together(client, item):
    a, b = proposals_on(item, 2)
    effects = accepting(a, b)
    singly = [operation(one, action="accept", tool="keys") for one in effects]
    gone = operation(
        *[effect(e["annotation"], None, op["op_id"]) for e, op in zip(effects, singly, strict=True)],
        action="bulk", tool="select",
    )  # fmt: skip
    back = operation(
        *[effect(e["annotation"], e["after"], gone["op_id"]) for e in effects],
        action="undo", tool="keys", undoes=gone["op_id"],
    )  # fmt: skip
    answer = send(client, item, *singly, gone, back)
    assert answer.status_code == 200, answer.content


# -- the sitting


@pytest.mark.parametrize("end", ["pause", "crash that was noticed", "withdrawal"])
def test_no_work_outside_a_sitting_and_what_was_refused_is_taken_when_the_reader_goes_on(client, item, end):
    work = operation(effect(uuid.uuid4(), cell()))
    if end == "withdrawal":
        services.withdraw(participant=item.participant)
        assert client.get(reverse("image-detail", args=[item.sheet.images.get().pk])).status_code == 404
        return
    if end == "pause":
        services.pause(participant=item.participant, item_id=item.pk)
    else:
        Sitting.objects.update(ended_at=datetime.now(UTC), end="lost")
    answer = send(client, item, work)
    assert_declined(answer, 409, code="no_sitting")
    assert "kept in this browser" in answer.json()["detail"] and "results" not in answer.json()
    assert not layer_of(item).operations.exists()
    services.open_item(participant=item.participant, item_id=item.pk)
    assert send(client, item, work).status_code == 200


def test_the_last_activity_of_a_page_arrives_after_the_pause_and_later_ones_do_not(client, item):
    services.pause(participant=item.participant, item_id=item.pk)
    assert client.post(reverse("activity"), activity(item), format="json").status_code == 200
    Sitting.objects.update(begun_at=datetime.now(UTC) - timedelta(hours=1))
    Sitting.objects.update(ended_at=datetime.now(UTC) - timedelta(minutes=2))
    answer = client.post(reverse("activity"), activity(item), format="json")
    assert_declined(answer, 409, code="no_sitting")


# -- times


@pytest.mark.parametrize("name", ["begun_at", "committed_at"])
@pytest.mark.parametrize(
    "moment", ["1999-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]
)
def test_a_time_that_cannot_be_true_is_refused_by_name(client, item, name, moment):
    (verdict,) = send(client, item, operation(effect(uuid.uuid4(), cell()), **{name: moment})).json()["results"]
    assert (verdict["verdict"], verdict["error"]["field"]) == ("invalid", name)


def test_outside_studies_times_are_bounded_too():
    image = ImageFactory()
    client = APIClient()
    client.force_authenticate(MembershipFactory(project=image.project).user)
    opened = client.post(reverse("image-workspace", args=[image.pk]), {}, format="json").json()
    (layer,) = [one["id"] for one in opened["layers"] if one["writable"]]
    url = reverse("layer-operations", args=[layer])
    old = operation(effect(uuid.uuid4(), cell()), begun_at="1999-01-01T00:00:00Z")
    backwards = operation(effect(uuid.uuid4(), cell()))
    backwards["begun_at"], backwards["committed_at"] = backwards["committed_at"], backwards["begun_at"]
    good = operation(effect(uuid.uuid4(), cell()))
    answer = client.post(url, {"operations": [old, backwards, good]}, format="json").json()["results"]
    assert [(v["verdict"], (v["error"] or {}).get("field")) for v in answer] == [
        ("invalid", "begun_at"), ("invalid", "committed_at"), ("accepted", None),
    ]  # fmt: skip


@pytest.mark.parametrize("hours", [-14, -1, 1, 14])
def test_a_browser_in_another_zone_or_with_a_clock_that_jumped_works(client, item, hours):
    moved = datetime.now(UTC) + timedelta(hours=hours)
    work = operation(effect(uuid.uuid4(), cell()), begun_at=moved.isoformat(), committed_at=moved.isoformat())
    assert send(client, item, work).status_code == 200
    batch = activity(item, wall_ms=moved.timestamp() * 1000)
    assert client.post(reverse("activity"), batch, format="json").status_code == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"wall_ms": 1.0}, "wall_ms"),
        ({"wall_ms": 4e12}, "wall_ms"),
        ({"mono_ms": 4e7}, "mono_ms"),
        ({"mono_ms": -5.0}, "mono_ms"),
    ],
)
def test_activity_of_a_sheet_is_bounded_by_the_sitting(client, item, changes, field):
    answer = client.post(reverse("activity"), activity(item, **changes), format="json")
    assert_declined(answer, 422, field=field)


@pytest.mark.parametrize("name", ["begun_ms", "committed_ms"])
def test_a_page_cannot_have_been_open_for_longer_than_its_item(client, item, name):
    work = operation(effect(uuid.uuid4(), cell(mask=mask())), tool="brush", begun_ms=1.0, committed_ms=4e7)
    if name == "begun_ms":
        work |= {"begun_ms": 4e7, "committed_ms": 4e7}
    (verdict,) = send(client, item, work).json()["results"]
    assert (verdict["verdict"], verdict["error"]["field"]) == ("invalid", name)
