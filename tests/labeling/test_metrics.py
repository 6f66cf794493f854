"""/livez, /healthz and /metrics: who may ask for what."""

import json

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from labeling.jobs.models import Job
from labeling.server import health
from tests.labeling.pages import make_study
from tests.running import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _parts(monkeypatch, settings):
    settings.HEALTH_TOKEN = "a token of the supervisor"
    monkeypatch.setitem(health.PARTS, "workers", lambda: "down: no worker for files")


def values(client: Client, **headers: str) -> dict[tuple[str, str], float]:
    """(name, value of its only label) -> value."""
    answer = client.get("/metrics", headers=headers)
    assert answer.status_code == 200
    found = {}
    for family in text_string_to_metric_families(answer.content.decode()):
        for sample in family.samples:
            found[sample.name, "".join(sample.labels.values())] = sample.value
    return found


def test_metrics_are_for_who_has_the_token(settings):
    for headers in ({}, {"X-Health-Token": "wrong"}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}):
        assert Client().get("/metrics", headers=headers).status_code == 404
    for headers in ({"X-Health-Token": settings.HEALTH_TOKEN}, {"Authorization": f"Bearer {settings.HEALTH_TOKEN}"}):
        assert values(Client(), **headers)
    settings.HEALTH_TOKEN = ""
    assert Client().get("/metrics", headers={"X-Health-Token": ""}).status_code == 404


def test_what_is_counted(settings):
    study = make_study()
    Client().post("/accounts/sign-in/", {"username": "nobody", "password": "wrong"})
    found = values(Client(), **{"X-Health-Token": settings.HEALTH_TOKEN})
    assert found["boxwise_part_up", "database"] == 1
    assert found["boxwise_part_up", "workers"] == 0
    waiting = Job.objects.filter(state=Job.State.WAITING).count()
    assert found["boxwise_jobs", "waiting"] == waiting > 0
    assert found["boxwise_jobs", "failed"] == 0
    assert found["boxwise_rounds", str(study.round.state)] == 1
    assert found["boxwise_sign_in_failures", ""] == 1
    assert found["boxwise_storage_free_bytes", ""] > 0


def test_a_process_that_answers_is_alive_whatever_the_others_do(monkeypatch):
    def away() -> str:
        raise ConnectionError

    monkeypatch.setitem(health.PARTS, "database", away)
    assert Client().get("/healthz").status_code == 503
    answer = Client().get("/livez")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})


def test_the_dashboard_shows_every_metric_and_no_other(settings):
    dashboard = json.loads((ROOT / "docker/grafana.json").read_text())
    targets = [panel["targets"][0] for panel in dashboard["panels"]]
    legends = {target["expr"]: target["legendFormat"] for target in targets}
    assert legends.keys() == {name for name, _label in values(Client(), **{"X-Health-Token": settings.HEALTH_TOKEN})}
    answer = Client().get("/metrics", headers={"X-Health-Token": settings.HEALTH_TOKEN}).content.decode()
    for family in text_string_to_metric_families(answer):
        for label in family.samples[0].labels:
            assert f"{{{{{label}}}}}" in legends[family.name]
