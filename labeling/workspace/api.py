"""Everything but pixels and cells that the workspace needs to open an image."""

from typing import cast
from uuid import UUID

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.views import APIView

from inference.documents.publication import Certificate
from inference.documents.reading import PlaneFacts
from inference.reading import tile_client
from labeling.accounts.models import User
from labeling.annotations.contract import CertificateAnswer, PersonAnswer
from labeling.annotations.models import Annotation, Layer, Opinion
from labeling.annotations.services import has_own_layers, own_layer, working_layer
from labeling.contract import contract
from labeling.guidelines.services import current_guideline, is_acknowledged, reader_of
from labeling.images import planes
from labeling.images.models import Image
from labeling.images.tiles import SIDE, is_tiled, sizes
from labeling.projects.access import person, reach
from labeling.projects.contract import RoleName, class_answers
from labeling.projects.models import MAY, Project
from labeling.rounds.models import Publication
from labeling.rounds.proposing.services import job_at_work
from labeling.rounds.results.outcome import on_images
from labeling.rounds.weights.promotion import current_publications
from labeling.studies.models import Item
from labeling.studies.references import mark_of
from labeling.workspace.contract import (
    AttributeAnswer,
    ChannelAnswer,
    GuidelineState,
    LayerAnswer,
    PlacedImage,
    PlanesAnswer,
    ProposingAnswer,
    PublicationAnswer,
    SecondImage,
    ShownImage,
    StudyAnswer,
    TilesAnswer,
    WorkspaceAnswer,
    WorkspaceProject,
)
from labeling.workspace.work import work_of


class Workspace(APIView):
    """GET: the image as it is, for everybody who sees it. POST: the same, after making the layer that this person
    writes, where there is none yet: opening an image to look at it writes nothing."""

    @contract(answer=WorkspaceAnswer)
    def get(self, request: Request, image: int) -> WorkspaceAnswer:
        return self._answer(request, self._reach(request, "see", image))

    @contract(answer=WorkspaceAnswer, scope="annotate")
    def post(self, request: Request, image: int) -> WorkspaceAnswer:
        found = self._reach(request, "annotate", image)
        working_layer(image=found, user=person(request))
        return self._answer(request, found)

    def _reach(self, request: Request, act: str, image: int) -> Image:
        images = Image.objects.visible_to(person(request)).select_related("project")
        return reach(images, person(request), act, pk=image)

    def _answer(self, request: Request, found: Image) -> WorkspaceAnswer:
        project, user = found.project, person(request)
        siblings = list(project.images.order_by("position").values_list("pk", flat=True))
        place = siblings.index(found.pk)
        role, study = cast(RoleName, project.role_of(user)), study_of(project)  # reach has asked for the role
        layers = layers_of(image=found, user=user, is_sheet=study is not None)
        return WorkspaceAnswer(
            image=PlacedImage(
                **dict(shown_image(found)),
                position=place + 1,
                count=len(siblings),
                previous=siblings[place - 1] if place else None,
                next=siblings[place + 1] if place + 1 < len(siblings) else None,
            ),
            second=None if study is not None else second_of(found),
            project=WorkspaceProject(
                id=project.pk,
                name=project.name,
                role=role,
                archived_at=project.archived_at,
                removed_at=project.removed_at,
                records_activity=project.records_activity and project.archived_at is None,
                url=reverse("project", args=[project.pk]),
                classes=class_answers(project),
                attributes=[AttributeAnswer(name=name, values=values) for name, values in project.attributes],
            ),
            person=_person(user),
            layers=layers,
            study=study,
            work=work_of(found, user, role),
            proposing=proposing_of(found, role, is_sheet=study is not None),
            guideline=None if study is not None else guideline_of(project, user),
            people=people_of([layer.id for layer in layers]),
        )


def second_of(image: Image) -> SecondImage | None:
    """The image that is registered with this one, while it is there."""
    if image.second_image_id is None:
        return None
    second = Image.objects.filter(pk=image.second_image_id, project=image.project_id, deleted_at__isnull=True).first()
    return None if second is None else SecondImage(**dict(shown_image(second)), landmarks=image.landmarks)


def proposing_of(image: Image, role: str | None, *, is_sheet: bool) -> ProposingAnswer | None:
    """Where cells are proposed on this image without a round, for who may do that, and the job that does it now."""
    if role not in MAY["manage"] or image.project.archived_at is not None or is_sheet:
        return None
    job = job_at_work(image)
    url = reverse("propose", args=[image.project_id])
    return ProposingAnswer(url=f"{url}?image={image.pk}&back=image", job=job.pk if job is not None else None)


def guideline_of(project: Project, user: User) -> GuidelineState | None:
    """Whether the guidelines that hold are new to this person; None where the project has none."""
    now = current_guideline(project)
    if now is None:
        return None
    is_own = now.written_by_id == user.pk
    return GuidelineState(
        version=now.version,
        must_acknowledge=now.must_acknowledge,
        is_seen=is_own or reader_of(now, user) is not None,
        is_acknowledged=is_acknowledged(now, user),
    )


def shown_image(image: Image) -> ShownImage:
    """What a stage needs to show an image's tissue."""
    return ShownImage(
        id=image.pk,
        name=image.name,
        width=image.width,
        height=image.height,
        um_per_px=image.um_per_px,
        synthetic=image.synthetic,
        pixels_url=reverse("image-pixels", args=[image.pk]),
        tiles=tiles_of(image),
        planes=planes_answer(image),
        thumbnail_url=reverse("image-thumbnail", args=[image.pk]),
    )


