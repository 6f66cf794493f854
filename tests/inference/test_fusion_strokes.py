"""Re-fusion under the pen: exactly what a fusion from the beginning would have said."""

import numpy as np
import pytest

from inference.fusion import Parameters, Stroke, fuse, fuse_with_strokes
from inference.fusion.cut import minimise
from inference.fusion.energy import build, edge_costs
from inference.fusion.refusion import as_record, from_record
from inference.types import BoxMask


@pytest.fixture(scope="module")
def state():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:120, :140]
    cells = [(rng.integers(10, 130), rng.integers(10, 110), rng.uniform(5, 11)) for _ in range(25)]
    depth = np.max([r - np.hypot(x - cx, y - cy) for cx, cy, r in cells], axis=0)
    rgb = np.where((depth > 0)[..., None], [120, 70, 150], [225, 190, 215]) + rng.normal(0, 12, (120, 140, 3))
    rgb = rgb.clip(0, 255).astype(np.uint8)
    noise = rng.normal(0, 1.5, (2, 120, 140))
    return fuse(rgb, depth + noise[0] > 0, depth + noise[1] - 1 > 0, Parameters(), keep_state=True).state


def disc(cx, cy, r, foreground):
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    return Stroke(BoxMask(cx - r, cy - r, np.hypot(x, y) <= r), foreground)


def from_the_beginning(after):
    """All optimised pixels of a state solved at once."""
    pixels = np.flatnonzero(after.kind == 2).astype(np.int32)
    costs = edge_costs(after.parameters.lam, after.parameters.theta, after.parameters.similarity)
    found = minimise(build(after.rgb, after.kind, pixels, after.unary.reshape(-1)[pixels], costs))
    mask = after.kind == 1
    mask.reshape(-1)[pixels] = found.labels
    return mask


@pytest.mark.parametrize("band", [0, 3])
def test_strokes_give_what_a_fusion_from_the_beginning_gives(state, band):
    rng = np.random.default_rng(band)
    now = state
    for _ in range(12):
        stroke = disc(*rng.integers(-3, 140, 2), int(rng.integers(1, 6)), bool(rng.integers(2)))
        found = fuse_with_strokes(now, [stroke], band=band)
        y, x = np.mgrid[:120, :140]
        under = (
            np.hypot(
                x - stroke.pixels.x - stroke.pixels.bits.shape[1] // 2,
                y - stroke.pixels.y - stroke.pixels.bits.shape[0] // 2,
            )
            <= stroke.pixels.bits.shape[0] // 2
        )
        assert (found.mask[under] == stroke.foreground).all()
        assert (found.mask == from_the_beginning(found.state)).all()
        assert found.certificate.closed
        different = found.mask != now.mask
        if found.changed is None:
            assert not different.any()
        else:
            x0, y0, x1, y1 = found.changed
            assert different[y0:y1, x0:x1].sum() == different.sum() > 0
            assert different[y0].any() and different[:, x0].any()
        now = found.state
    assert len(now.certificate.strokes) == 12
    assert (state.mask == fuse_again(state)).all()  # the first state was left alone


def fuse_again(state):
    return from_the_beginning(state)


def test_a_band_lets_a_stroke_move_a_border_that_both_models_had_wrong():
    rgb = np.full((40, 40, 3), 220, np.uint8)
    rgb[10:30, 10:30] = (110, 60, 140)
    wrong = np.zeros((40, 40), bool)
    wrong[10:30, 10:20] = True  # both models found the left half only
    state = fuse(rgb, wrong, wrong, Parameters(minimum_pixels=1), keep_state=True).state
    assert not state.mask[15, 25]
    pen = Stroke(BoxMask(22, 19, np.ones((2, 6), bool)), True)
    assert fuse_with_strokes(state, [pen]).mask.sum() == wrong.sum() + 12
    wide = fuse_with_strokes(state, [pen], band=12).mask
    assert wide[10:30, 20:30].all() and wide.sum() == 400


def test_what_a_person_fixed_stays_fixed_under_a_later_band(state):
    first = fuse_with_strokes(state, [disc(60, 60, 4, True)]).state
    second = fuse_with_strokes(first, [disc(66, 60, 1, False)], band=10)
    y, x = np.mgrid[:120, :140]
    assert second.mask[(np.hypot(x - 60, y - 60) <= 4) & (np.hypot(x - 66, y - 60) > 1)].all()


def test_a_later_stroke_wins(state):
    found = fuse_with_strokes(state, [disc(60, 60, 4, True), disc(60, 60, 2, False)])
    assert not found.mask[60, 60] and found.mask[60, 63]


def test_a_certificate_is_enough_to_paint_again(state):
    found = fuse_with_strokes(fuse_with_strokes(state, [disc(30, 30, 3, True)]).state, [disc(90, 80, 5, False)], band=2)
    now = state
    for record in found.certificate.strokes:
        now = fuse_with_strokes(now, [from_record(record)], band=record["band"]).state
    assert (now.mask == found.mask).all()
    assert as_record(from_record(found.certificate.strokes[0]), 0) == found.certificate.strokes[0]


def test_a_stroke_outside_the_image_changes_nothing(state):
    found = fuse_with_strokes(state, [disc(-50, 10, 3, True)])
    assert found.changed is None and (found.mask == state.mask).all()


def test_a_negative_band_is_refused(state):
    with pytest.raises(ValueError, match="band must be at least 0"):
        fuse_with_strokes(state, [], band=-1)
