"""The report in sentences, with the exact numbers: for the page, the PDF and a paper's methods section."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from django.utils.translation import gettext_noop

from labeling.studies import amended, beside
from labeling.studies.analysis.resampling import permutation_from
from labeling.studies.figures import interval, not_computed, number, p_value, per_cent
from labeling.studies.protocol.documents import (
    ArmDocument,
    ArmNumbers,
    ContrastNumbers,
    CountedArm,
    CutOffContrast,
    FixedReaders,
    Interval,
    Numbers,
    OutsideNumbers,
    Permutation,
    PlanNumbers,
    Protocol,
    Quality,
    SessionCheck,
    Test,
    Time,
    TTest,
)

Offered = TypeVar("Offered")
RULES = {
    "dice 0": "A finished field without any mask has Dice 0 and PQ 0, and all its reference cells are missed.",
    "complete readers": (
        "Readers are analysed who have a counted field in every arm that they were allocated to; fields that were not "
        "finished are left out, nothing is imputed, and a sensitivity analysis states what they could have changed."
    ),
    "holm": "The p values of the comparisons with the reference are adjusted by Holm's procedure, the intervals not.",
    "in order": (
        "The comparisons with the reference are tested in the declared order, each only if the one before is "
        "significant; the intervals are not adjusted."
    ),
}


@dataclass(frozen=True)
class Section:
    """A heading (in English; a page translates it) and its paragraphs."""

    key: str
    title: str
    paragraphs: list[str]


def sections(protocol: Protocol, numbers: Numbers, *, sha256: str) -> list[Section]:
    """The whole text of a report, in its order. A section that has nothing to say is left out."""
    what_was_done = methods(protocol, numbers, sha256=sha256) + amended.interim_look_sentences(protocol)
    found = [
        Section("amendments", gettext_noop("Amendments"), amended.sentences(protocol)),
        Section("results", gettext_noop("Results"), results(numbers)),
        Section("missing", gettext_noop("Missing data"), beside.missing_data(numbers)),
        Section("beside", gettext_noop("Beside the result"), beside.described(numbers)),
        Section("methods", gettext_noop("Methods"), what_was_done),
    ]
    return [section for section in found if section.paragraphs]


def methods(protocol: Protocol, numbers: Numbers, *, sha256: str) -> list[str]:
    """What was done, as a methods section says it."""
    flow, plan = numbers["flow"], numbers["plan"]
    measured = [f for f in protocol["fields"] if not f["training"]]
    cells = sum(f["reference_cells"] for f in measured)
    left_out = "".join(f"; {n} left out ({why})" for why, n in flow["excluded"].items())
    arms = ", ".join(_arm(arm) for arm in protocol["arms"])
    units = "sampled single cells, with" if plan["unit"] == "cells" else "fields with"
    return [
        f"Design: {protocol['design']}, {flow['readers']} readers, {len(measured)} {units} {cells} reference "
        f"cells; arms: {arms}. The allocation was generated from seed {protocol['seed']}; no reader saw a field in two "
        f"arms. Washout {protocol['washout_days']} days.",
        *_conduct(protocol),
        "Time was computed from raw browser events on the monotonic clock; a gap between two acts of more than "
        f"{numbers['rules']['idle_after_s']:g} s{amended.note(protocol, 'idle_after_s')} counts as idle. Waiting for "
        "the machine, hidden pages and lost events are not active time.",
        "Outcome: active seconds (search, missed cells and false proposals included) per reference cell of each reader "
        "and arm. The mean of an arm is the mean over the sequences of the means of their readers, and two arms are "
        "compared by the ratio of these means. Inference is on readers, by t; intervals hold every ratio that the test "
        f"does not reject. {_gate(plan, protocol)} Quality is Dice of the foreground; beside it stands what became of "
        "each reference cell at an intersection over union of 0.5.",
        " ".join([RULES["dice 0"], RULES["complete readers"], *_family(plan)]),
        _permutation(plan, protocol, numbers),
        f"{flow['allocated']} items were allocated, {flow['completed']} completed and {flow['analysed']} analysed"
        f"{left_out}. {amended.frozen(protocol, sha256)} Readers cannot be blinded to their tool.",
        *plan["notes"],
    ]


UNITS = {
    "time": (
        "One item is a whole field that the clock ends, so the times are of throughput in a fixed time: search is in "
        "them. Counted are the cells of the reference that a drawn cell touches, and at least one; quality is of these "
        "alone, because cells that the reader had not come to are not missed. The times are not comparable with those "
        "of whole fields or of single cells, and never pooled with them."
    ),
    "fields": (
        "One item is a whole field, so the times are of throughput: search and missed cells are in them. They are not "
        "comparable with times of single cells whose place is given, and never pooled with them."
    ),
    "cells": (
        "One item is a sampled cell whose place was marked, shown with its surroundings, so the times are of handling: "
        "search and missed cells are in none of them. They are not comparable with times of whole fields, and never "
        "pooled with them."
    ),
}


def _conduct(protocol: Protocol) -> list[str]:
    """What an item was, and how readers went through them; nothing of a protocol that did not declare it."""
    if "conduct" not in protocol:
        return []
    conduct = protocol["conduct"]
    found = [UNITS[conduct["unit"]]]
    if any(arm["assistance"] == "own_boxes" for arm in protocol["arms"]):
        found.append(
            "In an arm of two sittings readers drew boxes or set points in the first, and models that the protocol "
            f"fixed made masks from them. {conduct['gap_days']} days or more after the last one the readers verified "
            "and corrected these in a second sitting. The active time of both sittings is the time of the field; the "
            "machine's time and the waiting are in neither."
        )
    if minutes := conduct.get("time_box_minutes"):
        found.append(f"After {minutes} min of sitting at a field it was finished by the clock as it stood.")
    if conduct["sitting_minutes"] is not None:
        found.append(
            f"After {conduct['sitting_minutes']} min of work at a stretch a break of {conduct['break_minutes']} min "
            "was prescribed."
        )
    if conduct["practice_quality"] is not None:
        reached = f"Dice {conduct['practice_quality']:g}"
        found.append(f"Further practice of an arm was left out once a practice field reached {reached}.")
    if protocol.get("size_justification"):
        found.append(f"Size of the study: {protocol['size_justification']}")
    return found


def _gate(plan: PlanNumbers, protocol: Protocol) -> str:
    if plan["quality_margin"] is None:
        return "Time is not tested, because the protocol has no margin for quality."
    return (
        f"Time is tested only if {plan['quality_measure']} is not worse by "
        f"{plan['quality_margin']:g}{amended.note(protocol, 'quality_margin')}."
    )


def _family(plan: PlanNumbers) -> list[str]:
    return [RULES[plan["multiplicity"]]] if len(plan["others"]) > 1 else []


def _permutation(plan: PlanNumbers, protocol: Protocol, numbers: Numbers) -> str:
    """From when a permutation is offered, whatever this study gave."""
    alpha = 1 - plan["confidence"]
    needed = permutation_from(plan["kind"], len(protocol["arms"]), alpha)
    if needed is None:
        return (
            "A permutation test of two arms is not offered: this design has no allocations that exchange just two arms."
        )
    of = "of the two arms compared" if plan["kind"] == "parallel" else "in this design"
    return (
        "The permutation test goes over the allocations that the design could have drawn. It can reach "
        f"p < {alpha:.2g} from {needed} readers {of} and is offered from there; {numbers['flow']['readers_analysed']} "
        "readers are analysed. The percentile bootstrap over readers is given only from the number of readers at which "
        "it held the truth as often as it claims in simulations."
    )


def _arm(arm: ArmDocument) -> str:
    tools = ", ".join(arm["tools"]) or "none"
    shown = {"proposals": "proposals: yes", "own_boxes": "masks from own marks"}.get(arm["assistance"], "proposals: no")
    if second := arm.get("second_tools"):
        tools = f"{tools}, then {', '.join(second)}"
    return f"{arm['name']} (tools: {tools}; {shown})"


def results(numbers: Numbers) -> list[str]:
    """What was found, arm by arm against the reference."""
    found = []
    for name, arm in numbers["arms"].items():
        found += [of_arm(name, arm), of_cells(name, arm)]
    for contrast in numbers["contrasts"]:
        found += of_contrast(contrast, numbers["plan"])
    found += [of_outside(arm) for arm in numbers["outside_arms"]]
    return [*found, _of_record(numbers["checks"])]


def of_arm(name: str, arm: ArmNumbers) -> str:
    readers = arm["of_readers"]
    if reason := not_computed(readers):
        spread = f"no interval ({reason})"
    else:
        spread = (
            f"mean of {readers['n']} readers, SD {readers['sd']:.2f}, 95 % CI {readers['low']:.2f}-"
            f"{readers['high']:.2f}, median {readers['median']:.2f}, geometric mean {number(readers['geometric_mean'])}"
        )
    fields = arm["seconds_per_cell"]
    sd = "" if not_computed(fields) else f", SD of fields {fields['sd']:.2f}"
    return (
        f"{name}: {arm['mean']:.2f} s per reference cell ({spread}), {arm['fields']} fields with "
        f"{arm['reference_cells']} cells{sd}; Dice {number(arm['dice'])}, PQ {number(arm['pq'])}.{_machine(arm)}"
    )


def _machine(arm: ArmNumbers) -> str:
    seconds = arm["machine_s_per_cell"]
    if seconds is None:
        return ""
    return f" The machine took {seconds:.2f} s per reference cell for the masks, in no time above."


def of_cells(name: str, arm: CountedArm) -> str:
    """What became of the reference cells, which the Dice of the foreground does not say."""
    cells, total = arm["detection"], arm["reference_cells"]
    shares = ", ".join(f"{cells[k]} {k} ({per_cent(cells[k], total)})" for k in ("found", "missed", "merged", "split"))
    empty = arm.get("empty_fields", 0)
    nothing = f" {empty} of {arm['fields']} fields were finished without any cell." if empty else ""
    return (
        f"Cells of {name} at an intersection over union of 0.5: of {total} reference cells {shares}; {cells['false']} "
        f"false cells drawn, {cells['pieces']} pieces of cells.{nothing}"
    )


def of_contrast(contrast: ContrastNumbers, plan: PlanNumbers) -> list[str]:
    """Quality and time of one arm, and what holds for these readers alone where that is all there is."""
    found = [_of_quality(contrast["arm"], contrast["quality"]), _of_time(contrast["arm"], contrast["time"], plan)]
    fixed = contrast["fixed_readers"]
    too_few = not not_computed(contrast["time"]) and not_computed(contrast["time"]["interval"])
    if not not_computed(fixed):
        found.append(_of_fixed_readers(contrast["arm"], plan["reference"], fixed))
    elif too_few:
        found.append(f"These readers alone: not computed ({not_computed(fixed)}).")
    return found


TIMES = {"saved": "between savings", "lead time": "of lead time", "recording": "of the screen recording", "none": ""}


def of_outside(arm: OutsideNumbers) -> str:
    time = arm["seconds_per_cell"]
    if reason := not_computed(time):
        timed = f"no time ({reason})"
    else:
        timed = (
            f"{time['median']:.2f} s per reference cell {TIMES[arm['timing']]} (median of {time['n']} fields, mean "
            f"{time['mean']:.2f}, SD {time['sd']:.2f})"
        )
    drawn = (
        f"{arm['arm']} ({arm['tool']}, outside this app): {arm['fields']} fields with {arm['reference_cells']} cells, "
        f"{arm['cells']} drawn; {timed}; Dice {number(arm['dice'])}, PQ {number(arm['pq'])}."
    )
    return f"{drawn} {of_cells(arm['arm'], arm)} {arm['reservation']}"


def _of_quality(arm: str, quality: Quality) -> str:
    if reason := not_computed(quality):
        return f"Quality of {arm}: not known ({reason})."
    return (
        f"Quality of {arm}: {quality['measure']} {quality['arm_mean']:.4f} against {quality['reference_mean']:.4f}, "
        f"difference {quality['difference']:+.4f}, lower bound {number(quality['low'], 4)}; the margin of "
        f"{quality['margin']:g} {'holds' if quality['passed'] else 'does not hold'}."
    )


def _of_time(arm: str, time: Time, plan: PlanNumbers) -> str:
    if reason := not_computed(time):
        return f"{arm} against the reference: not computed ({reason})."
    change = f"reduction {time['reduction']:.1f} %"
    means = (
        f"ratio of arithmetic means {time['ratio']:.3f} ({time['mean_arm']:.2f} to {time['mean_reference']:.2f} s per "
        f"cell, {time['readers']} readers)"
    )
    geometric = f"ratio of geometric means {time['geometric']['ratio']:.3f}"
    begin = f"{arm} against {time['reference']}: {change}"
    permuted = _offered("permutation", time["permutation"], lambda found: _permuted(found, plan))
    if reason := not_computed(time["interval"]):
        return f"{begin}, {means}, {geometric}. Neither an interval nor a test: {reason}. There is {permuted}."
    parts = [
        f"{begin} ({interval(time['reduction_interval'], 1, unit=' %')}), {means}",
        _test(time["test"], plan),
        permuted,
        _offered("bootstrap over readers", time["bootstrap"], _resampled),
        f"{geometric} ({interval(time['geometric']['interval'], 3)})",
    ]
    return f"{'; '.join(parts)}. {time['method']}."


def _resampled(found: Interval) -> str:
    return f"bootstrap over readers {number(found['low'], 1)} to {number(found['high'], 1)} %"


def _test(test: TTest, plan: PlanNumbers) -> str:
    if reason := not_computed(test):
        return f"no test: {reason}"
    return f"{p_value(test['p'])}, df {test['df']:g}{_adjusted(test, plan)}"


def _permuted(found: Permutation, plan: PlanNumbers) -> str:
    tried = f"{found['drawn']} drawn of " if found["drawn"] else ""
    return f"by permutation {p_value(found['p'])} ({tried}{found['allocations']} allocations){_adjusted(found, plan)}"


def _adjusted(test: Test, plan: PlanNumbers) -> str:
    if len(plan["others"]) < 2:
        return ""
    return f" (adjusted for {len(plan['others'])} comparisons: {p_value(test['p_adjusted'])})"


def _offered(name: str, value: Offered, words: Callable[[Offered], str]) -> str:
    reason = not_computed(value)
    return f"no {name}: {reason}" if reason else words(value)


def _of_fixed_readers(arm: str, reference: str, found: FixedReaders) -> str:
    quality = found["quality"]
    if reason := not_computed(quality):
        judged = f"quality not known ({reason})"
    else:
        verdict = "holds" if found["passed"] else "does not hold"
        margin = "" if found["margin"] is None else f", the margin of {found['margin']:g} {verdict}"
        judged = f"quality differs by {quality['estimate']:+.4f}, lower bound {quality['low']:.4f}{margin}"
    p = found["p"]
    test = f"no test: {not_computed(p)}" if isinstance(p, dict) else f"{p_value(p)}, df {found['df']:g}"
    return (
        f"{found['title']}: {arm} against {reference}, ratio of geometric means {found['ratio']:.3f} "
        f"({interval(found['interval'], 3)}); {test}; {judged}. The unit is the field ({found['fields']} fields read "
        "in both arms); nothing here speaks of other readers."
    )


@dataclass(frozen=True)
class CutOffRow:
    """One idle cut-off: active and idle seconds of the fields analysed, and each arm's ratio with its interval."""

    idle_after_s: float
    declared: bool
    active_s: float
    idle_s: float
    ratios: list[str]


