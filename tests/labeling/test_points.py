"""A cell may be a point: in the log, in packs, in what leaves the house and in what comes in."""

import csv
import json
import uuid
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from django.db import IntegrityError, transaction
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO

from inference.datasets import open_dataset
from inference.formats.conversion import read
from inference.formats.losses import Property
from inference.formats.model import AnnotatedImage, Outline, Points, Rectangle
from inference.formats.model import Annotation as Found
from inference.formats.registry import BOTH_WAYS, format_named
from labeling.annotations.models import Annotation, Effect
from labeling.annotations.packs import pack_layer, unpack_layer
from labeling.annotations.replay import differences
from labeling.annotations.services import working_layer, write_operations
from labeling.annotations.state import PackedMask, state_of, with_mask
from labeling.errors import Invalid
from labeling.exchange.exporting import write_export
from labeling.exchange.importing.states import Vocabulary, prepare
from labeling.exchange.request import ExportRequest, Layout
from labeling.rounds.snapshots import NothingToLearn, freeze, unclear
from tests.factories import AnnotationFactory, ImageFactory, LabelClassFactory, MembershipFactory
from tests.labeling.exports import exported_bytes, exported_coco, exported_folder
from tests.labeling.operations import cell, effect, mask, operation, region

POINT = (20.25, 30.5, 20.25, 30.5)


@pytest.fixture
def lab(db):
    member = MembershipFactory(role="owner")
    label = LabelClassFactory(project=member.project, name="tumour", position=1)
    image = ImageFactory(project=member.project, name="a.png")  # 64 x 48 px
    layer = working_layer(image=image, user=member.user)
    return SimpleNamespace(project=member.project, user=member.user, image=image, layer=layer, label=label)


def written(lab, *operations):
    _, verdicts = write_operations(layer=lab.layer, author=lab.user, operations=operations)
    return [(one.verdict, (one.error or {}).get("detail", "")) for one in verdicts]


def placed(lab, box=POINT, **changes):
    uid = uuid.uuid4()
    state = cell(box, label_class=lab.label.pk, **changes)
    assert written(lab, operation(effect(uid, state), tool="point")) == [("accepted", "")]
    return uid


# -- the log


def test_a_point_is_a_cell_that_is_moved_undone_and_replayed(lab):
    uid = uuid.uuid4()
    drawn = operation(effect(uid, cell(POINT)), tool="point")
    moved = operation(effect(uid, cell((21, 31, 21, 31)), seen=drawn["op_id"]), action="move")
    back = operation(effect(uid, cell(POINT), seen=moved["op_id"]), action="undo", undoes=moved["op_id"])
    assert written(lab, drawn, moved, back) == [("accepted", "")] * 3
    row = Annotation.objects.get(uid=uid)
    assert (row.x0, row.y0, row.x1, row.y1) == POINT and state_of(row).is_point
    assert differences(lab.layer) == []
    assert Effect.objects.filter(annotation=row).last().after["box"] == list(POINT)


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (cell((64, 10, 64, 10)), "the point 64, 10 lies outside the image of 64 x 48 px"),
        (cell((-1, 10, -1, 10)), "the point -1, 10 lies outside the image of 64 x 48 px"),
        (cell((5, 48, 5, 48)), "the point 5, 48 lies outside the image of 64 x 48 px"),
        (cell((5, 8, 5, 9)), "the box 5, 8, 5, 9 is empty"),
        (region((5, 8, 5, 8)), "the box 5, 8, 5, 8 is empty"),
        (cell((60, 40, 60, 40), mask=mask(2, 2, 3, 3)), "lies away from its point (60, 40)"),
    ],
)
def test_what_is_no_point_is_declined_with_its_reason(lab, state, sentence):
    ((verdict, detail),) = written(lab, operation(effect(uuid.uuid4(), state)))
    assert verdict == "invalid" and sentence in detail


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "region", "status": "exhaustive"},
        {"mask_x": 20, "mask_y": 20, "mask_width": 8, "mask_height": 1, "mask_bits": b"\xff"},
    ],
)
def test_the_database_knows_only_cells_without_a_mask_as_points(changes):
    AnnotationFactory(x0=20, y0=20, x1=20, y1=20)
    with pytest.raises(IntegrityError, match="annotation_has_area_or_is_point"), transaction.atomic():
        AnnotationFactory(x0=20, y0=20, x1=20, y1=20, **changes)


