"""Exports in the formats of other tools, as tables of cells and as data sets: what was drawn comes back, what cannot is
listed."""

import csv
import hashlib
import io
import json
import math
import time
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import shapely
import yaml

from inference.datasets import open_dataset
from inference.formats import read
from inference.formats.geometry import mask_of
from inference.formats.losses import Property
from inference.formats.registry import BOTH_WAYS, format_named
from inference.measurements import shape_of, stain_means
from inference.types import BoxMask
from labeling.annotations.models import Annotation
from labeling.annotations.services import working_layer, write_operations
from labeling.exchange.exporting import WRITERS, write_export
from labeling.exchange.request import OWN, TOOLS, ExportRequest, Layout
from labeling.exchange.tool_formats import LOST
from labeling.images.patients import Centre, Patient
from labeling.site.export_views import LAYOUT_NAMES
from tests.factories import ImageFactory, LabelClassFactory, MembershipFactory
from tests.labeling.exports import EVERYTHING, exported_bytes, exported_folder
from tests.labeling.operations import cell, effect, mask, operation, region
from tests.labeling.pages import make_study, proposals, signed_in

pytestmark = pytest.mark.django_db
WIDTH, HEIGHT = 64, 48
WITHOUT_MASKS = {"voc"}  # formats that have boxes alone


@pytest.fixture
def lab() -> SimpleNamespace:
    """A project with two images of one size; the first has two cells with masks, a box, one that nobody could tell."""
    member = MembershipFactory(role="owner")
    tumour = LabelClassFactory(project=member.project, name="tumour", position=1, color="#c80010")
    image = ImageFactory(project=member.project, name="Präparat 1.tif", um_per_px=0.25, split="val")
    ImageFactory(project=member.project, name="empty.png", split="train")
    lab = SimpleNamespace(project=member.project, user=member.user, image=image, tumour=tumour)
    states = [
        cell(mask=mask(12, 11, 5, 4), box=(12, 11, 17, 15), label_class=tumour.pk),
        cell(mask=mask(2, 30, 8, 6), box=(2, 30, 10, 36)),
        cell(box=(30, 20, 44, 40), label_class=tumour.pk),
        cell(box=(1, 1, 5, 5), status="cannot_tell"),
        region((0, 0, 64, 48)),
    ]
    layer = working_layer(image=image, user=member.user)
    lab.uids = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(len(states))]
    acts = [operation(effect(uid, state)) for uid, state in zip(lab.uids, states, strict=True)]
    _, verdicts = write_operations(layer=layer, author=member.user, operations=acts)
    assert {verdict.verdict for verdict in verdicts} == {"accepted"}
    return lab


def test_every_format_that_is_written_is_an_export():
    assert {str(layout) for layout in TOOLS} == set(BOTH_WAYS) - {"coco", "geojson"}
    assert set(WRITERS) == OWN
    assert set(LAYOUT_NAMES) == set(Layout)
    assert set(LOST) == set(Property)


@pytest.mark.parametrize("layout", sorted(TOOLS))
def test_an_export_is_read_back_and_says_what_is_lost(lab, layout, tmp_path, monkeypatch):
    path = tmp_path / "export.zip"
    written = write_export(lab.project, ExportRequest.of(layout), path)
    with zipfile.ZipFile(path) as archive:
        assert len(set(archive.namelist())) == len(archive.namelist())
        archive.extractall(tmp_path / "files")
    sizes = {"Präparat 1": (WIDTH, HEIGHT), "empty": (WIDTH, HEIGHT)}
    back = read(tmp_path / "files", format=layout, sizes=sizes).annotations
    assert len(back.images) == 2
    keeps = format_named(layout).keeps
    boxes = [one for one in back.each() if mask_of(one.geometry) is None]
    masks = [one for one in back.each() if mask_of(one.geometry) is not None]
    if layout in WITHOUT_MASKS:
        assert len(boxes) == 3
    else:
        drawn = {(2, 30, 6, 8), (12, 11, 4, 5)}
        found = {(m.x, m.y, *m.bits.shape) for m in (mask_of(one.geometry) for one in masks) if m.bits.all()}
        assert drawn <= found
    notes = " ".join(written.notes)
    for what in (Property.CLASSES, Property.SCALE, Property.IDS, Property.CROWDS, Property.REGIONS):
        assert (str(LOST[what]) in notes) == (what not in keeps), what
    again = tmp_path / "again.zip"
    tomorrow = time.time() + 86_400
    monkeypatch.setattr(time, "time", lambda: tomorrow)
    write_export(lab.project, ExportRequest.of(layout), again)
    assert again.read_bytes() == path.read_bytes(), "the same work gives the same bytes"


