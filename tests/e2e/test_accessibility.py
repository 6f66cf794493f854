"""Every page in both themes by axe-core (WCAG 2.2 AA), by keyboard alone, and without motion where nobody wants any."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.hands import Bench, new_page
from tests.running import ROOT, Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed (npm ci in frontend)"),
]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# A project with an image, proposals and a round, and one without anything.
MAKE = (
    "import json; from labeling.images.models import Image; from labeling.projects.services import create_project;"
    "p = Image.objects.get(pk={image}).project; owner = p.memberships.filter(role='owner').first().user;"
    "e = create_project(owner=owner, name='Without images');"
    "print(json.dumps([p.pk, p.rounds.first().number, e.pk]))"
)


@pytest.fixture(scope="module")
def addresses(running: Running, image: int) -> dict[str, str]:
    """Name -> path of every page that a signed-in person opens."""
    project, round_, empty = json.loads(running.manage(MAKE.format(image=image)).splitlines()[-1])
    here = f"/projects/{project}/"
    return {
        "home": "/",
        "new project": "/projects/new/",
        "work": here,
        "images": f"{here}images/",
        "images as a list": f"{here}images/?view=list",
        "no image found": f"{here}images/?q=nowhere",
        "rounds": f"{here}rounds/",
        "round": f"{here}rounds/{round_}/",
        "models": f"{here}models/",
        "compare": f"{here}rounds/compare/",
        "team": f"{here}team/",
        "studies": f"{here}studies/",
        "export": f"{here}exports/",
        "settings": f"{here}settings/",
        "scale": f"/images/{image}/scale/",
        "empty work": f"/projects/{empty}/",
        "empty images": f"/projects/{empty}/images/",
        "empty rounds": f"/projects/{empty}/rounds/",
        "administration": "/administration/",
        "account": "/accounts/mine/",
        "not found": "/projects/999999/",
    }


@pytest.fixture
def pages(browser: "Browser", signed_in: Any) -> Iterator["Page"]:
    # axe is put into the page, which the page's own policy would forbid.
    with new_page(browser, storage_state=signed_in, bypass_csp=True) as page:
        yield page


def violations(page: "Page") -> list[Any]:
    page.evaluate(AXE.read_text())
    found = page.evaluate("(rules) => axe.run({runOnly: rules})", RULES)
    return [(v["id"], [node["html"][:160] for node in v["nodes"][:3]]) for v in found["violations"]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_barrier_that_axe_finds(
    pages: "Page", running: Running, addresses: dict[str, str], scheme: Any
) -> None:
    pages.emulate_media(color_scheme=scheme)
    found = {}
    for name, path in addresses.items():
        pages.goto(running.address + path)
        pages.wait_for_load_state("networkidle")
        found[name] = violations(pages)
    assert {name: problems for name, problems in found.items() if problems} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page_has_none(browser: "Browser", running: Running, scheme: Any) -> None:
    with new_page(browser, bypass_csp=True, color_scheme=scheme) as page:
        page.goto(f"{running.address}/accounts/sign-in/")
        assert violations(page) == []


FOCUSED = "() => (document.activeElement.textContent || '').trim().replace(/\\s+/g, ' ')"


def test_from_a_project_to_a_proposal_by_keyboard(
    pages: "Page", running: Running, addresses: dict[str, str], image: int
) -> None:
    pages.goto(running.address + addresses["work"])
    pages.keyboard.press("Tab")
    assert pages.evaluate(FOCUSED) == "Skip to the content"
    pages.keyboard.press("Enter")
    assert pages.evaluate("document.activeElement.id") == "main"
    pages.keyboard.press("Tab")
    assert pages.evaluate(FOCUSED).startswith("Review"), "the primary action comes first"
    pages.keyboard.press("Enter")
    pages.wait_for_url(f"**/images/{image}/")
    bench = Bench(pages)
    bench.open_here()
    proposals = {proposal["id"] for proposal in bench.proposals()}
    pages.keyboard.press("Tab")
    wait_for(lambda: bench.state()["selected"] in proposals, 20, "a proposal is selected")


def test_nothing_moves_where_nobody_wants_motion(pages: "Page", running: Running, addresses: dict[str, str]) -> None:
    pages.emulate_media(reduced_motion="reduce")
    moving = """() => [...document.querySelectorAll('*')].filter((e) => {
        const { animationName, transitionDuration } = getComputedStyle(e);
        return animationName !== 'none' || parseFloat(transitionDuration) > 0;
    }).map((e) => e.outerHTML.slice(0, 80))"""
    for name in ("work", "images", "round"):
        pages.goto(running.address + addresses[name])
        assert pages.evaluate(moving) == [], name