@settings(max_examples=300)
@given(st.floats(0, 63.9), st.floats(0, 47.9), st.integers(0, 50), st.integers(0, 40))
def test_a_point_with_a_mask_is_the_smallest_box_around_both(x, y, left, top):
    one = PackedMask(left, top, 8, 4, b"\xff\xff\xff\xff")
    away_x = max(left - x, x - (left + 8), 0) > 8
    away_y = max(top - y, y - (top + 4), 0) > 4
    if away_x or away_y:
        with pytest.raises(Invalid, match="lies away from its point"):
            with_mask((x, y, x, y), one)
        return
    box = with_mask((x, y, x, y), one)
    assert box == (min(x, left), min(y, top), max(x, left + 8), max(y, top + 4))


def test_a_point_that_is_given_a_mask_is_a_box_from_then_on(lab):
    uid = placed(lab)
    seen = Annotation.objects.get(uid=uid).last_op
    assert written(lab, operation(effect(uid, cell(POINT, mask=mask(18, 28, 6, 6)), seen=seen), action="reshape")) == [
        ("accepted", "")
    ]
    row = Annotation.objects.get(uid=uid)
    assert (row.x0, row.y0, row.x1, row.y1) == (18, 28, 24, 34)


def test_a_pack_holds_points_as_boxes_without_an_extent(lab):
    placed(lab)
    _, columns = unpack_layer(pack_layer(lab.layer)[1])
    assert columns["box"].tolist() == list(POINT)


# -- rounds of methods that learn extents


def test_a_snapshot_keeps_points_and_a_round_on_boxes_needs_boxes(lab):
    placed(lab)
    written(lab, operation(effect(uuid.uuid4(), region()), action="region"))
    with pytest.raises(NothingToLearn):
        freeze(lab.project)
    written(lab, operation(effect(uuid.uuid4(), cell((2, 2, 10, 12)))))
    snapshot = freeze(lab.project)
    assert snapshot.counts.splits["train"].cells == 2
    content = json.loads(snapshot.content.read())
    assert list(POINT) in [one["box"] for one in content["images"][0]["cells"]]


def test_a_rejected_outline_around_a_point_leaves_no_unclear_place():
    around, elsewhere = (15, 25, 26, 36), (40, 5, 50, 15)
    rejections = [("boundary", around), ("boundary", elsewhere)]
    assert unclear(rejections, [POINT]) == [elsewhere]


# -- what leaves the house


def test_coco_has_a_point_as_the_only_keypoint_of_its_cell(lab, tmp_path):
    uid = placed(lab)
    written(lab, operation(effect(uuid.uuid4(), cell((2, 2, 10, 12)))))
    coco = exported_coco(lab.project)
    point = next(one for one in coco["annotations"] if one["uid"] == str(uid))
    assert (point["keypoints"], point["num_keypoints"]) == ([20.25, 30.5, 2], 1)
    assert (point["bbox"], point["area"], point["segmentation"]) == ([20.25, 30.5, 0, 0], 0, [])
    assert coco["categories"][0]["keypoints"] == ["centre"]
    assert "keypoints" not in next(one for one in coco["annotations"] if one["uid"] != str(uid))
    file = tmp_path / "a.json"
    file.write_text(json.dumps(coco))
    assert len(COCO(file).getAnnIds(areaRng=[1, 1e9])) == 1  # an extent of 0 is no box to anybody who asks for an area


def test_geojson_has_a_point_as_a_point(lab, tmp_path):
    uid = placed(lab)
    folder = exported_folder(lab.project, "geojson", tmp_path)
    (feature,) = json.loads((folder / "geojson" / "a.geojson").read_text())["features"]
    assert feature["id"] == str(uid)
    assert feature["geometry"] == {"type": "Point", "coordinates": [20.25, 30.5]}


