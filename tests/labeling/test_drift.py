"""Rounds by scanner, site, stain and slide: the figures against numpy, what is said of them, and the pages."""

import json
import math

import numpy as np
import pytest
from django.urls import reverse
from rest_framework.test import APIClient
from scipy.stats import ttest_ind

from inference.datasets import data_root, open_dataset
from inference.metrics import per_image
from labeling.annotations.models import Layer
from labeling.images.facts import change_image
from labeling.images.models import Image
from labeling.rounds.models import Publication
from labeling.rounds.results.comparison import by_unit, interval
from labeling.rounds.results.drift import confounded, is_worse, of_round, over_rounds
from labeling.site.words import figure
from tests.documents import CERTIFICATE
from tests.factories import ImageFactory, LayerFactory, ProjectFactory, UserFactory
from tests.labeling.test_round_comparison import evaluated

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    return ProjectFactory()


def images_of(project, *origins):
    """Images in order, each with (scanner, slide), or (scanner, slide, site)."""
    return [
        ImageFactory(project=project, scanner=scanner, patient=slide, centre=site[0] if site else "")
        for scanner, slide, *site in origins
    ]


def judged(project, number, images, values, measure="pq", trained=()):
    rows = [
        {"image": image.pk, "patient": image.patient_label, measure: value}
        for image, value in zip(images, values, strict=True)
        if value is not None
    ]
    return evaluated(project, number, rows, trained=[image.pk for image in trained])


def signalled(round_, image, **signals):
    layer = LayerFactory(image=image, kind=Layer.Kind.PREDICTION)
    Publication.objects.create(
        round=round_,
        image=image,
        layer=layer,
        certificate=CERTIFICATE.as_json(),
        model_names={},
        facts={"signals": signals},
    )


def group(made, factor, name):
    of_factor = next(f for f in made.factors if f.name == factor)
    return next(g for g in of_factor.groups if g.name == name)


def oracle_dice(reference, predicted):
    """Straight from the definition."""
    a, b = reference > 0, predicted > 0
    return 2 * np.logical_and(a, b).sum() / (a.sum() + b.sum())


def oracle_pq(reference, predicted):
    """Pair by pair: the matched IoUs over the mean of what there is and what was found."""
    total, ids = 0.0, [i for i in np.unique(predicted) if i]
    cells = [i for i in np.unique(reference) if i]
    for i in cells:
        own = reference == i
        for j in np.unique(predicted[own]):
            if j:
                other = predicted == j
                overlap = np.logical_and(own, other).sum() / np.logical_or(own, other).sum()
                total += overlap if overlap > 0.5 else 0
    return total / ((len(cells) + len(ids)) / 2)


def test_figures_by_scanner_and_slide_are_numpy_s_on_real_label_maps(project):
    root = data_root()
    if root is None or not (root / "tnbc").is_dir():
        pytest.skip("BOXWISE_DATA holds no tnbc")
    dataset = open_dataset(root / "tnbc")
    names = dataset.names[:7]
    scanners = ["AT2", "AT2", "AT2", "AT2", "GT450", "GT450", "GT450"]
    slides = ["s1", "s1", "s2", "s3", "s4", "s5", "s5"]
    images, rows, dice, pq = [], [], [], []
    for i, (name, scanner, slide) in enumerate(zip(names, scanners, slides, strict=True)):
        reference = dataset.labels(name)[:256, :256]
        predicted = np.roll(reference, 2 if scanner == "AT2" else 5 + i, axis=1)  # the new scanner does badly
        report = per_image(reference.astype(np.int32), predicted.astype(np.int32)).as_dict()
        image = ImageFactory(project=project, scanner=scanner, patient=slide)
        images.append(image)
        rows.append({"image": image.pk, "patient": slide, "dice": report["dice"], "pq": report["pq"]})
        dice.append(oracle_dice(reference, predicted))
        pq.append(oracle_pq(reference, predicted))
    made = of_round(evaluated(project, 1, rows))
    for scanner, part, units in (
        ("AT2", slice(0, 4), ["s1", "s1", "s2", "s3"]),
        ("GT450", slice(4, 7), ["s4", "s5", "s5"]),
    ):
        means = group(made, "scanner", scanner).means
        assert means["dice"].value == pytest.approx(np.mean(dice[part]), abs=1e-9)
        assert means["pq"].value == pytest.approx(np.mean(pq[part]), abs=1e-9)
        # slides are resampled whole: the interval is that of their sums, drawn as the comparison of rounds draws them
        low, high = interval(np.array(pq[part]), by_unit(units))
        assert (means["pq"].low, means["pq"].high) == pytest.approx((low, high), abs=1e-9)
        assert (means["pq"].images, means["pq"].patients) == (len(units), len(set(units)))
    assert group(made, "scanner", "GT450").means["pq"].stands_out
    assert not group(made, "scanner", "AT2").means["pq"].stands_out
    (by_scanner,) = [f for f in made.factors if f.name == "scanner"]
    assert [g.name for g in by_scanner.groups] == ["GT450", "AT2"]  # the worst first
    assert group(made, "patient", "s1").means["pq"].value == pytest.approx(np.mean(pq[:2]), abs=1e-9)


