"""A large slide in a real browser: sent in parts, cut, gone on with after a reload, cancelled."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.e2e.hands import new_page, sign_in
from tests.inference.slide_files import write_pyramid
from tests.running import Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]
SETUP = """
from django.contrib.auth import get_user_model
from labeling.projects.services import create_project
owner = get_user_model().objects.get(is_superuser=True)
print(create_project(owner=owner, name="Large files", classes=("nucleus",)).pk)
"""
PART = 200_000


@pytest.fixture
def slide(tmp_path: Path) -> Path:
    """A pyramid of noise, which packs badly: about 3 MB."""
    path = tmp_path / "noise.tif"
    write_pyramid(path, np.random.default_rng(3).integers(0, 255, (900, 800, 3), np.uint8))
    return path


def open_form(page: "Page", running: Running, project: str) -> None:
    page.goto(f"{running.address}/projects/{project}/images/")
    page.evaluate(
        "part => Object.assign(document.getElementById('resumable').dataset, { from: '1000', part: String(part) })",
        PART,
    )


def choose(page: "Page", slide: Path) -> None:
    page.get_by_label("Image files").set_input_files(slide)
    page.get_by_label("Open as").select_option("slide")
    page.get_by_role("button", name="Add images").click()


def arrived(running: Running) -> list[int]:
    """Bytes of each upload."""
    found = running.manage(
        "from labeling.models import ResumableUpload;"
        "print(*ResumableUpload.objects.filter(job=None).values_list('offset', flat=True))"
    )
    return [int(one) for one in found.split()]


def test_a_slide_goes_on_after_a_cut_and_a_reload(browser: "Browser", running: Running, slide: Path):
    project = running.manage(SETUP)
    with new_page(browser) as page:
        sign_in(page, running)
        open_form(page, running, project)
        sent: list[str] = []

        def cut(route: "Route") -> None:
            if route.request.method == "PATCH":
                sent.append(route.request.headers["upload-offset"])
                if len(sent) > 3:
                    route.abort()
                    return
            route.continue_()

        page.route("**/api/v1/uploads/**", cut)
        choose(page, slide)
        row = page.locator("#resumable li")
        row.get_by_text("The server cannot be reached").wait_for(timeout=60_000)
        wait_for(lambda: arrived(running) == [3 * PART], 60, "three parts are there")

        page.on("dialog", lambda dialog: dialog.accept())
        open_form(page, running, project)  # leaves the page while the file is on its way
        page.unroute("**/api/v1/uploads/**")
        row.get_by_text("Choose the file again to go on").wait_for(timeout=60_000)
        first: list[str] = []
        page.on(
            "request",
            lambda request: first.append(request.headers["upload-offset"]) if request.method == "PATCH" else None,
        )
        choose(page, slide)
        page.get_by_text("1 image added").first.wait_for(timeout=180_000)
        assert first[0] == str(3 * PART)
        assert row.count() == 0 and arrived(running) == []

        # cancelled: nothing of it is left
        page.route(
            "**/api/v1/uploads/**",
            lambda route: route.abort() if route.request.method == "PATCH" else route.continue_(),
        )
        open_form(page, running, project)
        choose(page, slide)
        row.get_by_text("The server cannot be reached").wait_for(timeout=60_000)
        assert arrived(running) == [0]
        row.get_by_role("button", name="Cancel").click()
        wait_for(lambda: arrived(running) == [] and row.count() == 0, 60, "the upload is gone")
