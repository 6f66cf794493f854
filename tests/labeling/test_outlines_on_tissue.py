"""How outlines stand out from real tissue: the higher contrast (WCAG) of core or casing against what lies within 3 px
outside of a cell's border, at every position along it, for every class colour.

frontend/tests/outline.test.ts proves that it is 3 at least on tissue of any luminance and holds the table of colours
that is read here; this test looks at real borders. `python -m tests.labeling.test_outlines_on_tissue` prints a table of
all sets with the contrast that an outline of the class's own colour alone would have had.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
import tifffile

from inference.datasets import data_root, open_dataset

TABLE = Path(__file__).resolve().parents[2] / "frontend" / "tests" / "outline_colours.json"
SETS = ("tnbc", "consep", "monuseg", "gbm40", "dsb2018", "cervical_overlap")
# Pictures without cells of their own: an outline may lie anywhere on them.
PICTURES = ("stain_samples/torchstain_source.png", "stain_samples/torchstain_target.png",
            "wsi_samples/CMU-1-Small-Region_pyramid.tiff")  # fmt: skip
REACH = 3  # px outside of the border
Floats = npt.NDArray[np.float64]


def luminance(rgb: npt.ArrayLike) -> Floats:
    """WCAG relative luminance of sRGB (..., 3), 0..255 -> (...), 0..1."""
    share = np.asarray(rgb, np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ (0.2126, 0.7152, 0.0722))


def contrast(a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Of two luminances, 1..21."""
    first, second = np.asarray(a), np.asarray(b)
    return np.asarray((np.maximum(first, second) + 0.05) / (np.minimum(first, second) + 0.05))


def beside_borders(rgb: npt.NDArray[np.uint8], labels: npt.NDArray[Any]) -> Floats:
    """Mean luminance of the tissue within REACH px outside, one a border pixel.

    rgb (H, W, 3); labels (H, W), 0 where there is no cell.
    """
    lum = np.pad(luminance(rgb), REACH, mode="edge")
    ids = np.pad(labels.astype(np.int64), REACH, mode="edge")
    height, width = labels.shape
    total, count, touches = np.zeros(labels.shape), np.zeros(labels.shape), np.zeros(labels.shape, bool)
    for dy in range(-REACH, REACH + 1):
        for dx in range(-REACH, REACH + 1):
            window = np.s_[REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]
            outside = (ids[window] != labels) & (dx * dx + dy * dy <= REACH * REACH)
            total += lum[window] * outside
            count += outside
            touches |= outside & (abs(dx) + abs(dy) == 1)
    border = touches & (labels > 0)
    return np.asarray(total[border] / count[border])


def tissue_of(name: str, most: int | None) -> Floats:
    """What lies beside the borders of a set's cells; `most`: so many images, spread over the set."""
    root = data_root()
    if root is None or not (root / name).is_dir():
        pytest.skip(f"no reference data {name}: set BOXWISE_DATA, or put it into ../shared/data")
    dataset = open_dataset(root / name)
    step = max(1, len(dataset.names) // most) if most else 1
    found = [beside_borders(dataset.image(one), dataset.labels(one)) for one in dataset.names[::step][:most]]
    return np.concatenate(found)


def anywhere(path: str) -> Floats:
    """Mean luminance around places all over a picture, 8 px apart."""
    root = data_root()
    if root is None or not (root / path).is_file():
        pytest.skip(f"no picture {path}: set BOXWISE_DATA, or put it into ../shared/data")
    rgb = tifffile.imread(root / path) if path.endswith(".tiff") else np.asarray(PIL.Image.open(root / path))
    lum = luminance(rgb[..., :3])
    side = 2 * REACH + 1
    around = np.lib.stride_tricks.sliding_window_view(lum, (side, side))[::8, ::8]
    return np.asarray(around.mean(axis=(2, 3)).ravel())


def colours() -> list[dict[str, Any]]:
    return list(json.loads(TABLE.read_text()))


def best_of(row: dict[str, Any], tissue: Floats) -> Floats:
    against = [contrast(luminance(row[part]), tissue) for part in ("core", "casing")]
    return np.asarray(np.maximum(*against))


def own(row: dict[str, Any]) -> Floats:
    return luminance([int(row["colour"][i : i + 2], 16) for i in (1, 3, 5)])


def test_positions_are_those_outside_of_a_border():
    labels = np.zeros((9, 9), np.uint16)
    labels[3:6, 3:6] = 1
    rgb = np.zeros((9, 9, 3), np.uint8)
    rgb[labels == 0] = 255
    assert beside_borders(rgb, labels).tolist() == [1.0] * 8  # the cell's own black does not count, its middle is none
    assert contrast(1, 0) == pytest.approx(21)


@pytest.mark.parametrize("name", SETS)
def test_every_colour_stands_out_from_the_tissue_of_every_set(name):
    tissue = tissue_of(name, most=3)
    assert len(tissue) > 200
    for row in colours():
        assert np.mean(best_of(row, tissue) >= 3) >= 0.99, row
        assert contrast(luminance(row["core"]), luminance(row["casing"])) >= 3, row


@pytest.mark.parametrize("path", PICTURES)
def test_every_colour_stands_out_anywhere_on_a_picture(path):
    tissue = anywhere(path)
    assert len(tissue) > 1000
    for row in colours():
        assert np.mean(best_of(row, tissue) >= 3) >= 0.99, row


def main() -> None:
    """Of all images and colours of a set the worst colour: with core and casing, and of its own colour alone."""
    print("| set | positions | share >= 3 | least | its own colour alone: share >= 3 | median |")
    print("|---|---:|---:|---:|---:|---:|")
    for name in (*SETS, *PICTURES):
        tissue = tissue_of(name, most=None) if name in SETS else anywhere(name)
        best = [best_of(row, tissue) for row in colours()]
        alone = [contrast(own(row), tissue) for row in colours()]
        share, least = min(np.mean(one >= 3) for one in best), min(one.min() for one in best)
        share_alone, median = min(np.mean(one >= 3) for one in alone), min(np.median(one) for one in alone)
        print(
            f"| {name} | {len(tissue):,} | {share:.1%} | {least:.2f} | {share_alone:.1%} | {median:.2f} |", flush=True
        )


if __name__ == "__main__":
    main()
