"""Random readers and random fields against figures that R printed (4.2.2, lme4 1.1-31, lmerTest 3.1-3), and R itself.

The rows are made by crossed_rows.py, the same on every machine. In R:
lmer(y ~ x + period + sequence + (1 | participant) + (0 + x | participant) + (1 | field) + (0 + x | field)) by bobyqa
with rhoend 1e-10; without (1 | participant) where each sequence has one reader, without sequence and the reader's own
effect in parallel groups. Intervals and p by Satterthwaite. Hotelling: anova of the multivariate lm. Mean squares: aov.
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from labeling.studies import crate, for_r
from labeling.studies.analysis import mixed
from labeling.studies.analysis.contrasts import comparisons
from labeling.studies.analysis.fully_crossed import fully_crossed
from labeling.studies.analysis.joint import joint, outline
from labeling.studies.analysis.mixed import fit
from labeling.studies.analysis.plan import Plan
from labeling.studies.analysis.results import NotEstimated, as_json, attempt
from tests.labeling.crossed_rows import normals, rows

WORLDS = {
    "crossover": rows("crossover", 2, 8, 6, seed=7),
    "crossover, readers alike": rows("crossover", 2, 4, 5, seed=3, slope=0),
    "williams": rows("williams", 3, 6, 5, seed=11),
    "parallel": rows("parallel", 2, 6, 6, seed=5),
}
# world, measure: estimate, low, high, df, p; variances of reader, slope, field, field_slope, residual
R = {
    ("crossover", "seconds"): (
        (0.67148458, 0.52408133, 0.8603465, 9.1276008, 0.0053811682),
        (0.115107, 0.000574242, 0.0463743, 0.109559, 0.0684744),
    ),
    ("crossover", "dice"): (
        (-0.002884375, -0.019749988, 0.013981238, 10, 0.71113026),
        (0.000405442, 0, 0.000159998, 0.00024064, 0.00089381),
    ),
    ("crossover", "f1"): (
        (-0.016597031, -0.077663211, 0.044469148, 6.1974761, 0.53303939),
        (0, 0.00194012, 0, 0.00113698, 0.00708551),
    ),
    ("crossover, readers alike", "seconds"): (
        (0.71998851, 0.48843926, 1.0613059, 8.0000002, 0.08667085),
        (0.0083352, 0, 0.0495074, 0.208713, 0.074419),
    ),
    ("crossover, readers alike", "f1"): (
        (-0.012235465, -0.12541736, 0.10094643, 2.6486971, 0.7380574),
        (0.00049899, 0.00178177, 0.000850071, 0.00211279, 0.00428901),
    ),
    ("williams", "seconds"): (
        (0.8322652, 0.62409506, 1.1098716, 2.6413387, 0.12778732),
        (None, 0.010047, 0.0581918, 0.00472533, 0.0750962),
    ),
    ("williams", "dice"): (
        (-0.002873, -0.035356338, 0.029610338, 2.9999998, 0.79664648),
        (None, 0.000387973, 5.23025e-05, 0, 0.000592821),
    ),
    ("parallel", "seconds"): (
        (0.96288967, 0.33406583, 2.7753707, 4.4116426, 0.92799762),
        (0.213914, None, 0.0323263, 0.0480211, 0.0516511),
    ),
    ("parallel", "dice"): (
        (-0.012011667, -0.065684482, 0.041661149, 3.9999999, 0.56802599),
        (0.000383625, None, 0, 0, 0.00106161),
    ),
}


@pytest.mark.parametrize(("world", "measure"), R, ids="-".join)
def test_the_crossed_model_is_that_of_lmertest(world, measure):
    found = fit(WORLDS[world], reference="A", arm="B", measure=measure)
    printed, variances = R[world, measure]
    assert (found.estimate, found.low, found.high, found.df, found.p) == pytest.approx(printed, rel=3e-6)
    ours = (found.reader, found.slope, found.field, found.field_slope, found.residual)
    for one, theirs in zip(ours, variances, strict=True):
        assert (one is None) == (theirs is None)
        assert theirs is None or one == pytest.approx(theirs, rel=3e-5)
    assert (found.fit == "singular") == (0 in variances) and found.fit != "not converged"


def test_what_so_few_readers_cannot_tell_apart_is_said():
    """lmer answers here with 14 degrees of freedom, from a Hessian that it calls singular."""
    with pytest.raises(ValueError, match="own arm effects cannot be told from the periods"):
        fit(rows("crossover", 2, 2, 8, seed=5), reference="A", arm="B")
    with pytest.raises(ValueError, match="at least two readers"):
        fit(rows("parallel", 2, 2, 4, seed=5).query("participant == 'P01'"), reference="A", arm="B")
    with pytest.raises(ValueError, match="each arm needs two readers"):
        fit(rows("parallel", 2, 2, 4, seed=5), reference="A", arm="B")
    for left in (WORLDS["crossover"].query("sequence == 'AB'"), WORLDS["williams"].query("sequence in ['ABC', 'CAB']")):
        with pytest.raises(ValueError, match="arm and period are confounded"):
            fit(left, reference="A", arm="B")
    unknown = WORLDS["parallel"].assign(dice=np.nan)
    with pytest.raises(ValueError, match="36 of 36 fields have no Dice"):
        fit(unknown, reference="A", arm="B", measure="dice")
    assert "not detected" in str(mixed.offered("f1", "cells")) and mixed.offered("f1", "fields") is None


def test_one_value_unlike_all_others_is_a_residual_and_nothing_else():
    table = rows("crossover", 2, 6, 6, seed=7).assign(dice=0.8)
    table.loc[0, "dice"] = 0.9
    found = fit(table, reference="A", arm="B", measure="dice")
    assert found.at_zero == ("field", "field_slope", "reader", "slope")
    assert found.df == pytest.approx(72 - 4)  # fields less constant, arm, period and sequence: an ordinary linear model
    with pytest.raises(ValueError, match="say every value"):
        fit(table.assign(dice=0.8 + 0.01 * (table["arm"] == "B")), reference="A", arm="B", measure="dice")


def test_f1_by_a_worked_example():
    one = pd.DataFrame({"found": [8, 0], "reference_cells": [10, 5], "cells_done": [9, 0]})
    assert mixed.value_of(one, "f1").tolist() == pytest.approx([16 / 19, 0])


def crossed_table() -> pd.DataFrame:
    """Four readers, six fields, two arms, each once."""
    draw = normals(9)
    found = []
    for reader in ("P01", "P02", "P03", "P04"):
        for field in range(6):
            for arm in "AB":
                found.append((reader, arm, field, round(0.8 + 0.05 * next(draw) + (0.03 if arm == "B" else 0), 5)))
    return pd.DataFrame(found, columns=["participant", "arm", "field", "y"])


def test_fully_crossed_data_by_the_mean_squares_of_aov():
    table = crossed_table()
    found = fully_crossed(table, table["y"].to_numpy(), reference="A", arm="B")
    squares = found.ms_reader, found.ms_field, found.ms_both
    assert squares == pytest.approx((0.000145006650, 0.007556627648, 0.001593874472), rel=1e-8)
    assert (found.df, found.p) == pytest.approx((5322.422153, 0.03979370523), rel=1e-8)
    assert (found.difference / (found.high - found.low) * 2) ** 2 * stats.t.ppf(0.975, found.df) ** 2 == pytest.approx(
        4.228734801
    )  # F
    without_one = table.iloc[1:]
    assert "not fully crossed" in str(fully_crossed(without_one, without_one["y"], reference="A", arm="B"))
    crossover = WORLDS["crossover"]
    assert "not fully crossed" in str(fully_crossed(crossover, crossover["dice"], reference="A", arm="B"))


@pytest.mark.parametrize(
    ("world", "p"), [("crossover", 0.0027552), ("crossover, readers alike", 0.035228), ("parallel", 0.85406)]
)
def test_time_and_quality_at_once_are_hotelling_s(world, p):
    kind = world.partition(",")[0]
    found = joint(WORLDS[world], reference="A", arm="B", kind=kind, measure="dice")
    centre = np.array([found.log_ratio, found.difference])
    inverse = np.linalg.inv(found.covariance)
    squared = float(centre @ inverse @ centre)  # T squared of "no difference in either"
    assert stats.f.sf(squared * (found.df - 1) / (2 * found.df), 2, found.df - 1) == pytest.approx(p, rel=2e-4)
    assert (squared > found.reach) == (p < 0.05)  # the region leaves out what the test rejects
    off = outline(found) - centre
    assert np.einsum("ij,jk,ik->i", off, inverse, off) == pytest.approx(found.reach)


def test_two_readers_have_no_region():
    few = rows("crossover", 2, 2, 8, seed=5)
    assert isinstance(joint(few, reference="A", arm="B", kind="crossover", measure="dice"), NotEstimated)
    unknown = WORLDS["parallel"].assign(dice=np.nan)
    assert "have no dice" in str(joint(unknown, reference="A", arm="B", kind="parallel", measure="dice"))


# -- files for R


def numbers_of(kind: str, arms: int, readers: int, fields: int, seed: int):
    """What files() reads of a report, from the functions of the report."""
    table = rows(kind, arms, readers, fields, seed=seed)
    table = table.assign(pq=table["dice"] - 0.1, counts=True, why_not="")
    table["item"] = [f"{row.participant}-{k:03d}" for k, row in enumerate(table.itertuples())]
    others = tuple("BCD"[: arms - 1])
    plan = Plan("A", others, kind, 0.95, 1, 30.0, True, None, "dice", 0.05, "holm", 2, (), "fields")

    def crossed(arm, measure):
        return attempt(lambda: fit(table, reference="A", arm=arm, measure=measure))

    by_arm = [{measure: crossed(arm, measure) for measure in mixed.MEASURES} for arm in others]
    return as_json(
        {"fields": table.to_dict("records"), "plan": plan, "contrasts": comparisons(table, plan), "mixed": by_arm}
    )


def unpacked(numbers, folder: Path) -> Path:
    for path, content in for_r.files(numbers).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder / "r"


def test_other_programs_get_one_row_a_field(tmp_path):
    numbers = numbers_of("crossover", 2, 4, 5, seed=3)
    numbers["fields"][0] |= {"counts": False, "why_not": "outlier", "dice": None}
    folder = unpacked(numbers, tmp_path)
    long = pd.read_csv(folder / "fields.csv")
    assert len(long) == 40 and long["counts"].sum() == 39 and np.isnan(long["dice"][0])
    assert long["seconds"][1] == pytest.approx(long["active_s"][1] / long["reference_cells"][1])
    scores = pd.read_csv(folder / "imrmc_f1.csv")
    assert list(scores) == ["readerID", "caseID", "modalityID", "score"] and len(scores) == 39
    assert set(scores["modalityID"]) == {"A", "B"} and scores["score"].between(0, 1).all()
    single = numbers | {"plan": numbers["plan"] | {"unit": "cells"}}
    assert "r/imrmc_f1.csv" not in for_r.files(single) and "r/imrmc_dice.csv" in for_r.files(single)


def test_a_bundle_describes_itself_as_ro_crate():
    protocol = {"name": "Boxes", "hypothesis": "", "controller": "Institute", "contact": "study@example.org"}
    paths = ["numbers.json", "tables/cells.parquet", "r/imrmc_dice.csv"]
    registered = {"frozen_at": "2026-11-01T10:00:00+00:00", "locked_at": None}
    found = crate.metadata(protocol, sha256="ab", registered=registered, paths=paths, code="boxwise 1")
    graph = {one["@id"]: one for one in found["@graph"]}
    assert graph["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    assert {part["@id"] for part in graph["./"]["hasPart"]} == set(paths) <= set(graph)
    assert graph["./"]["datePublished"] == "2026-11-01T10:00:00+00:00" and graph["./"]["name"] == "Boxes"
    assert "iMRMC: imrmc_dice" in graph["r/imrmc_dice.csv"]["name"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed (Debian: r-base-core r-cran-lmertest)")
@pytest.mark.parametrize(
    ("kind", "arms", "readers", "fields"),
    [
        ("crossover", 2, 2, 6),
        ("crossover", 2, 6, 6),
        ("williams", 3, 6, 5),
        ("williams", 4, 8, 4),
        ("parallel", 2, 6, 6),
    ],
)
def test_r_computes_the_primary_numbers_again(kind, arms, readers, fields, tmp_path):
    folder = unpacked(numbers_of(kind, arms, readers, fields, seed=13), tmp_path)
    answer = subprocess.run(["Rscript", "primary.R"], cwd=folder, capture_output=True, text=True, timeout=300)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "numbers are the same" in answer.stdout
    expected = pd.read_csv(folder / "expected.csv")
    expected.loc[expected["quantity"] == "ratio", "value"] *= 1.00001  # and the script can fail
    expected.to_csv(folder / "expected.csv", index=False)
    assert subprocess.run(["Rscript", "primary.R"], cwd=folder, capture_output=True, timeout=300).returncode == 1
