"""The comparison of arms against independent oracles, at every size from the smallest, with readers lost on the way."""

from itertools import combinations, permutations, product

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from labeling.studies.analysis.contrasts import comparisons
from labeling.studies.analysis.estimands import compare, rates
from labeling.studies.analysis.fixed_readers import compare_fields
from labeling.studies.analysis.missing import complete_readers, sensitivity
from labeling.studies.analysis.multiplicity import HOLM, IN_ORDER, adjusted
from labeling.studies.analysis.pairs import pair_of
from labeling.studies.analysis.plan import plan_of
from labeling.studies.analysis.power import Components, virtual_studies
from labeling.studies.analysis.quality import non_inferior
from labeling.studies.analysis.resampling import permutation, permutation_from
from labeling.studies.analysis.results import NotEstimated
from labeling.studies.protocol import design

EVERY_DESIGN = [("crossover", 2), ("williams", 3), ("williams", 4), ("parallel", 2), ("parallel", 3), ("parallel", 4)]


def table(kind, arms, readers, seed=1, fields=4, ratio=0.7):
    """Counted fields of one simulated study, with a Dice that differs between readers."""
    rng = np.random.default_rng([seed, readers, arms])
    study = virtual_studies(
        rng, studies=1, readers=readers, fields=fields, ratios=[ratio] * (arms - 1), components=Components(), kind=kind
    )
    found = study.table()
    level = rng.normal(0.85, 0.02, readers)[found["participant"]]
    noise = rng.normal(0, 0.01, len(found))
    items = [str(k) for k in range(len(found))]
    return found.assign(dice=level + noise, item=items)


def compared(rows, kind):
    return compare(rates(rows), reference="A", arm="B", kind=kind)


def paired(rows, kind):
    return pair_of(rates(rows), "rate", reference="A", arm="B", kind=kind)


def without(rows, reader, arm):
    """The rows without those of one reader in one arm."""
    theirs = (rows["participant"] == reader) & (rows["arm"] == arm)
    return rows[~theirs]


def protocol(kind, arms, margin=0.05, **analysis):
    return {
        "measurement": {"idle_after_s": 30, "blur_is_away": True},
        "analysis": {
            "reference": "A", "confidence": 0.95, "seed": 1, "outlier_iqr": None, "quality_measure": "dice",
            "quality_margin": margin, "definition": 2, **analysis,
        },
        "design": kind,
        "arms": [{"name": name} for name in "ABCD"[:arms]],
    }  # fmt: skip


# -- the smallest sizes


@pytest.mark.parametrize(("kind", "arms"), EVERY_DESIGN)
def test_one_reader_a_sequence_never_gives_a_certain_result(kind, arms):
    """T1: p was 0 and the interval had no width; the quality gate passed in the same way."""
    readers = len(design.sequences(kind, arms))
    for seed in range(10):
        rows = table(kind, arms, readers, seed)
        time = compared(rows, kind)
        quality = non_inferior(rows, measure="dice", reference="A", arm="B", margin=0.05, kind=kind)
        if (kind, arms) == ("williams", 3):  # six readers, three periods: three degrees of freedom are left
            assert time.test.df == quality.df == 3
            assert 0 < time.test.p < 1
            assert time.interval.low < time.ratio < time.interval.high
            continue
        intervals = (time.interval, time.reduction_interval, time.geometric.interval)
        for nothing in (*intervals, time.test, quality):
            assert isinstance(nothing, NotEstimated), nothing
            assert "reader" in nothing.reason
        assert isinstance(time.permutation, NotEstimated)
        assert isinstance(time.bootstrap, NotEstimated)
        assert time.ratio > 0


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(EVERY_DESIGN),
    st.data(),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.2]),
)
def test_no_number_of_readers_gives_p_0_or_an_interval_without_width(which, data, seed, spread):
    """Any number of readers in any sequence, also none; also readers who do not differ at all."""
    kind, arms = which
    rng = np.random.default_rng(seed)
    rows = []
    for row in design.sequences(kind, arms):
        for n in range(data.draw(st.integers(0, 3), label=f"readers of {row}")):
            for period, arm in enumerate(row):
                rate = 10 * float(np.exp(rng.normal(0, spread)))
                rows.append((f"{row}{n}", design.letters(row), period, "ABCD"[arm], rate, 4, 40))
    columns = ["participant", "sequence", "period", "arm", "rate", "fields", "cells"]
    found = pd.DataFrame(rows, columns=columns)
    if not {"A", "B"} <= set(found["arm"]):
        with pytest.raises(ValueError, match="no finished field of"):
            compare(found, reference="A", arm="B", kind=kind)
        return
    one = compare(found, reference="A", arm="B", kind=kind, resamples=50)
    every_sequence = found["sequence"].nunique() == len(design.sequences(kind, arms))
    if kind != "parallel" and not every_sequence:
        assert "confounded" in one.test.reason
        assert "confounded" in one.interval.reason
    tested = not isinstance(one.test, NotEstimated)
    bounded = not isinstance(one.interval, NotEstimated)
    assert tested == bounded
    if tested:
        assert 0 < one.test.p <= 1
    if bounded:
        for end in (one.interval.low, one.interval.high):
            if isinstance(end, NotEstimated):
                assert "reject" in end.reason
            else:
                assert abs(end - one.ratio) > 1e-6
    assert isinstance(one.permutation, NotEstimated) or 0 < one.permutation.p <= 1


