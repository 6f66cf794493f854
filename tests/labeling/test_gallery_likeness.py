"""The gallery by likeness: vectors computed by a real job, orders and suggestions by the real task of the worker."""

import tempfile
import uuid
from base64 import b64decode
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from inference.encoders import DEFAULT
from inference.likeness.vectors import CellVectors, read_vectors, uids_of
from inference.types import BoxMask, Cancelled, MissingResource
from inference.worker import cell_maps
from inference.worker import likeness as task
from inference.worker import vectors as worker
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import working_layer, write_operations
from labeling.errors import Archived
from labeling.gallery.likeness import NO_CELL, Wanted, likeness_of
from labeling.gallery.maps import NoMap, ask_map, map_of
from labeling.gallery.models import CellVectorFile
from labeling.gallery.services import Given, Shown, judge_screen, undo_screen
from labeling.gallery.vectors import ask_vectors, covered
from labeling.images.facts import change_image
from labeling.jobs import immediate, services
from labeling.jobs.handlers import HANDLERS
from labeling.jobs.models import Job, JobItem
from labeling.projects.classes import retire_class
from labeling.rounds.models import Promotion, Round, Snapshot
from labeling.upkeep.purging import remove_files
from labeling.upkeep.withdrawing import carry_out, withdraw_patient
from tests.declined import assert_declined
from tests.labeling.lots import a_project
from tests.labeling.operations import cell, effect, operation
from tests.labeling.pages import draw, signed_in

pytestmark = pytest.mark.django_db


class Worker:
    """The interactive worker, in this process: the task itself answers."""

    def __init__(self):
        self.asked = []

    def send_task(self, name, **given):
        assert name == "inference.likeness" and given["queue"] == "interactive"
        self.asked.append(given["kwargs"])
        self.answer = task.likeness(**given["kwargs"])
        return self

    def get(self, timeout, interval):
        return self.answer

    def forget(self):
        pass


@pytest.fixture
def asked(monkeypatch):
    found = Worker()
    monkeypatch.setattr(immediate, "app", found)
    task.galleries.kept.clear()
    return found


class Sizes:
    """An encoder without a net: what a cell looks like is where it lies and how much of its box it fills."""

    name = DEFAULT.weights
    dimensions = 3

    def __init__(self):
        self.seen = 0

    def encode(self, rgb, cells):
        self.seen += len(cells)
        rows = [(one.x, one.y, one.bits.mean()) for one in cells]
        return np.array(rows, np.float16).reshape(len(cells), 3)


@pytest.fixture
def encoder(monkeypatch):
    found = Sizes()
    monkeypatch.setattr(worker, "_loaded", lambda name: found)
    return found


@pytest.fixture
def made(encoder):
    return a_project(images=2, cells=40, classes=2)


def compute(made, by=None) -> Job:
    return work(ask_vectors(project=made.project, by=by or made.owner))


def work(job: Job) -> Job:
    """As a worker does it, without the thread that renews the lease: tests in one transaction have no second one."""
    claimed, owner = services.claim(job.pk)
    with tempfile.TemporaryDirectory() as folder:
        made = HANDLERS[job.kind](claimed, Path(folder), lambda done, total: None)
        services.finish(job.pk, owner, file=made.file, name=made.name, content_type=made.content_type, facts=made.facts)
    job.refresh_from_db()
    return job


def gallery(made, order="likeness", like=(), by=None):
    return likeness_of(made.project, by or made.people["annotator"], Wanted(order, like=list(like)))


def judge(made, cells, verdict="accept", label_class=None):
    given = [Given(one, verdict, label_class, label_class is not None) for one in cells]
    return judge_screen(
        project=made.project, by=made.people["annotator"], screen=uuid.uuid4(), order="likeness", milliseconds=900,
        shown=[Shown(one, 40, 900) for one in cells], given=given, accepts_rest=False,
    )  # fmt: skip


def boxes(made) -> dict[uuid.UUID, Annotation]:
    return {row.uid: row for row in Annotation.objects.filter(layer__image__project=made.project)}


# -- the job


def test_a_job_makes_one_file_of_each_image(made, encoder):
    before = covered(made.project, made.owner)
    assert before.files == [] and before.missing == [image.pk for image in made.images]
    job = compute(made)
    assert job.state == Job.State.DONE, job.error
    assert [item.facts["cells"] for item in job.items.all()] == [40, 40]
    after = covered(made.project, made.owner)
    assert len(after.files) == 2 and after.missing == []
    for kept in CellVectorFile.objects.all():
        found = read_vectors(kept.file.path)
        rows = Annotation.objects.filter(layer=kept.layer).order_by("pk")
        assert (found.cells == uids_of([row.uid for row in rows])).all() and found.vectors.dtype == np.float16
        assert found.vectors[:, 0].tolist() == [row.mask_x for row in rows]


