"""The map of neighbours (UMAP) of a project's cells: a job of one person makes it, of what this person sees.

It is kept as long as the results of jobs are (jobs/services.py). The map by principal components needs no job.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.utils.translation import gettext as _

from inference.encoders import DEFAULT
from inference.likeness.neighbour_map import FEWEST_MAPPED
from labeling.accounts.models import User
from labeling.errors import WrongState
from labeling.gallery.models import CellVectorFile
from labeling.gallery.vectors import MODELS_QUEUE, covered
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.models import Project


class NoMap(WrongState):
    """There is no map of neighbours of what this person sees."""

    code = "no_map"


@dataclass(frozen=True)
class CellMap:
    """file: its storage name; cells: that have a place on it, of so many; made_at: when."""

    file: str
    cells: int
    of: int
    made_at: datetime


def map_job(project: Project, user: User) -> Job | None:
    """The last job of this person that makes, or has made, a map."""
    return Job.objects.filter(project=project, owner=user, kind=Job.Kind.CELL_MAP).order_by("-pk").first()


def map_of(project: Project, user: User) -> CellMap | None:
    """The newest map that is kept."""
    made = Job.objects.filter(project=project, owner=user, kind=Job.Kind.CELL_MAP, state=Job.State.DONE)
    job = made.exclude(result="").order_by("-pk").first()
    if job is None or job.finished_at is None:
        return None
    return CellMap(str(job.result.name), int(job.facts["cells"]), int(job.facts["of"]), job.finished_at)


def map_to_show(project: Project, user: User) -> CellMap:
    """Raises NoMap."""
    found = map_of(project, user)
    if found is None:
        raise NoMap(_("No UMAP of these cells is kept. Make one, or choose the principal components."))
    return found


def ask_map(*, project: Project, by: User) -> Job:
    """Make a map of neighbours; while one is being made it is that job.

    Raises NoMap where too few cells have been compared, TooManyJobs, Archived.
    """
    with transaction.atomic():
        project = Project.objects.for_change(project.pk)
        files = covered(project, by).files
        cells = CellVectorFile.objects.filter(file__in=files).aggregate(n=Sum("cells"))["n"] or 0
        if cells < FEWEST_MAPPED:
            words = _(
                "A UMAP needs at least {least} cells that have been compared; here are {n}. Compare the cells first."
            )
            raise NoMap(words.format(least=FEWEST_MAPPED, n=cells))
        return create_job(
            kind=Job.Kind.CELL_MAP, project=project, owner=by, request={"encoder": DEFAULT.name}, queue=MODELS_QUEUE
        )
