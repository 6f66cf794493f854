"""The t test and Fieller's interval from the means of two arms and their variances: for one study, or for thousands.

Everything is arithmetic on arrays, so the same lines decide a report's numbers, a study's power and the simulations
of tests/bench/studies.py.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]
NO_SPREAD = 1e-9  # a standard error below this share of the means is rounding, not spread


@dataclass(frozen=True)
class Moments:
    """Means of the reference a and the arm b, one element a study.

    a, b        (...) means
    aa, bb, ab  (...) variances and covariance of these means
    df          degrees of freedom of the variances
    """

    a: Floats
    b: Floats
    aa: Floats
    bb: Floats
    ab: Floats
    df: int

    def variance(self, ratio: npt.ArrayLike = 1.0) -> Floats:
        """(...) variance of b - ratio * a; 0 where all that is left is rounding."""
        r = np.asarray(ratio, np.float64)
        found = self.bb - 2 * r * self.ab + r * r * self.aa
        scale = NO_SPREAD * np.maximum(np.abs(self.b), np.abs(r * self.a))
        return np.where(found > scale * scale, found, 0.0)

    def p(self, ratio: npt.ArrayLike = 1.0, shift: npt.ArrayLike = 0.0) -> Floats:
        """(...) two-sided p of "b = ratio * a + shift"; NaN where there is no spread to test with."""
        error = np.sqrt(self.variance(ratio))
        expected = np.asarray(ratio) * self.a
        distance = np.abs(self.b - expected - np.asarray(shift))
        nothing = np.full(np.shape(distance), np.nan)
        t = np.divide(distance, error, out=nothing, where=error > 0)
        return np.asarray(2 * stats.t.sf(t, self.df))

    def difference_bounds(self, confidence: float) -> tuple[Floats, Floats]:
        """(...) both ends of the interval of b - a."""
        quantile = stats.t.ppf((1 + confidence) / 2, self.df)
        reach = quantile * np.sqrt(self.variance())
        difference = self.b - self.a
        return difference - reach, difference + reach

    def ratio_bounds(self, confidence: float) -> tuple[Floats, Floats]:
        """(...) Fieller's interval of b / a for positive means: every ratio that `p` does not reject.

        An end that is not bounded is -inf or inf. The upper end is not bounded where the reference's mean is not told
        from 0; then the ratios that are not rejected may be all of them.
        """
        t2 = stats.t.ppf((1 + confidence) / 2, self.df) ** 2
        square = self.a**2 - t2 * self.aa
        half = self.a * self.b - t2 * self.ab
        constant = self.b**2 - t2 * self.bb
        discriminant = half**2 - square * constant
        root = np.sqrt(np.maximum(discriminant, 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            one = (half - root) / square
            other = (half + root) / square
            estimate = self.b / self.a
        bounded = square > 0
        # Where square < 0 the rejected ratios lie between the roots; the estimate lies above them or below.
        upper_root = np.maximum(one, other)
        exists = discriminant > 0
        between = (upper_root > 0) & (upper_root <= estimate)
        above = np.where(exists & between, upper_root, -np.inf)
        low = np.where(bounded, one, above)
        high = np.where(bounded, other, np.inf)
        return np.where(low > 0, low, -np.inf), high


def within_readers(a: Floats, b: Floats, weights: Floats, nuisance: Floats) -> Moments | None:
    """Of readers who worked in both arms. None when nothing is left to estimate the spread from.

    a, b       (..., n) one number a reader and arm
    weights    (n,) of the readers in the means; they add up to 1 and balance the nuisance
    nuisance   (n, q) columns that readers differ by because of the allocation (periods), not because of the arm
    """
    n = a.shape[-1]
    base = np.column_stack([np.ones(n), nuisance])
    df = n - int(np.linalg.matrix_rank(base))
    if df < 1:
        return None
    residual = np.eye(n) - base @ np.linalg.pinv(base)
    left_a = a @ residual
    left_b = b @ residual
    factor = float(weights @ weights) / df
    return Moments(
        a @ weights,
        b @ weights,
        factor * (left_a * left_a).sum(axis=-1),
        factor * (left_b * left_b).sum(axis=-1),
        factor * (left_a * left_b).sum(axis=-1),
        df,
    )


def between_readers(a: Floats, b: Floats) -> Moments | None:
    """Of two groups of readers, (..., n) and (..., m): Student's t. None for fewer than two readers in a group.

    The design gives both arms equally many readers, for whom unequal variances hardly matter, and times spread in
    proportion to their mean, so b and ratio * a spread alike where the ratio is true. Welch's t was too careful (at 2
    readers an arm it held the truth in 97 % and found an effect where there was none in 2 %).
    """
    n, m = a.shape[-1], b.shape[-1]
    if min(n, m) < 2:
        return None
    factor = (1 / n + 1 / m) / (n + m - 2)
    return Moments(
        a.mean(axis=-1),
        b.mean(axis=-1),
        factor * n * a.var(axis=-1),
        factor * m * b.var(axis=-1),
        np.zeros(a.shape[:-1]),
        n + m - 2,
    )
