"""Models of other people: wrapped, loaded by their own packages, predicted with, and what is said when it fails.

The packages are stand-ins with the interface of theirs (cellpose 4.2 and 3.1, stardist 0.9, instanseg-torch 0.1): a
call that the real one would not take fails here too.
"""

import http.server
import io
import json
import socket
import sys
import threading
import types

import numpy as np
import pytest
import torch
from PIL import Image

from inference.commands import models, predict
from inference.datasets import read_labels
from inference.methods import frame
from inference.methods.external import remote, wrapping
from inference.types import InferenceError
from tests.inference.conftest import painted_field
from tests.inference.test_installed import install

FROM = ["--licence", "BSD-3-Clause", "--source", "https://example.org/nuclei"]
FIELD = painted_field(0)


def cells_in(rgb):
    """(H, W) int32: two squares, which stand for what a model finds."""
    labels = np.zeros(rgb.shape[:2], np.int32)
    labels[4:14, 4:14] = 1
    labels[20:30, 4:14] = 2
    return labels


def wrapped(tmp_path, name, *further):
    model = tmp_path / "model"
    assert models.main(["wrap", name, "-o", str(model), *FROM, *further]) == 0
    return model


def package(monkeypatch, tmp_path, distribution, version, **modules):
    """A distribution and its modules, as installed."""
    install(tmp_path / f"site-{distribution}", monkeypatch, distribution, {})
    about = next((tmp_path / f"site-{distribution}").glob("*.dist-info")) / "METADATA"
    about.write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name.replace("__", "."), module)


# Cellpose


class CellposeModel:
    """As of version 4."""

    def __init__(self, gpu=False, pretrained_model="cpsam_v2", device=None, use_bfloat16=True):
        assert isinstance(device, torch.device) and gpu == (device.type == "cuda")
        torch.load(pretrained_model, map_location=device)

    def eval(self, x, batch_size=8, channel_axis=None, diameter=None, flow_threshold=0.4, cellprob_threshold=0.0,
             min_size=15):  # fmt: skip
        assert x.shape[channel_axis] == 3 and diameter in (None, 30)
        return cells_in(x) * 7, None, None


class CellposeModel3(CellposeModel):
    def eval(self, x, channels=None, **further):
        assert channels == [0, 0]
        return (*super().eval(x, **further), None)


@pytest.fixture
def weights(tmp_path):
    torch.save({"w": torch.zeros(2)}, tmp_path / "cpsam")
    return tmp_path / "cpsam"


@pytest.mark.parametrize(("version", "model"), [("4.2.1", CellposeModel), ("3.1.1", CellposeModel3)])
def test_cellpose_predicts_and_its_origin_goes_with_the_cells(version, model, weights, tmp_path, monkeypatch, capsys):
    module = types.SimpleNamespace(CellposeModel=model)
    package(monkeypatch, tmp_path, "cellpose", version, cellpose=types.ModuleType("cellpose"), cellpose__models=module)
    bundle = wrapped(tmp_path, "cellpose", "--weights", str(weights), "--set", "diameter=30")
    card = (bundle / "card.md").read_text()
    assert "| licence | BSD-3-Clause |" in card and "| trained on | not known |" in card and "cpsam" in card
    weights.unlink()  # the model holds a copy
    Image.fromarray(FIELD.rgb).save(tmp_path / "field.png")
    out = tmp_path / "out"
    assert predict.main([str(bundle), str(tmp_path / "field.png"), "-o", str(out)]) == 0
    found = read_labels(out / "labels/field.png")
    assert np.array_equal(found, cells_in(FIELD.rgb))  # ids without gaps
    about = json.loads((out / "model.json").read_text())
    assert about["models"]["net"].startswith(f"cellpose {version} cpsam-")
    assert about["origin_of_model"] == {
        "licence": "BSD-3-Clause",
        "source": "https://example.org/nuclei",
        "trained_on": "not known",
    }
    # As GeoJSON, tile by tile, the origin is in the file itself.
    file = tmp_path / "cells.geojson"
    assert predict.main([str(bundle), str(tmp_path / "field.png"), "-o", str(file)]) == 0
    beside = json.loads((tmp_path / "cells.model.json").read_text())
    assert beside == about
    # Beside a single label map, which has no place for it.
    assert predict.main([str(bundle), str(tmp_path / "field.png"), "-o", str(tmp_path / "map.tif")]) == 0
    assert json.loads((tmp_path / "map.model.json").read_text()) == about
    written = json.loads(file.read_text())
    assert len(written["features"]) == 2
    assert written["boxwise"]["origin_of_model"]["source"] == "https://example.org/nuclei"


