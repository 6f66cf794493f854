"""Lots and certificates: frozen, drawn, judged, accepted, taken back; and the bad luck that each may have."""

import pytest
from django.utils import timezone

from labeling.annotations.models import Annotation, LateOperation, Operation
from labeling.annotations.replay import differences
from labeling.annotations.services import write_operations
from labeling.errors import Archived, Invalid, WrongState
from labeling.images.models import Image
from labeling.jobs.models import Job
from labeling.reviews.certificates import accepting, freezing, services
from labeling.reviews.certificates.models import Lot, LotState, layer_of
from labeling.reviews.certificates.record import record_of
from labeling.reviews.certificates.results import results_of
from labeling.reviews.certificates.showing import shown_cells, side_of
from labeling.rounds.execution.archiving import archive_project
from tests.labeling.lots import a_project, judge_all, plan, proposed, publish_cells, work
from tests.labeling.operations import cell
from tests.labeling.pages import draw, page_text, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def made():
    return a_project()


def accepted(made) -> int:
    rows = Annotation.objects.filter(layer__image__in=made.images, layer__kind="working", deleted=False)
    return rows.filter(status="confirmed", derived_from__isnull=False).count()


def test_a_lot_from_the_plan_to_the_rest_and_back(made):
    lot = plan(made)
    assert lot.groups[0]["cells"] == 800 and 0 < lot.groups[0]["sample"] < 800
    assert lot.cells.count() == lot.groups[0]["sample"] + 20 and lot.planted == 20
    assert accepted(made) == 0
    judge_all(lot, made.people["reviewer"], wrong=1)
    assert results_of(lot).passed == [0]
    job = work(services.accept_rest(lot_id=lot.pk, by=made.owner))
    assert (job.state, job.facts) == (Job.State.DONE, {"accepted": 799, "left_out": 0})
    assert accepted(made) == 799
    operations = Operation.objects.filter(layer__image__in=made.images, tool="certificate")
    assert {operation.action for operation in operations} == {"bulk"}
    one = Annotation.objects.filter(layer__kind="working").first()
    assert one.provenance["certificate"] == lot.pk and one.decided_by == made.owner
    job = work(services.reverse_acceptance(lot_id=lot.pk, by=made.owner))
    assert job.facts == {"reversed": 799, "left_out": 0}
    assert accepted(made) == 0
    for image in made.images:
        assert differences(layer_of(image)) == []


def test_every_planned_number_is_in_the_record(made):
    lot = plan(made)
    judge_all(lot, made.owner, wrong=2)
    services.accept_rest(lot_id=lot.pk, by=made.owner)
    lot.refresh_from_db()
    record = record_of(lot)
    assert record["plan"]["seed"] == lot.seed and record["plan"]["sha256"] == lot.sha256
    assert len(record["sample"]) == lot.cells.count()
    assert sum(one["verdict"] == "wrong" and not one["planted"] for one in record["sample"]) == 2
    assert record["statement"]["missed"] == "not certified"
    assert record["statement"]["caught"] == record["statement"]["planted"] == 20


def test_a_seed_draws_the_same_sample_again(made, monkeypatch):
    monkeypatch.setattr(services.secrets, "randbits", lambda bits: 12345)
    first = plan(made)
    kept = list(first.cells.values_list("position", "proposal", "planted", "shown"))
    services.withdraw_lot(lot_id=first.pk, by=made.owner)
    second = plan(made)
    assert list(second.cells.values_list("position", "proposal", "planted", "shown")) == kept
    assert second.sha256 == first.sha256


def test_a_sample_has_its_share_of_each_stratum(made, monkeypatch):
    monkeypatch.setattr(freezing, "STRATIFIED_FROM", 100)
    lot = plan(made)
    assert len(lot.strata) == freezing.BY_DOUBT  # all cells are of one size
    for number, stratum in enumerate(lot.strata):
        assert lot.cells.filter(stratum=number).count() == stratum["sample"]
        exact = lot.groups[0]["sample"] * stratum["cells"] / 800
        assert abs(stratum["sample"] - exact) < 1
    assert lot.cells.filter(proposal__isnull=False).values("proposal").distinct().count() == lot.groups[0]["sample"]


