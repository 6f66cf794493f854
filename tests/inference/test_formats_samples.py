"""Files as other tools write them (shared/data/annotation_samples): every one is read with the counts of its README."""

from collections import Counter

import numpy as np
import pytest

from inference.datasets import data_root
from inference.formats import FormatProblem, read
from inference.formats.geometry import box_of, mask_of
from inference.formats.model import Outline

ROOT = data_root()
SAMPLES = ROOT / "annotation_samples" if ROOT is not None else None
pytestmark = pytest.mark.skipif(
    SAMPLES is None or not SAMPLES.is_dir(), reason="the annotation samples are not beside this checkout"
)
# path -> (format, images, kinds of geometry, classes used, objects without a class)
EXPECTED = {
    "aperio_xml/TCGA-EJ-5518-01Z-00-DX1.xml": ("aperio", 1, {"Outline": 4}, 3, 0),
    "cellpose/nuclei_96_cp_outlines.txt": ("cellpose", 1, {"Pixels": 21}, 0, 21),
    "cellpose/nuclei_96_seg.npy": ("cellpose", 1, {"Pixels": 21}, 0, 21),
    "coco/instances_train.json": ("coco", 1, {"Rectangle": 1}, 1, 0),
    "coco/instances_val_rle.json": ("coco", 1, {"Outline": 1, "RunLengths": 1}, 2, 0),
    "coco/labelme2coco.json": ("coco", 3, {"Outline": 12}, 6, 0),
    "coco/results_compressed_rle.json": ("coco", 99, {"RunLengths": 734}, 75, 0),
    "consep_mat/dsb_tile.mat": ("consep", 1, {"Pixels": 96}, 3, 0),
    "cvat_images_xml/project_annotations.xml": (
        "cvat", 6, {"Rectangle": 3, "Line": 3, "Outline": 3, "Points": 3}, 2, 0,
    ),
    "cvat_images_xml/task_train.xml": ("cvat", 2, {"Rectangle": 1, "Line": 1, "Outline": 1, "Points": 1}, 2, 2),
    "datumaro/legacy_test.json": ("datumaro", 1, {}, 0, 0),
    "datumaro/legacy_train.json": ("datumaro", 2, {}, 0, 0),
    "dicom/seg_image_sm_control.dcm": ("dicom", 1, {"Pixels": 19}, 19, 0),
    "dicom/seg_image_sm_dots.dcm": ("dicom", 1, {"Pixels": 45}, 45, 0),
    "dicom/sm_annotations.dcm": ("dicom", 1, {"Points": 2}, 1, 0),
    "hovernet_json/tile_typed.json": ("hovernet", 1, {"Pixels": 96}, 3, 0),
    "imagej_roi/cellpose_nuclei_96_rois.zip": ("roi", 1, {"Outline": 21}, 0, 21),
    "imagej_roi/ellipse.roi": ("roi", 1, {"Outline": 1}, 0, 1),
    "imagej_roi/freehand.roi": ("roi", 1, {"Outline": 1}, 0, 1),
    "imagej_roi/line1.roi": ("roi", 1, {"Line": 1}, 0, 1),
    "imagej_roi/oval.roi": ("roi", 1, {"Outline": 1}, 0, 1),
    "imagej_roi/point.roi": ("roi", 1, {"Points": 1}, 0, 1),
    "imagej_roi/polygon.roi": ("roi", 1, {"Outline": 1}, 0, 1),
    "imagej_roi/polyline.roi": ("roi", 1, {"Line": 1}, 0, 1),
    "imagej_roi/rectangle.roi": ("roi", 1, {"Rectangle": 1}, 0, 1),
    "label_studio/brush.json": ("labelstudio", 2, {"Pixels": 3}, 1, 0),
    "label_studio/json_min_source.json": ("labelstudio", 1, {"Outline": 1}, 1, 0),
    "label_studio/polygons.json": ("labelstudio", 1, {"Outline": 1}, 1, 0),
    "label_studio/polygons_label_config.xml": None,
    "label_studio/rectangles.json": ("labelstudio", 2, {"Rectangle": 6}, 2, 0),
    "label_tiff/stardist_mask2d.tif": ("tiff", 1, {"Pixels": 125}, 0, 125),
    "labelme/2011_000003.json": ("labelme", 1, {"Outline": 4}, 3, 0),
    "labelme/2011_000006.json": ("labelme", 1, {"Outline": 7}, 4, 0),
    "labelme/apc2016_obj3_with_image.json": ("labelme", 1, {"Outline": 4}, 4, 0),
    "pascal_voc/2007_000001.xml": ("voc", 1, {"Rectangle": 2}, 2, 0),
    "pascal_voc/2011_000006.xml": ("voc", 1, {"Rectangle": 4}, 1, 0),
    "qupath_geojson/cells_with_measurements_cut.geojson": ("geojson", 1, {"Outline": 37, "Points": 3}, 4, 3),
    "qupath_geojson/ellipses_points_locked.geojson": ("geojson", 1, {"Outline": 3, "Points": 3}, 1, 3),
    "qupath_geojson/liposarcoma_he_named.geojson": ("geojson", 1, {"Outline": 35, "Points": 3}, 5, 3),
    "qupath_geojson/placenta_eight_classes.geojson": ("geojson", 1, {"Outline": 53, "Points": 3}, 8, 3),
    "qupath_geojson/qupath05_unclassified.geojson": ("geojson", 1, {"Outline": 3}, 0, 3),
    "qupath_geojson/td01_small_annotations.geojson": ("geojson", 1, {"Outline": 6, "Points": 3}, 2, 3),
    "supervisely": ("supervisely", 2, {"Outline": 2, "Pixels": 5, "Rectangle": 1}, 4, 0),
    "v7_darwin": ("darwin", 1, {"Rectangle": 8, "Outline": 4, "Points": 5}, 5, 0),
    "via/sample_img5_region_data.csv": ("via", 1, {"Outline": 4, "Rectangle": 1}, 0, 5),
    "via/sample_img5_region_data.json": ("via", 2, {"Outline": 4, "Rectangle": 1}, 0, 5),
    "w3c_annotorious/openseadragon.core.json": ("w3c", 1, {"Rectangle": 1, "Line": 1, "Outline": 2}, 0, 4),
    "w3c_annotorious/openseadragon.w3c.json": ("w3c", 1, {"Rectangle": 3, "Outline": 1}, 0, 4),
    "yolo/detection": ("yolo", 2, {"Rectangle": 8}, 4, 0),
    "yolo/segmentation": ("yolo", 1, {"Outline": 2}, 2, 0),
}  # fmt: skip
FOLDERS = ("supervisely", "v7_darwin", "yolo/detection", "yolo/segmentation")
# YOLO does not say how large its images are, and they are not among the samples.
SIZES = {"img_1": (640, 329), "img_6": (640, 288), "1": (100, 100)}


