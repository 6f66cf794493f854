"""A frozen protocol as a text for a public registry: the fields of a preregistration and of a register of trials.

The headings follow what OSF's preregistration and ClinicalTrials.gov ask for; their wording here is ours. What the
protocol does not know is left to the authors, by name.
"""

from collections.abc import Sequence

from labeling.studies.models import Study
from labeling.studies.protocol.documents import Conduct, FrozenProtocol
from labeling.studies.protocol.upgrades import upgraded

AUTHORS = "For the authors."
UNITS = {
    "fields": "whole fields (throughput, with search and missed cells)",
    "cells": "sampled single cells whose place is given (handling)",
    "time": "fields that the clock ends (how far in a fixed time)",
}
MODELS = {
    "crossover": "crossover assignment, AB/BA",
    "williams": "crossover assignment, Williams square",
    "parallel": "parallel assignment",
}


def markdown(study: Study) -> str:
    """Of a study that is frozen: the protocol as it was frozen, whatever was amended since."""
    protocol: FrozenProtocol = study.protocol  # type: ignore[assignment]  # a frozen study has one
    sections = [
        ("Identification", _identification(study, protocol)),
        ("Hypothesis", [protocol["hypothesis"]]),
        ("Design", _design(protocol)),
        ("Arms and interventions", _arms(protocol)),
        ("Sampling and size", _sampling(protocol)),
        ("Outcomes", _outcomes(protocol)),
        ("Analysis plan", _analysis(protocol)),
        ("Participants and ethics", _participants(study, protocol)),
        ("For the authors", ["Sponsor and funding; eligibility of readers; dates planned; where the data will be."]),
    ]
    lines = [f"# Registration: {protocol['name']}", ""]
    for title, paragraphs in sections:
        lines += [f"## {title}", ""]
        lines += [f"- {_line(paragraph)}" for paragraph in paragraphs]
        lines.append("")
    return "\n".join(lines)


def _line(text: str) -> str:
    return " ".join(text.split()) or AUTHORS


def _identification(study: Study, protocol: FrozenProtocol) -> Sequence[str]:
    stamp = "No time stamp by a third party."
    if study.stamped_at is not None:
        stamp = f"Time stamp (RFC 3161) of that hash: {study.stamped_at.isoformat()}, by {study.stamped_by}."
    frozen = study.frozen_at.isoformat() if study.frozen_at else ""
    return [
        f"Public title: {protocol.get('public_title', '')}",
        f"Protocol frozen at {frozen}, SHA-256 of its canonical JSON: {study.protocol_sha256}",
        stamp,
        "No data were collected before the freezing: the program opens no field before it.",
    ]


def _design(protocol: FrozenProtocol) -> Sequence[str]:
    sequences = sorted({row["sequence"] for row in protocol["allocation"]})
    return [
        f"Study type: interventional, of ways to annotate. Model: {MODELS[protocol['design']]}, sequences "
        f"{', '.join(sequences)}, washout {protocol['washout_days']} days.",
        f"Allocation: randomised by the program from seed {protocol['seed']}; everybody reads the same fields in a "
        "period.",
        "Masking: readers cannot be blinded to their tool; neither arm nor models are named to them. Results by arm "
        "are hidden until the lock; a look before it is logged.",
    ]


def _arms(protocol: FrozenProtocol) -> Sequence[str]:
    reference = protocol["analysis"]["reference"]
    found = []
    for arm in protocol["arms"]:
        kind = "Active comparator (reference)" if arm["name"] == reference else "Experimental"
        tools = ", ".join(arm["tools"]) or "none"
        second = ", ".join(arm.get("second_tools", []))
        then = f", then {second}" if second else ""
        many = " Many proposals at once may be accepted." if arm.get("accepts_many") else ""
        found.append(f"{kind}: {arm['name']}. Tools: {tools}{then}. Assistance: {arm['assistance']}.{many}")
    return found


def _sampling(protocol: FrozenProtocol) -> Sequence[str]:
    conduct = upgraded(protocol)["conduct"]
    measured = [field for field in protocol["fields"] if not field["training"]]
    readers = len({row["reader"] for row in protocol["allocation"]})
    cells = sum(field["reference_cells"] for field in measured)
    return [
        f"{readers} readers; {len(measured)} measured items with {cells} reference cells.",
        f"Unit: {UNITS[conduct['unit']]}.{_time_box(conduct)}",
        f"Sets of the arms are alike by {protocol['strata']}.",
        protocol.get("size_justification", "") or f"Justification of the size: {AUTHORS.lower()}",
    ]


def _time_box(conduct: Conduct) -> str:
    minutes = conduct.get("time_box_minutes")
    return f" The clock ends a field after {minutes} min of sitting." if minutes else ""


def _outcomes(protocol: FrozenProtocol) -> Sequence[str]:
    rules = protocol["analysis"]
    return [
        f"Primary: {protocol['outcome']}.",
        f"Gate before it: {rules['quality_measure']} not worse by {rules['quality_margin']:g}.",
        "Secondary, described: phases of the time, detection of cells, learning, carry-over, second readings and "
        "agreement.",
    ]


def _analysis(protocol: FrozenProtocol) -> Sequence[str]:
    rules, measurement = protocol["analysis"], protocol["measurement"]
    outliers = rules["outlier_iqr"]
    beyond = "no outlier rule" if outliers is None else f"fields beyond {outliers:g} IQR of log time per cell left out"
    return [
        f"{rules['inference']}, confidence {100 * rules['confidence']:g} %; ratio of arithmetic means; {beyond}.",
        f"A gap of more than {measurement['idle_after_s']:g} s is idle and no work.",
        f"Missing data: {rules.get('missing_data', 'not declared')}.",
        f"Empty fields: {rules.get('empty_fields', 'not declared')}.",
        f"Several comparisons: {rules.get('multiplicity', 'not declared')}.",
        f"Exclusions: {protocol['exclusion_rules'] or 'none declared'}",
    ]


def _participants(study: Study, protocol: FrozenProtocol) -> Sequence[str]:
    return [
        f"Responsible: {protocol.get('controller', '')}. Contact: {protocol.get('contact', '')}.",
        f"Ethics: {protocol['ethics_reference']}. Raw data are kept until {protocol['retention_until']}.",
        f"Who withdraws after the lock: {study.get_withdrawal_after_lock_display()}.",
    ]
