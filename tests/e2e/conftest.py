"""Real tissue in the Boxwise that all browser tests share, for those of the tools and of the workspace around them."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.hands import Tools, new_page, sign_in
from tests.running import Running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="package")
def image(running: Running) -> int:
    """An image of a project of its own, with the demo's tissue and proposals that were fused there."""
    made = json.loads(running.manage("from tests.e2e.fused import make; print(make())").splitlines()[-1])
    assert made["proposals"] > 10
    return int(made["image"])


@pytest.fixture(scope="package")
def signed_in(running: Running, browser: "Browser") -> dict[str, Any]:
    """Cookies of a session that all tests share; whoever ends a session signs in for one of its own."""
    context = browser.new_context()
    sign_in(context.new_page(), running)
    state: dict[str, Any] = dict(context.storage_state())
    context.close()
    return state


@pytest.fixture
def page(browser: "Browser", signed_in: Any) -> Iterator["Page"]:
    with new_page(browser, storage_state=signed_in, has_touch=True) as page:
        yield page


@pytest.fixture
def own_session_page(browser: "Browser", running: Running) -> Iterator["Page"]:
    """A page of a session of its own, without touch."""
    with new_page(browser) as page:
        sign_in(page, running)
        yield page


@pytest.fixture
def bench(page: "Page", running: Running, image: int) -> Tools:
    bench = Tools(page)
    bench.open(f"{running.address}/images/{image}/")
    return bench
