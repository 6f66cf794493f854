"""Gaussian mixtures over RGB colours, fitted by EM to binned pixels (eq. 1).

Bins (inference/fusion/binning.py) hold the exact moments of their pixels, so that the M step sees the true moments and
only the responsibilities are shared within a bin. The start is deterministic: centres along the principal axis, then
Lloyd's iterations. Stopping rule and regularisation are scikit-learn's, which serves as the
reference in the tests.

EM is most of the time of a fusion, so its inner loops run over plain columns and use an exp and a log that the
compiler can vectorise (the C library's are calls that it cannot).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from inference.fusion.binning import MOMENTS

TOLERANCE = 1e-3  # of the mean log-likelihood
MAX_ITERATIONS = 100
REGULARISATION = 1e-6  # grey levels squared, on the diagonal of a covariance
FIT = {"reassoc", "contract", "nsz", "nnan", "ninf", "arcp"}  # sums may be reordered, which is what vectorises them

Floats = npt.NDArray[np.float64]


@intrinsic
def _bits_of(typingctx: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), codegen


@intrinsic
def _float_of(typingctx: Any, bits: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


# error_model="numpy" everywhere: a division that may raise is a branch, and a loop with a branch is not vectorised.
# fastmath must be said: a callee takes its caller's otherwise, and reassociation folds the rounding below away
@njit(cache=True, fastmath=False, error_model="numpy")
def _exp(x: float) -> float:
    """exp(x) for x <= 0 to 1e-14; 0 below -700. Adding 1.5 * 2^52 rounds x / ln 2 to an integer in the low bits."""
    x = max(x, -700.0)
    shifted = x * 1.4426950408889634 + 6755399441055744.0
    k = shifted - 6755399441055744.0
    r = x - k * 0.6931471803691238 - k * 1.9082149292705877e-10
    p = 1 / 39916800.0
    p = p * r + 1 / 3628800.0
    p = p * r + 1 / 362880.0
    p = p * r + 1 / 40320.0
    p = p * r + 1 / 5040.0
    p = p * r + 1 / 720.0
    p = p * r + 1 / 120.0
    p = p * r + 1 / 24.0
    p = p * r + 1 / 6.0
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _float_of((_bits_of(shifted) + 1023) << 52)  # type: ignore[no-any-return]


@njit(cache=True, fastmath=False, error_model="numpy")
def _two_atanh(f: float) -> float:
    """2 atanh(f) for |f| < 0.18, by its series in odd powers up to f to the 17th."""
    g = f * f
    p = 1 / 17.0
    p = p * g + 1 / 15.0
    p = p * g + 1 / 13.0
    p = p * g + 1 / 11.0
    p = p * g + 1 / 9.0
    p = p * g + 1 / 7.0
    p = p * g + 1 / 5.0
    p = p * g + 1 / 3.0
    p = p * g + 1.0
    return 2.0 * f * p


@njit(cache=True, fastmath=False, error_model="numpy")
def _log(x: float) -> float:
    """log(x) for normal x > 0, to 1e-14: exponent apart, then 2 atanh((m - 1) / (m + 1))."""
    bits = _bits_of(x)
    shifted = bits - 4604544271217802189  # bits of sqrt(1/2): so that m lies within [sqrt(1/2), sqrt(2))
    exponent = shifted >> 52
    m = _float_of(bits - (exponent << 52))
    return _two_atanh((m - 1.0) / (m + 1.0)) + exponent * 0.6931471805599453  # type: ignore[no-any-return]


@njit(cache=True, fastmath=False, error_model="numpy")
def _log_of_sum(x: float) -> float:
    """log(1 + x) for x in [0, 1] to 1e-14: log sqrt(2) + 2 atanh((1 + x - sqrt(2)) / (1 + x + sqrt(2)))."""
    f = (1.0 + x - 1.4142135623730951) / (1.0 + x + 1.4142135623730951)
    return _two_atanh(f) + 0.34657359027997264


@njit(cache=True)
def _principal_axis(columns: Any) -> Any:
    """Unit vector of largest variance and the standard deviation along it, by power iteration."""
    n = columns[0].sum()
    s = np.empty((3, 3))
    place = 4
    for c in range(3):
        for d in range(c, 3):
            s[c, d] = s[d, c] = (columns[0] * columns[place]).sum() / n
            place += 1
    axis = s[np.argmax(np.diag(s))].copy()
    length = 0.0
    for _ in range(30):
        length = math.sqrt((axis * axis).sum())
        if length == 0.0:
            return np.array([1.0, 0.0, 0.0]), 0.0
        axis /= length
        new = np.zeros(3)
        for c in range(3):
            for d in range(3):
                new[c] += s[c, d] * axis[d]
        axis = new
    length = math.sqrt((axis * axis).sum())
    return axis / max(length, 1e-300), math.sqrt(length)


@njit(cache=True, fastmath=FIT, error_model="numpy")
def _assign_two(columns: Any, centres: Any, weight: Any) -> None:
    """As `_assign` with two centres: the plane between them decides."""
    x, y, z = 2.0 * (centres[1] - centres[0])
    middle = (centres[1] * centres[1]).sum() - (centres[0] * centres[0]).sum()
    for b in range(weight.shape[1]):
        n = columns[0, b]
        second = x * columns[1, b] + y * columns[2, b] + z * columns[3, b] > middle
        weight[0, b] = 0.0 if second else n
        weight[1, b] = n if second else 0.0


@njit(cache=True, fastmath=FIT, error_model="numpy")
def _means_of(columns: Any, weight: Any, out: Any) -> None:
    """The first four sums of `_moments_of`."""
    a0 = a1 = a2 = a3 = 0.0
    for b in range(len(weight)):
        w = weight[b]
        a0 += w
        a1 += w * columns[1, b]
        a2 += w * columns[2, b]
        a3 += w * columns[3, b]
    out[0], out[1], out[2], out[3] = a0, a1, a2, a3


@njit(cache=True, fastmath=FIT, error_model="numpy")
def _assign(columns: Any, centres: Any, share: Any, best: Any) -> None:
    """share[k, b] = the pixels of bin b where centre k is the nearest to it, else 0."""
    components, m = share.shape
    for k in range(components):
        cx, cy, cz = centres[k]
        for b in range(m):
            dx, dy, dz = columns[1, b] - cx, columns[2, b] - cy, columns[3, b] - cz
            share[k, b] = dx * dx + dy * dy + dz * dz
    best[:] = share[0]
    for k in range(1, components):
        for b in range(m):
            best[b] = min(best[b], share[k, b])
    for k in range(components):
        for b in range(m):
            nearest = share[k, b] <= best[b]
            share[k, b] = columns[0, b] if nearest else 0.0
            best[b] = -1.0 if nearest else best[b]  # a tie goes to the first


@njit(cache=True, fastmath=FIT, error_model="numpy")
def _moments_of(columns: Any, weight: Any, out: Any) -> None:
    """Sums of the pixels' moments, weight (m,) being how many pixels of each bin count: n, r, g, b and six second."""
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = a9 = 0.0
    for b in range(len(weight)):
        w = weight[b]
        a0 += w
        a1 += w * columns[1, b]
        a2 += w * columns[2, b]
        a3 += w * columns[3, b]
        a4 += w * columns[4, b]
        a5 += w * columns[5, b]
        a6 += w * columns[6, b]
        a7 += w * columns[7, b]
        a8 += w * columns[8, b]
        a9 += w * columns[9, b]
    out[0], out[1], out[2], out[3], out[4] = a0, a1, a2, a3, a4
    out[5], out[6], out[7], out[8], out[9] = a5, a6, a7, a8, a9


