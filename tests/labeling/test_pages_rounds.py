"""The pages of rounds: start, progress, log, proofs, figures."""

import re
import uuid
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.images.models import Split
from labeling.projects.models import Role
from labeling.rounds.execution.services import start_round
from labeling.rounds.models import Artifact, ModelVersion, Round, Stage, StageLine
from labeling.rounds.results.publishing import publish
from labeling.rounds.weights.promotion import figures_of
from tests.documents import CERTIFICATE, NO_FACTS, NO_NAMES, STATEMENTS
from tests.factories import ImageFactory, ProjectFactory
from tests.labeling.operations import region
from tests.labeling.pages import (
    address,
    draw,
    make_study,
    page_text,
    proposals,
    signed_in,
    toasts,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> SimpleNamespace:
    return make_study()


def test_a_round_that_cannot_learn_is_refused_in_words(study):
    empty = ProjectFactory()
    empty.memberships.create(user=study.people["owner"], role=Role.OWNER)
    answer = signed_in(study.people["owner"]).post(reverse("project-rounds", args=[empty.pk]))
    assert "marked as fully annotated" in toasts(answer)[0] and not empty.rounds.exists()


def test_start_cancel_retry(study):
    client = signed_in(study.people["manager"])
    client.post(address(study, "cancel-round"))
    study.round.refresh_from_db()
    assert study.round.state == Round.State.CANCELLED
    assert "Retry" in client.get(address(study, "round")).content.decode()
    client.post(address(study, "retry-round"))
    study.round.refresh_from_db()
    assert study.round.state == Round.State.QUEUED
    again = client.post(address(study, "project-rounds"), {"preset": "tiny"})
    assert toasts(again)[-1].startswith("Round 1 of this project is running already, so no other was started.")
    client.post(address(study, "cancel-round"))
    assert toasts(client.post(address(study, "cancel-round")))[-1] == "Round 1 is cancelled already."
    unknown = client.post(address(study, "project-rounds"), {"preset": "huge"})
    assert "preset must be one of" in toasts(unknown)[-1].lower()


def test_a_round_is_polled_only_while_it_is_at_work(study):
    client = signed_in(study.people["viewer"])
    page = client.get(address(study, "round")).content.decode()
    assert f'hx-get="{address(study, "round-progress")}"' in page and page.count("data-poll") == 2
    assert "HX-Refresh" not in client.get(address(study, "round-progress")).headers
    Round.objects.update(state=Round.State.PUBLISHED, finished_at=timezone.now())
    for route in ("round-progress", "round-at-work"):
        assert client.get(address(study, route)).headers["HX-Refresh"] == "true"
    assert "data-poll" not in client.get(address(study, "round")).content.decode()


def test_stages_say_how_far_they_are_and_what_they_wait_for(study):
    stages = {stage.kind: stage for stage in study.round.stages.all()}
    for number in range(3):
        StageLine.objects.create(
            stage=stages["detector"],
            text=f"epoch {number + 1}",
            values={"loss": 3.0 - number, "score": 0.5, "dice": 0.5},
        )
    artifact = Artifact.objects.create(key="k", kind="pseudo_masks", sha256="0" * 64, size=1)
    Stage.objects.filter(pk=stages["detector"].pk).update(
        state=Stage.State.RUNNING, done=3, total=12, note="epoch 3 of 12", started_at=timezone.now(), attempts=1
    )
    Stage.objects.filter(pk=stages["segmenter"].pk).update(state=Stage.State.FAILED, error="Disk full. Free some.")
    Stage.objects.filter(pk=stages["pseudo_masks"].pk).update(state=Stage.State.REUSED, artifact=artifact)
    page = page_text(signed_in(study.people["viewer"]).get(address(study, "round-progress")))
    assert re.search(r'<progress value="25"\s+max="100"\s+aria-label="Detector"', page)
    assert "3 of 12 epochs" in page and "epoch 3 of 12" in page and "Disk full. Free some." in page
    assert "loss went from 3 to 1 over 3 reports; lowest 1, highest 3" in page
    assert "dice went from" in page and "score went from" not in page  # the same curve twice tells nothing
    assert "waiting for detector and segmenter" in page and "reused from an earlier round" in page


def test_a_stage_that_nobody_takes_says_that_a_worker_may_be_missing(study):
    long_ago = timezone.now() - timedelta(minutes=2)
    study.round.stages.filter(kind__in=["pseudo_masks", "detector"]).update(queued_at=long_ago)
    client = signed_in(study.people["viewer"])
    missing = "if none is running, nothing will happen"
    assert missing in client.get(address(study, "round-progress")).content.decode()
    study.round.stages.filter(kind="detector").update(state=Stage.State.RUNNING, started_at=long_ago)
    assert missing not in client.get(address(study, "round-progress")).content.decode(), "the worker is busy"


def test_a_round_says_when_it_will_be_done_by_how_long_the_last_one_took(study):
    now = timezone.now()
    client = signed_in(study.people["viewer"])
    assert "by the last round" not in client.get(address(study, "round-progress")).content.decode()  # there is none
    for stage in study.round.stages.all():
        Stage.objects.filter(pk=stage.pk).update(
            state=Stage.State.DONE, started_at=now - timedelta(seconds=10 * stage.position), finished_at=now
        )
    Round.objects.update(state=Round.State.PUBLISHED)
    second = start_round(project=study.project, by=None, preset=study.round.preset)
    stages = second.stages
    stages.filter(position__lte=2).update(state=Stage.State.REUSED)
    stages.filter(position=3).update(
        state=Stage.State.RUNNING, done=2, total=4, attempts=1, usage={"made": 2, "seconds": 100}, started_at=now
    )
    # 100 s by its own pace, and 40 + 50 + 60 + 70 + 80 s of those that have not begun
    page = client.get(reverse("round-progress", args=[second.pk])).content.decode()
    assert "about 6 min 40 s left by the last round, until" in page
    stages.filter(position=4).update(missing_resource={"what": "no_worker", "queue": "cpu"})
    page = client.get(reverse("round-progress", args=[second.pk])).content.decode()
    assert "by the last round" not in page  # who waits for memory cannot say for how long


GIB = 2**30
USAGE = {"cores": 1.94, "cores_mean": 1.7, "memory": 1.2 * GIB, "memory_peak": 1.6 * GIB, "device": "cpu"}


def test_a_stage_at_work_says_what_it_uses_and_a_finished_one_its_mean_and_peak(study):
    client = signed_in(study.people["viewer"])
    gpu = {"device": "cuda", "gpu_memory": 10.2 * GIB, "gpu_memory_peak": 12 * GIB, "gpu_busy": 0.43}
    running = {"state": Stage.State.RUNNING, "started_at": timezone.now(), "lease_owner": uuid.uuid4()}
    study.round.stages.filter(kind="detector").update(usage=USAGE, **running)
    study.round.stages.filter(kind="pseudo_masks").update(usage=USAGE | gpu, **running)
    page = client.get(address(study, "round-progress")).content.decode()
    assert "CPU: 1.9 cores, 1.2 GiB (peak 1.6 GiB)<" in page
    assert "GPU: 1.9 cores, 1.2 GiB (peak 1.6 GiB), 10.2 GiB (peak 12.0 GiB) of GPU memory, 43 % busy<" in page
    study.round.stages.filter(kind="detector").update(state=Stage.State.DONE)
    page = client.get(address(study, "round-progress")).content.decode()
    assert "CPU: 1.7 cores on average, at most 1.6 GiB<" in page
    study.round.stages.filter(kind="detector").update(state=Stage.State.WAITING)
    assert "on average" not in client.get(address(study, "round-progress")).content.decode()


def test_a_spread_stage_adds_up_what_its_workers_use_and_says_when_one_of_them_lacks_memory(study):
    stage = study.round.stages.get(kind="prediction")
    for number in range(3):
        state = "running" if number else "done"
        stage.portions.create(number=number, images=[1], state=state, usage=USAGE)
    missing = {"what": "memory", "worker": "host7"}
    soon = timezone.now() + timedelta(seconds=90)
    Stage.objects.filter(pk=stage.pk).update(state=Stage.State.RUNNING, missing_resource=missing, again_at=soon)
    page = signed_in(study.people["manager"]).get(address(study, "round-progress")).content.decode()
    assert "CPU: 3.9 cores, 2.4 GiB (peak 3.2 GiB), 2 workers<" in page
    assert (
        "Waits: the worker on host7 ran out of memory." in page and f"Tried again at {soon:%H:%M:%S} (in 1 min" in page
    )
    assert "Try now" in page and "waits for memory, a GPU or a worker" not in page  # others are at it
    assert "Try now" not in signed_in(study.people["viewer"]).get(address(study, "round-progress")).content.decode()


def test_the_device_is_chosen_in_the_form(study):
    client = signed_in(study.people["manager"])
    assert '<option value="gpu">GPU</option>' in client.get(address(study, "project-rounds")).content.decode()
    client.post(address(study, "project-rounds"), {"preset": "tiny", "device": "gpu", "line_up": "1"})
    made = study.project.rounds.get(state=Round.State.PLANNED)
    assert made.configuration["device"] == "gpu" and made.stages.get(kind="detector").queue == "gpu"


def test_a_reused_stage_names_the_round_that_made_it(study):
    artifact = Artifact.objects.create(key="k", kind="detector", sha256="0" * 64, size=1)
    study.round.stages.filter(kind="detector").update(state=Stage.State.DONE, artifact=artifact)
    Round.objects.update(state=Round.State.FAILED, error="The loss is not a number.")
    second = start_round(project=study.project, by=study.people["owner"])
    second.stages.filter(kind="detector").update(state=Stage.State.REUSED, artifact=artifact)
    client = signed_in(study.people["viewer"])
    assert "reused from round 1" in client.get(second.get_absolute_url()).content.decode()
    assert "The loss is not a number." in client.get(address(study, "round")).content.decode()


def test_the_log_goes_on_where_the_reader_is(study):
    stage = study.round.stages.get(kind="detector")
    first, second = (StageLine.objects.create(stage=stage, text=text) for text in ("one", "two <b>"))
    StageLine.objects.create(stage=stage, text="", values={"loss": 0.5})
    client = signed_in(study.people["viewer"])
    part = client.get(address(study, "round-log") + f"?after={first.pk}").content.decode()
    assert "one" not in part and "two &lt;b&gt;" in part and f"after={second.pk}" in part
    whole = client.get(address(study, "round-log-file"))
    assert whole.headers["Content-Disposition"] == 'attachment; filename="round-1.log.txt"'
    lines = whole.content.decode().splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["detector one", "detector two <b>", "detector loss=0.5"]


def test_a_finished_round_shows_its_proofs_figures_and_doubts(study):
    owner = study.people["owner"]
    divided = study.project.patients.get(name="slide 7")
    study.project.patients.update(split=None)
    judged = ImageFactory(project=study.project, split=Split.VAL)
    study.project.images.filter(pk=judged.pk).update(patient=divided)
    draw(judged, owner, region())
    Round.objects.update(state=Round.State.FAILED)
    second = start_round(project=study.project, by=owner)
    publish(
        round_=second,
        image=judged,
        proposals=proposals(3),
        **STATEMENTS,
    )
    publish(
        round_=second, image=study.image, proposals=proposals(1),
        certificate=CERTIFICATE.with_(cut=5000, closed=False), model_names=NO_NAMES, facts=NO_FACTS,
    )  # fmt: skip
    facts = {"box_ap50": 0.61234, "images": 1, "masks": {"dice": 0.8, "pq": 0.5}, "sentence": "Only one image."}
    artifact = Artifact.objects.create(key="e", kind="evaluation", sha256="0" * 64, size=1, facts=facts)
    second.stages.filter(kind="evaluation").update(state=Stage.State.DONE, artifact=artifact)
    Round.objects.filter(pk=second.pk).update(state=Round.State.PUBLISHED, finished_at=timezone.now())
    page = signed_in(owner).get(second.get_absolute_url()).content.decode()
    assert "Same patient, optimistic." in page and "Images of slide 7 stand both in training and in evaluation" in page
    assert f'href="{reverse("image", args=[judged.pk])}"' in page
    assert "4,321" in page and "7.5 ms" in page and "3.12 %" in page and "512.5" in page
    assert "4,321 ≠ 5,000, not proven" in page
    shown = page[page.index("Box AP at IoU 0.5") :]  # What stands before is chance: a token may hold any two letters.
    assert shown.index("0.612") < shown.index("Dice") < shown.index("PQ")
    assert "Only one image." in page


def test_a_manager_lines_up_a_round_while_another_is_at_work_and_takes_it_back(study):
    client = signed_in(study.people["manager"])
    assert "Queue another round" in client.get(address(study, "project-rounds")).content.decode()
    answer = client.post(address(study, "project-rounds"), {"preset": "tiny", "lam": "3", "line_up": "1"})
    made = study.project.rounds.get(state=Round.State.PLANNED)
    assert answer.headers["Location"] == made.get_absolute_url()
    page = client.get(made.get_absolute_url()).content.decode()
    assert "it starts when the round before it has ended" in page and "Cancel" in page
    client.post(reverse("cancel-round", args=[made.pk]))
    made.refresh_from_db()
    assert made.state == Round.State.CANCELLED


# -- models


EVALUATION = {
    "box_ap50": 0.71,
    "masks": {"detector": {"dice": 0.62}, "segmenter": {"dice": 0.53}, "fused": {"dice": 0.84}},
    "sentence": "as measured",
}


@pytest.mark.parametrize(
    ("kind", "metrics", "cells", "figures"),
    [
        ("detector", EVALUATION, ["0.710", "0.620"], {"box_ap50": 0.71, "masks": {"detector": {"dice": 0.62}}}),
        ("segmenter", EVALUATION, ["", "0.530"], {"masks": {"segmenter": {"dice": 0.53}}}),
        ("detector", {"box_ap50": 0.71}, ["0.710", "not measured"], {"box_ap50": 0.71}),
        ("segmenter", {"box_ap50": 0.71}, ["", "not measured"], {}),
        ("detector", {}, ["not measured", "not measured"], {}),
        ("segmenter", {}, ["", "not measured"], {}),
        ("detector", {"box_ap50": 0.0}, ["0", "not measured"], {"box_ap50": 0.0}),
    ],
)
def test_a_model_has_the_figures_of_its_kind_only(kind, metrics, cells, figures, study):
    """E17: no box AP beside a segmenter, on the page and in the API."""
    artifact = Artifact.objects.create(key=f"k-{kind}", kind=kind, facts={}, sha256="0" * 64, size=1)
    version = ModelVersion.objects.create(
        project=study.project, kind=kind, number=1, origin="trained", model="x", artifact=artifact, metrics=metrics,
        round=study.round, snapshot=study.round.snapshot,
    )  # fmt: skip
    page = signed_in(study.people["viewer"]).get(address(study, "project-models")).content.decode()
    row = page[page.index("<tbody>") : page.index("</tbody>")]
    figures_shown = re.findall(r'<td class="is-figure">(.*?)</td>', row, re.S)
    shown = [re.sub(r"<[^>]+>", "", found).strip() for found in figures_shown]
    assert shown[:2] == cells
    assert {name: value for name, value in figures_of(version).as_json().items() if name != "sentence"} == figures