def test_what_is_there_is_not_computed_again(made, encoder):
    compute(made)
    assert encoder.seen == 80
    job = compute(made)
    assert (job.total, encoder.seen) == (1, 80)  # nothing to do


def test_while_a_job_is_at_work_there_is_no_second_one(made):
    first = ask_vectors(project=made.project, by=made.owner)
    assert ask_vectors(project=made.project, by=made.people["annotator"]) == first


def test_cells_that_people_drew_are_compared_and_again_when_they_change(made, encoder):
    person = made.people["annotator"]
    layer = working_layer(image=made.images[0], user=person)
    drawn = cell(box=(4, 5, 12, 13))
    uid = str(uuid.uuid4())
    _seq, (verdict,) = write_operations(layer=layer, author=person, operations=[operation(effect(uid, after=drawn))])
    assert verdict.verdict == "accepted"
    compute(made, by=person)
    kept = CellVectorFile.objects.get(layer=layer)
    assert read_vectors(kept.file.path).vectors[0, :2].tolist() == [4, 5]
    seen = encoder.seen
    compute(made, by=person)
    assert encoder.seen == seen
    Annotation.objects.filter(layer=layer, uid=uid).update(x0=6, last_op=uuid.uuid4())
    compute(made, by=person)
    assert encoder.seen == seen + 1
    first = kept.file.path
    kept.refresh_from_db()
    assert kept.file.path != first and read_vectors(kept.file.path).vectors[0, 0] == 6


def test_a_worker_that_dies_is_followed_by_one_that_goes_on(made, encoder, monkeypatch):
    job = ask_vectors(project=made.project, by=made.owner)
    keep = worker._keep
    calls = []

    def dies_on_the_second(*given):
        calls.append(given)
        if len(calls) == 2:
            raise SystemExit
        keep(*given)

    monkeypatch.setattr(worker, "_keep", dies_on_the_second)
    with pytest.raises(SystemExit):
        work(job)
    Job.objects.filter(pk=job.pk).update(state=Job.State.WAITING, lease_owner=None, lease_until=None)
    work(job)
    assert CellVectorFile.objects.count() == 2 and len(calls) == 3


def test_an_image_that_is_deleted_meanwhile_is_left_out(made):
    job = ask_vectors(project=made.project, by=made.owner)
    made.images[0].deleted_at = made.images[0].created_at
    made.images[0].save()
    work(job)
    states = dict(job.items.values_list("choice__image", "state"))
    assert states == {made.images[0].pk: JobItem.State.DECLINED, made.images[1].pk: JobItem.State.DONE}


def test_an_archived_project_is_compared_no_more(made):
    made.project.archived_at = made.project.created_at
    made.project.save()
    with pytest.raises(Archived):
        ask_vectors(project=made.project, by=made.owner)


def test_without_memory_the_job_is_handed_back(made, monkeypatch):
    def no_memory(_bytes):
        raise MissingResource("memory", worker="here", needs=2, free=1)

    monkeypatch.setattr(worker.needs, "afford", no_memory)
    with pytest.raises(MissingResource):
        compute(made)


def test_the_files_of_an_image_that_is_removed_for_good_are_removed(made):
    compute(made)
    kept = CellVectorFile.objects.get(layer__image=made.images[0])
    remove_files(made.images[0])
    assert not kept.file.storage.exists(kept.file.name)
    assert CellVectorFile.objects.filter(layer__image=made.images[0]).count() == 0


def test_a_mask_is_magnified_where_the_image_is(made):
    row = SimpleNamespace(mask_bits=None, x0=10.0, y0=20.0, x1=14.0, y1=22.0)
    found = worker.scaled_mask(row, 2.0, 15, 30)
    assert isinstance(found, BoxMask) and (found.x, found.y, found.bits.shape) == (5, 10, (4, 8))
    half = worker.scaled_mask(row, 0.1, 0, 0)
    assert half.bits.shape == (1, 1) and half.bits.all()


# -- orders and suggestions


def test_before_anything_is_compared_the_gallery_is_there_and_says_what_is_missing(made, asked):
    found = gallery(made)
    assert len(found.gallery.cells) == 80 and found.covered.missing and found.suggested == []
    assert asked.asked == []