def test_a_small_group_is_one_stratum(made, monkeypatch):
    """Strata would cost it more cells than it has."""
    small = plan(made)
    assert [stratum["name"] for stratum in small.strata] == ["whole"]
    services.withdraw_lot(lot_id=small.pk, by=made.owner)
    monkeypatch.setattr(freezing, "STRATIFIED_FROM", 100)
    assert plan(made).groups[0]["sample"] > small.groups[0]["sample"]


def test_planted_errors_are_in_no_layer_and_look_like_proposals(made):
    before = Annotation.objects.count()
    lot = plan(made, meaning=Lot.Meaning.OUTLINE)
    assert Annotation.objects.count() == before
    kinds = set(lot.cells.exclude(planted="").values_list("planted", flat=True))
    assert kinds == {"false", "shifted"}  # one class, and no two cells lie side by side
    rows = list(lot.cells.order_by("position")[:8])
    for one in shown_cells(lot, rows):
        assert set(one) == {"position", "label_class", "picture"}


def test_a_false_cell_lies_where_nothing_is_proposed(made):
    lot = plan(made)
    for row in lot.cells.filter(planted="false"):
        x0, y0, x1, y1 = row.shown["box"]
        there = Annotation.objects.filter(layer__image=row.image, layer__kind="prediction")
        for other in there.filter(x0__lt=x1, x1__gt=x0, y0__lt=y1, y1__gt=y0):
            across = min(x1, other.x1) - max(x0, other.x0)
            down = min(y1, other.y1) - max(y0, other.y0)
            assert across * down < 0.1 * (x1 - x0) * (y1 - y0)


def test_a_picture_has_four_diameters_of_the_usual_cell(made):
    assert side_of(plan(made)) == pytest.approx(4 * 8)


# -- what counts


def test_cannot_tell_counts_as_wrong(made):
    lot = plan(made)
    verdicts = []
    for row in lot.cells.order_by("position"):
        is_unsure = row.planted or len(verdicts) < 9
        verdicts.append(services.Judged(row.position, "unsure" if is_unsure else "right"))
    services.judge(lot_id=lot.pk, by=made.owner, verdicts=verdicts)
    first = lot.cells.filter(position__lte=9, planted="").count()
    assert results_of(lot).groups[0].wrong == first > 0
    assert results_of(lot).catching.caught == 20


def test_overlooked_errors_raise_the_limit(made):
    first = plan(made)
    judge_all(first, made.owner)
    all_caught = results_of(first).groups[0].limit
    second = a_project()
    lot = plan(second)
    judge_all(lot, second.owner, overlooked=12)
    results = results_of(lot)
    assert results.catching.caught == 8
    assert results.groups[0].limit > 1.5 * all_caught and results.passed == []
    with pytest.raises(services.NothingShown):
        services.accept_rest(lot_id=lot.pk, by=second.owner)


def test_a_class_that_fails_is_left_out_and_the_other_is_accepted():
    made = a_project(cells=800, classes=2)
    lot = plan(made, meaning=Lot.Meaning.CLASS)
    good, bad = (group["label_class"] for group in lot.groups)
    verdicts = []
    for row in lot.cells.order_by("position"):
        is_wrong = row.planted or (row.shown["label_class"] == bad and row.position % 3 == 0)
        verdicts.append(services.Judged(row.position, "wrong" if is_wrong else "right"))
    services.judge(lot_id=lot.pk, by=made.owner, verdicts=verdicts)
    job = work(services.accept_rest(lot_id=lot.pk, by=made.owner))
    rows = Annotation.objects.filter(layer__kind="working", deleted=False)
    assert set(rows.values_list("label_class", flat=True)) == {good}
    assert job.facts["accepted"] == 800


