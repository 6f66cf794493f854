"""What the browser sees: packs, tails, verdicts and their status codes, activity."""

import io
import json
import uuid
import zipfile
import zlib

import numpy as np
import PIL.Image
import pytest
from django.urls import reverse
from pycocotools import mask as coco_mask
from rest_framework.test import APIClient

from labeling.annotations.activity import events_of
from labeling.annotations.models import ActivityBatch, Annotation
from labeling.annotations.packs import unpack_layer
from labeling.annotations.services import working_layer
from labeling.annotations.summaries import active_time
from labeling.images.models import Image
from tests.declined import assert_declined
from tests.factories import ImageFactory, MembershipFactory, png
from tests.labeling.operations import SESSION, cell, effect, mask, names, operation
from tests.labeling.uploads import image_of, upload_one

pytestmark = pytest.mark.django_db


@pytest.fixture
def member():
    return MembershipFactory(role="owner")


@pytest.fixture
def image(member):
    return ImageFactory(project=member.project)


@pytest.fixture
def layer(image, member):
    return working_layer(image=image, user=member.user)


@pytest.fixture
def client(member):
    client = APIClient()
    client.force_authenticate(member.user)
    return client


def post(client, layer, *operations):
    return client.post(reverse("layer-operations", args=[layer.pk]), {"operations": list(operations)}, format="json")


def test_a_pack_holds_what_was_drawn(client, layer):
    masked, plain = uuid.uuid4(), uuid.uuid4()
    post(client, layer, operation(effect(masked, cell(mask=mask(width=5, height=3)))))
    post(client, layer, operation(effect(plain, cell((1.5, 2, 9, 8)))))
    answer = client.get(reverse("layer-pack", args=[layer.pk]))
    header, columns = unpack_layer(answer.content)
    assert (header["seq"], header["count"]) == (2, 2)
    assert [uuid.UUID(bytes=bytes(row)) for row in columns["id"].reshape(-1, 16)] == [masked, plain]
    assert columns["box"].reshape(-1, 4)[1].tolist() == [1.5, 2, 9, 8]
    assert columns["mask_box"].reshape(-1, 4).tolist() == [[12, 11, 5, 3], [0, 0, 0, 0]]
    assert columns["mask_offset"].tolist() == [0, 2, 2]
    assert columns["mask_bits"].tobytes() == b"\xff\xfe"
    assert np.isnan(columns["score"]).all()
    assert all(c["offset"] % 8 == 0 for c in header["columns"])


def test_an_unchanged_pack_is_not_sent_again(client, layer):
    post(client, layer, operation(effect(uuid.uuid4(), cell())))
    url = reverse("layer-pack", args=[layer.pk])
    tag = client.get(url)["ETag"]
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 304
    post(client, layer, operation(effect(uuid.uuid4(), cell())))
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 200


def test_an_empty_layer_is_an_empty_pack(client, layer):
    header, columns = unpack_layer(client.get(reverse("layer-pack", args=[layer.pk])).content)
    assert (header["count"], columns["mask_offset"].tolist()) == (0, [0])


def test_pack_and_tail_together_are_the_log(client, layer):
    first = operation(effect(uuid.uuid4(), cell()))
    post(client, layer, first)
    uid = first["effects"][0]["annotation"]
    post(client, layer, operation(effect(uid, None, seen=first["op_id"]), action="delete"))
    tail = client.get(reverse("layer-operations", args=[layer.pk]), {"after": 1}).json()
    assert (tail["seq"], tail["more"], len(tail["operations"])) == (2, False, 1)
    (deleted,) = tail["operations"]
    assert deleted["effects"][0]["after"] is None
    assert deleted["effects"][0]["before"]["box"] == [10, 10, 30, 24]
    page = client.get(reverse("layer-operations", args=[layer.pk]), {"after": 0, "limit": 1}).json()
    assert (page["more"], [o["seq"] for o in page["operations"]]) == (True, [1])


@pytest.mark.parametrize("after", ["-1", "x", "1e3", "9" * 30])
def test_a_nonsense_position_is_refused(client, layer, after):
    answer = client.get(reverse("layer-operations", args=[layer.pk]), {"after": after})
    assert_declined(answer, 422, field="after")


def test_status_codes_tell_the_worst_verdict_and_the_body_all(client, layer):
    good = operation(effect(uuid.uuid4(), cell()))
    assert post(client, layer, good).status_code == 200
    bad = operation(effect(uuid.uuid4(), cell((5, 5, 5, 9))))
    answer = post(client, layer, bad, operation(effect(uuid.uuid4(), cell())))
    assert answer.status_code == 422
    assert [r["verdict"] for r in answer.json()["results"]] == ["invalid", "accepted"]
    stale = operation(effect(good["effects"][0]["annotation"], cell(), seen=None))
    answer = post(client, layer, stale, bad)
    assert answer.status_code == 409
    assert answer.json()["results"][0]["current"][0]["last_op"] == good["op_id"]


