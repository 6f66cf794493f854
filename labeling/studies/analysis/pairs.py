"""Two arms side by side: the numbers of the readers who worked in both, or of two groups of readers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from labeling.studies.analysis.moments import Floats, Moments, between_readers, within_readers
from labeling.studies.analysis.results import NotEstimated
from labeling.studies.protocol import design

WITHIN = ("crossover", "williams", "matched")  # every reader works in every arm; matched: in no order that was drawn


def weights(sequences: Sequence[str] | npt.NDArray[Any]) -> Floats:
    """(n,) weight of each reader in an arm's mean: every sequence counts the same, its readers share alike."""
    names, place, sizes = np.unique(np.asarray(sequences), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / (len(names) * sizes[place]))


@dataclass(frozen=True)
class Pair:
    """What two arms of a study hold against each other.

    a, b      (n,) numbers of the readers in the reference and in the arm: the same readers in a design within readers,
              else (n,) and (m,) of two groups
    sequence  (n,) of the readers, in a design within readers
    periods   (n, 2) in which they worked in the reference and in the arm; None where nobody has said so
    lost      the design's sequences of which no reader is left
    """

    kind: str
    reference: str
    arm: str
    a: Floats
    b: Floats
    sequence: npt.NDArray[Any]
    periods: npt.NDArray[np.int64] | None
    lost: tuple[str, ...]

    @property
    def within(self) -> bool:
        return self.kind in WITHIN

    @property
    def readers(self) -> int:
        return len(self.a) if self.within else len(self.a) + len(self.b)

    def means(self) -> tuple[float, float]:
        if not self.within:
            return float(self.a.mean()), float(self.b.mean())
        share = weights(self.sequence)
        return float(share @ self.a), float(share @ self.b)

    def logarithms(self) -> "Pair":
        return Pair(
            self.kind,
            self.reference,
            self.arm,
            np.log(self.a),
            np.log(self.b),
            self.sequence,
            self.periods,
            self.lost,
        )

    def moments(self) -> Moments | NotEstimated:
        """For the test and the interval, or why there are none."""
        if not self.within:
            return between_readers(self.a, self.b) or NotEstimated(_too_few_between(len(self.a), len(self.b)))
        if self.lost:
            return NotEstimated(_confounded(self.lost))
        found = within_readers(self.a, self.b, weights(self.sequence), nuisance(self.sequence, self.periods))
        return found or NotEstimated(_too_few_within(self.kind, self.sequence))

    @property
    def method(self) -> str:
        if not self.within:
            return "t test on readers of two groups; interval by inversion of the test (Fieller)"
        if self.kind == "matched":
            return "paired t test on readers; interval by inversion of the test (Fieller)"
        return (
            "t test on readers' differences, averaged over sequences, periods taken out; "
            "interval by inversion of the test (Fieller)"
        )


def pair_of(table: pd.DataFrame, value: str, *, reference: str, arm: str, kind: str) -> Pair:
    """table: participant, sequence, arm, `value`, and period where the design has them.

    Raises ValueError when nobody has finished a field of one of the arms, or nobody fields of both.
    """
    wide = by_arm(table, value, (reference, arm))
    if kind not in WITHIN:
        a, b = (wide[name].dropna().to_numpy(np.float64) for name in (reference, arm))
        return Pair(kind, reference, arm, a, b, np.zeros(len(a)), None, ())
    both = wide[[reference, arm]].dropna()
    if not len(both):
        raise ValueError(f"no reader has finished fields of both {reference} and {arm} yet")
    sequence = both.index.get_level_values("sequence").to_numpy(object)
    periods = None
    if "period" in table:
        of_reader = by_arm(table, "period", (reference, arm)).loc[both.index, [reference, arm]]
        periods = of_reader.to_numpy(np.int64)
    return Pair(
        kind,
        reference,
        arm,
        both[reference].to_numpy(np.float64),
        both[arm].to_numpy(np.float64),
        sequence,
        periods,
        lost_sequences(kind, sequence),
    )


def by_arm(table: pd.DataFrame, value: str, arms: tuple[str, ...]) -> pd.DataFrame:
    """One row a reader, one column an arm. Raises ValueError when nobody has finished a field of one of the arms."""
    if missing := [arm for arm in arms if not (table["arm"] == arm).any()]:
        raise ValueError(f"no finished field of {' and '.join(missing)} counts yet")
    return table.pivot(index=["participant", "sequence"], columns="arm", values=value)


def lost_sequences(kind: str, sequences: npt.NDArray[Any]) -> tuple[str, ...]:
    """The sequences of the design that have no reader among these."""
    if kind not in ("crossover", "williams"):
        return ()
    arms = len(str(sequences[0]))
    planned = [design.letters(row) for row in design.sequences(kind, arms)]
    return tuple(name for name in planned if name not in set(sequences))


def nuisance(sequences: npt.NDArray[Any], periods: npt.NDArray[np.int64] | None) -> Floats:
    """(n, q) what two periods differ by: +1 in the period of the arm, -1 in that of the reference.

    A period (practice, its set of fields) changes times in proportion, so b - ratio * a holds the two periods' effects
    with opposite signs whatever the ratio. Without periods every sequence is taken for itself, which costs more degrees
    of freedom and needs no such argument. In a crossover of two arms both are the same.
    """
    if periods is not None:
        columns = np.arange(periods.max() + 1)
        found = (periods[:, 1:] == columns).astype(float) - (periods[:, :1] == columns)
        return np.asarray(found)
    names = np.unique(sequences)
    if len(names) < 2:
        return np.zeros((len(sequences), 0))
    return np.array([(sequences == name).astype(float) - (sequences == names[-1]) for name in names[:-1]]).T


def _too_few_between(reference: int, arm: int) -> str:
    return (
        f"{reference} and {arm} readers in the two arms: each arm needs two readers, since with one nothing tells the "
        "reader from the arm"
    )


def _too_few_within(kind: str, sequences: npt.NDArray[Any]) -> str:
    if kind == "matched":
        return "one reader alone has no spread between readers"
    names = np.unique(sequences)
    return (
        f"{len(sequences)} readers in {len(names)} sequences leave no degree of freedom: what readers differ by cannot "
        "be told from the periods, so there is neither a p nor an interval for readers in general. One more reader in "
        "a sequence gives one"
    )


def _confounded(lost: tuple[str, ...]) -> str:
    return (
        f"no reader of sequence {' and '.join(lost)} is left, so arm and period are confounded: a difference may be "
        "the arm's, or that of practice and of the period's set of fields"
    )
