"""Methods that a round trains as a whole: what they find on real tissue, kills, cancel, and what is missing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from inference.documents.methods import METHODS
from inference.documents.proposing import ProposalRequest
from inference.documents.snapshot import Snapshot, SnapshotClass
from inference.documents.stage_reports import EvaluationFacts, TrainingFacts
from inference.masks import cells_of
from inference.methods import cellboxify, frame
from inference.methods.proposing import TileField
from inference.pipeline import whole
from inference.pipeline.snapshots import Cell
from inference.pipeline.units import Inputs, Setting
from inference.training import loop
from inference.types import BoxMask, Progress
from inference.weights import catalogue
from inference.worker import proposing, tasks  # noqa: F401 (does the jobs that propose)
from labeling.annotations.models import Annotation
from labeling.errors import Invalid, WrongState
from labeling.jobs.models import Job
from labeling.rounds.configuration import configure
from labeling.rounds.execution import services, stages
from labeling.rounds.execution.services import cancel_round, start_round
from labeling.rounds.methods import offered, preselected
from labeling.rounds.models import Round, Stage
from labeling.rounds.proposing.services import Wanted, propose
from labeling.rounds.readiness import limitations
from labeling.rounds.results.costs import cost_of
from labeling.rounds.results.export import export_round
from labeling.rounds.results.tuning import request_tuning
from labeling.rounds.snapshots import NothingToLearn
from labeling.rounds.weights.starting import Start
from tests.factories import UserFactory
from tests.inference.conftest import own_net  # noqa: F401 (a fixture)
from tests.labeling import proposals
from tests.labeling.pages import page_text, signed_in
from tests.labeling.rounds import run_all
from tests.labeling.test_round_methods import points_project
from tests.labeling.tissue import tissue_project

pytestmark = pytest.mark.django_db(transaction=True)
WHOLE = [name for name, method in METHODS.items() if method.is_whole]


@pytest.fixture(autouse=True)
def own_folder(sent, settings, tmp_path):
    """A work folder of this test's own, and nothing that reaches the broker."""
    settings.DATA_DIR = tmp_path


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def few_cells(monkeypatch):
    """A corner of tissue has fewer cells than CFR-SAM asks for."""
    method = replace(METHODS["cfr-sam"], least=20)
    known = {**METHODS, "cfr-sam": method}
    for module in ("labeling.rounds.snapshots", "labeling.rounds.methods", "labeling.rounds.execution.services"):
        monkeypatch.setattr(f"{module}.METHODS", known)


@pytest.fixture
def random_net(own_net, monkeypatch):  # noqa: F811 (a fixture)
    """boxwise-sam with random weights, as if this copy had come with some."""
    monkeypatch.setattr(whole, "shipped", lambda name: Path(__file__))


@pytest.fixture
def short(monkeypatch):
    """CellBoxify trained for two epochs of one step each."""
    usual = cellboxify.PRESETS["tiny"]
    few = replace(usual.schedule, steps=2, epoch=1)
    monkeypatch.setitem(cellboxify.PRESETS, "tiny", replace(usual, schedule=few, batch=1))


def started(owner, project, **changes):
    return start_round(project=project, by=owner, preset="tiny", changes={"method": "cellboxify"} | changes)


# -- what they do


@pytest.mark.usefixtures("random_net", "few_cells")
@pytest.mark.parametrize("name", WHOLE)
def test_a_round_trains_the_method_on_tissue_proposes_and_is_judged(owner, sent, name):
    method = METHODS[name]
    project = tissue_project(owner, kind=method.labels[0])
    round_ = start_round(project=project, by=owner, preset="tiny", changes={"method": name})
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert (round_.state, round_.error) == (Round.State.PUBLISHED, "")
    assert [stage.kind for stage in round_.stages.all()] == list(method.stages)
    trained = round_.stages.get(kind="method").artifact.facts_as(TrainingFacts)
    assert trained.trained_parameters > 10_000 and trained.cells >= 20
    judged = round_.stages.get(kind="evaluation").artifact.facts_as(EvaluationFacts)
    assert judged.reference_images == 2 and 0 <= judged.masks["method"].dice <= 1
    version = round_.model_versions.get()
    assert (version.kind, version.model, version.snapshot) == ("method", name, round_.snapshot)
    assert version.figures.masks["method"].dice == judged.masks["method"].dice
    assert round_.publications.count() == 5
    proposed = Annotation.objects.filter(layer__publication__round=round_, kind="cell")
    assert all(one.mask_bits is not None for one in proposed)
    assert all(one.provenance["models"] == {"method": prediction_name(round_)} for one in proposed[:3])
    # An archive that boxwise predict runs: the same cells in the same picture.
    archive = export_round(round_=round_, path=Path(round_.stages.first().artifact.file.path).with_name("out.zip"))
    trained_again = frame.load(archive)
    rgb = np.full((64, 64, 3), 200, np.uint8)
    assert trained_again.predict(rgb).labels.shape == (64, 64)


