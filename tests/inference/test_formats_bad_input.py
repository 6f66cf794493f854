"""Files that are wrong or hostile: a clean refusal that names the file and the place, and nothing half written."""

import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from inference.commands import convert as command
from inference.formats import Context, FormatProblem, conversion, convert, read
from inference.formats.losses import Property
from inference.formats.registry import all_formats
from inference.formats.sources import open_source, read_pickled_array
from tests.inference.annotation_sets import SETS, cell, of

IMAGE = {"id": 1, "file_name": "a.png", "width": 40, "height": 30}
CELL = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]], "bbox": [1, 1, 8, 8]}
CLASSES = [{"id": 1, "name": "tumour"}]


def coco(folder, *, images=(IMAGE,), categories=CLASSES, **changes):
    document = {"images": list(images), "annotations": [CELL | changes], "categories": categories}
    path = folder / "a.json"
    path.write_text(json.dumps(document))
    return path


def geojson(folder, coordinates, kind="Polygon"):
    path = folder / "a.geojson"
    feature = {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": {}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def problem_in(path, *, name="", **options):
    """The sentence with which a file is declined. It names the file, or the one in it that `name` says."""
    with pytest.raises(FormatProblem) as error:
        read(path, **options)
    assert (name or path.name) in str(error.value)
    return str(error.value)


# -- numbers and geometry


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e300, "x", None])
def test_a_coordinate_that_is_no_number_is_declined_with_its_place(tmp_path, number):
    assert "feature 1" in problem_in(geojson(tmp_path, [[[1, 1], [9, 1], [number, 9]]]))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), "x", None])
def test_a_coordinate_of_coco_likewise(tmp_path, number):
    assert "annotation 1" in problem_in(coco(tmp_path, segmentation=[[1, 1, 9, 1, 9, number]]))
    assert "annotation 1" in problem_in(coco(tmp_path, segmentation=[], bbox=[1, 1, number, 4]))


def test_an_open_ring_is_closed(tmp_path):
    (one,) = read(geojson(tmp_path, [[[1, 1], [9, 1], [9, 9], [1, 9]]])).annotations.each()
    assert len(one.geometry.polygons[0].shell) == 4


@pytest.mark.parametrize("points", [[], [[1, 1]], [[1, 1], [9, 9]], [[1, 1], [1, 1], [1, 1], [1, 1]]])
def test_a_ring_without_an_area_is_declined(tmp_path, points):
    assert "feature 1" in problem_in(geojson(tmp_path, [points]))


def test_a_polygon_that_crosses_itself_is_read_and_noticed_and_written_valid(tmp_path):
    from shapely.geometry import shape

    path = geojson(tmp_path, [[[0, 0], [10, 10], [10, 0], [0, 10]]])
    made = convert(path, tmp_path / "b.geojson")
    assert made.reading.remarks == {"outlines cross or touch themselves": 1}
    (feature,) = json.loads((tmp_path / "b.geojson").read_text())["features"]
    assert shape(feature["geometry"]).is_valid and shape(feature["geometry"]).area == 50


def test_numbers_with_a_point_are_ids_when_they_are_whole(tmp_path):
    (one,) = read(coco(tmp_path, image_id=1.0, category_id=1.0, iscrowd=0.0)).annotations.each()
    assert one.label == "tumour"
    assert "image_id 1.5 is no id" in problem_in(coco(tmp_path, image_id=1.5))


def test_category_0_is_a_category_when_it_is_listed(tmp_path):
    (one,) = read(coco(tmp_path, category_id=0, categories=[{"id": 0, "name": "zero"}])).annotations.each()
    assert one.label == "zero"
    assert "category_id 0 is no id of a category" in problem_in(coco(tmp_path, category_id=0))


def test_a_missing_image_and_a_double_id_are_named(tmp_path):
    assert "annotation 1: its image_id 7 is no id of an image" in problem_in(coco(tmp_path, image_id=7))
    assert "image 2: the id 1 stands twice" in problem_in(coco(tmp_path, images=(IMAGE, IMAGE)))


def test_run_lengths_that_do_not_fit_are_declined(tmp_path):
    below_zero = "5O"  # 5, -1
    for counts in ([1, 2], [-5, 1205], [600, 600.5], "~~", "\x00", "", [1200, 1], below_zero):
        path = coco(tmp_path, segmentation={"size": [30, 40], "counts": counts})
        assert "annotation 1" in problem_in(path)
    assert "height comes first" in problem_in(coco(tmp_path, segmentation={"size": [40, 30], "counts": [1200]}))


