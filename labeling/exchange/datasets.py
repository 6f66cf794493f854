"""Loading a folder of reference data as a project: boxes from its labels, its masks kept for evaluation only.

The layout (docs/demo.md): images/NAME.png, labels/NAME.png (16-bit instance ids), dataset.json with splits.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from inference.datasets import Dataset, Stated, layout_of, open_dataset
from inference.documents.origins import stated_fact
from inference.masks import boxes_of, cells_of
from inference.types import RGB, InferenceError, Labels
from labeling.accounts.models import User
from labeling.exchange.restoring import is_export, load_export, project_name
from labeling.exchange.seeding import CannotLoad, draw, owned_project, png
from labeling.images.models import Split
from labeling.images.services import add_image
from labeling.projects.models import Project
from labeling.projects.services import create_project
from labeling.rounds.models import ReferenceSet
from labeling.rounds.reference import lock

# Pixels that one round should see, training and validation together, so that it ends within 5 minutes on two cores.
# The quick preset took 141 s of one core on 24 fields of 512 px with 1512 boxes, 115 s of it for training, whose steps
# do not grow with the number of fields.
ROUND_PIXELS = 24 * 512 * 512
LEFT_OPEN = 4  # every fourth training image is left without boxes, for the models to propose on
ID_LIMIT = 65_535  # of a 16-bit label map
Say = Callable[[str], Any]


@dataclass(frozen=True)
class Chosen:
    """Which images of a data set are loaded: names in the order of the files."""

    train: tuple[str, ...]
    open: tuple[str, ...]  # of the training split, left without boxes
    val: tuple[str, ...]


def with_layout(path: Path) -> Path:
    """The folder, or an export unfolded, with images, labels and dataset.json in it. Raises CannotLoad."""
    layout = "the layout is images/NAME.png, labels/NAME.png and dataset.json (docs/demo.md)"
    if not path.exists():
        raise CannotLoad(f"there is no folder {path}; give the folder that holds dataset.json, or an export")
    try:
        folder = layout_of(path)
    except InferenceError as error:
        raise CannotLoad(f"{error}; {layout}") from None
    if not any((folder / "images").glob("*.png")):
        if folder != path:
            raise CannotLoad(f"{path} holds no images; export it again with the images")
        raise CannotLoad(f"{folder / 'images'} holds no PNG file; {layout}")
    if not any((folder / "labels").glob("*.png")) and not any((folder / "labels").glob("*.tif")):
        raise CannotLoad(f"{folder / 'labels'} holds no PNG or TIFF file; {layout}")
    return folder


def read_folder(path: Path, kind: str | None = None) -> tuple[Dataset, Stated, str | None]:
    """The data set in a folder, the content of its dataset.json, and the kind of image that was kept (None for all).

    kind  keeps images of this kind only; without it, of a set with several kinds, the commonest

    The images are not read yet. Raises CannotLoad with the name of what is missing and what to do.
    """
    path = with_layout(path)
    try:
        about = json.loads((path / "dataset.json").read_text())
    except (ValueError, OSError) as error:
        raise CannotLoad(f"{path / 'dataset.json'} is no JSON ({error}); mend it or take a fresh copy") from None
    entries = about.get("per_image", {}) if isinstance(about, dict) else None
    if not isinstance(entries, dict) or not isinstance(about.get("splits", {}), dict):
        raise CannotLoad(f"{path / 'dataset.json'} must be an object, and so must its per_image and splits")
    # Some sets describe a split in words instead of listing its names.
    lists = [
        names for split in (Split.TRAIN, Split.VAL) if isinstance(names := about.get("splits", {}).get(split), list)
    ]
    for name in itertools.chain(*lists):
        image = path / "images" / f"{name}.png"
        if not image.is_file():
            raise CannotLoad(f"{image} is missing, though dataset.json names it; add it")
    kinds = Counter(entry["kind"] for entry in entries.values() if isinstance(entry, dict) and "kind" in entry)
    if kind is None and len(kinds) > 1:
        kind = kinds.most_common(1)[0][0]
    if kind is not None and kind not in kinds:
        known = ", ".join(kinds) or "none"
        raise CannotLoad(f"{path / 'dataset.json'} has no images of kind {kind}; it has {known}: choose with --kind")
    try:
        return open_dataset(path, kind=kind), about, kind
    except InferenceError as error:
        raise CannotLoad(str(error)) from None


def choose(dataset: Dataset, about: Stated, images: int | None) -> Chosen:
    """`images` of the training split and all of validation.

    The first of every patient, then the second of every patient, and so on: few images of many patients teach more than
    many of one. Without a number, as many as a round takes in its 5 minutes beside the validation images, at least
    four. The last quarter of the training images is left open, one at least when there are two.
    """
    train, val = _in_turns(dataset, about, dataset.split(Split.TRAIN)), dataset.split(Split.VAL)
    if images is not None and images < 1:
        raise CannotLoad(f"--images takes a number from 1 on, not {images}")
    if images is None:
        room = ROUND_PIXELS - sum(_pixels(dataset, name) for name in val)
        images = 0
        for name in train:
            room -= _pixels(dataset, name)
            if room < 0:
                break
            images += 1
        images = max(images, 4)
    train = train[:images]
    if not train:
        raise CannotLoad(f"{dataset.path / 'dataset.json'} names no image for training that images/ holds")
    left = max(1, len(train) // LEFT_OPEN) if len(train) > 1 else 0
    return Chosen(train[: len(train) - left], train[len(train) - left :], val)


@transaction.atomic
def load_dataset(
    *, owner: User, path: Path, images: int | None = None, kind: str | None = None, say: Say = print
) -> Project:
    """A project of `owner` with the images of a folder, made at the first call; later ones change nothing.

    Boxes are the tight boxes of the labels, drawn through the log; each annotated image is declared exhaustive as a
    whole. Every file is read and checked before anything is written. Raises CannotLoad.
    """
    dataset, about, kind = read_folder(path.expanduser().absolute(), kind)
    if is_export(about):
        return load_export(owner=owner, dataset=dataset, about=about, name=project_name(path, about))
    title = str(about.get("name") or dataset.name)
    name = f"{title} ({dataset.name}{f', {kind}' if kind else ''})"[:200]
    project = owned_project(owner=owner, name=name)
    if project is not None:
        say(f'The project "{name}" is there already; nothing was changed.')
        return project
    chosen = choose(dataset, about, images)
    wanted = [*chosen.train, *chosen.open, *chosen.val]
    say(f"Reading {len(wanted)} images of {title} ...")
    for image_name in wanted:
        read(dataset, image_name)
    project = create_project(owner=owner, name=name, description=describe(about), records_activity=True)
    scale = _number(about.get("mpp"))
    cells = 0
    for image_name in wanted:
        rgb, labels = read(dataset, image_name)
        entry = dataset.entries.get(image_name, {})
        image = add_image(
            project=project,
            name=f"{image_name}.png",
            content=png(rgb),
            is_original=False,  # the pixels of the file, written anew
            patient=patient_of(image_name, entry, about),
            centre=stated_of("centre", entry, about),
            block=stated_of("block", entry, {}),
            slide=stated_of("slide", entry, {}),
            scanner=stated_of("scanner", entry, about),
            stain=stated_of("stain", entry, about),
            may_divide=True,
            um_per_px=_number(entry.get("um_per_px")) or scale,
            split=Split.VAL if image_name in chosen.val else Split.TRAIN,
            reference=labels,
        )
        if image_name not in chosen.open:
            boxes = boxes_of([mask for _, mask in cells_of(labels)])
            whole = [(0, 0, image.width, image.height)]
            cells += draw(image=image, owner=owner, cells=boxes.tolist(), exhaustive=whole)
    if chosen.val:
        lock(project=project, by=owner, origin=ReferenceSet.Origin.PUBLISHED, note=str(about.get("citation") or ""))
    say(_summary(name, dataset, chosen, cells))
    return project


def read(dataset: Dataset, name: str) -> tuple[RGB, Labels]:
    """One image and its labels, checked to fit each other. Raises CannotLoad with the file's name."""
    image, label = dataset.path / "images" / f"{name}.png", dataset.path / "labels" / f"{name}.png"
    if not label.is_file():
        raise CannotLoad(f"{label} is missing; add it, or take {image} out")
    rgb = _image(dataset, name)
    try:
        labels = dataset.labels(name)
    except InferenceError as error:
        raise CannotLoad(f"in {dataset.path / 'labels'}: {error}; take a fresh copy of it") from None
    if labels.shape != rgb.shape[:2]:
        raise CannotLoad(
            f"{label} has {labels.shape[1]} x {labels.shape[0]} px and {image} has {rgb.shape[1]} x {rgb.shape[0]}; "
            "export the labels at the size of the image"
        )
    if labels.min() < 0 or labels.max() > ID_LIMIT:
        raise CannotLoad(f"{label} holds ids outside 0 to {ID_LIMIT}; save it as a 16-bit PNG")
    return rgb, labels


