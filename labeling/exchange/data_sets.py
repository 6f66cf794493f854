"""A versioned data set: label maps with dataset.json, a card for people and for the Hugging Face Hub, and checksums.

The version is the SHA-256 of annotations, classes, images and splits: equal for equal work, whenever it is written.
`boxwise train` reads the zip and its folder. `sha256sum -c SHA256SUMS` checks a folder.
"""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import IO

import yaml

from labeling.exchange.archive import Archive, class_table
from labeling.exchange.archives import Export, label_archive
from labeling.exchange.selection import ExportedImage, Part
from labeling.images.models import Split
from labeling.projects.models import Project

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))  # the Hub's words
CARD = """{header}
# {name}

{description}

Version `{version}`. Made by Boxwise: the masks are those that people drew, imported
or accepted. `dataset.json` names the same version.

| split | images | patients | cells with a mask | boxes without one |
|---|---|---|---|---|
{splits}

| class | cells with a mask |
|---|---|
{classes}

## Files

- `images/NAME.png`, RGB. `labels/NAME.png` or `.tif`: 0 is background, 1..n are the cells; where cells overlap the TIFF
  has several pages, each cell whole on one.
- `cells.csv`: class, author and attributes of each id. `classes.csv`: id, name and colour of each class.
- `images.csv`: patient, stain, scanner and µm per pixel of each image.
- `dataset.json`: splits, classes, regions that are annotated completely, and what is a box only.
- `SHA256SUMS`: check with `sha256sum -c SHA256SUMS`.

## Use

    boxwise train FOLDER -o MODEL

{patients} Only fully annotated regions say where there is no cell.

## Licence

Not stated. Whoever publishes this data set must say under which licence, and that the patients' consent allows it.
"""


class HashedArchive(Archive):
    """An archive that knows the SHA-256 of each of its members."""

    def __init__(self, archive: Archive) -> None:
        super().__init__(archive.folder)
        self.sums: dict[str, str] = {}

    def add(self, name: str, content: bytes) -> None:
        self.sums[name] = hashlib.sha256(content).hexdigest()
        super().add(name, content)

    def copy(self, name: str, source: IO[bytes]) -> None:
        content = source.read()
        self.sums[name] = hashlib.sha256(content).hexdigest()
        super().copy(name, io.BytesIO(content))

    def checksums(self) -> bytes:
        """As sha256sum writes and checks it."""
        return "".join(f"{sum_}  {name}\n" for name, sum_ in sorted(self.sums.items())).encode()


@dataclass
class CardFacts:
    """What the card counts, split by split and class by class."""

    images: Counter[str] = field(default_factory=Counter)
    patients: dict[str, set[int]] = field(default_factory=dict)
    splits_of_patient: dict[int, set[str]] = field(default_factory=dict)
    without_patient: int = 0
    masks: Counter[str] = field(default_factory=Counter)
    boxes: Counter[str] = field(default_factory=Counter)
    of_class: Counter[int | None] = field(default_factory=Counter)

    def watch(self, images: Iterator[ExportedImage]) -> Iterator[ExportedImage]:
        """The same images; each is counted as it passes."""
        for exported in images:
            self._count(exported)
            yield exported

    def _count(self, exported: ExportedImage) -> None:
        split = exported.image.split
        self.images[split] += 1
        patient = exported.image.patient_id
        if patient is None:
            self.without_patient += 1
        else:
            self.splits_of_patient.setdefault(patient, set()).add(split)
            if exported.image.specimen.patient:
                self.patients.setdefault(split, set()).add(patient)
        for cell in exported.cells:
            self.masks[split] += cell.part is Part.MASKS
            self.boxes[split] += cell.part is Part.BOXES
            if cell.part is Part.MASKS:
                self.of_class[cell.label_class] += 1

    def about_patients(self) -> str:
        """Whether the splits are independent of each other, as far as it is known."""
        divided = sum(len(splits) > 1 for splits in self.splits_of_patient.values())
        if divided:
            return f"**Patients whose images stand in several splits: {divided}. Figures are optimistic.**"
        if self.without_patient:
            unknown = f"Images without a known patient: {self.without_patient}."
            return f"{unknown} Images of a known one are all in one split."
        return "Images of one patient are all in one split."


def dataset_archive(archive: Archive, export: Export) -> list[str]:
    facts = CardFacts()
    hashed = HashedArchive(archive)
    notes = label_archive(hashed, replace(export, images=facts.watch(iter(export.images))))
    hashed.add("classes.csv", class_table(export.classes))
    hashed.add("README.md", card(export, facts).encode())
    archive.add("SHA256SUMS", hashed.checksums())
    return notes


def card(export: Export, facts: CardFacts) -> str:
    """README.md of a data set."""
    splits = []
    for split in Split.values:
        row = (split, facts.images[split], len(facts.patients.get(split, ())), facts.masks[split], facts.boxes[split])
        splits.append(_row(*row))
    classes = [_row(label.name, facts.of_class[label.pk]) for label in export.classes]
    if facts.of_class[None]:
        classes.append(_row("without a class", facts.of_class[None]))
    return CARD.format(
        header=header(export.project, facts),
        name=export.project.name,
        description=export.project.description or "Cells annotated in a project of Boxwise.",
        version=export.version,
        patients=facts.about_patients(),
        splits="\n".join(splits),
        classes="\n".join(classes),
    )


def header(project: Project, facts: CardFacts) -> str:
    """The metadata that the Hugging Face Hub reads."""
    total = facts.images.total()
    about = {
        "pretty_name": project.name,
        "license": "other",
        "license_name": "not-stated",
        "task_categories": ["image-segmentation"],
        "task_ids": ["instance-segmentation"],
        "tags": ["pathology", "cells", "boxwise"],
        "size_categories": [next((words for most, words in SIZES if total < most), "n>1M")],
    }
    return f"---\n{yaml.safe_dump(about, allow_unicode=True, sort_keys=False)}---"


def _row(*cells: object) -> str:
    """A row of a table in Markdown; a bar in a name would begin another cell."""
    texts = [str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells]
    return f"| {' | '.join(texts)} |"
