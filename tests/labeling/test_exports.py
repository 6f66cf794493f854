"""What leaves the house: nothing is lost, names are legal and unique, other readers agree."""

import csv
import io
import json
import uuid
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from inference.datasets import open_dataset
from inference.formats.names import MOST_BYTES
from inference.formats.outlines import polygons_of
from inference.types import BoxMask
from labeling.annotations.services import working_layer, write_operations
from labeling.exchange.coco import cut_open, flat
from labeling.exchange.datasets import load_dataset
from labeling.exchange.labels import label_map
from labeling.exchange.request import ExportRequest
from labeling.exchange.selection import ExportedCell, Part
from labeling.images.models import Image
from labeling.images.stems import safe_stem, stems_of
from labeling.rounds.results.publishing import publish
from tests.documents import STATEMENTS
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory
from tests.labeling.exports import EVERYTHING, exported_bytes, exported_coco, exported_folder
from tests.labeling.operations import cell, effect, mask, operation, region
from tests.labeling.operations import names as is_named
from tests.labeling.pages import accept, make_study, proposals, reject, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab() -> SimpleNamespace:
    """A project with two classes whose keys are not 1 and 2, and one image with a cell of every kind."""
    LabelClassFactory()  # takes a key that another project's export must not show
    member = MembershipFactory(role="owner")
    tumour = LabelClassFactory(project=member.project, name="tumour", position=1)
    stroma = LabelClassFactory(project=member.project, name="=stroma", position=2)
    image = ImageFactory(project=member.project, name="Präparat 1.tif", patient="slide 7", um_per_px=0.25, split="val")
    lab = SimpleNamespace(project=member.project, user=member.user, image=image, tumour=tumour, stroma=stroma)
    drawn(lab, cell(mask=mask(12, 11, 5, 4), box=(12, 11, 17, 15), label_class=stroma.pk))
    drawn(lab, cell(box=(30, 20, 44, 40), label_class=tumour.pk))
    drawn(lab, cell(box=(1, 1, 5, 5), status="cannot_tell"))
    drawn(lab, region((0, 0, 64, 48)))
    drawn(lab, region((50, 0, 64, 10), status="ignore"))
    return lab


def drawn(lab: SimpleNamespace, *states, image: Image | None = None) -> list[uuid.UUID]:
    uids = [uuid.uuid4() for _ in states]
    layer = working_layer(image=image or lab.image, user=lab.user)
    acts = [operation(effect(uid, state)) for uid, state in zip(uids, states, strict=True)]
    _, verdicts = write_operations(layer=layer, author=lab.user, operations=acts)
    assert {verdict.verdict for verdict in verdicts} == {"accepted"}
    return uids


# -- names

ODD_NAMES = (
    "a.png", "a.tif", "A.png", "nested/b.png", "b.png", "con.png", "CON", "com1.txt.png", "n" * 251 + ".png",
    "é" * 120 + ".png", "tab\there.png", 'q"uo<te>?.png', "trailing. .png", "...", "", "a-0002.png",
    "Pra\u0308parat.png", "Präparat.png", "\u202eevil.png", "emoji🧫.png", "🧫" * 60 + ".png", " .png", "x:y|z*.png",
)  # fmt: skip


def test_names_are_unique_without_their_endings_and_legal_everywhere():
    images = [Image(pk=number, name=name, position=number) for number, name in enumerate(ODD_NAMES, start=1)]
    stems = stems_of(images)
    assert len({stem.casefold() for stem in stems.values()}) == len(ODD_NAMES)
    assert stems[1] == "a"
    assert stems[2] == "a-0002"
    assert stems[18] == "Präparat-0018"
    for stem in stems.values():
        assert 0 < len(stem.encode()) <= MOST_BYTES
        assert stem == stem.strip(" .")
        assert not set(stem) & set('<>:"/\\|?*\t\u202e')
        assert stem.split(".")[0].lower() not in ("con", "com1")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text(max_size=300), min_size=1, max_size=6))
def test_any_names_come_out_unique_and_short(names):
    stems = stems_of(Image(pk=number, name=name, position=number) for number, name in enumerate(names, start=1))
    assert len({stem.casefold() for stem in stems.values()}) == len(names)
    assert all(0 < len(stem.encode()) <= MOST_BYTES for stem in stems.values())


