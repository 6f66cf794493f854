"""Reporting checklists of a study, filled where its data know the answer; the other items are left to the authors.

CONSORT 2010 with the extension to randomised crossover trials (Dwan et al., BMJ 366, 2019), GRRAS for studies of
agreement (Kottner et al., Journal of Clinical Epidemiology 64, 2011) and CLAIM for machine learning in imaging (Mongan
et al., Radiology: Artificial Intelligence 2, 2020). Items are named by number and topic; their text is the papers'.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from labeling.studies.figures import interval, not_computed
from labeling.studies.protocol.documents import ContrastNumbers, FrozenProtocol, Numbers, Protocol

AUTHORS = "For the authors."


@dataclass(frozen=True)
class Item:
    """One item: `answer` is AUTHORS where nothing here knows it."""

    number: str
    topic: str
    answer: str


@dataclass(frozen=True)
class Known:
    """Sentences that more than one checklist asks for."""

    design: str
    size: str
    allocation: str
    readers: str
    flow: str
    lost: str
    analysis: str
    results: str
    agreement: str
    registration: str
    reference: str
    machines: str
    partitions: str


def markdown(protocol: Protocol, numbers: Numbers, *, sha256: str, registered: Mapping[str, str | None]) -> str:
    """All checklists that fit the study, as a document."""
    known = _known(protocol, numbers, sha256, registered)
    found = ["# Reporting checklists", "", f"Of the study “{protocol['name']}”, filled where its data know the answer."]
    crossover = "CONSORT 2010 with the extension to crossover trials"
    title = crossover if protocol["design"] != "parallel" else "CONSORT 2010"
    lists = {title: _consort(protocol, known), "GRRAS": _grras(known)}
    if any(arm["assistance"] != "none" for arm in protocol["arms"]):
        lists["CLAIM 2020"] = _claim(known)
    for name, items in lists.items():
        filled = sum(item.answer != AUTHORS for item in items)
        found += ["", f"## {name}", "", f"{filled} of {len(items)} listed items are filled.", ""]
        found += ["| item | topic | answer |", "|---|---|---|"]
        found += [f"| {item.number} | {item.topic} | {_cell(item.answer)} |" for item in items]
    return "\n".join([*found, ""])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split()) or AUTHORS


def _known(protocol: Protocol, numbers: Numbers, sha256: str, registered: Mapping[str, str | None]) -> Known:
    flow, plan = numbers["flow"], numbers["plan"]
    measured = [f for f in protocol["fields"] if not f["training"]]
    cells = sum(f["reference_cells"] for f in measured)
    arms = "; ".join(f"{arm['name']} (tools: {', '.join(arm['tools']) or 'none'})" for arm in protocol["arms"])
    sequences = sorted({row["sequence"] for row in protocol["allocation"]})
    counts = f"{flow['readers']} readers, {flow['readers_withdrawn']} withdrew, {flow['readers_analysed']} analysed."
    by_arm = "; ".join(f"{arm}: {one['allocated']} allocated, {one['analysed']} analysed" for arm, one in
                       flow["by_arm"].items())  # fmt: skip
    lost = "; ".join(f"{why}: {count}" for why, count in flow["excluded"].items())
    return Known(
        design=(
            f"{protocol['design']}, sequences {', '.join(sequences)}, washout {protocol['washout_days']} days. "
            f"Arms: {arms}. {len(measured)} measured items with {cells} reference cells."
        ),
        size=protocol.get("size_justification", "") or AUTHORS,
        allocation=(
            f"By Boxwise from seed {protocol['seed']}; every sequence gets equally many readers, and the fields of "
            "each period are the same for everybody (allocation.csv)."
        ),
        readers=_readers(numbers),
        flow=f"{counts} Items: {by_arm}.",
        lost=f"Items left out: {lost}." if lost else "No opened item was left out.",
        analysis=(
            "Means over readers, arms compared by the ratio of means with t on readers, periods taken out, Fieller's "
            f"interval; quality ({plan['quality_measure']}) is tested against its margin first. Beside it crossed "
            "mixed models with readers and fields random (numbers.json, plan and mixed)."
        ),
        results=" ".join(_result(contrast) for contrast in numbers["contrasts"]) or AUTHORS,
        agreement=_agreement(numbers),
        registration=(
            f"Protocol frozen at {registered.get('frozen_at') or 'an unknown time'} under SHA-256 {sha256}; locked at "
            f"{registered.get('locked_at') or 'no time yet'}.{_stamp(registered)} A public registration: "
            f"{AUTHORS.lower()}"
        ),
        reference=(
            f"Reference label maps of the project, {cells} cells in the measured fields; each item's SHA-256 is in "
            "protocol.json. How they were made: for the authors."
        ),
        machines=_machines(protocol),
        partitions=_partitions(protocol),
    )


def _stamp(registered: Mapping[str, str | None]) -> str:
    at, by = registered.get("stamped_at"), registered.get("stamped_by")
    return f" Time stamp (RFC 3161) of that hash: {at}, by {by} (protocol.tst)." if at else ""


def _readers(numbers: Numbers) -> str:
    """Profession and experience, as far as readers said."""
    rows = numbers["table_one"]["readers"]
    years = sorted(row["experience_years"] for row in rows if row["experience_years"] is not None)
    professions = sorted({row["profession"] for row in rows if row["profession"]})
    sentence = f"{len(rows)} readers. Professions: {', '.join(professions) or 'not said'}."
    if not years:
        return f"{sentence} Years of experience: not said."
    return f"{sentence} Years of experience, {len(years)} said: {years[0]:g} to {years[-1]:g}."


def _result(contrast: ContrastNumbers) -> str:
    time = contrast["time"]
    if reason := not_computed(time):
        return f"{contrast['arm']}: not computed ({reason})."
    return f"{contrast['arm']}: ratio {time['ratio']:.3f} ({interval(time['interval'], 3)})."


def _agreement(numbers: Numbers) -> str:
    found = []
    for arm, groups in numbers["between_readers"].items():
        values = [f"{group['sequence']} {group['icc']:.2f}" for group in groups if not not_computed(group)]
        if values:
            found.append(f"{arm}: ICC(A,1) by sequence {', '.join(values)}.")
    rereading = numbers["rereading"]
    if not not_computed(rereading):
        found.append(
            f"Second readings: bias {rereading['bias']:+.3f} in {rereading['n']} pairs (log seconds per cell)."
        )
    return " ".join(found) or AUTHORS


def _machines(protocol: FrozenProtocol) -> str:
    names = protocol.get("models_trained_elsewhere", [])
    if not names:
        return AUTHORS
    return f"Named in the protocol as trained elsewhere: {', '.join(names)}. What they learned from: for the authors."


def _partitions(protocol: FrozenProtocol) -> str:
    """What the freezing has checked: only where an arm shows what the project's rounds proposed."""
    if not any(arm["assistance"] == "proposals" for arm in protocol["arms"]):
        return AUTHORS
    return (
        "Every field shown with proposals is a test image, and no model of the project's rounds has learned from it or "
        "from its patient; checked at the freezing."
    )


