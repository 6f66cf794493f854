"""Drawing the sample of a lot: cells of each stratum without replacement, and planted errors among them."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from inference.certificates.planning import allot
from inference.certificates.planted import Kind, Meaning
from labeling.annotations.models import Annotation
from labeling.annotations.state import AnnotationState, state_of
from labeling.reviews.certificates.freezing import Frozen, OpenProposals
from labeling.reviews.certificates.models import Lot, LotCell
from labeling.reviews.certificates.planting import Planter, kinds_in_turn

MOST_SOURCES = 20_000  # proposals of an image that planted errors are made from


@dataclass(frozen=True)
class Drawn:
    """A proposal of the sample: the index of its image in the lot, its place there, its stratum."""

    image: int
    place: int
    stratum: int


def samples_of_strata(frozen: Frozen, samples: Sequence[int]) -> list[int]:
    """How many cells of each stratum are judged. samples: of each group."""
    cells = frozen.cells_by_stratum()
    found = [0] * len(frozen.strata)
    for group, sample in enumerate(samples):
        members = [index for index, (owner, _name) in enumerate(frozen.strata) if owner == group]
        counts = allot([int(cells[index]) for index in members], sample)
        for index, count in zip(members, counts, strict=True):
            found[index] = count
    return found


def draw_sample(frozen: Frozen, samples: Sequence[int], generator: np.random.Generator) -> list[Drawn]:
    """samples: of each stratum. Every cell of a stratum has the same chance."""
    images = np.concatenate([np.full(len(code), index) for index, code in enumerate(frozen.codes)])
    places = np.concatenate([np.arange(len(code)) for code in frozen.codes])
    codes = np.concatenate(frozen.codes)
    drawn = []
    for stratum, sample in enumerate(samples):
        members = np.flatnonzero(codes == stratum)
        for member in generator.choice(members, sample, replace=False):
            drawn.append(Drawn(int(images[member]), int(places[member]), stratum))
    return drawn


def sample_rows(lot: Lot, frozen: Frozen, drawn: Sequence[Drawn]) -> Iterator[LotCell]:
    """The proposals of the sample as rows without a position."""
    by_image: dict[int, list[Drawn]] = {}
    for one in drawn:
        by_image.setdefault(one.image, []).append(one)
    for index, members in sorted(by_image.items()):
        proposals = frozen.proposals[index]
        uids = [uuid.UUID(bytes=proposals.uids[one.place].tobytes()) for one in members]
        states = states_by_uid(proposals.layer, uids)
        for one, uid in zip(members, uids, strict=True):
            yield LotCell(
                lot=lot,
                image=proposals.image,
                proposal=uid,
                stratum=one.stratum,
                shown=shown_json(states[uid]),
            )


def states_by_uid(layer: uuid.UUID, uids: Sequence[uuid.UUID]) -> dict[uuid.UUID, AnnotationState]:
    rows = Annotation.objects.filter(layer=layer, uid__in=uids)
    found = {}
    for row in rows:
        state = state_of(row)
        if state is not None:
            found[row.uid] = state
    return found


def shown_json(state: AnnotationState) -> dict[str, object]:
    """What is shown of a cell: nothing that tells where it comes from."""
    stated = state.as_json()
    return {"box": stated["box"], "mask": stated["mask"], "label_class": stated["label_class"]}


def planted_rows(lot: Lot, frozen: Frozen, count: int, generator: np.random.Generator) -> list[LotCell]:
    """Up to `count` planted errors, spread over the images by their numbers of cells."""
    sizes = [len(one.uids) for one in frozen.proposals]
    wanted = allot(sizes, min(count, sum(sizes)))
    labels = {group.label_class for group in frozen.groups if group.label_class}
    found: list[LotCell] = []
    for proposals, number in zip(frozen.proposals, wanted, strict=True):
        if not number:
            continue
        planter = _planter(proposals, sorted(labels), generator)
        kinds = kinds_in_turn(Meaning(lot.meaning), len(labels) > 1)
        found.extend(islice(_planted(lot, planter, kinds, generator, number), number))
    return found


def _planter(proposals: OpenProposals, labels: Sequence[int], generator: np.random.Generator) -> Planter:
    cells = Annotation.objects.filter(layer=proposals.layer, kind=Annotation.Kind.CELL, deleted=False)
    rows = list(cells.order_by("pk")[:MOST_SOURCES])
    return Planter(proposals.image, rows, labels, generator)


def _planted(
    lot: Lot, planter: Planter, kinds: Iterator[Kind], generator: np.random.Generator, number: int
) -> Iterator[LotCell]:
    order = generator.permutation(len(planter.rows))
    tries = 0
    while tries < 10 * number + 20:
        kind = next(kinds)
        row = planter.rows[int(order[tries % len(order)])]
        tries += 1
        state = planter.make(kind, row)
        if state is not None:
            yield LotCell(lot=lot, image=planter.image, planted=kind.value, shown=shown_json(state))


def in_random_order(rows: list[LotCell], generator: np.random.Generator) -> list[LotCell]:
    """Number the rows from 1; planted errors stand anywhere among the proposals."""
    ordered = [rows[int(index)] for index in generator.permutation(len(rows))]
    for position, row in enumerate(ordered, start=1):
        row.position = position
    return ordered
