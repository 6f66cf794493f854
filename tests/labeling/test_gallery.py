"""The gallery: which cells, crops at one scale, a screen judged by one act, taken back; and bad luck."""

import base64
import io
import re
import time
import uuid
from pathlib import Path

import PIL.Image
import pytest
from django.db import connection
from django.utils import timezone

from labeling.annotations.models import Annotation, LateOperation, Operation
from labeling.annotations.replay import differences
from labeling.annotations.summaries import CELL_ACTIONS
from labeling.errors import Archived, Invalid
from labeling.gallery import services
from labeling.gallery.listing import MOST_LISTED, gallery_of, open_proposals
from labeling.gallery.models import Screen
from labeling.gallery.services import Given, Shown
from labeling.gallery.sheets import make_sheet
from labeling.images import crops
from labeling.images.crops import BEYOND, Cutter, Square
from labeling.images.models import Image
from labeling.reviews.certificates.models import layer_of
from labeling.rounds.execution.archiving import archive_project
from labeling.studies.analysis.gestures import BUTTON_S, KEY_S, MENTAL_S, POINT_S
from tests.labeling.lots import a_project
from tests.labeling.operations import cell
from tests.labeling.pages import draw, signed_in

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def made():
    return a_project(cells=40, classes=2)


def cells_of(made, order="doubt"):
    return gallery_of(made.project, made.owner, order, (), ())


def judge(made, cells, *given, by=None, screen=None, pixels=40.0, milliseconds=800.0, rest=True):
    return services.judge_screen(
        project=made.project,
        by=by or made.owner,
        screen=screen or uuid.uuid4(),
        order="doubt",
        milliseconds=5000.0,
        shown=[Shown(one.cell, pixels, milliseconds) for one in cells],
        given=given,
        accepts_rest=rest,
    )


def statuses(made):
    rows = Annotation.objects.filter(layer__kind="working", layer__image__in=made.images, deleted=False)
    return sorted(rows.values_list("status", flat=True))


def test_the_most_doubtful_come_first_and_classes_stay_together(made):
    doubts = [one.doubt for one in cells_of(made).cells]
    assert doubts == sorted(doubts, reverse=True) and len(doubts) == 80
    labels = [one.label_class for one in cells_of(made, "class").cells]
    assert labels == sorted(labels)
    assert gallery_of(made.project, made.owner, "doubt", [made.classes[0].pk], [made.images[0].pk]).total == 20


def test_one_act_decides_a_screen_and_one_undo_takes_exactly_that_back(made):
    listed = cells_of(made).cells
    first, second = listed[:20], listed[20:50]
    wrong, other = first[0], first[1]
    judge(made, second)
    before = statuses(made)
    screen = judge(
        made,
        first,
        Given(wrong.cell, "reject"),
        Given(other.cell, "accept", made.classes[1].pk, True),
        Given(first[2].cell, "cannot_tell"),
    )
    assert screen.verdicts == {"decided": {"reject": 1, "accept": 18, "cannot_tell": 1}, "left_out": {}}
    assert Annotation.objects.get(layer__kind="working", derived_from=other.cell).label_class == made.classes[1]
    rejected = Annotation.objects.get(layer__kind="working", derived_from=wrong.cell)
    assert (rejected.status, rejected.mask_bits) == ("rejected", None)
    assert {one.cell for one in cells_of(made).cells} == {one.cell for one in listed[50:]}
    undone = services.undo_screen(project=made.project, by=made.owner, screen=screen.pk)
    assert undone == {"undone": 20, "changed": 0} and statuses(made) == before
    assert services.undo_screen(project=made.project, by=made.owner, screen=screen.pk)["undone"] == 0
    for image in made.images:
        assert differences(layer_of(image)) == []


def test_a_screen_says_what_was_on_it_and_its_time_is_shared(made):
    listed = cells_of(made).cells[:12]
    screen = judge(made, listed)
    assert screen.milliseconds == 5000.0 and len(screen.shown) == 12
    assert screen.shown[0] == [str(listed[0].cell), 40.0, 800.0]
    operations = Operation.objects.filter(op_id__in=[one["op_id"] for one in screen.operations])
    assert {(one.action, one.tool) for one in operations} == {("bulk", "gallery")}
    # No time of a single cell is made from it: these are the actions whose times are pooled.
    assert "bulk" not in CELL_ACTIONS
    assert all(one.begun_ms == one.committed_ms for one in operations)


