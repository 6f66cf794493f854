"""Accepting the rest of a lot through the log, and taking it back: bulk operations, marked, exactly once."""

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from inference.documents.publication import Provenance
from labeling.accounts.models import User
from labeling.annotations.batch import Verdict
from labeling.annotations.deciding import acceptance, reversal
from labeling.annotations.models import Annotation, Layer, Operation
from labeling.annotations.services import working_layer, write_operations
from labeling.images.models import Image
from labeling.jobs.handlers import Result, Tell, handles
from labeling.jobs.models import Job
from labeling.reviews.certificates.freezing import decided_on, is_done
from labeling.reviews.certificates.models import Lot, LotCell, LotImage, layer_of

TOOL = "certificate"
PART = 1000  # cells of one operation; an image with more has several
NAMES = uuid.UUID("4d9c63e6-5f0e-4f56-8f0b-0c1d6a3a2e71")  # op_ids are made from what they stand for


@handles(Job.Kind.CERTIFICATE)
def do_certificate(job: Job, folder: Path, tell: Tell) -> Result:
    """Image by image. Done twice, or gone on with by another worker, it writes nothing twice."""
    lot = Lot.objects.select_related("project").get(pk=job.request["lot"])
    images = list(lot.images.order_by("image_id"))
    done = {"accepted": 0, "left_out": 0} if job.request["act"] == "accept" else {"reversed": 0, "left_out": 0}
    for number, one in enumerate(images):
        tell(number, len(images))
        lot.project.refresh_from_db()
        lot.project.decline_if_archived()
        image = Image.everything.filter(pk=one.image_id).select_related("project").first()
        if image is None:  # removed for good, and its cells with it
            continue
        if job.request["act"] == "accept":
            written, left_out = _accept(lot, one, image, job.owner)
            done["accepted"] += written
        else:
            written, left_out = _reverse(lot, image, job.owner)
            done["reversed"] += written
        done["left_out"] += left_out
    return Result(facts=done)


def op_id_of(lot: Lot, image: int, part: int, act: str) -> uuid.UUID:
    return uuid.uuid5(NAMES, f"{lot.pk}/{lot.sha256}/{act}/{image}/{part}")


def operations_of(lot: Lot, layer: Layer, image: int) -> list[Operation]:
    """The operations by which cells of an image were accepted on this certificate."""
    parts = lot.images.get(image=image).cells // PART + 1
    names = [op_id_of(lot, image, part, "accept") for part in range(parts)]
    return list(Operation.objects.filter(layer=layer, op_id__in=names).order_by("seq"))


def rest_of(lot: Lot, one: LotImage) -> list[uuid.UUID]:
    """The proposals of an image that are accepted: of the certified classes all but those judged wrong."""
    codes = np.frombuffer(bytes(one.codes), "<u2")
    uids = np.frombuffer(bytes(one.uids), np.uint8).reshape(-1, 16)
    certified = set(lot.statement["accepted_groups"])
    strata = [number for number, stratum in enumerate(lot.strata) if stratum["group"] in certified]
    chosen = uids[np.isin(codes, strata)]
    not_right = lot.cells.filter(image=one.image_id, proposal__isnull=False).exclude(
        verdict__in=["", LotCell.Verdict.RIGHT]
    )
    wrong = set(not_right.values_list("proposal", flat=True))
    found = [uuid.UUID(bytes=row.tobytes()) for row in chosen]
    return [uid for uid in found if uid not in wrong]


def is_closed(image: Image) -> bool:
    return image.deleted_at is not None or is_done(image)


def _accept(lot: Lot, one: LotImage, image: Image, by: User) -> tuple[int, int]:
    """-> cells accepted, and left out: decided by somebody meanwhile, or of an image that is finished or deleted."""
    rest = rest_of(lot, one)
    layer = working_layer(image=image, user=by)
    if layer is None or is_closed(image):
        return 0, len(rest)
    accepted = 0
    for part, uids in enumerate(_parts(rest)):
        accepted += _accept_part(lot, layer, op_id_of(lot, image.pk, part, "accept"), uids, one.layer, by)
    return accepted, len(rest) - accepted


def _accept_part(
    lot: Lot, layer: Layer, op_id: uuid.UUID, uids: Sequence[uuid.UUID], source: uuid.UUID, by: User
) -> int:
    known = Operation.objects.filter(layer=layer, op_id=op_id).first()
    if known is not None:  # by a worker that died after it
        return known.effects.count()
    for _try in range(3):  # somebody decides a cell between the look and the write
        decided = decided_on(layer.image)
        open_ = [uid for uid in uids if uid not in decided]
        if not open_:
            return 0
        rows = list(Annotation.objects.filter(layer=source, uid__in=open_).order_by("pk"))
        sent = acceptance(layer=layer, proposals=rows, op_id=op_id, tool=TOOL)
        verdict = _write(layer, by, sent, {"certificate": lot.pk})
        if verdict.verdict in ("accepted", "repeated"):
            return len(rows)
        if verdict.verdict != "stale":
            return 0
    return 0


def _reverse(lot: Lot, image: Image, by: User) -> tuple[int, int]:
    """-> cells open again, and left as they are: changed by somebody since, or of an image that is finished or
    deleted."""
    layer = layer_of(image)
    if layer is None:
        return 0, 0
    reopened = total = 0
    for number, accepted in enumerate(operations_of(lot, layer, image.pk)):
        total += accepted.effects.count()
        reopened += _reverse_part(layer, accepted, op_id_of(lot, image.pk, number, "reverse"), by)
    return reopened, total - reopened


def _reverse_part(layer: Layer, accepted: Operation, op_id: uuid.UUID, by: User) -> int:
    known = Operation.objects.filter(layer=layer, op_id=op_id).first()
    if known is not None:  # by a worker that died after it
        return known.effects.count()
    if is_closed(layer.image):  # sent all the same, it would wait as late work of a finished image
        return 0
    sent, changed = reversal(accepted, op_id, tool=TOOL)
    if sent is None:
        return 0
    verdict = _write(layer, by, sent, {})
    return accepted.effects.count() - changed if verdict.verdict in ("accepted", "repeated") else 0


def _write(layer: Layer, by: User, sent: dict[str, object], mark: Provenance) -> Verdict:
    _seq, (verdict,) = write_operations(layer=layer, author=by, operations=[sent], mark=mark)
    return verdict


def _parts(uids: Sequence[uuid.UUID]) -> Iterator[Sequence[uuid.UUID]]:
    for start in range(0, len(uids), PART):
        yield uids[start : start + PART]