def patient_of(name: str, entry: Stated, about: Stated) -> str:
    """The patient of an image; empty when the data set does not say.

    From the image's own entry (patient, or group as it was called before), or, when the splits are said to be by
    patient, from the part of the name before its last underscore ("09_3" is of patient 09).
    """
    stated = stated_fact(entry, "patient")
    if stated:
        return str(stated)[:200]
    if entry.get("slide"):
        return ""  # known by the slide
    by_patient = str(about.get("splits", {}).get("by", "")).startswith("patient")
    return name.rpartition("_")[0] if by_patient else ""


def stated_of(fact: str, entry: Stated, about: Stated) -> str:
    """What is said of an image: in its own entry, else of the whole set; empty when neither says so in text."""
    text = stated_fact(entry, fact) or stated_fact(about, fact)
    return " ".join(text.split())[:200] if isinstance(text, str) else ""


def _in_turns(dataset: Dataset, about: Stated, names: Sequence[str]) -> tuple[str, ...]:
    """The names, those first that are the first of their patient, then the second ones; else in their order."""
    seen: Counter[str] = Counter()
    turns: list[tuple[int, int, str]] = []
    for name in names:
        entry = dataset.entries.get(name, {})
        patient = patient_of(name, entry, about) or stated_of("slide", entry, {})
        turns.append((seen[patient], len(turns), name))
        seen[patient] += 1
    return tuple(name for _, _, name in sorted(turns))


