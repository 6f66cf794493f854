"""Proposing cells without a round, over HTTP. The jobs themselves: labeling/jobs/api.py."""

from dataclasses import asdict
from typing import Annotated

from django.urls import reverse
from pydantic import BeforeValidator, Field, WithJsonSchema
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.accounts.repeats import once
from labeling.contract import Answer, Body, Id, Query, QueryId, Reply, contract
from labeling.jobs.access import reach_job
from labeling.jobs.contract import JobAnswer, JobInFull, job_answer, job_in_full
from labeling.jobs.models import Job
from labeling.numbers import LARGEST
from labeling.projects.access import person, reach_project
from labeling.rounds.http.contract import DeviceName, EstimateAnswer
from labeling.rounds.proposing import description  # noqa: F401 (registers how a job describes itself)
from labeling.rounds.proposing.choices import Models, choices, scale_warning, scale_words
from labeling.rounds.proposing.estimate import estimate_of
from labeling.rounds.proposing.publishing import withdraw
from labeling.rounds.proposing.services import NothingToProposeOn, Wanted, images_of, pixels_of, propose
from labeling.rounds.weights.starting import FROM_SHIPPED


def _version(value: object) -> str:
    return FROM_SHIPPED if value == FROM_SHIPPED else _own(value, f"{FROM_SHIPPED} or ")


def _own(value: object, other: str = "") -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LARGEST:
        return str(value)
    raise ValueError(f"{{field}} must be {other}the id of a version of this project")


_VERSION_SCHEMA = {"anyOf": [{"enum": [FROM_SHIPPED]}, {"type": "integer", "minimum": 1}]}
Version = Annotated[str, BeforeValidator(_version), WithJsonSchema(_VERSION_SCHEMA)]
OwnVersion = Annotated[str, BeforeValidator(_own), WithJsonSchema({"type": "integer", "minimum": 1})]
Pixel = Annotated[int, Field(ge=0, le=2**31)]
Side = Annotated[int, Field(ge=1, le=2**31)]


class ProposalBody(Body):
    """`images` null: all pictures of the project, or all its slides where it has no picture. `region` is of the only
    image: x, y, width, height in its pixels. `method`: a version of a method that was trained as a whole, which then
    proposes without a detector and a segmenter."""

    images: Annotated[list[Id], Field(min_length=1, max_length=5000)] | None = None
    region: tuple[Pixel, Pixel, Side, Side] | None = None
    detector: Version = FROM_SHIPPED
    segmenter: Version = FROM_SHIPPED
    method: OwnVersion | None = None
    device: DeviceName = "auto"


class BeforeProposalQuery(Query):
    """The images that are meant; none for all, as in the request itself."""

    image: Annotated[list[QueryId], Field(max_length=1000)] = []
    device: DeviceName = "auto"


class ModelsAnswer(Answer):
    """A detector and a segmenter that can propose together, or a method that was trained as a whole. `detector`,
    `segmenter` and `method` are what the request takes; null is left out of it.

    `scale` and `warning` say which µm per pixel they expect, and what that means for these images."""

    key: str
    name: str
    detector: int | str | None
    segmenter: int | str | None
    method: int | None
    learned_from: str
    licences: list[str]
    elsewhere: bool
    scale: str
    warning: str


class BeforeProposalAnswer(Answer):
    """What proposing on these images would be. `estimate` in seconds; null where nothing is known."""

    images: int
    megapixels: float
    models: list[ModelsAnswer]
    estimate: EstimateAnswer | None


class Proposals(APIView):
    """Cells proposed by models that are there already, as a job on the workers."""

    @once
    @contract(body=ProposalBody, answer=JobAnswer, status=202)
    def post(self, request: Request, project: int, *, body: ProposalBody) -> Reply:
        found = reach_project(request, "manage", project)
        wanted = Wanted(**body.model_dump(exclude_none=True))
        job = propose(project=found, by=person(request), wanted=wanted)
        return Reply(job_answer(job), headers={"Location": reverse("job-detail", args=[job.pk])})


class BeforeProposals(APIView):
    """Which models could propose, what they expect, and how long it would take."""

    @contract(query=BeforeProposalQuery, answer=BeforeProposalAnswer)
    def get(self, request: Request, project: int, *, query: BeforeProposalQuery) -> BeforeProposalAnswer:
        found = reach_project(request, "see", project)
        try:
            images = images_of(found, Wanted(images=query.image or None))
        except NothingToProposeOn:
            images = []
        pixels = sum(pixels_of(image, None) for image in images)
        time = estimate_of(pixels, query.device)
        scales = [image.um_per_px for image in images]
        return BeforeProposalAnswer(
            images=len(images),
            megapixels=round(pixels / 1e6, 2),
            models=[_models_answer(models, scales) for models in choices(found)],
            estimate=EstimateAnswer(**asdict(time)) if time is not None else None,
        )


class Withdraw(APIView):
    """Take back what a job proposed; what people accepted of it stays theirs."""

    @contract(answer=JobInFull)
    def post(self, request: Request, job: int) -> JobInFull:
        found = reach_job(person(request), job, Job.CHANGED_BY)
        return job_in_full(withdraw(job=found, by=person(request)))


def _models_answer(models: Models, scales: list[float | None]) -> ModelsAnswer:
    method = models.versions.get("method")
    return ModelsAnswer(
        key=models.key,
        name=models.name,
        detector=_key(models, "detector"),
        segmenter=_key(models, "segmenter"),
        method=method.pk if method is not None else None,
        learned_from=models.learned_from,
        licences=models.licences,
        elsewhere=models.elsewhere,
        scale=scale_words(models.scale),
        warning=scale_warning(scales, models.scale),
    )


def _key(models: Models, kind: str) -> int | str | None:
    """As a request names the model; None where there is none of this kind."""
    if kind not in models.versions:
        return None
    version = models.versions[kind]
    return FROM_SHIPPED if version is None else version.pk
