"""What a frozen study gives out: its report as page, plot, PDF and bundle, all from the same numbers."""

from typing import Any

from django.conf import settings

from labeling.studies import bundle, plots, words
from labeling.studies.analysis import report
from labeling.studies.models import Study
from labeling.studies.services import effective
from labeling.studies.signing import signing_key
from labeling.studies.tables import tables_of


def numbers_of(study: Study) -> dict[str, Any]:
    return report.compute(tables_of(study), effective(study))


def page(study: Study) -> dict[str, Any]:
    """The context of the report's page."""
    numbers = numbers_of(study)
    return {
        "numbers": numbers,
        "plots": plots.SHOWS,
        "methods": words.methods(effective(study), numbers, sha256=study.protocol_sha256),
        "results": words.results(numbers),
        "not_recomputable": not_recomputable(study),
    }


def plot(study: Study, name: str) -> bytes:
    """SVG. Raises KeyError for an unknown name."""
    if name not in plots.PLOTS:
        raise KeyError(name)
    return plots.svg(numbers_of(study), name)


def pdf(study: Study) -> bytes:
    numbers = numbers_of(study)
    said = [*words.methods(effective(study), numbers, sha256=study.protocol_sha256), *words.results(numbers)]
    return plots.pdf(study.name, said, numbers)


def bundled(study: Study) -> bytes:
    assert study.protocol is not None  # the database holds it: only a draft has none
    return bundle.write(
        tables=tables_of(study),
        protocol=effective(study),
        frozen=study.protocol,
        frozen_sha256=study.protocol_sha256,
        amendments=[{"at": a.at.isoformat(), "reason": a.reason, "change": a.change} for a in study.amendments.all()],
        removed=not_recomputable(study),
        key=signing_key(settings.SECRET_KEY),
    )


def not_recomputable(study: Study) -> list[str]:
    """What is gone because a reader withdrew after lock and the consent removes their data."""
    if study.locked_at is None or study.withdrawal_after_lock != "remove":
        return []
    late = study.participants.filter(withdrawn_at__gt=study.locked_at)
    return [f"every number of a report made before {p.pseudonym} withdrew on {p.withdrawn_at:%Y-%m-%d}" for p in late]