def describe(about: Stated) -> str:
    """What people should know of the data, as far as dataset.json says it."""
    parts = [f"{key.capitalize()}: {about[key]}." for key in ("tissue", "modality", "citation") if about.get(key)]
    parts.append(f"Licence: {about.get('license') or 'not stated'}.")
    parts.append("Boxes come from the set's reference labels; its masks are kept for evaluation only.")
    return " ".join(parts)


def _summary(name: str, dataset: Dataset, chosen: Chosen, cells: int) -> str:
    train, val = len(chosen.train) + len(chosen.open), len(chosen.val)
    of_train = len(dataset.split(Split.TRAIN))
    more = "" if train == of_train else " (more with --images)"
    validation = f"all {val} for validation" if val else "none for validation, since dataset.json names none"
    return (
        f'Loaded "{name}": {train} of {of_train} training images{more} and {validation}; {cells} boxes, '
        f"{len(chosen.open)} of the training images without boxes, for the models to propose on."
    )


def _pixels(dataset: Dataset, name: str) -> int:
    entry: Sequence[Any] = [dataset.entries.get(name, {}).get(side) for side in ("width", "height")]
    if all(isinstance(side, int) for side in entry):
        return int(entry[0]) * int(entry[1])
    height, width = _image(dataset, name).shape[:2]
    return height * width


def _image(dataset: Dataset, name: str) -> RGB:
    try:
        return dataset.image(name)
    except InferenceError as error:
        raise CannotLoad(f"in {dataset.path / 'images'}: {error}; take a fresh copy of it") from None


def _number(value: Any) -> float | None:
    """A size that is stated, as a number or as one in text; "~0.25 nominal" is not one."""
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value):
        value = float(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None
