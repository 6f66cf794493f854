"""The report as a whole: one set of means, what stands beside the result, plots that answer, bundles of before."""

import json
from pathlib import Path

import pytest
from django.conf import settings
from django.urls import reverse

from labeling.studies import bundle, command, computed, plots, reporting, services, words
from labeling.studies.amending import effective
from labeling.studies.analysis import report
from labeling.studies.models import Study
from labeling.studies.plot_names import SHOWS
from labeling.studies.signing import public_key, signing_key
from labeling.studies.tables import tables_of
from tests.labeling.pages import signed_in
from tests.labeling.studies import SECONDS, draft, read_all, ten_fields

pytestmark = pytest.mark.django_db
BEFORE = Path(__file__).parent / "bundles" / "definition_1.zip"
BEFORE_UNITS = Path(__file__).parent / "bundles" / "definition_2.zip"


def pace(reader: int, arm: str, k: int) -> float:
    return SECONDS[arm] * (1 + 0.07 * reader) * (1 + 0.02 * (k * reader % 3))


def study_of(readers: int) -> Study:
    project = ten_fields()
    study = services.freeze(study=draft(project, readers=readers), by=project.owner)
    read_all(study, pace)
    return study


@pytest.fixture
def study():
    return study_of(4)


def test_one_set_of_means_is_printed_whoever_is_lost(study):
    """T5: with a dropout the printed means were 2.698 and 3.801, and the printed ratio was not theirs."""
    tables, protocol = tables_of(study), services.effective(study)
    for lost in ([], ["P01"], ["P01", "P03"]):
        kept = {**tables, "items": tables["items"].copy()}
        kept["items"].loc[kept["items"]["participant"].isin(lost), "withdrawn"] = True
        numbers = report.compute(kept, protocol)
        (contrast,) = numbers["contrasts"]
        reference, arm = (numbers["arms"][name]["mean"] for name in ("boxes by hand", "proposals"))
        time, quality = contrast["time"], contrast["quality"]
        assert (time["mean_reference"], time["mean_arm"]) == pytest.approx((reference, arm))
        assert time["ratio"] == pytest.approx(arm / reference)
        assert time["readers"] == numbers["flow"]["readers_analysed"] == 4 - len(lost)
        for name in ("boxes by hand", "proposals"):
            of_arm = numbers["arms"][name]
            assert sum(of_arm["phases_per_cell"].values()) == pytest.approx(of_arm["mean"])
            assert of_arm["of_readers"].get("mean", of_arm["mean"]) == pytest.approx(of_arm["mean"])
        if "not_computed" not in quality:
            assert quality["arm_mean"] == pytest.approx(numbers["arms"]["proposals"]["dice"])
        declared = next(row for row in numbers["sensitivity"] if row["idle_after_s"] == 30)
        assert declared["contrasts"][0]["ratio"] == pytest.approx(time["ratio"])
        missing = numbers["missing"][0]
        assert missing["unfinished"] == 8 * len(lost) if lost else "nothing is missing" in missing["not_computed"]
        text = " ".join(words.results(numbers))
        assert f"{arm:.2f} to {reference:.2f} s per cell" in text and f"{reference:.2f} s per reference cell" in text


def test_the_loss_of_a_sequence_is_said_with_what_it_confounds(study):
    tables, protocol = tables_of(study), services.effective(study)
    one = tables["items"]["sequence"] == "AB"
    tables["items"].loc[one, "withdrawn"] = True
    numbers = report.compute(tables, protocol)
    text = " ".join(words.results(numbers))
    assert "no reader of sequence AB is left, so arm and period are confounded" in text
    assert "p = " not in text and "p <" not in text


def test_a_reader_without_a_field_in_every_arm_is_left_out_and_said(study):
    tables, protocol = tables_of(study), services.effective(study)
    items = tables["items"]
    items.loc[(items["participant"] == "P02") & (items["arm"] == "proposals"), "state"] = "open"
    numbers = report.compute(tables, protocol)
    assert numbers["flow"]["excluded"] == {report.INCOMPLETE: 4, "not finished": 4}
    assert numbers["flow"]["readers_analysed"] == 3 and {r["participant"] for r in numbers["readers"]} == {
        "P01",
        "P03",
        "P04",
    }


