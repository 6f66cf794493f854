"""The interactive worker's answers: clicks to masks, strokes to an exact re-fusion, cell by cell."""

import json

import numpy as np
import PIL.Image
import pytest

from inference.fusion import Parameters, fuse
from inference.fusion.refusion import Stroke, as_record, fuse_with_strokes
from inference.pipeline.units import bundle, save_unit
from inference.synthetic import tissue
from inference.types import BoxMask, Prompts
from inference.worker import interactive

PARAMETERS = {"lam": 2.0, "theta": 25.0, "grid": 2, "components": 2}


class Disc:
    """A prompter that draws a disc of 5 px around a click and fills a box, and counts how often it looks."""

    name = "disc-1"
    looked = 0

    def encode(self, rgb):
        self.looked += 1
        return rgb.shape

    def decode(self, encoded, prompts: Prompts):
        from inference.types import Prompted

        if prompts.boxes is not None:
            x0, y0, x1, y1 = (int(v) for v in prompts.boxes[0])
            return Prompted([BoxMask(x0, y0, np.ones((y1 - y0, x1 - x0), bool))], np.ones(1, np.float32))
        x, y = (int(v) for v in prompts.points[0][0])
        grid = np.arange(-5, 6)
        return Prompted(
            [BoxMask(x - 5, y - 5, grid[None] ** 2 + grid[:, None] ** 2 <= 25)], np.full(1, 0.5, np.float32)
        )


@pytest.fixture
def field(tmp_path, monkeypatch):
    """A synthetic field with M_D and M_S that disagree, as a round leaves them."""
    made = tissue(96, 96, 12, seed=3)
    PIL.Image.fromarray(made.rgb).save(tmp_path / "image.png")
    m_d = np.roll(made.labels, 2, axis=1)
    m_s = np.roll(made.labels > 0, 2, axis=0)

    class Setting:
        work = tmp_path

    save_unit(tmp_path / "units", 7, {"m_d": m_d, "m_s": np.packbits(m_s, axis=None)})
    bundle(Setting, "prediction.zip")  # type: ignore[arg-type]
    monkeypatch.setattr(interactive, "stored", lambda name: tmp_path / name)
    monkeypatch.setattr(interactive, "superseded", lambda session, number: False)
    for memory in (interactive.pixels, interactive.encoded, interactive.fused, interactive.strokes_done):
        memory.kept.clear()
    return made, m_d, m_s


def ask(strokes, mask=None):
    return interactive.refusion(
        image="abc", file="image.png", unit="prediction.zip", image_id=7, parameters=PARAMETERS,
        mask=mask, strokes=strokes, session="s", number=1,
    )  # fmt: skip


def stroke(x, y, w, h, foreground):
    return {
        k: v for k, v in as_record(Stroke(BoxMask(x, y, np.ones((h, w), bool)), foreground), 0).items() if k != "band"
    }


def test_a_prompt_is_answered_with_a_mask_and_the_image_is_looked_at_once(field, monkeypatch):
    asked = Disc()
    monkeypatch.setattr(interactive, "prompter", lambda: asked)
    given = {"image": "abc", "file": "image.png", "session": "s", "number": 1}
    ready = interactive.prompt(**given, box=None, points=[])
    clicked = interactive.prompt(**given, box=None, points=[[40.0, 30.0, 1]])
    boxed = interactive.prompt(**given, box=[10.0, 10.0, 20.0, 24.0], points=[])
    assert ready == {"ready": True} and asked.looked == 1
    assert (clicked["mask"]["x"], clicked["mask"]["width"], clicked["score"]) == (35, 11, 0.5)
    assert (boxed["mask"]["width"], boxed["mask"]["height"], boxed["prompter"]) == (10, 14, "disc-1")
    json.dumps([clicked, boxed])  # travels as JSON


def test_what_the_same_hand_has_overtaken_is_not_done(field, monkeypatch):
    monkeypatch.setattr(interactive, "superseded", lambda session, number: number < 5)
    assert ask([]) == {"superseded": True}


