"""The page on which the API is read and tried, in a real browser under the site's own policy."""

import os

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import MembershipFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_api_is_read_and_tried_on_a_page(live_server, browser, scheme, settings):
    member = MembershipFactory(project__name="Nuclei")
    client = Client()
    client.force_login(member.user)
    name = settings.SESSION_COOKIE_NAME
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 900})
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": live_server.url}])
    page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text) if message.type == "error" else None)
    page.goto(live_server.url + reverse("api-page"))
    page.wait_for_selector(".opblock")
    assert page.locator(".opblock").count() >= 40
    page.click("#operations-projects-project_list_get .opblock-summary-control")
    page.click(".try-out__btn")
    page.click(".execute")
    page.wait_for_selector(".live-responses-table")
    assert "Nuclei" in page.inner_text(".live-responses-table")
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/api_{scheme}.png")
    context.close()
    assert messages == []
