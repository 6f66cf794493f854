"""A model from elsewhere as a MODEL of Boxwise: a folder with its file, its settings, and what a person says of it.

A predictor's module has

    METHOD      name and version, as the document keeps it
    NEEDS_FILE  whether there is a file of weights
    Settings    a frozen dataclass; what `boxwise models wrap --set NAME=VALUE` may change
    load(folder, device=...) -> a Trained (inference/methods/frame.py)
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.documents.methods import Predictor
from inference.methods.frame import Instances, imported, read_bundle, write_bundle
from inference.methods.installed import installed, predictors
from inference.training.kept import Settings, restored
from inference.types import Classes, InferenceError, Scores
from inference.weights import sha256

CARD = """# {title}

{description}

| | |
|---|---|
| file | {file} |
| sha256 | {sha256} |
| licence | {licence} |
| source | {source} |
| trained on | {trained_on} |
| settings | {settings} |

Boxwise did not train this model and has not measured it. `boxwise evaluate` compares its masks with reference masks.
"""


@dataclass(frozen=True)
class Origin:
    """What a person says of a model from elsewhere; it goes wherever the model's cells go.

    licence     under which it may be used
    source      where it comes from: an address, a paper, a colleague
    trained_on  the images it learned from; "" where nobody knows
    """

    licence: str
    source: str
    trained_on: str = ""

    def __post_init__(self) -> None:
        if not self.licence.strip() or not self.source.strip():
            raise ValueError("a model from elsewhere needs its licence and its source")


@dataclass(frozen=True)
class Opened:
    """file: the weights, or the folder itself for a model without any; digest: the head of their sha256"""

    file: Path
    settings: Any
    origin: Origin
    digest: str


def predictor_of(name: str) -> Predictor:
    """Raises InferenceError for a name that is not registered, or of a package that cannot be used."""
    every = predictors()
    if name in every:
        return every[name]
    fault = installed().faults.get(name)
    raise InferenceError(fault or f"there is no predictor {name!r}; there are {', '.join(every)}")


def wrap(
    name: str,
    file: Path | None,
    origin: Origin,
    *,
    output: Path,
    changes: Mapping[str, object],
) -> Path:
    """Write a MODEL -> output.

    file     the weights, a file or a folder; they are copied
    changes  settings that differ from the module's own

    Raises InferenceError with the cause and the remedy; nothing is written then.
    """
    predictor = predictor_of(name)
    module = imported(predictor)
    if module.NEEDS_FILE and file is None:
        raise InferenceError(f"{predictor.title} needs the file of the model: --weights FILE")
    if file is not None and not module.NEEDS_FILE:
        raise InferenceError(f"{predictor.title} takes no --weights")
    if file is not None and not file.exists():
        raise InferenceError(f"there is no {file}")
    try:
        settings = restored(module.Settings, dict(changes))
    except (ValueError, TypeError) as error:
        sentence = str(error).removeprefix(": Value error, ")  # pydantic's words before a dataclass's own
        raise InferenceError(f"these settings cannot be: {sentence}") from error
    output.mkdir(parents=True, exist_ok=True)
    kept = file.name if file is not None else ""
    digest = ""
    if file is not None:
        copied(file, output / kept)
        digest = digest_of(output / kept)
    about = {
        "method": module.METHOD,
        "weights": kept,
        "sha256": digest,
        "origin": asdict(origin),
        "settings": asdict(settings),
    }
    rows = asdict(origin) | {"file": kept or "none", "sha256": digest or "none", "settings": asdict(settings)}
    rows["trained_on"] = origin.trained_on or "not known"
    card = CARD.format(title=predictor.title, description=predictor.description.capitalize(), **rows)
    (output / "card.md").write_text(card, encoding="utf-8")
    return write_bundle(output, name, about)


def copied(file: Path, target: Path) -> None:
    """Copy a file or a folder. Raises InferenceError."""
    if target.exists():
        raise InferenceError(f"{target} is there already; name an empty folder")
    try:
        if file.is_dir():
            shutil.copytree(file, target)
        else:
            shutil.copyfile(file, target)
    except OSError as error:
        raise InferenceError(f"{file} cannot be copied: {error}") from error


def digest_of(path: Path) -> str:
    """The sha256 of a file; of a folder, that of the names and hashes of its files."""
    if path.is_file():
        return sha256(path)
    digest = hashlib.sha256()
    for one in sorted(path.rglob("*")):
        if one.is_file():
            digest.update(f"{one.relative_to(path).as_posix()} {sha256(one)}\n".encode())
    return digest.hexdigest()


def opened(folder: Path, name: str, method: str, kind: type[Settings]) -> Opened:
    """What `wrap` wrote. Raises InferenceError, also where the weights are not the ones that were wrapped."""
    about: Any = read_bundle(folder, name, method)  # untyped: its faults are caught here
    try:
        settings = restored(kind, about["settings"])
        origin = Origin(**about["origin"])
        file = folder / Path(about["weights"]).name if about["weights"] else folder
        wanted = str(about["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise InferenceError(f"{folder.name} is no model from elsewhere: {error}") from error
    if not file.exists():
        raise InferenceError(f"{folder.name} lacks its weights {file.name}")
    if file != folder and digest_of(file) != wanted:
        raise InferenceError(f"{file.name} is not the file that was wrapped; run boxwise models wrap again")
    return Opened(file, settings, origin, wanted[:8])


def package_version(name: str) -> str:
    """Of the package of a predictor. Raises InferenceError with the remedy where it is not installed."""
    predictor = predictor_of(name)
    try:
        return version(predictor.package)
    except PackageNotFoundError as error:
        wanted = f"boxwise[{predictor.extra}]" if predictor.extra else predictor.package
        raise InferenceError(
            f"{predictor.title} needs the package {predictor.package}: pip install '{wanted}'"
        ) from error


@contextmanager
def blamed(title: str, doing: str) -> Iterator[None]:
    """Somebody else's program fails in its own ways: each becomes one sentence. Raises InferenceError."""
    try:
        yield
    except InferenceError:
        raise
    except Exception as error:
        raise InferenceError(f"{title} failed {doing}: {type(error).__name__}: {error}") from error


