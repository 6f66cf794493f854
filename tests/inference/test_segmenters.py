"""CaraNet and SegFormer: shapes, what they learn within seconds, starts from published files, a new stain."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from timm import create_model
from torch import nn

from inference.nets import batch_norms
from inference.registry import trainer
from inference.segmenters.caranet import (
    BACKBONES,
    AxialAttention,
    CaraNet,
    CaraNetNet,
    CaraNetSettings,
    Encoder,
    FeaturePyramid,
    ReverseAttention,
)
from inference.segmenters.learning import NetSegmenter, bce_dice
from inference.segmenters.segformer import SegFormer, SegFormerNet, SegFormerSettings
from inference.training.loop import Schedule
from inference.weights import catalogue, files
from tests.inference.conftest import painted_field

SHORT = Schedule(steps=36, epoch=12, lr=2e-3, warmup=6, average=0.8)


def ignore(progress):
    pass


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.mark.parametrize(
    "made",
    [
        CaraNet(CaraNetSettings(schedule=SHORT, batch=4, side=96, enlarge=1.5, colour=0.2), device="cpu"),
        SegFormer(SegFormerSettings(schedule=SHORT, batch=4, side=96, size="tiny", colour=0.2), device="cpu"),
    ],
    ids=lambda made: made.name,
)
def test_it_learns_two_fields_within_seconds(made, tmp_path):
    fields = [painted_field(i) for i in range(2)]
    path = made.train(fields, [fields[0]], work=tmp_path, report=ignore, stop=lambda: False)
    segmenter = made.load(path)
    probability = segmenter.foreground(fields[1].rgb)
    assert probability.shape == (192, 192) and probability.dtype == np.float32
    assert probability.min() >= 0 and probability.max() <= 1
    assert dice(probability >= 0.5, fields[1].labels > 0) > 0.8
    flipped = type(made)(replace(made.settings, flips=True), device="cpu").segmenter(
        segmenter.net, torch.device("cpu"), flips=True
    )
    twice = flipped.foreground(np.ascontiguousarray(fields[1].rgb[:, ::-1]))[:, ::-1]
    assert np.abs(flipped.foreground(fields[1].rgb) - twice).max() < 0.05  # a mirror image has the mirrored answer


@pytest.mark.parametrize("backbone", BACKBONES)
def test_caranet_keeps_the_size_of_its_input_and_trains_four_maps(backbone):
    with torch.device("meta"):
        net = CaraNetNet(backbone)
        maps = net.maps(torch.zeros(2, 3, 96, 64))
    assert [tuple(one.shape) for one in maps] == [(2, 1, 96, 64)] * 4


@pytest.mark.parametrize("backbone", ["res2net50d", "res2net101d"])
def test_caranets_backbone_has_timms_tensors(backbone):
    with torch.device("meta"):
        ours, theirs = Encoder(backbone).body.state_dict(), create_model(backbone, pretrained=False).state_dict()
    expected = {name: value.shape for name, value in theirs.items() if not name.startswith("fc.")}
    assert {name: value.shape for name, value in ours.items()} == expected


def test_reverse_attention_looks_only_where_nothing_was_found_yet():
    torch.manual_seed(0)
    level = ReverseAttention().eval()
    x = torch.randn(1, 32, 12, 12)
    sure = torch.full((1, 1, 12, 12), 40.0)
    nothing = level.find(torch.zeros(1, 32, 12, 12))
    assert torch.allclose(level(x, sure), sure + nothing, atol=1e-4)
    assert not torch.allclose(level(x, -sure), -sure + nothing, atol=1e-2)


def test_axial_attention_sees_the_row_and_the_column_and_begins_as_the_identity():
    torch.manual_seed(0)
    attention = AxialAttention()
    x = torch.randn(1, 32, 7, 9)
    assert torch.equal(attention(x), x)
    nn.init.constant_(attention.share, 1.0)
    changed = x.clone()
    changed[..., 2, 3] += 5
    moved = (attention(changed) - attention(x)).abs().sum(1)[0] > 1e-6
    assert moved[2].all() and moved[:, 3].all()


def test_the_feature_pyramid_reaches_as_far_as_its_dilations():
    torch.manual_seed(0)
    pyramid = FeaturePyramid(dilation=8).eval()
    x = torch.zeros(1, 32, 65, 65)
    touched = x.clone()
    touched[..., 32, 32] = 1
    with torch.no_grad():
        reach = (pyramid(touched) - pyramid(x)).abs().sum(1)[0] > 0
    rows = torch.nonzero(reach.any(1))[:, 0]
    assert int(rows.max()) - 32 == 3 * 9 + 1  # three steps of the largest dilation, and the squeeze


@pytest.mark.parametrize("size", ["b0", "b2"])
def test_segformer_starts_from_its_makers_names(size, tmp_path, monkeypatch):
    """The published names, written from transformers' own table of what they were called."""
    monkeypatch.setenv("BOXWISE_MODELS", str(tmp_path))
    torch.manual_seed(1)
    source = SegFormerNet("b0")
    old = {publish(name): value for name, value in source.net.state_dict().items() if not name.startswith("decode")}
    assert "segformer.encoder.block.3.1.attention.self.query.weight" in old
    torch.save(old | {"classifier.weight": torch.zeros(1000, 256)}, catalogue.place("mit-b0"))
    made = SegFormer("quick", device="cpu")
    assert made.name.startswith("segformer-1-from-")
    torch.manual_seed(2)
    net = made.net() if size == "b0" else SegFormerNet("b2")
    if size == "b2":
        with pytest.raises(files.BadWeights, match="does not fit SegFormer"):
            SegFormer("paper").take(net, catalogue.place("mit-b0"))
        return
    made.take(net, catalogue.place("mit-b0"))
    ours, theirs = net.net.state_dict(), source.net.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if not name.startswith("decode"))


