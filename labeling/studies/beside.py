"""What stands beside the result in a report: described, never deciding."""

from dataclasses import dataclass
from typing import Any

from labeling.studies import random_cases
from labeling.studies.figures import interval, not_computed, p_value
from labeling.studies.protocol.documents import (
    AgreementGroup,
    CarryOver,
    Numbers,
    ReaderFlow,
    Rereading,
    Scenario,
    Summary,
)


def missing_data(numbers: Numbers) -> list[str]:
    """The sensitivity analysis of every comparison; nothing where nothing is missing, or nobody has finished yet."""
    found: list[str] = []
    if not numbers["arms"]:
        return found
    for arm, one in zip(numbers["plan"]["others"], numbers["missing"], strict=True):
        if not_computed(one):
            continue
        scenarios = "; ".join(_scenario(scenario) for scenario in one["scenarios"])
        found.append(
            f"{arm}: {one['unfinished']} of the {numbers['flow']['allocated']} allocated fields of all arms do not "
            f"count. The ratio under other assumptions, described and not tested: {scenarios}."
        )
    return found


def _scenario(scenario: Scenario) -> str:
    if reason := not_computed(scenario):
        return f"{reason}"
    return (
        f"{scenario['name']} ({scenario['readers']} readers) {scenario['ratio']:.3f} "
        f"({interval(scenario['interval'], 3)})"
    )


def described(numbers: Numbers) -> list[str]:
    """Random readers and fields, outliers, learning, carry-over, second readings, agreement: never acted on."""
    if not numbers["arms"]:
        return []
    others = numbers["plan"]["others"]
    found = random_cases.sentences(numbers)
    found += _outliers(numbers)
    found += _trends(numbers["trends"])
    found += [_carry_over(arm, one) for arm, one in zip(others, numbers["carry_over"], strict=True)]
    found.append(_rereading(numbers["rereading"]))
    found += [_agreement(arm, groups) for arm, groups in numbers["between_readers"].items()]
    return found


@dataclass(frozen=True)
class PhaseRow:
    """Seconds per reference cell in one phase of one arm, printed."""

    arm: str
    phase: str
    mean: str
    interval: str
    sd: str


def phase_rows(numbers: Numbers) -> list[PhaseRow]:
    """Every phase in which anybody spent time, arm by arm."""
    found = []
    for arm, of_arm in numbers["arms"].items():
        means = of_arm["phases_per_cell"] | of_arm["beside_per_cell"]
        for phase, mean in means.items():
            if mean:
                found.append(_phase_row(arm, phase, mean, of_arm["phases"][phase]))
    return found


def _phase_row(arm: str, phase: str, mean: float, spread: Summary) -> PhaseRow:
    if not_computed(spread):
        return PhaseRow(arm, phase, f"{mean:.2f}", "–", "–")
    return PhaseRow(arm, phase, f"{mean:.2f}", f"{spread['low']:.2f} to {spread['high']:.2f}", f"{spread['sd']:.2f}")


def phase_lines(numbers: Numbers) -> list[str]:
    """The same table as sentences, for the PDF."""
    return [
        f"{row.arm}, {row.phase}: {row.mean} s per reference cell (95 % CI {row.interval}, SD of readers {row.sd})."
        for row in phase_rows(numbers)
    ]


def table_lines(numbers: Numbers) -> list[str]:
    """Table 1 and the flow by arm and reader as sentences, for the PDF."""
    found = []
    for reader in numbers["table_one"]["readers"]:
        years = reader["experience_years"]
        experience = "experience not said" if years is None else f"{years:g} years in pathology"
        profession = reader["profession"] or "profession not said"
        found.append(f"{reader['participant']}: {profession}, {experience}, sequence {reader['sequence']}.")
    for row in numbers["table_one"]["fields"]:
        found.append(
            f"{row['arm']}: {row['fields']} fields of {row['cells_least']} to {row['cells_most']} reference cells, "
            f"median {row['cells_median']:g}."
        )
    for arm, flow in numbers["flow"]["by_arm"].items():
        for name, one in flow.get("by_reader", {}).items():
            found.append(f"{arm}, {name}: {_flow_of(one)}.")
    return found


def _flow_of(one: ReaderFlow) -> str:
    reasons = "".join(f"; {n} left out ({why})" for why, n in one["left_out"].items())
    counts = f"{one['allocated']} allocated, {one['opened']} opened, {one['completed']} completed"
    return f"{counts}, {one['analysed']} analysed{reasons}"


def _outliers(numbers: Numbers) -> list[str]:
    """Who was left out by the declared rule, and the result with them, tested only where quality passes there too."""
    result = numbers["with_outliers"]
    if reason := not_computed(result):
        return [f"Outliers: {reason}."]
    left = ", ".join(f"{one['item']} ({one['arm']})" for one in numbers["outliers"])
    found = [f"Outliers by the declared rule, left out of the result: {left}."]
    for one in result:
        time = one["time"]
        if reason := not_computed(time):
            found.append(f"With the outliers, {one['arm']}: not computed ({reason}).")
            continue
        reason = not_computed(time["test"])
        test = f"no test: {reason}" if reason else p_value(time["test"]["p_adjusted"])
        found.append(
            f"With the outliers, {one['arm']}: ratio {time['ratio']:.3f} ({interval(time['interval'], 3)}); {test}."
        )
    return found


def _trends(found: Any) -> list[str]:
    if reason := not_computed(found):
        return [f"Learning and fatigue: not computed ({reason})."]
    return [
        f"Learning and fatigue: not computed ({reason})."
        if (reason := not_computed(trend))
        else f"Learning (below 0) or fatigue (above 0) in {trend['arm']}: {trend['per_field']:+.1f} % of time per cell "
        f"with each further field (95 % CI {trend['low']:+.1f} to {trend['high']:+.1f} %, {trend['fields']} fields)."
        for trend in found
    ]


def _carry_over(arm: str, found: CarryOver) -> str:
    if reason := not_computed(found):
        return f"Carry-over, {arm}: not computed ({reason})."
    first, second = found["sequences"]
    return (
        f"Carry-over, {arm} (Grizzle's test; little power, never acted on): the readers' sums over both arms differ by "
        f"{found['difference']:+.2f} s per cell between sequences {second} and {first}, {p_value(found['p'])}."
    )


def _rereading(found: Rereading) -> str:
    if reason := not_computed(found):
        return f"Second readings: not computed ({reason})."
    return (
        f"Second readings against the first (Bland-Altman, log seconds per cell): mean difference {found['bias']:+.3f} "
        f"(95 % CI {found['bias_low']:+.3f} to {found['bias_high']:+.3f}), limits of agreement {found['low']:+.3f} to "
        f"{found['high']:+.3f}, {found['n']} pairs."
    )


def _agreement(arm: str, groups: list[AgreementGroup]) -> str:
    parts = []
    for group in groups:
        if reason := not_computed(group):
            parts.append(reason)
        else:
            size = f"{group['readers']} readers, {group['fields']} fields"
            parts.append(f"sequence {group['sequence']} {group['icc']:.2f} ({size})")
    return (
        f"Agreement between readers in {arm} (ICC(A,1) of seconds per cell, among readers of the same fields): "
        f"{'; '.join(parts)}."
    )
