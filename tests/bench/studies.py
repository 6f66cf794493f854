"""Simulated studies: does the shipped analysis keep its promises? python -m tests.bench.studies [--studies 2000]

Virtual readers with a known effect, learning and noise; the planned analysis of every study. Coverage is the share of
95 % intervals that hold the true ratio, type-I error the share of studies without an effect in which it finds one.
"""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy import stats

from labeling.studies.analysis import mixed
from labeling.studies.analysis.power import Components, planned_test, virtual_study

READERS = (4, 6, 10, 30)
SCENES = {
    "plain": Components(),
    "learning, period and field effects": Components(learning=-0.02, period=-0.10, field=0.30),
    "readers very unlike": Components(reader=0.40, slope=0.20, residual=0.35),
}
FIELDS = 8
RATIO = 0.6


def one(task: tuple[str, str, int, int, int]) -> tuple[int, int, int]:
    """-> studies, intervals that hold the truth, false findings without an effect."""
    scene, kind, readers, studies, seed = task
    rng = np.random.default_rng([seed, readers, len(scene), len(kind)])
    held = found = 0
    for _ in range(studies):
        effect = virtual_study(rng, readers=readers, fields=FIELDS, ratio=RATIO, components=SCENES[scene], kind=kind)
        held += planned_test(effect, kind=kind, ratio=RATIO) >= 0.05
        none = virtual_study(rng, readers=readers, fields=FIELDS, ratio=1.0, components=SCENES[scene], kind=kind)
        found += planned_test(none, kind=kind) < 0.05
    return studies, held, found


def mixed_models(studies: int, readers: int, seed: int) -> tuple[int, int, int]:
    """Type-I error of a mixed model with a random slope, as in the report, and with random intercepts only."""
    import statsmodels.formula.api as smf

    rng = np.random.default_rng(seed)
    slope = intercept = 0
    for _ in range(studies):
        rows = virtual_study(
            rng, readers=readers, fields=FIELDS, ratio=1.0, components=SCENES["readers very unlike"]
        ).table()
        found = mixed.fit(rows, reference="A", arm="B")
        slope += not found.low <= 1 <= found.high
        rows["y"] = np.log(rows["active_s"] / rows["reference_cells"])
        plain = smf.mixedlm("y ~ arm + C(period) + C(sequence)", rows, groups=rows["participant"]).fit()
        intercept += plain.pvalues["arm[T.B]"] < 0.05
    return studies, slope, intercept


def share(hits: int, n: int) -> str:
    """A share with its Monte-Carlo interval (Wilson, 95 %)."""
    interval = stats.binomtest(hits, n).proportion_ci(method="wilson")
    return f"{100 * hits / n:.1f} % ({100 * interval.low:.1f}-{100 * interval.high:.1f})"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--mixed", type=int, default=100, help="simulated studies for the mixed models (slow)")
    parser.add_argument("--workers", type=int, default=1)
    arguments = parser.parse_args(argv or [])
    begun = time.monotonic()
    settings = [("crossover", scene) for scene in SCENES] + [("parallel", "plain")]
    tasks = [(scene, kind, readers, arguments.studies, 1) for kind, scene in settings for readers in READERS]
    print(f"{arguments.studies} studies each, {FIELDS} fields a reader and arm, true ratio {RATIO}\n")
    print(
        "| design | readers differ how | readers | coverage of 95 % interval | type-I error at 5 % |\n"
        "|---|---|---|---|---|"
    )
    with ProcessPoolExecutor(arguments.workers) as pool:
        for (scene, kind, readers, *_), (n, held, found) in zip(tasks, pool.map(one, tasks), strict=True):
            print(f"| {kind} | {scene} | {readers} | {share(held, n)} | {share(found, n)} |", flush=True)
    if arguments.mixed:
        n, slope, intercept = mixed_models(arguments.mixed, 10, 2)
        print(f"\nMixed models at 10 very unlike readers, {n} studies without an effect, type-I error:")
        print(f"with a random reader-by-arm slope {share(slope, n)}; with random intercepts only {share(intercept, n)}")
    print(f"\n{time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
