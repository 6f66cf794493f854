"""Segment Anything checkpoints: the published layouts, the published answers, and what must not load."""

import logging
import pickle

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry
from segment_anything.modeling import Sam as PublishedSam

from inference.prompters.sam import Architecture, Sam, SamNet, fields, read_checkpoint
from inference.registry import prompter
from inference.types import Prompts
from inference.weights import catalogue, files
from tests.inference.conftest import painted_field

SMALL = Architecture(side=128, patch=16, width=64, depth=3, heads=2, everywhere=(2,), window=4)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The true architecture, small and with random weights, in the published layout."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("sam") / "sam_small.pth"
    torch.save(SamNet(SMALL).state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("name", "width", "depth", "heads", "everywhere"),
    [
        ("vit_b", 768, 12, 12, (2, 5, 8, 11)),
        ("vit_l", 1024, 24, 16, (5, 11, 17, 23)),
        ("vit_h", 1280, 32, 16, (7, 15, 23, 31)),
    ],
)
def test_the_published_architectures_are_read_from_their_tensors(name, width, depth, heads, everywhere):
    with torch.device("meta"):  # names and shapes alone: vit_h would take 2.5 GB
        published = sam_model_registry[name]().state_dict()
        shape = Architecture.of(published, name)
        ours = SamNet(shape).state_dict()
    assert shape == Architecture(1024, 16, width, depth, heads, everywhere, 14)
    expected = {key: value.shape for key, value in published.items() if not key.startswith("pixel_")}
    assert {key: value.shape for key, value in ours.items()} == expected


def test_the_answers_are_those_of_the_published_code(checkpoint):
    ours = Sam(checkpoint, device="cpu", field=128)
    theirs = PublishedSam(ours.net.image_encoder, ours.net.prompt_encoder, ours.net.mask_decoder)
    predictor = SamPredictor(theirs.eval())
    rgb = painted_field(1, side=128, cells=8).rgb
    predictor.set_image(rgb)
    boxes = np.array([[20.0, 20, 50, 48], [70, 60, 110, 120]])
    found = ours.decode(ours.encode(rgb), Prompts(boxes=boxes))
    for box, mask, score in zip(boxes, found.masks, found.scores):
        masks, scores, _ = predictor.predict(box=box, multimask_output=True)
        best = scores.argmax()
        full = np.zeros((128, 128), bool)
        h, w = mask.bits.shape
        full[mask.y : mask.y + h, mask.x : mask.x + w] = mask.bits
        # Ours runs in bfloat16 where the CPU has it, and keeps embeddings in float16: rims may differ.
        assert (full == masks[best]).mean() > 0.98
        assert score == pytest.approx(np.clip(scores[best], 0, 1), abs=0.02)


@pytest.mark.parametrize("wrapping", ["plain", "module.", "model_state", "safetensors"])
def test_every_published_wrapping_loads(checkpoint, tmp_path, wrapping):
    state = torch.load(checkpoint, weights_only=True)
    path = tmp_path / "w.pth"
    if wrapping == "module.":  # MedSAM, trained on several GPUs
        torch.save({f"module.{key}": value for key, value in state.items()}, path)
    elif wrapping == "model_state":  # micro-SAM's training checkpoints
        torch.save({"model_state": {f"sam.{key}": value for key, value in state.items()}, "epoch": 3}, path)
    elif wrapping == "safetensors":
        path = files.save(tmp_path / "w.safetensors", state, {})
    else:
        torch.save(state, path)
    assert {key: value.shape for key, value in read_checkpoint(path).items()} == {
        key: value.shape for key, value in state.items()
    }


def test_a_malicious_checkpoint_does_not_run(tmp_path):
    marker = tmp_path / "ran"

    class Attack:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    path = tmp_path / "evil.pth"
    torch.save({"image_encoder.pos_embed": Attack()}, path)
    with pytest.raises(files.BadWeights, match=r"evil\.pth"):
        read_checkpoint(path)
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(files.BadWeights, match=r"raw\.pth"):
        read_checkpoint(tmp_path / "raw.pth")
    assert not marker.exists()


@pytest.mark.parametrize("damage", ["truncated", "other", "one tensor"])
def test_damaged_checkpoints_are_named(checkpoint, tmp_path, damage):
    path = tmp_path / "bad.pth"
    state = torch.load(checkpoint, weights_only=True)
    if damage == "truncated":
        path.write_bytes(checkpoint.read_bytes()[:5000])
    elif damage == "other":
        torch.save({"conv.weight": torch.zeros(3)}, path)
    else:
        torch.save({key: value for key, value in state.items() if not key.startswith("mask_decoder")}, path)
    with pytest.raises(files.BadWeights, match=r"bad\.pth"):
        Sam(path, device="cpu")