def publish(name: str) -> str:
    """transformers 5 -> the names in the makers' files."""
    import re

    for now, then in (
        (r"stages\.(\d+)\.patch_embeddings\.", r"encoder.patch_embeddings.\1."),
        (r"stages\.(\d+)\.blocks\.", r"encoder.block.\1."),
        (r"stages\.(\d+)\.layer_norm\.", r"encoder.layer_norm.\1."),
        ("attention.q_proj", "attention.self.query"),
        ("attention.k_proj", "attention.self.key"),
        ("attention.v_proj", "attention.self.value"),
        ("attention.sequence_reduction.sequence_reduction", "attention.self.sr"),
        ("attention.sequence_reduction.layer_norm", "attention.self.layer_norm"),
        ("attention.o_proj", "attention.output.dense"),
        ("mlp.fc1", "mlp.dense1"),
        ("mlp.fc2", "mlp.dense2"),
        ("layernorm_before", "layer_norm_1"),
        ("layernorm_after", "layer_norm_2"),
    ):
        name = re.sub(now, then, name)
    return name


def test_caranet_starts_from_timms_file(tmp_path, monkeypatch):
    monkeypatch.setenv("BOXWISE_MODELS", str(tmp_path))
    settings = CaraNetSettings(backbone="res2net50d")
    assert CaraNet(settings).name == "caranet-1"
    torch.manual_seed(1)
    source = Encoder("res2net50d").body.state_dict()
    files.save(catalogue.place("res2net50d"), source | {"fc.weight": torch.zeros(1000, 2048)}, {})
    made = CaraNet(settings)
    start = made.start()
    assert start is not None and made.name.startswith("caranet-1-from-")
    net = made.net()
    made.take(net, start)
    assert torch.equal(net.encoder.body.layer4[0].conv1.weight, source["layer4.0.conv1.weight"])
    with pytest.raises(files.BadWeights, match="does not fit"):
        CaraNet(CaraNetSettings(backbone="res2net101d")).take(CaraNetNet("res2net101d"), start)


def test_the_loss_ignores_what_is_not_valid():
    torch.manual_seed(0)
    logits, truth = torch.randn(2, 1, 8, 8), (torch.rand(2, 1, 8, 8) > 0.5).float()
    valid = torch.ones(2, 1, 8, 8)
    valid[..., 4:] = 0
    other = torch.where(valid > 0, truth, 1 - truth)
    assert bce_dice(logits, truth, valid) == bce_dice(logits, other, valid) != bce_dice(logits, other, valid * 0 + 1)


def test_a_new_stain_is_adapted_to_without_labels():
    """Batch normalisation re-estimated on images whose colours are shifted gives the answers of before the shift."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 1, 1))
    fields = [painted_field(i).rgb for i in range(3)]
    shifted = [(rgb * 0.6 + 30).astype(np.uint8) for rgb in fields]
    made = NetSegmenter(net, device=torch.device("cpu"), name="net")
    made.adapted(fields)
    before, after = made.foreground(fields[0]), made.foreground(shifted[0])
    norm = batch_norms(net)[0]
    assert norm.momentum == 0.1 and not norm.training and made.name == "net-adapted"
    again = made.adapted(shifted).foreground(shifted[0])
    assert np.abs(again - before).mean() < 0.3 * np.abs(after - before).mean()


def test_a_net_without_batch_normalisation_stays_as_it_is():
    made = trainer("segmenter", "unet", "tiny", device="cpu")
    segmenter = made.segmenter(made.net(), torch.device("cpu"))
    assert segmenter.adapted([painted_field(0).rgb]).name == "unet-1"


def test_tiles_of_an_enlarged_image_have_no_seam():
    """A net that looks at single pixels: its answer must not know where tiles end, whatever the magnification."""
    net = nn.Conv2d(3, 1, 1)
    rgb = np.random.default_rng(0).integers(0, 255, (300, 700, 3), np.uint8)
    rgb = np.repeat(np.repeat(rgb[::10, ::10], 10, 0), 10, 1)
    whole = NetSegmenter(net, device=torch.device("cpu"), name="net").foreground(rgb)
    large = NetSegmenter(net, device=torch.device("cpu"), name="net", enlarge=2.0, stride=32).foreground(rgb)
    assert large.shape == whole.shape and np.abs(large - whole).mean() < 0.02
