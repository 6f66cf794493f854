"""Channels, slices and colours of a slide, chosen in the workspace by mouse and by keys."""

import io
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
from playwright.sync_api import expect

from tests.e2e.hands import Bench, new_page, sign_in
from tests.running import Running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
SETUP = """
from pathlib import Path
from django.contrib.auth import get_user_model
from labeling.images.services import add_image
from labeling.projects.services import create_project
owner = get_user_model().objects.get(is_superuser=True)
project = create_project(owner=owner, name="Channels", classes=("nucleus",))
print(add_image(project=project, name="cells.ome.tif", content=Path({path!r}), open_as="slide").pk)
"""
SHOTS = os.environ.get("BOXWISE_SHOTS")  # a folder for pictures of the page, to be looked at


@pytest.fixture
def cells(running: Running) -> Path:
    """Two stains of real tissue as channels, three slices of it, in a file that the server may read."""
    from skimage.color import rgb2hed
    from skimage.data import immunohistochemistry

    light = rgb2hed(immunohistochemistry())[..., [0, 2]]
    scaled = np.clip((light - light.min()) / np.ptp(light), 0, 1) * 4000
    channels = scaled.transpose(2, 0, 1)
    stack = np.stack([channels, channels * 0.8, channels * 0.6]).astype(np.uint16)
    about = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "FITC"]}, "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    path = running.folder.parent / "cells.ome.tif"
    tifffile.imwrite(path, stack, ome=True, metadata=about, tile=(128, 128))
    return path


def middle(page) -> list[float]:
    """The mean colour of the middle of the picture."""
    box = page.locator(".bw-tissue").bounding_box()
    clip = {"x": box["x"] + box["width"] / 2 - 60, "y": box["y"] + box["height"] / 2 - 60, "width": 120, "height": 120}
    picture = PIL.Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    return np.asarray(picture).reshape(-1, 3).mean(axis=0).tolist()


def is_blue(colour: list[float]) -> bool:
    red, green, blue = colour
    return blue > 1.3 * red and blue > 1.3 * green


def shot(page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")


def asked_with(*parts: str):
    return lambda response: "/tiles/" in response.url and all(part in response.url for part in parts) and response.ok


def test_channels_and_slices_are_chosen_and_remembered(browser, running: Running, cells: Path):
    image = running.manage(SETUP.format(path=str(cells))).splitlines()[-1]
    with new_page(browser) as page:
        sign_in(page, running)
        bench = Bench(page)
        bench.open(f"{running.address}/images/{image}/")
        page.get_by_role("tab", name="Channels").click()
        panel = page.get_by_test_id("channels")
        panel.get_by_text("2 of 3").wait_for()
        shot(page, "channels-light")

        with page.expect_response(asked_with("page=2", "channels=1:4060ff")) as answer:
            panel.get_by_role("checkbox", name="FITC").uncheck()
        assert "2:00d060" not in answer.value.url
        wait_for(lambda: is_blue(middle(page)), 120, "DAPI alone, which is blue")
        expect(panel.get_by_role("slider", name="FITC: Black")).to_be_disabled()

        slice_ = panel.get_by_role("slider", name="Slice (z)")
        slice_.focus()
        with page.expect_response(asked_with("page=3")):
            page.keyboard.press("ArrowRight")
        panel.get_by_text("3 of 3").wait_for()

        with page.expect_response(asked_with("page=3", "channels=1:4060ff")):
            page.reload()
        page.get_by_role("tab", name="Channels").click()
        expect(panel.get_by_role("checkbox", name="FITC")).not_to_be_checked()
        panel.get_by_text("3 of 3").wait_for()
        page.emulate_media(color_scheme="dark")
        shot(page, "channels-dark")

        with page.expect_response(asked_with("page=2", "2:00d060")):
            panel.get_by_role("button", name="Reset").click()
        expect(panel.get_by_role("checkbox", name="FITC")).to_be_checked()
