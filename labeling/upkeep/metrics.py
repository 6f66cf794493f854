"""GET /metrics for Prometheus: what a dashboard and an alarm need, counted when it is asked for."""

from collections.abc import Iterator
from datetime import timedelta

from django.contrib.sessions.models import Session
from django.core.files.storage import FileSystemStorage, default_storage
from django.db.models import Count, Field, Model
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from labeling.accounts.api import server_version
from labeling.accounts.models import SignInAttempt
from labeling.jobs.models import Job
from labeling.rounds.models import Round, Stage
from labeling.server import health

LATELY = timedelta(minutes=15)


class Site(Collector):
    """Every value of this site."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        version = GaugeMetricFamily("boxwise_info", "1, with the version that answers", labels=["version"])
        version.add_metric([server_version()], 1)
        yield version
        parts = GaugeMetricFamily("boxwise_part_up", "1 where a part of the site answers", labels=["part"])
        for part, state in health.states().items():
            parts.add_metric([part], float(state == "up"))
        yield parts
        yield _by_state("boxwise_jobs", "jobs that people asked for, by state", Job)
        yield _by_state("boxwise_rounds", "rounds, by state", Round)
        yield _by_state("boxwise_stages", "stages of rounds, by state", Stage)
        failures = SignInAttempt.objects.filter(succeeded=False, at__gt=timezone.now() - LATELY)
        yield _one("boxwise_sign_in_failures", "failed sign-ins of the last 15 minutes", failures.count())
        sessions = Session.objects.filter(expire_date__gt=timezone.now())
        yield _one("boxwise_sessions", "sessions that have not expired", sessions.count())
        if isinstance(default_storage, FileSystemStorage):
            free = health.free_bytes(str(default_storage.location))
            yield _one("boxwise_storage_free_bytes", "free bytes of the disk with the files", free)


def _one(name: str, words: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, words, value=value)


def _by_state(name: str, words: str, model: type[Model]) -> GaugeMetricFamily:
    """The number of rows of a model in each of its states, those with none included."""
    column = model._meta.get_field("state")
    assert isinstance(column, Field)
    states = [str(state) for state, _words in column.flatchoices]
    rows = model._default_manager.order_by().values_list("state").annotate(count=Count("pk"))
    counts = dict.fromkeys(states, 0) | dict(rows)
    family = GaugeMetricFamily(name, words, labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    return family


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For whoever sends HEALTH_TOKEN, as X-Health-Token or bearer token; to everybody else there is no such page."""
    if not health.may_see_details(request):
        raise Http404
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Site())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
