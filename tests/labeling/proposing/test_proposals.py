"""Proposing without a round: what is proposed on real tissue, beside what people draw and decide, and who sees it."""

import re
import uuid
from collections import Counter

import numpy as np
import PIL.Image
import pytest
from django.urls import reverse
from rest_framework.test import APIClient

import inference.worker.proposing as worker
from inference.documents.proposing import ProposedFacts
from inference.masks import shared_pixels
from inference.methods import streamed
from labeling.annotations.models import Annotation, Layer
from labeling.annotations.services import working_layer, write_operations
from labeling.errors import Archived, Invalid, WrongState
from labeling.images.models import Image
from labeling.images.services import add_image
from labeling.jobs import services as jobs
from labeling.jobs.models import Job, JobItem
from labeling.projects.models import Project
from labeling.rounds.execution.archiving import archive_project
from labeling.rounds.models import Publication
from labeling.rounds.proposing import choices
from labeling.rounds.proposing.publishing import withdraw
from labeling.rounds.proposing.services import NothingToProposeOn, Wanted, propose
from labeling.site import propose_views
from labeling.studies.models import Study, StudyField
from tests.factories import ImageFactory, ProjectFactory, UserFactory
from tests.labeling.operations import cell, effect, operation, region
from tests.labeling.proposals import cells, covers, current, finished_job, mask_of, middle, new_job, work
from tests.labeling.rounds import annotate, png_of, published_round

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("sent")]


# -- what is proposed


def test_cells_of_an_image_nobody_drew_on_are_proposed_with_their_models_and_licence(image, owner):
    job = finished_job(image, owner)
    publication = current(image)
    rows = cells(publication)
    assert (publication.job, publication.round, publication.round_number) == (job, None, 0)
    assert publication.layer.kind == Layer.Kind.PREDICTION
    assert len(rows) > 20
    facts = ProposedFacts.stored(job.items.get().facts)
    assert (facts.cells, facts.tiles, facts.done) == (len(rows), 1, 1)
    assert publication.statements.proposals == len(rows)
    assert publication.proof.closed
    provenance = rows[0].provenance
    assert provenance["round_number"] == 0 and provenance["job"] == job.pk
    assert {name.split("-")[0] for name in provenance["models"].values()} == {"centre", "unet", "boxwise"}
    assert "CC BY" in provenance["licence"] and "elsewhere" not in provenance
    assert {row.label_class.name for row in rows} == {"nucleus"}
    assert covers(rows, image.width, image.height).max() == 1
    assert not worker.work_folder(job.pk).exists()


def test_tiles_propose_every_cell_once(image, owner, small_tiles):
    finished_job(image, owner)
    facts = ProposedFacts.stored(JobItem.objects.get(job__kind="propose").facts)
    rows = cells(current(image))
    assert facts.tiles == 4 and len(rows) > 20
    masks = [mask_of(row) for row in rows]
    for number, one in enumerate(masks):
        for other in masks[number + 1 :]:
            shared = shared_pixels(one, other)
            assert shared <= streamed.SAME * min(one.bits.sum(), other.bits.sum())


def test_a_slide_is_read_tile_by_tile_and_its_cells_lie_on_the_tissue(slide, image, owner, small_tiles):
    finished_job(slide, owner)
    finished_job(image, owner)
    on_slide = covers(cells(current(slide)), 600, 600) > 0
    on_image = covers(cells(current(image)), 300, 300) > 0
    quarter = on_slide[:300, :300]
    assert 2 * (quarter & on_image).sum() / (quarter.sum() + on_image.sum()) > 0.9


