"""Bad luck in a round: a full disk, a broken image, a diverging loss, damaged weights, hardly any data."""

import errno
import json
from dataclasses import replace
from datetime import timedelta

import pytest
import torch
from django.core.files.base import ContentFile
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from inference.detectors import centre
from inference.segmenters import unet
from inference.synthetic import tissue
from inference.worker import tasks
from labeling.images.models import Image, Split
from labeling.rounds.execution.services import retry_round, start_round
from labeling.rounds.models import Artifact, ModelVersion, Publication, Round, Stage, StageLine, Tuning
from labeling.rounds.reference import lock
from labeling.rounds.results.tuning import request_tuning
from labeling.rounds.weights.starting import Start
from labeling.site.overview import count
from labeling.site.round_progress import Pace, pace_of
from labeling.site.suggestions import next_images
from tests.factories import UserFactory
from tests.labeling.rounds import annotate, run_all, small_project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def short_round(sent, monkeypatch, settings, tmp_path):
    """Two steps of training; a work folder of this test's own; nothing reaches the broker."""
    settings.DATA_DIR = tmp_path
    for trainer in (centre, unet):
        few = replace(trainer.PRESETS["tiny"].schedule, steps=2, epoch=1)
        monkeypatch.setitem(trainer.PRESETS, "tiny", replace(trainer.PRESETS["tiny"], schedule=few, batch=1))


@pytest.fixture
def owner():
    return UserFactory()


def finished(project, owner, sent, **options):
    round_ = start_round(project=project, by=owner, preset="tiny", **options)
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    return round_


def test_a_round_leaves_models_figures_and_a_queue_behind_and_its_settings_can_be_tried(owner, sent, client):
    project = small_project(owner)
    round_ = finished(project, owner, sent, changes={"lam": 3})
    assert round_.state == Round.State.PUBLISHED
    models = {m.kind: m for m in ModelVersion.objects.all()}
    assert set(models) == {"detector", "segmenter"}
    facts = round_.stages.get(kind="evaluation").artifact.facts
    assert models["detector"].metrics["box_ap50"] == facts["box_ap50"]
    settings_used = round_.stages.get(kind="detector").artifact.facts["settings"]
    assert settings_used["schedule"]["steps"] == 2 and settings_used["nms"] == 0.5
    assert "processor time" in " ".join(StageLine.objects.values_list("text", flat=True))

    # The image that nobody annotated is the one to look at next; the others are not asked for.
    unseen = project.images.order_by("position").last()
    counts = count(images=project.images.order_by(), user=owner, per="image")
    assert {image: w.place for image, w in next_images(project, counts).items()} == {unseen.pk: 1}
    client.force_login(owner)
    page = client.get(reverse("project-images", args=[project.pk]) + "?order=suggested&by=unheard-of").content.decode()
    assert "suggested next" in page and "the two models disagree about" in page

    # Oracle of tuning: where it moves nothing, it must find what the evaluation found.
    asked = request_tuning(round_=round_, by=owner)
    tasks.tune_round(asked.pk)
    asked.refresh_from_db()
    assert asked.state == Tuning.State.DONE, asked.error
    own = [r for r in asked.result["rows"] if r["value"] == asked.result["base"][r["parameter"]]]
    assert {r["parameter"] for r in own} == {"threshold", "grid", "lam", "theta", "components", "trust"}
    assert {r["pq"] for r in own} == {facts["masks"]["fused"]["pq"]}
    assert 3.0 in [r["value"] for r in own]
    page = client.get(round_.get_absolute_url()).content.decode()
    assert "best PQ" in page and "this round" in page and "fusion.lam" in page


def test_a_warm_start_trains_on_from_the_current_models(owner, sent, monkeypatch):
    project = small_project(owner)
    first = finished(project, owner, sent)
    seen = []
    real = centre.CentrePoint.train

    def train(self, *args, start_from=None, **kwargs):
        seen.append(start_from.read_bytes() if start_from else None)
        return real(self, *args, start_from=start_from, **kwargs)

    monkeypatch.setattr(centre.CentrePoint, "train", train)
    second = finished(project, owner, sent, start={"detector": Start("current")})
    assert second.state == Round.State.PUBLISHED
    weights = first.stages.get(kind="detector").artifact
    assert seen == [weights.file.open().read()]
    assert ModelVersion.objects.get(kind="detector", number=2).parent.artifact == weights


def test_a_full_disk_leaves_no_half_artifact_and_retry_goes_on(owner, sent, monkeypatch):
    project = small_project(owner)
    round_ = start_round(project=project, by=owner, preset="tiny")
    storage = Artifact._meta.get_field("file").storage
    save = storage.save
    written = []

    def full(name, content, max_length=None):
        written.append(save(name, ContentFile(content.read(10))))
        raise OSError(errno.ENOSPC, "No space left on device")

    stage = round_.stages.get(kind="pseudo_masks")
    with monkeypatch.context() as patched:
        patched.setattr(storage, "save", full)
        tasks.run_stage(stage.pk)
    sent.clear()
    stage.refresh_from_db()
    assert (stage.state, stage.error) == ("failed", "The disk is full. Make room, then retry.")
    assert not Artifact.objects.exists()
    assert len(written) == 1 and not storage.exists(written[0])
    tasks.run_stage(round_.stages.get(kind="detector").pk)  # ends: the round is failing
    retry_round(round_=Round.objects.get(pk=round_.pk))
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED


