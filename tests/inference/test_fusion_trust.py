"""Trust: the detector's word beside the colours."""

import numpy as np
import pytest

from inference.fusion import Parameters, fuse
from inference.synthetic import tissue


@pytest.fixture
def case():
    made = tissue(160, 120, 18, seed=4)
    m_d = made.labels > 0
    m_s = np.roll(m_d, (3, 2), (0, 1))
    return made.rgb, m_d, m_s


def test_no_trust_is_the_paper_and_does_not_tell_the_masks_apart(case):
    rgb, m_d, m_s = case
    plain = fuse(rgb, m_d, m_s, Parameters())
    assert (fuse(rgb, m_d, m_s, Parameters(trust=0)).mask == plain.mask).all()
    assert (fuse(rgb, m_s, m_d, Parameters()).mask == plain.mask).all()


def test_trust_adds_to_the_log_odds(case):
    rgb, m_d, m_s = case
    plain, leaned = fuse(rgb, m_d, m_s, Parameters()), fuse(rgb, m_d, m_s, Parameters(trust=1.5))
    p = plain.probability.astype(np.float64)
    open_ = (p > 1e-3) & (p < 1 - 1e-3)
    shift = np.log(leaned.probability / (1 - leaned.probability)) - np.log(p / (1 - p))
    detected = m_d.reshape(-1)[plain.pixels]
    assert shift[open_ & detected] == pytest.approx(1.5, abs=1e-3)
    assert shift[open_ & ~detected] == pytest.approx(-1.5, abs=1e-3)


def test_more_trust_is_closer_to_the_detector_and_every_answer_is_proved(case):
    rgb, m_d, m_s = case
    away = []
    for trust in (-20.0, 0.0, 2.0, 50.0):
        fused = fuse(rgb, m_d, m_s, Parameters(trust=trust, lam=0.1))
        assert fused.certificate.closed
        away.append(int((fused.mask != m_d).sum()))
    assert away == sorted(away, reverse=True)
    assert away[0] > away[-1]


@pytest.mark.parametrize("trust", [float("nan"), 51, "much"])
def test_impossible_trust_is_refused_by_name(trust):
    with pytest.raises(ValueError, match="trust"):
        Parameters(trust=trust)
