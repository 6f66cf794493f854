"""Every solver finds the same optimum; an early stop is said, never papered over."""

import builtins
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import distance_transform_edt, gaussian_filter

from inference.fusion import CertificateError, Parameters, SolverMissing, StoppedEarly, fuse, solvers
from inference.fusion.energy import Energy, build, cut_of, edge_costs, unary_of
from inference.fusion.solvers import Solution, named

HERE = [name for name in solvers.NAMES if name != "gurobi"]
CANONICAL = ("cut", "ortools-flow", "scipy-flow")
DATA = Path(os.environ.get("BOXWISE_DATA", "../shared/data"))


def random_energy(seed: int, size: int = 9) -> Energy:
    rng = np.random.default_rng(seed)
    h, w = rng.integers(1, size, 2)
    rgb = rng.integers(0, rng.choice([1, 3, 60]), (h, w, 3)).astype(np.uint8)
    kind = rng.choice([0, 1, 2], (h, w), p=rng.choice([[0.1, 0.1, 0.8], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]])).astype(
        np.uint8
    )
    pixels = np.flatnonzero(kind == 2).astype(np.int32)
    probability = rng.choice([0.0, 0.5, 1.0, rng.random(), rng.random()], len(pixels)).astype(np.float32)
    lam, theta = rng.choice([0.0, 0.5, 2.0]), rng.choice([1.0, 25.0])
    return build(rgb, kind, pixels, unary_of(probability), edge_costs(float(lam), float(theta), "exponential"))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_flow_solvers_agree_pixel_by_pixel(seed):
    energy = random_energy(seed)
    mine, *others = [named(name)(energy) for name in CANONICAL]
    for other in others:
        assert other.flow == mine.flow == cut_of(energy, mine.labels)
        assert (other.labels == mine.labels).all()
        assert other.components == mine.components


@settings(max_examples=25, deadline=None)
@example(2393080)  # one unit in 2^24 decides
@given(st.integers(0, 2**32 - 1))
def test_programs_prove_the_same_optimum(seed):
    energy = random_energy(seed)
    flow = named("cut")(energy).flow
    for name in ("cp-sat", "glop", "scip", "cbc"):
        found = named(name)(energy)
        assert (found.status, found.bound, cut_of(energy, found.labels)) == ("optimal", flow, flow), name


def disagreement(labels, share, seed):
    """Two masks around the truth that disagree on about `share` of the image: its border moved by smooth noise."""
    rng = np.random.default_rng(seed)
    truth = labels > 0
    depth = np.where(truth, distance_transform_edt(truth), -distance_transform_edt(~truth))
    noise = [gaussian_filter(rng.standard_normal(truth.shape), 3) for _ in range(2)]
    low, high = 0.0, 12.0
    for _ in range(20):
        strength = (low + high) / 2
        a, b = (depth + strength * n / n.std() > 0 for n in noise)
        low, high = (strength, high) if (a ^ b).mean() < share else (low, strength)
    return a, b


def real_scene(collection, number=0, size=500, share=0.1):
    """rgb, m_d, m_s, labels of a real image with disagreement made by hand; skips where the data are absent."""
    files = sorted((DATA / collection / "images").glob("*.png"))
    if not files:
        pytest.skip(f"no {collection} in {DATA}; set BOXWISE_DATA to the folder of the data sets")
    rgb = np.array(Image.open(files[number]).convert("RGB"))[:size, :size]
    labels = np.array(Image.open(DATA / collection / "labels" / files[number].name)).astype(np.int32)[:size, :size]
    return rgb, *disagreement(labels, share, number), labels


@pytest.mark.parametrize("collection", ["gbm40", "tnbc", "monuseg", "consep"])
def test_real_images_have_one_optimum(collection):
    rgb, m_d, m_s, _ = real_scene(collection)
    mine = fuse(rgb, m_d, m_s)
    assert mine.certificate.closed and mine.certificate.free_pixels > 20_000
    for name in ("ortools-flow", "scipy-flow"):
        other = fuse(rgb, m_d, m_s, solver=name)
        assert (other.mask == mine.mask).all(), name
        assert other.certificate.objective == mine.certificate.objective
        assert other.certificate.flow == mine.certificate.flow


