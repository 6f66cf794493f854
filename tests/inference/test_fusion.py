"""fuse as a whole: edge cases, invariances, the colour models against scikit-learn, the file commands."""

import importlib.util
import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from inference.commands import evaluate as evaluate_command
from inference.commands import fuse as fuse_command
from inference.commands import instances as instances_command
from inference.fusion import Parameters, binning, colour, comparators, energy, fuse, mixtures
from inference.fusion.certificate import SCALE
from inference.fusion.energy import unary_of
from inference.fusion.pipeline import kind_of
from tests.inference.test_fusion_solvers import real_scene


def scene(h=60, w=70, seed=0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w]
    depth = np.sin(x / 6) + np.cos(y / 5)
    rgb = np.where((depth > 0.4)[..., None], [120, 70, 150], [225, 190, 215]) + rng.normal(0, 14, (h, w, 3))
    noise = rng.normal(0, 0.3, (2, h, w))
    return rgb.clip(0, 255).astype(np.uint8), depth + noise[0] > 0.4, depth + noise[1] > 0.5


GREY = np.full((20, 20, 3), 130, np.uint8)
HALF = np.arange(20)[:, None] < np.full(20, 10)


@pytest.mark.parametrize(
    ("rgb", "m_d", "m_s"),
    [
        (np.zeros((1, 1, 3), np.uint8), np.ones((1, 1), bool), np.zeros((1, 1), bool)),
        (np.zeros((1, 30, 3), np.uint8), np.ones((1, 30), bool), np.arange(30)[None] < 12),
        (np.zeros((3, 2, 3), np.uint8), np.eye(3, 2, dtype=bool), np.ones((3, 2), bool)),  # H < K: patches vanish
        (GREY, HALF, np.zeros_like(HALF)),
        (GREY, HALF, HALF.T),
        (np.full((20, 20, 3), 255, np.uint8), HALF, HALF.T),  # covariance 0
        (np.repeat(np.random.default_rng(0).integers(0, 256, (20, 20, 1), np.uint8), 3, 2), HALF, HALF.T),  # rank 1
        (np.where(HALF[..., None], [0, 0, 0], [255, 255, 255]).astype(np.uint8), HALF, HALF.T),  # two colours
    ],
    ids=["1x1", "1xn", "H<K", "no cell", "constant", "white", "grey", "two colours"],
)
@pytest.mark.parametrize("minimum", [0, 1, 2, 3, 300])
def test_every_image_has_an_answer(rgb, m_d, m_s, minimum):
    fused = fuse(rgb, m_d, m_s, Parameters(minimum_pixels=minimum))
    assert fused.certificate.closed
    assert np.isfinite(fused.probability).all()
    agreed = m_d == m_s
    assert (fused.mask[agreed] == m_d[agreed]).all()


def test_equal_masks_are_returned_as_they_are():
    rgb, m_d, _ = scene()
    for mask in (m_d, np.zeros_like(m_d), np.ones_like(m_d)):
        fused = fuse(rgb, mask, mask)
        assert (fused.mask == mask).all() and fused.certificate.flow == 0 and len(fused.pixels) == 0


def test_complementary_masks_know_nothing_and_fall_to_background():
    rgb, m_d, _ = scene()
    fused = fuse(rgb, m_d, ~m_d)
    assert (fused.probability == 0.5).all() and not fused.mask.any()


def test_swapping_masks_or_channels_changes_nothing():
    rgb, m_d, m_s = scene()
    mask = fuse(rgb, m_d, m_s).mask
    assert (fuse(rgb, m_s, m_d).mask == mask).all()
    assert (fuse(rgb, m_d.astype(np.uint8) * 255, m_s.astype(np.int64)).mask == mask).all()
    wide = np.zeros((60, 140, 3), np.uint8)
    wide[:, ::2] = rgb
    assert (fuse(wide[:, ::2], m_d, m_s).mask == mask).all()  # a view with strides


