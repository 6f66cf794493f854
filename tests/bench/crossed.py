"""Simulated studies: does the crossed mixed model keep its level? python -m tests.bench crossed

Random readers and random fields with Satterthwaite's degrees of freedom (labeling/studies/analysis/mixed.py), in
studies without an effect. The model is linear in logarithms, so its interval holds a true ratio of any size exactly as
often as it does not reject 1: the coverage is 100 % less the error. Beside it stands the primary test on the same
studies, which takes the fields that were read for given. Options: python -m tests.bench.crossed --help
"""

import argparse
import sys
import time

import numpy as np

from labeling.studies.analysis import mixed
from labeling.studies.analysis.power import Components, Virtual, virtual_studies
from tests.bench.studies import ALPHA, Declined, Row, Rows

SCENES = {
    "plain": Components(),
    "readers very unlike": Components(reader=0.40, slope=0.20, residual=0.35),
    "fields unlike in the effect": Components(field_slope=0.30),
}
SIZES = (
    ("crossover", 2, 4), ("crossover", 2, 6), ("crossover", 2, 10),
    ("williams", 3, 6), ("williams", 3, 12),
    ("parallel", 2, 4), ("parallel", 2, 6), ("parallel", 2, 10),
)  # fmt: skip


def rows(studies: int, kind: str, arms: int, readers: int, scene: str, fields: int = 8) -> Rows:
    """Of one size in one world."""
    study = virtual_studies(
        np.random.default_rng([21, readers, arms, len(kind), len(scene)]),
        studies=studies,
        readers=readers,
        fields=fields,
        ratios=[1.0] * (arms - 1),
        components=SCENES[scene],
        kind=kind,
    )
    moments = study.moments()
    fitted = [one for k in range(studies) if (one := fitted_study(study, k)) is not None]
    if not fitted or moments is None:
        yield Declined(kind, arms, readers, "crossed model", "the components cannot be told apart")
        return
    singular = sum(one.fit == "singular" for one in fitted)
    failed = sum(one.fit == "not converged" for one in fitted)
    by_t = 100 * float((moments.p() < ALPHA).mean())
    beside = (
        f"{scene}; {singular} singular, {failed} not converged, {studies - len(fitted)} without an answer; "
        f"t on readers {by_t:.1f} %"
    )
    hits = sum(one.p < ALPHA for one in fitted)
    yield Row(kind, arms, readers, beside, "error of the crossed model", hits, len(fitted), ALPHA)


def fitted_study(study: Virtual, k: int) -> mixed.Mixed | None:
    try:
        return mixed.fit(study.table(k), reference="A", arm="B")
    except ValueError:
        return None


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=300, help="a row (a tenth of a second each, at 10 readers more)")
    parser.add_argument("--design", choices=["crossover", "williams", "parallel"], help="this one alone")
    parser.add_argument("--fields", type=int, default=8, help="of each reader in each arm")
    arguments = parser.parse_args(argv or [])
    begun = time.monotonic()
    print("| design | arms | readers | world | what | share | should be | studies | accepted |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size in SIZES:
        if arguments.design not in (None, size[0]):
            continue
        for scene in SCENES:
            for row in rows(arguments.studies, *size, scene, arguments.fields):
                print(row, flush=True)
    print(f"\n{time.monotonic() - begun:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
