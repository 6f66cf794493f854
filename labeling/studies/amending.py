"""What changes after the freezing: amendments, exclusions, and the protocol that the analysis follows.

Rows that were written before amendments were checked are read safely: a value that the protocol would not take today is
named and not applied.
"""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any, cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from pydantic import JsonValue

from inference.documents.base import JsonObject
from labeling.accounts.models import User
from labeling.errors import Invalid, WrongState
from labeling.studies import limits
from labeling.studies.models import Amendment, Item, Study
from labeling.studies.protocol.documents import AmendmentEntry, FrozenProtocol, InterimLookEntry, Protocol

# Where the protocol's document holds what an amendment may change; "" is its top.
PLACES = {
    "idle_after_s": "measurement",
    "outlier_iqr": "analysis",
    "quality_margin": "analysis",
    "exclusion_rules": "",
    "retention_until": "",
}
# Amendments that say what happened and change no declared value.
EXCLUDED, OUTSIDE_ARM = "excluded", "outside_arm"
WORDS = {EXCLUDED: "item left out", OUTSIDE_ARM: "arm read in another program"}


@transaction.atomic
def amend(*, study: Study, change: Mapping[str, object], reason: str, by: User) -> Amendment:
    """Change a frozen protocol, visibly. The frozen text and its hash stay. Raises Invalid, WrongState."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    if study.state != Study.State.RUNNING:
        raise WrongState(_("only a running study is amended"))
    reason = limits.REASON.parse(reason, "reason")
    if not change:
        raise Invalid(_("an amendment changes something"), field="change")
    if unknown := set(change) - set(limits.AMENDABLE):
        raise Invalid(
            _("{what} cannot be amended; that would be another study").format(
                what=", ".join(limits.shown(name) for name in sorted(unknown))
            ),
            field="change",
        )
    parsed = {name: limits.AMENDABLE[name].parse(value, name) for name, value in change.items()}
    if isinstance(day := parsed.get("retention_until"), date):
        limits.decline_past(day)
    now = effective(study)
    before = {name: _value(now, name) for name in parsed}
    after = {name: limits.as_json(value) for name, value in parsed.items()}
    if after == before:
        raise Invalid(_("this is the value already; an amendment changes something"), field="value")
    return record(study=study, change=after, before=before, reason=reason, by=by)


def record(
    *, study: Study, change: Mapping[str, object], reason: str, by: User, before: Mapping[str, object] | None = None
) -> Amendment:
    """Write an amendment down, with whether results by arm had been seen by then. The caller has checked it."""
    return Amendment.objects.create(
        study=study,
        change=dict(change),
        before=dict(before or {}),
        reason=reason,
        by=by,
        results_seen=results_seen(study),
    )


def results_seen(study: Study) -> bool | None:
    """Whether somebody has looked at results by arm before the lock; None where looks were not logged."""
    if study.interim_looks.exists():
        return True
    return False if study.logs_interim_looks else None


@transaction.atomic
def exclude(*, item: Item, reason: str, by: User) -> None:
    """Take a finished item out of the analysis, with its reason; an amendment says so. Raises Invalid, WrongState."""
    study = Study.objects.select_for_update().get(pk=item.participant.study_id)
    if study.state != Study.State.RUNNING:
        raise WrongState(_("items are excluded before the study is locked"))
    item.excluded = limits.REASON.parse(reason, "reason")
    item.save(update_fields=["excluded"])
    change = {"participant": item.participant.pseudonym, "item": item.position}
    record(study=study, change={EXCLUDED: change}, reason=item.excluded, by=by)


def effective(study: Study) -> Protocol:
    """The protocol as amended: what the analysis follows, what was amended, and who looked at results when."""
    protocol: Protocol = json.loads(json.dumps(study.protocol))
    for amendment in study.amendments.all():
        for name, value in _sound(amendment.change).items():
            _put(protocol, name, value)
    protocol["amendments"] = amendments_of(study)
    protocol["looks"] = interim_looks_of(study)
    return protocol


def amendments_of(study: Study) -> list[AmendmentEntry]:
    """Every change of the frozen protocol, in order of time, one entry for each changed value."""
    found: list[AmendmentEntry] = []
    protocol: FrozenProtocol = json.loads(json.dumps(study.protocol))
    for amendment in study.amendments.all():
        change = amendment.change if isinstance(amendment.change, dict) else {"": amendment.change}
        sound = _sound(amendment.change)
        for name, value in change.items():
            entry: AmendmentEntry = {
                "at": amendment.at.isoformat(),
                "what": name,
                "label": words_of(name),
                "before": _value(protocol, name) if name in PLACES else None,
                "after": value,
                "reason": amendment.reason,
                "results_seen": amendment.results_seen,
                "applied": name in sound or name in WORDS,
            }
            found.append(entry)
        for name, value in sound.items():
            _put(protocol, name, value)
    return found


def words_of(name: str) -> str:
    rule = limits.AMENDABLE.get(name)
    return rule.label if rule else WORDS.get(name, limits.shown(name))


def interim_looks_of(study: Study) -> list[InterimLookEntry]:
    """Looks at results by arm before the lock, in order of time; who, by the role in the project."""
    roles = dict(study.project.memberships.values_list("user", "role"))
    return [
        {"at": opened.at.isoformat(), "by": roles.get(opened.by_id, "owner"), "reason": opened.reason}
        for opened in study.interim_looks.all()
    ]


def retention_of(study: Study) -> date | None:
    """The day until which raw data may be kept, as amended."""
    found = study.retention_until
    for amendment in study.amendments.all():
        day = _sound(amendment.change).get("retention_until")
        found = date.fromisoformat(str(day)) if day else found
    return found


def is_over(study: Study) -> bool:
    """Whether the raw data may no longer be kept."""
    day = retention_of(study)
    return day is not None and day < timezone.localdate()


def _sound(change: Any) -> JsonObject:
    """The values of a stored amendment that the protocol takes, as its document holds them."""
    found: JsonObject = {}
    for name, value in change.items() if isinstance(change, dict) else ():
        rule = limits.AMENDABLE.get(name)
        if rule is None:
            continue
        try:
            found[name] = limits.as_json(rule.parse(value, name))
        except Invalid:
            continue
    return found


def _place(protocol: FrozenProtocol, name: str) -> JsonObject:
    """The object of the protocol that holds a value which an amendment may change."""
    inside: JsonObject = cast(JsonObject, protocol)
    if not PLACES[name]:
        return inside
    place = inside[PLACES[name]]
    assert isinstance(place, dict)  # by PLACES
    return place


def _value(protocol: FrozenProtocol, name: str) -> JsonValue:
    return _place(protocol, name).get(name)


def _put(protocol: FrozenProtocol, name: str, value: JsonValue) -> None:
    _place(protocol, name)[name] = value