@pytest.mark.parametrize("name", ["yolo", "roi", "aperio", "png"])
def test_run_lengths_without_a_pixel_are_skipped_and_listed(tmp_path, name):
    path = coco(tmp_path, segmentation={"size": [30, 40], "counts": [1200]})
    made = convert(path, tmp_path / "out", target=name)
    assert made.objects == 0
    assert made.reading.skipped["masks without a pixel"].places == ["annotation 1"]


def test_a_mask_that_is_too_large_to_be_painted_is_declined_with_its_place(tmp_path):
    contour = [[0, 0], [50_000_000, 0], [0, 50_000_000]]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"mag": 40, "nuc": {"7": {"contour": contour}}}))
    assert "nucleus 7: a mask of 50000001 x 50000001 px" in problem_in(path)
    path = tmp_path / "a_cp_outlines.txt"
    path.write_text("0,0,50000000,0,0,50000000\n")
    assert "line 1: a mask of 50000001 x 50000001 px" in problem_in(path)
    path = tmp_path / "a.xml"
    mask = '<mask label="a" left="0" top="0" width="1000000" height="1000000" rle="0, 1000000000000"/>'
    path.write_text(f'<annotations><image name="a">{mask}</image></annotations>')
    assert "image a, shape 1: its mask of 1000000 x 1000000 px" in problem_in(path)


def test_a_writer_that_cannot_paint_an_object_says_so(tmp_path, capsys):
    ring = [[0, 0], [20_000, 0], [20_000, 20_000], [0, 20_000]]
    path = geojson(tmp_path, [ring])
    assert command.main([str(path), str(tmp_path / "a.png"), "--size", "20000x20000"]) == 1
    assert "a.png: a mask of 20000 x 20000 px is larger than" in capsys.readouterr().err


def test_two_images_of_one_name_are_two_files(tmp_path):
    path = coco(tmp_path, images=(IMAGE, IMAGE | {"id": 2}))
    made = convert(path, tmp_path / "out", target="labelme")
    assert sorted(made.files) == ["a-0002.json", "a.json"]
    assert made.notes == ["1 images got another file name, so that each is unique and legal"]


def test_one_bad_object_of_many_can_be_left_out(tmp_path):
    path = coco(tmp_path)
    document = json.loads(path.read_text())
    document["annotations"].append(CELL | {"id": 2, "category_id": 9})
    path.write_text(json.dumps(document))
    reading = read(path, strict=False)
    assert len(list(reading.annotations.each())) == 1
    assert [problem.place for problem in reading.declined] == ["annotation 2"]


# -- text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_text_in_every_unicode_is_read(tmp_path, encoding):
    path = coco(tmp_path, categories=[{"id": 1, "name": "Größe 核"}])
    text = json.dumps(json.loads(path.read_text()), ensure_ascii=False)
    path.write_bytes(text.replace("{", "{\r\n").encode(encoding))
    (one,) = read(path).annotations.each()
    assert one.label == "Größe 核"


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_line_ends_do_not_matter(tmp_path, ends):
    (tmp_path / "a.txt").write_bytes(f"0 0.5 0.5 0.2 0.2{ends}0 0.5 0.5 0.1 0.1{ends}".encode())
    reading = read(tmp_path / "a.txt", sizes={"a": (100, 50)})
    assert len(list(reading.annotations.each())) == 2


def test_text_in_another_encoding_says_where(tmp_path):
    path = coco(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"tumour", b"t\xfcmour"))
    with pytest.raises(FormatProblem, match=r"a\.json, byte \d+: the text is not UTF-8; save it as UTF-8"):
        read(path, format="coco")


