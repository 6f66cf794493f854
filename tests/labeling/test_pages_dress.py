"""The dress of the pages: errors in words, no inline script, colours that can be read, numbers with units."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from django.views.defaults import server_error

from inference.documents.stage_reports import EvaluationFacts
from labeling.rounds.results.publishing import publish
from labeling.site import urls
from labeling.site.curves import axis_of, curves_of, polyline
from labeling.site.facts import facts_of
from labeling.site.styleguide import styleguide
from labeling.site.words import figure, percent, took
from tests.documents import STATEMENTS
from tests.factories import UserFactory
from tests.labeling.pages import (
    address,
    make_study,
    proposals,
    signed_in,
)

STATIC = Path(urls.__file__).parent / "static" / "site"
PAGES = [
    "home", "new-project", "project", "project-images", "project-time", "image", "round", "round-progress",
    "round-at-work", "round-log",
]  # fmt: skip
pytestmark = pytest.mark.django_db


@pytest.fixture
def study() -> SimpleNamespace:
    return make_study()


# -- the frame of the workspace


def test_the_workspace_gets_its_image_and_the_token_for_saves(study, settings):
    client = signed_in(study.people["viewer"])
    answer = client.get(address(study, "image"))
    assert f'<div id="workspace" data-image="{study.image.pk}"></div>' in answer.content.decode()
    assert settings.CSRF_COOKIE_NAME in client.cookies


def test_a_developer_without_the_front_end_is_told_how_to_build_it(study, settings, monkeypatch):
    settings.DEBUG = True
    monkeypatch.setattr("labeling.site.views.finders.find", lambda name: None)
    page = signed_in(study.people["viewer"]).get(address(study, "image")).content.decode()
    assert "npm run build" in page and "workspace.js" not in page


# -- errors


@pytest.mark.parametrize(
    ("path", "status", "words"), [("/nowhere/", 404, "There is no such page"), ("/projects/999/", 404, "no such page")]
)
def test_errors_come_in_the_same_dress(path, status, words):
    answer = signed_in(UserFactory()).get(path)
    assert answer.status_code == status
    assert words in answer.content.decode() and "site/tokens.css" in answer.content.decode()


def test_a_role_that_does_not_reach_is_told_who_can_change_that(study):
    answer = signed_in(study.people["viewer"]).post(address(study, "project-rounds"))
    assert answer.status_code == 403
    assert "Your role in this project does not allow this. An owner or manager" in answer.content.decode()


def test_the_page_of_a_crash_needs_nothing_that_may_be_broken():
    answer = server_error(RequestFactory().get("/"))
    assert answer.status_code == 500 and "what was saved stays saved" in answer.content.decode()


def test_a_stale_form_is_refused_in_words(study):
    client = Client(enforce_csrf_checks=True)
    client.force_login(study.people["manager"])
    answer = client.post(address(study, "project-rounds"))
    assert answer.status_code == 403 and "Nothing was changed" in answer.content.decode()


def typed(client, url, origin, **fields):
    """A form without its token, as a browser sends it from a page of `origin`."""
    return client.post(url, fields, headers={"Origin": origin} if origin else {})


def test_a_stale_form_keeps_what_was_typed_and_can_be_sent_again(study):
    client = Client(enforce_csrf_checks=True)
    client.force_login(study.people["owner"])
    url = address(study, "project-settings")
    text = "two\nlines & <b>"
    stale = typed(client, url, "http://testserver", name="Breast 2", description=text, password="secret")
    page = stale.content.decode()
    assert stale.status_code == 403 and "Send again" in page and "secret" not in page
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    assert html.unescape(fields["description"]) == text
    again = {name: html.unescape(value) for name, value in fields.items()}
    assert client.post(url, again, headers={"Origin": "http://testserver"}).status_code == 302
    study.project.refresh_from_db()
    assert (study.project.name, study.project.description.replace("\r", "")) == ("Breast 2", text)


@pytest.mark.parametrize("origin", ["", "null", "http://evil.example", "http://testserver.evil.example"])
def test_a_form_from_elsewhere_is_never_offered_for_sending(origin, study):
    client = Client(enforce_csrf_checks=True)
    client.force_login(study.people["owner"])
    page = typed(client, address(study, "project-settings"), origin, name="forged").content.decode()
    assert "forged" not in page and "Send again" not in page and "Nothing was changed" in page


def test_a_stale_sign_in_page_never_shows_the_password():
    page = typed(Client(enforce_csrf_checks=True), reverse("sign-in"), "http://testserver", password="secret")
    assert page.status_code == 403 and "secret" not in page.content.decode()
    assert f'href="{reverse("sign-in")}"' in page.content.decode()


def test_a_wrong_password_says_what_to_do():
    user = UserFactory(username="miller")
    user.set_password("correct horse")
    user.save()
    client = Client()
    wrong = client.post(reverse("sign-in"), {"username": "miller", "password": "battery"})
    assert "do not belong together" in wrong.content.decode()
    right = client.post(
        reverse("sign-in"), {"username": "miller", "password": "correct horse", "next": "/projects/new/"}
    )
    assert right.headers["Location"] == "/projects/new/"
    away = Client().post(
        reverse("sign-in"), {"username": "miller", "password": "correct horse", "next": "//evil.example/"}
    )
    assert away.headers["Location"] == "/"


# -- the dress


class Inline(HTMLParser):
    """Collects what the content security policy would refuse, and controls without a name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.labels: set[str | None] = set()
        self.controls: list[dict[str, str | None]] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if (tag == "script" and "src" not in given) or tag == "style" or any(a.startswith("on") for a in given):
            self.found.append(self.get_starttag_text() or tag)
        if any(a.startswith("hx-on") or (a == "hx-trigger" and "[" in (v or "")) for a, v in attrs):
            self.found.append(self.get_starttag_text() or tag)  # htmx would need eval
        if tag == "label":
            self.labels.add(given.get("for"))
        if tag in ("input", "select", "textarea") and given.get("type") not in ("hidden", "radio"):
            self.controls.append(given)


