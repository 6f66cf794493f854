"""Own weights: taken elsewhere and back, checked, started from, used as they are, and refused with the reason."""

import io
import json
import zipfile
from dataclasses import asdict, replace
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from inference.detectors import centre
from inference.documents.configuration import Prompter
from inference.documents.stage_reports import TrainingFacts
from inference.methods import boxcell
from inference.pipeline.units import InstanceUnit, read_unit
from inference.segmenters import unet
from inference.synthetic import tissue
from inference.weights import files, sha256, shipped
from inference.worker import tasks
from inference.worker.needs import memory_needed
from labeling.errors import Invalid, WrongState
from labeling.images.models import Split
from labeling.images.services import add_image
from labeling.projects.services import create_project
from labeling.rounds import artifacts
from labeling.rounds.configuration import configure, queue_of
from labeling.rounds.execution.services import start_round
from labeling.rounds.models import ModelVersion, Round, RoundPolicy, Stage, StageLine, WeightsImport
from labeling.rounds.results.comparison import compare, learned_from
from labeling.rounds.results.export import card, export_round
from labeling.rounds.snapshots import NothingToLearn
from labeling.rounds.weights import importing
from labeling.rounds.weights.promotion import models_of
from labeling.rounds.weights.starting import Start, licences
from tests.documents import snapshot_image, snapshot_of
from tests.factories import UserFactory
from tests.labeling.pages import signed_in, toasts
from tests.labeling.rounds import png_of, run_all, small_project

pytestmark = pytest.mark.django_db(transaction=True)
AS_IS = {kind: Start(as_is=True) for kind in ("detector", "segmenter")}


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
    assert round_.state == Round.State.PUBLISHED, round_.error
    return round_


@pytest.fixture
def detector(tmp_path):
    """Makes a detector that nobody trained, as an upload."""

    def make(classes=1, name="mine.safetensors", **about):
        torch.manual_seed(7)
        reported = {"model": "centre-1", "classes": classes, "settings": asdict(centre.CentreSettings())} | about
        path = files.save(tmp_path / "made" / name, centre.CentreNet(classes).state_dict(), reported)
        return SimpleUploadedFile(name, path.read_bytes())

    return make


def brought(project, owner, sent, *uploads, licence="CC BY-NC 4.0"):
    """Imported and checked."""
    made = importing.import_weights(project=project, by=owner, files=uploads, data_licence=licence)
    (message,) = [one for one in sent if one.task == "inference.check_weights"]
    sent.remove(message)
    tasks.check_weights(**message.arguments)
    made.refresh_from_db()
    return made


def used(made: WeightsImport) -> dict[str, Start]:
    return {version.kind: Start(str(version.pk), as_is=True) for version in made.versions.all()}


def labels(round_, image):
    artifact = round_.stages.get(kind="instances").artifact
    return read_unit(InstanceUnit, tasks.local_file(artifact.file.name), image.pk)["labels"]


def elsewhere(owner, made, *, classes=("nucleus",)):
    """Another project with one image, of which nobody has annotated anything."""
    project = create_project(owner=owner, name="elsewhere", classes=classes)
    return project, add_image(project=project, name="same.png", content=png_of(made.rgb), synthetic=True)


