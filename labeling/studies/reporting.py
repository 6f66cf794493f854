"""What a frozen study gives out: its report as page, plot, PDF and bundle, all from the same numbers."""

from typing import Any

from django.conf import settings

from labeling.studies import bundle, plots, words
from labeling.studies.amending import amendments_of, effective, look_sentences
from labeling.studies.analysis import report
from labeling.studies.models import Removal, Study
from labeling.studies.signing import signing_key
from labeling.studies.tables import tables_of


def numbers_of(study: Study) -> dict[str, Any]:
    """Every number of the report. Arms stand in the declared order, so the reference is first."""
    protocol = effective(study)
    numbers = report.compute(tables_of(study), protocol)
    declared = [arm["name"] for arm in protocol["arms"]]
    for place in (numbers, numbers["flow"]):
        for name, value in place.items():
            if isinstance(value, dict) and value and set(value) <= set(declared):
                place[name] = {arm: value[arm] for arm in declared if arm in value}
    return numbers


def page(study: Study) -> dict[str, Any]:
    """The context of the report's page."""
    numbers = numbers_of(study)
    return {
        "numbers": numbers,
        "plots": plots.SHOWS,
        "methods": methods(study, numbers),
        "results": words.results(numbers),
        "not_recomputable": not_recomputable(study),
    }


def methods(study: Study, numbers: dict[str, Any]) -> list[str]:
    """The methods in sentences, with every look at results by arm before the lock."""
    protocol = effective(study)
    return [*words.methods(protocol, numbers, sha256=study.protocol_sha256), *look_sentences(protocol)]


def plot(study: Study, name: str) -> bytes:
    """SVG. Raises KeyError for an unknown name."""
    if name not in plots.PLOTS:
        raise KeyError(name)
    return plots.svg(numbers_of(study), name)


def pdf(study: Study) -> bytes:
    numbers = numbers_of(study)
    return plots.pdf(study.name, [*methods(study, numbers), *words.results(numbers)], numbers)


def bundled(study: Study) -> bytes:
    assert study.protocol is not None  # the database holds it: only a draft has none
    return bundle.write(
        tables=tables_of(study),
        protocol=effective(study),
        frozen=study.protocol,
        frozen_sha256=study.protocol_sha256,
        amendments=amendments_of(study),
        removed=not_recomputable(study),
        key=signing_key(settings.SECRET_KEY),
    )


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
