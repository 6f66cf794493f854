"""Four people in a real browser, on real tissue: from the invitation to a reference that is locked.

The lead invites a pathologist and two readers. The readers learn on a field, are tested on another and are admitted;
each reads a third one blindly. The pathologist decides where the two differ, sends a comment and approves the image;
the lead locks the decided image.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.campaign import DATA, NAME
from tests.e2e.hands import Tools, made_by_administrator, new_page, send_often, sign_in
from tests.running import ROOT, Running, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PASSWORD = "a-long-enough-word-9"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not (ROOT / "frontend/dist/workspace.js").exists(), reason="the workspace is not built"),
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no tissue in {DATA}: set BOXWISE_DATA"),
]


@dataclass(frozen=True)
class Person:
    name: str
    page: "Page"
    tools: Tools


@dataclass(frozen=True)
class Campaign:
    """The project, as tests.e2e.campaign made it, and its four people."""

    made: dict[str, Any]
    address: str
    lead: Person
    pathologist: Person
    readers: list[Person]

    @property
    def project(self) -> str:
        return f"{self.address}/projects/{self.made['project']}/"

    @property
    def image(self) -> str:
        return f"{self.address}/images/{self.made['image']}/"


def person(pages: ExitStack, browser: "Browser", name: str) -> Person:
    page = pages.enter_context(new_page(browser))
    send_often(page.context)
    return Person(name, page, Tools(page))


@pytest.fixture
def campaign(browser: "Browser", running: Running) -> Iterator[Campaign]:
    made = made_by_administrator(running, "tests.e2e.campaign")
    with ExitStack() as pages:
        lead = person(pages, browser, running.username)
        sign_in(lead.page, running)
        others = [person(pages, browser, name) for name in ("Cora Path", "Ann Reader", "Ben Reader")]
        yield Campaign(made, running.address, lead, others[0], others[1:])


def test_from_the_invitation_to_a_locked_reference(campaign: Campaign) -> None:
    everybody_joins(campaign)
    the_lead_declares_the_rules(campaign)
    for reader in campaign.readers:
        is_trained_and_admitted(campaign, reader)
    two_read_blindly(campaign)
    the_pathologist_decides_where_they_differ(campaign)
    they_talk_and_the_image_is_approved(campaign)
    the_lead_locks_it(campaign)


def everybody_joins(campaign: Campaign) -> None:
    links = invited(campaign, "Reviewer", [campaign.pathologist.name])
    links |= invited(campaign, "Annotator", [reader.name for reader in campaign.readers])
    for one in (campaign.pathologist, *campaign.readers):
        one.page.goto(links[one.name])
        one.page.get_by_label("User name").fill(username_of(one))
        one.page.locator("input[name=full_name]").fill(one.name)
        for field in one.page.locator("input[type=password]").all():
            field.fill(PASSWORD)
        one.page.get_by_role("button", name="Create account and join").click()
        one.page.wait_for_url(campaign.project)
    campaign.lead.page.goto(links["Ann Reader"])
    assert "This link does not work" in campaign.lead.page.inner_text("main")


def username_of(one: Person) -> str:
    return one.name.split()[0].lower()


def invited(campaign: Campaign, role: str, names: list[str]) -> dict[str, str]:
    """Name -> the link that is shown once."""
    page = campaign.lead.page
    page.goto(f"{campaign.project}team/")
    page.get_by_label("Whom to invite").fill("\n".join(names))
    page.get_by_role("radio", name=re.compile(role, re.IGNORECASE)).check()
    page.get_by_role("button", name="Create links").click()
    return {name: page.get_by_label(f"Link for {name}", exact=True).input_value() for name in names}


def the_lead_declares_the_rules(campaign: Campaign) -> None:
    page = campaign.lead.page
    page.goto(f"{campaign.project}team/")
    members = page.locator("section[aria-labelledby=members]")
    members.get_by_label("Training of Cora Path").select_option("pathologist")
    members.locator("form", has=page.get_by_label("Training of Cora Path")).get_by_role("button", name="Save").click()
    page.get_by_label("Approval by a pathologist").check()
    page.get_by_label("Only admitted members get images").check()
    page.locator("section[aria-labelledby=workflow]").get_by_role("button", name="Save").click()
    page.goto(f"{campaign.project}guidelines/")
    page.get_by_label("Text").fill("# Nuclei\nDraw every nucleus along its edge.")
    page.get_by_label("To be acknowledged").check()
    page.get_by_role("button", name="Save as a new version").click()
    page.goto(f"{campaign.project}learning/")
    page.get_by_label("patient 1.png").check()
    page.get_by_label("Cells that a test shows at least").fill("4")
    page.get_by_label("Patients that they come from at least").fill("1")
    page.get_by_label("Share of right cells").fill("0.2")
    page.get_by_role("button", name="Save as a new version").click()
    page.get_by_role("heading", name="Your next step").wait_for()


def is_trained_and_admitted(campaign: Campaign, reader: Person) -> None:
    page = reader.page
    page.goto(f"{campaign.address}/images/{campaign.made['tested_image']}/")
    reader.tools.open_here()
    assert reader.tools.cells() == [], "somebody who is to be tested does not see the answers"
    page.goto(campaign.address)
    page.get_by_role("heading", name="Learn first").wait_for()
    page.get_by_role("link", name="Learning").click()
    page.get_by_role("button", name="Learn").click()
    page.get_by_role("button", name="I have read it").click()
    page.goto(f"{campaign.project}learning/")
    page.get_by_role("button", name="Learn").click()
    page.get_by_role("button", name="Open this field").click()
    reader.tools.open_here()
    feedback = page.locator("#learning-feedback")
    for number, drawing in enumerate(campaign.made["learned"]):
        wrong = number == 0
        outline(reader, drawing["points"], other_key(drawing["key"]) if wrong else drawing["key"])
        expected = re.compile("another class" if wrong else "right")
        wait_for(lambda expected=expected: expected.search(feedback.inner_text()), 20, "the feedback")  # type: ignore[misc]
    page.get_by_role("button", name="Finish this field").click()
    page.get_by_role("heading", name="Your cells and the reference").wait_for()
    page.goto(f"{campaign.project}learning/")
    page.get_by_role("button", name="Take the test").click()
    page.get_by_role("button", name="Open this field").click()
    reader.tools.open_here()
    assert page.locator("#learning-feedback").count() == 0
    for drawing in campaign.made["tested"]:
        outline(reader, drawing["points"], drawing["key"])
    page.get_by_role("button", name="Finish this field").click()
    page.wait_for_url("**/learning/")
    admitted = page.locator("section[aria-labelledby=admitted]").inner_text()
    assert "large nucleus" in admitted


def other_key(key: str) -> str:
    return "2" if key == "1" else "1"


def outline(reader: Person, points: list[list[float]], key: str) -> str:
    """Draw a nucleus corner by corner and give it the class with this key. -> uid"""
    tools = reader.tools
    before = tools.ids()
    tools.press("p")
    for x, y in points:
        tools.click(x, y)
    tools.press("Enter")
    uid = str(tools.one_new(before)["id"])
    tools.press(key)
    tools.until_saved()
    return uid


def two_read_blindly(campaign: Campaign) -> None:
    """Ann draws all nuclei. Ben misses the first one and gives the second another class."""
    ann, ben = campaign.readers
    for reader in (ann, ben):
        reader.page.goto(campaign.address)
        reader.page.locator(".next-item button").click()
        reader.tools.open_here()
        assert reader.page.url == campaign.image
        assert reader.tools.cells() == []
    first, second, *rest = campaign.made["read"]
    for drawing in (first, second, *rest):
        outline(ann, drawing["points"], drawing["key"])
    outline(ben, second["points"], other_key(second["key"]))
    for drawing in rest:
        outline(ben, drawing["points"], drawing["key"])
    assert len(ann.tools.cells()) == 4
    assert len(ben.tools.cells()) == 3
    campaign.pathologist.tools.open(campaign.image)
    assert campaign.pathologist.tools.cells() == [], "blind is blind for who reviews, too"
    for reader in (ann, ben):
        reader.tools.press("Control+Enter")
        reader.page.get_by_text("Finished.").wait_for()


def adjudication(page: "Page") -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate("window.boxwiseAdjudication.state()")
    return found


def the_pathologist_decides_where_they_differ(campaign: Campaign) -> None:
    page = campaign.pathologist.page
    page.goto(f"{campaign.image}adjudication/")
    page.get_by_role("button", name="Compute the consensus").click()
    wait_for(lambda: "Place 1 of 2" in page.inner_text("#main"), 120, "the consensus")
    page.reload()
    wait_for(lambda: page.evaluate("window.boxwiseAdjudication !== undefined"), 60, "the two sides")
    assert not any(reader.name in page.inner_text("#main") for reader in campaign.readers)
    kinds = [decided(page) for _place in range(2)]
    assert sorted(kinds) == ["Is it a cell?", "Which class is it?"]
    assert sorted(adjudication(page)["decisions"])[0] == "edited"


def decided(page: "Page") -> str:
    """Take the cell where one reader has none; of two classes edit the left outline and take it. -> what was asked"""
    left = adjudication(page)["open"]
    asked = page.locator("[data-kind]").inner_text()
    if asked == "Is it a cell?":
        is_right = page.locator("[data-side]").first.inner_text() == "no cell"
        page.keyboard.press("ArrowRight" if is_right else "ArrowLeft")
    else:
        edits_the_left_outline(page)
    wait_for(lambda: adjudication(page)["open"] == left - 1, 30, "the decision")
    return asked


def edits_the_left_outline(page: "Page") -> None:
    """A stroke is drawn and taken back, another one is kept."""
    pane = page.locator("[data-pane]").first.bounding_box()
    assert pane is not None
    x, y = pane["x"] + pane["width"] / 2, pane["y"] + pane["height"] / 2
    page.mouse.move(x, y)
    page.keyboard.press("e")
    before = adjudication(page)["edited"]
    page.mouse.down()
    page.mouse.move(x - 0.3 * pane["height"], y, steps=5)
    page.mouse.up()
    grown = adjudication(page)["edited"]
    assert grown["box"][0] < before["box"][0]
    page.keyboard.press("Control+z")
    assert adjudication(page)["edited"] == before
    page.mouse.down()
    page.mouse.move(x, y - 0.3 * pane["height"], steps=5)
    page.mouse.up()
    page.keyboard.press("Enter")


def they_talk_and_the_image_is_approved(campaign: Campaign) -> None:
    cora, ann = campaign.pathologist, campaign.readers[0]
    cora.page.goto(campaign.address)
    cora.page.get_by_role("button", name="Review the next one").click()
    cora.tools.open_here()
    assert cora.page.url == campaign.image
    cora.tools.press("c")
    cora.page.get_by_label(re.compile("^New comment")).fill("@ann is this one mitotic?")
    cora.page.get_by_role("button", name="Send", exact=True).click()
    cora.page.locator("article", has_text="is this one mitotic?").wait_for()
    ann.page.goto(campaign.address)
    ann.page.get_by_role("heading", name="You are mentioned").wait_for()
    ann.page.locator("section", has_text="You are mentioned").get_by_role("link", name="patient 6.png").click()
    ann.tools.open_here()
    ann.page.locator("article", has_text="is this one mitotic?").wait_for()  # the link leads to the comments
    ann.page.get_by_label("Reply").fill("No, it is pyknotic.")
    ann.page.get_by_role("button", name="Reply").click()
    ann.page.locator("article", has_text="No, it is pyknotic.").wait_for()
    cora.page.reload()
    cora.tools.open_here()
    cora.page.get_by_role("tab", name=re.compile("Comments")).click()
    cora.page.locator("article", has_text="No, it is pyknotic.").get_by_role("button", name="Resolve").click()
    cora.page.get_by_text("No open comment on this image.").wait_for()
    cora.page.get_by_role("button", name=re.compile("Accept image")).click()
    cora.page.get_by_text("Accepted. This image is done.").wait_for()


def the_lead_locks_it(campaign: Campaign) -> None:
    page = campaign.lead.page
    page.goto(f"{campaign.project}agreement/")
    page.get_by_role("button", name="Compute").click()
    lock = page.get_by_role("button", name="Lock decided images as reference")
    lock.wait_for(timeout=120_000)
    lock.click()
    page.get_by_text(re.compile("Locked as reference set 2: consensus of 1 images")).wait_for()
    page.goto(f"{campaign.image}adjudication/")
    assert "Locked in reference set 2" in page.inner_text("#main")
    assert NAME in page.inner_text("body")