def test_judged_wrong_is_not_accepted(made):
    lot = plan(made)
    judge_all(lot, made.owner, wrong=2)
    wrong = set(lot.cells.filter(planted="", verdict="wrong").values_list("proposal", flat=True))
    work(services.accept_rest(lot_id=lot.pk, by=made.owner))
    accepted_now = set(Annotation.objects.filter(layer__kind="working").values_list("derived_from", flat=True))
    assert wrong and not wrong & accepted_now


def test_retakes_share_one_alpha_and_cannot_shop(made):
    limits = []
    samples = []
    for attempt in (1, 2, 3):
        lot = plan(made)
        assert lot.attempt == attempt
        samples.append(lot.groups[0]["sample"])
        judge_all(lot, made.owner, until=60)
        limits.append(results_of(lot).groups[0].limit)
        services.withdraw_lot(lot_id=lot.pk, by=made.owner)
    assert samples == sorted(samples) and samples[0] < samples[2]


def test_a_lot_with_other_classes_of_the_same_images_is_an_attempt_too():
    """Another filter or another claim is no way round it."""
    made = a_project(cells=800, classes=2)
    first = plan(made, classes=[made.classes[0].pk])
    judge_all(first, made.owner, until=1)
    services.withdraw_lot(lot_id=first.pk, by=made.owner)
    assert plan(made, classes=[made.classes[1].pk], tolerated=0.12, images=[made.images[0].pk]).attempt == 2


def test_a_lot_given_up_unseen_is_no_attempt(made):
    services.withdraw_lot(lot_id=plan(made).pk, by=made.owner)
    assert plan(made).attempt == 1


def test_images_are_in_one_open_lot_only(made):
    plan(made)
    with pytest.raises(WrongState, match="being judged"):
        plan(made, images=[made.images[1].pk])


@pytest.mark.parametrize(
    ("wanted", "field"), [({"tolerated": 0.7}, "tolerated"), ({"alpha": 0}, "alpha"), ({"planted": 3}, "planted")]
)
def test_a_claim_outside_its_bounds_is_declined(made, wanted, field):
    with pytest.raises(Invalid) as declined:
        plan(made, **wanted)
    assert declined.value.field == field


# -- bad luck


def test_the_image_of_a_cell_is_deleted_while_it_is_judged(made):
    lot = plan(made)
    judge_all(lot, made.owner)
    Image.objects.filter(pk=made.images[0].pk).update(deleted_at="2026-01-01T00:00Z", deleted_by=made.owner)
    rows = list(lot.cells.select_related("image"))
    assert {row.image_id for row in rows} == {image.pk for image in made.images}
    assert len(shown_cells(lot, rows)) < len(rows)
    with pytest.raises(services.LotChanged, match="deleted"):
        services.accept_rest(lot_id=lot.pk, by=made.owner)


def test_somebody_decides_a_cell_after_freezing(made):
    lot = plan(made)
    judge_all(lot, made.owner)
    one = Annotation.objects.filter(layer__image=made.images[0], layer__kind="prediction").first()
    draw(made.images[0], made.owner, cell((2, 2, 10, 10), derived_from=str(one.uid)))
    with pytest.raises(services.LotChanged, match="decided cells of the lot"):
        services.accept_rest(lot_id=lot.pk, by=made.owner)


def test_other_cells_are_proposed_after_freezing(made):
    lot = plan(made)
    judge_all(lot, made.owner)
    publish_cells(made.images[0], made.owner, proposed(5, [made.classes[0].pk], 400))
    with pytest.raises(services.LotChanged, match="other cells are proposed"):
        services.accept_rest(lot_id=lot.pk, by=made.owner)