@pytest.mark.parametrize(
    ("view", "why"), [({"pixels": 11.9}, "small"), ({"milliseconds": 499.0}, "short")], ids=["small", "short"]
)
def test_the_rest_is_accepted_only_where_it_could_be_seen(made, view, why):
    listed = cells_of(made).cells[:5]
    screen = judge(made, listed, **view)
    assert set(screen.verdicts["left_out"].values()) == {why} and statuses(made) == []


def test_a_cell_that_was_not_on_the_screen_is_not_decided(made):
    listed = cells_of(made).cells
    screen = judge(made, listed[:3], Given(listed[9].cell, "reject"))
    assert screen.verdicts["left_out"] == {str(listed[9].cell): "not_shown"}


def test_without_the_rest_only_the_named_are_decided(made):
    listed = cells_of(made).cells
    judge(made, listed[:5], Given(listed[0].cell, "reject"), rest=False)
    assert statuses(made) == ["rejected"]


def test_a_screen_sent_twice_is_judged_once(made):
    listed, name = cells_of(made).cells[:5], uuid.uuid4()
    first = judge(made, listed, screen=name)
    assert judge(made, listed, screen=name).verdicts == first.verdicts
    assert Screen.objects.count() == 1 and len(statuses(made)) == 5
    with pytest.raises(services.NotAsShown):
        judge(made, listed, screen=name, by=made.people["annotator"])


def test_two_people_judge_the_same_screen(made):
    listed = cells_of(made).cells[:6]
    judge(made, listed[:4])
    screen = judge(made, listed, by=made.people["annotator"])
    assert screen.verdicts["decided"] == {"accept": 2}
    assert set(screen.verdicts["left_out"].values()) == {"decided"}
    assert len(statuses(made)) == 6


def test_what_somebody_changed_since_stays_when_a_screen_is_undone(made):
    listed = cells_of(made).cells[:3]
    screen = judge(made, listed)
    row = Annotation.objects.get(layer__kind="working", derived_from=listed[0].cell)
    from labeling.annotations.services import write_operations
    from tests.labeling.operations import effect, operation

    state = cell((row.x0, row.y0, row.x1 + 1, row.y1), derived_from=str(row.derived_from))
    write_operations(
        layer=row.layer, author=made.owner, operations=[operation(effect(row.uid, state, row.last_op), action="resize")]
    )
    undone = services.undo_screen(project=made.project, by=made.owner, screen=screen.pk)
    assert undone == {"undone": 2, "changed": 1}


def test_an_image_is_deleted_while_its_cells_are_in_a_gallery(made):
    listed = cells_of(made, "place").cells
    gone, stays = made.images
    Image.objects.filter(pk=gone.pk).update(deleted_at="2026-01-01T00:00Z", deleted_by=made.owner)
    screen = judge(made, [listed[0], listed[-1]])
    assert screen.verdicts == {"decided": {"accept": 1}, "left_out": {str(listed[0].cell): "gone"}}
    assert {one.image for one in cells_of(made).cells} == {stays.pk}


def test_an_image_changes_while_its_cells_are_in_a_gallery(made):
    """Somebody decides a cell, and other cells are proposed."""
    from tests.labeling.lots import proposed, publish_cells

    listed = cells_of(made, "place").cells
    draw(made.images[0], made.owner, cell((2, 2, 10, 10), derived_from=str(listed[0].cell)))
    publish_cells(made.images[1], made.owner, proposed(3, [made.classes[0].pk], 400))
    screen = judge(made, [listed[0], listed[1], listed[-1]])
    assert screen.verdicts["left_out"] == {str(listed[0].cell): "decided", str(listed[-1].cell): "gone"}


def test_an_archived_project_takes_no_verdicts(made):
    listed = cells_of(made).cells[:2]
    archive_project(project=made.project, by=made.owner)
    with pytest.raises(Archived):
        judge(made, listed)