@pytest.mark.parametrize("route", PAGES)
def test_pages_hold_no_inline_script_or_style_and_every_control_has_a_name(route, study):
    found = proposals(1)
    publish(
        round_=study.round,
        image=study.image,
        proposals=found,
        **STATEMENTS,
    )
    page = Inline()
    page.feed(signed_in(study.people["owner"]).get(address(study, route)).content.decode())
    assert page.found == []
    assert [c for c in page.controls if "aria-label" not in c and c.get("id") not in page.labels] == []


def tokens() -> str:
    return re.sub(r"/\*.*?\*/", "", (STATIC / "tokens.css").read_text(), flags=re.S)


def themes() -> tuple[dict[str, str], dict[str, str]]:
    """The colours of the light and of the dark theme, by token."""
    pairs = re.findall(r"--([\w-]+):\s*light-dark\(([^,]+),\s*([^)]+)\);", tokens())
    light = {name: first.strip() for name, first, _ in pairs}
    dark = {name: second.strip() for name, _, second in pairs}
    return light, dark


def contrast(a: str, b: str) -> float:
    """The contrast ratio of WCAG 2.2, 1 to 21."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_read_in_both_themes():
    assert contrast("#ffffff", "#000000") == pytest.approx(21) and contrast("#777777", "#ffffff") == pytest.approx(
        4.478, 1e-3
    )
    for theme in themes():
        for ground in ("surface", "surface-raised", "surface-sunken"):
            for ink in ("text", "text-muted", "accent", "danger", "ok", "warn"):
                assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)
            for line in ("border-strong", "focus"):
                assert contrast(theme[line], theme[ground]) >= 3, (line, ground)
        assert contrast(theme["accent-text"], theme["accent"]) >= 4.5


SHEETS = [STATIC / "site.css", STATIC / "components.css", STATIC / "study.css", Path("frontend/ui/workspace.css")]


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_styles_use_only_the_tokens(sheet):
    css = re.sub(r"/\*.*?\*/", "", sheet.read_text(), flags=re.S)
    known = set(re.findall(r"--([\w-]+):", tokens())) | set(re.findall(r"--([\w-]+):", css))
    assert set(re.findall(r"var\(--([\w-]+)", css)) <= known
    assert re.findall(r":[^;{]*#[0-9a-f]{3,8}\b[^;{]*;", css) == []
    assert re.findall(r"\brgba?\(", css) == []
    assert literal_lengths(css) == []


# Type, spaces and radii. How wide a column or a card gets is said where it stands.
MEASURED = r"font|font-size|padding[a-z-]*|margin[a-z-]*|gap|column-gap|row-gap|border-radius"


def literal_lengths(css):
    """Declarations of type, spaces and radii that state a length themselves."""
    declarations = re.findall(rf"^\s*((?:{MEASURED}):[^;]*);", css, flags=re.M)
    return [line for line in declarations if re.search(r"(?<![\w-])\d*\.?\d+(px|rem)\b", line)]


def test_a_length_that_is_no_token_is_found():
    css = (
        "a {\n  gap: 2px;\n  padding: 0 var(--space-1);\n  margin-left: -0.5rem;\n  font-size: 0.9em;\n  width: 3px;\n}"
    )
    assert literal_lengths(css) == ["gap: 2px", "margin-left: -0.5rem"]


def test_each_theme_is_written_once():
    assert tokens().count("prefers-color-scheme") == 0 and len(themes()[0]) >= 13


def test_the_style_guide_shows_every_component_in_both_themes(rf):
    html = styleguide(rf.get("/styleguide/")).content.decode()
    classes = re.findall(r"^   ([a-z-]+)  ", (STATIC / "components.css").read_text(), flags=re.M)
    components = [name for name in classes if name != "class"]
    assert len(components) == 14
    for component in components:
        assert html.count(f'class="{component}') >= 2, component


def test_a_server_in_use_has_no_style_guide(client):
    assert client.get("/styleguide/").status_code == 404


# -- words, curves, facts


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.3, "under 1 s"), (42.9, "42 s"), (185, "3 min 5 s"), (3840, "1 h 4 min"), (183_600, "2 d 3 h"), (None, "")],
)
def test_times_in_words(seconds, words):
    assert took(seconds) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(1234567, "1,234,567"), (0.61234, "0.612"), (0.5, "0.500"), (123456.7, "123,457"), (2.5e-7, "2.50e-07"),
     (0.0, "0"), (None, "–"), (True, "yes"), ([1, 0.5], "1, 0.500"), (float("nan"), "not a number")],
)  # fmt: skip
def test_figures_as_people_read_them(value, words):
    assert figure(value) == words


@pytest.mark.parametrize(("share", "words"), [(0.0312, "3.12 %"), (0, "0 %"), (None, "–"), ("", "–")])
def test_shares_in_percent(share, words):
    assert percent(share) == words


def test_a_curve_spans_its_box_with_the_highest_value_on_top():
    assert polyline([1.0, 3.0, 2.0], 1.0, 3.0) == "3.0,45.0 120.0,3.0 237.0,24.0"
    assert polyline([0.0, 0.0], 0.0, 0.0) == "3.0,24.0 237.0,24.0"
    assert axis_of("f1", [0.903, 0.901]) == (0.0, 1.0)
    assert axis_of("loss", [0.2, 0.1]) == (0.0, 0.2)
    reports = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "score": 0.3}, {"loss": float("nan")}]
    assert [(c.name, c.values) for c in curves_of(reports)] == [("loss", (2.0, 1.0))]


def test_facts_are_put_in_reading_order():
    masks = {"fused": {"pq": 0.4, "dice": 0.7}}
    facts = facts_of(EvaluationFacts(images=3, masks=masks, optimistic="so it is", sentence="No set."))
    assert facts.numbers == [("Images", 3)] and facts.sentences == ["No set."]
    ((name, inner),) = facts.groups
    assert name == "Masks, mean over images"
    assert [(part, one.numbers) for part, one in inner.groups] == [("fused", [("Dice", 0.7), ("PQ", 0.4)])]