def test_a_change_elsewhere_does_not_matter(made):
    lot = plan(made, images=[made.images[0].pk])
    judge_all(lot, made.owner)
    publish_cells(made.images[1], made.owner, proposed(5, [made.classes[0].pk], 400))
    assert services.accept_rest(lot_id=lot.pk, by=made.owner).kind == Job.Kind.CERTIFICATE


def test_the_project_is_archived_while_its_lot_is_judged(made):
    lot = plan(made)
    archive_project(project=made.project, by=made.owner)
    with pytest.raises(Archived):
        judge_all(lot, made.owner)
    with pytest.raises(Archived):
        services.withdraw_lot(lot_id=lot.pk, by=made.owner)


def test_a_skipped_cell_and_all_after_it_do_not_count(made):
    """A sample of which only easy cells are judged is no random one."""
    lot = plan(made)
    rows = list(lot.cells.order_by("position"))
    skipped = rows.pop(30)
    verdicts = [services.Judged(row.position, "wrong" if row.planted else "right") for row in rows]
    services.judge(lot_id=lot.pk, by=made.owner, verdicts=verdicts)
    results = results_of(lot)
    assert results.passed == []
    assert results.groups[0].judged + results.catching.planted == 20
    services.judge(lot_id=lot.pk, by=made.owner, verdicts=[services.Judged(skipped.position, "right")])
    assert results_of(lot).passed == [0]


def test_no_result_moves_with_a_verdict_that_can_be_changed(made):
    """It would tell a planted error from a proposal, and the verdict could be changed to fit."""
    lot = plan(made)
    judge_all(lot, made.owner, until=20)
    last = lot.cells.get(position=20)
    before = results_of(lot)
    services.judge(lot_id=lot.pk, by=made.owner, verdicts=[services.Judged(20, "unsure")])
    assert results_of(lot) == before
    judge_all(lot, made.people["reviewer"], until=1)
    with pytest.raises(services.JudgedAlready):
        services.judge(lot_id=lot.pk, by=made.owner, verdicts=[services.Judged(20, "right")])
    last.refresh_from_db()
    assert last.verdict == "unsure"


def test_a_sample_judged_to_its_end_is_changed_no_more(made):
    lot = plan(made)
    judge_all(lot, made.owner)
    last = lot.cells.order_by("position").last()
    other = "wrong" if last.verdict == "right" else "right"
    with pytest.raises(services.JudgedAlready):
        services.judge(lot_id=lot.pk, by=made.owner, verdicts=[services.Judged(last.position, other)])


def test_nobody_sees_a_sample_before_a_cell_of_it_is_judged(made):
    """Else it could be looked at, given up as if unseen, and drawn again until it looks well."""
    lot = plan(made)
    client = signed_in(made.owner)
    address = f"/api/v1/certificates/{lot.pk}/cells/"
    listed = client.get(address, {"limit": 50}).json()["cells"]
    assert [one["position"] for one in listed] == [1]
    assert client.get(address, {"after": 1}).json()["cells"] == []


def test_two_people_judge_the_same_cell(made):
    lot = plan(made)
    row = lot.cells.first()
    services.judge(lot_id=lot.pk, by=made.owner, verdicts=[services.Judged(row.position, "right")])
    with pytest.raises(services.JudgedAlready):
        services.judge(lot_id=lot.pk, by=made.people["reviewer"], verdicts=[services.Judged(row.position, "wrong")])
    row.refresh_from_db()
    assert (row.verdict, row.judged_by) == ("right", made.owner)


def test_only_the_last_verdict_is_changed_and_only_by_its_author(made):
    lot = plan(made)
    first, second = lot.cells.order_by("position")[:2]
    for row in (first, second):
        services.judge(lot_id=lot.pk, by=made.owner, verdicts=[services.Judged(row.position, "right")])
    services.judge(lot_id=lot.pk, by=made.owner, verdicts=[services.Judged(second.position, "wrong")])
    with pytest.raises(services.JudgedAlready):
        services.judge(lot_id=lot.pk, by=made.owner, verdicts=[services.Judged(first.position, "wrong")])


