"""Segment Anything checkpoints: the published layouts, the published answers, and what must not load.

SAM 2 and MobileSAM: the makers' packages are not installed here. What is compared instead are fingerprints of their
tables of tensors, taken from the packages sam2 1.1.0 and mobilesam-mirror 1.0.0; with them at hand (outside these
tests) the answers to random weights were compared too (docs/models.md).
"""

import hashlib
import logging
import pickle

import numpy as np
import pytest
import torch
from segment_anything import SamPredictor, sam_model_registry
from segment_anything.modeling import Sam as PublishedSam

from inference.devices import OutOfMemory
from inference.offline import ultralytics_modules
from inference.prompters import sam as sam_module
from inference.prompters.sam import Sam, fields
from inference.prompters.sam_nets import (
    HIERAS,
    VIDEO_ONLY,
    Architecture,
    Hiera,
    Sam2Net,
    SamNet,
    TinyViT,
    build,
)
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
    loaded = build(path).state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_a_malicious_checkpoint_does_not_run(tmp_path):
    marker = tmp_path / "ran"

    class Attack:
        def __reduce__(self):
            return (open, (str(marker), "w"))

    path = tmp_path / "evil.pth"
    torch.save({"image_encoder.pos_embed": Attack()}, path)
    with pytest.raises(files.BadWeights, match=r"evil\.pth"):
        files.read_checkpoint(path)
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(files.BadWeights, match=r"raw\.pth"):
        files.read_checkpoint(tmp_path / "raw.pth")
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
    size = next(tmp_path.glob("*.npz")).stat().st_size
    again.cache.limit = int(size * 1.5)
    again.cache.put("newer", (torch.zeros(1, 256, 8, 8),))
    assert [path.stem for path in tmp_path.glob("*.npz")] == ["newer"]


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


# -- SAM 2 and MobileSAM

PUBLISHED = {  # sha256 of the sorted "name shape" lines of the makers' own models, parts for videos left out
    "tiny": "d4c2f294669ace98",
    "small": "f45239d3c342cb76",
    "base-plus": "39b22ab08d3297d5",
    "large": "d6b2d244272f2302",
    "mobile": "d794ba6abcfafd91",
}


