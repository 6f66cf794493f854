"""Simulated studies: does the crossed mixed model keep its level? python -m tests.bench crossed

Random readers and random fields with Satterthwaite's degrees of freedom (labeling/studies/analysis/mixed.py), in
studies without an effect. The model is linear in logarithms, so its interval holds a true ratio of any size exactly as
often as it does not reject 1: the coverage is 100 % less the error. Beside it stands the primary test on the same
studies, which takes the fields that were read for given. Options: python -m tests.bench.crossed --help
"""

import argparse
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from labeling.studies.analysis import mixed
from labeling.studies.analysis.power import Components, Virtual, virtual_studies
from tests.bench.studies import ALPHA, Declined, Row, Rows

SCENES = {
    "plain": Components(),
    "readers very unlike": Components(reader=0.40, slope=0.20, residual=0.35),
    "fields unlike in the effect": Components(field_slope=0.30),
}
# Worlds that the model does not describe: what becomes of a study's fields, by a name.
Change = Callable[[np.random.Generator, pd.DataFrame], pd.DataFrame]


def heavy_tails(rng: np.random.Generator, fields: pd.DataFrame) -> pd.DataFrame:
    """Residuals by Student's t with 3 degrees of freedom, of the same SD, beside the normal ones."""
    more = 0.25 * rng.standard_t(3, len(fields)) / np.sqrt(3)
    return fields.assign(active_s=fields["active_s"] * np.exp(more))


def unequal_by_arm(rng: np.random.Generator, fields: pd.DataFrame) -> pd.DataFrame:
    """Single fields differ more in arm B: an SD of 0.40 more."""
    more = np.where(fields["arm"] == "B", 0.40 * rng.standard_normal(len(fields)), 0.0)
    return fields.assign(active_s=fields["active_s"] * np.exp(more))


def dropouts(rng: np.random.Generator, fields: pd.DataFrame) -> pd.DataFrame:
    """Each reader is lost by a chance of a fifth, and of the others each field by one of ten."""
    readers = fields["participant"].unique()
    stay = readers[rng.random(len(readers)) >= 0.2]
    return fields[fields["participant"].isin(stay) & (rng.random(len(fields)) >= 0.1)]


WORLDS: dict[str, Change] = {
    "heavy tails": heavy_tails,
    "unequal by arm": unequal_by_arm,
    "dropouts": dropouts,
}
WORLD_SIZES = (("crossover", 2, 6), ("crossover", 2, 10), ("williams", 3, 6), ("parallel", 2, 6))
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


def rows_of_world(studies: int, kind: str, arms: int, readers: int, world: str, fields: int = 8) -> Rows:
    """Of one size in a world that the model does not describe; the effect of the arm on logarithms is none."""
    seeds = [22, readers, arms, len(kind), len(world)]
    rng = np.random.default_rng(seeds)
    study = virtual_studies(
        rng,
        studies=studies,
        readers=readers,
        fields=fields,
        ratios=[1.0] * (arms - 1),
        components=Components(),
        kind=kind,
    )
    fitted = []
    for k in range(studies):
        found = fitted_table(WORLDS[world](rng, study.table(k)))
        if found is not None:
            fitted.append(found)
    failed = sum(one.fit == "not converged" for one in fitted)
    beside = f"{world}; {failed} not converged, {studies - len(fitted)} without an answer"
    hits = sum(one.p < ALPHA for one in fitted)
    yield Row(kind, arms, readers, beside, "error of the crossed model", hits, len(fitted), ALPHA)


def fitted_study(study: Virtual, k: int) -> mixed.Mixed | None:
    return fitted_table(study.table(k))


def fitted_table(fields: pd.DataFrame) -> mixed.Mixed | None:
    try:
        return mixed.fit(fields, reference="A", arm="B")
    except ValueError:
        return None


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=300, help="a row (a tenth of a second each, at 10 readers more)")
    parser.add_argument("--design", choices=["crossover", "williams", "parallel"], help="this one alone")
    parser.add_argument("--fields", type=int, default=8, help="of each reader in each arm")
    parser.add_argument("--worlds", action="store_true", help="worlds that the model does not describe, these alone")
    arguments = parser.parse_args(argv or [])
    begun = time.monotonic()
    print("| design | arms | readers | world | what | share | should be | studies | accepted |")
    print("|---|---|---|---|---|---|---|---|---|")
    for size in WORLD_SIZES if arguments.worlds else ():
        for world in WORLDS:
            for row in rows_of_world(arguments.studies, *size, world, arguments.fields):
                print(row, flush=True)
    for size in () if arguments.worlds else SIZES:
        if arguments.design not in (None, size[0]):
            continue
        for scene in SCENES:
            for row in rows(arguments.studies, *size, scene, arguments.fields):
                print(row, flush=True)
    print(f"\n{time.monotonic() - begun:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