def test_a_region_is_proposed_on_alone_and_what_was_outside_stays(image, owner):
    first = finished_job(image, owner)
    before = cells(current(image))
    second = finished_job(image, owner, region=(100, 80, 120, 110))
    after = cells(current(image))
    by_job = Counter(row.provenance["job"] for row in after)
    assert by_job[second.pk] > 3 and by_job[first.pk] > 10
    for row in after:
        x, y = middle(row)
        inside = 100 <= x < 220 and 80 <= y < 190
        assert inside == (row.provenance["job"] == second.pk)
    kept = {row.uid for row in after} & {row.uid for row in before}
    assert len(kept) == by_job[first.pk]
    assert covers(after, 300, 300).max() <= 2  # at the region's rim


def test_an_image_of_another_scale_is_resampled_to_what_the_models_expect(project, owner, tissue):
    coarse = np.asarray(PIL.Image.fromarray(tissue).resize((150, 150), PIL.Image.Resampling.BOX))
    small = add_image(project=project, name="coarse.png", content=png_of(coarse), um_per_px=1.0)
    finished_job(small, owner)
    rows = cells(current(small))
    facts = ProposedFacts.stored(JobItem.objects.get(job__kind="propose").facts)
    assert facts.scale == "resampled" and len(rows) > 10
    assert max(row.x1 for row in rows) <= 150 and max(row.y1 for row in rows) <= 150
    same = add_image(project=project, name="fine.png", content=png_of(tissue), um_per_px=0.5)
    finished_job(same, owner)
    fine = covers(cells(current(same)), 300, 300) > 0
    halved = fine.reshape(150, 2, 150, 2).mean(axis=(1, 3)) >= 0.5
    resampled = covers(rows, 150, 150) > 0
    assert 2 * (halved & resampled).sum() / (halved.sum() + resampled.sum()) > 0.75


def test_an_image_of_unknown_scale_is_looked_at_as_it_is_and_says_so(project, owner, tissue):
    unknown = add_image(project=project, name="u.png", content=png_of(tissue))
    finished_job(unknown, owner)
    assert ProposedFacts.stored(JobItem.objects.get(job__kind="propose").facts).scale == "unknown"
    assert "do not say their scale" in choices.scale_warning([None], choices.SHIPPED_SCALE)


def test_an_image_far_from_the_scale_is_declined_by_name(project, owner, tissue):
    far = add_image(project=project, name="far.png", content=png_of(tissue), um_per_px=20)
    with pytest.raises(Invalid, match=r"far.png has 20 µm per pixel, and these models expect 0.25 to 0.5"):
        new_job(far, owner)


# -- people


def test_a_person_s_boxes_prompt_masks_and_keep_other_proposals_away(image, owner):
    finished_job(image, owner)
    surest = min(cells(current(image)), key=lambda row: row.score)
    box = (surest.x0 - 1, surest.y0 - 1, surest.x1 + 1, surest.y1 + 1)
    annotate(image, owner, [box], exhaustive=False)
    mine = Annotation.objects.get(layer__kind="working")
    finished_job(image, owner)
    rows = cells(current(image))
    (prompted,) = [row for row in rows if row.derived_from]
    assert prompted.derived_from == mine.uid
    assert np.allclose(middle(prompted), middle(surest), atol=4)
    assert [row for row in rows if np.allclose(middle(row), middle(surest), atol=4)] == [prompted]


def test_nothing_is_proposed_where_everything_is_annotated_and_verified_masks_are_left_alone(image, owner):
    layer = working_layer(image=image, user=owner)
    whole = region((0, 0, 300, 150))
    write_operations(layer=layer, author=owner, operations=[operation(effect(uuid.uuid4(), whole), action="region")])
    finished_job(image, owner)
    middles = [middle(row) for row in cells(current(image))]
    assert middles and sum(y < 140 for _x, y in middles) < 0.1 * len(middles)


