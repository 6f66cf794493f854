"""boxwise benchmark boxcell: what it measures, what it claims about weights, and its document."""

import json

import numpy as np
import pytest
from PIL import Image

from inference.commands import benchmark
from inference.commands.benchmark_page import PUBLISHED, Measured, document, read
from inference.datasets import open_dataset
from inference.masks import BoxMask
from inference.methods import boxcell, variations
from inference.methods.benchmark import Row, provenance, saw_masks, split
from inference.methods.variations import PAPER
from inference.types import Prompted
from tests.inference.conftest import painted_field


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Painted fields in the layout of reference data."""
    path = tmp_path_factory.mktemp("painted")
    for part in ("images", "labels"):
        (path / part).mkdir()
    for i in range(3):
        field = painted_field(i)
        Image.fromarray(field.rgb).save(path / "images" / f"{i}.png")
        Image.fromarray(field.labels.astype(np.uint16)).save(path / "labels" / f"{i}.png")
    (path / "dataset.json").write_text(json.dumps({"splits": {"train": ["0", "1"], "val": ["2"]}}))
    return path


def run(folder, out, work, *more):
    arguments = ["--preset", "tiny", "--prompter", "grabcut", "--device", "cpu", "-o", str(out), "--work", str(work)]
    assert benchmark.main(["boxcell", str(folder), *arguments, *more]) == 0
    return read(out)


@pytest.fixture(scope="module")
def once(folder, tmp_path_factory):
    """One run for all tests: (what was measured, its output, the folder of what it trained)."""
    out, work = tmp_path_factory.mktemp("tables"), tmp_path_factory.mktemp("work")
    (measured,) = run(folder, out, work, "--seeds", "2", "--across", str(folder))
    return measured, out, work


def test_every_variant_is_measured_on_held_out_images(once):
    measured, out, _ = once
    rows = measured.rows
    assert {row.image for row in rows} == {"2"} and measured.trained_on == 2
    parts = {row.variant: row.values["dice"] for row in rows if row.table == "parts" and row.seed == 0}
    assert parts["better part (oracle)"] == max(parts["ITD"], parts["ITS"])
    assert parts["limit of any fusion (oracle)"] >= max(parts.values())
    assert {row.seed for row in rows if row.table == "merging"} == {0, 1}
    assert {row.seed for row in rows if row.table in (*variations.ONE_SETTING, "threshold", "jitter", "stain")} == {0}
    for table, (_, values) in variations.ONE_SETTING.items():
        assert [row.variant for row in rows if row.table == table] == [f"{value:g}" for value in values]
    same = {row.variant: row.values["dice"] for row in rows if row.table == "grid"}
    assert same["5"] == pytest.approx(parts[PAPER], abs=1e-5)  # the middle value is the table's row
    assert not [row for row in rows if row.table == "across"]  # a set is no other set to itself
    page = (out / "boxcell.md").read_text()
    assert "boxwise benchmark boxcell" in page and "2 seeds" in page and "(boxcell_parts.svg)" in page
    assert (out / "boxcell_settings.svg").read_text().startswith("<?xml")


def test_sets_measured_one_by_one_end_in_one_document(folder, once):
    first, out, work = once
    # The same work folder: what was trained is found again, and the second measurement stands beside the first.
    found = run(folder, out, work, "--seeds", "1", "--label", "again")
    assert [m.label for m in found] == [folder.name, f"{folder.name}_again"]
    assert found[1].rows == [row for row in first.rows if row.seed == 0]
    page = (out / "boxcell.md").read_text()
    assert f"## {folder.name}\n" in page and f"## {folder.name}_again\n" in page
    # Without a set only the document is made again.
    (out / "boxcell.md").unlink()
    assert benchmark.main(["boxcell", "-o", str(out), "--work", str(work)]) == 0
    assert (out / "boxcell.md").read_text() == page


def test_published_figures_stand_beside_ours():
    rows = [
        Row("parts", variant, seed, image, {"dice": value, "iou": value})
        for variant, value in (("ITD", 0.8), ("ITS", 0.7), (PAPER, 0.85), ("BoxCell", 0.9))
        for seed in (0, 1)
        for image in ("a", "b")
    ]
    page = document([Measured("tnbc", "tnbc", "boxwise ...", 34, {}, True, 1.0, rows)], [])
    assert f"| {PAPER} | 85.00 ± 0.00 | 85.00 ± 0.00 | 85.01 |" in page
    assert "| ITD | +10.00 | +10.00 .. +10.00 | 0 | 0.5 |" in page
    assert "| [tnbc](#tnbc) | yes | 2 | 80.00 ± 0.00 |" in page and "| yes |" in page


def test_published_variants_are_variants_that_we_measure(once):
    ours = {(row.table, row.variant) for row in once[0].rows}
    optional = {("parts", "BoxCell, DenseCRF")}
    theirs = {(table, variant) for table, rows in PUBLISHED.items() if table != "across" for variant in rows}
    assert theirs - optional <= ours


def test_weights_that_saw_masks_of_a_set_cannot_claim_boxes_only():
    shipped = provenance(boxcell.BoxCellSettings())
    assert set(shipped) == {"prompter", "detector", "segmenter"} and len(shipped["prompter"]["sha256"]) == 8
    assert saw_masks(shipped, "tnbc") and not saw_masks(shipped, "consep")
    # The detector learned from boxes alone: that it saw a set's boxes is no mask.
    assert not saw_masks({"detector": {"sets": ["tnbc"]}, "segmenter": {"sets": []}}, "tnbc")
    assert "prompter" not in provenance(boxcell.BoxCellSettings(prompter="grabcut"))


def test_own_splits_hold_images_out(folder):
    assert split(open_dataset(folder)) == (("0", "1"), ("2",))


def test_another_stain_changes_colours_and_nothing_else():
    rgb = painted_field(0).rgb
    varied = variations.another_stain(rgb, np.random.default_rng(1))
    assert varied.shape == rgb.shape and varied.dtype == np.uint8
    assert np.abs(varied.astype(int) - rgb).mean() > 10
    assert np.corrcoef(varied.mean(2).ravel(), rgb.mean(2).ravel())[0, 1] > 0.8
    assert (variations.another_stain(rgb, np.random.default_rng(1)) == varied).all()


def test_a_soft_mask_is_the_best_score_softened_at_the_rim():
    square = BoxMask(4, 4, np.ones((10, 10), bool))
    soft = variations.soft_mask(Prompted([square, square], np.array([0.5, 0.8], np.float32)), 20, 20)
    assert soft[9, 9] == pytest.approx(0.8, abs=1e-3) and soft[0, 0] < 1e-3
    assert 0.2 < soft[4, 9] < 0.8


def test_the_default_fusion_is_that_of_rounds_and_the_papers_preset_that_of_the_paper():
    assert boxcell.fusion_of("paper").trust == 0 and boxcell.fusion_of("quick").trust == boxcell.TRUST
