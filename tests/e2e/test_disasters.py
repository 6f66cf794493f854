"""kill -9 of everything, in the middle of everything: what was acknowledged is there, once; the round goes on where
it stopped."""

import json
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.labeling.operations import cell, effect, operation
from tests.running import Running, own_boxwise, wait_for

pytestmark = pytest.mark.timeout(600)

PROJECT = """
import json
from django.contrib.auth import get_user_model
from tests.tokens import token_of
from tests.labeling.rounds import small_project
from labeling.annotations.services import working_layer
user = get_user_model().objects.get(is_superuser=True)
project = small_project(user, fields=5, side=192, cells=24)
image = project.images.last()
print(json.dumps({
    "project": project.pk, "layer": str(working_layer(image=image, user=user).pk), "token":
    token_of(user),
}))
"""


@pytest.fixture(scope="module")
def house() -> Iterator[Running]:
    """A Boxwise of its own: others must not meet what is killed here."""
    with own_boxwise("kill") as instance:
        yield instance


@pytest.fixture(scope="module")
def given(house: Running) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(house.manage(PROJECT).splitlines()[-1])
    return found


def call(house: Running, given: dict[str, Any], path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{house.port}/api/v1/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Token {given['token']}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


class Annotator(threading.Thread):
    """Draws cell after cell and, as the browser does, sends an operation again until it is answered."""

    def __init__(self, house: Running, given: dict[str, Any], until: threading.Event) -> None:
        super().__init__(daemon=True)
        self.house, self.given, self.until = house, given, until
        self.acknowledged: list[str] = []
        self.failures = 0

    def run(self) -> None:
        number = 0
        while not self.until.is_set():
            number += 1
            x = float(number % 150)
            act = operation(effect(uuid.uuid4(), cell((x, 1, x + 20, 30))))
            while True:
                try:
                    answer = call(
                        self.house, self.given, f"layers/{self.given['layer']}/operations/", {"operations": [act]}
                    )
                except (OSError, ValueError):  # refused, cut off, or a 5xx: nothing is known, so send it again
                    self.failures += 1
                    time.sleep(0.05)
                    continue
                assert answer["results"][0]["verdict"] in ("accepted", "repeated")
                self.acknowledged.append(act["op_id"])
                break


def state_of_log(house: Running, layer: str) -> dict[str, Any]:
    printed = house.manage(
        "import json; from labeling.annotations.models import Layer;"
        "from labeling.annotations.replay import differences;"
        f"layer = Layer.objects.get(pk='{layer}');"
        "print(json.dumps({'ops': [str(o) for o in layer.operations.order_by('seq').values_list('op_id', flat=True)],"
        "'cells': layer.annotations.count(), 'wrong': differences(layer)}))"
    )
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.parametrize("victim", ["web", "postgres"])
def test_no_acknowledged_stroke_is_lost_and_none_is_doubled(house: Running, given: dict[str, Any], victim: str):
    before = set(state_of_log(house, given["layer"])["ops"])
    over = threading.Event()
    people = [Annotator(house, given, over) for _ in range(3)]
    for person in people:
        person.start()
    wait_for(lambda: all(len(p.acknowledged) >= 10 for p in people), 30, "everyone draws")
    house.kill(victim)
    sent = [len(p.acknowledged) for p in people]
    wait_for(
        lambda: all(len(p.acknowledged) >= n + 10 for p, n in zip(people, sent, strict=True)),
        60,
        "everyone draws again",
    )
    over.set()
    for person in people:
        person.join(20)
    log = state_of_log(house, given["layer"])
    acknowledged = [op for person in people for op in person.acknowledged]
    assert sum(person.failures for person in people) > 0, "the kill was felt"
    assert set(acknowledged) <= set(log["ops"])
    assert len(log["ops"]) == len(set(log["ops"])) == log["cells"]
    assert len(set(log["ops"]) - before) == len(acknowledged)  # nothing but what they sent
    assert log["wrong"] == []


def test_a_round_goes_on_after_its_worker_was_killed(house: Running, given: dict[str, Any]):
    round_ = call(house, given, f"projects/{given['project']}/rounds/", {"preset": "tiny"})

    def stages() -> dict[str, dict[str, Any]]:
        return {s["kind"]: s for s in call(house, given, f"rounds/{round_['id']}/")["stages"]}

    wait_for(
        lambda: stages()["detector"]["state"] == "running" and stages()["detector"]["done"] > 0, 120, "training begins"
    )
    at_kill = stages()["detector"]["done"]
    masks_done = stages()["pseudo_masks"]["state"]
    house.kill("worker")
    wait_for(lambda: call(house, given, f"rounds/{round_['id']}/")["state"] == "published", 240, f"{stages()}")
    after = stages()
    assert at_kill > 0 and after["detector"]["attempts"] == 2
    if masks_done == "done":
        assert after["pseudo_masks"]["attempts"] == 1  # what was finished is not done again
    assert {s["state"] for s in after.values()} == {"done"}
    published = house.manage(
        "from labeling.models import Publication; from collections import Counter;"
        f"found = Publication.objects.filter(round_id={round_['id']});"
        "print(found.count(), max(Counter(found.values_list('image_id', flat=True)).values()))"
    )
    assert published.split() == ["5", "1"]


RUN_TWICE = """
from labeling.celery import app
from labeling.rounds.models import Stage
for pk in Stage.objects.filter(round_id={round}).values_list("pk", flat=True):
    for _ in range(2):
        app.send_task("inference.run_stage", kwargs={{"stage_id": pk}}, queue="cpu")
"""
WHAT_IS_THERE = """
import json
from collections import Counter
from labeling.models import Publication, Stage
images = Counter(Publication.objects.filter(round_id={round}).values_list("image_id", flat=True))
stages = Stage.objects.filter(round_id={round})
print(json.dumps({{"images": len(images), "most": max(images.values()),
                   "attempts": {{s.kind: s.attempts for s in stages}}}}))
"""


@pytest.mark.slow
def test_broker_and_database_restart_in_mid_stage_and_messages_come_twice(house: Running, given: dict[str, Any]):
    """Nothing lost and nothing twice; the stage at work waits for the database and is not even begun again."""
    wished = {"preset": "tiny", "changes": {"seed": 7}}  # its own models: nothing of another round is used again
    round_ = call(house, given, f"projects/{given['project']}/rounds/", wished)
    address = f"rounds/{round_['id']}/"

    def training() -> bool:
        detector = next(s for s in call(house, given, address)["stages"] if s["kind"] == "detector")
        return detector["state"] == "running" and detector["done"] > 0

    wait_for(training, 120, "training begins")
    house.manage(RUN_TWICE.format(round=round_["id"]))
    house.kill("valkey")
    house.kill("postgres")
    house.wait_until_healthy(60)
    wait_for(lambda: call(house, given, address)["state"] not in ("queued", "running"), 240, "the round ends")
    ended = call(house, given, address)
    assert ended["state"] == "published", ended
    found = json.loads(house.manage(WHAT_IS_THERE.format(round=round_["id"])).splitlines()[-1])
    assert (found["images"], found["most"]) == (5, 1)
    assert set(found["attempts"].values()) == {1}, found


def test_cancel_reaches_a_worker_that_trains_and_retry_goes_on(house: Running, given: dict[str, Any]):
    wished = {"preset": "tiny", "changes": {"seed": 8}}
    round_ = call(house, given, f"projects/{given['project']}/rounds/", wished)
    address = f"rounds/{round_['id']}/"

    def detector() -> dict[str, Any]:
        found: dict[str, Any] = next(s for s in call(house, given, address)["stages"] if s["kind"] == "detector")
        return found

    wait_for(lambda: detector()["state"] == "running", 120, "training begins")
    call(house, given, f"{address}cancel/", {})
    wait_for(lambda: call(house, given, address)["state"] == "cancelled", 30, "the worker stops")
    assert detector()["state"] == "cancelled"
    call(house, given, f"{address}retry/", {})
    wait_for(lambda: detector()["state"] in ("running", "done"), 60, "it goes on")
    call(house, given, f"{address}cancel/", {})
