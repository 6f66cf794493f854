"""Simulated studies: times of virtual readers, in every design, from components of variance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from labeling.studies.analysis.moments import Floats, Moments, between_readers, within_readers
from labeling.studies.analysis.pairs import WITHIN, Pair, lost_sequences
from labeling.studies.analysis.pairs import nuisance as periods_of
from labeling.studies.analysis.pairs import weights as weights_of
from labeling.studies.protocol import design


@dataclass(frozen=True)
class Components:
    """What makes times differ, as standard deviations of the logarithm of a field's seconds per cell.

    reader     between readers (how fast somebody is)
    slope      between readers, in the effect of the arm
    field      between fields (how hard they are)
    residual   what is left, of one field of one reader
    field_slope  between fields, in the effect of the arm: what an analysis of readers alone takes for given
    learning   change of the logarithm with each further field of a period (below 0: faster)
    period     change of the logarithm from each period to the next
    """

    seconds_per_cell: float = 10.0
    reader: float = 0.25
    slope: float = 0.10
    field: float = 0.20
    residual: float = 0.25
    learning: float = 0.0
    period: float = 0.0
    cells: float = 20.0
    field_slope: float = 0.0

    def __post_init__(self) -> None:
        if (
            min(self.reader, self.slope, self.field, self.residual, self.field_slope) < 0
            or not self.seconds_per_cell > 0
        ):
            raise ValueError("variance components must not be negative, seconds per cell must be positive")
        if self.reader == 0 or self.residual == 0:
            # The mean and SD of pooled cells, as papers print them, do not say how readers differ.
            raise ValueError(
                "state how readers differ and what is left within one (pilot data); a published summary does not say"
            )
        if self.cells < 1:
            raise ValueError("a field needs at least one cell")


ARMS = "ABCDEFGH"


@dataclass(frozen=True)
class Virtual:
    """Simulated studies of one design.

    seconds   (studies, readers, periods, fields of a period)
    cells     (studies, 1, periods, fields of a period), of the references
    arm       (readers, periods) which arm each reader had when, from 0; arm 0 is the reference
    order     (studies, readers, periods, fields) place of each field in the reader's period, from 0
    """

    kind: str
    seconds: Floats
    cells: Floats
    arm: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]

    @property
    def sequence(self) -> npt.NDArray[Any]:
        """(readers,) names of their sequences."""
        return np.array([design.letters(row) for row in self.arm.tolist()], object)

    def rates(self, arm: int) -> Floats:
        """(studies, readers of this arm) seconds per cell."""
        per_cell = self.seconds.sum(axis=3) / self.cells.sum(axis=3)
        rows, columns = np.nonzero(self.arm == arm)
        return np.asarray(per_cell[:, rows, columns])

    def periods(self, reference: int, arm: int) -> npt.NDArray[np.int64]:
        """(readers, 2) when each reader had these arms."""
        return np.stack([np.argmax(self.arm == one, axis=1) for one in (reference, arm)], axis=1)

    def pair(self, study: int = 0, *, reference: int = 0, arm: int = 1) -> Pair:
        """Two arms of one study, as the report's analysis takes them."""
        a, b = self.rates(reference)[study], self.rates(arm)[study]
        names = ARMS[reference], ARMS[arm]
        if self.kind not in WITHIN:
            return Pair(self.kind, *names, a, b, np.zeros(len(a)), None, ())
        lost = lost_sequences(self.kind, self.sequence)
        return Pair(self.kind, *names, a, b, self.sequence, self.periods(reference, arm), lost)

    def moments(self, *, reference: int = 0, arm: int = 1) -> Moments | None:
        """Of all studies at once, by the functions of the report's analysis; None where it has no test."""
        a, b = self.rates(reference), self.rates(arm)
        if self.kind not in WITHIN:
            return between_readers(a, b)
        if lost_sequences(self.kind, self.sequence):
            return None
        nuisance = periods_of(self.sequence, self.periods(reference, arm))
        return within_readers(a, b, weights_of(self.sequence), nuisance)

    def field_differences(self, *, reference: int = 0, arm: int = 1) -> list[Floats]:
        """(studies, fields) a period: log seconds per cell, arm minus reference, the readers of each averaged.

        What fixed_readers.compare_fields makes of the rows of a study in which nothing is missing.
        """
        log = np.log(self.seconds / self.cells)
        found = []
        for period in range(self.arm.shape[1]):
            ours, theirs = self.arm[:, period] == arm, self.arm[:, period] == reference
            found.append(log[:, ours, period].mean(axis=1) - log[:, theirs, period].mean(axis=1))
        return found

    def of(self, studies: npt.NDArray[np.intp]) -> "Virtual":
        """Some of the studies."""
        return replace(self, seconds=self.seconds[studies], cells=self.cells[studies], order=self.order[studies])

    def without(self, readers: Sequence[int]) -> "Virtual":
        """The same studies after these readers have dropped out."""
        kept = np.setdiff1d(np.arange(len(self.arm)), readers)
        return replace(self, seconds=self.seconds[:, kept], arm=self.arm[kept], order=self.order[:, kept])

    def table(self, study: int = 0) -> pd.DataFrame:
        """participant, sequence, period, position, arm, field, reference_cells, active_s: as read_fields gives them."""
        seconds = self.seconds[study]
        reader, period, field = (x.ravel() for x in np.indices(seconds.shape))
        return pd.DataFrame(
            {
                "participant": reader,
                "sequence": self.sequence[reader],
                "period": period,
                "position": self.order[study].ravel() + 1,
                "arm": np.array(list(ARMS))[self.arm][reader, period],
                "field": field + seconds.shape[2] * period,
                "reference_cells": np.broadcast_to(self.cells[study], seconds.shape).ravel(),
                "active_s": seconds.ravel(),
            }
        )


