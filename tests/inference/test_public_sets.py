"""Public data sets: listed with their licences, fetched from a local server, resumed, checked, and read by training."""

import hashlib
import io
import json
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from inference.commands import datasets
from inference.datasets import open_dataset
from inference.public_sets import READERS, public_sets


def png(array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def tnbc_zip() -> bytes:
    """Two patients; the second image has two nuclei that do not touch."""
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for patient, nuclei in (("01", 1), ("09", 2)):
            mask = np.zeros((64, 64), np.uint8)
            for number in range(nuclei):
                mask[10 + 20 * number : 20 + 20 * number, 10:20] = 255
            picture = rng.integers(0, 255, (64, 64, 3), np.uint8)
            archive.writestr(f"TNBC/Slide_{patient}/{patient}_1.png", png(picture))
            archive.writestr(f"TNBC/GT_{patient}/{patient}_1.png", png(mask))
    return file.getvalue()


class Server:
    """Serves one file with ranges; `stops_after`: breaks the first answer after so many bytes."""

    def __init__(self, content: bytes, stops_after: int | None = None) -> None:
        self.ranges: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()

            def do_GET(self):
                wanted = self.headers.get("Range")
                outer.ranges.append(wanted)
                begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
                if begin >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206 if wanted else 200)
                self.send_header("Content-Length", str(len(content) - begin))
                self.end_headers()
                stop = stops_after if stops_after and len(outer.ranges) == 1 else len(content)
                self.wfile.write(content[begin:stop])

            def log_message(self, *words):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/TNBC_NucleiSegmentation.zip"


@pytest.fixture
def served(tmp_path, monkeypatch):
    """-> start(stops_after, sha256): a server with the set, and the list that names it."""
    started = []

    def start(stops_after=None, sha256=""):
        content = tnbc_zip()
        server = Server(content, stops_after)
        started.append(server)
        entry = {
            "name": "tnbc", "title": "A set", "licence": "CC BY 4.0", "licence_url": "https://x",
            "citation": "Who, What", "page": "https://y", "layout": "tnbc",
            "files": [{"url": server.url, "sha256": sha256 or hashlib.sha256(content).hexdigest(), "bytes": None}],
        }  # fmt: skip
        (tmp_path / "sets.json").write_text(json.dumps([entry]))
        monkeypatch.setenv("BOXWISE_PUBLIC_SETS", str(tmp_path / "sets.json"))
        return server

    yield start
    for server in started:
        server.server.shutdown()


def test_every_set_says_its_licence_and_can_be_read(capsys):
    for one in public_sets():
        assert one.licence and one.citation and one.page.startswith("https://") and one.layout in READERS
        assert one.files and all(file.sha256 is None or len(file.sha256) == 64 for file in one.files)
    assert datasets.main(["list", "--json"]) == 0
    assert {one["name"] for one in json.loads(capsys.readouterr().out)} == {one.name for one in public_sets()}


def test_nothing_is_fetched_before_the_licence_is_accepted(served, tmp_path, capsys, monkeypatch):
    server = served()
    assert datasets.main(["fetch", "tnbc", "-o", str(tmp_path / "in")]) == 1
    printed = capsys.readouterr()
    assert "not checked against these addresses" in printed.out
    assert "CC BY 4.0" in printed.out and "Who, What" in printed.out and "--accept-licence" in printed.err
    assert server.ranges == [] and not (tmp_path / "in").exists()


def test_a_set_is_fetched_once_and_becomes_a_data_set(served, tmp_path, capsys):
    server = served()
    for _ in range(2):
        assert datasets.main(["fetch", "tnbc", "-o", str(tmp_path / "in"), "--accept-licence"]) == 0
    assert len(server.ranges) == 1, "what is there whole is not fetched again"
    assert datasets.main(["import", "tnbc", str(tmp_path / "in"), "-o", str(tmp_path / "out")]) == 0
    found = open_dataset(tmp_path / "out")
    assert found.split("train") == ("01_1",) and found.split("val") == ("09_1",)
    assert found.labels("09_1").max() == 2 and found.image("09_1").shape == (64, 64, 3)
    about = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert about["license"] == "CC BY 4.0" and about["per_image"]["01_1"] == {"patient": "01"}


