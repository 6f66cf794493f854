"""What no honest browser sends: an answer that names the field, never a crash, and never a row that cannot be read."""

import io
import json
import uuid

import numpy as np
import PIL.Image
import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.annotations.models import Annotation, Layer, LayerHead
from labeling.annotations.replay import differences
from labeling.annotations.services import working_layer
from labeling.errors import Invalid, LabelingError
from labeling.images import services
from labeling.images.services import add_image
from labeling.projects.services import remove_member
from tests.declined import assert_declined
from tests.factories import AnnotationFactory, ImageFactory, LayerFactory, MembershipFactory, ProjectFactory, png
from tests.labeling.operations import cell, effect, mask, names, operation
from tests.labeling.test_api import activity

pytestmark = pytest.mark.django_db


@pytest.fixture
def layer():
    return LayerFactory()


@pytest.fixture
def client(layer):
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(MembershipFactory(project=layer.image.project).user)
    return client


def post(client, url, body):
    """json.dumps, not the test client's encoder: it writes what a program of one's own can send."""
    return client.post(url, body if isinstance(body, str) else json.dumps(body), content_type="application/json")


def send(client, layer, *operations):
    return post(client, reverse("layer-operations", args=[layer.pk]), {"operations": list(operations)})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": []}, "kind"),
        ({"kind": {}}, "kind"),
        ({"status": []}, "status"),
        ({"label_class": []}, "label_class"),
        ({"box": [1, 1, 10**400, 3]}, "box"),
    ],
)
def test_a_state_of_the_wrong_types_is_refused_by_name_and_the_others_are_kept(client, layer, change, field):
    answer = send(
        client, layer, operation(effect(uuid.uuid4(), cell() | change)), operation(effect(uuid.uuid4(), cell()))
    )
    assert answer.status_code == 422
    declined, kept = answer.json()["results"]
    assert names(field, declined["error"]["field"]) and kept["verdict"] == "accepted"


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"events": [[1, []]]}, "events"), ({"events": [[10**400, "key"]]}, "events"), ({"wall_ms": 10**400}, "wall_ms")],
)
def test_activity_of_the_wrong_types_is_refused_by_name(client, layer, changes, field):
    answer = post(client, reverse("activity"), activity(layer.image, **changes))
    assert answer.status_code == 422 and names(field, answer.json()["field"])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"tool": "a\0b"}, "tool"),
        ({"op_id": "\0"}, "op_id"),
    ],
)
def test_characters_that_the_database_cannot_hold_are_refused_by_name(client, layer, change, field):
    answer = send(client, layer, operation(effect(uuid.uuid4(), cell()), **change))
    assert (answer.status_code, answer.json()["results"][0]["error"]["field"]) == (422, field)


def test_half_a_character_is_no_json(client, layer):
    answer = send(client, layer, operation(effect(uuid.uuid4(), cell()), tool="\ud800"))
    assert_declined(answer, 400, code="parse_error")


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_time_outside_the_calendar_does_not_spoil_the_log(client, layer, moment):
    answer = send(client, layer, operation(effect(uuid.uuid4(), cell()), begun_at=moment))
    assert (answer.status_code, answer.json()["results"][0]["error"]["field"]) == (422, "begun_at")
    assert client.get(reverse("layer-operations", args=[layer.pk])).status_code == 200


def proposal(layer, **changes):
    prediction = LayerFactory(image=layer.image, kind=Layer.Kind.PREDICTION)
    return str(AnnotationFactory(layer=prediction, **changes).uid)


def test_a_proposal_decided_twice_in_one_operation_is_refused_and_the_others_are_kept(client, layer):
    decided = cell(derived_from=proposal(layer))
    twice = operation(effect(uuid.uuid4(), decided), effect(uuid.uuid4(), decided), action="bulk")
    answer = send(client, layer, operation(effect(uuid.uuid4(), cell())), twice)
    assert answer.status_code == 422
    assert [r["verdict"] for r in answer.json()["results"]] == ["accepted", "invalid"]
    assert Annotation.objects.filter(layer=layer).count() == 1


