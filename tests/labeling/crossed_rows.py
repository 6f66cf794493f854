"""Fields of made-up studies for the mixed models: the same digits everywhere, so that figures of R can be kept."""

from collections.abc import Iterator

import pandas as pd

from labeling.studies.protocol import design


def normals(seed: int) -> Iterator[float]:
    """Nearly normal numbers from Park and Miller's generator, which is whole numbers alone."""
    state = seed
    while True:
        total = 0.0
        for _ in range(12):
            state = state * 16807 % 2147483647
            total += state / 2147483647
        yield total - 6


def rows(kind: str, arms: int, readers: int, fields: int, *, seed: int, slope: float = 0.1) -> pd.DataFrame:
    """participant, sequence, period, arm, field, reference_cells, active_s, dice, found, cells_done."""
    draw = normals(seed)
    sequences = design.sequences(kind, arms)
    periods = len(sequences[0])
    hard = [0.2 * next(draw) for _ in range(periods * fields)]
    own = [[0.15 * next(draw) for _ in range(arms)] for _ in range(periods * fields)]
    found = []
    for reader in range(readers):
        order = sequences[reader % len(sequences)]
        speed, dice = 0.25 * next(draw), 0.02 * next(draw)
        effect = [slope * next(draw) for _ in range(arms)]
        for period, arm in enumerate(order):
            for k in range(fields):
                field = period * fields + k
                log = 2.3 + speed + effect[arm] - 0.35 * arm + hard[field] + own[field][arm] + 0.25 * next(draw)
                cells = 12 + field % 7
                missed = abs(int(2 * next(draw)))
                quality = 0.85 + dice + 0.03 * hard[field] + 0.03 * next(draw)
                found.append(
                    {
                        "participant": f"P{reader + 1:02d}",
                        "sequence": design.letters(order),
                        "period": period,
                        "arm": "ABCD"[arm],
                        "field": field,
                        "reference_cells": cells,
                        "active_s": round(cells * 2.718281828**log, 3),
                        "dice": round(min(quality, 0.99), 5),
                        "found": cells - missed,
                        "cells_done": cells,
                    }
                )
    return pd.DataFrame(found)