def test_json_that_is_cut_or_nested_too_deep_is_declined(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"images": [')
    assert "the file is no JSON" in problem_in(path)
    for nested in ("[" * 100_000 + "]" * 100_000, '{"type": "FeatureCollection", "features": ' + "[" * 100_000):
        path.write_text(nested)
        assert "nested too deep" in problem_in(path)


def test_geojson_a_line_names_the_line(tmp_path):
    path = tmp_path / "a.ndjson"
    feature = '{"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}}'
    path.write_text(f"{feature}\r\n\r\n{feature}\n")
    assert len(list(read(path).annotations.each())) == 2
    path.write_text(f"{feature}\n{feature[:-9]}\n")
    with pytest.raises(FormatProblem, match="line 2"):
        read(path, format="geojson")


# -- XML


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations><image name="&x;"/></annotations>',
        '<!DOCTYPE a [<!ENTITY a "1234567890"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><annotations>&b;</annotations>',
        '<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/x">%p;]><annotations/>',
    ],
)
def test_entities_are_declined(tmp_path, document):
    path = tmp_path / "a.xml"
    path.write_text(document)
    with pytest.raises(FormatProblem, match=r"a.xml: the XML defines entities"):
        read(path, format="cvat")


def test_xml_that_is_cut_says_where(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<annotations>\n<image>")
    assert "line 2" in problem_in(path)


# -- archives


def zipped(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("name", ["../a.json", "/etc/a.json", "x/../../a.json", "C:/a.json", "..\\a.json"])
def test_names_that_lead_out_of_a_zip_are_declined(tmp_path, name):
    path = zipped(tmp_path / "a.zip", (name, "{}"))
    assert "leads outside" in problem_in(path)


def test_links_and_bombs_are_declined(tmp_path):
    link = zipfile.ZipInfo("a.json")
    link.external_attr = 0o120777 << 16
    assert "holds a link" in problem_in(zipped(tmp_path / "link.zip", (link, "/etc/passwd")))
    assert "would unpack to" in problem_in(zipped(tmp_path / "bomb.zip", ("a.json", bytes(2**28))))


def test_links_in_a_folder_are_not_followed(tmp_path):
    secret = coco(tmp_path)
    folder = tmp_path / "in"
    folder.mkdir()
    os.symlink(secret, folder / "a.json")
    assert open_source(folder).files == []


def test_a_damaged_zip_is_declined(tmp_path):
    whole = zipped(tmp_path / "a.zip", ("a.json", os.urandom(4000)))
    content = bytearray(whole.read_bytes())
    content[60:90] = bytes(30)
    whole.write_bytes(content)
    assert "the zip cannot be unpacked" in problem_in(whole)


def test_a_damaged_zip_beside_annotations_does_not_hide_them(tmp_path):
    coco(tmp_path)
    whole = zipped(tmp_path / "images.zip", ("a.png", os.urandom(400)))
    content = whole.read_bytes()
    whole.write_bytes(content.replace(b"PK\x01\x02", b"PK\x00\x00"))
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(whole)
    assert zipfile.is_zipfile(whole)
    assert not any(one.recognises(open_source(tmp_path)) for one in all_formats() if one.name != "coco")
    assert read(tmp_path).format == "coco"
    assert "images.zip: the zip cannot be opened" in problem_in(tmp_path, format="roi", name="images.zip")


def test_zips_of_something_else_beside_rois_are_passed_over(tmp_path):
    conversion.write(SETS[Property.BOXES], tmp_path / "in" / "rois.zip", format="roi")
    zipped(tmp_path / "in" / "images.zip", ("a.png", b"\x89PNG"))
    reading = read(tmp_path / "in")
    assert (reading.format, [image.name for image in reading.annotations.images]) == ("roi", ["rois"])


def test_a_zip_of_rois_is_held_to_the_same(tmp_path):
    assert "leads outside" in problem_in(zipped(tmp_path / "a.zip", ("../a.roi", b"Iout")))
    assert "cannot be read" in problem_in(zipped(tmp_path / "b.zip", ("a.roi", b"Iout" + bytes(9))))


# -- tables


def test_line_ends_in_a_table_are_kept(tmp_path):
    annotations = of(cell(label="a\nb", name="line 1\r\nline 2"))
    conversion.write(annotations, tmp_path / "a.png", format="png")
    (one,) = read(tmp_path / "a.png").annotations.each()
    assert (one.label, one.name) == ("a\nb", "line 1\r\nline 2")


def test_rows_without_an_id_are_passed_over(tmp_path):
    conversion.write(of(cell()), tmp_path / "a.png", format="png")
    (tmp_path / "a_cells.csv").unlink()
    (tmp_path / "cells.csv").write_text("file,id,class\na.png,x,stroma\na.png\na.png,\u00b2,stroma\na.png,1,tumour\n")
    (one,) = read(tmp_path).annotations.each()
    assert one.label == "tumour"


def test_a_table_with_a_value_beyond_all_bounds_is_declined(tmp_path):
    conversion.write(of(cell()), tmp_path / "a.png", format="png")
    (tmp_path / "a_cells.csv").write_text("id,class\n1," + "x" * 200_000 + "\n")
    assert "a_cells.csv, after line 1: the file is no CSV" in problem_in(tmp_path / "a.png", name="a_cells.csv")


# -- pickles


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/boxwise-was-here",)


def seg(path, value):
    np.save(path, np.array(value, object), allow_pickle=True)
    return path


def test_a_pickle_with_code_is_declined_and_not_run(tmp_path):
    marker = Path("/tmp/boxwise-was-here")
    marker.unlink(missing_ok=True)
    for value in ({"masks": Evil()}, {"masks": np.zeros((2, 2), int), "x": [Evil()]}):
        path = seg(tmp_path / "a_seg.npy", value)
        with pytest.raises(FormatProblem, match="which is no array and no plain value"):
            read(path, format="cellpose")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["builtins.eval", "os.system", "numpy.load", "numpy.core.multiarray.fromfile"])
def test_nothing_but_constructors_of_arrays_is_found(tmp_path, name):
    module, _, function = name.rpartition(".")
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, {"descr": "|O", "fortran_order": False, "shape": ()})
    content.write(f"c{module}\n{function}\n.".encode())
    (tmp_path / "a_seg.npy").write_bytes(content.getvalue())
    with pytest.raises(FormatProblem, match="which is no array"):
        read_pickled_array(tmp_path / "a_seg.npy")


