"""Methods by name, and the labels that each needs, as data: what form, API, commands and stages choose from."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

Kind = Literal["points", "boxes", "masks"]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHAPES: Mapping[Kind, tuple[Kind, ...]] = MappingProxyType(
    {"points": ("points", "boxes", "masks"), "boxes": ("boxes", "masks"), "masks": ("masks",)}
)  # which cells serve as labels of a kind: a box has a centre, and a mask has both

# The stages of a round, in order: of a method that is made of parts, and of one that is trained as a whole.
OF_PARTS = (
    "pseudo_masks",
    "detector",
    "segmenter",
    "prediction",
    "fusion",
    "instances",
    "evaluation",
    "publication",
)
AS_A_WHOLE = ("method", "prediction", "instances", "evaluation", "publication")
# Nets of the family whose encoder has blocks of one width, between which adapters fit.
BLOCK_NETS = (
    "boxwise-sam",
    "sam-vit-b",
    "sam-vit-l",
    "sam-vit-h",
    "medsam",
    "micro-sam-vit-b",
    "micro-sam-vit-l",
)


@dataclass(frozen=True)
class Method:
    """A method as it is registered.

    name         on the command line and in configurations
    title        as people read it
    description  one sentence: for whom it is
    labels       the kinds that it learns from, the usual one first
    least        so many cells with labels of the usual kind are needed to start
    module       what inference/methods/frame.py imports when the method is asked for; "" for a method of rounds alone
    options      parts and settings that the command line may choose, beside the preset
    rounds       whether a round of the site may use it
    stages       of such a round
    nets         of the Segment Anything family that it can compose, the usual one first; empty for a method without one
    large_net    the usual one with the preset "paper"
    own_start    whether it can be trained where this copy has no weights of boxwise-sam
    classes      whether it learns classes
    """

    name: str
    title: str
    description: str
    labels: tuple[Kind, ...]
    least: int
    module: str = ""
    options: tuple[str, ...] = ()
    rounds: bool = False
    stages: tuple[str, ...] = OF_PARTS
    nets: tuple[str, ...] = ()
    large_net: str = ""
    own_start: bool = False
    classes: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether one stage trains it, in place of a detector and a segmenter."""
        return "method" in self.stages

    def net_of(self, preset: str) -> str:
        """The net that a preset composes; "" for a method without one."""
        if not self.nets:
            return ""
        return self.large_net if preset == "paper" else self.nets[0]

    @property
    def bundle(self) -> str:
        """Name of the document that makes a folder a trained model of this method."""
        return f"{self.name}.json"

    def usable(self, cells: Mapping[Kind, int]) -> int:
        """How many cells serve as labels of the usual kind. cells: of each kind, each cell counted once."""
        return sum(cells.get(kind, 0) for kind in SHAPES[self.labels[0]])

    def missing(self, cells: Mapping[Kind, int]) -> int:
        """How many cells are missing; 0: it can start."""
        return max(0, self.least - self.usable(cells))


@dataclass(frozen=True)
class Predictor:
    """A model that was trained elsewhere and is used here as it is (inference/methods/external).

    name     of the command line; `boxwise models wrap NAME` makes a MODEL of it
    title, description  as of Method
    module   what inference/methods/frame.py imports when the model is used
    package  the distribution that has to be installed; "" for none
    extra    of Boxwise, which installs it
    licence  of the package's own published models, for orientation
    page     where these are
    """

    name: str
    title: str
    description: str
    module: str
    package: str = ""
    extra: str = ""
    licence: str = ""
    page: str = ""

    @property
    def bundle(self) -> str:
        return f"{self.name}.json"