def test_what_somebody_draws_and_decides_meanwhile_is_respected(image, owner, monkeypatch):
    """A first job's proposals are partly rejected and accepted while the second one is at work."""
    finished_job(image, owner)
    before = cells(current(image))
    rejected, accepted = before[3], before[8]
    publish = worker.publish_suggestions

    def somebody_decides_first(**given):
        layer = working_layer(image=image, user=owner)
        box = [rejected.x0, rejected.y0, rejected.x1, rejected.y1]
        no = cell(box, status="rejected", reason="not_a_cell", derived_from=str(rejected.uid))
        yes = cell([accepted.x0, accepted.y0, accepted.x1, accepted.y1], derived_from=str(accepted.uid))
        acts = [operation(effect(uuid.uuid4(), no), action="reject")]
        acts.append(operation(effect(uuid.uuid4(), yes), action="accept"))
        _seq, verdicts = write_operations(layer=layer, author=owner, operations=acts)
        assert {verdict.verdict for verdict in verdicts} == {"accepted"}
        return publish(**given)

    monkeypatch.setattr(worker, "publish_suggestions", somebody_decides_first)
    job = finished_job(image, owner)
    facts = ProposedFacts.stored(job.items.get().facts)
    boxes = {(row.x0, row.y0, row.x1, row.y1) for row in cells(current(image))}
    assert facts.left_out == 2
    for row in (rejected, accepted):
        assert (row.x0, row.y0, row.x1, row.y1) not in boxes
    assert len(boxes) == len(before) - 2
    mine = Annotation.objects.filter(layer__kind="working", deleted=False)
    assert {row.status for row in mine} == {"rejected", "confirmed"}


def test_a_person_s_cell_that_is_gone_by_then_leaves_no_proposal_behind(image, owner, monkeypatch):
    annotate(image, owner, [(120.0, 120.0, 145.0, 143.0)], exhaustive=False)
    mine = Annotation.objects.get(layer__kind="working")
    publish = worker.publish_suggestions

    def deleted_first(**given):
        gone = operation(effect(mine.uid, None, seen=mine.last_op), action="delete")
        write_operations(layer=mine.layer, author=owner, operations=[gone])
        return publish(**given)

    monkeypatch.setattr(worker, "publish_suggestions", deleted_first)
    finished_job(image, owner)
    assert not [row for row in cells(current(image)) if row.derived_from]


def test_annotators_who_must_not_see_each_other_leave_no_trace_in_proposals(image, owner):
    Project.objects.filter(pk=image.project_id).update(layering="per_annotator")
    image.refresh_from_db()
    annotate(Image.objects.get(pk=image.pk), owner, [(120.0, 120.0, 145.0, 143.0)], exhaustive=False)
    finished_job(Image.objects.select_related("project").get(pk=image.pk), owner)
    assert not [row for row in cells(current(image)) if row.derived_from]


# -- which proposals are current


def test_the_next_round_replaces_them_and_the_next_proposal_replaces_the_round(image, owner, tissue):
    first = finished_job(image, owner)
    annotate(image, owner, [(120.0, 120.0, 145.0, 143.0)])
    labels = np.zeros((300, 300), np.int32)
    labels[10:20, 10:20] = 1
    round_ = published_round(image.project, owner, {image: labels}, {})
    assert current(image).round == round_
    third = finished_job(image, owner)
    assert current(image).job == third
    withdraw(job=third, by=owner)
    assert current(image).round == round_
    assert Publication.objects.filter(job=third).count() == 1  # what a later round is compared with stays
    assert Publication.objects.filter(job=first).count() == 1


def test_withdrawing_is_one_act_and_leaves_what_people_accepted(image, owner):
    job = finished_job(image, owner)
    row = cells(current(image))[0]
    layer = working_layer(image=image, user=owner)
    yes = cell([row.x0, row.y0, row.x1, row.y1], derived_from=str(row.uid))
    write_operations(layer=layer, author=owner, operations=[operation(effect(uuid.uuid4(), yes), action="accept")])
    withdraw(job=job, by=owner)
    assert current(image) is None
    assert Annotation.objects.filter(layer=layer, derived_from=row.uid).get().provenance["round_number"] == 0
    assert withdraw(job=job, by=owner).facts["withdrawn"]


