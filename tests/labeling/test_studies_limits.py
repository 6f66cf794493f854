"""What a study may declare is held in one place, whoever asks: the form, the services, an amendment. Hostile values
get a sentence that names the field, and a row that is in the database already never breaks a page."""

import io
import json
import math
import zipfile
from datetime import date, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeling.errors import Invalid
from labeling.site.forms.studies import StudyForm
from labeling.studies import amending, limits, reporting, services
from labeling.studies.models import Amendment, Study
from tests.labeling.pages import signed_in, toasts
from tests.labeling.studies import draft, frozen, ten_fields

HOSTILE = (
    "nan", "inf", "-inf", "Infinity", "1e400", "-1e400", "-1", "-0.0001", "1_0", "٣", "²", "0x10", "9" * 5000,
    "1" * 400, "x\0y", "\0", "\ud800", "", "   ", "true", "[]", "{}", "2036-02-30", "99999-01-01", "0000-00-00",
    "<b>", "'; --", "1,5", "--5", "5e", ".", "1e-400",
)  # fmt: skip
ODD_TYPES = (None, True, False, [], {}, [1], {"a": 1}, math.nan, math.inf, -math.inf, 10**5000, -(10**400), b"1", 0, -1)
GOOD = {
    "name": "New", "public_title": "Nuclei", "hypothesis": "Faster", "design": "crossover", "seed": "3",
    "idle_after_s": "30", "washout_days": "0", "training_per_arm": "1", "repeats": "0", "outlier_iqr": "",
    "quality_margin": "0.05", "unit": "fields", "gap_days": "0", "break_minutes": "10",
    "exclusion_rules": "", "consent_text": "", "ethics_reference": "", "retention_until": "",
    "withdrawal_after_lock": "remove",
}  # fmt: skip


def check_answer(name: str, value) -> None:
    """Fails unless the rule declines the value by the field's name, or takes one that can be stored and read again and
    is within its bounds."""
    rule = limits.PROTOCOL[name]
    try:
        parsed = rule.parse(value, name)
    except Invalid as error:
        assert error.field == name and str(error).startswith(str(rule.label)), str(error)
        assert len(str(error)) < 400 and "\0" not in str(error)
        assert str(error).encode()  # a page can show it
        return
    stored = json.loads(json.dumps(limits.as_json(parsed), allow_nan=False))
    assert "\0" not in str(stored)
    if isinstance(rule, limits.Number) and parsed is not None:
        assert rule.least <= parsed <= rule.most


@pytest.mark.parametrize("name", limits.PROTOCOL)
def test_every_field_answers_hostile_values_with_its_name(name):
    for value in (*HOSTILE, *ODD_TYPES):
        check_answer(name, value)


@given(
    st.sampled_from(sorted(limits.PROTOCOL)), st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.booleans())
)
@settings(max_examples=400, deadline=None)
def test_any_value_is_taken_whole_or_refused_by_name(name, value):
    check_answer(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quality_margin", "-1"), ("quality_margin", "0"), ("quality_margin", "1"), ("idle_after_s", "0"),
        ("idle_after_s", "-5"), ("idle_after_s", "1e9"), ("outlier_iqr", "0"), ("washout_days", "0.5"),
        ("washout_days", "-1"), ("seed", "2147483648"), ("repeats", "1e400"), ("name", ""), ("public_title", " "),
        ("design", "latin"), ("retention_until", "tomorrow"), ("withdrawal_after_lock", ""), ("hypothesis", ""),
    ],
)  # fmt: skip
def test_the_form_says_field_limit_and_remedy(name, value):
    form = StudyForm(GOOD | {name: value})
    assert not form.is_valid() and set(form.errors) == {name}
    (sentence,) = form.errors[name]
    rule = limits.PROTOCOL[name]
    assert sentence.startswith(rule.label) and "onstraint" not in sentence
    if isinstance(rule, limits.Number):
        assert f"from {rule.least:g} to" in sentence and "Type" in sentence


def test_the_form_takes_what_is_right():
    form = StudyForm(GOOD)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["quality_margin"] == 0.05 and form.cleaned_data["outlier_iqr"] is None
    assert set(form.fields) == set(limits.PROTOCOL)


# -- with a database


@pytest.fixture
def study(db) -> Study:
    return frozen(ten_fields())


def test_an_amendment_is_checked_like_the_protocol_and_the_page_never_breaks(study):
    client = signed_in(study.created_by)
    url = reverse("study-act", args=[study.pk])
    for name in (*limits.AMENDABLE, "seed", "x\0y", "", "\ud800"[:0] + "consent_text"):
        for value in HOSTILE:
            if name in ("exclusion_rules",) and value in ("", "   "):
                continue
            body = {"act": "amend", "name": name, "value": value.encode(errors="replace").decode(), "reason": "why"}
            answer = client.post(url, body)
            contains_nul = "\0" in name + value
            assert answer.status_code == (400 if contains_nul else 302), (name, value)
    kept = [a.change for a in study.amendments.all()]
    assert all(set(change) == {"exclusion_rules"} for change in kept), kept  # free text may hold nearly anything
    for change in kept:
        assert "\0" not in change["exclusion_rules"]
    answer = client.post(url, {"act": "amend", "name": "quality_margin", "value": "", "reason": "why"})
    assert toasts(answer)[-1:] == ["Quality margin, Dice: nothing was typed. Type a number from 0.001 to 0.999."]
    answer = client.post(url, {"act": "amend", "name": "quality_margin", "value": "0.1", "reason": "x\x01y"})
    assert "control character" in toasts(answer)[-1]
    for act in ("enrol", "exclude", "labelme", "amend", "x"):
        body = {"act": act, "username": "x\0y", "item": "9" * 5000, "name": "x\0y", "reason": "x\0y"}
        assert client.post(url, body).status_code == 400, act


