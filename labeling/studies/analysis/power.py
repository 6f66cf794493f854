"""How many readers and fields a study needs, by simulation of the analysis that will be run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from labeling.studies.analysis.estimands import WITHIN, balanced_mean, between, rates, within


@dataclass(frozen=True)
class Components:
    """What makes times differ, as standard deviations of the logarithm of a field's seconds per cell.

    reader     between readers (how fast somebody is)
    slope      between readers, in the effect of the arm
    field      between fields (how hard they are)
    residual   what is left, of one field of one reader
    learning   change of the logarithm with each further field of a period (below 0: faster)
    period     change of the logarithm from the first period to the second
    """

    seconds_per_cell: float = 10.0
    reader: float = 0.25
    slope: float = 0.10
    field: float = 0.20
    residual: float = 0.25
    learning: float = 0.0
    period: float = 0.0
    cells: float = 20.0

    def __post_init__(self) -> None:
        if min(self.reader, self.slope, self.field, self.residual) < 0 or not self.seconds_per_cell > 0:
            raise ValueError("variance components must not be negative, seconds per cell must be positive")
        if self.reader == 0 or self.residual == 0:
            # The mean and SD of pooled cells, as papers print them, do not say how readers differ.
            raise ValueError(
                "state how readers differ and what is left within one (pilot data); a published summary does not say"
            )
        if self.cells < 1:
            raise ValueError("a field needs at least one cell")


def virtual_study(
    rng: np.random.Generator,
    *,
    readers: int,
    fields: int,
    ratio: float,
    components: Components,
    kind: str = "crossover",
) -> pd.DataFrame:
    """Counted fields of one simulated study: arms "A" and "B", B's true ratio of means to A's is `ratio`.

    fields   of each reader in each arm (crossover) or altogether (parallel)
    ->       participant, sequence, period, position, arm, field, reference_cells, active_s

    No reader sees a field in both arms: the fields are two sets, one for each period (design.allocate).
    """
    c = components
    difficulty = rng.normal(0, c.field, 2 * fields)
    cells = np.maximum(1, rng.poisson(c.cells, 2 * fields))
    speed = rng.normal(0, c.reader, readers)
    slope = rng.normal(0, c.slope, readers)
    rows = []
    for i in range(readers):
        sequence = ("AB", "BA")[i % 2]
        for period, arm in [(0, sequence[0])] if kind == "parallel" else list(enumerate(sequence)):
            x = 0.5 if arm == "B" else -0.5
            for position, f in enumerate(rng.permutation(np.arange(fields) + period * fields)):
                log = speed[i] + slope[i] * x + difficulty[f] + c.period * period + c.learning * position
                log += rng.normal(0, c.residual) + np.log(c.seconds_per_cell) + np.log(ratio) * (arm == "B")
                name = sequence if kind != "parallel" else arm
                rows.append((i, name, period, position + 1, arm, int(f), cells[f], float(np.exp(log) * cells[f])))
    return pd.DataFrame(
        rows, columns=["participant", "sequence", "period", "position", "arm", "field", "reference_cells", "active_s"]
    )


def planned_test(fields: pd.DataFrame, *, kind: str, ratio: float = 1.0) -> tuple[float, float]:
    """The p value of the planned analysis for "the ratio of means is `ratio`", and the estimated ratio."""
    wide = rates(fields).pivot(index=["participant", "sequence"], columns="arm", values="rate")
    if kind in WITHIN:
        groups = wide.index.get_level_values("sequence").to_numpy()
        a, b = wide["A"].to_numpy(np.float64), wide["B"].to_numpy(np.float64)
        return within(a, b, groups)(ratio)[0], balanced_mean(b, groups) / balanced_mean(a, groups)
    a, b = wide["A"].dropna().to_numpy(np.float64), wide["B"].dropna().to_numpy(np.float64)
    return between(a, b)(ratio)[0], float(b.mean() / a.mean())


@dataclass(frozen=True)
class Power:
    """Share of simulated studies that reject "no difference", with its Monte-Carlo interval."""

    readers: int
    fields: int
    power: float
    low: float
    high: float
    studies: int


def power(
    *,
    reduction: float,
    readers: Sequence[int],
    fields: Sequence[int],
    components: Components,
    kind: str = "crossover",
    studies: int = 500,
    alpha: float = 0.05,
    seed: int = 0,
) -> list[Power]:
    """For every number of readers and fields. reduction: in per cent, of seconds per reference cell."""
    if not 0 < reduction < 100:
        raise ValueError("the reduction to be found is between 0 and 100 per cent")
    found = []
    for r in readers:
        for f in fields:
            rng = np.random.default_rng([seed, r, f])
            hits = 0
            for _ in range(studies):
                study = virtual_study(
                    rng, readers=r, fields=f, ratio=1 - reduction / 100, components=components, kind=kind
                )
                hits += planned_test(study, kind=kind)[0] < alpha
            interval = stats.binomtest(hits, studies).proportion_ci(method="wilson")
            found.append(Power(r, f, hits / studies, float(interval.low), float(interval.high), studies))
    return found