def test_every_sample_is_listed():
    files = [path for path in SAMPLES.rglob("*") if path.is_file()]
    names = {path.relative_to(SAMPLES).as_posix() for path in files}
    single = {name for name in names if not name.startswith(FOLDERS)}
    assert single - set(EXPECTED) == {"README.md"}


@pytest.mark.parametrize("path", EXPECTED)
def test_a_sample_is_read_with_its_counts(path):
    if EXPECTED[path] is None:
        with pytest.raises(FormatProblem, match="no known format"):
            read(SAMPLES / path)
        return
    reading = read(SAMPLES / path, sizes=SIZES)
    objects = list(reading.annotations.each())
    kinds = Counter(type(one.geometry).__name__ for one in objects)
    labels = {one.label for one in objects if one.label is not None}
    without = sum(one.label is None for one in objects)
    assert (reading.format, len(reading.annotations.images), dict(kinds), len(labels), without) == EXPECTED[path]
    assert not reading.declined


def objects(path):
    return list(read(SAMPLES / path, sizes=SIZES).annotations.each())


def test_what_is_skipped_is_listed():
    skipped = {
        path: read(SAMPLES / path).skipped for path in EXPECTED if path.startswith(("datumaro", "pascal", "dicom"))
    }
    counts = {path: {what: one.count for what, one in found.items()} for path, found in skipped.items() if found}
    assert counts == {
        "datumaro/legacy_test.json": {"labels of images": 2},
        "datumaro/legacy_train.json": {"labels of images": 5},
        "pascal_voc/2007_000001.xml": {"parts of objects": 1},
        "dicom/seg_image_sm_dots.dcm": {"segments without a pixel": 5},
        "dicom/seg_image_sm_control.dcm": {"segments without a pixel": 1},
    }


