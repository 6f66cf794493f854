"""Files of a bundle for other programs: one row a field, the layout of iMRMC, and a script that R recomputes with.

fields.csv    long format: one row for each opened field, with whether it counts
imrmc_*.csv   readerID, caseID, modalityID, score of the fields that count, one file a measure. A field has no disease
              state, so there are no rows of truth: the files are for iMRMC's functions on scores, not for its ROC areas
plan.csv      what the protocol declares, name and value
expected.csv  the numbers of the report, which primary.R computes again
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from labeling.studies.analysis.mixed import MEASURES, offered, value_of
from labeling.studies.figures import not_computed
from labeling.studies.protocol.documents import ContrastNumbers, Interval, MixedNumbers, Numbers, TTest

SCRIPT = Path(__file__).with_name("primary.R")
COLUMNS = [
    "item", "participant", "sequence", "period", "arm", "field",
    "reference_cells", "counts", "why_not", "active_s",
]  # fmt: skip
Row = tuple[str, str, float]
Named = tuple[str, object]  # of a quantity; a value that is no number was not computed


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


def _numbers_of(arm: str, named: Iterable[Named]) -> Iterator[Row]:
    for quantity, value in named:
        if isinstance(value, int | float):
            yield arm, quantity, float(value)


def _primary(contrast: ContrastNumbers) -> Iterator[Named]:
    time, quality = contrast["time"], contrast["quality"]
    if not not_computed(time):
        yield "mean_reference", time["mean_reference"]
        yield "mean_arm", time["mean_arm"]
        yield "ratio", time["ratio"]
        yield from _ends("ratio", time["interval"])
        yield from _test(time["test"])
        yield "geometric_ratio", time["geometric"]["ratio"]
        yield from _ends("geometric", time["geometric"]["interval"])
    if not not_computed(quality):
        yield "quality_difference", quality["difference"]
        yield "quality_low", quality["low"]
        yield "quality_p", quality["p"]


def _test(test: TTest) -> Iterator[Named]:
    if not not_computed(test):
        yield "df", test["df"]
        yield "p", test["p"]


def _ends(name: str, interval: Interval) -> Iterator[Named]:
    if not not_computed(interval):
        yield f"{name}_low", interval["low"]
        yield f"{name}_high", interval["high"]


def _crossed(measure: str, found: MixedNumbers) -> Iterator[Named]:
    if not_computed(found) or found["fit"] == "not converged":
        return
    yield f"crossed_{measure}_estimate", found["estimate"]
    yield f"crossed_{measure}_low", found["low"]
    yield f"crossed_{measure}_high", found["high"]
    yield f"crossed_{measure}_df", found["df"]
    components = {
        "reader": found["reader"],
        "slope": found["slope"],
        "field": found["field"],
        "field_slope": found["field_slope"],
    }
    for name, variance in components.items():
        if variance:  # lmer is given the components that are above 0, so that both programs fit the same model
            yield f"component_{measure}_{name}", variance


def _csv(table: pd.DataFrame) -> bytes:
    text: str = table.to_csv(index=False, float_format="%.17g")
    return text.encode()
