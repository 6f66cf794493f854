"""The size of a study: simulated on a page, filled in from a pilot, written into the protocol of a draft."""

import math

import pytest
from django.urls import reverse
from scipy import stats

from labeling.studies import pilot, services
from labeling.studies.analysis.power import Components, Gate, justification, power
from tests.labeling.pages import signed_in, toasts
from tests.labeling.studies import draft, locked, read_all, ten_fields
from tests.labeling.test_studies_report import pace

GIVEN = {
    "reduction": "30", "readers": "4 8", "fields_each": "8", "reader": "0.25", "slope": "0.1", "field": "0.2",
    "field_slope": "0", "residual": "0.25", "dropout": "10", "quality_loss": "0", "quality_sd": "0.02",
}  # fmt: skip


def test_the_upper_limit_of_a_variance_is_chi_squared_s():
    """Of 6 readers with a variance of 0.04: 0.04 * 5 over the 20 % quantile of chi squared with 5."""
    assert pilot.upper(0.04, 5) == pytest.approx(math.sqrt(0.2 / 2.342534), rel=1e-5)
    certainty = stats.chi2.sf(0.04 * 5 / pilot.upper(0.04, 5) ** 2, 5)
    assert certainty == pytest.approx(0.8)
    found = {"estimate": 0.7, "reader": 0.06, "slope": None, "field": 0.04, "field_slope": 0.0, "residual": 0.05,
             "fields": 96, "readers": 8}  # fmt: skip
    counted = [
        {"field": k % 12, "counts": True, "arm": "AB"[k % 2], "sequence": ("AB", "BA")[k // 48], "period": k % 2}
        for k in range(96)
    ]
    others = [{"field": 99, "counts": False, "arm": "A"}, {"field": 98, "counts": True, "arm": "C"}]
    plan = {"reference": "A", "others": ["B", "C"]}
    numbers = {"mixed": [{"seconds": found | {"fit": "singular"}}], "fields": [*counted, *others], "plan": plan}
    spreads = pilot.spreads_of(numbers)
    assert set(spreads) == {"reader", "field", "residual"}  # 0 and what could not be told apart have no limit
    assert spreads["reader"] == pytest.approx(pilot.upper(0.06, 8 - 2), abs=5e-4)
    assert spreads["field"] == pytest.approx(pilot.upper(0.04, 12 - 2), abs=5e-4)
    assert spreads["residual"] == pytest.approx(pilot.upper(0.05, 96 - 16 - 12), abs=5e-4)
    with pytest.raises(ValueError, match="did not converge"):
        pilot.spreads_of(numbers | {"mixed": [{"seconds": found | {"fit": "not converged"}}]})
    with pytest.raises(ValueError, match="at least two readers"):
        pilot.spreads_of({"mixed": [{"seconds": {"not_computed": "it needs at least two readers"}}], "fields": []})


@pytest.mark.django_db
def test_a_size_is_simulated_and_written_into_the_protocol():
    project = ten_fields()
    study = draft(project)
    client, address = signed_in(project.owner), reverse("study-size", args=[study.pk])
    assert address in client.get(reverse("study", args=[study.pk])).content.decode()
    assert "Simulate" in client.get(address).content.decode()
    page = client.post(address, GIVEN).content.decode()
    gate, components = Gate(margin=study.quality_margin, sd=0.02), Components(slope=0.1)
    asked = {"components": components, "dropout": 0.1, "gate": gate}
    expected = power(reduction=30, readers=[4, 8], fields=[8], kind="crossover", seed=study.seed, **asked)
    for row in expected:
        assert f'<td class="is-figure">{row.power:.2f}</td>' in page
        assert f'value="{row.readers}x{row.fields}"' in page
    client.post(address, GIVEN | {"write": "8x8"})
    study.refresh_from_db()
    assert study.size_justification == justification(expected[1], reduction=30, kind="crossover", **asked)
    frozen = services.freeze(study=study, by=project.owner)
    assert frozen.protocol["size_justification"] == study.size_justification
    moved = client.post(address, GIVEN | {"write": "4x8"})
    assert moved.status_code == 302 and moved["Location"] == reverse("study", args=[study.pk])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"readers": "four"}, "“four” is not a whole number from 2 to 60"),
        ({"residual": "0"}, "“0” is not a number from 0.001 to 5"),
        ({"readers": "2 4 6 8 10 12 14 16 18"}, None),
        ({"readers": "4 6 8 10 12", "fields_each": "2 4 8 16"}, "20 sizes at once are too many; 16 is the most"),
        ({"readers": "58 60", "fields_each": "100 200"}, "70800 fields of readers together; 16000 is the most"),
        ({"readers": ""}, "This field is required"),
    ],
    ids=str,
)
def test_what_cannot_be_simulated_is_said(wrong, sentence):
    study = draft(ten_fields(), readers=0)
    client = signed_in(study.created_by)
    answer = client.post(reverse("study-size", args=[study.pk]), GIVEN | wrong)
    page = answer.content.decode()
    assert answer.status_code == (422 if sentence else 200)
    assert (sentence or "this design needs a multiple of") in page or (sentence is None and "no test" in page)
    study.refresh_from_db()
    assert study.size_justification == ""


@pytest.mark.django_db
def test_a_crossover_of_three_arms_is_no_design_to_simulate():
    study = draft(ten_fields(), readers=0)
    study.arms.create(name="third", position=3)
    page = signed_in(study.created_by).post(reverse("study-size", args=[study.pk]), GIVEN)
    assert page.status_code == 422 and "for more take the Williams square" in page.content.decode()


@pytest.mark.django_db
def test_a_size_without_a_test_or_outside_the_table_is_not_written():
    study = draft(ten_fields(), readers=0)
    client, address = signed_in(study.created_by), reverse("study-size", args=[study.pk])
    page = client.post(address, GIVEN | {"readers": "2 5 8"}).content.decode()
    assert "2 readers, 8 fields: no test" in page and "a multiple of 2 readers" in page and 'value="8x8"' in page
    for size, sentence in (("2x8", "this size has no test"), ("30x8", "not in the table"), ("x", "not in the table")):
        answer = client.post(address, GIVEN | {"readers": "2 8", "write": size})
        assert sentence in str(toasts(answer)).lower(), size
    study.refresh_from_db()
    assert study.size_justification == ""


@pytest.mark.django_db
def test_a_locked_study_of_the_project_is_a_pilot():
    project = ten_fields()
    before = draft(project)
    before.name = "A pilot"
    before.save()
    before = services.freeze(study=before, by=project.owner)
    read_all(before, pace)
    locked(before)
    study = draft(project, readers=0)
    client = signed_in(project.owner)
    address = f"{reverse('study-size', args=[study.pk])}?pilot={before.pk}"
    page = client.get(address).content.decode()
    assert before.name in page and "could not tell apart stays empty" in page
    initial = client.get(address).context["form"].initial
    assert initial["reader"] > 0 and initial["residual"] > 0
    client.post(address, GIVEN | {name: str(value) for name, value in initial.items()} | {"write": "8x8"})
    study.refresh_from_db()
    assert f"from the pilot “{before.name}”, upper 80 % limits" in study.size_justification
    stated = "(stated, as the pilot does not tell them: "
    assert (stated in study.size_justification) == (len(initial) < 5)
    client.post(address, GIVEN | {"write": "8x8"})
    study.refresh_from_db()
    assert "from stated components" in study.size_justification
