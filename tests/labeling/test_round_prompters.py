"""Own weights of a prompter: added on the page Models, known by their tensors, and chosen in a round."""

import pytest
import torch
from django.core.files.base import ContentFile
from django.urls import reverse

from inference import registry
from inference.methods import des_sam
from inference.pipeline import imported_weights
from inference.prompters.sam_nets import SamNet, TinyViT
from inference.types import InferenceError
from inference.weights import catalogue, files
from inference.worker import tasks
from labeling.errors import Invalid
from labeling.rounds.configuration import configure
from labeling.rounds.execution.services import start_round
from labeling.rounds.models import ModelVersion, Round
from labeling.rounds.results.export import licence_lines, net_lines, with_own_prompter
from labeling.rounds.weights.importing import import_weights
from labeling.site.round_views import prompter_of
from labeling.studies.learned import lessons_of
from tests.factories import UserFactory
from tests.labeling.pages import page_text, signed_in
from tests.labeling.rounds import run_all
from tests.labeling.tissue import tissue_project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def mobile(tmp_path_factory):
    """A net of MobileSAM's shape with random weights, as somebody's fine-tuned checkpoint."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("own") / "fine-tuned.safetensors"
    return files.save(path, SamNet(TinyViT()).state_dict(), {})


@pytest.fixture
def owner(sent, settings, tmp_path, monkeypatch):
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(catalogue, "folder", lambda: tmp_path / "no models here")
    return UserFactory()


def added(project, owner, path, sent):
    """The version that the weights became."""
    file = ContentFile(path.read_bytes(), name=path.name)
    made = import_weights(project=project, by=owner, files=[file], data_licence="CC0")
    run_all(tasks.check_weights, sent)
    made.refresh_from_db()
    assert (made.state, made.error) == ("ready", "")
    return made.versions.get()


def test_own_weights_of_a_prompter_are_known_by_their_tensors_and_teach_a_round(owner, sent, mobile, monkeypatch):
    project = tissue_project(owner, kind="boxes")
    version = added(project, owner, mobile, sent)
    assert (version.kind, version.model, version.architecture) == ("prompter", "mobile-sam", "mobile-sam, own weights")
    client = signed_in(owner)
    page = client.get(reverse("project-rounds", args=[project.pk])).content.decode()
    assert f'<option value="version:{version.pk}">' in page
    assert "mobile-sam, own weights" in page_text(client.get(reverse("project-models", args=[project.pk])))
    chosen = {"method": "des-sam", "prompter": f"version:{version.pk}"}
    round_ = start_round(project=project, by=owner, preset="tiny", changes=chosen)
    assert round_.parameters.prompter.weights == version.artifact_id
    assert round_.parameters.evaluation.elsewhere == ("prompter",)
    composed = []

    def train(*samples, **given):
        composed.append(catalogue.found("mobile-sam").read_bytes())
        raise InferenceError("far enough: a net of this size takes minutes here")

    monkeypatch.setattr(des_sam, "train", train)
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert (round_.state, "far enough" in round_.error) == (Round.State.FAILED, True)
    with version.artifact.file.open("rb") as stored:
        assert composed == [stored.read()]
    with pytest.raises(catalogue.NotHere):
        catalogue.found("mobile-sam")  # nothing is left of it outside the training


def test_own_weights_prompt_in_a_round_of_boxcell(owner, sent, mobile, monkeypatch):
    project = tissue_project(owner, kind="boxes")
    version = added(project, owner, mobile, sent)
    made = start_round(project=project, by=owner, preset="tiny", changes={"prompter": f"version:{version.pk}"})
    assert prompter_of(made) == f"version:{version.pk}"  # for the form "with the best values"
    assert "prompter 1 (imported)" in lessons_of([made]).elsewhere
    asked = []

    def prompter(name, **given):
        asked.append((name, files.read_checkpoint(given["weights"]).keys()))
        raise InferenceError("far enough")

    monkeypatch.setattr(registry, "prompter", prompter)
    run_all(tasks.run_stage, sent)
    assert asked == [("mobile-sam", files.read_checkpoint(mobile).keys())]


def test_the_button_beside_an_import_proposes_with_this_prompter(owner, sent, mobile):
    project = tissue_project(owner, kind="boxes")
    version = added(project, owner, mobile, sent)
    page = signed_in(owner).get(reverse("project-models", args=[project.pk])).content.decode()
    assert f'<input type="hidden" name="prompter" value="version:{version.pk}">' in page
    assert "prompter_from" not in page


def test_a_net_that_the_method_cannot_take_or_that_is_not_there_is_declined(owner, sent, mobile):
    project = tissue_project(owner, kind="boxes")
    version = added(project, owner, mobile, sent)
    with pytest.raises(Invalid, match="InstaSAM cannot work with prompter 1, which is a mobile-sam"):
        start_round(
            project=project,
            by=owner,
            preset="tiny",
            changes={"method": "insta-sam", "prompter": f"version:{version.pk}"},
        )
    with pytest.raises(Invalid, match="this project has no prompter “version:999”"):
        start_round(project=project, by=owner, preset="tiny", changes={"prompter": "version:999"})
    other = tissue_project(UserFactory(), kind="boxes")
    with pytest.raises(Invalid, match="this project has no prompter"):
        start_round(project=other, by=owner, preset="tiny", changes={"prompter": f"version:{version.pk}"})
    with pytest.raises(Invalid, match="CellBoxify works without a prompter"):
        configure("tiny", {"method": "cellboxify", "prompter": f"version:{version.pk}"})
    own = start_round(
        project=other, by=owner, preset="tiny", changes={"prompter": f"version:{added(other, owner, mobile, sent).pk}"}
    )
    assert net_lines(own, {}) == ["- prompter: mobile-sam with the project's own weights, in prompter.weights"]
    assert licence_lines(with_own_prompter(own, {})) == ["- prompter 1 (imported): data under CC0"]
    assert ModelVersion.objects.filter(kind="prompter").count() == 2


def test_a_checkpoint_of_another_net_is_named_with_what_is_wrong(mobile, tmp_path):
    state = files.read_checkpoint(mobile)
    del state["mask_decoder.iou_token.weight"]
    broken = files.save(tmp_path / "broken.safetensors", state, {})
    with pytest.raises(files.BadWeights, match="iou_token"):
        imported_weights.inspect(broken)
    torch.save(files.read_checkpoint(mobile), tmp_path / "net.pth")
    found = imported_weights.convert(tmp_path / "net.pth", "sam", tmp_path / "net.safetensors")
    assert (found.kind, found.name) == ("prompter", "mobile-sam")
