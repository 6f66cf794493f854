"""Jobs over HTTP: what is at work, how far it is, its result, cancel."""

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from labeling.audit.downloads import download
from labeling.contract import contract
from labeling.errors import WrongState
from labeling.jobs import items, services
from labeling.jobs.access import reach_job
from labeling.jobs.contract import JobAnswer, JobInFull, JobListing, RetryBody, job_answer, job_in_full
from labeling.jobs.models import Job
from labeling.paging import Page, page
from labeling.projects.access import person, reach_project


class JobList(APIView):
    """The jobs of a project, the newest first: one's own, or all for those who oversee it."""

    @contract(query=JobListing, answer=Page[JobAnswer])
    def get(self, request: Request, project: int, *, query: JobListing) -> Page[JobAnswer]:
        found = reach_project(request, "export", project)
        jobs = Job.objects.visible_to(person(request)).filter(project=found).select_related("owner")
        if query.kind is not None:
            jobs = jobs.filter(kind=query.kind)
        if query.state is not None:
            jobs = jobs.filter(state=query.state)
        return page(jobs, request, query, ordering=query.ordering, answer=job_answer)


class JobDetail(APIView):
    @contract(answer=JobInFull)
    def get(self, request: Request, job: int) -> JobInFull:
        return job_in_full(reach_job(person(request), job, Job.SEEN_BY))


class JobCancel(APIView):
    @contract(answer=JobInFull, scope="annotate")
    def post(self, request: Request, job: int) -> JobInFull:
        return job_in_full(services.cancel(reach_job(person(request), job, Job.CHANGED_BY).pk))


class JobRetry(APIView):
    """Read declined and cancelled files again: all of them, or those that are named."""

    @contract(body=RetryBody, answer=JobInFull, status=202)
    def post(self, request: Request, job: int, *, body: RetryBody) -> JobInFull:
        found = reach_job(person(request), job, Job.CHANGED_BY)
        return job_in_full(items.retry(found.pk, items=body.items))


class JobDiscard(APIView):
    """Remove the files that were not read, before their time."""

    @contract(answer=JobInFull)
    def post(self, request: Request, job: int) -> JobInFull:
        return job_in_full(items.discard(reach_job(person(request), job, Job.CHANGED_BY).pk))


class JobResult(APIView):
    """The file that a job has made."""

    @contract(files=("application/octet-stream",))
    def get(self, request: Request, job: int) -> HttpResponseBase:
        found = reach_job(person(request), job, Job.SEEN_BY)
        if found.state == Job.State.EXPIRED:
            raise WrongState("the result of this job has expired and was removed; start the job again")
        if not found.result:
            raise WrongState(f"this job is {found.state} and has no result")
        return download(
            found.result.open("rb"),
            name=found.result_name,
            content_type=found.result_type,
            project=found.project,
            job=found.pk,
        )