def fingerprint(state):
    lines = "\n".join(f"{key} {tuple(value.shape)}" for key, value in sorted(state.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


@pytest.mark.parametrize("size", PUBLISHED)
def test_sam_2_and_mobile_sam_have_the_published_tensors(size, monkeypatch):
    ultralytics_modules("encoders")  # imported within "meta", its own constants would be without values
    linspace = torch.linspace  # some constructors read values out of it, which "meta" tensors do not have
    monkeypatch.setattr(torch, "linspace", lambda *a, **k: linspace(*a, **k | {"device": "cpu"}))
    with torch.device("meta"):
        net = SamNet(TinyViT()) if size == "mobile" else Sam2Net(HIERAS[size])
    assert fingerprint(net.state_dict()) == PUBLISHED[size]
    if size != "mobile":
        assert Hiera.of(net.state_dict(), size) == HIERAS[size]


def write(path, net, wrap, seed=5):
    """Random weights in the makers' layout, norms and biases off their first values so that each tensor counts."""
    torch.manual_seed(seed)
    state = {
        key: value + 0.1 * torch.randn_like(value) if value.ndim == 1 and "running" not in key else value
        for key, value in net.state_dict().items()
    }
    torch.save(wrap(state), path)
    return path


@pytest.fixture(scope="module", params=["sam2.1-tiny", "mobile-sam"])
def newer(request, tmp_path_factory):
    """The true architectures; their input is made smaller than 1024, or each view would take seven seconds."""
    path = tmp_path_factory.mktemp("newer") / f"{request.param}.pt"
    if request.param == "mobile-sam":
        return request.param, write(path, SamNet(TinyViT(256)), dict)
    video = {f"{name}weight" if name.endswith(".") else name: torch.zeros(1) for name in VIDEO_ONLY}
    return request.param, write(path, Sam2Net(HIERAS["tiny"], 256), lambda state: {"model": state | video})


def test_newer_models_answer_boxes_and_clicks_by_name(newer, tmp_path, monkeypatch):
    name, path = newer
    monkeypatch.setenv("BOXWISE_MODELS", str(tmp_path))
    made = prompter(name, weights=path, device="cpu", side=256, cache=tmp_path / "seen")
    assert made.name.startswith(f"{name}-")
    rgb = painted_field(1).rgb[:150]  # wider than high: SAM 2 stretches, MobileSAM pads
    encoded = made.encode(rgb)
    prompts = Prompts(boxes=np.array([[20.0, 20, 50, 48], [100, 60, 130, 90], [700, 9, 720, 30], [3, 3, 3, 9]]))
    found = made.decode(encoded, prompts)
    assert (found.scores[2:] == 0).all() and all(not mask.bits.size for mask in found.masks[2:])
    assert any(mask.bits.size for mask in found.masks[:2])
    for mask in found.masks:
        assert mask.x >= 0 and mask.x + mask.bits.shape[1] <= 192 and mask.y + mask.bits.shape[0] <= 150
    again = prompter(name, weights=path, device="cpu", side=256, cache=tmp_path / "seen")
    monkeypatch.setattr(again, "_encode", None)  # would fail when called
    second = again.decode(again.encode(rgb), prompts)
    assert all(np.array_equal(a.bits, b.bits) for a, b in zip(found.masks, second.masks))
    click = Prompts(points=np.array([[[35.0, 34], [0, 0]]]), signs=np.array([[1, -1]], np.int8))
    boxed = Prompts(boxes=prompts.boxes[:1], points=click.points, signs=click.signs)
    first, both = (made.decode(encoded, asked).masks[0] for asked in (click, boxed))
    assert first.bits.shape != both.bits.shape or (first.bits != both.bits).any()


def test_prompts_beside_each_other_do_not_change_each_other(newer):
    _, path = newer
    made = Sam(path, device="cpu", side=256)
    encoded = made.encode(painted_field(2).rgb)
    boxes = np.array([[20.0, 20, 50, 48], [100, 60, 130, 90], [60, 100, 90, 140]])
    batch = made.decode(encoded, Prompts(boxes=boxes))
    for i, box in enumerate(boxes):
        assert made.decode(encoded, Prompts(boxes=box[None])).scores[0] == pytest.approx(batch.scores[i], abs=1e-4)


def test_a_mask_lies_where_the_net_put_it(newer, monkeypatch):
    """Whether stretched or padded: places of the view return to the pixels they came from."""
    _, path = newer
    made = Sam(path, device="cpu", side=256)
    rgb = np.zeros((100, 200, 3), np.uint8)
    asked = []

    def answer(embedding, boxes, clicks):
        asked.append(boxes)
        logits = torch.full((1, 3, 64, 64), -1.0)
        x0, y0, x1, y1 = (boxes[0] / 4).round().int()
        logits[0, :, y0:y1, x0:x1] = 1
        return logits, torch.tensor([[0.2, 0.9, 0.1]])

    monkeypatch.setattr(made, "_decode", answer)
    found = made.decode(made.encode(rgb), Prompts(boxes=np.array([[50.0, 25, 150, 75]])))
    box = (64, 64, 192, 192) if made.net.stretch else (64, 32, 192, 96)
    assert asked[0].tolist() == [list(box)] and found.scores[0] == pytest.approx(0.9)
    mask = found.masks[0]
    y, x = np.nonzero(mask.bits)
    ends = np.array([mask.x + x.min(), mask.y + y.min(), mask.x + x.max() + 1, mask.y + y.max() + 1])
    assert np.abs(ends - [50, 25, 150, 75]).max() <= 1


def test_sizes_that_were_never_published_and_sides_that_do_not_fit_are_named(checkpoint, tmp_path):
    state = {"image_encoder.trunk.patch_embed.proj.weight": torch.zeros(96, 3, 7, 7)}
    torch.save({"model": state}, tmp_path / "odd.pt")
    with pytest.raises(files.BadWeights, match=r"odd\.pt.*never published"):
        build(tmp_path / "odd.pt")
    with pytest.raises(files.BadWeights, match="views of 128"):
        build(checkpoint, 512)


def test_a_part_that_is_missing_from_sam_2_is_named(newer, tmp_path):
    _, path = newer
    state = torch.load(path, weights_only=True)
    state = state.get("model", state)
    torch.save({key: value for key, value in state.items() if "mask_tokens" not in key}, tmp_path / "less.pt")
    with pytest.raises(files.BadWeights, match=r"less\.pt(.|\n)*mask_tokens"):
        build(tmp_path / "less.pt", 256)


def test_a_view_that_does_not_fit_into_memory_is_said(checkpoint, monkeypatch):
    made = Sam(checkpoint, device="cpu", field=128)

    def full(*_):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(made.net, "embed", full)
    box = Prompts(boxes=np.array([[20.0, 20, 50, 48]]))
    with pytest.raises(OutOfMemory, match="one view of 128 x 128"):
        made.decode(made.encode(painted_field(1, side=128, cells=8).rgb), box)
    monkeypatch.undo()
    monkeypatch.setattr(made, "_decode", full)
    with pytest.raises(OutOfMemory, match="one prompt"):
        made.decode(made.encode(painted_field(1, side=128, cells=8).rgb), box)


def test_memory_stays_bounded_on_a_slide(checkpoint, monkeypatch):
    """20,000 x 20,000 pixels have 6,000 fields: only the last few embeddings are kept."""
    made = Sam(checkpoint, device="cpu")
    monkeypatch.setattr(made, "_encode", lambda rgb: (torch.zeros(1, 256, 8, 8),))
    monkeypatch.setattr(sam_module, "KEPT_FIELDS", 5)
    slide = np.broadcast_to(np.uint8(200), (20_000, 20_000, 3))  # no memory of its own
    encoded = sam_module.Seen(slide, "slide", list(fields(20_000, 20_000, 512)))
    middles = np.random.default_rng(0).uniform(100, 19_900, (60, 2))
    found = made.decode(encoded, Prompts(boxes=np.concatenate([middles - 10, middles + 10], axis=1)))
    assert len(found.masks) == 60 and len(encoded.embeddings) == 5
