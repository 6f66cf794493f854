"""Second factors in a browser: an app with codes, and a passkey of Chromium's virtual authenticator."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.hands import new_page
from tests.factors import code_of
from tests.running import Running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
PASSWORD = "correct horse battery staple"
MAKE = (
    "from labeling.accounts.models import User;"
    "u, _made = User.objects.get_or_create(username={name!r}); u.set_password({password!r}); u.save(); print(u.pk)"
)
KEY: dict[str, Any] = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip


def come(page: "Page", address: str, name: str) -> None:
    page.goto(f"{address}/accounts/sign-in/")
    page.locator("input[name=username]").fill(name)
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def confirm(page: "Page") -> None:
    page.get_by_role("heading", name="Confirm that it is you").wait_for()
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()


def test_an_app_is_set_up_and_asked_for(running: Running, browser: "Browser"):
    running.manage(MAKE.format(name="appuser", password=PASSWORD))
    with new_page(browser) as page:
        come(page, running.address, "appuser")
        page.get_by_role("heading", name="Projects").wait_for()
        page.goto(f"{running.address}/accounts/mine/")
        page.get_by_role("link", name="Second factors and passkeys").click()
        page.get_by_role("link", name="Set up an app").click()
        confirm(page)
        picture = page.get_by_alt_text("Code to scan with the app")
        picture.wait_for()
        assert picture.evaluate("one => one.naturalWidth") > 0
        secret = page.get_by_label("Secret for the app").input_value()
        page.locator("input[name=code]").fill(code_of(secret))
        page.get_by_role("button", name="Set up").click()
        page.get_by_role("heading", name="Recovery codes").wait_for()
        recovery = page.locator("li").all_inner_texts()
        page.get_by_role("link", name="I have them").click()
        page.get_by_role("link", name="Show the codes").wait_for()
    with new_page(browser) as page:
        come(page, running.address, "appuser")
        page.get_by_role("heading", name="Second factor").wait_for()
        page.locator("input[name=code]").fill("000000")
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_text("Incorrect code.").wait_for()
        page.locator("input[name=code]").fill(next(code for code in recovery if code.isdigit()))
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("heading", name="Projects").wait_for()


def test_a_passkey_is_added_and_signs_in_alone(running: Running, browser: "Browser"):
    """A passkey belongs to a host name, so the site is opened as localhost."""
    running.manage(MAKE.format(name="keyuser", password=PASSWORD))
    address = running.address.replace("127.0.0.1", "localhost")
    with new_page(browser) as page:
        session = page.context.new_cdp_session(page)
        session.send("WebAuthn.enable")
        session.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})
        come(page, address, "keyuser")
        page.get_by_role("heading", name="Projects").wait_for()
        page.goto(f"{address}/accounts/mine/factors/")
        page.get_by_role("link", name="Add a passkey").click()
        confirm(page)
        page.get_by_label("Name", exact=True).fill("work computer")
        page.get_by_role("button", name="Add a passkey").click()
        page.get_by_role("heading", name="Recovery codes").wait_for()
        page.goto(f"{address}/accounts/mine/factors/")
        page.get_by_text("work computer").wait_for()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Use a passkey").click()
        page.get_by_role("heading", name="Projects").wait_for()
        page.get_by_role("button", name="Sign out").click()
        come(page, address, "keyuser")  # with the password the passkey is the second factor
        page.get_by_role("heading", name="Second factor").wait_for()
        page.get_by_role("button", name="Use a passkey").click()
        page.get_by_role("heading", name="Projects").wait_for()
        page.goto(f"{address}/accounts/mine/factors/")
        page.get_by_role("link", name="Remove work computer").click()
        confirm(page)
        page.get_by_role("button", name="Remove").click()
        page.get_by_text("work computer").wait_for(state="detached")
    acts = running.manage(
        "import json; from labeling.audit.models import SecurityEvent;"
        "print(json.dumps(list(SecurityEvent.objects.filter(subject='keyuser').values_list('act', flat=True))))"
    )
    assert {"passkey_added", "passkey_removed", "recovery_codes_created"} <= set(json.loads(acts.splitlines()[-1]))
