"""A project archived while somebody draws in it: the browser says so, loses nothing, sends it after the restoring."""

import json

import pytest

from tests.e2e.hands import Bench
from tests.running import Running, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
MAKE = """
import json
from django.contrib.auth import get_user_model
from tests.labeling.rounds import small_project
user = get_user_model().objects.get(is_superuser=True)
project = small_project(user, fields=2, side=192, cells=6)
print(json.dumps({"project": project.pk, "image": project.images.order_by("position").last().pk}))
"""
NOT_SAVED = "Not saved: this project is archived; until an owner or manager restores it, nothing in it is changed"


def test_what_is_drawn_while_the_project_is_archived_waits_and_is_saved_after_the_restoring(page, running: Running):
    made = json.loads(running.manage(MAKE).splitlines()[-1])
    bench, address = Bench(page), f"{running.address}/images/{made['image']}/"
    bench.open(address)
    save = page.get_by_test_id("save-state")
    bench.press("r")
    bench.drag((10, 10), (30, 30))
    bench.until_saved()
    count = len(bench.cells())

    manager = page.context.new_page()
    manager.goto(f"{running.address}/projects/{made['project']}/settings/")
    manager.get_by_role("button", name="Archive this project").click()
    manager.get_by_text("Everything in it can be seen and exported").wait_for()
    page.bring_to_front()
    bench.drag((40, 40), (60, 60))
    bench.drag((70, 70), (90, 90))
    wait_for(lambda: NOT_SAVED in save.inner_text(), 30, "the sentence")
    wait_for(lambda: "2 changes kept on this computer" in save.inner_text(), 30, "both")  # the first was refused alone
    assert len(bench.cells()) == count + 2

    bench.open(address)  # a new page: for looking, and what waits is still there
    page.get_by_test_id("archived").wait_for()
    assert page.get_by_role("button", name="Box").first.is_disabled()
    wait_for(lambda: "2 changes kept on this computer" in save.inner_text(), 30, "what waits")
    bench.press("r")
    bench.drag((100, 100), (120, 120))
    assert len(bench.cells()) == count  # what is stored is shown, and nothing is drawn

    manager.bring_to_front()
    manager.goto(running.address)
    for closed in manager.locator("details.archived:not([open]) > summary").all():  # open where nothing else is there
        closed.click()
    manager.get_by_role("button", name="Restore synthetic").click()
    manager.get_by_text("synthetic is in use again.").wait_for()
    page.bring_to_front()
    bench.open(address)
    bench.until_saved()
    assert page.get_by_test_id("archived").count() == 0
    assert len(bench.cells()) == count + 2
    stored = running.manage(
        "from labeling.annotations.models import Annotation; "
        f"print(Annotation.objects.filter(layer__image={made['image']}, layer__kind='working').count())"
    )
    assert int(stored.splitlines()[-1]) == count + 2
