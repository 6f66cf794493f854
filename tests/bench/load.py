"""Many people at once: how long a save takes to be acknowledged, and what it costs the web process.

    make load                 # every row of the table in docs/scaling.md
    make load LOAD_CELLS=200 LOAD_PEOPLE=8 LOAD_SECONDS=10 LOAD_FOLLOWERS=20 LOAD_OPERATIONS=20000 LOAD_ROUND=0

LOAD_SECONDS (60) is how long the people with pauses work. LOAD_ROUND, LOAD_FOLLOWERS, LOAD_OPERATIONS and LOAD_START
are left out with 0. The whole embedded Boxwise runs on this machine, and the generator beside it; its processor time is
printed too. Every person keeps one connection, draws a new cell and waits until it is acknowledged. Each operation is
counted in the log afterwards: none may be missing or doubled.
"""

import http.client
import json
import os
import random
import shutil
import statistics
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import followers
from tests.bench import large_project, start
from tests.e2e.test_disasters import call
from tests.labeling.operations import cell, effect, operation
from tests.running import Running, wait_for

CELLS = int(os.environ.get("LOAD_CELLS", "10000"))
SECONDS = float(os.environ.get("LOAD_SECONDS", "60"))
PEOPLE = [int(count) for count in os.environ.get("LOAD_PEOPLE", "50,200").split(",")]
FOLLOWERS = int(os.environ.get("LOAD_FOLLOWERS", "500"))
WITH_ROUND = os.environ.get("LOAD_ROUND", "1") != "0"
WITH_START = os.environ.get("LOAD_START", "1") != "0"
CONNECTIONS = 8  # of the closed loops
PAUSE = 2.0  # seconds between two operations of one person
TICKS = os.sysconf("SC_CLK_TCK")
SETUP = """
import json, uuid
import numpy as np
from django.contrib.auth import get_user_model
from tests.tokens import token_of
from labeling.annotations.services import working_layer, write_operations
from labeling.images.services import add_image
from inference.synthetic import tissue
from tests.factories import MembershipFactory, ProjectFactory
from tests.labeling.operations import cell, effect, operation
from tests.labeling.rounds import png_of
project = ProjectFactory(name="load", records_activity=True)
rng = np.random.default_rng(0)
made = []
for number in range(PEOPLE):
    user = get_user_model().objects.create_user(f"load{number}")
    MembershipFactory(project=project, user=user)
    image = add_image(project=project, name=f"load{number}.png", content=png_of(tissue(256, 256, 5, seed=number).rgb))
    layer = working_layer(image=image, user=user)
    corners = rng.uniform(0, 230, (CELLS, 2)).tolist()
    for start in range(0, CELLS, 2000):
        effects = [effect(uuid.uuid4(), cell((x, y, x + 20, y + 18))) for x, y in corners[start:start + 2000]]
        write_operations(layer=layer, author=user, operations=[operation(*effects, action="bulk")])
    made.append({"layer": str(layer.pk), "token": token_of(user)})
print(json.dumps(made))
"""
START_ROUND = """
import json
from django.contrib.auth import get_user_model
from tests.labeling.rounds import small_project
from tests.tokens import token_of
user = get_user_model().objects.get(is_superuser=True)
print(json.dumps({"project": small_project(user, fields=6, side=384, cells=90).pk, "token": token_of(user)}))
"""
COUNT = """
import json
from labeling.annotations.models import Operation
print(json.dumps({str(k): n for k, n in
    __import__("collections").Counter(Operation.objects.values_list("layer", flat=True)).items()}))
"""


@dataclass
class Person:
    """One annotator: a connection, a layer, and the milliseconds of each acknowledged operation."""

    port: int
    layer: str
    token: str
    pause: float = 0.0
    times: list[float] = field(default_factory=list)

    def work(self, until: float) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        time.sleep(random.uniform(0, self.pause))
        while time.monotonic() < until:
            begun = time.perf_counter()
            self.draw(connection)
            took = time.perf_counter() - begun
            self.times.append(took * 1000)
            time.sleep(max(0.0, self.pause - took))

    def draw(self, connection: http.client.HTTPConnection) -> None:
        x = random.uniform(0, 230)
        act = operation(effect(uuid.uuid4(), cell((x, 5, x + 20, 25))))
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        path = f"/api/v1/layers/{self.layer}/operations/"
        connection.request("POST", path, json.dumps({"operations": [act]}), headers)
        answer = json.loads(connection.getresponse().read())
        assert answer["results"][0]["verdict"] == "accepted", answer


