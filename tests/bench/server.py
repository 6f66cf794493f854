"""The server under 10,000 boxes on one image: opening it, and acknowledging edits, alone and while a round trains.

Over real HTTP against the running embedded stack. Requests are sent one after the other by one person, as hands do; a
second row has eight people at once on the same layer, which is the worst case for its lock.
"""

import json
import shutil
import statistics
import tempfile
import threading
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from tests.e2e.test_disasters import call
from tests.labeling.operations import cell, effect, operation
from tests.running import Running, wait_for

BOXES, EDITS = 10_000, 200
SETUP = f"""
import json, uuid
import numpy as np
from django.contrib.auth import get_user_model
from tests.tokens import token_of
from labeling.annotations.services import working_layer, write_operations
from labeling.images.services import add_image
from inference.synthetic import tissue
from tests.labeling.operations import cell, effect, operation
from tests.labeling.rounds import png_of, small_project
user = get_user_model().objects.get(is_superuser=True)
project = small_project(user, fields=6, side=384, cells=90)
image = add_image(project=project, name="crowd.png", content=png_of(tissue(2048, 2048, 500, seed=9).rgb),
synthetic=True)
layer = working_layer(image=image, user=user)
rng = np.random.default_rng(0)
corners = rng.uniform(0, 2020, ({BOXES}, 2))
for start in range(0, {BOXES}, 2000):
    effects = [effect(uuid.UUID(int=start + i + 1), cell((x, y, x + 20, y + 18)))
               for i, (x, y) in enumerate(corners[start:start + 2000].tolist())]
    write_operations(layer=layer, author=user, operations=[operation(*effects, action="bulk")])
print(json.dumps({{"project": project.pk, "image": image.pk, "layer": str(layer.pk),
    "token": token_of(user)}}))
"""


def quantiles(milliseconds: list[float]) -> str:
    ordered = sorted(milliseconds)
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    return f"{statistics.median(ordered):.1f} | {p95:.1f} | {ordered[-1]:.1f}"


def edits(house: Running, given: dict[str, Any], count: int = EDITS) -> list[float]:
    """Milliseconds until each of `count` new boxes was acknowledged."""
    times = []
    for number in range(count):
        x = float(number % 2000)
        act = operation(effect(uuid.uuid4(), cell((x, 5, x + 20, 25))))
        begun = time.perf_counter()
        answer = call(house, given, f"layers/{given['layer']}/operations/", {"operations": [act]})
        times.append((time.perf_counter() - begun) * 1000)
        assert answer["results"][0]["verdict"] == "accepted"
        time.sleep(0.02)
    return times


def crowd(house: Running, given: dict[str, Any], people: int = 8) -> list[float]:
    found: list[float] = []
    threads = [threading.Thread(target=lambda: found.extend(edits(house, given, EDITS // 4))) for _ in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def open_image(house: Running, given: dict[str, Any]) -> float:
    """Milliseconds for everything the browser asks to open the image, apart from the pixels."""
    begun = time.perf_counter()
    call(house, given, f"images/{given['image']}/workspace/")
    request = urllib.request.Request(
        f"http://127.0.0.1:{house.port}/api/v1/layers/{given['layer']}/pack/",
        headers={"Authorization": f"Token {given['token']}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        pack = answer.read()
    header = json.loads(pack[8 : 8 + int.from_bytes(pack[4:8], "little")])
    assert header["count"] >= BOXES
    return (time.perf_counter() - begun) * 1000


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-bench-"))
    folder.chmod(0o711)
    house = Running(folder / "data").wait_until_up()
    try:
        given = json.loads(house.manage(SETUP).splitlines()[-1])
        edits(house, given, 10)  # warm
        print("| what | median ms | p95 ms | worst ms |\n|---|---|---|---|")
        opened = [open_image(house, given) for _ in range(10)]
        print(f"| open: facts and pack of {BOXES:,} boxes | {quantiles(opened)} |", flush=True)
        alone = edits(house, given)
        print(f"| one edit acknowledged | {quantiles(alone)} |", flush=True)
        print(f"| the same, 8 people at once on the layer | {quantiles(crowd(house, given))} |", flush=True)
        round_ = call(house, given, f"projects/{given['project']}/rounds/", {"preset": "quick"})

        def training() -> bool:
            stages = call(house, given, f"rounds/{round_['id']}/")["stages"]
            return any(s["kind"] == "detector" and s["state"] == "running" and s["done"] > 0 for s in stages)

        wait_for(training, 300, "training begins")
        busy = edits(house, given)
        assert training(), "the training ended before the measurement did"
        print(f"| one edit acknowledged, while a round trains | {quantiles(busy)} |", flush=True)
        call(house, given, f"rounds/{round_['id']}/cancel/", {})
    finally:
        house.stop()
        shutil.rmtree(folder, ignore_errors=True)
