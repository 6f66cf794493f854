"""Every page in both themes by axe-core (WCAG 2.2 AA), by keyboard alone, and without motion where nobody wants any."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.every_page import OUTSIDE, PAGES
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
# Of Swagger UI, whose markup and colours are its own: rules that its lists of operations break. Nothing else is left
# out.
NOT_OURS = {"API": {"color-contrast", "nested-interactive", "target-size"}}
# The widths at which every page is looked at, CSS pixels.
SIZES = {"desktop": (1280, 800), "phone": (390, 844)}
KNOW = (
    "import json; from labeling.accounts.models import User; from labeling.images.models import Image;"
    "from tests.e2e.every_page import make; p = Image.objects.get(pk={image}).project;"
    "print(json.dumps(dict(make(User.objects.get(username={user!r})), project=p.pk, image={image},"
    "round=p.rounds.first().number, label_class=p.classes.first().pk)))"
)


@pytest.fixture(scope="module")
def known(running: Running, image: int) -> dict[str, Any]:
    """What stands in the braces of the tables of pages."""
    found = running.manage(KNOW.format(image=image, user=running.username))
    return dict(json.loads(found.splitlines()[-1]))


@pytest.fixture(scope="module")
def addresses(known: dict[str, Any]) -> dict[str, str]:
    """Name -> path of every page that a signed-in person opens."""
    return {name: path.format(**known) for name, path in PAGES.items()}


@pytest.fixture
def pages(browser: "Browser", signed_in: Any) -> Iterator["Page"]:
    # axe is put into the page, which the page's own policy would forbid.
    with new_page(browser, storage_state=signed_in, bypass_csp=True) as page:
        yield page


def violations(page: "Page", leave_out: frozenset[str] = frozenset()) -> list[Any]:
    page.evaluate(AXE.read_text())
    found = page.evaluate("(rules) => axe.run({runOnly: rules})", RULES)["violations"]
    return [(v["id"], [node["html"][:160] for node in v["nodes"][:3]]) for v in found if v["id"] not in leave_out]


def barriers(page: "Page", address: str, paths: dict[str, str]) -> dict[str, list[Any]]:
    """Name of a page -> what keeps somebody from using it: what axe finds, and that it runs out of the window."""
    found: dict[str, list[Any]] = {}
    for name, path in paths.items():
        page.goto(address + path)
        page.wait_for_load_state("networkidle")
        found[name] = violations(page, frozenset(NOT_OURS.get(name, ())))
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found[name].append("runs out of the window")
    return {name: problems for name, problems in found.items() if problems}


@pytest.mark.parametrize(
    ("scheme", "size"),
    [
        ("light", "desktop"),
        ("dark", "phone"),
        # A minute and a half each: the two above see each theme and each size once.
        pytest.param("light", "phone", marks=pytest.mark.slow),
        pytest.param("dark", "desktop", marks=pytest.mark.slow),
    ],
)
def test_no_page_has_a_barrier(
    pages: "Page", running: Running, addresses: dict[str, str], scheme: Any, size: str
) -> None:
    width, height = SIZES[size]
    pages.set_viewport_size({"width": width, "height": height})
    pages.emulate_media(color_scheme=scheme)
    assert barriers(pages, running.address, addresses) == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_before_signing_in_has_one(
    browser: "Browser", running: Running, known: dict[str, Any], scheme: Any
) -> None:
    paths = {name: path.format(**known) for name, path in OUTSIDE.items()}
    with new_page(browser, bypass_csp=True, color_scheme=scheme) as page:
        assert barriers(page, running.address, paths) == {}


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


APPEARANCES = """(selector) => {
  const [chosen, other] = [true, false].map((is) => {
    const found = [...document.querySelectorAll(selector)].filter((e) => (e.matches(CHOSEN)) === is);
    return found[0];
  });
  const appearance = (e) => {
    const { outlineStyle, outlineColor, borderBottomColor } = getComputedStyle(e);
    return [outlineStyle, outlineColor, borderBottomColor].join();
  };
  return [appearance(chosen), appearance(other)];
}""".replace("CHOSEN", "'[aria-pressed=true], [aria-selected=true], [aria-current]'")


def test_what_is_chosen_is_seen_in_forced_colours(
    browser: "Browser", signed_in: Any, running: Running, addresses: dict[str, str], image: int
) -> None:
    """Forced colours take every ground away. The tool taken, the tab and the page must still differ from the others,
    and the colour of a class must stay its own."""
    with new_page(browser, storage_state=signed_in, forced_colors="active") as page:
        page.goto(running.address + addresses["work"])
        chosen, other = page.evaluate(APPEARANCES, ".project-nav a")
        assert chosen != other
        bench = Bench(page)
        bench.open(f"{running.address}/images/{image}/")
        for selector in (".bw-tool", "[role=tab]"):
            chosen, other = page.evaluate(APPEARANCES, selector)
            assert chosen != other, selector
        swatch = page.locator(".bw-swatch").first
        assert swatch.evaluate("e => getComputedStyle(e).forcedColorAdjust") == "none"


@pytest.mark.parametrize("part", ["work", "images", "settings", "workspace"])
def test_pages_fit_a_window_at_200_percent(
    browser: "Browser", signed_in: Any, running: Running, addresses: dict[str, str], image: int, part: str
) -> None:
    """A window of 1280 x 800 at 200 % has 640 x 400 CSS pixels of twice the density."""
    zoomed = {"width": 640, "height": 400}
    with new_page(browser, storage_state=signed_in, viewport=zoomed, device_scale_factor=2) as page:
        page.goto(running.address + (f"/images/{image}/" if part == "workspace" else addresses[part]))
        if part == "workspace":  # its feed keeps the network busy
            page.locator(".bw-tool").first.wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