def test_signals_need_no_reference_and_high_ones_stand_out(project):
    images = images_of(project, *[("A", f"a{i}") for i in range(4)], *[("B", f"b{i}") for i in range(4)])
    round_ = judged(project, 1, images, [None] * 8)
    for i, image in enumerate(images):
        old = image.scanner == "A"
        signalled(round_, image, ambiguous=0.01 * i, colour=0.1 + 0.01 * i if old else 0.5 + 0.01 * i)
    made = of_round(round_)
    assert made.measures == ["ambiguous", "colour"]
    b = group(made, "scanner", "B").means
    assert b["colour"].value == pytest.approx(np.mean([0.54, 0.55, 0.56, 0.57])) and b["colour"].stands_out
    assert group(made, "scanner", "A").means["colour"].stands_out is False
    assert made.factors[0].groups[0].name == "B"


def test_a_round_from_before_signals_were_kept_has_those_of_the_queue(project):
    images = images_of(project, ("A", "a"), ("B", "b"))
    round_ = judged(project, 1, images, [None, None])
    for image, doubt in zip(images, (0.2, 0.4), strict=True):
        signalled(round_, image)
        Publication.objects.filter(image=image).update(facts={"priorities": {"disagreement": doubt, "mix": 1.0}})
    made = of_round(round_)
    assert made.measures == ["disagreement"]
    assert group(made, "scanner", "B").means["disagreement"].value == 0.4


def test_fewer_than_three_images_have_no_interval_and_that_is_said(project):
    images = images_of(
        project,
        ("A", "a"),
        ("A", "b"),
        ("A", "c"),
        ("B", "d"),
        ("B", "e"),
        ("C", "f"),
        ("C", "f"),
        ("C", "f"),
        ("", "g"),
    )
    made = of_round(judged(project, 1, images[:8], [0.5, 0.6, 0.7, 0.1, 0.1, 0.4, 0.5, 0.6]))
    b = group(made, "scanner", "B").means["pq"]
    assert math.isnan(b.low) and not b.stands_out and b.value == pytest.approx(0.1)
    printed = next(f for f in made.factors if f.name == "scanner").sentences
    assert printed[0].startswith("Fewer than 3 images: B.")
    assert printed[1].startswith("One patient alone: C.") and len(printed) == 2
    signalled(project.rounds.get(), images[8])
    dark = next(f for f in of_round(project.rounds.get()).factors if f.name == "scanner").sentences[-1]
    assert dark.startswith("Not measured: not stated.")


def test_factors_that_coincide_are_said_to():
    def origins(*rows):
        return [dict(zip(("scanner", "centre", "stain", "patient"), row, strict=True)) for row in rows]

    same = confounded(origins(("A", "x", "", "1"), ("A", "x", "", "2"), ("B", "y", "", "3"), ("", "y", "", "4")))
    assert [s[:50] for s in same] == ["“Scanner” and “Centre” coincide on these images: nothing"[:50]]
    nested = confounded(origins(("A", "x", "", "1"), ("A", "z", "", "2"), ("B", "y", "", "3"), ("B", "y", "", "4")))
    assert nested == ["Each “Centre” has one “Scanner” only: what looks like the one may be the other."]
    crossed = origins(
        ("A", "x", "", "1"), ("A", "y", "", "2"), ("B", "x", "", "3"), ("B", "y", "", "4"), ("B", "y", "", "4")
    )
    assert confounded(crossed) == []
    assert (
        confounded(origins(("A", "x", "", "1"), ("A", "x", "", "2"))) == []
    )  # one value alone has nothing to confound
    one_slide_each = confounded(origins(("A", "", "", "1"), ("A", "", "", "1"), ("B", "", "", "2")))
    assert one_slide_each == [
        "“Scanner” and “Patient” coincide on these images: nothing here tells which of them makes a difference."
    ]


def lines_by(made, factor, measure):
    (found,) = [one for one in made if (one.factor, one.measure) == (factor, measure)]
    return found


