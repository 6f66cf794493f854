"""What the formats compute, against independent readers: pycocotools, shapely, tifffile, roifile, scipy."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inference.formats import conversion
from inference.formats.brush import bits_of_brush, brush_of_bits
from inference.formats.contours import contour_of, mask_of_contour
from inference.formats.geometry import decode, encode, fill, mask_of, outline_of
from inference.formats.losses import Property
from inference.formats.model import AnnotatedImage, Annotation, Annotations, Outline, Pixels, Polygon
from inference.formats.rings import one_ring, polygons_of_rings
from inference.masks import tight
from inference.types import BoxMask
from tests.inference.annotation_sets import HEIGHT, SETS, WIDTH, pixels

masks = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(np.any)
places = st.integers(0, 5)


def same(one, other):
    return (one.x, one.y) == (other.x, other.y) and np.array_equal(one.bits, other.bits)


@given(masks, places, places)
def test_the_outline_of_a_mask_fills_to_the_mask(bits, x, y):
    mask = tight(BoxMask(x, y, bits))
    assert same(mask_of(Outline(outline_of(Pixels(mask)))), mask)


@given(masks, places, places)
def test_one_ring_with_cuts_fills_to_the_mask_and_comes_apart_again(bits, x, y):
    mask = tight(BoxMask(x, y, bits))
    parts = outline_of(Pixels(mask))
    assert same(fill([one_ring(parts)]), mask)
    rings = [ring for part in parts for ring in part.rings]
    assert same(mask_of(Outline(polygons_of_rings(rings))), mask)


@given(masks, places, places)
def test_run_lengths_are_those_of_pycocotools(bits, x, y):
    from pycocotools import mask as coco_mask

    mask = tight(BoxMask(x, y, bits))
    runs = encode(mask, (20, 16))
    whole = coco_mask.decode({"size": [16, 20], "counts": runs.counts}).astype(bool)
    height, width = mask.bits.shape
    assert np.array_equal(whole[mask.y : mask.y + height, mask.x : mask.x + width], mask.bits)
    assert whole.sum() == mask.bits.sum()
    assert same(decode(runs), mask)


@given(masks, places, places)
def test_a_brush_comes_back(bits, x, y):
    mask = tight(BoxMask(x, y, bits))
    back = bits_of_brush(brush_of_bits(mask, (20, 16)), (20, 16))
    assert same(tight(BoxMask(0, 0, back)), mask)


@given(masks)
def test_a_contour_is_the_largest_part_without_its_holes(bits):
    from scipy.ndimage import binary_fill_holes, label

    mask = tight(BoxMask(3, 4, bits))
    contour, others = contour_of(mask)
    labels, count = label(mask.bits, np.ones((3, 3)))
    assert others == count - 1
    back = mask_of_contour(contour)
    top, left = back.y - mask.y, back.x - mask.x
    part = labels[top : top + back.bits.shape[0], left : left + back.bits.shape[1]]
    largest = np.bincount(labels.ravel())[1:].max()
    number = np.bincount(part[back.bits])[1:].argmax() + 1
    assert (labels == number).sum() == largest
    whole = binary_fill_holes(part == number)  # 4-connected background: what 8-connected pixels close in
    assert np.array_equal(back.bits, whole)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 30)), min_size=3, max_size=7))
def test_a_pixel_is_in_a_polygon_when_shapely_says_so_of_its_centre(points):
    import shapely

    ring = np.array(points)
    area = shapely.Polygon(ring)
    if not area.is_valid or area.area < 1:
        return
    filled = np.zeros((31, 31), bool)
    mask = fill([ring])
    if mask is not None:
        height, width = mask.bits.shape
        filled[mask.y : mask.y + height, mask.x : mask.x + width] = mask.bits
    for y in range(31):
        for x in range(31):
            centre = shapely.Point(x + 0.5, y + 0.5)
            if area.exterior.distance(centre) > 1e-9:
                assert filled[y, x] == area.contains(centre)


def written(what, name, folder, file="out"):
    conversion.write(SETS[what], folder / file, format=name)
    return folder / file


def test_pycocotools_reads_what_is_written(tmp_path):
    from pycocotools.coco import COCO

    for what in (Property.HOLES, Property.PARTS, Property.OVERLAPS):
        coco = COCO(str(written(what, "coco", tmp_path, "a.json")))
        found = [coco.annToMask(coco.anns[number]).astype(bool) for number in sorted(coco.anns)]
        counts = [int(mask.sum()) for mask in found]
        assert counts == [len(one) for one in pixels(SETS[what])]


def test_shapely_reads_what_is_written_as_geojson(tmp_path):
    from shapely.geometry import shape

    document = json.loads(written(Property.HOLES, "geojson", tmp_path, "a.geojson").read_text())
    shapes = [shape(feature["geometry"]) for feature in document["features"]]
    assert all(one.is_valid for one in shapes)
    assert [one.area for one in shapes] == [len(one) for one in pixels(SETS[Property.HOLES])]


def test_tifffile_reads_every_page(tmp_path):
    import tifffile

    for name, ending in (("tiff", "a.tif"), ("ome", "a.ome.tif")):
        pages = tifffile.imread(written(Property.OVERLAPS, name, tmp_path, ending))
        assert pages.shape == (2, HEIGHT, WIDTH)
        sizes = sorted(int((pages == number).sum()) for number in (1, 2, 3))
        assert sizes == sorted(len(one) for one in pixels(SETS[Property.OVERLAPS]))


def test_roifile_reads_what_is_written(tmp_path):
    import roifile

    found = roifile.roiread(written(Property.HOLES, "roi", tmp_path, "a.zip"))
    assert len(found) == 2
    assert len(found[0].coordinates(multi=True)) == 3


def test_scipy_reads_what_is_written(tmp_path):
    from scipy.io import loadmat

    document = loadmat(written(Property.CLASSES, "consep", tmp_path, "a.mat"))
    assert document["inst_type"].ravel().tolist() == [1, 3, 0]
    assert document["inst_centroid"].tolist()[0] == [19.5, 19.5]
    assert sorted(np.unique(document["inst_map"]).tolist()) == [0, 1, 2, 3]


def test_numpy_reads_what_is_written_for_cellpose(tmp_path):
    document = np.load(written(Property.MASKS, "cellpose", tmp_path, "a_seg.npy"), allow_pickle=True).item()
    assert document["masks"].shape == (HEIGHT, WIDTH)
    assert int((document["masks"] == 1).sum()) == len(pixels(SETS[Property.MASKS])[0])


def test_pascal_voc_counts_from_one_and_includes_the_last_pixel(tmp_path):
    text = written(Property.BOXES, "voc", tmp_path, "a.xml").read_text()
    for tag in ("<xmin>11<", "<ymin>21<", "<xmax>33<", "<ymax>41<"):
        assert tag in text


@pytest.mark.parametrize("part", [0, 1])
def test_yolo_shares_are_of_width_and_height(tmp_path, part):
    out = written(Property.BOXES, "yolo", tmp_path)
    words = next((out / "labels").glob("*.txt")).read_text().split()
    expected = [(10 + 33) / 2 / WIDTH, (20 + 41) / 2 / HEIGHT]
    assert float(words[1 + part]) == pytest.approx(expected[part])


def test_polygons_of_rings_know_islands():
    def box(x, y, side):
        return np.array([[x, y], [x + side, y], [x + side, y + side], [x, y + side]], float)

    parts = polygons_of_rings([box(0, 0, 40), box(5, 5, 30), box(10, 10, 20)])
    assert [len(part.holes) for part in parts] == [1, 0]
    assert isinstance(parts[0], Polygon)


def test_run_lengths_are_not_written_for_a_slide_that_they_cannot_say(tmp_path):
    ring = Pixels(BoxMask(90_000, 90_000, np.pad(np.zeros((3, 3), bool), 2, constant_values=True)))
    slide = AnnotatedImage("slide.svs", 100_000, 100_000, [Annotation(ring, "c")])
    conversion.write(Annotations([slide]), tmp_path / "a.json", format="coco")
    (one,) = conversion.read(tmp_path / "a.json").annotations.each()
    assert same(mask_of(one.geometry), ring.mask)
    assert json.loads((tmp_path / "a.json").read_text())["annotations"][0]["area"] == 49 - 9