def test_everything_that_is_said_to_be_shown_is_shown(study):
    """T11 and T12, on the page and in the PDF's text."""
    services.open_interim_results(study=study, by=study.created_by, reason="to see the numbers")
    services.amend(study=study, change={"outlier_iqr": 0.2}, reason="to see what it does", by=study.created_by)
    page = signed_in(study.created_by).get(reverse("study-report", args=[study.pk])).content.decode()
    for what in (
        "Crossed model of seconds per cell, proposals: ratio of geometric means",
        "Learning (below 0) or fatigue (above 0) in proposals",
        "Carry-over, proposals",
        "Second readings",
        "Agreement between readers in boxes by hand (ICC(A,1)",
        "Outliers by the declared rule, left out of the result",
        "With the outliers, proposals: ratio",
        "reference cells",
        "Ratio of proposals to boxes by hand",
        "Amendment 1",
        "to see what it does",
        "can reach p &lt; 0.05 from 8 readers in this design",
        "false cells drawn",
        "Readers and fields",
        "Flow by arm and reader",
        "Phases, seconds per reference cell",
    ):
        assert what in page, what
    sections = reporting.page(study)["sections"]
    printed = [heading for heading, _ in _pdf_text(study)]
    tables = ("Readers, fields and flow", "Phases", "Under other idle cut-offs")  # on the page they are tables
    assert [section.title for section in sections] == [title for title in printed if title not in tables]
    assert all(
        "95 % CI" in line or "no interval" in line for line in dict(_pdf_text(study))["Under other idle cut-offs"]
    )


def _pdf_text(study) -> list[tuple[str, list[str]]]:
    """What reporting.pdf hands to the drawing."""
    seen: list[list[tuple[str, list[str]]]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "pdf", lambda title, text, numbers: seen.append(text) or b"%PDF")
        reporting.pdf(study)
    return seen[0]


def test_what_was_left_out_is_tested_only_where_quality_passes_there_too(study):
    protocol = services.effective(study)
    protocol["analysis"] |= {"outlier_iqr": 0.2, "quality_margin": 1e-9}
    numbers = report.compute(tables_of(study), protocol)
    (found,) = numbers["with_outliers"]
    assert "not tested" in found["time"]["test"]["not_computed"] and numbers["outliers"]


def test_two_readers_get_their_own_analysis_and_no_p_for_readers_in_general():
    study = study_of(2)
    text = " ".join(words.results(reporting.numbers_of(study)))
    assert "These two readers, not readers in general" in text
    assert "Neither an interval nor a test: 2 readers in 2 sequences leave no degree of freedom" in text
    assert "bootstrap" not in text


def test_fields_finished_empty_are_counted_as_bad(study):
    """T3: three of four fields finished at once and empty gave a saving of 73 %, and quality passed."""
    tables, protocol = tables_of(study), services.effective(study)
    assisted = tables["items"].loc[tables["items"]["arm"] == "proposals", "item"]
    tables["cells"] = tables["cells"][~tables["cells"]["item"].isin(assisted)]
    numbers = report.compute(tables, protocol)
    (contrast,) = numbers["contrasts"]
    assert contrast["quality"]["passed"] is False and "not tested" in contrast["time"]["test"]["not_computed"]
    arm = numbers["arms"]["proposals"]
    assert arm["dice"] == 0 and arm["empty_fields"] == arm["fields"] == 16
    assert arm["detection"]["missed"] == arm["reference_cells"] and arm["detection"]["found"] == 0
    assert "16 of 16 fields were finished without any cell" in " ".join(words.results(numbers))


# -- plots


def test_an_unknown_plot_is_answered_before_the_statistics_are_loaded(study, monkeypatch):
    """S22: the first request of a process loaded pandas, statsmodels and matplotlib before it looked at the name."""
    monkeypatch.setattr(reporting, "numbers_of", None)
    monkeypatch.setattr(reporting, "plot", None)
    client = signed_in(study.created_by)
    for name in ("²", "secrets", "readers ", "__class__", "0", "%00", "a" * 500):
        expected = 400 if name == "%00" else 404  # an address with a NUL goes no further
        assert client.get(f"/studies/{study.pk}/plots/{name}.svg").status_code == expected, name


