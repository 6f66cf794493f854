"""The statistics: against printed figures, against worked examples, and against simulated truth."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from labeling.studies import command
from labeling.studies.analysis.agreement import bland_altman, icc
from labeling.studies.analysis.curves import carry_over, trends
from labeling.studies.analysis.estimands import compare, rates
from labeling.studies.analysis.mixed import fit
from labeling.studies.analysis.power import Components, power, virtual_studies, virtual_study
from labeling.studies.analysis.quality import non_inferior
from labeling.studies.analysis.summaries import BOXCELL, BOXCELL_REDUCTION, audit, from_figures, summarise
from tests.bench import studies as bench


def test_the_paper_s_manual_interval_is_reproduced_by_t_with_49_degrees_of_freedom():
    found = from_figures(n=50, mean=17.82, sd=1.5)
    assert (round(found.low, 2), round(found.high, 2)) == (17.39, 18.25)


def test_the_paper_s_second_interval_and_reduction_do_not_follow():
    manual, boxed, reduction = audit(BOXCELL, BOXCELL_REDUCTION)
    assert manual.follows and manual.computed == "17.39-18.25"
    assert not boxed.follows and not boxed.possible and boxed.computed == "8.91-10.93"
    assert not reduction.follows and reduction.computed == "44.3 %" and reduction.possible
    assert "8.93-10.91 does not follow from the printed figures (they give 8.91-10.93)" in str(boxed)


def test_a_summary_is_what_scipy_says():
    values = [3.0, 4.0, 8.0, 9.0]
    found = summarise(values)
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    assert (found.low, found.high, found.mean, found.median) == pytest.approx((low, high, 6.0, 6.0))
    assert found.geometric_mean == pytest.approx((3 * 4 * 8 * 9) ** 0.25)
    with pytest.raises(ValueError, match="two values"):
        summarise([1.0])


def readers(a, b, sequences=None):
    sequences = sequences or ["A"] * len(a)
    rows = [(i, sequences[i], arm, 10 * v, 10) for i in range(len(a)) for arm, v in (("A", a[i]), ("B", b[i]))]
    return rates(pd.DataFrame(rows, columns=["participant", "sequence", "arm", "active_s", "reference_cells"]))


def test_seconds_per_reference_cell_are_a_ratio_of_sums():
    table = pd.DataFrame(
        {"participant": [1, 1], "sequence": "AB", "arm": "A", "active_s": [30.0, 50.0], "reference_cells": [10, 30]}
    )
    assert rates(table)["rate"].tolist() == [2.0]  # not the mean of 3.0 and 1.67


def test_the_interval_of_the_ratio_holds_exactly_what_the_test_does_not_reject():
    a, b = np.array([10.0, 12, 9, 14, 11]), np.array([6.0, 7, 6, 8, 5])
    found = compare(readers(a, b), reference="A", arm="B", kind="matched")
    assert found.ratio == pytest.approx(b.mean() / a.mean()) and found.test.df == 4
    for end in (found.interval.low, found.interval.high):
        assert stats.ttest_1samp(b - end * a, 0).pvalue == pytest.approx(0.05)
    assert found.test.p == pytest.approx(stats.ttest_rel(b, a).pvalue)
    assert found.reduction_interval.low < found.reduction < found.reduction_interval.high
    assert "no allocation" in found.permutation.reason
    log = stats.ttest_rel(np.log(b), np.log(a)).confidence_interval()
    geometric = found.geometric.interval
    assert (geometric.low, geometric.high) == pytest.approx((np.exp(log.low), np.exp(log.high)))


def test_a_period_effect_is_taken_out_of_a_crossover():
    a = np.array([10.0, 10.5, 9.5, 10.0])
    period = np.array([-3.0, -3.0, 3.0, 3.0])  # whoever had B second was 3 s faster for having practised
    noise = np.array([0.1, -0.1, 0.1, -0.1])
    found = compare(
        readers(a, a - 2 + period + noise, ["AB", "AB", "BA", "BA"]), reference="A", arm="B", kind="crossover"
    )
    assert found.difference == pytest.approx(-2) and found.test.df == 2 and found.test.p < 0.01
    assert stats.ttest_rel(a - 2 + period + noise, a).pvalue > 0.3


def test_readers_who_agree_to_the_last_digit_get_no_interval_without_a_width():
    found = compare(
        readers([10.0, 12, 14, 16], [5.0, 6, 7, 8], ["AB", "BA"] * 2), reference="A", arm="B", kind="crossover"
    )
    assert found.ratio == pytest.approx(0.5) and "no spread" in found.interval.reason
    assert "no spread" in found.geometric.interval.reason


def test_parallel_groups_are_compared_by_student_s_t():
    study = virtual_study(
        np.random.default_rng(3), readers=8, fields=6, ratio=0.5, components=Components(), kind="parallel"
    ).table()
    found = compare(rates(study), reference="A", arm="B", kind="parallel")
    by_arm = rates(study).groupby("arm")["rate"].apply(list)
    assert found.test.p == pytest.approx(stats.ttest_ind(by_arm["B"], by_arm["A"]).pvalue)
    assert found.readers == 8


def test_the_mixed_model_finds_a_known_effect():
    study = virtual_study(np.random.default_rng(1), readers=8, fields=10, ratio=0.6, components=Components(slope=0.05))
    found = fit(study.table(), reference="A", arm="B")
    assert found.low < 0.6 < found.high and found.high < 0.75
    assert found.residual == pytest.approx(0.25**2, rel=0.4)


def test_learning_is_found():
    c = Components(learning=-0.05, residual=0.1)
    found = trends(virtual_study(np.random.default_rng(2), readers=6, fields=12, ratio=0.6, components=c).table())
    assert [t.arm for t in found] == ["A", "B"]
    assert all(t.low < 100 * (np.exp(-0.05) - 1) < t.high < 0 for t in found)


def test_carry_over_is_shown_only_for_two_sequences():
    table = readers([1.0, 2, 3, 4], [1.0, 2, 2, 2], ["AB", "AB", "BA", "BA"])
    found = carry_over(table, reference="A", arm="B")
    assert found.p == pytest.approx(stats.ttest_ind([2.0, 4], [5.0, 6]).pvalue)
    one_each = readers([1.0, 2], [1.0, 2], ["AB", "BA"])
    assert "one reader alone" in carry_over(one_each, reference="A", arm="B").reason


def test_agreement_by_a_worked_example():
    # Shrout and Fleiss 1979, table 2: six targets, four judges; ICC(2,1) = 0.29
    table = pd.DataFrame([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    assert icc(table) == pytest.approx(0.29, abs=0.005)
    found = bland_altman([10, 12, 14], [11, 12, 16])
    assert found.bias == 1 and found.high == pytest.approx(1 + 1.96, abs=0.01)


@pytest.mark.parametrize(("loss", "passed"), [(0.0, True), (0.045, False), (0.2, False)])
def test_time_is_tested_only_where_quality_is_not_worse(loss, passed):
    noise = np.array([0.01, -0.01, 0.02, -0.02, 0.0, 0.01])
    rows = [(i, "AB", arm, 0.8 + noise[i] - (loss + noise[-i] if arm == "B" else 0)) for i in range(6) for arm in "AB"]
    table = pd.DataFrame(rows, columns=["participant", "sequence", "arm", "dice"])
    found = non_inferior(table, measure="dice", reference="A", arm="B", margin=0.05, kind="matched")
    assert found.passed is passed and (found.p < 0.025) is passed


def test_power_grows_with_readers_and_summaries_are_no_pilot():
    found = power(reduction=20, readers=[4, 12], fields=[6], components=Components(), studies=60, seed=1)
    assert found[0].power < found[1].power and found[1].low <= found[1].power <= found[1].high
    with pytest.raises(ValueError, match="published summary"):
        Components(reader=0)


@pytest.mark.parametrize(("kind", "arms"), [("crossover", 2), ("williams", 3), ("williams", 4), ("parallel", 2)])
def test_the_simulated_test_is_the_report_s(kind, arms):
    ratios = [0.7, 0.8, 0.9][: arms - 1]
    study = virtual_studies(
        np.random.default_rng(4), studies=3, readers=12 if arms == 3 else 8, fields=5, ratios=ratios,
        components=Components(), kind=kind,
    )  # fmt: skip
    moments = study.moments()
    low, high = moments.ratio_bounds(0.95)
    for k in range(3):
        found = compare(rates(study.table(k)), reference="A", arm="B", kind=kind)
        assert moments.p()[k] == pytest.approx(found.test.p)
        assert (low[k], high[k]) == pytest.approx((found.interval.low, found.interval.high))


def test_the_analysis_keeps_what_it_promises_at_every_small_size():
    """A small version of python -m tests.bench studies: the first two sizes of every design."""
    rows = list(bench.closed_form(studies=200, most=4))
    assert bench.rejected(rows) == []
    declined = {(row.design, row.arms, row.readers) for row in rows if isinstance(row, bench.Declined)}
    smallest = {("crossover", 2, 2), ("williams", 4, 4), ("parallel", 2, 2), ("parallel", 3, 3), ("parallel", 4, 4)}
    assert smallest <= declined
    drawn = [*bench.permutation_rows("crossover", 2, 8, 40), *bench.bootstrap_rows("crossover", 2, 30, 40)]
    assert bench.rejected(drawn) == [] and len(drawn) == 2


def test_the_command_audits_the_paper_and_plans_a_study(capsys):
    assert command.main(["boxcell"]) == 0
    assert "17.39-18.25 follows" in capsys.readouterr().out
    sds = ["--reader-sd", "0.2", "--slope-sd", "0.1", "--field-sd", "0.2", "--residual-sd", "0.2"]
    plan = ["power", "--reduction", "40", "--readers", "6", "--fields", "4", "--studies", "20"]
    assert command.main([*plan, *sds]) == 0 and "power" in capsys.readouterr().out
    two = ["power", "--reduction", "44", "--readers", "2", "3", "--fields", "4", "--studies", "20"]
    assert command.main([*two, *sds]) == 2
    printed = capsys.readouterr().out
    assert (
        "2 readers, 4 fields: no test" in printed
        and "3 readers, 4 fields: this design needs a multiple of 2" in printed
    )
    assert "1.00" not in printed and "from 8 readers" in printed
    assert command.main([*plan, *sds[:1], "0", *sds[2:]]) == 2
    assert "published summary" in capsys.readouterr().err
