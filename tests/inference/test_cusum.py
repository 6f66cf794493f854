"""The chart of a reader's controls against published run lengths and against simulation."""

import numpy as np
import pytest

from inference.agreement.cusum import Chart, run_length, threshold


@pytest.mark.parametrize(
    ("limit", "shift", "published"),
    # Montgomery, Introduction to Statistical Quality Control, table 9.3 (allowance 0.5, both sides): of one side, whose
    # false alarms come half as often. The approximation is within some percent of the table.
    [
        (4, 0.0, 2 * 168),
        (5, 0.0, 2 * 465),
        (4, 1.0, 8.38),
        (5, 1.0, 10.4),
        (4, 2.0, 3.34),
        (5, 2.0, 4.01),
    ],
)
def test_run_lengths_are_those_of_the_table(limit, shift, published):
    found = run_length(allowance=0.5, threshold=limit, shift=shift)
    assert found == pytest.approx(published, rel=0.04)


def test_where_the_mean_moves_by_the_allowance_the_limit_of_the_formula_holds():
    near = run_length(allowance=0.5, threshold=4, shift=0.5 + 1e-6)
    assert run_length(allowance=0.5, threshold=4, shift=0.5) == pytest.approx(near, rel=1e-3)


@pytest.mark.parametrize("wanted", [20, 200, 5000])
def test_the_threshold_gives_the_false_alarm_interval_that_was_asked(wanted):
    found = threshold(allowance=0.5, run_length=wanted)
    assert run_length(allowance=0.5, threshold=found, shift=0) == pytest.approx(wanted, rel=1e-6)


def test_a_simulated_reader_is_seen_after_the_number_that_the_chart_says():
    chart = chart_of()
    rng = np.random.default_rng(7)
    worse = rng.normal(chart.target - chart.drop, chart.spread, (2000, 200))
    alarms = [first_alarm(chart, figures) for figures in worse]
    assert np.mean(alarms) == pytest.approx(chart.needed, abs=1)
    same = rng.normal(chart.target, chart.spread, (300, 5000))
    quiet = [first_alarm(chart, figures) for figures in same]
    assert np.mean(quiet) == pytest.approx(chart.false_alarm, rel=0.25)


def first_alarm(chart: Chart, figures) -> int:
    for number, value in enumerate(chart.path(figures), start=1):
        if value > chart.limit:
            return number
    return len(figures)


def chart_of(**changes) -> Chart:
    given = {
        "target": 0.85,
        "spread": 0.08,
        "drop": 0.1,
        "false_alarm": 200,
    }
    return Chart(**(given | changes))


def test_a_smaller_drop_needs_more_controls():
    small = chart_of(drop=0.05)
    large = chart_of(drop=0.1)
    assert small.needed > large.needed


def test_a_chart_of_a_small_spread_is_computed_all_the_same():
    chart = chart_of(
        spread=0.01,
        drop=0.5,
    )
    assert chart.needed >= 1 and chart.limit >= 0


@pytest.mark.parametrize("wrong", [{"drop": 0}, {"false_alarm": 1}, {"spread": 0}])
def test_impossible_charts_are_declined(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        chart_of(**wrong)