# -- oracles


@pytest.mark.parametrize("lost", [[], [0], [0, 2, 5]])
def test_the_crossover_is_the_regression_on_sequences(lost):
    """The mean over sequences of the readers' differences, by ordinary least squares with a sequence effect."""
    rows = table("crossover", 2, 10)
    rows = rows[~rows["participant"].isin(lost)]
    found = compared(rows, "crossover")
    wide = rates(rows).pivot(index=["participant", "sequence"], columns="arm", values="rate").reset_index()
    effect = np.where(wide["sequence"] == "AB", 1.0, -1.0)
    columns = sm.add_constant(effect)
    for ratio, p in ((1.0, found.test.p), (found.interval.low, 0.05), (found.interval.high, 0.05)):
        difference = wide["B"] - ratio * wide["A"]
        fit = sm.OLS(difference, columns).fit()
        assert fit.pvalues.iloc[0] == pytest.approx(p, rel=1e-6)
    means = wide.groupby("sequence")[["A", "B"]].mean().mean()
    assert found.mean_reference == pytest.approx(means["A"])
    assert found.mean_arm == pytest.approx(means["B"])
    assert found.ratio == pytest.approx(means["B"] / means["A"])


@pytest.mark.parametrize(("arms", "readers"), [(3, 6), (3, 12), (4, 8)])
def test_the_williams_design_is_the_regression_on_periods(arms, readers):
    rows = table("williams", arms, readers)
    found = compared(rows, "williams")
    both = rates(rows)
    wide = both.pivot(index="participant", columns="arm", values="rate")
    period = both.pivot(index="participant", columns="arm", values="period")
    periods = [(period["B"] == k).astype(float) - (period["A"] == k) for k in range(arms - 1)]
    columns = sm.add_constant(np.column_stack(periods))
    fit = sm.OLS(wide["B"] - wide["A"], columns).fit()
    assert fit.pvalues.iloc[0] == pytest.approx(found.test.p, rel=1e-6)
    assert fit.df_resid == found.test.df == readers - arms


@pytest.mark.parametrize(("kind", "readers"), [("crossover", 4), ("parallel", 4), ("crossover", 8), ("parallel", 10)])
def test_fieller_s_interval_holds_the_ratios_that_the_test_does_not_reject(kind, readers):
    """The closed form against trying every ratio; ends that are not bounded say why."""
    unbounded = 0
    for seed in range(20):
        rows = table(kind, 2, readers, seed)
        moments = paired(rows, kind).moments()
        low, high = (float(end) for end in moments.ratio_bounds(0.95))
        tried = np.exp(np.linspace(np.log(0.001), np.log(1000), 4001))
        kept_back = tried[moments.p(tried) >= 0.05]
        estimate = float(moments.b / moments.a)
        assert low <= estimate <= high
        above = kept_back[kept_back > estimate]
        contains_all_above = bool(len(above) and above.max() > 999)
        assert np.isinf(high) == contains_all_above
        if np.isfinite(high):
            assert kept_back.max() == pytest.approx(high, rel=0.004)
        if np.isfinite(low) and np.isfinite(high):
            assert kept_back.min() == pytest.approx(low, rel=0.004)
        unbounded += np.isinf(high)
    assert readers > 4 or unbounded  # the case happens here


