"""The connection to Valkey, which carries the live feed and counts requests. What is in it may be lost at any time."""

import redis
from django.conf import settings

_client: redis.Redis | None = None


def client() -> redis.Redis:
    """One pool of connections a process; made at the first use."""
    global _client
    if _client is None:
        _client = redis.Redis.from_url(settings.FEED_URL, socket_timeout=2, socket_connect_timeout=2)
    return _client