def test_a_later_image_changes_no_earlier_name(lab):
    before = stems_of(lab.project.images.all())
    ImageFactory(project=lab.project, name="Präparat 1.png")
    after = stems_of(lab.project.images.all())
    assert {key: after[key] for key in before} == before


def test_every_archive_unpacks_with_a_name_of_251_letters(lab, tmp_path):
    ImageFactory(project=lab.project, name="n" * 251 + ".png")
    for layout in ("labels", "geojson"):
        folder = exported_folder(lab.project, layout, tmp_path)
        rows = list(csv.DictReader((folder / "images.csv").read_text().splitlines()))
        assert rows[1]["name"] == "n" * 251 + ".png" and len(rows[1]["file"]) < 130


# -- COCO


def test_coco_ids_count_from_1_in_the_order_of_the_classes(lab):
    coco = exported_coco(lab.project)
    names = [(category["id"], category["name"]) for category in coco["categories"]]
    assert names == [(1, "tumour"), (2, "=stroma"), (3, "unclassified")]
    assert [a["category_id"] for a in coco["annotations"]] == [2, 1, 3]
    assert [a["id"] for a in coco["annotations"]] == [1, 2, 3]
    assert coco["images"][0]["id"] == 1


def test_coco_holds_boxes_regions_and_facts(lab):
    coco = exported_coco(lab.project)
    (image,) = coco["images"]
    masked, box, unclear = coco["annotations"]
    expected = {"file_name": "Präparat 1.tif", "name": "Präparat 1.tif", "split": "val", "um_per_px": 0.25}
    assert expected.items() <= image.items()
    assert image["patient"] == "slide 7"
    assert image["log"]
    assert [r["kind"] for r in image["regions"]] == ["fully_annotated", "ignore"]
    assert box["bbox"] == [30, 20, 14, 20]
    assert box["segmentation"] == []
    assert unclear["iscrowd"] == 1
    assert coco_mask.area(unclear["segmentation"]) == 16
    assert coco_mask.area(masked["segmentation"]) == masked["area"] == 20


def test_pycocotools_reads_both_kinds_of_segmentation(lab, tmp_path):
    for segmentation in ("rle", "polygons"):
        path = tmp_path / f"{segmentation}.json"
        path.write_bytes(exported_bytes(lab.project, "coco", include=["masks"], segmentation=segmentation))
        coco = COCO(str(path))
        (annotation,) = coco.loadAnns(coco.getAnnIds())
        expected = np.zeros((48, 64), np.uint8)
        expected[11:15, 12:17] = 1
        assert (coco.annToMask(annotation) == expected).all()


@settings(max_examples=150, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))).filter(lambda bits: bits.any()))
def test_polygons_that_are_cut_open_are_filled_to_the_mask(bits):
    rings = [flat(cut_open(part)) for part in polygons_of(BoxMask(0, 0, bits))]
    again = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(rings, *bits.shape)))
    assert (again.astype(bool) == bits).all()


def test_rejected_and_open_proposals_stand_apart_from_the_truth():
    study = make_study()
    three = proposals(3)
    publish(
        round_=study.round,
        image=study.image,
        proposals=three,
        **STATEMENTS,
    )
    accept(study.image, study.people["owner"], three[0])
    reject(study.image, study.people["owner"], three[1])
    coco = exported_coco(study.project, include=EVERYTHING)
    assert [len(coco[name]) for name in ("annotations", "rejected", "proposals")] == [3, 1, 1]
    assert coco["rejected"][0]["reason"] == "not_a_cell" and coco["proposals"][0]["uid"] == str(three[2].uid)
    assert "proposals" not in exported_coco(study.project), "only when asked for"


# -- label maps


def cells_with(*masks: BoxMask) -> list[ExportedCell]:
    return [ExportedCell(uuid.uuid4(), Part.MASKS, (0, 0, 1, 1), m, None, "") for m in masks]


def test_overlapping_cells_keep_all_their_pixels_on_pages_of_their_own():
    square = np.ones((4, 4), bool)
    made = label_map(cells_with(BoxMask(0, 0, square), BoxMask(2, 2, square), BoxMask(10, 10, square)), 20, 20)
    assert (made.page_of, made.suffix) == ([0, 1, 0], "tif") and "2 pages" in made.stored_as
    pages = tifffile.imread(io.BytesIO(made.encoded()))
    assert pages.dtype == np.uint16 and [int((pages == n).sum()) for n in (1, 2, 3)] == [16, 16, 16]