def virtual_studies(
    rng: np.random.Generator,
    *,
    studies: int,
    readers: int,
    fields: int,
    ratios: Sequence[float],
    components: Components,
    kind: str = "crossover",
) -> Virtual:
    """Counted fields of simulated studies.

    fields   of each reader in each arm
    ratios   true ratio of means of the arms 1, 2, ... to arm 0

    The sequences are those of design.allocate, dealt to the readers in turn; the sets of fields are one for each
    period, the same for everybody. Raises ValueError for a number of readers that the design refuses.
    """
    c, k = components, len(ratios) + 1
    rows = design.sequences(kind, k)
    if readers < len(rows) or readers % len(rows):
        raise ValueError(
            f"this design needs a multiple of {len(rows)} readers, the same for each sequence, not {readers}"
        )
    arm = np.array([rows[rank % len(rows)] for rank in range(readers)])
    shape = (studies, readers, arm.shape[1], fields)
    difficulty = rng.normal(0, c.field, (studies, 1, *shape[2:]))
    cells = np.maximum(1, rng.poisson(c.cells, (studies, 1, *shape[2:]))).astype(np.float64)
    speed = rng.normal(0, c.reader, (studies, readers, 1, 1))
    # The difference of two arms varies by `slope` between readers, so each arm by slope / sqrt(2).
    own = rng.normal(0, c.slope / np.sqrt(2), (studies, readers, k))
    effect = own + np.log([1.0, *ratios])
    by_period = np.take_along_axis(effect, np.broadcast_to(arm, shape[:3]), axis=2)[..., None]
    order = rng.permuted(np.broadcast_to(np.arange(fields), shape), axis=3)
    time = c.period * np.arange(shape[2])[None, None, :, None] + c.learning * order
    log = np.log(c.seconds_per_cell) + speed + by_period + difficulty + time + rng.normal(0, c.residual, shape)
    if c.field_slope:  # drawn only where asked for, so that the seeds of kept figures stay theirs
        of_field = rng.normal(0, c.field_slope / np.sqrt(2), (studies, k, *shape[2:]))
        log += of_field[:, arm, np.arange(shape[2])]
    return Virtual(kind, np.exp(log) * cells, cells, arm, order)


def virtual_study(
    rng: np.random.Generator,
    *,
    readers: int,
    fields: int,
    ratio: float,
    components: Components,
    kind: str = "crossover",
) -> Virtual:
    """One study of two arms; see virtual_studies."""
    return virtual_studies(
        rng, studies=1, readers=readers, fields=fields, ratios=[ratio], components=components, kind=kind
    )
