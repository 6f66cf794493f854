"""What a round does: every setting of every stage, with its bounds.

Form, API and engine read the bounds from here (`limit_of`), and the engine judges all of them before the first stage
(`check`). The numbers themselves stand in inference/limits.py, which the fusion reads without pydantic.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import JsonValue, ValidationError, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from inference import limits
from inference.documents.base import Document, faults
from inference.documents.methods import METHODS
from inference.limits import FUSION, INSTANCES, PREDICTION, TRAINING, Limit, OutOfBounds

Device = Literal["auto", "cpu", "gpu"]


class Prompter(Document):
    """The prompter by its name in inference/registry.py. weights: key of the artifact where they are a team's own."""

    name: str = "boxwise"
    weights: str | None = None


class Prediction(Document):
    """classes: the project's class for each class of a detector that is used as it is; None where it has none."""

    detector_threshold: Annotated[float, PREDICTION["detector_threshold"]] = 0.3
    person_overlap: Annotated[float, PREDICTION["person_overlap"]] = 0.3
    classes: tuple[int | None, ...] | None = None


class Fusion(Document):
    """Settings of inference.fusion.Parameters, which says what each means; what is not given has its default there."""

    lam: Annotated[float, FUSION["lam"]] = 2.0
    theta: Annotated[float, FUSION["theta"]] = 25.0
    grid: Annotated[int, FUSION["grid"]] = 5
    components: Annotated[int, FUSION["components"]] = 2
    patch_px: int | None = None
    bits: Annotated[int, FUSION["bits"]] = 5
    minimum_pixels: Annotated[int, FUSION["minimum_pixels"]] = 300
    similarity: Literal["exponential", "gaussian"] = "exponential"
    trust: Annotated[float, FUSION["trust"]] = 0.0


class Instances(Document):
    """Settings of inference.instances, and the share below which a piece is a crumb (inference/crumbs.py).

    The defaults are those of rounds that do not name a setting: no rule for crumbs was there before it had a name.
    """

    method: Literal["geodesic", "kmeans", "watershed", "components"] = "geodesic"
    box_margin: Annotated[float, INSTANCES["box_margin"]] = 0.15
    fragments: Literal["keep", "split", "largest"] = "keep"
    smallest: Annotated[int, INSTANCES["smallest"]] = 0
    largest_hole: Annotated[int, INSTANCES["largest_hole"]] = 0
    crumbs: Annotated[float, INSTANCES["crumbs"]] = 0.0


class Model(Document):
    """Which detector or segmenter, and what it begins with.

    change      fields of the model's own settings or of its schedule that differ from the preset's
    start_from  key of the artifact whose weights it begins with
    as_is       the weights are used as they are: nothing is trained
    """

    name: str
    preset: str = "quick"
    change: dict[str, JsonValue] = {}
    start_from: str | None = None
    as_is: bool = False

    @model_validator(mode="after")
    def _changes_fit(self, info: ValidationInfo) -> "Model":
        if info.context is not limits.STORED:
            for name, value in self.change.items():
                if reason := limits.fault_of_change(self.name, name, value):
                    raise PydanticCustomError("out_of_bounds", "{reason}", {"reason": reason})
        return self


class Recipe(Document):
    """How a method that is trained as a whole is trained.

    change  numbers of limits.TRAINING that differ from the preset's
    """

    preset: str = "quick"
    change: dict[str, JsonValue] = {}

    @model_validator(mode="after")
    def _changes_fit(self, info: ValidationInfo) -> "Recipe":
        if info.context is not limits.STORED:
            for name, value in self.change.items():
                if reason := limits.fault_of_recipe(name, value):
                    raise PydanticCustomError("out_of_bounds", "{reason}", {"reason": reason})
        return self


class Beginnings(Document):
    """What stands beside the figures of a round because of the weights that it began with.

    elsewhere  kinds whose weights somebody brought along
    seen       judging images that taught one of the weights
    """

    elsewhere: tuple[str, ...] = ()
    seen: tuple[int, ...] = ()


class RoundConfiguration(Document):
    """Every parameter of a round. Rounds of before name fewer: what is not there has the default.

    method  of inference/documents/methods.py
    recipe  of a method that is trained as a whole; detector, segmenter and fusion are then not used
    """

    method: Literal["boxcell", "boxcell-points", "cellboxify", "des-sam", "insta-sam", "cfr-sam"] = "boxcell"
    device: Device = "auto"
    prompter: Prompter = Prompter()
    prediction: Prediction = Prediction()
    fusion: Fusion = Fusion()
    instances: Instances = Instances()
    detector: Model = Model(name="centre")
    segmenter: Model = Model(name="unet")
    recipe: Recipe | None = None
    evaluation: Beginnings | None = None

    @property
    def is_whole(self) -> bool:
        """Whether one stage trains the method, in place of a detector and a segmenter."""
        return METHODS[self.method].is_whole

    @property
    def own_threshold(self) -> float:
        """The score from which a found box counts. What a method trained as a whole finds has passed its own."""
        return 0.0 if self.is_whole else float(self.prediction.detector_threshold)

    @property
    def training(self) -> Recipe:
        """The recipe; of a method of parts, or where none was given, the usual one."""
        return self.recipe or Recipe()

    @property
    def learns_from_points(self) -> bool:
        """Whether a cell of which nobody has said how large it is teaches too."""
        return METHODS[self.method].labels[0] == "points"

    def model_of(self, kind: str) -> Model | None:
        """The detector or segmenter; None for a stage that trains nothing."""
        return {"detector": self.detector, "segmenter": self.segmenter}.get(kind)

    def architecture(self, kind: str) -> str:
        """What the model of a kind is by name: of a detector or segmenter its net, else the method."""
        model = self.model_of(kind)
        return model.name if model is not None else self.method

    def is_as_is(self, kind: str) -> bool:
        """Whether the weights of this kind are used as they are."""
        model = self.model_of(kind)
        return model is not None and model.as_is


def limit_of(path: tuple[str, ...]) -> Limit:
    """The bounds of the number at a place of a round's configuration, such as ("fusion", "lam").

    Raises KeyError for a place without a number that has bounds.
    """
    if "change" in path:
        return TRAINING[path[-1]]
    place: type[Document] = RoundConfiguration
    for step in path[:-1]:
        found = place.model_fields[step].annotation
        if not (isinstance(found, type) and issubclass(found, Document)):
            raise KeyError(path)
        place = found
    if path[-1] not in place.model_fields:
        return TRAINING[path[-1]]  # a setting that is spread over both models: the seed
    return next(one for one in place.model_fields[path[-1]].metadata if isinstance(one, Limit))


def check(configuration: RoundConfiguration) -> None:
    """Judge every number before the first stage. Raises OutOfBounds with all faults."""
    try:
        RoundConfiguration.model_validate(configuration.model_dump(exclude_unset=True))  # as JSON a NaN would be null
    except ValidationError as error:
        raise OutOfBounds("; ".join(_sentences(error))) from None


def _sentences(error: ValidationError) -> Iterator[str]:
    for path, sentence in faults(error):
        if path not in ("detector", "segmenter", "recipe"):
            yield f"{path} {sentence}"
        elif sentence.startswith("'"):  # 'yolo' has no setting 'steps'
            yield f"the {path} {sentence}"
        else:  # steps must be a whole number
            yield f"{path}.{sentence}"
