"""A round really trains, fuses and publishes; killed, cancelled or delivered twice, it does each piece of work once."""

import time
import uuid
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from inference.detectors import centre
from inference.documents.configuration import RoundConfiguration
from inference.pipeline import compute, units
from inference.pipeline.snapshots import fields_of
from inference.segmenters import unet
from inference.types import Cancelled
from inference.worker import tasks
from labeling import leases
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import working_layer, write_operations
from labeling.annotations.state import state_of
from labeling.leases import LeaseLost
from labeling.projects.models import Membership, Project
from labeling.rounds.execution import services, stages
from labeling.rounds.execution.services import RoundAtWork, cancel_round, retry_round, start_round
from labeling.rounds.models import Artifact, Publication, Round, Stage
from labeling.rounds.snapshots import NothingToLearn, freeze
from labeling.rounds.weights.starting import Start
from tests.documents import snapshot_of
from tests.factories import ImageFactory, ProjectFactory, UserFactory
from tests.labeling.operations import cell, effect, operation
from tests.labeling.rounds import annotate, run_all, small_project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def short_round(sent, monkeypatch, settings, tmp_path):
    """A work folder of this test's own; nothing reaches the broker."""
    settings.DATA_DIR = tmp_path


@pytest.fixture(autouse=True)
def brisk(request, monkeypatch):
    """Two steps of training instead of many, where the test is about the order of things and not about masks."""
    if request.node.get_closest_marker("really_trains"):
        return
    for module in (centre, unet):
        few = replace(module.PRESETS["tiny"].schedule, steps=2, epoch=1)
        monkeypatch.setitem(module.PRESETS, "tiny", replace(module.PRESETS["tiny"], schedule=few, batch=1))


@pytest.fixture
def owner():
    return UserFactory()


@pytest.fixture
def project(owner):
    return small_project(owner)


def states(round_):
    return {s.kind: s.state for s in round_.stages.all()}


@pytest.mark.really_trains
def test_a_round_goes_from_boxes_to_certified_proposals(project, owner, sent):
    round_ = start_round(project=project, by=owner, preset="tiny")
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert (round_.state, set(states(round_).values())) == (Round.State.PUBLISHED, {"done"}), [
        s.error for s in round_.stages.all()
    ]
    published = Publication.objects.filter(round=round_).select_related("layer", "image")
    publications = list(published.order_by("image__position"))
    assert len(publications) == project.images.count()
    for publication in publications:
        certificate = publication.certificate
        assert certificate["closed"] and certificate["flow"] == certificate["cut"]
        assert publication.layer.kind == Layer.Kind.PREDICTION
    # What says something without a reference: of the image that taught nothing; of the one for validation, whose boxes
    # people drew, its colour; of the one that nobody touched, the models' own doubt too.
    signals = [publication.facts["signals"] for publication in publications]
    assert [sorted(printed) for printed in signals] == [
        [],
        ["colour"],
        ["ambiguous", "colour", "disagreement", "entropy"],
    ]
    assert signals[2]["ambiguous"] == pytest.approx(publications[2].certificate["ambiguous_share"])
    boxed = Publication.objects.get(round=round_, image=project.images.first())
    proposals = list(boxed.layer.annotations.all())
    people = set(
        Annotation.objects.filter(layer__image=boxed.image, layer__kind="working", kind="cell").values_list(
            "uid", flat=True
        )
    )
    assert proposals
    assert {p.derived_from for p in proposals if p.derived_from} <= people
    assert sum(p.derived_from is not None for p in proposals) >= 0.8 * len(people)
    assert all(p.mask_bits is not None and 0 <= p.score <= 1 for p in proposals)
    facts = round_.stages.get(kind="evaluation").artifact.facts
    assert 0 <= facts["box_ap50"] <= 1
    parts = {part: facts["masks"][part]["dice"] for part in ("detector", "segmenter", "fused")}
    assert parts["fused"] > 0.3, parts  # against exact masks; tiny trains for seconds


def test_people_s_work_is_never_touched(project, owner, sent):
    before = list(Annotation.objects.filter(layer__kind="working").order_by("pk").values())
    start_round(project=project, by=owner, preset="tiny")
    run_all(tasks.run_stage, sent)
    assert list(Annotation.objects.filter(layer__kind="working").order_by("pk").values()) == before


