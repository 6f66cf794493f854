"""How many requests a minute a token may make, counted in Valkey so that it holds for all processes.

People at a browser are not counted: a workspace asks for hundreds of tiles in a second. While Valkey does not answer
nobody is counted, since work matters more than the limit.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any, cast

import redis
from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from labeling.accounts.models import PersonalToken
from labeling.server.valkey_client import client

logger = logging.getLogger(__name__)
WINDOW = 60  # seconds


@dataclass(frozen=True)
class Rate:
    """Where a token stands in the running minute: `remaining` requests of `limit`, until `reset` seconds from now."""

    limit: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """As the IETF's draft on RateLimit headers names them."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


class TokenRate(BaseThrottle):
    """DRF's hook. Leaves the rate at the request, where the answer's headers are made (labeling/server/headers.py)."""

    rate: Rate | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, PersonalToken):
            return True
        now = time.time()
        used = _count(request.auth.pk, int(now // WINDOW))
        if used is None:
            return True
        limit = settings.API_REQUESTS_PER_MINUTE
        self.rate = Rate(limit=limit, remaining=max(0, limit - used), reset=WINDOW - int(now % WINDOW))
        request._request.answer_headers = self.rate.headers()  # type: ignore[attr-defined]
        return used <= limit

    def wait(self) -> float | None:
        return self.rate.reset if self.rate else None


def _count(token: int, minute: int) -> int | None:
    """Requests of a token in this minute, this one included; None when nobody counts."""
    key = f"boxwise:rate:{token}:{minute}"
    try:
        with client().pipeline(transaction=False) as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, 2 * WINDOW)
            used, _kept = pipeline.execute()
    except redis.RedisError:
        logger.warning("requests are not counted: Valkey does not answer", exc_info=True)
        return None
    return cast(int, used)