def test_weights_that_could_run_code_are_declined(tmp_path, monkeypatch, capsys):
    class Harm:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    module = types.SimpleNamespace(CellposeModel=CellposeModel)
    package(monkeypatch, tmp_path, "cellpose", "4.2", cellpose=types.ModuleType("cellpose"), cellpose__models=module)
    torch.save({"w": Harm()}, tmp_path / "cpsam")
    bundle = wrapped(tmp_path, "cellpose", "--weights", str(tmp_path / "cpsam"))
    with pytest.raises(InferenceError, match="Cellpose failed to load cpsam: UnpicklingError"):
        frame.load(bundle, device="cpu")
    assert not (tmp_path / "harm").exists()


def test_a_package_that_is_not_installed_is_named_with_the_remedy(weights, tmp_path, monkeypatch):
    def absent(name):
        raise wrapping.PackageNotFoundError(name)

    bundle = wrapped(tmp_path, "cellpose", "--weights", str(weights))
    monkeypatch.setattr(wrapping, "version", absent)
    with pytest.raises(InferenceError, match=r"needs the package cellpose: pip install 'boxwise\[cellpose\]'"):
        frame.load(bundle, device="cpu")


def test_weights_that_were_changed_are_declined(weights, tmp_path):
    bundle = wrapped(tmp_path, "cellpose", "--weights", str(weights))
    (bundle / "cpsam").write_bytes(b"other")
    with pytest.raises(InferenceError, match="cpsam is not the file that was wrapped"):
        frame.load(bundle, device="cpu")
    (bundle / "cpsam").unlink()
    with pytest.raises(InferenceError, match="lacks its weights cpsam"):
        frame.load(bundle, device="cpu")


# StarDist


class StarDist2D:
    """As of version 0.9."""

    def __init__(self, config, name=None, basedir="."):
        assert config is None
        folder = f"{basedir}/{name}"
        with open(f"{folder}/config.json") as file:
            self.config = types.SimpleNamespace(**json.load(file))

    def predict_instances(self, img, axes=None, n_tiles=None, show_tile_progress=True, prob_thresh=None,
                          nms_thresh=None):  # fmt: skip
        assert img.ndim == len(axes) == len(n_tiles) and prob_thresh is None and nms_thresh == 0.3
        assert abs(float(np.percentile(img, 99.8)) - 1) < 1e-3
        labels = cells_in(img)
        return labels, {"prob": np.array([0.9, 0.6]), "points": None, "coord": None, "class_id": np.array([2, 1])}


@pytest.mark.parametrize("channels", [1, 3])
def test_stardist_keeps_scores_and_classes(channels, tmp_path, monkeypatch):
    module = types.SimpleNamespace(StarDist2D=StarDist2D)
    package(monkeypatch, tmp_path, "stardist", "0.9.2", stardist=types.ModuleType("stardist"), stardist__models=module)
    folder = tmp_path / "2D_versatile_he"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"n_channel_in": channels}))
    bundle = wrapped(tmp_path, "stardist", "--weights", str(folder), "--set", "nms_threshold=0.3")
    found = frame.load(bundle, device="cpu").predict(FIELD.rgb)
    assert found.scores.tolist() == [pytest.approx(0.9), pytest.approx(0.6)]
    assert found.classes.tolist() == [1, 0]
    (bundle / "2D_versatile_he/config.json").unlink()
    with pytest.raises(InferenceError, match="is not the file that was wrapped"):
        frame.load(bundle)


def test_a_folder_without_a_model_of_stardist(tmp_path, monkeypatch):
    package(monkeypatch, tmp_path, "stardist", "0.9.2")
    (tmp_path / "empty").mkdir()
    bundle = wrapped(tmp_path, "stardist", "--weights", str(tmp_path / "empty"))
    with pytest.raises(InferenceError, match=r"empty is no model of StarDist: it is a folder with config\.json"):
        frame.load(bundle)


# InstanSeg