def test_lines_stand_on_the_images_that_judged_throughout_and_taught_none(project):
    images = images_of(project, ("", "a"), ("", "a"), ("", "b"), ("", "b"))
    first = judged(project, 1, images, [0.1, 0.3, 0.5, 0.9])
    second = judged(project, 2, images, [0.2, 0.4, 0.3, None])
    third = judged(project, 3, images, [0.4, 0.6, 0.1, 0.9], trained=images[:1])
    found = lines_by(over_rounds([first, second, third]), "patient", "pq")  # 0 has taught, 3 did not judge the second
    assert {line.name: [round(v, 6) for v in line.values] for line in (found.everything, *found.groups)} == {
        "": [0.4, 0.35, 0.35], "a": [0.3, 0.4, 0.6], "b": [0.5, 0.3, 0.1],
    }  # fmt: skip
    assert [line.name for line in found.groups] == ["b", "a"]  # the worst first
    assert over_rounds([first]) == []


def test_a_new_scanner_has_a_short_line_and_an_old_one_does_not_move_because_its_images_change(project):
    images = images_of(project, *[("old", f"o{i}") for i in range(5)], *[("new", f"n{i}") for i in range(2)])
    first = judged(project, 1, images, [0.9, 0.9, 0.1, None, None, None, None])
    second = judged(project, 2, images, [None, None, 0.2, 0.8, 0.8, None, None])  # one of three stays: no line across
    third = judged(project, 3, images, [None, None, None, 0.7, 0.9, 0.2, 0.4])
    found = lines_by(over_rounds([first, second, third]), "scanner", "pq")
    lines = {line.name: line for line in found.groups}
    assert (lines["new"].values, lines["new"].images) == ([None, None, pytest.approx(0.3)], 2)
    assert (lines["old"].values, lines["old"].images) == ([None, pytest.approx(0.8), pytest.approx(0.8)], 2)
    assert found.groups[0].name == "new"


def test_what_nobody_judged_is_drawn_by_the_models_own_doubt(project):
    images = images_of(project, ("A", "a"), ("B", "b"))
    rounds = [judged(project, number, images, [None, None]) for number in (1, 2)]
    for round_, doubts in zip(rounds, ((0.2, 0.3), (0.1, 0.6)), strict=True):
        for image, doubt in zip(images, doubts, strict=True):
            signalled(round_, image, disagreement=doubt)
    found = over_rounds(rounds)
    assert [(one.factor, one.measure) for one in found] == [("scanner", "disagreement"), ("patient", "disagreement")]
    assert [(line.name, line.values) for line in found[0].groups] == [("B", [0.3, 0.6]), ("A", [0.2, 0.1])]


@pytest.fixture
def viewer(project, client):
    project.memberships.create(user=(viewer := UserFactory()), role="viewer")
    client.force_login(viewer)
    return viewer


def test_the_round_s_page_draws_strips_and_says_where_to_be_careful(project, client, viewer):
    origins = [("AT2", f"a{i}", "Graz") for i in range(4)] + [("GT450", f"b{i}", "Köln") for i in range(4)]
    images = images_of(project, *origins)
    round_ = judged(project, 1, images, [0.7, 0.72, 0.71, 0.69, 0.3, 0.35, 0.31, 0.33])
    page = client.get(round_.get_absolute_url()).content.decode()
    assert "“Scanner” and “Centre” coincide on these images" in page
    strips = page[page.index('id="drift-scanner"') : page.index('id="drift-centre"')]
    assert strips.count("<circle") == 2 and strips.count("whisker out") == 1
    assert f"GT450: PQ {figure(0.3225)}; AT2: PQ {figure(0.705)}" in strips  # for who cannot see the plot
    assert "4 images of 4" in strips and 'cx="33.3%"' in strips  # 3 + 94 x 0.3225
    assert "No scanner, site or stain is stated" not in page


def test_a_round_whose_evaluation_is_gone_still_has_a_page(project, client, viewer):
    images = images_of(project, ("A", "a"), ("B", "b"))
    round_ = judged(project, 1, images, [0.5, 0.6])
    for image, doubt in zip(images, (0.125, 0.25), strict=True):
        signalled(round_, image, ambiguous=doubt)
    file = round_.stages.get().artifact.file
    file.storage.delete(file.name)
    page = client.get(round_.get_absolute_url()).content.decode()
    assert figure(0.125) in page and figure(0.5) not in page


def test_without_a_stated_scanner_the_page_says_how_to_state_one_and_states_it_for_rounds_that_have_run(
    project, client, viewer
):
    images = images_of(project, *[("", "")] * 6)
    round_ = judged(project, 1, images, [0.5] * 6)
    page = client.get(round_.get_absolute_url()).content.decode()
    assert "No scanner, site or stain is stated" in page and "<circle" not in page
    assert "An owner or manager states them in the settings" in page
    project.memberships.update(role="manager")
    page = client.get(round_.get_absolute_url()).content.decode()
    assert f"{reverse('project-settings', args=[project.pk])}#images" in page
    change_image(image=images[0], scanner="GT450")
    page = client.get(round_.get_absolute_url()).content.decode()
    assert "No scanner, site or stain is stated" not in page and "GT450" in page
    Image.objects.update(scanner="GT450")
    assert "there is nothing to hold side by side" in client.get(round_.get_absolute_url()).content.decode()


