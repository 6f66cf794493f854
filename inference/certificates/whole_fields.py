"""Claims whose unit is the field: where whole fields are drawn, and for missed cells.

Errors of one field are alike. Judged cell by cell as if independent, whole fields pass bad lots far too often
(docs/certificate.md), so each field counts once: as a share in [0, 1]. The test bets, field by field, against a mean of
`mean` or more among all fields, drawn without replacement. Its stake may depend on earlier fields only, so the capital
is a supermartingale and the limit holds at every look (Waudby-Smith and Ramdas 2024, "Estimating means of bounded
random variables by betting").
"""

from collections.abc import Sequence

import numpy as np

LEAST_FIELDS = 30  # annotated without proposals, before anything is said about missed cells
STAKES = np.array([0.1, 0.3, 0.5, 0.7, 0.9, 1.0])


def log_capital(shares: Sequence[float], fields: int, mean: float) -> float:
    """Logarithm of the evidence against a mean share of `mean` or more.

    shares  of the fields drawn so far, in the order of drawing, each in [0, 1]
    fields  of which they were drawn, at least len(shares)
    """
    if fields < len(shares):
        raise ValueError(f"{len(shares)} fields cannot be drawn from {fields}")
    logs = np.zeros(len(STAKES))
    before = 0.0
    for number, share in enumerate(shares):
        if not 0 <= share <= 1:
            raise ValueError(f"a share is 0 to 1, not {share}")
        expected = (fields * mean - before) / (fields - number)
        if expected >= 1:
            return np.inf if expected > 1 or share < 1 else float(np.logaddexp.reduce(logs) - np.log(len(STAKES)))
        if expected > 0:
            with np.errstate(divide="ignore"):
                logs += np.log(1 - STAKES * (share - expected) / (1 - expected))
        before += share
    if fields * mean > before + (fields - len(shares)):
        return np.inf
    return float(np.logaddexp.reduce(logs) - np.log(len(STAKES)))


def most_mean(shares: Sequence[float], fields: int, alpha: float) -> float:
    """Upper confidence limit of the mean share of all fields, at 1 - alpha, in [0, 1]."""
    low, high = 0.0, 1.0
    threshold = -np.log(alpha)
    for _step in range(40):
        middle = (low + high) / 2
        if log_capital(shares, fields, middle) >= threshold:
            high = middle
        else:
            low = middle
    return high


def missed_share(missed: Sequence[int], cells: Sequence[int], fields: int, alpha: float) -> float | None:
    """Upper limit of the share of missed cells, averaged over fields; None for fewer than LEAST_FIELDS fields.

    missed  of each random field annotated without proposals: its cells that no proposal names, in the order of drawing
    cells   of each field: all its cells
    fields  of which the annotated ones were drawn
    """
    if len(missed) < LEAST_FIELDS:
        return None
    shares = []
    for lost, all_cells in zip(missed, cells, strict=True):
        shares.append(lost / all_cells if all_cells else 0.0)
    return most_mean(shares, fields, alpha)


def whole_field_limit(wrong: Sequence[int], *, fields: int, cells: int, largest: int, alpha: float) -> float:
    """Upper limit of the share of wrong cells in a lot of which whole fields were drawn and every cell judged.

    wrong    wrong cells of each drawn field, in the order of drawing
    fields   of the lot; cells: of all of them together; largest: of the field with the most cells
    """
    shares = [count / largest for count in wrong]
    mean = most_mean(shares, fields, alpha)
    return min(1.0, mean * fields * largest / cells)
