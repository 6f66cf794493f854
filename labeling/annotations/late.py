"""Work that arrives for a layer that is frozen: kept apart, shown to whoever leads, and applied or discarded by them.

A browser that was offline sends what was drawn before the image was done. Nothing of it is lost, and nothing of it
changes what was accepted.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labeling.accounts.models import User
from labeling.annotations.models import LateOperation, Layer
from labeling.images.models import Image

Waiting = LateOperation.Outcome.WAITING


def frozen_sentence(image: Image) -> str:
    """Why what arrives is kept apart. The image is asked for anew: who saves may know one that was not deleted yet."""
    if not Image.objects.filter(pk=image.pk).exists():
        return _("this image was deleted; what you did is kept, and is written when somebody restores the image")
    return _(
        "this image is done, or your reading of it is finished, so nothing is changed here; what you did is kept "
        "apart, and an owner or manager decides about it"
    )


def keep(*, layer: Layer, author: User, operations: Sequence[Mapping[str, object]]) -> None:
    """Keep operations apart, each once: a browser that hears no answer sends them again."""
    rows = []
    for one in operations:
        rows.append(LateOperation(layer=layer, author=author, op_id=str(one["op_id"]), content=json.dumps(one)))
    LateOperation.objects.bulk_create(rows, ignore_conflicts=True)


def settle(*, rows: Sequence[LateOperation], outcome: str, by: User, answers: dict[str, str] | None = None) -> None:
    """Write down what became of kept operations. `answers`: op_id -> verdict, of those that were applied."""
    now = timezone.now()
    for row in rows:
        row.outcome, row.settled_by, row.settled_at = outcome, by, now
        row.answer = (answers or {}).get(str(row.op_id), "")
    LateOperation.objects.bulk_update(rows, ["outcome", "settled_by", "settled_at", "answer"])


@transaction.atomic
def discard(*, layer: Layer, author: User, by: User) -> int:
    """Leave what `author` sent too late unapplied. It stays in the database. -> how many operations."""
    rows = list(waiting_on(layer=layer, author=author).select_for_update())
    settle(rows=rows, outcome=LateOperation.Outcome.DISCARDED, by=by)
    return len(rows)


def waiting_on(*, layer: Layer, author: User) -> Any:
    return LateOperation.objects.filter(layer=layer, author=author, outcome=Waiting).order_by("pk")