def test_a_verifier_stops_half_way_and_another_goes_on(made):
    lot = plan(made)
    judge_all(lot, made.people["reviewer"], until=15)
    results = results_of(lot)
    assert not results.is_complete and results.judged == 15 and results.passed == []
    assert str(results.groups[0].outcome) == "open"
    judge_all(lot, made.owner)
    assert results_of(lot).passed == [0]


def test_the_claim_may_be_shown_before_the_sample_is_done(made):
    """The test allows a look at any time."""
    lot = plan(made)
    judge_all(lot, made.owner, until=lot.cells.count() - 5)
    assert results_of(lot).passed == [0]


def test_fewer_cells_than_the_plan_needs():
    made = a_project(images=1, cells=30)
    with pytest.raises(services.TooFewCells, match="judge them one by one"):
        plan(made)
    assert not Lot.objects.exists()


def test_a_class_with_three_cells_is_left_out():
    made = a_project(images=1, cells=600, classes=2)
    rare = made.classes[1]
    rows = Annotation.objects.filter(layer__kind="prediction", label_class=rare).order_by("pk")
    Annotation.objects.filter(pk__in=list(rows.values_list("pk", flat=True)[3:])).update(label_class=made.classes[0])
    lot = plan(made, meaning=Lot.Meaning.CLASS)
    samples = {group["label_class"]: group["sample"] for group in lot.groups}
    assert samples[rare.pk] == 0 and samples[made.classes[0].pk] > 0
    judge_all(lot, made.owner)
    work(services.accept_rest(lot_id=lot.pk, by=made.owner))
    assert not Annotation.objects.filter(layer__kind="working", label_class=rare).exists()


def test_a_class_that_could_be_certified_alone_does_not_keep_the_plan_from_ending():
    """With half of alpha 270 cells are too few and with all of it they are enough: planning went round for ever."""
    made = a_project(images=1, cells=1000, classes=2)
    small, large = made.classes
    rows = Annotation.objects.filter(layer__kind="prediction", label_class=small).order_by("pk")
    Annotation.objects.filter(pk__in=list(rows.values_list("pk", flat=True)[270:])).update(label_class=large)
    lot = plan(made, meaning=Lot.Meaning.CLASS)
    samples = {group["label_class"]: group["sample"] for group in lot.groups}
    assert samples[small.pk] == 0
    assert samples[large.pk] > 0


def test_one_field_only_is_judged_cell_by_cell():
    made = a_project(images=1, cells=600)
    lot = plan(made)
    judge_all(lot, made.owner)
    assert results_of(lot).passed == [0]


def test_more_strata_than_a_lot_can_have_are_declined(made, monkeypatch):
    monkeypatch.setattr(freezing, "STRATIFIED_FROM", 100)
    monkeypatch.setattr(freezing, "MOST_STRATA", 2)
    with pytest.raises(WrongState, match="too many classes and centres"):
        plan(made)
    assert not Lot.objects.exists()


def test_claims_by_centre_are_claims_of_their_own():
    made = a_project(images=2, cells=500)
    from labeling.images.patients import Centre

    for image, name in zip(made.images, ("Graz", "Bern"), strict=True):
        Image.objects.filter(pk=image.pk).update(centre=Centre.objects.create(project=made.project, name=name))
    lot = plan(made, by_centre=True)
    assert [group["centre"] for group in lot.groups] == ["Graz", "Bern"]


def test_people_who_read_apart_have_no_lots(made):
    made.project.layering = "per_annotator"
    made.project.save()
    with pytest.raises(freezing.ReadApart):
        plan(made)


def test_nothing_open_is_no_lot(made):
    with pytest.raises(freezing.EmptyLot):
        plan(made, classes=[10**6])