@njit(cache=True)
def _gaussian(s: Any, total: float, row: Any) -> None:
    """Moments of a component -> row (10,): log factor, inverse Cholesky factor (6), its product with the mean (3).

    The density's logarithm at x is row[0] - |U x - b|^2 / 2 with U lower triangular.
    """
    n = s[0] + 10 * 2.220446049250313e-16  # as scikit-learn: an empty component divides by this, not by 0
    mx, my, mz = s[1] / n, s[2] / n, s[3] / n
    xx = s[4] / n - mx * mx + REGULARISATION
    xy = s[5] / n - mx * my
    xz = s[6] / n - mx * mz
    yy = s[7] / n - my * my + REGULARISATION
    yz = s[8] / n - my * mz
    zz = s[9] / n - mz * mz + REGULARISATION
    # Cholesky, not the adjugate: grey images make covariances of rank 1 plus 1e-6, and the adjugate cancels there
    floor = 0.5 * REGULARISATION
    l00 = math.sqrt(max(xx, floor))
    l10, l20 = xy / l00, xz / l00
    l11 = math.sqrt(max(yy - l10 * l10, floor))
    l21 = (yz - l20 * l10) / l11
    l22 = math.sqrt(max(zz - l20 * l20 - l21 * l21, floor))
    u00, u11, u22 = 1 / l00, 1 / l11, 1 / l22
    u10 = -l10 * u00 * u11
    u21 = -l21 * u11 * u22
    u20 = -(l20 * u00 + l21 * u10) * u22
    row[0] = math.log(n / total) - 2.756815599614018 + math.log(u00 * u11 * u22)  # 1.5 log(2 pi)
    row[1], row[2], row[3], row[4], row[5], row[6] = u00, u10, u11, u20, u21, u22
    row[7], row[8], row[9] = u00 * mx, u10 * mx + u11 * my, u20 * mx + u21 * my + u22 * mz


