"""A class suggestion from frozen vectors: linear, fitted in closed form from all verdicts, so in milliseconds.

    log P(class k | x) = w_k . x + b_k + const,   w_k = S^-1 m_k,   b_k = log(prior_k) - m_k . S^-1 m_k / 2

m_k is the mean of the class, S the covariance within classes, drawn towards the identity (the vectors are whitened
over all cells first): with three examples S is nearly the identity, with three thousand it is what they show. This is
Fisher's linear discriminant. Nothing is kept between two fits, so whoever restarts fits the same head again.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
SHRINKAGE = 40.0  # as many imagined verdicts say that S is the identity
LEAST_SPREAD = 1e-3  # share of the largest variance: directions with less are noise of float16


@dataclass(frozen=True)
class Head:
    """labels: (k,) what is told apart; weights (d, k), offsets (k,)."""

    labels: Labels
    weights: Floats
    offsets: Floats

    def chances(self, vectors: Floats) -> Floats:
        """(n, d) whitened -> (n, k), rows add up to 1."""
        scores = vectors @ self.weights + self.offsets
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def whitened(vectors: Floats) -> Floats:
    """(n, d) -> (n, r): uncorrelated, each of variance 1 over all cells; the first one varied most. r <= d."""
    centred = vectors - vectors.mean(axis=0)
    covariance = centred.T @ centred / max(1, len(vectors))
    variances, directions = np.linalg.eigh(covariance.astype(np.float64))
    is_kept = variances > LEAST_SPREAD * max(float(variances[-1]), 1e-12)
    kept = directions[:, is_kept][:, ::-1] / np.sqrt(variances[is_kept])[::-1]
    return np.asarray(centred @ kept.astype(np.float32))


def fit_head(vectors: Floats, labels: Labels) -> Head | None:
    """vectors (n, d), whitened; labels (n,). None where there are not two labels to tell apart."""
    kinds, index = np.unique(labels, return_inverse=True)
    if len(kinds) < 2:
        return None
    counts = np.bincount(index)
    is_of = index == np.arange(len(kinds))[:, None]
    sums = is_of.astype(np.float64) @ vectors
    means = sums / counts[:, None]
    within = vectors - means[index]
    scatter = within.T @ within + SHRINKAGE * np.eye(vectors.shape[1])
    covariance = scatter / (len(vectors) + SHRINKAGE)
    weights = np.linalg.solve(covariance, means.T)
    priors = (counts + 1) / (len(vectors) + len(kinds))
    offsets = np.log(priors) - 0.5 * np.einsum("kd,dk->k", means, weights)
    return Head(kinds, weights.astype(np.float32), offsets.astype(np.float32))
