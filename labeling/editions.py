"""Two who change one thing at once: an ETag names what somebody has read, If-Match says what they believe it still is.

    GET  -> ETag: "3f..."              what it is now
    PATCH, If-Match: "3f..."           changed only if it is that still; else 412, and nothing is changed

Without If-Match a change is made whatever it was before. A view that takes it holds the row's lock, so that nothing
comes between the comparison and the change.
"""

import hashlib

from django.utils.translation import gettext as _
from rest_framework.request import Request

from labeling.contract import Answer, Reply
from labeling.errors import LabelingError


class Changed(LabelingError):
    """Somebody has changed it since it was read."""

    code = "changed"
    status = 412


def tag_of(answer: Answer) -> str:
    """The ETag of what is said of a thing."""
    content = answer.model_dump_json(by_alias=True)
    return f'"{hashlib.sha256(content.encode()).hexdigest()[:32]}"'


def tagged(answer: Answer, status: int | None = None) -> Reply:
    """The answer with its ETag."""
    return Reply(answer, status, headers={"ETag": tag_of(answer)})


def require_match(request: Request, now: Answer) -> None:
    """Raises Changed where the request names another state than the one that is answered now."""
    given = request.headers.get("If-Match", "").strip()
    if not given or given == "*":
        return
    if tag_of(now) not in [tag.strip() for tag in given.split(",")]:
        raise Changed(_("somebody has changed this since you read it; read it again, then decide"))