class Script(torch.nn.Module):
    """What instanseg.pt is: image (1, 3, H, W) -> ids (1, 1, H, W)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        labels = torch.zeros(x.shape[0], 1, x.shape[2], x.shape[3])
        labels[:, :, 4:14, 4:14] = 1
        labels[:, :, 20:30, 4:14] = 2
        return labels


class InstanSeg:
    """As of version 0.1."""

    small_image_threshold = 64 * 64

    def __init__(self, model_type, device=None, image_reader="auto", verbosity=1):
        assert isinstance(model_type, torch.nn.Module) and device == "cpu"
        self.instanseg, self.asked = model_type, []

    def eval_small_image(self, image, pixel_size=None, normalise=True, return_image_tensor=True, target="all_outputs"):
        assert image.shape[2] == 3 and not return_image_tensor and target == "nuclei"
        self.asked.append(pixel_size)
        return self.instanseg(torch.from_numpy(image).permute(2, 0, 1)[None].float())

    def eval_medium_image(self, image, pixel_size=None, tile_size=512, return_image_tensor=True, target="all_outputs"):
        assert image.shape[0] * image.shape[1] > self.small_image_threshold
        return self.eval_small_image(image, pixel_size, return_image_tensor=return_image_tensor, target=target)


def test_instanseg_runs_its_script_at_the_scale_that_was_said(tmp_path, monkeypatch):
    module = types.SimpleNamespace(InstanSeg=InstanSeg)
    package(monkeypatch, tmp_path, "instanseg-torch", "0.1.2", instanseg=module)
    torch.jit.script(Script()).save(str(tmp_path / "instanseg.pt"))
    bundle = wrapped(tmp_path, "instanseg", "--weights", str(tmp_path / "instanseg.pt"), "--set", "mpp=0.25")
    model = frame.load(bundle, device="cpu")
    for rgb in (FIELD.rgb, FIELD.rgb[:48, :48]):
        found = model.predict(np.ascontiguousarray(rgb))
        assert np.array_equal(found.labels, cells_in(rgb)) and found.scores.tolist() == [1, 1]
    assert model.net.asked == [0.25, 0.25]


def test_a_file_that_is_no_torchscript(tmp_path, monkeypatch):
    package(monkeypatch, tmp_path, "instanseg-torch", "0.1.2")
    (tmp_path / "instanseg.pt").write_bytes(b"text")
    bundle = wrapped(tmp_path, "instanseg", "--weights", str(tmp_path / "instanseg.pt"))
    with pytest.raises(InferenceError, match=r"instanseg\.pt is no TorchScript file"):
        frame.load(bundle, device="cpu")


# A model elsewhere


@pytest.fixture
def elsewhere(monkeypatch):
    """A server that answers as it is told, and remembers what it was asked."""
    monkeypatch.setenv(remote.NETWORKS, "127.0.0.0/8")

    class Handler(http.server.BaseHTTPRequestHandler):
        status, kind, body, asked, cut = 200, "image/png", None, [], False

        def do_POST(self):
            sent = self.rfile.read(int(self.headers["Content-Length"]))
            Handler.asked.append((dict(self.headers), np.asarray(Image.open(io.BytesIO(sent)))))
            body = png(cells_in(FIELD.rgb)) if Handler.body is None else Handler.body
            self.send_response(Handler.status)
            self.send_header("Content-Type", Handler.kind)
            self.send_header("Content-Length", str(len(body) + (10 if Handler.cut else 0)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    Handler.asked = []
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    Handler.url = f"http://127.0.0.1:{listening.server_port}/cells"
    yield Handler
    listening.shutdown()


def png(labels):
    written_png = io.BytesIO()
    Image.fromarray(labels.astype(np.uint16)).save(written_png, "PNG")
    return written_png.getvalue()


def asking(tmp_path, url, *further):
    return frame.load(wrapped(tmp_path, "http", "--set", f"url={url}", *further))


def test_the_image_is_sent_with_the_key_and_the_map_comes_back(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setenv(remote.KEYS, "other.example=no,127.0.0.1=secret-of-this-test")
    model = asking(tmp_path, elsewhere.url)
    found = model.predict(FIELD.rgb)
    assert np.array_equal(found.labels, cells_in(FIELD.rgb))
    headers, sent = elsewhere.asked[0]
    assert np.array_equal(sent, FIELD.rgb)
    assert headers["Authorization"] == "Bearer secret-of-this-test" and headers["Content-Type"] == "image/png"
    assert model.models["net"] == elsewhere.url
    kept = "".join(path.read_text() for path in (tmp_path / "model").iterdir())
    assert "secret" not in kept


def test_outlines_come_back_with_scores_and_classes(elsewhere, tmp_path):
    def feature(x, label, **metadata):
        ring = [[x, 4], [x + 10, 4], [x + 10, 14], [x, 14], [x, 4]]
        properties = {"objectType": "detection", "classification": {"name": label}, "metadata": metadata}
        return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties}

    elsewhere.kind = "application/geo+json"
    features = [feature(4, "stroma", score="0.5"), feature(20, "tumour")]
    elsewhere.body = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    model = asking(tmp_path, elsewhere.url, "--set", "classes=tumour", "classes=stroma")
    found = model.predict(FIELD.rgb)
    assert found.scores.tolist() == [0.5, 1.0] and found.classes.tolist() == [1, 0]
    assert (found.labels[4:14, 4:14] == 1).all() and (found.labels[4:14, 20:30] == 2).all()


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"status": 401}, r"answered 401: set its key with BOXWISE_PREDICTOR_KEYS=127\.0\.0\.1=KEY"),
        ({"status": 302}, "answered 302, not 200"),
        ({"status": 500}, "answered 500, not 200"),
        ({"kind": "text/html"}, "answered with text/html; what can be read is image/png"),
        ({"body": b"no picture"}, "cannot be read as labels"),
        ({"body": png(np.ones((9, 9)))}, r"a map of \(9, 9\) for an image of"),
        ({"kind": "application/json", "body": b"{"}, "geojson"),
        ({"cut": True}, "did not answer"),
    ],
)
def test_bad_answers_are_said_in_one_sentence(answer, sentence, elsewhere, tmp_path):
    for name, value in answer.items():
        setattr(elsewhere, name, value)
    with pytest.raises(InferenceError, match=sentence):
        asking(tmp_path, elsewhere.url).predict(FIELD.rgb)


def test_a_picture_of_another_size_is_not_unpacked(elsewhere, tmp_path, monkeypatch):
    elsewhere.body = png(np.ones((9, 9)))
    monkeypatch.setattr(remote, "read_labels", lambda path: pytest.fail("unpacked"))
    with pytest.raises(InferenceError, match=r"a map of \(9, 9\) for an image of"):
        asking(tmp_path, elsewhere.url).predict(FIELD.rgb)


def test_an_answer_that_is_too_long_is_not_read_to_its_end(elsewhere, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "MOST", 10)
    monkeypatch.setattr(remote, "MOST_A_PIXEL", 0)
    with pytest.raises(InferenceError, match="the answer has more than 10 bytes"):
        asking(tmp_path, elsewhere.url).predict(FIELD.rgb)


def test_a_model_leads_nobody_into_their_own_network(elsewhere, tmp_path, monkeypatch):
    monkeypatch.delenv(remote.NETWORKS)
    with pytest.raises(InferenceError, match=r"leads to 127\.0\.0\.1, which is not public; allow its network with BOX"):
        asking(tmp_path, elsewhere.url).predict(FIELD.rgb)
    assert elsewhere.asked == []


def test_a_key_is_not_sent_in_the_clear_to_the_public(tmp_path, monkeypatch):
    monkeypatch.delenv(remote.NETWORKS, raising=False)
    monkeypatch.setenv(remote.KEYS, "models.example=secret")
    with pytest.raises(InferenceError, match=r"the key of models\.example is sent over https alone"):
        asking(tmp_path, "http://models.example/cells")


def test_networks_that_are_allowed_do_not_let_a_key_out_in_the_clear(tmp_path, monkeypatch):
    monkeypatch.setenv(remote.NETWORKS, "10.1.0.0/16")
    monkeypatch.setenv(remote.KEYS, "models.example=secret")
    public = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [public])
    with pytest.raises(InferenceError, match="is not in a network that is allowed; send its key over https, or allow"):
        asking(tmp_path, "http://models.example/cells").predict(FIELD.rgb)


@pytest.mark.parametrize("text", ["models.example", "models.example=", "=secret", "a.example=sec\nret", "h=sécret"])
def test_keys_that_cannot_be_are_declined_and_not_shown(text):
    with pytest.raises(InferenceError, match="must be HOST=KEY") as declined:
        remote.keys_of(text)
    assert "ret" not in str(declined.value)


# What is declined while wrapping


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["unet"], "there is no predictor 'unet'; there are cellpose, stardist, instanseg, http"),
        (["cellpose"], "Cellpose needs the file of the model: --weights FILE"),
        (["cellpose", "--weights", "nowhere"], "there is no nowhere"),
        (["http", "--weights", "nowhere"], "takes no --weights"),
        (["http"], "url must be http:// or https:// and a host, not ''"),
        (["http", "--set", "url=https://a:b@example.org/"], "url must hold no password"),
        (["http", "--set", "url=https://example.org:99999/"], "Port out of range 0-65535"),
        (["http", "--set", "url=https://example.org/", "timeout=0"], "timeout must be above 0"),
        (["http", "--set", "url=https://example.org/", "colour=3"], "colour is no setting of this version"),
        (["http", "--set", "url=https://example.org/", "--licence", " "], "needs its licence and its source"),
    ],
)
def test_what_cannot_be_wrapped_is_declined_and_nothing_is_written(arguments, sentence, tmp_path, capsys):
    given = ["wrap", arguments[0], "-o", str(tmp_path / "model"), *FROM, *arguments[1:]]
    assert models.main(given) == 1
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.full((4, 4), 0.5), "a map of fractions"),
        (np.full((4, 4), -1), "ids from -1"),
        (np.full((4, 4), 99), "ids from 99 to 99"),
    ],
)
def test_maps_that_are_no_cells_are_declined(labels, sentence):
    with pytest.raises(InferenceError, match=sentence):
        wrapping.instances_of(labels, (4, 4), title="X")


def test_scores_that_do_not_fit_the_ids_are_declined():
    with pytest.raises(InferenceError, match="1 scores for ids up to 2"):
        wrapping.instances_of(np.full((4, 4), 2), (4, 4), scores=np.ones(1, np.float32), title="X")