def test_more_like_this_puts_the_nearest_first(made, asked):
    compute(made)
    rows = boxes(made)
    example = next(iter(rows))
    order = [one.cell for one in gallery(made, like=[example]).gallery.cells]
    assert order[0] == example or rows[order[0]].x0 == rows[example].x0
    assert sorted(map(str, order)) == sorted(map(str, rows))


def test_a_suggestion_follows_from_verdicts_and_from_each_further_one(made, asked):
    """Cells on the left are of the first class, those on the right of the second; a few verdicts say so."""
    compute(made)
    rows = boxes(made)
    assert gallery(made).learned == 0 and set(gallery(made).suggested) == {0}
    first, second = made.classes[0].pk, made.classes[1].pk
    by_x = sorted(rows, key=lambda uid: rows[uid].x0)
    judge(made, by_x[:8], label_class=first)
    judge(made, by_x[-8:], label_class=second)
    found = gallery(made)
    assert found.learned == 16 and len(found.gallery.cells) == 64
    middle = np.median([row.x0 for row in rows.values()])
    right = 0
    for one, suggested in zip(found.gallery.cells, found.suggested):
        right += suggested == (first if rows[one.cell].x0 < middle else second)
    assert right / 64 > 0.8
    assert all(0 <= chance <= 1 for chance in found.chances)
    rejected = judge(made, [found.gallery.cells[0].cell], verdict="reject")
    assert rejected.verdicts["decided"] == {"reject": 1}
    assert gallery(made).learned == 17 and NO_CELL in set(task_labels(asked))


def test_a_retired_class_is_not_suggested(made, asked):
    compute(made)
    rows = list(boxes(made))
    first, second = made.classes
    judge(made, rows[:8], label_class=first.pk)
    judge(made, rows[8:16], label_class=second.pk)
    assert set(gallery(made).suggested) == {first.pk, second.pk}
    retire_class(label_class=second)
    assert second.pk not in gallery(made).suggested and second.pk not in task_labels(asked)


def task_labels(asked) -> list[int]:
    return np.frombuffer(b64decode(asked.asked[-1]["labels"]), "<i4").tolist()


def test_some_cells_alone_are_answered_alone(made, asked):
    compute(made)
    rows = list(boxes(made))
    found = likeness_of(made.project, made.people["annotator"], Wanted(of=rows[3:6]))
    assert {one.cell for one in found.gallery.cells} == set(rows[3:6])
    judge(made, rows[3:4])
    assert len(likeness_of(made.project, made.people["annotator"], Wanted(of=rows[3:6])).gallery.cells) == 2


def test_a_worker_that_has_restarted_suggests_the_same(made, asked):
    compute(made)
    rows = list(boxes(made))
    judge(made, rows[:6], label_class=made.classes[0].pk)
    judge(made, rows[-6:], label_class=made.classes[1].pk)
    before = gallery(made)
    task.galleries.kept.clear()
    after = gallery(made)
    assert (before.gallery.cells, before.suggested, before.chances) == (
        after.gallery.cells, after.suggested, after.chances,
    )  # fmt: skip


def test_what_is_taken_back_is_no_longer_learned_from(made, asked):
    compute(made)
    rows = list(boxes(made))
    screen = judge(made, rows[:6], label_class=made.classes[0].pk)
    assert gallery(made).learned == 6
    undo_screen(project=made.project, by=made.people["annotator"], screen=screen.pk)
    assert gallery(made).learned == 0


def test_likely_errors_of_the_proposed_class_come_first(made, asked):
    compute(made)
    rows = boxes(made)
    by_x = sorted(rows, key=lambda uid: rows[uid].x0)
    first, second = made.classes[0].pk, made.classes[1].pk
    judge(made, by_x[:12], label_class=first)
    judge(made, by_x[-12:], label_class=second)
    found = gallery(made, "errors")
    differs = [suggested != one.label_class for one, suggested in zip(found.gallery.cells, found.suggested)]
    half = len(differs) // 2
    assert sum(differs[:half]) > 2 * sum(differs[half:])


def test_near_duplicates_come_in_pairs(made, asked):
    compute(made)
    found = gallery(made, "duplicates").gallery.cells
    rows = boxes(made)
    assert len(found) == 80
    first, second = rows[found[0].cell], rows[found[1].cell]
    assert (first.x0, first.y0) == (second.x0, second.y0)  # the same place of two images


def test_the_map_has_a_place_for_each_cell_and_others_have_none(made, asked):
    compute(made)
    found = gallery(made, "map")
    assert len(found.places) == 80 and all(0 <= x <= 1 and 0 <= y <= 1 for x, y in found.places)
    assert gallery(made, "errors").places == []


