"""How often bad lots pass a certificate, and how many cells are judged: python -m tests.bench.certificate

2,000 simulated lots a row of the first table; the second is computed. Both are kept in docs/certificate.md.
"""

import numpy as np

from inference.certificates.planning import SHOWN_ERRORS, STRATIFIED_FROM, Claim, plan_group, shares_of
from inference.certificates.planted import catch_rate_limit
from inference.certificates.simulation import rows

LOTS, SEED = 2000, 20
SIZES = (500, 1000, 5000, 100_000, 1_000_000)
PLANTED = 40  # all of them caught
STRATA = 6  # of doubt and size, in one centre


def print_bad_lots() -> None:
    print("| way of judging | bad lots that passed | at most |\n|---|---|---|")
    for row in rows(LOTS, SEED):
        at_most = "" if row.at_most is None else f"{row.at_most:.0%}"
        print(f"| {row.name} | {row.rate:.1%} | {at_most} |")


def print_samples() -> None:
    """Of one class at the first attempt, in six equal strata where it is large, and in one."""
    claim = Claim()
    shares = shares_of(claim.alpha, attempt=1, groups=1)
    catch_limit = catch_rate_limit(PLANTED, PLANTED, shares.catching)
    heads = " | ".join(f"{100 * share:.0f} %" for share in SHOWN_ERRORS)
    print(f"| cells | judged | passes at {heads} | judged in one stratum |\n|---|---|---|---|---|---|---|")
    for cells in SIZES:
        number = STRATA if cells >= STRATIFIED_FROM else 1
        strata = [len(part) for part in np.array_split(np.zeros(cells), number)]
        plan = plan_group(cells, claim, shares.errors, catch_limit, strata)
        alone = plan_group(cells, claim, shares.errors, catch_limit)
        chances = " | ".join(f"{chance:.0%}" for chance in plan.chances)
        print(f"| {cells:,} | {plan.sample} | {chances} | {alone.sample} |")


def main() -> None:
    print_bad_lots()
    print()
    print_samples()


if __name__ == "__main__":
    main()
