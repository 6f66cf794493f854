"""A project from an export of label maps: images, classes, cells with and without masks, regions, splits."""

from functools import partial
from pathlib import Path

from django.db import transaction

from inference.datasets import Annotated, Dataset, Stated
from inference.documents.origins import stated_fact
from inference.masks import cells_of
from inference.pages import first_of
from inference.types import InferenceError, Labels
from labeling.accounts.models import User
from labeling.exchange.seeding import CannotLoad, SeedCell, draw, owned_project, png
from labeling.images.models import Split
from labeling.images.services import add_image
from labeling.projects.models import Project
from labeling.projects.services import create_project

MADE_BY = "Boxwise"  # what dataset.json of an export says in made_by


@transaction.atomic
def load_export(*, owner: User, dataset: Dataset, about: Stated, name: str) -> Project:
    """The project that was exported, as a new one of `owner`; once there is one of this name, that one.

    Cells are drawn by `owner` through the log, with the masks and classes that people gave them. Raises CannotLoad.
    """
    project = owned_project(owner=owner, name=name)
    if project is not None:
        return project
    classes = tuple(str(label) for label in about.get("classes", ())) or ("nucleus",)
    project = create_project(
        owner=owner, name=name, description=str(about.get("description") or ""), classes=classes, records_activity=True
    )
    keys = list(project.classes.order_by("position").values_list("pk", flat=True))
    splits: dict[str, str] = {}
    for split, stems in dataset.splits.items():
        splits |= dict.fromkeys(stems, split)
    for stem in dataset.names:
        entry = dataset.entries.get(stem)
        if not isinstance(entry, dict) or not isinstance(entry.get("annotated"), dict):
            raise CannotLoad(f"dataset.json says nothing of {stem}; take a fresh export")
        stated = partial(stated_text, entry)
        image = add_image(
            project=project,
            name=str(entry.get("name") or f"{stem}.png"),
            content=png(dataset.image(stem)),
            um_per_px=entry.get("um_per_px"),
            split=splits.get(stem, Split.TRAIN),
            may_divide=True,
            tags=[str(tag) for tag in entry.get("tags") or ()],
            centre=stated("centre"),
            patient=stated("patient"),
            block=stated("block"),
            slide=stated("slide"),
            scanner=stated("scanner"),
            stain=stated("stain"),
        )
        annotated = entry["annotated"]
        draw(
            image=image,
            owner=owner,
            cells=[*masked_cells(pages_of(dataset, stem), annotated, keys), *boxed_cells(annotated, keys)],
            exhaustive=annotated["fully_annotated"],
            ignore=annotated["ignore"],
            cannot_tell=annotated["cannot_tell"],
        )
    return project


def stated_text(entry: Stated, fact: str) -> str:
    return str(stated_fact(entry, fact) or "")


def pages_of(dataset: Dataset, stem: str) -> list[Labels]:
    """The label map of an image, checked to fit it. Raises CannotLoad."""
    try:
        pages = dataset.label_pages(stem)
        height, width = dataset.image(stem).shape[:2]
    except InferenceError as error:
        raise CannotLoad(f"{error}; take a fresh export") from None
    if first_of(pages).shape != (height, width):
        raise CannotLoad(f"the labels of {stem} have another size than its image; take a fresh export")
    return pages


def masked_cells(pages: list[Labels], annotated: Annotated, keys: list[int]) -> list[SeedCell]:
    found = []
    for page in pages:
        for number, mask in cells_of(page):
            height, width = mask.bits.shape
            box = (mask.x, mask.y, mask.x + width, mask.y + height)
            found.append((number, SeedCell(box, _key(annotated["classes"][number - 1], keys), mask)))
    return [cell for _, cell in sorted(found, key=lambda pair: pair[0])]


def boxed_cells(annotated: Annotated, keys: list[int]) -> list[SeedCell]:
    pairs = zip(annotated["boxes"], annotated["box_classes"], strict=True)
    return [SeedCell(box, _key(index, keys)) for box, index in pairs]


def _key(index: int | None, keys: list[int]) -> int | None:
    return keys[index] if index is not None and index < len(keys) else None


def is_export(about: Stated) -> bool:
    return about.get("made_by") == MADE_BY


def project_name(path: Path, about: Stated) -> str:
    """The exported project's name and the file's, so that two exports of one project are two projects."""
    return f"{about.get('name') or path.stem} ({path.stem})"[:200]
