"""The sentences of a report about random readers and random fields, and about time and quality at once."""

import math

from labeling.studies.figures import not_computed, p_value
from labeling.studies.protocol.documents import (
    FullyCrossedNumbers,
    JointNumbers,
    MixedNumbers,
    Numbers,
    SpecificationNumbers,
)

FITS = {
    "regular": "",
    "singular": " The fit is singular: estimated as 0 and taken out are the variances of {zero}.",
    "not converged": " The fit did not converge, so these figures must not be read.",
}
COMPONENTS = {
    "reader": "readers",
    "slope": "the readers' arm effects",
    "field": "fields",
    "field_slope": "the fields' arm effects",
}
MEASURES = {"seconds": "seconds per cell", "dice": "Dice", "f1": "F1 of detection"}
ABOUT = (
    "Readers and fields both random (crossed mixed model of single fields, restricted maximum likelihood, degrees of "
    "freedom by Satterthwaite), a description beside the test that the protocol declares: that test takes the fields "
    "for given, these figures speak of other fields too."
)


def sentences(numbers: Numbers) -> list[str]:
    """Of every arm: the crossed model on time and quality, the fully crossed analysis, and both measures at once."""
    found = [ABOUT]
    others = numbers["plan"]["others"]
    level = per_cent_of(numbers["plan"]["confidence"])
    for k, arm in enumerate(others):
        found += [_mixed(arm, measure, one, level) for measure, one in numbers["mixed"][k].items()]
        found += _fully_crossed(arm, numbers["fully_crossed"][k], level)
        found.append(_joint(arm, numbers["joint"][k], level))
        found.append(_specifications(arm, numbers["specifications"]))
    return found


def per_cent_of(confidence: float) -> str:
    return f"{100 * confidence:g} %"


def _mixed(arm: str, measure: str, found: MixedNumbers, level: str) -> str:
    name = MEASURES[measure]
    if reason := not_computed(found):
        return f"Crossed model of {name}, {arm}: not computed ({reason})."
    effect = "ratio of geometric means" if measure == "seconds" else "difference of means"
    scale = "log seconds per cell" if measure == "seconds" else name
    zero = ", ".join(COMPONENTS[component] for component in found["at_zero"])
    digits = 3 if measure == "seconds" else 4
    values = ", ".join(_component(found, component) for component in COMPONENTS)
    return (
        f"Crossed model of {name}, {arm}: {effect} {found['estimate']:.{digits}f} ({level} CI "
        f"{found['low']:.{digits}f} to {found['high']:.{digits}f}), df {found['df']:.1f}, {p_value(found['p'])}; "
        f"variances of {scale}: {values}, residual {found['residual']:.5f}; {found['fields']} fields, "
        f"{found['readers']} readers."
        f"{FITS[found['fit']].format(zero=zero)}"
    )


def _component(found: MixedNumbers, component: str) -> str:
    variances = {
        "reader": found["reader"],
        "slope": found["slope"],
        "field": found["field"],
        "field_slope": found["field_slope"],
    }
    value = variances[component]
    return f"{COMPONENTS[component]} {'not told apart' if value is None else f'{value:.5f}'}"


def _fully_crossed(arm: str, by_measure: dict[str, FullyCrossedNumbers], level: str) -> list[str]:
    """One sentence where all measures have the same reason, which is what every design of the app gives."""
    reasons = {not_computed(one) for one in by_measure.values()}
    if "" not in reasons:
        return [f"Fully crossed analysis, {arm}: not computed ({'; '.join(sorted(reasons))})."]
    found = []
    for measure, one in by_measure.items():
        if not_computed(one):
            continue
        name = "log seconds per cell" if measure == "seconds" else MEASURES[measure]
        found.append(
            "Fully crossed analysis (Obuchowski and Rockette, Dorfman, Berbaum and Metz, degrees of freedom by Hillis) "
            f"of {name}, {arm}: difference {one['difference']:+.4f} ({level} CI {one['low']:+.4f} to "
            f"{one['high']:+.4f}), df {one['df']:.1f}, {p_value(one['p'])}."
        )
    return found


def _joint(arm: str, found: JointNumbers, level: str) -> str:
    if reason := not_computed(found):
        return f"Time and quality at once, {arm}: no region ({reason})."
    spread = [math.sqrt(found["covariance"][k][k]) for k in range(2)]
    correlation = found["covariance"][0][1] / (spread[0] * spread[1])
    reach = [math.sqrt(found["reach"]) * one for one in spread]
    low, high = (math.exp(found["log_ratio"] + sign * reach[0]) for sign in (-1, 1))
    return (
        f"Time and quality at once, {arm} (Hotelling's {level} region over {found['readers']} readers, df "
        f"{found['df']}): ratio of geometric means {math.exp(found['log_ratio']):.3f} ({low:.3f} to {high:.3f}), "
        f"difference of {found['measure']} {found['difference']:+.4f} ({found['difference'] - reach[1]:+.4f} to "
        f"{found['difference'] + reach[1]:+.4f}), correlation {correlation:+.2f}. The ends are those of the region, "
        "wider than those of each measure alone."
    )


def _specifications(arm: str, rows: list[SpecificationNumbers]) -> str:
    """The range of the curve, and how many of its points would say otherwise."""
    own = [row for row in rows if not not_computed(row) and row["arm"] == arm]
    failed = len([row for row in rows if not_computed(row)])
    if not own:
        return f"Specification curve of {arm}: no choice gives a ratio."
    ratios = [row["ratio"] for row in own]
    below = sum(ratio < 1 for ratio in ratios)
    decisive = sum(_excludes_one(row) for row in own)
    without = f" {failed} choices of all arms give no ratio." if failed else ""
    return (
        f"Specification curve of {arm}: under {len(own)} choices of idle cut-off, outlier rule and start of the clock "
        f"the ratio is {min(ratios):.3f} to {max(ratios):.3f}; {below} of them are below 1, and {decisive} have an "
        f"interval that leaves 1 out. Described, not tested.{without}"
    )


def _excludes_one(row: SpecificationNumbers) -> bool:
    ends = row["interval"]
    if not_computed(ends):
        return False
    low, high = ends["low"], ends["high"]
    is_below = not isinstance(high, dict) and high < 1
    is_above = not isinstance(low, dict) and low > 1
    return is_below or is_above