BOXCELL = Method(
    name="boxcell",
    title="BoxCell",
    description="learns from boxes around every cell of a region",
    labels=("boxes",),
    least=1,
    module="inference.methods.boxcell",
    options=("prompter", "detector", "segmenter", "self_training"),
    rounds=True,
    classes=True,
)
BOXCELL_POINTS = Method(
    name="boxcell-points",
    title="BoxCell from points",
    description="learns from a point in every cell of a region: a click gives each cell its mask, and the mask its box",
    labels=("points",),
    least=20,
    rounds=True,
    classes=True,
)
CELLBOXIFY = Method(
    name="cellboxify",
    title="CellBoxify",
    description="learns polygons from boxes alone, in one network",
    labels=("boxes",),
    least=1,
    module="inference.methods.cellboxify",
    rounds=True,
    stages=AS_A_WHOLE,
    classes=True,
)
INSTA_SAM = Method(
    name="insta-sam",
    title="InstaSAM",
    description="learns from a point in every cell, and finds cells without any prompt",
    labels=("points",),
    least=20,
    module="inference.methods.insta_sam",
    options=("prompter",),
    rounds=True,
    stages=AS_A_WHOLE,
    nets=BLOCK_NETS,
    large_net="sam-vit-h",
)
DES_SAM = Method(
    name="des-sam",
    title="DES-SAM",
    description="learns from boxes beside a net of the Segment Anything family, which stays as it is",
    labels=("boxes",),
    least=20,
    module="inference.methods.des_sam",
    options=("prompter",),
    rounds=True,
    stages=AS_A_WHOLE,
    nets=(*BLOCK_NETS, "mobile-sam", "micro-sam-vit-t"),
    large_net="sam-vit-b",
)
CFR_SAM = Method(
    name="cfr-sam",
    title="CFR-SAM",
    description="learns masks and classes from verified masks with classes",
    labels=("masks",),
    least=200,
    module="inference.methods.cfr_sam",
    options=("prompter",),
    rounds=True,
    stages=AS_A_WHOLE,
    nets=BLOCK_NETS,
    large_net="sam-vit-h",
    own_start=True,
    classes=True,
)
REGISTERED = (BOXCELL, BOXCELL_POINTS, CELLBOXIFY, DES_SAM, INSTA_SAM, CFR_SAM)
# Those that a round of the site may use, and those that files can be trained with.
METHODS: Mapping[str, Method] = MappingProxyType({one.name: one for one in REGISTERED if one.rounds})
TRAINABLE: Mapping[str, Method] = MappingProxyType({one.name: one for one in REGISTERED if one.module})
DEFAULT = BOXCELL.name
# Models of other people: what a wrapped one may be.
EXTERNAL = (
    Predictor(
        name="cellpose",
        title="Cellpose",
        description="a Cellpose model from its file, by the package cellpose",
        module="inference.methods.external.cellpose",
        package="cellpose",
        extra="cellpose",
        licence="BSD-3-Clause; the published models cpsam: CC BY-NC",
        page="https://github.com/MouseLand/cellpose",
    ),
    Predictor(
        name="stardist",
        title="StarDist",
        description="a StarDist model from its folder, by the package stardist and TensorFlow",
        module="inference.methods.external.stardist",
        package="stardist",
        extra="stardist",
        licence="BSD-3-Clause",
        page="https://github.com/stardist/stardist",
    ),
    Predictor(
        name="instanseg",
        title="InstanSeg",
        description="an InstanSeg model from its TorchScript file, by the package instanseg-torch",
        module="inference.methods.external.instanseg",
        package="instanseg-torch",
        extra="instanseg",
        licence="Apache-2.0",
        page="https://github.com/instanseg/instanseg",
    ),
    Predictor(
        name="http",
        title="A model elsewhere",
        description="a model that another machine runs: it is sent an image or a tile and answers with cells",
        module="inference.methods.external.remote",
    ),
)
PREDICTORS: Mapping[str, Predictor] = MappingProxyType({one.name: one for one in EXTERNAL})
# Prompters that a round may use: name -> as people read it. All but those WITHOUT_CHECKPOINT need one on the worker.
PROMPTERS: Mapping[str, str] = MappingProxyType(
    {
        "boxwise": "Boxwise, comes with the program",
        "boxwise-sam": "Boxwise SAM, encodes once, comes with the program",
        "grabcut": "GrabCut, without weights",
        "sam-vit-b": "Segment Anything, ViT-B",
        "sam-vit-l": "Segment Anything, ViT-L",
        "sam-vit-h": "Segment Anything, ViT-H (the paper's)",
        "mobile-sam": "MobileSAM, Tiny-ViT",
        "sam2-tiny": "SAM 2, Hiera tiny",
        "sam2-small": "SAM 2, Hiera small",
        "sam2-base-plus": "SAM 2, Hiera base+",
        "sam2-large": "SAM 2, Hiera large",
        "sam2.1-tiny": "SAM 2.1, Hiera tiny",
        "sam2.1-small": "SAM 2.1, Hiera small",
        "sam2.1-base-plus": "SAM 2.1, Hiera base+",
        "sam2.1-large": "SAM 2.1, Hiera large",
        "medsam": "MedSAM, ViT-B",
        "micro-sam-vit-t": "micro-SAM, Tiny-ViT",
        "micro-sam-vit-b": "micro-SAM, ViT-B",
        "micro-sam-vit-l": "micro-SAM, ViT-L",
    }
)
WITHOUT_CHECKPOINT = ("boxwise", "boxwise-sam", "grabcut")
