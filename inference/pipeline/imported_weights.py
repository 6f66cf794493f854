"""Weights that somebody brings along: a safetensors file, or a folder as a round's "Models and card" is, as a zip.

What a file says of itself is not believed: names and shapes must be those of the architecture, the numbers finite,
and the model must answer for an empty picture before anybody trains on from it or uses it.
"""

import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import JsonValue
from safetensors import SafetensorError, safe_open

from inference import registry
from inference.documents.configuration import Model
from inference.pipeline.units import trainer_of
from inference.types import InferenceError, Prompts
from inference.weights import files, sha256

KINDS = ("detector", "segmenter")
NET = "sam"  # a net of the Segment Anything family, whichever
SAM_OF_WIDTH = {768: "sam-vit-b", 1024: "sam-vit-l", 1280: "sam-vit-h"}
BUNDLE, CARD = "boxcell.json", "README.md"
MOST_TEXT = 256 * 1024  # bytes of the settings and of the card
MOST_CLASSES = 1000
# Settings that decide how much memory a prediction takes; what no preset comes near is no honest setting.
BOUNDS = {"side": 4096, "tile": 4096, "enlarge": 8, "scale": 16, "batch": 1024}


@dataclass(frozen=True)
class Found:
    """One weight file that fits its architecture.

    kind, name  of inference.registry.TRAINERS; "prompter" and a name of the catalogue for a net that prompts
    model       what the file calls itself, "centre-1"
    classes     of a detector; 1 of a segmenter
    settings    as the trainer wrote them
    """

    path: Path
    kind: str
    name: str
    model: str
    classes: int
    settings: dict[str, Any]
    sha256: str


@dataclass(frozen=True)
class Brought:
    """What was brought along: its weight files, what the folder says of itself, and its card; empty for a bare file."""

    found: list[Found]
    about: dict[str, Any] = field(default_factory=dict)
    card: str = ""