def test_its_version_proposes_without_a_round_and_alone(owner, sent):
    project = tissue_project(owner, kind="boxes")
    round_ = start_round(project=project, by=owner, preset="tiny", changes={"method": "cellboxify"})
    run_all(tasks.run_stage, sent)
    version = round_.model_versions.get()
    image = project.images.order_by("position").last()
    client = APIClient()
    client.force_authenticate(owner)
    before = client.get(reverse("proposal-before", args=[project.pk])).json()
    offered_now = {one["key"]: one for one in before["models"]}[f"round:{round_.pk}"]
    assert offered_now["name"] == "Models of round 1, CellBoxify"
    assert (offered_now["detector"], offered_now["segmenter"], offered_now["method"]) == (None, None, version.pk)
    wanted = {"images": [image.pk], "method": version.pk}
    answer = client.post(reverse("proposal-list", args=[project.pk]), wanted, format="json")
    job = proposals.work(Job.objects.get(pk=answer.json()["id"]))
    assert (job.state, job.error) == (Job.State.DONE, "")
    assert set(ProposalRequest.stored(job.request).models) == {"method"}
    published = proposals.current(image)
    assert published.job == job and not published.certificate
    found = proposals.cells(published)
    trained = frame.load(Path(version.artifact.file.path))
    rgb = np.asarray(PIL.Image.open(image.pixels.path).convert("RGB"))
    alone = [mask.bits.sum() for _, mask in cells_of(trained.predict(rgb).labels)]
    assert len(found) > 3
    assert {int(proposals.mask_of(cell).bits.sum()) for cell in found} <= set(map(int, alone))
    assert {tuple(cell.provenance["models"]) for cell in found} == {("method",)}
    # By the page too, and by one that is of another project not at all.
    chosen = {"image": image.pk, "models": f"round:{round_.pk}"}
    page = signed_in(owner).post(reverse("propose", args=[project.pk]), chosen)
    assert page.status_code == 302 and project.jobs.latest("pk").request["method"]["version"] == version.pk
    with pytest.raises(Invalid, match="no method"):
        propose(project=tissue_project(owner, kind="boxes"), by=owner, wanted=Wanted(method=str(version.pk)))


class Finds:
    """A trained method that finds one cell of each of three classes."""

    models = {"net": "finds-1"}

    def predict(self, rgb):
        labels = np.zeros(rgb.shape[:2], np.int32)
        for number in (1, 2, 3):
            labels[4:12, 16 * number : 16 * number + 8] = number
        return frame.Instances(labels, np.ones(3, np.float32), np.arange(3))


def test_its_classes_are_the_projects_of_today_by_name(monkeypatch, tmp_path):
    chosen = configure("tiny", {"method": "cfr-sam"})
    chosen = chosen.with_(prediction=chosen.prediction.with_(classes=(1, None, 0)))
    monkeypatch.setattr(whole, "opened", lambda artifact, setting: Finds())
    classes = tuple(SnapshotClass(id=key, name=str(key)) for key in (7, 8))
    setting = Setting(
        content=Snapshot(classes=classes, images=(), blinded=False),
        fields=(),
        configuration=chosen,
        inputs=Inputs({"method": tmp_path}),
        work=tmp_path,
        report=lambda progress: None,
        stop=lambda: False,
    )
    make, _ = whole.found_by(setting)
    none = np.zeros((0, 4))
    seen = TileField(1, Path(), 96, 64, "train", "", (), none, none, none, none, None, np.zeros((64, 96, 3), np.uint8))
    assert make(seen)["classes"] == [1, None, 0]


def prediction_name(round_):
    return round_.stages.get(kind="prediction").artifact.facts["models"]["method"]


def cell_at(box, uid="a"):
    return Cell(uid, box, None, None)


def test_a_found_cell_takes_the_persons_cell_that_it_overlaps_best_and_each_only_once():
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [40, 40, 60, 60], [45, 45, 52, 52]], float)
    people = (cell_at((1, 1, 11, 11), "box"), cell_at((48, 48, 48, 48), "point"), cell_at((80, 80, 90, 90), "alone"))
    found = whole.matched(boxes, people)
    assert {row: cell.uid for row, cell in found.items()} == {1: "box", 3: "point"}