def test_withdrawn_proposals_leave_regions_that_took_them_over(image, owner):
    first = finished_job(image, owner)
    second = finished_job(image, owner, region=(100, 80, 120, 110))
    withdraw(job=first, by=owner)
    rows = cells(current(image))
    assert rows and {row.provenance["job"] for row in rows} == {second.pk}
    assert current(image).statements.proposals == len(rows)


def test_a_study_goes_on_with_the_layer_that_it_shows_when_proposals_in_it_are_withdrawn(image, owner):
    first = finished_job(image, owner)
    finished_job(image, owner, region=(100, 80, 120, 110))
    shown = current(image).layer
    study = Study.objects.create(project=image.project, name="s", seed=1, hypothesis="h", created_by=owner)
    StudyField.objects.create(study=study, image=image, reference_cells=1, proposals=shown)
    before = shown.annotations.count()
    withdraw(job=first, by=owner)
    assert current(image).layer != shown
    assert shown.annotations.count() == before


def test_a_job_at_work_or_without_proposals_is_not_withdrawn(image, owner):
    job = new_job(image, owner)
    with pytest.raises(WrongState, match="cancel it first"):
        withdraw(job=job, by=owner)
    jobs.cancel(job.pk)
    with pytest.raises(WrongState, match="nothing to withdraw"):
        withdraw(job=job, by=owner)


# -- asked twice, and bad requests


def test_the_same_request_twice_is_one_job_and_another_is_another(image, owner):
    other = UserFactory()
    image.project.memberships.create(user=other, role="manager")
    first = new_job(image, owner)
    assert new_job(image, owner) == first == new_job(image, other)
    assert new_job(image, owner, region=(0, 0, 64, 64)) != first
    work(first)
    assert new_job(image, owner) != first  # that one has ended


def test_two_jobs_on_one_image_publish_both_and_the_later_is_seen(image, owner):
    first, second = new_job(image, owner), new_job(image, owner, region=(0, 0, 150, 150))
    work(second)
    work(first)
    assert Publication.objects.filter(image=image).count() == 2
    assert current(image).job == first


@pytest.mark.parametrize(
    ("region", "words"),
    [((280, 0, 40, 40), "leaves a.png, which is 300 x 300"), ((-1, 0, 40, 40), "leaves"), ((0, 0, 8, 40), "at least")],
)
def test_a_region_outside_or_too_small_is_declined(image, owner, region, words):
    with pytest.raises(Invalid, match=words) as declined:
        new_job(image, owner, region=region)
    assert declined.value.field == "region"


def test_what_is_not_there_cannot_be_asked_for(image, owner):
    project = image.project
    with pytest.raises(Invalid, match="image 999999 is not in this project"):
        propose(project=project, by=owner, wanted=Wanted(images=[image.pk, 999999]))
    with pytest.raises(Invalid, match="no detector"):
        propose(project=project, by=owner, wanted=Wanted(detector="77"))
    with pytest.raises(NothingToProposeOn):
        propose(project=ProjectFactory(), by=owner, wanted=Wanted())
    archive_project(project=project, by=owner)
    with pytest.raises(Archived):
        propose(project=project, by=owner, wanted=Wanted())


def test_whole_projects_mean_their_pictures_or_else_their_slides(slide, owner, project, tissue):
    assert propose(project=project, by=owner, wanted=Wanted()).request["images"] == [slide.pk]
    picture = add_image(project=project, name="p.png", content=png_of(tissue))
    assert propose(project=project, by=owner, wanted=Wanted()).request["images"] == [picture.pk]


# -- over HTTP and on pages


