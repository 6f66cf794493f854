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
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from labeling.accounts.models import PersonalToken
from labeling.server.valkey_client import client

logger = logging.getLogger(__name__)
WINDOW = 60  # seconds


@dataclass(frozen=True)
class Rate:
    """Where a token stands in the running minute: `remaining` requests of `limit`, until `reset` seconds from now.

    is_over  whether this request is one too many
    """

    limit: int
    remaining: int
    reset: int
    is_over: bool

    def headers(self) -> dict[str, str]:
        """As the IETF's draft on RateLimit headers names them."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset),
        }


def count_request(request: HttpRequest, token: PersonalToken) -> None:
    """Count a request of a token, when the token is recognised: before its scope is asked, so that whatever is answered
    says where the token stands.

    Leaves the rate at the request, where the answer's headers are made (labeling/server/headers.py).
    """
    now = time.time()
    used = _count(token.pk, int(now // WINDOW))
    if used is None:
        return
    limit = settings.API_REQUESTS_PER_MINUTE
    rate = Rate(limit=limit, remaining=max(0, limit - used), reset=WINDOW - int(now % WINDOW), is_over=used > limit)
    request.token_rate = rate  # type: ignore[attr-defined]
    request.answer_headers = rate.headers()  # type: ignore[attr-defined]


class TokenRate(BaseThrottle):
    """DRF's hook: declines what is beyond the limit."""

    rate: Rate | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        self.rate = getattr(request._request, "token_rate", None)
        return self.rate is None or not self.rate.is_over

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