def test_yolo_puts_each_image_into_the_folder_of_its_split(lab, tmp_path):
    folder = exported_folder(lab.project, "yolo", tmp_path, pictures="1")
    files = {str(file.relative_to(folder)) for file in folder.rglob("*.*")}
    assert {
        "labels/val/Präparat 1.txt", "images/val/Präparat 1.png", "labels/train/empty.txt", "images/train/empty.png",
    } <= files  # fmt: skip
    about = yaml.safe_load((folder / "data.yaml").read_text())
    assert (about["train"], about["val"]) == ("images/train", "images/val")
    assert about["names"] == {0: "tumour", 1: "unclassified"}


def test_yolo_never_names_test_images_as_what_trains(lab, tmp_path):
    lab.project.images.update(split="test")
    about = yaml.safe_load((exported_folder(lab.project, "yolo", tmp_path) / "data.yaml").read_text())
    assert about["test"] == "images/test"
    assert "images/test" not in (about["train"], about["val"])


def test_proposals_never_pass_for_cells(tmp_path):
    study = make_study()
    from labeling.rounds.results.publishing import publish
    from tests.documents import STATEMENTS

    publish(round_=study.round, image=study.image, proposals=proposals(3), **STATEMENTS)
    path = tmp_path / "export.zip"
    written = write_export(study.project, ExportRequest.of("labelme", include=EVERYTHING), path)
    with zipfile.ZipFile(path) as archive:
        shapes = sum(len(json.loads(archive.read(n))["shapes"]) for n in archive.namelist() if n.endswith(".json"))
    with_proposals = write_export(study.project, ExportRequest.of("coco", include=EVERYTHING), path).cells
    assert shapes == with_proposals - 3
    assert any("3 rejected or open proposals are left out" in note for note in written.notes)


def test_what_a_format_cannot_hold_at_all_is_declined_with_the_remedy(lab):
    ImageFactory(project=lab.project, name="large.png", width=100, height=80)
    answer = signed_in(lab.user).get(f"/api/v1/projects/{lab.project.pk}/export/pannuke/")
    assert answer.status_code == 422
    assert "images of one size" in answer.json()["detail"] and answer.json()["field"] == "layout"


# -- tables of cells


