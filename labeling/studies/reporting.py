"""What a frozen study gives out: its report as page, plot, PDF and bundle, all from the same numbers."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from django.conf import settings

from labeling.studies import beside, bundle, plots, registration, words
from labeling.studies.amending import EXCLUDED, effective
from labeling.studies.analysis import report
from labeling.studies.clocks import LEFT_OUT, who_shares
from labeling.studies.computed import numbers_once
from labeling.studies.models import Removal, Study
from labeling.studies.plot_names import SHOWS
from labeling.studies.protocol.documents import Numbers, Protocol
from labeling.studies.signing import signing_key
from labeling.studies.tables import tables_of

OfArm = TypeVar("OfArm")
PLOT_PATIENCE_S = 20.0  # a plot that has to wait longer says so; the page that asks for the numbers computes them


def numbers_of(study: Study, *, patience_s: float = -1) -> Numbers:
    """Every number of the report; computed once for each state of the data. Raises StillComputing (computed.py)."""
    protocol = effective(study)
    return numbers_once(study, protocol, lambda: compute(study, protocol), patience_s=patience_s)


def compute(study: Study, protocol: Protocol) -> Numbers:
    """Every number of the report. Arms stand in the declared order, so the reference is first."""
    numbers = report.compute(tables_of(study), protocol)
    declared = [arm["name"] for arm in protocol["arms"]]
    numbers["arms"] = in_order(numbers["arms"], declared)
    numbers["training_s"] = in_order(numbers["training_s"], declared)
    numbers["between_readers"] = in_order(numbers["between_readers"], declared)
    numbers["gestures"] = in_order(numbers["gestures"], declared)
    numbers["flow"]["by_arm"] = in_order(numbers["flow"]["by_arm"], declared)
    return numbers


def in_order(of_arms: dict[str, OfArm], declared: Sequence[str]) -> dict[str, OfArm]:
    """One entry an arm, in the declared order."""
    return {arm: of_arms[arm] for arm in declared if arm in of_arms}


def page(study: Study) -> dict[str, object]:
    """The context of the report's page."""
    protocol, numbers = effective(study), numbers_of(study)
    return {
        "numbers": numbers,
        "plots": SHOWS,
        "sections": words.sections(protocol, numbers, sha256=study.protocol_sha256),
        "cut_offs": words.cut_offs(numbers),
        "phase_rows": beside.phase_rows(numbers),
        "not_recomputable": not_recomputable(study),
    }


def plot(study: Study, name: str) -> bytes:
    """SVG. Raises KeyError for an unknown name, StillComputing when others compute the numbers for too long."""
    if name not in SHOWS:
        raise KeyError(name)
    return plots.svg(numbers_of(study, patience_s=PLOT_PATIENCE_S), name)


def pdf(study: Study) -> bytes:
    protocol, numbers = effective(study), numbers_of(study)
    text = [
        (section.title, section.paragraphs)
        for section in words.sections(protocol, numbers, sha256=study.protocol_sha256)
    ]
    text.insert(-1, ("Readers, fields and flow", beside.table_lines(numbers)))
    text.insert(-1, ("Phases", beside.phase_lines(numbers)))
    text.insert(-1, ("Under other idle cut-offs", words.cut_off_lines(numbers)))
    return plots.pdf(study.name, text, numbers)


def bundled(study: Study) -> bytes:
    assert study.protocol is not None  # the database holds it: only a draft has none
    protocol = published(study)
    return bundle.write(
        tables=tables_of(study),
        protocol=protocol,
        frozen=study.protocol,
        frozen_sha256=study.protocol_sha256,
        amendments=protocol["amendments"],
        removed=not_recomputable(study),
        registered={
            "frozen_at": _moment(study.frozen_at),
            "locked_at": _moment(study.locked_at),
            "stamped_at": _moment(study.stamped_at),
            "stamped_by": study.stamped_by or None,
        },
        stamp=bytes(study.stamp_token) if study.stamp_token is not None else None,
        registration=registration.markdown(study),
        key=signing_key(settings.SECRET_KEY),
    )


def published(study: Study) -> Protocol:
    """The protocol as amended, without reasons about readers who did not agree that they are given out."""
    protocol = effective(study)
    shared = who_shares(study.participants.all())
    for entry in protocol["amendments"]:
        after = entry.get("after")
        about = after.get("participant") if isinstance(after, dict) else None
        if entry.get("what") == EXCLUDED and about not in shared:
            entry["reason"] = LEFT_OUT
    return protocol


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at is not None else None


def not_recomputable(study: Study) -> list[str]:
    """What is gone: raw data of readers who withdrew after the lock, and of readers whose retention date has passed."""
    removals = Removal.objects.filter(participant__study=study).select_related("participant").order_by("at")
    gone = []
    for removal in removals:
        reader, day = removal.participant.pseudonym, f"{removal.at:%Y-%m-%d}"
        if removal.cause == Removal.Cause.RETENTION:
            gone.append(f"every number of a report made before the raw data of {reader} were deleted on {day}")
        elif study.locked_at is not None and removal.at > study.locked_at:
            gone.append(f"every number of a report made before {reader} withdrew on {day}")
    return gone