def test_two_cells_can_change_their_proposals_within_one_batch(client, layer):
    (p, q), (a, b) = [proposal(layer), proposal(layer)], [uuid.uuid4(), uuid.uuid4()]
    first = [operation(effect(a, cell(derived_from=p))), operation(effect(b, cell(derived_from=q)))]
    assert send(client, layer, *first).status_code == 200
    freed = [operation(effect(uid, cell(), seen=op["op_id"])) for uid, op in zip((a, b), first, strict=True)]
    swapped = [
        operation(effect(uid, cell(derived_from=source), seen=op["op_id"]))
        for uid, source, op in zip((a, b), (q, p), freed, strict=True)
    ]
    assert send(client, layer, *freed, *swapped).status_code == 200
    assert str(Annotation.objects.get(layer=layer, uid=a).derived_from) == q
    assert differences(layer) == []


def test_a_mask_drawn_after_an_undone_acceptance_is_not_the_models(client, layer):
    uid, source = uuid.uuid4(), proposal(layer, provenance={"round_number": 3})
    drawn = operation(effect(uid, cell()))
    accepted = operation(effect(uid, cell(derived_from=source, mask=mask()), seen=drawn["op_id"]), action="accept")
    undone = operation(effect(uid, cell(), seen=accepted["op_id"]), action="undo", undoes=accepted["op_id"])
    by_hand = operation(effect(uid, cell(mask=mask(width=3)), seen=undone["op_id"]), action="reshape")
    assert send(client, layer, drawn, accepted).status_code == 200
    assert Annotation.objects.get(layer=layer, uid=uid).provenance["round_number"] == 3
    assert send(client, layer, undone, by_hand).status_code == 200
    assert Annotation.objects.get(layer=layer, uid=uid).provenance == {}


@pytest.mark.parametrize("depth", [950, 100_000])
def test_a_body_nested_too_deeply_is_a_problem(client, layer, depth):
    deep = "[" * depth + "]" * depth
    nested = json.dumps({"operations": [operation(effect(uuid.uuid4(), cell(derived_from="DEEP")))]})
    for body in (deep, nested.replace('"DEEP"', deep)):
        answer = post(client, reverse("layer-operations", args=[layer.pk]), body)
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_float_image_with_a_pixel_that_is_no_number_keeps_the_others(odd):
    grey = np.linspace(0, 2, 16, dtype=np.float32).reshape(4, 4)
    grey[0, 0] = odd
    file = io.BytesIO()
    PIL.Image.fromarray(grey).save(file, "TIFF")
    image = add_image(project=ProjectFactory(), name="float.tif", content=file.getvalue())
    found = np.asarray(PIL.Image.open(image.pixels))[..., 0]
    assert (found[3, 3], found[0, 0]) == (255, 255 if odd == np.inf else 0)
    assert "no_numbers" in [note["code"] for note in image.reading["notes"]]


def test_a_layer_is_never_seen_without_its_head(monkeypatch):
    image = ImageFactory()
    user = MembershipFactory(project=image.project).user

    def dies(**lookup):
        raise SystemExit

    monkeypatch.setattr(LayerHead.objects, "get_or_create", dies)
    with pytest.raises(SystemExit):
        working_layer(image=image, user=user)
    assert not Layer.objects.filter(image=image).exists()


def test_the_same_pixels_uploaded_twice_at_once_are_refused_by_name(layer, monkeypatch):
    project, read = layer.image.project, services.read

    def meanwhile(*args, **kwargs):
        monkeypatch.setattr(services, "read", read)
        add_image(project=project, name="first.png", content=png(seed=77))
        return read(*args, **kwargs)

    monkeypatch.setattr(services, "read", meanwhile)
    with pytest.raises(Invalid, match=r"first\.png"):
        add_image(project=project, name="second.png", content=png(seed=77))


def test_removing_an_owner_holds_the_owners(django_assert_max_num_queries):
    first = MembershipFactory(role="owner")
    second = MembershipFactory(role="owner", project=first.project)
    with django_assert_max_num_queries(12) as printed:
        remove_member(project=first.project, membership=first, by=second.user)
    assert any("FOR UPDATE" in query["sql"] for query in printed.captured_queries)
    with pytest.raises(LabelingError, match="at least one owner"):
        remove_member(project=first.project, membership=second, by=second.user)
