"""Weights that somebody brings along: what fits is found out, what does not is refused with the reason."""

import json
import zipfile
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import save_file

from inference import registry
from inference.commands import models
from inference.detectors import yolo
from inference.detectors.centre import CentreNet, CentreSettings
from inference.pipeline import imported_weights
from inference.segmenters.unet import UNetNet, UNetSettings
from inference.types import InferenceError
from inference.weights import files, sha256
from tests.inference.conftest import painted_field

LIMIT = 2**28


def centre(path, *, classes=1, net=None, **about):
    torch.manual_seed(3)
    state = (net or CentreNet(classes)).state_dict()
    reported = {"model": "centre-1", "classes": classes, "settings": asdict(CentreSettings())} | about
    return files.save(path, state, reported)


def unet(path):
    return files.save(path, UNetNet().state_dict(), {"model": "unet-1", "settings": asdict(UNetSettings())})


def zipped(path, *members, **texts):
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.write(member, f"somewhere/{member.name}")
        for name, text in texts.items():
            archive.writestr(f"somewhere/{name.replace('_', '.')}", text)
    return path


def test_the_table_of_models_is_that_of_the_trainers():
    assert sorted(registry.MODELS.values()) == sorted((k, n) for k, named in registry.TRAINERS.items() for n in named)
    for model, (kind, name) in registry.MODELS.items():
        assert registry.trainer(kind, name, device="cpu").name.startswith(model)


def test_a_bare_file_says_what_it_is(tmp_path):
    found = imported_weights.inspect(centre(tmp_path / "mine.safetensors", classes=3))
    assert (found.kind, found.name, found.model, found.classes) == ("detector", "centre", "centre-1", 3)
    assert found.sha256 == sha256(tmp_path / "mine.safetensors")


def test_a_folder_brings_both_halves_its_settings_and_its_card(tmp_path):
    parts = centre(tmp_path / "detector.safetensors"), unet(tmp_path / "segmenter.safetensors")
    about = {"class_names": ["a"], "sha256": {part.stem: sha256(part) for part in parts}}
    path = zipped(tmp_path / "all.zip", *parts, boxcell_json=json.dumps(about), README_md="# A card")
    brought = imported_weights.opened(path, tmp_path / "here", limit=LIMIT)
    assert [(one.kind, one.name) for one in brought.found] == [("detector", "centre"), ("segmenter", "unet")]
    assert (brought.about, brought.card) == (about, "# A card")


def damaged(path):
    content = bytearray(centre(path).read_bytes())
    del content[len(content) // 2 :]
    path.write_bytes(content)
    return path


def not_finite(path):
    net = CentreNet(1)
    with torch.no_grad():
        net.heat.weight[0, 0] = float("nan")
    return centre(path, net=net)


def pickled(path):
    torch.save(CentreNet(1).state_dict(), path)
    return path


def nameless(path):
    save_file({"a": torch.zeros(2)}, path)
    return path


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda p: centre(p, model="resnet-1"), "holds 'resnet-1'; the architectures that are known: caranet-1"),
        (lambda p: centre(p, net=UNetNet()), "does not fit its model"),
        (lambda p: centre(p, classes=2, net=CentreNet(1)), "does not fit its model"),
        (lambda p: centre(p, classes=10**9, net=CentreNet(1)), "says that it has 1000000000 classes"),
        (lambda p: centre(p, settings={"threshold": 0.4}), "does not work as centre-1: 'nms'"),
        (lambda p: centre(p, settings="none"), "does not say with which settings"),
        (lambda p: centre(p, settings={"side": 10**8}), "has the setting side = 100000000"),
        (lambda p: centre(p, settings={"nms": float("nan")}), "NaN is no number"),
        (lambda p: centre(p, note="\0"), "a NUL in its description"),
        (not_finite, "not finite"),
        (damaged, "no whole safetensors file"),
        (pickled, "no whole safetensors file"),
        (nameless, "does not say which model it is of.*boxwise models convert"),
    ],
    ids=lambda value: getattr(value, "__name__", "")[:20],
)
def test_what_does_not_fit_is_refused_with_the_reason(made, words, tmp_path):
    with pytest.raises(files.BadWeights, match=words):
        imported_weights.inspect(made(tmp_path / "w.safetensors"))


