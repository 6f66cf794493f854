"""Templates are composed of the documented components (site/components.css), and no old class comes back."""

import re
from pathlib import Path

import pytest

from labeling.jobs.models import Job
from labeling.rounds.models import Round, Stage
from labeling.site.words import TONES, tone

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "labeling" / "site" / "static" / "site"
TEMPLATES = sorted((ROOT / "labeling").rglob("*.html"))
TAG = re.compile(r"<([a-z][\w-]*)((?:[^<>{]|\{\{.*?\}\}|\{%.*?%\}|\{)*)>", re.DOTALL)
CLASS = re.compile(r'class="((?:[^"{]|\{\{.*?\}\}|\{%.*?%\}|\{)*)"', re.DOTALL)
TEMPLATE_CODE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)

# What a template said before -> the component that says it now.
RETIRED = {
    "panel": "panel-card",
    "card": "panel-card is-link",
    "notice": "panel-card is-note",
    "chip": "badge",
    "chips": "badges",
    "calm": "empty-state",
    "toast": "toast-card",
    "bar": "progress-line (site/parts/bar.html)",
    "jobs": "job-list, with job-line for each",
    "choice": "choice-line",
    "plain": "data-table is-compact",
    "check": "field is-check",
    "wrong": "has-error",
    "primary": "button is-primary",
    "quiet": "button is-quiet",
    "icon-only": "button is-icon",
    "danger": "button is-danger",
}


def tags(template):
    """(tag, its classes, its attributes) of every element."""
    for name, attributes in TAG.findall(template.read_text()):
        found = CLASS.search(attributes)
        words = TEMPLATE_CODE.sub(" ", found[1]).split() if found else []
        yield name, words, attributes


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_uses_no_class_that_a_component_replaced(template):
    found = {word: RETIRED[word] for _, words, _ in tags(template) for word in words if word in RETIRED}
    assert not found, "write instead: " + ", ".join(f"{old} -> {new}" for old, new in found.items())


# The style guide takes the classes of its examples from Python.
@pytest.mark.parametrize("template", [t for t in TEMPLATES if t.name != "styleguide.html"], ids=lambda path: path.name)
def test_every_button_and_table_is_a_component(template):
    for name, words, attributes in tags(template):
        if name == "button" and 'role="tab"' not in attributes:
            assert "button" in words or "choice-button" in words, attributes
        if name == "table":
            assert "data-table" in words, attributes


def test_the_style_sheets_know_no_retired_class():
    for sheet in ("site.css", "components.css", "study.css"):
        css = re.sub(r"/\*.*?\*/", "", (STATIC / sheet).read_text(), flags=re.DOTALL)
        assert not set(re.findall(r"\.([a-z][\w-]*)", css)) & RETIRED.keys(), sheet


def test_the_checks_find_what_they_are_for(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<p class="notice{% if late %} warn{% endif %}"></p><button>Save</button><table></table>')
    assert [words for _, words, _ in tags(page)] == [["notice", "warn"], [], []]
    with pytest.raises(AssertionError, match="notice -> panel-card is-note"):
        test_a_template_uses_no_class_that_a_component_replaced(page)
    with pytest.raises(AssertionError):
        test_every_button_and_table_is_a_component(page)


def test_a_state_that_failed_never_looks_well():
    for states in (Round.State, Stage.State, Job.State):
        for state in states:
            is_shown_well = tone(state.value) == "is-ok"
            assert not (is_shown_well and state.value in ("failed", "cancelled", "declined"))
    assert tone("failed") == "is-danger" and tone("unheard of") == ""
    assert set(TONES.values()) == {"is-ok", "is-warn", "is-danger"}
