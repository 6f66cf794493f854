"""What refuses an act on a round names it as the caller knows it: pages by its number, the API by its id."""

import ast
import re
from pathlib import Path

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.rounds.execution import services
from labeling.rounds.execution.services import start_round
from labeling.rounds.models import Artifact, ModelVersion, Promotion, Round
from tests.labeling.pages import make_study, signed_in, toasts

pytestmark = pytest.mark.django_db
ROUNDS = Path(services.__file__).parent


@pytest.fixture
def study(sent):
    """Number and id of the round differ by far."""
    study = make_study()
    study.round.delete()
    Round.objects.filter(project=study.project).delete()
    study.round = start_round(project=study.project, by=study.people["owner"], preset="tiny")
    Round.objects.filter(pk=study.round.pk).update(number=7000 + study.round.pk)
    study.round.refresh_from_db()
    return study


def in_state(state):
    return lambda study: Round.objects.filter(pk=study.round.pk).update(state=state)


def current(study):
    in_state("published")(study)
    Promotion.objects.create(project=study.project, round=study.round, reason=Promotion.Reason.FINISHED)


# page, API, how it comes to the refusal, words of it
DECLINED = [
    ("cancel-round", "round-cancel", in_state("published"), "round {n} is published already"),
    ("cancel-round", "round-cancel", in_state("failed"), "round {n} is failed already"),
    ("retry-round", "round-retry", in_state("published"), "round {n} is “published” and cannot become “waiting"),
    ("promote-round", "round-promote", in_state("running"), "round {n} is running; only a finished round"),
    ("promote-round", "round-promote", current, "the proposals of round {n} are the current ones already"),
    ("tune-round", "round-tuning", in_state("cancelled"), "round {n} is cancelled; settings are tried on"),
    (None, "round-export", in_state("failed"), "round {n} is failed; only a finished round can be taken elsewhere"),
    (None, "round-export", in_state("published"), "round {n} has no weights in the registry"),
]


@pytest.mark.parametrize(("page", "api", "bring_about", "words"), DECLINED, ids=[f"{r[1]}: {r[3]}" for r in DECLINED])
def test_a_refusal_names_the_round_as_the_caller_does(page, api, bring_about, words, study):
    bring_about(study)
    owner, round_ = study.people["owner"], study.round
    client = APIClient()
    client.force_authenticate(owner)
    act = client.get if api == "round-export" else client.post
    detail = act(reverse(api, args=[round_.pk])).json()["detail"]
    assert words.format(n=round_.pk) in detail and str(round_.number) not in detail
    if page is not None:
        answer = signed_in(owner).post(reverse(page, args=[round_.pk]))
        (reported,) = toasts(answer)
        assert words.format(n=round_.number) in reported[0].lower() + reported[1:]
        assert not re.search(rf"\b{round_.pk}\b", reported)


def test_a_refusal_names_a_model_as_the_caller_does(study):
    in_state("published")(study)
    artifact = Artifact.objects.create(key="k", kind="detector", facts={}, sha256="0" * 64, size=1)
    version = ModelVersion.objects.create(
        project=study.project, kind="detector", number=9000, origin="trained", model="yolo", artifact=artifact,
        round=study.round, snapshot=study.round.snapshot,
    )  # fmt: skip
    client = APIClient()
    client.force_authenticate(study.people["owner"])
    body = {"preset": "tiny", "start": {"detector": {"from": version.pk}}}
    detail = client.post(reverse("round-list", args=[study.project.pk]), body, format="json").json()["detail"]
    assert detail.startswith(f"model version {version.pk} is a yolo") and "9000" not in detail
    form = {"preset": "tiny", "detector_from": version.pk}
    (reported,) = toasts(
        signed_in(study.people["owner"]).post(reverse("project-rounds", args=[study.project.pk]), form)
    )
    assert reported.startswith("Detector 9000 is a yolo")


def raises_of(path):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Raise)]


@pytest.mark.parametrize("path", sorted(ROUNDS.glob("*.py")), ids=lambda path: path.stem)
def test_no_refusal_writes_a_number_into_its_sentence_itself(path):
    """about_round and about_version do, for both kinds of caller."""
    for node in raises_of(path):
        names = {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
        assert "number" not in names, f"{path.name}:{node.lineno} names a round by its number to callers of the API"


def test_the_address_of_a_round_holds_its_number(study):
    client, round_ = signed_in(study.people["owner"]), study.round
    page = f"/projects/{study.project.pk}/rounds/{round_.number}/"
    assert round_.get_absolute_url() == page and client.get(page).status_code == 200
    assert client.get(f"/rounds/{round_.pk}/").headers["Location"] == page  # of a mail from before
    assert client.get(f"/projects/{study.project.pk}/rounds/{round_.pk}/").status_code == 404
    shown = client.get(reverse("project-rounds", args=[study.project.pk])).content.decode()
    assert page in shown and f'href="/rounds/{round_.pk}/"' not in shown
