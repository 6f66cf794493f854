"""Simulated lots whose truth is known: how often each way of judging them lets them pass.

A lot that is just too bad must pass with a probability of at most alpha. Ways of judging that Boxwise does not use
stand beside, to show what they would do.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta

from inference.certificates.evidence import Evidence, Stratum, boundary
from inference.certificates.planning import alpha_of_attempt, least_bad, shares_of
from inference.certificates.planted import catch_rate_limit
from inference.certificates.whole_fields import missed_share, whole_field_limit

Ints = npt.NDArray[np.int64]
TOLERATED, ALPHA = 0.05, 0.05
CELLS, FIELDS, CORRELATION = 5000, 100, 0.1
SAMPLE, DRAWN_FIELDS = 250, 6
PLANTED = 60


@dataclass(frozen=True)
class Row:
    """at_most: the share of bad lots that may pass; None for a way of judging that is not used."""

    name: str
    passed: int
    lots: int
    at_most: float | None

    @property
    def rate(self) -> float:
        return self.passed / self.lots


def bad_lot(generator: np.random.Generator, fields: bool = False) -> Ints:
    """(CELLS,) of 0 and 1 for wrong, with the least number of wrong cells that is too many.

    fields  the errors are clustered: cells i, i + 1, ... of a field follow each other, with an intra-field correlation
            of CORRELATION
    """
    wrong = least_bad(CELLS, TOLERATED)
    lot = np.zeros(CELLS, np.int64)
    if not fields:
        lot[:wrong] = 1
        return generator.permutation(lot)
    spread = (1 - CORRELATION) / CORRELATION
    rates = generator.beta(TOLERATED * spread, (1 - TOLERATED) * spread, FIELDS)
    lot = (generator.random(CELLS) < np.repeat(rates, CELLS // FIELDS)).astype(np.int64)
    surplus = int(lot.sum()) - wrong
    too_many = 1 if surplus > 0 else 0
    candidates = np.flatnonzero(lot == too_many)
    changed = generator.permutation(candidates)[: abs(surplus)]
    lot[changed] = 1 - lot[changed]
    return lot


class Judge:
    """The ways of judging; each says whether a lot passes."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator
        self.enough: dict[tuple[float, float], Ints] = {}

    def sequential(self, lot: Ints, alpha: float = ALPHA, catch_limit: float = 1.0) -> bool:
        """Cells drawn one by one; somebody looks after every cell and stops when the evidence suffices."""
        drawn = self.generator.permutation(lot)[:SAMPLE]
        return bool((np.cumsum(drawn) <= self._enough(alpha, catch_limit)[1:]).any())

    def _enough(self, alpha: float, catch_limit: float) -> Ints:
        key = (alpha, round(catch_limit, 4))
        if key not in self.enough:
            bad = least_bad(CELLS, TOLERATED * catch_limit)
            self.enough[key] = boundary(CELLS, SAMPLE, bad, alpha, TOLERATED)
        return self.enough[key]

    def stratified(self, lot: Ints) -> bool:
        """Three unequal strata, all errors in the smallest that holds them; looks after every tenth cell."""
        sizes = (3000, 1400, 600)
        generator = self.generator
        wrong = int(lot.sum())
        start = [np.zeros(size, np.int64) for size in sizes]
        start[2][:wrong] = 1
        strata = [generator.permutation(one) for one in start]
        steps = generator.permutation(np.repeat([0, 1, 2], [150, 70, 30]))
        threshold = -np.log(ALPHA)
        for tested in range(10, SAMPLE + 1, 10):
            counts = np.bincount(steps[:tested], minlength=3)
            seen = []
            for stratum, count in zip(strata, counts, strict=True):
                wrong_ones = int(stratum[:count].sum())
                seen.append(Stratum(len(stratum), int(count), wrong_ones))
            evidence = Evidence(seen, TOLERATED)
            if evidence.against(least_bad(CELLS, TOLERATED)) >= threshold:
                return True
        return False

    def fields_as_cells(self, lot: Ints) -> bool:
        """Whole fields are drawn, and their cells judged as if they were independent. Not used."""
        per_field = CELLS // FIELDS
        chosen = self.generator.permutation(FIELDS)[:DRAWN_FIELDS]
        wrong = int(lot.reshape(FIELDS, per_field)[chosen].sum())
        return _binomial_limit(wrong, DRAWN_FIELDS * per_field, ALPHA) <= TOLERATED

    def fields_as_units(self, lot: Ints, drawn: int = 60) -> bool:
        """Whole fields are drawn, and each counts once."""
        per_field = CELLS // FIELDS
        chosen = self.generator.permutation(FIELDS)[:drawn]
        wrong = lot.reshape(FIELDS, per_field)[chosen].sum(axis=1)
        limit = whole_field_limit(
            [int(one) for one in wrong],
            fields=FIELDS,
            cells=CELLS,
            largest=per_field,
            alpha=ALPHA,
        )
        return limit <= TOLERATED

    def tested_without_correction(self, lot: Ints) -> bool:
        """The exact limit of a fixed sample, looked at after every tenth cell until it passes. Not used."""
        drawn = np.cumsum(self.generator.permutation(lot)[:SAMPLE])
        for tested in range(10, SAMPLE + 1, 10):
            if _binomial_limit(int(drawn[tested - 1]), tested, ALPHA) <= TOLERATED:
                return True
        return False

    def attempts(self, lot: Ints, count: int = 5) -> bool:
        """The lot is tried again until it passes; all attempts share one alpha."""
        for number in range(count):
            alpha = alpha_of_attempt(ALPHA, number + 1)
            if self.sequential(lot, alpha):
                return True
        return False

    def attempts_without_sharing(self, lot: Ints, count: int = 5) -> bool:
        """The same, each attempt with the whole alpha. Not used."""
        return any(self.sequential(lot) for _number in range(count))

    def misses_too_little(self, drawn: int = 60, all_fields: int = 400, share: float = 0.05) -> bool:
        """Whether the limit of the missed cells of `drawn` fields lies below their true share in all fields. Misses are
        clustered; some fields have no cell."""
        generator = self.generator
        spread = (1 - CORRELATION) / CORRELATION
        cells = generator.poisson(generator.gamma(1.5, 10, all_fields))
        missed = generator.binomial(cells, generator.beta(share * spread, (1 - share) * spread, all_fields))
        true = float(np.mean(missed / np.maximum(cells, 1)))
        chosen = generator.permutation(all_fields)[:drawn]
        limit = missed_share(missed[chosen].tolist(), cells[chosen].tolist(), all_fields, ALPHA)
        return limit is not None and limit < true

    def overlooking(self, lot: Ints, catches: float, planted: int, corrects: bool) -> bool:
        """Somebody judges who overlooks wrong cells; with or without the correction by planted errors."""
        visible = lot * (self.generator.random(len(lot)) < catches)
        if not corrects:
            return self.sequential(visible)
        shares = shares_of(ALPHA / alpha_of_attempt(1.0, 1), 1, 1)
        caught = int(self.generator.binomial(planted, catches))
        limit = catch_rate_limit(caught, planted, shares.catching)
        return limit > 0 and self.sequential(visible, shares.errors, limit)


