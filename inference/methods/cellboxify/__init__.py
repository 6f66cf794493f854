"""CellBoxify (Khalid et al. 2024): boxes in, a polygon for each cell out.

Mask R-CNN's detector finds boxes, a polygon head draws a polygon in each, and boxes alone teach it: the polygon's own
box should be the person's (unary loss), its border should lie where colours change (local pairwise loss), and its
inside and outside should each have one colour (global pairwise loss). docs/methods.md says what was reproduced.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from inference.archives import folder_of
from inference.labels import without_points
from inference.methods.cellboxify.net import PolygonSettings
from inference.methods.cellboxify.training import PRESETS, PolygonDetector, PolygonTrainer
from inference.methods.frame import Instances, read_bundle, write_bundle
from inference.prompters.paint import paint
from inference.types import RGB, InferenceError, Report, Sample, Stop

NAME = "cellboxify"
METHOD = "cellboxify-1"


@dataclass(frozen=True)
class CellBoxifySettings:
    """net: of the detector and its polygon head; without one, those of the preset."""

    preset: str = "quick"
    device: str = "auto"
    seed: int = 0
    net: PolygonSettings | None = None

    @property
    def chosen(self) -> PolygonSettings:
        return self.net or PRESETS[self.preset]


def settings_of(preset: str, *, device: str = "auto", seed: int = 0) -> CellBoxifySettings:
    return CellBoxifySettings(preset, device, seed, PRESETS[preset])


@dataclass(frozen=True)
class CellBoxify:
    """A trained detector of polygons."""

    detector: PolygonDetector
    settings: CellBoxifySettings

    @property
    def models(self) -> dict[str, str]:
        return {"detector": self.detector.name}

    def predict(self, rgb: RGB) -> Instances:
        height, width = rgb.shape[:2]
        found, polygons = self.detector.segment(rgb)
        return Instances(paint(polygons, width, height), found.scores, found.classes)


def train(
    samples: Sequence[Sample],
    validation: Sequence[Sample],
    settings: CellBoxifySettings,
    *,
    output: Path,
    report: Report,
    stop: Stop,
) -> Path:
    """Train and write the bundle folder `output`, going on where a stopped training was. Masks of samples are not
    looked at. Raises Cancelled, TrainingDiverged, InferenceError."""
    boxes_only = [without_points(replace(sample, labels=None)) for sample in samples]
    checked = [without_points(replace(sample, labels=None)) for sample in validation]
    classes = 1 + max((int(sample.classes.max(initial=0)) for sample in boxes_only), default=0)
    trainer = PolygonTrainer(settings.chosen, classes=classes, device=settings.device, seed=settings.seed)
    weights = trainer.train(boxes_only, checked, work=output / "work", report=report, stop=stop)
    # A copy, not a move: the trainer's own file tells a later call that this part is done.
    (output / weights.name).write_bytes(weights.read_bytes())
    about = {"method": METHOD, "settings": asdict(settings), "weights": weights.name}
    return write_bundle(output, NAME, about)


def load(bundle: Path, *, device: str = "auto") -> CellBoxify:
    """Raises InferenceError when the folder holds no CellBoxify, BadWeights when its weights are damaged."""
    folder = folder_of(bundle)
    about = read_bundle(folder, NAME, METHOD)
    try:
        weights = folder / Path(str(about["weights"])).name
        kept = about["settings"]
        assert isinstance(kept, dict)
        settings = CellBoxifySettings(str(kept["preset"]), device, int(str(kept["seed"])))
    except (KeyError, ValueError, AssertionError) as error:
        raise InferenceError(f"{folder.name} is no trained model: {error} is missing") from error
    detector = PolygonTrainer(PRESETS["tiny"], device=device).load(weights)
    assert isinstance(detector, PolygonDetector)
    return CellBoxify(detector, settings)
