"""Traces and error reports for servers of yours: both off unless a setting names where they go.

Nothing that leaves may name a patient, a person or a file. So what leaves is built anew from a list of what may: of an
error its type and the places in the code, never its words and never a value; of a span its name, times, status and the
attributes in SPAN_ATTRIBUTES. Addresses go as patterns, with the names of their parts.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from labeling.server.log_context import REQUEST, WORK

ENDPOINT, DSN = "OTEL_EXPORTER_OTLP_ENDPOINT", "SENTRY_DSN"
INSTALL = "install the extra “observe”: pip install 'boxwise[observe]'"
SPAN_ATTRIBUTES = frozenset(
    {
        "http.method", "http.request.method", "http.status_code", "http.response.status_code", "http.route",
        "celery.action", "celery.state", "celery.task_name", "messaging.destination", "messaging.message.id",
    }
)  # fmt: skip
EVENT_FIELDS = ("event_id", "timestamp", "level", "platform", "release")
FRAME_FIELDS = ("module", "function", "lineno", "in_app")
Event = dict[str, Any]  # untyped: as Sentry has it


def begin() -> None:
    """Start what a setting asks for. Ends the process with one sentence where its package is missing."""
    if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip():
        _begin_traces()
    if dsn := os.environ.get("SENTRY_DSN", "").strip():
        _begin_reports(dsn)


def _missing(name: str) -> SystemExit:
    return SystemExit(f"Boxwise does not start: {name} is set; {INSTALL}.")


def _version() -> str:
    try:
        return version("boxwise")
    except PackageNotFoundError:
        return "unknown"


# -- error reports


def _begin_reports(dsn: str) -> None:
    try:
        import sentry_sdk
    except ImportError:
        raise _missing(DSN) from None
    sentry_sdk.init(
        dsn=dsn,
        release=_version(),
        before_send=scrubbed,
        before_breadcrumb=lambda _crumb, _hint: None,
        send_default_pii=False,
        include_local_variables=False,
        include_source_context=False,
        max_request_body_size="never",
        traces_sample_rate=None,
        auto_session_tracking=False,
    )


def scrubbed(event: Event, _hint: object = None) -> Event:
    """What of an error leaves: a new event with its type and its places in the code."""
    kept = {name: event[name] for name in EVENT_FIELDS if name in event}
    kept["exception"] = {"values": [_exception(one) for one in _values(event.get("exception"))]}
    kept["tags"] = {"request": REQUEST.get(), "work": WORK.get(), "process": os.environ.get("BOXWISE_PROCESS", "web")}
    return kept


def _exception(given: Mapping[str, Any]) -> Event:
    """Without its words, which may name a file, and without the values of variables."""
    frames = (given.get("stacktrace") or {}).get("frames") or []
    places = [{name: frame[name] for name in FRAME_FIELDS if name in frame} for frame in frames]
    return {"type": given.get("type"), "module": given.get("module"), "stacktrace": {"frames": places}}


def _values(given: Any) -> Sequence[Mapping[str, Any]]:
    """Sentry has a list of exceptions in two forms."""
    found: Sequence[Mapping[str, Any]] = given.get("values", []) if isinstance(given, Mapping) else given or []
    return found


# -- traces


def _begin_traces() -> None:
    """From the request through the broker to the worker: the libraries carry the trace in the headers of messages."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise _missing(ENDPOINT) from None
    trace_with(BatchSpanProcessor(_exporting(OTLPSpanExporter())))


def trace_with(processor: Any) -> None:
    """Hand every span of requests and tasks to a processor."""
    from opentelemetry import trace
    from opentelemetry.instrumentation.celery import CeleryInstrumentor
    from opentelemetry.instrumentation.django import DjangoInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    process = os.environ.get("BOXWISE_PROCESS", "web")
    about = {"service.name": f"boxwise-{process}", "service.version": _version()}
    provider = TracerProvider(resource=Resource(about))
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    if "celery" not in os.path.basename(sys.argv[0]):
        DjangoInstrumentor().instrument()
    CeleryInstrumentor().instrument()


def _exporting(inner: Any) -> Any:
    """An exporter that sends what safe_span leaves of each span."""
    from opentelemetry.sdk.trace.export import SpanExporter

    class Safe(SpanExporter):
        def export(self, spans: Sequence[Any]) -> Any:
            return inner.export([safe_span(span) for span in spans])

        def shutdown(self) -> None:
            inner.shutdown()

    return Safe()


def safe_span(span: Any) -> Any:
    """A copy of a span with the attributes that may leave, without events and without words of an error."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Status

    attributes = {name: value for name, value in (span.attributes or {}).items() if name in SPAN_ATTRIBUTES}
    return ReadableSpan(
        name=_safe_name(span.name, attributes),
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _safe_name(name: str, attributes: Mapping[str, object]) -> str:
    """A task's name as it is; of a request its method and the pattern of its address, never the address."""
    if "celery.action" in attributes:
        return name
    method = attributes.get("http.method") or attributes.get("http.request.method") or "request"
    return f"{method} {attributes.get('http.route', '')}".strip()
