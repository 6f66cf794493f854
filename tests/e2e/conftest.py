"""One Boxwise with real tissue, for the tests of the tools and of the workspace around them."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.hands import Tools, new_page, sign_in
from tests.running import Running, own_boxwise

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="package")
def house() -> Iterator[Running]:
    """A Boxwise of its own, with the demo's tissue and proposals that were fused there."""
    with own_boxwise("tools") as instance:
        instance.manage("from django.core.management import call_command; call_command('load_demo', no_round=True)")
        yield instance


@pytest.fixture(scope="package")
def image(house: Running) -> int:
    made = json.loads(house.manage("from tests.e2e.fused import make; print(make())").splitlines()[-1])
    assert made["proposals"] > 10
    return int(made["image"])


@pytest.fixture(scope="package")
def signed_in(house: Running, browser: "Browser") -> dict[str, Any]:
    """Cookies of a session that all tests share; whoever ends a session signs in for one of its own."""
    context = browser.new_context()
    sign_in(context.new_page(), house)
    state: dict[str, Any] = dict(context.storage_state())
    context.close()
    return state


@pytest.fixture
def page(browser: "Browser", signed_in: Any) -> Iterator["Page"]:
    with new_page(browser, storage_state=signed_in, has_touch=True) as page:
        yield page


@pytest.fixture
def bench(page: "Page", house: Running, image: int) -> Tools:
    bench = Tools(page)
    bench.open(f"{house.address}/images/{image}/")
    return bench