def test_the_pages_of_models_and_of_comparison_draw_a_line_a_group(project, client, viewer):
    images = images_of(project, ("AT2", "a"), ("AT2", "b"), ("GT450", "c"))
    rounds = [
        judged(project, 1, images, [0.5, 0.6, None]),
        judged(project, 2, images, [0.6, 0.7, 0.2]),
    ]
    for address in (reverse("project-models", args=[project.pk]), reverse("compare-rounds", args=[project.pk])):
        page = client.get(address).content.decode()
        assert "From round to round" in page and "Scanner: PQ" in page
        scanners = page[page.index("Scanner: PQ") : page.index("Patient: PQ")]
        assert scanners.index("GT450") < scanners.index("AT2")
        assert f"GT450: round 2 {figure(0.2)}" in scanners
        assert f"AT2: round 1 {figure(0.55)}, round 2 {figure(0.65)}" in scanners
    client.force_login(UserFactory())
    assert client.get(reverse("round-drift", args=[rounds[0].pk])).status_code == 404


def test_the_api_tells_the_same_without_not_a_number(project):
    owner = UserFactory()
    project.memberships.create(user=owner, role="owner")
    images = images_of(project, ("AT2", "a"), ("GT450", "b"))
    round_ = judged(project, 1, images, [0.5, 0.25])
    client = APIClient()
    client.force_authenticate(owner)
    answer = client.get(f"/api/v1/rounds/{round_.pk}/drift/")
    reported = json.loads(answer.content, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert reported["stated"] and [f["factor"] for f in reported["factors"]] == ["scanner", "patient"]
    assert reported["factors"][0]["groups"][0] == {
        "name": "GT450", "images": 1,
        "measures": {"pq": {"mean": 0.25, "low": None, "high": None, "images": 1, "patients": 1, "stands_out": False}},
    }  # fmt: skip


def test_the_figures_take_three_queries_whatever_the_number_of_images(project, django_assert_num_queries):
    images = images_of(project, *[(f"s{i % 3}", f"g{i}") for i in range(9)])
    round_ = judged(project, 1, images, [0.5] * 9)
    for image in images:
        signalled(round_, image, ambiguous=0.1)
    round_.project  # noqa: B018 -- loaded beforehand
    with django_assert_num_queries(3):
        of_round(round_)


def test_worse_than_the_others_is_a_t_test_over_slides_and_one_slide_can_be_held_against_many():
    rng = np.random.default_rng(3)
    for n, m in ((3, 5), (1, 9), (9, 1), (6, 2)):
        for shift in (0.0, 0.5, 1.5, 3.0):
            own, rest = rng.normal(-shift, 1, n), rng.normal(0, 1, m)
            p = ttest_ind(own, rest, alternative="less").pvalue
            assert is_worse(own, rest) == (p < 0.025), (n, m, shift)
    one, two = np.ones(1), np.ones(2)
    assert not is_worse(0 * one, two) and not is_worse(np.zeros(0), np.ones(9))  # too few to show anything
    assert is_worse(0.5 * two, 0.6 * two) and not is_worse((0.1 + 0.2) * two, 0.3 * two)


@pytest.mark.parametrize("slides", [1, 2, 5, 20])
def test_equal_groups_are_seldom_called_worse(slides):
    """Groups that differ by chance alone, their slides having one to six images; 2.5 % is what the rule promises."""
    rng = np.random.default_rng(slides)

    def means(count):
        images = rng.integers(1, 7, count)
        return rng.normal(0.7, 0.05, count) + rng.normal(0, 0.05, count) / np.sqrt(images)

    called = np.mean([is_worse(means(slides), means(10)) for _ in range(2000)])
    assert 0.005 < called < 0.045


def test_ten_images_of_one_slide_are_one_value(project):
    """Ten bad images of one slide among slides that differ as much are no bad scanner."""
    images = images_of(project, *[("B", "b")] * 10, *[("A", f"a{i}") for i in range(6)])
    values = [0.4 + 0.001 * i for i in range(10)] + [0.35, 0.45, 0.55, 0.65, 0.75, 0.85]
    b = group(of_round(judged(project, 1, images, values)), "scanner", "B").means["pq"]
    assert b.high < 0.6 == pytest.approx(np.mean(values[10:])) and not b.stands_out
