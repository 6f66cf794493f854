"""Where tissue comes from, read from names of files: what a pattern takes, and what no pattern can do."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.images.models import Image
from labeling.images.name_patterns import PLACES, parsed
from labeling.images.name_stating import state_by_names
from tests.factories import ImageFactory, ProjectFactory, UserFactory

PATTERN = "{centre}_{patient}_{slide}.png"


@pytest.mark.parametrize(
    ("pattern", "name", "read"),
    [
        (PATTERN, "Graz_07_A1.png", {"centre": "Graz", "patient": "07", "slide": "A1"}),
        (PATTERN, "Graz_07_A1_2.PNG", {"centre": "Graz", "patient": "07", "slide": "A1_2"}),
        (PATTERN, "Graz_07.png", None),
        (PATTERN, "Graz__A1.png", None),
        (PATTERN, "Graz_07_A1.tif", None),
        ("TCGA-{centre}-{patient}-{*}", "TCGA-02-0001-01C-01.svs", {"centre": "02", "patient": "0001"}),
        ("p{patient}s{slide}{*}", "", "between two places"),
        ("{patient} ({stain})", "07 (H&E)", {"patient": "07", "stain": "H&E"}),
        ("{patient}.*.png", "07.*.png", {"patient": "07"}),  # a star in the text is a star
        ("{patient}[0-9]+", "ab12", None),  # and so is all of a regular expression
    ],
)
def test_what_a_pattern_reads(pattern, name, read):
    if isinstance(read, str):
        with pytest.raises(Invalid, match=read):
            parsed(pattern)
    else:
        assert parsed(pattern).read(name) == read


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("{patient", "not closed"),
        ("patient}_{slide}", "not opened"),
        ("{name}", "{name} is unknown"),
        ("{patient}_{patient}", "stands there twice"),
        ("{patient}{slide}", "between two places"),
        ("{*}.png", "names nothing"),
        ("a.png", "names nothing"),
        ("x" * 301, "more than 300"),
        ("{split}.png", "{split} is unknown"),
    ],
)
def test_a_pattern_that_cannot_be_used_says_why(pattern, why):
    with pytest.raises(Invalid, match=why):
        parsed(pattern)


TEXT = st.text(st.characters(exclude_characters="_{}", exclude_categories=["C", "Z"]), min_size=1, max_size=9)


@given(TEXT, TEXT, TEXT)
def test_what_was_written_by_a_pattern_is_read_by_it(centre, patient, slide):
    read = parsed("{centre}_{patient}_{slide}.png").read(f"{centre}_{patient}_{slide}.png")
    assert read == {"centre": centre, "patient": patient, "slide": slide}


PIECES = st.sampled_from(["{centre}", "{patient}", "{ slide }", "{*}", "{", "}", "_", "-", "a", " ", "\0", "{name}"])
PATTERNS = st.lists(PIECES, max_size=9).map("".join) | st.text(max_size=60)


@given(PATTERNS, st.text("_- a1", max_size=20) | st.text(max_size=200))
def test_any_text_is_declined_as_a_pattern_or_reads_only_what_a_name_holds(pattern, name):
    try:
        known = parsed(pattern)
    except Invalid as error:
        assert error.field == "pattern" and str(error).startswith("the pattern cannot be used: ")
        return
    for place, text in (known.read(name) or {}).items():
        assert place in PLACES
        assert text and text in name


def test_a_hostile_name_costs_no_time():
    pattern = parsed("{centre}a{patient}a{block}a{slide}a{*}!")
    began = time.process_time()
    assert pattern.read("a" * 100_000) is None
    assert time.process_time() - began < 1


@pytest.mark.django_db
def test_a_dry_run_shows_what_is_read_and_states_nothing_and_then_it_is_stated():
    project, owner = ProjectFactory(), UserFactory()
    for name in ("Graz_07_1.png", "Graz_07_2.png", "Bern_07_1.png", "other.png"):
        ImageFactory(project=project, name=name)
    seen = state_by_names(project=project, pattern=PATTERN, by=owner)
    assert (seen.fitting, seen.not_fitting, seen.changed) == (3, 1, 3)
    assert project.patients.count() == 0 and project.centres.count() == 0
    state_by_names(project=project, pattern=PATTERN, by=owner, dry_run=False)
    images = Image.objects.filter(project=project).with_specimens().order_by("position")
    assert [image.patient_label for image in images] == ["Graz / 07", "Graz / 07", "Bern / 07", ""]
    assert state_by_names(project=project, pattern=PATTERN, by=owner, dry_run=False).changed == 0