def test_an_interval_that_is_not_bounded_says_why():
    rows = pd.DataFrame(
        {
            "participant": ["P1", "P2", "P3", "P4"],
            "sequence": ["A", "A", "B", "B"],
            "arm": ["A", "A", "B", "B"],
            "rate": [1.0, 30.0, 5.0, 6.0],
        }
    )
    found = compare(rows, reference="A", arm="B", kind="parallel")
    assert "not told from 0" in found.interval.high.reason
    assert found.reduction_interval.low == found.interval.high


@pytest.mark.parametrize("lost", [[], [1]])
def test_the_permutation_goes_over_every_allocation_of_the_crossover(lost):
    """By brute force: every way to give the readers their sequences, the times of both periods as they are."""
    rows = table("crossover", 2, 8, ratio=0.8)
    rows = rows[~rows["participant"].isin(lost)]
    pair = paired(rows, "crossover")
    by_period = rates(rows).pivot(index="participant", columns="period", values="rate").to_numpy()
    change = by_period[:, 1] - by_period[:, 0]
    first = pair.sequence == "AB"

    def difference(ab):
        others = np.setdiff1d(np.arange(len(change)), ab)
        mean_ab = change[list(ab)].mean()
        mean_ba = change[others].mean()
        return (mean_ab - mean_ba) / 2

    observed = difference(np.flatnonzero(first))
    allocations = combinations(range(len(change)), int(first.sum()))
    every = [difference(ab) for ab in allocations]
    found = permutation(pair, alpha=0.05, seed=1)
    assert found.p == pytest.approx(share_as_far(every, observed))
    assert found.allocations == len(every)
    assert found.drawn == 0


def share_as_far(every, observed):
    """The share of all differences that are as far from 0 as the observed one, or further."""
    return np.mean(np.abs(every) >= abs(observed) - 1e-12)


def test_the_permutation_of_two_arms_of_three_exchanges_just_these():
    """By brute force over all 2^12 exchanges that keep the numbers of readers in the six sequences."""
    pair = paired(table("williams", 3, 12, ratio=0.9), "williams")
    d = pair.b - pair.a
    swap = str.maketrans("AB", "BA")
    names = pair.sequence.astype(str)
    every = []
    for flips in product([False, True], repeat=12):
        new = np.array([name.translate(swap) if flip else name for name, flip in zip(names, flips, strict=True)])
        if all((new == name).sum() == 2 for name in set(names)):
            exchanged = np.where(flips, -d, d)
            every.append(float(exchanged.mean()))
    found = permutation(pair, alpha=0.05, seed=1)
    assert found.allocations == len(every) == 216
    assert found.p == pytest.approx(share_as_far(every, d.mean()))


def test_many_allocations_are_drawn_and_give_nearly_the_exact_p():
    pair = paired(table("parallel", 2, 20, ratio=0.8), "parallel")
    found = permutation(pair, alpha=0.05, seed=3)
    assert found.drawn == 9999
    assert found.allocations == 184_756

    def difference(b, a):
        return b.mean() - a.mean()

    oracle = stats.permutation_test((pair.b, pair.a), difference, n_resamples=9999, rng=1)
    assert found.p == pytest.approx(oracle.pvalue, abs=0.02)


def test_a_permutation_is_offered_from_the_number_of_readers_at_which_it_can_reach_the_level():
    assert permutation_from("crossover", 2) == 8
    assert permutation_from("parallel", 2) == 8
    assert permutation_from("williams", 3) == 12
    assert permutation_from("williams", 4) is None
    for kind, arms in (("crossover", 2), ("parallel", 2), ("williams", 3)):
        step = len(design.sequences(kind, arms))
        fewest = permutation_from(kind, arms)
        for readers in range(step, 19, step):
            pair = paired(table(kind, arms, readers), kind)
            found = permutation(pair, alpha=0.05, seed=1)
            offered = readers >= fewest
            assert isinstance(found, NotEstimated) is not offered
            if not offered:
                assert f"offered from {fewest} readers" in found.reason