def test_65536_cells_take_32_bits_and_every_id_is_there():
    one = np.ones((1, 1), bool)
    cells = cells_with(*(BoxMask(n % 300, n // 300, one) for n in range(65_536)))
    made = label_map(cells, 300, 300)
    page = tifffile.imread(io.BytesIO(made.encoded()))
    assert page.dtype == np.uint32 and page.max() == 65_536 and len(np.unique(page)) == 65_537


def test_the_tables_name_classes_and_no_name_becomes_a_formula(lab, tmp_path):
    folder = exported_folder(lab.project, "labels", tmp_path)
    (row,) = csv.DictReader((folder / "cells.csv").read_text().splitlines())
    assert (row["class_id"], row["class"], row["file"]) == ("2", "'=stroma", "labels/Präparat 1.png")
    assert (folder / "images" / "Präparat 1.png").is_file(), "a label map goes with its image"


def test_the_same_work_gives_the_same_bytes(lab):
    for layout in ("coco", "geojson", "labels"):
        assert exported_bytes(lab.project, layout) == exported_bytes(lab.project, layout)


# -- and back


def test_an_export_trains_as_the_project_does(lab, tmp_path):
    path = tmp_path / "export.zip"
    path.write_bytes(exported_bytes(lab.project, "labels"))
    dataset = open_dataset(path)
    assert dataset.split("val") == ("Präparat 1",) and dataset.split("train") == ()
    sample = dataset.sample("Präparat 1", with_labels=True)
    assert sample.boxes.tolist() == [[12, 11, 17, 15], [30, 20, 44, 40]] and sample.classes.tolist() == [1, 0]
    assert not sample.valid[5, 55] and not sample.valid[2, 2] and sample.valid[30, 5]
    assert sample.labels.max() == 1


def test_an_export_becomes_a_project_with_masks_classes_and_regions(lab, tmp_path):
    drawn(lab, cell(mask=mask(14, 12, 5, 4), box=(14, 12, 19, 16)))  # overlaps the first
    path = tmp_path / "export.zip"
    path.write_bytes(exported_bytes(lab.project, "labels"))
    again = load_dataset(owner=lab.user, path=path, say=lambda text: None)
    assert again != lab.project and load_dataset(owner=lab.user, path=path, say=lambda text: None) == again
    before, after = exported_coco(lab.project), exported_coco(again)
    assert [c["name"] for c in after["categories"]] == [c["name"] for c in before["categories"]]
    kept = ("category_id", "segmentation", "bbox", "iscrowd")

    def shapes(coco):
        return sorted(json.dumps({name: a[name] for name in kept}) for a in coco["annotations"])

    assert shapes(after) == shapes(before)
    facts = ("name", "split", "um_per_px", "patient", "width", "height")
    assert [{f: i[f] for f in facts} for i in after["images"]] == [{f: i[f] for f in facts} for i in before["images"]]


def test_evaluate_takes_two_exports(lab, tmp_path, capsys):
    from inference.commands.evaluate import main

    path = tmp_path / "export.zip"
    path.write_bytes(exported_bytes(lab.project, "labels"))
    assert main([str(path), str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mean"]["dice"] == 1


# -- bad requests


@pytest.mark.parametrize(
    ("layout", "query", "field"),
    [
        ("jpeg", "", "layout"),
        ("coco", "include=everything", "include.0"),
        ("coco", "segmentation=png", "segmentation"),
        ("coco", "images=perhaps", "images"),
    ],
)
def test_a_wrong_word_is_refused_by_name(lab, layout, query, field):
    answer = signed_in(lab.user).get(f"{reverse('export', args=[lab.project.pk, layout])}?{query}")
    assert answer.status_code == 422 and is_named(field, answer.json()["field"])


def test_a_request_survives_its_row():
    wanted = ExportRequest.of("coco", include=["boxes", "masks"], segmentation="polygons", pictures="1")
    assert ExportRequest.from_json(json.loads(json.dumps(wanted.as_json()))) == wanted


def test_a_zip_that_would_fill_the_disk_is_refused(tmp_path):
    from inference.archives import folder_of
    from inference.types import InferenceError

    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("dataset.json", b"0" * 2**27)
    with pytest.raises(InferenceError, match="far more than an export has"):
        folder_of(path)


def test_safe_stem_keeps_a_plain_name():
    assert safe_stem("TCGA-18-5592-01Z-00-DX1.tif") == "TCGA-18-5592-01Z-00-DX1"
