"""What a frozen study gives out: its report as page, plot, PDF and bundle, all from the same numbers."""

from typing import Any

from django.conf import settings

from labeling.studies import amended, bundle, plots, words
from labeling.studies.analysis import report
from labeling.studies.computed import numbers_once
from labeling.studies.models import Study
from labeling.studies.plot_names import SHOWS
from labeling.studies.services import effective
from labeling.studies.signing import signing_key
from labeling.studies.tables import tables_of

PLOT_PATIENCE_S = 20.0  # a plot that has to wait longer says so; the page that asks for the numbers computes them


def protocol_of(study: Study) -> dict[str, Any]:
    """The protocol as amended, with its amendments: what the analysis follows and the report prints."""
    protocol = effective(study)
    protocol.setdefault("amendments", amended.of_rows(study.protocol or {}, study.amendments.all()))
    return protocol


def numbers_of(study: Study, *, patience_s: float = -1) -> dict[str, Any]:
    """Every number of the report; computed once for each state of the data. Raises StillComputing (computed.py)."""
    protocol = protocol_of(study)
    return numbers_once(study, protocol, lambda: report.compute(tables_of(study), protocol), patience_s=patience_s)


def page(study: Study) -> dict[str, Any]:
    """The context of the report's page."""
    protocol, numbers = protocol_of(study), numbers_of(study)
    return {
        "numbers": numbers,
        "plots": SHOWS,
        "sections": words.sections(protocol, numbers, sha256=study.protocol_sha256),
        "cut_offs": words.cut_offs(numbers),
        "not_recomputable": not_recomputable(study),
    }


def plot(study: Study, name: str) -> bytes:
    """SVG. Raises KeyError for an unknown name, StillComputing when others compute the numbers for too long."""
    if name not in SHOWS:
        raise KeyError(name)
    return plots.svg(numbers_of(study, patience_s=PLOT_PATIENCE_S), name)


def pdf(study: Study) -> bytes:
    protocol, numbers = protocol_of(study), numbers_of(study)
    text = [
        (section.title, section.paragraphs)
        for section in words.sections(protocol, numbers, sha256=study.protocol_sha256)
    ]
    text.insert(-1, ("Under other idle cut-offs", words.cut_off_lines(numbers)))
    return plots.pdf(study.name, text, numbers)


def bundled(study: Study) -> bytes:
    assert study.protocol is not None  # the database holds it: only a draft has none
    protocol = protocol_of(study)
    return bundle.write(
        tables=tables_of(study),
        protocol=protocol,
        frozen=study.protocol,
        frozen_sha256=study.protocol_sha256,
        amendments=protocol["amendments"],
        removed=not_recomputable(study),
        key=signing_key(settings.SECRET_KEY),
    )


def not_recomputable(study: Study) -> list[str]:
    """What is gone because a reader withdrew after lock and the consent removes their data."""
    if study.locked_at is None or study.withdrawal_after_lock != "remove":
        return []
    late = study.participants.filter(withdrawn_at__gt=study.locked_at)
    return [f"every number of a report made before {p.pseudonym} withdrew on {p.withdrawn_at:%Y-%m-%d}" for p in late]