@pytest.mark.parametrize("body", [{}, {"operations": None}, {"operations": {}}, [1, 2], {"operations": [1] * 201}])
def test_a_body_without_operations_is_refused(client, layer, body):
    answer = client.post(reverse("layer-operations", args=[layer.pk]), body, format="json")
    assert_declined(answer, 422, code="invalid")


def test_broken_json_is_a_problem_too(client, layer):
    answer = client.post(
        reverse("layer-operations", args=[layer.pk]), '{"operations": [NaN', content_type="application/json"
    )
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


# -- uploads


def encoded(array, form="PNG", **options):
    file = io.BytesIO()
    PIL.Image.fromarray(array).save(file, form, **options)
    return file.getvalue()


GREY = np.tile(np.arange(40, dtype=np.uint8), (30, 1))
SIXTEEN = np.tile(np.arange(40, dtype=np.uint16) * 1600, (30, 1))
CLEAR = np.dstack([GREY, GREY, GREY, np.zeros_like(GREY)])
HALF_CLEAR = CLEAR + np.array([0, 0, 0, 255], np.uint8) * (GREY > 20)[..., None]


@pytest.mark.parametrize(
    ("name", "content", "corner"),
    [
        ("grey.png", encoded(GREY), [0, 0, 0]),
        ("sixteen.tif", encoded(SIXTEEN, "TIFF"), [0, 0, 0]),
        ("half_clear.png", encoded(HALF_CLEAR), [255, 255, 255]),
        ("photo.jpg", encoded(np.dstack([GREY] * 3), "JPEG"), None),
        ("../../etc/passwd.png", encoded(GREY + 1), None),
    ],
)
def test_any_honest_image_becomes_plain_rgb(client, member, name, content, corner):
    _, shown = upload_one(client, member.project, name, content)
    stored = image_of(shown)
    pixels = PIL.Image.open(stored.pixels)
    assert (pixels.mode, pixels.size, pixels.format) == ("RGB", (40, 30), "PNG")
    assert "/" not in stored.name and "passwd" not in stored.pixels.name
    if corner is not None:
        assert list(pixels.getpixel((0, 0))) == corner


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.png", b"\x00"),
        ("clear.png", encoded(CLEAR)),
        ("script.png", b"<svg onload=alert(1)>"),
        ("cut.png", png(200, 200)[:3000]),
        ("page.html", b"<html>"),
    ],
)
def test_a_bad_file_is_refused_by_name_and_nothing_is_kept(client, member, name, content):
    item, _ = upload_one(client, member.project, name, content)
    assert item["state"] == "declined"
    assert name in item["detail"]
    assert not Image.objects.exists()


def test_a_bomb_is_refused_before_it_is_decoded(client, member):
    claims = bytearray(png())
    claims[16:24] = (20_000).to_bytes(4, "big") * 2  # width and height of the header, with its checksum
    claims[29:33] = zlib.crc32(claims[12:29]).to_bytes(4, "big")
    item, _ = upload_one(client, member.project, "huge.png", bytes(claims))
    assert (item["state"], item["code"]) == ("declined", "too_large")
    assert "20000 x 20000 px" in item["detail"]


def test_the_same_pixels_twice_are_refused(client, member):
    assert upload_one(client, member.project, "a.png", png(seed=5))[1]
    item, _ = upload_one(client, member.project, "b.png", png(seed=5))
    assert item["code"] == "already_there" and "a.png" in item["detail"]


def test_pixels_are_served_as_images_and_nothing_else(client, image):
    answer = client.get(reverse("image-pixels", args=[image.pk]))
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("image/png", "nosniff")
    assert answer["Cache-Control"] == "private, max-age=600, must-revalidate"


# -- activity


def activity(image, first=0, events=((0, "focus"), (1000, "pointer_down")), session=SESSION, **changes):
    return {
        "session": session,
        "image": image.pk,
        "wall_ms": 1.7e12,
        "mono_ms": 100_000.0,
        "first": first,
        "events": [list(e) for e in events],
    } | changes


def record(client, batch):
    return client.post(reverse("activity"), batch, format="json")


def test_a_batch_of_activity_sent_twice_is_stored_once(client, image):
    assert record(client, activity(image)).json() == {"stored": True}
    assert record(client, activity(image)).json() == {"stored": False}
    assert ActivityBatch.objects.get().count == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"events": [[5, "focus"], [4, "blur"]]}, "events"),
        ({"events": [[-1, "focus"]]}, "events"),
        ({"events": [[1, "typed text"]]}, "events"),
        ({"events": []}, "events"),
        ({"events": [[None, "focus"]]}, "events"),
        ({"first": -1}, "first"),
        ({"wall_ms": "now"}, "wall_ms"),
        ({"session": "mine"}, "session"),
    ],
)
def test_impossible_activity_is_refused_by_name(client, image, changes, field):
    answer = record(client, activity(image, **changes))
    assert answer.status_code == 422 and names(field, answer.json()["field"])


