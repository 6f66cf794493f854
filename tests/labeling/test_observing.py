"""Traces and error reports: off by default, and nothing that leaves names a patient, a person or a file."""

import json
import subprocess
import sys

import pytest

from labeling.server import observing
from tests.running import ROOT

SECRETS = ("Miller", "miller@hospital.example", "/data/slides/Miller_07.svs", "10.0.0.7")
EVENT = {
    "event_id": "1" * 32, "timestamp": "2026-11-30T01:00:00Z", "level": "error", "platform": "python", "release": "0.1",
    "logentry": {"message": "cannot read /data/slides/Miller_07.svs"}, "server_name": "10.0.0.7",
    "message": "Miller", "user": {"email": "miller@hospital.example", "ip_address": "10.0.0.7"},
    "request": {"url": "https://boxwise/?text=Miller", "headers": {"Cookie": "Miller"}, "data": {"name": "Miller"}},
    "breadcrumbs": {"values": [{"message": "Miller"}]}, "extra": {"patient": "Miller"}, "contexts": {"a": "Miller"},
    "exception": {"values": [{
        "type": "UnreadableImage", "module": "labeling.errors", "value": "/data/slides/Miller_07.svs cannot be read",
        "mechanism": {"data": {"x": "Miller"}},
        "stacktrace": {"frames": [{
            "module": "labeling.images.services", "function": "read", "lineno": 7, "in_app": True,
            "vars": {"name": "Miller"}, "context_line": "Miller", "abs_path": "/data/slides/Miller_07.svs",
        }]},
    }]},
}  # fmt: skip


def test_of_an_error_its_type_and_places_leave_and_nothing_else():
    kept = observing.scrubbed(EVENT)
    assert not [secret for secret in SECRETS if secret in json.dumps(kept)]
    (exception,) = kept["exception"]["values"]
    assert (exception["type"], exception["stacktrace"]["frames"][0]["function"]) == ("UnreadableImage", "read")
    assert kept.keys() == {*observing.EVENT_FIELDS, "exception", "tags"}


def test_an_event_without_an_exception_has_none():
    assert observing.scrubbed({"message": "Miller"})["exception"] == {"values": []}


@pytest.mark.parametrize("name", [observing.ENDPOINT, observing.DSN])
def test_a_setting_without_its_package_stops_the_start_with_a_sentence(name, monkeypatch):
    for package in ("sentry_sdk", "opentelemetry.exporter.otlp.proto.http.trace_exporter"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv(name, "https://key@collector.example/1")
    with pytest.raises(SystemExit, match=f"{name} is set; install the extra"):
        observing.begin()


def test_without_a_setting_nothing_is_imported():
    code = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings_for_tools'; import django, sys;"
        "django.setup(); print([m for m in sys.modules if m.startswith(('sentry_sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


REAL = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings_for_tools"
import django
django.setup()
import json
import sentry_sdk
from celery import Celery
from django.test import Client
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from labeling.server import observing

memory = InMemorySpanExporter()
observing.trace_with(SimpleSpanProcessor(observing._exporting(memory)))
Client().get("/livez?text=Miller", headers={"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"})
app = Celery(broker="memory://", backend="cache+memory://")
app.conf.task_always_eager = True


@app.task(name="inference.run_stage")
def run_stage(name):
    pass


run_stage.apply(kwargs={"name": "Miller"})
sent = []
observing._begin_reports("https://key@collector.example/1")
client = sentry_sdk.get_client()
client.transport.capture_envelope = lambda envelope: sent.append(envelope.get_event())
try:
    patient = "Miller"
    raise FileNotFoundError("/data/slides/Miller_07.svs")
except FileNotFoundError:
    sentry_sdk.capture_exception()
spans = memory.get_finished_spans()
print(json.dumps({
    "names": [span.name for span in spans], "traces": [f"{span.context.trace_id:032x}" for span in spans],
    "text": repr([span.to_json() for span in spans]) + json.dumps(sent), "types":
    [one["type"] for event in sent for one in event["exception"]["values"]],
}))
"""


def test_the_real_libraries_send_no_name_and_a_request_goes_on_in_its_trace():
    pytest.importorskip("sentry_sdk", reason="the extra observe is not installed")
    pytest.importorskip("opentelemetry.sdk", reason="the extra observe is not installed")
    done = subprocess.run([sys.executable, "-c", REAL], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert "Miller" not in found["text"]
    assert found["names"] == ["GET livez", "run/inference.run_stage"]
    assert found["traces"][0] == "a" * 32, "the trace that the browser or a proxy began"
    assert found["types"] == ["FileNotFoundError"]
