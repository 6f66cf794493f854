"""What the last line of the start promises, in a real browser: this address, this name, this password."""

from typing import TYPE_CHECKING

import pytest

from tests.running import Running

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


def test_the_first_password_signs_in_and_the_page_keeps_to_its_own_policy(running: Running, browser: "Browser") -> None:
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(running.address)
    page.locator("input[name=username]").fill(running.username)
    page.locator("input[name=password]").fill(running.password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{running.address}/")
    assert "sign-in" not in page.url
    assert page.evaluate("window.crossOriginIsolated"), "the headers of cross-origin isolation are there"
    assert not complaints
    page.close()
