"""The newest migrations backwards: an installation that is taken back to the version before keeps its images."""

import json
import subprocess
import sys
import uuid

import pytest

from tests import kept_database
from tests.labeling.test_old_data import ROOT, environment_of, sql

pytestmark = pytest.mark.timeout(1200)  # every migration back and forth, also where other work takes the cores


@pytest.fixture(scope="module")
def rolled_back(embedded_postgres, embedded_valkey, tmp_path_factory):
    """What tests/labeling/dumps/way_back.py found, in a database of its own."""
    database = f"back_{uuid.uuid4().hex[:12]}"
    sql("postgres", "-c", f"CREATE DATABASE {database}")
    try:
        kept_database.load_into(database)
        command = [sys.executable, "-m", "tests.labeling.dumps.way_back"]
        environment = environment_of(database, tmp_path_factory.mktemp("back"))
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        yield json.loads(done.stdout)
    finally:
        sql("postgres", "-c", f"DROP DATABASE {database} WITH (FORCE)")


def test_centres_and_patients_become_the_texts_that_they_were_before(rolled_back):
    assert rolled_back["back"] == {
        "graz": ["Graz", "07", "test"],
        "bern": ["Bern", "07", "val"],
        "slide": ["", "S1", "train"],
        "alone": ["", "", "train"],
        "deleted": ["", "08", "train"],
    }
    assert list(rolled_back["references"].values()) == ["Graz / 07"]


def test_a_point_becomes_a_box_of_one_pixel_inside_its_image(rolled_back):
    assert rolled_back["point"] == [63.0, 19.5, 64.0, 20.5]


def test_nothing_of_the_newer_tables_is_left(rolled_back):
    assert rolled_back["newer"] == []


def test_forth_again_every_image_that_has_files_is_as_it_was(rolled_back):
    before = rolled_back["before"]
    assert before.pop("purged") == ["", "09", "train"]  # no table of before can hold an image without files
    assert rolled_back["after"] == before
