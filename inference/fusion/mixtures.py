"""Gaussian mixtures over RGB colours, fitted by EM to binned pixels (eq. 1).

Pixels are counted into colour bins of 2^bits levels a channel. A bin keeps the exact number, mean and scatter of its
pixels, so that the M step sees the true moments and only the responsibilities are shared within a bin; with 8 bits
a bin is one colour and nothing is approximated. The start is deterministic: centres along the principal axis, then
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

MOMENTS = 10  # n, r, g, b, rr, rg, rb, gg, gb, bb
COLUMNS = 19  # see columns_of
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


# fastmath must be said: a callee takes its caller's otherwise, and reassociation folds the rounding below away
@njit(cache=True, fastmath=False)
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


@njit(cache=True, fastmath=False)
def _log(x: float) -> float:
    """log(x) for normal x > 0, to 1e-14: exponent apart, then 2 atanh((m - 1) / (m + 1))."""
    bits = _bits_of(x)
    shifted = bits - 4604544271217802189  # bits of sqrt(1/2): so that m lies within [sqrt(1/2), sqrt(2))
    exponent = shifted >> 52
    m = _float_of(bits - (exponent << 52))
    f = (m - 1.0) / (m + 1.0)
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
    return 2.0 * f * p + exponent * 0.6931471805599453  # type: ignore[no-any-return]


@njit(cache=True)
def count_colours(
    rgb: Any,
    kind: Any,
    y0: int,
    y1: int,
    x0: int,
    x1: int,
    bits: int,
    keys: Any,
    slots: Any,
    moments: Any,
    owner: Any,
    count: int,
) -> int:
    """Bin the agreed pixels (kind 0 or 1) of a region, after `count` bins that are there; returns how many are then.

    keys, slots  (2^t,) int32: an open hash table from colour bin to row, kept between calls; keys all 0 at first
    moments      (m, MOMENTS) int64, out: exact sums over the pixels of a bin
    owner        (m,) uint8, out: the class a bin belongs to
    """
    shift = 8 - bits
    last = len(keys) - 1
    direct = len(keys) >= 1 << (3 * bits + 1)
    for y in range(y0, y1):
        for x in range(x0, x1):
            k = kind[y, x]
            if k > 1:
                continue
            r, g, b = np.int64(rgb[y, x, 0]), np.int64(rgb[y, x, 1]), np.int64(rgb[y, x, 2])
            code = ((((np.int64(k) << bits) | (r >> shift)) << bits | (g >> shift)) << bits) | (b >> shift)
            place = code if direct else (code * 2654435761 >> 7) & last
            while keys[place] != code + 1:
                if keys[place] == 0:
                    keys[place] = code + 1
                    slots[place] = count
                    moments[count] = 0
                    owner[count] = k
                    count += 1
                    break
                place = (place + 1) & last
            row = slots[place]
            moments[row, 0] += 1
            moments[row, 1] += r
            moments[row, 2] += g
            moments[row, 3] += b
            moments[row, 4] += r * r
            moments[row, 5] += r * g
            moments[row, 6] += r * b
            moments[row, 7] += g * g
            moments[row, 8] += g * b
            moments[row, 9] += b * b
    return count


@njit(cache=True)
def columns_of(moments: Any, owner: Any, count: int, wanted: int) -> Any:
    """Bins of one class as columns for EM.

    -> centre (3,): mean colour; columns (19, m): n, mean r g b, summed r g b, summed second moments (6), all but n
       relative to the centre, so that nothing large cancels; and the covariance within the bin (6)
    """
    m = 0
    total = np.zeros(4)
    for i in range(count):
        if owner[i] == wanted:
            m += 1
            for c in range(4):
                total[c] += moments[i, c]
    columns = np.empty((COLUMNS, m))
    centre = total[1:] / max(total[0], 1.0)
    j = 0
    for i in range(count):
        if owner[i] != wanted:
            continue
        n = float(moments[i, 0])
        columns[0, j] = n
        for c in range(3):
            columns[4 + c, j] = moments[i, 1 + c] - n * centre[c]
            columns[1 + c, j] = columns[4 + c, j] / n
        place = 7
        for c in range(3):
            for d in range(c, 3):
                # sum (u - a)(v - b) = sum uv - a sum v - b sum u + n a b
                columns[place, j] = (
                    moments[i, place - 3]
                    - centre[c] * moments[i, 1 + d]
                    - centre[d] * moments[i, 1 + c]
                    + n * centre[c] * centre[d]
                )
                # (n sum uv - sum u sum v) / n^2, exact for a bin of one colour: 0
                products = n * moments[i, place - 3] - float(moments[i, 1 + c]) * float(moments[i, 1 + d])
                columns[place + 6, j] = products / (n * n)
                place += 1
        j += 1
    return centre, columns


@njit(cache=True)
def _principal_axis(columns: Any) -> Any:
    """Unit vector of largest variance and the standard deviation along it, by power iteration."""
    n = columns[0].sum()
    s = np.empty((3, 3))
    place = 7
    for c in range(3):
        for d in range(c, 3):
            s[c, d] = s[d, c] = columns[place].sum() / n
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


@njit(cache=True, fastmath=FIT)
def _assign(columns: Any, centres: Any, share: Any, best: Any) -> None:
    """share[k, b] = 1 where centre k is the nearest to bin b, else 0."""
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
            share[k, b] = 1.0 if nearest else 0.0
            best[b] = -1.0 if nearest else best[b]  # a tie goes to the first


@njit(cache=True, fastmath=FIT)
def _moments_of(columns: Any, share: Any, k: int, out: Any) -> None:
    """Share-weighted n, r, g, b and the six second moments of component k."""
    m = share.shape[1]
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = a9 = 0.0
    for b in range(m):
        w = share[k, b]
        a0 += w * columns[0, b]
        a1 += w * columns[4, b]
        a2 += w * columns[5, b]
        a3 += w * columns[6, b]
        a4 += w * columns[7, b]
        a5 += w * columns[8, b]
        a6 += w * columns[9, b]
        a7 += w * columns[10, b]
        a8 += w * columns[11, b]
        a9 += w * columns[12, b]
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


@njit(cache=True, fastmath=FIT)
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


@njit(cache=True, fastmath=FIT)
def _less_scatter(row: Any, columns: Any, out: Any) -> None:
    """From the log density at a bin's mean to its average over the bin's pixels: less half of tr(U' U scatter)."""
    u00, u10, u11, u20, u21, u22 = row[1], row[2], row[3], row[4], row[5], row[6]
    xx, xy, xz = u00 * u00 + u10 * u10 + u20 * u20, u10 * u11 + u20 * u21, u20 * u22
    yy, yz, zz = u11 * u11 + u21 * u21, u21 * u22, u22 * u22
    for b in range(len(out)):
        out[b] -= 0.5 * (xx * columns[13, b] + yy * columns[16, b] + zz * columns[18, b]) + (
            xy * columns[14, b] + xz * columns[15, b] + yz * columns[17, b]
        )


@njit(cache=True, fastmath=FIT)
def _expectation(columns: Any, model: Any, share: Any, best: Any, sums: Any) -> float:
    """E step: share[k, b] = responsibility of component k for bin b. Returns a bound on the summed log-likelihood.

    Pixels of a bin share one responsibility. The one that the likelihood's bound asks for follows from the average log
    density over the bin, which its mean and scatter give exactly: so E and M step climb the same bound.
    """
    components, m = share.shape
    n, x, y, z = columns[0], columns[1], columns[2], columns[3]
    for k in range(components):
        _log_density(model[k], x, y, z, share[k])
        _less_scatter(model[k], columns, share[k])
    best[:] = share[0]
    for k in range(1, components):
        for b in range(m):
            best[b] = max(best[b], share[k, b])
    sums[:] = 0.0
    for k in range(components):
        for b in range(m):
            e = _exp(share[k, b] - best[b])
            share[k, b] = e
            sums[b] += e
    likelihood = 0.0
    for b in range(m):
        likelihood += n[b] * (best[b] + _log(sums[b]))
        sums[b] = 1.0 / sums[b]
    for k in range(components):
        for b in range(m):
            share[k, b] *= sums[b]
    return likelihood


@njit(cache=True)
def started(columns: Any, components: int) -> Any:
    """Where EM begins: (components, m), 1 where a bin belongs to a component. Lloyd from the principal axis."""
    share, best = np.empty((components, columns.shape[1])), np.empty(columns.shape[1])
    s = np.empty(MOMENTS)
    axis, spread = _principal_axis(columns)
    centres = np.empty((components, 3))
    for k in range(components):  # 1.6 spreads two centres to where a normal distribution has its 2-means
        centres[k] = axis * (spread * 1.6 * ((2 * k + 1) / components - 1.0))
    for _ in range(100):  # to the end: EM stops early by its tolerance, so where it starts shows
        _assign(columns, centres, share, best)
        moved = 0.0
        for k in range(components):
            _moments_of(columns, share, k, s)
            if s[0] > 0.0:
                for c in range(3):
                    new = s[1 + c] / s[0]
                    moved = max(moved, abs(new - centres[k, c]))
                    centres[k, c] = new
        if moved <= 1e-3 * spread:
            break
    return share


@njit(cache=True)
def fit(
    centre: Any, columns: Any, components: int, tolerance: float = TOLERANCE, max_iterations: int = MAX_ITERATIONS
) -> Any:
    """EM over the bins of one class (see columns_of) -> (components, 10) rows of log_density, in RGB's own frame.

    With fewer bins than components the rest have no weight. No bins at all: no weight anywhere.
    """
    m = columns.shape[1]
    model = np.zeros((components, 10))
    model[:, 0] = -1e300
    k_used = min(components, m)
    if k_used == 0:
        return model
    total = columns[0].sum()
    share = started(columns, k_used)
    best, sums = np.empty(m), np.empty(m)
    s = np.empty(MOMENTS)
    before = -np.inf
    for _ in range(max_iterations):
        for k in range(k_used):
            _moments_of(columns, share, k, s)
            _gaussian(s, total, model[k])
        now = _expectation(columns, model[:k_used], share, best, sums) / total
        if abs(now - before) < tolerance:
            break
        before = now
    for k in range(k_used):  # scikit-learn ends on an M step too
        _moments_of(columns, share, k, s)
        _gaussian(s, total, model[k])
    for k in range(k_used):  # from the class's centre to RGB's zero
        row = model[k]
        row[7] += row[1] * centre[0]
        row[8] += row[2] * centre[0] + row[3] * centre[1]
        row[9] += row[4] * centre[0] + row[5] * centre[1] + row[6] * centre[2]
    return model


@njit(cache=True, fastmath=FIT)
def foreground_probability(background: Any, foreground: Any, x: Any, y: Any, z: Any, scratch: Any, out: Any) -> None:
    """Eq. (2) in the log domain: out[i] = P of colour (x, y, z)[i]. scratch (5, >= n) float64, out (n,) float32.

    No clipping of likelihoods: a colour far from both mixtures still belongs to the nearer one.
    """
    n = len(out)
    density, best, sums = scratch[0, :n], scratch[1, :n], scratch[2, :n]
    for side in range(2):
        model = background if side == 0 else foreground
        keep = scratch[3 + side, :n]
        best[:] = -1e301
        for k in range(len(model)):
            _log_density(model[k], x, y, z, density)
            for i in range(n):
                best[i] = max(best[i], density[i])
        sums[:] = 0.0
        for k in range(len(model)):
            _log_density(model[k], x, y, z, density)
            for i in range(n):
                sums[i] += _exp(density[i] - best[i])
        for i in range(n):
            keep[i] = best[i] + _log(sums[i])
    against, for_it = scratch[3], scratch[4]
    for i in range(n):
        d = for_it[i] - against[i]
        e = _exp(-abs(d))
        p = 1.0 / (1.0 + e)
        out[i] = p if d >= 0.0 else e * p
