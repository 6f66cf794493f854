"""Settings tried one after the other on a finished round's cached masks: no model runs, so it costs seconds.

As tables 9 and 10 of BoxCell (arXiv:2311.17960): one parameter is moved while the others stay. Only images of the
validation split with reference masks are looked at; a test split is never tuned on.
"""

import copy
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from inference.crumbs import crumb_areas
from inference.fusion import Parameters
from inference.metrics import mean, per_image
from inference.pipeline.evaluation import alone, fused_alone
from inference.pipeline.painting import bits_of
from inference.pipeline.snapshots import read_labels
from inference.pipeline.units import Setting, read_unit
from inference.types import Cancelled, InferenceError

GRID: dict[str, tuple[tuple[str, str], tuple[float, ...]]] = {
    "threshold": (("prediction", "detector_threshold"), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)),
    "grid": (("fusion", "grid"), (1, 3, 5, 7, 9)),
    "lam": (("fusion", "lam"), (0.5, 1.0, 2.0, 4.0, 8.0)),
    "theta": (("fusion", "theta"), (10.0, 15.0, 25.0, 40.0)),
    "components": (("fusion", "components"), (1, 2, 3, 4)),
    "trust": (("fusion", "trust"), (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)),
}
SHOWN = ("dice", "pq", "aji")


class NothingToTuneOn(InferenceError):
    """No validation image has reference masks."""

    code = "nothing_to_tune_on"


def tune(setting: Setting, *, report: Callable[[int, int], None] = lambda done, total: None) -> dict[str, Any]:
    """{"images", "base": {parameter: value}, "rows": [{"parameter", "value", "dice", "pq", "aji"}], "best": {...}}.

    best  for every parameter the value of highest PQ, each found with the others as they were
    Raises NothingToTuneOn, Cancelled.
    """
    fields = [f for f in setting.readable() if f.split == "val" and f.reference is not None]
    if not fields:
        raise NothingToTuneOn(
            "no validation image has reference masks, so there is nothing to tune on: settings tuned against accepted "
            "proposals would only please the proposer"
        )
    loaded = [
        (f, f.rgb(), read_unit(setting.inputs["prediction"], f.image), read_labels(f.reference))
        for f in fields
        if f.reference is not None
    ]
    total, rows = sum(len(values) for _, values in GRID.values()), []
    # A round from before a parameter was there had its default.
    own = {
        "fusion": asdict(Parameters()) | setting.configuration["fusion"],
        "prediction": setting.configuration["prediction"],
    }
    crumb = crumb_areas(setting.content, setting.configuration["instances"])
    base = {name: own[path[0]][path[1]] for name, (path, _) in GRID.items()}
    for parameter, (path, values) in GRID.items():
        for value in sorted({*values, base[parameter]}):
            if setting.stop():
                raise Cancelled("cancelled")
            tried = copy.deepcopy(setting.configuration)
            tried[path[0]][path[1]] = type(base[parameter])(value)
            threshold = tried["prediction"]["detector_threshold"]
            found = []
            for f, rgb, unit, reference in loaded:
                m_s = bits_of(unit["m_s"], f)
                fused = fused_alone(rgb, *alone(unit, f, threshold), m_s, tried, crumb[f.image])
                found.append(per_image(reference, fused))
            measured = mean(found)
            rows.append({"parameter": parameter, "value": value} | {k: round(measured[k], 4) for k in SHOWN})
            report(len(rows), total)
    best = {p: max((r for r in rows if r["parameter"] == p), key=lambda r: r["pq"])["value"] for p in GRID}
    return {"images": len(fields), "base": base, "rows": rows, "best": best}