@njit(cache=True, fastmath=FIT, error_model="numpy")
def _log_density(row: Any, x: Any, y: Any, z: Any, out: Any) -> None:
    c, u00, u10, u11, u20, u21, u22, b0, b1, b2 = (
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
    )
    for i in range(len(out)):
        p = u00 * x[i] - b0
        q = u10 * x[i] + u11 * y[i] - b1
        r = u20 * x[i] + u21 * y[i] + u22 * z[i] - b2
        out[i] = c - 0.5 * (p * p + q * q + r * r)


@njit(cache=True)
def _linear(row: Any, out: Any) -> None:
    """The log density as a sum over moments: out[0] + out[1] r + ... + out[4] rr + ..., in the order of the columns.

    So its average over a bin's pixels follows from the bin's mean moments, exactly: E and M step climb one bound.
    """
    u00, u10, u11, u20, u21, u22 = row[1], row[2], row[3], row[4], row[5], row[6]
    b0, b1, b2 = row[7], row[8], row[9]
    out[0] = row[0] - 0.5 * (b0 * b0 + b1 * b1 + b2 * b2)
    out[1] = u00 * b0 + u10 * b1 + u20 * b2
    out[2] = u11 * b1 + u21 * b2
    out[3] = u22 * b2
    out[4] = -0.5 * (u00 * u00 + u10 * u10 + u20 * u20)
    out[5] = -(u10 * u11 + u20 * u21)
    out[6] = -u20 * u22
    out[7] = -0.5 * (u11 * u11 + u21 * u21)
    out[8] = -u21 * u22
    out[9] = -0.5 * u22 * u22


@njit(cache=True, fastmath=FIT, error_model="numpy")
def _mean_log_density(q: Any, columns: Any, out: Any) -> None:
    for b in range(len(out)):
        out[b] = (
            q[0]
            + (q[1] * columns[1, b] + q[2] * columns[2, b] + q[3] * columns[3, b])
            + (q[4] * columns[4, b] + q[5] * columns[5, b] + q[6] * columns[6, b])
            + (q[7] * columns[7, b] + q[8] * columns[8, b] + q[9] * columns[9, b])
        )


@njit(cache=True, fastmath=FIT, error_model="numpy")
def _expectation(columns: Any, model: Any, weight: Any, best: Any, sums: Any) -> float:
    """E step: weight[k, b] = pixels of bin b times the responsibility of component k for them. Pixels of a bin share
    one. Returns a bound on the summed log-likelihood.
    """
    components, m = weight.shape
    n = columns[0]
    q = np.empty(10)
    for k in range(components):
        _linear(model[k], q)
        _mean_log_density(q, columns, weight[k])
    best[:] = weight[0]
    for k in range(1, components):
        for b in range(m):
            best[b] = max(best[b], weight[k, b])
    sums[:] = 0.0
    for k in range(components):
        for b in range(m):
            e = _exp(weight[k, b] - best[b])
            weight[k, b] = e
            sums[b] += e
    likelihood = 0.0
    for b in range(m):
        likelihood += n[b] * (best[b] + _log(sums[b]))
        sums[b] = n[b] / sums[b]
    for k in range(components):
        for b in range(m):
            weight[k, b] *= sums[b]
    return likelihood


@njit(cache=True, fastmath=FIT, error_model="numpy")
def _expectation_of_two(columns: Any, model: Any, weight: Any, total: Any) -> float:
    """As `_expectation` with two components, the default: only the difference of their densities is needed, so half
    as much is computed. total (10,): the moments of all pixels, which give the first component's part of the bound.
    """
    q0, q1 = np.empty(10), np.empty(10)
    _linear(model[0], q0)
    _linear(model[1], q1)
    likelihood = 0.0
    for c in range(10):
        likelihood += q0[c] * total[c]
        q1[c] -= q0[c]
    first, second = weight[0], weight[1]
    _mean_log_density(q1, columns, second)
    for b in range(len(second)):
        d, n = second[b], columns[0, b]
        e = _exp(-abs(d))
        larger = n / (1.0 + e)
        smaller = e * larger
        likelihood += n * (max(d, 0.0) + _log_of_sum(e))
        first[b] = smaller if d >= 0.0 else larger
        second[b] = larger if d >= 0.0 else smaller
    return likelihood


