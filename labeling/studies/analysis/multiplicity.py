"""Several comparisons are one family: the chance of any false finding is kept, not that of each."""

from collections.abc import Sequence

from labeling.studies.protocol.declared import HOLM, IN_ORDER


def adjusted(ps: Sequence[float | None], how: str = HOLM) -> list[float | None]:
    """p values that may be held against the level of the whole family.

    ps    one a planned comparison, in the declared order; None where it was not tested, which counts as p = 1: a
          comparison that was planned makes the family larger whether or not it was reached
    how   "holm": Holm's step-down (1979); "in order": each only if the one before is significant, so an adjusted p is
          the largest so far
    Raises ValueError for another procedure.
    """
    if how == IN_ORDER:
        return _in_order(ps)
    if how != HOLM:
        raise ValueError(f"comparisons are adjusted by {HOLM} or {IN_ORDER}, not by {how}")
    known = [1.0 if p is None else p for p in ps]
    found = [1.0] * len(known)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(known)), key=lambda k: known[k])):
        largest = max(largest, min(1.0, (len(known) - rank) * known[place]))
        found[place] = largest
    return [None if p is None else value for p, value in zip(ps, found, strict=True)]


def _in_order(ps: Sequence[float | None]) -> list[float | None]:
    found: list[float | None] = []
    largest = 0.0
    for p in ps:
        largest = max(largest, 1.0 if p is None else p)
        found.append(None if p is None else largest)
    return found