def test_numbers_that_are_taken_are_refused(client, image):
    record(client, activity(image))
    assert record(client, activity(image, first=1)).status_code == 422
    assert record(client, activity(image, first=2, events=[(2000, "blur")])).status_code == 200


def test_a_batch_that_comes_again_longer_adds_what_is_new(client, image):
    """The browser did not hear the first answer; meanwhile more happened."""
    record(client, activity(image))
    longer = [(0, "focus"), (1000, "pointer_down"), (1500, "pointer_up")]
    assert record(client, activity(image, events=longer)).json() == {"stored": True}
    batches = ActivityBatch.objects.order_by("first")
    assert [(b.first, b.count, events_of(b)[-1]) for b in batches] == [
        (0, 2, [1000, "pointer_down"]),
        (2, 1, [1500, "pointer_up"]),
    ]


def test_events_after_their_sending_or_before_their_predecessors_are_refused(client, image):
    assert record(client, activity(image, events=[(102_000, "focus")])).status_code == 422
    record(client, activity(image))
    assert record(client, activity(image, first=2, events=[(999, "blur")])).json()["field"] == "events"


def test_a_session_belongs_to_one_person(client, image, member):
    record(client, activity(image))
    other = APIClient()
    other.force_authenticate(MembershipFactory(project=member.project).user)
    assert record(other, activity(image, first=2)).json()["field"] == "session"


def test_nothing_is_recorded_where_the_project_does_not_say_so(client, image, member):
    member.project.records_activity = False
    member.project.save()
    assert record(client, activity(image)).status_code == 409
    assert not ActivityBatch.objects.exists()


def test_active_seconds_per_cell(client, image, layer, member):
    events = [(0, "focus"), (2000, "pointer_down"), (2500, "wait_begin"), (9000, "wait_end"), (10_000, "pointer_up")]
    record(client, activity(image, events=events))
    record(client, activity(image, first=5, events=[(80_000, "pointer_down"), (81_000, "pointer_up")]))
    post(client, layer, operation(effect(uuid.uuid4(), cell())), operation(effect(uuid.uuid4(), cell())))
    post(client, layer, operation(effect(uuid.uuid4(), cell()), session=str(uuid.uuid4())))  # not recorded
    found = active_time(project=member.project, user=member.user)
    assert (found.seconds, found.cells, found.people) == (4.5, 2, 1)
    assert found.seconds_per_cell == 2.25


# -- exports


def test_coco_decodes_to_the_accepted_masks(client, layer, member):
    post(client, layer, operation(effect(uuid.uuid4(), cell(mask=mask(12, 11, 5, 4)))))
    answer = client.get(reverse("export", args=[member.project.pk, "coco"]))
    assert "attachment" in answer["Content-Disposition"]
    coco = json.loads(answer.getvalue())
    (annotation,) = coco["annotations"]
    decoded = coco_mask.decode(annotation["segmentation"])
    expected = np.zeros((48, 64), np.uint8)
    expected[11:15, 12:17] = 1
    assert (decoded == expected).all()
    assert (annotation["area"], annotation["bbox"]) == (20, [12, 11, 5, 4])
    assert [c["name"] for c in coco["categories"]] == ["unclassified"]


def test_label_maps_are_16_bit_and_the_table_says_who_is_who(client, layer, image, member):
    uid = uuid.uuid4()
    post(client, layer, operation(effect(uid, cell(mask=mask(12, 11, 5, 4)))))
    answer = client.get(reverse("export", args=[member.project.pk, "labels"]))
    with zipfile.ZipFile(io.BytesIO(answer.getvalue())) as folder:
        (name,) = [n for n in folder.namelist() if n.startswith("labels/")]
        labels = np.array(PIL.Image.open(folder.open(name)))
        table = folder.read("cells.csv").decode().splitlines()
    assert (labels.dtype, labels.shape, labels.max(), int((labels == 1).sum())) == (np.uint16, (48, 64), 1, 20)
    assert table[1].split(",")[:6] == [name, "1", "1", "", "", str(uid)]


def test_an_unknown_layout_is_refused(client, member):
    assert client.get(reverse("export", args=[member.project.pk, "jpeg"])).status_code == 422


def test_opening_an_image_takes_the_same_number_of_queries_however_many_cells(
    client, image, layer, django_assert_max_num_queries
):
    for _ in range(30):
        post(client, layer, operation(effect(uuid.uuid4(), cell())))
    with django_assert_max_num_queries(16):  # three for blinded readings, a job, guidelines, the planes of its slide
        client.get(reverse("image-workspace", args=[image.pk]))
    with django_assert_max_num_queries(5):
        client.get(reverse("layer-pack", args=[layer.pk]))
    with django_assert_max_num_queries(7):  # one of them for what overrules have settled
        client.get(reverse("layer-operations", args=[layer.pk]))
    assert Annotation.objects.count() == 30