def test_a_flip_flips_the_answer_when_patches_divide_the_image():
    rgb, m_d, m_s = scene(60, 70)
    mask = fuse(rgb, m_d, m_s, Parameters(minimum_pixels=10)).mask
    flipped = fuse(rgb[:, ::-1], m_d[:, ::-1], m_s[:, ::-1], Parameters(minimum_pixels=10)).mask
    assert (flipped[:, ::-1] != mask).mean() <= 0.001  # sums of floats run in another order


def test_runs_are_identical():
    rgb, m_d, m_s = scene()
    first, second = fuse(rgb, m_d, m_s), fuse(rgb, m_d, m_s)
    assert first.probability.tobytes() == second.probability.tobytes()
    assert first.certificate.flow == second.certificate.flow


def test_lambda_0_is_the_colour_decision_and_more_lambda_fewer_boundaries():
    rgb, m_d, m_s = scene()
    fused = fuse(rgb, m_d, m_s, Parameters(lam=0))
    assert (fused.mask.reshape(-1)[fused.pixels] == (unary_of(fused.probability) > 0)).all()
    likelihood, boundary = [], []
    for lam in (0, 0.5, 1, 2, 5, 20):
        mask = fuse(rgb, m_d, m_s, Parameters(lam=lam)).mask.reshape(-1)[fused.pixels]
        p = fused.probability.astype(float)
        likelihood.append(np.where(mask, p, 1 - p).sum())
        boundary.append(likelihood[-1] - fuse(rgb, m_d, m_s, Parameters(lam=lam)).certificate.objective)
    scf = [b / lam for b, lam in zip(boundary[1:], (0.5, 1, 2, 5, 20))]
    assert all(a >= b - 1e-6 for a, b in pairwise(likelihood))
    assert all(a >= b - 1e-4 for a, b in pairwise(scf))
    assert likelihood[0] > likelihood[-1] and scf[0] > scf[-1]


def test_patch_px_says_the_same_as_the_grid_it_equals():
    rgb, m_d, m_s = scene(60, 60)
    a = fuse(rgb, m_d, m_s, Parameters(grid=3, minimum_pixels=10))
    b = fuse(rgb, m_d, m_s, Parameters(patch_px=20, minimum_pixels=10))
    assert (a.probability == b.probability).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rgb": np.zeros((60, 70, 4), np.uint8)}, r"rgb must be \(H, W, 3\)"),
        ({"rgb": np.zeros((60, 70), np.uint8)}, r"rgb must be \(H, W, 3\)"),
        ({"rgb": np.full((60, 70, 3), np.nan)}, "rgb must be uint8"),
        ({"m_d": np.zeros((60, 71), bool)}, r"m_d must be \(60, 70\)"),
        ({"m_s": np.zeros((60, 70))}, "m_s must be bool"),
    ],
)
def test_input_that_does_not_fit_is_named(change, message):
    rgb, m_d, m_s = scene()
    with pytest.raises(ValueError, match=message):
        fuse(**{"rgb": rgb, "m_d": m_d, "m_s": m_s, **change})


def test_too_many_pixels_are_refused_before_anything_is_copied():
    huge = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (50_000, 50_000, 3))
    with pytest.raises(ValueError, match=r"at most 2\^31 pixels"):
        fuse(huge, np.zeros((1, 1), bool), np.zeros((1, 1), bool))


@pytest.mark.parametrize(
    "wrong",
    [
        {"lam": -1},
        {"lam": float("nan")},
        {"lam": 1e7},
        {"theta": 0},
        {"theta": float("inf")},
        {"grid": 0},
        {"components": 9},
        {"bits": 2},
        {"patch_px": 0},
        {"similarity": "cosine"},
        {"lam": "2"},
        {"minimum_pixels": -1},
    ],
    ids=str,
)
def test_parameters_check_themselves(wrong):
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))} must be"):
        Parameters(**wrong)