def cut_offs(numbers: Numbers) -> list[CutOffRow]:
    """The table of idle cut-offs: one column of ratios for each arm compared with the reference."""
    declared = numbers["rules"]["idle_after_s"]
    rows = []
    for row in numbers["sensitivity"]:
        ratios = [_ratio(contrast) for contrast in row["contrasts"]]
        at = row["idle_after_s"]
        rows.append(CutOffRow(at, at == declared, row["active_s"], row["idle_s"], ratios))
    return rows


def _ratio(contrast: CutOffContrast) -> str:
    if reason := not_computed(contrast):
        return f"not computed ({reason})"
    if not_computed(contrast["interval"]):
        return f"{contrast['ratio']:.3f} (no interval, see Results)"
    return f"{contrast['ratio']:.3f} ({interval(contrast['interval'], 3)})"


def cut_off_lines(numbers: Numbers) -> list[str]:
    """The same table as sentences, for the PDF."""
    found = []
    for row in cut_offs(numbers):
        declared = " (declared)" if row.declared else ""
        pairs = zip(numbers["plan"]["others"], row.ratios, strict=True)
        ratios = "; ".join(f"{arm} to {numbers['plan']['reference']} {ratio}" for arm, ratio in pairs)
        found.append(
            f"{row.idle_after_s:g} s{declared}: active {row.active_s:.1f} s, idle {row.idle_s:.1f} s; {ratios}."
        )
    return found


def _of_record(checks: list[SessionCheck]) -> str:
    bad = [c for c in checks if c["gaps"] or c["lost_tail"] or c["duplicates"] or c["no_farewell"]]
    resent = sum(c["resent"] for c in checks)
    again = f" {resent} batches were sent more than once; each event counts once." if resent else ""
    if not checks:
        return "Record: nobody has begun."
    if not bad:
        return f"Record: all {len(checks)} sessions are complete.{again}"
    events = sum(c["missing_events"] + c["lost_tail"] for c in bad)
    return (
        f"Record: {len(bad)} of {len(checks)} sessions are incomplete: {events} events are missing over "
        f"{sum(c['gap_ms'] for c in bad) / 1000:.1f} s, {sum(c['no_farewell'] for c in bad)} sessions ended without a "
        f"farewell.{again}"
    )
