"""The numbers of a study, computed once for each state of its data.

A report's page asks for the same numbers five times at once: itself and its plots. Whoever comes first computes, the
others wait; a plot does not wait for long.
"""

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable

from django.db.models import Count, Max, Sum
from django.utils.translation import gettext as _

from labeling.annotations.models import ActivityBatch, Operation
from labeling.errors import LabelingError
from labeling.studies.models import Study
from labeling.studies.protocol.documents import Numbers, Protocol

KEPT = 16  # studies whose numbers stay in memory


class StillComputing(LabelingError):
    """Somebody else computes these numbers right now."""

    code = "still_computing"


_numbers: OrderedDict[tuple[int, str], Numbers] = OrderedDict()
_locks: dict[int, threading.Lock] = {}
_guard = threading.Lock()


def numbers_once(
    study: Study, protocol: Protocol, compute: Callable[[], Numbers], *, patience_s: float = -1
) -> Numbers:
    """The numbers for the study's data as they are now. They are shared: nobody may change them.

    protocol     as amended
    patience_s   how long to wait for somebody who computes them already; -1: as long as it takes
    Raises StillComputing after that.
    """
    key = (study.pk, fingerprint(study, protocol))
    with _guard:
        if key in _numbers:
            return _numbers[key]
    lock = lock_of(study.pk)
    if not lock.acquire(timeout=patience_s):
        raise StillComputing(_("the numbers of this study are being computed; try again in a minute"))
    try:
        with _guard:
            if key in _numbers:
                return _numbers[key]
        found = compute()
        with _guard:
            for old in [other for other in _numbers if other[0] == study.pk]:
                del _numbers[old]
            _numbers[key] = found
            while len(_numbers) > KEPT:
                _numbers.popitem(last=False)
        return found
    finally:
        lock.release()


def lock_of(study: int) -> threading.Lock:
    """Held by whoever computes the numbers of this study."""
    with _guard:
        return _locks.setdefault(study, threading.Lock())


def fingerprint(study: Study, protocol: Protocol) -> str:
    """Changes with everything that the numbers rest on: protocol, amendments, items, readers, events, operations."""
    own = {"image__project__study_item__participant__study": study}
    of_item = [f"items__{name}" for name in ("pk", "state", "excluded", "done_at", "training", "repeat", "machine_s")]
    of_reader = ["pk", "withdrawn_at", "consented_at", "shares_times", "profession", "experience_years", "device"]
    items = study.participants.values_list(*of_reader, *of_item)
    parts = [
        json.dumps(protocol, sort_keys=True, default=str),
        study.locked_at,
        study.withdrawal_after_lock,
        list(study.amendments.order_by("pk").values_list("pk", "change")),
        list(items.order_by("pk", "items__pk")),
        ActivityBatch.objects.filter(**own).aggregate(Count("pk"), Sum("count"), Max("received_at")),
        Operation.objects.filter(layer__image__project__study_item__participant__study=study).aggregate(
            Count("pk"), Max("pk")
        ),
    ]
    return hashlib.sha256(repr(parts).encode()).hexdigest()
