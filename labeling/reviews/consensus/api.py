"""Consensus over HTTP: make it, decide where readings differ, lock it as the reference of the rounds, its raw votes."""

import csv
import io
from collections.abc import Iterator

from django.http import Http404
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from inference.agreement.consensus import Method
from inference.agreement.readings import Matching
from labeling.accounts.models import User
from labeling.accounts.repeats import once
from labeling.annotations.blinding import has_open_readings
from labeling.annotations.models import Annotation, Layer
from labeling.audit.downloads import download
from labeling.contract import contract
from labeling.images.models import Image
from labeling.jobs.contract import JobAnswer, job_answer
from labeling.projects.access import person, reach
from labeling.projects.models import Project
from labeling.reviews.consensus.contract import (
    ConsensusAnswer,
    ConsensusBody,
    DecisionBody,
    DisagreementAnswer,
    LockedAnswer,
    consensus_answer,
    disagreement_answer,
)
from labeling.reviews.consensus.deciding import decide, decline_reader, is_decided, lock_as_reference
from labeling.reviews.consensus.making import Parameters, ask_for_consensus, closed_item, layers_read, rows_of
from labeling.reviews.models import Consensus, Disagreement
from labeling.spreadsheets import as_text

VOTE_COLUMNS = ("image", "layer", "reader", "annotation", "class", "x0", "y0", "x1", "y1", "has_mask")


def reach_consensus(user: User, image: int) -> Consensus:
    """Raises Http404 where there is none, OwnWork for a reader of the image, ReadingsOpen where a reading was opened
    again."""
    images = Image.objects.visible_to(user).select_related("project", "work_item")
    found = reach(images, user, "export", pk=image)
    made = Consensus.objects.filter(image=found).select_related("made_by", "locked_in").first()
    if made is None:
        raise Http404
    decline_reader(found, user)
    closed_item(found)
    return made


def cells_of(made: Consensus) -> dict[str, Annotation]:
    return rows_of(layers_read(made))


class ImageConsensus(APIView):
    """The consensus of an image, and the places where its readings differ."""

    @contract(answer=ConsensusAnswer)
    def get(self, request: Request, image: int) -> ConsensusAnswer:
        made = reach_consensus(person(request), image)
        return consensus_answer(made, cells_of(made))

    @once
    @contract(body=ConsensusBody, answer=JobAnswer, status=202)
    def post(self, request: Request, image: int, *, body: ConsensusBody) -> JobAnswer:
        """Make it, or make it anew."""
        images = Image.objects.visible_to(person(request)).select_related("project")
        found = reach(images, person(request), "review", pk=image)
        parameters = Parameters(
            Matching(body.by, body.iou, body.um),
            Method(body.shapes, body.classes),
        )
        return job_answer(ask_for_consensus(image=found, by=person(request), parameters=parameters))


class DecideDisagreement(APIView):
    """A third person decides what stands at a place."""

    @contract(body=DecisionBody, answer=DisagreementAnswer)
    def post(self, request: Request, disagreement: int, *, body: DecisionBody) -> DisagreementAnswer:
        visible = Project.objects.visible_to(person(request))
        places = Disagreement.objects.filter(
            consensus__image__project__in=visible,
            consensus__image__deleted_at__isnull=True,
        )
        places = places.select_related("consensus__image__project")
        one = reach(places, person(request), "review", project="consensus.image.project", pk=disagreement)
        rows = cells_of(one.consensus)
        cells = [cell.model_dump(mode="json") for cell in body.cells]
        decided = decide(disagreement=one.pk, by=person(request), decision=body.take, cells=cells)
        return disagreement_answer(decided, rows)


class LockConsensus(APIView):
    """Make the decided consensuses outside training the reference that judges the rounds."""

    @once
    @contract(answer=LockedAnswer, status=201)
    def post(self, request: Request, project: int) -> LockedAnswer:
        visible = Project.objects.visible_to(person(request))
        found = reach(visible, person(request), "manage", project="", pk=project)
        made = lock_as_reference(project=found, by=person(request))
        return LockedAnswer(
            number=made.number,
            images=len(made.images),
            readers=made.readers,
            note=made.note,
        )


class Votes(APIView):
    """The raw votes behind every consensus of a project, as CSV: a line for each cell of each reading. Readers are
    named once every place of an image is decided; until then they are numbered."""

    @contract(files=("text/csv",))
    def get(self, request: Request, project: int) -> HttpResponseBase:
        visible = Project.objects.visible_to(person(request))
        found = reach(visible, person(request), "export", project="", pk=project)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(VOTE_COLUMNS)
        present = Consensus.objects.filter(image__project=found, image__deleted_at__isnull=True)
        closed = present.exclude(has_open_readings("image"))
        for made in closed.select_related("image").order_by("image_id"):
            writer.writerows(_votes(made))
        name = f"votes-{found.pk}.csv"
        return download(text.getvalue().encode(), name=name, content_type="text/csv; charset=utf-8", project=found)


def _votes(made: Consensus) -> Iterator[list[object]]:
    is_named = is_decided(made)
    keys = [one["layer"] for one in made.readings if one["layer"]]
    layers = {str(layer.pk): layer for layer in Layer.objects.filter(pk__in=keys).select_related("annotator")}
    for number, key in enumerate(keys, start=1):
        layer = layers.get(key)
        if layer is None:
            continue
        name = layer.annotator.display_name if layer.annotator and is_named else f"reader {number}"
        rows = layer.annotations.filter(
            deleted=False,
            kind=Annotation.Kind.CELL,
            status=Annotation.Status.CONFIRMED,
        )
        for row in rows.select_related("label_class").order_by("pk").iterator(chunk_size=2000):
            label = row.label_class.name if row.label_class else ""
            has_mask = int(row.mask_bits is not None)
            box = [row.x0, row.y0, row.x1, row.y1]
            shown_layer = key if is_named else ""
            yield [
                made.image_id,
                shown_layer,
                as_text(name),
                row.uid,
                as_text(label),
                *box,
                has_mask,
            ]
