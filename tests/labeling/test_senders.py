"""Every sender of work goes through labeling/jobs, so that the fixture `sent` catches all of it."""

import ast
from pathlib import Path

import pytest

from labeling import jobs

ROOT = Path(__file__).resolve().parents[2]
# immediate.py waits for the answer of what it sends, and its tests replace the whole application.
MAY_SEND = {"labeling/jobs/__init__.py", "labeling/jobs/immediate.py"}
TO_THE_BROKER = {"send_task", "apply_async", "delay"}


def names_send(node: ast.ImportFrom) -> bool:
    return any(alias.name == "send" for alias in node.names)


def test_nothing_is_sent_past_it():
    past = []
    for room in ("labeling", "inference"):
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr in TO_THE_BROKER and name not in MAY_SEND:
                    past.append(f"{name}:{node.lineno} sends with {node.attr}; call jobs.send")
                if isinstance(node, ast.ImportFrom) and node.module == "labeling.jobs" and names_send(node):
                    past.append(f"{name}:{node.lineno} imports send by name, so no test can replace it")
    assert past == []


def test_the_fixture_records_task_queue_and_arguments(sent):
    jobs.send("inference.run_stage", queue="gpu", stage_id=3)
    assert sent == [("inference.run_stage", "gpu", {"stage_id": 3})]
    assert (sent[0].task, sent[0].queue, sent[0].arguments) == sent[0]


@pytest.mark.django_db
def test_what_a_failed_transaction_asked_for_is_not_sent(monkeypatch, django_capture_on_commit_callbacks):
    reported = []
    monkeypatch.setattr(jobs.app, "send_task", lambda task, **options: reported.append((task, options)))
    with django_capture_on_commit_callbacks() as waiting:
        jobs.send("labeling.deliver", queue="cpu", delivery_id="7")
    assert reported == []
    waiting[0]()
    assert reported == [("labeling.deliver", {"kwargs": {"delivery_id": "7"}, "queue": "cpu"})]
