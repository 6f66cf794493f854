"""The way of a smart click and of a stroke to the interactive worker and back, with a worker's part played here."""

import asyncio
import json
import threading
import uuid

import pytest
from celery.exceptions import TimeoutError as NoAnswerInTime
from django.core.files.base import ContentFile
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.annotations import feed
from labeling.annotations.services import working_layer, write_operations
from labeling.jobs import immediate
from labeling.rounds.configuration import configure
from labeling.rounds.models import Artifact, Snapshot, Stage
from tests.declined import assert_declined
from tests.factories import ImageFactory, MembershipFactory, ProjectFactory
from tests.labeling.operations import cell, effect, names, operation

pytestmark = pytest.mark.django_db


class Sent:
    """What send_task returns, and what it was given."""

    def __init__(self, answer):
        self.answer = answer
        self.calls = []

    def send_task(self, name, **given):
        self.calls.append((name, given))
        return self

    def get(self, timeout, interval):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def forget(self):
        self.forgotten = True


@pytest.fixture
def image():
    return ImageFactory(project=ProjectFactory())


@pytest.fixture
def client(image):
    client = APIClient()
    client.force_authenticate(MembershipFactory(project=image.project, role="annotator").user)
    return client


def ask(client, image, route="image-smart", **body):
    body = {"session": str(uuid.uuid4()), "number": 3, "points": [[5, 5, 1]]} | body
    return client.post(reverse(route, args=[image.pk]), body, format="json")


def test_a_click_goes_to_the_interactive_queue_with_an_expiry(client, image, monkeypatch):
    worker = Sent({"mask": None, "score": 0.0})
    monkeypatch.setattr(immediate, "app", worker)
    session = str(uuid.uuid4())
    answer = ask(client, image, session=session)
    assert answer.status_code == 200 and answer.json()["score"] == 0.0
    ((name, given),) = worker.calls
    assert name == "inference.prompt" and given["queue"] == "interactive"
    assert 0 < given["expires"] <= 10 and given["ignore_result"] is False
    assert given["kwargs"]["image"] == image.sha256 and given["kwargs"]["points"] == [[5, 5, 1]]
    assert feed.newest_request(session) == 3


def test_when_nobody_answers_a_sentence_says_so(client, image, monkeypatch):
    monkeypatch.setattr(immediate, "app", Sent(NoAnswerInTime()))
    answer = ask(client, image)
    assert answer.status_code == 503 and answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "no_worker" and "by hand" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"points": []}, "points"),
        ({"points": [[1, 2, 7]]}, "points"),
        ({"points": [[1, float("1e400"), 1]]}, "points"),
        ({"points": [[1, 2, 1]] * 33}, "points"),
        ({"box": [1, 2, 3]}, "box"),
        ({"session": "x"}, "session"),
        ({"number": "x"}, "number"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_field(client, image, monkeypatch, body, field):
    monkeypatch.setattr(immediate, "app", Sent({}))
    given = {"session": str(uuid.uuid4()), "number": 3, "points": [[5, 5, 1]]} | body
    text = json.dumps(given).replace("Infinity", "1e400")
    answer = client.post(reverse("image-smart", args=[image.pk]), text, content_type="application/json")
    assert answer.status_code in (400, 422), answer.content
    if answer.status_code == 422:
        assert names(field, answer.json()["field"])


def test_a_stroke_outside_the_image_is_refused(client, image):
    stroke = {"x": image.width - 1, "y": 0, "width": 2, "height": 1, "bits": "wA==", "foreground": True}
    body = {"session": str(uuid.uuid4()), "number": 3, "strokes": [stroke]}
    answer = client.post(reverse("image-refusion", args=[image.pk]), body, format="json")
    assert_declined(answer, 422, field="strokes.0")


def finished_round(image, person, method, *kinds):
    """A published round of a method with these stages, which says something of the image."""
    number = image.project.rounds.count() + 1
    snapshot = Snapshot(project=image.project, sha256=f"{number:064}", summary={})
    snapshot.content.save("s.json", ContentFile(b"{}"), save=True)
    round_ = image.project.rounds.create(
        number=number, preset="tiny", configuration=configure("tiny", {"method": method}).as_json(),
        snapshot=snapshot, started_by=person, state="published",
    )  # fmt: skip
    layer = image.layers.create(kind="prediction")
    round_.publications.create(image=image, layer=layer, certificate={}, model_names={})
    for position, kind in enumerate(kinds, start=1):
        artifact = Artifact(key=f"{number} {kind}", kind=kind, sha256="0" * 64, size=1, facts={})
        artifact.file.save(f"{method}.zip", ContentFile(b"x"), save=False)
        artifact.save()
        Stage.objects.create(round=round_, position=position, kind=kind, artifact=artifact)


def test_a_stroke_is_fused_with_the_masks_of_the_newest_round_that_has_a_fusion(client, image, monkeypatch):
    sent = Sent({"error": "asked"})
    monkeypatch.setattr(immediate, "app", sent)
    person = image.project.memberships.first().user
    address = reverse("image-refusion", args=[image.pk])
    body = {"session": str(uuid.uuid4()), "number": 3, "strokes": []}
    finished_round(image, person, "cellboxify", "method", "prediction")
    answer = client.post(address, body, format="json")
    assert_declined(answer, 409, says="no fused masks yet: run a round of BoxCell first")
    finished_round(image, person, "boxcell", "prediction", "fusion")
    finished_round(image, person, "cellboxify", "method", "prediction")
    client.post(address, body, format="json")
    assert "boxcell" in sent.calls[0][1]["kwargs"]["unit"]


def test_the_feed_answers_what_a_browser_s_event_source_asks_for(client, image):
    layer = working_layer(image=image, user=image.project.memberships.first().user)
    answer = client.get(reverse("layer-feed", args=[layer.pk]), headers={"Accept": "text/event-stream"})
    assert answer.status_code == 200 and answer["Content-Type"] == "text/event-stream"
    gone = client.get(reverse("layer-feed", args=[uuid.uuid4()]), headers={"Accept": "text/event-stream"})
    assert gone.status_code == 404 and gone["Content-Type"] == "application/problem+json"


@pytest.mark.django_db(transaction=True)
def test_a_saved_stroke_reaches_those_who_follow_the_layer(image):
    writer = MembershipFactory(project=image.project, role="annotator").user
    layer = working_layer(image=image, user=writer)
    heard: list[dict] = []
    listening, done = threading.Event(), threading.Event()

    async def follow():
        async for part in feed.events(layer.pk, 0):
            heard.extend(json.loads(line[5:]) for line in part.decode().splitlines() if line.startswith("data:"))
            listening.set()
            if {"seq": 1} in heard:
                return

    def run():
        asyncio.run(asyncio.wait_for(follow(), 20))
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert listening.wait(10)
    for _ in range(50):  # until the subscription stands: presence is told to whoever listens then
        feed.tell(layer.pk, {"session": "probe"})
        if {"session": "probe"} in heard:
            break
        done.wait(0.1)
    write_operations(layer=layer, author=writer, operations=[operation(effect(uuid.uuid4(), cell()))])
    assert done.wait(10), heard
    assert heard[0] == {"seq": 0} and heard[-1] == {"seq": 1}