def rows_of(content: bytes) -> list[dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return list(csv.DictReader(archive.read("cells.csv").decode().splitlines()))


def test_a_row_a_cell_with_its_measurements(lab):
    rows = rows_of(exported_bytes(lab.project, "csv"))
    masked, other, box, _ = rows
    assert [row["status"] for row in rows] == ["masks", "masks", "boxes", "cannot_tell"]
    assert (masked["class"], masked["class_id"], other["class"]) == ("tumour", "1", "")
    assert masked["area_px"] == "20" and float(masked["area_um2"]) == pytest.approx(20 * 0.0625)
    assert shapely.from_wkt(masked["geometry"]).equals(shapely.box(12, 11, 17, 15))
    assert shapely.from_wkt(box["geometry"]).equals(shapely.box(30, 20, 44, 40)) and box["area_px"] == ""
    assert masked["author"] == lab.user.display_name and float(masked["mean_haematoxylin"]) is not None
    assert float(masked["seconds"]) > 0


def test_parquet_holds_the_same_and_is_geoparquet(lab, tmp_path):
    from pyarrow import parquet

    folder = exported_folder(lab.project, "parquet", tmp_path)
    table = parquet.read_table(folder / "cells.parquet")
    rows = rows_of(exported_bytes(lab.project, "csv"))
    assert table.column("uid").to_pylist() == [row["uid"] for row in rows]
    assert table.column("area_px").to_pylist() == [int(row["area_px"]) if row["area_px"] else None for row in rows]
    shapes = [shapely.from_wkb(one).wkt for one in table.column("geometry").to_pylist()]
    assert shapes == [row["geometry"] for row in rows]
    about = json.loads(table.schema.metadata[b"geo"])
    assert about["primary_column"] == "geometry" and about["columns"]["geometry"]["crs"] is None


def disc(radius: float) -> BoxMask:
    middle = math.ceil(radius) + 1
    y, x = np.mgrid[: 2 * middle + 1, : 2 * middle + 1]
    return BoxMask(0, 0, (x - middle) ** 2 + (y - middle) ** 2 <= radius**2)


@pytest.mark.parametrize("radius", [8, 12.5, 20, 40])
def test_a_disc_is_round(radius):
    shape = shape_of(disc(radius))
    assert shape.area == pytest.approx(math.pi * radius**2, rel=0.03)
    assert shape.perimeter == pytest.approx(2 * math.pi * radius, rel=0.04)
    assert shape.circularity == pytest.approx(1, abs=0.1)


def test_a_long_shape_is_not_round():
    assert shape_of(BoxMask(0, 0, np.ones((4, 40), bool))).circularity < 0.4


@pytest.mark.parametrize("stain", [0, 1, 2])
def test_a_pure_stain_is_found_as_much_as_it_is(stain):
    """The picture is made from the densities of Ruifrok and Johnston, so each stain must come out alone."""
    from inference.measurements import DENSITIES

    direction = DENSITIES[stain] / np.linalg.norm(DENSITIES[stain])
    colour = np.rint(255 * 10 ** (-0.6 * direction)).astype(np.uint8)
    rgb = np.broadcast_to(colour, (20, 30, 3))
    means = stain_means(rgb, BoxMask(5, 6, np.ones((4, 7), bool)))
    assert means == pytest.approx(np.eye(3)[stain] * 0.6, abs=0.02)


# -- data sets


def test_a_data_set_has_a_card_checksums_and_a_version(lab, tmp_path):
    path = tmp_path / "set.zip"
    written = write_export(lab.project, ExportRequest.of("dataset"), path)
    folder = exported_folder(lab.project, "dataset", tmp_path)
    about = json.loads((folder / "dataset.json").read_text())
    assert written.file_name.endswith(f"{about['version'][:12]}-dataset.zip")
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    listed = {line.partition("  ")[2] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert listed == present - {"SHA256SUMS"}, "a file without a checksum may change unnoticed"
    assert {"README.md", "dataset.json", "images/empty.png", "labels/empty.png", "cells.csv", "classes.csv"} <= listed
    _, header, card = (folder / "README.md").read_text().split("---\n", 2)
    metadata = yaml.safe_load(header)
    assert metadata["task_categories"] == ["image-segmentation"] and metadata["pretty_name"] == lab.project.name
    assert about["version"] in card and "| val | 1 | 0 | 2 | 1 |" in card and "| tumour | 1 |" in card
    assert open_dataset(path).split("val") == ("Präparat 1",)


@pytest.fixture
def card(lab, tmp_path):
    """The text of the card as a function."""
    return lambda: (exported_folder(lab.project, "dataset", tmp_path) / "README.md").read_text()


def test_the_card_does_not_promise_independent_splits_of_a_divided_patient(lab, card):
    assert "Images without a known patient: 2." in card()
    patient = Patient.objects.create(project=lab.project, name="P1", split=None)
    lab.project.images.update(patient=patient)
    assert "Patients whose images stand in several splits: 1." in card()
    lab.project.images.update(split="val")
    assert "Images of one patient are all in one split." in card()


def test_patients_of_one_name_at_two_centres_are_two(lab, card):
    lab.project.images.update(split="val")
    for image, centre in zip(lab.project.images.all(), ("north", "south"), strict=True):
        place = Centre.objects.create(project=lab.project, name=centre)
        image.patient = Patient.objects.create(project=lab.project, centre=place, name="P1", split="val")
        image.save()
    assert "| val | 2 | 2 |" in card()


def test_the_version_changes_with_what_the_data_set_holds(lab, tmp_path):
    def version() -> str:
        folder = exported_folder(lab.project, "dataset", tmp_path)
        return str(json.loads((folder / "dataset.json").read_text())["version"])

    before = version()
    assert version() == before
    lab.image.split = "test"
    lab.image.save()
    assert version() != before
    moved = version()
    assert moved != before
    lab.tumour.name = "carcinoma"
    lab.tumour.save()
    renamed = version()
    assert renamed != moved, "dataset.json names the classes"
    Annotation.objects.filter(layer__image=lab.image, uid=lab.uids[0]).update(attributes={"Mitosis": "yes"})
    assert version() != renamed, "cells.csv has the attributes"
