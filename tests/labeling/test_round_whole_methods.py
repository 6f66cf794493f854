"""Methods that a round trains as a whole: what they find on real tissue, kills, cancel, and what is missing."""

from dataclasses import replace

import pytest

from inference.documents.methods import METHODS
from inference.documents.stage_reports import EvaluationFacts, TrainingFacts
from inference.worker import tasks
from labeling.rounds.execution.services import start_round
from labeling.rounds.models import Round
from tests.factories import UserFactory
from tests.inference.conftest import own_net  # noqa: F401 (a fixture)
from tests.labeling.rounds import run_all
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
    monkeypatch.setattr("inference.methods.frame.TRAINABLE", known)


@pytest.mark.slow
@pytest.mark.usefixtures("own_net", "few_cells")
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