def test_plain_values_and_arrays_of_every_protocol_are_read(tmp_path):
    value = {"masks": np.arange(6).reshape(2, 3), "a": (1, 2.5, "x", None, True, b"y"), "s": np.float32(2)}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        content = io.BytesIO()
        np.lib.format.write_array_header_1_0(content, {"descr": "|O", "fortran_order": False, "shape": ()})
        content.write(pickle.dumps(np.array(value, object), protocol))
        (tmp_path / "a_seg.npy").write_bytes(content.getvalue())
        back = read_pickled_array(tmp_path / "a_seg.npy")
        assert back["masks"].tolist() == [[0, 1, 2], [3, 4, 5]] and back["a"] == value["a"]


# -- the command


def test_nothing_is_written_when_something_is_wrong(tmp_path, capsys):
    path = coco(tmp_path, category_id=9)
    assert command.main([str(path), str(tmp_path / "out"), "--to", "labelme"]) == 1
    assert "a.json, annotation 1" in capsys.readouterr().err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.json"]


def test_a_format_without_sizes_says_what_to_give(tmp_path, capsys):
    path = geojson(tmp_path, [[[1, 1], [9, 1], [9, 9]]])
    assert command.main([str(path), str(tmp_path / "a.png")]) == 1
    assert "--images" in capsys.readouterr().err


def test_what_is_not_there_or_not_known_is_said(tmp_path, capsys):
    assert command.main([str(tmp_path / "no"), str(tmp_path / "a.json"), "--to", "coco"]) == 1
    assert "no: there is no such file" in capsys.readouterr().err
    (tmp_path / "notes.txt").write_text("hello")
    assert command.main([str(tmp_path / "notes.txt"), str(tmp_path / "a.json"), "--to", "coco"]) == 1
    assert "--from" in capsys.readouterr().err
    assert command.main([str(coco(tmp_path)), str(tmp_path / "out")]) == 1
    assert "--to" in capsys.readouterr().err


def test_a_context_counts_what_is_skipped():
    context = Context()
    for place in range(9):
        context.skip("keypoints", f"annotation {place}")
    assert (context.skipped["keypoints"].count, len(context.skipped["keypoints"].places)) == (9, 5)


def test_a_file_that_holds_nothing_of_the_named_format_is_declined(tmp_path):
    assert "no annotations of the format voc" in problem_in(coco(tmp_path), format="voc")


def test_one_broken_file_of_a_folder_is_not_passed_over(tmp_path):
    convert(coco(tmp_path), tmp_path / "out", target="labelme")
    (tmp_path / "out" / "b.json").write_text('{"shapes": [')
    with pytest.raises(FormatProblem, match=r"b\.json, line 1"):
        read(tmp_path / "out")