def test_the_numbers_are_computed_once_for_the_page_and_its_plots(study, monkeypatch):
    services.open_interim_results(study=study, by=study.created_by, reason="to see the numbers")
    calls = []
    compute = report.compute
    monkeypatch.setattr(report, "compute", lambda *given: calls.append(1) or compute(*given))
    client = signed_in(study.created_by)
    client.get(reverse("study-report", args=[study.pk]))
    for name in SHOWS:
        assert client.get(reverse("study-plot", args=[study.pk, name])).status_code == 200
    assert len(calls) == 1
    services.amend(study=study, change={"quality_margin": 0.1}, reason="another", by=study.created_by)
    client.get(reverse("study-plot", args=[study.pk, "readers"]))
    assert len(calls) == 2


def test_a_plot_does_not_wait_for_long_while_somebody_else_computes(study, monkeypatch):
    services.open_interim_results(study=study, by=study.created_by, reason="to see the numbers")
    monkeypatch.setattr(reporting, "PLOT_PATIENCE_S", 0.05)
    lock = computed.lock_of(study.pk)
    with lock:
        answer = signed_in(study.created_by).get(reverse("study-plot", args=[study.pk, "readers"]))
    assert answer.status_code == 503 and answer.headers["Retry-After"] and b"being computed" in answer.content


def test_a_name_is_drawn_as_it_is_whatever_it_holds(study):
    text = json.dumps(reporting.numbers_of(study))
    for name in ("$\\frac{", "_hidden", "a" * 100, "$", "²", "\\", "<b>"):
        numbers = json.loads(text.replace('"proposals"', json.dumps(name)))
        assert name in numbers["arms"]
        for plot in SHOWS:
            assert b"<svg" in plots.svg(numbers, plot), (name, plot)
        assert plots.pdf(name, [(name, [name])], numbers).startswith(b"%PDF")


# -- bundles


def test_a_bundle_of_the_first_definition_is_recomputed_and_says_so(capsys):
    found = bundle.recompute(BEFORE)
    assert found.differences == [] and found.definition_then == 1
    assert "contrasts" in found.redefined and "fields" not in found.redefined
    assert found.numbers["plan"]["notes"] and "definition 1" in found.numbers["plan"]["notes"][0]
    assert command.main(["recompute", str(BEFORE)]) == 0
    printed = capsys.readouterr().out
    assert "computed with definition 1" in printed and "Defined otherwise, so not compared: arms," in printed


def test_a_bundle_from_before_the_units_recomputes_to_the_same_digits(capsys):
    found = bundle.recompute(BEFORE_UNITS)
    assert found.differences == [] and found.redefined == [] and found.replaced == ["mixed"]
    assert found.added == ["fully_crossed", "joint", "specifications", "table_one"]
    assert found.numbers["plan"]["unit"] == "fields"
    assert command.main(["recompute", str(BEFORE_UNITS)]) == 0
    assert "Every number is identical" in capsys.readouterr().out


def test_the_bundle_holds_amendments_detection_and_the_definition(study, tmp_path):
    services.amend(study=study, change={"quality_margin": 0.2}, reason="too strict", by=study.created_by)
    path = tmp_path / "bundle.zip"
    path.write_bytes(reporting.bundled(study))
    found = bundle.recompute(path, public_key(signing_key(settings.SECRET_KEY)))
    assert found.differences == [] and found.redefined == [] and found.definition_then == 2
    assert found.numbers["plan"]["quality_margin"] == 0.2
    assert {"found", "missed", "merged", "split", "false", "pieces"} <= set(found.numbers["fields"][0])
    (entry,) = effective(study)["amendments"]
    assert (entry["what"], entry["before"], entry["after"]) == ("quality_margin", 0.05, 0.2)


def test_a_protocol_declares_the_rules_that_are_printed(study):
    analysis = study.protocol["analysis"]
    assert analysis["definition"] == 2 and analysis["empty_fields"] == "dice 0"
    assert analysis["missing_data"] == "complete readers" and analysis["multiplicity"] == "holm"
    methods = " ".join(words.methods(study.protocol, reporting.numbers_of(study), sha256="abc"))
    assert words.RULES["dice 0"] in methods and words.RULES["complete readers"] in methods
    assert "definition 1" not in methods