@pytest.mark.timeout(900)  # two rounds, and the fusion is compiled where it was not yet
def test_a_round_goes_elsewhere_and_proposes_there_what_it_proposed_here(owner, sent, tmp_path):
    project = small_project(owner)
    RoundPolicy.objects.create(project=project, data_licence="CC0")
    round_ = finished(project, owner, sent)
    path = export_round(round_=round_, path=tmp_path / "round.zip")
    other, image = elsewhere(owner, tissue(128, 128, 14, seed=2))  # the image of the project that nobody annotated
    made = brought(
        other, owner, sent, SimpleUploadedFile("round.zip", path.read_bytes()), licence="CC0, as the card says"
    )
    assert (made.state, made.error) == ("ready", "")
    assert "# synthetic, round 1" in made.card and not made.file
    head = yaml.safe_load(made.card.split("---")[1])  # as the Hugging Face Hub reads it
    assert (head["library_name"], head["pipeline_tag"]) == ("boxwise", "image-segmentation")
    (result,) = head["model-index"][0]["results"]
    assert result["dataset"]["revision"] == round_.snapshot.sha256
    assert all(0 <= metric["value"] <= 1 and metric["type"] and metric["name"] for metric in result["metrics"])
    there = finished(other, owner, sent, start=used(made))
    assert there.snapshot.summary["splits"]["train"]["annotated"] == 0
    here = labels(round_, project.images.order_by("position").last())
    assert here.max() > 0
    np.testing.assert_array_equal(labels(there, image), here)
    # The registry says where they are from, and the next folder carries the licence and the card on.
    versions = {v.kind: v for v in models_of(there)}
    assert {(v.origin, v.round, v.snapshot, v.data_licence) for v in versions.values()} == {
        ("imported", None, None, "CC0, as the card says")
    }
    assert ModelVersion.objects.filter(project=other).count() == 2
    again = export_round(round_=there, path=tmp_path / "again.zip")
    with zipfile.ZipFile(again) as archive:
        folder = f"boxwise-project-{other.pk}-round-1"
        about = json.loads(archive.read(f"{folder}/boxcell.json"))
        assert about["licences"]["detector"] == [["detector 1 (imported)", "CC0, as the card says"]]
        assert archive.read(f"{folder}/cards/detector-1.md").decode() == made.card
        text = archive.read(f"{folder}/README.md").decode()
        archive.extractall(tmp_path / "again")
    assert "nothing in this round" in text and "data under CC0, as the card says" in text
    found = boxcell.load(tmp_path / "again" / folder, device="cpu").predict(tissue(128, 128, 14, seed=2).rgb)
    assert found.labels.max() > 0


def test_a_prompter_of_the_teams_own_goes_with_the_folder(owner, sent, tmp_path):
    round_ = finished(small_project(owner), owner, sent)
    state, about = files.load(shipped("boxwise"))
    tuned = files.save(tmp_path / "tuned.safetensors", {name: value * 1.01 for name, value in state.items()}, about)
    own = artifacts.keep(key="own", kind="prompter", file=tuned, sha256=sha256(tuned), facts=TrainingFacts())
    with_own = round_.parameters.with_(prompter=Prompter(name="boxwise", weights=own.key))
    Round.objects.filter(pk=round_.pk).update(configuration=with_own.as_json())
    stock = boxcell.load(export_round(round_=round_, path=tmp_path / "stock.zip"), device="cpu")
    round_.refresh_from_db()
    loaded = boxcell.load(export_round(round_=round_, path=tmp_path / "own.zip"), device="cpu")
    assert loaded.prompter.name != stock.prompter.name


def test_weights_used_as_they_are_train_nothing_and_the_log_says_so(owner, sent, detector, monkeypatch):
    project = small_project(owner)
    made = brought(project, owner, sent, detector())
    for trainer in (centre.CentrePoint, unet.UNet):
        monkeypatch.setattr(trainer, "train", lambda *a, **k: pytest.fail("something was trained"))
    (version,) = made.versions.all()
    round_ = finished(project, owner, sent, start=used(made) | {"segmenter": Start(as_is=True)})
    stages_ = {stage.kind: stage for stage in round_.stages.select_related("artifact")}
    assert stages_["detector"].artifact == version.artifact
    assert stages_["pseudo_masks"].artifact.facts["cells"] == 0
    with stages_["segmenter"].artifact.file.open("rb") as file:
        assert file.read() == shipped("unet").read_bytes()
    spoken = " ".join(StageLine.objects.values_list("text", flat=True))
    assert "detector 1 (centre-1, imported) is used as it is: nothing is trained" in spoken
    assert "unet-1, sha256" in spoken
    shipped_one = models_of(round_).get(kind="segmenter")
    assert (shipped_one.origin, shipped_one.snapshot) == ("shipped", None)
    assert "CC BY" in shipped_one.data_licence
    # Nothing that people annotate changes what is passed on.
    keys = {kind: stage.key for kind, stage in stages_.items()}
    second = start_round(project=project, by=owner, preset="quick", start=used(made) | {"segmenter": Start(as_is=True)})
    content = second.snapshot.document()
    content = content.with_(images=tuple(one.with_(cells=one.cells[1:]) for one in content.images))
    from inference.pipeline import compute

    again = compute.keys(content, round_.parameters)
    assert {k for k in keys if again[k] == keys[k]} == {"pseudo_masks", "detector", "segmenter"}