def test_an_unchanged_round_is_used_again_and_says_so(project, owner, sent):
    start_round(project=project, by=owner, preset="tiny")
    run_all(tasks.run_stage, sent)
    again = start_round(project=project, by=owner, preset="tiny")
    run_all(tasks.run_stage, sent)
    again.refresh_from_db()
    kinds = states(again)
    assert kinds.pop("publication") == "done"
    assert set(kinds.values()) == {"reused"}
    assert again.state == Round.State.PUBLISHED
    assert Artifact.objects.count() == 7


def test_the_same_request_sent_twice_makes_one_round(project, owner, sent):
    first = start_round(project=project, by=owner, preset="tiny", changes={"seed": 3})
    assert start_round(project=project, by=owner, preset="tiny", changes={"seed": "3"}) == first
    assert project.rounds.count() == 1


@pytest.mark.parametrize(
    "other",
    [{"preset": "quick"}, {"changes": {"threshold": 0.2}}, {"by": None}, {"start": {"detector": Start(as_is=True)}}],
    ids=["preset", "settings", "person", "weights"],
)
def test_another_request_while_a_round_is_at_work_is_refused_and_can_be_lined_up(project, owner, sent, other):
    first = start_round(project=project, by=owner, preset="tiny")
    asked = {"project": project, "by": owner, "preset": "tiny"} | other
    with pytest.raises(RoundAtWork, match="Round 1 of this project is running") as declined:
        start_round(**asked)
    assert declined.value.facts == {"round": first.pk} and project.rounds.count() == 1
    second = start_round(**asked, line_up=True)
    assert (second.number, second.state) == (2, Round.State.PLANNED)


def test_the_same_request_a_while_later_is_not_taken_for_a_double_click(project, owner, sent):
    first = start_round(project=project, by=owner, preset="tiny")
    Round.objects.filter(pk=first.pk).update(created_at=timezone.now() - 2 * services.DOUBLE_CLICK)
    with pytest.raises(RoundAtWork):
        start_round(project=project, by=owner, preset="tiny")


def test_a_task_delivered_twice_does_the_work_once(project, owner, sent, monkeypatch):
    calls = []
    real = compute.RUN["pseudo_masks"]
    monkeypatch.setitem(compute.RUN, "pseudo_masks", lambda setting: calls.append(1) or real(setting))
    round_ = start_round(project=project, by=owner, preset="tiny")
    stage = round_.stages.get(kind="pseudo_masks")
    tasks.run_stage(stage.pk)
    tasks.run_stage(stage.pk)
    assert len(calls) == 1


def test_a_killed_worker_s_stage_goes_on_after_the_last_finished_image(project, owner, sent, monkeypatch):
    """SystemExit is what a kill looks like from inside; the real kill -9 is in test_disasters.py."""
    made = []
    save = units.save_unit

    def dies_at_the_second(folder, image, unit):
        made.append((folder, image))
        if len(made) == 2:
            raise SystemExit
        save(folder, image, unit)

    monkeypatch.setattr(units, "save_unit", dies_at_the_second)
    round_ = start_round(project=project, by=owner, preset="tiny")
    stage = round_.stages.get(kind="pseudo_masks")
    with pytest.raises(SystemExit):
        tasks.run_stage(stage.pk)
    sent.clear()
    stage.refresh_from_db()
    assert stage.state == Stage.State.RUNNING
    assert stages.recover() == []  # its lease still runs: nobody takes it away
    assert "goes on" in stages.recover(timezone.now() + timedelta(minutes=1))[0]
    monkeypatch.setattr(units, "save_unit", lambda *a: made.append(a[:2]) or save(*a))
    run_all(tasks.run_stage, sent)
    stage.refresh_from_db()
    assert (stage.state, stage.attempts) == ("done", 2)
    assert made[0] not in made[1:]  # the finished image was not made again