def test_cells_without_a_verified_mask_are_neither_cells_nor_background():
    bits = np.ones((4, 4), bool)
    mask = BoxMask(2, 2, bits)
    cells = [Cell("a", (2, 2, 6, 6), 0, mask), Cell("b", (4, 4, 12, 12), 0, None)]
    kept, valid = whole.verified(cells, np.ones((16, 16), bool))
    assert [cell.uid for cell in kept] == ["a"]
    assert valid[3, 3] and valid[5, 5] and not valid[8, 8] and valid[13, 13]


# -- settings


def test_settings_of_the_recipe_reach_every_schedule_of_the_method():
    chosen = configure("tiny", {"method": "cfr-sam", "steps": 7, "lr": 0.25, "seed": 3})
    settings = whole.settings_for(chosen, device="cpu")
    for schedule in (settings.points.schedule, settings.masks.schedule):
        assert (schedule.steps, schedule.lr, schedule.seed) == (7, 0.25, 3)
    usual = configure("tiny", {"method": "cellboxify"})
    assert whole.settings_for(usual, device="cpu") == cellboxify.settings_of("tiny", device="cpu")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"method": "cellboxify", "lam": 3}, "CellBoxify has no setting “λ, smoothness”. Leave it empty."),
        ({"method": "boxcell", "steps": 3}, "BoxCell has no setting “Training steps”. Leave it empty."),
        ({"method": "cellboxify", "prompter": "sam-vit-b"}, "CellBoxify works without a prompter"),
        (
            {"method": "insta-sam", "prompter": "sam2-tiny"},
            "InstaSAM cannot work with sam2-tiny. Choose one of",
        ),
        ({"method": "cellboxify", "steps": 0}, "Training steps must lie between 1 and 1,000,000, not 0"),
    ],
)
def test_what_a_method_does_not_have_is_declined_by_name(changes, sentence):
    with pytest.raises(Invalid, match=sentence):
        configure("tiny", changes)


def test_weights_cannot_be_chosen_for_it(owner):
    project = tissue_project(owner, kind="boxes")
    with pytest.raises(Invalid, match="CellBoxify is trained from its own beginning"):
        start_round(
            project=project,
            by=owner,
            preset="tiny",
            changes={"method": "cellboxify"},
            start={"detector": Start(as_is=True)},
        )
    assert not project.rounds.exists()


def test_what_the_form_hides_of_another_method_does_not_stop_the_start(owner):
    project = tissue_project(owner, kind="boxes")
    hidden = {"lam": "3", "detector_as_is": "on", "segmenter_as_is": "on", "segmenter_from": "current"}
    chosen = {"preset": "tiny", "method": "cellboxify", "steps": "7"}
    signed_in(owner).post(reverse("project-rounds", args=[project.pk]), chosen | hidden)
    assert project.rounds.get().parameters.training.change == {"steps": 7}


# -- what is shown before the start


def test_the_form_offers_what_the_labels_can_feed_and_says_what_the_others_need(owner):
    project = points_project(owner, count=24)
    page = signed_in(owner).get(reverse("project-rounds", args=[project.pk]))
    html = page.content.decode()
    assert '<option value="insta-sam" data-whole>' in html.replace("\n", "")
    assert '<option value="cfr-sam" disabled data-whole>' in html
    assert '<option value="boxcell-points" selected>' in html
    assert "CFR-SAM needs 200 verified masks; you have 0." in page_text(page)
    client = APIClient()
    client.force_authenticate(owner)
    found = client.get(reverse("round-before", args=[project.pk]), {"method": "insta-sam", "preset": "paper"}).json()
    assert any(
        "InstaSAM composes sam-vit-h, whose checkpoint is not on this machine" in one["text"] for one in found["limits"]
    )
    by_name = {one["name"]: one for one in found["methods"]}
    assert by_name["cfr-sam"]["missing"] == 200 and "sam-vit-b" in by_name["cfr-sam"]["prompters"]
    assert found["estimate"] is None  # no round of this method has run here


def test_the_usual_method_is_named_first_unless_its_labels_are_missing():
    assert preselected(offered({"boxes": 3})) == "boxcell"
    assert preselected(offered({"points": 30})) == "boxcell-points"
    assert preselected(offered({})) == "boxcell"