def test_figures_say_that_the_weights_may_have_seen_what_judges(owner, sent, detector, client):
    project = small_project(owner)
    plain = finished(project, owner, sent)
    assert "elsewhere" not in plain.stages.get(kind="evaluation").artifact.facts
    made = brought(project, owner, sent, detector())
    (version,) = made.versions.all()
    round_ = finished(project, owner, sent, start={"detector": Start(str(version.pk))})
    sentence = "Trained elsewhere: may have seen the images that judge (detector)."
    assert round_.stages.get(kind="evaluation").artifact.facts["elsewhere"].startswith(sentence)
    child = models_of(round_).get(kind="detector")
    assert (child.origin, child.parent, child.number) == ("trained", version, 3)
    assert child.metrics["elsewhere"].startswith(sentence)
    assert licences(child) == [
        ("detector 3 (trained here)", "not stated: ask before passing it on"),
        ("detector 2 (imported)", "CC BY-NC 4.0"),
    ]
    assert sentence in card(round_, {m.kind: m for m in models_of(round_)})
    assert any(
        "Round 2 works with weights that were trained elsewhere" in s for s in compare([plain, round_]).sentences
    )
    client.force_login(owner)
    page = client.get(round_.get_absolute_url()).content.decode()
    assert sentence in page and "detector 2</a> (imported), trained on" in page
    assert "CC BY-NC 4.0" in client.get(reverse("project-models", args=[project.pk])).content.decode()
    # And so do the grandchildren.
    third = finished(project, owner, sent, start={"detector": Start("current")})
    assert "elsewhere" in third.stages.get(kind="evaluation").artifact.facts


def test_images_that_taught_the_start_do_not_judge_in_silence(owner, sent):
    project = small_project(owner, fields=4)
    first = finished(project, owner, sent)
    taught = project.images.order_by("position").first()
    assert taught.pk in learned_from(first)
    project.images.filter(pk=taught.pk).update(split=Split.VAL)  # somebody thinks again about the splits
    kept = {kind: Start("current", as_is=True) for kind in ("detector", "segmenter")}
    second = finished(project, owner, sent, start=kept)
    assert second.configuration["evaluation"] == {"seen": [taught.pk]}
    facts = second.stages.get(kind="evaluation").artifact.facts
    assert facts["seen_before"].startswith("1 of 2 judging images taught the weights")
    assert learned_from(second) == learned_from(first)


def test_starting_from_what_does_not_fit_is_refused(owner, sent, detector):
    project = small_project(owner)
    (version,) = brought(project, owner, sent, detector()).versions.all()
    other = create_project(owner=owner, name="other", classes=("a",))
    for start, words, error in (
        ({"detector": Start(str(version.pk))}, "is a centre, and this preset trains a yolo", Invalid),
        ({"detector": Start("999")}, "no detector “999”", Invalid),
        ({"segmenter": Start(str(version.pk))}, "no segmenter", Invalid),
        ({"detector": Start("²")}, "no detector", Invalid),
        ({"detector": Start("current")}, "no finished round", WrongState),
        ({"detector": Start(as_is=True)}, "No weights of a yolo come with Boxwise", Invalid),
    ):
        with pytest.raises(error, match=words):
            start_round(project=project, by=owner, preset="paper", start=start)
    with pytest.raises(NothingToLearn, match="no image yet"):
        start_round(project=other, by=owner, preset="tiny", start=AS_IS)
    add_image(project=other, name="a.png", content=png_of(tissue(64, 64, 3, seed=9).rgb))
    with pytest.raises(NothingToLearn, match="fully annotated"):
        start_round(project=other, by=owner, preset="tiny", start={"detector": Start(as_is=True)})
    with pytest.raises(Invalid, match="no detector"):  # of another project, though its id is right
        start_round(
            project=other, by=owner, preset="tiny", start={**AS_IS, "detector": Start(str(version.pk), as_is=True)}
        )
    # Used as it is, a version brings its architecture along, whatever the preset would train.
    made = start_round(
        project=project, by=owner, preset="paper", start={"detector": Start(str(version.pk), as_is=True)}
    )
    assert made.configuration["detector"] == {
        "name": "centre", "preset": "paper", "start_from": version.artifact_id, "as_is": True,
    }  # fmt: skip