def test_a_stage_that_kills_its_worker_is_given_up(project, owner, sent, monkeypatch):
    def dies(setting):
        raise SystemExit

    monkeypatch.setitem(compute.RUN, "pseudo_masks", dies)
    round_ = start_round(project=project, by=owner, preset="tiny")
    stage = round_.stages.get(kind="pseudo_masks")
    for attempt in range(Stage.MAX_ATTEMPTS):
        with pytest.raises(SystemExit):
            tasks.run_stage(stage.pk)
        stages.recover(timezone.now() + timedelta(minutes=attempt + 1))
        Stage.objects.filter(pk=stage.pk, state="waiting").update(queued_at=timezone.now())
    round_.refresh_from_db()
    stage.refresh_from_db()
    assert (stage.state, stage.attempts) == ("failed", Stage.MAX_ATTEMPTS)
    assert "died 3 times" in stage.error


def test_a_worker_that_lost_its_lease_writes_nothing(project, owner, sent):
    round_ = start_round(project=project, by=owner, preset="tiny")
    stage, owner_of_lease = stages.claim(round_.stages.get(kind="detector").pk)
    stages.recover(timezone.now() + timedelta(minutes=1))
    with pytest.raises(LeaseLost):
        stages.renew(stage.pk, owner_of_lease)
    with pytest.raises(LeaseLost):
        stages.finish(stage.pk, owner_of_lease, key="k", artifact=None)
    with pytest.raises(LeaseLost):
        stages.report(stage.pk, owner_of_lease, done=1, total=2, note="", values={})


def test_cancel_stops_within_one_unit_and_retry_goes_on(project, owner, sent, monkeypatch):
    round_ = start_round(project=project, by=owner, preset="tiny")
    save = units.save_unit

    def cancel_after_the_first(folder, image, unit):
        save(folder, image, unit)
        cancel_round(round_=round_)
        time.sleep(0.5)  # the lease's thread looks every few hundredths of a second here

    with monkeypatch.context() as patched:
        patched.setattr(units, "save_unit", cancel_after_the_first)
        patched.setattr(leases, "RENEW_EVERY", 0.02)
        run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.CANCELLED
    assert set(states(round_).values()) == {"cancelled"}
    kept = list(tasks.settings.DATA_DIR.rglob("units/*.npz"))
    assert len(kept) == 1  # the finished image is still there
    retry_round(round_=round_)
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert round_.state == Round.State.PUBLISHED


def test_cancelled_while_queued(project, owner, sent):
    round_ = start_round(project=project, by=owner, preset="tiny")
    cancel_round(round_=round_)
    round_.refresh_from_db()
    assert round_.state == Round.State.CANCELLED
    run_all(tasks.run_stage, sent)
    assert set(states(round_).values()) == {"cancelled"}


def test_the_lease_s_thread_sees_the_wish_to_cancel(project, owner, sent, monkeypatch):
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.05)
    round_ = start_round(project=project, by=owner, preset="tiny")
    stage, lease_owner = stages.claim(round_.stages.get(kind="detector").pk)
    with tasks.Lease(stage, lease_owner) as lease:
        assert lease.stop() is False
        cancel_round(round_=round_)
        assert lease.cancelled.wait(5)
        assert lease.stop() is True


def test_a_failing_stage_says_why_and_ends_the_round(project, owner, sent, monkeypatch):
    def breaks(setting):
        raise ValueError("the stain is on fire")

    monkeypatch.setitem(compute.RUN, "detector", breaks)
    round_ = start_round(project=project, by=owner, preset="tiny")
    run_all(tasks.run_stage, sent)
    round_.refresh_from_db()
    assert (round_.state, round_.error) == (Round.State.FAILED, "the stain is on fire")


def test_nothing_annotated_is_refused_in_plain_words(owner):
    project = ProjectFactory()
    ImageFactory(project=project)
    with pytest.raises(NothingToLearn, match="fully annotated"):
        start_round(project=project, by=owner, preset="tiny")


def test_boxes_without_a_region_are_refused_too(owner):
    project = small_project(owner, fields=2)
    image = project.images.last()
    annotate(image, owner, [(1, 1, 20, 20)], exhaustive=False)
    project.images.exclude(pk=image.pk).delete()
    with pytest.raises(NothingToLearn):
        start_round(project=project, by=owner, preset="tiny")


def test_the_same_annotations_make_the_same_snapshot(project):
    assert freeze(project) == freeze(project)