def test_strokes_one_after_the_other_give_what_all_at_once_give(field):
    """The oracle: one refuse() with all strokes from the fusion's own state."""
    made, m_d, m_s = field
    strokes = [stroke(30, 30, 6, 6, True), stroke(50, 40, 5, 5, False), stroke(33, 30, 4, 4, False)]
    ask(strokes[:1])
    ask(strokes[:2])
    answer = ask(strokes)
    start = fuse(made.rgb, m_d > 0, m_s, Parameters(**PARAMETERS), keep_state=True).state
    from inference.fusion.refusion import from_record

    oracle = fuse_with_strokes(start, [from_record(s) for s in strokes], band=interactive.BAND)
    state = interactive.strokes_done.kept[next(reversed(interactive.strokes_done.kept))]
    assert state.certificate.objective == pytest.approx(oracle.certificate.objective, abs=1e-6)
    assert answer["certificate"]["closed"] and answer["certificate"]["flow"] == answer["certificate"]["cut"]
    assert state.mask[40:45, 50:55].sum() == 0 and not state.mask[30:34, 33:37].any()
    assert state.mask[34:36, 30:33].all()


def test_a_stroke_that_grows_is_solved_from_before_it(field):
    ask([stroke(30, 30, 3, 3, True)])
    ask([stroke(30, 30, 9, 3, True)])  # the same stroke, further on: the shorter one must not stick
    grown = interactive.strokes_done.kept[next(reversed(interactive.strokes_done.kept))]
    assert len(grown.certificate.strokes) == 1


def test_a_cell_loses_and_gains_only_what_is_its_own():
    before = np.zeros((20, 20), bool)
    before[5:10, 2:8] = True  # the cell
    before[5:10, 8:14] = True  # its neighbour, touching
    after = before.copy()
    after[5:10, 2] = False  # turned to background
    after[3:5, 3:6] = True  # gained, touches the cell
    after[15:17, 15:18] = True  # gained elsewhere
    cell = BoxMask(2, 5, np.ones((5, 6), bool))
    now = interactive.cell_after(cell, before, after, [])
    assert now is not None
    full = np.zeros((20, 20), bool)
    interactive.put(full, now, True)
    wanted = np.zeros((20, 20), bool)
    wanted[5:10, 3:8] = True
    wanted[3:5, 3:6] = True
    assert (full == wanted).all()


def test_the_last_stroke_over_a_pixel_decides():
    nothing = np.zeros((12, 12), bool)
    now = interactive.cell_after(None, nothing, nothing, [stroke(2, 2, 4, 4, False), stroke(2, 2, 4, 4, True)])
    assert now is not None and now.bits.sum() == 16
    assert interactive.cell_after(None, nothing, nothing, [stroke(2, 2, 4, 4, True), stroke(2, 2, 4, 4, False)]) is None


def test_no_prediction_of_this_image_is_a_sentence_not_a_crash(field):
    answer = interactive.refusion(
        image="abc", file="image.png", unit="prediction.zip", image_id=8, parameters=PARAMETERS,
        mask=None, strokes=[], session="s", number=1,
    )  # fmt: skip
    assert "8" in answer["error"]


def test_only_the_interactive_worker_warms_up_and_what_it_loads_is_what_a_click_uses(monkeypatch):
    from types import SimpleNamespace

    begun = []
    monkeypatch.setattr(interactive, "Timer", lambda after, what: SimpleNamespace(start=lambda: begun.append(what)))

    def worker(*queues):
        return SimpleNamespace(app=SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=queues))))

    interactive.warm_up_later(worker("cpu", "gpu"))
    assert begun == []
    interactive.warm_up_later(worker("interactive"))
    assert begun == [interactive.warm_up]
    made = []
    monkeypatch.setattr(interactive, "prompters", {})
    monkeypatch.setattr("inference.registry.prompter", lambda name: made.append(name) or Disc())
    interactive.warm_up()
    interactive.prompter()
    assert made == ["boxwise"], "loaded once"
