"""What every prompter promises, and what bad prompts and odd images do."""

import cv2
import numpy as np
import pytest

from inference.masks import labels_of
from inference.registry import prompter
from inference.types import Prompts
from inference.weights import shipped
from tests.inference.conftest import painted_field

NAMES = [
    "grabcut",
    pytest.param("boxwise", marks=pytest.mark.skipif(shipped("boxwise") is None, reason="built without weights")),
]


@pytest.mark.parametrize("name", NAMES)
def test_boxes_become_cells(name):
    field, made = painted_field(1), prompter(name)
    found = made.decode(made.encode(field.rgb), Prompts(boxes=field.boxes))
    assert len(found.masks) == len(found.scores) == len(field.boxes)
    union = labels_of(enumerate(found.masks, 1), 192, 192) > 0
    truth = field.labels > 0
    assert 2 * (union & truth).sum() / (union.sum() + truth.sum()) > 0.85
    assert all(0 <= score <= 1 for score in found.scores)


@pytest.mark.parametrize("name", NAMES)
def test_boxes_outside_and_without_area_have_empty_masks_and_score_0(name):
    field, made = painted_field(1), prompter(name)
    boxes = np.array([[500, 500, 520, 520], [30, 30, 30, 50], [-90, -90, -60, -60], [np.nan, 0, 9, 9], field.boxes[0]])
    found = made.decode(made.encode(field.rgb), Prompts(boxes=boxes))
    assert [mask.bits.size > 0 for mask in found.masks] == [False, False, False, False, True]
    assert (found.scores[:4] == 0).all() and found.scores[4] > 0


@pytest.mark.parametrize("name", NAMES)
def test_no_prompt_one_pixel_and_a_tiny_image(name):
    made = prompter(name)
    tiny = np.full((16, 16, 3), 200, np.uint8)
    encoded = made.encode(tiny)
    assert len(made.decode(encoded, Prompts(boxes=np.zeros((0, 4)))).masks) == 0
    boxes = np.array([[0, 0, 16, 16], [3, 3, 4, 4], [-5, -5, 40, 40]], float)
    for mask in made.decode(encoded, Prompts(boxes=boxes)).masks:
        h, w = mask.bits.shape
        assert 0 <= mask.x <= 16 - w and 0 <= mask.y <= 16 - h


@pytest.mark.parametrize("name", NAMES)
def test_the_same_prompts_give_the_same_masks(name):
    field, made = painted_field(2), prompter(name)
    first, second = (made.decode(made.encode(field.rgb), Prompts(boxes=field.boxes)) for _ in range(2))
    assert all(np.array_equal(a.bits, b.bits) for a, b in zip(first.masks, second.masks))


@pytest.mark.parametrize("name", NAMES)
def test_a_click_is_answered_around_it(name):
    field, made = painted_field(1), prompter(name)
    middles = (field.boxes[:, :2] + field.boxes[:, 2:]) / 2
    prompts = Prompts(points=middles[:, None], signs=np.ones((len(middles), 1), np.int8))
    found = made.decode(made.encode(field.rgb), prompts)
    for mask, (x, y) in zip(found.masks, middles.astype(int)):
        assert mask.bits[y - mask.y, x - mask.x]


@pytest.mark.parametrize("name", NAMES)
def test_clicks_outside_alone_are_refused(name):
    made = prompter(name)
    prompts = Prompts(points=np.zeros((1, 1, 2)), signs=np.zeros((1, 1), np.int8))
    with pytest.raises(ValueError, match="inside"):
        made.decode(made.encode(painted_field(1).rgb), prompts)


@pytest.mark.skipif(shipped("boxwise") is None, reason="built without weights")
def test_the_exported_net_answers_like_the_trained_one(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    import torch

    from inference.experiments.export import export
    from inference.prompters.boxwise import CHANNELS, SIDE, Boxwise

    path = export(tmp_path / "boxwise.onnx")
    crops = torch.randn(5, CHANNELS, SIDE, SIDE)
    with torch.no_grad():
        logits, quality = (part.numpy() for part in Boxwise(device="cpu").net(crops))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {"crops": crops.numpy()})
    assert np.abs(theirs[0] - logits).max() < 1e-3 and np.abs(theirs[1] - quality).max() < 1e-3


@pytest.mark.skipif(shipped("boxwise") is None, reason="built without weights")
def test_a_cell_much_larger_than_any_nucleus():
    """A cell ten times larger than those it learned from."""
    made = prompter("boxwise")
    rgb = np.full((512, 512, 3), (225, 200, 220), np.uint8)
    y, x = np.mgrid[:512, :512]
    cell = ((x - 256) / 180) ** 2 + ((y - 256) / 140) ** 2 <= 1
    rgb[cell] = (90, 60, 150)
    found = made.decode(made.encode(rgb), Prompts(boxes=np.array([[76.0, 116, 437, 397]])))
    mask = labels_of([(1, found.masks[0])], 512, 512) > 0
    assert 2 * (mask & cell).sum() / (mask.sum() + cell.sum()) > 0.9


@pytest.mark.skipif(shipped("boxwise") is None, reason="built without weights")
def test_a_higher_level_draws_wider_masks():
    field = painted_field(4)
    blurred = cv2.GaussianBlur(field.rgb, (0, 0), 4)  # with sharp rims, every level draws the same
    areas = {}
    for level in (0.0, 0.5, 1.0):
        made = prompter("boxwise", level=level)
        found = made.decode(made.encode(blurred), Prompts(boxes=field.boxes))
        areas[level] = sum(int(mask.bits.sum()) for mask in found.masks)
    assert areas[0.0] < areas[0.5] < areas[1.0]


@pytest.mark.parametrize("name", NAMES)
def test_prompts_of_one_call_do_not_influence_each_other(name):
    field, made = painted_field(4), prompter(name)
    encoded = made.encode(field.rgb)
    batch = made.decode(encoded, Prompts(boxes=field.boxes))
    for i in (0, 5):
        alone = made.decode(encoded, Prompts(boxes=field.boxes[i : i + 1])).masks[0]
        # bfloat16 sums in another order in another batch: a rim pixel may differ
        assert abs(int(alone.bits.sum()) - int(batch.masks[i].bits.sum())) <= 0.03 * alone.bits.sum() + 1


@pytest.mark.skipif(shipped("boxwise") is None, reason="built without weights")
def test_the_net_of_the_browser_is_made_from_the_shipped_weights(tmp_path):
    """Else the browser's masks would not be the server's: `python -m inference.experiments.export` makes it anew."""
    import json

    onnx = pytest.importorskip("onnx")
    from inference.experiments.export import OUTPUT
    from inference.weights import sha256

    weights = sha256(shipped("boxwise"))
    about = json.loads(OUTPUT.with_suffix(".json").read_text())
    assert about == {"prompter": prompter("boxwise").name, "weights": weights, "sha256": sha256(OUTPUT)}
    props = {p.key: p.value for p in onnx.load(OUTPUT).metadata_props}
    assert props == {"prompter": about["prompter"], "weights": weights}