def tiles_of(image: Image) -> TilesAnswer | None:
    """Where a large image's tiles are. None: fetch it whole."""
    if not is_tiled(image):
        return None
    if image.is_slide:
        tile_client.prepare()
    return _tiles(image)


def _tiles(image: Image) -> TilesAnswer:
    url = reverse("image-tile", args=[image.pk, 0, 0, 0]).removesuffix("0/0/0/")
    return TilesAnswer(url=url, size=SIDE, levels=len(sizes(image.width, image.height)))


def planes_answer(image: Image) -> PlanesAnswer | None:
    """What can be chosen of the slide that an image is, or was cut from; None where there is nothing to choose."""
    source = planes.source_of(image)
    if source is None or (source.planes is None and not source.has_profile):
        return None
    found = source.planes or PlaneFacts(page=source.file.page, z=1, t=1, channels=())
    return PlanesAnswer(
        tiles=_tiles(image),
        page=found.page,
        z=found.z,
        t=found.t,
        channels=[ChannelAnswer.model_validate(one) for one in found.channels],
        icc=source.has_profile,
    )


def layers_of(*, image: Image, user: User, is_sheet: bool) -> list[LayerAnswer]:
    """The layers of an image that `user` sees: working layers, imports, and the current round's proposals.

    is_sheet  of a study's item: its proposals are shown without their models

    `base` is the layer whose decisions and counts are this person's picture: the shared one, or the person's own. It is
    the one that is `writable`, when the role allows it and the project is in use.
    """
    mine = own_layer(image=image, user=user)
    publications = current_publications(Image.objects.filter(pk=image.pk))
    proposed = publications.select_related("round", "job", "image", "layer__head").first()
    visible = Layer.objects.visible_to(user).filter(image=image)
    layers = visible.exclude(kind=Layer.Kind.PREDICTION).select_related("annotator", "head").order_by("created_at")
    in_use = image.project.archived_at is None
    shown = []
    for layer in layers:
        writable = layer == mine and in_use and layer.head.frozen_at is None
        base = is_base(layer, image=image, user=user)
        shown.append(_layer(layer, writable=writable, base=base))
    if is_sheet:  # shown without their models: what made them is not the reader's to know
        sheet = Layer.objects.filter(image=image, kind=Layer.Kind.PREDICTION).select_related("annotator", "head")
        shown += [_layer(layer) for layer in sheet]
    elif proposed is not None and visible.filter(pk=proposed.layer_id).exists():
        shown.append(_layer(proposed.layer, publication=_publication(proposed)))
    return shown


def is_base(layer: Layer, *, image: Image, user: User) -> bool:
    """Whether a layer is the one that `user` works on, or would if the role and the project allowed it."""
    own = user.pk if has_own_layers(image) else None
    return layer.kind == Layer.Kind.WORKING and layer.annotator_id == own


def people_of(layers: list[UUID]) -> list[PersonAnswer]:
    """Who has drawn, decided or given an opinion on these layers, or has one of them: nobody hears of others than those
    whose layers they see."""
    annotations = Annotation.objects.filter(layer_id__in=layers)
    authors = annotations.filter(author__isnull=False).values("author")
    deciders = annotations.filter(decided_by__isnull=False).values("decided_by")
    others = Opinion.objects.filter(annotation__layer_id__in=layers).values("author")
    owners = Layer.objects.filter(pk__in=layers, annotator__isnull=False).values("annotator")
    people = User.objects.filter(pk__in=authors.union(deciders, others, owners)).order_by("pk")
    return [_person(person) for person in people]


def study_of(project: Project) -> StudyAnswer | None:
    """For the sheet of a study's item: what its arm has, and nothing that names the arm."""
    item = Item.objects.filter(sheet=project).select_related("arm", "field").first()
    if item is None:
        return None
    return StudyAnswer(tools=item.tools, accepts_many=item.arm.accepts_many, mark=mark_of(item))


def _person(user: User) -> PersonAnswer:
    return PersonAnswer(id=user.pk, name=user.display_name)


def _layer(
    layer: Layer, *, writable: bool = False, base: bool = False, publication: PublicationAnswer | None = None
) -> LayerAnswer:
    return LayerAnswer(
        id=layer.pk,
        kind=layer.kind,
        annotator=_person(layer.annotator) if layer.annotator else None,
        seq=layer.head.seq,
        writable=writable,
        base=base,
        publication=publication,
    )


def _publication(publication: Publication) -> PublicationAnswer:
    (outcome,) = on_images([publication])
    return PublicationAnswer(
        id=publication.pk,
        round=publication.round_id,
        round_number=publication.round_number,
        job=publication.job_id,
        published_at=publication.published_at,
        models=publication.model_names,
        proposals=outcome.proposals,
        why=outcome.why,
        certificate=_certificate(publication.proof),
    )


def _certificate(proof: Certificate | None) -> CertificateAnswer:
    """What the page says of the fusion; of what was published without one, nothing."""
    shown = {name: getattr(proof, name, None) for name in CertificateAnswer.model_fields}
    return CertificateAnswer.model_validate(shown | {"milliseconds": proof.total_milliseconds if proof else 0.0})