def test_versions_of_before_get_the_name_of_their_architecture(owner, sent):
    finished(small_project(owner), owner, sent)
    ModelVersion.objects.update(model="")
    import_module("labeling.migrations.0012_ownweights").name_the_models(apps, None)
    assert dict(ModelVersion.objects.values_list("kind", "model")) == {"detector": "centre", "segmenter": "unet"}


def test_weights_that_are_handed_on_ask_for_no_memory_and_no_gpu():
    content = snapshot_of(snapshot_image(width=512, height=512, exhaustive=[[0, 0, 512, 512]]))
    trained = configure("quick", {"device": "gpu"})
    passed = trained.with_(detector=trained.detector.with_(as_is=True), segmenter=trained.segmenter.with_(as_is=True))
    for kind in ("pseudo_masks", "detector", "segmenter"):
        assert memory_needed(kind, content, trained, "cpu") > 0 == memory_needed(kind, content, passed, "cpu")
    assert [queue_of(kind, trained) for kind in ("detector", "segmenter", "prediction")] == ["gpu"] * 3
    assert [queue_of(kind, passed) for kind in ("detector", "segmenter", "prediction")] == ["cpu", "cpu", "gpu"]


def test_classes_go_by_their_names(owner, sent, detector, tmp_path):
    names = ["tumour", "stroma", "immune"]
    about = SimpleUploadedFile("boxcell.json", json.dumps({"class_names": names}).encode())
    project, _ = elsewhere(owner, tissue(64, 64, 5, seed=1), classes=("Immune", "tumour"))
    made = brought(project, owner, sent, detector(3, "detector.safetensors"), about)
    assert made.versions.get().class_names == names
    round_ = start_round(project=project, by=owner, start=used(made) | {"segmenter": Start(as_is=True)})
    assert round_.configuration["prediction"]["classes"] == [1, None, 0]
    setting = SimpleNamespace(configuration=round_.parameters, class_count=2)
    from inference.pipeline.compute import class_names

    assert [class_names(setting)(index) for index in (0, 1, 2, 3)] == [1, None, 0, None]


def test_what_is_no_weights_is_refused_at_the_door(owner, sent, detector, monkeypatch, tmp_path):
    project = small_project(owner, fields=2)
    torch.save(centre.CentreNet(1).state_dict(), tmp_path / "w.pth")
    pickle = (tmp_path / "w.pth").read_bytes()

    def declined(words, *uploads, licence="CC0"):
        with pytest.raises(Invalid, match=words):
            importing.import_weights(project=project, by=owner, files=uploads, data_licence=licence)

    for name in ("w.pth", "w.safetensors", "w.zip"):  # whatever it is called
        declined("boxwise models convert", SimpleUploadedFile(name, pickle))
    declined("boxwise models convert", SimpleUploadedFile("w.bin", b"\x80\x02}q\x00."))
    declined("neither a safetensors file nor a zip", SimpleUploadedFile("w.safetensors", b"<html>not found</html>"))
    declined("neither a safetensors file", SimpleUploadedFile("w.safetensors", b""))
    declined("holds neither", SimpleUploadedFile("boxcell.json", b"{}"), SimpleUploadedFile("x.png", b"1"))
    declined("under which licence", detector(), licence=" ")
    declined("no file was chosen")
    monkeypatch.setattr(importing, "MOST_BYTES", 1000)
    declined("larger than", detector())
    assert not WeightsImport.objects.exists() and sent == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: content[: len(content) // 2], "no whole safetensors file"),
        (lambda content: content.replace(b"centre-1", b"centre-7"), "holds 'centre-7'; the architectures"),
        (lambda content: content.replace(b"centre-1", b"yolov8-1"), "does not work as yolov8-1"),
    ],
    ids=["damaged", "unknown", "wrong architecture"],
)  # fmt: skip
def test_a_worker_refuses_what_does_not_fit(spoil, words, owner, sent, detector):
    project = small_project(owner, fields=2)
    upload = SimpleUploadedFile("mine.safetensors", spoil(detector().read()))
    made = brought(project, owner, sent, upload)
    assert made.state == "declined" and words in made.error
    assert not made.file and not ModelVersion.objects.exists()
    page = signed_in(owner).get(reverse("project-models", args=[project.pk])).content.decode()
    assert "refused" in page and words.split(";")[0].split("'")[0] in page


