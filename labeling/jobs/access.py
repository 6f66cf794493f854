"""How a request reaches a job: one's own, or of a project that one oversees, for somebody whose role still reaches."""

from collections.abc import Mapping

from labeling.accounts.models import User
from labeling.jobs.models import Job
from labeling.projects.access import reach


def reach_job(user: User, job: int, acts: Mapping[str, str]) -> Job:
    """The job of this key. acts: Job.SEEN_BY or Job.CHANGED_BY.

    Raises Http404, PermissionDenied, Archived, as `reach` does.
    """
    visible = Job.objects.visible_to(user).select_related("project", "owner")
    kind = visible.filter(pk=job).values_list("kind", flat=True).first()
    act = acts[kind] if kind else ""  # of what nobody sees no act is asked
    return reach(visible, user, act, pk=job)
