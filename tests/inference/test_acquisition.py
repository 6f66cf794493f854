"""What to look at next: scores with worked examples, and the replay that measures them."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.commands.simulate import sample_of, table
from inference.pipeline.acquisition import (
    MIXED,
    STRATEGIES,
    colour_distance,
    diversity,
    drawn,
    embedding,
    image_scores,
    priorities,
    ranks,
)
from inference.simulation import Annotator, Plan, Point, boxes_to_reach, draw, first_reach, replay, summary
from inference.synthetic import tissue
from inference.types import Detections, InferenceError, Sample


def test_image_scores_of_a_worked_example():
    m_d = np.zeros((4, 8), np.int32)
    m_d[:2, :2], m_d[:2, 4:6] = 1, 2
    m_s = m_d == 1  # the segmenter misses the second cell
    found = image_scores(m_d, m_s, np.array([0.5, 1.0, 0.05], np.float32), np.array([0.5, 0.5, 0.999999999]))
    assert found["ambiguous"] == 4 / 32
    assert found["entropy"] == pytest.approx(2 / 3, abs=1e-6)
    assert found["disagreement"] == pytest.approx(1 - 2 / 3)  # one pair of 1 + 2 cells, at IoU 1
    assert found["detector"] == pytest.approx(0.5)  # the faint one does not count


def test_an_empty_image_has_no_doubt():
    nothing = np.zeros((5, 5), np.int32)
    found = image_scores(nothing, nothing > 0, np.zeros(0, np.float32), np.zeros(0))
    assert found == {"ambiguous": 0, "entropy": 0, "disagreement": 0, "detector": 0, "cells": 0}


def test_diversity_takes_the_farthest_from_what_is_annotated_first_and_then_from_that():
    x = np.array([[0.0], [0.1], [10.0], [9.0], [5.0]])
    order = diversity(x, np.array([True, False, False, False, False]))
    assert np.argsort(-order)[:2].tolist() == [2, 4] and order[0] == 0  # 9 is near 10, so 5 comes before it
    assert (diversity(x, np.zeros(5, bool)) > 0).all()


def test_colour_distance_is_to_the_nearest_image_that_taught_and_in_optical_density():
    """Halving every grey level adds log10(2) to each mean density and changes no spread; whatever else is in the pool
    does not change the number."""
    bright = np.random.default_rng(0).integers(50, 120, (16, 16, 3)) * 2 + 1  # + 1: halves of value + 1 are whole
    dark = (bright + 1) // 2 - 1
    nothing = np.zeros((16, 16), bool)
    pool = [embedding(np.asarray(rgb, np.uint8), nothing) for rgb in (bright, dark, np.zeros_like(bright))]
    far = colour_distance(np.array(pool), np.array([True, False, False]))
    assert far[0] == 0 and far[1] == pytest.approx(np.sqrt(3) * np.log10(2), abs=1e-9)
    assert colour_distance(np.array(pool[:2]), np.array([True, False]))[1] == far[1]
    assert colour_distance(np.array(pool), np.array([True, False, True]))[2] == 0
    assert np.isnan(colour_distance(np.array(pool), np.zeros(3, bool))).all()


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of the ranks
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_ranks_keep_the_order_and_equal_values_share_a_place(values):
    r = ranks(values)
    assert ((r >= 0) & (r <= 1)).all() and r.mean() == pytest.approx(0.5)
    for a, ra in zip(values, r, strict=True):
        for b, rb in zip(values, r, strict=True):
            assert (a < b) == (ra < rb)


def test_the_queue_scores_what_nobody_has_seen_in_every_way():
    scores = {
        str(i): dict.fromkeys(("ambiguous", "entropy", "disagreement", "detector", "cells"), i / 10) for i in range(4)
    }
    embeddings = {str(i): [float(i), 0.0] for i in range(4)}
    made = priorities(scores, embeddings, seen={"0"}, seed=1)
    assert set(made) == {"1", "2", "3"} and all(set(row) == set(STRATEGIES) for row in made.values())
    assert max(made, key=lambda name: made[name]["mix"]) == "3"  # first in every one of MIXED
    assert made["3"]["mix"] == 1.0 and len(MIXED) > 2
    assert priorities({}, {}, seen=set(), seed=0) == {}


def test_chance_depends_on_the_seed_and_the_name_alone():
    assert drawn("a", 1) == drawn("a", 1) != drawn("a", 2)
    assert abs(np.mean([drawn(str(i), 0) for i in range(2000)]) - 0.5) < 0.03


def test_embeddings_tell_stains_apart():
    pink, blue = (np.full((8, 8, 3), c, np.uint8) for c in ((230, 150, 180), (90, 90, 200)))
    none = np.zeros((8, 8), bool)
    assert np.linalg.norm(embedding(pink, none) - embedding(blue, none)) > 0.1
    assert np.isfinite(embedding(pink, none)).all()


# -- the replay


def a_sample(seed, name):
    made = tissue(64, 64, 6, seed=seed)
    n = len(made.boxes)
    return Sample(
        made.rgb, made.boxes, np.zeros(n, np.int64), np.ones((64, 64), bool), made.labels.astype(np.int32), name
    )


def test_annotators_err_as_they_are_told_to():
    sample = a_sample(1, "a")
    exact = Annotator(jitter=0, miss=0).annotate(sample, np.random.default_rng(0))
    assert np.array_equal(exact.boxes, sample.boxes) and exact.labels is None
    many = Sample(sample.rgb, np.tile([20.0, 20.0, 40.0, 30.0], (4000, 1)), np.zeros(4000, np.int64), sample.valid)
    erring = Annotator(jitter=0.1, miss=0.25).annotate(many, np.random.default_rng(0))
    assert abs(len(erring.boxes) / 4000 - 0.75) < 0.03
    assert np.allclose((erring.boxes - many.boxes[: len(erring.boxes)]).std(axis=0), [2, 1, 2, 1], rtol=0.1)
    with pytest.raises(ValueError, match="impossible annotator"):
        Annotator(miss=1)


def fake_train(log):
    """A model whose doubt about an image is the mean of its red; it is better the more samples it saw."""

    def train(samples, work, seed):
        log.append(sorted(s.name for s in samples))

        def predict(rgb):
            labels = np.zeros(rgb.shape[:2], np.int32)
            detected = labels.copy()
            detected[: int(rgb[..., 0].mean() / 4)] = 1
            return SimpleNamespace(
                labels=labels,
                detected=detected,
                segmented=labels > 0,
                detections=Detections(np.zeros((0, 4)), np.zeros(0, np.float32), np.zeros(0, np.int64)),
                fused=SimpleNamespace(probability=np.zeros(0), mask=labels > 0),
            )

        return predict

    return train


def test_every_strategy_starts_with_the_same_images_and_none_is_trained_twice_on_them(tmp_path):
    pool = [a_sample(i, f"p{i}") for i in range(6)]
    log: list = []
    plan = Plan(("random", "ambiguous"), start=2, step=1, rounds=3)
    points = list(replay(pool, [a_sample(9, "j")], plan, fold="x", seed=3, train=fake_train(log), work=tmp_path))
    assert [(p.strategy, p.round, p.images) for p in points] == [
        (s, n, n + 1) for s in ("random", "ambiguous") for n in (1, 2, 3)
    ]
    assert points[0].chosen == points[3].chosen and len(log) == 5
    left = [s for s in pool if s.name not in points[3].chosen]
    reddest = max(left, key=lambda s: (int(s.rgb[..., 0].mean() / 4), s.name))
    assert int(a_sample(int(points[4].chosen[-1][1]), "").rgb[..., 0].mean() / 4) == int(reddest.rgb[..., 0].mean() / 4)
    assert points[2].seconds == points[2].boxes * 7 + 4 * 20
    with pytest.raises(InferenceError, match="the pool has 6 images"):
        list(replay(pool, pool[:1], Plan(rounds=9), fold="x", seed=0, train=fake_train([]), work=tmp_path))


def test_boxes_to_reach_is_read_off_the_curve():
    assert first_reach([(10, 0.2), (20, 0.4), (30, 0.3)], 0.3) == 15
    assert first_reach([(10, 0.5)], 0.3) == 10 and first_reach([(10, 0.2)], 0.3) is None

    def point(strategy, boxes, pq):
        return Point("f", 0, strategy, 1, 1, boxes, 0.0, 0.0, pq, ())

    rows = boxes_to_reach([point("random", 50, 0.2), point("random", 100, 0.4), point("mix", 50, 0.3),
                           point("mix", 100, 0.5), point("detector", 100, 0.1)])  # fmt: skip
    shares = {row["strategy"]: row["share"] for row in rows}
    assert shares == {"detector": None, "mix": 0.75, "random": 1.0}
    gains = {row["strategy"]: row["gain"] for row in rows}
    assert gains["random"] == 0 and gains["mix"] == pytest.approx(
        0.1
    )  # 0.3 to 0.5 over 50 to 100 boxes, against 0.2 to 0.4
    assert "not reached" in table(rows) and "75 (75%)" in table(rows)


def test_the_middle_of_an_image_has_the_boxes_of_what_is_left(tmp_path):
    from PIL import Image

    from inference.datasets import open_dataset, write_labels

    (tmp_path / "images").mkdir()
    labels = np.zeros((20, 20), np.int32)
    labels[0:3, 0:3], labels[4:8, 8:12] = 1, 2
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "images/01_1.png")
    write_labels(tmp_path / "labels/01_1.png", labels)
    (tmp_path / "dataset.json").write_text(json.dumps({}))
    cut = sample_of(open_dataset(tmp_path), "01_1", 10)
    assert cut.boxes.tolist() == [[3, 0, 7, 3]] and cut.rgb.shape == (10, 10, 3)


def test_economy_is_the_doubt_per_second_that_annotating_would_take():
    same = dict.fromkeys(("ambiguous", "disagreement", "detector", "entropy"), 0.5)
    scores = {"crowded": same | {"cells": 40.0}, "sparse": same | {"cells": 4.0}}
    embeddings = {"crowded": [0.0], "sparse": [0.0]}
    made = priorities(scores, embeddings, seen=set(), seed=0)
    rate = {name: row["economy"] / row["mix"] for name, row in made.items()}
    assert rate["sparse"] / rate["crowded"] == pytest.approx((20 + 7 * 40) / (20 + 7 * 4))


def test_a_strategy_with_fewer_boxes_goes_on_until_it_has_random_s(tmp_path):
    pool = [a_sample(i, f"p{i}") for i in range(8)]
    plan = Plan(("ambiguous", "random"), start=1, step=1, rounds=2, further=5, annotator=Annotator(0, 0))
    train = fake_train([])
    judge = a_sample(9, "j")

    def better_with_more(samples, work, seed):
        predict = train(samples, work, seed)

        def answer(rgb):
            found = predict(rgb)
            found.labels = np.where(judge.labels <= sum(len(s.boxes) for s in samples) // 4, judge.labels, 0)
            return found

        return answer

    points = list(replay(pool, [judge], plan, fold="x", seed=3, train=better_with_more, work=tmp_path))
    end = [p for p in points if p.strategy == "random"][-1]
    curve = [p for p in points if p.strategy == "ambiguous"]
    assert end.round == 2 and (curve[-1].boxes >= end.boxes or curve[-1].pq >= end.pq)
    assert all(p.boxes < end.boxes and p.pq < end.pq for p in curve[1:-1])


def test_the_summary_counts_what_never_got_there_as_no_gain(tmp_path):
    rows = [
        {"fold": "a", "seed": 0, "strategy": "mix", "share": 0.5, "gain": 0.1},
        {"fold": "b", "seed": 0, "strategy": "mix", "share": None, "gain": 0.3},
    ]
    found = summary(rows)["mix"]
    assert (found["share"], found["reached"], found["curves"]) == (0.75, 1, 2)
    assert (found["low"], found["high"]) == (0.5, 1.0)
    assert found["gain"] == pytest.approx(0.2) and found["gain_high"] == pytest.approx(0.3)
    points = [Point("a", 0, s, r, r, 10 * r, 60.0 * r, 0.5, 0.1 * r, ()) for s in ("random", "mix") for r in (1, 2)]
    draw(tmp_path / "curves.svg", points, title="two strategies")
    drawn_text = (tmp_path / "curves.svg").read_text()
    assert drawn_text.startswith("<?xml") and "svg" in drawn_text