def _binomial_limit(wrong: int, judged: int, alpha: float) -> float:
    """Clopper and Pearson's upper limit."""
    if wrong >= judged:
        return 1.0
    return float(beta.ppf(1 - alpha, wrong + 1, judged - wrong))


def rows(lots: int, seed: int) -> list[Row]:
    """The table of docs/certificate.md. lots: of each row."""
    generator = np.random.default_rng(seed)
    judge = Judge(generator)

    def row(name: str, passes: Callable[[Ints], bool], *, clustered: bool = False, is_used: bool = True) -> Row:
        passed = sum(passes(bad_lot(generator, clustered)) for _lot in range(lots))
        return Row(name, passed, lots, ALPHA if is_used else None)

    def overlooking(catches: float, corrects: bool) -> Callable[[Ints], bool]:
        return lambda lot: judge.overlooking(lot, catches, PLANTED, corrects)

    used = [
        row("cells one by one, a look after each", judge.sequential),
        row("the same, errors clustered in fields", judge.sequential, clustered=True),
        row("three strata, all errors in the smallest", judge.stratified),
        row("whole fields, the field as the unit", judge.fields_as_units, clustered=True),
        row("five attempts that share one alpha", judge.attempts),
        row("80 % caught, corrected by 60 planted errors", overlooking(0.8, True)),
        row("95 % caught, corrected by 60 planted errors", overlooking(0.95, True)),
        row("missed cells in 60 of 400 fields: limit below the truth", lambda _lot: judge.misses_too_little()),
    ]
    not_used = [
        row(
            "not used: whole fields as if cells were independent", judge.fields_as_cells, clustered=True, is_used=False
        ),
        row("not used: a fixed sample's limit, looked at 25 times", judge.tested_without_correction, is_used=False),
        row("not used: five attempts with a whole alpha each", judge.attempts_without_sharing, is_used=False),
        row("not used: 80 % caught, not corrected", overlooking(0.8, False), is_used=False),
    ]
    return used + not_used
