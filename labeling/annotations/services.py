"""The one way annotations are written: operations through the log of a working layer, bulk loads into immutable
ones."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import transaction

from inference.documents.publication import Provenance
from labeling.accounts.models import User
from labeling.annotations import feed
from labeling.annotations.batch import Batch, Sent, Verdict
from labeling.annotations.blinding import has_blinded_readings, reads
from labeling.annotations.bulk import copy_states
from labeling.annotations.contract import read_operation
from labeling.annotations.freezing import takes_new_layers
from labeling.annotations.models import Layer, LayerHead
from labeling.annotations.state import AnnotationState
from labeling.annotations.study_sheets import lock_sheet
from labeling.errors import LabelingError
from labeling.images.models import Image
from labeling.prepared import Prepared
from labeling.projects.classes import lock_current_classes
from labeling.projects.models import MAY, Project

# The lock on the narrow head row serialises the writers of one layer: seq is gapless and in commit order.
HEAD = Prepared(lambda layer: LayerHead.objects.select_for_update().filter(layer=layer))


class ImmutableLayer(LabelingError):
    """Predictions, imports and consensus are never edited: accept a proposal into a working layer instead."""

    code = "immutable_layer"


def own_layer(*, image: Image, user: User) -> Layer | None:
    """The layer that `user` writes on this image, where it is there already; None for someone who may not annotate."""
    if image.project.role_of(user) not in MAY["annotate"]:
        return None
    mine = Layer.objects.filter(image=image, kind=Layer.Kind.WORKING, annotator=_annotator(image, user))
    return mine.filter(head__isnull=False).first()


def working_layer(*, image: Image, user: User) -> Layer | None:
    """The layer that `user` writes on this image, made at the first call; None for someone who may not annotate, for
    who does not read an image of which the readings are blinded, and where an archived project or an image that is done
    has none yet."""
    there = own_layer(image=image, user=user)
    if there is not None or image.project.archived_at is not None:
        return there
    if image.project.role_of(user) not in MAY["annotate"]:
        return None
    if has_blinded_readings(image) and not reads(image, user):
        return None
    annotator = _annotator(image, user)
    with transaction.atomic():  # nobody meets the layer before it has its head
        if not takes_new_layers(image):
            return None
        layer, _ = Layer.objects.get_or_create(image=image, kind=Layer.Kind.WORKING, annotator=annotator)
        LayerHead.objects.get_or_create(layer=layer)
    return layer


def _annotator(image: Image, user: User) -> User | None:
    return user if has_own_layers(image) else None


def has_own_layers(image: Image) -> bool:
    """Whether everybody who annotates this image has a layer of their own: they read apart in the whole project, or the
    readings of this image are blinded."""
    return image.project.layering == Project.Layering.PER_ANNOTATOR or has_blinded_readings(image)


def is_writer(*, layer: Layer, user: User) -> bool:
    """Whether this working layer is the one that `user` writes, given that the role allows it."""
    return layer.annotator_id == (user.pk if has_own_layers(layer.image) else None)


@transaction.atomic
def write_operations(
    *,
    layer: Layer,
    author: User,
    operations: Sequence[Any],
    mark: Provenance | None = None,
    changes_frozen: bool = False,
) -> tuple[int, list[Verdict]]:
    """Append operations to the log of a working layer and bring its annotations up to date.

    One transaction; the verdict of each operation is decided before anything is written, so a bad one never loses the
    others. An operation whose op_id is known is "repeated" (exactly-once saves); one whose effect has not seen the
    annotation's last operation is "stale" and answered with the current state. An operation may rest on an earlier one
    of the same batch: chains made offline are replayed. Whether `author` may write here was decided before. On a frozen
    layer what is new is "kept" (annotations/late.py).

    operations      as contract.OperationsBody reads them, or as JSON has them
    mark            what the provenance of each cell accepted here says besides: the server's own knowledge
    changes_frozen  whether a frozen layer is written too: for what is no reading, as the merge of two classes

    -> the layer's new seq and the verdicts, in the order of the operations. Raises ImmutableLayer, NoSitting for the
    sheet of a study's item that is paused or finished.
    """
    if layer.kind != Layer.Kind.WORKING:
        raise ImmutableLayer(f"this is a {layer.kind} layer, which nobody edits")
    read = [one if isinstance(one, Sent) else read_operation(one) for one in operations]
    sheet = lock_sheet(layer.image.project)
    (head,) = HEAD.all(layer.pk)
    before = head.seq
    seq, verdicts = Batch(layer, head, author, sheet, mark, changes_frozen=changes_frozen).run(read)
    if seq > before:
        feed.announce(layer.pk, seq)
    return seq, verdicts


@dataclass(frozen=True)
class Loaded:
    """One annotation for an immutable layer: its uid, state and how doubtful it is (0..1, None for unknown)."""

    uid: uuid.UUID
    state: AnnotationState
    score: float | None = None


@transaction.atomic
def load_layer(*, image: Image, kind: str, loaded: Iterable[Loaded]) -> Layer:
    """A new immutable layer with these annotations, in bulk. Not through the log: nobody edits it."""
    if kind == Layer.Kind.WORKING:
        raise ValueError("a working layer is written through the log")
    layer = Layer.objects.create(image=image, kind=kind)
    LayerHead.objects.create(layer=layer)

    classes = lock_current_classes(image.project_id)
    copy_states(layer.pk, _rows(loaded, classes))
    return layer


def _rows(
    loaded: Iterable[Loaded], classes: dict[int, int]
) -> Iterator[tuple[uuid.UUID, AnnotationState, float | None]]:
    """Each annotation with the class that its class is now."""
    for one in loaded:
        state = one.state
        now = classes.get(state.label_class) if state.label_class is not None else None
        if now is not None and now != state.label_class:
            state = replace(state, label_class=now)
        yield one.uid, state, one.score
