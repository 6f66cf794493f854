"""The report in sentences, with the exact numbers: for the page, the PDF and a paper's methods section."""

from typing import Any


def methods(protocol: dict[str, Any], numbers: dict[str, Any], *, sha256: str) -> list[str]:
    """What was done, as a methods section says it."""
    flow, rules, analysis = numbers["flow"], numbers["rules"], protocol["analysis"]
    measured = [f for f in protocol["fields"] if not f["training"]]
    cells = sum(f["reference_cells"] for f in measured)
    left_out = "".join(f"; {n} left out ({why})" for why, n in flow["excluded"].items())
    return [
        f"Design: {protocol['design']}, {flow['readers']} readers, {len(measured)} fields with {cells} reference "
        f"cells; arms: {', '.join(_arm(arm) for arm in protocol['arms'])}. The allocation was generated from seed "
        f"{protocol['seed']}; no reader saw a field in two arms. Washout {protocol['washout_days']} days.",
        "Time was computed from raw browser events on the monotonic clock; a gap between two acts of more than "
        f"{rules['idle_after_s']:g} s counts as idle. Waiting for the machine, hidden pages and lost events are not "
        "active time.",
        "Outcome: active seconds (search, missed cells and false proposals included) per reference cell, as the ratio "
        "of arithmetic means over readers. Inference is on readers, by t; intervals hold every ratio that the test "
        f"does not reject. Time is tested only if {analysis['quality_measure']} is not worse by "
        f"{analysis['quality_margin']:g}.",
        f"{flow['allocated']} items were allocated, {flow['completed']} completed and {flow['analysed']} analysed"
        f"{left_out}. Protocol frozen as SHA-256 {sha256}. Readers cannot be blinded to their tool.",
    ]


def _arm(arm: dict[str, Any]) -> str:
    tools = ", ".join(arm["tools"]) or "none"
    return f"{arm['name']} (tools: {tools}; proposals: {'yes' if arm['assistance'] == 'proposals' else 'no'})"


def results(numbers: dict[str, Any]) -> list[str]:
    """What was found, arm by arm against the reference."""
    said = [_of_arm(name, arm) for name, arm in numbers["arms"].items()]
    for contrast in numbers["contrasts"]:
        said += [_of_quality(contrast["arm"], contrast["quality"]), _of_time(contrast["arm"], contrast["time"])]
    said += [_of_outside(arm) for arm in numbers["outside_arms"]]
    return [*said, _of_record(numbers["checks"])]


def _of_arm(name: str, arm: dict[str, Any]) -> str:
    readers = arm["of_readers"]
    if "not_computed" in readers:
        return f"{name}: {arm['fields']} fields of too few readers for an interval ({readers['not_computed']})."
    return (
        f"{name}: {readers['mean']:.2f} s per reference cell (mean of {readers['n']} readers, SD {readers['sd']:.2f}, "
        f"95 % CI {readers['low']:.2f}-{readers['high']:.2f}, median {readers['median']:.2f}, geometric mean "
        f"{_number(readers['geometric_mean'])}), {arm['fields']} fields with {arm['reference_cells']} cells, SD of "
        f"fields {_number(arm['seconds_per_cell'].get('sd'))}; Dice {_number(arm['dice'])}, PQ {_number(arm['pq'])}."
    )


def _of_outside(arm: dict[str, Any]) -> str:
    time = arm["seconds_per_cell"]
    if "not_computed" in time:
        timed = f"no time ({time['not_computed']})"
    else:
        timed = (
            f"{time['median']:.2f} s per reference cell between savings (median of {time['n']} fields, mean "
            f"{time['mean']:.2f}, SD {time['sd']:.2f})"
        )
    return (
        f"{arm['arm']} ({arm['tool']}, outside this app): {arm['fields']} fields with {arm['reference_cells']} cells, "
        f"{arm['cells']} drawn; {timed}; Dice {_number(arm['dice'])}, PQ {_number(arm['pq'])}. {arm['reservation']}"
    )


def _of_quality(arm: str, quality: dict[str, Any]) -> str:
    if "not_computed" in quality:
        return f"Quality of {arm}: not known ({quality['not_computed']})."
    return (
        f"Quality of {arm}: {quality['measure']} differs by {quality['difference']:+.4f}, lower bound "
        f"{_number(quality['low'], 4)}; the margin of {quality['margin']:g} "
        f"{'holds' if quality['passed'] else 'does not hold'}."
    )


def _of_time(arm: str, time: dict[str, Any]) -> str:
    if "not_computed" in time:
        return f"{arm} against the reference: not computed ({time['not_computed']})."
    if time["p"] is None:
        test = time["not_tested"]
    else:
        test = f"p = {time['p']:.4g}, df {time['df']:g}, by permutation {time['p_permutation']:.4g}"
    return (
        f"{arm} against {time['reference']}: reduction {time['reduction']:.1f} % (95 % CI "
        f"{_number(time['reduction_low'], 1)} to {_number(time['reduction_high'], 1)} %; bootstrap over readers "
        f"{_number(time['boot_low'], 1)} to {_number(time['boot_high'], 1)} %), ratio of arithmetic means "
        f"{time['ratio']:.3f}, of geometric means {time['geometric_ratio']:.3f}; {test}. {time['method']}."
    )


def _of_record(checks: list[dict[str, Any]]) -> str:
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


def _number(value: float | None, digits: int = 2) -> str:
    return "unknown" if value is None else f"{value:.{digits}f}"