def instances_of(
    labels: npt.NDArray[Any],
    shape: tuple[int, int],
    *,
    scores: Scores | None = None,
    classes: Classes | None = None,
    title: str,
) -> Instances:
    """What a model found, checked.

    labels   (H, W) whole numbers, 0 is background
    shape    of the image
    scores   (n,) of the ids 1..n; without them every cell has the score 1
    classes  (n,), alike; without them every cell has the class 0

    Raises InferenceError where the map does not fit the image.
    """
    if labels.shape != shape:
        raise InferenceError(f"{title} answered with a map of {labels.shape} for an image of {shape}")
    if labels.min(initial=0) < 0 or labels.max(initial=0) > labels.size:
        raise InferenceError(f"{title} answered with ids from {labels.min()} to {labels.max()}, which are no cells")
    whole = labels.astype(np.int32)
    if (whole != labels).any():
        raise InferenceError(f"{title} answered with a map of fractions, which are no ids")
    if scores is None:
        _, packed = np.unique(whole, return_inverse=True)
        whole = packed.reshape(shape).astype(np.int32) + (0 if (whole == 0).any() else 1)
        scores = np.ones(int(whole.max(initial=0)), np.float32)
    if classes is None:
        classes = np.zeros(len(scores), np.int64)
    if whole.max(initial=0) > len(scores) or len(classes) != len(scores):
        raise InferenceError(f"{title} answered with {len(scores)} scores for ids up to {whole.max()}")
    return Instances(whole, scores, classes)


class External:
    """The part of a Trained that all predictors share."""

    def __init__(self, name: str, package: str, found: Opened) -> None:
        self.title = predictor_of(name).title
        self.settings: Any = found.settings
        weights = f" {found.file.name}-{found.digest}" if found.digest else ""
        self.models: Mapping[str, str] = {"net": f"{package}{weights}"}
        self.origin: Mapping[str, str] = {
            "licence": found.origin.licence,
            "source": found.origin.source,
            "trained_on": found.origin.trained_on or "not known",
        }
