"""When a reader's figures have become worse: a lower one-sided CUSUM, and how long it takes to say so.

    C_n = max(0, C_(n-1) + (target - allowance) - x_n)        an alarm where C_n > limit

The average run length until an alarm is Siegmund's approximation (Sequential Analysis, 1985), as in Montgomery,
Introduction to Statistical Quality Control, section 9.1: normal figures with a known mean and spread.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, exp

MOST_THRESHOLD = 100.0  # standard deviations
CORRECTION = 1.166  # Siegmund's, of a chart that looks at single figures
LEAST_SPREAD = 0.01  # figures that were all the same say little about those to come


@dataclass(frozen=True)
class Chart:
    """A chart for figures in [0, 1].

    target       mean of the figures while nothing has changed
    spread       their standard deviation, at least LEAST_SPREAD
    drop         the loss that is to be seen
    false_alarm  figures until a false alarm, on the average: at least 2
    """

    target: float
    spread: float
    drop: float
    false_alarm: int

    def __post_init__(self) -> None:
        if self.drop <= 0:
            raise ValueError(f"drop must be above 0, not {self.drop}")
        if self.false_alarm < 2:
            raise ValueError(f"false_alarm must be 2 or more, not {self.false_alarm}")
        if self.spread < LEAST_SPREAD:
            raise ValueError(f"spread must be {LEAST_SPREAD} or more, not {self.spread}")

    @property
    def allowance(self) -> float:
        """Half the drop: the chart that sees this drop first."""
        return self.drop / 2

    @property
    def limit(self) -> float:
        """Above it the chart says that the figures have become worse."""
        return self.spread * threshold(allowance=self.allowance / self.spread, run_length=self.false_alarm)

    @property
    def needed(self) -> int:
        """Figures until an alarm once the mean has fallen by `drop`, on the average."""
        found = run_length(
            allowance=self.allowance / self.spread,
            threshold=self.limit / self.spread,
            shift=self.drop / self.spread,
        )
        return ceil(found)

    def path(self, figures: Sequence[float]) -> Iterator[float]:
        """C after each figure. It goes on after an alarm."""
        value = 0.0
        for figure in figures:
            value = max(0.0, value + self.target - self.allowance - figure)
            yield value


def run_length(*, allowance: float, threshold: float, shift: float) -> float:
    """Figures until an alarm, on the average, where the mean has moved by `shift` towards it.

    All three in standard deviations of a figure; allowance > 0, threshold >= 0, shift >= 0.
    """
    drift = shift - allowance
    reach = threshold + CORRECTION
    if abs(drift) < 1e-9:
        return reach**2
    return (exp(-2 * drift * reach) + 2 * drift * reach - 1) / (2 * drift**2)


def threshold(*, allowance: float, run_length: float) -> float:
    """The threshold at which a false alarm comes after `run_length` figures on the average, in standard deviations.
    0 where it comes later even so."""
    low, high = 0.0, MOST_THRESHOLD
    for _half in range(60):
        middle = (low + high) / 2
        if in_control(allowance, middle) < run_length:
            low = middle
        else:
            high = middle
    return high


def in_control(allowance: float, threshold: float) -> float:
    """The run length while nothing has changed; as large as a float where it is larger."""
    if 2 * allowance * (threshold + CORRECTION) > 700:  # exp of more is no float
        return float("inf")
    return run_length(allowance=allowance, threshold=threshold, shift=0.0)
