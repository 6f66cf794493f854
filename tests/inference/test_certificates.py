"""The statistics of certificates against worked examples, brute force and simulated lots."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.certificates import planning, simulation
from inference.certificates.evidence import Evidence, Stratum, boundary
from inference.certificates.planning import Claim, GroupPlan, Shares
from inference.certificates.planted import PLANTED, Kind, Meaning, catch_rate_limit
from inference.certificates.results import Catching, Outcome, catching_of, group_result
from inference.certificates.whole_fields import (
    LEAST_FIELDS,
    log_capital,
    missed_share,
    most_mean,
    whole_field_limit,
)

ALL_CAUGHT = Catching(planted=0, caught=0, limit=1.0)


def likelihood(stratum: Stratum, wrong: int) -> float:
    """Probability of one sequence of verdicts, by its definition: draw after draw."""
    probability, left_wrong, left = 1.0, wrong, stratum.cells
    verdicts = [1] * stratum.wrong + [0] * (stratum.judged - stratum.wrong)
    for verdict in verdicts:
        probability *= (left_wrong if verdict else left - left_wrong) / left
        left_wrong -= verdict
        left -= 1
    return max(probability, 0.0)


def likeliest(strata: list[Stratum], at_least: int) -> float:
    """The highest probability among all divisions of `at_least` or more wrong cells."""
    best = 0.0
    for division in itertools.product(*(range(stratum.cells + 1) for stratum in strata)):
        if sum(division) < at_least:
            continue
        here = math.prod(likelihood(stratum, wrong) for stratum, wrong in zip(strata, division, strict=True))
        best = max(best, here)
    return best


def test_a_worked_example_of_the_evidence():
    """10 cells, 5 judged, none wrong. If 3 were wrong, that has the probability C(5,3)/C(10,3) = 1/12. The prior says
    60 / 65. The evidence is 12 * 60 / 65."""
    evidence = Evidence([Stratum(10, 5, 0)], tolerated=0.05)
    assert math.exp(evidence.against(3)) == pytest.approx(12 * 60 / 65)


def test_a_worked_example_of_a_limit():
    """1,000 cells, 100 judged, none wrong: the limit is the last total with evidence below 20."""
    evidence = Evidence([Stratum(1000, 100, 0)], tolerated=0.05)
    limit = evidence.most_wrong(0.05)
    prior = 60 / 160
    below = prior * math.comb(1000, limit) / math.comb(900, limit)
    above = prior * math.comb(1000, limit + 1) / math.comb(900, limit + 1)
    assert below < 20 <= above


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.integers(0, 6), st.integers(0, 6)),
        min_size=1,
        max_size=3,
    ),
    st.integers(1, 12),
)
def test_the_best_division_of_errors_is_found(described, at_least):
    strata = []
    for cells, judged, wrong in described:
        judged = min(judged, cells)
        strata.append(Stratum(cells, judged, min(wrong, judged)))
    found = sum(stratum.wrong for stratum in strata)
    judged = sum(stratum.judged for stratum in strata)
    possible = sum(stratum.cells - stratum.judged + stratum.wrong for stratum in strata)
    evidence = Evidence(strata, tolerated=0.2).against(at_least)
    if found >= at_least:
        assert evidence == -np.inf
        return
    if at_least > possible:
        assert evidence == np.inf
        return
    a, b = 1.0, 15.0
    prior = math.exp(
        math.lgamma(a + found)
        + math.lgamma(b + judged - found)
        - math.lgamma(a + b + judged)
        - math.lgamma(a)
        - math.lgamma(b)
        + math.lgamma(a + b)
    )
    assert math.exp(evidence) == pytest.approx(prior / likeliest(strata, at_least))


@pytest.mark.parametrize(("cells", "wrong"), [(12, 3), (20, 2), (30, 6), (40, 9)])
def test_a_bad_lot_passes_at_any_look_with_a_probability_of_alpha_at_most(cells, wrong):
    """Exact: every path of verdicts is followed, with a look after each cell."""
    alpha, tolerated = 0.1, (wrong - 1) / cells + 1e-9
    for truly_wrong in range(wrong, cells + 1):
        open_paths, passed = {0: 1.0}, 0.0
        for judged in range(1, cells + 1):
            after: dict[int, float] = {}
            for found, probability in open_paths.items():
                share = (truly_wrong - found) / (cells - judged + 1)
                after[found + 1] = after.get(found + 1, 0.0) + probability * share
                after[found] = after.get(found, 0.0) + probability * (1 - share)
            open_paths = {}
            for found, probability in after.items():
                if probability <= 0:
                    continue
                if Evidence([Stratum(cells, judged, found)], tolerated).against(wrong) >= -math.log(alpha):
                    passed += probability
                else:
                    open_paths[found] = probability
        assert passed <= alpha + 1e-12


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 200), st.floats(0.01, 0.5), st.floats(0.001, 0.3), st.data())
def test_the_boundary_is_where_the_evidence_suffices(cells, tolerated, alpha, data):
    bad = planning.least_bad(cells, tolerated)
    sample = data.draw(st.integers(1, cells))
    enough = boundary(cells, sample, bad, alpha, tolerated)
    judged = data.draw(st.integers(1, sample))
    for wrong in range(min(judged, bad) + 1):
        against = Evidence([Stratum(cells, judged, wrong)], tolerated).against(bad)
        if abs(against + math.log(alpha)) < 1e-6:
            continue  # rounding decides
        assert (against >= -math.log(alpha)) == (wrong <= enough[judged])


def test_stratum_declines_numbers_that_cannot_be():
    with pytest.raises(ValueError, match="wrong <= judged"):
        Stratum(10, 3, 4)


# -- planning


def test_all_attempts_together_have_one_alpha():
    spent = [planning.alpha_of_attempt(0.05, attempt) for attempt in range(1, 60)]
    assert sum(spent) == pytest.approx(0.05)
    assert all(later < earlier for earlier, later in itertools.pairwise(spent))


def test_the_groups_and_the_catch_rate_share_the_alpha_of_an_attempt():
    shares = planning.shares_of(0.05, 1, groups=4)
    assert 4 * shares.errors + shares.catching == pytest.approx(planning.alpha_of_attempt(0.05, 1))


def test_the_chance_of_passing_is_what_simulated_lots_have():
    cells, sample, share = 400, 150, 0.02
    planned = planning.chances_by_sample(cells, sample, 0.05, 0.05, share)[-1]
    enough = boundary(cells, sample, planning.least_bad(cells, 0.05), 0.05, 0.05)[1:]
    generator = np.random.default_rng(3)
    lot = np.zeros(cells, int)
    lot[: round(share * cells)] = 1
    draws = [np.cumsum(generator.permutation(lot)[:sample]) for _ in range(4000)]
    passed = np.mean([(draw <= enough).any() for draw in draws])
    assert passed == pytest.approx(planned, abs=0.025)


def passes_in_strata(sizes: list[int], sample: int, share: float, lots: int, tolerated: float, alpha: float) -> float:
    """By simulated lots of unequal strata, whose errors lie anywhere, and a look after each tenth cell."""
    generator = np.random.default_rng(8)
    names = np.repeat(np.arange(len(sizes)), sizes)
    bad = planning.least_bad(sum(sizes), tolerated)
    allotted = planning.allot(sizes, sample)
    passed = 0
    for _lot in range(lots):
        is_wrong = np.zeros(len(names), bool)
        is_wrong[generator.choice(len(names), round(share * len(names)), replace=False)] = True
        drawn = [generator.choice(np.flatnonzero(names == h), n, replace=False) for h, n in enumerate(allotted)]
        order = generator.permutation(np.concatenate(drawn))
        for judged in range(planning.STEP, sample + 1, planning.STEP):
            seen = order[:judged]
            counts = np.bincount(names[seen], minlength=len(sizes))
            wrong = np.bincount(names[seen], weights=is_wrong[seen], minlength=len(sizes)).astype(int)
            strata = [Stratum(size, int(n), int(k)) for size, n, k in zip(sizes, counts, wrong, strict=True)]
            if Evidence(strata, tolerated).against(bad) >= -math.log(alpha):
                passed += 1
                break
    return passed / lots


def test_the_chance_of_passing_in_strata_is_what_simulated_lots_have():
    sizes = [300, 250, 200, 100, 90, 60]
    test = planning.StratifiedTest(sizes, 0.1, 0.05)
    planned = test.chances(0.03, 160)
    assert passes_in_strata(sizes, 160, 0.03, lots=150, tolerated=0.1, alpha=0.05) == pytest.approx(
        planned[-1], abs=0.12
    )


def test_strata_cost_cells_and_the_plan_says_so():
    """Planned as one stratum, a lot in six would pass far less often than the plan says."""
    alone = planning.plan_group(5000, Claim(), alpha=0.03, catch_limit=0.9)
    in_strata = planning.plan_group(5000, Claim(), 0.03, 0.9, [833] * 5 + [835])
    assert in_strata.sample > 1.2 * alone.sample
    assert in_strata.chances[0] >= planning.WANTED_CHANCE
    test = planning.StratifiedTest([833] * 6, 0.05 * 0.9, 0.03)
    assert test.chances(0.01, alone.sample)[-1] < alone.chances[0] - 0.15


def test_a_plan_says_less_chance_for_more_errors():
    plan = planning.plan_group(5000, Claim(), alpha=0.03, catch_limit=0.9)
    assert 0 < plan.sample < 5000
    assert list(plan.chances) == sorted(plan.chances, reverse=True)
    assert plan.chances[0] >= planning.WANTED_CHANCE - 0.05


@pytest.mark.parametrize("cells", [0, 1, 3, 20])
def test_a_group_too_small_for_a_plan_is_left_out(cells):
    """Classes with three cells, and fewer cells than the plan needs."""
    plan = planning.plan_group(cells, Claim(), alpha=0.01, catch_limit=0.9)
    assert plan.sample == 0
    assert group_result([Stratum(cells, 0, 0)], plan, ALL_CAUGHT, Claim(), Shares(0.01, 0.01)).outcome == (
        Outcome.LEFT_OUT
    )


def test_a_million_cells_are_planned_and_judged():
    plan = planning.plan_group(1_000_000, Claim(), alpha=0.02, catch_limit=0.9)
    strata = [Stratum(500_000, plan.sample // 2, 0), Stratum(500_000, plan.sample - plan.sample // 2, 0)]
    assert group_result(strata, plan, ALL_CAUGHT, Claim(), Shares(0.02, 0.01)).outcome == Outcome.PASSED


@given(st.lists(st.integers(1, 300), min_size=1, max_size=8), st.data())
def test_a_sample_is_allotted_in_proportion(cells, data):
    sample = data.draw(st.integers(0, sum(cells)))
    given_ = planning.allot(cells, sample)
    assert sum(given_) == sample
    for count, got in zip(cells, given_, strict=True):
        assert got <= count
        assert abs(got - sample * count / sum(cells)) < 1


def test_a_claim_declines_what_is_no_share():
    with pytest.raises(ValueError, match="between 0 and 1"):
        Claim(tolerated=1.0)


# -- planted errors


@pytest.mark.parametrize("rate", [0.5, 0.8, 0.95])
def test_the_limit_of_the_catch_rate_holds_at_every_look(rate):
    generator = np.random.default_rng(5)
    alpha, broken = 0.1, 0
    for _person in range(400):
        caught = np.cumsum(generator.random(40) < rate)
        broken += any(catch_rate_limit(int(caught[n - 1]), n, alpha) > rate for n in range(5, 41, 5))
    assert broken / 400 <= alpha + 0.03


def test_a_worked_example_of_the_catch_rate():
    """40 of 40 caught: 20 / 60 / c^40 = 1 / 0.008, so c = (0.008 / 3)^(1/40)."""
    assert catch_rate_limit(40, 40, 0.008) == pytest.approx((0.008 / 3) ** (1 / 40))
    assert catch_rate_limit(0, 40, 0.008) == 0.0
    assert catch_rate_limit(0, 0, 0.008) == 0.0


def test_only_what_is_wrong_by_the_claim_is_planted():
    assert PLANTED[Meaning.EXISTENCE] == (Kind.FALSE,)
    assert Kind.SHIFTED not in PLANTED[Meaning.CLASS]
    assert set(PLANTED[Meaning.OUTLINE]) == set(Kind)


def test_the_bound_is_divided_by_the_limit_of_the_catch_rate():
    plan = GroupPlan(cells=1000, sample=300, chances=())
    shares = planning.shares_of(0.05, 1, groups=1)
    strata = [Stratum(1000, 200, 1)]
    whole = group_result(strata, plan, ALL_CAUGHT, Claim(), shares)
    half = group_result(strata, plan, Catching(40, 25, 0.5), Claim(), shares)
    assert half.limit == pytest.approx(2 * whole.limit)
    assert (whole.outcome, half.outcome) == (Outcome.PASSED, Outcome.OPEN)
    nobody = group_result(strata, plan, catching_of(0, 40, shares), Claim(), shares)
    assert (nobody.limit, nobody.outcome) == (1.0, Outcome.OPEN)


def test_a_whole_sample_that_does_not_suffice_fails():
    plan = GroupPlan(cells=1000, sample=200, chances=())
    result = group_result([Stratum(1000, 200, 30)], plan, ALL_CAUGHT, Claim(), planning.shares_of(0.05, 1, 1))
    assert result.outcome == Outcome.FAILED


# -- whole fields, missed cells


def test_thirty_fields_are_needed_before_anything_is_said_about_missed_cells():
    nothing = [0] * LEAST_FIELDS
    cells = [40] * LEAST_FIELDS
    assert missed_share(nothing[1:], cells[1:], fields=500, alpha=0.05) is None
    limit = missed_share(nothing, cells, fields=500, alpha=0.05)
    assert limit is not None
    assert 1 - 0.05 ** (1 / LEAST_FIELDS) < limit < 0.2


def test_all_fields_judged_leave_no_doubt():
    shares = [0.1, 0.0, 0.3, 0.0]
    assert most_mean(shares, fields=4, alpha=0.05) == pytest.approx(0.1, abs=1e-6)


def test_a_share_outside_0_to_1_is_declined():
    with pytest.raises(ValueError, match="a share is 0 to 1"):
        log_capital([1.2], fields=4, mean=0.1)
    with pytest.raises(ValueError, match="cannot be drawn"):
        log_capital([0.1] * 5, fields=4, mean=0.1)


def test_one_field_says_nothing_about_others():
    assert whole_field_limit([0], fields=10, cells=500, largest=50, alpha=0.05) > 0.6


@pytest.mark.parametrize("mean", [0.05, 0.2])
def test_the_limit_of_whole_fields_holds(mean):
    generator = np.random.default_rng(9)
    broken = 0
    for _lot in range(300):
        lot = generator.beta(mean * 9, (1 - mean) * 9, 60)
        limit = most_mean(list(generator.permutation(lot)[:40]), fields=60, alpha=0.1)
        broken += limit < lot.mean() - 1e-9
    assert broken / 300 <= 0.1 + 0.03


def test_the_kept_rows_of_the_simulation_hold():
    """Small, for each commit; 2,000 lots a row: python -m tests.bench certificate."""
    for row in simulation.rows(lots=60, seed=11):
        if row.at_most is not None:
            assert row.rate <= row.at_most + 3 * math.sqrt(row.at_most / row.lots), row.name


@pytest.mark.parametrize(("drawn", "most"), [(30, 0.16), (60, 0.08), (100, 0.05)])
def test_the_documented_limits_where_no_cell_is_missed(drawn, most):
    alpha = planning.shares_of(0.05, 1, groups=2).errors
    limit = missed_share([0] * drawn, [20] * drawn, 1000, alpha)
    assert limit == pytest.approx(most, abs=0.005)