def test_a_broken_download_goes_on_where_it_was(served, tmp_path, capsys):
    server = served(stops_after=5000)
    command = ["fetch", "tnbc", "-o", str(tmp_path / "in"), "--accept-licence"]
    assert datasets.main(command) == 1
    assert "goes on from where it stopped" in capsys.readouterr().err
    assert datasets.main(command) == 0
    assert server.ranges == [None, "bytes=5000-"]


def test_another_file_than_the_published_one_is_not_kept(served, tmp_path, capsys):
    served(sha256="0" * 64)
    assert datasets.main(["fetch", "tnbc", "-o", str(tmp_path / "in"), "--accept-licence"]) == 1
    printed = capsys.readouterr().err
    assert "was expected" in printed
    assert "the list is wrong" in printed and "BOXWISE_PUBLIC_SETS" in printed
    assert list((tmp_path / "in").iterdir()) == []


def test_what_was_not_fetched_is_named(served, tmp_path, capsys):
    served()
    assert datasets.main(["import", "tnbc", str(tmp_path), "-o", str(tmp_path / "out")]) == 1
    assert "run boxwise datasets fetch first" in capsys.readouterr().err


def test_pannuke_s_channels_become_one_label_map(tmp_path, monkeypatch):
    from inference.public_sets import PublicSet, SetFile, unpack

    masks = np.zeros((2, 8, 8, 6))
    masks[0, :3, :3, 0] = 7
    masks[0, 5:, 5:, 2] = 7
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in (("images.npy", np.full((2, 8, 8, 3), 9.0)), ("masks.npy", masks)):
            one = io.BytesIO()
            np.save(one, array)
            archive.writestr(f"Fold 1/{name.removesuffix('.npy')}/fold1/{name}", one.getvalue())
    (tmp_path / "fold_1.zip").write_bytes(file.getvalue())
    files = (SetFile("https://x/fold_1.zip", None, None),)
    assert unpack(PublicSet("p", "P", "l", "u", "c", "g", "pannuke", files), tmp_path, tmp_path / "out") == 2
    labels = open_dataset(tmp_path / "out").labels("fold1_00000")
    assert sorted(np.unique(labels)) == [0, 1, 2] and labels[0, 0] != labels[7, 7]


def test_the_masks_of_a_nucleus_each_become_one_label_map(tmp_path):
    from inference.public_sets import PublicSet, SetFile, unpack

    with zipfile.ZipFile(tmp_path / "stage1_train.zip", "w") as archive:
        archive.writestr("ab12/images/ab12.png", png(np.full((8, 8, 3), 200, np.uint8)))
        for number in range(2):
            mask = np.zeros((8, 8), np.uint8)
            mask[4 * number, :3] = 255
            archive.writestr(f"ab12/masks/{number:064x}.png", png(mask))
    files = (SetFile("https://x/stage1_train.zip", None, None),)
    assert unpack(PublicSet("d", "D", "l", "u", "c", "g", "dsb2018", files), tmp_path, tmp_path / "out") == 1
    assert open_dataset(tmp_path / "out").labels("ab12").max() == 2


def test_a_set_that_is_damaged_leaves_nothing_behind(served, tmp_path, capsys):
    served()
    assert datasets.main(["fetch", "tnbc", "-o", str(tmp_path / "in"), "--accept-licence"]) == 0
    archive = tmp_path / "in" / "TNBC_NucleiSegmentation.zip"
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("TNBC/Slide_11/11_1.png", png(np.zeros((8, 8, 3), np.uint8)))
    before = sorted(tmp_path.iterdir())
    assert datasets.main(["import", "tnbc", str(tmp_path / "in"), "-o", str(tmp_path / "out")]) == 1
    assert "has no mask GT_11/11_1.png" in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before