def _consort(protocol: Protocol, known: Known) -> list[Item]:
    changes = len(protocol["amendments"])
    changed = f"{changes} amendments, listed in amendments.json." if changes else "None."
    return [
        Item("1a, 1b", "title and structured summary", AUTHORS),
        Item("2a, 2b", "background, objectives", protocol["hypothesis"] or AUTHORS),
        Item("3a", "design, periods, washout", known.design),
        Item("3b", "changes after the start", changed),
        Item("4a, 4b", "eligibility and setting", AUTHORS),
        Item("5", "interventions", known.design),
        Item("6a", "outcomes", protocol["outcome"]),
        Item("7a", "sample size", known.size),
        Item("7b", "interim analyses and stopping", _interim_looks(protocol)),
        Item("8a, 8b", "generation of the sequence", known.allocation),
        Item("9, 10", "concealment and implementation", "The program allocates at the freezing; pseudonyms follow no "
             "order of enrolment."),
        Item("11a", "blinding", "Readers cannot be blinded to their tool; quality is computed alike in every arm."),
        Item("12a, 12b", "statistical methods", known.analysis),
        Item("13a", "flow, by sequence and period", known.flow),
        Item("13b", "losses and exclusions", known.lost),
        Item("14a, 14b", "dates", known.registration),
        Item("15", "baseline data", known.readers),
        Item("16", "numbers analysed", known.flow),
        Item("17a", "outcomes and estimation", known.results),
        Item("18", "ancillary analyses", "numbers.json: missing, mixed, specifications, joint, trends, carry_over."),
        Item("19", "harms", AUTHORS),
        Item("20 to 22", "limitations, generalisability, interpretation", AUTHORS),
        Item("23, 24", "registration and protocol", known.registration),
        Item("25", "funding", AUTHORS),
    ]  # fmt: skip


def _interim_looks(protocol: Protocol) -> str:
    if "looks" not in protocol:
        return "Whether results by arm were seen before the lock was not recorded."
    count = len(protocol["looks"])
    return f"Results by arm were seen {count} times before the lock." if count else "None; results were hidden."


def _grras(known: Known) -> list[Item]:
    return [
        Item("1", "title or abstract", AUTHORS),
        Item("2", "device of interest", known.design),
        Item("3", "subject population", AUTHORS),
        Item("4", "rater population", known.readers),
        Item("5", "what is known, rationale", AUTHORS),
        Item("6", "how the sample size was chosen", known.size),
        Item("7", "sampling method", known.allocation),
        Item("8", "rating process", known.design),
        Item("9", "independence of ratings", "Each reader works on a sheet of their own and sees no other's work."),
        Item("10", "statistical analysis", known.analysis),
        Item("11", "numbers of raters and subjects", known.flow),
        Item("12", "characteristics of raters and subjects", known.readers),
        Item("13", "estimates with uncertainty", known.agreement),
        Item("14", "practical relevance", AUTHORS),
        Item("15", "detailed results", "In this bundle: tables, numbers.json and r/fields.csv."),
    ]


def _claim(known: Known) -> list[Item]:
    """The items on data, reference, evaluation and registration; those on the paper's text are not listed."""
    return [
        Item("7", "data sources", AUTHORS),
        Item("13", "how missing data were handled", known.lost),
        Item("14 to 17", "reference standard", known.reference),
        Item("18", "variability between and within raters", known.agreement),
        Item("19", "sample size", known.size),
        Item("20, 21", "partitions and their level", known.partitions),
        Item("22 to 24", "models", known.machines),
        Item("28, 29", "metrics, significance and uncertainty", known.analysis),
        Item("33", "flow", known.flow),
        Item("34", "characteristics of the cases", AUTHORS),
        Item("35, 36", "performance with uncertainty", known.results),
        Item("38, 39", "limitations and implications", AUTHORS),
        Item("40, 41", "registration and protocol", known.registration),
        Item("42", "funding", AUTHORS),
    ]  # fmt: skip