def test_wrong_shapes_are_refused(owner, sent, detector, tmp_path):
    project = small_project(owner, fields=2)
    about = {"model": "centre-1", "classes": 1, "settings": asdict(centre.CentreSettings())}
    path = files.save(tmp_path / "w.safetensors", centre.CentreNet(4).state_dict(), about)
    made = brought(project, owner, sent, SimpleUploadedFile("w.safetensors", path.read_bytes()))
    assert made.state == "declined" and "does not fit its model" in made.error and "heat.weight" in made.error


def test_what_is_there_already_is_not_entered_twice(owner, sent, detector):
    project = small_project(owner, fields=2)
    assert brought(project, owner, sent, detector()).state == "ready"
    twice = brought(project, owner, sent, detector(name="again.safetensors"))
    assert (twice.state, twice.error) == (
        "declined", "These are the weights of detector 1, which this project has already.",
    )  # fmt: skip
    assert ModelVersion.objects.count() == 1
    # Another project may have them too, with what it was told of them.
    other = create_project(owner=owner, name="other", classes=("a",))
    assert brought(other, owner, sent, detector(), licence="CC BY").versions.get().data_licence == "CC BY"


def test_a_check_that_was_lost_is_asked_for_again_and_one_that_kills_is_given_up(owner, sent, detector, monkeypatch):
    project = small_project(owner, fields=2)
    made = importing.import_weights(project=project, by=owner, files=[detector()], data_licence="CC0")
    sent.clear()
    assert importing.recover(timezone.now()) == [] and sent == []
    later = timezone.now() + timedelta(minutes=3)

    def dies(*args, **kwargs):
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(tasks.imported_weights, "opened", dies)
        for _ in range(WeightsImport.MAX_ATTEMPTS):
            assert len(importing.recover(later)) == 1
            with pytest.raises(SystemExit):
                tasks.check_weights(**sent.pop().arguments)
            WeightsImport.objects.update(queued_at=timezone.now())
    tasks.check_weights(made.pk)
    made.refresh_from_db()
    assert made.state == "declined" and "worker died 3 times" in made.error
    tasks.check_weights(made.pk)  # and a late message changes nothing
    assert WeightsImport.objects.get().error == made.error