@pytest.mark.parametrize(("collection", "number"), [("gbm40", 0), ("gbm40", 1), ("tnbc", 0)])
def test_colour_models_agree_with_scikit_learn(collection, number):
    """bits=8 to what another seed of scikit-learn changes; the default to notes/fusion.md's tolerances."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    rgb, m_d, m_s, labels = real_scene(collection, number)
    parameters = Parameters(minimum_pixels=3)
    kind = kind_of(m_d, m_s)
    expected = np.full(kind.shape, np.nan, np.float32)
    rows, columns = colour.bounds(500, parameters), colour.bounds(500, parameters)
    for i in range(5):
        for j in range(5):
            window = np.s_[rows[i] : rows[i + 1], columns[j] : columns[j + 1]]
            c, k = rgb[window].reshape(-1, 3).astype(float), kind[window].reshape(-1)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                f, b = (GaussianMixture(2, random_state=0).fit(c[k == side]) for side in (1, 0))
            odds = f.score_samples(c) - b.score_samples(c)
            expected[window] = (1 / (1 + np.exp(-odds.clip(-500, 500)))).reshape(expected[window].shape)
    theirs = comparators.cut_with(rgb, m_d, m_s, expected, parameters)
    truth = labels > 0
    for bits, most, other_labels in ((5, 0.015, 0.015), (8, 0.001, 0.002)):
        fused = fuse(rgb, m_d, m_s, replace(parameters, bits=bits))
        assert np.abs(fused.probability - expected.reshape(-1)[fused.pixels]).mean() <= most
        assert (fused.mask != theirs).sum() / len(fused.pixels) <= other_labels
        assert abs(dice(fused.mask, truth) - dice(theirs, truth)) <= 0.002


def counted(colours, bits):
    """Bins of colours (n, 3) at one level, as columns of mixtures.fit."""
    bins = colour._Bins(bits, len(colours))
    bins.count(colours[None], np.zeros((1, len(colours)), np.uint8), 0, 1, 0, len(colours))
    return binning.columns_of(bins.moments, bins.owner, bins.found, 0)


@pytest.mark.parametrize("tolerance", [1e-3, 1e-6])
def test_from_one_start_em_is_scikit_learns(tolerance):
    """With every colour apart and its own start, scikit-learn takes the same steps to the same likelihood."""
    from sklearn.mixture import GaussianMixture

    rng = np.random.default_rng(5)
    mixed = np.concatenate([rng.normal((110, 70, 150), 14, (1500, 3)), rng.normal((150, 110, 170), 25, (2500, 3))])
    colours = mixed.clip(0, 255).astype(np.uint8)
    centre, columns = counted(colours, 8)
    start = mixtures.started(columns, 2)
    exact = {tuple(row) for row in np.rint(columns[1:4].T + centre).astype(int).tolist()}
    assert exact == {tuple(row) for row in colours.tolist()}
    assert np.allclose(columns[4:].T, [(r * r, r * g, r * b, g * g, g * b, b * b) for r, g, b in columns[1:4].T])
    of = dict(zip(map(tuple, np.rint(columns[1:4].T + centre).astype(int).tolist()), start.argmax(axis=0)))
    side = np.array([of[tuple(row)] for row in colours.tolist()])
    groups = [colours[side == k].astype(float) for k in (0, 1)]
    theirs = GaussianMixture(
        2,
        tol=tolerance,
        max_iter=1000,
        weights_init=[len(g) / len(colours) for g in groups],
        means_init=[g.mean(axis=0) for g in groups],
        precisions_init=[np.linalg.inv(np.cov(g.T, bias=True) + 1e-6 * np.eye(3)) for g in groups],
    ).fit(colours.astype(float))
    model = mixtures.fit(centre, columns, 2, tolerance, 1000)
    assert np.allclose(log_likelihood(model, colours), theirs.score_samples(colours.astype(float)), atol=1e-6)


def log_likelihood(model, colours):
    x = colours.astype(float).T
    densities = np.empty((len(model), x.shape[1]))
    for row, out in zip(model, densities):
        mixtures._log_density(row, *x, out)
    return np.logaddexp.reduce(densities, axis=0)


def test_bins_climb_one_bound():
    """The E step takes a bin's scatter into account, as the M step does: else the bound would fall on the way up."""
    rng = np.random.default_rng(6)
    line = rng.normal(0, 25, (4000, 1)) * (1, 0.9, 0.8) + rng.normal(0, 3, (4000, 3))
    _centre, columns = counted((line + 130).clip(0, 255).astype(np.uint8), 5)
    weight = mixtures.started(columns, 2)
    model, moments, total = np.zeros((2, 10)), np.empty(binning.MOMENTS), np.empty(binning.MOMENTS)
    best, sums, again = np.empty(columns.shape[1]), np.empty(columns.shape[1]), np.empty_like(weight)
    mixtures._moments_of(columns, columns[0], total)
    bound = []
    for _ in range(200):
        for k in (0, 1):
            mixtures._moments_of(columns, weight[k], moments)
            mixtures._gaussian(moments, total[0], model[k])
        bound.append(mixtures._expectation(columns, model, weight, best, sums))
        assert mixtures._expectation_of_two(columns, model, again, total) == pytest.approx(bound[-1], rel=1e-12)
        assert np.allclose(again, weight, rtol=1e-9, atol=1e-9)  # two components have a shorter way to the same
    assert min(np.diff(bound)) > -1e-6 * abs(bound[0]) / 4000
    assert bound[-1] > bound[0]


