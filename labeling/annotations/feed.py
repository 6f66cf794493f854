"""The live feed: hints through Valkey that a layer's log has grown, and what people point at meanwhile.

A hint is a hint: who misses one hears of the change by the slow poll. Nothing here raises when the feed is away.
"""

import asyncio
import contextlib
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable

import redis
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections, transaction

from labeling.annotations.wire import FeedMessage
from labeling.server.valkey_client import client

logger = logging.getLogger(__name__)
CHANNELS = "boxwise:layer:"
KEEP_ALIVE = 15.0  # seconds of silence after which a comment is sent, so that proxies keep the line open
CHECK_EVERY = 3.0  # seconds between two checks of whether the reader may still follow
COALESCE = 0.05  # seconds for which hints are gathered


def tell(layer: uuid.UUID, message: FeedMessage) -> None:
    """Say something to all who look at a layer now."""
    try:
        client().publish(f"{CHANNELS}{layer}", json.dumps(message))
    except redis.RedisError:
        logger.warning("the live feed does not answer; others see this by polling", exc_info=True)


def announce(layer: uuid.UUID, seq: int) -> None:
    """After the commit: the log of `layer` has reached `seq`."""
    transaction.on_commit(lambda: tell(layer, {"seq": seq}))


def newest_request(session: str) -> int | None:
    """The number of the last interactive request of a session; None when unknown."""
    try:
        found = client().get(f"boxwise:newest:{session}")
    except redis.RedisError:
        return None
    return None if found is None else int(found)


def note_request(session: str, number: int) -> None:
    """A session asks for something newer; what it asked before is not worth doing any more."""
    try:
        client().set(f"boxwise:newest:{session}", number, ex=60)
    except redis.RedisError:
        logger.warning("the feed does not answer; older requests are done all the same", exc_info=True)


class Follow:
    """The messages of one layer as server-sent events: the newest seq once per COALESCE, presence as it comes.

    One subscription a process carries all layers (`Hub`); a reader that does not keep up loses presence, never the
    newest seq.
    """

    def __init__(self) -> None:
        self.waiting: list[FeedMessage] = []
        self.seq: int | None = None
        self.news = asyncio.Event()

    def take(self, message: FeedMessage) -> None:
        if "seq" in message:
            self.seq = max(self.seq or 0, message["seq"])
        elif len(self.waiting) < 100:
            self.waiting.append(message)
        self.news.set()

    def drain(self) -> bytes:
        messages, self.waiting = self.waiting, []
        if self.seq is not None:
            messages.append({"seq": self.seq})
            self.seq = None
        self.news.clear()
        return b"".join(b"data: " + json.dumps(m, separators=(",", ":")).encode() + b"\n\n" for m in messages)


class Hub:
    """This process's one subscription, shared by everybody who follows a layer on this event loop."""

    def __init__(self) -> None:
        self.followers: dict[str, set[Follow]] = {}
        self.reader: asyncio.Task[None] | None = None

    def join(self, layer: str, follow: Follow) -> None:
        self.followers.setdefault(layer, set()).add(follow)
        if self.reader is None or self.reader.done():
            self.reader = asyncio.ensure_future(self._read())

    def leave(self, layer: str, follow: Follow) -> None:
        group = self.followers.get(layer, set())
        group.discard(follow)
        if not group:
            self.followers.pop(layer, None)

    async def _read(self) -> None:
        while self.followers:
            try:
                connection = redis.asyncio.Redis.from_url(settings.FEED_URL, health_check_interval=10)
                async with connection, connection.pubsub() as subscription:
                    await subscription.psubscribe(f"{CHANNELS}*")
                    while self.followers:
                        message = await subscription.get_message(ignore_subscribe_messages=True, timeout=5)
                        if message is None:
                            continue
                        layer = message["channel"].decode().removeprefix(CHANNELS)
                        for follow in self.followers.get(layer, ()):
                            follow.take(json.loads(message["data"]))
            except (redis.RedisError, OSError):
                logger.warning("the live feed is away; trying again", exc_info=True)
                await asyncio.sleep(1)


_hubs: dict[int, Hub] = {}


async def events(layer: uuid.UUID, seq: int, allowed: Callable[[], bool] = lambda: True) -> AsyncIterator[bytes]:
    """A stream of server-sent events, beginning with where the log stands.

    allowed  whether the reader may still follow, asked every LOOK_AGAIN seconds in a thread; may use the database

    Ends when the reader goes, and within LOOK_AGAIN seconds of the end of their access or session, idle or not.
    Keeps no connection to the database.
    """
    # The request's own thread has one until the answer ends, which here may be hours: with as many followers as the
    # pool has connections, every other request of this process would wait for one in vain.
    await sync_to_async(connections.close_all)()
    hub = _hubs.setdefault(id(asyncio.get_running_loop()), Hub())
    follow = Follow()
    hub.join(str(layer), follow)
    try:
        yield b"retry: 2000\n\n" + f'data: {{"seq":{seq}}}\n\n'.encode()
        clock = asyncio.get_running_loop().time
        checked_at = spoke = clock()
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(follow.news.wait(), CHECK_EVERY)
            if clock() - checked_at >= CHECK_EVERY - COALESCE:
                # Before anything more is said: what came in since the last look goes to nobody who has lost access.
                if not await asyncio.to_thread(allowed):
                    return
                checked_at = clock()
            if follow.news.is_set():
                await asyncio.sleep(COALESCE)
                yield follow.drain()
                spoke = clock()
            elif clock() - spoke >= KEEP_ALIVE:
                yield b": still here\n\n"
                spoke = clock()
    finally:
        hub.leave(str(layer), follow)
