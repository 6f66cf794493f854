"""boxwise-sam: its size, what a prompt draws, its masks as a prompter's, and its training script."""

import numpy as np
import pytest
import torch

from inference.experiments import compact as training
from inference.prompters import compact
from inference.prompters.compact import MODEL, PATCH, CompactNet, drawings, shares
from inference.registry import prompter
from inference.types import InferenceError, Prompts
from inference.weights import files
from tests.inference.conftest import painted_field


def test_it_is_small_enough_for_a_browser():
    net = CompactNet()
    assert sum(value.numel() for value in net.parameters()) == 2_504_681 <= 8_000_000
    with torch.no_grad():
        seen = net.embed(torch.zeros(1, 3, 256, 256))
    assert [tuple(level.shape[1:]) for level in seen] == [
        (128, 32, 32),
        (
            16,
            128,
            128,
        ),
    ]
    assert sum(level.numel() for level in seen) * 2 <= 1_000_000  # bytes in float16


def test_a_box_draws_the_share_of_each_place_that_it_covers():
    found = shares(torch.tensor([4.0]), torch.tensor([2 * PATCH + 2.0]))
    assert found[0, :4].tolist() == [0.5, 1.0, 0.25, 0.0]
    box = torch.tensor([[0.0, 4.0, 8.0, 8.0]])
    drawn = drawings(box, None, box)
    assert drawn[0, 0, 0, 0] == 0.5 and drawn.sum() == 0.5


def test_clicks_draw_by_their_sign_and_unused_ones_do_not():
    places = torch.tensor([[[4.0, 4.0], [100.0, 100.0], [50.0, 50.0]]])
    drawn = drawings(None, (places, torch.tensor([[1, 0, -1]])), places)
    assert drawn[0, 0].abs().max() == 0
    assert drawn[0, 1].argmax() == 0 and drawn[0, 1].max() == 1
    assert divmod(int(drawn[0, 2].argmax()), 32) == (12, 12)


def test_more_tokens_change_masks_and_no_tokens_do_not():
    torch.manual_seed(0)
    net = CompactNet().eval()
    with torch.no_grad():
        seen = net.embed(torch.randn(1, 3, 256, 256))
        prompt = net.prompt(torch.tensor([[10.0, 10, 40, 40], [60, 60, 90, 99]]), None)
        plain, quality = net.decode(seen, prompt)
        same, _ = net.decode(seen, prompt, extra=torch.zeros(0, 128))
        other, _ = net.decode(seen, prompt, extra=torch.randn(4, 128))
    assert plain.shape == (2, 1, 128, 128) and quality.shape == (2, 1)
    assert torch.allclose(plain, same, atol=1e-5) and not torch.allclose(
        plain,
        other,
        atol=1e-3,
    )
    with pytest.raises(ValueError, match="a box or clicks"):
        net.prompt(None, None)


def test_it_prompts_like_the_others(tmp_path):
    torch.manual_seed(0)
    path = files.save(
        tmp_path / "net.safetensors",
        CompactNet().state_dict(),
        {"model": MODEL},
    )
    made = prompter("boxwise-sam", weights=path, device="cpu")
    assert made.name.startswith("boxwise-sam-1-")
    field = painted_field(0, side=300)
    found = made.decode(made.encode(field.rgb), Prompts(boxes=field.boxes))
    assert len(found.masks) == len(field.boxes) and np.isfinite(found.scores).all()
    clicks = (field.boxes[:, :2] + field.boxes[:, 2:])[:, None] / 2
    signs = np.ones((len(clicks), 1), np.int8)
    assert len(
        made.decode(
            made.encode(field.rgb),
            Prompts(points=clicks, signs=signs),
        ).masks
    ) == len(clicks)
    with pytest.raises(files.BadWeights, match="views of 256 pixels"):
        prompter("boxwise-sam", weights=path, side=512)


def test_a_copy_without_the_weights_says_so(monkeypatch):
    monkeypatch.setattr(compact, "shipped", lambda name: None)
    for call in (compact.load_net, compact.BoxwiseSam):
        with pytest.raises(InferenceError, match="built without boxwise-sam"):
            call()


# -- its training


def test_views_show_the_cells_that_their_prompts_mean():
    rng = np.random.default_rng(0)
    field = painted_field(1, side=256)
    for _ in range(12):
        view = training.view(field, rng, 5)
        assert view.truth.shape[1:] == (256, 256) and 1 <= len(view.truth) <= 5
        for truth, places, signs in zip(view.truth, view.points, view.signs):
            for (x, y), sign in zip(places, signs):
                if sign >= 0:
                    assert truth[min(255, int(y)), min(255, int(x))] == sign


def test_the_mask_loss_by_hand():
    """One mask of 16 of 32 places, p = 0.5 everywhere, and a quality of 0.5; nothing is above 0, so its IoU is 0."""
    wanted = torch.zeros(1, 4, 8)
    wanted[:, :2] = 1
    found = training.mask_loss(torch.zeros(1, 4, 8), wanted, torch.tensor([0.5]))
    cross = 32 * np.log(2) / (4 * 16)
    dice = 1 - (2 * 8 + 1) / (16 + 16 + 1)
    assert found.item() == pytest.approx(cross + dice + 0.25, abs=1e-5)


def test_the_script_trains_and_goes_on(tmp_path, monkeypatch, capsys):
    fields = [painted_field(i, side=256) for i in range(2)]
    monkeypatch.setattr(training, "training_samples", lambda data, sets: fields)
    monkeypatch.setattr(
        training,
        "Schedule",
        lambda *a, **k: SCHEDULE(*a, **k | {"warmup": 1}),
    )
    arguments = [str(tmp_path), "--steps", "2", "--batch", "1", "--prompts", "2", "--work", str(tmp_path / "work")]
    output = tmp_path / "net.safetensors"
    assert training.main([*arguments, "-o", str(output), "--until", "1"]) == 0
    assert training.main([*arguments, "-o", str(output)]) == 0
    assert capsys.readouterr().out.count("epoch 1/1") == 2
    assert isinstance(compact.load_net(output), CompactNet)


SCHEDULE = training.Schedule