def test_cells_without_vectors_come_last(made, asked):
    compute(made)
    CellVectorFile.objects.filter(layer__image=made.images[0]).delete()
    found = gallery(made)
    assert found.covered.missing == [made.images[0].pk]
    assert [one.image for one in found.gallery.cells[40:]] == [made.images[0].pk] * 40


def test_a_damaged_file_is_said(made, asked):
    compute(made)
    kept = CellVectorFile.objects.first()
    with open(kept.file.path, "wb") as file:
        file.write(b"nothing")
    client = signed_in(made.people["annotator"])
    answer = client.get(f"/api/v1/projects/{made.project.pk}/gallery/likeness/")
    assert_declined(answer, 422, says="compute it again")


def test_likeness_over_the_api(made, asked):
    client = signed_in(made.people["annotator"])
    address = f"/api/v1/projects/{made.project.pk}/gallery/likeness/"
    before = client.get(address).json()
    assert before["missing"] and before["job"] is None and len(before["cells"]) == 80
    job = client.post(address).json()
    assert job["kind"] == "vectors" and client.get(address).json()["job"] == job["id"]
    work(Job.objects.get(pk=job["id"]))
    after = client.get(f"{address}?order=map&like={before['cells'][0]}").json()
    assert after["missing"] == [] and after["job"] is None and len(after["places"]) == 80
    assert client.get(f"{address}?order=beauty").status_code == 422


def test_images_on_which_cells_were_drawn_since_are_named(made, asked):
    compute(made)
    client = signed_in(made.people["annotator"])
    address = f"/api/v1/projects/{made.project.pk}/gallery/likeness/"
    answer = client.get(address).json()
    assert (answer["missing"], answer["outdated"]) == ([], [])
    draw(made.images[1], made.people["annotator"], cell((100, 10, 112, 22)))
    answer = client.get(address).json()
    assert (answer["missing"], answer["outdated"]) == ([], [made.images[1].pk])
    assert client.get(f"{address}?of={answer['cells'][0]}").json()["outdated"] == []
    compute(made)
    assert client.get(address).json()["outdated"] == []


def test_an_order_of_80_cells_asks_few_questions(made, asked, django_assert_max_num_queries):
    compute(made)
    client = signed_in(made.people["annotator"])
    with django_assert_max_num_queries(23):
        client.get(f"/api/v1/projects/{made.project.pk}/gallery/likeness/")


def test_vectors_name_cells_of_one_layer_once(made):
    compute(made)
    layers = [kept.layer for kept in CellVectorFile.objects.all()]
    assert {layer.kind for layer in layers} == {Layer.Kind.PREDICTION}
    assert isinstance(read_vectors(CellVectorFile.objects.first().file.path), CellVectors)


# -- vectors are made when proposals are made