def processor_seconds(pid: int) -> float:
    """Of a process and its children, as the kernel counts them."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = int(fields[11]) + int(fields[12])
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own / TICKS + sum(processor_seconds(int(child)) for child in children)


def at_once(people: list[Person], seconds: float) -> list[float]:
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=person.work, args=(until,)) for person in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found for person in people for found in person.times)


def row(what: str, house: Running, people: list[Person], seconds: float) -> None:
    web, own, begun = processor_seconds(house.children()["web"]), time.process_time(), time.monotonic()
    times = at_once(people, seconds)
    spent = processor_seconds(house.children()["web"]) - web
    passed = time.monotonic() - begun
    p95 = times[int(0.95 * (len(times) - 1))]
    per_operation = 1000 * spent / len(times)
    print(
        f"| {what} | {len(times)} | {len(times) / passed:.0f} | {statistics.median(times):.1f} | {p95:.1f} | "
        f"{times[-1]:.0f} | {per_operation:.1f} | {(time.process_time() - own) / passed:.2f} |",
        flush=True,
    )


def while_a_round_trains(house: Running, people: list[Person]) -> None:
    """The row of 8 connections once more while the worker trains on the CPU."""
    given = json.loads(house.manage(START_ROUND).splitlines()[-1])
    round_ = call(house, given, f"projects/{given['project']}/rounds/", {"preset": "quick"})

    def training() -> bool:
        stages = call(house, given, f"rounds/{round_['id']}/")["stages"]
        return any(one["kind"] == "detector" and one["state"] == "running" and one["done"] > 0 for one in stages)

    wait_for(training, 600, "training begins")
    row("the same, while a round trains", house, people, 15)
    assert training(), "the training ended before the measurement did"
    call(house, given, f"rounds/{round_['id']}/cancel/", {})


def follow(house: Running, made: list[dict[str, Any]]) -> None:
    print("\n| followers | deliveries | median ms | p95 ms | worst ms |\n|---|---:|---:|---:|---:|")
    spread = made[: followers.LAYERS]
    for what, layers in ((f"over {len(spread)} layers", spread), ("on one layer", made[:1])):
        followers.row(f"{FOLLOWERS} {what}", house, layers, people=FOLLOWERS, seconds=min(SECONDS, 30))


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-load-"))
    folder.chmod(0o711)
    house = Running(folder / "data", env={"API_REQUESTS_PER_MINUTE": "1000000"}).wait_until_up(600)
    try:
        code = SETUP.replace("PEOPLE", str(max(CONNECTIONS, *PEOPLE))).replace("CELLS", str(CELLS))
        made: list[dict[str, Any]] = json.loads(house.manage(code).splitlines()[-1])
        before: dict[str, int] = json.loads(house.manage(COUNT).splitlines()[-1])
        everybody: list[Person] = []

        def people(count: int, *, layers: int, pause: float = 0.0) -> list[Person]:
            chosen = [Person(house.port, **made[number % layers], pause=pause) for number in range(count)]
            everybody.extend(chosen)
            return chosen

        at_once(people(1, layers=1), 2)  # warm
        print("| what | operations | a second | median ms | p95 ms | worst ms | web ms each | generator cores |")
        print("|---|---|---|---|---|---|---|---|")
        row("one person, closed loop", house, people(1, layers=1), 10)
        row(
            f"{CONNECTIONS} connections, layers of their own, closed loop",
            house,
            people(CONNECTIONS, layers=CONNECTIONS),
            15,
        )
        if WITH_ROUND:
            while_a_round_trains(house, people(CONNECTIONS, layers=CONNECTIONS))
        row(f"{CONNECTIONS} people on one layer, closed loop", house, people(CONNECTIONS, layers=1), 15)
        for count in PEOPLE:
            what = f"{count} people, an operation each per {PAUSE:g} s"
            row(what, house, people(count, layers=count, pause=PAUSE), SECONDS)
        after: dict[str, int] = json.loads(house.manage(COUNT).splitlines()[-1])
        sent = sum(len(person.times) for person in everybody)
        kept = sum(after[one["layer"]] - before[one["layer"]] for one in made)  # a round's project has layers too
        print(f"\n{sent} operations acknowledged, {kept} in the log")
        assert sent == kept
        if FOLLOWERS:
            follow(house, made)
        if large_project.OPERATIONS:
            large_project.rows(house)
    finally:
        house.stop(seconds=60)
        shutil.rmtree(folder, ignore_errors=True)
    if WITH_START:
        print()
        start.main()


if __name__ == "__main__":
    main()