def test_label_maps_say_that_they_hold_no_points_and_the_data_set_keeps_them(lab, tmp_path):
    placed(lab)
    written(lab, operation(effect(uuid.uuid4(), region()), action="region"))
    folder = exported_folder(lab.project, "labels", tmp_path)
    dataset = open_dataset(folder)
    sample = dataset.sample(dataset.names[0])
    assert sample.boxes.tolist() == [list(POINT)] and sample.valid.all()
    about = json.loads((folder / "dataset.json").read_text())
    assert about["per_image"]["a"]["annotated"]["boxes"] == [list(POINT)]


def test_a_table_of_cells_has_the_place(lab, tmp_path):
    placed(lab)
    folder = exported_folder(lab.project, "csv", tmp_path)
    (row,) = list(csv.DictReader((folder / "cells.csv").read_text().splitlines()))
    assert (row["status"], row["geometry"], row["area_px"]) == ("points", "POINT (20.25 30.5)", "")


LAYOUTS_WITH_POINTS = [
    str(layout) for layout in Layout if layout in BOTH_WAYS and Property.POINTS in format_named(layout).keeps
]


@pytest.mark.parametrize("layout", LAYOUTS_WITH_POINTS)
def test_what_was_exported_comes_back_as_the_same_points(lab, layout, tmp_path):
    placed(lab)
    placed(lab, (40.5, 12.5, 40.5, 12.5))
    archive = tmp_path / "export.zip"
    archive.write_bytes(exported_bytes(lab.project, layout, pictures="1"))
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "export")
    (found,) = read(tmp_path / "export", format=layout, sizes={"a": (64, 48)}).annotations.images
    states = prepare(found, lab.image, Vocabulary.of(lab.project)).states
    boxes = sorted(state.box for state in states.values())
    assert np.allclose(boxes, [POINT, (40.5, 12.5, 40.5, 12.5)], atol=1e-6)
    assert {state.label_class for state in states.values()} == {lab.label.pk}


def test_formats_without_points_say_how_many_they_lose(lab, tmp_path):
    placed(lab)
    assert len(LAYOUTS_WITH_POINTS) >= 6
    for layout in ("yolo", "voc", "png"):
        written_ = write_export(lab.project, ExportRequest.of(layout), tmp_path / layout)
        assert "The format has no place for points: 1." in written_.notes, layout


# -- what comes in


def test_several_points_of_one_object_are_a_cell_each(lab):
    three = Points(np.array([[1.0, 2.0], [3.0, 4.0], [99.0, 4.0]]))
    found = AnnotatedImage("a.png", 64, 48, [Found(three, label="tumour", uid="tool-7", place="feature 1")])
    prepared = prepare(found, lab.image, Vocabulary.of(lab.project))
    assert sorted(state.box for state in prepared.states.values()) == [(1, 2, 1, 2), (3, 4, 3, 4)]
    assert prepared.declined == [("feature 1", "outside")]
    again = prepare(found, lab.image, Vocabulary.of(lab.project))
    assert list(again.states) == list(prepared.states)


@pytest.mark.parametrize(
    ("entry", "kind"),
    [
        ({"keypoints": [5, 6, 2]}, Points),
        ({"keypoints": [5, 6, 2], "bbox": [5, 6, 0, 0]}, Points),
        ({"keypoints": [5, 6, 2, 0, 0, 0]}, Points),
        ({"keypoints": [5, 6, 2], "bbox": [2, 2, 9, 9]}, Rectangle),
        ({"keypoints": [5, 6, 2], "segmentation": [[1, 1, 9, 1, 9, 9]]}, Outline),
    ],
)
def test_coco_keypoints_are_a_point_where_nothing_else_is_said(entry, kind, tmp_path):
    document = {
        "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
        "categories": [{"id": 1, "name": "tumour"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, **entry}],
    }
    file = tmp_path / "a.json"
    file.write_text(json.dumps(document))
    (one,) = read(file).annotations.each()
    assert isinstance(one.geometry, kind)
    if kind is Points:
        assert one.geometry.xy.tolist() == [[5, 6]]