def test_one_broken_image_among_others_gets_a_reason_and_the_round_goes_on(owner, sent):
    project = small_project(owner, fields=4)
    first, last = project.images.order_by("position").first(), project.images.order_by("position").last()
    for image in (first, last):  # one that teaches, one that waits for proposals
        with open(image.pixels.path, "r+b") as file:
            file.truncate(200)
    round_ = finished(project, owner, sent)
    assert round_.state == Round.State.PUBLISHED, round_.error
    published = set(Publication.objects.filter(round=round_).values_list("image", flat=True))
    assert published == set(project.images.values_list("pk", flat=True)) - {first.pk, last.pk}
    printed = " ".join(StageLine.objects.filter(stage__round=round_).values_list("text", flat=True))
    assert f"image {last.pk} is left out" in printed and f"image {first.pk} teaches nothing" in printed
    assert round_.stages.get(kind="prediction").artifact.facts["unreadable_images"] == 2


def test_a_loss_that_is_not_a_number_names_epoch_and_batch(owner, sent, monkeypatch):
    project = small_project(owner)
    monkeypatch.setattr(unet, "loss", lambda model, batch: torch.tensor(float("nan")))
    round_ = finished(project, owner, sent)
    assert round_.state == Round.State.FAILED
    assert "the loss became nan in epoch 1, batch 1" in round_.error


def test_weights_with_a_wrong_hash_predict_nothing(owner, sent):
    project = small_project(owner)
    round_ = start_round(project=project, by=owner, preset="tiny")
    for kind in ("pseudo_masks", "detector", "segmenter"):
        tasks.run_stage(round_.stages.get(kind=kind).pk)
    weights = Artifact.objects.get(kind="detector")
    with open(weights.file.path, "r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    tasks.run_stage(round_.stages.get(kind="prediction").pk)
    stage = round_.stages.get(kind="prediction")
    assert stage.state == Stage.State.FAILED and "damaged (its hash does not fit)" in stage.error


def test_one_image_with_one_box_and_no_validation(owner, sent):
    project = small_project(owner, fields=2)
    Image.objects.filter(project=project).exclude(pk=project.images.last().pk).delete()
    Image.objects.update(split=Split.TRAIN)
    annotate(project.images.get(), owner, tissue(128, 128, 14, seed=1).boxes[:1])  # the picture of the last field
    round_ = finished(project, owner, sent)
    assert round_.state == Round.State.PUBLISHED, round_.error
    facts = round_.stages.get(kind="evaluation").artifact.facts
    assert "nothing is measured yet" in facts["sentence"] and "box_ap50" not in facts
    assert Publication.objects.get(round=round_).certificate["closed"]


def test_a_round_whose_configuration_cannot_be_fails_in_its_first_stage_with_every_fault(owner, sent):
    """A form that took what the engine declines would lose the training; rows may also be older than the bounds."""
    round_ = start_round(project=small_project(owner), by=owner, preset="tiny")
    round_.configuration["fusion"]["components"] = 9
    round_.configuration["detector"] |= {"name": "yolo", "change": {"steps": 3}}
    round_.save()
    tasks.run_stage(round_.stages.get(kind="detector").pk)
    stage = round_.stages.get(kind="detector")
    assert "fusion.components must be between 1 and 8, not 9" in stage.error
    assert "the detector 'yolo' has no setting 'steps'" in stage.error


def test_evaluation_keeps_its_figures_image_by_image(owner, sent):
    project = small_project(owner)
    round_ = finished(project, owner, sent)
    artifact = round_.stages.get(kind="evaluation").artifact
    (row,) = json.load(artifact.file.open())["per_image"]
    assert row["image"] == project.images.get(split=Split.VAL).pk
    assert row["pq"] == pytest.approx(artifact.facts["masks"]["fused"]["pq"], abs=1e-4)
    assert row["box_ap50"] == pytest.approx(artifact.facts["box_ap50"])


def test_a_test_split_judges_instead_of_validation_and_looks_are_counted(owner, sent, client):
    project = small_project(owner, fields=4)
    tested = project.images.order_by("position")[1]  # annotated; the third is for validation
    validation = project.images.get(split=Split.VAL)
    Image.objects.filter(pk=tested.pk).update(split=Split.TEST, reference=validation.reference.name)
    lock(project=project, by=owner, origin="exact")
    round_ = finished(project, owner, sent)
    artifact = round_.stages.get(kind="evaluation").artifact
    assert artifact.facts["split"] == "test"
    assert [row["image"] for row in json.load(artifact.file.open())["per_image"]] == [tested.pk]
    client.force_login(owner)
    assert "looked at 1 time;" in client.get(round_.get_absolute_url()).content.decode()


@override("en")
def test_pace_tells_units_a_second_and_what_is_left():
    now = timezone.now()
    stage = Stage(kind="prediction", state="running", done=5, total=20, started_at=now - timedelta(seconds=10))
    stage.attempts = 1
    left = timedelta(seconds=30)
    assert pace_of(stage, now) == Pace("0.500 images/s", left, now + left)
    stage.attempts = 2  # its first worker's units would count as done in a moment
    assert pace_of(stage, now) is None
    stage.usage = {"made": 2, "seconds": 8.0}  # of the second worker alone
    assert pace_of(stage, now) == Pace("0.250 images/s", 2 * left, now + 2 * left)
    stage.kind = "detector"
    assert pace_of(stage, now).words == "4 s per epoch"