def test_a_worker_dies_between_two_images_and_nothing_is_accepted_twice(made, monkeypatch):
    lot = plan(made)
    judge_all(lot, made.owner)
    job = services.accept_rest(lot_id=lot.pk, by=made.owner)
    seen = []

    def dies_on_the_second_image(*given, written=accepting._accept, **more):
        seen.append(given)
        if len(seen) == 2:
            raise SystemExit  # what a killed worker looks like from inside
        return written(*given, **more)

    monkeypatch.setattr(accepting, "_accept", dies_on_the_second_image)
    from labeling.jobs.handlers import HANDLERS

    with pytest.raises(SystemExit):
        HANDLERS[Job.Kind.CERTIFICATE](job, None, lambda done, total: None)
    HANDLERS[Job.Kind.CERTIFICATE](job, None, lambda done, total: None)
    HANDLERS[Job.Kind.CERTIFICATE](job, None, lambda done, total: None)
    assert accepted(made) == 800
    assert Operation.objects.filter(tool="certificate").count() == 2


def test_what_somebody_changed_since_stays_when_the_acceptance_is_taken_back(made):
    lot = plan(made)
    judge_all(lot, made.owner)
    work(services.accept_rest(lot_id=lot.pk, by=made.owner))
    row = Annotation.objects.filter(layer__kind="working").first()
    from tests.labeling.operations import effect, operation

    state = cell((row.x0, row.y0, row.x1 + 1, row.y1), derived_from=str(row.derived_from))
    sent = operation(effect(row.uid, state, row.last_op), action="resize")
    _seq, (verdict,) = write_operations(layer=row.layer, author=made.owner, operations=[sent])
    assert verdict.verdict == "accepted"
    job = work(services.reverse_acceptance(lot_id=lot.pk, by=made.owner))
    assert job.facts == {"reversed": 799, "left_out": 1}
    assert accepted(made) == 1


def accepted_lot(made) -> Lot:
    lot = plan(made)
    judge_all(lot, made.owner)
    work(services.accept_rest(lot_id=lot.pk, by=made.owner))
    return lot


def test_the_cells_of_an_image_that_is_finished_by_now_stay_accepted(made):
    lot = accepted_lot(made)
    finished = layer_of(made.images[0])
    finished.head.frozen_at = timezone.now()
    finished.head.save()
    job = work(services.reverse_acceptance(lot_id=lot.pk, by=made.owner))
    assert job.facts == {"reversed": 400, "left_out": 400}
    assert accepted(made) == 400
    assert not LateOperation.objects.exists()


def test_a_worker_dies_while_an_acceptance_is_taken_back_and_every_cell_is_counted_once(made):
    lot = accepted_lot(made)
    job = services.reverse_acceptance(lot_id=lot.pk, by=made.owner)
    accepting._reverse(lot, made.images[0], made.owner)  # what the worker did before it died
    assert work(job).facts == {"reversed": 800, "left_out": 0}
    assert accepted(made) == 0


def test_the_cells_of_an_image_that_is_deleted_meanwhile_are_counted_as_left_out(made):
    lot = plan(made)
    judge_all(lot, made.owner)
    job = services.accept_rest(lot_id=lot.pk, by=made.owner)
    Image.everything.filter(pk=made.images[0].pk).update(deleted_at=timezone.now())
    assert work(job).facts == {"accepted": 400, "left_out": 400}


def test_an_acceptance_is_taken_back_once(made):
    lot = plan(made)
    judge_all(lot, made.owner)
    work(services.accept_rest(lot_id=lot.pk, by=made.owner))
    services.reverse_acceptance(lot_id=lot.pk, by=made.owner)
    with pytest.raises(WrongState):
        services.reverse_acceptance(lot_id=lot.pk, by=made.owner)


