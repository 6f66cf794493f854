"""Live followers: many open streams at once, and how long after a stroke was sent everybody who looks on has heard of
it. Nothing here needs Django, since `make load` runs without.
"""

import asyncio
import http.client
import json
import random
import statistics
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.labeling.operations import cell, effect, operation
from tests.running import Running

A_SECOND = 20  # operations, over all layers
LAYERS = 50
GRACE = 3.0  # seconds for the last one to arrive
PATIENCE = 240  # seconds for all streams to open


async def follow(port: int, token: str, layer: str, count: int) -> list[Any]:
    """Open streams, 100 at a time, each read until its first event. -> (reader, writer) of each."""
    door = asyncio.Semaphore(100)
    last: list[str] = []
    request = (
        f"GET /api/v1/layers/{layer}/feed/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        f"Authorization: Token {token}\r\nAccept: text/event-stream\r\n\r\n"
    )

    until = time.monotonic() + PATIENCE

    async def one() -> Any:
        async with door:
            while time.monotonic() < until:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.write(request.encode())
                    head = await asyncio.wait_for(reader.readline(), 60)
                    if b" 200 " not in head:
                        raise OSError(head)
                    while b'"seq"' not in (line := await asyncio.wait_for(reader.readline(), 60)):
                        if not line:
                            raise OSError("the stream has ended")
                    return reader, writer
                except (OSError, TimeoutError) as error:
                    last.append(repr(error))
                    await asyncio.sleep(0.2)
            raise AssertionError(f"no stream within {PATIENCE} s: {last[-3:]}")

    return list(await asyncio.gather(*(one() for _ in range(count))))


@dataclass
class Sent:
    """One operation: its layer, its number there, and when it was sent (monotonic seconds)."""

    layer: str
    seq: int
    at: float


@dataclass
class Follower:
    """One open stream and the (time, seq) of each of its events."""

    layer: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    heard: list[tuple[float, int]] = field(default_factory=list)

    async def listen(self) -> None:
        while line := await self.reader.readline():
            if b'"seq"' in line:
                seq = json.loads(line[line.index(b"{") : line.rindex(b"}") + 1])["seq"]
                self.heard.append((time.monotonic(), int(seq)))


class Sender(threading.Thread):
    """Draws on the layers in turns, so many operations a second."""

    def __init__(self, port: int, made: list[dict[str, Any]], seconds: float) -> None:
        super().__init__(daemon=True)
        self.port, self.made, self.seconds = port, made, seconds
        self.sent: list[Sent] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        begun = time.monotonic()
        for number in range(int(self.seconds * A_SECOND)):
            time.sleep(max(0.0, begun + number / A_SECOND - time.monotonic()))
            self.draw(connection, self.made[number % len(self.made)])

    def draw(self, connection: http.client.HTTPConnection, one: dict[str, Any]) -> None:
        x = random.uniform(0, 230)
        body = json.dumps({"operations": [operation(effect(uuid.uuid4(), cell((x, 5, x + 20, 25))))]})
        headers = {"Authorization": f"Token {one['token']}", "Content-Type": "application/json"}
        at = time.monotonic()
        connection.request("POST", f"/api/v1/layers/{one['layer']}/operations/", body, headers)
        answer = json.loads(connection.getresponse().read())
        self.sent.append(Sent(one["layer"], int(answer["seq"]), at))


def row(what: str, house: Running, made: list[dict[str, Any]], *, people: int, seconds: float) -> None:
    """Print a row: deliveries, median, p95 and worst in ms. Fails where somebody did not hear of a stroke."""
    deliveries = sorted(asyncio.run(_deliveries(house, made, people, seconds)))
    p95 = deliveries[int(0.95 * (len(deliveries) - 1))]
    print(f"| {what} | {len(deliveries)} | {statistics.median(deliveries):.0f} | {p95:.0f} | {deliveries[-1]:.0f} |")


async def _deliveries(house: Running, made: list[dict[str, Any]], people: int, seconds: float) -> list[float]:
    followers = []
    for number, one in enumerate(made):
        count = people // len(made) + (number < people % len(made))
        streams = await follow(house.port, one["token"], one["layer"], count)
        followers += [Follower(one["layer"], reader, writer) for reader, writer in streams]
    tasks = [asyncio.create_task(follower.listen()) for follower in followers]
    sender = Sender(house.port, made, seconds)
    sender.start()
    await asyncio.to_thread(sender.join)
    await asyncio.sleep(GRACE)
    for task in tasks:
        task.cancel()
    for follower in followers:
        follower.writer.close()
    found = []
    for one in sender.sent:
        hearing = [follower for follower in followers if follower.layer == one.layer]
        found += [1000 * delivery(follower, one) for follower in hearing]
    return found


def delivery(follower: Follower, sent: Sent) -> float:
    """Seconds until the follower knew that the layer had come so far; several strokes may come as one hint."""
    for at, seq in follower.heard:
        if seq >= sent.seq:
            return at - sent.at
    raise AssertionError(f"a follower of {sent.layer} did not hear of {sent.seq} within {GRACE} s of the end")
