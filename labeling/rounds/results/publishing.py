"""What a finished round puts before people: an immutable layer of proposals for each image."""

from collections.abc import Iterable

from django.db import transaction

from inference.documents.publication import Certificate, PublicationFacts
from inference.documents.stage_reports import ModelNames
from labeling.annotations.models import Layer
from labeling.annotations.services import Loaded, load_layer
from labeling.images.models import Image
from labeling.rounds.models import Publication, Round


@transaction.atomic
def publish(
    *,
    round_: Round,
    image: Image,
    proposals: Iterable[Loaded],
    certificate: Certificate | None,
    model_names: ModelNames,
    facts: PublicationFacts,
) -> Publication:
    """Proposals of a round for one image, all or none; what is published already stays as it is.

    certificate  None of a method without a fusion
    """
    Round.objects.select_for_update().get(pk=round_.pk)
    there = Publication.objects.filter(round=round_, image=image).first()
    if there is not None:
        return there
    layer = load_layer(image=image, kind=Layer.Kind.PREDICTION, loaded=proposals)
    return Publication.objects.create(
        round=round_,
        image=image,
        layer=layer,
        certificate=certificate.as_json() if certificate is not None else {},
        model_names=model_names.as_json(),
        facts=facts.as_json(),
    )
