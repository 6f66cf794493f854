"""Power by simulation of the planned analysis, with readers who drop out and the gate of quality before the test."""

import pytest
from scipy import stats

from labeling.studies import command
from labeling.studies.analysis.power import Components, Gate, Power, justification, power

PILOT = Components(reader=0.25, slope=0.1, field=0.2, residual=0.25)
STUDIES = 1000


def found(readers: int = 8, kind: str = "crossover", **changes) -> Power:
    given = {"reduction": 40, "readers": [readers], "fields": [4], "components": PILOT, "studies": STUDIES}
    (row,) = power(kind=kind, **given | changes)
    assert isinstance(row, Power), row
    return row


def is_compatible(share: float, expected: float) -> bool:
    """Whether a share of STUDIES can come from this probability: exact binomial, 99.9 %."""
    interval = stats.binomtest(round(share * STUDIES), STUDIES).proportion_ci(0.999, method="exact")
    return interval.low <= expected <= interval.high


@pytest.mark.parametrize("dropout", [0.1, 0.3])
def test_readers_who_drop_out_leave_no_test_as_often_as_chance_says(dropout):
    """Four readers of a crossover can be tested when none or one is lost, and never when two are."""
    stays = 1 - dropout
    testable = stays**4 + 4 * dropout * stays**3
    row = found(readers=4, dropout=dropout)
    assert is_compatible(row.untested, 1 - testable)
    assert row.power < found(readers=4).power


@pytest.mark.parametrize("kind", ["crossover", "parallel"])
def test_quality_worse_by_just_the_margin_passes_in_one_of_forty(kind):
    row = found(kind=kind, gate=Gate(margin=0.05, loss=0.05, sd=0.02))
    assert is_compatible(1 - row.untested, 0.025)


def test_quality_that_is_not_worse_costs_nothing():
    row = found(gate=Gate(margin=0.05, loss=0.0, sd=0.005))
    assert row.untested == 0 and row.power == found().power


def test_without_dropouts_and_gate_every_study_is_tested():
    assert found().untested == 0
    assert found(kind="williams", readers=8, arms=4).untested == 0


@pytest.mark.parametrize("wrong", [{"dropout": 1.0}, {"dropout": -0.1}])
def test_impossible_shares_are_refused(wrong):
    with pytest.raises(ValueError, match="drop out"):
        found(**wrong)


def test_the_justification_says_what_was_assumed(capsys):
    gate = Gate(margin=0.05, loss=0.01, sd=0.02)
    text = justification(found(dropout=0.1, gate=gate), reduction=40, components=PILOT, kind="crossover",
                         dropout=0.1, gate=gate, source="a pilot of 4 readers")  # fmt: skip
    parts = ("8 readers with 4 fields", "reduction of 40 %", "a pilot of 4 readers", "margin 0.05", "loss 0.01")
    for part in parts:
        assert part in text
    assert "two-sided alpha 0.05 of each comparison" in text
    several = found(kind="williams", readers=12, arms=3)
    text = justification(several, reduction=40, components=PILOT, kind="williams")
    assert "two-sided alpha 0.025 of each comparison" in text
    sizes = ["--reduction", "40", "--readers", "6", "--fields", "4", "--studies", "50", "--dropout", "10"]
    components = ["--reader-sd", ".25", "--slope-sd", ".1", "--field-sd", ".2", "--residual-sd", ".25"]
    assert command.main(["power", *sizes, *components, "--quality-margin", "0.05", "--text"]) == 0
    assert "drops out with probability 0.1" in capsys.readouterr().out
