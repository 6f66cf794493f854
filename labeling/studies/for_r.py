"""Files of a bundle for other programs: one row a field, the layout of iMRMC, and a script that R recomputes with.

fields.csv    long format: one row for each opened field, with whether it counts
imrmc_*.csv   readerID, caseID, modalityID, score of the fields that count, one file a measure. A field has no disease
              state, so there are no rows of truth: the files are for iMRMC's functions on scores, not for its ROC areas
plan.csv      what the protocol declares, name and value
expected.csv  the numbers of the report, which primary.R computes again
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from labeling.studies.analysis.mixed import MEASURES, offered, value_of
from labeling.studies.figures import not_computed
from labeling.studies.protocol.documents import ContrastNumbers, MixedNumbers, Numbers

SCRIPT = Path(__file__).with_name("primary.R")
COLUMNS = [
    "item", "participant", "sequence", "period", "arm", "field",
    "reference_cells", "counts", "why_not", "active_s",
]  # fmt: skip
COMPONENTS = ("reader", "slope", "field", "field_slope")
Row = tuple[str, str, float]


def files(numbers: Numbers) -> dict[str, bytes]:
    """Path in the bundle -> content."""
    table = fields_table(numbers)
    found = {
        "r/fields.csv": _csv(table),
        "r/plan.csv": _csv(_plan(numbers)),
        "r/expected.csv": _csv(pd.DataFrame(list(_expected(numbers)), columns=["arm", "quantity", "value"])),
        "r/primary.R": SCRIPT.read_bytes(),
    }
    counted = table[table["counts"].astype(bool)]
    for measure in MEASURES:
        if offered(measure, numbers["plan"]["unit"]) is None and measure in counted:
            found[f"r/imrmc_{measure}.csv"] = _csv(imrmc(counted, measure))
    return found


def fields_table(numbers: Numbers) -> pd.DataFrame:
    """One row a field: COLUMNS, then seconds (a reference cell), dice, pq and f1; empty where there is no value."""
    rows = pd.DataFrame(numbers["fields"])
    if not len(rows):
        return pd.DataFrame(columns=[*COLUMNS, *MEASURES, "pq"])
    table = rows[COLUMNS].copy()
    table["seconds"] = value_of(rows, "seconds")
    for name in ("dice", "pq"):
        table[name] = rows[name].astype(float)
    table["f1"] = 2 * rows["found"].astype(float) / (rows["reference_cells"] + rows["cells_done"])
    return table


def imrmc(counted: pd.DataFrame, measure: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "readerID": counted["participant"],
            "caseID": counted["field"],
            "modalityID": counted["arm"],
            "score": counted[measure],
        }
    )


def _plan(numbers: Numbers) -> pd.DataFrame:
    plan = numbers["plan"]
    rows = [
        ("reference", plan["reference"]),
        ("design", plan["kind"]),
        ("unit", plan["unit"]),
        ("confidence", plan["confidence"]),
        ("quality_measure", plan["quality_measure"]),
        ("quality_margin", plan["quality_margin"]),
        ("multiplicity", plan["multiplicity"]),
    ]
    return pd.DataFrame(rows, columns=["name", "value"])


def _expected(numbers: Numbers) -> Iterator[Row]:
    """What the report has computed; what it has not is left out."""
    for contrast, mixed in zip(numbers["contrasts"], numbers["mixed"], strict=True):
        arm = contrast["arm"]
        yield from _numbers_of(arm, _primary(contrast))
        for measure, found in mixed.items():
            yield from _numbers_of(arm, _crossed(measure, found))


def _numbers_of(arm: str, named: dict[str, Any]) -> Iterator[Row]:
    for quantity, value in named.items():
        if isinstance(value, int | float):
            yield arm, quantity, float(value)


def _primary(contrast: ContrastNumbers) -> dict[str, Any]:
    time, quality = contrast["time"], contrast["quality"]
    found: dict[str, Any] = {}
    if not not_computed(time):
        found |= {"mean_reference": time["mean_reference"], "mean_arm": time["mean_arm"], "ratio": time["ratio"]}
        found |= _ends("ratio", time["interval"])
        if not not_computed(time["test"]):
            found |= {"df": time["test"]["df"], "p": time["test"]["p"]}
        found |= {"geometric_ratio": time["geometric"]["ratio"], **_ends("geometric", time["geometric"]["interval"])}
    if not not_computed(quality):
        found |= {"quality_difference": quality["difference"], "quality_low": quality["low"], "quality_p": quality["p"]}
    return found


def _ends(name: str, interval: Any) -> dict[str, Any]:
    if not_computed(interval):
        return {}
    return {f"{name}_low": interval["low"], f"{name}_high": interval["high"]}


def _crossed(measure: str, found: MixedNumbers) -> dict[str, Any]:
    if not_computed(found) or found["fit"] == "not converged":
        return {}
    named: dict[str, Any] = dict(found)
    values = {f"crossed_{measure}_{name}": named[name] for name in ("estimate", "low", "high", "df")}
    # lmer is given the components that are above 0, so that both programs fit the same model.
    components = {f"component_{measure}_{name}": named[name] for name in COMPONENTS if named[name]}
    return values | components


def _csv(table: pd.DataFrame) -> bytes:
    return table.to_csv(index=False, float_format="%.17g").encode()
