"""How many readers and fields a study needs, by simulation of the analysis that will be run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from labeling.studies.analysis.estimands import WITHIN, Floats, between, within


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


@dataclass(frozen=True)
class Virtual:
    """One simulated study. seconds, cells: (readers, periods, fields of a period); arm: 0 or 1, (readers, periods)."""

    seconds: Floats
    cells: Floats
    arm: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]

    @property
    def groups(self) -> npt.NDArray[np.int64]:
        """The sequence of each reader: which arm came first."""
        return self.arm[:, 0]

    def rates(self) -> tuple[Floats, Floats]:
        """Seconds per cell of each reader in arm 0 and in arm 1; of the readers of each arm in a parallel design."""
        per_cell = self.seconds.sum(axis=2) / self.cells.sum(axis=2)
        return per_cell[self.arm == 0], per_cell[self.arm == 1]

    def table(self) -> pd.DataFrame:
        """participant, sequence, period, position, arm, field, reference_cells, active_s: as read_fields gives them."""
        fields = self.seconds.shape[2]
        reader, period, field = (x.ravel() for x in np.indices(self.seconds.shape))
        names = np.array(["A", "B"])[self.arm]
        sequence = np.array(["".join(row) for row in names])
        return pd.DataFrame({
            "participant": reader, "sequence": sequence[reader], "period": period, "position": self.order.ravel() + 1,
            "arm": names[reader, period], "field": field + fields * period, "reference_cells": self.cells.ravel(),
            "active_s": self.seconds.ravel(),
        })  # fmt: skip


def virtual_study(
    rng: np.random.Generator,
    *,
    readers: int,
    fields: int,
    ratio: float,
    components: Components,
    kind: str = "crossover",
) -> Virtual:
    """Counted fields of one simulated study; the true ratio of means of arm 1 to arm 0 is `ratio`.

    fields   of each reader in each arm (crossover) or altogether (parallel)

    No reader sees a field in both arms: the fields are two sets, one for each period (design.allocate).
    """
    c = components
    periods = 1 if kind == "parallel" else 2
    shape = (readers, periods, fields)
    difficulty = rng.normal(0, c.field, (1, periods, fields))
    cells = np.broadcast_to(np.maximum(1, rng.poisson(c.cells, (1, periods, fields))), shape).astype(np.float64)
    speed, slope = rng.normal(0, c.reader, (readers, 1, 1)), rng.normal(0, c.slope, (readers, 1, 1))
    arm = (np.arange(readers)[:, None] + np.arange(periods)) % 2
    order = rng.permuted(np.broadcast_to(np.arange(fields), shape), axis=2)
    x = arm[:, :, None]
    log = speed + slope * (x - 0.5) + difficulty + c.period * np.arange(periods)[None, :, None] + c.learning * order
    log = log + rng.normal(0, c.residual, shape) + np.log(c.seconds_per_cell) + np.log(ratio) * x
    return Virtual(np.exp(log) * cells, cells, arm, order)


def planned_test(study: Virtual, *, kind: str, ratio: float = 1.0) -> float:
    """The p value of the planned analysis (estimands.compare) for "the ratio of means is `ratio`"."""
    a, b = study.rates()
    test = within(a, b, study.groups) if kind in WITHIN else between(a, b)
    return test(ratio)[0]


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
                hits += planned_test(study, kind=kind) < alpha
            interval = stats.binomtest(hits, studies).proportion_ci(method="wilson")
            found.append(Power(r, f, hits / studies, float(interval.low), float(interval.high), studies))
    return found