@pytest.fixture
def committed(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


def promoted(made) -> None:
    snapshot = Snapshot.objects.create(project=made.project, sha256="0" * 64, content="none", summary={})
    round_ = Round.objects.create(
        project=made.project, number=1, preset="tiny", configuration={}, snapshot=snapshot, started_by=made.owner
    )
    Promotion.objects.create(project=made.project, round=round_, reason=Promotion.Reason.FINISHED)


def test_a_round_that_becomes_current_has_its_cells_compared(made, committed):
    with committed():
        promoted(made)
    job = Job.objects.get(kind=Job.Kind.VECTORS)
    assert job.owner == made.owner
    wanted = set(job.items.values_list("choice__image", flat=True))
    assert wanted == {image.pk for image in made.images}


def test_cells_that_a_job_proposed_are_compared_when_it_ends(made, committed):
    with committed():
        job = services.create_job(kind=Job.Kind.PROPOSE, project=made.project, owner=made.owner, request={})
    assert not Job.objects.filter(kind=Job.Kind.VECTORS).exists()
    with committed():
        services.cancel(job.pk)
    compared = Job.objects.get(kind=Job.Kind.VECTORS)
    assert compared.total == 2
    work(compared)
    with committed():
        services.expire(Job.objects.get(pk=job.pk))
    assert Job.objects.filter(kind=Job.Kind.VECTORS).count() == 1  # everything is there


def test_a_job_at_work_takes_the_images_of_new_proposals_as_well(made, committed):
    first, second = made.images
    second.deleted_at = second.created_at
    second.save()
    job = ask_vectors(project=made.project, by=made.owner)
    assert job.total == 1
    second.deleted_at = None
    second.save()
    with committed():
        other = services.create_job(kind=Job.Kind.PROPOSE, project=made.project, owner=made.owner, request={})
    with committed():
        services.cancel(other.pk)
    job.refresh_from_db()
    assert list(job.items.values_list("choice__image", flat=True)) == [first.pk, second.pk] and job.total == 2
    assert work(job).state == Job.State.DONE and covered(made.project, made.owner).missing == []


def test_an_archived_project_has_nothing_compared_by_itself(made, committed):
    made.project.archived_at = made.project.created_at
    made.project.save()
    with committed():
        promoted(made)
    assert not Job.objects.filter(kind=Job.Kind.VECTORS).exists()


# -- the map of neighbours


@pytest.fixture
def quick_map(monkeypatch):
    """In place of UMAP, which takes half a minute to compile: test_neighbour_map.py has the real one."""

    def places(vectors, report):
        report(1, 2)
        return np.linspace([0, 1], [1, 0], len(vectors)).astype(np.float32)

    monkeypatch.setattr(cell_maps, "neighbour_map", places)


def make_map(made, by=None) -> Job:
    return work(ask_map(project=made.project, by=by or made.people["annotator"]))


def umap_of(made, by=None):
    return likeness_of(made.project, by or made.people["annotator"], Wanted("map", projection="umap"))


def test_a_map_of_neighbours_is_asked_for_made_and_shown(made, asked, quick_map):
    compute(made)
    person = made.people["annotator"]
    client = signed_in(person)
    address = f"/api/v1/projects/{made.project.pk}/gallery/map/"
    nothing = {"cells": 0, "of": 0, "made_at": None, "job": None, "percent": 0, "error": ""}
    assert client.get(address).json() == nothing
    shown = f"/api/v1/projects/{made.project.pk}/gallery/likeness/?order=map&projection=umap"
    assert_declined(client.get(shown), 409, says="No UMAP of these cells is kept")
    job = client.post(address).json()
    assert job["kind"] == "cell_map" and client.post(address).json()["id"] == job["id"]
    assert client.get(address).json()["job"] == job["id"]
    work(Job.objects.get(pk=job["id"]))
    kept = client.get(address).json()
    assert (kept["cells"], kept["of"], kept["job"]) == (80, 80, None) and kept["made_at"]
    answer = client.get(shown).json()
    x, y = np.array(answer["places"]).T
    assert len(x) == 80 and np.allclose(x + y, 1, atol=2e-3) and len(set(x)) > 70
    assert client.get(address.replace("/map/", "/likeness/") + "?order=map&projection=3d").status_code == 422


def test_nobody_sees_the_map_that_somebody_else_made(made, asked, quick_map):
    compute(made)
    make_map(made)
    with pytest.raises(NoMap):
        umap_of(made, by=made.people["reviewer"])


def test_cells_proposed_after_the_map_lie_among_those_most_like_them(made, asked, quick_map):
    first, second = made.images
    second.deleted_at = second.created_at
    second.save()
    compute(made)
    job = make_map(made)
    assert job.facts == {"cells": 40, "of": 40}
    second.deleted_at = None
    second.save()
    compute(made)
    found = umap_of(made)
    places = dict(zip([one.cell for one in found.gallery.cells], found.places))
    rows = boxes(made)
    of_first = {(row.x0, row.y0): places[uid] for uid, row in rows.items() if row.layer.image_id == first.pk}
    for uid, row in rows.items():
        twin = of_first[row.x0, row.y0]  # the same place of two images: exactly alike
        assert np.hypot(*np.subtract(places[uid], twin)) < 0.15


def test_a_map_of_too_few_cells_is_declined(made):
    with pytest.raises(NoMap, match="at least 30 cells that have been compared; here are 0"):
        ask_map(project=made.project, by=made.owner)


def test_a_cancelled_map_leaves_nothing(made, monkeypatch):
    def cancelled(vectors, report):
        raise Cancelled("cancelled")

    compute(made)
    monkeypatch.setattr(cell_maps, "neighbour_map", cancelled)
    with pytest.raises(Cancelled):
        make_map(made)
    assert map_of(made.project, made.people["annotator"]) is None


def test_a_map_goes_with_what_a_patient_who_withdraws_leaves(made, quick_map):
    image = change_image(image=made.images[0], by=made.owner, reason="found", patient="07")
    compute(made)
    job = make_map(made)
    kept = job.result.name
    assert map_of(made.project, made.people["annotator"]) is not None and job.result.storage.exists(kept)
    withdrawal = withdraw_patient(patient=image.patient, typed=image.patient.label, by=made.owner)
    assert carry_out(withdrawal)
    assert map_of(made.project, made.people["annotator"]) is None and not job.result.storage.exists(kept)