def opened(path: Path, folder: Path, *, limit: int) -> Brought:
    """A safetensors file, or a zip with detector.safetensors, segmenter.safetensors or both.

    folder  empty, for what is unpacked
    limit   bytes that the unpacked weights may have; a zip may say less than it holds

    Raises BadWeights with a sentence that says what does not fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not zipfile.is_zipfile(path):
        target = folder / "weights.safetensors"  # of its own: a model may put its settings beside its file
        shutil.copyfile(path, target)
        return Brought([inspect(target)])
    try:
        with zipfile.ZipFile(path) as archive:
            parts = {kind: _unpacked(archive, f"{kind}.safetensors", folder, limit) for kind in KINDS}
            about, card = _text(archive, BUNDLE), _text(archive, CARD)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError) as error:
        raise files.BadWeights(f"the zip is damaged: {error}") from error
    try:
        promised_facts = json.loads(about, parse_constant=_no_number) if about else {}
    except ValueError as error:
        raise files.BadWeights(f"{BUNDLE} is no JSON: {error}") from error
    if not isinstance(promised_facts, dict):
        raise files.BadWeights(f"{BUNDLE} must be an object")
    found = [inspect(part) for part in parts.values() if part is not None]
    if not found:
        raise files.BadWeights("the folder holds neither detector.safetensors nor segmenter.safetensors")
    promised = promised_facts.get("sha256")
    for one in found:
        if one.path.stem != one.kind:
            raise files.BadWeights(f"{one.path.name} holds a {one.kind}, {one.model}")
        if isinstance(promised, dict) and promised.get(one.kind, one.sha256) != one.sha256:
            raise files.BadWeights(f"{one.path.name} is damaged: its sha256 is not the one that {BUNDLE} names")
    return Brought(found, promised_facts, card)


def inspect(path: Path) -> Found:
    """What the file is, once it was found to fit and to work. Raises BadWeights."""
    about = description(path)
    model = str(about.get("model", ""))
    if model not in registry.MODELS and has_mask_decoder(path):
        return inspect_net(path)
    if model not in registry.MODELS:
        known = ", ".join(sorted(registry.MODELS))
        if not model:
            raise files.BadWeights(
                f"{path.name} does not say which model it is of. Write it anew with its description: boxwise models "
                f"convert FILE --as NAME -o OUT, where NAME is one of {', '.join(names())}"
            )
        raise files.BadWeights(f"{path.name} holds {model!r}; the architectures that are known: {known}")
    kind, name = registry.MODELS[model]
    _bounded(about, path)
    try:
        made = registry.trainer(kind, name, device="cpu").load(path)
        answer = _tried(kind, made)
    except files.BadWeights:
        raise
    except (InferenceError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise files.BadWeights(f"{path.name} does not work as {model}: {reason}") from error
    if not np.isfinite(answer).all():
        raise files.BadWeights(f"{path.name} answers with numbers that are not finite")
    classes = int(about.get("classes", 1)) if kind == "detector" else 1
    return Found(path, kind, name, model, classes, dict(about["settings"]), sha256(path))


def has_mask_decoder(path: Path) -> bool:
    """Whether the tensors look like those of a net of the Segment Anything family; none is read."""
    with safe_open(path, framework="np") as file:
        return any("mask_decoder." in name for name in file.keys())  # noqa: SIM118  (not a dict)


def inspect_net(path: Path) -> Found:
    """A net of the Segment Anything family, known by its tensors, once it has answered a box. Raises BadWeights."""
    from inference.prompters.sam import Sam  # here and not above: a detector needs none of it

    name = family_of(path)
    try:
        prompter = Sam(path, device="cpu", name=name)
        grey = np.full((64, 64, 3), 200, np.uint8)
        answer = prompter.decode(prompter.encode(grey), Prompts(boxes=np.array([[16.0, 16.0, 48.0, 48.0]])))
    except files.BadWeights:
        raise
    except (InferenceError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise files.BadWeights(f"{path.name} does not work as {name}: {reason}") from error
    if not np.isfinite(answer.scores).all():
        raise files.BadWeights(f"{path.name} answers with numbers that are not finite")
    return Found(path, "prompter", name, f"{name}, own weights", 1, {}, sha256(path))


def family_of(path: Path) -> str:
    """The name under which a net of this size is known (inference/weights/catalogue.py). Raises BadWeights."""
    from inference.prompters.sam_nets import HIERA, HIERAS, TINY_VIT, Architecture, Hiera

    state = {name.removeprefix("sam."): value for name, value in files.read_checkpoint(path).items()}
    if HIERA in state:
        shape = Hiera.of(state, path.name)
        return next(f"sam2.1-{size}" for size, known in HIERAS.items() if known == shape)
    if TINY_VIT in state:
        return "mobile-sam"
    width = Architecture.of(state, path.name).width
    if width not in SAM_OF_WIDTH:
        widths = ", ".join(map(str, SAM_OF_WIDTH))
        raise files.BadWeights(f"{path.name} is a Segment Anything net of width {width}; known are {widths}")
    return SAM_OF_WIDTH[width]


def convert(
    path: Path,
    name: str,
    target: Path,
    *,
    classes: int = 1,
    preset: str = "quick",
    change: Mapping[str, JsonValue] | None = None,
) -> Found:
    """Somebody's checkpoint (safetensors, or a pickle that holds nothing but tensors) as a file that can be brought
    along: with its description, without anything that could run.

    name     of the architecture, as in inference.registry
    classes  of a detector
    preset, change  the settings it was trained with: a preset's, and what differs from them

    Raises BadWeights; nothing is written then.
    """
    if name == NET:
        return _converted_net(path, target)
    model, (kind, _) = next(((m, kn) for m, kn in registry.MODELS.items() if kn[1] == name), ("", ("", "")))
    if not model:
        raise registry.UnknownModel(f"there is no architecture {name!r}; there are {', '.join(names())}")
    made: Any = trainer_of(kind, Model(name=name, preset=preset, change=dict(change or {})))
    about: dict[str, Any] = {"model": model, "settings": asdict(made.settings)}
    about |= {"classes": classes} if kind == "detector" else {}
    about |= {"scale": 1.0} if name == "yolo" else {}
    state = files.read_checkpoint(path)
    aside = target.with_name(target.name + ".unchecked.safetensors")
    try:
        found = inspect(files.save(aside, state, about))
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return replace(found, path=target)


def _converted_net(path: Path, target: Path) -> Found:
    """A checkpoint of the Segment Anything family as safetensors. Raises BadWeights; nothing is written then."""
    state = files.read_checkpoint(path)
    aside = target.with_name(target.name + ".unchecked.safetensors")
    try:
        found = inspect(files.save(aside, state, {"model": NET}))
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return replace(found, path=target)


def names() -> list[str]:
    """Of every architecture, as people say them."""
    return sorted([NET, *(name for _, name in registry.MODELS.values())])


def description(path: Path) -> Mapping[str, Any]:
    """What the file says of itself; no tensor is read. Raises BadWeights."""
    try:
        with safe_open(path, framework="np") as file:
            text = (file.metadata() or {}).get("boxwise", "{}")
        about = json.loads(text, parse_constant=_no_number)
        if "\\u0000" in text:
            raise ValueError("a NUL in its description")
    except (OSError, SafetensorError, ValueError) as error:
        raise files.BadWeights(f"{path.name} is no whole safetensors file: {error}") from error
    if not isinstance(about, dict):
        raise files.BadWeights(f"{path.name} describes itself by something that is no object")
    return about


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _bounded(about: Mapping[str, Any], path: Path) -> None:
    """Nothing that is built before the shapes are compared may be large because the file says so."""
    settings = about.get("settings")
    if not isinstance(settings, dict):
        raise files.BadWeights(f"{path.name} does not say with which settings it was trained")
    classes = about.get("classes", 1)
    if type(classes) is not int or not 1 <= classes <= MOST_CLASSES:
        raise files.BadWeights(f"{path.name} says that it has {str(classes)[:20]} classes; 1 to {MOST_CLASSES} can be")
    for setting, most in BOUNDS.items():
        value = about.get(setting, settings.get(setting, 1))
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            raise files.BadWeights(f"{path.name} has the setting {setting} = {str(value)[:20]}; at most {most} can be")


def _tried(kind: str, model: Any) -> np.ndarray[Any, Any]:
    """What the model answers for a grey picture of 64 x 64 px."""
    grey = np.full((64, 64, 3), 200, np.uint8)
    if kind == "detector":
        found = model.detect(grey)
        return np.concatenate([found.boxes.ravel(), found.scores.ravel()])
    answer: np.ndarray[Any, Any] = model.foreground(grey)
    return answer


def _unpacked(archive: zipfile.ZipFile, name: str, folder: Path, limit: int) -> Path | None:
    """The one member of that name, in whatever folder it lies, under its plain name; None: there is none."""
    member = _member(archive, name)
    if member is None:
        return None
    path, left = folder / name, limit
    with archive.open(member) as source, path.open("wb") as target:
        while block := source.read(1 << 20):
            left -= len(block)
            if left < 0:
                raise files.BadWeights(f"{name} is larger than {limit // 2**20} MiB unpacked")
            target.write(block)
    return path


def _text(archive: zipfile.ZipFile, name: str) -> str:
    member = _member(archive, name)
    if member is None:
        return ""
    with archive.open(member) as source:
        content = source.read(MOST_TEXT + 1)
    if len(content) > MOST_TEXT:
        raise files.BadWeights(f"{name} is larger than {MOST_TEXT // 1024} KiB")
    return content.decode(errors="replace").replace("\0", "")


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo | None:
    found = [one for one in archive.infolist() if one.filename.replace("\\", "/").rpartition("/")[2] == name]
    if len(found) > 1:
        raise files.BadWeights(f"the zip holds {name} {len(found)} times")
    return found[0] if found else None