def test_a_finished_image_takes_no_verdicts(made):
    listed = cells_of(made, "place").cells
    judge(made, listed[:1])
    layer = layer_of(made.images[0])
    layer.head.frozen_at = timezone.now()
    layer.head.save()
    assert judge(made, listed[1:2]).verdicts["left_out"] == {str(listed[1].cell): "closed"}


def test_a_screen_is_not_taken_back_where_its_image_is_finished_by_now(made):
    listed = cells_of(made, "place").cells
    screen = judge(made, [listed[0], listed[-1]])
    finished = layer_of(made.images[0])
    finished.head.frozen_at = timezone.now()
    finished.head.save()
    undone = services.undo_screen(project=made.project, by=made.owner, screen=screen.pk)
    assert undone == {"undone": 1, "changed": 1}
    assert statuses(made) == ["confirmed"]
    assert not LateOperation.objects.exists()


def test_a_screen_is_taken_back_where_an_image_of_it_is_gone_for_good(made):
    listed = cells_of(made, "place").cells
    screen = judge(made, [listed[0], listed[-1]])
    made.images[0].delete()
    undone = services.undo_screen(project=made.project, by=made.owner, screen=screen.pk)
    assert undone == {"undone": 1, "changed": 0}


def test_a_cell_twice_and_a_foreign_class_are_declined(made):
    listed = cells_of(made).cells[:2]
    with pytest.raises(Invalid):
        judge(made, listed, Given(listed[0].cell, "reject"), Given(listed[0].cell, "accept"))
    with pytest.raises(Invalid):
        judge(made, listed, Given(listed[0].cell, "accept", 10**6, True))


# -- crops


def test_crops_of_images_at_different_scales_have_one_physical_scale(made):
    for image, scale in zip(made.images, (0.25, 0.5), strict=True):
        Image.objects.filter(pk=image.pk).update(um_per_px=scale)
    rows = list(open_proposals(made.project, made.owner).select_related("layer__image").order_by("pk"))
    sheet = make_sheet([rows[0], rows[-1]], side=8.0, pixels=64)
    assert [crop.square.side for crop in sheet.crops] == [32.0, 16.0]


def test_a_sheet_of_64_crops_is_one_request(made, django_assert_max_num_queries):
    client = signed_in(made.owner)
    listed = client.get(f"/api/v1/projects/{made.project.pk}/gallery/").json()
    assert listed["total"] == 80 and listed["diameter"] == 8.0
    named = "&".join(f"cell={one}" for one in listed["cells"][:64])
    with django_assert_max_num_queries(12):
        answer = client.get(
            f"/api/v1/projects/{made.project.pk}/gallery/sheet/?{named}&side={4 * 8.37}&pixels=64"
        ).json()
    picture = PIL.Image.open(io.BytesIO(base64.b64decode(answer["picture"])))
    assert [one["cell"] for one in answer["crops"]] == listed["cells"][:64]
    assert picture.size == (640, 7 * 64)


def test_a_crop_shows_the_pixels_of_its_place_and_a_quiet_grey_beyond_the_image(made):
    image = made.images[0]
    with image.pixels.open("rb") as stored:
        whole = PIL.Image.open(stored).convert("RGB")
    crop = Cutter(image).cut(Square(10, 5, 16), 16)
    assert crop.tobytes() == whole.crop((10, 5, 26, 21)).tobytes()
    rim = Cutter(image).cut(Square(-8, -8, 16), 16)
    assert rim.getpixel((0, 0)) == BEYOND and rim.getpixel((15, 15)) == whole.getpixel((7, 7))


def test_what_lies_beyond_an_image_has_the_colour_of_its_token():
    tokens = (ROOT / "labeling/site/static/site/tokens.css").read_text()
    (found,) = re.findall(r"--picture-beyond: #([0-9a-f]{6});", tokens)
    assert tuple(bytes.fromhex(found)) == BEYOND


def test_a_crop_of_a_tiled_image_is_the_same(made, monkeypatch):
    image = made.images[0]
    expected = Cutter(image).cut(Square(100, 60, 64), 64)
    monkeypatch.setattr(crops, "is_tiled", lambda image: True)
    found = Cutter(image).cut(Square(100, 60, 64), 64)
    differences_ = [abs(a - b) for a, b in zip(expected.tobytes(), found.tobytes(), strict=True)]
    assert sum(differences_) / len(differences_) < 25  # tiles are JPEG, and this image is noise


