"""Computing the agreement of a project: a job, whose facts are the report. Equal readings are computed once."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from inference.agreement.readings import Matching
from inference.agreement.report import agreement
from labeling.accounts.models import User
from labeling.errors import Invalid, WrongState
from labeling.jobs.handlers import Result, Tell, handles
from labeling.jobs.models import Job
from labeling.jobs.services import create_job
from labeling.projects.models import Project
from labeling.reviews.agreement.contract import AgreementAnswer, AgreementReport
from labeling.reviews.agreement.readings import ReadItem, Sight, closed_items, fingerprint, in_sight, read_images


class TooFewReadings(WrongState):
    """No image has two closed readings of this kind."""

    code = "too_few_readings"


@dataclass(frozen=True)
class Question:
    """What is asked of the agreement: which readings, when two cells are one, and how classes are compared.

    level  "given": a class differs from its parent; "top": each class counts as the one at the top above it
    """

    sight: str
    matching: Matching
    level: str = "given"

    def as_json(self) -> dict[str, object]:
        return {"sight": self.sight, "level": self.level, **asdict(self.matching)}

    def jobs(self, project: Project) -> QuerySet[Job]:
        """The jobs that were asked this. Those of before there were levels compare classes as they were given."""
        jobs = Job.objects.filter(project=project, kind=Job.Kind.AGREEMENT)
        asked = jobs.filter(request__contains={"sight": self.sight, **asdict(self.matching)})
        of_top = asked.filter(request__level="top")
        return of_top if self.level == "top" else asked.exclude(pk__in=of_top.values("pk"))


def compute(*, project: Project, by: User, question: Question) -> Job:
    """Ask for the report. Where equal readings were computed before, it is the job that did it.

    Raises TooFewReadings, TooManyJobs, Invalid for a distance where an image has no scale.
    """
    items = in_sight(closed_items(project), question.sight)
    if not items:
        raise TooFewReadings(_("no image has two readings of this kind that are closed"))
    if question.matching.by == "distance" and any(one.item.image.um_per_px is None for one in items):
        raise Invalid(
            _("an image among these has no scale, so distances in µm are not known; state its µm per pixel"), field="by"
        )
    inputs = fingerprint(project, items)
    done = _done(project, question, inputs)
    if done is not None:
        return done
    request = question.as_json() | {"inputs": inputs}
    return create_job(kind=Job.Kind.AGREEMENT, project=project, owner=by, request=request)


@handles(Job.Kind.AGREEMENT)
def compute_agreement(job: Job, folder: Path, tell: Tell) -> Result:
    """The report over the readings as they are now; what they are now stands beside it."""
    request = dict(job.request)
    matching = Matching(request["by"], request["iou"], request["um"])
    items = in_sight(closed_items(job.project), request["sight"])
    inputs = fingerprint(job.project, items)
    report = agreement(list(read_images(job.project, items, request.get("level", "given"))), matching, tell)
    return Result(facts={"inputs": inputs, "report": asdict(report)})


def answer(*, project: Project, question: Question) -> AgreementAnswer:
    """What is known of the agreement: the newest report of this question, and whether readings have changed since."""
    every = closed_items(project)
    items = in_sight(every, question.sight)
    asked = question.jobs(project)
    last = asked.filter(state=Job.State.DONE).order_by("-pk").first()
    at_work = asked.filter(state__in=Job.ACTIVE).order_by("-pk").first()
    report = AgreementReport.model_validate(last.facts["report"]) if last else None
    counts = {sight: len(in_sight(every, sight)) for sight in Sight.values}
    return AgreementAnswer(
        images=counts,  # type: ignore[arg-type]
        report=report,
        is_stale=last is not None and last.facts["inputs"] != fingerprint(project, items),
        job=at_work.pk if at_work else None,
        people=_people(report),
        models=models_in_sight(items),
    )


def models_in_sight(items: Sequence[ReadItem]) -> list[str]:
    """Which models' proposals the readers had in sight, by round and name."""
    found = set()
    for one in items:
        for reading in one.readings:
            for shown in reading.proposals:
                names = ", ".join(str(name) for name in shown["models"].values())
                found.add(_("round {n}: {models}").format(n=shown["round"], models=names))
    return sorted(found)


def _done(project: Project, question: Question, inputs: str) -> Job | None:
    done = question.jobs(project).filter(state=Job.State.DONE, facts__inputs=inputs)
    return done.order_by("-pk").first()


def _people(report: AgreementReport | None) -> dict[str, str]:
    keys = [int(key) for key in report.readers] if report else []
    return {str(user.pk): user.display_name for user in User.objects.filter(pk__in=keys)}