def test_no_two_sequences_of_a_square_of_four_or_five_arms_differ_in_two_arms_alone():
    for arms in (4, 5):
        rows = np.array(design.sequences("williams", arms))
        differing = [(one != other).sum() for one, other in permutations(rows, 2)]
        assert min(differing) > 2
        assert permutation_from("williams", arms) is None


@pytest.mark.parametrize("ps", [[0.01, 0.04, 0.03], [0.5], [0.02, 0.02], [1e-9, 0.9, 0.2, 0.05]])
def test_holm_by_statsmodels(ps):
    assert adjusted(ps, HOLM) == pytest.approx(holm(ps))


def holm(ps):
    return multipletests(ps, method="holm")[1]


def test_a_comparison_that_was_not_tested_makes_the_family_larger_all_the_same():
    assert adjusted([0.02, None], HOLM) == [0.04, None]
    assert adjusted([0.02, 0.01, None, 0.03], IN_ORDER) == [0.02, 0.02, None, 1.0]
    with pytest.raises(ValueError, match="bonferroni"):
        adjusted([0.1], "bonferroni")


def test_the_comparisons_of_a_study_of_three_arms_are_adjusted():
    plan = plan_of(protocol("williams", 3))
    found = comparisons(table("williams", 3, 12), plan)
    ps = [one.time.test.p for one in found]
    corrected = [one.time.test.p_adjusted for one in found]
    assert corrected == pytest.approx(holm(ps))


# -- these readers, not readers in general


def test_two_readers_are_compared_over_their_fields_by_a_worked_example():
    """Reader 1 is 2 slower throughout, period 2 is 5 faster, field k is k harder: the arm's effect of -3 is left."""
    effect = {"A": 0.0, "B": -3.0}
    noise = {1: 0.1, 2: -0.1, 3: 0.2, 4: 0.0}
    rows = []
    for reader, order in ((1, "AB"), (2, "BA")):
        for period, arm in enumerate(order):
            for field in ((1, 2), (3, 4))[period]:
                slow = 2 if reader == 1 else 0
                unexplained = noise[field] if arm == "B" else 0
                value = 20 + slow - 5 * period + field + effect[arm] + unexplained
                rows.append((reader, period, arm, field, value))
    fields = pd.DataFrame(rows, columns=["participant", "period", "arm", "field", "y"])
    found = compare_fields(fields, "y", reference="A", arm="B", kind="crossover")
    # Differences in period 1: -5 + 0.1, -5 - 0.1 (reader 2 is 2 faster); in period 2: -1 + 0.2, -1 + 0.
    assert found.title == "These two readers, not readers in general"
    assert found.estimate == pytest.approx((-5.0 + -0.9) / 2)
    assert found.df == 2
    assert found.fields == 4
    pooled = (2 * 0.1**2 + 2 * 0.1**2) / 2
    error = np.sqrt(pooled * (1 / 2 + 1 / 2) / 4)
    reach = stats.t.ppf(0.975, 2) * error
    assert found.low == pytest.approx(found.estimate - reach)
    assert found.high == pytest.approx(found.estimate + reach)


@pytest.mark.parametrize(("kind", "arms", "readers"), [("crossover", 2, 2), ("crossover", 2, 6), ("williams", 4, 4)])
def test_the_analysis_over_fields_is_the_one_that_is_simulated(kind, arms, readers):
    study = virtual_studies(
        np.random.default_rng(5),
        studies=2,
        readers=readers,
        fields=4,
        ratios=[0.6] * (arms - 1),
        components=Components(),
        kind=kind,
    )
    rows = study.table(1)
    rows["y"] = np.log(rows["active_s"] / rows["reference_cells"])
    found = compare_fields(rows, "y", reference="A", arm="B", kind=kind)
    simulated = [values[1].mean() for values in study.field_differences()]
    assert found.estimate == pytest.approx(np.mean(simulated))


