"""Images and a slide of real tissue, on which cells are proposed."""

import numpy as np
import pytest

from inference.methods import streamed
from labeling.images import slides
from labeling.images.services import add_image
from labeling.projects.services import create_project
from tests.factories import UserFactory
from tests.inference.slide_files import write_pyramid
from tests.labeling.rounds import png_of


@pytest.fixture(autouse=True)
def folders(settings, tmp_path, monkeypatch):
    """A work folder and a folder of uploaded slides of this test's own."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(slides, "stored_root", lambda: tmp_path / "stored")
    return tmp_path


@pytest.fixture(scope="module")
def tissue():
    """(300, 300, 3) of real H&E: stained colon, from scikit-image, which comes with the tests."""
    from skimage.data import immunohistochemistry

    return np.ascontiguousarray(immunohistochemistry()[100:400, 100:400])


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def project(owner):
    return create_project(owner=owner, name="tissue", classes=("nucleus",))


@pytest.fixture
def image(project, tissue):
    return add_image(project=project, name="a.png", content=png_of(tissue), um_per_px=0.5)


@pytest.fixture
def slide(project, tissue, tmp_path):
    """A slide of four turned copies of the tissue, 600 x 600 px."""
    pixels = np.block([[[tissue], [tissue[:, ::-1]]], [[tissue[::-1]], [tissue[::-1, ::-1]]]])
    path = tmp_path / "slide.tif"
    write_pyramid(path, pixels, mpp=0.5)
    return add_image(project=project, name="slide.tif", content=path, open_as="slide", is_original=False)


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(streamed.tiles_of, "__defaults__", (160, 48))
