"""Every write to a lot: planned, judged, withdrawn, accepted, reversed."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from inference.certificates.planning import Claim, GroupPlan, left_out, plan_group, shares_of
from inference.certificates.planted import catch_rate_limit
from inference.certificates.whole_fields import LEAST_FIELDS
from labeling.accounts.models import User
from labeling.errors import Invalid, WrongState
from labeling.images.models import Image
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.models import LabelClass, Project
from labeling.reviews.certificates.freezing import Frozen, changes_since, digest, freeze_lot
from labeling.reviews.certificates.missed import MOST_FIELDS, draw_fields
from labeling.reviews.certificates.models import Lot, LotCell, LotField, LotImage, LotState
from labeling.reviews.certificates.results import counted_of, results_of, statement_of
from labeling.reviews.certificates.sampling import (
    draw_sample,
    in_random_order,
    planted_rows,
    sample_rows,
    samples_of_strata,
)

LEAST_PLANTED = 10
MOST_PLANTED = 200


class TooFewCells(WrongState):
    """No class has as many cells as its sample needs."""

    code = "too_few_cells"


class LotChanged(WrongState):
    """The lot is no longer what was frozen: its certificate says nothing about the cells that are there now."""

    code = "lot_changed"


class JudgedAlready(WrongState):
    """Somebody else has judged this cell, or it is no longer the last one that this person judged."""

    code = "judged_already"


class NothingShown(WrongState):
    """The verdicts do not show the claim for any class yet."""

    code = "nothing_shown"


@dataclass(frozen=True)
class Wanted:
    """images, classes: keys; empty for all. planted: known errors that are mixed into the sample. fields: random ones
    in which every cell is pointed at, for the claim about missed cells; 0 for no such claim."""

    meaning: str
    tolerated: float = 0.05
    alpha: float = 0.05
    images: Sequence[int] = ()
    classes: Sequence[int] = ()
    by_centre: bool = False
    planted: int = 40
    fields: int = 0


@transaction.atomic
def plan_lot(*, project: Project, by: User, wanted: Wanted) -> Lot:
    """Freeze the open proposals, plan the sample and draw it.

    Raises Archived, ReadApart, EmptyLot, TooFewCells, TooFewFields, Invalid for a number outside its bounds, and
    WrongState while another lot with one of these images is open.
    """
    project = Project.objects.for_change(project.pk)
    _check(wanted)
    frozen = freeze_lot(project, wanted.images, wanted.classes, wanted.by_centre)
    attempt = _attempt(project, [one.image for one in frozen.proposals])
    plans = _plans(frozen, wanted, attempt)
    samples = samples_of_strata(frozen, [plan.sample for plan in plans])
    number = project.lots.aggregate(last=Max("number"))["last"] or 0
    lot = Lot(
        project=project,
        number=number + 1,
        meaning=wanted.meaning,
        tolerated=wanted.tolerated,
        alpha=wanted.alpha,
        attempt=attempt,
        seed=secrets.randbits(62),
        groups=_group_json(frozen, plans),
        strata=_stratum_json(frozen, samples),
        planted=0,
        made_by=by,
        made_at=timezone.now(),
    )
    images = [_lot_image(lot, frozen, index) for index in range(len(frozen.proposals))]
    lot.sha256 = digest(images, lot.meaning)
    _store(lot, images, frozen, samples, wanted)
    return lot


def _check(wanted: Wanted) -> None:
    if not 0 < wanted.tolerated < 0.5:
        raise Invalid(_("the tolerated share of wrong cells is between 0 and 50 %"), field="tolerated")
    if not 0 < wanted.alpha < 0.5:
        raise Invalid(_("the confidence is between 50 and 100 %"), field="alpha")
    if not LEAST_PLANTED <= wanted.planted <= MOST_PLANTED:
        words = _("{least} to {most} known errors are mixed into a sample")
        raise Invalid(words.format(least=LEAST_PLANTED, most=MOST_PLANTED), field="planted")
    if wanted.fields and not LEAST_FIELDS <= wanted.fields <= MOST_FIELDS:
        words = _("{least} to {most} fields are drawn for missed cells, or none")
        raise Invalid(words.format(least=LEAST_FIELDS, most=MOST_FIELDS), field="fields")


def _attempt(project: Project, images: Sequence[Image]) -> int:
    """One more than the lots with one of these images on which somebody has judged a cell or annotated a field."""
    related = Lot.objects.filter(project=project, images__image__in=images).distinct()
    if related.filter(state=LotState.OPEN).exists():
        raise WrongState(_("a lot with these images is being judged; finish it or withdraw it first"))
    judged = LotCell.objects.filter(lot__in=related).exclude(verdict="").values_list("lot", flat=True)
    annotated = LotField.objects.filter(lot__in=related, points__isnull=False).values_list("lot", flat=True)
    return len(set(judged) | set(annotated)) + 1


def _plans(frozen: Frozen, wanted: Wanted, attempt: int) -> list[GroupPlan]:
    """A plan for each group. A group that cannot be certified leaves its part of alpha to the others.

    Once left out it stays so: with the alpha that it left it could have a sample again, and nothing would be settled.
    Raises TooFewCells.
    """
    claim = Claim(wanted.tolerated, wanted.alpha)
    strata = _strata_by_group(frozen)
    cells = [sum(counts) for counts in strata]
    plans = [left_out(count) for count in cells]
    members = list(range(len(cells)))
    while members:
        shares = shares_of(wanted.alpha, attempt, len(members) + (1 if wanted.fields else 0))
        catch_limit = catch_rate_limit(wanted.planted, wanted.planted, shares.catching)
        for group in members:
            plans[group] = plan_group(cells[group], claim, shares.errors, catch_limit, strata[group])
        remaining = [group for group in members if plans[group].sample]
        if remaining == members:
            return plans
        members = remaining
    words = _(
        "no class has enough open proposals for a sample: the largest has {n}; judge them one by one, tolerate "
        "more errors, or choose more images"
    )
    raise TooFewCells(words.format(n=max(cells)))


def _strata_by_group(frozen: Frozen) -> list[list[int]]:
    """The cells of each stratum of each group."""
    found: list[list[int]] = [[] for _group in frozen.groups]
    for (group, _stratum), count in zip(frozen.strata, frozen.cells_by_stratum(), strict=True):
        found[group].append(int(count))
    return found


def _group_json(frozen: Frozen, plans: Sequence[GroupPlan]) -> list[dict[str, object]]:
    names = dict(LabelClass.objects.values_list("pk", "name"))
    found: list[dict[str, object]] = []
    for group, plan in zip(frozen.groups, plans, strict=True):
        found.append(
            {
                "label_class": group.label_class or None,
                "name": names.get(group.label_class, ""),
                "centre": group.centre,
                "cells": plan.cells,
                "sample": plan.sample,
                "chances": list(plan.chances),
            }
        )
    return found


def _stratum_json(frozen: Frozen, samples: Sequence[int]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for (group, name), cells, sample in zip(frozen.strata, frozen.cells_by_stratum(), samples, strict=True):
        found.append({"group": group, "name": name, "cells": int(cells), "sample": sample})
    return found


def _lot_image(lot: Lot, frozen: Frozen, index: int) -> LotImage:
    proposals = frozen.proposals[index]
    return LotImage(
        lot=lot,
        image=proposals.image,
        layer=proposals.layer,
        pixels=proposals.image.sha256,
        cells=len(proposals.uids),
        uids=proposals.uids.tobytes(),
        codes=frozen.codes[index].astype("<u2").tobytes(),
    )


def _store(lot: Lot, images: list[LotImage], frozen: Frozen, samples: Sequence[int], wanted: Wanted) -> None:
    generator = np.random.default_rng(lot.seed)
    drawn = draw_sample(frozen, samples, generator)
    errors = planted_rows(lot, frozen, wanted.planted, generator)
    if len(errors) < LEAST_PLANTED:
        raise TooFewCells(
            _("only {n} known errors can be made here, which is too few to measure the catch rate").format(
                n=len(errors)
            )
        )
    lot.planted = len(errors)
    rows = in_random_order([*sample_rows(lot, frozen, drawn), *errors], generator)
    fields = draw_fields(lot, frozen.proposals, wanted.fields, generator) if wanted.fields else []
    lot.save()
    LotImage.objects.bulk_create(images)
    LotCell.objects.bulk_create(rows, batch_size=1000)
    LotField.objects.bulk_create(fields)


@dataclass(frozen=True)
class Judged:
    """A verdict on one cell of the sample. milliseconds: from the picture on the screen to the verdict."""

    position: int
    verdict: str
    milliseconds: float | None = None


@transaction.atomic
def judge(*, lot_id: int, by: User, verdicts: Sequence[Judged]) -> Lot:
    """Verdicts of one person on cells of the sample. The same verdict sent twice is one.

    A verdict is final once it counts (results.py, `counted`); until then a person may change the last one that they
    have given. Evidence that may be looked at allows no second thoughts.

    Raises JudgedAlready, WrongState, Archived, Invalid.
    """
    lot = _open_lot(lot_id)
    rows = {row.position: row for row in lot.cells.filter(position__in=[one.position for one in verdicts])}
    mine = lot.cells.filter(judged_by=by).order_by("judged_at", "position")
    last = mine.last()
    for one in verdicts:
        row = rows.get(one.position)
        if row is None:
            raise Invalid(_("the sample has no cell {n}").format(n=one.position), field="position")
        if row.verdict == one.verdict and row.judged_by_id == by.pk:
            continue
        if row.verdict and not _may_change(lot, row, last):
            raise JudgedAlready(_("cell {n} of the sample is judged already").format(n=one.position))
        row.verdict, row.judged_by, row.judged_at = one.verdict, by, timezone.now()
        row.milliseconds = one.milliseconds
        row.save(update_fields=["verdict", "judged_by", "judged_at", "milliseconds"])
        last = row
    return lot


def _may_change(lot: Lot, row: LotCell, last: LotCell | None) -> bool:
    """last: the cell that this person judged last."""
    is_last = last is not None and last.pk == row.pk
    return is_last and row.position > counted_of(lot)


def _open_lot(lot_id: int) -> Lot:
    """The lot, its row locked. Raises WrongState for one that is not being judged."""
    lot = Lot.objects.select_for_update(of=("self",)).select_related("project").get(pk=lot_id)
    lot.project.decline_if_archived()
    if lot.state != LotState.OPEN:
        raise WrongState(_("this lot is not being judged any more"))
    return lot


@transaction.atomic
def withdraw_lot(*, lot_id: int, by: User) -> Lot:
    """Give a lot up. If a cell of it was judged, it counts among the attempts. Raises WrongState, Archived."""
    lot = _open_lot(lot_id)
    lot.state = LotState.WITHDRAWN
    lot.statement = statement_of(lot, results_of(lot))
    lot.save(update_fields=["state", "statement"])
    return lot


@transaction.atomic
def accept_rest(*, lot_id: int, by: User) -> Job:
    """Accept the rest of the classes whose claim is shown, by a job. What the certificate says is kept.

    Raises NothingShown, LotChanged, WrongState, Archived.
    """
    lot = _open_lot(lot_id)
    Project.objects.for_change(lot.project_id)
    results = results_of(lot)
    if not results.passed:
        raise NothingShown(_("the verdicts so far do not show the claim for any class"))
    changes = changes_since(list(lot.images.all()))
    if changes:
        words = _("the lot has changed since it was frozen ({why}); plan a new one")
        raise LotChanged(words.format(why=changes[0]))
    lot.state, lot.accepted_by, lot.accepted_at = LotState.ACCEPTED, by, timezone.now()
    lot.statement = statement_of(lot, results) | {"accepted_groups": results.passed}
    lot.save(update_fields=["state", "accepted_by", "accepted_at", "statement"])
    request = {"lot": lot.pk, "act": "accept"}
    return create_job(kind=Job.Kind.CERTIFICATE, project=lot.project, owner=by, request=request)


@transaction.atomic
def reverse_acceptance(*, lot_id: int, by: User) -> Job:
    """Take back what was accepted on a certificate, but for cells that somebody has changed since.

    Raises WrongState for a lot that nothing was accepted on, and while its acceptance is at work; Archived.
    """
    lot = Lot.objects.select_for_update(of=("self",)).select_related("project").get(pk=lot_id)
    Project.objects.for_change(lot.project_id)
    if lot.state != LotState.ACCEPTED:
        raise WrongState(_("nothing was accepted on this certificate"))
    jobs = Job.objects.filter(project=lot.project, kind=Job.Kind.CERTIFICATE, request__lot=lot.pk)
    if jobs.filter(state__in=Job.ACTIVE).exists():
        raise WrongState(_("the cells are being accepted; wait for that, or cancel it"))
    lot.state = LotState.REVERSED
    lot.save(update_fields=["state"])
    request = {"lot": lot.pk, "act": "reverse"}
    return create_job(kind=Job.Kind.CERTIFICATE, project=lot.project, owner=by, request=request)