def test_qupath_keeps_what_qupath_says():
    cells = objects("qupath_geojson/cells_with_measurements_cut.geojson")
    assert sum(one.kind == "cell" for one in cells) == sum(bool(one.measurements) for one in cells) == 30
    assert all(one.uid for one in cells)
    assert any(one.is_locked for one in cells)
    ellipses = objects("qupath_geojson/ellipses_points_locked.geojson")
    assert any(getattr(one.geometry, "is_ellipse", False) for one in ellipses)
    eight = objects("qupath_geojson/placenta_eight_classes.geojson")
    parts = [part for one in eight for part in getattr(one.geometry, "polygons", ())]
    assert sum(bool(part.holes) for part in parts) == 1
    unclassified = objects("qupath_geojson/qupath05_unclassified.geojson")
    assert unclassified[0].name == "UT"


def test_coco_keeps_crowds_scores_parts_and_attributes():
    polygon, crowd = objects("coco/instances_val_rle.json")
    assert (polygon.attributes, polygon.crowd, crowd.crowd) == ({"x": 1, "y": "hello"}, False, True)
    assert mask_of(crowd.geometry).bits.sum() == 20
    assert sum(len(one.geometry.polygons) > 1 for one in objects("coco/labelme2coco.json")) == 2
    assert objects("coco/results_compressed_rle.json")[0].score == 0.236


def test_groups_of_labelme_are_one_object():
    parts = [len(one.geometry.polygons) for one in objects("labelme/2011_000003.json")]
    assert sorted(parts) == [1, 1, 1, 2]


def test_pixels_of_a_brush_are_counted():
    assert [int(mask_of(one.geometry).bits.sum()) for one in objects("label_studio/brush.json")] == [771, 532, 531]


def test_two_annotators_are_told_apart():
    by = Counter(one.attributes.get("annotator") for one in objects("label_studio/rectangles.json"))
    assert len(by) > 1


def test_contours_and_label_maps_of_the_same_nuclei_are_the_same_pixels():
    """Cellpose wrote both from one mask, HoVer-Net's post-processing both from another."""
    for contours, labels in (
        ("cellpose/nuclei_96_cp_outlines.txt", "cellpose/nuclei_96_seg.npy"),
        ("hovernet_json/tile_typed.json", "consep_mat/dsb_tile.mat"),
    ):
        whole = [mask_of(one.geometry) for one in objects(labels)]
        drawn = [mask_of(one.geometry) for one in objects(contours)]
        at = {(mask.x, mask.y): mask.bits for mask in whole}
        same = 0
        for mask in drawn:
            other = at.get((mask.x, mask.y))
            same += np.array_equal(other, mask.bits)
        assert same >= 0.9 * len(whole)  # the others have a hole or a stray pixel, which a contour has not


def test_boxes_of_imagej_are_where_its_bounds_are():
    """Height and width by the README."""
    sizes = {"polygon": (89, 109), "freehand": (55, 86), "oval": (37, 34), "rectangle": (36, 43)}
    for name, (height, width) in sizes.items():
        (one,) = objects(f"imagej_roi/{name}.roi")
        x0, y0, x1, y1 = box_of(one.geometry)
        assert abs(y1 - y0 - height) <= 1 and abs(x1 - x0 - width) <= 1


def test_a_polygon_of_several_paths_stays_one_object():
    outlines = [one.geometry for one in objects("v7_darwin") if isinstance(one.geometry, Outline)]
    rings = []
    for outline in outlines:
        rings.append(sum(len(part.rings) for part in outline.polygons))
    assert max(rings) == 6


def test_yolo_without_its_images_says_what_to_give():
    with pytest.raises(FormatProblem, match=r"img_1.txt: .*--images"):
        read(SAMPLES / "yolo/detection")