def test_a_proposal_for_a_box_that_a_person_drew_gives_it_its_mask():
    made = a_project(images=1, cells=600)
    image = made.images[0]
    draw(image, made.owner, cell((2, 2, 11, 11)))
    drawn = Annotation.objects.get(layer__kind="working")
    one = Annotation.objects.filter(layer__kind="prediction").order_by("pk").first()
    Annotation.objects.filter(pk=one.pk).update(derived_from=drawn.uid)
    lot = plan(made)
    judge_all(lot, made.owner)
    work(services.accept_rest(lot_id=lot.pk, by=made.owner))
    drawn.refresh_from_db()
    assert drawn.derived_from == one.uid and drawn.mask_bits is not None and drawn.x1 == 11


@pytest.mark.slow
def test_a_million_cells_are_frozen_planned_and_drawn():
    from time import perf_counter

    made = a_project(images=1, cells=20)
    image = made.images[0]
    Image.objects.filter(pk=image.pk).update(width=20_000, height=25_000)
    publish_cells(image, made.owner, proposed(1_000_000, [made.classes[0].pk], 20_000))
    began = perf_counter()
    lot = plan(made)
    print(f"planned in {perf_counter() - began:.1f} s")
    assert lot.groups[0]["cells"] == 1_000_000
    judge_all(lot, made.owner)
    assert results_of(lot).passed == [0]


# -- over HTTP


def test_a_lot_over_the_api_tells_nothing_of_what_is_planted(made):
    lead, reviewer = signed_in(made.owner), signed_in(made.people["reviewer"])
    body = {"meaning": "existence", "tolerated": 0.1, "planted": 20}
    planned = lead.post(f"/api/v1/projects/{made.project.pk}/certificates/", body, content_type="application/json")
    assert planned.status_code == 201, planned.content
    address = f"/api/v1/certificates/{planned.json()['id']}/"
    shown = reviewer.get(f"{address}cells/?limit=3").json()
    assert [one["position"] for one in shown["cells"]] == [1]
    services.judge(lot_id=planned.json()["id"], by=made.people["reviewer"], verdicts=[services.Judged(1, "right")])
    shown = reviewer.get(f"{address}cells/?limit=2").json()
    assert [one["position"] for one in shown["cells"]] == [2, 3]
    assert "planted" not in str(shown) and "proposal" not in str(shown) and "doubt" not in str(shown)
    verdicts = [{"position": one["position"], "verdict": "right", "milliseconds": 800} for one in shown["cells"]]
    body = {"verdicts": verdicts}
    assert reviewer.post(f"{address}cells/", body, content_type="application/json").json()["judged"] == 3
    found = reviewer.get(address).json()
    assert found["catch_rate_limit"] is None and found["groups"][0]["outcome"] == "open"
    assert reviewer.get(f"{address}record/").status_code == 409
    assert reviewer.post(address, {"act": "accept"}, content_type="application/json").status_code == 403
    assert lead.post(address, {"act": "accept"}, content_type="application/json").json()["code"] == "nothing_shown"
    assert lead.post(address, {"act": "withdraw"}, content_type="application/json").json()["state"] == "withdrawn"
    record = lead.get(f"{address}record/").json()
    assert sum(bool(one["planted"]) for one in record["sample"]) == 20


def test_the_pages_of_a_lot(made):
    lead = signed_in(made.owner)
    page = f"/projects/{made.project.pk}/certificates/"
    given = {"meaning": "existence", "right_percent": "90", "confidence_percent": "95", "planted": "20"}
    there = lead.post(page, given)["Location"]
    assert "Judge the sample" in page_text(lead.get(there)) and "Lot 1" in page_text(lead.get(page))
    judge_all(Lot.objects.get(), made.owner)
    assert "claim holds" in page_text(lead.get(there))
    lead.post(there, {"act": "accept"})
    assert Lot.objects.get().state == LotState.ACCEPTED
    assert "Plan, sample and verdicts" in page_text(lead.get(there))


def test_a_form_with_a_fault_comes_back(made):
    answer = signed_in(made.owner).post(f"/projects/{made.project.pk}/certificates/", {"right_percent": "20"})
    assert answer.status_code == 422 and not Lot.objects.exists()