def test_these_readers_alone_are_offered_where_readers_in_general_cannot_be_and_nowhere_else():
    crossover = plan_of(protocol("crossover", 2))
    (two,) = comparisons(table("crossover", 2, 2, ratio=0.4), crossover)
    assert two.fixed_readers.title == "These two readers, not readers in general"
    assert 0 < two.fixed_readers.p < 1
    assert isinstance(two.time.test, NotEstimated)
    strict = plan_of(protocol("crossover", 2, margin=1e-6))
    (gated,) = comparisons(table("crossover", 2, 2), strict)
    assert "not tested" in gated.fixed_readers.p.reason
    assert not gated.fixed_readers.passed
    (four,) = comparisons(table("crossover", 2, 4), crossover)
    assert "in general" in four.fixed_readers.reason
    parallel = plan_of(protocol("parallel", 2))
    (apart,) = comparisons(table("parallel", 2, 2), parallel)
    assert "cannot be compared with themselves" in apart.fixed_readers.reason


def test_readers_who_do_not_stand_equally_often_on_both_sides_are_not_compared():
    rows = table("crossover", 2, 2)
    rows["y"] = rows["active_s"]
    lost = without(rows, 0, "B")
    found = compare_fields(lost, "y", reference="A", arm="B", kind="crossover")
    assert "own speed does not cancel" in found.reason


# -- missing data


def test_the_loss_of_a_whole_sequence_is_no_paired_test():
    rows = table("crossover", 2, 8)
    left = rows[rows["sequence"] == "AB"]
    found = compared(left, "crossover")
    assert "no reader of sequence BA is left, so arm and period are confounded" in found.test.reason
    assert found.interval == found.test
    assert isinstance(found.permutation, NotEstimated)


def test_what_missing_fields_could_have_changed():
    rows = table("crossover", 2, 6, ratio=0.5)
    lost = rows.index[(rows["participant"] == 0) & (rows["arm"] == "B")][:2]
    unfinished = rows.loc[lost]
    kept = rows.drop(lost)
    found = sensitivity(unfinished, kept, reference="A", arm="B", kind="crossover", confidence=0.95)
    finished, available, against = found.scenarios
    assert found.unfinished == 2
    assert (finished.readers, available.readers, against.readers) == (5, 6, 6)
    per_cell = kept["active_s"] / kept["reference_cells"]
    slowest = per_cell[kept["arm"] == "B"].max()
    imputed = unfinished.assign(active_s=slowest * unfinished["reference_cells"])
    expected = compared(pd.concat([kept, imputed]), "crossover")
    assert against.ratio == pytest.approx(expected.ratio)
    assert against.ratio > available.ratio
    nothing = sensitivity(rows.iloc[:0], rows, reference="A", arm="B", kind="crossover", confidence=0.95)
    assert "nothing is missing" in nothing.reason


def test_readers_without_a_field_in_every_arm_are_not_complete():
    rows = without(table("williams", 3, 6), 2, "C")
    assert complete_readers(rows, ["A", "B", "C"], "williams") == [0, 1, 3, 4, 5]
    assert complete_readers(table("parallel", 2, 4), ["A", "B"], "parallel") == [0, 1, 2, 3]


@pytest.mark.parametrize("odd", [None, "", "0.05", float("nan"), float("inf"), -1, 0, True, [1], {"a": 1}])
def test_an_odd_amendment_is_said_and_not_followed(odd):
    given = protocol("crossover", 2, margin=odd, outlier_iqr=odd)
    given["measurement"]["idle_after_s"] = odd
    plan = plan_of(given)
    assert plan.idle_after_s == 30
    assert plan.outlier_iqr is None
    assert plan.quality_margin is None
    assert any("idle cut-off" in note for note in plan.notes)
    assert any("margin" in note for note in plan.notes)
    (one,) = comparisons(table("crossover", 2, 8), plan)
    assert "no margin" in one.quality.reason
    assert "not tested" in one.time.test.reason
