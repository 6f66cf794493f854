"""boxcell.json: a finished round as a folder that `boxwise predict` runs elsewhere and another Boxwise imports."""

from collections.abc import Mapping, Sequence

from inference.documents.base import Document
from inference.documents.configuration import Fusion


class BundleSettings(Document):
    """What the method was made with (inference/methods/boxcell.py)."""

    prompter: str
    detector: str
    segmenter: str
    preset: str
    classes: int
    fusion: Fusion
    least_area: int


class Bundle(Document):
    """sha256, parts: of the weight files, by kind.

    class_names  of a detector that knows several, in its own order
    licences     kind -> (version, licence of what it learned from), forebears included
    """

    method: str
    sha256: Mapping[str, str]
    class_names: Sequence[str]
    licences: Mapping[str, Sequence[tuple[str, str]]]
    prompter: str
    parts: Mapping[str, str]
    settings: BundleSettings