def test_cp_sat_proves_the_optimum_of_a_real_patch():
    rgb, m_d, m_s, _ = real_scene("gbm40", size=120)
    mine, other = fuse(rgb, m_d, m_s), fuse(rgb, m_d, m_s, solver="cp-sat")
    assert other.certificate.status == "optimal"
    assert other.certificate.objective == mine.certificate.objective
    assert other.certificate.cut == mine.certificate.flow


def test_an_early_stop_reports_bound_and_gap_and_raises(monkeypatch):
    def tired(energy, time_limit):
        return Solution(np.zeros(len(energy), bool), 0, None, "feasible", 1)

    rgb = np.zeros((6, 6, 3), np.uint8)
    m_d = np.eye(6, dtype=bool)
    m_d[3:] = True
    m_s = m_d.copy()
    m_s[2:5, 2:5] ^= True
    exact = fuse(rgb, m_d, m_s).certificate
    monkeypatch.setitem(solvers._TIMED, "cp-sat", tired)
    with pytest.raises(StoppedEarly, match="gap") as stopped:
        fuse(rgb, m_d, m_s, solver="cp-sat", time_limit=5)
    assert stopped.value.fused is not None
    left = stopped.value.fused.certificate
    assert (left.status, left.closed, left.solver) == ("feasible", False, "cp-sat")
    assert left.gap > 0
    assert left.objective <= exact.objective <= left.objective + left.gap


def test_no_time_at_all_is_an_early_stop():
    rgb, m_d, m_s, _ = real_scene("gbm40")
    with pytest.raises(StoppedEarly):
        fuse(rgb, m_d, m_s, solver="cp-sat", time_limit=0.01)


def test_a_solver_that_claims_too_much_is_an_error(monkeypatch):
    def liar(energy):
        return Solution(np.ones(len(energy), bool), 0, 0, "optimal", 1)

    monkeypatch.setitem(solvers._UNTIMED, "cut", liar)
    m_d = np.zeros((6, 6), bool)
    m_d[2, 2] = True  # alone among background: all cell costs its whole rim
    with pytest.raises(CertificateError, match="claims a minimum of 0"):
        fuse(np.zeros((6, 6, 3), np.uint8), m_d, np.zeros((6, 6), bool))


@pytest.mark.parametrize("name", HERE)
@pytest.mark.parametrize("sign", [-1, 1])
def test_everything_pulling_one_way_is_solved_by_everyone(name, sign):
    """OR-Tools' max-flow has no source side to report when no arc reaches the sink."""
    rgb = np.zeros((3, 4, 3), np.uint8)
    unary = np.full(12, sign * 1000, np.int32)
    whole = build(
        rgb, np.full((3, 4), 2, np.uint8), np.arange(12, dtype=np.int32), unary, edge_costs(2.0, 25.0, "exponential")
    )
    found = named(name)(whole)
    assert found.bound == 0 and (found.labels == (sign > 0)).all()


def test_scipy_refuses_what_32_bits_do_not_hold():
    rgb, mask = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), bool)
    other = mask.copy()
    other[1:3, 1:3] = True
    rgb[1:3, 1:3] = np.arange(12).reshape(2, 2, 3) * 7
    with pytest.raises(ValueError, match="scipy-flow has 32-bit capacities"):
        fuse(rgb, other, mask, Parameters(lam=1000), solver="scipy-flow")


def test_an_unknown_solver_is_named_with_those_there_are():
    with pytest.raises(SolverMissing, match=r"'gurbi'; there are cut, .*gurobi"):
        named("gurbi")


@pytest.mark.parametrize(("name", "package"), [("gurobi", "gurobipy"), ("cp-sat", "ortools"), ("scip", "ortools")])
def test_a_missing_package_says_what_to_install(name, package, monkeypatch):
    real = builtins.__import__

    def without(module, *rest, **more):
        if module.split(".")[0] == package:
            raise ImportError(module)
        return real(module, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SolverMissing, match=f"pip install {package}"):
        named(name)(random_energy(1))


@pytest.mark.parametrize("name", HERE)
def test_nothing_ambiguous_is_solved_by_everyone(name):
    mask = np.eye(5, dtype=bool)
    found = fuse(np.zeros((5, 5, 3), np.uint8), mask, mask, Parameters(), solver=name)
    assert (found.mask == mask).all()
    assert (found.certificate.free_pixels, found.certificate.components, found.certificate.cut) == (0, 0, 0)