def test_a_crop_far_larger_than_its_image_takes_no_tiles_beyond_it(made, monkeypatch):
    image = made.images[0]
    monkeypatch.setattr(crops, "is_tiled", lambda image: True)
    assert list(crops._touched(-50_000, 100_000, image.width)) == [0]
    assert list(crops._touched(90_000, 100, image.width)) == [0]
    wide = Cutter(image).cut(Square(-2000, -2000, 4000), 100)
    assert wide.getpixel((0, 0)) == BEYOND
    assert wide.getpixel((52, 51)) != BEYOND


def test_a_screen_over_the_api(made):
    client = signed_in(made.people["annotator"])
    listed = client.get(f"/api/v1/projects/{made.project.pk}/gallery/?order=class").json()
    shown = [{"cell": one, "pixels": 30, "milliseconds": 700} for one in listed["cells"][:8]]
    body = {
        "id": str(uuid.uuid4()), "order": "class", "milliseconds": 4000, "shown": shown, "accepts_rest": True,
        "verdicts": [{"cell": listed["cells"][0], "verdict": "reject"}],
    }  # fmt: skip
    address = f"/api/v1/projects/{made.project.pk}/gallery/screens/"
    answer = client.post(address, body, content_type="application/json").json()
    assert answer["decided"] == {"accept": 7, "reject": 1} and answer["left_out"] == {}
    undone = client.post(f"{address}{body['id']}/undo/").json()
    assert undone == {"undone": 8, "changed": 0}


@pytest.mark.parametrize(
    ("table", "keys", "shares"),
    [(1, 1, (0, 0.05, 0.1, 0.2)), (2, 2, (0, 0.01, 0.05, 0.1))],
    ids=["gallery", "likeness"],
)
def test_the_documented_seconds_of_a_cell_follow_from_the_model(table, keys, shares):
    page = (ROOT / "docs" / "gestures.md").read_text()
    lines = page.split("| cells on the screen |")[table].split("\n\n")[0].splitlines()[2:]
    rows = [re.findall(r"[\d.]+", line) for line in lines]
    assert [row[0] for row in rows] == ["30", "60", "100"]
    screen = MENTAL_S + keys * KEY_S
    wrong = MENTAL_S + POINT_S + 2 * BUTTON_S
    assert f"a screen takes {screen:.2f} s" in page or f"wrong\nones takes {screen:.2f} s" in page
    assert f"{wrong:.2f} s for each" in page
    for count, *seconds in rows:
        for share, reported in zip(shares, seconds, strict=True):
            assert float(reported) == pytest.approx((screen + wrong * share * int(count)) / int(count), abs=0.006)


def test_every_kind_of_bad_luck_in_the_documentation_has_its_test():
    page = (ROOT / "docs" / "many_cells.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page.split("## Bad luck")[1]))
    folder = Path(__file__).parent
    modules = [folder / f"test_{name}.py" for name in ("gallery", "gallery_likeness", "certificates", "missed_cells")]
    there = set()
    for module in modules:
        there.update(re.findall(r"^def (test_\w+)", module.read_text(), re.MULTILINE))
    assert len(named) > 20 and named <= there


def test_a_gallery_of_a_million_cells_shows_the_first_ones(made):
    """Written by SQL alone. What is measured is processor time of this process; the database has its own."""
    layer = made.images[0].layers.get(kind="prediction")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO labeling_annotation (layer_id, uid, kind, status, reason, x0, y0, x1, y1, provenance,"
            " score, deleted, disputed, version)"
            " SELECT %s, gen_random_uuid(), 'cell', 'confirmed', '', n, n, n + 8, n + 8, '{}',"
            " (n %% 1000) / 1000.0, false, false, 1 FROM generate_series(1, 1000000) n",
            [str(layer.pk)],
        )
    began = time.process_time()
    found = gallery_of(made.project, made.people["annotator"], "doubt", [], [])
    seconds = time.process_time() - began
    assert found.total == 1_000_080 and len(found.cells) == MOST_LISTED
    assert found.cells[0].doubt == 0.999 and seconds < 5
