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
from labeling.images.models import Image
from labeling.rounds.execution.services import start_round
from labeling.rounds.models import Round
from tests.factories import UserFactory
from tests.labeling.exports import exported_bytes, exported_folder
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
    export.write_bytes(exported_bytes(project, "labels"))
    pictures = exported_folder(project, "labels", tmp_path) / "images"

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


@pytest.mark.parametrize(
    ("layout", "wanted"), [("coco", {}), ("coco", {"pictures": "1"}), ("geojson", {}), ("geojson", {"pictures": "1"})]
)
def test_what_does_not_hold_label_maps_is_declined_with_the_export_that_does(lab, tmp_path, layout, wanted, capsys):
    made = exported_bytes(lab.project, layout, **wanted)
    path = tmp_path / ("export.zip" if zipfile.is_zipfile(io.BytesIO(made)) else "export.json")
    path.write_bytes(made)
    with pytest.raises(InferenceError, match=rf"{path.name} has no dataset.json.*export “Label maps”"):
        open_dataset(path)
    assert train.main([str(path), "-o", str(tmp_path / "model"), "--preset", "tiny"]) == 1
    assert "Label maps" in capsys.readouterr().err
    assert not Image.objects.filter(project__name="export").exists()
