"""Coefficients of agreement: published worked examples, and the libraries on any votes."""

import krippendorff as krippendorff_library
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from inference.agreement.coefficients import UNKNOWN, cohen, confusion, fleiss, krippendorff
from inference.agreement.intervals import nominal_alpha


def votes_of(*observers):
    """A string of digits an observer, "." for no judgement -> (cells, readers)."""
    votes = [[UNKNOWN if digit == "." else int(digit) for digit in digits] for digits in observers]
    return np.array(votes).T


# -- published worked examples


def test_krippendorff_s_own_example():
    """Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", C: 4 observers, 12 units, nominal: 0.743."""
    alpha = krippendorff(votes_of("123321412...", "1233224125.3", ".3332342251.", "12332441251."))
    assert alpha.value == pytest.approx(0.743, abs=5e-4)
    assert alpha.n == 11  # the last unit has one value alone


def test_krippendorff_s_example_of_two_observers():
    """The same paper, A: two observers, ten units, binary data: 0.095."""
    alpha = krippendorff(votes_of("0100000010", "1110010000"))
    assert alpha.value == pytest.approx(0.095, abs=5e-4)


def test_fleiss_1971():
    """Fleiss 1971, "Measuring nominal scale agreement among many raters", table 1: 30 patients, 6 of the raters each,
    5 diagnoses: 0.430."""
    table = [
        [0, 0, 0, 6, 0],
        [0, 3, 0, 0, 3],
        [0, 1, 4, 0, 1],
        [0, 0, 0, 0, 6],
        [0, 3, 0, 3, 0],
        [2, 0, 4, 0, 0],
        [0, 0, 4, 0, 2],
        [2, 0, 3, 1, 0],
        [2, 0, 0, 4, 0],
        [0, 0, 0, 0, 6],
        [1, 0, 0, 5, 0],
        [1, 1, 0, 4, 0],
        [0, 3, 3, 0, 0],
        [1, 0, 0, 5, 0],
        [0, 2, 0, 3, 1],
        [0, 0, 5, 0, 1],
        [3, 0, 0, 1, 2],
        [5, 1, 0, 0, 0],
        [0, 2, 0, 4, 0],
        [1, 0, 2, 0, 3],
        [0, 0, 0, 0, 6],
        [0, 1, 0, 5, 0],
        [0, 2, 0, 1, 3],
        [2, 0, 0, 4, 0],
        [1, 0, 0, 4, 1],
        [0, 5, 0, 1, 0],
        [4, 0, 0, 0, 2],
        [0, 2, 0, 4, 0],
        [1, 0, 5, 0, 0],
        [0, 0, 0, 0, 6],
    ]
    votes = np.array([np.repeat(np.arange(5), row) for row in table])
    assert fleiss(votes).value == pytest.approx(0.430, abs=5e-4)


def test_cohen_1960():
    """Cohen 1960, "A coefficient of agreement for nominal scales", table 1 of proportions as 200 cases: 0.492."""
    table = np.array([[88, 14, 18], [10, 40, 10], [2, 6, 12]])
    first, second = (np.repeat(classes.ravel(), table.ravel()) for classes in np.indices(table.shape))
    assert cohen(first, second).value == pytest.approx(0.492, abs=5e-4)


# -- the libraries, on any votes


def votes_of_as_many(readers):
    votes_of_a_cell = st.lists(st.integers(UNKNOWN, 3), min_size=readers, max_size=readers)
    return st.lists(votes_of_a_cell, min_size=1, max_size=25)


any_votes = st.integers(2, 4).flatmap(votes_of_as_many)


@given(rows=any_votes)
@settings(max_examples=50, deadline=None)
def test_coefficients_are_those_of_the_libraries_or_say_why_there_is_none(rows):
    votes = np.array(rows, np.int64)
    is_vote = votes != UNKNOWN
    alpha = krippendorff(votes)
    if alpha.value is None:
        assert alpha.why in ("nothing_matched", "one_class")
    else:
        data = np.where(is_vote, votes.astype(float), np.nan).T
        expected = krippendorff_library.alpha(data, value_domain=[0, 1, 2, 3], level_of_measurement="nominal")
        assert alpha.value == pytest.approx(expected, abs=1e-9)
        assert -1 <= alpha.value <= 1
    kappa = fleiss(votes)
    if kappa.value is not None:
        full = votes[is_vote.all(axis=1)]
        counts = np.array([np.bincount(row, minlength=4) for row in full])
        used = counts.sum(axis=0) > 0
        assert kappa.value == pytest.approx(fleiss_kappa(counts[:, used]), abs=1e-9)
    pair = cohen(votes[:, 0], votes[:, 1])
    if pair.value is not None:
        first, second = votes[is_vote[:, :2].all(axis=1), :2].T
        assert pair.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-9)


@given(rows=any_votes)
@settings(max_examples=40, deadline=None)
def test_the_resampled_alpha_at_weights_of_one_is_the_alpha(rows):
    votes = np.array(rows, np.int64)
    alpha = krippendorff(votes)
    patient = np.arange(len(votes)) % 3
    value = nominal_alpha(votes, patient)(np.ones(3), np.ones(votes.shape[1]))
    assert (value is None) == (alpha.value is None)
    if value is not None:
        assert value == pytest.approx(alpha.value, abs=1e-9)


def test_a_reader_who_is_drawn_twice_is_not_compared_with_themselves():
    """Two readers who never agree, one of them twice: no agreement is made up."""
    votes = np.array([[0, 1], [1, 0], [0, 1], [1, 0]])
    alpha = nominal_alpha(votes, np.zeros(4, np.int64))
    patients = np.ones(1)
    once = alpha(patients, np.ones(2))
    twice = alpha(patients, np.array([2.0, 1.0]))
    assert twice == pytest.approx(once, abs=0.35)
    assert twice < 0


def test_confusion_counts_both_directions():
    table = confusion(np.array([[0, 1], [0, 0], [1, UNKNOWN]]), 2)
    assert table.tolist() == [[2, 1], [1, 0]]
