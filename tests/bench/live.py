"""What hands wait for over HTTP: an edit's acknowledgement, a colleague's stroke, a re-fused mask, a smart click.

Against the running embedded stack on the demo's tissue with proposals that were fused there; one person, one request
after the other. The feed is read by a second connection, as a colleague's browser does.
"""

import base64
import json
import math
import os
import shutil
import tempfile
import threading
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from tests.bench.server import quantiles
from tests.e2e.test_disasters import call
from tests.labeling.operations import cell, effect, operation
from tests.running import Running, wait_for

TIMES = 60
SETUP = """
import json
from django.contrib.auth import get_user_model
from tests.tokens import token_of
from tests.e2e.fused import make
made = json.loads(make())
print(json.dumps(made | {"token": token_of(get_user_model().objects.get(is_superuser=True))}))
"""


def ask(
    house: Running, given: dict[str, Any], what: str, bodies: list[dict[str, Any]]
) -> tuple[list[float], list[float]]:
    """Milliseconds from request to answer, and those of them in the worker; the first answer warms up."""
    waited, worked = [], []
    for body in bodies:
        begun = time.perf_counter()
        answer = call(house, given, f"images/{given['image']}/{what}/", body)
        waited.append((time.perf_counter() - begun) * 1000)
        worked.append(float(answer["milliseconds"]))
    return waited[1:], worked[1:]


def clicks(session: str) -> list[dict[str, Any]]:
    return [
        {"session": session, "number": n, "points": [[30 + 3 * (n % 60), 40 + 3 * (n % 50), 1]]}
        for n in range(1, TIMES + 2)
    ]


def strokes(session: str) -> list[dict[str, Any]]:
    """One stroke of 4 px that grows to the right, as a hand draws it."""
    found = []
    for n in range(TIMES + 1):
        width = 4 + n
        bits = base64.b64encode(b"\xff" * math.ceil(width * 4 / 8)).decode()
        if width * 4 % 8:
            bits = base64.b64encode(b"\xff" * (width * 4 // 8) + bytes([0xFF << (8 - width * 4 % 8) & 0xFF])).decode()
        stroke = {"x": 60, "y": 60, "width": width, "height": 4, "bits": bits, "foreground": True}
        found.append({"session": session, "number": 1000 + n, "mask": None, "strokes": [stroke]})
    return found


def edits(house: Running, given: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Milliseconds until acknowledged, and from then until another connection heard of it."""
    opened = call(house, given, f"images/{given['image']}/workspace/")
    layer = next(one["id"] for one in opened["layers"] if one["writable"])
    address = f"http://127.0.0.1:{house.port}/api/v1/layers/{layer}/feed/"
    headers = {"Authorization": f"Token {given['token']}", "Accept": "text/event-stream"}
    heard: dict[int, float] = {}

    def listen() -> None:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=60) as feed:
            for line in feed:
                if line.startswith(b"data:") and isinstance(printed := json.loads(line[5:]), dict) and "seq" in printed:
                    heard.setdefault(int(printed["seq"]), time.perf_counter())

    threading.Thread(target=listen, daemon=True).start()
    time.sleep(1)
    acknowledged, late = [], []
    for n in range(TIMES):
        act = operation(effect(uuid.uuid4(), cell((float(n), 5, n + 20.0, 25))))
        begun = time.perf_counter()
        seq = call(house, given, f"layers/{layer}/operations/", {"operations": [act]})["seq"]
        done = time.perf_counter()
        acknowledged.append((done - begun) * 1000)
        wait_for(lambda: seq in heard, 10, f"operation {seq} on the feed")  # noqa: B023
        late.append(max(0.0, (heard[seq] - done) * 1000))
    return acknowledged[1:], late[1:]


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="boxwise-bench-"))
    folder.chmod(0o711)
    house = Running(folder / "data").wait_until_up()
    try:
        given = json.loads(house.manage(SETUP).splitlines()[-1])
        session = str(uuid.uuid4())
        time.sleep(15)  # the interactive worker loads its models by itself, 5 s after its start
        print(f"load average {os.getloadavg()[0]:.1f}\n\n| what | median ms | p95 ms | worst ms |\n|---|---|---|---|")
        acknowledged, late = edits(house, given)
        print(f"| one edit, sent to acknowledged (goal p95 100) | {quantiles(acknowledged)} |")
        print(f"| a colleague hears of it after that (goal p95 300) | {quantiles(late)} |")
        for what, path, bodies in (
            ("re-fused mask of a growing stroke (goal p95 150)", "refusion", strokes(session)),
            ("smart click by the worker", "smart", clicks(session)),
        ):
            waited, worked = ask(house, given, path, bodies)
            print(f"| {what}, request to answer | {quantiles(waited)} |")
            print(f"| of it in the worker | {quantiles(worked)} |", flush=True)
    finally:
        house.stop()
        shutil.rmtree(folder, ignore_errors=True)
