"""Mixed models with crossed random effects: restricted maximum likelihood, Satterthwaite's degrees of freedom.

    y = X b + sum_k Z_k u_k + e,   u_k ~ N(0, variance_k I),   e ~ N(0, residual I)

What lmer and lmerTest of R fit as y ~ X + (1 | k) with uncorrelated effects; held against them to printed digits in
tests/labeling/test_studies_random_cases.py. Satterthwaite's approximation as in Kuznetsova, Brockhoff and Christensen,
Journal of Statistical Software 82 (2017).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, optimize, stats

Floats = npt.NDArray[np.float64]
AT_ZERO = 1e-6  # a variance below this share of the residual's is at the boundary; the search ends no nearer to it
STEP_FROM_ZERO = 0.01  # such a share gains nothing where the boundary is the minimum
STARTS = (1.0, 0.05)  # of every variance, as a share of the residual's
ROUNDING = 1e-10  # of the largest number, at most, is what arithmetic leaves of 0
SLOPE_AT_END = 1e-3  # of the criterion, at most, where the optimiser has converged


@dataclass(frozen=True)
class Effect:
    """One fixed effect: estimate, standard error, degrees of freedom, two-sided p of "it is 0"."""

    estimate: float
    error: float
    df: float
    p: float

    def interval(self, confidence: float) -> tuple[float, float]:
        reach = float(stats.t.ppf(0.5 + confidence / 2, self.df)) * self.error
        return self.estimate - reach, self.estimate + reach


@dataclass(frozen=True)
class Fitted:
    """effect    of the first column of X
    variances  of every random effect, 0.0 where at the boundary
    at_zero    names of these
    converged  whether the criterion is flat where the optimiser ended; figures of a fit that is not are not to be read
    """

    effect: Effect
    variances: dict[str, float]
    residual: float
    at_zero: tuple[str, ...]
    converged: bool


def fit(y: Floats, x: Floats, random: Mapping[str, Floats]) -> Fitted:
    """The model with the effect of the first column of x.

    y        (n,)
    x        (n, p) fixed effects; a column that depends on those before it is left out, as lmer does
    random   name -> (n, levels) design of a random effect

    A variance at the boundary is taken out and the others are estimated again: the criterion is the same, and the
    degrees of freedom are those of the model without it (lmerTest's too). Raises ValueError when nothing is left to
    estimate the residual from, or when the variances cannot be told apart.
    """
    x = _independent(x)
    n, p = x.shape
    if n - p < 2:
        raise ValueError(f"{n} fields are too few for a mixed model with {p} fixed effects")
    if float(np.ptp(y)) == 0:
        raise ValueError("every field has the same value, so there is nothing to explain")
    left = y - x @ np.linalg.lstsq(x, y, rcond=None)[0]
    if float(np.abs(left).max()) < ROUNDING * float(np.abs(y).max()):
        raise ValueError("arm, period and sequence say every value, so readers and fields have nothing to explain")
    kept = dict(random)
    at_zero: list[str] = []
    while True:
        data = _reduced(y, x, list(kept.values()))
        shares, converged = _optimised(data)
        zero = [name for name, share in zip(kept, shares, strict=True) if share < AT_ZERO]
        if not zero:
            break
        at_zero += zero
        kept = {name: design for name, design in kept.items() if name not in zero}
    at = _State(data, shares)
    variances = {name: float(share * at.residual) for name, share in zip(kept, shares, strict=True)}
    return Fitted(
        effect=_effect(at),
        variances={name: variances.get(name, 0.0) for name in random},
        residual=float(at.residual),
        at_zero=tuple(sorted(at_zero)),
        converged=converged,
    )


@dataclass(frozen=True)
class _Data:
    """The model in as few rows as hold it: outside the columns of x and of the designs only the length of y counts.

    rows     before that
    kernels  Z Z' of every design
    """

    y: Floats
    x: Floats
    designs: list[Floats]
    kernels: list[Floats]
    rows: int


def _reduced(y: Floats, x: Floats, designs: list[Floats]) -> _Data:
    """Turned by an orthonormal basis, which changes no criterion: 2000 rows of 10 readers and 200 cells become 420."""
    every = np.column_stack([x, *designs])
    q, r, _ = linalg.qr(every, mode="economic", pivoting=True)
    sizes = np.abs(np.diag(r))
    basis = q[:, sizes > ROUNDING * sizes[0]]
    outside = y - basis @ (basis.T @ y)

    def turned(columns: Floats) -> Floats:
        return np.vstack([basis.T @ columns, np.zeros((1, columns.shape[1]))])

    short = [turned(design) for design in designs]
    within = np.append(basis.T @ y, np.linalg.norm(outside))
    return _Data(within, turned(x), short, [design @ design.T for design in short], len(y))


class _State:
    """The criterion, and what it is made of, at one point.

    shares   of every random variance in the residual's, >= 0

    value      minus twice the restricted log likelihood without its constant, the residual variance at its best
    gradient   of it by the shares
    """

    def __init__(self, data: _Data, shares: Floats) -> None:
        y, x = data.y, data.x
        left = data.rows - x.shape[1]
        h = np.eye(len(y))
        for share, kernel in zip(shares, data.kernels, strict=True):
            h += share * kernel
        root = linalg.cholesky(h, lower=True)
        h_inverse = linalg.cho_solve((root, True), np.eye(len(y)))
        information = x.T @ h_inverse @ x
        self.covariance = np.linalg.inv(information)  # of the fixed effects, in units of the residual
        self.hx = h_inverse @ x
        self.projection = h_inverse - self.hx @ self.covariance @ self.hx.T
        self.coefficients = self.covariance @ (self.hx.T @ y)
        self.projected = self.projection @ y
        self.residual = float(y @ self.projected) / left
        self.data = data
        log_det = 2 * float(np.log(np.diag(root)).sum())
        self.value = left * np.log(self.residual) + log_det + float(np.linalg.slogdet(information)[1])

    @property
    def gradient(self) -> Floats:
        found = []
        for design, kernel in zip(self.data.designs, self.data.kernels, strict=True):
            trace = float((self.projection * kernel).sum())
            part = design.T @ self.projected
            found.append(trace - float(part @ part) / self.residual)
        return np.array(found)


def _optimised(data: _Data) -> tuple[Floats, bool]:
    """-> the shares at the lowest criterion that any start has led to, and whether it is a minimum."""
    count = len(data.designs)
    if not count:
        return np.zeros(0), True

    def criterion(shares: Floats) -> tuple[float, Floats]:
        at = _State(data, shares)
        return at.value, at.gradient

    best = None
    for start in STARTS:
        found = optimize.minimize(
            criterion,
            np.full(count, start),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, 1e6)] * count,
            options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500},
        )
        if best is None or found.fun < best.fun:
            best = found
    assert best is not None
    shares = np.asarray(best.x, np.float64)
    slope = _State(data, shares).gradient
    inside = shares > AT_ZERO
    # At the boundary the criterion may rise, inside it must be flat: relative to the size of each share.
    flat = np.where(inside, np.abs(slope) * shares, np.maximum(-slope, 0.0) * STEP_FROM_ZERO)
    return shares, bool((flat < SLOPE_AT_END).all())


def _effect(at: _State) -> Effect:
    """The first fixed effect, its degrees of freedom from how sure the variances are.

    With f the variance of the estimate, g its gradient by the variances and A their covariance (twice the inverse of
    the observed Hessian of minus twice the log likelihood): df = 2 f^2 / g'Ag.
    """
    estimate = float(at.coefficients[0])
    variance = float(at.covariance[0, 0]) * at.residual
    designs = [*at.data.designs, np.eye(len(at.projected))]
    # c' V_k c with c = V^-1 X (X' V^-1 X)^-1 l: how the variance of the estimate grows with each component.
    c = at.hx @ at.covariance[:, 0]
    gradient = np.array([float(((design.T @ c) ** 2).sum()) for design in designs])
    covariance = 2 * np.linalg.inv(_hessian(at, designs))
    spread = float(gradient @ covariance @ gradient)
    if not spread > 0:
        raise ValueError("the variances cannot be told apart by so few fields, so there are no degrees of freedom")
    df = 2 * variance**2 / spread
    error = float(np.sqrt(variance))
    p = float(2 * stats.t.sf(abs(estimate) / error, df))
    return Effect(estimate, error, df, p)


def _hessian(at: _State, designs: list[Floats]) -> Floats:
    """Observed, of minus twice the restricted log likelihood by the variances (the residual's last).

    -tr(P V_i P V_j) + 2 y' P V_i P V_j P y, with P of V = residual * H.
    """
    projection = at.projection / at.residual
    weighted = at.projected / at.residual
    parts = [design.T @ projection for design in designs]  # Z_i' P
    ends = [design.T @ weighted for design in designs]  # Z_i' P y
    size = len(designs)
    found = np.zeros((size, size))
    for i in range(size):
        for j in range(i, size):
            between = parts[i] @ designs[j]  # Z_i' P Z_j
            trace = float((between**2).sum())
            if i == size - 1:  # the rows that _reduced has left out
                trace += (at.data.rows - len(at.projected)) / at.residual**2
            curved = float(ends[i] @ between @ ends[j])
            found[i, j] = found[j, i] = -trace + 2 * curved
    if np.linalg.eigvalsh(found).min() <= 0:
        raise ValueError("the variances cannot be told apart by so few fields, so there are no degrees of freedom")
    return found


def _independent(x: Floats) -> Floats:
    """The columns that do not depend on those before them, in their order."""
    kept: list[int] = []
    for column in range(x.shape[1]):
        trial = x[:, [*kept, column]]
        if np.linalg.matrix_rank(trial) == len(kept) + 1:
            kept.append(column)
    if not kept or kept[0] != 0:
        raise ValueError("the effect asked for is the same everywhere")
    return x[:, kept]