@njit(cache=True)
def started(columns: Any, components: int) -> Any:
    """Where EM begins: (components, m), the pixels of a bin at the component to which it belongs, 0 at the others.

    Lloyd's iterations from the principal axis.
    """
    weight, best = np.empty((components, columns.shape[1])), np.empty(columns.shape[1])
    s = np.empty(4)
    axis, spread = _principal_axis(columns)
    centres = np.empty((components, 3))
    for k in range(components):  # 1.6 spreads two centres to where a normal distribution has its 2-means
        centres[k] = axis * (spread * 1.6 * ((2 * k + 1) / components - 1.0))
    for _ in range(100):  # to the end: EM stops early by its tolerance, so where it starts shows
        if components == 2:
            _assign_two(columns, centres, weight)
        else:
            _assign(columns, centres, weight, best)
        moved = 0.0
        for k in range(components):
            _means_of(columns, weight[k], s)
            if s[0] > 0.0:
                for c in range(3):
                    new = s[1 + c] / s[0]
                    moved = max(moved, abs(new - centres[k, c]))
                    centres[k, c] = new
        if moved <= 1e-3 * spread:
            break
    return weight


@njit(cache=True)
def fit(
    centre: Any, columns: Any, components: int, tolerance: float = TOLERANCE, max_iterations: int = MAX_ITERATIONS
) -> Any:
    """EM over the bins of one class (binning.columns_of) -> (components, 10) rows of log_density, in RGB's own frame.

    With fewer bins than components the rest have no weight. No bins at all: no weight anywhere.
    """
    m = columns.shape[1]
    model = np.zeros((components, 10))
    model[:, 0] = -1e300
    k_used = min(components, m)
    if k_used == 0:
        return model
    total, s = np.empty(MOMENTS), np.empty(MOMENTS)
    _moments_of(columns, columns[0], total)
    weight = started(columns, k_used)
    best, sums = np.empty(m), np.empty(m)
    before = -np.inf
    for _ in range(max_iterations):
        for k in range(k_used):
            _moments_of(columns, weight[k], s)
            _gaussian(s, total[0], model[k])
        if k_used == 2:
            now = _expectation_of_two(columns, model[:2], weight, total) / total[0]
        else:
            now = _expectation(columns, model[:k_used], weight, best, sums) / total[0]
        if abs(now - before) < tolerance:
            break
        before = now
    for k in range(k_used):  # scikit-learn ends on an M step too
        _moments_of(columns, weight[k], s)
        _gaussian(s, total[0], model[k])
    for k in range(k_used):  # from the class's centre to RGB's zero
        row = model[k]
        row[7] += row[1] * centre[0]
        row[8] += row[2] * centre[0] + row[3] * centre[1]
        row[9] += row[4] * centre[0] + row[5] * centre[1] + row[6] * centre[2]
    return model


@njit(cache=True, fastmath=FIT, error_model="numpy")
def foreground_probability(background: Any, foreground: Any, x: Any, y: Any, z: Any, scratch: Any, out: Any) -> None:
    """Eq. (2) relative to the largest density: out[i] = P of colour (x, y, z)[i]. out (n,) float32.

    scratch  (2 N + 3, >= n) float64, N the components of a mixture

    No clipping of likelihoods: a colour far from both mixtures still belongs to the nearer one.
    """
    n, components = len(out), len(background)
    best, against, for_it = scratch[-3, :n], scratch[-2, :n], scratch[-1, :n]
    best[:] = -1e301
    for k in range(2 * components):
        density = scratch[k, :n]
        _log_density(background[k] if k < components else foreground[k - components], x, y, z, density)
        for i in range(n):
            best[i] = max(best[i], density[i])
    against[:] = 0.0
    for_it[:] = 0.0
    for k in range(2 * components):
        density, sums = scratch[k, :n], against if k < components else for_it
        for i in range(n):
            sums[i] += _exp(density[i] - best[i])
    for i in range(n):
        out[i] = for_it[i] / (for_it[i] + against[i])