def test_a_large_image_is_seen_in_fields_and_only_where_asked(checkpoint):
    made = Sam(checkpoint, device="cpu", field=128)
    encoded = made.encode(np.full((300, 400, 3), 128, np.uint8))
    covered = np.zeros((300, 400), bool)
    for place in encoded.fields:
        covered[place.y0 : place.y1, place.x0 : place.x1] = True
        assert place.x1 - place.x0 == place.y1 - place.y0 == 128
    assert covered.all()
    found = made.decode(encoded, Prompts(boxes=np.array([[300.0, 200, 330, 230], [305, 205, 320, 220]])))
    assert len(encoded.embeddings) == 1
    for mask in found.masks:
        assert mask.x >= 0 and mask.x + mask.bits.shape[1] <= 400


def test_an_image_smaller_than_a_field_is_one():
    assert [(f.x1, f.y1) for f in fields(100, 90, 512)] == [(100, 90)]


def test_embeddings_rest_on_disk_and_the_oldest_go(checkpoint, tmp_path, monkeypatch):
    made = Sam(checkpoint, device="cpu", field=128, cache=tmp_path)
    rgb, boxes = painted_field(1, side=128, cells=8).rgb, np.array([[20.0, 20, 50, 48]])
    first = made.decode(made.encode(rgb), Prompts(boxes=boxes))
    again = Sam(checkpoint, device="cpu", field=128, cache=tmp_path)
    monkeypatch.setattr(again, "_encode", None)  # would fail when called
    second = again.decode(again.encode(rgb), Prompts(boxes=boxes))
    assert np.array_equal(first.masks[0].bits, second.masks[0].bits)
    assert again.cache is not None
    size = next(tmp_path.glob("*.npy")).stat().st_size
    again.cache.limit = int(size * 1.5)
    again.cache.put("newer", torch.zeros(1, 256, 8, 8))
    assert [path.stem for path in tmp_path.glob("*.npy")] == ["newer"]


def test_out_of_memory_halves_the_batch_and_says_so(checkpoint, monkeypatch, caplog):
    made = Sam(checkpoint, device="cpu", field=128, batch=4)
    whole, sizes = made._decode, []

    def small_gpu(embedding, boxes, clicks):
        sizes.append(len(boxes))
        if len(boxes) > 1:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return whole(embedding, boxes, clicks)

    monkeypatch.setattr(made, "_decode", small_gpu)
    with caplog.at_level(logging.WARNING):
        boxes = np.array([[20.0, 20, 50, 48]] * 4)
        found = made.decode(made.encode(painted_field(1, side=128, cells=8).rgb), Prompts(boxes=boxes))
    assert sizes == [4, 2, 1, 1, 1, 1] and len(found.masks) == 4
    assert "2 prompts at a time" in caplog.text


def test_boxes_outside_and_clicks(checkpoint):
    made = Sam(checkpoint, device="cpu", field=128)
    encoded = made.encode(painted_field(1, side=128, cells=8).rgb)
    found = made.decode(encoded, Prompts(boxes=np.array([[500.0, 500, 520, 520], [9, 9, 9, 30], [np.nan, 0, 4, 4]])))
    assert (found.scores == 0).all() and not encoded.embeddings
    one = np.ones((1, 1), np.int8)
    assert len(made.decode(encoded, Prompts(points=np.array([[[64.0, 64]]]), signs=one)).masks) == 1
    with pytest.raises(ValueError, match="inside"):
        made.decode(encoded, Prompts(points=np.array([[[64.0, 64]]]), signs=one * 0))


def test_weights_that_are_absent_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("BOXWISE_MODELS", str(tmp_path))
    with pytest.raises(catalogue.NotHere, match="boxwise models pull sam-vit-b"):
        prompter("sam-vit-b")
    with pytest.raises(catalogue.NotHere, match="boxwise models add medsam FILE"):
        prompter("medsam")


def test_an_added_file_becomes_a_prompter_by_name(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("BOXWISE_MODELS", str(tmp_path))
    catalogue.add("medsam", checkpoint)
    made = prompter("medsam", device="cpu")
    assert made.name.startswith("medsam-")