@pytest.mark.parametrize("value", [0.1, "0.1", " 0.1 "])
def test_an_amendment_says_what_was_before_and_whether_results_had_been_seen(study, value):
    by = study.created_by
    services.amend(study=study, change={"quality_margin": value}, reason="wider", by=by)
    services.open_interim_results(study=study, by=by, reason="safety")
    services.amend(study=study, change={"outlier_iqr": 3}, reason="odd fields", by=by)
    first, second = services.effective(study)["amendments"]
    assert (first["label"], first["before"], first["after"]) == ("Quality margin, Dice", 0.05, 0.1)
    assert (first["reason"], first["results_seen"], first["applied"]) == ("wider", False, True)
    assert (second["before"], second["after"], second["results_seen"]) == (None, 3.0, True)
    Study.objects.filter(pk=study.pk).update(logs_interim_looks=False)
    study.interim_looks.all().delete()
    study.refresh_from_db()
    services.amend(study=study, change={"outlier_iqr": 4}, reason="r", by=by)
    assert services.effective(study)["amendments"][-1]["results_seen"] is None
    with pytest.raises(Invalid, match="the value already"):
        services.amend(study=study, change={"outlier_iqr": "4"}, reason="r", by=by)


def test_a_day_in_the_past_would_delete_at_once_and_is_refused(study):
    today = timezone.localdate()
    for day in (today, today - timedelta(days=1), date(1999, 1, 1)):
        with pytest.raises(Invalid, match="not in the future"):
            services.amend(study=study, change={"retention_until": day.isoformat()}, reason="r", by=study.created_by)


def test_a_draft_from_before_the_bounds_is_refused_at_the_freezing_and_not_by_the_database(db):
    project = ten_fields()
    study = draft(project)
    Study.objects.filter(pk=study.pk).update(idle_after_s=math.nan, quality_margin=-1)
    with pytest.raises(Invalid, match="Idle cut-off"):
        services.freeze(study=study, by=project.owner)


ODD_CHANGES = [
    {"quality_margin": None}, {"quality_margin": -5}, {"quality_margin": "wide"}, {"idle_after_s": None},
    {"idle_after_s": 0}, {"outlier_iqr": -1}, {"outlier_iqr": []}, {"exclusion_rules": None}, {"retention_until": None},
    {"retention_until": "soon"}, {"excluded": None}, {"outside_arm": None}, {"outside_arm": {"name": "x"}},
    {"outside_arm": {"name": "x", "tool": "y", "readings": [{"field": 1}]}}, {"unknown": {"a": [1]}}, {}, [], "x", None,
]  # fmt: skip


def test_odd_amendments_that_are_stored_already_are_named_and_break_nothing(study):
    services.lock(study=study)
    for change in ODD_CHANGES:
        if change is not None:  # the column is never null
            Amendment.objects.create(study=study, change=change, reason="from before", by=study.created_by)
    protocol = services.effective(study)
    assert protocol["analysis"]["quality_margin"] == 0.05 and protocol["measurement"]["idle_after_s"] == 30
    margins = [a for a in protocol["amendments"] if a["what"] == "quality_margin"]
    assert [(a["after"], a["applied"]) for a in margins] == [(None, False), (-5, False), ("wide", False)]
    client = signed_in(study.created_by)
    for route in ("study", "study-report", "study-pdf", "study-bundle"):
        assert client.get(reverse(route, args=[study.pk])).status_code == 200, route
    page = client.get(reverse("study", args=[study.pk])).content.decode()
    assert "Not applied: the protocol does not take this value." in page
    reader = study.participants.first()
    assert signed_in(reader.user).get(reverse("participation", args=[reader.pk])).status_code == 200
    found = zipfile.ZipFile(io.BytesIO(reporting.bundled(study)))
    expected = reporting.published(study)["amendments"]
    assert json.loads(found.read("protocol_as_amended.json"))["amendments"] == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
changes = json_values | st.dictionaries(st.sampled_from([*limits.AMENDABLE, "excluded", "outside_arm"]), json_values)


@given(changes)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_an_old_amendment_holds_the_protocol_stays_one_that_can_be_followed(study, change):
    Amendment.objects.filter(study=study).delete()
    if change is not None:
        Amendment.objects.create(study=study, change=change, reason="r", by=study.created_by)
    protocol = services.effective(study)
    for name, place in amending.PLACES.items():
        value = (protocol[place] if place else protocol)[name]
        limits.AMENDABLE[name].parse(value, name)  # sound, or it raises
    json.dumps(protocol, allow_nan=False)
    amending.retention_of(study)