def test_few_colours_are_binned_finer_and_in_any_order():
    rng = np.random.default_rng(7)
    narrow = rng.integers(100, 108, (30, 40, 3)).astype(np.uint8)  # 8 levels a channel: 1 bin of 5 bits, 512 of 8
    kind = rng.integers(0, 2, (30, 40)).astype(np.uint8)
    counter = colour.Counter(5, 1200)
    for y in range(0, 30, 7):
        counter.count(narrow, kind, y, min(30, y + 7), 0, 40)
    exact = colour.Counter(8, 1200)
    exact.count(narrow, kind, 0, 30, 0, 40)
    assert (counter.fit(1, 2) == exact.fit(1, 2)).all()
    wide = rng.integers(0, 256, (30, 40, 3)).astype(np.uint8)
    counter.clear()
    counter.count(wide, kind, 0, 30, 0, 40)
    coarse = colour._Bins(5, 1200)
    coarse.count(wide, kind, 0, 30, 0, 40)
    assert coarse.found > colour.FEW
    assert (
        counter.fit(0, 2) == mixtures.fit(*binning.columns_of(coarse.moments, coarse.owner, coarse.found, 0), 2)
    ).all()


@pytest.mark.parametrize("bits", [3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("colours", ["many", "one"])
def test_bins_hold_exact_moments_however_many_pixels(bits, colours):
    """Sums are packed and unpacked before a field is full: a bin of one colour is full the soonest."""
    rng = np.random.default_rng(bits)
    shape = (300, 400)
    rgb = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    if colours == "one":
        rgb[:] = 255
    kind = rng.integers(0, 3, shape).astype(np.uint8)
    bins = colour._Bins(bits, rgb.size)
    for y0 in (0, 90):
        bins.count(rgb, kind, y0, 90 if y0 == 0 else 300, 3, 400)
    agreed = kind[:, 3:] < 2
    r, g, b = rgb[:, 3:][agreed].astype(np.int64).T
    owner = kind[:, 3:][agreed].astype(np.int64)
    shift = 8 - bits
    code = (((owner << bits | r >> shift) << bits | g >> shift) << bits) | b >> shift
    order = code[np.sort(np.unique(code, return_index=True)[1])]  # bins come as pixels meet them
    row = np.zeros(code.max() + 1, np.int64)
    row[order] = np.arange(len(order))
    assert bins.found == len(order)
    assert (bins.owner == order >> (3 * bits)).all()
    moments = (np.ones_like(r), r, g, b, r * r, r * g, r * b, g * g, g * b, b * b)
    for place, values in enumerate(moments):
        expected = np.zeros(len(order), np.int64)
        np.add.at(expected, row[code], values)
        assert (bins.moments[: bins.found, place] == expected).all()
    if bits < 8:
        finer = colour._Bins(bits + 1, rgb.size)
        finer.count(rgb, kind, 0, 300, 3, 400)
        merged = colour._Bins(bits, rgb.size)
        merged.merge(finer)
        assert merged.found == bins.found and (merged.owner == bins.owner).all()
        assert (merged.moments[: bins.found] == bins.moments[: bins.found]).all()
    bins.clear()
    assert not bins._slots.any() and not bins._packed.any()


def test_the_level_of_a_patch_does_not_hang_on_the_patch_before_it():
    rng = np.random.default_rng(8)
    kind = rng.integers(0, 2, (60, 60)).astype(np.uint8)
    middle = rng.normal(120, 14, (60, 60, 3)).clip(0, 255).astype(np.uint8)
    wide = rng.integers(0, 256, (60, 60, 3)).astype(np.uint8)
    narrow = rng.integers(100, 104, (60, 60, 3)).astype(np.uint8)
    for patch in (middle, wide, narrow):
        alone = colour.Counter(5, 3600)
        alone.count(patch, kind, 0, 60, 0, 60)
        expected = alone.fit(1, 2)
        for before in (middle, wide, narrow):
            counter = colour.Counter(5, 3600)
            counter.count(before, kind, 0, 60, 0, 60)
            counter.clear()
            counter.count(patch, kind, 0, 60, 0, 60)
            assert (counter.fit(1, 2) == expected).all()


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def test_binary_masks_make_the_averages_degenerate():
    _, m_d, m_s = scene()
    d, s = m_d.astype(float), m_s.astype(float)
    assert (comparators.averaged(d, s) == (m_d | m_s)).all()
    assert (comparators.low_precision(d, s) == (m_d & m_s)).all()
    assert (comparators.weighted(d, s, 0.522) == m_d).all()
    soft = np.array([[0.2, 0.6]]), np.array([[0.7, 0.6]])
    assert comparators.averaged(*soft).tolist() == [[False, True]]
    with pytest.raises(ValueError, match="m_s must hold probabilities"):
        comparators.averaged(d, s * 2)


def test_each_half_of_the_objective_alone():
    rgb, m_d, m_s = scene()
    assert (comparators.intensity_only(rgb, m_d, m_s) == fuse(rgb, m_d, m_s, Parameters(lam=0)).mask).all()
    square = np.zeros((20, 20), bool)
    square[5:15, 5:15] = True
    dented = square.copy()
    dented[9:11, 5:9] = False  # in constant colour the shortest border fills a dent
    assert (comparators.spatial_only(GREY, square, dented) == square).all()


def test_commands_work_on_files(tmp_path, capsys):
    rgb, m_d, m_s = scene()
    paths = {name: str(tmp_path / f"{name}.png") for name in ("image", "d", "s", "out", "ids", "cells")}
    Image.fromarray(rgb).save(paths["image"])
    Image.fromarray(m_d).save(paths["d"])  # 1 bit
    Image.fromarray(np.dstack([m_s * 200, m_s * 0, m_s * 0]).astype(np.uint8)).save(paths["s"])  # a red overlay
    assert fuse_command.main([paths["image"], paths["d"], paths["s"], "-o", paths["out"], "--lam", "1", "--json"]) == 0
    certificate = json.loads(capsys.readouterr().out)
    assert certificate["closed"] and certificate["parameters"]["lam"] == 1
    written = np.array(Image.open(paths["out"]))
    assert (written == fuse(rgb, m_d, m_s, Parameters(lam=1)).mask * 255).all()

    ids = np.where(m_d, 1 + (np.arange(70) // 10)[None], 0).astype(np.uint16) * 300
    Image.fromarray(ids).save(paths["ids"])
    assert instances_command.main([paths["out"], "--detections", paths["ids"], "-o", paths["cells"]]) == 0
    cells = np.array(Image.open(paths["cells"]))
    assert ((cells > 0) == (written > 0)).all() and 2100 in cells  # beyond 8 bits

    capsys.readouterr()
    assert evaluate_command.main([paths["cells"], paths["cells"], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["mean"]["pq"] == 1
    assert evaluate_command.main([paths["ids"], paths["cells"]]) == 0
    assert "BF1 within 2 px" in capsys.readouterr().out


def test_commands_say_what_is_wrong_in_a_sentence(tmp_path, capsys):
    alpha = tmp_path / "alpha.png"
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(alpha)
    assert fuse_command.main([str(alpha), str(alpha), str(alpha), "-o", str(tmp_path / "o.png")]) == 1
    assert "alpha.png: has an alpha channel" in capsys.readouterr().err
    assert evaluate_command.main([str(tmp_path / "none.png"), str(alpha)]) == 1
    assert "none.png: no such file" in capsys.readouterr().err
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "only.png").touch()
    assert evaluate_command.main([str(tmp_path / "a"), str(tmp_path / "b")]) == 1
    assert "only on one side: only.png" in capsys.readouterr().err


def test_ids_beyond_16_bits_are_written_as_tiff_or_not_at_all(tmp_path, capsys):
    ids = np.array([[0, 70_000], [3, 70_000]], np.int32)
    found, png, tif = tmp_path / "ids.tif", tmp_path / "cells.png", tmp_path / "cells.tif"
    Image.fromarray(ids).save(found)
    arguments = [str(found), "--detections", str(found), "-o"]
    assert instances_command.main([*arguments, str(png)]) == 1
    assert "id 70000 does not fit in 16 bits; give a name that ends in .tif" in capsys.readouterr().err
    assert not png.exists()
    assert instances_command.main([*arguments, str(tif)]) == 0
    assert (np.array(Image.open(tif)) == ids).all()


def test_the_example_runs_on_files_alone(tmp_path):
    rgb, m_d, m_s = scene()
    ids = np.where(m_d, 1 + (np.arange(70) // 10)[None], 0).astype(np.uint16)
    for name, picture in (("image", rgb), ("d", m_d), ("s", m_s), ("ids", ids)):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(root / "docs" / "examples" / "fuse_one_image.py")]
        + [str(tmp_path / f"{name}.png") for name in ("image", "d", "s", "ids", "mask", "cells")],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    expected = fuse(rgb, m_d, m_s)
    assert f"flow {expected.certificate.flow} == cut {expected.certificate.cut}" in done.stdout
    assert (np.array(Image.open(tmp_path / "mask.png")) == expected.mask).all()
    cells = np.array(Image.open(tmp_path / "cells.png"))
    assert cells.dtype == np.uint16 and ((cells > 0) == expected.mask).all()


@pytest.mark.parametrize("seed", range(6))
def test_the_objective_is_what_the_flow_leaves(seed):
    """eq. (7) of the answer = eq. (7) of A all background + what pulls to cell - flow, to the last unit."""
    rgb, m_d, m_s = scene(seed=seed)
    fused = fuse(rgb, m_d, m_s)
    unary, costs = unary_of(fused.probability), energy.edge_costs(2.0, 25.0, "exponential")
    nothing = int(energy.doubled_objective(rgb, m_d & m_s, fused.pixels, unary, costs))
    graph = energy.build(rgb, kind_of(m_d, m_s), fused.pixels, unary, costs)
    pull = int(graph.terminal[graph.terminal > 0].sum())
    assert fused.certificate.objective * 2 * SCALE == nothing + 2 * (pull - fused.certificate.flow)


def test_blue_before_red_is_the_same():
    rgb, m_d, m_s = scene()
    assert (fuse(rgb[:, :, ::-1], m_d, m_s).mask == fuse(rgb, m_d, m_s).mask).all()


@pytest.mark.parametrize(("h", "w", "grid"), [(61, 73, 5), (512, 11, 5), (7, 5, 20)])
def test_patches_cover_every_pixel(h, w, grid):
    rng = np.random.default_rng(0)
    m_d, m_s = rng.random((2, h, w)) < 0.5
    rgb = rng.integers(0, 256, (h, w, 3), np.uint8)
    assert np.isfinite(fuse(rgb, m_d, m_s, Parameters(grid=grid, minimum_pixels=1)).probability).all()
    for length in (h, w):
        bounds = colour.bounds(length, Parameters(grid=grid))
        assert bounds[0] == 0 and bounds[-1] == length and (np.diff(bounds) > 0).all()


def test_colour_differences_do_not_wrap_around():
    costs = energy.edge_costs(2.0, 25.0, "exponential")
    rgb = np.array([[[250, 0, 0], [5, 0, 0]]], np.uint8)  # 245 apart; wrapped around they would be 11
    graph = energy.build(rgb, np.full((1, 2), 2, np.uint8), np.arange(2, dtype=np.int32), np.zeros(2, np.int32), costs)
    assert graph.right[0] == costs[245**2] < costs[11**2]


def test_the_ends_of_lambda_and_theta():
    rgb, m_d, m_s = scene()
    assert fuse(rgb, m_d, m_s, Parameters(lam=1e6)).certificate.closed
    least = energy.edge_costs(2.0, 1e-200, "exponential")
    assert least[0] == 2 * SCALE and not least[1:].any()  # theta -> 0: only equal colours hold together


@pytest.mark.parametrize("components", [1, 2, 8])
def test_components_that_die_leave_a_density(components):
    two = np.repeat(np.array([[10, 10, 10], [200, 180, 90]], np.uint8), 50, axis=0)
    for colours in (two, two[:1], two[:2], two[:components], two[: components + 1]):
        model = mixtures.fit(*counted(colours, 5), components)
        density = log_likelihood(model, colours)
        assert np.isfinite(density).all()
        assert (density > log_likelihood(model, np.full_like(colours, 90))).all()


def test_nobody_loads_highs_beside_ortools():
    """The two cannot live in one process (an undefined symbol): no module of ours imports highspy."""
    sources = (Path(__file__).parents[2] / "inference").rglob("*.py")
    assert not [path for path in sources if "highspy" in path.read_text()]


def test_dense_crf_smooths_a_speckle_away_or_says_what_to_install():
    rgb = np.full((30, 30, 3), 220, np.uint8)
    rgb[:, :15] = (110, 60, 140)
    speckled = np.zeros((30, 30))
    speckled[:, :15] = 1
    speckled[15, 25] = 1
    if importlib.util.find_spec("pydensecrf") is None:
        with pytest.raises(ImportError, match="pip install pydensecrf2"):
            comparators.dense_crf(rgb, speckled)
        return
    expected = speckled > 0
    expected[15, 25] = False
    assert (comparators.dense_crf(rgb, speckled) == expected).all()


def test_exp_and_log_are_those_of_the_library():
    """They once inherited fastmath from their callers, which folded the rounding away: exp was 2^round, 40 % off."""
    x = np.linspace(-40, 0, 2001)
    assert np.allclose([mixtures._exp(v) for v in x], np.exp(x), rtol=1e-13)
    assert np.allclose([mixtures._log(v) for v in 1 - x], np.log(1 - x), rtol=1e-13, atol=1e-15)
    small = np.linspace(0, 1, 2001)
    assert np.allclose([mixtures._log_of_sum(v) for v in small], np.log1p(small), rtol=0, atol=1e-14)
    columns = np.zeros((binning.COLUMNS, 3))
    columns[0] = 1
    columns[1] = (-40, 3, 50)
    columns[4] = columns[1] ** 2
    model = np.zeros((2, 10))
    model[:, 1] = model[:, 3] = model[:, 6] = (0.1, 0.03)
    share = np.empty((2, 3))
    total = mixtures._expectation(columns, model, share, np.empty(3), np.empty(3))
    density = np.exp(-0.5 * np.array([[0.1], [0.03]]) ** 2 * columns[1] ** 2)
    assert np.allclose(share, density / density.sum(axis=0), rtol=1e-12)
    assert total == pytest.approx(np.log(density.sum(axis=0)).sum(), rel=1e-12)
