"""Band by band equals the whole."""

import numpy as np
import pytest

from inference.fusion import Parameters, fuse
from inference.fusion.tiled import fuse_tiled
from inference.types import Cancelled
from tests.inference.test_fusion_solvers import real_scene


def bands_of(rgb, m_d, m_s):
    return lambda y0, y1: (rgb[y0:y1], m_d[y0:y1], m_s[y0:y1])


@pytest.mark.parametrize("band", [1, 7, 64, 100, 1000])
@pytest.mark.parametrize("parameters", [Parameters(), Parameters(patch_px=90, minimum_pixels=40)], ids=["grid", "px"])
def test_bands_give_the_whole_images_answer(band, parameters):
    rgb, m_d, m_s, _ = real_scene("gbm40", size=230, share=0.2)
    m_s[20:200, 110:114] ^= True  # one component through every seam
    expected = fuse(rgb, m_d, m_s, parameters)
    out = np.zeros(m_d.shape, bool)
    certificate = fuse_tiled(bands_of(rgb, m_d, m_s), out, m_d.shape, parameters, band=band)
    assert (out == expected.mask).all()
    for name in ("objective", "flow", "cut", "components", "free_pixels", "ambiguous_share", "closed"):
        assert getattr(certificate, name) == getattr(expected.certificate, name), name


def test_progress_and_stop():
    rgb, m_d, m_s, _ = real_scene("gbm40", size=60)
    seen = []
    out = np.zeros(m_d.shape, bool)
    fuse_tiled(bands_of(rgb, m_d, m_s), out, m_d.shape, band=20, report=seen.append)
    assert [p.done for p in seen] == list(range(1, 10)) and seen[-1].total == 9
    with pytest.raises(Cancelled):
        fuse_tiled(bands_of(rgb, m_d, m_s), out, m_d.shape, band=20, stop=lambda: True)


def test_rows_of_another_shape_are_refused():
    out = np.zeros((10, 10), bool)
    with pytest.raises(ValueError, match=r"read\(0, 10\) must give 10 rows of 10"):
        fuse_tiled(lambda y0, y1: (np.zeros((5, 10, 3), np.uint8), out[:5], out[:5]), out, (10, 10))
