"""The page on which the API is read and tried, in a real browser under the site's own policy."""

import os

import pytest


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_api_is_read_and_tried_on_a_page(running, browser, scheme):
    context = browser.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 900})
    page = context.new_page()
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(f"{running.address}/accounts/sign-in/?next=/accounts/api/")
    page.fill("input[name=username]", running.username)
    page.fill("input[name=password]", running.password)
    page.press("input[name=password]", "Enter")
    page.wait_for_selector(".opblock")
    page.fill(".operation-filter-input", "projects")
    page.click("#operations-projects-project_list_get .opblock-summary-control")
    page.click(".try-out__btn")
    page.click(".execute")
    page.wait_for_selector(".live-responses-table .response-col_status")
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=f"{folder}/api_{scheme}.png")
    assert "200" in page.inner_text(".live-responses-table .response-col_status >> nth=1")
    context.close()
    assert errors == []