def test_a_zip_is_refused_for_what_is_wrong_in_it(tmp_path):
    detector, segmenter = centre(tmp_path / "detector.safetensors"), unet(tmp_path / "segmenter.safetensors")

    def declined(words, *members, limit=LIMIT, **texts):
        with pytest.raises(files.BadWeights, match=words):
            imported_weights.opened(zipped(tmp_path / "x.zip", *members, **texts), tmp_path / "here", limit=limit)

    declined("neither detector.safetensors nor segmenter.safetensors", README_md="a card")
    declined("larger than 1 MiB unpacked", segmenter, limit=2**20)
    declined("boxcell.json is no JSON", detector, boxcell_json="{")
    declined("damaged: its sha256", detector, boxcell_json=json.dumps({"sha256": {"detector": "0" * 64}}))
    swapped = tmp_path / "swapped"
    swapped.mkdir()
    declined("segmenter.safetensors holds a detector", centre(swapped / "segmenter.safetensors"))
    whole = zipped(tmp_path / "y.zip", segmenter).read_bytes()
    (tmp_path / "y.zip").write_bytes(whole[:200] + bytes(64) + whole[264:])
    with pytest.raises(files.BadWeights, match="zip is damaged"):
        imported_weights.opened(tmp_path / "y.zip", tmp_path / "here", limit=LIMIT)


def test_a_checkpoint_is_converted_and_one_that_could_run_is_not(tmp_path, capsys):
    torch.manual_seed(0)
    net = CentreNet(2)
    torch.save({"state_dict": net.state_dict()}, tmp_path / "mine.pth")
    target = tmp_path / "mine.safetensors"
    call = ["convert", str(tmp_path / "mine.pth"), "--as", "centre", "--classes", "2", "-o", str(target)]
    assert models.main([*call, "--set", "threshold=0.25"]) == 0
    found = imported_weights.inspect(target)
    assert (found.classes, found.settings["threshold"]) == (2, 0.25)
    state, _ = files.load(target, "centre-1")
    assert all(torch.equal(state[name], value) for name, value in net.state_dict().items())
    target.unlink()
    for broken in (["--as", "unet"], ["--as", "nobody"]):
        assert models.main([*call[:2], *broken, "-o", str(target)]) == 1
    torch.save(net, tmp_path / "mine.pth")  # a whole object, as a pickle that would run code
    assert models.main(call) == 1
    assert "cannot be read safely" in capsys.readouterr().err
    assert not target.exists() and list(tmp_path.glob("*unchecked*")) == []


def test_yolo_trains_on_from_weights_of_its_own_size_only(tmp_path):
    settings = yolo.YoloSettings(epochs=1, batch=2, side=192)
    field = painted_field(0)

    def trained(name, **options):
        made = yolo.Yolo(settings, device="cpu")
        return made.train([field], [], work=tmp_path / name, report=lambda _: None, stop=lambda: False, **options)

    first, _ = files.load(trained("first"), "yolov8-1")
    start = {name: value + 0.5 if name.endswith("bn.bias") else value for name, value in first.items()}
    about = {"model": "yolov8-1", "classes": 1, "settings": asdict(settings), "scale": 1.0}
    path = files.save(tmp_path / "start.safetensors", start, about)
    after, _ = files.load(trained("second", start_from=path), "yolov8-1")
    name = next(name for name in start if name.endswith("bn.bias"))
    assert (after[name] - start[name]).abs().max() < 0.1 < (after[name] - first[name]).abs().min()
    other = files.save(tmp_path / "x.safetensors", start, about | {"settings": asdict(settings) | {"size": "x"}})
    with pytest.raises(InferenceError, match=r"is a yolov8x.yaml, and this training makes a yolov8n.yaml"):
        trained("third", start_from=other)
