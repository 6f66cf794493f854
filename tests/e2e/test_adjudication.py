"""Two blind readings, a third person and a consensus, in a real browser with a real worker: by keyboard from the
difference to the decision, nobody named."""

from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.hands import made_by_administrator
from tests.running import ROOT, Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not (ROOT / "frontend/dist/workspace.js").exists(), reason="the workspace is not built"),
]


@pytest.fixture(scope="module")
def two_readings(running: Running) -> dict[str, Any]:
    return made_by_administrator(running, "tests.e2e.differing")


@pytest.fixture
def page(own_session_page: "Page"):
    return own_session_page


def state(page: "Page") -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("window.boxwiseAdjudication.state()")
    return found


def test_from_two_readings_to_a_consensus(page: "Page", running: Running, two_readings: dict[str, Any]) -> None:
    page.goto(f"{running.address}/images/{two_readings['image']}/adjudication/")
    page.get_by_role("button", name="Compute the consensus").click()
    wait_for(lambda: "Place 1 of 3" in page.inner_text("#main"), 120, "the consensus")
    page.reload()
    wait_for(lambda: page.evaluate("window.boxwiseAdjudication !== undefined"), 60, "the two sides")
    assert state(page)["open"] == 3
    text = page.inner_text("#main")
    assert not any(name in text for name in two_readings["readers"])
    for key in ("ArrowLeft", "ArrowDown", "ArrowRight"):
        left = state(page)["open"]
        page.keyboard.press(key)
        wait_for(lambda left=left: state(page)["open"] == left - 1, 30, "the decision")  # type: ignore[misc]
    assert sorted(state(page)["decisions"]) == ["both", "left", "right"]
    assert "All places are decided." in page.inner_text("#main")
    page.goto(f"{running.address}/projects/{two_readings['project']}/agreement/")
    page.get_by_role("button", name="Compute").click()
    wait_for(lambda: "Worst places first" in page.inner_text("#main"), 120, "the agreement")
    page.get_by_role("link", name="field").last.click()  # one click from number to place
    wait_for(lambda: page.evaluate("window.boxwise !== undefined"), 60, "the workspace")
    assert "#at=" in page.url
