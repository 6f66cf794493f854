"""Settings tried one after the other on a finished round's cached masks: no model runs, so it costs seconds.

As tables 9 and 10 of BoxCell (arXiv:2311.17960): one parameter is moved while the others stay. Only images of the
validation split with reference masks are looked at; a test split is never tuned on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from inference.crumbs import crumb_areas
from inference.documents.configuration import RoundConfiguration
from inference.documents.publication import TuningResult, TuningRow
from inference.metrics import mean, per_image
from inference.pipeline.evaluation import alone, fused_alone
from inference.pipeline.painting import bits_of
from inference.pipeline.snapshots import Field, read_labels
from inference.pipeline.units import PredictionUnit, Setting
from inference.types import RGB, Cancelled, InferenceError, Labels

GRID: dict[str, tuple[tuple[str, str], tuple[float, ...]]] = {
    "threshold": (("prediction", "detector_threshold"), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)),
    "grid": (("fusion", "grid"), (1, 3, 5, 7, 9)),
    "lam": (("fusion", "lam"), (0.5, 1.0, 2.0, 4.0, 8.0)),
    "theta": (("fusion", "theta"), (10.0, 15.0, 25.0, 40.0)),
    "components": (("fusion", "components"), (1, 2, 3, 4)),
    "trust": (("fusion", "trust"), (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)),
}


@dataclass(frozen=True)
class Loaded:
    """A validation image with what the models made of it, and its reference."""

    field: Field
    rgb: RGB
    prediction: PredictionUnit
    reference: Labels


class NothingToTuneOn(InferenceError):
    """No validation image has reference masks."""

    code = "nothing_to_tune_on"


def tune(setting: Setting, *, report: Callable[[int, int], None] = lambda done, total: None) -> TuningResult:
    """Every setting of GRID with the others as they were. Raises NothingToTuneOn, Cancelled."""
    fields = [f for f in setting.readable() if f.split == "val" and f.reference is not None]
    if not fields:
        raise NothingToTuneOn(
            "no validation image has reference masks, so there is nothing to tune on: settings tuned against accepted "
            "proposals would only please the proposer"
        )
    loaded = []
    for field in fields:
        assert field.reference is not None  # chosen so above
        unit = setting.predicted(field.image)
        loaded.append(Loaded(field, field.rgb(), unit, read_labels(field.reference)))
    total, rows = sum(len(values) for _, values in GRID.values()), []
    chosen = setting.configuration
    crumb = crumb_areas(setting.content, chosen.instances.crumbs)
    base = {name: value_at(chosen, path) for name, (path, _) in GRID.items()}
    for parameter, (path, values) in GRID.items():
        for value in sorted({*values, base[parameter]}):
            if setting.stop():
                raise Cancelled("cancelled")
            tried = with_value(chosen, path, type(base[parameter])(value))
            measured = measured_with(tried, loaded, crumb)
            row = TuningRow(
                parameter=parameter,
                value=value,
                dice=round(measured["dice"], 4),
                pq=round(measured["pq"], 4),
                aji=round(measured["aji"], 4),
            )
            rows.append(row)
            report(len(rows), total)
    best = {name: best_of(name, rows).value for name in GRID}
    return TuningResult(images=len(fields), base=base, rows=tuple(rows), best=best)


def measured_with(chosen: RoundConfiguration, images: Sequence[Loaded], crumb: Mapping[int, float]) -> dict[str, float]:
    """The means over the images with these settings."""
    found = []
    for one in images:
        m_s = bits_of(one.prediction["m_s"], one.field)
        m_d, boxes = alone(one.prediction, one.field, chosen.prediction.detector_threshold)
        fused = fused_alone(one.rgb, m_d, boxes, m_s, chosen.fusion, chosen.instances, crumb[one.field.image])
        found.append(per_image(one.reference, fused))
    return mean(found)


def value_at(configuration: RoundConfiguration, path: tuple[str, str]) -> float:
    """A number of the configuration; a round from before a parameter was there has its default."""
    value: float = getattr(getattr(configuration, path[0]), path[1])
    return value


def with_value(configuration: RoundConfiguration, path: tuple[str, str], value: float) -> RoundConfiguration:
    """The configuration with one other number."""
    part = getattr(configuration, path[0])
    return configuration.with_(**{path[0]: part.with_(**{path[1]: value})})


def best_of(parameter: str, rows: Sequence[TuningRow]) -> TuningRow:
    """The row of a parameter with the highest PQ; the first of equal ones."""
    return max((row for row in rows if row.parameter == parameter), key=lambda row: row.pq)
