"""A stranger's annotation file is read by a child with limits; what it answers is not trusted."""

import io
import json
import os
import pickle
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from inference.formats import conversion, isolation
from inference.formats.isolation import read_apart
from inference.formats.losses import Property
from inference.formats.model import Annotations
from inference.types import InferenceError
from tests.inference.annotation_sets import SETS, pixels

EVERYTHING = frozenset(Property)


@pytest.mark.parametrize(
    "what", [Property.HOLES, Property.OVERLAPS, Property.POINTS, Property.NUCLEI, Property.REGIONS]
)
def test_the_child_reads_what_is_read_here(what, tmp_path):
    path = tmp_path / "a.geojson"
    conversion.write(SETS[what], path, format="geojson")
    here = conversion.read(path, strict=False)
    with read_apart(path, format="", sizes={}, keeps=EVERYTHING - {Property.CLASSES}) as apart:
        images = list(apart.images())
        assert apart.format == "geojson" and apart.total == len(images) == 1
        assert ("classes", len(images[0].annotations)) in apart.losses
    assert [one.label for one in images[0].annotations] == [one.label for one in here.annotations.each()]
    assert images[0].regions == here.annotations.images[0].regions
    assert pixels(Annotations(images)) == pixels(here.annotations)


def test_what_the_reader_declines_is_said_in_its_words(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with (
        pytest.raises(InferenceError, match=r"a\.json.*JSON"),
        read_apart(tmp_path / "a.json", format="", sizes={}, keeps=EVERYTHING),
    ):
        pass


def large(path: Path) -> Path:
    """A GeoJSON of 60 MB, small enough to be parsed at once."""
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[n, n % 7] for n in range(4000)]]}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature] * 1000}))
    return path


def test_a_file_that_needs_too_much_memory_is_declined(tmp_path):
    path = large(tmp_path / "large.geojson")
    before = set(os.listdir(tempfile.gettempdir()))
    with (
        pytest.raises(InferenceError, match="in parts"),
        read_apart(path, format="geojson", sizes={}, keeps=EVERYTHING, megabytes=400),
    ):
        pass
    left = [name for name in set(os.listdir(tempfile.gettempdir())) - before if name.startswith("boxwise-read-")]
    assert left == []


def test_a_file_that_takes_too_long_is_declined(tmp_path):
    path = large(tmp_path / "large.geojson")
    with (
        pytest.raises(InferenceError, match="longer than 1 s"),
        read_apart(path, format="geojson", sizes={}, keeps=EVERYTHING, cpu_seconds=1),
    ):
        pass


def test_a_child_that_the_system_ends_took_neither_too_long_nor_too_much(tmp_path, monkeypatch):
    ended = subprocess.CompletedProcess([], -signal.SIGKILL, b"", b"")
    monkeypatch.setattr(isolation.subprocess, "run", lambda *args, **options: ended)
    with (
        pytest.raises(InferenceError, match="the memory of the machine is short"),
        read_apart(tmp_path / "a.json", format="", sizes={}, keeps=EVERYTHING),
    ):
        pass


def test_a_fault_of_a_reader_is_in_the_log(tmp_path, monkeypatch, caplog):
    ended = subprocess.CompletedProcess([], 1, b"", b"Traceback: KeyError: 'shape'")
    monkeypatch.setattr(isolation.subprocess, "run", lambda *args, **options: ended)
    with (
        pytest.raises(InferenceError, match="ended without an answer"),
        read_apart(tmp_path / "a.json", format="", sizes={}, keeps=EVERYTHING),
    ):
        pass
    assert "KeyError: 'shape'" in caplog.text


def test_an_answer_that_names_other_code_is_declined():
    content = io.BytesIO(pickle.dumps(os.system))
    with pytest.raises(pickle.UnpicklingError, match="an answer names"):
        isolation._ModelOnly(content).load()
