"""Ship boxwise-sam: measure it beside the shipped crop net and, where it is usable, put it with its card in place.

    python -m inference.experiments.shipping DATA WEIGHTS

WEIGHTS is what `python -m inference.experiments.compact` wrote. Measured are tnbc's validation patient and all of
gbm40; no training saw either. It is usable from USABLE on. It may be the default prompter where it
is not worse than the crop net by any figure; a person decides that, and this only says so.
"""

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from inference.datasets import open_dataset
from inference.experiments.measure import PromptFigures, measure_prompter, names_to_measure
from inference.registry import DEFAULT_PROMPTER
from inference.registry import prompter as find_prompter
from inference.weights import files

SETS = ("tnbc", "gbm40")
USABLE = {"gold": 0.85, "clicked": 0.65}  # Dice: far above what methods can learn from, far below a good mask
FIGURES = ("gold", "instance", "clicked")
CARD = """\
---
library_name: boxwise
pipeline_tag: mask-generation
license: agpl-3.0
tags:
- boxwise
- pathology
- cells
---
# Model card: boxwise-sam-1, prompter and net of the methods

**What** an image of 256 x 256 pixels -> embedding, once; box or clicks -> mask and its quality. `des-sam` and
`insta-sam` learn from its masks, `cfr-sam` stands on its encoder. inference/prompters/compact.py.

**Data** reference masks of the images named in boxwise.md: dsb2018 stained (CC0), TNBC training patients (CC BY 4.0).
A benchmark that claims "boxes only" on TNBC must therefore not prompt with it.

**Recipe** `python -m inference.experiments.compact DATA -o WEIGHTS --steps {steps}`, seed {seed}; the body begins with
that of unet.safetensors; BCE + Dice; the last step's moving average, no validation set chose a step.

**Measured** (`python -m inference.experiments.shipping DATA WEIGHTS`)

{table}

**Limits** Bright-field H&E around 20x to 40x. Not a medical device.

**Licence** AGPL-3.0-or-later, with the program.
"""


@dataclass(frozen=True)
class Measured:
    """Both prompters on one set."""

    dataset: str
    images: int
    own: PromptFigures
    crop: PromptFigures

    @property
    def is_usable(self) -> bool:
        return all(getattr(self.own, name) >= least for name, least in USABLE.items())

    @property
    def is_not_worse(self) -> bool:
        return all(getattr(self.own, name) >= getattr(self.crop, name) for name in FIGURES)


def measured(data: Path, weights: Path) -> list[Measured]:
    found = []
    for name in SETS:
        dataset = open_dataset(data / name)
        samples = [dataset.sample(image, with_labels=True) for image in names_to_measure(dataset, None)]
        own = measure_prompter(find_prompter("boxwise-sam", weights=weights), samples)
        crop = measure_prompter(find_prompter(DEFAULT_PROMPTER), samples)
        found.append(Measured(name, len(samples), own, crop))
    return found


def table_of(found: list[Measured]) -> str:
    """Markdown: Dice of the union by true boxes and by moved ones, of single cells by boxes and by one click each."""
    lines = ["| set (images) | prompter | boxes | moved boxes | single cells | clicks |", "|---|---|---|---|---|---|"]
    for one in found:
        for name, figures in (("boxwise-sam", one.own), ("boxwise", one.crop)):
            moved = float(np.mean(figures.jittered))
            lines.append(
                f"| {one.dataset} ({one.images}) | {name} | {figures.gold:.3f} | {moved:.3f} "
                f"| {figures.instance:.3f} | {figures.clicked:.3f} |"
            )
    return "\n".join(lines)


def is_usable(found: list[Measured]) -> bool:
    return all(one.is_usable for one in found)


def is_not_worse(found: list[Measured]) -> bool:
    return all(one.is_not_worse for one in found)


def ship(weights: Path, found: list[Measured], folder: Path) -> Path:
    """Copy the weights and write their card. -> the copy"""
    _, about = files.load(weights)
    target = folder / "boxwise_sam.safetensors"
    if weights.resolve() != target.resolve():
        shutil.copyfile(weights, target)
    card = CARD.format(steps=about.get("steps"), seed=about.get("seed"), table=table_of(found))
    target.with_suffix(".md").write_text(card, encoding="utf-8")
    return target


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--folder", type=Path, default=Path(files.__file__).parent, help="where shipped weights lie")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    found = measured(options.data, options.weights)
    print(table_of(found))
    if not is_usable(found):
        print(f"not usable, and not put in place: it needs {USABLE} on every set")
        return 1
    print(ship(options.weights, found, options.folder))
    print("as good as the crop net or better: it may be the default" if is_not_worse(found) else "the crop net stays")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
