"""Units as they lie in an artifact: what one says of itself is read without decompressing its arrays."""

import io
import json
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.pipeline import units
from inference.pipeline.units import PredictionUnit, StoredUnit, read_unit, save_unit
from inference.types import InferenceError
from inference.worker import files

UNIT = {
    "m_d": np.arange(40_000, dtype=np.int32).reshape(200, 200),
    "scores": np.array([0.5, 1.0], np.float32),
    "classes": [0, None],
    "sources": ["a", None],
    "certificate": {"closed": True, "objective": 1.5},
}


def artifact_of(tmp_path, made, *, compression=zipfile.ZIP_STORED):
    """An artifact as `bundle` makes it. made: image -> unit."""
    for image, unit in made.items():
        save_unit(tmp_path / "units", image, unit)
    path = tmp_path / "stage.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for file in sorted((tmp_path / "units").glob("[0-9]*.npz")):
            archive.write(file, file.name)
    return path


def read(path, image):
    return read_unit(PredictionUnit, path, image)


def assert_equal(one, other):
    assert set(one) == set(other) and len(one) == len(other)
    for name, value in other.items():
        assert name in one
        if isinstance(value, np.ndarray):
            assert np.array_equal(one[name], value) and one[name].dtype == value.dtype
        else:
            assert one[name] == value


def test_a_unit_comes_back_as_it_was_saved(tmp_path):
    path = artifact_of(tmp_path, {3: UNIT, 14: {"unreadable": "no image"}})
    assert_equal(read(path, 3), UNIT)
    assert_equal(read(path, 14), {"unreadable": "no image"})
    assert read(path, 3).get("crumbs", 0) == 0 and "crumbs" not in read(path, 3)
    for missing in (lambda: read(path, 4), lambda: read(path, 3)["crumbs"]):
        with pytest.raises(KeyError):
            missing()


def test_what_a_unit_says_of_itself_is_read_without_its_arrays(tmp_path, monkeypatch):
    path = artifact_of(tmp_path, {3: UNIT})
    opened = []
    monkeypatch.setattr(
        units, "_array", lambda archive, name, real=units._array: opened.append(name) or real(archive, name)
    )
    unit = read(path, 3)
    assert "unreadable" not in unit and "m_d" in unit and unit["certificate"]["closed"]
    assert opened == ["json"]
    assert unit["scores"].shape == (2,) and unit["scores"] is unit["scores"], "an array is decompressed once"
    assert opened == ["json", "scores"]


def test_a_damaged_array_does_not_keep_the_rest_from_being_read(tmp_path):
    """The arrays' bytes are not even looked at."""
    path = artifact_of(tmp_path, {3: UNIT})
    start, _size = units._places(path, 0, 0)["3.npz"]
    with zipfile.ZipFile(path) as archive:
        inner = zipfile.ZipFile(io.BytesIO(archive.read("3.npz"))).getinfo("m_d.npy")
    content = bytearray(path.read_bytes())
    middle = start + inner.header_offset + 200
    content[middle : middle + 50] = bytes(50)
    path.write_bytes(content)
    assert read(path, 3)["sources"] == ["a", None]
    with pytest.raises(Exception, match=r"CRC|decompress|invalid"):
        _ = read(path, 3)["m_d"]


def test_a_unit_as_it_was_written_by_earlier_versions_is_read(tmp_path):
    """numpy's own writer; the order of the members is whatever it was."""
    arrays = {name: value for name, value in UNIT.items() if isinstance(value, np.ndarray)}
    rest = {name: value for name, value in UNIT.items() if name not in arrays}
    inner = io.BytesIO()
    np.savez_compressed(inner, **arrays, json=np.frombuffer(json.dumps(rest).encode(), np.uint8))
    path = tmp_path / "old.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("7.npz", inner.getvalue())
    assert_equal(read(path, 7), UNIT)


def test_an_artifact_that_is_written_again_is_read_again(tmp_path):
    path = artifact_of(tmp_path, {3: UNIT})
    assert read(path, 3)["classes"] == [0, None]
    again = artifact_of(tmp_path, {3: UNIT | {"classes": [1, 1]}, 4: UNIT})
    assert again == path and read(path, 3)["classes"] == [1, 1] and read(path, 4)["classes"] == [0, None]


def test_an_artifact_that_another_program_packed_is_declined_with_a_reason(tmp_path):
    path = artifact_of(tmp_path, {3: UNIT}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(InferenceError, match="packed again by another program"):
        read(path, 3)


@given(content=st.binary(max_size=64), start=st.integers(0, 64), size=st.integers(0, 64), data=st.data())
def test_a_window_is_read_like_a_file_of_its_bytes(content, start, size, data):
    start = min(start, len(content))
    size = min(size, len(content) - start)
    window = units.Window(io.BytesIO(content), start, size)
    same = io.BytesIO(content[start : start + size])
    for _ in range(data.draw(st.integers(0, 6))):
        place = data.draw(st.integers(0, size + 3))
        whence = data.draw(st.sampled_from([io.SEEK_SET, io.SEEK_END]))
        offset = place if whence == io.SEEK_SET else -min(place, size)
        assert window.seek(offset, whence) == same.seek(offset, whence)
        count = data.draw(st.integers(0, 70))
        assert window.read(count) == same.read(count)
        assert window.tell() == same.tell()


def test_a_unit_alone_in_the_work_folder_is_read_the_same_way(tmp_path):
    save_unit(tmp_path, 3, UNIT)
    assert_equal(StoredUnit(tmp_path / "3.npz"), UNIT)


def test_a_worker_that_dies_while_it_fetches_units_leaves_no_part_of_one(tmp_path, monkeypatch):
    path = artifact_of(tmp_path, {3: UNIT, 4: UNIT})
    folder = tmp_path / "fetched"
    folder.mkdir()

    def dies(source, target):
        target.write(source.read(100))
        raise SystemExit

    with zipfile.ZipFile(path) as archive:
        with monkeypatch.context() as patched, pytest.raises(SystemExit):
            patched.setattr(files.shutil, "copyfileobj", dies)
            files.extract_units(archive, [3, 4], folder)
        assert not list(folder.glob("[0-9]*"))
        files.extract_units(archive, [3, 4], folder)
    assert_equal(StoredUnit(folder / "4.npz"), UNIT)
