"""Simulated studies: does the shipped analysis keep its promises? python -m tests.bench studies

Every design at every number of readers from its smallest up. Virtual readers with a known effect, learning and noise;
the planned analysis of every study, by the functions of the report. Coverage is the share of 95 % intervals that hold
the true ratio, error the share of studies without an effect in which the analysis finds one. A row is accepted when the
exact binomial 99.9 % interval of its share contains what it should be. Options: python -m tests.bench.studies --help
The crossed mixed model takes longer and is simulated by python -m tests.bench crossed.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from labeling.studies.analysis.fixed_readers import stratified
from labeling.studies.analysis.moments import Moments, between_readers, within_readers
from labeling.studies.analysis.multiplicity import adjusted
from labeling.studies.analysis.pairs import nuisance
from labeling.studies.analysis.power import Components, Virtual, virtual_studies
from labeling.studies.analysis.quality import judged
from labeling.studies.analysis.resampling import (
    BOOTSTRAP_FROM,
    exchangeable,
    permutation,
    permutation_from,
    resampled_ratios,
)
from labeling.studies.analysis.results import NotEstimated
from labeling.studies.protocol import design

SCENES = {
    "plain": Components(),
    "learning, period and field effects": Components(learning=-0.02, period=-0.10, field=0.30),
    "readers very unlike": Components(reader=0.40, slope=0.20, residual=0.35),
}
DESIGNS = [("crossover", 2), ("williams", 3), ("williams", 4), ("parallel", 2), ("parallel", 3), ("parallel", 4)]
MOST_READERS = 30
FIELDS = 8
RATIO = 0.6
ALPHA = 0.05


@dataclass(frozen=True)
class Row:
    """One share over simulated studies, and what it should be; at_most: less is no fault."""

    design: str
    arms: int
    readers: int
    scene: str
    what: str
    hits: int
    studies: int
    nominal: float
    at_most: bool = False

    @property
    def accepted(self) -> bool:
        interval = stats.binomtest(self.hits, self.studies).proportion_ci(0.999, method="exact")
        return bool(interval.low <= self.nominal and (self.at_most or self.nominal <= interval.high))

    def __str__(self) -> str:
        share, verdict = self.hits / self.studies, "yes" if self.accepted else "**no**"
        size = f"| {self.design} | {self.arms} | {self.readers} | {self.scene} | {self.what} "
        most = "at most " if self.at_most else ""
        return f"{size}| {100 * share:.1f} % | {most}{100 * self.nominal:.1f} % | {self.studies} | {verdict} |"


@dataclass(frozen=True)
class Declined:
    """A size at which the analysis says that it cannot, and why."""

    design: str
    arms: int
    readers: int
    what: str
    reason: str

    def __str__(self) -> str:
        return (
            f"| {self.design} | {self.arms} | {self.readers} | all | {self.what} | not offered: {self.reason} | | | |"
        )


Rows = Iterator[Row | Declined]


def sizes(kind: str, arms: int, most: int = MOST_READERS) -> list[int]:
    """Every number of readers that the design takes, up to `most`."""
    step = len(design.sequences(kind, arms))
    return list(range(step, max(most, 2 * step) + 1, step))


def simulated(kind: str, arms: int, readers: int, scene: str, ratio: float, studies: int, seed: int = 1) -> Virtual:
    place = [seed, readers, arms, len(kind), len(scene), round(100 * ratio)]
    return virtual_studies(
        np.random.default_rng(place),
        studies=studies,
        readers=readers,
        fields=FIELDS,
        ratios=[ratio] * (arms - 1),
        components=SCENES[scene],
        kind=kind,
    )


def time_rows(kind: str, arms: int, readers: int, scene: str, studies: int) -> Rows:
    """Test and interval of the primary comparison."""
    null = simulated(kind, arms, readers, scene, 1.0, studies)
    moments = null.moments()
    if moments is None:
        yield Declined(kind, arms, readers, "test and interval", str(null.pair().moments()))
        return
    effect = simulated(kind, arms, readers, scene, RATIO, studies).moments()
    assert effect is not None
    low, high = effect.ratio_bounds(1 - ALPHA)
    kept = int(((low <= RATIO) & (high >= RATIO)).sum())
    yield Row(kind, arms, readers, scene, "error of the test", int((moments.p() < ALPHA).sum()), studies, ALPHA)
    yield Row(kind, arms, readers, scene, "coverage", kept, studies, 1 - ALPHA)


def dropout_rows(kind: str, arms: int, readers: int, studies: int) -> Rows:
    """One reader of the first sequence is lost."""
    scene = "learning, period and field effects"
    lost = [0]
    null = simulated(kind, arms, readers, scene, 1.0, studies).without(lost).moments()
    effect = simulated(kind, arms, readers, scene, RATIO, studies).without(lost).moments()
    name = f"{readers} - 1"
    if null is None or effect is None:
        reason = simulated(kind, arms, readers, scene, 1.0, 1).without(lost).pair().moments()
        yield Declined(kind, arms, readers, "after the loss of one reader", str(reason))
        return
    low, high = effect.ratio_bounds(1 - ALPHA)
    kept = int(((low <= RATIO) & (high >= RATIO)).sum())
    hits = int((null.p() < ALPHA).sum())
    yield Row(kind, arms, readers, scene, f"error, {name} readers", hits, studies, ALPHA)
    yield Row(kind, arms, readers, scene, f"coverage, {name} readers", kept, studies, 1 - ALPHA)


def quality_rows(kind: str, arms: int, readers: int, studies: int) -> Rows:
    """The quality gate where the arm is worse by exactly the margin: it should pass in 2.5 %."""
    rng = np.random.default_rng([9, readers, arms, len(kind)])
    margin = 0.05
    study = simulated(kind, arms, readers, "plain", 1.0, 1)
    level = rng.normal(0.85, 0.03, (studies, readers))
    if kind == "parallel":
        a, b = (level[:, study.arm[:, 0] == arm] for arm in (0, 1))
        moments = between_readers(a, b - margin)
    else:
        a, b = (level + rng.normal(0, 0.015, level.shape) for _ in range(2))
        pair = study.pair()
        moments = within_readers(a, b - margin, np.full(readers, 1 / readers), nuisance(pair.sequence, pair.periods))
    if moments is None:
        yield Declined(kind, arms, readers, "quality gate", str(study.pair().moments()))
        return
    low, _ = moments.difference_bounds(0.95)
    yield Row(kind, arms, readers, "Dice", "gate passes at the margin", int((low > -margin).sum()), studies, 0.025)
    a, b, aa, bb, ab = (np.asarray(getattr(moments, name)[0]) for name in ("a", "b", "aa", "bb", "ab"))
    first = Moments(a, b, aa, bb, ab, moments.df)
    verdict = judged(first, measure="dice", margin=margin)
    assert not isinstance(verdict, NotEstimated) and verdict.passed == bool(low[0] > -margin)  # the report's own


def fixed_reader_rows(kind: str, arms: int, readers: int, studies: int) -> Rows:
    """These readers, not readers in general, at the sizes at which the report gives this analysis."""
    components = Components(reader=0.40, slope=0.0, period=-0.10, learning=-0.02)
    for fields in (2, 4, 8):
        found = []
        for ratio in (1.0, RATIO):
            study = virtual_studies(
                np.random.default_rng([7, readers, fields, round(100 * ratio)]),
                studies=studies,
                readers=readers,
                fields=fields,
                ratios=[ratio] * (arms - 1),
                components=components,
                kind=kind,
            )
            found.append(_covered_by_fields(study, float(np.log(ratio))))
        scene = f"these readers, {fields} fields a set"
        yield Row(kind, arms, readers, scene, "error of the test", studies - found[0], studies, ALPHA)
        yield Row(kind, arms, readers, scene, "coverage", found[1], studies, 1 - ALPHA)


def _covered_by_fields(study: Virtual, truth: float) -> int:
    """In how many studies the interval over fields holds the truth."""
    by_period = study.field_differences()
    kept = 0
    for k in range(len(by_period[0])):
        mean, error, df = stratified([values[k] for values in by_period])
        kept += abs(mean - truth) <= stats.t.ppf(1 - ALPHA / 2, df) * error
    return kept


def family_rows(kind: str, arms: int, readers: int, studies: int) -> Rows:
    """At least one finding in the family of comparisons where no arm differs."""
    study = simulated(kind, arms, readers, "plain", 1.0, studies)
    if study.moments() is None:
        return
    ps = []
    for arm in range(1, arms):
        moments = study.moments(arm=arm)
        assert moments is not None
        ps.append(moments.p())
    plain, holm = 0, 0
    for row in np.stack(ps, axis=1).tolist():
        plain += min(row) < ALPHA
        holm += min(p for p in adjusted(row) if p is not None) < ALPHA
    beside = f"unadjusted {100 * plain / studies:.1f} %"
    yield Row(kind, arms, readers, beside, "any error, Holm", holm, studies, ALPHA, at_most=True)


def permutation_rows(kind: str, arms: int, readers: int, studies: int) -> Rows:
    null = simulated(kind, arms, readers, "learning, period and field effects", 1.0, studies)
    if isinstance(reason := permutation(null.pair(), alpha=ALPHA, seed=1), NotEstimated):
        yield Declined(kind, arms, readers, "permutation", str(reason))
        return
    effect = simulated(kind, arms, readers, "learning, period and field effects", 0.75, studies)
    by_t = effect.moments()
    assert by_t is not None
    hits = sum(_permuted(null, k) <= ALPHA for k in range(studies))
    power = sum(_permuted(effect, k) <= ALPHA for k in range(studies)) / studies
    groups = exchangeable(null.pair())
    assert not isinstance(groups, NotEstimated)
    total = int(np.prod([group.allocations for group in groups]))
    nominal = np.floor(ALPHA * total / 2) * 2 / total  # p comes in steps
    beside = f"power at ratio 0.75: {power:.2f}, of t {float((by_t.p() < ALPHA).mean()):.2f}"
    yield Row(kind, arms, readers, beside, "error of the permutation", hits, studies, float(nominal))


def _permuted(study: Virtual, k: int) -> float:
    found = permutation(study.pair(k), alpha=ALPHA, seed=k)
    assert not isinstance(found, NotEstimated)
    return found.p


def bootstrap_rows(kind: str, arms: int, readers: int, studies: int) -> Rows:
    """Of the percentile interval, whether it is offered at this size or not."""
    study = simulated(kind, arms, readers, "plain", RATIO, studies)
    pair = study.pair()
    smallest = (
        min(len(pair.a), len(pair.b)) if not pair.within else int(np.unique(pair.sequence, return_counts=True)[1].min())
    )
    if smallest < 2:
        return
    kept = 0
    for k in range(studies):
        ratios = resampled_ratios(np.random.default_rng(k), study.pair(k), 1000)
        low, high = np.quantile(ratios, [ALPHA / 2, 1 - ALPHA / 2])
        kept += low <= RATIO <= high
    offered = "" if pair.readers >= BOOTSTRAP_FROM else " (not offered)"
    yield Row(kind, arms, readers, "plain", f"coverage of the bootstrap{offered}", kept, studies, 1 - ALPHA)


def closed_form(studies: int, most: int, only: Sequence[tuple[str, int]] = DESIGNS) -> Rows:
    """Everything that is arithmetic: test, interval, gate, these readers, families, dropouts."""
    for kind, arms in only:
        for readers in sizes(kind, arms, most):
            for scene in SCENES:
                rows = list(time_rows(kind, arms, readers, scene, studies))
                yield from rows
                if any(isinstance(row, Declined) for row in rows):
                    break  # for the same reason in every scene
            yield from quality_rows(kind, arms, readers, studies)
            if arms > 2:
                yield from family_rows(kind, arms, readers, studies)
        first, second = sizes(kind, arms, most)[:2]
        yield from dropout_rows(kind, arms, first, studies)
        yield from dropout_rows(kind, arms, second, studies)
        if kind != "parallel":
            yield from fixed_reader_rows(kind, arms, first, studies)


def resampled(studies: int, most: int, only: Sequence[tuple[str, int]] = DESIGNS) -> Rows:
    """What draws again: permutation and bootstrap. In a parallel design of more arms two of them are compared alike."""
    for kind, arms in only:
        if kind == "parallel" and arms > 2:
            continue
        for readers in sizes(kind, arms, most):
            yield from permutation_rows(kind, arms, readers, studies)
            yield from bootstrap_rows(kind, arms, readers, studies)


def rejected(rows: Iterable[Row | Declined]) -> list[Row]:
    """The rows that do not keep what the report promises: not those of what it does not offer."""
    promised = [row for row in rows if isinstance(row, Row) and "not offered" not in row.what]
    return [row for row in promised if not row.accepted]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000, help="a row of what is arithmetic")
    parser.add_argument("--resampled", type=int, default=300, help="a row of permutation and bootstrap")
    parser.add_argument("--most", type=int, default=MOST_READERS, help="readers")
    parser.add_argument("--design", choices=["crossover", "williams", "parallel"], help="this one alone")
    arguments = parser.parse_args(argv or [])
    only = [one for one in DESIGNS if arguments.design in (None, one[0])]
    begun = time.monotonic()
    print(f"{FIELDS} fields a reader and arm, true ratio {RATIO} for the coverage and 1 for the error.\n")
    print("| design | arms | readers | readers differ how | what | share | should be | studies | accepted |")
    print("|---|---|---|---|---|---|---|---|---|")
    rows: list[Row | Declined] = []
    parts = [closed_form(arguments.studies, arguments.most, only), resampled(arguments.resampled, arguments.most, only)]
    for part in parts:
        for row in part:
            print(row, flush=True)
            rows.append(row)
    wrong = rejected(rows)
    print(f"\n{len(rows)} rows in {time.monotonic() - begun:.0f} s, {len(wrong)} promised and not kept.")
    for kind, arms in only:
        needed = permutation_from(kind, arms)
        offered = "never offered" if needed is None else f"offered from {needed} readers (of the two arms compared)"
        print(f"{kind} of {arms} arms: a permutation is {offered}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