def test_what_proposing_would_be_is_said_before_it_is_started(image, owner):
    client = APIClient()
    client.force_authenticate(owner)
    answer = client.get(reverse("proposal-before", args=[image.project_id]), {"image": image.pk}).json()
    (shipped,) = answer["models"]
    assert (answer["images"], answer["megapixels"]) == (1, 0.09)
    assert shipped["detector"] == shipped["segmenter"] == "shipped" and shipped["scale"] == "0.25 to 0.5 µm per pixel"
    assert "CC BY" in shipped["licences"][0] and "TNBC" in shipped["learned_from"] and shipped["warning"] == ""
    assert answer["estimate"]["low"] <= answer["estimate"]["high"]
    finished_job(image, owner)
    again = client.get(reverse("proposal-before", args=[image.project_id]), {"image": image.pk}).json()
    assert "from 1 image" in again["estimate"]["source"]


def test_a_job_says_how_far_it_is_and_what_it_proposed(image, owner):
    client = APIClient()
    client.force_authenticate(owner)
    answer = client.post(reverse("proposal-list", args=[image.project_id]), {"images": [image.pk]}, format="json")
    assert answer.status_code == 202
    work(Job.objects.get(pk=answer.json()["id"]))
    shown = client.get(answer["Location"]).json()
    assert shown["state"] == "done" and shown["items"][0]["image"] == image.pk
    about = shown["proposals"]
    assert about["cells"] > 20 and about["images"] == about["all_images"] == 1
    assert about["headline"] == f"{about['cells']} cells proposed in 1 image"
    workspace = client.get(reverse("image-workspace", args=[image.pk])).json()
    publication = next(layer["publication"] for layer in workspace["layers"] if layer["publication"])
    assert (publication["round"], publication["round_number"], publication["job"]) == (None, 0, shown["id"])
    assert workspace["proposing"]["job"] is None and workspace["proposing"]["url"].startswith("/projects/")
    gone = client.post(reverse("job-withdraw", args=[shown["id"]]), format="json").json()
    assert gone["proposals"]["withdrawn"]
    layers = client.get(reverse("image-workspace", args=[image.pk])).json()["layers"]
    assert not [layer for layer in layers if layer["publication"]]


def test_people_start_watch_review_and_withdraw_on_pages(image, owner, client):
    client.force_login(owner)
    project = image.project_id
    first = client.get(reverse("project", args=[project])).content.decode()
    start = reverse("propose", args=[project])
    assert f'<a class="button is-primary" href="{start}"' in " ".join(first.split())  # nobody has drawn anything yet
    page = client.get(start).content.decode()
    assert "The models that come with Boxwise" in page and "0.25 to 0.5 µm per pixel" in page
    region = client.get(start, {"image": image.pk, "region": "10,20,100,90"}).content.decode()
    assert "the region of 100 × 90 pixels at 10, 20" in region
    answer = client.post(start, {"image": [image.pk], "models": "shipped", "device": "auto"})
    job = Job.objects.get(kind="propose")
    assert answer.status_code == 302 and answer["Location"].endswith("#proposals")
    assert "0 of 1 images" in client.get(reverse("project-proposals", args=[project])).content.decode()
    work(job)
    panel = client.get(reverse("project-proposals", args=[project])).content.decode()
    assert "cells proposed in 1 image" in panel and reverse("image", args=[image.pk]) in panel
    client.post(reverse("withdraw-job", args=[job.pk]))
    assert current(image) is None
    assert "withdrawn" in client.get(reverse("project-proposals", args=[project])).content.decode()
    declined = client.post(start, {"models": "shipped"}, follow=True).content.decode()
    assert "Choose an image to propose cells on" in declined


def test_the_page_counts_the_images_that_its_form_sends(image, project, owner, client, monkeypatch):
    monkeypatch.setattr(propose_views, "LISTED", 2)
    others = [ImageFactory(project=project, name=f"{n}.png") for n in range(3)]
    client.force_login(owner)
    start = reverse("propose", args=[project.pk])
    whole = " ".join(client.get(start).content.decode().split())
    assert "<summary> 2 images </summary>" in whole and "2 more images are not listed here" in whole
    named = client.get(start, {"image": [others[1].pk, others[2].pk]}).content.decode()
    assert re.findall(r'value="(\d+)" checked', named) == [str(others[1].pk), str(others[2].pk)]