def test_boxes_outside_exhaustive_regions_change_nothing_that_is_learned(project, owner):
    def learned():
        fields = fields_of(freeze(project).document(), lambda name: name)
        return [(cells, valid.tobytes()) for cells, valid in (f.learning() for f in fields if f.annotated)]

    image = project.images.order_by("position")[0]
    region_row = Annotation.objects.get(layer__image=image, kind="region")
    Annotation.objects.filter(pk=region_row.pk).update(x1=64.0)
    before = learned()
    outside = (80.0, 10.0, 100.0, 30.0)
    annotate(image, owner, [outside], exhaustive=False)
    assert learned() == before
    annotate(image, owner, [(10.0, 10.0, 30.0, 30.0)], exhaustive=False)
    assert learned() != before


def test_a_verified_mask_is_learned_from_and_not_proposed_again(project, owner, sent):
    start_round(project=project, by=owner, preset="tiny")
    run_all(tasks.run_stage, sent)
    proposal = Annotation.objects.filter(layer__kind="prediction", derived_from__isnull=False).first()
    layer = working_layer(image=proposal.layer.image, user=owner)
    row = Annotation.objects.get(layer=layer, uid=proposal.derived_from)
    state = state_of(proposal).as_json()
    accepted = cell(state["box"], mask=state["mask"], derived_from=str(proposal.uid))
    _, (verdict,) = write_operations(
        layer=layer, author=owner, operations=[operation(effect(row.uid, accepted, seen=row.last_op), action="accept")]
    )
    assert verdict.verdict == "accepted"
    second = start_round(project=project, by=owner, preset="tiny")
    run_all(tasks.run_stage, sent)
    proposed = Annotation.objects.filter(layer__publication__round=second)
    assert proposed.exists()
    assert not proposed.filter(derived_from=row.uid).exists()


def test_a_damaged_artifact_is_not_believed(project, owner, sent):
    round_ = start_round(project=project, by=owner, preset="tiny")
    tasks.run_stage(round_.stages.get(kind="pseudo_masks").pk)
    artifact = Artifact.objects.get(kind="pseudo_masks")
    with open(artifact.file.path, "ab") as file:
        file.write(b"x")
    tasks.run_stage(round_.stages.get(kind="segmenter").pk)
    assert "damaged" in round_.stages.get(kind="segmenter").error


def test_units_are_whole_or_absent(tmp_path):
    units.save_unit(tmp_path, 3, {"a": np.arange(4), "b": "text"})
    assert [p.name for p in tmp_path.iterdir()] == ["3.npz"]


def test_cancel_between_units_raises(tmp_path):
    setting = units.Setting(
        snapshot_of(), [], RoundConfiguration(), units.Inputs({}), tmp_path, lambda p: None, lambda: True
    )

    class One:
        image = 1

    with pytest.raises(Cancelled):
        list(units.each_unit(units.Unit, setting, [One()], lambda field: {"a": np.zeros(1)}))


def test_proposals_keep_their_names(project, owner, sent):
    round_ = start_round(project=project, by=owner, preset="tiny")
    run_all(tasks.run_stage, sent)
    uids = set(Annotation.objects.filter(layer__publication__round=round_).values_list("uid", flat=True))
    Publication.objects.filter(round=round_).delete()
    Layer.objects.filter(kind="prediction").delete()
    stage = round_.stages.get(kind="publication")
    Stage.objects.filter(pk=stage.pk).update(state="waiting")
    Round.objects.filter(pk=round_.pk).update(state="running")
    tasks.run_stage(stage.pk)
    assert set(Annotation.objects.filter(layer__publication__round=round_).values_list("uid", flat=True)) == uids
    assert all(isinstance(uid, uuid.UUID) for uid in uids)


def test_annotators_who_work_blinded_are_proposed_nothing_of_each_other_s(owner, sent):
    project = small_project(owner)
    reviewer = UserFactory()
    Membership.objects.create(project=project, user=reviewer, role="annotator")
    Project.objects.filter(pk=project.pk).update(layering=Project.Layering.PER_ANNOTATOR)
    Layer.objects.filter(image__project=project).update(annotator=owner)
    project.refresh_from_db()
    start_round(project=project, by=owner, preset="tiny")
    run_all(tasks.run_stage, sent)
    proposals = Annotation.objects.filter(layer__kind="prediction", layer__image__project=project)
    assert proposals.exists()
    assert not proposals.filter(derived_from__isnull=False).exists()