def test_too_few_labels_start_nothing(owner):
    project = tissue_project(owner, kind="boxes")
    with pytest.raises(NothingToLearn, match="CFR-SAM needs 200 verified masks; you have 0"):
        start_round(project=project, by=owner, preset="tiny", changes={"method": "cfr-sam"})
    assert not project.rounds.exists()


@pytest.mark.parametrize(("name", "kind"), [("des-sam", "boxes"), ("insta-sam", "points")])
def test_a_net_without_weights_ends_the_round_with_the_way_to_get_it(owner, sent, name, kind, monkeypatch, tmp_path):
    monkeypatch.setattr(catalogue, "folder", lambda: tmp_path)
    monkeypatch.setattr(whole, "shipped", lambda net: None)
    monkeypatch.setattr("labeling.rounds.readiness.shipped", lambda net: None)
    project = tissue_project(owner, kind=kind)
    title = METHODS[name].title
    (limit,) = [one for one in limitations(project, method=name) if one.code == "net_missing"]
    assert f"{title} composes boxwise-sam, and this copy of Boxwise has no weights of it." == limit.text
    round_ = start_round(project=project, by=owner, preset="tiny", changes={"method": name})
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.FAILED and "boxwise models pull sam-vit-b" in round_.error
    named = start_round(project=project, by=owner, preset="tiny", changes={"method": name, "prompter": "sam-vit-b"})
    run_all(tasks.run_stage, sent)
    named.refresh_from_db()
    assert "sam-vit-b is not on this machine. Get it with boxwise models pull sam-vit-b" in named.error


# -- kills and cancels


@pytest.mark.usefixtures("short")
def test_a_killed_training_goes_on_after_its_last_epoch(owner, sent, monkeypatch):
    project = tissue_project(owner, kind="boxes")
    round_ = started(owner, project)
    steps = []
    rate = loop.Schedule.rate
    monkeypatch.setattr(loop.Schedule, "rate", lambda self, step: steps.append(step) or rate(self, step))

    def dies(lease, progress: Progress):
        if progress.values:
            raise SystemExit  # what a killed worker looks like from inside

    with monkeypatch.context() as killed:
        killed.setattr("inference.worker.leases.Lease.report", dies)
        with pytest.raises(SystemExit):
            run_all(tasks.run_stage, sent)
    assert set(steps) == {0}
    stage = round_.stages.get(kind="method")
    assert stage.state == Stage.State.RUNNING
    Stage.objects.filter(pk=stage.pk).update(lease_until=stage.started_at)
    stages.recover()
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert (round_.state, set(steps)) == (Round.State.PUBLISHED, {0, 1})
    assert steps.count(0) == 1


@pytest.mark.usefixtures("short")
def test_a_cancelled_training_stops_and_retry_ends_it(owner, sent, monkeypatch):
    project = tissue_project(owner, kind="boxes")
    round_ = started(owner, project)
    finished = loop.write_checkpoint

    def cancel_after_one_epoch(path, content):
        finished(path, content)
        if content["step"] == 1:
            cancel_round(round_=round_)

    with monkeypatch.context() as first:
        first.setattr(loop, "write_checkpoint", cancel_after_one_epoch)
        first.setattr("inference.worker.leases.RENEW_EVERY", 0.01, raising=False)
        run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.CANCELLED
    services.retry_round(round_=round_)
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert (round_.state, round_.error) == (Round.State.PUBLISHED, "")


# -- what is left of it


@pytest.mark.usefixtures("short")
def test_its_pages_show_no_proof_and_what_it_took(owner, sent):
    project = tissue_project(owner, kind="boxes")
    round_ = started(owner, project)
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    client = signed_in(owner)
    page = page_text(client.get(reverse("round", args=[project.pk, round_.number])))
    assert "CellBoxify · " in page and "This method has no fusion" in page and "Settings tried" not in page
    assert "cellboxify-1" in page_text(client.get(reverse("project-models", args=[project.pk])))
    with pytest.raises(WrongState, match="has no fusion whose settings could be tried"):
        request_tuning(round_=round_, by=owner)
    cost = cost_of(round_, reader=owner)
    assert cost.trained_parameters > 10_000 and cost.training_seconds > 0 and cost.annotation_seconds is None
    again = started(owner, project)
    run_all(tasks.run_stage, sent)
    assert {stage.state for stage in again.stages.exclude(kind="publication")} == {Stage.State.REUSED}
    compared = client.get(reverse("compare-rounds", args=[project.pk]))
    assert "not measured" in page_text(compared) and "Trained parameters" in page_text(compared)
    assert cost_of(again, reader=owner).training_seconds == cost.training_seconds