def test_damaged_stored_weights_stop_the_stage_with_a_sentence(owner, sent, detector):
    project = small_project(owner)
    made = brought(project, owner, sent, detector())
    artifact = made.versions.get().artifact
    with open(artifact.file.path, "r+b") as file:
        file.seek(artifact.size // 2)
        file.write(b"\xff" * 64)
    round_ = start_round(project=project, by=owner, preset="tiny", start=used(made))
    tasks.run_stage(round_.stages.get(kind="detector").pk)
    stage = round_.stages.get(kind="detector")
    assert stage.state == Stage.State.FAILED and "damaged (its hash does not fit)" in stage.error


def test_the_page_takes_weights_in_and_starts_a_round_with_them(owner, sent, detector):
    project, image = elsewhere(owner, tissue(96, 96, 6, seed=4))
    manager, viewer = UserFactory(), UserFactory()
    project.memberships.create(user=manager, role="manager")
    project.memberships.create(user=viewer, role="viewer")
    there = reverse("import-weights", args=[project.pk])
    given = {"files": detector(), "data_licence": "CC BY 4.0", "note": "from the clinic"}
    assert signed_in(viewer).post(there, given).status_code == 403
    assert not WeightsImport.objects.exists()
    client = signed_in(manager)
    answer = client.post(there, {"files": detector(), "data_licence": ""})
    assert "Say under which licence" in toasts(answer)[-1]
    client.post(there, given | {"files": detector()})
    page = client.get(reverse("project-models", args=[project.pk])).content.decode()
    assert "being checked" in page and "data-poll" in page
    poll = reverse("weights-imports", args=[project.pk])
    assert "HX-Refresh" not in client.get(poll).headers
    tasks.check_weights(**sent.pop().arguments)
    assert client.get(poll).headers["HX-Refresh"] == "true"
    page = client.get(reverse("project-models", args=[project.pk])).content.decode()
    assert "Propose with these weights as they are" in page and "from the clinic" in page and "CC BY 4.0" in page
    assert (
        "Propose with these" not in signed_in(viewer).get(reverse("project-models", args=[project.pk])).content.decode()
    )
    version = ModelVersion.objects.get()
    form = {"preset": "tiny", "detector_as_is": "1", "segmenter_as_is": "1", "detector_from": version.pk}
    client.post(reverse("project-rounds", args=[project.pk]), form)
    run_all(tasks.run_stage, sent)
    round_ = project.rounds.get()
    assert round_.state == Round.State.PUBLISHED and round_.publications.get().image == image
    assert signed_in(viewer).get(reverse("export-round", args=[round_.pk])).status_code == 403
    folder = client.get(reverse("export-round", args=[round_.pk]))
    assert folder.headers["Content-Type"] == "application/zip"
    assert len(zipfile.ZipFile(io.BytesIO(b"".join(folder.streaming_content))).namelist()) == 4


def test_a_folder_is_imported_from_the_shell(owner, sent, detector, tmp_path, capsys):
    project = small_project(owner, fields=2)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "detector.safetensors").write_bytes(detector().read())
    (folder / "README.md").write_text("# From the clinic")
    call = ["import_weights", str(project.pk), str(folder), "--licence", "CC0", "--by", owner.username]
    call_command(*call)
    assert "folder.zip is being checked" in capsys.readouterr().out
    tasks.check_weights(**sent.pop().arguments)
    made = WeightsImport.objects.get()
    assert (made.state, made.card, made.imported_by) == ("ready", "# From the clinic", owner)
    for wrong, words in ((tmp_path / "none", "cannot be read"), (tmp_path, "no file was chosen")):
        with pytest.raises(CommandError, match=words):
            call_command(*call[:2], str(wrong), *call[3:])


def test_the_api_takes_weights_in_and_starts_from_them(owner, sent, detector, client):
    project, _ = elsewhere(owner, tissue(96, 96, 6, seed=4))
    client.force_login(owner)
    there = reverse("weights-import-list", args=[project.pk])
    answer = client.post(there, {"files": [detector(name="detector.safetensors")], "data_licence": "CC0"})
    assert (answer.status_code, answer.json()["state"]) == (202, "checking")
    tasks.check_weights(**sent.pop().arguments)
    (made,) = client.get(there).json()["items"]
    (version,) = client.get(reverse("model-version-list", args=[project.pk])).json()["items"]
    assert made["versions"] == [version["id"]] and version["origin"] == "imported"
    assert version["licences"] == [{"version": "detector 1 (imported)", "licence": "CC0"}]
    rounds = reverse("round-list", args=[project.pk])

    def post(start):
        return client.post(rounds, {"preset": "tiny", "start": start}, content_type="application/json")

    for wrong in ([], {"prompter": {}}, {"detector": 3}, {"detector": {"as_is": "yes"}}, {"detector": {"of": 1}}):
        assert post(wrong).status_code == 422
    both = {"detector": {"from": version["id"], "as_is": True}, "segmenter": {"as_is": True}}
    assert post(both).status_code == 202
