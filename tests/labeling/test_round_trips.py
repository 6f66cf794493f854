"""What the site exports goes back in as it is: to boxwise train, predict and evaluate, and to other people's tools."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from django.urls import reverse
from shapely.geometry import shape

from inference.commands import evaluate, predict, train
from inference.datasets import open_dataset, read_labels
from inference.detectors import centre
from inference.segmenters import unet
from inference.types import InferenceError
from inference.worker import tasks
from labeling.exchange.datasets import load_dataset
from labeling.exchange.seeding import CannotLoad
from labeling.rounds.execution.services import start_round
from labeling.rounds.models import Round
from tests.factories import UserFactory
from tests.labeling.exports import exported_bytes, exported_coco, exported_folder
from tests.labeling.operations import cell, mask, region
from tests.labeling.pages import draw, make_study, signed_in
from tests.labeling.rounds import run_all, small_project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def short_trainings(monkeypatch, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    for module in (centre, unet):
        few = replace(module.PRESETS["tiny"].schedule, steps=4, epoch=2)
        monkeypatch.setitem(module.PRESETS, "tiny", replace(module.PRESETS["tiny"], schedule=few, batch=1))


@pytest.fixture
def lab():
    """A project whose image has two cells that overlap, with masks."""
    study = make_study()
    inner = cell(mask=mask(14, 12, 5, 4), box=(14, 12, 19, 16))
    draw(study.image, study.people["owner"], cell(mask=mask(12, 11, 5, 4), box=(12, 11, 17, 15)), inner, region())
    return study


def test_models_of_a_round_predict_and_an_export_trains_predicts_and_is_evaluated(
    short_trainings, sent, tmp_path, capsys
):
    owner = UserFactory()
    project = small_project(owner, fields=3)
    round_ = start_round(project=project, by=owner, preset="tiny")
    run_all(tasks.run_stage, sent)
    assert Round.objects.get(pk=round_.pk).state == Round.State.PUBLISHED
    models = tmp_path / "models.zip"
    answer = signed_in(owner).get(reverse("export-round", args=[round_.pk]))
    models.write_bytes(b"".join(answer.streaming_content))
    export = tmp_path / "export.zip"
    export.write_bytes(exported_bytes(project, "dataset"))
    pictures = exported_folder(project, "dataset", tmp_path) / "images"

    assert predict.main([str(models), str(pictures), "-o", str(tmp_path / "by the site")]) == 0
    assert train.main([str(export), "-o", str(tmp_path / "model"), "--preset", "tiny"]) == 0
    assert predict.main([str(tmp_path / "model"), str(pictures), "-o", str(tmp_path / "by the export")]) == 0
    names = sorted(path.name for path in pictures.glob("*.png"))
    assert len(names) == 3
    for made in ("by the site", "by the export"):
        assert sorted(path.name for path in (tmp_path / made / "labels").glob("*.png")) == names
        assert read_labels(tmp_path / made / "labels" / names[0]).shape == (128, 128)
    capsys.readouterr()
    assert evaluate.main([str(export), str(tmp_path / "by the site"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["images"]) == 3


def test_tifffile_reads_the_label_maps_of_cells_that_overlap(lab, tmp_path):
    folder = exported_folder(lab.project, "labels", tmp_path)
    (path,) = (folder / "labels").glob("*.tif")
    pages = tifffile.imread(path)
    assert pages.shape == (2, lab.image.height, lab.image.width)
    sizes = sorted(int((page > 0).sum()) for page in pages)
    assert sizes == sorted(len(np.flatnonzero(page)) for page in open_dataset(folder).label_pages(path.stem))


def test_shapely_reads_every_outline_of_the_export_with_its_area(lab, tmp_path):
    folder = exported_folder(lab.project, "geojson", tmp_path, include=("masks",))
    (path,) = folder.rglob("*.geojson")
    found = json.loads(path.read_text())["features"]
    shapes = [shape(feature["geometry"]) for feature in found]
    assert len(shapes) == 2 and all(one.is_valid for one in shapes)
    labels = open_dataset(exported_folder(lab.project, "labels", tmp_path)).label_pages(path.stem)
    assert sum(one.area for one in shapes) == sum(int((page > 0).sum()) for page in labels)


AS_THEY_ARE = [("coco", {"segmentation": "rle"}), ("coco", {"segmentation": "polygons"}), ("geojson", {})]


def export_file(project, layout, folder, **wanted):
    made = exported_bytes(project, layout, **wanted)
    path = folder / ("export.zip" if zipfile.is_zipfile(io.BytesIO(made)) else "export.json")
    path.write_bytes(made)
    return path


@pytest.mark.parametrize(("layout", "wanted"), AS_THEY_ARE)
def test_coco_and_geojson_are_the_same_data_set_as_label_maps(lab, tmp_path, layout, wanted):
    labels = open_dataset(exported_folder(lab.project, "labels", tmp_path))
    other = open_dataset(export_file(lab.project, layout, tmp_path, pictures="1", **wanted))
    assert other.names == labels.names and other.splits["train"] == labels.splits["train"]
    (name,) = labels.names
    here = labels.sample(name)
    there = other.sample(name)
    assert np.array_equal(here.rgb, there.rgb)
    assert np.array_equal(here.valid, there.valid)
    assert here.boxes.tolist() == there.boxes.tolist()
    assert here.classes.tolist() == there.classes.tolist()
    assert [(page > 0).sum() for page in labels.label_pages(name)] == [
        (page > 0).sum() for page in other.label_pages(name)
    ]


@pytest.mark.parametrize(("layout", "wanted"), AS_THEY_ARE)
def test_coco_and_geojson_become_a_project_as_label_maps_do(lab, tmp_path, layout, wanted):
    path = export_file(lab.project, layout, tmp_path, pictures="1", **wanted)
    made = load_dataset(owner=UserFactory(), path=path)
    parts = ("masks", "boxes", "regions", "cannot_tell")
    here, there = (exported_coco(project, include=parts) for project in (lab.project, made))
    kept = ("bbox", "segmentation", "category_id", "iscrowd")
    cells = []
    for document in (here, there):
        rows = [[one[key] for key in kept] for one in document["annotations"]]
        cells.append(sorted(rows, key=lambda row: row[0]))
    assert cells[0] == cells[1] and len(cells[0]) == 4
    regions = [[(one["kind"], one["bbox"]) for one in which["images"][0]["regions"]] for which in (here, there)]
    assert regions[0] == regions[1]
    facts = ("name", "split", "patient", "um_per_px", "width", "height")
    assert [here["images"][0][fact] for fact in facts] == [there["images"][0][fact] for fact in facts]


@pytest.mark.parametrize(("layout", "wanted"), AS_THEY_ARE)
@pytest.mark.parametrize("pictures", ["0", "1"])
def test_coco_and_geojson_are_evaluated_as_label_maps_are(lab, tmp_path, layout, wanted, pictures, capsys):
    labels = tmp_path / "labels.zip"
    labels.write_bytes(exported_bytes(lab.project, "labels"))
    other = export_file(lab.project, layout, tmp_path, pictures=pictures, **wanted)
    assert evaluate.main([str(labels), str(other), "--json"]) == 0
    (image,) = json.loads(capsys.readouterr().out)["images"].values()
    assert (image["dice"], image["pq"]) == (1, 1)


def test_boxes_alone_train(short_trainings, tmp_path):
    study = make_study()
    draw(study.image, study.people["owner"], cell(box=(12, 11, 17, 15)), region())
    path = export_file(study.project, "coco", tmp_path, pictures="1")
    sample = open_dataset(path).sample(open_dataset(path).names[0])
    assert len(sample.boxes) == 3 and [12, 11, 17, 15] in sample.boxes.tolist() and sample.valid.any()
    assert train.main([str(path), "-o", str(tmp_path / "model"), "--preset", "tiny"]) == 0


@pytest.mark.parametrize("layout", ["coco", "geojson"])
def test_an_export_without_its_images_says_so(lab, tmp_path, layout, capsys):
    path = export_file(lab.project, layout, tmp_path)
    with pytest.raises(InferenceError, match=rf"{path.name} holds no images; export it again with the images"):
        open_dataset(path)
    assert train.main([str(path), "-o", str(tmp_path / "model"), "--preset", "tiny"]) == 1
    assert "with the images" in capsys.readouterr().err
    with pytest.raises(CannotLoad, match="with the images"):
        load_dataset(owner=UserFactory(), path=path)
